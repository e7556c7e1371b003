/* An expression of one's own: a small parser of Python's arithmetic, worked out
   with the Value of microgpt.js, and its graph drawn step by step. */
(() => {
  "use strict";

  const m = globalThis.microgpt ?? require("./microgpt.js");
  if (globalThis.microgptExpression) return;
  const { Value } = m;
  const METHODS = ["log", "exp", "relu"];
  const MANY = 40; // nodes that can still be drawn

  // %% Reading

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

  // The names in a text, in the order in which they come up.
  function names_in(text) {
    const names = tokens_of(text).filter((token, i, all) => token.name
      && all[i - 1]?.text !== ".").map(({ name }) => name);
    return [...new Set(names)];
  }

  // %% Working out

  const spelled = (x) => m.repr(x instanceof Value ? x.data : x, true);
  const are_numbers = (...xs) => !xs.some((x) => x instanceof Value);

  // Say of an error of the engine where it happened.
  function attempt(where, compute) {
    try {
      return compute();
    } catch (error) {
      throw new Wrong(`${where}: ${error.message}`);
    }
  }

  // As Python does it between two plain numbers.
  const NUMBERS = {
    "+": (a, b) => a + b,
    "-": (a, b) => a - b,
    "*": (a, b) => a * b,
    "/": (a, b) => {
      if (b === 0) throw new Error("division by zero");
      return a / b;
    },
    "**": (a, b) => {
      const power = a ** b;
      if (Number.isFinite(power) || !Number.isFinite(a) || !Number.isFinite(b)) return power;
      throw new Error("this is no number");
    },
  };

  const VALUES = { "+": "add", "-": "sub", "*": "mul", "/": "div" };

  // The Value of a text for {name: Value}, and what its nodes are called. It is
  // worked out as it is read, by Python's rules of what binds first:
  //   sum: product {+|- product}      product: signed {*|/ signed}
  //   signed: -|+ signed | power      power: called [** signed]
  //   called: atom {.name()}          atom: number | name | (sum)
  function work_out(text, letters) {
    const tokens = tokens_of(text);
    if (!tokens.length) throw new Wrong("type an expression, such as a*b + a");
    const labels = new Map(Object.entries(letters).map(([name, v]) => [v, name]));
    let at = 0;
    const is = (...signs) => signs.includes(tokens[at]?.sign);
    const expected = (what) => {
      const after = at ? ` after “${tokens[at - 1].text}”` : "";
      return new Wrong(tokens[at] ? `“${tokens[at].text}” stands${after}, where ${what} `
        + "is due" : `the expression ends${after}, where ${what} is due`);
    };
    const take = (sign, what = `“${sign}”`) => {
      if (!is(sign)) throw expected(what);
      at += 1;
    };
    const both = (sign, a, b) => attempt(`${spelled(a)} ${sign} ${spelled(b)}`, () => {
      if (are_numbers(a, b)) return NUMBERS[sign](a, b);
      const method = VALUES[sign];
      return a instanceof Value ? a[method](b) : b[`r${method}`](a);
    });
    const chain = (part, ...signs) => () => {
      let value = part();
      while (is(...signs)) value = both(tokens[at++].sign, value, part());
      return value;
    };
    const atom = () => {
      const { number, name } = tokens[at] ?? {};
      if (number ?? name) {
        at += 1;
        return number ? Number(number) : letters[name];
      }
      take("(", "a number, a letter or “(”");
      const value = sum();
      take(")", "an operator or “)”");
      return value;
    };
    const called = () => {
      let value = atom();
      while (is(".")) {
        take(".");
        const { name } = tokens[at] ?? {};
        if (!METHODS.includes(name)) throw expected("log(), exp() or relu()");
        at += 1;
        take("(");
        take(")");
        if (are_numbers(value)) throw new Wrong(`${spelled(value)} is a number, and has no .${name}()`);
        value = attempt(`(${spelled(value)}).${name}()`, () => value[name]());
        labels.set(value, name);
      }
      return value;
    };
    const power = () => {
      const value = called();
      if (!is("**")) return value;
      take("**");
      const n = signed();
      if (n instanceof Value) throw new Wrong("an exponent must be a number, without letters");
      if (are_numbers(value)) return both("**", value, n);
      const made = attempt(`${spelled(value)} ** ${spelled(n)}`, () => value.pow(n));
      labels.set(made, `** ${plain(n)}`);
      return made;
    };
    const signed = () => {
      if (!is("-", "+")) return power();
      const { sign } = tokens[at++], value = signed();
      if (are_numbers(value)) return sign === "-" ? -value : value;
      if (sign === "+") throw new Wrong("a Value has no + of its own: leave it out");
      return value.neg();
    };
    const product = chain(signed, "*", "/");
    const sum = chain(product, "+", "-");

    const root = sum();
    if (at < tokens.length) throw expected("an operator");
    if (are_numbers(root)) throw new Wrong("there is no letter in it: it is a number, not a Value");
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
    const letters = Object.fromEntries(names_in(text).map((name) =>
      [name, new Value(numbers[name])]));
    const { root, labels } = work_out(text, letters);
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

  // Four digits, but never fewer than stand before the point.
  function plain(x) {
    const size = Math.abs(x);
    const short = size >= 1e4 && size < 1e9 ? String(Math.round(x))
      : Number.isFinite(x) ? String(Number(x.toPrecision(4))) : m.repr(x);
    return short.replace("e+", "e").replace("e-", "e−").replace(/^-/, "−");
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
    const join = (a, b) => neighbors.set(a, [...(neighbors.get(a) ?? []), b]);
    const paths = edges.map(({ from, to }) => {
      const path = [from];
      for (let at = level[from] - 1; at > level[to]; at--) {
        layers[at].push(next);
        path.push(next++);
      }
      path.push(to);
      path.slice(1).forEach((id, i) => {
        join(path[i], id);
        join(id, path[i]);
      });
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
        const wanted = new Map(layer.map((id) => {
          const near = neighbors.get(id).filter((other) => beside.includes(other));
          return [id, near.length ? near.reduce((sum, o) => sum + place.get(o), 0) / near.length
            : place.get(id)];
        }));
        layer.sort((a, b) => wanted.get(a) - wanted.get(b));
        spread(layer);
      }
    }
    return { level, layers, paths, place };
  }

  const api = { story };
  globalThis.microgptExpression = api;
  if (typeof module !== "undefined") module.exports = api;
  if (typeof document === "undefined") return;

  // %% Drawing

  const { html, svg, button, complaint, controls } = globalThis.elements;

  const WIDE = 96, HIGH = 58; // of a box

  // Down the page on a narrow screen, else from left to right.
  function places_of(plan, width) {
    const most = Math.max(...plan.layers.map((layer) => layer.length));
    const last = plan.layers.length - 1;
    const is_narrow = width < 560;
    const along = is_narrow ? HIGH + 46
      : Math.max(WIDE + 40, Math.min(190, (width - WIDE - 4) / Math.max(1, last)));
    const across = is_narrow ? WIDE + 10 : HIGH + 18;
    const levels = new Map();
    plan.layers.forEach((layer, i) => layer.forEach((id) => levels.set(id, i)));
    const at = (id) => {
      const u = levels.get(id), v = ((most - 1) / 2 + plan.place.get(id)) * across;
      return is_narrow ? { x: WIDE / 2 + 2 + v, y: HIGH / 2 + 2 + (last - u) * along }
        : { x: WIDE / 2 + 2 + u * along, y: HIGH / 2 + 2 + v };
    };
    const size = [last * along, (most - 1) * across];
    const [w, h] = is_narrow ? size.reverse() : size;
    return { at, width: w + WIDE + 4, height: h + HIGH + 4 };
  }

  // From the border of one box to that of another, by way of points; moved to a
  // side by shift, for a node that is used twice by the same one.
  function route(points, shift) {
    const border = (from, to, aside) => {
      const dx = to.x - from.x, dy = to.y - from.y, length = Math.hypot(dx, dy);
      const part = Math.min(WIDE / 2 / Math.abs(dx || 1e-9), HIGH / 2 / Math.abs(dy || 1e-9));
      return { x: from.x + dx * part + (2 * dx - dy * aside) / length,
               y: from.y + dy * part + (2 * dy + dx * aside) / length };
    };
    return [border(points[0], points[1], shift), ...points.slice(1, -1),
            border(points.at(-1), points.at(-2), -shift)];
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

  // What is known after so many steps: which nodes, which edges a gradient has
  // passed, and the grads.
  function state_of(tale, done) {
    const known = new Set(), passed = new Set(), grads = tale.nodes.map(() => null);
    tale.nodes.forEach((node, i) => { if (node.is_leaf) known.add(i); });
    let now = {};
    for (now of tale.steps.slice(0, done)) {
      if (now.node !== undefined) known.add(now.node);
      if (now.start !== undefined) {
        grads.fill(0);
        grads[now.start] = 1;
      }
      if (now.edge !== undefined) {
        passed.add(now.edge);
        grads[tale.edges[now.edge].to] = now.after;
      }
    }
    return { known, passed, grads, now,
             at: now.node ?? now.start ?? tale.edges[now.edge]?.to };
  }

  // The graph in words: each node, its numbers, and what it was computed from.
  function in_words(tale, { known, grads }) {
    return tale.nodes.map((node, i) => {
      const told = [node.label, ...(known.has(i) ? [plain(node.data)] : []),
                    ...(grads[i] === null ? [] : [`grad ${plain(grads[i])}`])];
      const from = tale.edges.filter((edge) => edge.from === i)
        .map((edge) => tale.nodes[edge.to].label);
      return told.join(", ") + (from.length ? `, of ${from.join(" and ")}` : "");
    }).join(". ");
  }

  function draw(tale, state, width) {
    const plan = arrange(tale);
    const { at, ...size } = places_of(plan, width);
    const { known, passed, grads, now } = state;
    const edges = tale.edges.map((edge, i) => {
      const twins = tale.edges.filter((e) => e.from === edge.from && e.to === edge.to);
      const shift = twins.length > 1 ? 36 * twins.indexOf(edge) - 18 : 0;
      return draw_edge(edge, route(plan.paths[i].map(at), shift),
        now.edge === i ? "is-now" : passed.has(i) ? "is-done"
          : known.has(edge.from) ? "" : "is-not-yet");
    });
    const boxes = tale.nodes.map((node, i) => {
      const { x, y } = at(i), { label } = node;
      const text = (dy, kind, words) => svg("text", { x, y: y + dy,
        class: `expression-${kind}` }, words);
      return svg("g", { class: `expression-node ${state.at === i ? "is-now" : ""}` },
        svg("title", {}, label),
        svg("rect", { x: x - WIDE / 2, y: y - HIGH / 2, width: WIDE, height: HIGH, rx: 6 }),
        text(-11, "label", label.length > 11 ? `${label.slice(0, 10)}…` : label),
        ...(known.has(i) ? [text(6, "data", plain(node.data))] : []),
        ...(grads[i] !== null ? [text(22, "grad", `grad ${plain(grads[i])}`)] : []));
    });
    return svg("svg", { viewBox: `0 0 ${size.width} ${size.height}`, ...size, role: "img",
                        "aria-label": `Graph. ${in_words(tale, state)}.` },
      ...edges, ...boxes);
  }

  // %% Telling

  function tell(tale, done) {
    const count = `Step ${done} of ${tale.steps.length}: `;
    const name = (i) => tale.nodes[i].label;
    if (!done) return `${count}only the letters and numbers are known.`;
    const step = tale.steps[done - 1];
    if (step.node !== undefined) {
      const inputs = tale.edges.filter((edge) => edge.from === step.node)
        .map((edge) => plain(tale.nodes[edge.to].data));
      return `${count}${name(step.node)} of ${inputs.join(" and ")} is `
        + `${plain(tale.nodes[step.node].data)}.`;
    }
    if (step.start !== undefined) {
      return `${count}${name(step.start)} starts with grad 1, all others with 0.`;
    }
    const edge = tale.edges[step.edge];
    return `${count}${name(edge.from)} passes ${plain(edge.slope)} × ${plain(step.grad)} = `
      + `${plain(step.product)} to ${name(edge.to)}, whose grad is now `
      + `${plain(step.before)} + ${plain(step.product)} = ${plain(step.after)}.`;
  }

  function summary(tale) {
    const slopes = Object.entries(tale.slopes).map(([name, slope]) =>
      `${name} ${plain(slope)}`);
    return `Its value is ${plain(tale.value)}; the slopes: ${slopes.join(", ")}.`;
  }

  // %% The panel

  const STARTS = { a: 2, b: 3, c: -1, w: 2, x: 1.5 };
  const READY = "a*b + a; (a*b + a).relu(); (w*x + b).relu() ** 2";

  function enliven(place, count) {
    const ready = (place.dataset.expression ?? READY).split(";").map((text) => text.trim());
    const numbers = {}; // what was written for each letter
    let tale = null, done = 0;
    const id = `expression-${count}`;
    const input = html("input", { type: "text", id, spellcheck: "false",
      autocomplete: "off", autocapitalize: "off" });
    const error = complaint(`${id}-error`, input);
    const letters = html("div", { class: "expression-letters" });
    const result = html("p", { class: "expression-result" });
    const picture = html("div", { class: "expression-picture scrolls" });
    const status = html("p", { class: "live-status", "aria-live": "polite" });
    const back = button("Back", () => go(done - 1));
    const next = button("Next", () => go(done + 1));
    const end = button("To the end", () => go(Infinity));
    const reset = button("Reset", () => go(0));

    // What is new is brought in sight where the graph is wider than the page.
    function show() {
      const state = tale && state_of(tale, done);
      picture.replaceChildren(...(tale ? [draw(tale, state, picture.clientWidth || 600)] : []));
      const box = picture.querySelector(".is-now rect");
      if (box) picture.scrollLeft = box.getAttribute("x") - picture.clientWidth / 2 + WIDE / 2;
    }

    function go(to) {
      const last = tale ? tale.steps.length : 0;
      done = Math.max(0, Math.min(last, to));
      for (const node of [back, reset]) node.turn(done > 0);
      for (const node of [next, end]) node.turn(done < last);
      show();
      status.textContent = tale ? tell(tale, done) : "";
    }

    // A field for each letter; those that stay keep what is in them.
    function show_letters(names) {
      if (names.join() === letters.dataset.names) return;
      letters.dataset.names = names.join();
      letters.replaceChildren(...names.map((name) => {
        const field = html("input", { type: "text", inputmode: "decimal", autocomplete: "off",
          "aria-describedby": error.id });
        field.value = numbers[name] ??= String(STARTS[name] ?? 1);
        field.addEventListener("input", () => {
          numbers[name] = field.value;
          update();
        });
        return html("label", {}, html("span", {}, `${name} =`), field);
      }));
    }

    function number_of(name) {
      const number = m.number_of(numbers[name].replace("−", "-"));
      if (typeof number === "string") throw new Wrong(`the value of ${name} must be a number`);
      return Number(number);
    }

    function update() {
      let wrong = "";
      tale = null;
      try {
        const names = names_in(input.value);
        show_letters(names);
        tale = story(input.value, Object.fromEntries(names.map((name) =>
          [name, number_of(name)])));
      } catch (told) {
        wrong = told instanceof RangeError ? "too deep" : told.message;
      }
      error.say(wrong);
      result.textContent = tale ? summary(tale) : "";
      go(tale ? Math.min(done, tale.steps.length) : done);
    }

    function take(text) {
      input.value = text;
      done = 0;
      update();
    }

    input.addEventListener("input", () => take(input.value));
    const panel = html("div", { class: "live-panel", role: "group",
                                "aria-label": "An expression, step by step" },
      html("p", { class: "live-head" }, "Step through an expression"),
      ...(ready.length > 1 ? [controls(...ready.map((text) =>
        button(text, () => take(text))))] : []),
      html("div", { class: "expression-line" },
        html("label", { for: id }, "expression"), input),
      letters, error, result, picture, controls(back, next, end, reset), status);
    panel.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && event.target.tagName !== "INPUT" && event.target !== picture
          && !event.altKey && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        go(done + step);
      }
    });
    place.append(panel);
    place.classList.add("is-live");
    take(ready[0]);
    new ResizeObserver(show).observe(picture);
  }

  document.querySelectorAll("[data-live=backward], [data-expression]").forEach(enliven);
})();
