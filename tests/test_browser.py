"""The book as a reader with a browser has it: from a file, and from a server."""
import code
import json
import re
import shutil
import subprocess
import sys

import pytest

import microgpt
from browsing import (LISTEN, ROOT, address, browser, page,  # noqa: F401
                      playwright, pytestmark, reading, server, taken)
from book import CHAPTERS, PAGES, quick

LIVE = {"autograd": "backward", "attention": "attention", "training": "training",
        "sampling": "temperature"}


def recorded(kind):
    text = (ROOT / f"docs/data/live-{kind}.json").read_text(encoding="utf-8")
    return json.loads(text)


@pytest.fixture
def from_file(browser, site):
    size = {"width": 1280, "height": 1000}  # a live part is seen as a whole
    with reading(browser, site.as_uri(), viewport=size) as page:
        page.address = site.as_uri()
        yield page


@pytest.fixture
def live(from_file, request):
    """The live part of a test's page, from a file, and the focus before it."""
    name, = [name for name, kind in LIVE.items() if kind in request.node.name]
    from_file.goto(f"{from_file.address}/{name}.html")
    part = from_file.locator(".live > .live-panel")
    part.evaluate("e => e.scrollIntoView({block: 'center'})")
    part.locator(".live-head").click()
    return part


def status_text(live):
    return live.locator("[aria-live=polite]").text_content()


def status(live):
    text = status_text(live)
    assert text.endswith(".")
    return text


def press(live, control, key):
    """Go to control by Tab alone, see that it shows the focus, press key."""
    for _ in range(30):
        if control.evaluate("e => e === document.activeElement"):
            break
        live.page.keyboard.press("Tab")
    shown = control.evaluate(
        "e => getComputedStyle(e.type === 'radio' ? e.nextSibling : e).outlineStyle")
    assert shown != "none"
    live.page.keyboard.press(key)


def expect_good_manners(live):
    """Every control has a name, nothing moves, and digits are one width."""
    assert live.evaluate(
        "e => [...e.querySelectorAll('button, input, select')].every(e => "
        "[e, ...(e.labels || [])].some(e => e.textContent.trim()))")
    assert live.evaluate(
        "e => [...e.querySelectorAll('*')].every(e => "
        "parseFloat(getComputedStyle(e).transitionDuration) === 0 "
        "&& getComputedStyle(e).animationName === 'none')")
    assert "tabular-nums" in live.evaluate(
        "e => getComputedStyle(e).fontVariantNumeric")


def texts(live, selector):
    return live.locator(selector).all_text_contents()


# %% The live parts


@pytest.mark.parametrize("address, name", [
    *[("file", name) for name in LIVE], ("http", "sampling")], indirect=["address"])
def test_a_live_part_takes_the_place_of_its_figure(page, address, name):
    page.goto(f"{address}/{name}.html")
    assert page.locator(".live > .live-panel").is_visible()
    assert page.locator(".live > figure").is_hidden()
    page.emulate_media(media="print")
    assert page.locator(".live > .live-panel").is_hidden()
    assert page.locator(".live > figure > svg").is_visible()


def test_without_scripts_the_figures_are_there(browser, site):
    address = site.as_uri()
    with reading(browser, address, java_script_enabled=False) as page:
        for name in LIVE:
            page.goto(f"{address}/{name}.html")
            assert page.locator(".live > figure > svg").is_visible()
            assert page.locator(".live-panel").count() == 0


CHAIN = [  # of (a*b + a).relu()
    "Step 1 of 9: × of 2 and 3 is 6.",
    "Step 2 of 9: + of 6 and 2 is 8.",
    "Step 3 of 9: relu of 8 is 8.",
    "Step 4 of 9: relu starts with grad 1, all others with 0.",
    "Step 5 of 9: relu passes 1 × 1 = 1 to +, whose grad is now 0 + 1 = 1.",
    "Step 6 of 9: + passes 1 × 1 = 1 to ×, whose grad is now 0 + 1 = 1.",
    "Step 7 of 9: + passes 1 × 1 = 1 to a, whose grad is now 0 + 1 = 1.",
    "Step 8 of 9: × passes 3 × 1 = 3 to a, whose grad is now 1 + 3 = 4.",
    "Step 9 of 9: × passes 2 × 1 = 2 to b, whose grad is now 0 + 2 = 2."]


def test_backward(live):
    """By keyboard, by mouse and in words: every step, and its end."""
    text = live.get_by_label("expression", exact=True)
    back, following, end, reset = [live.get_by_role("button", name=name, exact=True)
                                   for name in ("Back", "Next", "To the end", "Reset")]
    text.fill("(a*b + a).relu()")
    expect_good_manners(live)
    assert live.locator(".expression-result").text_content() == (
        "Its value is 8; the slopes: a 4, b 2.")
    assert live.locator(".expression-data").count() == 2  # nothing is computed yet
    press(live, following, "Enter")
    assert status(live) == CHAIN[0]
    for line in CHAIN[1:]:
        live.page.keyboard.press("ArrowRight")
        assert status(live) == line
    live.page.keyboard.press("ArrowRight")
    following.click(force=True)  # it is off, but not disabled
    assert status(live) == CHAIN[-1]
    assert following.get_attribute("aria-disabled") == "true"
    grads = dict(zip(texts(live, ".expression-label"), texts(live, ".expression-grad")))
    assert grads == {"a": "grad 4", "b": "grad 2", "×": "grad 1", "+": "grad 1",
                     "relu": "grad 1"}
    assert live.locator("svg").get_attribute("aria-label") == (
        "Graph. a, 2, grad 4. b, 3, grad 2. ×, 6, grad 1, of a and b. "
        "+, 8, grad 1, of × and a. relu, 8, grad 1, of +.")
    back.focus()
    live.page.keyboard.press("Space")
    assert status(live) == CHAIN[-2]
    reset.click()
    back.click(force=True)
    assert status(live) == "Step 0 of 9: only the letters and numbers are known."
    end.click()
    assert status(live) == CHAIN[-1]
    assert live.locator(".is-done").count() + live.locator(
        ".expression-edge.is-now").count() == live.locator(".expression-edge").count()
    ready = live.locator(".live-controls").first.get_by_role("button")
    ready.last.click()
    assert text.input_value() == ready.last.text_content()
    assert status(live).startswith("Step 0 of ")


def test_backward_shows_any_number_name_and_size(live):
    text = live.get_by_label("expression", exact=True)
    result, error = live.locator(".expression-result"), live.locator(".live-error")
    for written, letters, expected in [
            ("a*a/c", dict(a="2", c="4"), "Its value is 1; the slopes: a 1, c −0.25."),
            ("x**18", dict(x="2"), "Its value is 262144; the slopes: x 2359296."),
            ("x*1e-7", dict(x="-2"), "Its value is −2e−7; the slopes: x 1e−7."),
            ("x*1.5", dict(x="123457"), "Its value is 185186; the slopes: x 1.5.")]:
        text.fill(written)
        for name, number in letters.items():
            live.get_by_label(f"{name} =").fill(number)
        assert result.text_content() == expected
    text.fill("")
    assert error.text_content() == "type an expression, such as a*b + a"
    text.fill("a +")
    assert error.text_content() == ("the expression ends after “+”, where a number, "
                                    "a letter or “(” is due")
    assert text.get_attribute("aria-invalid") == "true"
    assert live.locator("svg").count() == 0
    text.fill("a.log()")
    live.get_by_label("a =").fill("x")
    assert error.text_content() == "the value of a must be a number"
    live.get_by_label("a =").fill("-1")
    assert error.text_content() == "(-1.0).log(): math domain error"
    for width in (1280, 390):
        live.page.set_viewport_size({"width": width, "height": 1000})
        for written in ("a_very_long_name_of_a_letter * b",
                        " + ".join("abcdefghijklmnopqrs")):
            text.fill(written)
            live.get_by_role("button", name="To the end").click()
            boxes = live.locator(".expression-node").evaluate_all(
                "all => all.map(e => [e, e.querySelector('rect')].map("
                "e => e.getBoundingClientRect().width))")
            assert all(node <= rect + 1 for node, rect in boxes)
            assert min(rect for _, rect in boxes) > 90  # not shrunk
            assert live.page.evaluate("document.documentElement.scrollWidth") <= width


def expect_attention(live, entry, when, at):
    tokens, seen = entry["tokens"], entry[when]
    assert texts(live, "tbody th") == tokens
    assert [float(text) for text in texts(live, "tbody td") if text] == pytest.approx(
        [head[at][row] for row in range(at + 1) for head in seen["weights"]], abs=0.00501)
    shades = live.locator(".live-cell").evaluate_all(
        "all => all.map(e => Number(e.getAttribute('fill-opacity')))")
    assert shades == [w for head in seen["weights"] for row in head for w in row]
    assert texts(live, ".live-list b") == [token for token, _ in seen["next"][at]]
    assert [float(t) for t in texts(live, ".live-list .live-bar")] == pytest.approx(
        [p for _, p in seen["next"][at]], abs=0.000501)
    token, p = seen["next"][at][0]
    assert status(live).startswith(f"{when.title()} training, at {tokens[at]}")
    assert f"the likeliest next is {token} ({p:.2f})" in status(live)


def test_attention(live):
    entries = recorded("attention")["names"]
    select, radios = live.locator("select"), live.locator("input[type=radio]")
    last = len(entries[1]["tokens"]) - 1
    expect_good_manners(live)
    press(live, select, "ArrowDown")
    press(live, radios.nth(1), "ArrowLeft")
    expect_attention(live, entries[1], "before", last)
    press(live, radios.nth(2 + last), "ArrowLeft")
    expect_attention(live, entries[1], "before", last - 1)
    heights = set()
    for entry in entries:
        select.select_option(label=entry["name"])
        for when, at in (("before", 1), ("after", len(entry["tokens"]) - 2)):
            heights.add(round(live.bounding_box()["height"]))
            live.get_by_label(f"{when} training").click()
            radios.nth(2 + at).click()
            expect_attention(live, entry, when, at)
    assert len(heights) == 1, "the panel changes its height with the name"
    live.locator(".live-strip").nth(1).click()
    expect_attention(live, entry, "after", 1)


def expect_columns(live, tokens, probs):
    """A column a token, its number over it, the largest as high as can be."""
    assert texts(live, ".live-bars b") == tokens
    assert [float(t) for t in texts(live, ".live-bars .live-bar")] == pytest.approx(
        probs, abs=0.000501)
    heights = live.locator(".live-bars .live-fill").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect().height)")
    top = max(heights)
    assert [h / top for h in heights] == pytest.approx(
        [p / max(probs) for p in probs], abs=0.02)


def expect_training(live, data, at, prefix):
    shot = data["snapshots"][at]
    mean = dict(data["loss"]).get(shot["step"])
    assert live.locator(".live-value").text_content() == str(shot["step"])
    assert texts(live, ".live-samples li") == shot["samples"]
    assert texts(live, "dd") == ["–" if mean is None else f"{mean:.2f}",
                                 f"{shot['held_out']:.2f}"]
    assert f"At step {shot['step']} the held-out loss is" in status(live)
    expect_columns(live, data["tokens"], shot["next"][prefix])


def test_training(live):
    data = recorded("training")
    last = len(data["snapshots"]) - 1
    slide, radios = live.locator("input[type=range]"), live.locator("input[type=radio]")
    expect_good_manners(live)
    expect_training(live, data, last, "")
    press(live, slide, "Home")
    for at in range(last + 1):
        expect_training(live, data, at, "")
        live.page.keyboard.press("ArrowRight")
    press(live, radios.nth(0), "ArrowRight")
    slide.click(position={"x": 2, "y": 10})
    expect_training(live, data, 0, data["prefixes"][1])
    for i, prefix in enumerate(data["prefixes"]):
        radios.nth(i).click()
        expect_training(live, data, 0, prefix)


def test_temperature(live):
    """What the page computes is what the engine computes."""
    data = recorded("temperature")
    slide, radios = live.locator("input[type=range]"), live.locator("input[type=radio]")
    expect_good_manners(live)
    press(live, slide, "Home")
    assert live.locator(".live-value").text_content() == "0.10"
    live.locator(".live-head").click()
    press(live, radios.nth(1), "ArrowRight")
    for which, entry in enumerate(data["prefixes"]):
        radios.nth(which).click()
        for degree in (0.1, 0.5, 1.35, 3.0):
            slide.fill(str(degree))
            logits = [microgpt.Value(x) / degree for x in entry["logits"]]
            probs = [p.data for p in microgpt.softmax(logits)]
            expect_columns(live, data["tokens"], probs)
            assert status(live).startswith(
                f"At temperature {degree:.2f}, {data['tokens'][probs.index(max(probs))]} "
                f"follows {entry['prefix'] or 'bos alone'} with ")


def test_a_cut_off_training_figure_stays(browser, site, tmp_path):
    """If the numbers are damaged, the figure is not taken away."""
    text = (site / "training.html").read_text(encoding="utf-8")
    shutil.copytree(site / "assets", tmp_path / "assets")
    (tmp_path / "training.html").write_text(
        text.replace('"snapshots":', '"lost":', 1), encoding="utf-8")
    page = browser.new_page()
    page.goto(f"{tmp_path.as_uri()}/training.html")
    assert page.locator(".live > figure").is_visible()
    assert page.locator(".live-panel").count() == 0
    page.close()

# %% Copying


def copy(page, block):
    """What pressing the copy button of a code block puts on the clipboard."""
    if block.is_hidden():
        block.locator("xpath=ancestor::details/summary").click()
    page.evaluate("navigator.clipboard.writeText('')")
    block.hover()
    block.locator("button[data-md-type=copy], .md-clipboard").first.click()
    page.wait_for_function(
        "navigator.clipboard.readText().then(text => text !== '')")
    return page.evaluate("navigator.clipboard.readText()")


@pytest.fixture
def copier(browser, server):
    with reading(browser, server, permissions=[
            "clipboard-read", "clipboard-write"]) as page:
        page.address = server
        yield page


def test_the_copied_cells_run_after_every_chapter(copier, capsys):
    namespace, whole = {"__name__": "__main__"}, ""
    for name in CHAPTERS:
        copier.goto(f"{copier.address}/{name}.html")
        blocks = copier.locator(".highlight:not(:has(table))")
        cells = [blocks.nth(i) for i, text in enumerate(blocks.locator(
            "code").all_text_contents())
            if text.startswith(("# %% ", '"""microgpt'))]
        for cell in cells:
            text = copy(copier, cell)
            exec(quick(text), namespace)
            whole += text.strip("\n") + "\n"
    source = (ROOT / "microgpt.py").read_text(encoding="utf-8")
    assert [line for line in whole.splitlines() if line.strip()] == [
        line for line in source.splitlines() if line.strip()]
    assert "sample 20: " in capsys.readouterr().out


def errors_shown(text):
    """Names of the exceptions that a session shows."""
    return re.findall(r"^Traceback.*\n(?: +.*\n)*(?:\w+\.)*(\w+)", text, re.M)


def in_a_notebook(shown, text, names):
    """Run a cell; an error that the page shows ends it, as it should."""
    try:
        exec(text, names)
    except Exception as error:
        assert [type(error).__name__] == errors_shown(shown)[:1], (text, error)
    else:
        assert not errors_shown(shown), shown


class Prompt(code.InteractiveConsole):
    """Python's own prompt, which takes a text line by line."""

    def __init__(self, names):
        super().__init__(names)
        self.said = ""

    def write(self, data):
        self.said += data

    def paste(self, shown, text):
        self.said = ""
        for line in text.split("\n"):
            waits = self.push(line)
        assert not waits, f"the prompt waits for more after\n{text}"
        seen = re.findall(r"^(?!Traceback)(?:\w+\.)*(\w+)", self.said, re.M)
        assert seen == errors_shown(shown), f"{self.said}\n{text}"


@pytest.fixture
def names(monkeypatch, tmp_path):
    """What the first page asks for, in the folder of microgpt.py."""
    shutil.copy(ROOT / "microgpt.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "microgpt")
    names = {}
    exec("import microgpt\nfrom microgpt import *", names)
    return names


@pytest.mark.slow
@pytest.mark.parametrize("way", ["notebook", "prompt"])
@pytest.mark.parametrize("name", PAGES)
def test_whatever_is_copied_runs(copier, name, way, names):
    """All of a page in order, in a notebook and at Python's own prompt, which
    ends a class at an empty line: the exact file is not for it."""
    copier.add_init_script(LISTEN)
    copier.goto(f"{copier.address}/{name}.html")
    if (name, way) == ("file", "prompt"):
        return
    prompt = Prompt(names)
    for language, shown, text in taken(copier):
        if "language-bash" in language:
            subprocess.run(["bash", "-n"], input=text, text=True, check=True)
        elif way == "notebook":
            in_a_notebook(shown, quick(text), names)
        else:
            prompt.paste(shown, quick(text))


def test_a_press_of_the_button_fills_the_clipboard(copier, names):
    copier.goto(f"{copier.address}/autograd.html")
    text = copy(copier, copier.locator(".language-pycon").first)
    exec(text, names)
    assert names["d"](2, 3) == 8


def test_what_cannot_run_has_no_button(copier):
    """Outputs, and excerpts, which may be a part of a class."""
    copier.add_init_script(LISTEN)
    for name in PAGES:
        copier.goto(f"{copier.address}/{name}.html")
        for block in copier.locator(".highlight.no-copy").all():
            assert block.locator("button").count() == 0
        assert not [text for *_, text in taken(copier) if text.startswith(" ")]
        assert copier.locator(
            ".language-text button, .highlighttable button").count() == 0

# %% The site


def test_search_finds_softmax(page, address):
    page.goto(f"{address}/index.html")
    page.keyboard.press("/")
    page.keyboard.type("softmax")
    found = page.locator(".md-search-result__item")
    found.first.wait_for()
    assert "softmax" in found.first.text_content().lower()
    found.locator("a:visible").first.click()
    page.wait_for_url(re.compile(r"/[\w-]+\.html\?h="))


def test_the_theme_switch_goes_around(page, address):
    page.goto(f"{address}/index.html")
    seen = []
    for _ in range(4):
        seen.append(page.evaluate(
            "[document.body.dataset.mdColorMedia, document.body.dataset.mdColorScheme]"))
        page.locator("[data-md-component=palette] label:visible").click()
    assert [scheme for _, scheme in seen] == ["default", "default", "slate", "default"]
    assert len({media for media, _ in seen}) == 3
    assert seen[0] == seen[3]


def test_no_page_is_wider_than_a_phone(browser, site):
    address = site.as_uri()
    with reading(browser, address, viewport={"width": 390, "height": 844}) as page:
        for name in PAGES:
            page.goto(f"{address}/{name}.html", wait_until="domcontentloaded")
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                width = page.evaluate("document.documentElement.scrollWidth")
                assert width <= 390, (name, scheme)
            for panel in page.locator(".live-panel").all():
                assert panel.evaluate(
                    "e => [...e.querySelectorAll('*')].every(c => c.getBoundingClientRect()"
                    ".right <= e.getBoundingClientRect().right)"), name
