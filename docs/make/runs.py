"""The recorded run: `python microgpt.py --holdout 0.1`, and what the file's
own functions tell about it. All numbers go into docs/data/run.json and the
live-*.json of the parts that move; tables and drawings are made from those.
"""
import gc
import json
import math
import operator
import random
from collections import Counter
from dataclasses import asdict
from unittest import mock

from kit import as_json, mean, rounded, table

import microgpt
from microgpt import (Config, Run, Value, add, document_loss, generate, gpt,
                      held_out_loss, linear, rmsnorm, softmax, train_step)

CONFIG = Config(holdout=0.1)
PREFIXES = ["", "ma", "jo", "el"]  # whose next letter is shown
INVENTED = 1000  # samples that are counted
NAMES = ["maria", "emma", "oliver", "anna", "john", "elizabeth", "michelle",
         "christopher"]  # whose attention is shown

# %% The run


def fresh():
    return Run(CONFIG, microgpt.load_docs())


def sample(run, count, rng):
    return [generate(CONFIG, run.params, run.tokenizer, rng)
            for _ in range(count)]


def logits_of(run, text):
    """Logits of the token after each of bos and text: [n][vocab_size]."""
    tokens = [run.tokenizer.bos, *run.tokenizer.encode(text)]
    caches = [[[] for _ in range(CONFIG.n_layer)] for _ in range(2)]
    rows = gpt(CONFIG, run.params, tokens, *caches)
    return [[v.data for v in row] for row in rows]


def probabilities(logits, temperature=1.0):
    """softmax of plain numbers."""
    return [p.data for p in softmax([Value(x / temperature) for x in logits])]


def snapshot(run):
    return {"step": run.step, "held_out": held_out_loss(run),
            "samples": sample(run, 10, random.Random(CONFIG.seed)),
            "next": {prefix: rounded(probabilities(
                logits_of(run, prefix)[-1]), 3) for prefix in PREFIXES}}


def trained():
    """A run after all its steps, and what was noted on the way: losses,
    snapshots before it, at step 1 and every 50 steps, and (data, grad, m) of
    one weight, before the first step and after each."""
    run = fresh()
    weight = run.params["lm_head"][0][0]
    index = run.weights.index(weight)
    losses, snapshots, one = [], [snapshot(run)], [(weight.data, 0.0, 0.0)]
    while run.step < CONFIG.steps:
        losses.append(train_step(run))
        one.append((weight.data, weight.grad, run.m[index]))
        if run.step == 1 or run.step % 50 == 0:
            snapshots.append(snapshot(run))
    return run, losses, snapshots, one


def running_mean(numbers, window=50):
    """[n] of (step, mean of the last window numbers), for every 5th step."""
    return [(i, round(mean(numbers[max(0, i - window):i]), 4))
            for i in range(5, len(numbers) + 1, 5)]


def loss_of_counts(run, n):
    """Held-out loss of guessing by the n tokens before, from how often each
    was seen to follow them, and 1."""
    def pairs(doc):
        bos = run.tokenizer.bos
        tokens = [bos, *run.tokenizer.encode(doc), bos][:CONFIG.block_size + 1]
        return [(tuple(tokens[max(i - n, 0):i]), tokens[i])
                for i in range(1, len(tokens))]

    seen = Counter([pair for doc in run.docs for pair in pairs(doc)])
    before = Counter([context for context, _ in seen.elements()])
    size = run.tokenizer.vocab_size
    return mean([mean([
        -math.log((seen[pair] + 1) / (before[pair[0]] + size))
        for pair in pairs(doc)]) for doc in run.held_out])

# %% Attention, neurons and embeddings, made visible


def attention_of(run, text):
    """Weights [tokens][n_layer * n_head][<= tokens] that a head gives, for
    bos and each letter of text."""
    seen = []

    def spy(scores):
        weights = softmax(scores)
        seen.append([v.data for v in weights])
        return weights

    with mock.patch.object(microgpt, "softmax", spy):
        logits_of(run, text)
    heads, n = CONFIG.n_head, len(text) + 1  # a layer takes token by token
    return [[seen[(layer * n + i) * heads + head] for layer in range(
        CONFIG.n_layer) for head in range(heads)] for i in range(n)]


def head_names():
    return [f"head {head + 1}" if CONFIG.n_layer == 1 else
            f"layer {layer}, head {head + 1}" for layer in range(
                CONFIG.n_layer) for head in range(CONFIG.n_head)]


def stream(run, text):
    """x of the last token of text: at first, after attention and after the
    MLP of each layer."""
    sums = []

    def spy(x, y):
        out = add(x, y)
        sums.append([v.data for v in out[-1]])
        return out

    with mock.patch.object(microgpt, "add", spy):
        logits_of(run, text)
    return [[v.data for v in rmsnorm([Value(x) for x in sums[0]])], *sums[1:]]


def heads(run):
    """{head: {part: mean weight on it}} for the letters of held-out names
    from the third on, and last if all tokens had the same."""
    parts = ("bos", "the rest", "the letter before", "itself")
    names = [*head_names(), "evenly"]
    found = [[] for _ in names]
    for doc in run.held_out:
        for n, weights in enumerate(attention_of(run, doc), 1):
            if n > 3:  # bos, a rest, a letter before and the letter itself
                for shares, w in zip(found, [*weights, [1 / n] * n]):
                    shares.append((w[0], sum(w[1:-2]), w[-2], w[-1]))
    return {name: dict(zip(parts, map(mean, zip(*shares))))
            for name, shares in zip(names, found)}


def neurons_on(run):
    """Share of the MLP's neurons above 0, over the tokens of held-out names."""
    on, fc1 = [], [w for name, w in run.params.items() if "fc1" in name]

    def spy(x, w):
        out = linear(x, w)
        if any([w is one for one in fc1]):
            on.extend([h.data > 0.0 for row in out for h in row])
        return out

    with mock.patch.object(microgpt, "linear", spy):
        held_out_loss(run)
    return mean(on)


def dot(a, b):
    return sum(map(operator.mul, a, b))


def direction(rows):
    """The unit vector along which rows differ most, by power iteration."""
    columns = list(zip(*rows))
    spreads = [[dot(a, b) for b in columns] for a in columns]
    vector = [1.0] + [0.0] * (len(columns) - 1)
    for _ in range(1000):
        pulled = [dot(row, vector) for row in spreads]
        length = math.sqrt(dot(pulled, pulled)) or 1.0
        vector = [x / length for x in pulled]
    largest = max(vector, key=abs)  # v and -v are as good: take one of them
    return [x * math.copysign(1.0, largest) for x in vector]


def letters(run):
    """Their embeddings along their two main directions: [n] of (x, y)."""
    rows = [[w.data for w in row] for row in run.params["wte"][:-1]]
    means = [mean(column) for column in zip(*rows)]
    rows = [[a - b for a, b in zip(row, means)] for row in rows]
    coordinates = []
    for _ in range(2):
        axis = direction(rows)
        along = [dot(row, axis) for row in rows]
        coordinates.append(rounded(along, 4))
        rows = [[a - size * b for a, b in zip(row, axis)]
                for row, size in zip(rows, along)]
    return list(zip(*coordinates))

# %% Graphs


def graph_sizes(loss):
    """{what: how many}; the depth is in nodes, from loss down to a leaf."""
    depth, stack = {}, [loss]
    while stack:
        missing = [v for v in stack[-1]._children if v not in depth]
        stack += missing
        if not missing:
            v = stack.pop()
            depth[v] = 1 + max([depth[child] for child in v._children],
                               default=0)
    return {"nodes of the graph": len(depth),
            "the same without its leaves": sum([v._children != ()
                                                for v in depth]),
            "edges of the graph": sum([len(v._children) for v in depth]),
            "depth of the graph": depth[loss]}


def total_one_by_one(values):
    """total, with a node for each sum of two."""
    first, *rest = [*values] or [Value(0.0)]
    for v in rest:
        first = first + v
    return first


def linear_one_by_one(x, w):
    """linear, with a node for each product and each sum of two."""
    return [[total_one_by_one(map(operator.mul, row, w_row)) for w_row in w]
            for row in x]


def graph_measures(run, name):
    """{what it is: number} of the graph of name's loss."""
    made, init = [], Value.__init__

    def spy(self, data, children=(), local_grads=()):
        made.append(children != ())
        init(self, data, children, local_grads)

    def sizes(form=""):
        loss = document_loss(CONFIG, run.params, run.tokenizer, name)
        return {what.replace("graph", f"graph of {name}") + form: size
                for what, size in graph_sizes(loss).items()}

    with mock.patch.object(Value, "__init__", spy):
        here = sizes()
    with mock.patch.multiple(microgpt, linear=linear_one_by_one,
                             total=total_one_by_one):
        plain = sizes(", each product and sum a node")
    return {**here, **plain,
            f"Values that a step with {name} computes, with the neurons that "
            "are off": sum(made),
            "constants that it makes besides": made.count(False)}

# %% What is written


def token_names(run):
    return [*run.tokenizer.chars, "bos"]


def likely(run, logits, count=6):
    """The count likeliest next tokens: -> [count] of [token, probability]."""
    probs = zip(token_names(run), rounded(probabilities(logits), 4))
    return sorted(probs, key=lambda pair: -pair[1])[:count]


def live(before, run, means, snapshots):
    """{part: data} of the parts that move."""
    def seen(run, name):
        steps = attention_of(run, name)
        return {"weights": [[rounded(weights[head], 4) for weights in steps]
                            for head in range(len(steps[0]))],
                "next": [likely(run, row) for row in logits_of(run, name)]}

    tokens = token_names(run)
    logits = {text: logits_of(run, text)[-1] for text in [*PREFIXES, "chri"]}
    return {
        "attention": {"names": [
            {"name": name, "tokens": ["bos", *name],
             "before": seen(before, name), "after": seen(run, name)}
            for name in NAMES]},
        "training": {
            "tokens": tokens, "prefixes": PREFIXES, "loss": means,
            "snapshots": [{**shot, "held_out": round(shot["held_out"], 4),
                           "samples": shot["samples"][:5]}
                          for shot in snapshots if shot["step"] != 1]},
        "temperature": {"tokens": tokens, "prefixes": [
            {"prefix": prefix, "logits": values,
             "probs": {f"{t:g}": probabilities(values, t)
                       for t in (0.2, 0.5, 1.0, 2.0)}}
            for prefix, values in logits.items()]}}


def measures(before, run, losses, snapshots):
    """{what it is: number} of all that the prose tells."""
    docs = run.docs + run.held_out
    longest = max(docs, key=len)
    invented = sample(run, INVENTED, random.Random(CONFIG.seed))
    known, kept = set(run.docs), set(run.held_out)
    new = [name for name in invented if name not in known | kept]
    untrained, final = snapshots[0]["held_out"], snapshots[-1]["held_out"]
    size = run.tokenizer.vocab_size
    depths = {what: n for what, n in graph_measures(before, longest).items()
              if what.startswith("depth")}
    return {
        "names": len(docs),
        "names trained on": len(run.docs),
        "names held out": len(run.held_out),
        "tokens in the vocabulary": size,
        "weights": len(run.weights),
        "longest name": longest,
        "its letters": len(longest),
        "letters in a name, on average": mean([*map(len, docs)]),
        f"loss of guessing evenly, ln {size}": math.log(size),
        "held-out loss of letter counts": loss_of_counts(run, 0),
        "held-out loss of letter pair counts": loss_of_counts(run, 1),
        "held-out loss before training": untrained,
        "held-out loss after training": final,
        "training loss of step 1": losses[0],
        "training loss, mean of the last 100 steps": mean(losses[-100:]),
        "highest training loss of a step": max(losses),
        "as many even choices as the loss before": math.exp(untrained),
        "as many even choices as the loss after": math.exp(final),
        "samples drawn from the trained model": len(invented),
        "different ones among them": len({*invented}),
        "samples that are names trained on": sum([name in known
                                                  for name in invented]),
        "samples that are held-out names": sum([name in kept
                                                for name in invented]),
        "samples that are neither": len(new),
        "five of those": ", ".join(list(dict.fromkeys(new))[:5]),
        "share of the MLP's neurons above 0 before training":
            neurons_on(before),
        "the same after training": neurons_on(run),
        **graph_measures(before, "emma"), **depths}


def produce():
    """{path below docs: text} of what is recorded, from scratch."""
    gc.disable()  # as in train_step: graphs are freed without it
    before = fresh()
    first = document_loss(CONFIG, before.params, before.tokenizer, "emma").data
    untrained = sample(before, 10, before.rng)
    run, losses, snapshots, one = trained()
    data, grads, m = zip(*one)
    means, logits = running_mean(losses), logits_of(run, "mar")[-1]
    found = {
        "settings": asdict(CONFIG),
        "vocabulary": run.tokenizer.chars,
        "shapes": {name: [len(w), len(w[0])] for name, w in run.params.items()},
        "heads_called": head_names(),
        "measures": measures(before, run, losses, snapshots),
        "losses": rounded(losses, 4), "snapshots": snapshots,
        "untrained": untrained, "trained": sample(run, 10, run.rng),
        "heads": heads(run), "loss_of_emma": first,
        "steps_of_a_weight": rounded([abs(b - a) for a, b in zip(
            data, data[1:])], 8),
        "its_grads": rounded(grads[1:101], 8), "its_m": rounded(m[1:101], 8),
        "stream_of_mar": [rounded(x, 3) for x in stream(run, "mar")],
        "attention_of_mar": attention_of(run, "mar")[-1],
        "likely_after_mar": likely(run, logits, 3),
        "attention_of_maria": attention_of(run, "maria"),
        "logits_after_ma": logits_of(run, "ma")[-1],
        "letters": {"before training": letters(before),
                    "after training": letters(run)}}
    files = {"data/run.json": as_json(found)}
    for name, part in live(before, run, means, snapshots).items():
        files[f"data/live-{name}.json"] = json.dumps(
            part, separators=(",", ":")) + "\n"
    gc.enable()
    return files

# %% Tables

ROLES = {
    "wte": "a row for each token: where it starts out",
    "wpe": "a row for each position, added to the token's",
    "lm_head": "a row for each token: how well it would come next",
    "attn_wq": "what a token looks for: its query",
    "attn_wk": "what a token can be found by: its key",
    "attn_wv": "what a token hands over: its value",
    "attn_wo": "mixes what the heads gathered",
    "mlp_fc1": "a row for each neuron: what it looks for",
    "mlp_fc2": "what each neuron adds to the token"}


def tables(found):
    """{path below docs: text} of the tables and texts of what was recorded."""
    matrices = [(f"`{name}`", f"{n_out} × {n_in}",
                 ROLES[name.rpartition(".")[2]], n_out * n_in)
                for name, (n_out, n_in) in found["shapes"].items()]
    matrices.append(("all", "", "", found["measures"]["weights"]))
    shots, steps = found["snapshots"], found["settings"]["steps"]
    shares = found["heads"]
    files = {
        "matrices.md": table(("matrix", "shape", "what it does", "weights"),
                             matrices),
        "heads.md": table(("weight on", *shares["evenly"]), [
            (name, *[f"{share:.2f}" for share in parts.values()])
            for name, parts in shares.items()]),
        "measures.md": table(("what", "measured"),
                             [*found["measures"].items()]),
        "steps.txt": "".join([
            f"step {shot['step']:4d} / {steps:4d} | loss "
            f"{found['losses'][shot['step'] - 1]:.4f} | held-out "
            f"{shot['held_out']:.4f}\n" for shot in shots
            if shot["step"] == 1 or shot["step"] and shot["step"] % 100 == 0])}
    for name in ("untrained", "trained"):
        files[f"{name}.txt"] = "".join([
            f"sample {i:2d}: {text}\n"
            for i, text in enumerate(found[name], 1)])
    return {f"data/{name}": text for name, text in files.items()}
