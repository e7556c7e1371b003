/* An expression of one's own: a small parser of Python's arithmetic, worked out
   with the Value of microgpt.js, and its graph drawn step by step. */
(() => {
  "use strict";

  const m = globalThis.microgpt ?? require("./microgpt.js");
  const { Value } = m;
  const METHODS = ["log", "exp", "relu"];
  const MANY = 40; // nodes that can still be drawn

  // %% Parsing

  class Wrong extends Error {}

  function tokens_of(text) {
    const pattern = /\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(\*\*|[-+*/().])|(\S))/gy;
    const found = [];
    for (const [, number, name, sign, other] of text.trimEnd().matchAll(pattern)) {
      if (other) throw new Wrong(`“${other}” has no meaning here`);
      found.push({ number, name, sign, text: number ?? name ?? sign });
    }
    return found;
  }

  // The tree of text, by Python's rules of what binds first:
  //   sum: product {+|- product}      product: signed {*|/ signed}
  //   signed: -|+ signed | power      power: called [** signed]
  //   called: atom {.name()}          atom: number | name | (sum)
  function parse(text) {
    const tokens = tokens_of(text);
    let at = 0;

    const is = (...signs) => signs.includes(tokens[at]?.sign);
    const take = (sign) => {
      if (!is(sign)) throw expected(`“${sign}”`);
      at += 1;
    };
    const expected = (what) => {
      const after = at ? ` after “${tokens[at - 1].text}”` : "";
      return new Wrong(tokens[at] ? `“${tokens[at].text}” stands${after}, where ${what} `
        + "is due" : `the expression ends${after}, where ${what} is due`);
    };
    const chain = (part, ...signs) => () => {
      let tree = part();
      while (is(...signs)) {
        const { sign } = tokens[at++];
        tree = { sign, left: tree, right: part() };
      }
      return tree;
    };
    const atom = () => {
      const { number, name } = tokens[at] ?? {};
      if (number !== undefined) {
        at += 1;
        return { number: Number(number) };
      }
      if (name !== undefined) {
        at += 1;
        return { name };
      }
      if (!is("(")) throw expected("a number, a letter or “(”");
      take("(");
      const tree = sum();
      if (!is(")")) throw expected("an operator or “)”");
      take(")");
      return tree;
    };
    const called = () => {
      let tree = atom();
      while (is(".")) {
        take(".");
        const name = tokens[at]?.name;
        if (!METHODS.includes(name)) throw expected("log(), exp() or relu()");
        at += 1;
        take("(");
        take(")");
        tree = { method: name, of: tree };
      }
      return tree;
    };
    const power = () => {
      const tree = called();
      if (!is("**")) return tree;
      take("**");
      return { sign: "**", left: tree, right: signed() };
    };
    const signed = () => {
      if (!is("-", "+")) return power();
      const { sign } = tokens[at++];
      return { sign, only: signed() };
    };
    const product = chain(signed, "*", "/");
    const sum = chain(product, "+", "-");

    const tree = sum();
    if (at < tokens.length) throw expected("an operator");
    return tree;
  }

  // The names in a tree, in the order in which they come up.
  function names_in(tree) {
    const found = new Set();
    const walk = (part) => {
      if (part === undefined) return;
      if (part.name) found.add(part.name);
      [part.left, part.right, part.only, part.of].forEach(walk);
    };
    walk(tree);
    return [...found];
  }

  // %% Working out

  const spelled = (x) => m.repr(x, true);

  // As Python does it between two plain numbers.
  const NUMBERS = {
    "+": (a, b) => a + b,
    "-": (a, b) => a - b,
    "*": (a, b) => a * b,
    "/": (a, b) => {
      if (b === 0) throw new Wrong(`${spelled(a)} / ${spelled(b)}: division by zero`);
      return a / b;
    },
    "**": (a, b) => {
      const power = a ** b;
      if (Number.isFinite(power) || !Number.isFinite(a) || !Number.isFinite(b)) return power;
      throw new Wrong(`${spelled(a)} ** ${spelled(b)} is no number`);
    },
  };

  const VALUES = { "+": "add", "-": "sub", "*": "mul", "/": "div" };

  // Value of a tree for {name: Value}, and what each of its nodes does. Raises
  // an error with one clear line.
  function work_out(tree, letters) {
    const labels = new Map(Object.entries(letters).map(([name, v]) => [v, name]));

    // Say of an error of the engine where it happened.
    const attempt = (where, compute) => {
      try {
        return compute();
      } catch (error) {
        if (error instanceof Wrong) throw error;
        throw new Wrong(`${where}: ${error.message}`);
      }
    };
    const shown = (x) => spelled(x instanceof Value ? x.data : x);
    const signed = (sign, x) => {
      if (!(x instanceof Value)) return sign === "-" ? -x : x;
      if (sign === "+") throw new Wrong("a Value has no + of its own: leave it out");
      return x.neg();
    };
    const both = (sign, a, b) => {
      const where = `${shown(a)} ${sign} ${shown(b)}`;
      if (!(a instanceof Value || b instanceof Value)) return NUMBERS[sign](a, b);
      if (sign === "**") {
        if (b instanceof Value) throw new Wrong("an exponent must be a number, without letters");
        const power = attempt(where, () => a.pow(b));
        labels.set(power, `** ${plain(b)}`);
        return power;
      }
      const method = VALUES[sign];
      return attempt(where, () => (a instanceof Value ? a[method](b) : b[`r${method}`](a)));
    };
    const call = (method, x) => {
      if (!(x instanceof Value)) throw new Wrong(`${shown(x)} is a number, and has no .${method}()`);
      const made = attempt(`(${shown(x)}).${method}()`, () => x[method]());
      labels.set(made, method);
      return made;
    };
    const walk = (part) => {
      if (part.number !== undefined) return part.number;
      if (part.name) return letters[part.name];
      if (part.method) return call(part.method, walk(part.of));
      if (part.only) return signed(part.sign, walk(part.only));
      const left = walk(part.left);
      return both(part.sign, left, walk(part.right));
    };
    const root = walk(tree);
    if (!(root instanceof Value)) throw new Wrong("there is no letter in it: it is a number, not a Value");
    return { root, labels };
  }

  // A node that no method of one's own made comes from -, / or a number.
  function label_of(v, labels) {
    if (labels.has(v)) return labels.get(v);
    const [a, b] = v._children;
    if (!a) return plain(v.data);
    if (!b) return "** −1";
    const adds = v._local_grads[0] === 1 && v._local_grads[1] === 1
      && v.data === a.data + b.data;
    return adds ? "+" : "×";
  }

  // The whole story of an expression: {nodes, edges, steps}, where a step is
  // either a node that is computed or an edge that a gradient takes.
  function story(text, numbers) {
    const tree = parse(text);
    const letters = Object.fromEntries(names_in(tree).map((name) =>
      [name, new Value(numbers[name])]));
    const { root, labels } = work_out(tree, letters);
    const order = m.topological_order(root);
    const leaves = new Set(order.flatMap((v) => v._children.filter((c) => !c._children.length)));
    if (!order.length) leaves.add(root);
    const all = [...leaves, ...order];
    if (all.length > MANY) throw new Wrong(`${all.length} nodes are more than ${MANY}: too many to draw`);
    const index = new Map(all.map((v, i) => [v, i]));
    const nodes = all.map((v) => ({ label: label_of(v, labels), data: v.data,
                                    is_leaf: !v._children.length }));
    const edges = all.flatMap((v, from) => v._children.map((child, i) =>
      ({ from, to: index.get(child), slope: v._local_grads[i] })));
    const steps = order.map((v) => ({ node: index.get(v) }));
    const grads = all.map(() => 0);
    grads[index.get(root)] = 1;
    steps.push({ start: index.get(root) });
    for (const v of [...order].reverse()) {
      const from = index.get(v);
      edges.forEach((edge, i) => {
        if (edge.from !== from) return;
        const before = grads[edge.to], product = edge.slope * grads[from];
        grads[edge.to] += product;
        steps.push({ edge: i, grad: grads[from], product, before, after: grads[edge.to] });
      });
    }
    root.backward();
    return { nodes, edges, steps, root: index.get(root), value: root.data,
             slopes: Object.fromEntries(Object.entries(letters).map(
               ([name, v]) => [name, v.grad])) };
  }

  function plain(x) {
    const short = Number.isFinite(x) ? String(Number(x.toPrecision(4))) : m.repr(x);
    return short.replace("e-", "e−").replace(/^-/, "−");
  }

  // %% Where the nodes go

  // Every node in a layer above all that it was computed from; a letter or a
  // number just below its first use. An edge that passes layers gets a place in
  // each of them. -> {layers: [[id, ...], ...], paths: [[id, ...], ...]}
  function arrange({ nodes, edges }) {
    const level = nodes.map(() => 0);
    edges.forEach(({ from, to }) => { // children stand before parents
      level[from] = Math.max(level[from], level[to] + 1);
    });
    nodes.forEach((node, i) => {
      const users = edges.filter((edge) => edge.to === i);
      if (node.is_leaf && users.length) {
        level[i] = Math.min(...users.map((edge) => level[edge.from])) - 1;
      }
    });
    const layers = Array.from({ length: Math.max(...level) + 1 }, () => []);
    nodes.forEach((_, i) => layers[level[i]].push(i));
    let next = nodes.length;
    const neighbors = new Map();
    const join = (a, b) => {
      for (const [x, y] of [[a, b], [b, a]]) {
        if (!neighbors.has(x)) neighbors.set(x, []);
        neighbors.get(x).push(y);
      }
    };
    const paths = edges.map(({ from, to }) => {
      const path = [from];
      for (let at = level[from] - 1; at > level[to]; at--) {
        layers[at].push(next);
        path.push(next++);
      }
      path.push(to);
      path.slice(1).forEach((id, i) => join(path[i], id));
      return path;
    });
    const place = new Map();
    const spread = (layer) => layer.forEach((id, i) => place.set(id, i - (layer.length - 1) / 2));
    layers.forEach(spread);
    for (let sweep = 0; sweep < 8; sweep++) {
      const down = sweep % 2 === 0;
      const all = layers.map((layer, i) => [layer, layers[down ? i + 1 : i - 1]]);
      for (const [layer, beside] of down ? all.reverse() : all) {
        if (!beside) continue;
        const mean = (id) => {
          const near = neighbors.get(id).filter((other) => beside.includes(other));
          return near.length ? near.reduce((sum, o) => sum + place.get(o), 0) / near.length
            : place.get(id);
        };
        const wanted = new Map(layer.map((id) => [id, mean(id)]));
        layer.sort((a, b) => wanted.get(a) - wanted.get(b));
        spread(layer);
      }
    }
    return { level, layers, paths, place };
  }

  const api = { parse, names_in, story, plain };
  globalThis.microgptExpression = api;
  if (typeof module !== "undefined") module.exports = api;
  if (typeof document === "undefined") return;

  // %% Drawing

  const { html, svg } = globalThis.elements;

  const WIDE = 84, HIGH = 58; // of a box

  // Down the page on a narrow screen, else from left to right.
  function places_of(plan, width) {
    const most = Math.max(...plan.layers.map((layer) => layer.length));
    const count = plan.layers.length;
    const is_narrow = count * (WIDE + 34) > width;
    const along = is_narrow ? HIGH + 46 : Math.min(190, (width - WIDE - 4) / Math.max(1, count - 1));
    const across = is_narrow ? WIDE + 10 : HIGH + 18;
    const levels = new Map();
    plan.layers.forEach((layer, i) => layer.forEach((id) => levels.set(id, i)));
    const middle = (most - 1) / 2 * across;
    const at = (id) => {
      const u = levels.get(id) * along, v = middle + plan.place.get(id) * across;
      return is_narrow ? { x: WIDE / 2 + 2 + v, y: HIGH / 2 + 2 + (count - 1) * along - u }
        : { x: WIDE / 2 + 2 + u, y: HIGH / 2 + 2 + v };
    };
    const size = [(count - 1) * along, (most - 1) * across];
    const [w, h] = is_narrow ? [size[1], size[0]] : size;
    return { at, width: w + WIDE + 4, height: h + HIGH + 4 };
  }

  // From the border of one box to that of another, by way of points; moved to a
  // side by shift, for a node that is used twice by the same one.
  function route(points, shift) {
    const moved = points.map((p) => ({ ...p }));
    const border = (from, to, shift) => {
      const dx = to.x - from.x, dy = to.y - from.y;
      const part = Math.min(WIDE / 2 / Math.abs(dx || 1e-9), HIGH / 2 / Math.abs(dy || 1e-9));
      const length = Math.hypot(dx, dy);
      const side = { x: -dy / length * shift, y: dx / length * shift };
      return { x: from.x + dx * part + side.x + 2 * dx / length,
               y: from.y + dy * part + side.y + 2 * dy / length };
    };
    const last = points.length - 1;
    moved[0] = border(points[0], points[1], shift);
    moved[last] = border(points[last], points[last - 1], -shift);
    return moved;
  }

  function draw_edge(edge, points, state) {
    const end = points.at(-1), before = points.at(-2);
    const length = Math.hypot(end.x - before.x, end.y - before.y) || 1;
    const dx = (end.x - before.x) / length, dy = (end.y - before.y) / length;
    const neck = { x: end.x - 8 * dx, y: end.y - 8 * dy };
    const head = [[end.x, end.y], [neck.x - 4 * dy, neck.y + 4 * dx],
                  [neck.x + 4 * dy, neck.y - 4 * dx]];
    const line = [...points.slice(0, -1), neck].map((p) => `${p.x},${p.y}`).join(" ");
    const middle = { x: (points[0].x + points[1].x) / 2, y: (points[0].y + points[1].y) / 2 };
    return svg("g", { class: `expression-edge ${state}` },
      svg("polyline", { points: line }), svg("polygon", { points: head.join(" ") }),
      svg("text", { x: middle.x, y: middle.y + 4 }, `× ${plain(edge.slope)}`));
  }

  function draw(tale, done, width) {
    const plan = arrange(tale);
    const { at, ...size } = places_of(plan, width);
    const known = new Set(), passed = new Set();
    let now = {};
    const grads = tale.nodes.map(() => null);
    tale.steps.slice(0, done).forEach((step) => {
      now = step;
      if (step.node !== undefined) known.add(step.node);
      if (step.start !== undefined) {
        grads.fill(0);
        grads[step.start] = 1;
      }
      if (step.edge !== undefined) {
        passed.add(step.edge);
        grads[tale.edges[step.edge].to] = step.after;
      }
    });
    const edges = tale.edges.map((edge, i) => {
      const twins = tale.edges.filter((e) => e.from === edge.from && e.to === edge.to);
      const shift = twins.length > 1 ? 36 * twins.indexOf(edge) - 18 : 0;
      const state = now.edge === i ? "is-now" : passed.has(i) ? "is-done"
        : known.has(edge.from) ? "" : "is-not-yet";
      return draw_edge(edge, route(plan.paths[i].map(at), shift), state);
    });
    const boxes = tale.nodes.map((node, i) => {
      const { x, y } = at(i);
      const is_known = node.is_leaf || known.has(i);
      const is_now = now.node === i || now.start === i
        || (now.edge !== undefined && tale.edges[now.edge].to === i);
      const text = (dy, kind, words) => svg("text", { x, y: y + dy,
        class: `expression-${kind}` }, words);
      return svg("g", { class: `expression-node ${is_now ? "is-now" : ""}` },
        svg("rect", { x: x - WIDE / 2, y: y - HIGH / 2, width: WIDE, height: HIGH, rx: 6 }),
        text(-11, "label", node.label),
        ...(is_known ? [text(6, "data", plain(node.data))] : []),
        ...(grads[i] !== null ? [text(22, "grad", `grad ${plain(grads[i])}`)] : []));
    });
    return svg("svg", { viewBox: `0 0 ${size.width} ${size.height}`, width: size.width,
                        "aria-hidden": "true" }, ...edges, ...boxes);
  }

  // %% Telling

  function tell(tale, done) {
    const count = `Step ${done} of ${tale.steps.length}: `;
    const name = (i) => tale.nodes[i].label;
    if (!done) return `${count}only the letters and numbers are known.`;
    const step = tale.steps[done - 1];
    let told;
    if (step.node !== undefined) {
      const inputs = tale.edges.filter((edge) => edge.from === step.node)
        .map((edge) => plain(tale.nodes[edge.to].data));
      told = `${name(step.node)} of ${inputs.join(" and ")} is `
        + `${plain(tale.nodes[step.node].data)}`;
    } else if (step.start !== undefined) {
      told = `${name(step.start)} starts with grad 1, all others with 0`;
    } else {
      const edge = tale.edges[step.edge];
      told = `${name(edge.from)} passes ${plain(edge.slope)} × ${plain(step.grad)} = `
        + `${plain(step.product)} to ${name(edge.to)}, whose grad is now `
        + `${plain(step.before)} + ${plain(step.product)} = ${plain(step.after)}`;
    }
    return `${count}${told}.`;
  }

  function summary(tale) {
    const slopes = Object.entries(tale.slopes).map(([name, slope]) =>
      `${name} ${plain(slope)}`);
    return `Its value is ${plain(tale.value)}; the slopes: ${slopes.join(", ")}.`;
  }

  // %% The panel

  const STARTS = { a: 2, b: 3, c: -1 };

  function enliven(place) {
    const numbers = {}; // what was written for each letter
    let tale = null, done = 0;
    const input = html("input", { type: "text", id: "expression-text", spellcheck: "false",
      autocomplete: "off", autocapitalize: "off", "aria-describedby": "expression-error" });
    const error = html("p", { class: "train-error", role: "alert", id: "expression-error" });
    const letters = html("div", { class: "expression-letters" });
    const result = html("p", { class: "expression-result" });
    const picture = html("div", { class: "expression-picture" });
    const status = html("p", { class: "expression-status", "aria-live": "polite" });
    const button = (name, press) => {
      const node = html("button", { type: "button", class: "train-button" }, name);
      node.addEventListener("click", press);
      return node;
    };
    const back = button("Back", () => go(done - 1));
    const next = button("Next", () => go(done + 1));
    const end = button("To the end", () => go(Infinity));
    const reset = button("Reset", () => go(0));

    function show() {
      picture.replaceChildren(...(tale ? [draw(tale, done, picture.clientWidth || 600)] : []));
    }

    // Ends are marked, not disabled: a disabled button would lose the focus.
    function go(to) {
      const last = tale ? tale.steps.length : 0;
      done = Math.max(0, Math.min(last, to));
      for (const [node, is_on] of [[back, done > 0], [reset, done > 0],
                                   [next, done < last], [end, done < last]]) {
        node.setAttribute("aria-disabled", !is_on);
      }
      show();
      status.textContent = tale ? tell(tale, done) : "";
    }

    // A field for each letter; those that stay keep what is in them.
    function show_letters(names) {
      if (names.join() === letters.dataset.names) return;
      letters.dataset.names = names.join();
      letters.replaceChildren(...names.map((name) => {
        const field = html("input", { type: "text", inputmode: "decimal", autocomplete: "off",
          "aria-describedby": "expression-error" });
        field.value = numbers[name] ??= String(STARTS[name] ?? 1);
        field.addEventListener("input", () => {
          numbers[name] = field.value;
          update();
        });
        return html("label", {}, html("span", {}, `${name} =`), field);
      }));
    }

    function number_of(name) {
      const text = (numbers[name] ?? "").trim().replace("−", "-");
      if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
      throw new Wrong(`the value of ${name} must be a number`);
    }

    function update() {
      let wrong = "";
      tale = null;
      try {
        const names = names_in(parse(input.value));
        show_letters(names);
        const given = Object.fromEntries(names.map((name) => [name, number_of(name)]));
        tale = story(input.value, given);
      } catch (told) {
        wrong = told instanceof RangeError ? "too deep" : told.message;
      }
      if (error.textContent !== wrong) error.textContent = wrong;
      input.setAttribute("aria-invalid", Boolean(wrong));
      result.textContent = tale ? summary(tale) : "";
      go(tale ? Math.min(done, tale.steps.length) : done);
    }

    const panel = html("div", { class: "train-panel", role: "group",
                                "aria-label": "An expression of your own" },
      html("div", { class: "expression-line" },
        html("label", { for: "expression-text" }, "expression"), input),
      letters, error, result, picture,
      html("div", { class: "train-controls" }, back, next, end, reset), status);
    panel.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && event.target.tagName !== "INPUT" && !event.altKey && !event.ctrlKey
          && !event.metaKey) {
        event.preventDefault();
        go(done + step);
      }
    });
    input.value = place.dataset.expression ?? "(a*b + a).relu()";
    input.addEventListener("input", () => {
      done = 0;
      update();
    });
    place.append(panel);
    place.classList.add("is-live");
    update();
    new ResizeObserver(show).observe(picture);
  }

  const place = document.getElementById("expression");
  if (place) enliven(place);
})();
