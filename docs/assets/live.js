/* The live parts of the book. Each one stands in a <div class="live"> with a
   figure that serves without this script and in print, and with the numbers of
   a recorded run as JSON. Nothing is fetched: it works from a file, too. */
(() => {
  "use strict";

  // Elements

  const { html, svg } = globalThis.elements;

  function button(name, press) {
    const node = html("button", { type: "button", class: "live-button" }, name);
    node.addEventListener("click", press);
    return node;
  }

  // Radio buttons that look like keys: one stop for Tab, arrows between them.
  function choice(title, names, chosen, pick) {
    const group = `live-${title}`.replaceAll(" ", "-");
    const labels = names.map((name, i) => {
      const input = html("input", { type: "radio", name: group, value: i });
      input.checked = i === chosen;
      input.addEventListener("change", () => pick(i));
      return html("label", { class: "live-key" }, input, html("span", {}, name));
    });
    return html("fieldset", { class: "live-choice" },
      html("legend", {}, title), html("div", {}, ...labels));
  }

  // A slider whose value is told in words, on the page and to screen readers.
  function slider(title, range, words, move) {
    const input = html("input", { type: "range", ...range });
    // Not an <output>: the label would belong to that instead of the slider.
    const value = html("b", { class: "live-value", "aria-hidden": "true" });
    const tell = () => {
      value.textContent = words(Number(input.value));
      input.setAttribute("aria-valuetext", value.textContent);
    };
    input.addEventListener("input", () => {
      tell();
      move(Number(input.value));
    });
    tell();
    const label = html("label", { class: "live-slider" },
      html("span", {}, title), value, input);
    label.tell = tell;
    return label;
  }

  function titled(title, node) {
    return html("div", {}, html("p", { class: "live-title" }, title), node);
  }

  // Numbers

  const plain = (x) => String(x).replace("-", "−");

  // As in microgpt.py: without the largest logit, exp cannot overflow.
  function softmax(logits, temperature = 1) {
    const top = Math.max(...logits);
    const exps = logits.map((logit) => Math.exp((logit - top) / temperature));
    const total = exps.reduce((a, b) => a + b, 0);
    return exps.map((e) => e / total);
  }

  function largest(numbers) {
    return numbers.reduce((best, x, i) => (x > numbers[best] ? i : best), 0);
  }

  const prefixName = (prefix) => prefix || "bos alone";

  // A bar and its number beside it, the largest of its kind in full width.
  function bar(probability, top, digits) {
    const fill = html("i", { class: "live-fill" });
    fill.style.setProperty("--share", probability / top);
    return html("span", { class: "live-bar" }, fill,
      html("span", {}, probability.toFixed(digits)));
  }

  // One column a token, each in its place, so that the eye can follow it.
  function columns(tokens, probs) {
    const best = largest(probs);
    return tokens.map((token, i) => html("li",
      i === best ? { class: "is-top" } : {}, bar(probs[i], probs[best], 3),
      html("b", {}, token)));
  }

  // Backward: step through the edges of a small graph

  // On a narrow screen the graph runs from top to bottom.
  function geometry(nodes, narrow) {
    const columns = Math.max(...nodes.map((node) => node.x));
    const rows = Math.max(...nodes.map((node) => node.y));
    const size = narrow ? { w: 62, h: 58 } : { w: 78, h: 62 };
    const gap = narrow ? Math.min(100, 272 / rows) : Math.min(180, 690 / columns);
    const place = narrow
      ? (node) => ({ x: 32 + node.y * gap, y: 30 + node.x * 98 })
      : (node) => ({ x: 40 + node.x * gap, y: 32 + node.y * 78 });
    return { size, place };
  }

  // From the border of one box to the border of the other, moved to the side
  // by shift, for a node that is used twice by the same one.
  function edgeEnds(from, to, size, shift) {
    const dx = to.x - from.x;
    const dy = to.y - from.y;
    const length = Math.hypot(dx, dy);
    const border = Math.min(size.w / 2 / Math.abs(dx), size.h / 2 / Math.abs(dy));
    const start = border + 2 / length;
    const end = 1 - border - 4 / length;
    const side = { x: -dy / length * shift, y: dx / length * shift };
    const at = (t) => ({ x: from.x + dx * t + side.x, y: from.y + dy * t + side.y });
    return { start: at(start), end: at(end), middle: at((start + end) / 2),
             dx: dx / length, dy: dy / length };
  }

  // The label stands beside the arrow: above it, or to the right of a steep one.
  function drawEdge(edge, ends, state, narrow) {
    const { start, end, middle, dx, dy } = ends;
    const neck = { x: end.x - 8 * dx, y: end.y - 8 * dy };
    const head = [[end.x, end.y], [neck.x - 4 * dy, neck.y + 4 * dx],
                  [neck.x + 4 * dy, neck.y - 4 * dx]];
    return svg("g", { class: `live-edge ${state}` },
      svg("line", { x1: start.x, y1: start.y, x2: neck.x, y2: neck.y }),
      svg("polygon", { points: head.join(" ") }),
      svg("text", narrow
        ? { x: middle.x + 7 + 5 * Math.abs(dx), y: middle.y + 4.5 - 9 * Math.abs(dx) * Math.sign(dx * dy),
            "text-anchor": "start" }
        : { x: middle.x, y: middle.y - 6.5 },
        `× ${plain(edge.local_grad)}`));
  }

  function drawNode(node, grad, at, size, state) {
    const line = (y, kind, text) => svg("text",
      { x: at.x, y: at.y + y, class: `live-${kind}` }, text);
    return svg("g", { class: `live-node ${state}` },
      svg("rect", { x: at.x - size.w / 2, y: at.y - size.h / 2, width: size.w,
                    height: size.h, rx: 6 }),
      line(-12, "label", node.label), line(5, "data", `data ${plain(node.data)}`),
      line(22, "grad", `grad ${plain(grad)}`));
  }

  // Which of the edges a step walks: two edges may join the same two nodes.
  function edgeOfStep(graph) {
    const free = graph.edges.map((_, i) => i);
    return graph.steps.map((step) => {
      const found = free.findIndex((i) => graph.edges[i].from === step.from
        && graph.edges[i].to === step.to);
      return free.splice(found, 1)[0];
    });
  }

  // The grads after so many steps, all as recorded.
  function gradsAfter(graph, done) {
    const grads = graph.nodes.map(() => 0);
    grads[graph.steps[0].from] = graph.steps[0].grad;
    for (const step of graph.steps.slice(0, done)) {
      grads[step.to] = step.after;
    }
    return grads;
  }

  function drawGraph(graph, done, narrow) {
    const { size, place } = geometry(graph.nodes, narrow);
    const at = graph.nodes.map(place);
    const width = Math.max(...at.map((p) => p.x)) + size.w / 2 + 2;
    const height = Math.max(...at.map((p) => p.y)) + size.h / 2 + 2;
    const grads = gradsAfter(graph, done);
    const order = edgeOfStep(graph);
    const now = done ? graph.steps[done - 1] : null;
    const edges = graph.edges.map((edge, i) => {
      const twins = graph.edges.filter((e) => e.from === edge.from
        && e.to === edge.to);
      const shift = twins.length > 1 ? 36 * twins.indexOf(edge) - 18 : 0;
      const turn = order.indexOf(i);
      const state = turn === done - 1 ? "is-now" : turn < done ? "is-done" : "";
      const ends = edgeEnds(at[edge.from], at[edge.to], size, shift);
      return drawEdge(edge, ends, state, narrow);
    });
    const nodes = graph.nodes.map((node, i) => drawNode(node, grads[i], at[i],
      size, now && now.from === i ? "is-from" : now && now.to === i ? "is-to" : ""));
    return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, role: "img",
                        "aria-label": tellGraph(graph, grads) },
      ...edges, ...nodes);
  }

  // The graph in words: each node, its numbers, and what it was computed from.
  function tellGraph(graph, grads) {
    const told = graph.nodes.map((node, i) => {
      const from = graph.edges.filter((edge) => edge.from === i).map((edge) =>
        `${graph.nodes[edge.to].label} times ${plain(edge.local_grad)}`);
      return `${node.label}: data ${plain(node.data)}, grad ${plain(grads[i])}`
        + (from.length ? `, passes its grad on to ${from.join(" and ")}` : "");
    });
    return `Graph of ${graph.title}. ${told.join(". ")}.`;
  }

  function tellStep(graph, done) {
    const count = `Step ${done} of ${graph.steps.length}: `;
    if (!done) {
      const root = graph.nodes[graph.steps[0].from];
      return `${count}${root.label} starts with grad `
        + `${plain(graph.steps[0].grad)}, all others with 0.`;
    }
    const step = graph.steps[done - 1];
    return `${count}${graph.nodes[step.from].label} passes `
      + `${plain(step.local_grad)} × ${plain(step.grad)} = `
      + `${plain(step.product)} to ${graph.nodes[step.to].label}, whose grad is `
      + `now ${plain(step.before)} + ${plain(step.product)} = ${plain(step.after)}.`;
  }

  function backward(graphs, panel, say) {
    const narrow = window.matchMedia("(max-width: 44.9em)");
    const picture = html("div", { class: "live-picture" });
    let graph = graphs[0];
    let done = 0;
    // Ends are marked, not disabled: a disabled button would lose the focus.
    const go = (to) => {
      done = Math.max(0, Math.min(graph.steps.length, to));
      back.setAttribute("aria-disabled", done === 0);
      reset.setAttribute("aria-disabled", done === 0);
      next.setAttribute("aria-disabled", done === graph.steps.length);
      picture.replaceChildren(drawGraph(graph, done, narrow.matches));
      say(tellStep(graph, done));
    };
    const back = button("Back", () => go(done - 1));
    const next = button("Next", () => go(done + 1));
    const reset = button("Reset", () => go(0));
    const titles = graphs.map((one) => button(one.title, () => choose(one)));
    const choose = (one) => {
      graph = one;
      titles.forEach((title, i) => title.setAttribute("aria-pressed",
        graphs[i] === one));
      go(0);
    };
    panel.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && !event.altKey && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        go(done + step);
      }
    });
    narrow.addEventListener("change", () => go(done));
    panel.append(html("div", { class: "live-controls live-graphs" }, ...titles),
      picture, html("div", { class: "live-controls" }, back, next, reset));
    choose(graph);
  }

  // Attention: what each head looks at, and what comes next

  // A head's whole grid: a row for each token that looks, with the chosen one
  // framed. The darker a cell, the larger the weight.
  function drawHead(tokens, weights, at, pick) {
    const n = tokens.length;
    const cell = 200 / n;
    const label = (x, y, token, anchor) => svg("text", { x, y,
      "text-anchor": anchor }, token === "bos" ? "·" : token);
    const rows = weights.map((row, i) => {
      const cells = row.map((w, j) => svg("rect", { x: 24 + j * cell,
        y: 24 + i * cell, width: cell - 2, height: cell - 2, rx: 2,
        class: "live-cell", "fill-opacity": w }));
      const strip = svg("rect", { x: 24, y: 24 + i * cell, width: 200,
        height: cell, class: "live-strip" });
      strip.addEventListener("click", () => pick(i));
      return svg("g", {}, ...cells, strip,
        label(16, 24 + (i + 0.5) * cell + 4, tokens[i], "end"));
    });
    return svg("svg", { viewBox: "0 0 226 226", class: "live-heat",
                        "aria-hidden": "true" },
      ...tokens.map((token, j) => label(24 + (j + 0.5) * cell - 1, 14, token, "middle")),
      ...rows, svg("rect", { x: 23, y: 23 + at * cell, width: (at + 1) * cell,
                             height: cell, rx: 3, class: "live-frame" }));
  }

  // The chosen row opened; tokens to come are there, but not seen yet.
  function attentionTable(tokens, heads, at) {
    const rows = tokens.map((token, row) => {
      const cells = heads.map((head) => html("td", {}, ...(row <= at
        ? [bar(head[at][row], Math.max(...head[at]), 2)] : [])));
      return html("tr", row > at ? { class: "is-unseen" } : {},
        html("th", { scope: "row" }, token), ...cells);
    });
    const names = heads.map((_, i) => html("th", { scope: "col" }, `head ${i + 1}`));
    return html("table", { class: "live-table", style: `--rows: ${tokens.length}` },
      html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "at"), ...names)),
      html("tbody", {}, ...rows));
  }

  function tellAttention(entry, when, at) {
    const heads = entry[when].weights.map((head) => head[at]);
    const head = largest(heads.map((weights) => Math.max(...weights)));
    const seen = largest(heads[head]);
    const [next, probability] = entry[when].next[at][0];
    const looks = at ? `, head ${head + 1} looks mostly at ${entry.tokens[seen]} `
      + `(${heads[head][seen].toFixed(2)})` : " there is only bos to look at";
    return `${when === "after" ? "After" : "Before"} training, at `
      + `${entry.tokens[at]}${looks}; the likeliest next is ${next} `
      + `(${probability.toFixed(2)}).`;
  }

  function attention({ names }, panel, say) {
    const grids = html("div", { class: "live-heads" });
    const table = html("div");
    const next = html("ol", { class: "live-list" });
    const tiles = html("div", { class: "live-tiles" });
    const select = html("select", {},
      ...names.map((entry, i) => html("option", { value: i }, entry.name)));
    let entry = names[0];
    let when = "after";
    let at = 0;
    const show = () => {
      const heads = entry[when].weights;
      grids.replaceChildren(...heads.map((head, i) => titled(`head ${i + 1}`,
        drawHead(entry.tokens, head, at,
          (row) => tiles.querySelectorAll("input")[row].click()))));
      table.replaceChildren(attentionTable(entry.tokens, heads, at));
      const following = entry[when].next[at];
      next.replaceChildren(...following.map(([token, probability]) => html("li", {},
        html("b", {}, token), bar(probability, following[0][1], 3))));
      say(tellAttention(entry, when, at));
    };
    const choose = () => {
      entry = names[select.value];
      at = entry.tokens.length - 1;
      tiles.replaceChildren(choice("the token that looks", entry.tokens, at,
        (i) => { at = i; show(); }));
      show();
    };
    select.addEventListener("change", choose);
    panel.append(
      html("div", { class: "live-controls" },
        html("label", { class: "live-select" }, html("span", {}, "name"), select),
        choice("weights", ["before training", "after training"], 1,
          (i) => { when = i ? "after" : "before"; show(); })),
      tiles,
      grids, titled("The chosen row in numbers", table),
      titled("The likeliest next tokens", next));
    choose();
  }

  // Training: the model at every fiftieth step

  // The figure that the page has anyway, and on it where we are.
  function cursorOn(figure) {
    const picture = figure.cloneNode(true);
    picture.querySelectorAll("title, desc").forEach((node) => node.remove());
    picture.removeAttribute("aria-labelledby");
    picture.removeAttribute("width");
    picture.setAttribute("aria-hidden", "true");
    picture.setAttribute("class", "live-curve");
    const scale = ([low, high, start, end]) => (value) =>
      start + (value - low) / (high - low) * (end - start);
    const [along, up] = ["x", "y"].map((name) =>
      figure.getAttribute(`data-${name}`).split(" ").map(Number));
    const [x, y] = [scale(along), scale(up)];
    const rest = svg("rect", { class: "live-rest", y: up[3] - 1, height: up[2] - up[3] });
    const cursor = svg("line", { class: "live-now", y1: up[2], y2: up[3] });
    const trained = svg("circle", { class: "live-trained-at", r: 5 });
    const heldOut = svg("circle", { class: "live-held-out-at", r: 5 });
    picture.append(rest, cursor, trained, heldOut);
    const set = (node, attributes) => {
      for (const [name, value] of Object.entries(attributes)) {
        node.setAttribute(name, value);
      }
    };
    const show = (step, mean, held) => {
      set(rest, { x: x(step), width: x(along[1]) - x(step) + 4 });
      set(cursor, { x1: x(step), x2: x(step) });
      set(trained, { cx: x(step), cy: y(mean ?? up[1]), visibility: mean === null ? "hidden" : "visible" });
      set(heldOut, { cx: x(step), cy: y(held) });
    };
    return { picture, show };
  }

  // The mean over 50 steps up to this one; before the first there is none.
  function lossAt(loss, step) {
    const found = loss.find((point) => point[0] === step);
    return found ? found[1] : null;
  }

  function training(data, panel, say, place) {
    const { snapshots, prefixes, tokens, loss } = data;
    const curve = cursorOn(place.querySelector("figure > svg"));
    const numbers = html("dl", { class: "live-numbers" });
    const samples = html("ol", { class: "live-samples" });
    const next = html("ol", { class: "live-bars" });
    let at = snapshots.length - 1;
    let prefix = prefixes[0];
    const show = () => {
      const { step, held_out: heldOut, samples: texts, next: probs } = snapshots[at];
      const likely = largest(probs[prefix]);
      const mean = lossAt(loss, step);
      curve.show(step, mean, heldOut);
      numbers.replaceChildren(
        html("div", { class: "live-trained" }, html("dt", {}, "training loss, mean of 50 steps"),
          html("dd", {}, mean === null ? "–" : mean.toFixed(2))),
        html("div", { class: "live-held-out" }, html("dt", {}, "held-out loss"),
          html("dd", {}, heldOut.toFixed(2))));
      samples.replaceChildren(...texts.map((text) => html("li", {}, text)));
      next.replaceChildren(...columns(tokens, probs[prefix]));
      say(`At step ${step} the held-out loss is ${heldOut.toFixed(2)}, and after `
        + `${prefixName(prefix)} the likeliest is ${tokens[likely]} `
        + `(${probs[prefix][likely].toFixed(2)}).`);
    };
    panel.append(
      slider("steps trained", { min: 0, max: at, step: 1, value: at },
        (i) => plain(snapshots[i].step), (i) => { at = i; show(); }),
      html("div", { class: "live-columns" },
        html("div", {}, numbers, curve.picture),
        html("div", {}, titled("Five samples at this step", samples))),
      choice("what comes after", prefixes.map(prefixName), 0,
        (i) => { prefix = prefixes[i]; show(); }), next);
    show();
  }

  // Temperature: the one part that computes, and with the page's own softmax

  function temperature({ tokens, prefixes }, panel, say) {
    const list = html("ol", { class: "live-bars" });
    let entry = prefixes[1];
    let degree = 0.5;
    const show = () => {
      const probs = softmax(entry.logits, degree);
      const top = largest(probs);
      list.replaceChildren(...columns(tokens, probs));
      say(`At temperature ${degree.toFixed(2)}, ${tokens[top]} follows `
        + `${prefixName(entry.prefix)} with probability ${probs[top].toFixed(3)}.`);
    };
    panel.append(
      choice("what comes after", prefixes.map((one) => prefixName(one.prefix)), 1,
        (i) => { entry = prefixes[i]; show(); }),
      slider("temperature", { min: 0.1, max: 3, step: 0.05, value: degree },
        (value) => value.toFixed(2), (value) => { degree = value; show(); }),
      list);
    show();
  }

  // Growth: noise becoming names, from untrained to the last step. It plays
  // once, for five seconds, and not where motion is unwelcome.

  function growth({ snapshots }, panel, say) {
    const names = html("ol", { class: "live-names" });
    const last = snapshots.length - 1;
    let at = last;
    let timer = 0;
    const show = () => {
      const { step, samples, held_out: heldOut } = snapshots[at];
      names.replaceChildren(...samples.map((text) => html("li", {}, text)));
      range.querySelector("input").value = at;
      range.tell();
      if (timer) {
        say(""); // or a screen reader would tell each picture
      } else {
        say(`${step ? `After ${plain(step)} steps` : "Untrained"}, the loss on `
          + `names it has never seen is ${heldOut.toFixed(2)}.`);
      }
    };
    const stop = () => {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
    };
    const next = () => {
      at += 1;
      if (at === last) stop();
      show();
    };
    const start = () => {
      at = 0;
      timer = setInterval(next, 5000 / snapshots.length);
      play.textContent = "Stop";
      show();
    };
    const play = button("Play", () => {
      if (timer) {
        stop();
        show();
      } else {
        start();
      }
    });
    const range = slider("steps trained", { min: 0, max: last, step: 1, value: at },
      (i) => `${plain(snapshots[i].step)} of ${plain(snapshots[last].step)}`,
      (i) => { stop(); at = i; show(); });
    panel.append(names, html("div", { class: "live-controls live-play" }, play, range));
    show();
    if (!window.matchMedia("(prefers-reduced-motion: reduce)").matches) start();
  }

  // Every live part of the page

  const parts = {
    backward: [backward, "Step through backward"],
    attention: [attention, "See what each head looks at"],
    training: [training, "Watch the model learn"],
    temperature: [temperature, "Change the temperature"],
    growth: [growth, "Watch it learn to spell"],
  };

  // The figure is hidden last: should anything fail, it stays.
  function enliven(place) {
    const [start, title] = parts[place.dataset.live];
    const data = JSON.parse(place.querySelector("script").textContent);
    const status = html("p", { class: "live-status", "aria-live": "polite" });
    const panel = html("div", { class: "live-panel", role: "group",
                                "aria-label": title },
      html("p", { class: "live-head" }, title));
    start(data, panel, (text) => { status.textContent = text; }, place);
    panel.append(status);
    place.append(panel);
    place.classList.add("is-live");
  }

  window.microgptSoftmax = softmax; // for the tests
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".live").forEach(enliven);
  });
})();
