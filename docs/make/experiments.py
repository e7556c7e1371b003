"""Measure what comes out of the experiments on the page Where to go next.

    python docs/make/experiments.py           run all, and write docs/data
    python docs/make/experiments.py --check   run all, and say what differs

Each is run once for each seed. Those that change a setting are compared with
the default settings at the same seed: same split of the names. This takes some
minutes, on all processors.
"""
import json
import multiprocessing
import subprocess
import sys
from collections import namedtuple

from made import mean, script, span, table

import microgpt

SEEDS = range(42, 47)
SETTINGS = {
    "the default settings": {},
    "--steps 2000": dict(steps=2000),
    "--steps 4000": dict(steps=4000),
    "--n-embd 32": dict(n_embd=32),
    "--n-layer 2": dict(n_layer=2),
    "--n-head 1": dict(n_head=1)}
COUNTS = 100, 300  # of names to train on, in place of 900
Task = namedtuple("Task", "work settings")


def held_out_loss(run):
    """In nats a token."""
    return mean([microgpt.document_loss(run.config, run.params, run.tokenizer,
                                        doc).data for doc in run.held_out])


def one_setting(settings):
    run = microgpt.Run(microgpt.Config(holdout=0.1, **settings),
                       microgpt.load_docs())
    microgpt.train(run)
    return held_out_loss(run)


def fewer_names(settings):
    """The default training, on the first count names only."""
    settings = dict(settings)
    count = settings.pop("count")
    run = microgpt.Run(microgpt.Config(holdout=0.1, **settings),
                       microgpt.load_docs())
    run.docs = run.docs[:count]
    microgpt.train(run)
    return held_out_loss(run)


def fifty_names(settings):
    """The losses at each tenth of training on forty names, and how many of
    its samples are among those: [10] of (training, held-out), a number."""
    config = microgpt.Config(holdout=0.2, steps=600, **settings)
    run = microgpt.Run(config, microgpt.load_docs()[::20])
    losses, tenths = [], []

    def report(step, loss):
        losses.append(loss)
        if step % 60 == 0:
            tenths.append((mean(losses[-60:]), held_out_loss(run)))

    microgpt.train(run, report)
    samples = [microgpt.generate(config, run.params, run.tokenizer, run.rng)
               for _ in range(20)]
    return tenths, sum([text in run.docs for text in samples])


def own_lines(settings):
    """What a model invents that has learned the lines of `import this`."""
    text = subprocess.run([sys.executable, "-c", "import this"], check=True,
                          capture_output=True, text=True).stdout
    docs = [line for line in text.splitlines() if line]
    config = microgpt.Config(block_size=32, **settings)
    run = microgpt.Run(config, docs)
    microgpt.train(run)
    return [microgpt.generate(config, run.params, run.tokenizer, run.rng)
            for _ in range(5)]


def do(task):
    return globals()[task.work](task.settings)


def measured():
    tasks = [Task("one_setting", dict(seed=seed, **changes))
             for changes in SETTINGS.values() for seed in SEEDS]
    tasks += [Task("fewer_names", dict(seed=seed, count=count))
              for count in COUNTS for seed in SEEDS]
    tasks += [Task("fifty_names", dict(seed=seed)) for seed in SEEDS]
    tasks.append(Task("own_lines", dict(seed=42)))
    with multiprocessing.Pool() as pool:
        results = iter(pool.map(do, tasks, chunksize=1))
    return {"seeds": list(SEEDS),
            "held_out": {label: [next(results) for _ in SEEDS]
                         for label in SETTINGS},
            "fewer": {str(count): [next(results) for _ in SEEDS]
                      for count in COUNTS},
            "fifty": [next(results) for _ in SEEDS],
            "lines": next(results)}


def settings_table(found):
    """A row for each setting, and its distance to the default ones."""
    rows, full = [], found["held_out"]["the default settings"]
    for label, losses in found["held_out"].items():
        name = label if losses is full else f"`{label}`"
        gains = [b - a for a, b in zip(full, losses)]
        rows.append((name, f"{mean(losses):.3f}", span(losses)) + (
            ("", "") if losses is full else
            (f"{mean(gains):+.3f}".replace("-", "−"), span(gains, "+"))))
    return table(("run", "held-out loss", "range", "difference", "its range"),
                 rows)


def fewer_table(found):
    """A row for each number of names, and its distance to all of them."""
    full = found["held_out"]["the default settings"]
    rows = []
    for count, losses in found["fewer"].items():
        costs = [b - a for a, b in zip(full, losses)]
        rows.append((count, f"{mean(losses):.3f}", span(losses),
                     f"{mean(costs):+.3f}".replace("-", "−"),
                     span(costs, "+")))
    rows.append(("900", f"{mean(full):.3f}", span(full), "", ""))
    return table(("names learned", "held-out loss", "range", "difference",
                  "its range"), rows)


def fifty_table(found):
    """Both losses at some steps, over all seeds."""
    rows = []
    for i in range(1, 10, 2):
        train, held_out = zip(*[run[0][i] for run in found["fifty"]])
        rows.append((str(60 * (i + 1)), f"{mean(train):.2f}",
                     f"{mean(held_out):.2f}", span(held_out)))
    return table(("step", "loss on the forty names", "held-out loss",
                  "its range"), rows)


def written(found):
    """{path below docs: text} of all that was found."""
    return {"data/experiments.json": json.dumps(found, indent=1) + "\n",
            "data/experiments.md": settings_table(found),
            "data/fewer.md": fewer_table(found),
            "data/fifty.md": fifty_table(found),
            "data/lines.txt": "".join([line + "\n"
                                       for line in found["lines"]])}


def produce():
    return written(measured())


if __name__ == "__main__":
    script(produce, __doc__)
