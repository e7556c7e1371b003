"""The book, as it is built: what its readers see and copy."""
import html.parser
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = ["index", "one-page", "tokenizer", "autograd", "model", "training",
         "sampling", "program", "speed", "semantics", "next", "glossary",
         "file"]
CHAPTERS = PAGES[1:8]
SOURCE = (ROOT / "microgpt.py").read_text(encoding="utf-8")


class Page(html.parser.HTMLParser):
    """What the tests ask of a built page: its code, headings and tags."""

    def __init__(self, text):
        super().__init__()
        self.numbered = []    # (line number, text) of every excerpt
        self.blocks = []      # texts of blocks without line numbers
        self.headings = []    # levels
        self.tags = []        # (tag, attributes)
        self._in_excerpt = self._in_code = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "table" and attributes.get("class") == "highlighttable":
            self._in_excerpt = True
        if tag == "code" and self.get_starttag_text() == "<code>":
            self._in_code = True
            self.blocks.append("")
        span = re.fullmatch(r"__span-\d+-(\d+)", attributes.get("id") or "")
        if span and self._in_excerpt:
            self.numbered.append((int(span[1]), ""))

    def handle_endtag(self, tag):
        if tag == "code" and self._in_code:
            self._in_code = False
            if self._in_excerpt:
                self.blocks.pop()
        if tag == "table":
            self._in_excerpt = False

    def handle_data(self, data):
        if self._in_code:
            self.blocks[-1] += data
            if self._in_excerpt:
                number, text = self.numbered[-1]
                self.numbered[-1] = number, text + data


@pytest.fixture(scope="session")
def pages(site):
    """{page: Page} in the order of the navigation."""
    return {name: Page((site / f"{name}.html").read_text(encoding="utf-8"))
            for name in PAGES}


def test_navigation_has_all_pages_in_this_order():
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert re.findall(r": ([\w-]+)\.md$", config, re.M) == PAGES


@pytest.mark.parametrize("script", ["excerpts.py", "notebook.py"])
def test_made_files_are_true(script):
    done = subprocess.run([sys.executable, DOCS / "make" / script, "--check"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_line_stands_once_in_reading_order(pages):
    shown = [(number, text.rstrip("\n")) for page in pages.values()
             for number, text in page.numbered]
    shown = [(number, text) for number, text in shown if text.strip()]
    lines = [(number, text) for number, text
             in enumerate(SOURCE.splitlines(), 1) if text.strip()]
    for ours, theirs in zip(shown, lines):
        assert ours == theirs, (
            f"the book shows line {ours[0]} where line {theirs[0]} is due: "
            "add or move an excerpt, then run python docs/make/excerpts.py")
    assert len(shown) == len(lines)


def test_a_changed_line_is_noticed(tmp_path):
    """A copy of the project with a line more is stale, and is mended."""
    (tmp_path / "docs/make").mkdir(parents=True)
    (tmp_path / "microgpt.py").write_text("import this\n" + SOURCE)
    script = tmp_path / "docs/make/excerpts.py"
    script.write_bytes((DOCS / "make/excerpts.py").read_bytes())
    (tmp_path / "docs/p.md").write_bytes((DOCS / "tokenizer.md").read_bytes())
    stale = subprocess.run([sys.executable, script, "--check"],
                           capture_output=True, text=True)
    assert stale.returncode == 1
    assert "p.md: run python docs/make/excerpts.py" in stale.stderr
    subprocess.run([sys.executable, script], check=True, capture_output=True)
    subprocess.run([sys.executable, script, "--check"], check=True,
                   capture_output=True)


def test_no_code_block_is_empty(pages):
    for name, page in pages.items():
        assert all(block.strip() for block in page.blocks), name


def quick(code):
    """The same cell with a default run of 3 steps."""
    return code.replace("setting(1000, ", "setting(3, ")


def test_the_cells_of_the_chapters_are_the_file(pages, capsys):
    """Pasted in order they run after every chapter, and add up to the file."""
    namespace, text = {"__name__": "__main__"}, ""
    for name in CHAPTERS:
        cells = [block for block in pages[name].blocks
                 if block.startswith(("# %% ", '"""microgpt'))]
        assert cells, f"{name} does not end with its cell"
        for cell in cells:
            text += cell.rstrip("\n") + "\n\n"
            exec(quick(cell), namespace)
    assert text.replace("\n", "") == SOURCE.replace("\n", "")
    assert "sample 20: " in capsys.readouterr().out


def test_the_whole_file_page_is_the_file(pages):
    assert pages["file"].blocks[-1].strip() == SOURCE.strip()


def test_the_notebook_runs(site, capsys):
    notebook = json.loads((site / "microgpt.ipynb").read_text("utf-8"))
    namespace = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        exec(quick("".join(cell["source"])), namespace)
    assert "sample 20: " in capsys.readouterr().out


def test_every_chapter_offers_the_notebook_and_its_template(pages):
    for name in CHAPTERS:
        text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
        assert "## The whole cell" in text, name
        assert "## At scale" in text, name
        assert len(re.findall(r'^\?\?\? question "', text, re.M)) == 3, name
    for name in ["index", *CHAPTERS]:
        assert ("a", "microgpt.ipynb") in {
            (tag, attributes.get("href")) for tag, attributes
            in pages[name].tags}, name


def test_headings_and_alternative_texts(pages):
    for name, page in pages.items():
        assert page.headings.count(1) == 1, name
        steps = zip(page.headings, page.headings[1:])
        assert all(b <= a + 1 for a, b in steps), (name, page.headings)
        for tag, attributes in page.tags:
            if tag == "img":
                assert "alt" in attributes, (name, attributes)
        assert {"main", "nav", "header", "footer"} <= {t for t, _ in page.tags}


def test_nothing_is_fetched_from_elsewhere(site, pages):
    """Neither by a tag nor by a style sheet, and a policy forbids it."""
    for name, page in pages.items():
        first = [tag for tag, attributes in page.tags if tag in (
            "script", "link") or "http-equiv" in attributes]
        assert first[0] == "meta", f"{name}: the policy comes too late"
        for tag, attributes in page.tags:
            for key in ("src", "href", "data", "action"):
                if (tag, key) != ("a", "href"):
                    value = attributes.get(key) or ""
                    assert "//" not in value.replace("http://www.w3.org/", ""), (
                        name, tag, value)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text("utf-8"))


# versions of Python are no measurements
NUMBER = re.compile(r"(?<!Python )(?<![\w.])\d+\.\d+(?!\.?\d)")


def prose_and_proof(name):
    """The sentences of a page, and what on it is run, pulled in or checked."""
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    proof = []
    for path, first, last in re.findall(
            r'--8<-- "([^":]+)(?::(\d+):(\d+))?"', text):
        if "/live-" in path:
            continue  # thousands of numbers: nearly any would be among them
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        proof += lines[int(first or 1) - 1:int(last or len(lines))]
    fenced = re.compile(r"^( *)```(\w*).*?^\1```$", re.M | re.S)
    proof += [m[0] for m in fenced.finditer(text) if m[2] == "pycon"]
    prose = fenced.sub("", text)
    prose = re.sub(r"<!--.*?-->|<style.*?</style>|<svg.*?</svg>", "", prose,
                   flags=re.S)
    return prose, "\n".join(proof) + SOURCE


@pytest.mark.parametrize("name", PAGES)
def test_decimal_numbers_in_prose_are_checked_somewhere(name):
    """Each is printed by an example on its page, or stands in made data."""
    prose, proof = prose_and_proof(name)
    known = [float(n) for n in re.findall(r"\d+\.\d+(?:e-?\d+)?", proof)]
    for number in NUMBER.findall(prose):
        digits = len(number.partition(".")[2])
        assert any(math.isclose(round(n, digits), float(number))
                   for n in known), f"{name}.md: who says {number}?"


def test_whole_numbers_in_prose_were_counted():
    """The test of decimal numbers does not see them."""
    measured = json.loads((DOCS / "data/measures.json").read_text("utf-8"))
    training, model = [" ".join((DOCS / page).read_text("utf-8").split())
                       for page in ("training.md", "model.md")]
    assert (f"Of {measured['samples']:,} samples "
            f"{measured['samples_in_training']} are names") in training
    assert measured["samples_in_held_out"] == 3 and "Three more are" in training
    before, after = measured["neurons_on_before"], measured["neurons_on_after"]
    assert (f"{before:.0%} of the neurons are on before training, and "
            f"{after:.0%} after").replace("%", " percent") in model


def test_speed_tables_are_those_of_the_recorded_benchmark():
    """Times can't be measured again; that the page tells them can be seen."""
    pytest.importorskip("resource", reason="needs a Unix")
    import benchmark
    figures = json.loads((DOCS / "data/benchmark.json").read_text("utf-8"))
    table = (DOCS / "data/speed.md").read_text("utf-8")
    assert table == benchmark.markdown(figures)
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert "more than thirty times as fast where it was measured" in readme
    assert figures["step"]["ratio"] > 30


@pytest.mark.slow
def test_recorded_runs_come_out_the_same():
    done = subprocess.run([sys.executable, DOCS / "make/records.py", "--check"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_builds_with_the_successor_of_material_too(tmp_path):
    pytest.importorskip("zensical", reason="zensical is not installed")
    shutil.copytree(DOCS, tmp_path / "docs")
    for name in ("microgpt.py", "mkdocs.yml"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run([sys.executable, "-m", "zensical", "build"],
                          cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (tmp_path / "site/autograd.html").read_text(encoding="utf-8")
    assert "topological_order" in text
