"""Counts against models, over the size of the text: docs/data/crossing.json.

    python tests/by_hand/crossing.py            measure all (needs torch)
    python tests/by_hand/crossing.py TEXT       one of names, twice
    python tests/by_hand/crossing.py --write    write what the record says
    python tests/by_hand/crossing.py --check    say what is not as it says

All learn from the first so many documents, and are asked for the same ones that
none of them has seen. What is chosen (letters and trust of the counts, and when
a training stops) is chosen on a third part. Losses are means over tokens.
"""
import argparse
import itertools
import json
import math
import random
import sys
from collections import Counter

from torch_speed import options, prepared  # it makes the next line possible
from kit import BASELINE, DATA, HELD_OUT
from kit import axes, dot, figure, line, mean, scale, spread, table, text, write
import microgpt

RECORD = DATA / "crossing.json"
LETTERS, TRUSTS = 7, (1, 2, 4, 8, 16, 32, 64, 128)


HELD_OUT_DOCS = 100  # and as many to choose on
SIZES = 25, 50, 100, 200, 400, 800  # documents to learn from
MODELS = [(16, 1), (32, 2)]  # n_embd and n_layer
STEPS = 600  # at most
SEEDS = range(42, 47)


def documents(name):
    docs = microgpt.load_docs()
    random.Random(0).shuffle(docs)
    return [f"{doc} {doc}" for doc in docs] if name == "twice" else docs


def parts(docs, n):
    """Held out, to choose on, to learn from."""
    ends = HELD_OUT_DOCS, 2 * HELD_OUT_DOCS, 2 * HELD_OUT_DOCS + n
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


def learned(model, n, seed, everything):
    """Trained until the part to choose on says that it was better before."""
    import microgpt_torch
    run = prepared(everything, *options(*model, 32, 32), "--steps", STEPS,
                   "--learning-rate", 0.02, "--seed", seed)
    held_out, valid, docs = parts(everything, n)
    run.text = run.cut(docs)  # the tokenizer is that of all
    asked, best = [run.cut(valid), run.cut(held_out)], (99.0, 99.0, 0)
    while run.step < min(STEPS, best[2] + STEPS // 4 + 1):
        microgpt_torch.train_step(run, run.model)
        if run.step % 10 == 0:
            losses = []
            for run.held_out_text in asked:
                losses.append(microgpt_torch.held_out_loss(run))
            best = min(best, (*losses, run.step))
    return dict(model=f"{model[0]} × {model[1]}", docs=n, seed=seed,
                loss=round(best[1], 4), step=best[2])


def measured(name):
    everything = documents(name)
    size = len(set("".join(everything))) + 1
    counted = [best_counts(*parts(everything, n), size) for n in SIZES]
    found = []
    for seed, n, model in itertools.product(SEEDS, SIZES, MODELS):
        found.append(learned(model, n, seed, everything))
        print(found[-1], flush=True)
    return {"counts": counted, "models": found}

# %% What is written

TEXTS = {"names": "names", "twice": "each name twice"}


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
    return "\n".join([
        f"{TEXTS[name][0].upper()}{TEXTS[name][1:]}:\n\n" + table(
            ["learned from", "counts", "of letters", *models(part)],
            list(rows(part)))
        for name, part in found["texts"].items()])


def panel(part, title, top):
    """Loss over documents: counts, and each model with its seeds."""
    sizes = [row["docs"] for row in part["counts"]]
    def x(n):
        return scale(math.log(sizes[0]), math.log(sizes[-1]), 34, 320)(
            math.log(n))
    y = scale(1.0, 3.0, top + 150, top)
    lines = [("counts", BASELINE, "none",
              [[row["loss"]] for row in part["counts"]])]
    lines += [(model, HELD_OUT, dashes, [losses(part, n, model) for n in sizes])
              for model, dashes in zip(models(part), ("5 3", "none"))]
    parts = axes(x, y, sizes, [1, 1.5, 2, 2.5, 3], "documents to learn from",
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
    for i, name in enumerate(TEXTS):
        part = found["texts"][name]
        parts += panel(part, TEXTS[name], 30 + 230 * i)
        told += [f"{TEXTS[name]}, learned from {n}: counts {counted}, " + ", ".join(
            [f"{model} {loss}" for model, loss in zip(models(part), other)])
            for n, counted, _, *other in rows(part)]
    return figure("crossing", "Counts and models over the size of the text",
                  "Lines of the held-out loss, a dot for each seed; models are "
                  f"n_embd × n_layer. {'; '.join(told)}.", 462, parts)


def files(found):
    return {"data/crossing.json": json.dumps(found, indent=1) + "\n",
            "data/crossing.md": markdown(found),
            "data/crossing.svg": drawing(found)}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("texts", nargs="*", metavar="TEXT")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    found = json.loads(RECORD.read_text(encoding="utf-8"))
    if not asked.check and not asked.write:
        import torch
        torch.set_num_threads(1)
        found["torch"] = torch.__version__
        for name in asked.texts or TEXTS:
            found["texts"][name] = measured(name)
            RECORD.write_text(json.dumps(found, indent=1) + "\n")
    stale = write(files(found), asked.check)
    if asked.check and stale:
        sys.exit("stale in docs: " + ", ".join(stale))
    print("written:" if stale else "all is true", *stale)


if __name__ == "__main__":
    main()
