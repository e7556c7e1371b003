"""Measure what each part of the model is worth, by taking it away.

    python docs/make/ablations.py           run all, and write docs/data
    python docs/make/ablations.py --check   run all, and say what differs

A variant is microgpt.py with a line or two changed. Each is trained with the
default settings but for 100 names held out, once for each seed, and compared
with the whole file at that seed: same split of the names, same first weights.
This takes some minutes, on all processors.
"""
import json
import multiprocessing
import types
from collections import namedtuple

from made import SOURCE, mean, script, span, table, worse_with

SEEDS = range(42, 52)
SEARCH_SEEDS = range(1, 4)  # others, so that a rate isn't chosen by the result
RATES = {"Adam": (0.003, 0.01, 0.03),
         "gradient descent": (0.05, 0.1, 0.2, 0.4, 0.8)}
SHORT = dict(steps=20, holdout=0.02)  # a part that a test can run again

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
VARIANTS = {
    "the whole file": {},
    "no positions": {FIRST: "x = [rmsnorm(row) for row in tokens]"},
    "no attention": {ATTENTION: "pass"},
    "no MLP": {MLP: "pass"},
    "neither attention nor MLP": {ATTENTION: "pass", MLP: "pass"},
    "no relu": {"hidden = [v.relu() for v in row]": "hidden = row"},
    "no norms": {NORM: "return row"},
    "no first norm": {FIRST: "x = add(tokens, positions)"},
    "no residuals": {ATTENTION: ATTENTION.replace("add(x, ", "")[:-1],
                     MLP: MLP.replace("add(x, ", "")[:-1]},
    "no √head_dim": {"Value(head_dim ** -0.5)": "Value(1.0)"},
    "one head, not four": {"n_head: int = setting(4,":
                           "n_head: int = setting(1,"},
    "one norm more, at the end": {LAST: "return linear([rmsnorm(row) for row "
                                  """in x], params["lm_head"])"""},
    "no decay of the learning rate": {
        "config.learning_rate * (1 - run.step / config.steps)":
        "config.learning_rate"},
    "no correction of the bias": {
        UNBIAS: "pass", "v_scale = 1 / (1 - beta2 ** run.step)": "v_scale = 1"},
    "gradient descent, not Adam": {UNBIAS: "pass",
                                   UPDATE: "w.data -= rate * grad"}}


def changed(variant):
    """microgpt.py as a module, with the lines of a variant changed."""
    source = SOURCE
    for old, new in VARIANTS[variant].items():
        if source.count(old) != 1:
            raise ValueError(f"microgpt.py should have once: {old}")
        source = source.replace(old, new)
    module = types.ModuleType("changed")
    exec(compile(source, variant, "exec"), vars(module))
    return module

# %% The runs


Task = namedtuple("Task", "variant settings")


def held_out_loss(task):
    """The loss on names held out after a whole training, in nats a token, or
    None if training diverges."""
    microgpt = changed(task.variant)
    config = microgpt.Config(**task.settings)
    run = microgpt.Run(config, microgpt.load_docs())
    try:
        microgpt.train(run)
    except ArithmeticError:
        return None
    return mean([microgpt.document_loss(config, run.params, run.tokenizer,
                                        doc).data for doc in run.held_out])


def results(tasks):
    with multiprocessing.Pool() as pool:
        return pool.map(held_out_loss, tasks, chunksize=1)


def search():
    """{optimizer: {learning rate: held-out loss}}, a mean over few seeds, or
    None if training diverges at one of them."""
    labels = dict(zip(RATES, ("the whole file", "gradient descent, not Adam")))
    tasks = [Task(label, dict(holdout=0.1, seed=seed, learning_rate=rate))
             for name, label in labels.items() for rate in RATES[name]
             for seed in SEARCH_SEEDS]
    losses = iter(results(tasks))
    found = {name: {str(rate): [next(losses) for _ in SEARCH_SEEDS]
                    for rate in RATES[name]} for name in RATES}
    return {name: {rate: None if None in seeds else mean(seeds)
                   for rate, seeds in rates.items()}
            for name, rates in found.items()}


def settings(variant, rates):
    """Those in which a variant differs from the default ones."""
    if "gradient descent" in variant:
        found = rates["gradient descent"]
        good = {rate: loss for rate, loss in found.items() if loss}
        return dict(learning_rate=float(min(good, key=good.get)))
    return {}


def short(rates):
    """{variant: held-out loss} of a part, in seconds."""
    return {variant: held_out_loss(Task(variant, dict(
        SHORT, **settings(variant, rates)))) for variant in VARIANTS}


def measured():
    rates = search()
    tasks = [Task(variant, dict(holdout=0.1, seed=seed,
                                **settings(variant, rates)))
             for variant in VARIANTS for seed in SEEDS]
    losses = iter(results(tasks))
    return {"seeds": list(SEEDS), "search_seeds": list(SEARCH_SEEDS),
            "rates": rates,
            "held_out": {variant: [next(losses) for _ in SEEDS]
                         for variant in VARIANTS},
            "short": short(rates)}

# %% The table


def markdown(found):
    """A row for each variant, the most harmful first."""
    full, *others = found["held_out"].items()
    rows = []
    for label, losses in others:
        worse = [b - a for a, b in zip(full[1], losses)]
        rows.append((-mean(worse), (
            label, f"{mean(losses):.3f}", span(losses),
            f"{mean(worse):+.3f}".replace("-", "−"), span(worse, "+"),
            worse_with(worse))))
    rows = [row for _, row in sorted(rows)]
    whole = full[0], f"{mean(full[1]):.3f}", span(full[1]), "", "", ""
    return table(("variant", "loss", "range", "difference", "its range",
                  "seeds worse"), [whole, *rows])


def produce():
    found = measured()
    return {"data/ablations.json": json.dumps(found, indent=1) + "\n",
            "data/ablations.md": markdown(found)}


if __name__ == "__main__":
    script(produce, __doc__)
