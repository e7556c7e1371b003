"""Pages that list things, and what they list."""
import ast
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def defined_tests(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.FunctionDef)}


def test_every_test_on_the_page_of_claims_exists():
    """Each row of its tables: a claim, and the tests that hold it."""
    text = (DOCS / "claims.md").read_text("utf-8")
    rows = re.findall(r"^\| (?!-)(.+) \| (.+) \|$", text, re.M)
    rows = [row for row in rows if "`" in row[1]]
    assert len(rows) > 30
    for claim, holds in rows:
        named = re.findall(r"`(test_\w+\.py)::(\w+)`", holds)
        assert named or "pytest" in holds or "tests/by_hand" in holds, claim
        for file, name in named:
            assert name in defined_tests(ROOT / "tests" / file), (file, name)


def test_the_program_needs_nothing_but_python():
    """It imports what comes with Python, and nothing that knows a network."""
    code = ("import sys; before = set(sys.modules); import microgpt; "
            "print(*set(sys.modules) - before)")
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT,
                          check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split()) - {"microgpt"}
    bases = {name.partition(".")[0] for name in loaded}
    assert "json" in bases
    assert bases <= set(getattr(sys, "stdlib_module_names", bases))  # from 3.10
    assert not loaded & {"socket", "_socket", "ssl", "urllib.request", "http"}


# Vaswani et al., 2017; Zhang and Sennrich, 2019; Su, 2021; Shannon (1948)
CITED = re.compile(r"\b([A-Z][\w’-]+)(?:, [A-Z][\w-]+)*"
                   r"(?: et al\.| and [A-Z][\w-]+)?,? \(?((?:19|20)\d\d)\b")


def words(path):
    return " ".join(path.read_text(encoding="utf-8").split())


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
