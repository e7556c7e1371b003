"""What the modules share that make docs/data: numbers, tables, SVG, files.

A figure is 400 units wide and its text 14 units high, so that it is legible
on a phone. Ink and its softer shades are the theme's, which knows light and
dark. Four colours have a meaning, the same in every figure and live part, and
stand for nothing else; book.css sets them, and the fallbacks are seen on both.
"""
import json
import math
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
DATA = DOCS / "data"
SOURCE = (ROOT / "microgpt.py").read_text(encoding="utf-8")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")

sys.path += [str(ROOT), str(DOCS)]

WIDTH = 400
INK = "currentColor"
SOFT = "var(--md-default-fg-color--light, #808080)"
FAINT = "var(--md-default-fg-color--lighter, #a0a0a0)"
PAPER = "var(--md-default-bg-color, #fff)"  # around text that lines cross
VALUE = "var(--book-value, #3b82d0)"  # what is computed forward
GRAD = "var(--book-grad, #d9623f)"  # what flows back
HELD_OUT = "var(--book-held-out, #269a72)"
BASELINE = "var(--book-baseline, #a86bc0)"

# %% Files


def recorded(name):
    """What a run wrote into docs/data."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def as_json(data):
    """JSON with a line for each thing that is recorded."""
    rows = [f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}"
            for key, value in data.items()]
    return "{" + ",\n".join(rows) + "}\n"


def same(old, new):
    """Whether two texts differ in nothing but the last digits of numbers, as
    they do from one Python to another."""
    return (NUMBER.split(old) == NUMBER.split(new) and all([
        math.isclose(float(a), float(b), rel_tol=1e-6)
        for a, b in zip(NUMBER.findall(old), NUMBER.findall(new))]))


def write(files, check=False):
    """Write files, {path below docs: text} -> those that were stale.
    With check nothing is written."""
    stale = []
    for name, text in files.items():
        path = DOCS / name
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        if not (same(old, text) if name.startswith("data/") else old == text):
            stale.append(name)
            if not check:
                path.write_bytes(text.encode())
    return stale

# %% Numbers and tables


def mean(numbers):
    return sum(numbers) / len(numbers)


def rounded(numbers, digits):
    return [round(x, digits) for x in numbers]


def minus(text):
    """A number as a page writes it, with a minus and not a hyphen."""
    return text.replace("-", "−")


def span(numbers, sign=""):
    """The smallest and the largest of numbers, in words."""
    return minus(f"{min(numbers):{sign}.3f} to {max(numbers):{sign}.3f}")


def table(head, rows):
    """A Markdown table; the columns of numbers stand to the right."""
    rule = ["---:" if type(cell) in (int, float) or re.fullmatch(
        r"[+−]?\d+(\.\d+)?", cell) else "---" for cell in rows[-1]]
    cells = [[f"{c:,}" if type(c) is int else f"{c:.4f}" if type(c) is float
              else c for c in row] for row in (head, rule, *rows)]
    return "".join([f"| {' | '.join(row)} |\n" for row in cells])

# %% SVG


def number(x):
    """A coordinate with no more digits than a screen can show, and no -0."""
    return x if isinstance(x, str) else f"{round(x, 1) + 0.0:g}"


def escape(text):
    """For XML, and hiding from Markdown what it would take for emphasis."""
    return "".join([f"&#{ord(c)};" if c in '&<>"*_' else c for c in text])


def element(tag, content=None, **attrs):
    """One line; the attribute stroke_width=2 becomes stroke-width="2"."""
    start = tag + "".join([f' {name.replace("_", "-")}="{number(value)}"'
                           for name, value in attrs.items()])
    return f"<{start}/>" if content is None else f"<{start}>{content}</{tag}>"


def figure(name, title, desc, height, parts, role="img", **attrs):
    """A whole file. Its ids begin with name, to be unique in a page.

    With links in it, role has to be "group": who listens to a page hears an
    img as one thing, without its links.
    """
    ids = f"{name}-title {name}-desc"
    lines = [element("title", escape(title), id=f"{name}-title"),
             element("desc", escape(desc), id=f"{name}-desc"), *parts]
    return element(
        "svg", "\n" + "\n".join(lines) + "\n", xmlns="http://www.w3.org/2000/"
        "svg", role=role, aria_labelledby=ids, width=WIDTH * 1.2,
        viewBox=f"0 0 {WIDTH} {number(height)}", font_family="inherit",
        font_size=14, fill=INK, style="max-width:100%;height:auto",
        **attrs) + "\n"


def text(x, y, content, anchor="middle", **attrs):
    """Text whose middle, start or end is at x, with y halfway up a letter."""
    return element("text", escape(content), x=x, y=y + 5, text_anchor=anchor,
                   **attrs)


def joined(points):
    return " ".join([f"{number(x)},{number(y)}" for x, y in points])


def line(*points, color=FAINT, **attrs):
    """A line through points, [n] of (x, y)."""
    return element("polyline", points=joined(points), fill="none",
                   stroke=color, **attrs)


def rect(x, y, width, height, **attrs):
    """A box with x, y at its upper left."""
    return element("rect", x=x, y=y, width=width, height=height, **attrs)


def box(x, y, width, height, color=FAINT, **attrs):
    """A rounded box around the middle x, y."""
    return rect(x - width / 2, y - height / 2, width, height, rx=6,
                fill="none", stroke=color, **attrs)


def dot(x, y, r=3, fill=INK, **attrs):
    return element("circle", cx=x, cy=y, r=r, fill=fill, **attrs)


def arrow(*points, color=SOFT):
    """A line through points, with a head at the last of them."""
    (x0, y0), (x, y) = points[-2:]
    length = ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5
    dx, dy = (x - x0) / length * 4, (y - y0) / length * 4
    neck = x - 2 * dx, y - 2 * dy
    head = [(x, y), (neck[0] - dy, neck[1] + dx), (neck[0] + dy, neck[1] - dx)]
    return (line(*points[:-1], neck, color=color, stroke_width=1.5)
            + element("polygon", points=joined(head), fill=color))


def chain(x, width, rows):
    """Boxes under one another, [n] of (y, content), joined by arrows."""
    parts = [arrow((x, above + 14), (x, y - 14))
             for (above, _), (y, _) in zip(rows, rows[1:])]
    for y, content in rows:
        parts += [box(x, y, width, 28, color=SOFT), text(x, y, content)]
    return parts


def bars(points, bottom):
    """Bars as the `d` of one path, from bottom to points, [n] of (x, y)."""
    return "".join([f"M{joined([(x, bottom), (x, y)])}" for x, y in points])


def scale(low, high, start, end):
    """The function that takes low..high to start..end."""
    return lambda x: start + (x - low) / (high - low) * (end - start)


def axes(x, y, x_ticks, y_ticks, x_title, y_title):
    """Ticks, faint lines and titles for the scales x and y."""
    left, right, bottom = x(x_ticks[0]), x(x_ticks[-1]), y(y_ticks[0])
    parts = [line((left, y(tick)), (right, y(tick)), stroke_width=0.5)
             for tick in y_ticks]
    parts += [text(left - 6, y(tick), minus(f"{tick:g}"), "end")
              for tick in y_ticks]
    parts += [text(x(tick), bottom + 14, f"{tick:g}") for tick in x_ticks]
    parts += [text((left + right) / 2, bottom + 34, x_title, fill=SOFT),
              text(left - 30, y(y_ticks[-1]) - 20, y_title, "start",
                   fill=SOFT)]
    return parts


def spread(wanted, gap):
    """Positions near the wanted ones, in their order, at least gap apart."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    found = list(wanted)
    for before, i in zip(order, order[1:]):
        found[i] = max(found[i], found[before] + gap)
    return found
