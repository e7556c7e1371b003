"""Draw the map of microgpt.py, each cell as long as it is in the file, and
list its definitions.

    python docs/make/map.py           write both
    python docs/make/map.py --check   say whether they are stale
"""
import ast
import html

from excerpts import cells
from made import SOURCE, script

CELLS = {
    "top": ("one-page", "how to run it, the short names, imports"),
    "Tokenizer": ("tokenizer", "text to numbers and back"),
    "Autograd": ("autograd", "numbers that find their own gradients"),
    "Model": ("model", "all settings, the weights, and the GPT itself"),
    "Training": ("training", "the loss, and Adam, which makes it smaller"),
    "Sampling": ("sampling", "inventing a new document"),
    "Data": ("program", "the thousand names, or a text of yours"),
    "Saving": ("program", "a trained model to a file and back"),
    "Command line": ("program", "options, progress, error messages")}


def drawn(source):
    """The map as HTML. Raises KeyError if the file has other cells."""
    found = cells(source)
    _, total = found.pop("all")
    lines = [f'<nav class="file-map" aria-label="Map of microgpt.py" '
             f'data-lines="{total}">', "<p>microgpt.py</p>", "<div>"]
    for title, (first, last) in sorted(found.items(), key=lambda c: c[1]):
        page, holds = CELLS[title]
        name = "Top of the file" if title == "top" else title
        lines.append(
            f'<a href="{page}.html" data-first="{first}" data-last="{last}" '
            f'style="flex-grow:{last - first + 1}" '
            f'title="{html.escape(name)}, lines {first} to {last}">'
            f"<b>{html.escape(name)}</b> <span>{html.escape(holds)}</span> "
            f"<small>lines {first} to {last}</small></a>")
    return "\n".join([*lines, "</div>", "</nav>", ""])


def definitions(source):
    """An HTML list of all functions and classes, linked to their lines in
    the first code block of a page."""
    starts = {first: title for title, (first, _) in cells(source).items()
              if title not in ("all", "top")}
    lines, links = [], []
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            before = [first for first in starts if first <= node.lineno]
            title = starts[max(before)] if before else "Top of the file"
            if not links or links[0] != title:
                links = [title]
                lines.append(links)
            links.append(f'<a href="#__span-0-{node.lineno}">'
                         f"<code>{node.name}</code></a>")
    rows = [f"<li><b>{title}</b>: {', '.join(names)}</li>"
            for title, *names in lines]
    return "\n".join(["<ul>", *rows, "</ul>", ""])


def produce():
    return {"overrides/file-map.html": drawn(SOURCE),
            "data/definitions.md": definitions(SOURCE)}


if __name__ == "__main__":
    script(produce, __doc__)
