"""Keep the book's excerpts of microgpt.py true.

    python docs/make/excerpts.py            rewrite the line ranges
    python docs/make/excerpts.py --check    say which are stale, change nothing

In a page, a comment names what the fence below it shows:

    <!-- excerpt: Value.__add__ to Value.__pow__ -->
    ```python linenums="70"
    --8<-- "microgpt.py:70:84"
    ```

An excerpt is a part of the one reading of the file from top to bottom, and
carries the file's line numbers. Without numbers are `<!-- again: linear -->`,
a piece that stands elsewhere in that reading too, `<!-- cell: Autograd -->`, a
whole cell to paste, and `<!-- cell: all -->`, the file; likewise all pieces of
other files, as in `<!-- excerpt docs/ladder.py: pair_counts -->`. The line
range of a new fence may be anything: `--8<-- "microgpt.py:0:0"`.

A name is a function, a class, `Class.member`, an assigned name, `docstring`,
`imports`, or `guard` (an `if`). Comments above it, and the `# %%` line of its
cell, belong to it.
"""
import argparse
import ast
import pathlib
import re
import sys

DOCS = pathlib.Path(__file__).resolve().parent.parent
SOURCE = DOCS.parent / "microgpt.py"
FENCE = re.compile(
    r"(?P<indent> *)<!-- (?P<kind>excerpt|again|cell)(?P<file> \S+)?: "
    r"(?P<what>.+?) -->\n *```python(?P<attrs>.*)\n *--8<-- \"\S+\"\n")


def names_of(node):
    """The names by which a page can call a statement."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [name.id for target in node.targets
                for name in ast.walk(target) if isinstance(name, ast.Name)]
    if isinstance(node, ast.AnnAssign):
        return [node.target.id]
    if isinstance(node, ast.Expr):
        return ["docstring"]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return ["imports"]
    return ["guard"] if isinstance(node, ast.If) else []


def pieces(source):
    """{name: (first line, last line)} of all that an excerpt can show."""
    lines = source.splitlines()
    found = {}

    def add(name, node, inner=None):
        first = min([node.lineno] + [d.lineno for d in
                                     getattr(node, "decorator_list", [])])
        while first > 1 and lines[first - 2].lstrip().startswith("#"):
            first -= 1
        first = min(first, found.get(name, (first,))[0])
        found[name] = (first, inner or node.end_lineno)

    for node in ast.parse(source).body:
        for name in names_of(node):
            add(name, node)
            for member in getattr(node, "body", []):
                if isinstance(node, ast.ClassDef):
                    for inner in names_of(member):
                        add(f"{name}.{inner}", member)
    return found


def cells(source):
    """{title: (first line, last line)} of the `# %%` cells, and `all`."""
    lines = source.splitlines()
    starts = [i for i, line in enumerate(lines, 1) if line.startswith("# %%")]
    found = {"all": (1, len(lines)), "top": (1, starts[0] - 1)}
    for first, after in zip(starts, starts[1:] + [len(lines) + 1]):
        found[lines[first - 1][5:]] = (first, after - 1)
    return found


def range_of(kind, what, source):
    """Lines that `kind: what` stands for. Raises KeyError if there is none."""
    if kind == "cell":
        return cells(source)[what]
    known = pieces(source)
    first, _, last = what.partition(" to ")
    start, end = known[first][0], known[last or first][1]
    if end < start:
        raise KeyError(f"{last} stands above {first}")
    return start, end


def updated(page, unknown):
    """The text of a page with every line range as its file has it; names that
    no file has are added to unknown."""
    def fence(match):
        file = (match["file"] or " microgpt.py")[1:]
        try:
            source = (DOCS.parent / file).read_text(encoding="utf-8")
            first, last = range_of(match["kind"], match["what"], source)
        except (KeyError, OSError) as error:
            unknown.append(f"{file} has no {match['what']!r} ({error})")
            return match[0]
        attrs = re.sub(r' ?linenums="\d+"', "", match["attrs"])
        if match["kind"] == "excerpt" and not match["file"]:
            attrs += f' linenums="{first}"'
        comment = match[0].strip(" ").partition("\n")[0]
        return "".join([f"{match['indent']}{line}\n" for line in (
            comment, f"```python{attrs}", f'--8<-- "{file}:{first}:{last}"')])
    return FENCE.sub(fence, page)


def make(check):
    """Rewrite all pages, unless check -> names of the stale pages, and what
    they want to show that is nowhere."""
    stale, unknown = [], []
    for path in sorted(DOCS.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        missing = []
        new = updated(page, missing)
        unknown += [f"{path.name}: {what}" for what in missing]
        if new != page:
            stale.append(path.name)
            if not check:
                path.write_text(new, encoding="utf-8")
    return stale, unknown


def main():
    parser = argparse.ArgumentParser(description="Keep the excerpts true.")
    parser.add_argument("--check", action="store_true",
                        help="only say which pages are stale")
    check = parser.parse_args().check
    stale, unknown = make(check)
    if check and stale:
        unknown.append("stale excerpts in " + ", ".join(stale)
                       + ": run python docs/make/excerpts.py")
    if unknown:
        sys.exit("\n".join(unknown))
    print("rewritten:" if stale else "all excerpts are true", *stale)


if __name__ == "__main__":
    main()
