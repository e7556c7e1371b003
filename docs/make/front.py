"""What the first page shows: the trained model, and the file drawn small."""
import html
import json

from excerpts import cells
from kit import SOURCE
from excerpts import CELLS

import microgpt

COLUMNS = 5


def model():
    """The weights of the default run in thousandths, as a script."""
    run = microgpt.Run(microgpt.Config(), microgpt.load_docs())
    while run.step < run.config.steps:
        microgpt.train_step(run)
    weights = [round(1000 * w.data) for w in run.weights]
    text = json.dumps({"chars": "".join(run.tokenizer.chars),
                       "weights": weights}, separators=(",", ":"))
    return f"globalThis.frontModel = {text};\n"


def drawn(source):
    """Every line of the file as a stroke as long as it is, in columns, each
    cell a link to its chapter: SVG."""
    lines = source.splitlines()
    rows = -(-len(lines) // COLUMNS)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" role="group" '
           f'aria-label="microgpt.py drawn small, a stroke for each line" '
           f'viewBox="0 0 {COLUMNS * 90 - 10} {3 * rows}" width="{COLUMNS * 90}"'
           f' fill="none" stroke="currentColor" stroke-width="2">']
    found = cells(source)
    del found["all"]
    for title, (first, last) in sorted(found.items(), key=lambda c: c[1]):
        strokes = []
        for i in range(first - 1, last):
            text = lines[i].strip()
            if text:
                column, row = divmod(i, rows)
                x = 90 * column + len(lines[i]) - len(lines[i].lstrip())
                strokes.append(f"M{x} {3 * row + 1}h{len(text)}")
        name = html.escape("Top of the file" if title == "top" else title)
        out.append(f'<a href="{CELLS[title][0]}.html" aria-label="{name}">'
                   f'<title>{name}: {html.escape(CELLS[title][1])}</title>'
                   f'<path d="{"".join(strokes)}"/></a>')
    return "\n".join([*out, "</svg>", ""])


def produce():
    return {"data/front-model.js": model(), "data/front-file.svg": drawn(SOURCE)}
