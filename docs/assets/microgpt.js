/* microgpt.js: the cells Tokenizer to Sampling of microgpt.py in JavaScript.

       node microgpt.js FILE [--steps N ...]   prints what microgpt.py prints

   Function for function it is the same program, with the same names in the
   same order, so that the two files can be read side by side. They differ where
   the languages do: there are no operators for a Value here, `a * b + a` is
   `a.mul(b).add(a)`; and what Python brings along comes first.

   A plain script, which a page can load from a file: it leaves one name behind,
   `microgpt`. In Node, `require` gives the same. The short names and the sources
   are told in microgpt.py. */
(() => {
"use strict";

// %% What Python brings along

class ValueError extends Error {}
class IndexError extends Error {}
class KeyError extends Error {}
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

// round() goes to the even one of two neighbors.
function round(x) {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 ? below + 1 : below;
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

function sumprod(p, q) {
  let sum = 0;
  for (let i = 0; i < p.length; i++) sum += p[i] * q[i];
  return sum;
}

// Raise ValueError unless each row has n numbers.
function require_length(n, rows) {
  for (const row of rows) {
    if (row.length !== n) {
      throw new ValueError(`${row.length} numbers where ${n} are needed`);
    }
  }
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
    this._ids = new Map(this.chars.map((char, i) => [char, i]));
  }

  // Token ids of text. Raises ValueError at an unknown character.
  encode(text) {
    return [...text].map((char) => {
      if (this._ids.has(char)) return this._ids.get(char);
      throw new ValueError(`${repr(char)} is not in the vocabulary`);
    });
  }

  // The text of token ids. Raises KeyError at bos, which has none.
  decode(token_ids) {
    return token_ids.map((i) => {
      if (i in this.chars) return this.chars[i];
      throw new KeyError(String(i));
    }).join("");
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

  exp() { // d(exp a)/da = exp a
    const data = exp(this.data);
    return new Value(data, [this], [data]);
  }

  relu() { // slope 1 above zero, 0 elsewhere; Math.max(NaN, 0) is NaN
    return new Value(Math.max(this.data, 0), [this], [1 - (this.data <= 0)]);
  }

  // Add to the grad of every leaf the slope of self in that leaf.
  backward() {
    const order = topological_order(this);
    for (const v of order) v.grad = 0; // only leaves add up over several calls
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

// What root was computed from, children before parents, without leaves.
function topological_order(root) {
  const order = [], visited = new Set([root]);
  // our own, for JavaScript's is too shallow: a node, and how many of its
  // children have been looked at
  const stack = root._children.length ? [[root, 0]] : [];
  walk: while (stack.length) {
    const top = stack[stack.length - 1], v = top[0];
    while (top[1] < v._children.length) {
      const child = v._children[top[1]++];
      if (child._children.length && !visited.has(child)) {
        visited.add(child);
        stack.push([child, 0]);
        continue walk; // to come back to v when child is done
      }
    }
    order.push(v);
    stack.pop();
  }
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
    init_std: setting("float", 0.08, 1e-9, 1e9), // spread of the first weights
    steps: setting("int", 1000, 0, 10 ** 9, "training steps, one document each"),
    learning_rate: setting("float", 0.01, 1e-9, 1e9, "first step's, falls to 0"),
    beta1: setting("float", 0.85, 0, 0.999999), // Adam's memory of gradients
    beta2: setting("float", 0.99, 0, 0.999999), // and of their squares
    adam_eps: setting("float", 1e-8, 1e-99, 1), // keeps Adam from x / 0
    holdout: setting("float", 0, 0, 0.99, "share of documents kept apart"),
    samples: setting("int", 20, 0, 10 ** 9, "documents to invent"),
    temperature: setting("float", 0.5, 0, 1e9, "of sampling; 0: the likeliest"),
    seed: setting("int", 42, 0, 10 ** 18, "what the random numbers start from"),
  };

  // What is given as text is named as it was written, in texts.
  constructor(settings = {}, texts = {}) {
    for (const name of Object.keys(settings)) {
      if (!Object.hasOwn(Config.fields, name)) {
        throw new TypeError(`there is no setting ${repr(name)}`);
      }
    }
    for (const [name, f] of Object.entries(Config.fields)) {
      const value = this[name] = settings[name] ?? f.default;
      const is_type = typeof value === "bigint" || (typeof value === "number"
        && (f.type === "float" || Number.isInteger(value)));
      if (!is_type || !(f.low <= value && value <= f.high)) {
        const kind = f.type === "int" ? "whole number" : "number";
        const [low, high] = [f.low, f.high].map((x) => repr(x, f.type === "float"));
        throw new ValueError(`${name}=${(texts[name] ?? repr(value)).slice(0, 80)} `
                             + `must be a ${kind} from ${low} to ${high}`);
      }
    }
    if (this.n_embd % this.n_head) {
      throw new ValueError(`n_embd=${this.n_embd} must be a multiple of `
                           + `n_head=${this.n_head}`);
    }
    Object.freeze(this);
  }
}

// {name: [n_out, n_in]} of all matrices. Raises ValueError if too large.
function param_shapes(config, vocab_size) {
  const n = config.n_embd;
  const shapes = { wte: [vocab_size, n], wpe: [config.block_size, n],
                   lm_head: [vocab_size, n] };
  for (let i = 0; i < config.n_layer; i++) {
    for (const name of "qkvo") {
      shapes[`layer${i}.attn_w${name}`] = [n, n];
    }
    shapes[`layer${i}.mlp_fc1`] = [4 * n, n];
    shapes[`layer${i}.mlp_fc2`] = [n, 4 * n];
  }
  let count = 0;
  for (const [n_out, n_in] of Object.values(shapes)) count += n_out * n_in;
  if (count > 10_000_000) { // some 2 GB
    throw new ValueError(`${count} parameters are more than 10000000: lower `
                         + "n_embd, n_layer, block_size or the vocabulary");
  }
  return shapes;
}

// Random weights {name: [n_out][n_in] Values}, drawn in this order.
function init_params(config, vocab_size, rng) {
  const shapes = param_shapes(config, vocab_size);
  return Object.fromEntries(Object.entries(shapes).map(([name, [n_out, n_in]]) =>
    [name, Array.from({ length: n_out }, () => Array.from({ length: n_in },
      () => new Value(rng.gauss(0, config.init_std))))]));
}

// Every weight of params: -> [n_params].
function flatten(params) {
  return Object.values(params).flat(2);
}

// Dot products: [tokens][n_in], [n_out][n_in] -> [tokens][n_out].
// Each is one node: its slope in a weight is the x beside it, and in an x
// the weight beside it. Raises ValueError if a row is too long or short.
function linear(x, w) {
  require_length(x[0].length, [...x, ...w]);
  const weights = w.map((row) => [row, row.map((v) => v.data)]);
  const out = [];
  for (const row of x) {
    const data = row.map((v) => v.data);
    out.push(weights.map(([w_row, w_data]) =>
      new Value(sumprod(data, w_data), row.concat(w_row), w_data.concat(data))));
  }
  return out;
}

// Sum, number by number: [tokens][n], [tokens][n] -> [tokens][n].
function add(x, y) {
  require_length(x.length, [y]);
  require_length(x[0].length, [...x, ...y]);
  return x.map((row, i) => row.map((a, j) => a.add(y[i][j])));
}

// logits less the largest of them: exp of a large number overflows.
function shifted(logits) {
  let top = -Infinity;
  for (const v of logits) top = Math.max(top, v.data);
  const shift = new Value(-top);
  return logits.map((v) => v.add(shift));
}

// Probabilities in proportion to exp(logit): [n] -> [n].
function softmax(logits) {
  const exps = shifted(logits).map((v) => v.exp());
  const scale = total(exps).pow(-1);
  return exps.map((e) => e.mul(scale));
}

// row over its root mean square: [n] -> [n].
function rmsnorm(row) {
  const [[square]] = linear([row], [row]);
  const scale = square.mul(1 / row.length).add(1e-5).pow(-0.5);
  return row.map((v) => v.mul(scale));
}

// Mean of values, weighted by the softmax of q's scores with their keys,
// by each head for its own slice of the vectors:
// [n], [tokens][n], [tokens][n] -> [n].
function attention(n_head, q, keys, values) {
  require_length(q.length, [...keys, ...values]);
  require_length(keys.length, [values]);
  const head_dim = Math.floor(q.length / n_head);
  require_length(n_head * head_dim, [q]);
  const scale = new Value(head_dim ** -0.5); // else scores grow with head_dim
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
  require_length(fc1.length, fc2);
  const out = [];
  for (const row of linear(x, fc1)) {
    const hidden = row.map((v) => v.relu());
    const on = [...hidden.keys()].filter((j) => hidden[j].data !== 0); // NaN stays
    const fc2_on = fc2.map((w_row) => on.map((j) => w_row[j])); // 0 adds nothing
    out.push(...linear([on.map((j) => hidden[j])], fc2_on));
  }
  return out;
}

// Logits of the token after each: [tokens] -> [tokens][vocab_size].
// keys and values, [n_layer][tokens][n_embd], are those of the tokens before
// these; their own are appended. Raises IndexError out of the tables.
function gpt(config, params, token_ids, keys, values) {
  const least = Math.min(...token_ids);
  if (least < 0) throw new IndexError(`token id ${least} is negative`);
  const tokens = token_ids.map((i) => item(params.wte, i));
  const before = keys[0].length;
  const positions = tokens.map((_, i) => item(params.wpe, before + i));
  let x = add(tokens, positions).map(rmsnorm);

  for (let i = 0; i < config.n_layer; i++) {
    let normed = x.map(rmsnorm);
    const q = linear(normed, params[`layer${i}.attn_wq`]);
    keys[i].push(...linear(normed, params[`layer${i}.attn_wk`]));
    values[i].push(...linear(normed, params[`layer${i}.attn_wv`]));
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
  if (target < 0) throw new IndexError(`target ${target} is negative`);
  logits = shifted(logits);
  return total(logits.map((v) => v.exp())).log().sub(item(logits, target));
}

// Mean of -log p(next token) over the first block_size tokens, in nats.
function document_loss(config, params, tokenizer, doc) {
  const text = tokenizer.encode([...doc].slice(0, config.block_size));
  const tokens = [tokenizer.bos, ...text, tokenizer.bos].slice(0, config.block_size + 1);
  const [keys, values] = [0, 1].map(() => Array.from({ length: config.n_layer }, () => []));
  const logits = gpt(config, params, tokens.slice(0, -1), keys, values);
  const losses = logits.map((row, i) => cross_entropy(row, tokens[i + 1]));
  return total(losses).mul(1 / losses.length);
}

// A model in training: all it takes to go on as if it had never stopped.
// It makes a tokenizer of its documents if it is not given one.
class Run {
  constructor(config, docs, tokenizer = null) {
    if (typeof docs === "string") {
      throw new TypeError("docs must be a list of documents, not a string");
    }
    docs = [...docs];
    this.config = config;
    this.step = 0;
    this.rng = new Random(config.seed);
    this.docs_crc = crc32(docs.join("\n")); // a checksum
    this.rng.shuffle(docs);
    const n_held_out = round(docs.length * config.holdout);
    this.held_out = docs.slice(0, n_held_out);
    this.docs = docs.slice(n_held_out);
    this.tokenizer = tokenizer ?? new Tokenizer(docs);
    this.params = init_params(config, this.tokenizer.vocab_size, this.rng);
    this.weights = flatten(this.params);
    this.m = this.weights.map(() => 0);
    this.v = this.weights.map(() => 0);
  }
}

// Take the steps of run that are left, a document each, with Adam.
// Calls report(step, loss) after each, the loss in nats a token, and ends if
// that returns something true. Raises ArithmeticError, with the weights of
// the step before, when training diverges.
function train(run, report = null) {
  if (!run.docs.length) throw new ValueError("the run has no documents to train on");
  const { config, m, v } = run;
  const { beta1, beta2, adam_eps: eps } = config;
  const new1 = 1 - beta1, new2 = 1 - beta2;
  for (const w of run.weights) w.grad = 0;
  while (run.step < config.steps) {
    const doc = run.docs[run.step % run.docs.length];
    let loss = document_loss(config, run.params, run.tokenizer, doc);
    if (!(exp(-loss.data) > 0)) { // as likely as that, or NaN
      throw new ArithmeticError(`the loss became ${repr(loss.data, true)}`);
    }
    loss.backward();
    loss = loss.data;

    let rate = config.learning_rate * (1 - run.step / config.steps);
    run.step += 1;
    rate /= 1 - beta1 ** run.step; // m and v start at 0: undo that bias
    const v_scale = 1 / (1 - beta2 ** run.step);
    for (let i = 0; i < m.length; i++) {
      const w = run.weights[i];
      const grad = w.grad;
      w.grad = 0;
      const mean = m[i] = beta1 * m[i] + new1 * grad;
      const square = v[i] = beta2 * v[i] + new2 * grad * grad;
      w.data -= rate * mean / (Math.sqrt(square * v_scale) + eps);
    }

    if (report && report(run.step, loss)) break;
  }
}

// %% Sampling
// Token ids of bos and prompt. Raises ValueError if no token can follow.
function encode_prompt(config, tokenizer, prompt) {
  const length = [...prompt].length;
  if (length >= config.block_size) {
    throw new ValueError(`prompt of ${length} characters must be shorter `
                         + `than block_size=${config.block_size}`);
  }
  return [tokenizer.bos, ...tokenizer.encode(prompt)];
}

// A new document that starts with prompt, at most block_size tokens long.
// Raises ArithmeticError if a probability is NaN.
function generate(config, params, tokenizer, rng, prompt = "") {
  const tokens = encode_prompt(config, tokenizer, prompt);
  const [keys, values] = [0, 1].map(() => Array.from({ length: config.n_layer }, () => []));
  const temperature = config.temperature || 1e-300; // the likeliest is left alone
  let next = tokens.slice();
  while (tokens.length <= config.block_size) {
    const logits = shifted(gpt(config, params, next, keys, values).at(-1));
    const probs = softmax(logits.map((v) => new Value(v.data / temperature)));
    const weights = probs.map((p) => p.data);
    if (!(weights.reduce((a, b) => a + b) > 0)) {
      throw new ArithmeticError("a probability became nan");
    }
    next = rng.choices(weights);
    if (next[0] === tokenizer.bos) break;
    tokens.push(...next);
  }
  return tokenizer.decode(tokens.slice(1));
}

// %% Data
// What Python's strip() takes away.
const BLANKS = /^[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+|[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/g;

// Documents of the bytes of a UTF-8 file, a line each without blanks.
// Raises ValueError that says what is wrong with the text.
function load_docs(bytes, path) {
  const utf16 = (bytes[0] === 0xff && bytes[1] === 0xfe)
    || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (utf16 || bytes.includes(0)) {
    throw new ValueError(`${repr(path)} is UTF-16 or binary, not UTF-8 text`);
  }
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const again = new TextEncoder().encode(text);
  if (again.length !== bytes.length || again.some((byte, i) => byte !== bytes[i])) {
    throw new ValueError(`${repr(path)} is not UTF-8 text: see the byte at offset `
                         + first_bad_byte(text, bytes));
  }
  return lines(text, repr(path));
}

// Where bytes differ from the text that they were taken for.
function first_bad_byte(text, bytes) {
  let offset = 0;
  for (const char of text) {
    const encoded = new TextEncoder().encode(char);
    if (encoded.some((byte, i) => byte !== bytes[offset + i])) break;
    offset += encoded.length;
  }
  return offset;
}

// Documents of a text, a line each without blanks; name is what it is called.
function lines(text, name) {
  const docs = text.replaceAll("\r", "\n").split("\n")
    .map((line) => line.replace(/^\ufeff+/, "").replace(BLANKS, ""))
    .filter((doc) => doc);
  if (!docs.length) {
    throw new ValueError(`${name} has no text: give it a document a line`);
  }
  return docs;
}

// %% Saving
// A value as Python's json.dumps(value, sort_keys=True) writes it; floats says
// of which keys the numbers are floats, even if they look whole.
function dumps(value, floats = [], is_float = false) {
  if (Array.isArray(value)) {
    return `[${value.map((x) => dumps(x, floats, is_float)).join(", ")}]`;
  }
  if (value !== null && typeof value === "object") {
    return `{${Object.keys(value).sort().map((key) =>
      `${dumps(key)}: ${dumps(value[key], floats, floats.includes(key))}`).join(", ")}}`;
  }
  if (typeof value === "string") {
    return JSON.stringify(value).replace(/[\x7f-\uffff]/g, (unit) => unit === "\x7f"
      ? unit : "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"));
  }
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new ValueError("Out of range float values are not JSON compliant");
  }
  return typeof value === "number" ? repr(value, is_float || !Number.isInteger(value))
    : String(value);
}

const FLOATS = ["weights", "m", "v", ...Object.keys(Config.fields).filter(
  (name) => Config.fields[name].type === "float")];

// run without its documents. Raises ValueError if a number is NaN.
function to_json(run) {
  const [version, state, gauss] = run.rng.getstate();
  const text = dumps({
    format: "microgpt model, version 1", config: { ...run.config },
    vocabulary: run.tokenizer.chars, docs_crc: run.docs_crc,
    weights: run.weights.map((w) => w.data), m: run.m, v: run.v,
    step: run.step, rng: [version, state, null] }, FLOATS);
  return gauss === null ? text  // the only float among whole numbers
    : text.replace("], null]", `], ${repr(gauss, true)}]`);
}

function number(x) {
  if (typeof x === "number") return x;
  throw new TypeError(`${dumps(x)} where a number is needed`);
}

// The run that save of microgpt.py, or to_json, wrote; to go on training it
// needs its docs. Raises ValueError.
function from_json(text, path, docs = null) {
  let data, run;
  try {
    data = JSON.parse(text);
    const [seed] = text.match(/(?<="seed": *)\d+/) ?? [];
    if (seed && !Number.isSafeInteger(Number(seed))) data.config.seed = BigInt(seed);
    const config = new Config(data.config), chars = data.vocabulary;
    let count = 0;
    for (const [n_out, n_in] of Object.values(param_shapes(config, chars.length + 1))) {
      count += n_out * n_in;
    }
    require_length(count, [data.weights, data.m, data.v]);
    run = new Run(config, chars);
    run.docs_crc = number(data.docs_crc);
    run.docs = run.held_out = [];
    run.weights.forEach((w, i) => {
      w.data = number(data.weights[i]);
      run.m[i] = number(data.m[i]);
      run.v[i] = number(data.v[i]);
    });
    run.step = number(data.step);
    run.rng.setstate(data.rng);
    if (to_json(run) !== dumps({ ...data, rng: [...data.rng.slice(0, 2), null] }, FLOATS)
        .replace("], null]", `], ${data.rng[2] === null ? "null" : repr(data.rng[2], true)}]`)
        || run.v.some((square) => !(square >= 0))
        || !(0 <= run.step && run.step <= config.steps)) {
      throw new ValueError("save would not have written this");
    }
  } catch (error) {
    throw new ValueError(`${repr(path)} is not a model saved by microgpt `
                         + `(${error.constructor.name}: ${error.message})`);
  }
  if (docs !== null) {
    const fresh = new Run(run.config, docs);
    if (fresh.docs_crc !== run.docs_crc
        || fresh.tokenizer.chars.join() !== run.tokenizer.chars.join()) {
      throw new ValueError(`${repr(path)} can only go on with the FILE that it `
                           + "was trained on");
    }
    run.docs = fresh.docs;
    run.held_out = fresh.held_out;
  }
  return run;
}

// %% Command line
// text without what can harm a terminal: that is escaped.
function printable(text) {
  const harmful = /[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/u;
  return [...text].map((char) => escape_if(char, harmful)).join("");
}

// The value of a setting that is given as text. Raises ValueError.
function parse_setting(name, text) {
  const { type } = Config.fields[name];
  const plain = text.trim().replace(/(?<=\d)_(?=\d)/g, "");
  if (type === "int" && /^[+-]?\d+$/.test(plain)) {
    const whole = BigInt(plain.replace("+", ""));
    return Number.isSafeInteger(Number(whole)) ? Number(whole) : whole;
  }
  if (type === "float" && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) {
    return Number(plain);
  }
  if (type === "float" && /^[+-]?(inf(inity)?|nan)$/i.test(plain)) {
    return /n$/i.test(plain) && /nan/i.test(plain) ? NaN
      : plain[0] === "-" ? -Infinity : Infinity;
  }
  throw new ValueError(`invalid ${type} value: ${repr(text)}`);
}

// Options and FILE in argv. Raises ValueError.
function parse(argv) {
  const options = { settings: {}, texts: {}, prompt: "", file: null };
  const args = argv.slice();
  while (args.length) {
    const arg = args.shift();
    const [, dashed, , inline] = arg.match(/^--([^=]+)(=(.*))?$/s) ?? [];
    const name = dashed?.replaceAll("-", "_");
    const option = `--${dashed?.replaceAll("_", "-")}`;
    if (dashed === undefined || arg === "-") {
      if (options.file !== null || /^-./.test(arg)) {
        throw new ValueError(`unrecognized arguments: ${arg}`);
      }
      options.file = arg;
      continue;
    }
    if (name !== "prompt" && !Config.fields[name]?.help) {
      throw new ValueError(`unrecognized arguments: ${arg}`);
    }
    const is_option = /^-(?!\d|\.\d|$)/.test(args[0] ?? "-x") && inline === undefined;
    if (is_option) throw new ValueError(`argument ${option}: expected one argument`);
    const text = inline ?? args.shift();
    if (name === "prompt") {
      options.prompt = text;
      continue;
    }
    try {
      const value = options.settings[name] = parse_setting(name, text);
      options.texts[name] = repr(value, Config.fields[name].type === "float");
    } catch (error) {
      throw new ValueError(`argument ${option}: ${error.message}`);
    }
  }
  return options;
}

// Do what the command line argv asks for -> an exit status.
function main(argv) {
  const fs = require("fs"), path = require("path");
  const say = (text) => fs.writeSync(1, text + "\n");
  const complain = (error) =>
    fs.writeSync(2, `microgpt: ${printable(error.message ?? error)}\n`);
  let run, options;
  try {
    options = parse(argv);
    const config = new Config(options.settings, options.texts);
    run = new Run(config, read_docs(options.file, fs, path));
    if (config.holdout && !run.docs.length !== !run.held_out.length) {
      throw new ValueError(`holdout=${repr(config.holdout, true)} of these `
                           + "documents is none or all of them");
    }
    encode_prompt(config, run.tokenizer, options.prompt);
  } catch (error) {
    complain(error);
    return 2;
  }
  try {
    for (const line of story(run, options.prompt)) say(line);
  } catch (error) {
    if (error.code === "EPIPE") return 0; // nobody reads on
    if (!(error instanceof ArithmeticError)) throw error;
    complain(run.step ? `training diverged after step ${run.step}: ${error.message}; `
      + `lower learning_rate=${repr(run.config.learning_rate, true)}`
      : `the model has weights out of range: ${error.message}`);
    return 1;
  }
  return 0;
}

// The documents of a file, or the names of the microgpt.py that is at hand.
function read_docs(file, fs, path) {
  if (file !== null) {
    try {
      return load_docs(fs.readFileSync(file === "-" ? 0 : file), file);
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
      throw new Error(`[Errno 2] No such file or directory: ${repr(file)}`);
    }
  }
  const program = path.join(__dirname, "../../microgpt.py");
  if (!fs.existsSync(program)) throw new ValueError("FILE is needed");
  const [, names] = fs.readFileSync(program, "utf8").match(/^NAMES = """\n(.*?)"""/ms);
  return names.split(/\s+/).filter((name) => name);
}

// Train run, and tell how it goes, line by line; then its samples.
function* story(run, prompt) {
  const { config, tokenizer } = run;
  const docs = [...run.docs, ...run.held_out];
  const cut = docs.filter((doc) => [...doc].length >= config.block_size).length;
  yield `documents ${docs.length} (${run.held_out.length} held out, ${cut} cut `
    + `to ${config.block_size} tokens) | vocabulary ${tokenizer.vocab_size} | `
    + `parameters ${run.weights.length}`;
  const wide = (x, width) => String(x).padStart(width);
  let line;
  const report = (step, loss) => {
    if (step !== 1 && step * 10 % config.steps >= 10) return false;
    line = `step ${wide(step, 4)} / ${wide(config.steps, 4)} | loss ${loss.toFixed(4)}`;
    if (run.held_out.length) line += ` | held-out ${held_out_loss(run).toFixed(4)}`;
    return true;
  };
  while (run.step < config.steps) {
    train(run, report);
    yield line;
  }
  const known = new Set(docs);
  let n_known = 0;
  for (let i = 1; i <= config.samples; i++) {
    const text = generate(config, run.params, tokenizer, run.rng, prompt);
    n_known += known.has(text);
    yield `sample ${wide(i, 2)}: ${printable(text)}`;
  }
  if (config.samples) {
    yield `word for word in the documents: ${n_known} of ${config.samples}`;
  }
}

function held_out_loss({ config, params, tokenizer, held_out }) {
  let sum = 0;
  for (const doc of held_out) sum += document_loss(config, params, tokenizer, doc).data;
  return sum / held_out.length;
}

const microgpt = {
  Random, Tokenizer, Value, topological_order, total, Config, param_shapes,
  init_params, flatten, require_length, linear, add, shifted, softmax, rmsnorm,
  attention, mlp, gpt, cross_entropy, document_loss, Run, encode_prompt, generate,
  load_docs, lines, to_json, from_json, parse_setting, repr, printable, story,
  // train(run, report), or train(docs, settings, report) -> the run it made
  train(run, ...rest) {
    if (run instanceof Run) return train(run, ...rest);
    const [settings, report] = rest;
    const made = new Run(new Config(settings), run);
    train(made, report);
    return made;
  },
};
globalThis.microgpt = microgpt;
if (typeof module !== "undefined") {
  module.exports = microgpt;
  if (require.main === module) process.exitCode = main(process.argv.slice(2));
}
})();
