"""The page about docs/microgpt_torch.py, which can be read without torch."""
import pathlib
import re
import subprocess
import sys
from dataclasses import fields

import microgpt

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


def test_no_setting_of_microgpt_is_passed_over():
    """A new one has to be used there, or it would be silently ignored."""
    settings = {f.name for f in fields(microgpt.Config)}
    used = set(re.findall(r"config\.(\w+)", PROGRAM)) & settings
    assert settings - used == {"holdout", "paragraphs"}  # which prepare uses
    options = vars(microgpt.parse([])).keys()
    used = set(re.findall(r"options\.(\w+)", PROGRAM)) & options
    assert options == used
    for name in "prepare", "parse":
        assert f"microgpt.{name}(" in PROGRAM


def test_the_functions_beside_each_other_stand_in_the_files():
    source = (ROOT / "microgpt.py").read_text(encoding="utf-8")
    [table] = re.findall(r"^\| here \| in `microgpt.py` \|\n\|---\|---\|\n"
                         r"((?:\|.*\n)+)", PAGE, re.M)
    rows = re.findall(r"\| `(\w+)` \| `(\w+)` \|\n", table)
    assert len(rows) == table.count("\n") > 12
    for row in rows:
        for name, text in zip(row, (PROGRAM, source)):
            assert re.search(rf"(def|class) {name}\b", text), name


def test_options_on_the_page_are_those_of_the_program():
    assert re.findall(r"^\| `(--[\w-]+)` \|", PAGE, re.M) == re.findall(
        r'add\("(--[\w-]+)"', PROGRAM)


def test_tables_and_figure_say_what_was_recorded():
    done = subprocess.run(
        [sys.executable, ROOT / "tests/by_hand/torch_speed.py", "--check"],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_is_short():
    text = re.sub(r"```.*?```|<!--.*?-->", "", PAGE, flags=re.S)
    assert len(text.split()) <= 1500
