"""The page that steps through microgpt.py, in a browser."""
import re

import pytest

from browsing import (WIDTHS, address, axe, browser, playwright,  # noqa: F401
                      pytestmark, reading, server)
from recordings import (NAMES, SOURCE, called_directly, events, recording,
                        shown, step)

WALK = """async ([press, steps]) => {
    const seen = [];
    const look = () => {
        const span = document.querySelector(".step-code .is-now");
        seen.push([Number(span.id.split("-").pop()), span.textContent.trim()]);
    };
    look();
    for (let i = 0; i < steps; i++) {
        document.querySelector(`[data-move=${press}]`).click();
        look();
    }
    return seen;
}"""


@pytest.fixture
def reader(browser, site):
    """Opens the page at a place of it, from a file."""
    with reading(browser, site.as_uri()) as page:
        def reader(place="", width=1280, height=800):
            page.set_viewport_size({"width": width, "height": height})
            page.goto("about:blank")
            page.goto(f"{site.as_uri()}/step.html{place}")
            page.locator(".step-code .is-now").wait_for()
            return page
        yield reader


def now(page):
    return page.locator(".step-count").text_content()


def lines_of(recorded):
    return [[line, SOURCE[line - 1].strip()] for line, *_ in recorded["events"]]


@pytest.mark.parametrize("name", NAMES)
def test_walk_by_button_and_back(browser, address, name):
    lines = lines_of(recording(name))
    with reading(browser, address) as page:
        page.goto(f"{address}/step.html#{name}-0")
        page.locator(".step-code .is-now").wait_for()
        assert page.evaluate(WALK, ["ArrowRight", len(lines) - 1]) == lines
        assert now(page) == f"{len(lines)} of {len(lines)}"
        assert page.evaluate(WALK, ["ArrowLeft", len(lines) - 1]) == lines[::-1]


@pytest.mark.parametrize("name", NAMES)
def test_walk_by_key(browser, site, name):
    lines = lines_of(recording(name))
    with reading(browser, site.as_uri()) as page:
        page.goto(f"{site.as_uri()}/step.html#{name}-0")
        page.locator(".step-code .is-now").wait_for()
        for i, (line, text) in enumerate(lines):
            marked = page.locator(".step-code .is-now").all_text_contents()
            assert [one.strip() for one in marked] == [text], (i, line)
            page.keyboard.press("ArrowRight")


def test_over_and_out(reader):
    recorded = recording("ada")
    begins = events(recorded, "train_step", "loss = document_loss", 1)[0]
    page = reader(f"#ada-{begins}")
    page.keyboard.press("ArrowDown")
    after = events(recorded, "train_step", "loss = document_loss")[0]
    assert now(page).startswith(f"{after + 1} of")
    inside = events(recorded, "attention", "head_dim")[0]
    page = reader(f"#ada-{inside}")
    assert page.locator(".step-crumbs li").all_text_contents() == [
        "train_step", "document_loss", "gpt", "attention, token 1"]
    page.get_by_role("button", name="↑ out").click()
    assert page.locator(".step-crumbs li").last.text_content() == "gpt"


def test_an_address_opens_its_event_and_follows(reader):
    page = reader("#ada-100")
    assert now(page).startswith("101 of")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/step.html#ada-101")
    page.evaluate("location.hash = '#name-7'")
    playwright.expect(page.locator(".step-count")).to_have_text(
        f"8 of {len(recording('name')['events'])}")
    assert page.locator(".step-head select").input_value() == "name"
    line = step.FILE.find("generate", "probs =")
    page = reader(f"#line-{line}")
    assert page.locator(".step-code .is-now").get_attribute("id").endswith(
        f"-{line}")


def test_pictures_hold_the_functions_values(reader):
    for *where, expected in called_directly():
        event, number = shown(*where)
        page = reader(f"#{where[0]}-{event}")
        cells = page.locator(f'[data-name="{where[4]}"] .step-cells')
        cells.focus()
        page.keyboard.press("Enter")
        told = (page.locator(".step-asked b").text_content()
                if page.locator(".step-asked").count()
                else page.locator(f'[data-name="{where[4]}"] output').text_content())
        value = float(told.split("= ")[1].split()[0].replace("−", "-"))
        assert value == number == pytest.approx(expected, rel=1e-3), where


def test_where_from_leads_to_the_weights(reader):
    recorded = recording("ada")
    page = reader(f"#ada-{recorded['backward']}")
    page.locator('[data-name="attn_wv"] .step-cells').focus()
    page.keyboard.press("Enter")
    where = page.locator(".step-where")
    assert "attn_wv[0][0]" in where.text_content()
    parts = [float(text.strip("= ").replace("−", "-")) for text in
             where.locator("tr td:last-child").all_text_contents()]
    node = sum([n_out * n_in for name, n_out, n_in in recorded["matrices"][:5]])
    assert recorded["matrices"][5][0] == "attn_wv"
    assert len(parts) == 4  # a token each
    assert sum(parts) == pytest.approx(recorded["grad"][node], rel=0.05)
    where.locator(".step-node").first.click()
    assert "values[0][0][0]" in where.locator("b").first.text_content()
    assert where.locator("table").first.locator("tr").count() == 16
    where.get_by_title("back").click()
    assert "attn_wv[0][0]" in where.locator("b").first.text_content()
    where.get_by_title("close").click()
    assert where.is_hidden()


def test_a_name_lights_its_cells(reader):
    recorded = recording("ada")
    page = reader(f"#ada-{events(recorded, 'gpt', 'q = linear')[0]}")
    page.locator(".step-code .is-now .n", has_text=re.compile("^q$")).hover()
    assert page.locator('[data-name="q"].is-lit').count() == 1
    page.locator('[data-name="x"]').hover()
    assert page.locator(".step-code .n.is-lit").all_text_contents()
    assert set(page.locator(".step-code .n.is-lit").all_text_contents()) == {"x"}


def test_what_changed_is_announced(reader):
    recorded = recording("ada")
    page = reader(f"#ada-{events(recorded, 'gpt', 'q = linear')[0]}")
    assert page.locator("[aria-live=polite].step-announced").text_content() == (
        f"gpt, line {step.FILE.find('gpt', 'q = linear')}: q = linear(normed, "
        'params[f"layer{i}.attn_wq"]). Changed: q [4][16].')
    assert page.locator('.step-variable.is-new').get_attribute("data-name") == "q"


def test_it_plays_and_pauses(reader):
    page = reader("#ada-0")
    page.locator(".step-play").click()
    page.wait_for_function("""() => !document.querySelector(".step-count")
        .textContent.startsWith("1 of")""")
    page.locator(".step-play").click()
    paused = now(page)
    page.wait_for_timeout(1200)
    assert now(page) == paused


def test_it_fits_the_screen(reader):
    box = "e => e.getBoundingClientRect().toJSON()"
    page = reader("#ada-150")
    assert page.locator(".step-panel").evaluate(box)["bottom"] <= 800
    columns = [page.locator(f".step-{name}").evaluate(box)
               for name in ("code", "values", "side")]
    assert [c["left"] for c in columns] == sorted({c["left"] for c in columns})
    page = reader("#ada-150", 390, 844)
    assert page.locator(".step-bar").evaluate(box)["bottom"] <= 844
    code = page.locator(".step-code")
    line = page.locator(".step-code .is-now").evaluate(box)["height"]
    assert 7 <= code.evaluate(box)["height"] / line < 8
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_without_script_and_in_print_there_are_stills(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.as_uri()}/step.html")
    stills = page.locator(".step-stills > div")
    assert stills.count() >= 12
    assert all(one.is_visible() for one in stills.all())
    context.close()
    with reading(browser, site.as_uri()) as page:
        page.goto(f"{site.as_uri()}/step.html")
        page.locator(".step-code .is-now").wait_for()
        assert page.locator(".step-stills").is_hidden()
        page.emulate_media(media="print")
        assert page.locator(".step-stills").is_visible()
        assert page.locator(".step-panel").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_at_any_stage(browser, site, axe, width, scheme):
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme,
        bypass_csp=True, reduced_motion="reduce")
    page = context.new_page()
    for name in NAMES:
        recorded = recording(name)
        for event in (0, recorded.get("backward", len(recorded["events"]) - 1)):
            page.goto("about:blank")
            page.goto(f"{site.as_uri()}/step.html#{name}-{event}")
            page.locator(".step-code .is-now").wait_for()
            if page.locator(".step-cells").count():
                page.locator(".step-cells").first.press("Enter")
            page.evaluate(axe)
            faults = page.evaluate("""async () => (await axe.run()).violations
                .map(rule => [rule.id, ...rule.nodes.map(n => n.html)])""")
            assert faults == [], (name, event)
    context.close()


def test_excerpts_link_to_their_lines(browser, site):
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(f"{site.as_uri()}/attention.html")
    if not page.locator(".step-link").count():
        for name in ("data/step-lines.js", "assets/step-links.js"):
            page.add_script_tag(url=f"{site.as_uri()}/{name}")
    link = page.locator(".step-link a").first
    line = int(link.get_attribute("href").rpartition("-")[2])
    link.click()
    marked = page.locator(".step-code .is-now")
    assert marked.get_attribute("id").endswith(f"-{line}")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    page.go_back()
    assert page.url.endswith("attention.html")
    context.close()
