"""Draw the small pictures of the page on maths.

    python docs/make/pictures.py           write them into docs/data
    python docs/make/pictures.py --check   say which of them differ

Each is drawn from the numbers of the example beside it.
"""
import math

from made import script
from svg import (GRAD, INK, SOFT, VALUE, WIDTH, arrow, axes, box, element,
                 figure, line, scale, text)

X = 1.0, 2.0
ROWS = {"a": (1.0, 0.0), "b": (0.0, 1.0), "bos": (1.0, -1.0)}


def dot(p, q):
    return sum([a * b for a, b in zip(p, q)])


def say(x):
    """A number as the page writes it, with a minus and not a hyphen."""
    return f"{x:.3g}".replace("-", "−")


def curve(f, x, y, start, end, color=VALUE, steps=60):
    """The graph of f from start to end, for the scales x and y."""
    at = [start + (end - start) * i / steps for i in range(steps + 1)]
    return line(*[(x(a), y(f(a))) for a in at], color=color, stroke_width=2)


def mark(x, y, label, dx=8, dy=0, anchor="start", color=INK):
    return (element("circle", cx=x, cy=y, r=3.5, fill=color)
            + text(x + dx, y + dy, label, anchor))


def vector():
    """x and the three rows as arrows, with their dot products."""
    x, y = scale(-1, 2, 60, 270), scale(-1.2, 2.2, 254, 16)
    parts = [line((x(-1), y(0)), (x(2.2), y(0)), stroke_width=0.5),
             line((x(0), y(-1.2)), (x(0), y(2.2)), stroke_width=0.5)]
    told = []
    for (name, row), (dx, dy) in zip(ROWS.items(), ((20, -12), (-14, -8),
                                                    (20, 12))):
        tip = x(row[0]), y(row[1])
        parts += [arrow((x(0), y(0)), tip, color=VALUE),
                  text(tip[0] + dx, tip[1] + dy, name, fill=VALUE)]
        told.append(f"{name} {say(dot(X, row))}")
    parts += [arrow((x(0), y(0)), (x(X[0]), y(X[1])), color=INK),
              text(x(X[0]) + 14, y(X[1]) + 4, "x"),
              text(252, 40, "dot product with x", "start", fill=SOFT)]
    parts += [text(252, 64 + 22 * i, label, "start")
              for i, label in enumerate(told)]
    return figure("maths-vector", "Four vectors as arrows",
                  "Vectors of two numbers as arrows from one point. The row "
                  "of b points most nearly where x points, and that of bos "
                  "away from it. Their dot products with x: "
                  + ", ".join(told) + ".", 268, parts)


def matrix():
    """A matrix times a vector, each row written out."""
    matrix = list(ROWS.values())
    parts, cell, top = [], 34, 34

    def numbers(left, column, color):
        for i, row in enumerate(column):
            y = top + cell * (i + 0.5)
            for j, number in enumerate(row):
                at = left + cell * (j + 0.5)
                parts.append(box(at, y, cell - 4, cell - 4, color=color))
                parts.append(text(at, y, say(number)))

    numbers(4, matrix, VALUE)
    numbers(100, [[number] for number in X], INK)
    numbers(364, [[dot(row, X)] for row in matrix], SOFT)
    for at, label, color in ((38, "matrix", VALUE), (117, "vector", INK),
                             (373, "result", SOFT)):
        parts.append(text(at, 14, label, fill=color))
    parts += [text(86, top + cell, "·"), text(146, top + 1.5 * cell, "=")]
    for i, row in enumerate(matrix):
        y = top + cell * (i + 0.5)
        products = " + ".join([
            f"{say(a) if a >= 0 else f'({say(a)})'} · {say(b)}"
            for a, b in zip(row, X)])
        parts += [text(250, y, products), text(348, y, "=")]
    return figure("maths-matrix", "A matrix times a vector, written out",
                  "A matrix of three rows of two numbers, times a vector of "
                  "two numbers, gives three numbers: the dot product of each "
                  "row with the vector. Each is written out as a sum of two "
                  "products.", top + 3 * cell + 6, parts)


def sigma():
    """The sum sign and what stands around it."""
    parts = [text(120, 62, "Σ", font_size=54), text(120, 102, "i = 1"),
             text(120, 14, "n"), text(176, 62, "pᵢ qᵢ", font_size=24),
             line((136, 14), (224, 14)), line((148, 102), (224, 102)),
             line((210, 62), (224, 62)),
             text(230, 14, "the last one", "start", fill=SOFT),
             text(230, 62, "what is added", "start", fill=SOFT),
             text(230, 102, "count from here", "start", fill=SOFT)]
    return figure("maths-sum", "How to read the sum sign",
                  "A capital sigma. Below it stands where to begin to count, "
                  "above it where to stop, and behind it what is added each "
                  "time.", 118, parts)


def exponential():
    """exp, and four of its values."""
    x, y = scale(-3, 2, 50, 330), scale(0, 8, 246, 36)
    parts = axes(x, y, [-3, -2, -1, 0, 1, 2], [0, 2, 4, 6, 8], "x", "exp(x)")
    parts.append(curve(math.exp, x, y, -3, 2))
    points = [(-1, 0, -14), (0, -2, -14), (1, 10, 4), (2, 10, 4)]
    for at, dx, dy in points:
        value = math.exp(at)
        parts.append(mark(x(at), y(value), say(value), dx, dy,
                          "start" if dx > 0 else "middle"))
    return figure("maths-exp", "The exponential function",
                  "The curve of exp is always above 0. It is flat on the "
                  "left, and each step of 1 to the right multiplies it by "
                  "2.72: " + ", ".join([f"exp({say(at)}) is "
                                       f"{say(math.exp(at))}"
                                       for at, _, _ in points]) + ".",
                  292, parts)


def surprise():
    """−log, from a sure guess to one among 27."""
    x, y = scale(0, 1, 50, 350), scale(0, 4, 236, 36)
    parts = axes(x, y, [0, 0.25, 0.5, 0.75, 1], [0, 1, 2, 3, 4],
                 "probability p", "−log p, in nats")
    parts.append(curve(lambda p: -math.log(p), x, y, math.exp(-4), 1))
    points = [("1/27", 1 / 27), ("1/4", 1 / 4), ("1/2", 1 / 2), ("1", 1.0)]
    for name, p in points:
        value = -math.log(p) + 0.0
        last = p == 1.0
        parts.append(mark(x(p), y(value), f"{name}: {say(value)}",
                          0 if last else 9, -16 if last else -8,
                          "middle" if last else "start"))
    return figure("maths-log", "How wrong a guess was: −log p",
                  "The curve of −log p falls from far above at p near 0 to 0 "
                  "at p = 1. " + ", ".join([
                      f"at {name} it is {say(-math.log(p) + 0.0)}"
                      for name, p in points]) + ".", 282, parts)


def share():
    """Scores, exp of them, and the share of each in the sum."""
    scores = [dot(X, row) for row in ROWS.values()]
    exps = [math.exp(score) for score in scores]
    parts, left = [], 40
    width = scale(0, sum(exps), 0, WIDTH - left)
    for y, title in ((28, "exp of each, side by side"),
                     (118, "over the sum: shares of 1")):
        parts.append(text(left, y - 16, title, "start", fill=SOFT))
    at = left
    for name, value, shade in zip(ROWS, exps, (0.25, 0.45, 0.65)):
        w = width(value)
        for y, number in ((44, value), (134, value / sum(exps))):
            middle = min(at + w / 2, WIDTH - 16)
            parts += [element("rect", x=at, y=y - 14, width=w - 2, height=28,
                              rx=3, fill=VALUE, fill_opacity=str(shade)),
                      text(middle, y + 26, say(round(number, 2)))]
            parts.append(text(middle, y, name))
        at += w
    return figure("maths-share", "From scores to shares",
                  "Three bars in a row, as wide as exp of the scores of a, b "
                  "and bos: " + ", ".join([
                      f"{name} {say(round(v, 2))}"
                      for name, v in zip(ROWS, exps)])
                  + ". Below, the same bars as shares of the whole: "
                  + ", ".join([f"{name} {say(round(v / sum(exps), 2))}"
                               for name, v in zip(ROWS, exps)]) + ".",
                  174, parts)


def root_mean_square():
    """Squares with sides 1 and 7, and the square of mean area."""
    numbers, unit, bottom = (1, 7), 16, 132
    mean = sum([n * n for n in numbers]) / len(numbers)
    parts, at = [], 20
    for side, color in ((numbers[0], VALUE), (numbers[1], VALUE),
                        (mean ** 0.5, INK)):
        parts += [element("rect", x=at, y=bottom - side * unit,
                          width=side * unit, height=side * unit, fill=color,
                          fill_opacity="0.25", stroke=color),
                  text(at + side * unit / 2, bottom + 14, f"side {say(side)}"),
                  text(at + side * unit / 2, bottom + 34,
                       f"area {say(side * side)}", fill=SOFT)]
        at += side * unit + 66
    parts.append(text(284 + 2.5 * unit, 14, "the mean square"))
    return figure("maths-rms", "The root mean square of 1 and 7",
                  "A square with side 1 and area 1, one with side 7 and area "
                  "49, and one whose area is their mean, 25: its side is 5, "
                  "the root mean square.", 176, parts)


def slope():
    """y = x², and the nudge of x at 3."""
    x, y = scale(0, 5, 50, 330), scale(0, 25, 246, 36)
    parts = axes(x, y, [0, 1, 2, 3, 4, 5], [0, 5, 10, 15, 20, 25], "x",
                 "y = x · x")
    parts.append(curve(lambda a: a * a, x, y, 0, 5))
    parts.append(line((x(1.5), y(0)), (x(5), y(21)), color=GRAD,
                      stroke_width=1.5, stroke_dasharray="5 4"))
    parts.append(line((x(3), y(9)), (x(4), y(9)), (x(4), y(15)), color=INK,
                      stroke_width=1.5))
    parts += [mark(x(3), y(9), "x = 3", -8, -12, "end"),
              text((x(3) + x(4)) / 2, y(9) + 14, "1"),
              text(x(4) + 8, y(12), "6", "start")]
    return figure("maths-slope", "The slope of x · x at 3",
                  "The curve of x times x, and the straight line that "
                  "touches it at x = 3. Along this line, 1 to the right is 6 "
                  "up: the slope is 6.", 292, parts)


def produce():
    return {f"data/maths-{name}.svg": draw() for name, draw in {
        "vector": vector, "matrix": matrix, "sum": sigma, "exp": exponential,
        "log": surprise, "share": share, "rms": root_mean_square,
        "slope": slope}.items()}


if __name__ == "__main__":
    script(produce, __doc__)
