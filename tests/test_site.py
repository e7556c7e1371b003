"""The site as a whole: two builders, what is offered, search, weight, the front."""
import contextlib
import html.parser
import itertools
import json
import math
import random
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse

import pytest

import microgpt
from book import CHAPTERS, DOCS, PAGES, ROOT, SOURCE, Page
from browsing import (LISTEN, address, browser, page, playwright,  # noqa: F401
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
                assert (anchor in found[path].ids  # or an event of the page
                        or re.fullmatch(r"(ada|line)-\d+", anchor)), (name, link)


def find(page, words):
    page.keyboard.press("/")
    page.keyboard.type(words)
    page.locator(".md-search-result__item").first.wait_for()
    page.wait_for_timeout(300)
    return page.locator(".md-search-result__item a:visible")


@pytest.mark.parametrize("words", [
    "kv cache", "residual stream", "perplexity"])
def test_glossary_entries_are_found_and_opened(page, address, words):
    page.goto(f"{address}/index.html")
    links = [re.sub(r"\?h=[^#]*", "", link.get_attribute("href"))
             for link in find(page, words).all()]
    entry = f"glossary.html#{words.replace(' ', '-')}"
    assert any(link.endswith(entry) for link in links), links


def pages_found(page, address, words):
    page.goto(f"{address}/index.html")
    return [re.search(r"([\w-]+)\.html", link.get_attribute("href"))[1]
            for link in find(page, words).all()]


def test_what_is_asked_for_is_found_first(page, address):
    assert pages_found(page, address, "attention")[0] == "attention"
    assert pages_found(page, address, "notebook")[0] in ("index", "file")
    assert pages_found(page, address, "topological_order")[0] == "autograd"
    for option in "--holdout", "--n-head":
        assert pages_found(page, address, option)
        assert option[2:] in page.locator(
            ".md-search-result__list").text_content().lower()


def test_the_file_is_offered_as_it_is(site, successor):
    for folder in (site, successor):
        offered = (folder / "download/microgpt.py").read_bytes()
        assert offered == (ROOT / "microgpt.py").read_bytes()
        assert "download/microgpt.py" in {
            link.replace("./", "") for link in Links(
                (folder / "index.html").read_text("utf-8")).links}


def test_the_button_of_the_whole_file_copies_it_exactly(
        browser, site, successor):
    for folder in (site, successor):
        with reading(browser, folder.as_uri()) as page:
            page.add_init_script(LISTEN)
            page.goto(f"{folder.as_uri()}/file.html")
            page.locator("[data-clipboard-target]").first.wait_for(
                state="attached")
            assert taken(page)[-1][-1] == SOURCE


def test_the_whole_file_opens_at_a_name_and_at_a_line(page, address):
    lines = SOURCE.splitlines()
    page.goto(f"{address}/file.html")
    names = page.locator("li a[href^='#__span']").all_text_contents()
    assert {"Value", "softmax", "train_step", "main"} <= set(names)
    for anchor, line in [("L233", re.escape(lines[232])),
                         *((name, rf"(def|class) {name}\b") for name in names)]:
        page.goto(f"{address}/file.html#{anchor}")
        target = page.locator(".numbered span:target")
        assert re.match(line, target.text_content())
        playwright.expect(target).to_be_in_viewport()
        number = int(target.get_attribute("id").rpartition("-")[2])
        assert target.text_content() == lines[number - 1] + "\n"


def test_a_chapter_weighs_little(browser, site, server):
    """What is fetched until somebody searches, in bytes before compression."""
    for name in ("index", *CHAPTERS):
        with reading(browser, server) as page:
            came = []
            page.on("response", lambda response: came.append(response))
            page.goto(f"{server}/{name}.html", wait_until="networkidle")
            weights = {one.url: len(one.body()) for one in came}
            assert weights and sum(weights.values()) < 750_000, (name, weights)
            assert not any("search_index" in url for url in weights)


def test_a_wrong_address_leads_home(browser, site, tmp_path):
    """At the root of a server and in a folder of it, from any depth."""
    import functools
    import http.server
    import threading
    shutil.copytree(site, tmp_path / "some/folder")

    class Handler(http.server.SimpleHTTPRequestHandler):
        error_message_format = (site / "404.html").read_text(
            "utf-8").replace("%", "%%")

        def log_message(self, *args):
            pass

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


def test_nothing_large_is_there_for_other_languages(site):
    for path in (site / "assets/javascripts/lunr").glob("*cut*.js"):
        assert path.stat().st_size < 1000


# %% The first page


@pytest.fixture
def front(page, address):
    page.goto(f"{address}/index.html")
    return page.locator(".front-work")


@pytest.fixture(scope="module")
def model():
    """The model of the front page, in Python."""
    script = (DOCS / "data/front-model.js").read_text("utf-8")
    data = json.loads(re.fullmatch(r"globalThis.frontModel = (.*);\n", script)[1])
    tokenizer = microgpt.Tokenizer([data["chars"]])
    config = microgpt.Config()
    params = microgpt.init_params(config, tokenizer.vocab_size, random.Random(0))
    weights = itertools.chain(*itertools.chain(*params.values()))
    for w, thousandths in zip(weights, data["weights"], strict=True):
        w.data = thousandths / 1000
    return config, params, tokenizer


def test_the_front_expects_what_the_program_does(front, model):
    config, params, tokenizer = model
    assert microgpt.document_loss(*model, "karina").data < 1.9  # untrained: 3.3
    for text in ("ka", "q", "", "matild"):
        front.get_by_role("textbox").fill(text)
        ids = [tokenizer.bos, *tokenizer.encode(text)]
        keys, values = {0: []}, {0: []}
        logits = microgpt.gpt(config, params, ids, keys, values)
        probs = [p.data for p in microgpt.softmax(logits[-1])]
        top = max(range(len(probs)), key=probs.__getitem__)
        told = front.locator("[aria-live]").text_content()
        assert f"expects {[*tokenizer.chars, 'end'][top]} ({probs[top]:.0%})" in told
        shown = front.locator(".front-letters tr").nth(1).locator("td")
        given = [microgpt.softmax(row)[i].data for row, i in zip(logits, ids[1:])]
        for cell, p in zip(shown.all_text_contents()[1:], given, strict=True):
            assert cell == ("<1%" if p < 0.01 else f"{math.floor(100 * p + .5)}%")
        for row in front.locator(".front-letters tr").all()[2:]:
            looks = row.locator("td").evaluate_all(
                "all => all.map(e => Number(e.style.getPropertyValue('--share')))")
            assert len(looks) == len(ids) and math.isclose(sum(looks), 1)


def test_a_key_lets_a_name_go_on_to_its_end(front):
    box = front.get_by_role("textbox")
    box.fill("Zoë K.")
    assert "It knows only a to z, so it leaves out . here. After zoek it" in (
        front.locator("[aria-live]").text_content())
    box.fill("ma")
    box.press("Enter")
    assert re.fullmatch("ma[a-z]", box.input_value())
    front.get_by_role("button", name="To the end").click()
    assert "It ends here: ma" in front.locator("[aria-live]").text_content()
    front.get_by_role("button", name="the beginning").click()
    assert "At the beginning it" in front.locator("[aria-live]").text_content()
    box.press("Enter")
    assert len(box.input_value()) == 3  # another one


@pytest.mark.parametrize("motion, does", [
    ("no-preference", "Stop"), ("reduce", "Play")])
def test_learning_starts_when_it_is_seen(browser, site, motion, does):
    first, *_, last = json.loads((DOCS / "data/live-training.json").read_text("utf-8"))["snapshots"]
    with reading(browser, site.as_uri(), reduced_motion=motion) as page:
        page.goto(f"{site.as_uri()}/index.html")
        part = page.locator("#front-learning .live-panel")
        names = part.locator(".live-names li")
        assert names.all_text_contents() == last["samples"]
        part.scroll_into_view_if_needed()
        playwright.expect(part.get_by_role("button")).to_have_text(does)
        part.locator("input").fill("0")
        assert names.all_text_contents() == first["samples"]
        assert f"{first['held_out']:.2f} on names it has never seen" in (
            part.locator(".front-numbers").text_content())


class Firefox:
    """Speaks Firefox's own protocol, Marionette, to a browser in a folder."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (folder / "user.js").write_text(f'user_pref("marionette.port", {port});')
        self.process = subprocess.Popen(
            ["firefox", "--headless", "--marionette", "--no-remote", "--profile",
             folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(120):
            with contextlib.suppress(OSError):
                self.socket = socket.create_connection(("127.0.0.1", port))
                break
            time.sleep(0.5)
        self.file, self.n = self.socket.makefile("rb"), 0
        self.answer()
        self.ask("WebDriver:NewSession")

    def answer(self):
        length = b"".join(iter(lambda: self.file.read(1), b":"))
        return json.loads(self.file.read(int(length)))

    def ask(self, command, **parameters):
        self.n += 1
        text = json.dumps([0, self.n, command, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(text), text))
        _, _, error, value = self.answer()
        assert error is None, error
        return value


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    if not shutil.which("firefox"):
        pytest.skip("there is no firefox here")
    firefox = Firefox(tmp_path_factory.mktemp("firefox"))
    yield firefox
    firefox.ask("Marionette:Quit", flags=["eForceQuit"])
    firefox.socket.close()
    firefox.process.wait(20)


@pytest.mark.parametrize("name", ["index", "train", "step"])
def test_the_live_pages_live_in_firefox_too(firefox, site, name):
    """Controls that scripts made are there, and answer."""
    def run(script):
        return firefox.ask("WebDriver:ExecuteScript", sandbox=None, args=[],
                           script=script)["value"]

    firefox.ask("WebDriver:Navigate", url=f"{site.as_uri()}/{name}.html")
    assert run("""return [...document.querySelectorAll(
        "article button:not(.md-code__button)")].some(e => e.offsetParent)""")
    if name == "index":
        assert run("""const box = document.querySelector("#front-text");
            box.value = "matild";
            box.dispatchEvent(new Event("input"));
            return document.querySelector(".front-work [aria-live]").textContent
        """).startswith("After matild it expects end (")
