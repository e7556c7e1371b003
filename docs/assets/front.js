/* The first page: the trained model at work, and how it learned. */
(() => {
  "use strict";

  const { html, svg } = globalThis.elements;
  const { Config, Random, Tokenizer, Value, gpt, init_params, linear, rmsnorm,
          softmax } = globalThis.microgpt;

  const { chars, weights } = globalThis.frontModel;
  const config = new Config();
  const tokenizer = new Tokenizer([chars]);
  const params = init_params(config, tokenizer.vocab_size, new Random(0));
  Object.values(params).flat(2).forEach((w, i) => { w.data = weights[i] / 1000; });
  const tokens = [...chars, "end"];
  const LONGEST = config.block_size - 1; // letters that one more can follow

  const percent = (p) => (p < 0.01 ? "<1%" : `${Math.round(100 * p)}%`);
  const shares = (logits, temperature = 1) =>
    softmax(logits.map((v) => v.div(temperature))).map((p) => p.data);

  function button(name, press) {
    const node = html("button", { type: "button", class: "live-button" }, name);
    node.addEventListener("click", press);
    return node;
  }

  // What gpt makes of a text: the logits after each token, and what each head
  // looks at from there, [tokens][n_head][tokens seen].
  function read(text) {
    const ids = [tokenizer.bos, ...tokenizer.encode(text)];
    const keys = [[]];
    const logits = gpt(config, params, ids, keys, [[]]);
    const x = ids.map((id, i) => rmsnorm(rmsnorm(
      params.wte[id].map((v, j) => v.add(params.wpe[i][j])))));
    const size = config.n_embd / config.n_head;
    const looks = linear(x, params["layer0.attn_wq"]).map((q, i) =>
      Array.from({ length: config.n_head }, (_, head) => {
        const part = (row) => row.slice(head * size, (head + 1) * size);
        const [scores] = linear([part(q)], keys[0].slice(0, i + 1).map(part));
        return shares(scores, Math.sqrt(size));
      }));
    return { logits, looks };
  }

  // At work: a beginning, and what the model expects after each of its letters

  function work(place) {
    const rng = new Random(config.seed);
    const input = html("input", { type: "text", value: "ka", size: 16,
      maxlength: LONGEST, spellcheck: "false", autocapitalize: "none",
      autocomplete: "off", id: "front-text" });
    const letters = html("tbody");
    const bars = html("ol", { class: "live-bars" });
    const title = html("p", { class: "live-title" });
    const said = html("p", { class: "live-status", "aria-live": "polite" });
    const table = html("div", { class: "scrolls" },
      html("table", { class: "front-letters" }, letters));
    let text, at, seen, begun, ended, left;

    const row = (name, cells) => html("tr", {},
      html("th", { scope: "row" }, name), ...cells);

    function show() {
      const all = ["·", ...text];
      const probs = seen.logits.map((logits) => shares(logits));
      const heads = seen.looks[at];
      letters.replaceChildren(
        row("letter", all.map((char, i) => {
          const key = button(char, () => choose(i, true));
          key.setAttribute("aria-pressed", i === at);
          if (!i) key.setAttribute("aria-label", "the beginning");
          return html("td", {}, key);
        })),
        row("expected", all.map((char, i) => html("td", {},
          i ? percent(probs[i - 1][tokens.indexOf(char)]) : ""))),
        ...heads.map((looks, head) => row(`head ${head + 1} looks`,
          all.map((_, i) => {
            const share = looks[i] ?? 0;
            const cell = html("td", { class: "front-look" },
              html("span", {}, i > at ? "" : percent(share)));
            cell.style.setProperty("--share", share);
            return cell;
          }))));

      table.scrollLeft = at === text.length ? table.scrollWidth : table.scrollLeft;

      const now = probs[at];
      const ranks = [...now.keys()].sort((a, b) => now[b] - now[a]);
      bars.replaceChildren(...tokens.map((token, i) => {
        const fill = html("i", { class: "live-fill" });
        fill.style.setProperty("--share", now[i] / now[ranks[0]]);
        return html("li", ranks[0] === i ? { class: "is-top" } : {},
          html("span", { class: "live-bar" }, fill,
            html("span", {}, now[i] < 0.005 ? "" : Math.round(100 * now[i]))),
          html("b", {}, token));
      }));
      const start = text.slice(0, at);
      title.textContent = "Of 100 names that begin "
        + `${start ? `with ${start}` : "anyhow"}, so many go on with`;
      const [a, b, c] = ranks.map((i) => `${tokens[i]} (${percent(now[i])})`);
      said.textContent = (left
        ? `It knows only a to z, so it leaves out ${left} here. ` : "")
        + (ended ? `It ends here: ${text}. The next letter begins another. ` : "")
        + `${start ? `After ${start}` : "At the beginning"} it expects ${a}, ${b} or ${c}.`;
    }

    function choose(i, focus) {
      at = i;
      show();
      if (focus) letters.querySelectorAll("button")[i].focus();
    }

    function set(to) {
      text = to;
      seen = read(text);
      at = text.length;
    }

    function typed() {
      const plain = input.value.toLowerCase().normalize("NFD")
        .replace(/\p{M}/gu, "");
      left = [...new Set(plain.replace(/\s/g, ""))]
        .filter((char) => !chars.includes(char)).join(" ");
      begun = [...plain].filter((char) => chars.includes(char)).join("")
        .slice(0, LONGEST);
      ended = false;
      set(begun);
      show();
    }

    // One letter more, drawn as the program draws it; after the last, anew.
    function goOn() {
      left = "";
      if (ended) {
        ended = false;
        set(begun);
      }
      const probs = shares(seen.logits[text.length], config.temperature);
      const [next] = rng.choices(probs);
      ended = next === tokenizer.bos || text.length === LONGEST;
      if (next !== tokenizer.bos) {
        const to = text + chars[next];
        if (ended) text = to.slice(0, LONGEST);
        else set(to);
      }
      at = text.length;
      input.value = text;
      show();
    }

    input.addEventListener("input", typed);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) goOn();
    });
    const whole = () => {
      do goOn(); while (!ended);
    };
    place.append(html("div", { class: "live-panel front-work", role: "group",
                               "aria-label": "The model at work" },
      html("div", { class: "live-controls" },
        html("label", { for: "front-text" },
          "Type a beginning, or your own name:"),
        input, button("Next letter", goOn), button("To the end", whole)),
      said, title, bars, table));
    typed();
  }

  // Learning: the recorded run, its losses beside its names

  function learning(place) {
    const { snapshots, loss } = JSON.parse(
      place.querySelector("script").textContent);
    const last = snapshots[snapshots.length - 1].step;
    const x = (step) => 34 + 356 * step / last;
    const y = (nats) => 20 + 150 * (3.4 - nats) / 1.4;
    const line = (points) => points.map(([step, nats]) =>
      `${x(step).toFixed(1)},${y(nats).toFixed(1)}`).join(" ");
    const trained = svg("polyline", { class: "front-trained" });
    const heldOut = svg("polyline", { class: "front-held-out" });
    const grid = [2, 2.5, 3].flatMap((nats) => [
      svg("line", { x1: 34, x2: 390, y1: y(nats), y2: y(nats) }),
      svg("text", { x: 28, y: y(nats) + 5, "text-anchor": "end" }, nats.toFixed(1))]);
    const picture = svg("svg", { viewBox: "0 0 400 178", class: "front-curve",
      "aria-hidden": "true" }, ...grid, trained, heldOut);
    const numbers = html("p", { class: "front-numbers" });
    const names = html("ol", { class: "live-names" });
    const range = html("input", { type: "range", min: 0, max: last, step: 10,
      "aria-label": "steps trained" });
    let timer = 0;

    function show(step) {
      const passed = snapshots.filter((one) => one.step <= step);
      const { samples, held_out: held } = passed[passed.length - 1];
      const means = loss.filter(([at]) => at <= step);
      trained.setAttribute("points", line(means));
      heldOut.setAttribute("points",
        line(passed.map((one) => [one.step, one.held_out])));
      names.replaceChildren(...samples.map((text) => html("li", {}, text)));
      numbers.replaceChildren(`Step ${step.toLocaleString("en")}. Loss: `,
        html("span", { class: "is-value" }, means.length
          ? means[means.length - 1][1].toFixed(2) : "–"), " on names it learns, ",
        html("span", { class: "is-held-out" }, held.toFixed(2)),
        " on names it has never seen");
      range.value = step;
      range.setAttribute("aria-valuetext", `${step}, held-out loss ${held.toFixed(2)}`);
    }

    const stop = () => {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
    };
    const start = () => {
      let step = 0;
      play.textContent = "Stop";
      timer = setInterval(() => {
        show(step);
        if (step === last) stop();
        step += 10;
      }, 60);
    };
    const play = button("Play", () => (timer ? stop() : start()));
    range.addEventListener("input", () => {
      stop();
      show(Number(range.value));
    });

    place.append(html("div", { class: "live-panel", role: "group",
                               "aria-label": "Watch it learn" },
      numbers, html("div", { class: "front-learning" }, names, picture),
      html("div", { class: "live-controls live-play" }, play, range)));
    show(last);
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const watch = new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) return;
      watch.disconnect();
      start();
    }, { threshold: 0.6 });
    watch.observe(place);
  }

  // The figure is hidden last: should anything fail, it stays.
  for (const [id, part] of [["work", work], ["learning", learning]]) {
    const place = document.getElementById(`front-${id}`);
    part(place);
    place.classList.add("is-live");
  }
})();
