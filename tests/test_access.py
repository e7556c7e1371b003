"""No fault that axe knows of, on any page, in both schemes and two widths."""
import pytest

from book import PAGES
from browsing import WIDTHS, axe, browser, pytestmark  # noqa: F401

UNFOLD = "document.querySelectorAll('details').forEach(e => e.open = true)"


@pytest.fixture(scope="module", params=[
    (width, scheme) for width in WIDTHS for scheme in ("light", "dark")])
def page(browser, request):
    width, scheme = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme,
        bypass_csp=True, reduced_motion="reduce")
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", [*PAGES, "404"])
def test_axe_finds_nothing(page, site, axe, name):
    page.goto(f"{site.as_uri()}/{name}.html")
    page.evaluate(UNFOLD)
    page.evaluate(axe)
    faults = page.evaluate("""async () => (await axe.run()).violations.map(
        rule => [rule.id, ...rule.nodes.map(node => node.html)])""")
    assert faults == []


def test_axe_would_find_something(page, site, axe):
    page.goto(f"{site.as_uri()}/index.html")
    page.evaluate("document.querySelector('article').append("
                  "document.createElement('img'))")
    page.evaluate(axe)
    faults = page.evaluate("async () => (await axe.run()).violations")
    assert [rule["id"] for rule in faults] == ["image-alt"]


def test_tab_stops_are_not_line_numbers(page, site):
    """A page of code is walked through by its links, not by its lines."""
    for name in PAGES:
        page.goto(f"{site.as_uri()}/{name}.html")
        assert page.locator(".highlight :is(.linenos, .linenodiv) a").count() == 0
        assert page.locator(".highlight code a").count() == 0


def test_what_scrolls_sideways_can_be_reached(page, site):
    for name in PAGES:
        page.goto(f"{site.as_uri()}/{name}.html")
        page.evaluate(UNFOLD)
        page.wait_for_timeout(100)
        assert page.evaluate("""() => [...document.querySelectorAll(
            ".md-content :is(code, div)")].filter(e => e.offsetParent
            && e.scrollWidth > e.clientWidth
            && getComputedStyle(e).overflowX === "auto" && e.tabIndex !== 0
            && !e.querySelector("button"))
            .map(e => e.outerHTML.slice(0, 200))""") == [], name


def contrast(page, selector, behind):
    """Contrast of the background of an element with what is behind it."""
    return page.evaluate("""([selector, behind]) => {
        const canvas = document.createElement("canvas").getContext("2d");
        const luminance = (element, over) => {
            const colors = [over, element].filter(Boolean).map(
                e => getComputedStyle(e).backgroundColor);
            for (const color of colors) {
                canvas.fillStyle = color;
                canvas.fillRect(0, 0, 1, 1);
            }
            return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
                .map(v => v / 255).map(v => v <= .04045 ? v / 12.92
                    : ((v + .055) / 1.055) ** 2.4)
                .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
        };
        const element = document.querySelector(selector);
        const back = document.querySelector(behind);
        const [a, b] = [luminance(element, back), luminance(back)];
        return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    }""", [selector, behind])


def test_bars_are_seen(page, site):
    for name in ("sampling", "training", "attention"):
        page.goto(f"{site.as_uri()}/{name}.html")
        assert contrast(page, ".live-fill", "body") >= 3


def test_bars_and_choices_are_seen_in_forced_colours(page, site):
    page.emulate_media(forced_colors="active")
    try:
        for name in ("autograd", "attention", "training", "sampling"):
            page.goto(f"{site.as_uri()}/{name}.html")
            chosen = page.locator('.live-button[aria-pressed="true"], '
                                  ".live-key input:checked + span").first
            others = page.locator('.live-button[aria-pressed="false"], '
                                  ".live-key input:not(:checked) + span").first
            color = "e => getComputedStyle(e).backgroundColor"
            if chosen.count() and others.count():
                assert chosen.evaluate(color) != others.evaluate(color), name
            if page.locator(".live-fill").count():
                assert contrast(page, ".live-fill", "body") >= 3, name
    finally:
        page.emulate_media(forced_colors="none")
