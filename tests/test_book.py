"""The book, as it is built: what its readers see and copy."""
import html.parser
import json
import math
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
MAKE = DOCS / "make"
# the navigation: title and page, in the order of reading
NAV = re.findall(r"- (.+): ([\w-]+)\.md$",
                 (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
PAGES = [page for _, page in NAV]
CHAPTERS = [page for title, page in NAV if title[0].isdecimal()]
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


@pytest.fixture
def scripts(monkeypatch):
    """The scripts of docs/make can be imported."""
    for folder in (DOCS, MAKE):
        monkeypatch.syspath_prepend(folder)


def make(*args):
    return subprocess.run([sys.executable, MAKE, *args], capture_output=True,
                          text=True)


def recorded(name):
    return json.loads((DOCS / "data" / f"{name}.json").read_text("utf-8"))


def test_navigation_has_all_chapters_and_all_pages():
    assert [title[:2] for title, _ in NAV if title[0].isdecimal()] == [
        f"{i} " for i in range(1, len(CHAPTERS) + 1)]
    assert sorted(PAGES) == sorted([path.stem for path in DOCS.glob("*.md")])


def test_made_files_are_true():
    done = make("--check", "excerpts", "notebook", "map", "pictures")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_makes_the_book_says_what_it_can_make():
    done = make("no-such-part")
    assert done.returncode == 2 and "none of excerpts, " in done.stderr
    done = make("--help")
    for path in MAKE.glob("*.py"):
        if "def produce():" in path.read_text(encoding="utf-8"):
            assert f"\n  {path.stem} " in done.stdout


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
    script.write_bytes((MAKE / "excerpts.py").read_bytes())
    (tmp_path / "docs/p.md").write_bytes((DOCS / "tokenizer.md").read_bytes())
    stale = subprocess.run([sys.executable, script, "--check"],
                           capture_output=True, text=True)
    assert stale.returncode == 1
    assert "p.md: run python docs/make/excerpts.py" in stale.stderr
    subprocess.run([sys.executable, script], check=True, capture_output=True)
    subprocess.run([sys.executable, script, "--check"], check=True,
                   capture_output=True)


def test_a_name_that_is_nowhere_is_told(tmp_path):
    (tmp_path / "docs/make").mkdir(parents=True)
    (tmp_path / "microgpt.py").write_text("def f():\n    pass\n# %% End\n")
    script = tmp_path / "docs/make/excerpts.py"
    script.write_bytes((MAKE / "excerpts.py").read_bytes())
    (tmp_path / "docs/p.md").write_text("".join([
        f'<!-- {what} -->\n```python\n--8<-- "microgpt.py:0:0"\n```\n'
        for what in ("excerpt: f", "excerpt: g", "excerpt other.py: h")]))
    done = subprocess.run([sys.executable, script], capture_output=True,
                          text=True)
    assert done.returncode == 1
    assert "p.md: microgpt.py has no 'g'" in done.stderr
    assert "p.md: other.py has no 'h'" in done.stderr
    assert '"microgpt.py:1:2"' in (tmp_path / "docs/p.md").read_text()


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
        assert "<!-- cell: " not in text or "## The whole cell" in text, name
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
    prose = re.sub(r"\A---\n.*?\n---\n|<!--.*?-->|<style.*?</style>|"
                   r"<svg.*?</svg>|https?://[^\s>)]+", "", prose, flags=re.S)
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
    measured = recorded("measures")
    book = " ".join([" ".join((DOCS / f"{page}.md").read_text("utf-8").split())
                     for page in CHAPTERS])
    assert (f"Of {measured['samples']:,} samples "
            f"{measured['samples_in_training']} are names") in book
    assert measured["samples_in_held_out"] == 3 and "Three more are" in book
    before, after = measured["neurons_on_before"], measured["neurons_on_after"]
    assert (f"{before:.0%} of the neurons are on before training, and "
            f"{after:.0%} after").replace("%", " percent") in book


def test_speed_tables_are_those_of_the_recorded_benchmark():
    """Times can't be measured again; that the page tells them can be seen."""
    pytest.importorskip("resource", reason="needs a Unix")
    import benchmark
    figures = recorded("benchmark")
    table = (DOCS / "data/speed.md").read_text("utf-8")
    assert table == benchmark.markdown(figures)
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert "more than thirty times as fast as the textbook way" in readme
    assert figures["step"]["ratio"] > 30


def agree(found, known):
    """Whether losses are the recorded ones but for their last digits."""
    return found.keys() == known.keys() and all([
        math.isclose(found[name], known[name], rel_tol=1e-6)
        for name in known])


def test_a_part_of_the_ablations_comes_out_the_same(scripts):
    import ablations
    known = recorded("ablations")
    assert agree(ablations.short(known["rates"]), known["short"])
    assert list(known["held_out"]) == list(ablations.VARIANTS)
    table = (DOCS / "data/ablations.md").read_text(encoding="utf-8")
    assert table == ablations.markdown(known)


def test_a_part_of_the_ladder_comes_out_the_same(scripts):
    import ladder
    import staircase
    known = recorded("ladder")
    assert agree(staircase.short(), known["short"])
    assert list(known["held_out"]) == ladder.RUNGS
    for name, text in staircase.shown(known).items():
        if name.endswith(".md"):
            assert text == (DOCS / name).read_text(encoding="utf-8"), name


def test_the_ladder_climbs_with_a_text_of_ones_own(tmp_path):
    path = tmp_path / "numbers.txt"
    path.write_text("\n".join(map(str, range(100, 140))))
    done = subprocess.run(
        [sys.executable, DOCS / "ladder.py", path, "--steps", "2"],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    losses = re.findall(r"  (\d\.\d{4})  .*\w", done.stdout)
    assert len(losses) == len(done.stdout.splitlines()) == 12
    path.write_text("anna\nbob\n")
    done = subprocess.run([sys.executable, DOCS / "ladder.py", path],
                          capture_output=True, text=True)
    assert done.returncode == 2 and "too few" in done.stderr


def test_the_ladder_learns_at_the_rates_that_were_found_best(scripts):
    import ladder
    searched = {**recorded("ladder")["rates"], "the file by gradient descent":
                recorded("ablations")["rates"]["gradient descent"],
                "the file: four heads, norms":
                recorded("ablations")["rates"]["Adam"]}
    assert searched.keys() == ladder.LEARNED.keys()
    for label, (rate, *_) in ladder.LEARNED.items():
        found = {loss: float(at) for at, loss in searched[label].items()
                 if loss is not None}
        assert found[min(found)] == rate, label


def test_the_last_rung_is_the_file():
    held_out = recorded("ladder")["held_out"]["the file: four heads, norms"]
    full = recorded("ablations")["held_out"]["the whole file"]
    assert held_out == pytest.approx(full, rel=1e-6)
    assert held_out[0] == pytest.approx(recorded("measures")[
        "held_out_after"], rel=1e-6)


@pytest.mark.slow
def test_the_recorded_run_comes_out_the_same():
    """`python docs/make --all --check` asks this of what takes longer too."""
    done = make("--check", "records")
    assert done.returncode == 0, done.stdout + done.stderr
