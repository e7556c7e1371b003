/* "Train it here": microgpt.js trained in short slices between what the browser
   has to do, and drawn. Nothing is fetched, and nothing is kept that grows with
   the steps: it works from a file, and as long as one likes. */
(() => {
  "use strict";

  const place = document.getElementById("train");
  const m = globalThis.microgpt;
  if (!place || !m) return;

  const SETTINGS = ["steps", "n_embd", "n_head", "n_layer", "block_size",
                    "learning_rate", "seed", "temperature"];
  const POINTS = 1000; // of a curve, at most
  const SMOOTH = 50; // of them in a mean
  const SLICE = 12; // milliseconds
  const SAMPLES = 10; // at each tenth; at the end as many as the program's
  const LIKELY = 12; // tokens listed after a prompt

  // Elements

  const { html, svg } = globalThis.elements;

  function button(name, press) {
    const node = html("button", { type: "button", class: "train-button" }, name);
    node.addEventListener("click", () => {
      if (node.getAttribute("aria-disabled") !== "true") press();
    });
    return node;
  }

  // Off, but not disabled: a disabled button would lose the focus.
  function turn(node, on) {
    node.setAttribute("aria-disabled", !on);
  }

  // A button that opens a file and hands over its name and bytes.
  function opener(name, accept, take) {
    const input = html("input", { type: "file", accept, hidden: "" });
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (file) take(file.name, new Uint8Array(await file.arrayBuffer()));
      input.value = ""; // the same file can be opened once more
    });
    return [button(name, () => input.click()), input];
  }

  // A line for what is wrong, announced when it appears.
  function complaint(id) {
    const line = html("p", { class: "train-error", role: "alert", id });
    line.say = (text = "") => {
      if (line.textContent !== text) line.textContent = text;
    };
    return line;
  }

  function wrong(control, line, text) {
    line.say(text);
    control.setAttribute("aria-invalid", Boolean(text));
  }

  // The text at hand

  // Mean over docs of guessing each of their tokens by probability(last, next).
  function guessing(docs, probability) {
    let sum = 0;
    for (const tokens of docs) {
      let loss = 0;
      for (let i = 1; i < tokens.length; i++) {
        loss -= Math.log(probability(tokens[i - 1], tokens[i]));
      }
      sum += loss / (tokens.length - 1);
    }
    return sum / docs.length;
  }

  // Losses without a model: of guessing evenly, by how often a letter is seen,
  // and by how often it is seen after the last one. Each count has one added.
  function baselines(tokenizer, docs, block_size) {
    const { bos, vocab_size } = tokenizer;
    const read = docs.map((doc) => [bos, ...tokenizer.encode(
      [...doc].slice(0, block_size)), bos].slice(0, block_size + 1));
    const letters = new Float64Array(vocab_size).fill(1);
    const pairs = new Map(), before = new Float64Array(vocab_size).fill(vocab_size);
    let count = vocab_size;
    for (const tokens of read) {
      for (let i = 1; i < tokens.length; i++) {
        const pair = tokens[i - 1] * vocab_size + tokens[i];
        pairs.set(pair, (pairs.get(pair) ?? 1) + 1);
        before[tokens[i - 1]] += 1;
        letters[tokens[i]] += 1;
        count += 1;
      }
    }
    return [
      ["guessing evenly", Math.log(vocab_size)],
      ["letter counts", guessing(read, (a, b) => letters[b] / count)],
      ["letter pair counts", guessing(read, (a, b) =>
        pairs.get(a * vocab_size + b) / before[a])]];
  }

  // One of the two runs

  const copied = (rng) => {
    const copy = new m.Random(0);
    copy.setstate(rng.getstate());
    return copy;
  };

  class Side {
    constructor(name) {
      this.name = name;
      this.inputs = {};
      this.errors = {};
      this.failed = complaint(`train-failed-${name}`);
      this.line = html("p", { class: "train-line" });
      this.rows = html("tbody");
      this.likely = html("ol", { class: "train-likely" });
      this.more = button("Ten more samples", () => this.sample_more());
      this.download = button("Download the model", () => this.save());
      this.heading = html("p", { class: "train-title" });
      this.panel = html("section", { class: `train-side train-${name}` },
        this.heading, this.line, this.failed,
        html("table", { class: "train-samples" },
          html("thead", {}, html("tr", {}, ...["step", "loss",
            "samples; underlined: stands in the documents"].map((text) =>
            html("th", { scope: "col" }, text)))), this.rows),
        html("div", { class: "train-controls" }, this.more, this.download));
      this.clear();
    }

    clear() {
      this.run = this.curve = this.row = null;
      this.wanted = 0; // samples
      this.failed.say();
      this.line.textContent = "";
      this.rows.replaceChildren();
      this.likely.replaceChildren();
      this.show_buttons();
    }

    start(run) {
      this.clear();
      this.run = run;
      this.known = new Set([...run.docs, ...run.held_out]);
      this.curve = { from: run.step, points: [], means: [], sum: 0, n: 0,
                     size: Math.max(1, Math.ceil(run.config.steps / POINTS)) };
      this.loss = this.pace = null;
      this.busy = 0; // milliseconds of the steps that the pace is taken from
      this.taken = 0; // and their number
      if (run.step === run.config.steps) this.begin_row(run.config.samples);
      this.show_buttons();
    }

    show_buttons() {
      turn(this.more, this.run !== null && this.wanted === 0);
      turn(this.download, this.run !== null);
    }

    // The settings as the reader wrote them, or null after saying what is wrong.
    config() {
      const settings = {}, texts = {};
      let good = true;
      const refuse = (name, message) => {
        good = false;
        wrong(this.inputs[name], this.errors[name], message);
      };
      for (const name of SETTINGS) {
        const text = texts[name] = this.inputs[name].value.trim();
        wrong(this.inputs[name], this.errors[name], "");
        try {
          settings[name] = m.parse_setting(name, text);
        } catch {
          settings[name] = text;
          texts[name] = m.repr(text);
        }
        try {
          new m.Config({ n_head: 1, [name]: settings[name] }, texts);
        } catch (error) {
          if (error.message.startsWith(`${name}=`)
              && !error.message.includes("multiple")) refuse(name, error.message);
        }
      }
      if (!good) return null;
      try {
        return new m.Config(settings);
      } catch (error) {
        refuse("n_embd", error.message);
        return null;
      }
    }

    fill(config) {
      for (const name of SETTINGS) {
        this.inputs[name].value = config[name];
        wrong(this.inputs[name], this.errors[name], "");
      }
    }

    // Samples follow the reader's temperature at once.
    sampling() {
      const { config } = this.run;
      try {
        const temperature = m.parse_setting("temperature", this.inputs.temperature.value);
        return new m.Config({ ...config, temperature });
      } catch {
        return config;
      }
    }

    // How much there is left to do, and doing a little of it.

    share() {
      return this.run.config.steps ? this.run.step / this.run.config.steps : 1;
    }

    is_training() {
      return this.run !== null && !this.failed.textContent
        && this.run.docs.length > 0 && this.run.step < this.run.config.steps;
    }

    work(announce) {
      try {
        if (this.wanted) this.sample();
        else this.step(announce);
      } catch (error) {
        const { step, config } = this.run;
        this.wanted = 0;
        this.failed.say(step > this.curve.from
          ? `training diverged after step ${step}: ${error.message}; `
            + `lower learning_rate=${m.repr(config.learning_rate, true)}`
          : `the model has weights out of range: ${error.message}`);
        this.show_buttons();
      }
    }

    step(announce) {
      const { run, curve } = this, { steps } = run.config;
      const start = performance.now();
      m.train(run, (step, loss) => {
        this.loss = loss;
        return true;
      });
      this.busy += performance.now() - start;
      this.taken += 1;
      if (this.busy > 500) {
        this.pace = 1000 * this.taken / this.busy;
        this.busy = this.taken = 0;
      }
      curve.sum += this.loss;
      curve.n += 1;
      if (curve.n === curve.size || run.step === steps) {
        curve.points.push(curve.sum / curve.n);
        const last = curve.points.slice(-SMOOTH);
        curve.means.push(last.reduce((a, b) => a + b) / last.length);
        curve.sum = curve.n = 0;
      }
      if (run.step * 10 % steps < 10) {
        this.begin_row(run.step === steps ? run.config.samples : SAMPLES);
        announce(this);
      }
    }

    // From a copy of the generator: training goes on as if nothing was drawn.
    begin_row(count) {
      const { step, rng } = this.run;
      this.rng = copied(rng);
      this.row = html("ul");
      this.row.step = step;
      this.row.drawn = this.row.found = 0;
      this.row.end = step === this.run.config.steps;
      const loss = this.loss === null ? "–" : this.loss.toFixed(4);
      this.rows.append(html("tr", {}, html("th", { scope: "row" }, String(step)),
        html("td", {}, loss), html("td", {}, this.row)));
      this.wanted = count;
      this.show_buttons();
    }

    sample() {
      const { params, tokenizer } = this.run;
      const text = m.generate(this.sampling(), params, tokenizer, this.rng);
      const known = this.known.has(text);
      this.row.append(html("li", known ? { class: "is-known" } : {}, m.printable(text)));
      this.row.drawn += 1;
      this.row.found += known;
      this.wanted -= 1;
      if (!this.wanted && this.row.end && this.known.size) {
        this.row.note ??= this.row.parentNode.appendChild(html("p"));
        this.row.note.textContent = `word for word in the documents: `
          + `${this.row.found} of ${this.row.drawn}`;
      }
      this.show_buttons();
    }

    sample_more() {
      if (this.row?.step !== this.run.step) this.begin_row(0);
      this.wanted += SAMPLES;
      this.show_buttons();
      go();
    }

    mean() {
      return this.curve?.means.at(-1) ?? null;
    }

    // Showing

    tell() {
      if (!this.run) return;
      const { step, config: { steps } } = this.run;
      const parts = [`step ${step} / ${steps}`];
      if (this.loss !== null) parts.push(`loss ${this.loss.toFixed(4)}`);
      if (this.mean() !== null) parts.push(`mean ${this.mean().toFixed(2)}`);
      if (this.pace && this.is_training()) {
        parts.push(`${this.pace < 10 ? this.pace.toFixed(1) : Math.round(this.pace)} steps/s`);
      }
      this.line.textContent = parts.join(" | ");
    }

    // The likeliest tokens after prompt. Raises ValueError where there is none.
    show_likely(prompt) {
      if (!this.run) return;
      const { config, params, tokenizer } = this.run;
      const tokens = m.encode_prompt(config, tokenizer, prompt);
      const [keys, values] = [0, 1].map(() =>
        Array.from({ length: config.n_layer }, () => []));
      const logits = m.gpt(config, params, tokens, keys, values).at(-1);
      const probs = m.softmax(logits).map((p) => p.data);
      const order = [...probs.keys()].sort((a, b) => probs[b] - probs[a]);
      const rest = order.slice(LIKELY).reduce((sum, i) => sum + probs[i], 0);
      const names = order.slice(0, LIKELY).map((i) => [i === tokenizer.bos ? "end"
        : m.printable(tokenizer.chars[i]).replace(/^ $/, "space"), probs[i]]);
      if (order.length > LIKELY) names.push([`${order.length - LIKELY} more`, rest]);
      const most = Math.max(...names.map(([, p]) => p));
      this.likely.replaceChildren(...names.map(([name, p]) => {
        const fill = html("i");
        fill.style.width = `${100 * p / most}%`;
        return html("li", {}, html("b", {}, name), html("span", {}, fill),
                    html("small", {}, p.toFixed(3)));
      }));
    }

    save() {
      const url = URL.createObjectURL(new Blob([m.to_json(this.run)],
        { type: "application/json" }));
      html("a", { href: url, download: this.name === "A" ? "model.json"
        : "model-b.json" }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    }
  }

  // The picture

  // Single losses can be far off: what is above the frame is cut.
  function bounds(shown, even) {
    const all = shown.flatMap((side) => side.curve.points);
    const means = shown.flatMap((side) => side.curve.means);
    const high = Math.ceil(2 * Math.max(even + 0.7, ...means)) / 2;
    const low = Math.floor(2 * Math.min(even - 1.5, ...all)) / 2;
    return [Math.max(0, Math.min(low, even - 1.5)), high];
  }

  // Labels of lines that are close stand one below the other.
  function label_lines(lines, y) {
    let above = -Infinity;
    return lines.map(([name, loss]) => {
      above = Math.max(y(loss) + 4, above + 14);
      return [name, loss, above];
    });
  }

  function draw_curve(sides, lines, width) {
    const wide = width >= 560; // else the names of lines stand in the caption
    const height = wide ? 280 : 240, left = 30, top = 8, bottom = height - 24;
    const right = width - (wide ? 150 : 34);
    const shown = sides.filter((side) => side.curve);
    const last = Math.max(1, ...(shown.length ? shown : sides.slice(0, 1)).map(
      (side) => side.run?.config.steps ?? m.Config.fields.steps.default));
    const [low, high] = bounds(shown, lines[0]?.[1] ?? 3.3);
    const unit = high - low > 12 ? Math.ceil((high - low) / 6) : high - low > 4 ? 1 : 0.5;
    const x = (step) => left + step / last * (right - left);
    const y = (loss) => top + (high - loss) / (high - low) * (bottom - top);
    const svg_line = (kind, at) => svg("line", { class: kind, x1: left, x2: right,
                                                 y1: y(at), y2: y(at) });
    const text = (kind, at_x, at_y, anchor, words) => svg("text", { class: kind,
      x: at_x, y: at_y, "text-anchor": anchor }, words);
    const ticks = [];
    for (let tick = Math.ceil(low / unit) * unit; tick <= high; tick += unit) ticks.push(tick);
    const polyline = ({ name, curve, run }, which) => svg("polyline", {
      class: `train-${which} train-${name}`, points: curve[which].map((loss, i) => {
        const step = Math.min(curve.from + (i + 1) * curve.size, run.config.steps);
        return `${x(step).toFixed(1)},${y(Math.min(loss, high)).toFixed(1)}`;
      }).join(" ") });
    const labels = label_lines(lines, y).map(([name, loss, at]) => text(
      "train-label", right + 6, at, "start",
      `${loss.toFixed(2)}${wide ? ` ${name}` : ""}`));
    return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height,
                        "aria-hidden": "true" },
      ...ticks.map((tick) => svg_line("train-grid", tick)),
      ...ticks.map((tick) => text("train-tick", left - 6, y(tick) + 4, "end",
                                  unit < 1 ? tick.toFixed(1) : String(tick))),
      ...[0, last / 2, last].map((step, i) => text("train-tick", x(step), height - 8,
        ["start", "middle", "end"][i], String(Math.round(step)))),
      ...shown.map((side) => polyline(side, "points")),
      ...lines.map(([, loss]) => svg_line("train-baseline", loss)),
      ...shown.map((side) => polyline(side, "means")), ...labels);
  }

  // The parts of the panel

  const names = place.querySelector("[id=train-names] code").textContent
    .match(/"""([^]*?)"""/)[1].split(/\s+/).filter((name) => name);
  const sides = [new Side("A"), new Side("B")];
  const [first, second] = sides;
  const main = button("Train", () => press_main());
  main.classList.add("is-main");
  const again = button("Start again", () => start());
  const failed = complaint("train-failed");
  const caption = html("p", { class: "train-caption" });
  const status = html("p", { class: "train-status", "aria-live": "polite" });
  const picture = html("div", { class: "train-picture" });
  const text = html("textarea", { id: "train-text", rows: 8, spellcheck: "false",
    autocomplete: "off", "aria-describedby": "train-text-error" });
  const text_error = complaint("train-text-error");
  const prompt = html("input", { id: "train-prompt", type: "text", spellcheck: "false",
    autocomplete: "off", autocapitalize: "off",
    "aria-describedby": "train-prompt-error" });
  const prompt_error = complaint("train-prompt-error");
  const two = html("input", { type: "checkbox", id: "train-two" });
  let state = "idle"; // or running, paused, done
  let lines = []; // baselines
  let timer = null;
  let drawn = 0, told = 0; // when
  let left = false; // the reader has gone

  const at_work = () => (two.checked ? sides : [first]);

  function set_state(now) {
    state = now;
    main.textContent = { running: "Pause", paused: "Go on" }[now] ?? "Train";
    turn(again, now !== "idle");
  }

  function read_docs() {
    try {
      const docs = m.lines(text.value, "the text");
      wrong(text, text_error, "");
      return docs;
    } catch (error) {
      wrong(text, text_error, error.message);
      return null;
    }
  }

  // Open what holds the first thing that is wrong, and go there.
  function show_wrong() {
    const control = place.querySelector("[aria-invalid=true]");
    if (!control) return;
    const folded = control.closest("details");
    if (folded) folded.open = true;
    control.focus();
  }

  function start() {
    const configs = at_work().map((side) => side.config());
    const docs = read_docs();
    failed.say();
    if (docs === null || configs.includes(null)) {
      show_wrong();
      return;
    }
    try {
      const runs = configs.map((config) => new m.Run(config, docs));
      sides.forEach((side) => side.clear());
      runs.forEach((run, i) => at_work()[i].start(run));
      prepare(docs);
    } catch (error) {
      failed.say(error.message);
      return;
    }
    set_state("running");
    status.textContent = "Training begins.";
    go();
  }

  function prepare(docs) {
    const { tokenizer, config } = first.run;
    lines = docs ? baselines(tokenizer, docs, config.block_size) : [];
    for (const side of sides) {
      if (side.run) {
        side.heading.textContent = `${two.checked ? `${side.name}: ` : ""}`
          + `${side.run.docs.length || "no"} documents | vocabulary `
          + `${side.run.tokenizer.vocab_size} | parameters ${side.run.weights.length}`;
      }
    }
    show_all();
  }

  function press_main() {
    if (state === "running") {
      set_state("paused");
      const { step, config } = first.run;
      status.textContent = `Paused at step ${step} of ${config.steps}.`;
      show_all();
    } else if (state === "paused") {
      if (!first.run.docs.length && !take_docs()) return;
      set_state("running");
      status.textContent = "Training goes on.";
      go();
    } else {
      start();
    }
  }

  // Training in slices

  let announced = false; // ends the slice, so that each tenth is heard
  const announce = (side) => {
    announced = true;
    if (side !== first) return;
    const { step, config } = side.run;
    status.textContent = `Step ${step} of ${config.steps}: the loss is `
      + `${side.loss.toFixed(2)}${means()}.`;
  };

  function means() {
    if (first.mean() === null) return "";
    const other = two.checked && second.mean() !== null
      ? `, that of B ${second.mean().toFixed(2)}` : "";
    return `, its mean ${first.mean().toFixed(2)}${other}`;
  }

  function next_side() {
    const training = sides.filter((side) => side.wanted
      || (state === "running" && side.is_training()));
    return training.sort((a, b) => a.share() - b.share())[0];
  }

  function slice() {
    timer = null;
    if (left || document.hidden) return;
    const end = performance.now() + SLICE;
    let side = next_side();
    announced = false;
    while (side && !announced && performance.now() < end) {
      side.work(announce);
      side = next_side();
    }
    if (side) {
      const quiet = matchMedia("(prefers-reduced-motion: reduce)").matches;
      if (performance.now() - drawn > (quiet ? 1000 : 100)) show();
      timer = setTimeout(slice);
      return;
    }
    if (state === "running") {
      const { step, config } = first.run;
      const how = at_work().some((one) => one.failed.textContent) ? "Ended" : "Done";
      set_state("done");
      status.textContent = `${how}: step ${step} of ${config.steps}${means()}.`;
    }
    show_all();
  }

  function go() {
    if (timer === null && next_side()) timer = setTimeout(slice);
    else if (timer === null && state === "running") slice();
  }

  // Showing

  function show() {
    drawn = performance.now();
    sides.forEach((side) => side.tell());
    const width = Math.max(240, Math.floor(picture.clientWidth));
    picture.replaceChildren(draw_curve(sides, lines, width));
    if (drawn - told > 1000) show_likely();
  }

  function show_likely() {
    told = performance.now();
    let message = "";
    for (const side of at_work()) {
      try {
        side.show_likely(prompt.value);
      } catch (error) {
        message = error.message;
        side.likely.replaceChildren();
      }
    }
    wrong(prompt, prompt_error, message);
  }

  function show_all() {
    show();
    show_likely();
    const size = first.curve?.size ?? 1;
    caption.textContent = `Thin: the loss of each ${size > 1 ? `${size} steps` : "step"}. `
      + `Thick: the mean of the last ${size * SMOOTH}. Dashed, from above: the loss of `
      + "guessing evenly, by letter counts and by letter pair counts, on the same "
      + "documents.";
  }

  // Models

  function open_model(name, bytes) {
    failed.say();
    let run;
    try {
      run = m.from_json(new TextDecoder().decode(bytes), name);
    } catch (error) {
      failed.say(error.message);
      return;
    }
    two.checked = false;
    show_second();
    sides.forEach((side) => side.clear());
    first.model = [name, bytes];
    first.fill(run.config);
    first.start(run);
    const finished = run.step === run.config.steps;
    set_state(finished ? "done" : "paused");
    prepare(null);
    status.textContent = `${name} is open, at step ${run.step} of ${run.config.steps}`
      + `${finished ? "" : ": with the documents it was trained on, it can go on"}.`;
    go();
  }

  // A model that was opened goes on with its documents, if they are in the box.
  function take_docs() {
    const docs = read_docs();
    if (docs === null) {
      show_wrong();
      return false;
    }
    try {
      const [name, bytes] = first.model;
      const run = m.from_json(new TextDecoder().decode(bytes), name, docs);
      first.run.docs = run.docs;
      first.run.held_out = run.held_out;
      first.known = new Set(docs);
    } catch (error) {
      failed.say(error.message);
      return false;
    }
    failed.say();
    prepare(docs);
    return true;
  }

  // Settings

  function setting_row(name) {
    const field = m.Config.fields[name];
    const cells = sides.map((side) => {
      const id = `train-${name}-${side.name}`;
      const input = html("input", { type: "text", id, autocomplete: "off",
        inputmode: field.type === "int" ? "numeric" : "decimal",
        "aria-label": `${name} of run ${side.name}`,
        "aria-describedby": `${id}-error train-${name}-help` });
      input.value = field.default;
      input.addEventListener("input", () => side.config());
      side.inputs[name] = input;
      side.errors[name] = complaint(`${id}-error`);
      return html("td", { class: `train-of-${side.name}` }, input);
    });
    return [html("tr", {}, html("th", { scope: "row" }, html("code", {}, name),
              html("span", { id: `train-${name}-help` }, field.help)), ...cells),
            html("tr", { class: "train-errors" }, html("td", { colspan: 3 },
              ...sides.map((side) => side.errors[name])))];
  }

  function show_second() {
    place.classList.toggle("has-two", two.checked);
    if (!two.checked) second.clear();
  }

  two.addEventListener("change", () => {
    show_second();
    if (state === "running" || state === "paused" || state === "done") {
      set_state("idle");
      sides.forEach((side) => side.clear());
      status.textContent = "Press Train.";
      show_all();
    }
  });
  text.addEventListener("input", () => wrong(text, text_error, ""));
  prompt.addEventListener("input", show_likely);
  document.addEventListener("visibilitychange", go);
  window.addEventListener("pagehide", () => { left = true; });
  window.addEventListener("pageshow", () => { left = false; go(); });
  new ResizeObserver(() => show()).observe(picture);

  function take_names() {
    text.value = names.join("\n");
    wrong(text, text_error, "");
  }

  function open_text(name, bytes) {
    try {
      text.value = m.load_docs(bytes, name).join("\n");
      wrong(text, text_error, "");
    } catch (error) {
      wrong(text, text_error, error.message);
    }
  }

  const settings = html("table", { class: "train-settings" },
    html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "setting"),
      ...sides.map((side) => html("th", { scope: "col",
        class: `train-of-${side.name}` }, side.name)))),
    html("tbody", {}, ...SETTINGS.flatMap(setting_row)));
  const panel = html("div", { class: "train-panel", role: "group",
                              "aria-label": "Train it here" },
    html("div", { class: "train-controls" }, main, again,
      ...opener("Open a model", ".json,application/json", open_model)),
    failed,
    html("details", {}, html("summary", {}, "What it learns"),
      html("label", { for: "train-text" }, "Documents, one a line"), text, text_error,
      html("div", { class: "train-controls" }, button("The thousand names", take_names),
        ...opener("Open a file", "text/plain,.txt,.csv,*/*", open_text))),
    html("details", {}, html("summary", {}, "Settings"),
      html("p", { class: "train-two" }, two, html("label", { for: "train-two" },
        "A second run, B, beside the first")),
      settings,
      html("p", {}, "A change counts from the next start; temperature at once.")),
    picture, caption, status,
    html("div", { class: "train-sides" }, ...sides.map((side) => side.panel)),
    html("div", { class: "train-next" },
      html("div", { class: "train-controls" },
        html("label", { for: "train-prompt" }, "What comes after"), prompt),
      prompt_error,
      html("div", { class: "train-sides" }, ...sides.map((side) => html("div",
        { class: `train-side train-of-${side.name}` }, side.likely)))));

  take_names();
  lines = baselines(new m.Tokenizer(names), names, m.Config.fields.block_size.default);
  set_state("idle");
  status.textContent = "Press Train.";
  place.append(panel);
  place.classList.add("is-live");
  show_all();
})();
