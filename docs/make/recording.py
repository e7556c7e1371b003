"""The recorded run, and what can be told about it with gpt's own functions."""
import math
import pathlib
import random
import sys
from collections import Counter

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

import microgpt
from microgpt import Config, generate, gpt, softmax

CONFIG = Config(holdout=0.1)
PREFIXES = ["", "ma", "jo", "el"]  # whose next letter is shown

# %% The recorded run


class Recorded(microgpt.Run):
    """A run, as `python microgpt.py --holdout 0.1` does it, and its story."""

    def __init__(self):
        super().__init__(CONFIG, microgpt.load_docs())
        self.losses, self.snapshots = [], []
        self.one_weight = []  # (data, m) of each step
        self.trained = []  # samples at the end


def mean(numbers):
    return sum(numbers) / len(numbers)


class Reader:
    """gpt with the weights as they are now; it reads no prefix twice."""

    def __init__(self, run):
        self.run, self.tokenizer = run, run.tokenizer
        self.known = {(): ([], [[]] * CONFIG.n_layer, [[]] * CONFIG.n_layer)}

    def read(self, tokens):
        """Logits after tokens, then their keys and values."""
        if tokens not in self.known:
            _, *caches = self.read(tokens[:-1])
            caches = [[list(layer) for layer in cache] for cache in caches]
            logits = gpt(CONFIG, self.run.params, tokens[-1], len(tokens) - 1,
                         *caches)
            self.known[tokens] = (logits, *caches)
        return self.known[tokens]

    def logits(self, prefix):
        """Logits of the token after the text prefix."""
        bos = self.tokenizer.bos
        return self.read((bos, *self.tokenizer.encode(prefix)))[0]

    def loss(self, doc):
        """What document_loss computes."""
        losses = []
        for i, (_, target) in enumerate(pairs(self.tokenizer, doc)):
            prob = softmax(self.logits(doc[:i]))[target].data
            losses.append(-math.log(prob))
        return mean(losses)

    def invent(self, rng):
        """What generate returns."""
        text, size = "", self.tokenizer.vocab_size
        for _ in range(CONFIG.block_size):
            probs = softmax(self.logits(text), CONFIG.temperature)
            [token] = rng.choices(range(size), weights=data_of(probs))
            if token == self.tokenizer.bos:
                break
            text += self.tokenizer.decode([token])
        return text


def sample(run, count, rng):
    return [generate(CONFIG, run.params, run.tokenizer, rng)
            for _ in range(count)]


def data_of(values, digits=None):
    """Plain numbers, rounded if digits are given: Values -> floats."""
    data = [v.data for v in values]
    return data if digits is None else [round(x, digits) for x in data]


def pairs(tokenizer, doc):
    """(token, next token) of doc, as many as document_loss looks at."""
    tokens = [tokenizer.bos, *tokenizer.encode(doc), tokenizer.bos]
    return list(zip(tokens, tokens[1:]))[:CONFIG.block_size]


def snapshot(run, step):
    reader = Reader(run)
    run.snapshots.append({
        "step": step,
        "held_out": mean([reader.loss(doc) for doc in run.held_out]),
        "samples": sample(run, 5, random.Random(CONFIG.seed)),
        "next": {prefix: data_of(softmax(reader.logits(prefix)), 3)
                 for prefix in PREFIXES}})


def record():
    """A whole run, with snapshots before it, at step 1 and every 50 steps."""
    run = Recorded()
    weight = run.params["lm_head"][0][0]
    index = run.weights.index(weight)

    def report(step, loss):
        run.losses.append(loss)
        run.one_weight.append((weight.data, run.m[index]))
        if step == 1 or step % 50 == 0:
            snapshot(run, step)

    snapshot(run, 0)
    microgpt.train(run, report)
    return run


def running_mean(numbers, window=50):
    """[n] of (step, mean of the last window numbers), for every 5th step."""
    return [(i, mean(numbers[max(0, i - window):i]))
            for i in range(5, len(numbers) + 1, 5)]


def adam_steps(run):
    """Learning rates, step sizes, gradients and m of the watched weight."""
    rates = [CONFIG.learning_rate * (1 - i / CONFIG.steps)
             for i in range(CONFIG.steps)]
    first = Recorded().params["lm_head"][0][0].data
    data, m = zip((first, 0.0), *run.one_weight)
    steps = [abs(b - a) for a, b in zip(data, data[1:])]
    # m = beta1 * m + (1 - beta1) * grad, solved for grad
    grads = [(b - CONFIG.beta1 * a) / (1 - CONFIG.beta1)
             for a, b in zip(m, m[1:])]
    return rates, steps, grads[:100], m[1:101]

# %% What simpler models reach


def baselines(run):
    """Held-out loss of guessing by nothing, by letter and by letter pair."""
    seen = [pair for doc in run.docs
            for pair in pairs(run.tokenizer, doc)]
    size = run.tokenizer.vocab_size
    after, before = [Counter(column) for column in zip(*seen)][::-1]
    both = Counter(seen)
    models = {
        "uniform": lambda a, b: 1 / size,
        "unigram": lambda a, b: after[b] / len(seen),
        "bigram": lambda a, b: (both[a, b] + 1) / (before[a] + size)}
    return {name: mean([mean([-math.log(model(*pair))
                              for pair in pairs(run.tokenizer, doc)])
                        for doc in run.held_out])
            for name, model in models.items()}

# %% Attention, made visible


def trace(run, text):
    """What gpt makes of each token of text: (weights [n_head][<= n], logits).

    gpt keeps its attention weights to itself. This is gpt written once more,
    for one layer, and it is compared with gpt at every token.
    """
    params, head_dim = run.params, CONFIG.n_embd // CONFIG.n_head
    wq, wk, wv, wo, fc1, fc2 = [params["layer0." + name] for name in (
        "attn_wq", "attn_wk", "attn_wv", "attn_wo", "mlp_fc1", "mlp_fc2")]
    linear, rmsnorm = microgpt.linear, microgpt.rmsnorm
    reader, keys, values, steps = Reader(run), [], [], []
    tokens = [run.tokenizer.bos, *run.tokenizer.encode(text)]
    for pos_id, token_id in enumerate(tokens):
        x = rmsnorm([a + b for a, b in zip(params["wte"][token_id],
                                           params["wpe"][pos_id])])
        normed = rmsnorm(x)
        q = linear(normed, wq)
        keys.append(linear(normed, wk))
        values.append(linear(normed, wv))
        weights, mixed = [], []
        for first in range(0, CONFIG.n_embd, head_dim):
            head = slice(first, first + head_dim)
            scores = linear(q[head], [k[head] for k in keys])
            weights.append(softmax(scores, head_dim ** 0.5))
            mixed += linear(weights[-1], zip(*[v[head] for v in values]))
        x = [a + b for a, b in zip(x, linear(mixed, wo))]
        hidden = [h.relu() for h in linear(rmsnorm(x), fc1)]
        x = [a + b for a, b in zip(x, linear(hidden, fc2))]
        logits = linear(x, params["lm_head"])
        for own, true in zip(logits, reader.logits(text[:pos_id])):
            if not math.isclose(own.data, true.data, rel_tol=1e-9):
                raise ArithmeticError("trace is not what gpt computes")
        steps.append((weights, logits))
    return steps

# %% Embeddings in two dimensions


def dot(a, b):
    return sum([x * y for x, y in zip(a, b)])


def direction(rows):
    """The unit vector along which rows differ most, by power iteration."""
    columns = list(zip(*rows))
    spreads = [[dot(a, b) for b in columns] for a in columns]
    vector = [1.0] + [0.0] * (len(columns) - 1)
    for _ in range(1000):
        pulled = [dot(row, vector) for row in spreads]
        length = math.sqrt(dot(pulled, pulled))
        vector = [x / length for x in pulled]
    largest = max(vector, key=abs)  # v and -v are as good: take one of them
    return [x * math.copysign(1.0, largest) for x in vector]


def project(table):
    """Rows [n][n_embd] along their two main directions: -> [n] of (x, y)."""
    means = [mean(column) for column in zip(*table)]
    rows = [[a - b for a, b in zip(row, means)] for row in table]
    coordinates = []
    for _ in range(2):
        axis = direction(rows)
        along = [dot(row, axis) for row in rows]
        coordinates.append(along)
        rows = [[a - size * b for a, b in zip(row, axis)]
                for row, size in zip(rows, along)]
    return list(zip(*coordinates))


def letters(run):
    return project([data_of(row) for row in run.params["wte"][:-1]])
