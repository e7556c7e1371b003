"""Measure the rungs of docs/ladder.py, and draw their losses as a staircase.

    python docs/make/staircase.py           climb all, and write docs/data
    python docs/make/staircase.py --check   climb all, and say what differs

Each rung is tried once for each seed, which says how the names are split and
what the first weights are. This takes some minutes, on all processors.
"""
import json
import multiprocessing
from collections import namedtuple

from made import mean, script, span, table, worse_with

import charts
import ladder
from microgpt import Config, load_docs

SEEDS = range(42, 52)
SEARCH_SEEDS = range(1, 4)  # others, so that a rate isn't chosen by the result
RATES = 0.003, 0.01, 0.03, 0.1
FILE = "the file: four heads, norms"
BESIDE = ["the file by gradient descent", *ladder.BLENDED]  # not on the way
SEARCHED = [label for label in ladder.LEARNED if label not in (FILE, *BESIDE)]
SHORT = dict(steps=20, holdout=0.02)  # a part that a test can run again

Task = namedtuple("Task", "label settings rate", defaults=(None,))


def climb(task):
    """Loss on names held out or None if training diverges, number of weights,
    and ten samples."""
    if task.rate:
        _, *rest = ladder.LEARNED[task.label]
        ladder.LEARNED[task.label] = task.rate, *rest
    try:
        run, model = ladder.climb(task.label, Config(**task.settings),
                                  load_docs())
    except ArithmeticError:
        return None, 0, []
    weights = len(run.weights) if task.label in ladder.LEARNED else 0
    return (ladder.loss_of(model, run), weights,
            ladder.samples_of(model, run))


def short():
    """{rung: held-out loss} of a part, in seconds."""
    return {label: climb(Task(label, SHORT))[0] for label in ladder.RUNGS}


def measured():
    search = [Task(label, dict(holdout=0.1, seed=seed), rate)
              for label in SEARCHED for rate in RATES for seed in SEARCH_SEEDS]
    tasks = [Task(label, dict(holdout=0.1, seed=seed))
             for label in ladder.RUNGS for seed in SEEDS]
    with multiprocessing.Pool(maxtasksperchild=1) as pool:
        results = iter(pool.map(climb, search + tasks, chunksize=1))

    rates = {}
    for label in SEARCHED:
        rates[label] = {}
        for rate in RATES:
            losses = [next(results)[0] for _ in SEARCH_SEEDS]
            rates[label][str(rate)] = (None if None in losses
                                       else mean(losses))
    found = {label: list(zip(*[next(results) for _ in SEEDS]))
             for label in ladder.RUNGS}
    return {"seeds": list(SEEDS), "search_seeds": list(SEARCH_SEEDS),
            "rates": rates,
            "held_out": {label: list(losses)
                         for label, (losses, _, _) in found.items()},
            "weights": {label: weights[0]
                        for label, (_, weights, _) in found.items()},
            "samples": {label: samples[0]
                        for label, (_, _, samples) in found.items()},
            "short": short()}


def row(label, losses, before):
    """Of a table: the losses, and how they differ from others, seed by seed."""
    cells = label, f"{mean(losses):.3f}", span(losses)
    if before is None:
        return cells + ("", "", "")
    gains = [b - a for a, b in zip(before, losses)]
    return cells + (f"{mean(gains):+.3f}".replace("-", "−"), span(gains, "+"),
                    worse_with(gains))


def markdown(found):
    """Tables: each rung against the one below it, what stands beside the
    file against the file, and samples."""
    losses = found["held_out"]
    way = [label for label in losses if label not in BESIDE]
    head = ("rung", "loss", "range", "difference", "its range",
            "seeds worse")
    return (
        table(head, [row(label, losses[label], losses.get(below))
                     for below, label in zip([None, *way], way)]),
        table(head, [row(FILE, losses[FILE], None)]
              + [row(label, losses[label], losses[FILE]) for label in BESIDE]),
        table(("rung", "ten samples"), [
            (label, ", ".join(samples))
            for label, samples in found["samples"].items()]))


def shown(found):
    """{path below docs: text} of all that is made of the numbers."""
    way, beside, samples = markdown(found)
    return {"data/ladder.json": json.dumps(found, indent=1) + "\n",
            "data/ladder.md": way, "data/ladder-beside.md": beside,
            "data/ladder-samples.md": samples,
            "data/ladder.svg": charts.staircase(
                found["held_out"], FILE,
                [*ladder.COUNTED, *ladder.BLENDED], BESIDE)}


def produce():
    return shown(measured())


if __name__ == "__main__":
    script(produce, __doc__)
