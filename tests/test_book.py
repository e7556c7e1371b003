"""The book, as it is built: what its readers see and copy."""
import html.parser
import importlib
import json
import pathlib
import re
import subprocess
import sys

import pytest

import microgpt
import prose
from book import CHAPTERS, DOCS, NAV, PAGES, ROOT, SOURCE, Page, quick

@pytest.fixture(scope="session")
def pages(site):
    """{page: Page} in the order of the navigation."""
    return {name: Page((site / f"{name}.html").read_text(encoding="utf-8"))
            for name in PAGES}


@pytest.fixture
def maker(monkeypatch):
    """Import a module of docs/make."""
    monkeypatch.syspath_prepend(DOCS / "make")
    return importlib.import_module


def make(*args):
    return subprocess.run([sys.executable, DOCS / "make", *args],
                          capture_output=True, text=True)


def recorded(name):
    return json.loads((DOCS / f"data/{name}.json").read_text("utf-8"))

# %% What is made


def test_navigation_has_all_chapters_and_all_pages():
    assert [title[:2] for title, _ in NAV if title[0].isdecimal()] == [
        f"{i} " for i in range(1, len(CHAPTERS) + 1)]
    assert sorted(PAGES) == sorted([path.stem for path in DOCS.glob("*.md")])


def test_made_files_are_true():
    done = make("--check", "excerpts", "notebooks", "figures")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_part_that_nobody_makes_is_refused():
    done = make("no-such-part")
    assert done.returncode == 2 and "none of excerpts, " in done.stderr


@pytest.mark.slow
def test_the_recorded_run_comes_out_the_same():
    done = make("--check", "runs")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_first_steps_of_the_recorded_run_come_out_the_same():
    run = microgpt.Run(microgpt.Config(holdout=0.1), microgpt.load_docs())
    assert [round(microgpt.train_step(run), 4) for _ in range(20)] == (
        recorded("run")["losses"][:20])


def test_what_is_drawn_follows_the_sizes(maker, monkeypatch):
    """Two layers, one head and four numbers, in no picture left behind."""
    runs, figures = maker("runs"), maker("figures")
    config = microgpt.Config(n_layer=2, n_head=1, n_embd=4, steps=10,
                             holdout=0.1)
    monkeypatch.setattr(runs, "CONFIG", config)
    monkeypatch.setattr(runs, "INVENTED", 10)
    monkeypatch.setattr(microgpt, "load_docs",
                        lambda: microgpt.NAMES.split()[::10])
    made = runs.produce()
    found = json.loads(made["data/run.json"])
    real = figures.recorded
    monkeypatch.setattr(figures, "recorded", lambda name: found
                        if name == "run" else real(name))
    drawn = figures.produce()
    weights = microgpt.n_params(config, len(found["vocabulary"]) + 1)
    assert f">{weights:,} weights<" in drawn["data/overview.svg"]
    assert f"| {weights:,} |" in drawn["data/matrices.md"]
    assert drawn["data/path.svg"].count(">MLP<") == 2
    assert drawn["data/attention.svg"].count(">layer 1, head 1<") == 1
    old = microgpt.n_params(microgpt.Config(), 27)
    assert f"{old:,}" not in "".join(drawn.values())


def test_a_page_that_asks_for_what_is_nowhere_is_told(maker):
    excerpts = maker("excerpts")
    line = '--8<-- "docs/data/excerpts.md:{}"\n'
    for name in "softmaxes", "mlp-to-softmax", "in-nothing-f", "cell-Nothing":
        with pytest.raises(ValueError, match=f"p.md asks for '{name}'"):
            excerpts.excerpts({"p.md": line.format(name)})
    made = excerpts.excerpts({"p.md": line.format("Value-log-to-Value-relu")})
    number, first, last = map(int, re.findall(r'[":](\d+)', made))
    assert number == first
    lines = SOURCE.splitlines()[first - 1:last]
    assert lines[0].startswith("    def log(") and "Value(max" in lines[-1]

# %% Code


def test_every_line_stands_once_in_reading_order(pages):
    shown = [(number, text.rstrip("\n")) for page in pages.values()
             for number, text in page.numbered]
    shown = [(number, text) for number, text in shown if text.strip()]
    lines = [(number, text) for number, text
             in enumerate(SOURCE.splitlines(), 1) if text.strip()]
    for ours, theirs in zip(shown, lines):
        assert ours == theirs, (
            f"the book shows line {ours[0]} where line {theirs[0]} is due: "
            "add or move an excerpt, then run python docs/make excerpts")
    assert len(shown) == len(lines)


def test_no_code_block_is_empty(pages):
    for name, page in pages.items():
        assert all(block.strip() for block in page.blocks), name


def test_the_cells_of_the_chapters_are_the_file(pages, capsys):
    """Pasted in order they run after every chapter, and add up to the file."""
    namespace, text = {"__name__": "__main__"}, ""
    for name in CHAPTERS:
        for cell in pages[name].blocks:
            if cell.startswith(("# %% ", '"""microgpt')):
                text += cell.rstrip("\n") + "\n\n"
                exec(quick(cell), namespace)
    assert text.replace("\n", "") == SOURCE.replace("\n", "")
    assert "sample 20: " in capsys.readouterr().out


def test_the_whole_file_page_is_the_file(pages):
    assert pages["file"].blocks[-1].strip() == SOURCE.strip()


def run_cells(notebook):
    namespace = {"__name__": "__main__"}
    for cell in json.loads(notebook)["cells"]:
        if cell["cell_type"] == "code":
            exec(quick("".join(cell["source"])).replace(
                "steps=300", "steps=60"), namespace)
    return namespace


def test_the_notebook_runs_and_plays(site, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    notebook = (site / "microgpt.ipynb").read_text("utf-8")
    assert len(run_cells(notebook)["losses"]) == 60
    out = capsys.readouterr().out
    assert "sample 20: " in out and "nats a letter" in out
    assert "without matplotlib" in out
    for page in re.findall(r"\]\((\w+[\w-]*\.html)\)", notebook):
        assert (site / page).exists(), page


def test_exercises_accept_what_the_file_has_and_no_blank(maker):
    notebooks = maker("notebooks")
    run_cells(notebooks.exercises(SOURCE, blanks=()))
    for name in notebooks.EXERCISES:
        with pytest.raises(NotImplementedError):
            run_cells(notebooks.exercises(SOURCE, blanks=[name]))


@pytest.mark.parametrize("name, old, new", [
    ("Tokenizer.encode", ".index(char)", ".index(char) + 1"),
    ("Value.__mul__", "slopes = other.data, self.data",
     "slopes = self.data, other.data"),
    ("Value.backward", "+= local_grad * grad", "= local_grad * grad"),
    ("softmax", "v.exp(top)", "v.exp()"),
    ("attention", "head_dim ** -0.5", "1.0"),
    ("cross_entropy", "(logits[target] - top)", "logits[target]"),
    ("train_step", "+ new1 * grad", "+ grad"),
    ("generate", "v / temperature", "v * temperature")])
def test_exercises_refuse_a_wrong_answer(maker, name, old, new):
    notebooks = maker("notebooks")
    assert name in notebooks.EXERCISES
    if old == "v.exp(top)":  # cross_entropy has it too
        wrong = SOURCE.replace(old, new, 1)
    else:
        assert SOURCE.count(old) == 1
        wrong = SOURCE.replace(old, new)
    with pytest.raises((AssertionError, ArithmeticError)):
        run_cells(notebooks.exercises(wrong, blanks=()))


def test_every_chapter_offers_the_notebook(pages):
    for name in ["index", *CHAPTERS]:
        assert ("a", "microgpt.ipynb") in {
            (tag, attributes.get("href")) for tag, attributes
            in pages[name].tags}, name

# %% The page as such


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
                    value = (attributes.get(key) or "").replace(
                        "http://www.w3.org/", "")
                    assert "//" not in value, (name, tag, value)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//",
                             sheet.read_text("utf-8")), sheet


def words(page):
    """How many words a page has without code, comments and tags."""
    text = prose.BLOCK.sub("", (DOCS / f"{page}.md").read_text("utf-8"))
    for nothing in (prose.COMMENT, r"\A---\n.*?\n---\n", r"</?[a-z][^<>]*>",
                    r"\]\([^)]*\)"):
        text = re.sub(nothing, " ", text, flags=0 if isinstance(
            nothing, re.Pattern) else re.S)
    return len(re.findall(r"[^\W_]\S*", text))


@pytest.mark.parametrize("what, limit", [
    (PAGES, 27_000), (CHAPTERS[:7], 13_000), (CHAPTERS[7:], 1_800),
    (["torch"], 1_500)], ids=["book", "chapters", "program", "torch"])
def test_the_book_is_short(what, limit):
    counted = {page: words(page) for page in what}
    assert sum(counted.values()) <= limit, counted

# %% Numbers


@pytest.mark.parametrize("path", prose.pages(), ids=lambda path: path.stem)
def test_numbers_in_prose_are_proved(path):
    wrong = [f"{path.name}:{line}: nothing proves {' '.join(texts) or 'more'}"
             + f", said is {' '.join(said)}" * bool(said)
             for line, texts, said in prose.unproved(prose.pages()[path])]
    assert not wrong, "\n".join(["how to prove a number: see tests/prose.py",
                                 *wrong])


@pytest.mark.parametrize("page, wrong", [
    ("It is 0.705.\n\n```pycon\n>>> x\n0.7049\n```\n", []),
    ("It is 0.75.\n\n```pycon\n>>> x\n0.7049\n```\n", ["0.75"]),
    ("It is 0.7.\n\n```pycon\n>>> x\n0.7049\n```\n", ["0.7"]),
    ("# A\n36 of 900\n# B\n```\n36, 900\n```\n", ["36"]),
    ("```\n36\n```\n36 of 900, `n=37`, GPT-38 in 1999, 3, 1,234", ["1,234"]),
    ("```\n36\n```\nText.\n```\n5\n```\n36, so 3 of 5\n", ["36", "3"]),
    ("```\n0.284\n```\n28 percent, 28.4%, 29 percent, 28", ["29", "28"]),
    ("175 billion, then 96 <!-- said: 175 96 -->", []),
    ("175 billion, then 96 <!-- said: 96 175 -->", ["175", "96"]),
    ("```\n96\n```\n175 and 96 <!-- said: 175 96 -->", ["175"]),
    ("2.28 <!-- from measures.md: held-out loss after -->, 2.29", ["2.29"]),
    ("0.5, 0.6 <!-- tested: test_book.py -->", []),
    ("17 weights <!--\n>>> 8 + 9\n17\n\n-->, 18", ["18"])])
def test_what_proves_a_number(page, wrong):
    assert [text for _, texts, _ in prose.unproved(page)
            for text in texts] == wrong


@pytest.mark.parametrize("comment", ["from measures.md: held-out lossy",
                                     "tested: test_nothing.py"])
def test_a_proof_that_is_nowhere_is_told(comment):
    with pytest.raises(ValueError, match="no line|no test"):
        prose.unproved(f"<!-- {comment} -->")


def test_times_are_those_of_the_recorded_benchmark():
    """They can't be measured again; that they are told as recorded, can."""
    step = recorded("benchmark")["step"]
    table = (DOCS / "data/speed.md").read_text("utf-8")
    for name in ("textbook", "microgpt", "floor"):
        assert f"| {name} | {step[name]['ms']:.1f} |" in table
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    low, high = re.search(r"some (\d+) to (\d+) times as fast as the textbook "
                          "way", readme).groups()
    assert int(low) < step["ratio"] < int(high)
