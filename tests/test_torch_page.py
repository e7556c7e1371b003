"""The page about docs/microgpt_torch.py, which can be read without torch."""
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/torch.md").read_text(encoding="utf-8")
PROGRAM = (ROOT / "docs/microgpt_torch.py").read_text(encoding="utf-8")


def test_every_line_of_the_program_stands_once_in_order():
    lines = PROGRAM.splitlines()
    excerpts = (ROOT / "docs/data/excerpts.md").read_text(encoding="utf-8")
    shown = []
    for name in re.findall(r'--8<-- "docs/data/excerpts\.md:(\S+)"', PAGE):
        section = excerpts.partition(f"[start:{name}]")[2].partition("[end:")[0]
        for first, last in re.findall(r"microgpt_torch\.py:(\d+):(\d+)", section):
            shown += [i for i in range(int(first), int(last) + 1)
                      if lines[i - 1].strip()
                      and not lines[i - 1].startswith("# %%")]
    assert shown == [i for i, line in enumerate(lines, 1) if line.strip()
                     and not line.startswith("# %%")]
    assert max(map(len, lines)) <= 80


def test_the_functions_beside_each_other_stand_in_the_files():
    microgpt = (ROOT / "microgpt.py").read_text(encoding="utf-8")
    [table] = re.findall(r"^\| here \| in `microgpt.py` \|\n\|---\|---\|\n"
                         r"((?:\|.*\n)+)", PAGE, re.M)
    rows = re.findall(r"\| `(\w+)` \| `(\w+)` \|\n", table)
    assert len(rows) == table.count("\n") > 12
    for row in rows:
        for name, text in zip(row, (PROGRAM, microgpt)):
            assert re.search(rf"(def|class) {name}\b", text), name


def test_options_on_the_page_are_those_of_the_program():
    assert re.findall(r"^\| `(--[\w-]+)` \|", PAGE, re.M) == re.findall(
        r'add\("(--[\w-]+)"', PROGRAM)


@pytest.mark.parametrize("script", ["torch_speed", "torch_learning"])
def test_tables_and_figures_say_what_was_recorded(script):
    done = subprocess.run(
        [sys.executable, ROOT / f"tests/by_hand/{script}.py", "--check"],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_is_short():
    text = re.sub(r"```.*?```|<!--.*?-->", "", PAGE, flags=re.S)
    assert len(text.split()) <= 1500
