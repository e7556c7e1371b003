/* The command line for microgpt.js, as far as the tests and the measuring
   programs need it:

       node tests/node.js [FILE] [--steps N ...] [--prompt TEXT]

   prints what `python microgpt.py` prints with the same options. */
"use strict";
const fs = require("fs"), path = require("path");
const m = require("../docs/assets/microgpt.js");

// The options in argv.
function parse(argv) {
  const options = { settings: {}, prompt: "" };
  for (let i = 0; i < argv.length; i++) {
    const [, name, inline] = argv[i].match(/^--([^=]+)=?(.*)$/s) ?? [];
    const setting = name?.replaceAll("-", "_");
    const text = () => inline || argv[++i];
    if (name === undefined) options.file = argv[i];
    else if (name === "prompt") options.prompt = text();
    else if (name === "paragraphs") options.settings.paragraphs = true;
    else if (m.Config.fields[setting]?.help) options.settings[setting] = m.number_of(text());
    else throw new Error(`unrecognized arguments: ${argv[i]}`);
  }
  return options;
}

// The documents of a file, or the names in microgpt.py.
function read_docs(file, paragraphs) {
  if (file !== undefined) return m.load_docs(fs.readFileSync(file), file, paragraphs);
  const program = fs.readFileSync(path.join(__dirname, "../microgpt.py"), "utf8");
  return program.match(/^NAMES = """\n(.*?)"""/ms)[1].trim().split(/\s+/);
}

// Train run, and tell how it goes, line by line; then its samples.
function* story(run, prompt) {
  const { config, tokenizer } = run;
  const docs = [...run.docs, ...run.held_out].map((doc) =>
    [...doc].slice(0, config.block_size).join(""));
  const cut = docs.filter((doc) => [...doc].length === config.block_size).length;
  yield `documents ${docs.length} (${run.held_out.length} held out, ${cut} cut `
    + `to ${config.block_size} tokens) | vocabulary ${tokenizer.vocab_size} | `
    + `parameters ${run.weights.length}`;
  const wide = (x, width) => String(x).padStart(width);
  while (run.step < config.steps) {
    const loss = m.train_step(run);
    if (run.step > 1 && run.step * 10 % config.steps >= 10) continue;
    yield `step ${wide(run.step, 4)} / ${wide(config.steps, 4)} | loss ${loss.toFixed(4)}`
      + (run.held_out.length ? ` | held-out ${m.held_out_loss(run).toFixed(4)}` : "");
  }
  const known = new Set(docs);
  let n_known = 0;
  for (let i = 1; i <= config.samples; i++) {
    const text = m.generate(config, run.params, tokenizer, run.rng, prompt);
    n_known += known.has(text);
    yield `sample ${wide(i, 2)}: ${text.split("\n").map(m.printable).join("\n")}`;
  }
  if (config.samples) {
    yield `word for word in the documents: ${n_known} of ${config.samples}`;
  }
}

// Refused: 2. Failed: 1. Done: 0.
let run;
try {
  const { settings, file, prompt } = parse(process.argv.slice(2));
  const config = new m.Config(settings);
  run = new m.Run(config, read_docs(file, config.paragraphs));
  for (const line of story(run, prompt)) fs.writeSync(1, `${line}\n`);
} catch (error) {
  fs.writeSync(2, `microgpt: ${m.printable(error.message)}\n`);
  process.exitCode = run ? 1 : 2;
}
