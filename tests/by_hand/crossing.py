"""Counts against models, over the size of the text: docs/data/crossing.json.

    python tests/by_hand/crossing.py            measure all (needs torch)
    python tests/by_hand/crossing.py TEXT       one of names, twice, unicode
    python tests/by_hand/crossing.py --write    write what the record says
    python tests/by_hand/crossing.py --check    say what is not as it says

All learn from the first so many documents, and are asked for the same ones that
none of them has seen. What is chosen (letters and trust of the counts, and when
a training stops) is chosen on a third part. Losses are means over tokens.
"""
import itertools
import json
import math
import random
import re
import sys
import unicodedata
import zlib
from collections import Counter
from functools import partial
from typing import NamedTuple

from torch_speed import main, options, prepared  # it makes the next possible
from kit import BASELINE, DATA, HELD_OUT
from kit import axes, dot, figure, line, mean, scale, spread, table, text
import microgpt

RECORD = DATA / "crossing.json"
LETTERS, TRUSTS = 12, (1, 2, 4, 8, 16, 32, 64, 128)


class Plan(NamedTuple):
    """What is measured of a text."""
    title: str
    held_out: int  # documents, and as many to choose on
    steps: dict  # at most, by the number of documents to learn from
    asked: int  # times in so many steps
    models: list  # n_embd and n_layer
    rows: tuple  # block_size and batch_size
    seeds: range
    ticks: list  # of the losses


NAMES = Plan("names", 100,
             dict.fromkeys((25, 50, 100, 200, 400, 800), 600), 60,
             [(16, 1), (32, 2)], (32, 32), range(42, 47), [1, 1.5, 2, 2.5, 3])
TEXTS = {
    "names": NAMES,
    "twice": NAMES._replace(title="each name twice"),
    "unicode": Plan("names of Unicode's characters", 1000,
                    {400: 800, 2000: 2400, 10000: 8000, 25000: 20000}, 20,
                    [(64, 2)], (64, 8), range(42, 45),
                    [0.5, 1, 1.5, 2])}


def characters():
    """Their names in Unicode, each once, without digits; each fits a row."""
    for name in dict.fromkeys([unicodedata.name(chr(i), "").lower()
                               for i in range(sys.maxunicode + 1)]):
        if 0 < len(name) < 64 and not (re.search(r"\d", name)
                                       or name.startswith("hangul syllable ")):
            yield name


def documents(name):
    docs = list(characters()) if name == "unicode" else microgpt.load_docs()
    random.Random(0).shuffle(docs)
    return [f"{doc} {doc}" for doc in docs] if name == "twice" else docs


def crc(docs):
    return zlib.crc32("\n".join(docs).encode())


def parts(docs, held_out, n):
    """Held out, to choose on, to learn from."""
    ends = held_out, 2 * held_out, 2 * held_out + n
    return [docs[a:b] for a, b in zip((0, *ends), ends)]

# %% Counts


def counts(docs):
    """How often each context was seen, and each with what came next."""
    seen, next_seen = Counter(), Counter()
    for doc in docs:
        row = f"\0{doc}\0"  # for bos
        for i in range(1, len(row)):
            for n in range(min(LETTERS, i) + 1):
                seen[row[i - n:i]] += 1
                next_seen[row[i - n:i], row[i]] += 1
    return seen, next_seen


def counted_losses(docs, counted, trust, size):
    """Losses a token of blended_counts of docs/ladder.py, for 0 last letters
    to LETTERS: what fewer say counts as much as trust letters."""
    (seen, next_seen), sums, tokens = counted, [0.0] * (LETTERS + 1), 0
    for doc in docs:
        row = f"\0{doc}\0"
        for i in range(1, len(row)):
            p, tokens = 1 / size, tokens + 1
            for n in range(LETTERS + 1):
                if n <= i:
                    context = row[i - n:i]
                    p = (next_seen[context, row[i]] + trust * p) / (
                        seen[context] + trust)
                sums[n] -= math.log(p)
    return [total / tokens for total in sums]


def best_counts(held_out, valid, docs, size):
    counted = counts(docs)
    _, n, trust = min([(loss, n, trust) for trust in TRUSTS for n, loss
                       in enumerate(counted_losses(valid, counted, trust, size))])
    loss = counted_losses(held_out, counted, trust, size)[n]
    return dict(docs=len(docs), letters=n, trust=trust, loss=round(loss, 4))

# %% Models


def learned(plan, model, n, seed, everything):
    """Trained until the part to choose on says that it was better before."""
    import microgpt_torch
    steps = plan.steps[n]
    run = prepared(everything, *options(*model, *plan.rows), "--steps", steps,
                   "--learning-rate", 0.02, "--seed", seed)
    held_out, valid, docs = parts(everything, plan.held_out, n)
    run.text = run.cut(docs)  # the tokenizer is that of all
    asked, best = [run.cut(valid), run.cut(held_out)], (99.0, 99.0, 0)
    while run.step < min(steps, best[2] + steps // 4 + 1):
        microgpt_torch.train_step(run, run.model)
        if run.step % (steps // plan.asked) == 0:
            losses = []
            for run.held_out_text in asked:
                losses.append(microgpt_torch.held_out_loss(run))
            best = min(best, (*losses, run.step))
    return dict(model=f"{model[0]} × {model[1]}", docs=len(docs), seed=seed,
                loss=round(best[1], 4), step=best[2])


def measured(name):
    plan, everything = TEXTS[name], documents(name)
    size = len(set("".join(everything))) + 1
    counted = [best_counts(*parts(everything, plan.held_out, n), size)
               for n in plan.steps]
    print(*counted, sep="\n", flush=True)
    found = []
    for seed, n, model in itertools.product(
            plan.seeds, plan.steps, plan.models):
        found.append(learned(plan, model, n, seed, everything))
        print(found[-1], flush=True)
    version = unicodedata.unidata_version
    return {**({"unicode": version} if name == "unicode" else {}),
            "crc": crc(everything), "counts": counted, "models": found}

# %% What is written


def losses(found, n, model):
    return [row["loss"] for row in found["models"]
            if row["docs"] == n and row["model"] == model]


def models(found):
    return list(dict.fromkeys([row["model"] for row in found["models"]]))


def span(numbers):
    if len(numbers) == 1:
        return f"{numbers[0]:.2f}"
    return f"{mean(numbers):.2f} ({min(numbers):.2f} to {max(numbers):.2f})"


def rows(found):
    """A row for each number of documents."""
    for row in found["counts"]:
        n = row["docs"]
        yield [n, f"{row['loss']:.2f}", str(row["letters"]), *[
            span(losses(found, n, model)) for model in models(found)]]


def markdown(found):
    tables = []
    for name, plan in TEXTS.items():
        part = found["texts"][name]
        told = f"{plan.title}, with {len(plan.seeds)} seeds"
        if "unicode" in part:
            told += (f" (Python's unicodedata {part['unicode']}; no digits, no "
                     "Hangul syllables, at most 63 characters)")
        tables.append(f"{told[0].upper()}{told[1:]}:\n\n" + table(
            ["learned from", "counts", "of letters", *models(part)],
            list(rows(part))))
    return "\n".join(tables)


def panel(part, title, ticks, top):
    """Loss over documents: counts, and each model with its seeds."""
    sizes = [row["docs"] for row in part["counts"]]
    def x(n):
        return scale(math.log(sizes[0]), math.log(sizes[-1]), 34, 320)(
            math.log(n))
    y = scale(ticks[0], ticks[-1], top + 150, top)
    lines = [("counts", BASELINE, "none",
              [[row["loss"]] for row in part["counts"]])]
    names = models(part)
    lines += [(model, HELD_OUT, dashes, [losses(part, n, model) for n in sizes])
              for model, dashes in zip(names, ("5 3", "none")[-len(names):])]
    parts = axes(x, y, sizes, ticks, "documents to learn from",
                 f"{title}: held-out loss")
    ends = spread([y(mean(found[-1])) for *_, found in lines], 17)
    for (name, color, dashes, found), end in zip(lines, ends):
        parts += [line(*[(x(n), y(mean(losses))) for n, losses
                         in zip(sizes, found)], color=color, stroke_width=2,
                       stroke_dasharray=dashes),
                  text(328, end, name, "start")]
        parts += [dot(x(n), y(loss), 2, fill=color) for n, losses
                  in zip(sizes, found) for loss in losses]
    return parts


def drawing(found):
    parts, told = [], []
    for i, (name, plan) in enumerate(TEXTS.items()):
        part = found["texts"][name]
        parts += panel(part, plan.title, plan.ticks, 30 + 230 * i)
        told += [", ".join([
            f"{plan.title}, learned from {n:,}: counts {counted}",
            *[f"{model} {loss}" for model, loss in zip(models(part), other)]])
            for n, counted, _, *other in rows(part)]
    return figure("crossing", "Counts and models over the size of the text",
                  "Lines of the held-out loss, a dot for each seed; models are "
                  f"n_embd × n_layer. {'; '.join(told)}.",
                  2 + 230 * len(TEXTS), parts)


def files(found):
    return {"data/crossing.json": json.dumps(found, indent=1) + "\n",
            "data/crossing.md": markdown(found),
            "data/crossing.svg": drawing(found)}


if __name__ == "__main__":
    main(__doc__, RECORD, {name: partial(measured, name) for name in TEXTS},
         files, inside="texts")
