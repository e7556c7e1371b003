"""The book on paper: numbers beside their lines, all of a table, dark on white."""
import re
import shutil
import subprocess

import pytest

from book import SOURCE, Page
from browsing import browser, pytestmark, reading  # noqa: F401


@pytest.fixture
def printed(browser, site, tmp_path):
    """Print a page, of a reader who likes it dark -> its text, page by page."""
    if not shutil.which("pdftotext"):
        pytest.skip("there is no pdftotext here")

    def printed(name, size="A4"):
        with reading(browser, site.as_uri(), color_scheme="dark") as page:
            page.goto(f"{site.as_uri()}/{name}.html")
            page.pdf(path=tmp_path / "page.pdf", format=size)
            printed.words = page.locator(
                ".md-typeset__table td").all_text_contents()
        done = subprocess.run(
            ["pdftotext", "-raw", tmp_path / "page.pdf", "-"],
            capture_output=True, encoding="utf-8", check=True)
        return done.stdout.split("\f")[:-1]

    return printed


def squeezed(text):
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("name, size", [
    ("training", "A4"), ("training", "A5"), ("program", "A5"), ("file", "A5")])
def test_numbers_stand_beside_their_lines(printed, site, name, size):
    """On the small paper long lines wrap."""
    shown = dict(Page((site / f"{name}.html").read_text("utf-8")).numbered)
    if name == "file":
        shown = dict(enumerate(SOURCE.splitlines(), 1))
    assert shown
    found = {}
    for number, text in re.findall(
            r"^ *(\d+)  ?(.*)$", "\n".join(printed(name, size)), re.M):
        found.setdefault(int(number), []).append(squeezed(text))
    for number, line in shown.items():
        line = squeezed(line)
        assert not line or any(text and line.startswith(text)
                               for text in found[number]), (number, line)


def test_no_page_is_empty_and_no_table_is_cut(printed):
    for name in ("index", "semantics", "torch", "program", "ladder", "speed"):
        pages = printed(name)
        assert all(text.strip() for text in pages), name
        text = squeezed("".join(pages))
        for cell in printed.words:
            assert all(word in text for word in cell.split()), (name, cell)


def test_on_paper_all_is_dark_and_unfolded_and_no_button_is_left(browser, site):
    with reading(browser, site.as_uri(), color_scheme="dark") as page:
        page.goto(f"{site.as_uri()}/tokenizer.html")
        state = ("[document.body.dataset.mdColorScheme, "
                 "document.querySelectorAll('details[open]').length]")
        assert page.evaluate(state) == ["slate", 0]
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        for place in ("article p", ".highlight code", "article h1"):
            color = page.locator(place).first.evaluate(
                "e => getComputedStyle(e).color")
            assert all(float(part) < 100 for part in re.findall(
                r"[\d.]+", color)), (place, color)
        folded = page.locator("details").all()
        assert folded and all(one.locator("> :not(summary)").first.is_visible()
                              for one in folded)
        assert page.locator("button:visible, .md-button:visible").count() == 0
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert page.evaluate(state) == ["slate", 0]
