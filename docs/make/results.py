"""Make tables and a drawing of what experiments.py has recorded.

    python docs/make/results.py           write them, at once
    python docs/make/results.py --check   say which are stale
"""
import math

from made import mean, script, span, table

import ladder
from experiments import (COUNTS, FIVE, LANGUAGES, PARTS, SEARCHED, TEN,
                         recorded)
from svg import (BASELINE, FAINT, HELD_OUT, INK, SOFT, WIDTH, element, figure,
                 line, scale, text)

FILE = "the whole file"
FILE_RUNG = "the file: four heads, norms"
DESCENT_RUNG = "the file by gradient descent"
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
    rows = found[text].get(FILE if label == FILE_RUNG else label, {})
    return [rows[str(seed)]["loss"] for seed in seeds if str(seed) in rows]


def signed(number, digits=3):
    return f"{round(number, digits) + 0.0:+.{digits}f}".replace("-", "−")


def right(found, text, label, seeds=TEN):
    """How many held-out documents come out right: a mean, and the range."""
    rows = found[text][FILE if label == FILE_RUNG else label]
    all_right = [rows[str(seed)]["right"] for seed in seeds
                 if str(seed) in rows]
    if min(all_right) == max(all_right):
        return f"{all_right[0]}"
    return f"{mean(all_right):.1f} ({min(all_right)} to {max(all_right)})"


def compared(found, text, label, other, seeds=TEN):
    """A loss, how it differs from another seed by seed, and with how many
    seeds it is larger."""
    pairs = list(zip(losses(found, text, label, seeds),
                     losses(found, text, other, seeds)))
    gains = [a - b for a, b in pairs]
    return (f"{mean([a for a, _ in pairs]):.3f}", signed(mean(gains)),
            span(gains, "+"), f"{sum([g > 0 for g in gains])} of {len(gains)}")


def parts(found):
    """What each part is worth on both texts, the most harmful first."""
    rows = []
    for label in PARTS[1:]:
        names = compared(found, "names", label, FILE)
        mirrored = ("", "", "")
        if losses(found, "palindromes", label):
            loss, gain, _, _ = compared(found, "palindromes", label, FILE)
            mirrored = loss, gain, right(found, "palindromes", label)
        rows.append((label, *names, *mirrored))
    rows.sort(key=lambda row: -mean(losses(found, "names", row[0])))
    whole = (FILE, f"{mean(losses(found, 'names', FILE)):.3f}", "", "", "",
             f"{mean(losses(found, 'palindromes', FILE)):.3f}", "",
             right(found, "palindromes", FILE))
    return table(("variant", "names", "difference", "its range", "worse",
                  "palindromes", "difference", "right of 100"),
                 [whole, *rows])


def rungs(found):
    rows, before = [], None
    for label in ladder.RUNGS:
        beside = label in ladder.BLENDED or label == DESCENT_RUNG
        name = f"*{label}*" if beside else label
        names = losses(found, "names", label)
        gain = ("", "") if before is None else compared(
            found, "names", label, FILE_RUNG if beside else before)[1::2]
        mirrored = losses(found, "palindromes", label)
        rows.append((name, f"{mean(names):.3f}", span(names), *gain,
                     *([f"{mean(mirrored):.3f}",
                        right(found, "palindromes", label)]
                       if mirrored else ["", ""])))
        before = before if beside else label
    return table(("rung", "names", "range", "difference", "worse",
                  "palindromes", "right of 100"), rows)


def samples(found):
    return table(("rung", "ten samples"), [
        (label, ", ".join(found["names"][label]["42"]["samples"]))
        for label in ladder.RUNGS])


def knocked(found):
    """Knocked out after training, and trained without."""
    rows = []
    for name, label in (("MLP", "no MLP"), ("positions", "no positions"),
                        ("all heads", "no attention"), ("head 1", None),
                        ("head 2", None), ("head 3", None), ("head 4", None)):
        row = [name]
        for text in "names", "palindromes":
            without = compared(found, text, label, FILE)[1] if label else ""
            costs = [run["knocked out"][name] - run["loss"]
                     for seed, run in found[text][FILE].items()
                     if int(seed) in TEN and "knocked out" in run]
            row += [without, signed(mean(costs)), span(costs, "+")]
        rows.append(row)
    return table(("part", "names: trained without", "knocked out",
                  "its range", "palindromes: trained without", "knocked out",
                  "its range"), rows)


def palindromes(found):
    rows = []
    for label in [*PALINDROMES, "no positions", *COUNTS]:
        expected = PALINDROMES.get(label)
        got = losses(found, "palindromes", label)
        rows.append((label.replace("counts of 1 letters", "counts of 1 letter"),
                     f"{expected:.3f}" if expected else "", f"{mean(got):.3f}",
                     span(got), right(found, "palindromes", label)))
    return table(("way", "expected", "held-out loss", "range",
                  "right of 100"), rows)


def languages(found):
    rows = []
    for text, limit in LIMITS.items():
        if text not in found:
            continue
        counted = min([label for label in COUNTS if losses(
            found, text, label)] or COUNTS, key=lambda label: mean(
                losses(found, text, label) or [0.0]))
        for label in (FILE, "no attention", "no positions", counted):
            got = losses(found, text, label)
            if len(got) < len(FIVE):
                continue
            rows.append((f"{text}, {label}", f"{limit:.3f}",
                         f"{mean(got):.3f}", span(got),
                         right(found, text, label),
                         str(ASKED[text])))
    return table(("text and variant", "limit", "held-out loss", "range",
                  "right", "of"), rows)


def settings(found):
    rows = []
    for label in ("2,000 steps", "4,000 steps", "four names a step",
                  "n_embd 32", "two layers", "one head, not four",
                  "300 names", "100 names"):
        if len(losses(found, "names", label, FIVE)) == len(FIVE):
            rows.append((label, *compared(found, "names", label, FILE, FIVE)))
    whole = losses(found, "names", FILE, FIVE)
    return table(("run", "held-out loss", "difference", "its range", "worse"),
                 [("the default settings", f"{mean(whole):.3f}", "", "", ""),
                  *rows])

def forty(found):
    """Both losses at some steps, over all seeds."""
    rows, runs = [], found["names"].get("forty names", {}).values()
    if not runs:
        return ""
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
        if got:
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
        a, b = [mean(losses(found, name, label) or [math.nan])
                for name in scales]
        drawn += [element("rect", x=0, y=top + row * i - 16, width=WIDTH,
                          height=18,
                          fill="var(--md-default-bg-color, none)"),
                  text(8, top + row * i - 8, label, "start"),
                  text(WIDTH - 8, top + row * i - 8,
                       f"{a:.2f} · {b:.2f}".replace("nan", "–"), "end",
                       fill=SOFT)]
        told.append(f"{label} {a:.2f} and {b:.2f}".replace("nan", "untried"))
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
            "data/ladder.svg": staircase(found)}


if __name__ == "__main__":
    script(produce, __doc__)
