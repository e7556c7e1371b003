"""The recorded run, and what the file's own functions tell about it."""
import math
import random
from unittest import mock

from made import mean, rounded

import ladder
import microgpt
from microgpt import Config, Value, add, generate, gpt, rmsnorm, softmax

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


def caches():
    return [[[] for _ in range(CONFIG.n_layer)] for _ in range(2)]


def logits_after(run, prefix):
    """Logits of the token after the text prefix, as plain numbers."""
    tokens = [run.tokenizer.bos, *run.tokenizer.encode(prefix)]
    logits = gpt(CONFIG, run.params, tokens, *caches())[-1]
    return [v.data for v in logits]


def probabilities(logits, temperature=1.0):
    """softmax of plain numbers."""
    return [p.data for p in softmax([Value(x / temperature) for x in logits])]


def sample(run, count, rng):
    return [generate(CONFIG, run.params, run.tokenizer, rng)
            for _ in range(count)]


def snapshot(run, step):
    run.snapshots.append({
        "step": step,
        "held_out": ladder.held_out_loss(run),
        "samples": sample(run, 10, random.Random(CONFIG.seed)),
        "next": {prefix: rounded(probabilities(logits_after(run, prefix)), 3)
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
    return {"uniform": math.log(run.tokenizer.vocab_size),
            "unigram": ladder.loss_of(ladder.letter_counts(run), run),
            "bigram": ladder.loss_of(ladder.pair_counts(run), run)}

# %% Attention and neurons, made visible


def trace(run, text):
    """What gpt makes of text, token by token: weights [n_head][<= n], logits.
    """
    seen = []

    def spy(scores):
        weights = softmax(scores)
        seen.append([v.data for v in weights])
        return weights

    tokens = [run.tokenizer.bos, *run.tokenizer.encode(text)]
    with mock.patch.object(microgpt, "softmax", spy):
        logits = gpt(CONFIG, run.params, tokens, *caches())
    heads = CONFIG.n_head  # of the one layer: attention takes token by token
    return [(seen[heads * i:heads * (i + 1)], [v.data for v in row])
            for i, row in enumerate(logits)]


def stream(run, text):
    """x of the last token of text: at first, after attention, after the MLP:
    [3][n_embd], and the first head's weights and the logits of it."""
    sums = []

    def spy(x, y):
        out = add(x, y)
        sums.append([v.data for v in out[-1]])
        return out

    with mock.patch.object(microgpt, "add", spy):
        weights, logits = trace(run, text)[-1]
    first = [v.data for v in rmsnorm([Value(number) for number in sums[0]])]
    return [first, *sums[1:]], weights[0], logits


def heads(run):
    """[n_head + 1] of {part: mean weight on it} by a head for the letters of
    held-out names from the third on, and last if all tokens had the same."""
    parts = ("bos", "the rest", "the letter before", "itself")
    found = [[] for _ in range(CONFIG.n_head + 1)]
    for doc in run.held_out:
        for n, (weights, _) in enumerate(trace(run, doc), 1):
            if n > 3:  # bos, a rest, a letter before and the letter itself
                for shares, w in zip(found, [*weights, [1 / n] * n]):
                    shares.append((w[0], sum(w[1:-2]), w[-2], w[-1]))
    return [dict(zip(parts, map(mean, zip(*shares)))) for shares in found]


def neurons_on(run):
    """Share of the MLP's neurons above 0, over the tokens of held-out names."""
    on, plain = [], microgpt.linear

    def linear(x, w):
        out = plain(x, w)
        if w is run.params["layer0.mlp_fc1"]:
            on.extend([h.data > 0.0 for row in out for h in row])
        return out

    with mock.patch.object(microgpt, "linear", linear):
        ladder.held_out_loss(run)
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
