"""What docs/microgpt_torch.py learns: docs/data/learning.json and its tables.

    python tests/by_hand/torch_learning.py            measure all (needs torch)
    python tests/by_hand/torch_learning.py sizes      only one of sizes, typed,
                                                      induction, short
    python tests/by_hand/torch_learning.py --write    write what the record says
    python tests/by_hand/torch_learning.py --check    say what is not as it says
"""
import contextlib
import io
import itertools
import json
import math
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import zlib

from torch_speed import main, prepared  # it makes the next line possible
from kit import BASELINE, DATA, DOCS, HELD_OUT, SOFT, VALUE
from kit import axes, element, figure, line, mean, rect, rounded, scale, table
from kit import text

RECORD = DATA / "learning.json"
MODELS = [(1, 1), (1, 4), (2, 1)]  # layers and heads
SEEDS = range(42, 47)
EVERY = 50  # steps between two losses
PERIOD, DRAWN = 5, 43  # of the string in the drawing, and its seed


def sizes():
    """Held-out losses of palindromes, whose limit is known."""
    import microgpt_torch
    import torch
    halves = ["".join(h) for h in itertools.product("abcdefgh", repeat=4)]
    docs = [half + half[::-1] for half in random.Random(0).sample(halves, 2000)]
    found = [dict(n_embd=n_embd, n_layer=n_layer, steps=steps, losses=[])
             for n_embd, n_layer, steps in (
                 (16, 1, 400), (64, 2, 300), (128, 4, 200), (256, 4, 150))]
    for seed, row in itertools.product(range(42, 45), found):
        run = prepared(docs, "--n-embd", row["n_embd"], "--n-layer",
                       row["n_layer"], "--steps", row["steps"], "--holdout",
                       0.05, "--seed", seed)
        while run.step < run.config.steps:
            microgpt_torch.train_step(run, run.model)
        row["losses"].append(round(microgpt_torch.held_out_loss(run), 4))
        print(row, flush=True)
    return found


def commands():
    """What docs/heads.md gives to type: the text, and a training with it."""
    page = (DOCS / "heads.md").read_text(encoding="utf-8")
    text = re.search(r'^python -c "(.*?)" > repeats.txt$', page, re.M | re.S)
    train = re.search(r"^python microgpt_torch.py ((.*\\\n)*.*)$", page, re.M)
    return text[1], train[1].replace("\\\n", " ").split()


def printed(command):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(command, {})
    return out.getvalue()


def typed():
    """What the commands of docs/heads.md print in the end, but for its pace."""
    command, options = commands()
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "repeats.txt").write_text(printed(command))
        done = subprocess.run(
            [sys.executable, DOCS / "microgpt_torch.py", *options], cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
            text=True, check=True)
    last, *samples = done.stdout.splitlines()[-22:]
    return [" | ".join(last.split(" | ")[:3]), *samples[:8]]


def period(doc):
    """The length of the string that doc repeats: its letters all differ."""
    return doc.index(doc[0], 1)


class Asked:
    """What a run makes of its held-out documents, one in each row."""

    def __init__(self, run):
        import torch
        self.run = run
        self.tokens, self.places, self.targets, _ = run.batch(
            run.held_out_text, slice(None))
        self.docs = [run.tokenizer.decode(row[1:].tolist())
                     for row in self.tokens]
        self.periods = torch.tensor([[period(doc)] for doc in self.docs])
        # the first letter that comes again could not be foreseen
        self.known = self.places > self.periods
        self.known[:, -1] = False  # the end of the document

    def loss(self):
        """Where the string is being repeated."""
        import torch
        with torch.no_grad():
            return self.run.loss(
                self.run.model, self.tokens, self.places, self.targets,
                self.known / self.known.sum()).item()

    def maps(self):
        """Where the one head of each layer looks: [rows][tokens][tokens]."""
        import torch
        found, n = [], self.tokens.shape[1]
        def noted(layer, x, qkv):
            q, k, _ = qkv.chunk(3, -1)
            scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
            hidden = torch.ones(n, n).triu(1) > 0
            looked = scores.masked_fill(hidden, -math.inf).softmax(-1)
            found.append(looked.detach())
        hooks = [layer.attn_wqkv.register_forward_hook(noted)
                 for layer in self.run.model.layers]
        self.loss()
        for hook in hooks:
            hook.remove()
        return found

    def shares(self, looked):
        """The mean share of the letter before, in the string as it comes
        first, and of what came after the same letter, where it is repeated."""
        i, j = self.places[:, :, None], self.places[:, None, :]
        back = i - j + 1
        after = (back > 0) & (back % self.periods[:, None] == 0) & (j > 1)
        before = (j == i - 1) & (j > 0)
        return [round((looked * mask).sum(-1)[where].mean().item(), 3)
                for mask, where in (
                    (before, (self.places > 1) & (self.places <= self.periods)),
                    (after, self.known))]


def learned(text, options, n_layer, n_head, seed):
    """Train it -> what is recorded of it, with where it looks at what."""
    import microgpt_torch
    import torch
    run = prepared(text, *options, "--n-layer", n_layer, "--n-head", n_head,
                   "--seed", seed)
    asked, losses = Asked(run), []
    while run.step < run.config.steps:
        microgpt_torch.train_step(run, run.model)
        if run.step % EVERY == 0:
            losses.append(round(asked.loss(), 4))
    told = dict(n_layer=n_layer, n_head=n_head, seed=seed, losses=losses,
                held_out=round(microgpt_torch.held_out_loss(run), 4))
    if n_head == 1:
        maps = asked.maps()
        told["shares"] = [asked.shares(looked) for looked in maps]
        evenly = torch.ones_like(maps[0]).tril()
        told["evenly"] = asked.shares(evenly / evenly.sum(-1, keepdim=True))
    if n_head == 1 and seed == DRAWN and PERIOD in asked.periods:
        row = asked.periods.flatten().tolist().index(PERIOD)
        told["doc"], n = asked.docs[row][:2 * PERIOD], 2 * PERIOD + 1
        told["maps"] = [[rounded(line, 3) for line in looked[
            row, :n, :n].tolist()] for looked in maps]
    return told


def induction():
    """Each of MODELS on strings that are repeated, and where it looks."""
    command, options = commands()
    text, runs = printed(command), []
    for (n_layer, n_head), seed in itertools.product(MODELS, SEEDS):
        runs.append(learned(text.split(), options[1:], n_layer, n_head, seed))
        print({**runs[-1], "maps": 0, "losses": runs[-1]["losses"][::5]},
              flush=True)
    return {"text": zlib.crc32(text.encode()), "runs": runs}


def short():
    """One layer's losses where short strings of few letters are repeated."""
    rng, (_, options) = random.Random(0), commands()
    text = [("".join(rng.sample("abcdefgh", rng.randint(3, 7))) * 5)[:15]
            for _ in range(20_000)]
    return [learned(text, [*options[1:], "--block-size", 16], 1, 1, seed)[
        "losses"][-1] for seed in SEEDS]


def span(numbers):
    return f"{mean(numbers):.3f} ({min(numbers):.3f} to {max(numbers):.3f})"


def sizes_table(found):
    n = len(found["sizes"][0]["losses"])
    return ("Palindromes (100 of 2,000 held out), learned with all else as it is "
            "by default, 64 rows a step. No model can expect less than 0.924. "
            "Mean of "
            f"{'one two three'.split()[n - 1]} seeds (lowest to highest):\n\n"
            + table(["n_embd × n_layer", "steps", "held-out loss"], [
                [f"{row['n_embd']} × {row['n_layer']}", row["steps"],
                 span(row["losses"])] for row in found["sizes"]]))


def named(n_layer, n_head):
    words = "one two three four".split()
    return (f"{words[n_layer - 1]} layer{'s' * (n_layer > 1)}, "
            f"{words[n_head - 1]} head{'s' * (n_head > 1)}")


def of(found, n_layer, n_head):
    """The runs of a model."""
    return [run for run in found["induction"]["runs"]
            if (run["n_layer"], run["n_head"]) == (n_layer, n_head)]


def induction_table(found):
    rows = []
    for model in MODELS:
        runs = of(found, *model)
        rows.append([named(*model), span([run["losses"][-1] for run in runs]),
                     span([run["held_out"] for run in runs])])
    return ("Held-out loss, mean of five seeds (lowest to highest):\n\n"
            + table(["", "of what is repeated", "of all"], rows))


def shares_table(found):
    """Where two layers look, seed by seed, and one layer in the mean."""
    rows = []
    for run in of(found, 2, 1):
        first, second = run["shares"]
        rows.append([str(run["seed"]), f"{run['losses'][-1]:.4f}",
                     f"{first[0]:.2f}", f"{second[1]:.2f}"])
    for name, key, n_layer in ("one layer", "shares", 1), ("evenly", "evenly", 2):
        runs = of(found, n_layer, 1)
        told = [run[key][0] if key == "shares" else run[key] for run in runs]
        rows.append([name, "", *[f"{mean(column):.2f}" for column in zip(*told)]])
    return table(["seed", "loss", "first layer: the letter before",
                  "second layer: what came after"], rows)


def drawn(found, n_layer):
    """The run whose maps are drawn."""
    return next(run for run in of(found, n_layer, 1) if run["seed"] == DRAWN)


def looking(found):
    """Where each head looks, a grid for each."""
    two, one = drawn(found, 2), drawn(found, 1)
    maps = [("two layers: the first", two, 0), ("the second", two, 1),
            ("one layer", one, 0)]
    cell, parts, cells, told = 14.5, [], [], []
    for number, (title, run, layer) in enumerate(maps):
        names, rows = ["bos", *run["doc"]], run["maps"][layer]
        left, top = 34 + 206 * (number % 2), 44 + 222 * (number // 2)
        parts.append(text(left + cell * len(names) / 2, top - 34, title,
                          font_weight="bold"))
        for i, (name, row) in enumerate(zip(names, rows)):
            middle, right = (i + 0.5) * cell, (i + 1) * cell
            parts.append(text(left - 5, top + middle, name, "end", font_size=12))
            parts.append(text(left + middle, top - 12, name, font_size=12)
                         if i else text(left + right, top - 12, name, "end",
                                        font_size=12))
            cells += [(left + cell * j, top + cell * i, share)
                      for j, share in enumerate(row[:i + 1])]
        told.append(f"{title}: " + ", ".join([
            f"{i} {names[i]} at {row.index(max(row))} "
            f"{names[row.index(max(row))]} ({max(row):.2f})"
            for i, row in enumerate(rows) if i > PERIOD]))
    parts += [text(254, 292, "share", "start", fill=SOFT)]
    cells += [(254 + 28 * i, 308, i / 4) for i in range(5)]
    parts += [text(254 + 28 * i + cell / 2, 334, f"{i / 4:g}", font_size=12)
              for i in range(5)]
    parts.append(element("g", "\n".join([
        rect(x, y, cell - 1, cell - 1, fill_opacity=f"{share:.2f}")
        for x, y, share in cells]), fill=VALUE, stroke=SOFT, stroke_width="0.4"))
    return figure("heads", "Where the heads look when a string is repeated",
                  "A grid for each head. A row is a token that looks, a column "
                  "a token that it looks at, the darkness its share. In the "
                  f"repetition they look mostly so. {'; '.join(told)}.", 432,
                  parts)


def falling(found):
    """Losses where the string is repeated, during training."""
    steps = [EVERY * (i + 1) for i in range(len(drawn(found, 1)["losses"]))]
    x, y = scale(0, steps[-1], 34, 376), scale(0, 4, 236, 30)
    parts = axes(x, y, range(0, steps[-1] + 1, 500), range(5),
                 "steps", "loss where the string is repeated")
    styles = {(1, 1): (BASELINE, "none"), (1, 4): (BASELINE, "5 3"),
              (2, 1): (HELD_OUT, "none")}
    for i, (model, (color, dashes)) in enumerate(styles.items()):
        parts += [line(*[(x(a), y(b)) for a, b in zip(steps, run["losses"])],
                       color=color, stroke_width=1.2, stroke_dasharray=dashes)
                  for run in of(found, *model)]
        parts += [line((230, 44 + 20 * i), (256, 44 + 20 * i), color=color,
                       stroke_width=2, stroke_dasharray=dashes),
                  text(262, 44 + 20 * i, named(*model), "start")]
    told = "; ".join([f"{named(*model)}: {span([r['losses'][-1] for r in runs])}"
                      for model in MODELS if (runs := of(found, *model))])
    return figure("heads-learning", "The loss of two layers falls in one jump",
                  "Lines of the loss where the string is repeated, over the "
                  "steps of training, five seeds each. At the end, mean and "
                  f"range: {told}.", 284, parts)


def files(found):
    return {"data/learning.json": json.dumps(found, indent=1) + "\n",
            "data/sizes.md": sizes_table(found),
            "data/induction.md": induction_table(found),
            "data/induction-short.md": "One layer, on strings of 3 to 7 out of 8 "
            f"letters: {span(found['short'])}.\n",
            "data/induction.txt": "\n".join(found["typed"]) + "\n",
            "data/induction-shares.md": shares_table(found),
            "data/heads.svg": looking(found),
            "data/heads-learning.svg": falling(found)}


if __name__ == "__main__":
    main(__doc__, RECORD, {"sizes": sizes, "typed": typed,
                           "induction": induction, "short": short}, files)
