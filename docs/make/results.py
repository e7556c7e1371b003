"""Make tables and a drawing of what experiments.py has recorded."""
import math
import re
import statistics

from kit import mean, span, table

import ladder
from experiments import (BATCH_RATES, BATCHES, CLOSE, COUNTS, DESCENT, FIVE,
                         MAIN, PARTS, TEN, THIRTY, WIDTHS, recorded)
from kit import (BASELINE, HELD_OUT, INK, SOFT, WIDTH, element, figure,
                 line, scale, text)

FILE = "the whole file"
FILE_RUNG = "the file: four heads, norms"
DESCENT_RUNG = "the file by gradient descent"
SAME = {FILE_RUNG: FILE, DESCENT_RUNG: DESCENT}  # as a part and as a rung
LOG8 = math.log(8)
PALINDROMES = {  # what theory says of the held-out loss
    FILE: 4 * LOG8 / 9, "one head, not four": 4 * LOG8 / 9,
    "no attention": 7 * LOG8 / 9}
LIMITS = {  # of the loss, for who knows the rule and no more
    "sums": mean([2 * math.log(10) / (6 + (a + b > 9))
                  for a in range(10) for b in range(10)]),
    "sorting": 4 * LOG8 / 10,
    "brackets": math.log(429) / 15}
ASKED = {"sums": 15, "sorting": 100, "brackets": 100}

# %% Tables


def losses(found, text, label, seeds=TEN):
    rows = found[text][SAME.get(label, label)]
    return [rows[str(seed)]["loss"] for seed in seeds]


def ranged(numbers, digits=3, sign=""):
    """A mean and in parentheses the range of numbers."""
    told = (f"{mean(numbers):{sign}.{digits}f} ({min(numbers):{sign}.2f} to "
            f"{max(numbers):{sign}.2f})")
    return re.sub(r"([+-])(0\.0+)(?=[ )])", r"\2", told).replace("-", "−")


def right(found, text, label):
    """How many held-out documents come out right: a mean, and the range."""
    rows = found[text][SAME.get(label, label)]
    counts = [rows[str(seed)]["right"] for seed in TEN]
    if min(counts) == max(counts):
        return f"{counts[0]}"
    return f"{mean(counts):.0f} ({min(counts)} to {max(counts)})"


def both(found, label):
    """Loss and right answers on palindromes."""
    return (ranged(losses(found, "palindromes", label)),
            right(found, "palindromes", label))


def differences(found, text, label, other, seeds=TEN):
    """How a loss differs from another, seed by seed."""
    return [a - b for a, b in zip(losses(found, text, label, seeds),
                                  losses(found, text, other, seeds))]


def compared(found, text, label, other, seeds=TEN):
    """Mean and range of what a loss differs from another, and with how many
    seeds it is larger."""
    gains = differences(found, text, label, other, seeds)
    return (ranged(gains, sign="+"),
            f"{sum([g > 0 for g in gains])} of {len(gains)}")


def parts(found):
    """What each part is worth on both texts, the most harmful first."""
    labels = sorted(PARTS[1:], key=lambda label: -mean(
        losses(found, "names", label)))
    whole = losses(found, "names", FILE)
    return table(("variant", "names", "difference", "worse", "palindromes",
                  "right of 100"), [
        (FILE, f"{mean(whole):.3f}", "", "", *both(found, FILE)),
        *[(label, f"{mean(losses(found, 'names', label)):.3f}",
           *compared(found, "names", label, FILE), *both(found, label))
          for label in labels]])


def rungs(found):
    rows, before = [], None
    for label in ladder.RUNGS:
        beside = label in ladder.BLENDED or label == DESCENT_RUNG
        other = FILE_RUNG if beside else before
        rows.append((f"*{label}*" if beside else label,
                     f"{mean(losses(found, 'names', label)):.3f}",
                     *(compared(found, "names", label, other) if other
                       else ("", "")), *both(found, label)))
        before = before if beside else label
    return table(("rung", "names", "difference", "worse", "palindromes",
                  "right of 100"), rows)


def samples(found):
    return table(("rung", "ten samples"), [
        (label, ", ".join(found["names"][label]["42"]["samples"]))
        for label in ladder.RUNGS])


def knocked(found):
    """What a part costs that is knocked out after training, and what it
    costs to train without it."""
    rows = []
    for name, label in (("MLP", "no MLP"), ("positions", "no positions"),
                        ("all heads", "no attention"), ("head 1", None),
                        ("head 2", None), ("head 3", None), ("head 4", None)):
        row = [name]
        for text in "names", "palindromes":
            row.append(compared(found, text, label, FILE)[0] if label else "")
            row.append(ranged([
                run["knocked out"][name] - run["loss"]
                for seed, run in found[text][FILE].items()
                if int(seed) in TEN], sign="+"))
        rows.append(row)
    return table(("part", "names: trained without", "knocked out",
                  "palindromes: trained without", "knocked out"), rows)


def palindromes(found):
    rows = []
    for label in [*PALINDROMES, "no positions", *COUNTS]:
        expected = PALINDROMES.get(label)
        rows.append((label.replace("counts of 1 letters", "counts of 1 letter"),
                     f"{expected:.3f}" if expected else "",
                     *both(found, label)))
    return table(("way", "expected", "held-out loss", "right of 100"), rows)


def languages(found):
    rows = []
    for text, limit in LIMITS.items():
        best = min(COUNTS[1:4], key=lambda label: mean(
            losses(found, text, label)))
        rows += [(f"{text}, {label}", f"{limit:.3f}",
                  ranged(losses(found, text, label)),
                  right(found, text, label), str(ASKED[text]))
                 for label in (*MAIN, best)]
    return table(("text and way", "limit", "held-out loss", "right", "of"),
                 rows)


def settings(found):
    labels = ("2,000 steps", "4,000 steps", "n_embd 32", *CLOSE[1:],
              "300 names", "100 names")
    return table(("run", "held-out loss", "difference", "worse"), [
        (label, f"{mean(losses(found, 'names', label, FIVE)):.3f}",
         *(compared(found, "names", label, FILE, FIVE) if label != FILE
           else ("", ""))) for label in [FILE, *labels]])


def thirty(found):
    """What is too little for ten seeds to show."""
    rows = []
    for label in CLOSE:
        gains = differences(found, "names", label, FILE, THIRTY)
        error = statistics.stdev(gains) / math.sqrt(len(gains))
        rows.append((label, *compared(found, "names", label, FILE, THIRTY),
                     f"{error:.4f}"))
    return table(("variant", "difference", "worse", "error of the mean"), rows)


def batches(found):
    rows = []
    for label, n in BATCHES.items():
        cells = [losses(found, "names", f"{label} @ {rate}", FIVE)
                 for rate in BATCH_RATES]
        rows.append((str(n), *["diverged" if None in cell else ranged(cell)
                               for cell in cells]))
    return table(("names a step", *[f"rate {r}" for r in BATCH_RATES]), rows)


def widths(found):
    return table(("n_embd", "learning rate", "held-out loss", "right of 15"), [
        (str(n), str(rate), ranged(losses(found, "sums", label)),
         right(found, "sums", label)) for label, (n, rate) in WIDTHS.items()])


def forty(found):
    """Both losses at some steps, over all seeds."""
    rows, runs = [], found["names"]["forty names"].values()
    for i in range(1, 10, 2):
        train, held_out = zip(*[run["tenths"][i] for run in runs])
        rows.append((str(60 * (i + 1)), f"{mean(train):.2f}",
                     f"{mean(held_out):.2f}", span(held_out)))
    return table(("step", "loss on the forty names", "held-out loss",
                  "its range"), rows)

# %% The ladder


def dots(found, text_name, labels, x, top, row):
    """Dots of all seeds and a bar for their mean, under one another."""
    drawn = []
    for i, label in enumerate(labels):
        y, got = top + row * i, losses(found, text_name, label)
        color = (BASELINE if label in ladder.COUNTED or label in ladder.BLENDED
                 else HELD_OUT)
        drawn += [element("circle", cx=x(loss), cy=y, r=3, fill=color,
                          fill_opacity="0.6") for loss in got]
        drawn.append(line((x(mean(got)), y - 7), (x(mean(got)), y + 7),
                          color=color, stroke_width=3))
    return drawn


def staircase(found):
    """Names on the left, palindromes on the right; a row for each rung."""
    row, top, labels = 42, 52, ladder.RUNGS
    height, drawn, told = row * len(labels), [], []
    scales = {"names": (scale(2.0, 3.0, 8, 192), (2.0, 2.5, 3.0)),
              "palindromes": (scale(0.8, 2.4, 212, 392), (1.0, 1.5, 2.0))}
    for name, (x, ticks) in scales.items():
        drawn.append(text((x(ticks[0]) + x(ticks[-1])) / 2, 8, name,
                          font_weight="bold"))
        for tick in ticks:
            drawn += [line((x(tick), 34), (x(tick), 34 + height),
                           stroke_width=0.5),
                      text(x(tick), 24, f"{tick:.1f}", fill=SOFT)]
        goal = x(mean(losses(found, name, FILE_RUNG)))
        drawn += [line((goal, 34), (goal, 34 + height), color=INK,
                       stroke_width=1, stroke_dasharray="2 4"),
                  *dots(found, name, labels, x, top + 14, row)]
    for i, label in enumerate(labels):
        a, b = [mean(losses(found, name, label)) for name in scales]
        drawn += [element("rect", x=0, y=top + row * i - 16, width=WIDTH,
                          height=18,
                          fill="var(--md-default-bg-color, none)"),
                  text(8, top + row * i - 8, label, "start"),
                  text(WIDTH - 8, top + row * i - 8,
                       f"{a:.2f} · {b:.2f}", "end", fill=SOFT)]
        told.append(f"{label} {a:.2f} and {b:.2f}")
    return figure("ladder", "From counting to a GPT, on two texts",
                  "Held-out losses of each rung, a dot for each seed and a bar "
                  "for their mean, on names and on palindromes: "
                  f"{'; '.join(told)}.", top + height - 14, drawn)


def produce():
    found = recorded()
    return {"data/parts.md": parts(found), "data/ladder.md": rungs(found),
            "data/ladder-samples.md": samples(found),
            "data/knocked.md": knocked(found),
            "data/palindromes.md": palindromes(found),
            "data/languages.md": languages(found),
            "data/settings.md": settings(found),
            "data/forty.md": forty(found),
            "data/thirty.md": thirty(found),
            "data/batches.md": batches(found),
            "data/widths.md": widths(found),
            "data/ladder.svg": staircase(found)}
