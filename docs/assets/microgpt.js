/* microgpt.js: the cells Tokenizer to Saving of microgpt.py in JavaScript.

   Function for function it is the same program, with the same names in the
   same order, so that the two files can be read side by side. They differ where
   the languages do: there are no operators for a Value here, `a * b + a` is
   `a.mul(b).add(a)`; and what Python brings along comes first.

   A plain script, which a page can load from a file: it leaves one name behind,
   `microgpt`. In Node, `require` gives the same. `microgpt.source` is the text
   of all this, for a worker. The short names and the sources are told in
   microgpt.py. */
(() => {
function program() {
"use strict";

// %% What Python brings along

class ValueError extends Error {}
class IndexError extends Error {}
class ArithmeticError extends Error {}

// Python's spelling of a number or a text. JavaScript does not know 1 from 1.0:
// is_float says which is meant.
function repr(x, is_float = false) {
  if (typeof x === "string") return repr_text(x);
  if (typeof x !== "number") return String(x);
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x < 0 ? "-inf" : "inf";
  if (Number.isInteger(x) && !is_float) return BigInt(x).toString();
  if (Object.is(x, -0)) return "-0.0";
  const [digits, exponent] = x.toExponential().split("e");
  if (x === 0 || (-4 <= exponent && exponent < 16)) {
    return String(x) + (Number.isInteger(x) ? ".0" : "");
  }
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

function repr_text(text) {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const chars = [...text].map((char) => {
    if (char === quote || char === "\\") return "\\" + char;
    return char === " " ? char : escape_if(char, /[\p{C}\p{Z}]/u);
  });
  return quote + chars.join("") + quote;
}

function escape_if(char, kind) {
  if (!kind.test(char)) return char;
  const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[char];
  if (short) return short;
  const code = char.codePointAt(0).toString(16);
  const [letter, width] = code.length < 3 ? ["x", 2] : code.length < 5
    ? ["u", 4] : ["U", 8];
  return "\\" + letter + code.padStart(width, "0");
}

// math.pow, math.log and math.exp: an error, where JavaScript has NaN or
// Infinity.
function pow(x, n) {
  if (x === 1 || n === 0 || (x === -1 && Math.abs(n) === Infinity)) return 1;
  const y = Math.pow(x, n);
  if (Number.isNaN(y) && !Number.isNaN(x) && !Number.isNaN(n)) {
    throw new ValueError("math domain error");
  }
  if (Math.abs(y) === Infinity && Number.isFinite(x) && Number.isFinite(n)) {
    if (x === 0) throw new ValueError("math domain error");
    throw new ArithmeticError("math range error");
  }
  return y;
}

function log(x) {
  if (x <= 0) throw new ValueError("math domain error");
  return Math.log(x);
}

function exp(x) {
  const y = Math.exp(x);
  if (y === Infinity && x < Infinity) throw new ArithmeticError("math range error");
  return y;
}

// zlib.crc32 of a text in UTF-8.
function crc32(text) {
  let crc = -1;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc >>> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

// random.Random(seed), as far as it is used: the Mersenne Twister.
// Matsumoto and Nishimura, 1998.
class Random {
  constructor(seed) {
    if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
      throw new TypeError("a seed above 2 ** 53 must be a BigInt");
    }
    const key = [];
    let rest = BigInt(seed) < 0n ? -BigInt(seed) : BigInt(seed);
    do {
      key.push(Number(rest & 0xffffffffn));
      rest >>= 32n;
    } while (rest);
    const mt = this._mt = new Uint32Array(624);
    mt[0] = 19650218;
    for (let i = 1; i < 624; i++) {
      mt[i] = Math.imul(1812433253, mt[i - 1] ^ mt[i - 1] >>> 30) + i;
    }
    let i = 1;
    const mix = (factor, added) => {
      mt[i] = (mt[i] ^ Math.imul(mt[i - 1] ^ mt[i - 1] >>> 30, factor)) + added(i);
      if (++i === 624) {
        mt[0] = mt[623];
        i = 1;
      }
    };
    for (let k = 0; k < Math.max(624, key.length); k++) {
      const j = k % key.length;
      mix(1664525, () => key[j] + j);
    }
    for (let k = 0; k < 623; k++) mix(1566083941, (at) => -at);
    mt[0] = 0x80000000;
    this._index = 624;
    this.gauss_next = null;
  }

  getstate() { return [3, [...this._mt, this._index], this.gauss_next]; }

  setstate([version, words, gauss_next]) {
    const whole = (x, high) => Number.isInteger(x) && 0 <= x && x <= high;
    if (version !== 3 || words.length !== 625
        || !words.slice(0, 624).every((word) => whole(word, 0xffffffff))
        || !whole(words[624], 624)) {
      throw new ValueError("this is no state of a generator");
    }
    this._mt.set(words.slice(0, 624));
    this._index = words[624];
    this.gauss_next = gauss_next;
  }

  // 32 random bits, of which k are left.
  getrandbits(k) {
    const mt = this._mt;
    if (this._index >= 624) {
      for (let i = 0; i < 624; i++) {
        const y = (mt[i] & 0x80000000) | (mt[(i + 1) % 624] & 0x7fffffff);
        mt[i] = mt[(i + 397) % 624] ^ y >>> 1 ^ (y & 1 ? 0x9908b0df : 0);
      }
      this._index = 0;
    }
    let y = mt[this._index++];
    y ^= y >>> 11;
    y ^= y << 7 & 0x9d2c5680;
    y ^= y << 15 & 0xefc60000;
    return (y ^ y >>> 18) >>> 32 - k;
  }

  random() {
    const high = this.getrandbits(27);
    return (high * 67108864 + this.getrandbits(26)) / 9007199254740992;
  }

  gauss(mu, sigma) {
    let z = this.gauss_next;
    this.gauss_next = null;
    if (z === null) {
      const angle = this.random() * 2 * Math.PI;
      const radius = Math.sqrt(-2 * Math.log(1 - this.random()));
      z = Math.cos(angle) * radius;
      this.gauss_next = Math.sin(angle) * radius;
    }
    return mu + z * sigma;
  }

  shuffle(x) {
    for (let i = x.length - 1; i > 0; i--) {
      const bits = 32 - Math.clz32(i + 1);
      let j = this.getrandbits(bits);
      while (j > i) j = this.getrandbits(bits);
      [x[i], x[j]] = [x[j], x[i]];
    }
  }

  // One of range(weights.length), in a list.
  choices(weights) {
    const ends = [];
    let sum = 0;
    for (const weight of weights) ends.push(sum += weight);
    const drawn = this.random() * sum;
    const i = ends.findIndex((end) => drawn < end);
    return [i < 0 ? weights.length - 1 : i];
  }
}

// list[i]: an error, where JavaScript has undefined.
function item(list, i) {
  if (i >= list.length) throw new IndexError("list index out of range");
  return list[i];
}

// %% Tokenizer
// Text to token ids and back: a token is one character, or bos.
class Tokenizer {
  constructor(docs) {
    const chars = new Set();
    for (const doc of docs) for (const char of doc) chars.add(char);
    this.chars = [...chars].sort((a, b) => a.codePointAt(0) - b.codePointAt(0));
    this.bos = this.chars.length;
    this.vocab_size = this.chars.length + 1;
  }

  // Token ids of text. Raises ValueError at an unknown character.
  encode(text) {
    return [...text].map((char) => {
      const i = this.chars.indexOf(char);
      if (i < 0) throw new ValueError(`${repr(char)} is not in the vocabulary`);
      return i;
    });
  }

  decode(token_ids) {
    return token_ids.map((i) => item(this.chars, i)).join("");
  }
}

// %% Autograd
// A number that remembers what it was computed from.
class Value {
  constructor(data, children = [], local_grads = []) {
    if (typeof data !== "number") {
      throw new TypeError(`must be a number, not ${typeof data}`);
    }
    this.data = data;
    this.grad = 0;
    this._children = children;
    this._local_grads = local_grads; // d self / d child, one for each
    this._walk = 0; // the number of the last walk that met it
  }

  toString() { return `Value(data=${repr(this.data, true)}, grad=${repr(this.grad, true)})`; }

  add(other) { // d(a + b)/da = 1, d(a + b)/db = 1
    other = other instanceof Value ? other : new Value(other);
    return new Value(this.data + other.data, [this, other], [1, 1]);
  }

  mul(other) { // d(a * b)/da = b, d(a * b)/db = a
    other = other instanceof Value ? other : new Value(other);
    const slopes = [other.data, this.data];
    return new Value(this.data * other.data, [this, other], slopes);
  }

  pow(n) { // d(a ** n)/da = n * a ** (n - 1), n a number
    if (typeof n !== "number") throw new TypeError("the exponent must be a number");
    const slope = n !== 0 ? n * pow(this.data, n - 1) : 0;
    return new Value(pow(this.data, n), [this], [slope]);
  }

  log() { // d(log a)/da = 1 / a
    return new Value(log(this.data), [this], [1 / this.data]);
  }

  exp(less = 0) { // d(exp(a - c))/da = exp(a - c), c a number
    const data = exp(this.data - less);
    return new Value(data, [this], [data]);
  }

  relu() { // slope 1 above zero, 0 elsewhere; Math.max(NaN, 0) is NaN
    return new Value(Math.max(this.data, 0), [this], [1 - (this.data <= 0)]);
  }

  // Add to the grad of every leaf the slope of self in that leaf.
  backward() {
    const order = topological_order(this);
    this.grad += 1;
    for (let i = order.length - 1; i >= 0; i--) {
      const { grad, _children, _local_grads } = order[i];
      if (grad) { // else there is nothing to pass on
        for (let j = 0; j < _children.length; j++) {
          _children[j].grad += _local_grads[j] * grad;
        }
      }
    }
  }

  neg() { return this.mul(-1); }
  radd(other) { return this.add(other); }
  sub(other) { return this.add(other instanceof Value ? other.neg() : -other); }
  rsub(other) { return this.neg().radd(other); }
  rmul(other) { return this.mul(other); }
  div(other) { return this.mul(new Value(0).add(other).pow(-1)); }
  rdiv(other) { return this.pow(-1).rmul(other); }
}

let walks = 0;

// What root was computed from, children before parents, without leaves.
function topological_order(root) {
  const order = [], walk = ++walks; // a mark: quicker than a Set
  // our own, for JavaScript's is too shallow: a node, and how many of its
  // children have been looked at
  const stack = root._children.length ? [[root, 0]] : [];
  walking: while (stack.length) {
    const top = stack[stack.length - 1], v = top[0];
    while (top[1] < v._children.length) {
      const child = v._children[top[1]++];
      if (child._children.length && child._walk !== walk) {
        child._walk = walk;
        stack.push([child, 0]);
        continue walking; // to come back to v when child is done
      }
    }
    order.push(v);
    stack.pop();
  }
  for (const v of order) v.grad = 0; // only leaves add up over several walks
  return order;
}

// The sum of Values as one node: [n] -> one. Its slope in each is 1.
function total(values) {
  let data = 0;
  for (const v of values) data += v.data;
  return new Value(data, [...values], values.map(() => 1));
}

// %% Model
function setting(type, initial, low, high, help) {
  return { type, default: initial, low, high, help };
}

// Every setting of a run. Raises ValueError if one is out of its range.
class Config {
  static fields = {
    n_embd: setting("int", 16, 1, 9999, "numbers that stand for one token"),
    n_head: setting("int", 4, 1, 9999, "attention heads in a layer"),
    n_layer: setting("int", 1, 1, 9999, "layers of attention and MLP"),
    block_size: setting("int", 16, 1, 99999, "longest context, in tokens"),
    steps: setting("int", 1000, 0, 10 ** 9, "training steps, one document each"),
    learning_rate: setting("float", 0.01, 1e-9, 1e9, "first step's, falls to 0"),
    beta1: setting("float", 0.85, 0, 0.999999), // Adam's memory of gradients
    beta2: setting("float", 0.99, 0, 0.999999), // and of their squares
    adam_eps: setting("float", 1e-8, 1e-99, 1), // keeps Adam from x / 0
    holdout: setting("float", 0, 0, 0.99, "share of documents kept apart"),
    paragraphs: setting("bool", false, 0, 1, "documents end at empty lines"),
    samples: setting("int", 20, 0, 10 ** 9, "documents to invent"),
    temperature: setting("float", 0.5, 0, 1e9, "of sampling; 0: the likeliest"),
    seed: setting("int", 42, 0, 10 ** 18, "what the random numbers start from"),
  };

  constructor(settings = {}) {
    for (const name of Object.keys(settings)) {
      if (!Object.hasOwn(Config.fields, name)) {
        throw new TypeError(`there is no setting ${repr(name)}`);
      }
    }
    for (const [name, f] of Object.entries(Config.fields)) {
      const got = this[name] = settings[name] ?? f.default;
      const is_type = typeof got === "bigint" || Number.isInteger(got)
        || typeof got === { float: "number", bool: "boolean" }[f.type];
      if (!is_type || !(f.low <= got && got <= f.high)) {
        const [low, high] = [f.low, f.high].map((x) => repr(x, f.type === "float"));
        throw new ValueError(`${name}=${repr(got, f.type === "float").slice(0, 80)} `
                             + `not in ${low}..${high}`);
      }
    }
    if (this.n_embd % this.n_head) {
      throw new ValueError(`n_embd=${this.n_embd} must be a multiple of `
                           + `n_head=${this.n_head}`);
    }
    Object.freeze(this);
  }
}

// How many weights a model has, in all its matrices together.
function n_params(config, vocab_size) {
  const n = config.n_embd;
  return n * (2 * vocab_size + config.block_size + 12 * n * config.n_layer);
}

// Random weights {name: [n_out][n_in] Values}. Raises ValueError.
function init_params(config, vocab_size, rng) {
  if (n_params(config, vocab_size) > 10_000_000) { // some 2 GB
    throw new ValueError("over 10000000 parameters: lower n_embd or n_layer");
  }
  const n = config.n_embd;
  const spread = 0.32 / Math.sqrt(n); // the more numbers add up, the smaller each

  const matrix = (n_out, n_in) => Array.from({ length: n_out }, () =>
    Array.from({ length: n_in }, () => new Value(rng.gauss(0, spread))));

  const params = { wte: matrix(vocab_size, n), wpe: matrix(config.block_size, n),
                   lm_head: matrix(vocab_size, n) };
  for (let i = 0; i < config.n_layer; i++) {
    for (const name of "qkvo") params[`layer${i}.attn_w${name}`] = matrix(n, n);
    params[`layer${i}.mlp_fc1`] = matrix(4 * n, n);
    params[`layer${i}.mlp_fc2`] = matrix(n, 4 * n);
  }
  return params;
}

// Dot products: [tokens][n_in], [n_out][n_in] -> [tokens][n_out].
// Each is one node, whose slope in a number is the one beside it.
function linear(x, w) {
  const n = item(x, 0).length;
  if (n !== item(w, 0).length) {
    throw new ValueError(`${n} numbers meet ${w[0].length} weights`);
  }
  return x.map((row) => w.map((w_row) => {
    const children = new Array(2 * n), slopes = new Array(2 * n);
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const a = row[i], b = w_row[i];
      sum += a.data * b.data;
      children[i] = a;
      slopes[i] = b.data;
      children[n + i] = b;
      slopes[n + i] = a.data;
    }
    return new Value(sum, children, slopes);
  }));
}

// Sum, number by number: [tokens][n], [tokens][n] -> [tokens][n].
function add(x, y) {
  return x.map((row, i) => row.map((a, j) => a.add(y[i][j])));
}

// Probabilities in proportion to exp(logit): [n] -> [n].
function softmax(logits) {
  const top = Math.max(...logits.map((v) => v.data)); // exp of a large number overflows
  const exps = logits.map((v) => v.exp(top));
  const scale = total(exps).pow(-1);
  return exps.map((e) => e.mul(scale));
}

// row over its root mean square: [n] -> [n].
function rmsnorm(row) {
  const [[square]] = linear([row], [row]);
  const scale = square.mul(1 / row.length).add(1e-5).pow(-0.5);
  return row.map((v) => v.mul(scale));
}

// Mean of values, weighted by the softmax of q's scores with their keys, by
// each head for its own slice: [n], [tokens][n], [tokens][n] -> [n].
function attention(n_head, q, keys, values) {
  const head_dim = Math.floor(q.length / n_head);
  const scale = new Value(head_dim ** -0.5); // else the scores grow with head_dim
  q = q.map((v) => v.mul(scale));
  const mixed = [];
  for (let start = 0; start < q.length; start += head_dim) {
    const head = [start, start + head_dim];
    const [scores] = linear([q.slice(...head)], keys.map((row) => row.slice(...head)));
    const columns = q.slice(...head).map((_, j) => values.map((row) => row[start + j]));
    const [mean] = linear([softmax(scores)], columns);
    mixed.push(...mean);
  }
  return mixed;
}

// fc2 of the relu of fc1 of x: [tokens][n] -> [tokens][n].
function mlp(x, fc1, fc2) {
  const out = [];
  for (const row of linear(x, fc1)) {
    const on = [...row.keys()].filter((j) => !(row[j].data <= 0)); // NaN stays
    const fc2_on = fc2.map((w_row) => on.map((j) => w_row[j])); // 0 adds nothing
    out.push(...linear([on.map((j) => row[j].relu())], fc2_on));
  }
  return out;
}

// Logits of the token after each: [tokens] -> [tokens][vocab_size].
// keys[layer] and values[layer], [tokens][n_embd], of the tokens before are
// added to. Raises IndexError past block_size.
function gpt(config, params, token_ids, keys, values) {
  const before = keys[0]?.length ?? 0;
  const tokens = token_ids.map((i) => item(params.wte, i));
  const positions = tokens.map((_, i) => item(params.wpe, before + i));
  let x = add(tokens, positions).map(rmsnorm);

  for (let i = 0; i < config.n_layer; i++) {
    let normed = x.map(rmsnorm);
    const q = linear(normed, params[`layer${i}.attn_wq`]);
    (keys[i] ??= []).push(...linear(normed, params[`layer${i}.attn_wk`]));
    (values[i] ??= []).push(...linear(normed, params[`layer${i}.attn_wv`]));
    const mixed = q.map((row, j) => {
      const seen = before + 1 + j; // none after it
      return attention(config.n_head, row, keys[i].slice(0, seen),
                       values[i].slice(0, seen));
    });
    x = add(x, linear(mixed, params[`layer${i}.attn_wo`]));

    normed = x.map(rmsnorm);
    x = add(x, mlp(normed, params[`layer${i}.mlp_fc1`],
                   params[`layer${i}.mlp_fc2`]));
  }

  return linear(x, params.lm_head);
}

// %% Training
// -log of the probability of target by softmax, in nats: [n] -> one.
function cross_entropy(logits, target) {
  const top = Math.max(...logits.map((v) => v.data));
  return total(logits.map((v) => v.exp(top))).log().sub(item(logits, target).sub(top));
}

// Mean of -log p(next token) over the first block_size tokens, in nats.
function document_loss(config, params, tokenizer, doc) {
  const text = tokenizer.encode([...doc].slice(0, config.block_size));
  const tokens = [tokenizer.bos, ...text, tokenizer.bos].slice(0, config.block_size + 1);
  const logits = gpt(config, params, tokens.slice(0, -1), [], []);
  const losses = logits.map((row, i) => cross_entropy(row, tokens[i + 1]));
  return total(losses).mul(1 / losses.length);
}

// A model in training: all it takes to go on as if it had never stopped.
class Run {
  constructor(config, docs, tokenizer = null) {
    docs = docs.concat(); // a list: a string would be one of characters
    this.config = config;
    this.step = 0;
    this.rng = new Random(config.seed);
    this.docs_crc = crc32(dumps(docs)); // a checksum
    this.rng.shuffle(docs);
    const n_held_out = Math.floor(docs.length * config.holdout); // never all of them
    this.held_out = docs.slice(0, n_held_out);
    this.docs = docs.slice(n_held_out);
    this.tokenizer = tokenizer ?? new Tokenizer(docs);
    this.params = init_params(config, this.tokenizer.vocab_size, this.rng);
    this.weights = Object.values(this.params).flat(2);
    this.m = new Float64Array(this.weights.length);
    this.v = new Float64Array(this.weights.length);
  }
}

// Mean loss of the documents that are held out, in nats a token.
function held_out_loss(run) {
  let sum = 0;
  for (const doc of run.held_out) {
    sum += document_loss(run.config, run.params, run.tokenizer, doc).data;
  }
  return sum / run.held_out.length;
}

// Learn the next document, by Adam -> its loss, in nats a token.
// Whatever it raises leaves run as it was: ArithmeticError when training
// diverges, ValueError when no step is left. (Nothing can be raised once the
// loss is known: there is nothing to put back, as there is in Python.)
function train_step(run) {
  const { config, m, v } = run;
  if (!run.docs.length || run.step >= config.steps) {
    throw new ValueError("there are no documents, or no steps left");
  }
  const doc = run.docs[run.step % run.docs.length];
  const loss = document_loss(config, run.params, run.tokenizer, doc);
  if (!(exp(-loss.data) > 0)) { // as likely as that, or NaN
    throw new ArithmeticError(`training diverged to a loss of ${repr(loss.data, true)}`
      + `: lower config.learning_rate=${repr(config.learning_rate, true)}`);
  }
  for (const w of run.weights) w.grad = 0;
  loss.backward();

  let rate = config.learning_rate * (1 - run.step / config.steps);
  run.step += 1;
  const { beta1, beta2, adam_eps: eps } = config;
  const new1 = 1 - beta1, new2 = 1 - beta2;
  rate /= 1 - beta1 ** run.step; // m and v start at 0: undo that bias
  const v_scale = 1 / (1 - beta2 ** run.step);
  for (let i = 0; i < m.length; i++) {
    const w = run.weights[i], grad = w.grad;
    const mean = m[i] = beta1 * m[i] + new1 * grad;
    const square = v[i] = beta2 * v[i] + new2 * grad * grad;
    w.data -= rate * mean / (Math.sqrt(square * v_scale) + eps);
  }
  return loss.data;
}

// %% Sampling
// A new document, prompt and what follows, of up to block_size tokens.
function generate(config, params, tokenizer, rng, prompt = "") {
  const tokens = [tokenizer.bos, ...tokenizer.encode(prompt)];
  let next = tokens.slice();
  const keys = [], values = [];
  const temperature = Math.max(config.temperature, 1e-9); // then the likeliest is sure
  while (tokens.length <= config.block_size) {
    const logits = gpt(config, params, next, keys, values).at(-1);
    const probs = softmax(logits.map((v) => v.div(temperature))).map((p) => p.data);
    if (!(probs.reduce((a, b) => a + b) > 0)) {
      throw new ArithmeticError("a probability is nan: training diverged");
    }
    next = rng.choices(probs);
    if (next[0] === tokenizer.bos) break;
    tokens.push(...next);
  }
  return tokenizer.decode(tokens.slice(1));
}

// %% Data
// Documents of the bytes of a UTF-8 file called name. Raises ValueError.
function load_docs(bytes, name, paragraphs = false) {
  bytes = bytes.map((byte) => byte || 0xff); // neither is in UTF-8 text
  const decode = (fatal) => new TextDecoder("utf-8", { fatal, ignoreBOM: true }).decode(bytes);
  let text, offset = 0;
  try {
    text = decode(true);
  } catch {
    for (const char of decode(false)) { // what is no text is decoded as another
      const right = new TextEncoder().encode(char);
      if (right.some((byte, i) => byte !== bytes[offset + i])) break;
      offset += right.length;
    }
    throw new ValueError(`${repr(name)} is not UTF-8 text: see the byte at offset ${offset}`);
  }
  return split_docs(text, repr(name), paragraphs);
}

// Documents of a text; name is what it is called.
function split_docs(text, name, paragraphs = false) {
  const blanks = /^[\s\x1c-\x1f\x85]+|[\s\x1c-\x1f\x85]+$/g; // as strip() has them
  const lines = text.replaceAll("\ufeff", "").split(/\r\n|\r|\n/)
    .map((line) => line.replace(blanks, ""));
  text = lines.join("\n").replace(blanks, "");
  if (!text) throw new ValueError(`${name} has no text: give it a document a line`);
  return text.split(paragraphs ? /\n\n+/ : /\n+/);
}

// The number that text spells, or the text where it spells none.
function number_of(text) {
  const plain = text.trim();
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return text;
  const number = Number(plain);
  const is_big = /^\d+$/.test(plain) && !Number.isSafeInteger(number);
  return is_big ? BigInt(plain) : number;
}

// text with codes for what a page or a terminal can't show or would obey.
function printable(text) {
  return [...text].map((char) => escape_if(char,
    /[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/u)).join("");
}

// %% Saving
// A list of texts as Python's json.dumps writes it.
function dumps(texts) {
  return `[${texts.map((text) => JSON.stringify(text).replace(/[\x7f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)).join(", ")}]`;
}

// The file of a run, as a text. Raises ValueError if a number is NaN.
function save(run) {
  const numbers = { weights: run.weights.map((w) => w.data), m: [...run.m], v: [...run.v] };
  if (!Object.values(numbers).flat().every(Number.isFinite)) {
    throw new ValueError("Out of range float values are not JSON compliant");
  }
  const { seed } = run.config;
  const text = JSON.stringify({
    format: "microgpt model, version 2", config: { ...run.config, seed: Number(seed) },
    vocabulary: run.tokenizer.chars, docs_crc: run.docs_crc, ...numbers,
    step: run.step, rng: run.rng.getstate(),
  }).replace(/"seed":[^,}]+/, `"seed":${seed}`).slice(0, -1); // it may be a BigInt
  return `${text}, "checksum": ${crc32(text)}}`;
}

// The run that a file called name holds; it goes on with its docs. Raises
// ValueError.
function load(text, name, docs = []) {
  let run, data;
  try {
    const mark = ', "checksum": ', end = text.lastIndexOf(mark);
    if (end < 0 || text.slice(end + mark.length) !== `${crc32(text.slice(0, end))}}`) {
      throw new ValueError("its checksum is wrong or missing");
    }
    data = JSON.parse(text);
    if (data.format !== "microgpt model, version 2") {
      throw new ValueError(`it is a ${data.format}, this knows 2`);
    }
    const seed = text.match(/"seed": *(\d+)/)?.[1];
    if (!Number.isSafeInteger(Number(seed ?? 0))) data.config.seed = BigInt(seed);
    const config = new Config(data.config), { vocabulary, weights, m, v } = data;
    const count = n_params(config, vocabulary.length + 1);
    if ([weights, m, v].some((numbers) => numbers.length !== count)) {
      throw new ValueError("it has too few or too many weights");
    }
    if (![...weights, ...m, ...v].every(Number.isFinite)
        || !Number.isInteger(data.step) || data.step < 0) {
      throw new ValueError("a number of it is none");
    }
    run = new Run(config, docs, new Tokenizer(vocabulary));
    run.weights.forEach((w, i) => { w.data = weights[i]; });
    run.m.set(m);
    run.v.set(v);
    run.rng.setstate(data.rng);
    run.step = data.step;
  } catch (error) {
    const why = error instanceof ValueError ? error.message : "something in it is missing";
    throw new ValueError(`${repr(name)} is not a model saved by this microgpt: ${why}`);
  }
  if (docs.length && run.docs_crc !== data.docs_crc) {
    throw new ValueError(`${repr(name)} goes on only with what it was trained on`);
  }
  run.docs_crc = data.docs_crc;
  return run;
}

return {
  Random, Tokenizer, Value, topological_order, total, Config, n_params, init_params,
  linear, add, softmax, rmsnorm, attention, mlp, gpt, cross_entropy, document_loss,
  Run, held_out_loss, train_step, generate, load_docs, split_docs, save, load, repr,
  number_of, printable,
};
}

const microgpt = Object.assign(program(), { source: `(${program})()` });
globalThis.microgpt = microgpt;
if (typeof module !== "undefined") module.exports = microgpt;
})();
