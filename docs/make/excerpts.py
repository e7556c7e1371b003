"""Keep the book's excerpts of microgpt.py true.

    python docs/make/excerpts.py            rewrite the line ranges
    python docs/make/excerpts.py --check    say which are stale, change nothing

In a page, a comment names what the fence below it shows:

    <!-- excerpt: Value.__add__ to Value.__pow__ -->
    ```python linenums="70"
    --8<-- "microgpt.py:70:84"
    ```

An excerpt is a part of the one reading of the file from top to bottom, and
carries the file's line numbers. `<!-- cell: Autograd -->` is a whole cell to
paste, without numbers, and `<!-- cell: all -->` is the file.

A name is a function, a class, `Class.member`, an assigned name, `docstring`,
`imports`, or `guard` (the last `if`). Comments above it, and the `# %%` line
of its cell, belong to it.
"""
import argparse
import ast
import pathlib
import re
import sys

DOCS = pathlib.Path(__file__).resolve().parent.parent
SOURCE = DOCS.parent / "microgpt.py"
FENCE = re.compile(
    r"(?P<indent> *)<!-- (?P<kind>excerpt|cell): (?P<what>.+?) -->\n"
    r" *```python(?P<attrs>.*)\n *--8<-- \"microgpt.py:\d+:\d+\"\n")


def names_of(node):
    """The names by which a page can call a statement."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets]
    if isinstance(node, ast.AnnAssign):
        return [node.target.id]
    if isinstance(node, ast.Expr):
        return ["docstring"]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return ["imports"]
    return ["guard"]


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
    return known[first][0], known[last or first][1]


def updated(page, source):
    """The text of a page with every line range as the file has it."""
    def fence(match):
        try:
            first, last = range_of(match["kind"], match["what"], source)
        except KeyError as error:
            sys.exit(f"microgpt.py has no {error}, which a page wants to show")
        attrs = re.sub(r' ?linenums="\d+"', "", match["attrs"])
        if match["kind"] == "excerpt":
            attrs += f' linenums="{first}"'
        indent = match["indent"]
        return (f"{indent}<!-- {match['kind']}: {match['what']} -->\n"
                f"{indent}```python{attrs}\n"
                f'{indent}--8<-- "microgpt.py:{first}:{last}"\n')
    return FENCE.sub(fence, page)


def main():
    parser = argparse.ArgumentParser(description="Keep the excerpts true.")
    parser.add_argument("--check", action="store_true",
                        help="only say which pages are stale")
    check = parser.parse_args().check
    source = SOURCE.read_text(encoding="utf-8")
    stale = []
    for path in sorted(DOCS.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        new = updated(page, source)
        if new != page:
            stale.append(path.name)
            if not check:
                path.write_text(new, encoding="utf-8")
    if check and stale:
        sys.exit("stale excerpts in " + ", ".join(stale)
                 + ": run python docs/make/excerpts.py")
    print("rewritten:" if stale else "all excerpts are true", *stale)


if __name__ == "__main__":
    main()
