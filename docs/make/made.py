"""What the scripts share that make docs/data."""
import argparse
import math
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
DATA = DOCS / "data"
SOURCE = (ROOT / "microgpt.py").read_text(encoding="utf-8")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")

for folder in (ROOT, DOCS, ROOT / "tests"):
    sys.path.append(str(folder))


def mean(numbers):
    return sum(numbers) / len(numbers)


def rounded(numbers, digits):
    return [round(x, digits) for x in numbers]


def span(numbers, sign=""):
    """The smallest and the largest of numbers, in words."""
    return (f"{min(numbers):{sign}.3f} to {max(numbers):{sign}.3f}"
            ).replace("-", "−")


def worse_with(differences):
    """With how many of the seeds a loss is larger, in words."""
    return f"{sum([d > 0 for d in differences])} of {len(differences)}"


def table(head, rows):
    """A Markdown table; the columns of numbers stand to the right."""
    rule = ["---:" if type(cell) in (int, float) or re.fullmatch(
        r"[+−]?\d+(\.\d+)?", cell) else "---" for cell in rows[-1]]
    cells = [[f"{c:,}" if type(c) is int else f"{c:.4f}" if type(c) is float
              else c for c in row] for row in (head, rule, *rows)]
    return "".join([f"| {' | '.join(row)} |\n" for row in cells])


def same(old, new):
    """Whether two texts differ in nothing but the last digits of numbers, as
    they do from one Python to another."""
    return (NUMBER.split(old) == NUMBER.split(new) and all([
        math.isclose(float(a), float(b), rel_tol=1e-6)
        for a, b in zip(NUMBER.findall(old), NUMBER.findall(new))]))


def write(files, check):
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


def script(produce, doc):
    """The command line of a script whose files come from produce."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true",
                        help="only say which files are stale")
    check = parser.parse_args().check
    stale = write(produce(), check)
    if check and stale:
        sys.exit("stale in docs: " + ", ".join(stale) + "; run the same "
                 "without --check")
    print("written:" if stale else "all is true", *stale)
