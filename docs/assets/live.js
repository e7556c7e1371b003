/* The live parts of the book. Each one stands in a <div class="live"> with a
   figure that serves without this script and in print, and with the numbers of
   a recorded run as JSON. Nothing is fetched: it works from a file, too. */
(() => {
  "use strict";

  const { html, svg, choice, slider, bar, controls } = globalThis.elements;

  function titled(title, node) {
    return html("div", {}, html("p", { class: "live-title" }, title), node);
  }

  function largest(numbers) {
    return numbers.reduce((best, x, i) => (x > numbers[best] ? i : best), 0);
  }

  const prefixName = (prefix) => prefix || "bos alone";

  // One column a token, each in its place, so that the eye can follow it.
  function columns(tokens, probs) {
    const best = largest(probs);
    return tokens.map((token, i) => html("li",
      i === best ? { class: "is-top" } : {}, bar(probs[i], probs[best], 3),
      html("b", {}, token)));
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
      controls(html("label", { class: "live-select" }, html("span", {}, "name"), select),
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
        (i) => String(snapshots[i].step), (i) => { at = i; show(); }),
      html("div", { class: "live-columns" },
        html("div", {}, numbers, curve.picture),
        html("div", {}, titled("Five samples at this step", samples))),
      choice("what comes after", prefixes.map(prefixName), 0,
        (i) => { prefix = prefixes[i]; show(); }), next);
    show();
  }

  // Temperature: the one part that computes, with the softmax of microgpt.js

  function temperature({ tokens, prefixes }, panel, say) {
    const { Value, softmax } = globalThis.microgpt;
    const list = html("ol", { class: "live-bars" });
    let entry = prefixes[1];
    let degree = 0.5;
    const show = () => {
      const probs = softmax(entry.logits.map((logit) => new Value(logit).div(degree)))
        .map((p) => p.data);
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

  // Every live part of the page

  const parts = {
    attention: [attention, "See what each head looks at"],
    training: [training, "Watch the model learn"],
    temperature: [temperature, "Change the temperature"],
  };

  // The figure is hidden last: should anything fail, it stays.
  function enliven(place) {
    const [start, title] = parts[place.dataset.live] ?? [];
    if (!start || place.classList.contains("is-live")) return;
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

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".live").forEach(enliven);
  });
})();
