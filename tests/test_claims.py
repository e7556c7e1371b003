"""Pages that list things, and what they list."""
import ast
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def test_the_pictures_of_the_maths_page_are_those_that_are_drawn():
    done = subprocess.run([sys.executable, DOCS / "make/pictures.py",
                           "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def words(path):
    return " ".join(path.read_text(encoding="utf-8").split())


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
