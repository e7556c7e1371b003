"""Measure what the book says of parts, texts and sizes.

    python docs/make experiments     run what is not recorded yet
    pypy3 docs/make experiments      the same, faster

Each row of ORDER is a training, once for each seed. A seed says how the text is
split and what the first weights are, so variants are compared seed by seed. A
result is written as soon as it is there: what is stopped can go on. To measure
a row anew, take it out of docs/data/experiments.json.
"""
import itertools
import json
import random
import sys
import types
from dataclasses import replace
from functools import partial
from unittest import mock

from kit import DATA, SOURCE, mean

import ladder
import microgpt

RESULTS = DATA / "experiments.json"
TEN = range(42, 52)
FIVE = range(42, 47)
THIRTY = range(42, 72)
SEARCH = range(1, 4)  # others, so that a rate isn't chosen by the result

# %% The texts


def palindromes():
    """2,000 of the 4,096 that four letters out of eight can begin."""
    halves = ["".join(h) for h in itertools.product("abcdefgh", repeat=4)]
    chosen = random.Random(0).sample(halves, 2000)
    return [half + half[::-1] for half in chosen]


def sums():
    return [f"{a}+{b}={a + b}" for a in range(10) for b in range(10)]


def sorting():
    words = ["".join(w) for w in itertools.product("abcdefgh", repeat=4)]
    chosen = random.Random(0).sample(words, 2000)
    return [word + ">" + "".join(sorted(word)) for word in chosen]


def brackets():
    """All ways to set seven pairs of brackets."""
    return ["".join(b) for b in itertools.product("()", repeat=14)
            if is_balanced(b)]


def is_balanced(text):
    depths = list(itertools.accumulate([1 if c == "(" else -1 for c in text]))
    return min(depths) >= 0 and depths[-1] == 0


# name: how to make it, share held out, steps, what an answer begins with
TEXTS = {
    "names": (microgpt.load_docs, 0.1, 1000, None),
    "palindromes": (palindromes, 0.05, 1000, lambda doc: doc[:4]),
    "sums": (sums, 0.15, 3000, lambda doc: doc[:4]),
    "sorting": (sorting, 0.05, 3000, lambda doc: doc[:5]),
    "brackets": (brackets, 0.1, 1000, None)}

# %% The variants

ATTENTION = """x = add(x, linear(mixed, params[f"layer{i}.attn_wo"]))"""
MLP = """x = add(x, mlp(normed, params[f"layer{i}.mlp_fc1"],
                       params[f"layer{i}.mlp_fc2"]))"""
FIRST = "x = [rmsnorm(row) for row in add(tokens, positions)]"
NORM = "return [v * scale for v in row]"
LAST = """return linear(x, params["lm_head"])"""
UNBIAS = "rate /= 1 - beta1 ** run.step"
UPDATE = "w.data -= rate * mean / (math.sqrt(square * v_scale) + eps)"

# label: lines of the file, and what stands there instead
CHANGES = {
    "no positions": {FIRST: "x = [rmsnorm(row) for row in tokens]"},
    "no attention": {ATTENTION: "pass"},
    "no MLP": {MLP: "pass"},
    "neither attention nor MLP": {ATTENTION: "pass", MLP: "pass"},
    "no relu": {"if not v.data <= 0.0]": "]", "row[j].relu()": "row[j]"},
    "no norms": {NORM: "return row"},
    "no first norm": {FIRST: "x = add(tokens, positions)"},
    "no residuals": {ATTENTION: ATTENTION.replace("add(x, ", "")[:-1],
                     MLP: MLP.replace("add(x, ", "")[:-1]},
    "no √head_dim": {"Value(head_dim ** -0.5)": "Value(1.0)"},
    "one norm more, at the end": {LAST: "return linear([rmsnorm(row) for row "
                                  """in x], params["lm_head"])"""},
    "no decay of the learning rate": {
        "config.learning_rate * (1 - run.step / config.steps)":
        "config.learning_rate"},
    "no correction of the bias": {
        UNBIAS: "pass", "v_scale = 1 / (1 - beta2 ** run.step)": "v_scale = 1"},
    "gradient descent, not Adam": {UNBIAS: "pass",
                                   UPDATE: "w.data -= rate * grad"}}

# label: settings that are not the default ones
SETTINGS = {
    "the whole file": {},
    "one head, not four": dict(n_head=1),
    "two layers": dict(n_layer=2),
    "2,000 steps": dict(steps=2000),
    "4,000 steps": dict(steps=4000),
    "n_embd 32": dict(n_embd=32)}
FEWER = {"100 names": 100, "300 names": 300}  # to learn from, not 900

BATCHES = {f"{n} names a step": n for n in (1, 2, 4, 8)}  # 4,000 in all
SETTINGS.update({label: dict(steps=4000 // n) for label, n in BATCHES.items()})
CHANGES.update({label: {
    "doc = run.docs[run.step % len(run.docs)]":
    f"docs = (run.docs * 2)[{n} * run.step % len(run.docs):][:{n}]",
    "loss = document_loss(config, run.params, run.tokenizer, doc)":
    "loss = total([document_loss(config, run.params, run.tokenizer, doc)"
    f" for doc in docs]) * {1 / n}"} for label, n in BATCHES.items()})


def changed(label):
    """microgpt.py as a module, with the lines of a variant changed."""
    source = SOURCE
    for old, new in CHANGES[label].items():
        if source.count(old) != 1:
            raise ValueError(f"microgpt.py should have once: {old}")
        source = source.replace(old, new)
    module = types.ModuleType("changed")
    exec(compile(source, label, "exec"), vars(module))
    return module

# %% Measuring a run


def answers(module, run, text):
    """{held-out document: what is made of how it begins, taking the likeliest
    token each time}"""
    begin = TEXTS[text][3]
    config = replace(run.config, temperature=0.0)
    return {doc: module.generate(config, run.params, run.tokenizer, run.rng,
                                 begin(doc))
            for doc in (run.held_out if begin else [])}


def measured(module, run, text):
    """What is recorded of a trained run: its loss, and how many are right."""
    result = {"loss": module.held_out_loss(run)}
    answered = answers(module, run, text)
    right = [doc for doc, answer in answered.items() if doc == answer]
    if answered:
        result["right"] = len(right)
    if text == "sums":
        shown = set(run.docs)
        turned = [doc for doc in answered if doc[2] + "+" + doc[0] + doc[3:]
                  not in shown]
        result["wrong"] = [answer for doc, answer in answered.items()
                           if doc != answer]
        result["alone"] = [len([d for d in turned if d in right]), len(turned)]
    if text == "brackets":
        rng = random.Random(run.config.seed)
        drawn = [module.generate(run.config, run.params, run.tokenizer, rng)
                 for _ in range(100)]
        good = [d for d in drawn if len(d) == 14 and is_balanced(d)]
        result["right"] = len(good)
        result["new"] = len([d for d in good if d not in run.docs])
    return result


def knocked_out(run):
    """{part: held-out loss} without that part of the trained model."""
    n, heads = run.config.n_embd, run.config.n_head
    columns = {"MLP": ("layer0.mlp_fc2", range(4 * n)),
               "positions": ("wpe", range(n)),
               "all heads": ("layer0.attn_wo", range(n))}
    for h in range(heads):
        columns[f"head {h + 1}"] = ("layer0.attn_wo", range(
            h * n // heads, (h + 1) * n // heads))
    found = {}
    for part, (name, at) in columns.items():
        weights = [row[j] for row in run.params[name] for j in at]
        kept = [w.data for w in weights]
        for w in weights:
            w.data = 0.0
        found[part] = microgpt.held_out_loss(run)
        for w, w.data in zip(weights, kept):
            pass
    return found


def by_heart(run, draws=200):
    """How many of so many names that it invents it was shown, and how many
    were held out."""
    rng = random.Random(run.config.seed)
    drawn = [microgpt.generate(run.config, run.params, run.tokenizer, rng)
             for _ in range(draws)]
    return [sum([d in docs for d in drawn]) for docs in (
        set(run.docs), set(run.held_out))]


def forty_names(seed):
    """Forty names learned by heart: the losses at each tenth, of training and
    held out, and how many of 20 samples are among them."""
    run = microgpt.Run(microgpt.Config(holdout=0.2, steps=600, seed=seed),
                       microgpt.load_docs()[::20])
    tenths = []
    for _ in range(10):
        losses = [microgpt.train_step(run) for _ in range(60)]
        tenths.append((mean(losses), microgpt.held_out_loss(run)))
    samples = [microgpt.generate(run.config, run.params, run.tokenizer,
                                 run.rng) for _ in range(20)]
    return {"loss": tenths[-1][1], "tenths": tenths,
            "known": sum([text in run.docs for text in samples])}


def one(text, label, seed, **more):
    """Train a variant on a text, and measure it."""
    make, holdout, steps, _ = TEXTS[text]
    settings = {"holdout": holdout, "steps": steps, "seed": seed,
                **SETTINGS.get(label, {}), **more}
    docs = make()
    config = microgpt.Config(**settings)
    if label in ladder.RUNGS:
        known = dict(ladder.LEARNED)
        if "learning_rate" in more:
            known[label] = more["learning_rate"], *known[label][1:]
        with mock.patch.object(ladder, "LEARNED", known):
            run, model = ladder.climb(label, config, docs)
        with mock.patch.object(microgpt, "gpt", model):
            result = measured(microgpt, run, text)
        if seed == TEN[0]:
            result["samples"] = ladder.samples_of(model, run)
            if label in ladder.LEARNED:
                result["weights"] = len(run.weights)
        return result
    module = changed(label) if label in CHANGES else microgpt
    run = module.Run(module.Config(**settings), docs)
    if label in FEWER:
        run.docs = run.docs[:FEWER[label]]
    while run.step < run.config.steps:
        module.train_step(run)
    result = measured(module, run, text)
    if label == "the whole file" and text in ("names", "palindromes"):
        result["knocked out"] = knocked_out(run)
        if text == "names":
            result["by heart"] = by_heart(run)
    return result


def counts(text, n, seed):
    """Blended counts of the last n tokens."""
    make, holdout, _, _ = TEXTS[text]
    run = microgpt.Run(microgpt.Config(holdout=holdout, seed=seed), make())
    model = ladder.blended_at_best(partial(ladder.last_letters, n), run)
    with mock.patch.object(microgpt, "gpt", model):
        return measured(microgpt, run, text)

# %% What is to be run

PARTS = ["the whole file", "no positions", "no attention", "no MLP",
         "neither attention nor MLP", "no relu", "no norms", "no first norm",
         "no residuals", "no √head_dim", "one norm more, at the end",
         "no decay of the learning rate", "no correction of the bias",
         "gradient descent, not Adam", "one head, not four", "two layers"]
COUNTS = [f"counts of {n} letters" for n in range(6)]
MAIN = ["the whole file", "no attention", "no positions"]
SEARCHED = [label for label in ladder.LEARNED if "file" not in label]
RATES = 0.003, 0.01, 0.03, 0.1
DESCENT_RATES = 0.1, 0.2, 0.4, 0.8, 1.6
DESCENT_RATE = {"names": 0.4, "palindromes": 0.8}  # the best of these
BATCH_RATES = 0.005, 0.01, 0.02, 0.04
FASTER = ["no norms @ 0.03", "no residuals @ 0.03"]
CLOSE = ["no MLP", "two layers", "one head, not four"]  # to the whole file
WIDTHS = {"the whole file": (16, 0.01), "the whole file @ 0.005": (16, 0.005),
          "n_embd 32": (32, 0.01), "n_embd 32 @ 0.005": (32, 0.005)}
DESCENT = "gradient descent, not Adam"
SHORT = dict(steps=20, holdout=0.02)  # a part that a test can run again
ORDER = [  # (text, variants, seeds)
    ("names", [f"{label} @ {rate}" for label in SEARCHED for rate in RATES],
     SEARCH),
    ("names", [f"{DESCENT} @ {rate}" for rate in DESCENT_RATES], SEARCH),
    ("names", PARTS + ladder.RUNGS, TEN),
    ("names", ["the whole file", *CLOSE], THIRTY),
    ("names", ["forty names", "2,000 steps", "4,000 steps", "n_embd 32",
               *FEWER], FIVE),
    ("palindromes", PARTS + FASTER, TEN),
    ("names", COUNTS[4:], TEN),
    ("palindromes", [f"{DESCENT} @ {rate}" for rate in DESCENT_RATES], SEARCH),
    ("palindromes", COUNTS + [label for label in ladder.RUNGS
                              if "the file" not in label], TEN),
    ("sums", MAIN + COUNTS[1:4], TEN),
    ("sums", WIDTHS, TEN),
    ("names", [f"{label} @ {rate}" for label in BATCHES
               for rate in BATCH_RATES], FIVE),
    ("brackets", MAIN + COUNTS[1:4], TEN),
    ("sorting", MAIN + COUNTS[1:4], TEN)]


def work(text, label, seed):
    if label == "forty names":
        return forty_names(seed)
    if label in COUNTS:
        return counts(text, COUNTS.index(label), seed)
    base, _, rate = label.partition(" @ ")
    more = {"learning_rate": float(rate)} if rate else {}
    if label == DESCENT:
        more = {"learning_rate": DESCENT_RATE[text]}
    try:
        return one(text, base, seed, **more)
    except ArithmeticError:  # training diverged
        return {"loss": None}


def short():
    """{variant: held-out loss} of a part, in seconds."""
    return {label: one("names", label, 42, **SHORT)["loss"]
            for label in PARTS + ladder.RUNGS}


def recorded():
    return json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}


def record(results):
    lines = []
    for text, rows in results.items():
        told = ",\n".join([f"  {json.dumps(label, ensure_ascii=False)}: "
                           f"{json.dumps(found, ensure_ascii=False)}"
                           for label, found in rows.items()])
        lines.append(f" {json.dumps(text)}: {{\n{told}}}")
    RESULTS.write_text("{\n" + ",\n".join(lines) + "}\n", "utf-8")


def run_all(results):
    if "short" not in results:
        results["short"] = short()
        record(results)
    for text, labels, seeds in ORDER:
        for label, seed in itertools.product(labels, seeds):
            found = results.setdefault(text, {}).setdefault(label, {})
            if str(seed) not in found:
                found[str(seed)] = work(text, label, seed)
                record(results)
                print(text, label, seed, found[str(seed)], flush=True)


def produce():
    """Run what is not recorded yet; results are written as they come."""
    run_all(recorded())
    return {}
