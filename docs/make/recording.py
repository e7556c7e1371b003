"""The recorded run, and what can be told about it with gpt's own functions."""
import math
import pathlib
import random
import sys
from collections import Counter
from unittest import mock

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
        """Logits of the token after the text prefix, as plain numbers."""
        tokens = (self.tokenizer.bos, *self.tokenizer.encode(prefix))
        return [v.data for v in self.read(tokens)[0]]

    def loss(self, doc):
        """What document_loss computes."""
        losses = []
        for i, (_, target) in enumerate(pairs(self.tokenizer, doc)):
            losses.append(-math.log(softmax(self.logits(doc[:i]))[target]))
        return mean(losses)

    def invent(self, rng):
        """What generate returns."""
        text, size = "", self.tokenizer.vocab_size
        for _ in range(CONFIG.block_size):
            probs = softmax(self.logits(text), CONFIG.temperature)
            [token] = rng.choices(range(size), weights=probs)
            if token == self.tokenizer.bos:
                break
            text += self.tokenizer.decode([token])
        return text


def sample(run, count, rng):
    return [generate(CONFIG, run.params, run.tokenizer, rng)
            for _ in range(count)]


def rounded(numbers, digits):
    return [round(x, digits) for x in numbers]


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
        "next": {prefix: rounded(softmax(reader.logits(prefix)), 3)
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

# %% Attention and neurons, made visible


def trace(run, text):
    """What gpt makes of each token of text: (weights [n_head][<= n], logits)."""
    seen, steps, caches = [], [], ([[]], [[]])
    plain = microgpt.attention

    def attention(q, keys, values):
        out = plain(q, keys, values)
        seen.append(out[0]._local_grads[len(keys):])  # the slopes in values
        return out

    tokens = [run.tokenizer.bos, *run.tokenizer.encode(text)]
    with mock.patch.object(microgpt, "attention", attention):
        for pos_id, token_id in enumerate(tokens):
            logits = gpt(CONFIG, run.params, token_id, pos_id, *caches)
            steps.append((seen[-CONFIG.n_head:], [v.data for v in logits]))
    return steps


def neurons_on(run):
    """Share of the MLP's neurons above 0, over the tokens of held-out names."""
    on, plain = [], microgpt.linear

    def linear(x, w):
        out = plain(x, w)
        if w is run.params["layer0.mlp_fc1"]:
            on.extend([h.data > 0.0 for h in out])
        return out

    with mock.patch.object(microgpt, "linear", linear):
        for doc in run.held_out:
            microgpt.document_loss(CONFIG, run.params, run.tokenizer, doc)
    return mean(on)

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
    return project([[w.data for w in row] for row in run.params["wte"][:-1]])
