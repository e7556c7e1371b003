"""Make the notebook of the book from the `# %%` cells of microgpt.py.

    python docs/make/notebook.py            write docs/microgpt.ipynb
    python docs/make/notebook.py --check    only say whether it is stale
"""
import argparse
import json
import sys

from excerpts import DOCS, SOURCE, cells


def notebook(source):
    """The notebook's text: nbformat 4.5 JSON, a code cell for each cell."""
    lines = source.splitlines(keepends=True)
    code = []
    for title, (first, last) in cells(source).items():
        if title != "all":
            text = "".join(lines[first - 1:last]).rstrip("\n")
            code.append({"cell_type": "code", "id": title.lower().replace(
                " ", "-"), "execution_count": None, "metadata": {},
                "outputs": [], "source": text.splitlines(keepends=True)})
    return json.dumps({
        "cells": code, "nbformat": 4, "nbformat_minor": 5, "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python",
                           "name": "python3"},
            "language_info": {"name": "python"}}}, indent=1) + "\n"


def main():
    parser = argparse.ArgumentParser(description="Make the notebook.")
    parser.add_argument("--check", action="store_true")
    path = DOCS / "microgpt.ipynb"
    text = notebook(SOURCE.read_text(encoding="utf-8"))
    if not parser.parse_args().check:
        path.write_text(text, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        sys.exit("docs/microgpt.ipynb is stale: run "
                 "python docs/make/notebook.py")


if __name__ == "__main__":
    main()
