"""The site as a whole: two builders, search, print, addresses that are wrong."""
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse

import pytest

from test_book import DOCS, PAGES, ROOT, Page
from test_browser import (LISTEN, address, browser, page, playwright,
                          pytestmark, reading, server, taken)


class Links(html.parser.HTMLParser):
    """Where the links of a page's text lead, and the ids in the page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self._depth = set(), set(), 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        self._depth += tag == "article"
        if tag == "a" and self._depth and attributes.get("href"):
            self.links.add(attributes["href"])

    def handle_endtag(self, tag):
        self._depth -= tag == "article"


@pytest.fixture(scope="module")
def successor(tmp_path_factory):
    """Folder of the site that Zensical builds of the same mkdocs.yml."""
    pytest.importorskip("zensical", reason="zensical is not installed")
    folder = tmp_path_factory.mktemp("zensical")
    shutil.copytree(DOCS, folder / "docs")
    for name in ("microgpt.py", "mkdocs.yml"):
        shutil.copy(ROOT / name, folder)
    done = subprocess.run([sys.executable, "-m", "zensical", "build"],
                          cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def pages_of(site):
    return {path.name: path.read_text(encoding="utf-8")
            for path in site.glob("*.html")}


def test_both_builders_make_the_same_pages(site, successor):
    ours, theirs = pages_of(site), pages_of(successor)
    assert sorted(ours) == sorted(theirs)
    for name in PAGES:
        a, b = ours[f"{name}.html"], theirs[f"{name}.html"]
        assert Page(a).numbered == Page(b).numbered, name
        assert [block.strip() for block in Page(a).blocks] == [
            block.strip() for block in Page(b).blocks], name
        assert Links(a).links == Links(b).links, name


def test_the_pages_of_the_successor_ask_for_nothing_elsewhere(browser, successor):
    with reading(browser, successor.as_uri()) as page:
        for name in PAGES:
            page.goto(f"{successor.as_uri()}/{name}.html")


def test_both_copy_the_same(browser, site, successor):
    for name in ("autograd", "semantics"):
        copied = []
        for folder in (site, successor):
            with reading(browser, folder.as_uri()) as page:
                page.add_init_script(LISTEN)
                page.goto(f"{folder.as_uri()}/{name}.html")
                page.locator("[data-clipboard-target]").first.wait_for(
                    state="attached")
                copied.append([text for _, _, text in taken(page)])
        assert copied[0] == copied[1] and copied[0]


def test_every_link_leads_somewhere(site):
    """The builders see those of Markdown, and not those in HTML and SVG."""
    texts = pages_of(site)
    found = {name: Links(text) for name, text in texts.items()}
    for name, one in found.items():
        for link in one.links:
            path, _, anchor = link.partition("#")
            if re.match("[a-z]+:", path) or name == "404.html":
                continue
            path = urllib.parse.unquote(path.partition("?")[0]) or name
            assert (site / path).exists(), (name, link)
            if anchor and path in found:
                assert anchor in found[path].ids, (name, link)


def find(page, words):
    page.keyboard.press("/")
    page.keyboard.type(words)
    page.locator(".md-search-result__item").first.wait_for()
    page.wait_for_timeout(300)
    return page.locator(".md-search-result__item a:visible")


@pytest.mark.parametrize("words, entry", [
    ("kv cache", "glossary.html#kv-cache"),
    ("residual stream", "glossary.html#residual-stream"),
    ("perplexity", "glossary.html#perplexity")])
def test_glossary_entries_are_found_and_opened(page, address, words, entry):
    page.goto(f"{address}/index.html")
    found = find(page, words)
    links = [link.get_attribute("href").replace("?h=", "#", 0)
             for link in found.all()]
    assert any(re.sub(r"\?h=[^#]*", "", link).endswith(entry)
               for link in links), links


def test_chapters_are_found_before_the_whole_file(page, address):
    page.goto(f"{address}/index.html")
    pages = [re.search(r"([\w-]+)\.html", link.get_attribute("href"))[1]
             for link in find(page, "topological_order").all()]
    assert pages[0] == "autograd"
    assert "file" not in pages[:2]


def test_a_wrong_address_leads_home(browser, site, tmp_path):
    """At the root of a server and in a folder of it, from any depth."""
    import functools
    import http.server
    import threading
    shutil.copytree(site, tmp_path / "some/folder")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def send_error(self, code, *args):
            body = (site / "404.html").read_bytes()
            self.send_response(code)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    handler = functools.partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{httpd.server_port}/some/folder"
        page = browser.new_page()
        for wrong in ("nothing.html", "deep/er/nothing.html", "deep/"):
            page.goto(f"{root}/{wrong}")
            home = page.get_by_role("link")
            playwright.expect(home).to_have_attribute(
                "href", f"{root}/index.html")
            home.click()
            assert page.url == f"{root}/index.html"
        page.close()
        httpd.shutdown()


def test_on_paper_nothing_is_folded_and_no_button_is_left(page, address):
    page.goto(f"{address}/tokenizer.html")
    assert page.locator("details[open]").count() == 0
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    folded = page.locator("details").all()
    assert folded and all(one.locator("> :not(summary)").first.is_visible()
                          for one in folded)
    assert page.locator("button:visible, .md-button:visible").count() == 0
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


def test_a_formula_does_not_break(page, address):
    page.goto(f"{address}/autograd.html")
    text = page.locator("p", has_text="and compute d").first.text_content()
    assert "d\u00a0=\u00a0a\u00a0·\u00a0b\u00a0+\u00a0a" in text


def test_the_strip_says_which_lines_are_on_the_screen(page, address):
    page.goto(f"{address}/autograd.html")
    strip = page.locator(".map-strip")
    assert strip.is_visible()
    here = strip.locator("a.is-here")
    assert here.all_text_contents()[0].startswith("Autograd")
    excerpt = page.locator(".highlighttable").nth(1)
    excerpt.evaluate("e => e.scrollIntoView({block: 'start'})")
    ids = excerpt.locator(".code code > span[id]").evaluate_all(
        "all => all.map(e => e.id.split('-').pop())")
    playwright.expect(strip.locator("p")).to_contain_text(
        f"lines {ids[0]} to {ids[-1]} of")
    page.goto(f"{address}/glossary.html")
    assert page.locator(".map-strip").is_hidden()


def test_definitions_lead_to_their_lines(page, address):
    page.goto(f"{address}/file.html")
    source = (ROOT / "microgpt.py").read_text("utf-8").splitlines()
    for link in page.locator("li a[href^='#__span']").all():
        number = int(link.get_attribute("href").rpartition("-")[2])
        line = source[number - 1]
        assert re.match(rf"(def|class) {link.text_content()}\b", line)
        assert page.locator(link.get_attribute("href")).text_content().strip(
            "\n") == line


def test_nothing_large_is_there_for_other_languages(site):
    for path in (site / "assets/javascripts/lunr").glob("*cut*.js"):
        assert path.stat().st_size < 1000
