"""What follows from the text of microgpt.py alone: the excerpts of the pages,
the map of the file and the list of its definitions.

A page shows a piece of the file by its name, on a line of its own:

    --8<-- "docs/data/excerpts.md:Value-__add__-to-Value-__pow__"

docs/data/excerpts.md is made here. It has a section for each name that some
page asks for, and is the only place where line numbers stand. A name is

    linear                 a function, a class, or an assigned name
    Value-log              a member of a class
    total-to-linear        from one to the other
    docstring, imports     the top of the file; guard is its last `if`
    again-linear           the same without line numbers: for a piece that
                           stands elsewhere in the one reading of the file
    cell-Command-line      a whole `# %%` cell to paste; cell-top, cell-all
    in-ladder-pair_counts  a piece of docs/ladder.py

Comments above a piece, and the `# %%` line of its cell, belong to it.
"""
import ast
import html
import re

from kit import DOCS, ROOT, SOURCE

EXCERPTS = "data/excerpts.md"
ASKED = re.compile(r'^ *--8<-- "docs/data/excerpts\.md:([\w-]+)"$', re.M)
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

# %% The pieces of a file


def names_of(node):
    """The names by which a page can call a statement."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [name.id for target in node.targets
                for name in ast.walk(target) if isinstance(name, ast.Name)]
    return {ast.Expr: ["docstring"], ast.Import: ["imports"],
            ast.ImportFrom: ["imports"], ast.If: ["guard"]}.get(type(node), [])


def pieces(source):
    """{name: (first line, last line)} of all that an excerpt can show."""
    lines = source.splitlines()
    found = {}

    def add(name, node):
        first = min([node.lineno] + [d.lineno for d in
                                     getattr(node, "decorator_list", [])])
        while first > 1 and lines[first - 2].lstrip().startswith("#"):
            first -= 1
        found[name] = (min(first, found.get(name, (first,))[0]),
                       node.end_lineno)

    for node in ast.parse(source).body:
        for name in names_of(node):
            add(name, node)
            for member in node.body if isinstance(node, ast.ClassDef) else []:
                for inner in names_of(member):
                    add(f"{name}-{inner}", member)
    return found


def cells(source):
    """{title: (first line, last line)} of the `# %%` cells, and `all`."""
    lines = source.splitlines()
    starts = [i for i, line in enumerate(lines, 1) if line.startswith("# %%")]
    found = {"all": (1, len(lines)), "top": (1, starts[0] - 1)}
    for first, after in zip(starts, starts[1:] + [len(lines) + 1]):
        found[lines[first - 1][5:]] = (first, after - 1)
    return found


def place(name):
    """(file, first line, last line) of what a page asks for by name.
    Raises KeyError, OSError."""
    file = "microgpt.py"
    if name.startswith("in-"):
        stem, _, name = name[3:].partition("-")
        file = f"docs/{stem}.py"
    source = (ROOT / file).read_text(encoding="utf-8")
    if name.startswith("cell-"):
        found = {title.replace(" ", "-"): lines
                 for title, lines in cells(source).items()}
        return (file, *found[name[5:]])
    known = pieces(source)
    first, _, last = re.sub("^again-", "", name).partition("-to-")
    start, end = known[first][0], known[last or first][1]
    if end < start:
        raise KeyError(f"{last} stands above {first}")
    return file, start, end


def excerpts(pages):
    """The text of excerpts.md for the texts of pages {name: text}.
    Raises ValueError if pages ask for what is nowhere."""
    asked, wrong = {}, []
    for page, text in pages.items():
        for name in ASKED.findall(text):
            try:
                asked[name] = place(name)
            except (KeyError, OSError) as error:
                wrong.append(f"{page} asks for {name!r}: {error}")
    if wrong:
        raise ValueError("\n  ".join(["what is nowhere:", *wrong]))
    sections = []
    for name, (file, first, last) in sorted(asked.items(),
                                            key=lambda it: (it[1], it[0])):
        numbered = not name.startswith(("in-", "again-", "cell-"))
        sections += [
            f"--8<-- [start:{name}]",
            *["<!-- excerpt -->"] * name.startswith("in-"),  # hides the button
            "```python" + f' linenums="{first}"' * numbered,
            f'--8<-- "{file}:{first}:{last}"', "```", f"--8<-- [end:{name}]"]
    return "\n".join([*sections, ""])

# %% The map and the list


def file_map(source):
    """A map of the file, each cell as long as it is, as HTML. Raises
    ValueError if the file has other cells than the book."""
    found = cells(source)
    _, total = found.pop("all")
    if found.keys() != CELLS.keys():
        raise ValueError(f"the cells of microgpt.py are not {[*CELLS]}")
    lines = [f'<nav class="file-map" aria-label="Map of microgpt.py" '
             f'data-lines="{total}">', "<p>microgpt.py</p>", "<div>"]
    for title, (page, holds) in CELLS.items():
        first, last = found[title]
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
    rows = []
    body = ast.parse(source).body
    for title, (first, last) in cells(source).items():
        links = [f'<a href="#__span-0-{node.lineno}"><code>{node.name}</code>'
                 "</a>" for node in body
                 if isinstance(node, (ast.FunctionDef, ast.ClassDef))
                 and first <= node.lineno <= last and title != "all"]
        if links:
            rows.append(f"<li><b>{title}</b>: {', '.join(links)}</li>")
    return "\n".join(["<ul>", *rows, "</ul>", ""])


def produce():
    """{path below docs: text}. Raises ValueError."""
    pages = {path.name: path.read_text(encoding="utf-8")
             for path in sorted(DOCS.glob("*.md"))}
    return {EXCERPTS: excerpts(pages),
            "overrides/file-map.html": file_map(SOURCE),
            "data/definitions.md": definitions(SOURCE)}
