/* "Step through it": a recording of microgpt.py, one line at a time. docs/make/
   step.py says what a recording holds. What is seen follows from the recording
   and the number of an event alone: see `go`. Nothing is fetched: a recording
   is a script, so that it loads from a file too. */
(() => {
  "use strict";

  const place = document.getElementById("step");
  if (!place) return;

  const { html } = globalThis.elements;
  const BASE = new URL("../data/", document.currentScript.src);
  const NAMES = { ada: "One training step on “ada”",
                  palindrome: "A palindrome is read",
                  name: "A name is sampled" };
  const PACE = 900; // milliseconds a line, when it plays
  const BY_TOKEN = ["tokens", "positions", "x", "normed", "mixed", "q", "logits"];

  // A recording

  // Node numbers of "3+4x16,90": see spec in step.py.
  function ids(spec) {
    const out = [];
    for (const part of spec.split(",")) {
      const [, start, count = 1, stride = 1] =
        part.match(/^(\d+)(?:\+(\d+))?(?:x(\d+))?$/);
      for (let i = 0; i < count; i++) out.push(Number(start) + i * stride);
    }
    return out;
  }

  // What a node was computed from: its operation, its children in pairs where
  // it is a dot product, and its slope in each.
  function origin(rec, id) {
    const first = rec.data.length - rec.ops.length;
    if (id < first) return { op: "weight", children: [], slopes: [] };
    const [op, text] = [rec.ops[id - first][0], rec.ops[id - first].slice(1)];
    if (op === "c") return { op, children: [], slopes: [] };
    const parts = text.split(" ");
    if (op === "^") {
      return { op, children: ids(parts[0]), slopes: [Number(parts[1])] };
    }
    const groups = parts.map(ids);
    const children = groups.flat();
    const data = (group) => group.map((child) => rec.data[child]);
    const slopes = op === "d" || op === "*"
      ? [...data(groups[1]), ...data(groups[0])]
      : op === "e" ? [rec.data[id]]
        : op === "l" ? [1 / rec.data[children[0]]]
          : op === "r" ? [Number(rec.data[children[0]] > 0)]
            : children.map(() => 1);
    return { op, children, slopes };
  }

  // The line that a node was made in.
  const madeIn = (rec, id) =>
    (rec.origin.filter(([first]) => first <= id).pop() || [])[1];

  const isNodes = (value) => typeof value === "string" && value[0] === "v";
  const isRow = (value) => isNodes(value)
    || (Array.isArray(value) && value.every((x) => typeof x === "number"));

  // Rows of cells {id, number} of a value of the pool, or null.
  function rowsOf(rec, value) {
    const row = (one) => (isNodes(one)
      ? ids(one.slice(1)).map((id) => ({ id }))
      : one.map((number) => ({ number })));
    if (isRow(value)) return [row(value)];
    return Array.isArray(value) && value.every(isRow) ? value.map(row) : null;
  }

  // Names of nodes, and the events that they were first seen at: from the
  // functions of the model before those that are used everywhere.
  function named(rec) {
    const names = new Map();
    const taken = new Set();
    rec.matrices.reduce((id, [name, n_out, n_in]) => {
      for (let i = 0; i < n_out * n_in; i++) {
        const at = `[${Math.floor(i / n_in)}][${i % n_in}]`;
        names.set(id + i, { name: name + at });
      }
      return id + n_out * n_in;
    }, 0);
    const model = /^(gpt|document_loss|cross_entropy|attention|mlp|generate)$/;
    for (const first of [true, false]) {
      rec.events.forEach(([line, frame, , changed], event) => {
        if (first !== model.test(rec.frames[frame][0])) return;
        for (const [name, at] of Object.entries(changed)) {
          const rows = rowsOf(rec, rec.pool[at]);
          if (!rows || (first && /return|shares/.test(name))) continue;
          rows.forEach((row, i) => row.forEach(({ id }, j) => {
            if (id === undefined || names.has(id)) return;
            const full = name + (rows.length > 1 ? `[${i}]` : "")
              + (row.length + rows.length > 2 ? `[${j}]` : "");
            const told = taken.has(full) ? `${full}, line ${line}` : full;
            taken.add(full);
            names.set(id, { name: told, event });
          }));
        }
      });
    }
    return names;
  }

  // The recording that is shown, its event, and the node that is asked about.
  let rec = null;
  let key = "";
  let at = 0;
  let asked = [];
  let playing = 0;

  function load(name, then) {
    const got = () => {
      const loaded = globalThis.recordings[name];
      loaded.names = loaded.names || named(loaded);
      then(loaded);
    };
    if ((globalThis.recordings || {})[name]) return got();
    const script = html("script", { src: new URL(`step-${name}.js`, BASE) });
    script.addEventListener("load", got);
    document.head.append(script);
  }

  const frameOf = (event) => rec.events[event][1];
  const graded = () => rec.grad && at >= rec.backward;
  const number = (id) => (rec.after && id < rec.after.length && at >= rec.adam
    ? rec.after[id] : rec.data[id]);
  const show = (x) => String(x).replace("-", "−");
  const short = (x) => show(Number(x.toPrecision(3)));

  // Frames from the outermost to that of an event.
  function chain(event) {
    const out = [];
    for (let f = frameOf(event); f >= 0; f = rec.frames[f][1]) out.unshift(f);
    return out;
  }

  // The variables of a frame after an event, and the events that set them.
  function variables(frame, until) {
    const found = new Map();
    for (let i = 0; i <= until; i++) {
      if (rec.events[i][1] !== frame) continue;
      for (const [name, where] of Object.entries(rec.events[i][3])) {
        const before = found.has(name) ? found.get(name).value : undefined;
        found.set(name, { value: rec.pool[where], event: i, before });
      }
    }
    return found;
  }

  // Moving

  function over() {
    const [, frame, begins] = rec.events[at];
    return begins ? rec.events.findIndex((e, i) => i > at && e[1] === frame)
      : at + 1;
  }

  function out() {
    const parent = rec.frames[frameOf(at)][1];
    const next = rec.events.findIndex((e, i) => i > at && e[1] === parent);
    return next < 0 ? rec.events.length - 1 : next;
  }

  const MOVES = {
    ArrowLeft: ["back", "←", "one line back", () => at - 1],
    ArrowRight: ["into", "→", "the very next line", () => at + 1],
    ArrowDown: ["over", "↓", "over what this line calls", over],
    ArrowUp: ["out", "↑", "to the end of this function's call", out],
  };

  // Elements

  const code = place.querySelector(".step-source code");
  const lines = [...code.querySelectorAll(":scope > span[id]")];
  const box = (name, ...children) =>
    html("div", { class: `step-${name}` }, ...children);

  function button(name, attributes, press) {
    const node = html("button", { type: "button", ...attributes }, name);
    node.addEventListener("click", () => {
      if (node.getAttribute("aria-disabled") !== "true") press(node);
    });
    return node;
  }

  function current(node, here) {
    if (here) node.setAttribute("aria-current", "step");
    else node.removeAttribute("aria-current");
  }

  const choice = html("select", { "aria-label": "Recording" },
    ...Object.entries(NAMES).map(([value, name]) => html("option", { value }, name)));
  const crumbs = html("ol", { class: "step-crumbs", "aria-label": "Calls" });
  const codeBox = html("div", { class: "step-code no-copy", tabindex: 0,
                                role: "region", "aria-label": "microgpt.py" });
  const values = html("div", { class: "step-values", tabindex: 0,
                               role: "region", "aria-label": "Variables" });
  const map = html("ol", { class: "step-map", "aria-label": "The model" });
  const story = box("story");
  const where = html("section", { class: "step-where",
                                  "aria-label": "Where from?" });
  const side = html("div", { class: "step-side", tabindex: 0, role: "region",
                             "aria-label": "What happens here" },
                    story, map, html("p", { class: "step-legend" },
                      html("b", { class: "is-value" }, "Blue"),
                      " is above zero, grey below, ",
                      html("b", { class: "is-grad" }, "red"),
                      " a slope. Click a number to see where it comes from."));
  const announced = html("p", { class: "step-announced", "aria-live": "polite" });
  const slider = html("input", { type: "range", min: 0, value: 0,
                                 "aria-label": "Event" });
  const count = html("span", { class: "step-count" });
  const stages = html("div", { class: "step-stages", role: "group",
                               "aria-label": "Stages" });
  const moves = Object.entries(MOVES).map(([press, [name, sign, title]]) =>
    button(`${sign} ${name}`, { title, "data-move": press }, () => move(press)));
  const play = button("▶ play", { class: "step-play" }, () => toggle(!playing));
  const panel = box("panel", box("head", choice, crumbs), codeBox, where, values, side,
    box("bar", box("moves", ...moves, play, count), slider, stages), announced);

  // Drawing values

  const shape = (value) => {
    const rows = rowsOf(rec, value) || [[]];
    const wide = Math.max(...rows.map((row) => row.length));
    return wide && !isRow(value) ? `[${rows.length}][${wide}]`
      : wide > 1 ? `[${wide}]` : "";
  };

  const tile = (letter) => html("span", { class: "step-token" }, letter);

  const isShares = (name, frame) => /shares|softmax|probs/.test(name)
    || (name === "return" && frame === "softmax");

  // Letters beside the rows and below the columns of a value.
  function labels(name, value, rows, frame) {
    const wide = Math.max(...rows.map((row) => row.length));
    const before = (variables(frameOf(at), at).get("before") || {}).value || 0;
    const whole = /^(keys|values|shares)/.test(name);
    const under = wide === rec.letters.length && /logits|probs|return/.test(name)
      && !/attention/.test(frame) ? rec.letters
      : isShares(name, frame) ? [...rec.tokens] : null;
    const beside = !isRow(value) && (whole || BY_TOKEN.includes(name))
      ? [...rec.tokens].slice(whole && rows.length > 1 ? 0 : before) : null;
    return { under, beside };
  }

  const colour = (name) => getComputedStyle(place).getPropertyValue(name);

  // A picture of rows of numbers: full colour for the largest, ink below zero.
  function heat(rows, numbers, tint, { under, beside }, width) {
    const columns = Math.max(...rows.map((row) => row.length));
    const left = beside ? 14 : 0;
    const w = Math.max(2, Math.min(24, Math.floor((width - left) / columns)));
    const h = Math.max(3, Math.min(rows.length > 1 ? 14 : 18,
                                   Math.floor(190 / rows.length)));
    const canvas = html("canvas", { "aria-hidden": "true" });
    const scale = window.devicePixelRatio || 1;
    const [fullW, fullH] = [left + w * columns,
                            h * rows.length + (under ? 13 : 0)];
    canvas.width = fullW * scale;
    canvas.height = fullH * scale;
    canvas.style.width = `${fullW}px`;
    canvas.style.height = `${fullH}px`;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = "11px monospace";
    pen.textAlign = "center";
    const ink = colour("--md-default-fg-color");
    const top = Math.max(...numbers.flat().map(Math.abs)) || 1;
    const gap = w > 5 && h > 4 ? 1 : 0;
    rows.forEach((row, i) => {
      pen.fillStyle = ink;
      if (beside) pen.fillText(beside[i] || "", 6, h * i + h / 2 + 4);
      row.forEach((_, j) => {
        const x = numbers[i][j];
        pen.globalAlpha = 1;
        pen.fillStyle = colour.rule;
        pen.fillRect(left + w * j, h * i, w - gap, h - gap);
        pen.globalAlpha = Math.abs(x / top) ** 0.7;
        pen.fillStyle = x < 0 ? ink : tint;
        pen.fillRect(left + w * j, h * i, w - gap, h - gap);
        pen.globalAlpha = 1;
        pen.fillStyle = ink;
        if (under && i === rows.length - 1) {
          pen.fillText(under[j] || "", left + w * j + w / 2, h * rows.length + 10);
        }
      });
    });
    canvas.cell = (event) => {
      const bounds = canvas.getBoundingClientRect();
      const i = Math.floor((event.clientY - bounds.top) / h);
      const j = Math.floor((event.clientX - bounds.left - left) / w);
      return rows[i] && rows[i][j] ? [i, j] : null;
    };
    return canvas;
  }

  // Shares as bars, each with its letter and its number.
  function bars(row, numbers, { under }) {
    const top = Math.max(...numbers);
    return html("span", { class: "step-bars" }, ...numbers.map((x, j) => {
      const bar = html("i", {});
      bar.style.height = `${100 * x / top}%`;
      return html("span", { "data-cell": j, "data-letter": under ? under[j] : j },
        html("span", {}, bar));
    }));
  }

  function drawn(name, value, before, frame) {
    if (typeof value === "string" && value[0] === "t") {
      return value.slice(1).split(",").map((id) => tile(rec.letters[id]));
    }
    const rows = rowsOf(rec, value);
    if (!rows) {
      const text = String(value).slice(1);
      if (typeof value !== "number") {
        return value[0] === "'" ? [...text].map(tile) : [text];
      }
      return [...(typeof before === "number" ? [html("s", {}, show(before)), " → "]
        : []), html("b", { class: /grad/.test(name) ? "is-grad" : "is-value" },
                    show(value))];
    }
    const told = html("output", { class: "step-told" });
    const read = (pick) => rows.map((row) => row.map(pick));
    const data = read((cell) => (cell.id === undefined ? cell.number
      : number(cell.id)));
    const slopes = graded() && rows[0].length && rows[0][0].id !== undefined
      ? read(({ id }) => rec.grad[id]) : null;
    const letters = labels(name, value, rows, frame);
    const tell = ([i, j]) => {
      const letter = [letters.beside && letters.beside[i],
                      letters.under && letters.under[j]].filter(Boolean);
      told.replaceChildren(`${rows.length > 1 ? `[${i}]` : ""}[${j}] `
        + `${letter.join(" ")} = ${show(data[i][j])}`, ...(slopes
        ? [html("span", { class: "is-grad" }, ` slope ${show(slopes[i][j])}`)]
        : []));
    };
    const one = rows.length === 1 && rows[0].length === 1;
    const shares = rows.length === 1 && !one && isShares(name, frame);
    const width = Math.max(values.clientWidth - 28, 160);
    const pictures = one ? [html("b", { class: "is-value" }, show(data[0][0])),
      ...(slopes ? [html("b", { class: "is-grad" },
        ` slope ${show(slopes[0][0])}`)] : [])]
      : shares ? [bars(rows[0], data[0], letters)]
        : [[data, "--book-value"], [slopes, "--book-grad"]]
          .filter(([numbers]) => numbers)
          .map(([numbers, tint]) => heat(rows, numbers, colour(tint), letters,
            slopes && rows[0].length <= 16 ? width / 2 - 6 : width));
    const cells = rows.flatMap((row, i) => row.map((_, j) => [i, j]));
    const said = one ? pictures.map((node) => node.textContent).join("")
      : shape(value);
    const press = button("", { class: "step-cells", "aria-label":
      `${name} ${said}: where from?` }, () => {
      const [i, j] = press.cell || [0, 0];
      if (rows[i][j].id === undefined) tell([i, j]);
      else ask([rows[i][j].id], cells.map(([a, b]) => rows[a][b].id));
    });
    press.append(...pictures);
    press.addEventListener("pointermove", (event) => {
      const bar = event.target.closest("[data-cell]");
      press.cell = bar ? [0, Number(bar.dataset.cell)]
        : event.target.cell ? event.target.cell(event) : null;
      if (press.cell) tell(press.cell);
    });
    press.addEventListener("pointerleave", () => { press.cell = null; });
    if (!one) return [told, press];
    press.classList.add("is-one");
    const called = rows[0][0].id === undefined ? "" : nameOf(rows[0][0].id)
      || SIGNS[origin(rec, rows[0][0].id).op];
    if (called && called.split(",")[0] !== name) told.textContent = `, ${called}`;
    return [press, told];
  }

  function variable([name, { value, event, before }], frame) {
    const node = html("section", { class: "step-variable", "data-name": name },
      html("h3", {}, html("code", {}, name.replace("return", "returned")),
        html("span", {}, shape(value))),
      ...drawn(name, value, event === at ? before : undefined, frame));
    node.classList.toggle("is-new", event === at || (at === rec.adam
      && rec.matrices.some(([matrix]) => matrix === name)));
    return node;
  }

  let kept = new Map(); // what was drawn last, and is still true
  function drawValues() {
    const frame = frameOf(at);
    const found = [...variables(frame, at)];
    colour.rule = colour("--md-default-fg-color--lightest");
    const isNew = ([, { event }]) => event === at;
    const groups = [["Just changed", found.filter(isNew)],
                    ["As before", found.filter((one) => !isNew(one))]];
    const fresh = new Map();
    const node = (one) => {
      const state = [key, frame, one[0], one[1].event, isNew(one), graded(),
                     Math.sign(at - rec.adam), values.clientWidth].join();
      fresh.set(state, kept.get(state) || variable(one, rec.frames[frame][0]));
      return fresh.get(state);
    };
    values.replaceChildren(...groups.filter(([, list]) => list.length)
      .map(([title, list]) => html("div", {}, html("h2", {}, title),
        ...list.map(node))));
    kept = fresh;
    values.scrollTop = 0;
  }

  // Where a number comes from

  const SIGNS = { "+": "a sum of two", "*": "a product of two",
                  "^": "a power", e: "exp", l: "log", r: "relu",
                  s: "a sum", d: "a dot product", c: "a number of the code",
                  weight: "a weight" };

  const nameOf = (id) => (rec.names.get(id) || {}).name;

  function ask(path, neighbours = asked.neighbours) {
    asked = path;
    asked.neighbours = neighbours || [];
    drawWhere();
    where.scrollTop = 0;
    where.scrollIntoView({ block: "nearest" });
  }

  // A node as a button that asks about it.
  const link = (id, told = ` ${show(number(id))}`) =>
    button((nameOf(id) || SIGNS[origin(rec, id).op]).split(",")[0] + told,
      { class: "step-node" }, () => ask([...asked, id]));

  // What a node gets its slope from: [parent, slope in the node].
  function parents(id) {
    const found = [];
    for (let i = rec.data.length - rec.ops.length; i < rec.data.length; i++) {
      const { children, slopes } = origin(rec, i);
      children.forEach((child, j) => {
        if (child === id) found.push([i, slopes[j]]);
      });
    }
    return found;
  }

  const goTo = (event, text) =>
    html("a", { href: `#${key}-${event}` }, text);

  function drawWhere() {
    if (!asked.length) {
      where.replaceChildren();
      return;
    }
    const id = asked[asked.length - 1];
    const { op, children, slopes } = origin(rec, id);
    const line = madeIn(rec, id);
    const known = rec.names.get(id);
    const like = rec.events.findIndex((event) => event[0] === line);
    const seen = op === "weight" ? [] : known && known.event !== undefined
      ? [", made in ", goTo(known.event, `line ${line}`)]
      : like >= 0 ? [", folded; its like is seen in ",
                     goTo(like, `line ${line}`)] : [];
    const place = asked.neighbours.indexOf(id);
    const beside = (step, sign, title) => button(sign, { title, "aria-disabled":
      String(place < 0 || asked.neighbours[place + step] === undefined) },
      () => ask([asked.neighbours[place + step]]));
    const half = children.length / 2;
    const rows = op === "d"
      ? children.slice(0, half).map((child, i) => [link(child), "·",
        link(children[half + i]), `= ${short(slopes[half + i] * slopes[i])}`])
      : children.map((child, i) => [link(child), "slope", short(slopes[i])]);
    const table = (list) => html("table", { class: "step-table" }, html("tbody", {},
      ...list.map((row) => html("tr", {},
        ...row.map((cell) => html("td", {}, cell))))));
    const list = graded() ? parents(id) : [];
    where.replaceChildren(
      html("h2", {}, "Where from?"),
      box("asked", html("b", {}, `${nameOf(id) || "?"} = ${show(number(id))}`),
        button("‹", { title: "back", "aria-disabled": asked.length < 2 },
          () => ask(asked.slice(0, -1), asked.neighbours)),
        beside(-1, "◂", "the number before it"),
        beside(1, "▸", "the number after it"),
        button("✕", { title: "close" }, () => ask([]))),
      html("p", {}, `${SIGNS[op]}`.replace(/^./, (c) => c.toUpperCase()),
        ...seen, ".", ...(op === "d"
          ? [" Its slope in each number is the one beside it."] : [])),
      ...(rows.length ? [table(rows)] : []),
      ...(graded() ? [html("p", {}, "Its slope: ",
        html("b", { class: "is-grad" }, show(rec.grad[id])),
        list.length ? ", the sum of what it was handed: slope of the other, "
          + "times slope in this." : "."),
      table(list.map(([parent, slope]) => [link(parent, ""),
        html("span", { class: "is-grad" }, show(rec.grad[parent])),
        `· ${short(slope)}`, `= ${short(rec.grad[parent] * slope)}`]))] : []));
  }

  // The code

  let marked = [];

  function mark(line, ...classes) {
    const span = lines[line - 1];
    if (!span) return;
    span.classList.add(...classes);
    marked.push(span);
  }

  function drawCode() {
    for (const span of marked) {
      span.classList.remove("is-now", "is-begun", "is-ran", "is-caller");
      current(span, false);
    }
    marked = [];
    const [line, frame, begins] = rec.events[at];
    for (let i = 0; i <= at; i++) {
      if (rec.events[i][1] === frame) mark(rec.events[i][0], "is-ran");
    }
    for (const caller of chain(at).slice(0, -1)) mark(callLine(caller), "is-caller");
    mark(line, "is-now", ...(begins ? ["is-begun"] : []));
    const span = lines[line - 1];
    current(span, true);
    codeBox.scrollTop += span.getBoundingClientRect().top
      - codeBox.getBoundingClientRect().top
      - (codeBox.clientHeight - span.offsetHeight) / 2;
  }

  // The line that a frame is at: that of its last event.
  const callLine = (frame) =>
    rec.events.slice(0, at + 1).filter((e) => e[1] === frame).pop()[0];

  // What a visit is called.
  function title(frame) {
    const [name, , label] = rec.frames[frame];
    const of = name.startsWith("__") || ["log", "exp", "relu", "backward"]
      .includes(name) ? "Value." : "";
    const found = name === "attention" ? variables(frame, at) : new Map();
    const start = found.get("start");
    return [of + name, label, start && found.get("head_dim").value
      < ids(found.get("q").value.slice(1)).length
      ? `head ${start.value / found.get("head_dim").value + 1}` : ""]
      .filter(Boolean).join(", ");
  }

  // The story

  function drawPlace() {
    const [, part] = rec.parts.filter(([first]) => first <= at).pop();
    const [name, place, page, text] = rec.told[part];
    const [, frame, begins, , note] = rec.events[at];
    const inner = rec.frames[frame][0];
    const inside = rec.inside[inner]
      || (title(frame).startsWith("Value.__") ? rec.inside.Value : "");
    story.replaceChildren(html("h2", {}, name),
      html("p", {}, text, " ", html("a", { href: `${page}.html` }, "Its chapter")),
      ...(inside ? [html("p", {}, inside)] : []),
      ...(note ? [html("p", { class: "step-note" }, note)] : []),
      ...(begins ? [html("p", { class: "step-note" },
        "This line calls a function: → goes into it, ↓ over it.")] : []));
    for (const item of map.children) {
      const here = item.dataset.box === place;
      item.classList.toggle("is-here", here);
      current(item.firstChild, here);
    }
    crumbs.replaceChildren(...chain(at).map((one) => html("li", {}, title(one))));
  }

  function drawBar() {
    slider.value = at;
    slider.setAttribute("aria-valuetext",
      `${at + 1} of ${rec.events.length}, line ${rec.events[at][0]}`);
    count.textContent = `${at + 1} of ${rec.events.length}`;
    const now = rec.stages.filter(([first]) => first <= at).length - 1;
    [...stages.children].forEach((node, i) => {
      current(node, i === now);
      if (i === now) stages.scrollLeft = node.offsetLeft - stages.clientWidth / 2;
    });
    for (const node of moves) {
      const last = node.dataset.move === "ArrowLeft" ? 0 : rec.events.length - 1;
      node.setAttribute("aria-disabled", String(at === last));
    }
  }

  function announce() {
    const [line, frame, begins, changed] = rec.events[at];
    const said = (value) => shape(value) || (isNodes(value)
      ? show(number(ids(value.slice(1))[0])) : show(value).replace(/^[#'t]/, ""));
    const told = Object.entries(changed)
      .map(([name, where]) => `${name} ${said(rec.pool[where])}`);
    announced.textContent = `${title(frame)}, line ${line}${begins
      ? ", which calls" : ""}: ${lines[line - 1].textContent.trim()}${told.length
      ? `. Changed: ${told.join(", ")}` : ""}.`;
  }

  let writing = 0;
  // Show an event: all that is seen follows from it.
  function go(event) {
    at = Math.max(0, Math.min(event, rec.events.length - 1));
    drawCode();
    drawPlace();
    drawValues();
    drawWhere();
    drawBar();
    announce();
    clearTimeout(writing); // a browser bears only so many addresses a second
    writing = setTimeout(
      () => history.replaceState(null, "", `#${key}-${at}`), 150);
  }

  function move(press) {
    toggle(false);
    go(MOVES[press][3]());
  }

  function toggle(on) {
    clearInterval(playing);
    const next = () =>
      (at < rec.events.length - 1 ? go(at + 1) : toggle(false));
    playing = on ? setInterval(next, PACE) : 0;
    play.textContent = on ? "‖ pause" : "▶ play";
  }

  function open(name, event) {
    toggle(false);
    load(name, (loaded) => {
      if (rec !== loaded) {
        rec = loaded;
        key = name;
        asked = [];
        choice.value = name;
        slider.max = rec.events.length - 1;
        const boxes = new Map([...rec.parts].reverse()
          .map(([first, part]) => [rec.told[part][1], first]));
        boxes.delete("");
        const jump = ([name, first]) =>
          button(name, {}, () => { toggle(false); go(first); });
        map.replaceChildren(...[...boxes].sort((a, b) => a[1] - b[1]).map((one) =>
          html("li", { "data-box": one[0] }, jump(one))));
        stages.replaceChildren(...rec.stages.map(([first, name]) =>
          jump([name, first])));
      }
      go(typeof event === "function" ? event(rec) : event);
    });
  }

  // #ada-12 is an event, #line-256 the first event at a line.
  function fromAddress() {
    const [, name, text] = location.hash.match(/^#(\w+)-(\d+)$/) || [];
    const event = Number(text);
    if (name in NAMES) {
      if (name !== key || event !== at) open(name, event);
    } else if (name === "line") {
      const find = (loaded) => loaded.events.findIndex(([line]) => line === event);
      load("ada", (ada) => open(find(ada) < 0 ? "name" : "ada",
        (loaded) => Math.max(0, find(loaded))));
    } else if (!rec) open("ada", 0);
  }

  // Pointing at a name in the code, or at a variable, lights both.
  function light(name) {
    const frame = rec && rec.frames[frameOf(at)][0];
    const word = (name || "").split(/[[.]/)[0];
    for (const node of place.querySelectorAll(".is-lit")) {
      node.classList.remove("is-lit");
    }
    if (!word || !frame) return;
    for (const node of values.querySelectorAll("[data-name]")) {
      node.classList.toggle("is-lit", node.dataset.name.split(/[[.]/)[0] === word);
    }
    for (const span of marked) {
      if (span.classList.contains("is-caller")) continue;
      for (const token of span.querySelectorAll(".n, .nb, .bp")) {
        if (token.textContent === word) token.classList.add("is-lit");
      }
    }
  }

  panel.addEventListener("pointerover", (event) => {
    const variable = event.target.closest("[data-name]");
    const token = event.target.closest(".step-code .n");
    light(variable ? variable.dataset.name : token ? token.textContent : "");
  });

  document.addEventListener("keydown", (event) => {
    if (!(event.key in MOVES) || event.altKey || event.ctrlKey || event.metaKey
        || event.target.closest("input, select, textarea")) return;
    const seen = panel.getBoundingClientRect().bottom > window.innerHeight / 2;
    if (!panel.contains(event.target)
        && (event.target !== document.body || !seen)) return;
    event.preventDefault();
    if (!(event.key === "ArrowLeft" ? at === 0
      : at === rec.events.length - 1)) move(event.key);
  });
  slider.addEventListener("input", () => { toggle(false); go(Number(slider.value)); });
  choice.addEventListener("change", () => open(choice.value, 0));
  window.addEventListener("hashchange", fromAddress);
  new MutationObserver(() => { kept = new Map(); if (rec) go(at); })
    .observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
  window.addEventListener("resize", () => rec && go(at));

  codeBox.append(code.closest(".highlight"));
  place.append(panel);
  place.classList.add("is-live");
  fromAddress();
})();
