"""Make the notebook of the book from the `# %%` cells of microgpt.py.

    python docs/make/notebook.py            write docs/microgpt.ipynb
    python docs/make/notebook.py --check    only say whether it is stale
"""
import json

from excerpts import cells
from made import SOURCE, script


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


def produce():
    return {"microgpt.ipynb": notebook(SOURCE)}


if __name__ == "__main__":
    script(produce, __doc__)
