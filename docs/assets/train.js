/* "Train it here": microgpt.js trained in workers, up to four runs beside each
   other, and drawn. Nothing is fetched, and nothing is kept that grows with the
   steps: it works from a file, and as long as one likes. */
(() => {
"use strict";

const place = document.getElementById("train");
const m = globalThis.microgpt;
if (!place || !m || place.classList.contains("is-live")) return;

const SETTINGS = ["steps", "n_embd", "n_head", "n_layer", "block_size",
                  "learning_rate", "holdout", "seed", "temperature"];
const RUNS = 4; // in one chart
const POINTS = 1000; // of a curve, at most
const SMOOTH = 50; // of them in a mean
const LIKELY = 12; // tokens listed after a text
const KEPT = "microgpt-text"; // where the reader's own list is kept

const { html, svg, button, bar, complaint, controls } = globalThis.elements;

// %% What a worker does: it is given this function as text

// Trains one run, and tells the page of it in messages.
function bench(m) {
  const LEFT_OUT = { attention: "attn_wo", MLP: "mlp_fc2", positions: "wpe" };
  const SLICE = 80; // milliseconds between two looks at the page's messages
  const SAMPLES = 10;
  let run, model, known, without, rng, loss;
  let temperature, is_training = false, is_working = false;
  let wanted = 0, deadline = Infinity; // samples, and when to stop drawing them
  let unread = [], held_out = []; // documents to measure, and their losses

  const tell = (kind, told = {}) => postMessage({ kind, step: run?.step, ...told });
  const mean = (numbers) => numbers.reduce((a, b) => a + b, 0) / numbers.length;

  // A part is left out by keeping at zero the matrix that leads out of it.
  function leave_out() {
    for (const name of Object.keys(run.params)) {
      if (!without || !name.endsWith(LEFT_OUT[without])) continue;
      for (const row of run.params[name]) for (const w of row) w.data = 0;
    }
  }

  // Losses without a model: of guessing evenly, by how often a letter is seen,
  // and by how often it is seen after the last one. Each count has one added.
  function baselines() {
    const { bos, vocab_size } = run.tokenizer, { block_size } = run.config;
    const read = [...run.docs, ...run.held_out].map((doc) => [bos, ...run.tokenizer.encode(
      [...doc].slice(0, block_size)), bos].slice(0, block_size + 1));
    const letters = new Float64Array(vocab_size).fill(1), pairs = new Map();
    const before = new Float64Array(vocab_size).fill(vocab_size);
    const each = (tokens, see) => tokens.slice(1).map((next, i) =>
      see(tokens[i], next, tokens[i] * vocab_size + next));
    for (const tokens of read) {
      each(tokens, (last, next, pair) => {
        pairs.set(pair, (pairs.get(pair) ?? 1) + 1);
        before[last] += 1;
        letters[next] += 1;
      });
    }
    const count = letters.reduce((a, b) => a + b);
    const guessing = (probability) => mean(read.map((tokens) =>
      mean(each(tokens, (...seen) => -Math.log(probability(...seen))))));
    return [Math.log(vocab_size), guessing((last, next) => letters[next] / count),
            guessing((last, next, pair) => (pairs.get(pair) ?? 1) / before[last])];
  }

  function ready() {
    const { config, docs, tokenizer, weights } = run;
    const all = [...docs, ...run.held_out];
    known = new Set(all.map((doc) => [...doc].slice(0, config.block_size).join("")));
    temperature ??= config.temperature;
    leave_out();
    tell("ready", { config: { ...config }, documents: all.length, weights: weights.length,
                    vocabulary: tokenizer.vocab_size, lines: all.length ? baselines() : [] });
    if (run.step === config.steps) begin_row();
    work();
  }

  // Samples come from a copy of the generator: training goes on as if nothing
  // was drawn.
  function begin_row(count = null) {
    const { config, step } = run, is_end = step === config.steps;
    rng = Object.assign(new m.Random(0), { step });
    rng.setstate(run.rng.getstate());
    wanted = count ?? (is_end ? config.samples : SAMPLES);
    deadline = is_end || count !== null ? Infinity : performance.now() + 1000;
    if (count === null) unread = [...run.held_out];
    held_out = [];
    tell("row", { loss });
  }

  function step() {
    loss = m.train_step(run);
    leave_out();
    const { steps } = run.config;
    if (run.step * 10 % steps < 10 || [1, 10, 100].includes(run.step)) begin_row();
    return loss;
  }

  function measure() {
    const { config, params, tokenizer } = run;
    held_out.push(m.document_loss(config, params, tokenizer, unread.pop()).data);
    if (!unread.length) tell("held_out", { loss: mean(held_out) });
  }

  function sample() {
    const config = { ...run.config, temperature };
    const text = m.generate(config, run.params, run.tokenizer, rng);
    wanted -= 1;
    if (performance.now() > deadline) wanted = 0;
    tell("sample", { text, is_known: known.has(text) });
  }

  const can_step = () => is_training && run.docs.length && run.step < run.config.steps;

  async function work() {
    if (is_working) return;
    is_working = true;
    try {
      while (unread.length || wanted || can_step()) {
        const start = performance.now(), losses = [];
        while (performance.now() < start + SLICE) {
          if (unread.length) measure();
          else if (wanted) sample();
          else if (can_step()) losses.push(step());
          else break;
          if (losses.length && (unread.length || wanted)) break;
        }
        if (losses.length) tell("steps", { losses, took: performance.now() - start });
        await new Promise((done) => setTimeout(done));
      }
      tell("rest");
    } catch (error) {
      is_training = false;
      wanted = unread.length = 0;
      tell("failed", { message: error.message });
    }
    is_working = false;
  }

  const does = {
    start(job) {
      ({ without, model } = job);
      run = model ? m.load(model.text, model.name, job.docs)
        : new m.Run(new m.Config(job.settings), job.docs);
      ready();
    },
    docs({ docs }) { // a model that was opened gets what it was trained on
      const { step, rng: kept } = run;
      run = Object.assign(m.load(model.text, model.name, docs), { step, rng: kept });
      ready();
    },
    train({ on }) {
      is_training = on;
      work();
    },
    temperature({ value }) { temperature = value; },
    more() {
      if (rng?.step !== run.step) begin_row(0);
      deadline = Infinity;
      wanted += SAMPLES;
      work();
    },
    save() { tell("saved", { text: m.save(run) }); },
    likely({ text }) {
      const { config, params, tokenizer } = run;
      if ([...text].length >= config.block_size) {
        throw new Error(`it reads ${config.block_size} tokens, and they are all there`);
      }
      const logits = m.gpt(config, params, [tokenizer.bos, ...tokenizer.encode(text)], [], []);
      const scaled = logits.at(-1).map((v) => v.div(Math.max(temperature, 1e-9)));
      tell("likely", { text, chars: tokenizer.chars,
                       probs: m.softmax(scaled).map((p) => p.data) });
    },
    // How long a step of the default model takes here, in milliseconds.
    time({ docs }) {
      run = new m.Run(new m.Config(), docs);
      const times = Array.from({ length: 60 }, () => {
        const start = performance.now();
        m.train_step(run);
        return performance.now() - start;
      });
      tell("time", { took: mean(times.slice(30)) });
    },
  };
  onmessage = ({ data }) => {
    try {
      does[data.kind](data);
    } catch (error) {
      tell(data.kind === "likely" ? "unlikely" : "failed", { message: error.message });
    }
  };
}

// The browser's own kind of worker, from a frame without a page: under file://
// the theme's search puts another in its place, which knows no Blob.
const frame = document.body.appendChild(html("iframe", { hidden: "", title: "workers" }));
const OwnWorker = frame.contentWindow.Worker;

function worker_that_tells(hear) {
  const text = `const m = ${m.source};\n(${bench})(m);`;
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = new OwnWorker(url);
  worker.onmessage = ({ data }) => hear(data);
  worker.onerror = (event) => hear({ kind: "failed", message: event.message
    ?? "the browser allows no worker here" });
  return worker;
}

// %% Texts to choose from

const names = place.querySelector("[id=train-names] code").textContent
  .match(/"""([^]*?)"""/)[1].trim().split(/\s+/);

// count different documents of one(pick), where pick takes one of a list.
function made(count, one) {
  const rng = new m.Random(1), found = new Set();
  const pick = (list) => list[Math.floor(rng.random() * list.length)];
  while (found.size < count) found.add(one(pick));
  return [...found];
}

const four = (pick) => [1, 2, 3, 4].map(() => pick("abcdefgh"));

function numeral(n) { // as 304 is 三百零四 in Chinese
  const digits = String(n).padStart(4, "0");
  return [...digits].map((d, i) => (d === "0" ? "零" : "零一二三四五六七八九"[d]
    + ["千", "百", "十", ""][i])).join("").replace(/零+/g, "零").replace(/^零|零$/g, "")
    .replace(/^一十/, "十");
}

const TEXTS = {
  names: [() => names, "The thousand first names of the file: the 1990 census of the "
    + "United States."],
  palindromes: [() => made(1000, (pick) => {
    const half = four(pick);
    return [...half, ...half.reverse()].join("");
  }), "Made here: four letters drawn from eight, then the same backwards. Only attention "
    + "can look back at them."],
  sums: [() => made(100, (pick) => {
    const a = pick([...Array(10).keys()]), b = pick([...Array(10).keys()]);
    return `${a}+${b}=${a + b}`;
  }), "Made here: the hundred sums of two digits. Two are one half, if you hold out some."],
  "sorted letters": [() => made(1000, (pick) => {
    const letters = four(pick);
    return `${letters.join("")}>${letters.sort().join("")}`;
  }), "Made here: four letters, and the same in order of the alphabet."],
  words: [() => made(500, (pick) => pick(["", "un", "re", "over", "out"])
    + pick("play work load cover turn read build cook paint think hold look bend fold lock pack press fill heat sort".split(" "))
    + pick(["", "s", "er", "ers", "ing", "able"])),
    "Made here: a beginning, one of twenty stems, and an ending. Not all are in use."],
  "Chinese numerals": [() => made(1000, (pick) =>
    numeral(1 + pick([...Array(9999).keys()]))),
    "Made here: numbers up to 9999. 千 is a thousand, 百 a hundred, 十 ten, 零 a gap."],
  patterns: [() => made(800, (pick) => {
    const motif = Array.from({ length: pick([2, 3, 4]) }, () => pick("/\\_-=+o.")).join("");
    return motif.repeat(8).slice(0, 15);
  }), "Made here: two to four signs, again and again. Look whether a sample keeps on."],
};

// %% The settings

const inputs = {}, errors = {};
const parts = html("select", { id: "train-without" }, ...["nothing", "attention", "MLP",
  "positions"].map((name) => html("option", {}, name)));

function setting_row(name) {
  const field = m.Config.fields[name], id = `train-${name}`;
  const input = inputs[name] = html("input", { type: "text", id, autocomplete: "off",
    inputmode: field.type === "int" ? "numeric" : "decimal" });
  errors[name] = complaint(`${id}-error`, input);
  input.value = field.default;
  input.addEventListener("input", () => {
    read_config();
    if (name === "temperature") take_temperature();
    foresee();
  });
  return html("tr", {}, html("th", { scope: "row" }, html("label", { for: id },
    html("code", {}, name), html("span", {}, field.help))), html("td", {}, input, errors[name]));
}

// The settings as the reader wrote them, or null after saying what is wrong.
function read_config(changes = {}) {
  const settings = {};
  let good = true;
  for (const name of SETTINGS) {
    settings[name] = m.number_of(inputs[name].value);
    errors[name].say();
    try {
      new m.Config({ n_head: 1, [name]: settings[name] });
    } catch (error) {
      if (error.message.includes("multiple")) continue;
      good = false;
      errors[name].say(error.message);
    }
  }
  if (!good) return null;
  try {
    return new m.Config({ ...settings, ...changes });
  } catch (error) {
    errors.n_embd.say(error.message);
    return null;
  }
}

function take_temperature() {
  const value = m.number_of(inputs.temperature.value);
  if (typeof value !== "number" || value < 0) return;
  for (const trial of trials) trial.send("temperature", { value });
  ask();
}

// An address carries the settings, and which text, but never a text.
function to_address() {
  const told = SETTINGS.filter((name) => inputs[name].value.trim()
    !== String(m.Config.fields[name].default)).map((name) => [name, inputs[name].value.trim()]);
  if (ready.value !== "names" && TEXTS[ready.value]) told.push(["text", ready.value]);
  if (parts.value !== "nothing") told.push(["without", parts.value]);
  history.replaceState(null, "", told.length ? `#${new URLSearchParams(told)}`
    : location.pathname + location.search);
}

function from_address() {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    if (inputs[name]) inputs[name].value = value;
    if (name === "text" && TEXTS[value]) take_ready(value);
    if (name === "without") parts.value = value;
  }
  if (!parts.value) parts.value = "nothing";
}

// %% The text

const text = html("textarea", { id: "train-text", rows: 8, spellcheck: "false",
  autocomplete: "off" });
const text_error = complaint("train-text-error", text);
const text_note = html("p", { class: "train-note" });
const ready = html("select", { id: "train-ready" },
  ...[...Object.keys(TEXTS), "your own"].map((name) => html("option", {}, name)));

// Where a page may keep nothing, the list is lost with the page.
function kept(value) {
  try {
    if (value !== undefined) localStorage.setItem(KEPT, value);
    return localStorage.getItem(KEPT);
  } catch { // it is too long, or forbidden
    return null;
  }
}

function show_text(name, value, note) {
  ready.value = name;
  if (text.value !== value) text.value = value; // else the cursor would move
  text_note.textContent = note;
  text_error.say();
  foresee();
}

function take_ready(name) {
  if (TEXTS[name]) show_text(name, TEXTS[name][0]().join("\n"), TEXTS[name][1]);
  else show_text(name, kept() ?? "", "A document a line. It stays in this browser.");
}

function take_own(value) {
  kept(value);
  take_ready("your own");
  if (text.value !== value) text.value = value;
}

function read_docs() {
  try {
    const docs = m.split_docs(text.value, "the text");
    text_error.say();
    return docs;
  } catch (error) {
    text_error.say(error.message);
    return null;
  }
}

function open_text(name, bytes) {
  try {
    take_own(m.load_docs(bytes, name).join("\n"));
  } catch (error) {
    text_error.say(error.message);
  }
}

// %% What it will take

const outlook = html("p", { class: "train-outlook" });
let per_weight = null; // milliseconds for a weight and a token
let foreseeing;

function in_words(seconds) {
  const round = (x) => (x < 10 ? Number(x.toPrecision(2)) : Math.round(x));
  if (seconds < 100) return seconds < 1 ? `${round(1000 * seconds)} ms` : `${round(seconds)} s`;
  return seconds < 6000 ? `${round(seconds / 60)} minutes` : `${round(seconds / 3600)} hours`;
}

const many = (n) => n.toLocaleString("en");

// Say what the settings mean for this text, once the reader stops writing.
function foresee() {
  clearTimeout(foreseeing);
  foreseeing = setTimeout(() => {
    const config = read_config(), docs = read_docs();
    outlook.textContent = "";
    if (!config || !docs) return;
    const lengths = docs.map((doc) => [...doc].length);
    const cut = lengths.filter((n) => n > config.block_size).length;
    const tokens = lengths.reduce((sum, n) => sum + Math.min(n + 1, config.block_size), 0)
      / docs.length;
    const weights = m.n_params(config, new m.Tokenizer(docs).vocab_size);
    const step = per_weight && weights * tokens * per_weight / 1000;
    outlook.textContent = `${many(docs.length)} document${docs.length === 1 ? "" : "s"}, `
      + `${many(weights)} weights` + (step ? `: a step takes some ${in_words(step)} here, all `
        + `${many(config.steps)} some ${in_words(step * config.steps)}` : "")
      + (cut ? `. ${many(cut)} are longer than block_size=${config.block_size}, and cut there` : "")
      + ".";
  }, 200);
}

function learn_pace() {
  const tokens = names.reduce((sum, name) => sum + name.length + 1, 0) / names.length;
  const worker = worker_that_tells(({ kind, took }) => {
    worker.terminate();
    if (kind !== "time") return;
    per_weight = took / tokens / m.n_params(new m.Config(), 27);
    foresee();
  });
  worker.postMessage({ kind: "time", docs: names });
}

// %% A run

const trials = [];
let chosen = null; // the one whose samples are shown

class Trial {
  constructor(job) {
    this.job = job;
    this.state = "running"; // or paused, done, failed
    this.slot = [...Array(RUNS).keys()].find((i) => trials.every((t) => t.slot !== i));
    this.curve = { from: 0, points: [], means: [], sum: 0, n: 0, size: 1 };
    this.lines = [];
    this.held_out = []; // of [step, loss]
    this.rows = new Map(); // of tables' rows, by their step
    this.step = this.drawn = this.found = 0;
    this.loss = this.pace = null;
    this.body = html("tbody");
    this.note = html("p");
    this.failed = complaint("");
    this.failed.removeAttribute("id");
    this.worker = worker_that_tells((told) => this.hear(told));
    this.send("start", job);
  }

  send(kind, told = {}) {
    this.worker.postMessage({ kind, ...told });
  }

  go(on) {
    this.state = on ? "running" : "paused";
    this.is_stopping = !on; // its step is known once it rests
    this.send("train", { on });
  }

  hear({ kind, step, ...told }) {
    this.step = step ?? this.step;
    this[`on_${kind}`]?.(told);
    if (["ready", "rest", "failed"].includes(kind)) tell();
    else tell_soon();
  }

  on_ready({ config, documents, weights, vocabulary, lines }) {
    Object.assign(this, { config, documents, lines });
    this.title = `${documents || "no"} documents | vocabulary ${vocabulary} | `
      + `parameters ${weights}`;
    this.curve.from ||= this.step;
    this.curve.size = Math.max(1, Math.ceil(config.steps / POINTS));
    if (this.state === "running") this.send("train", { on: true });
    ask();
  }

  on_steps({ losses, took }) {
    const { curve } = this, { steps } = this.config;
    this.pace = this.pace === null ? took / losses.length
      : 0.7 * this.pace + 0.3 * took / losses.length;
    losses.forEach((loss, i) => {
      this.loss = loss;
      curve.sum += loss;
      curve.n += 1;
      if (curve.n < curve.size && (this.step < steps || i < losses.length - 1)) return;
      curve.points.push(curve.sum / curve.n);
      const last = curve.points.slice(-SMOOTH);
      curve.means.push(last.reduce((a, b) => a + b) / last.length);
      curve.sum = curve.n = 0;
    });
  }

  on_row({ loss }) {
    this.drawn = this.found = 0;
    this.list = html("ul");
    this.note = html("p");
    const row = html("tr", {}, html("th", { scope: "row" }, String(this.step)),
      html("td", {}, loss === undefined ? "–" : loss.toFixed(4)),
      html("td", {}, this.list, this.note));
    this.rows.get(this.step)?.remove();
    this.rows.set(this.step, row);
    this.body.prepend(row);
    if (this === chosen && this.state === "running" && loss !== undefined) {
      status.textContent = `Step ${this.step} of ${this.config.steps}: the loss is `
        + `${loss.toFixed(2)}${this.mean_in_words()}.`;
    }
    ask();
  }

  on_held_out({ loss }) {
    this.held_out.push([this.step, loss]);
    this.note.textContent = `held-out loss ${loss.toFixed(4)}`;
  }

  on_sample({ text: drawn, is_known }) {
    this.list.append(html("li", is_known ? { class: "is-known" } : {}, m.printable(drawn)));
    this.drawn += 1;
    this.found += is_known;
  }

  on_rest() {
    if (this.is_stopping && this === chosen) {
      status.textContent = `Paused at step ${this.step} of ${this.config.steps}.`;
    }
    this.is_stopping = false;
    if (this.state !== "running" || this.step < this.config.steps) return;
    this.state = "done";
    if (this.documents) {
      this.note.textContent = [this.note.textContent, "word for word in the documents: "
        + `${this.found} of ${this.drawn}`].filter(Boolean).join(" | ");
    }
    if (this === chosen) {
      status.textContent = `Done: step ${this.step} of ${this.config.steps}`
        + `${this.mean_in_words()}.`;
    }
  }

  on_failed({ message }) {
    if (!this.title && this.job.model) { // it never was a run
      trials.splice(trials.indexOf(this), 1);
      this.worker.terminate();
      failed.say(message);
      choose(trials.at(-1) ?? null);
      return;
    }
    this.state = this.job.model && this.step < this.config?.steps && !this.documents
      ? "paused" : "failed";
    this.failed.say(message);
    if (this === chosen) status.textContent = `Ended at step ${this.step}.`;
  }

  on_saved({ text: model }) {
    const url = URL.createObjectURL(new Blob([model], { type: "application/json" }));
    html("a", { href: url, download: "model.json" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  on_likely(told) {
    if (this === chosen && told.text === prompt.value) show_likely(told);
  }

  on_unlikely({ message }) {
    if (this !== chosen) return;
    prompt_error.say(message);
    show_nothing();
  }

  mean() {
    return this.curve.means.at(-1) ?? null;
  }

  mean_in_words() {
    return this.mean() === null ? "" : `, its mean ${this.mean().toFixed(2)}`;
  }

  line() {
    if (!this.config) return "its weights are drawn …";
    const { steps } = this.config;
    const told = [`step ${this.step} / ${steps}`];
    if (this.loss !== null) told.push(`loss ${this.loss.toFixed(4)}`);
    if (this.mean() !== null) told.push(`mean ${this.mean().toFixed(2)}`);
    if (this.held_out.length) told.push(`held-out ${this.held_out.at(-1)[1].toFixed(2)}`);
    if (this.pace && this.state === "running") {
      told.push(`${in_words((steps - this.step) * this.pace / 1000)} left`);
    }
    return told.join(" | ");
  }
}

// What may set a run apart: its settings, its text, what it lacks.
function traits({ job, config }) {
  const { temperature, samples, ...own } = config ?? job.settings;
  return { ...own, text: job.text, without: job.without ? `no ${job.without}` : "all parts" };
}

function name_of(trial) {
  const own = traits(trial), others = trials.map(traits);
  const differs = Object.keys(own).filter((key) =>
    others.some((other) => String(other[key]) !== String(own[key])));
  return differs.map((key) => (["text", "without"].includes(key) ? own[key]
    : `${key}=${own[key]}`)).join(", ") || (trials.length > 1 ? `run ${trial.slot + 1}` : own.text);
}

// %% The picture

// Single losses can be far off: what is above the frame is cut.
function bounds(even) {
  const all = trials.flatMap(({ curve }) => curve.means);
  const high = Math.ceil(2 * Math.min(2 * even, Math.max(even + 0.7, ...all))) / 2;
  return [Math.max(0, Math.floor(2 * Math.min(even - 1.5, ...all.map((x) => x - 0.5))) / 2), high];
}

// Labels of lines that are close stand one below the other.
function label_lines(lines, y) {
  let above = -Infinity;
  return lines.map((loss) => {
    above = Math.max(y(loss) + 4, above + 14);
    return [loss, above];
  });
}

function draw_curves(width) {
  const height = 260, left = 30, top = 8, bottom = height - 24, right = width - 36;
  const shown = trials.filter(({ config }) => config), lines = chosen?.lines ?? [];
  const last = Math.max(1, ...shown.map(({ config }) => config.steps));
  const [low, high] = bounds(lines[0] ?? 3.3);
  const unit = high - low > 12 ? Math.ceil((high - low) / 6) : high - low > 4 ? 1 : 0.5;
  const x = (step) => left + step / last * (right - left);
  const y = (loss) => top + (high - Math.min(loss, high)) / (high - low) * (bottom - top);
  const across = (kind, at) => svg("line", { class: kind, x1: left, x2: right,
                                             y1: y(at), y2: y(at) });
  const label = (kind, at_x, at_y, anchor, words) => svg("text", { class: kind,
    x: at_x, y: at_y, "text-anchor": anchor }, words);
  const ticks = [];
  for (let tick = Math.ceil(low / unit) * unit; tick <= high; tick += unit) ticks.push(tick);
  const polyline = ({ slot, curve, config }, which) => svg("polyline", {
    class: `train-${which} train-run-${slot}`, points: curve[which].map((loss, i) => {
      const step = Math.min(curve.from + (i + 1) * curve.size, config.steps);
      return `${x(step).toFixed(1)},${y(loss).toFixed(1)}`;
    }).join(" ") });
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height,
                      "aria-hidden": "true" },
    ...ticks.map((tick) => across("train-grid", tick)),
    ...ticks.map((tick) => label("train-tick", left - 6, y(tick) + 4, "end",
                                 unit < 1 ? tick.toFixed(1) : String(tick))),
    ...[0, last / 2, last].map((step, i) => label("train-tick", x(step), height - 8,
      ["start", "middle", "end"][i], String(Math.round(step)))),
    ...shown.filter((trial) => trial === chosen).map((trial) => polyline(trial, "points")),
    ...lines.map((loss) => across("train-baseline", loss)),
    ...shown.map((trial) => polyline(trial, "means")),
    ...shown.flatMap(({ held_out, slot }) => held_out.map(([step, loss]) => svg("circle",
      { class: `train-held-out train-run-${slot}`, cx: x(step), cy: y(loss), r: 4 }))),
    ...label_lines(lines, y).map(([loss, at]) => label("train-label", right + 6, at,
      "start", loss.toFixed(2))));
}

// %% The next letter

const prompt = html("input", { id: "train-prompt", type: "text", spellcheck: "false",
  autocomplete: "off", autocapitalize: "off" });
const prompt_error = complaint("train-prompt-error", prompt);
const letters = html("div", { class: "train-letters" });
const strip = html("div", { class: "train-strip", "aria-hidden": "true" });
const likely = html("ol", { class: "live-list" });
const draw_line = html("p", { class: "train-draw", "aria-live": "polite" });
const next = button("Next letter", () => draw());
const draws = new m.Random(42); // the reader's, not a run's
let seen = null; // [[token, probability]], the likeliest first
let is_end = false, asked = 0;

// Ask the chosen run, but not more often than it can answer.
function ask() {
  clearTimeout(asked);
  asked = setTimeout(() => chosen?.config && chosen.send("likely", { text: prompt.value }), 50);
}

function show_nothing() {
  seen = null;
  likely.replaceChildren();
}

const shown_char = (char) => (char === null ? "end" : m.printable(char).replace(/^ $/, "space"));

function show_likely({ chars, probs }) {
  prompt_error.say();
  const order = [...probs.keys()].sort((a, b) => probs[b] - probs[a]);
  seen = order.map((i) => [chars[i] ?? null, probs[i]]);
  const listed = seen.slice(0, LIKELY), others = seen.slice(LIKELY);
  const rows = listed.map(([char, p]) => [shown_char(char), p]);
  if (others.length) {
    rows.push([`${others.length} more`, others.reduce((sum, [, p]) => sum + p, 0)]);
  }
  const most = Math.max(...rows.map(([, p]) => p));
  likely.replaceChildren(...rows.map(([name, p]) => html("li", {}, html("b", {}, name),
    bar(p, most, 3))));
  next.turn(!is_end);
}

// A number from 0 to 1 falls into the share of one letter: that is drawn.
function draw() {
  if (!seen) return;
  const drawn = draws.random();
  let from = 0, i = 0;
  while (i < seen.length - 1 && from + seen[i][1] <= drawn) from += seen[i++][1];
  const [char, p] = seen[i];
  draw_line.textContent = `${drawn.toFixed(3)} was drawn: it falls into the share of `
    + `“${shown_char(char)}”, from ${from.toFixed(3)} to ${(from + p).toFixed(3)}.`;
  const mark = html("i", { class: "train-mark" });
  mark.style.left = `${100 * drawn}%`;
  strip.replaceChildren(...seen.map(([one, share]) => {
    const part = html("span", {}, share > 0.04 ? shown_char(one) : "");
    part.style.flexGrow = share;
    return part;
  }), mark);
  if (char === null) {
    is_end = true;
    next.turn(false);
    show_letters();
  } else {
    set_prompt(prompt.value + char);
  }
}

// The strip shows the last draw, until the reader goes elsewhere.
function go_to(value) {
  draw_line.textContent = "";
  strip.replaceChildren();
  set_prompt(value);
}

function set_prompt(value) {
  prompt.value = value;
  is_end = false;
  show_letters();
  ask();
}

// Each letter leads back to where it was the last.
function show_letters() {
  const all = ["", ...prompt.value];
  letters.replaceChildren(...all.map((char, i) => {
    const start = all.slice(0, i + 1).join("");
    const key = button(i ? shown_char(char) : "·", () => go_to(start));
    key.setAttribute("aria-label", `back to ${start || "the beginning"}`);
    return key;
  }), ...(is_end ? [html("b", {}, "end")] : []));
}

// %% The panel

const failed = complaint("train-failed");
const status = html("p", { class: "live-status", "aria-live": "polite" });
const picture = html("div", { class: "train-picture" });
const caption = html("p", { class: "train-caption" });
const legend = html("div", { class: "train-runs" });
const title = html("p", { class: "train-title" });
const samples = html("table", { class: "train-samples" });
const trouble = html("div");
const head = html("thead", {}, html("tr", {}, ...["step", "loss",
  "samples; underlined: stands in the documents"].map((words) =>
  html("th", { scope: "col" }, words))));
const more = button("Ten more samples", () => chosen.send("more"));
const download = button("Download the model", () => chosen.send("save"));
const main = button("Train", () => press());
main.classList.add("is-main");
let telling = null;

const running = () => trials.filter(({ state }) => state === "running");
const paused = () => trials.filter(({ state }) => state === "paused");

// Open what holds the first thing that is wrong, and go there.
function show_wrong() {
  const control = place.querySelector("[aria-invalid=true]");
  if (!control) return;
  for (let at = control; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  control.focus();
}

// Start a run with the settings that stand there, changed a little.
function start(changes = {}, without = parts.value) {
  const settings = read_config(changes), docs = read_docs();
  failed.say();
  if (!settings || !docs) {
    show_wrong();
    return;
  }
  const job = { settings: { ...settings }, docs, text: ready.value,
                without: without === "nothing" ? null : without };
  const told = (one) => String([one.docs.join("\n"), ...Object.values(traits({ job: one }))]);
  const same = trials.find((trial) => told(trial.job) === told(job));
  if (same) remove(same); // the same once more
  else if (is_full()) return;
  to_address();
  add(new Trial(job));
  status.textContent = "Training begins.";
}

function is_full() {
  if (trials.length === RUNS) failed.say(`There are ${RUNS} runs: take one away first.`);
  return trials.length === RUNS;
}

function add(trial) {
  trials.push(trial);
  choose(trial);
}

function remove(trial) {
  trial.worker.terminate();
  trials.splice(trials.indexOf(trial), 1);
  if (trial === chosen) choose(trials.at(-1) ?? null);
  tell();
}

function choose(trial) {
  chosen = trial;
  samples.replaceChildren(head, ...(trial ? [trial.body] : []));
  trouble.replaceChildren(...(trial ? [trial.failed] : []));
  if (!trial) show_nothing();
  ask();
  tell();
}

function press() {
  if (running().length) {
    for (const trial of running()) trial.go(false);
  } else if (paused().length) {
    for (const trial of paused()) {
      trial.failed.say();
      if (!trial.documents) {
        const docs = read_docs();
        if (docs === null) return show_wrong();
        trial.send("docs", { docs });
      }
      trial.go(true);
    }
    status.textContent = "Training goes on.";
  } else {
    start();
  }
  tell();
}

function open_model(name, bytes) {
  failed.say();
  if (is_full()) return;
  const trial = new Trial({ model: { name, text: new TextDecoder().decode(bytes) }, docs: [],
                            settings: {}, text: name, without: null });
  trial.state = "paused";
  trial.on_ready = (told) => {
    Trial.prototype.on_ready.call(trial, told);
    for (const key of SETTINGS) inputs[key].value = trial.config[key];
    const is_done = trial.step === trial.config.steps;
    if (is_done) trial.state = "done";
    status.textContent = `${name} is open, at step ${trial.step} of ${trial.config.steps}`
      + `${is_done ? "" : ": with the documents it was trained on, it can go on"}.`;
    delete trial.on_ready;
  };
  add(trial);
}

function run_line(trial) {
  const pick = html("input", { type: "radio", name: "train-run" });
  pick.checked = trial === chosen;
  pick.addEventListener("change", () => choose(trial));
  trial.told = html("span", { class: "train-line" }, trial.line());
  const away = button("Take away", () => remove(trial));
  away.setAttribute("aria-label", `Take ${name_of(trial)} away`);
  return html("div", { class: `train-run-${trial.slot}` },
    html("label", {}, pick, svg("svg", { width: 30, height: 10, "aria-hidden": "true" },
      svg("polyline", { class: `train-means train-run-${trial.slot}`, points: "1,5 29,5" })),
      html("b", {}, name_of(trial)), trial.told), away);
}

// The words of the panel follow the runs; where only numbers change, the lines
// alone are written anew, so that no control loses the focus.
function tell() {
  clearTimeout(telling);
  telling = null;
  const shape = JSON.stringify(trials.map((trial) => [trial.slot, trial === chosen,
                                                      name_of(trial)]));
  if (legend.dataset.shape !== shape) {
    legend.dataset.shape = shape;
    legend.replaceChildren(...trials.map(run_line));
  }
  for (const trial of trials) trial.told.textContent = trial.line();
  main.textContent = running().length ? "Pause" : paused().length ? "Go on" : "Train";
  title.textContent = chosen?.title ?? "";
  more.turn(Boolean(chosen?.config));
  download.turn(Boolean(chosen?.config));
  picture.replaceChildren(...(trials.length
    ? [draw_curves(Math.max(240, Math.floor(picture.clientWidth)))] : []));
  const size = chosen?.curve.size ?? 1;
  caption.textContent = trials.length ? `Thin: the loss of each ${size > 1 ? `${size} steps`
    : "step"}. Thick: the mean of the last ${size * SMOOTH}. Dots: the held-out loss. `
    + "Dashed, from above: guessing evenly, letter counts, letter pair counts." : "";
}

function tell_soon() {
  const quiet = matchMedia("(prefers-reduced-motion: reduce)").matches;
  telling ??= setTimeout(tell, quiet ? 1000 : 100);
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

const number = (name) => Number(m.number_of(inputs[name].value));
const CHOICES = {
  "one head": () => start({ n_head: 1 }),
  "no attention": () => start({}, "attention"),
  "no MLP": () => start({}, "MLP"),
  "no positions": () => start({}, "positions"),
  "ten times the rate": () => start({ learning_rate: 10 * number("learning_rate") }),
  "twice as wide": () => start({ n_embd: 2 * number("n_embd") }),
  "another seed": () => start({ seed: number("seed") + trials.length }),
};

ready.addEventListener("change", () => take_ready(ready.value));
text.addEventListener("input", () => take_own(text.value));
prompt.addEventListener("input", () => go_to(prompt.value));
parts.addEventListener("change", foresee);
new ResizeObserver(tell_soon).observe(picture);

const panel = html("div", { class: "live-panel train-panel", role: "group",
                            "aria-label": "Train it here" },
  html("div", { class: "live-controls" },
    html("label", { for: "train-ready" }, "Text"), ready),
  text_note,
  html("details", {}, html("summary", {}, "What it learns"),
    html("label", { for: "train-text" }, "Documents, one a line"), text, text_error,
    controls(...opener("Open a file", "text/plain,.txt,.csv,*/*", open_text))),
  html("details", {}, html("summary", {}, "Settings"),
    html("table", { class: "train-settings" }, html("tbody", {}, ...SETTINGS.map(setting_row),
      html("tr", {}, html("th", { scope: "row" }, html("label", { for: "train-without" },
        "left out")), html("td", {}, parts)))),
    html("p", {}, "A change counts from the next start; temperature at once.")),
  outlook, controls(main, ...opener("Open a model", ".json,application/json", open_model)),
  failed, status,
  html("div", { class: "train-bench" },
    html("div", {}, picture, caption),
    html("div", { class: "train-side" }, title, trouble, html("div",
      { class: "train-rows scrolls" }, samples), controls(more, download))),
  legend,
  controls(html("span", {}, "One more run with"), ...Object.entries(CHOICES).map(
    ([name, go]) => button(name, go))),
  html("div", { class: "train-next" },
    controls(html("label", { for: "train-prompt" }, "What comes after"), prompt, next),
    letters, prompt_error, strip, draw_line, likely));

place.append(panel);
place.classList.add("is-live");
take_ready(kept() ? "your own" : "names");
from_address();
show_letters();
status.textContent = "Press Train.";
tell();
setTimeout(learn_pace, 300);
})();
