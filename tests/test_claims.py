"""Pages that list things, and what they list."""
import ast
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

import microgpt

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
NAMES = os.environ.get("MICROGPT_NAMES")


def defined_tests(path):
    """Names of the tests that a file defines, also in classes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            and node.name.startswith("test_")}


def test_every_test_on_the_page_of_claims_exists():
    rows = [row for row in (DOCS / "claims.md").read_text(
        encoding="utf-8").splitlines() if row.startswith("| ")]
    rows = [row for row in rows if "held by" not in row]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`(test_\w+\.py)::(\w+)`", row)
        assert named or "`pytest docs`" in row, row
        for file, name in named:
            assert name in defined_tests(ROOT / "tests" / file), (file, name)


def test_the_program_needs_nothing_but_python():
    """It imports what comes with Python, and nothing that knows a network."""
    code = ("import sys; before = set(sys.modules); import microgpt; "
            "print(*{m.partition('.')[0] for m in set(sys.modules) - before})")
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT,
                          check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split()) - {"microgpt"}
    known = getattr(sys, "stdlib_module_names", loaded)  # from Python 3.10 on
    assert "math" in loaded or "math" in sys.builtin_module_names
    assert loaded <= set(known)
    assert not loaded & {"socket", "_socket", "ssl", "urllib", "http"}


@pytest.mark.slow
@pytest.mark.skipif(not NAMES, reason="MICROGPT_NAMES says where the list is")
def test_the_published_run():
    """Losses and names as Karpathy published them, on makemore's names.txt."""
    code = ("import sys, microgpt; run = microgpt.Run(microgpt.Config(), "
            "microgpt.load_docs(sys.argv[1])); microgpt.train(run, lambda step,"
            " loss: print(f'{step} {loss:.4f}')); print(*[microgpt.generate("
            "run.config, run.params, run.tokenizer, run.rng) for _ in "
            "range(20)])")
    done = subprocess.run([sys.executable, "-c", code, os.path.abspath(NAMES)],
                          cwd=ROOT, check=True, capture_output=True, text=True)
    *losses, samples = done.stdout.splitlines()
    assert len(losses) == 1000
    assert {"1 3.3660", "2 3.4243", "3 3.1778", "100 3.3669", "200 2.3097",
            "1000 2.6497"} <= set(losses)
    assert samples == (
        "kamon ann karai jaire vialan karia yeran anna areli kaina konna "
        "keylen liole alerin earan lenne kana lara alela anton")


def words(path):
    return " ".join(path.read_text(encoding="utf-8").split())


def test_whole_numbers_of_the_questions_were_counted():
    found = json.loads((DOCS / "data/measures.json").read_text("utf-8"))
    assert (f"Of {found['samples']:,} samples of the recorded run, "
            f"{found['samples_in_training']} are names that it was trained on "
            f"and {found['samples_in_held_out']} are real names that it had "
            f"never seen; the other {found['samples_new']} are neither"
            ) in words(DOCS / "questions.md")


THE_FILE = "the file: four heads, norms"


@pytest.mark.parametrize("seeds, lower, higher", [  # in loss
    (10, "pair counts, 1 added", "letter counts"),
    (9, "pair counts, the best added", "pair counts, 1 added"),
    (9, "pair counts, the best added", "pairs, learned"),
    (10, "MLP of three letters", "pairs, learned"),
    (10, "MLP of three letters", "one head in their place"),
    (10, "one head, residuals", "one head in their place"),
    (10, THE_FILE, "MLP of three letters"),
    (10, THE_FILE, "one head, residuals"),
    (9, THE_FILE, "the file by gradient descent"),
    (10, "blended counts: two letters", THE_FILE),
    (10, "blended counts: three letters", "blended counts: two letters")])
def test_what_the_page_on_the_ladder_says_was_measured(seeds, lower, higher):
    found = json.loads((DOCS / "data/ladder.json").read_text("utf-8"))
    pairs = list(zip(*[found["held_out"][label] for label in (lower, higher)]))
    assert len(pairs) == 10
    assert sum([a < b for a, b in pairs]) == seeds


def test_four_times_the_steps_do_not_reach_the_best_counts():
    """The first five seeds of the ladder are those of the experiments."""
    def losses(file, label):
        return json.loads((DOCS / f"data/{file}.json").read_text("utf-8"))[
            "held_out"][label][:5]
    longer = losses("experiments", "--steps 4000")
    two = losses("ladder", "blended counts: two letters")
    assert abs(sum(longer) - sum(two)) / 5 < 0.01
    assert {a < b for a, b in zip(longer, two)} == {True, False}
    assert all([a > b for a, b in zip(
        longer, losses("ladder", "blended counts: three letters"))])


def test_whole_numbers_of_the_page_on_the_ladder_were_counted():
    text = words(DOCS / "ladder.md")
    weights = json.loads((DOCS / "data/ladder.json").read_text("utf-8"))[
        "weights"]
    assert (f"{weights['one head, residuals']:,} weights in place of "
            f"{weights['MLP of three letters']:,}") in text
    params = microgpt.Run(microgpt.Config(), ["ab"]).params
    assert f"costs the GPT {len(params['wpe'][0])} weights, a row of" in text


# Vaswani et al., 2017; Zhang and Sennrich, 2019; Su, 2021; Shannon (1948)
CITED = re.compile(r"\b([A-Z][\w’-]+)(?:, [A-Z][\w-]+)*"
                   r"(?: et al\.| and [A-Z][\w-]+)?,? \(?((?:19|20)\d\d)\b")


def test_every_source_that_is_named_is_in_the_bibliography():
    entries = [" ".join(entry.split()) for entry in re.split(
        "^- ", (DOCS / "bibliography.md").read_text(encoding="utf-8"),
        flags=re.M)]
    pages = [page for page in DOCS.glob("*.md")
             if page.name != "bibliography.md"]
    cited = {match for page in [*pages, ROOT / "microgpt.py"]
             for match in CITED.findall(words(page))}
    assert len(cited) > 40
    for name, year in sorted(cited):
        assert any([f"({year})" in entry and (  # by author, or as (RoPE)
            entry.startswith((name + ",", name + " ")) or f"({name})" in entry)
            for entry in entries]), (name, year)


def test_the_bibliography_is_in_order_and_each_entry_has_its_address():
    text = (DOCS / "bibliography.md").read_text(encoding="utf-8")
    papers = text.split("## Papers and books")[1].split("## Data")[0]
    entries = [" ".join(entry.split()) for entry in papers.split("\n- ")[1:]]
    names = [re.match(r"([\w-]+).*?\((\d{4})\)", entry).groups()
             for entry in entries]
    assert names == sorted(names, key=lambda pair: pair[0].lower())
    in_print_only = {("Jelinek", "1980"), ("Linnainmaa", "1970")}
    for name, entry in zip(names, entries):
        assert ("<https://" in entry) != (name in in_print_only), name
