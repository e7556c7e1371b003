"""The page that steps through microgpt.py: its recordings, and the page."""
import json
import math
import re
import shutil
import subprocess
import sys

import pytest

import microgpt
from microgpt import Config, add, linear, rmsnorm, softmax
from test_access import WIDTHS, axe
from test_book import DOCS, ROOT
from test_browser import (address, browser, playwright, reading, server,
                          pytestmark as in_browser)

sys.path.append(str(DOCS / "make"))
import made  # noqa: E402
import step  # noqa: E402

NAMES = list(step.RECORDINGS)
COMMAND = "run python docs/make/step.py"
SOURCE = (ROOT / "microgpt.py").read_text(encoding="utf-8").splitlines()


def recording(name):
    text = (DOCS / f"data/step-{name}.js").read_text(encoding="utf-8")
    return json.loads(text.partition(" = ")[2].rstrip(";\n"))


def events(recorded, function, start, begins=0):
    """The events at a line of a function."""
    line = step.FILE.find(function, start)
    return [i for i, event in enumerate(recorded["events"])
            if event[0] == line and event[2] == begins]


def frame_name(recorded, event):
    return recorded["frames"][recorded["events"][event][1]][0]

# %% The recordings


def test_recordings_are_what_the_file_does():
    for name, text in step.produce().items():
        old = (DOCS / name).read_text(encoding="utf-8")
        assert made.same(old, text), f"docs/{name} is stale: {COMMAND}"


def test_a_line_that_changed_is_seen(tmp_path):
    for name in ("docs/make/step.py", "docs/make/made.py", *[
            f"docs/{name}" for name in ["data/step-weights.json",
                                        *step.produce()]]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    source = "\n".join(SOURCE) + "\n"
    for old, new, stale in (
            ("+ 1e-5) **", "+ 1e-5) **", False),
            ("+ 1e-5) **", "+ 2e-2) **", True),
            ("local_grad * grad", "local_grad * grad * 1.01", True)):
        assert source.count(old) == 1
        (tmp_path / "microgpt.py").write_text(source.replace(old, new))
        done = subprocess.run(
            [sys.executable, "docs/make/step.py", "--check"], cwd=tmp_path,
            capture_output=True, text=True)
        assert ("step-ada.js" in done.stderr) == stale, (old, new)


@pytest.mark.slow
def test_stored_weights_are_what_training_gives():
    stored = json.loads(step.WEIGHTS.read_text(encoding="utf-8"))
    for name, model in step.trained().items():
        assert model.pop("chars") == stored[name]["chars"]
        for key, value in model.items():
            assert value == pytest.approx(stored[name][key], rel=1e-4, abs=1e-9), (
                f"{name} {key}: run python docs/make/step.py --train")


def test_the_palindromes_were_learned():
    """0.924 nats is what can be reached, 1.617 without attention."""
    stored = json.loads(step.WEIGHTS.read_text(encoding="utf-8"))
    assert stored["palindromes"]["held_out_loss"] == pytest.approx(0.924, abs=0.02)


def test_sizes():
    for name in NAMES:
        assert (DOCS / f"data/step-{name}.js").stat().st_size <= 250_000
    lines = {name: (DOCS / f"assets/{name}").read_text("utf-8").count("\n")
             for name in ("step.js", "step-links.js")}
    assert lines["step.js"] <= 700 and lines["step-links.js"] <= 40
    page = (DOCS / "step.md").read_text(encoding="utf-8")
    prose = re.sub(r"<[^>]*>|```.*?```|^---.*?---|--8<--.*", "", page, flags=re.S)
    assert len(prose.split()) <= 400


@pytest.mark.parametrize("name", NAMES)
def test_every_event_is_a_line_of_its_function(name):
    recorded = recording(name)
    for i, (line, frame, _, changed, *_) in enumerate(recorded["events"]):
        function, parent, _ = recorded["frames"][frame]
        assert step.FILE.owner[line] == function
        assert step.FILE.statement[line] == line
        assert all(place < len(recorded["pool"]) for place in changed.values())
        assert parent < frame
    starts = [start for start, _ in recorded["stages"]]
    assert starts == sorted(set(starts)) and starts[0] == 0


def test_events_of_calls_are_nested():
    """What a line calls stands between its beginning and its end."""
    for name in NAMES:
        open_lines = []
        for line, frame, begins, *_ in recording(name)["events"]:
            if begins:
                open_lines.append((line, frame))
            elif open_lines and open_lines[-1] == (line, frame):
                open_lines.pop()
            assert not open_lines or frame >= open_lines[-1][1]
        assert open_lines == []


def test_nodes_are_what_they_were_computed_from():
    """Slopes that follow from the recording, summed by hand, are the grads."""
    recorded = recording("ada")
    data, first = recorded["data"], len(recorded["data"]) - len(recorded["ops"])
    grads = [0.0] * len(data)
    grads[-1] = 1.0
    for own in range(len(data) - 1, first - 1, -1):
        op, rest = recorded["ops"][own - first][0], recorded["ops"][own - first][1:]
        parts = rest.split()
        groups = [step.node_numbers(part)
                  for part in (parts[:1] if op == "^" else parts)]
        children = sum(groups, [])
        if op in "d*":
            slopes = [data[i] for i in groups[1] + groups[0]]
        elif op in "+s":
            slopes = [1.0] * len(children)
        elif op == "^":
            slopes = [float(parts[1])]
        else:
            slopes = {"e": [data[own]], "c": []}.get(op) or [
                1 / data[i] if op == "l" else float(data[i] > 0)
                for i in children]
        for child, slope in zip(children, slopes):
            grads[child] += slope * grads[own]
    told = recorded["grad"]
    assert grads == pytest.approx(told, rel=0.01, abs=2e-3)  # digits are few
    assert max(map(abs, told[:first])) > 0.1


def test_links_know_the_recorded_lines():
    text = (DOCS / "data/step-lines.js").read_text(encoding="utf-8")
    ranges = json.loads(text.partition(" = ")[2].rstrip(";\n"))
    lines = {line for first, last in ranges for line in range(first, last + 1)}
    assert lines == {event[0] for name in NAMES
                     for event in recording(name)["events"]}

# %% What the page shows, from the same functions called directly


def called_directly():
    """[recording, function, line, event of it, variable, first number]."""
    run = step.loaded("names", Config(), ["ada"])
    p, tokens = run.params, [26, 0, 3, 0, 26]
    x = add([p["wte"][i] for i in tokens[:-1]], p["wpe"])
    first = [rmsnorm(row) for row in x]
    normed = [rmsnorm(row) for row in first]
    q, k, v = [linear(normed, p[f"layer0.attn_w{n}"]) for n in "qkv"]
    mixed = [microgpt.attention(4, q[i], k[:i + 1], v[:i + 1]) for i in range(4)]
    keys, values = [], []
    logits = microgpt.gpt(run.config, p, tokens[:-1], [keys], [values])
    losses = [microgpt.cross_entropy(*pair) for pair in zip(logits, tokens[1:])]
    scores = [sum([a.data * b.data for a, b in zip(q[3][12:], row[12:])]) / 2
              for row in k]
    top = max(scores)
    shares = [math.exp(s - top) for s in scores]
    after = step.loaded("names", Config(), ["ada"])
    loss = microgpt.train_step(after)
    mirror = step.loaded("palindromes", Config(n_head=1), [])
    rng = step.random.Random(step.SAMPLE_SEED)
    drawn = softmax([logit / 0.5 for logit in microgpt.gpt(
        run.config, p, [26], [[]], [[]])[0]])
    assert microgpt.generate(run.config, p, run.tokenizer, rng) == "jory"
    return [
        ("ada", "gpt", "x = [rmsnorm", 0, "x", first[0][0].data),
        ("ada", "gpt", "q = linear", 0, "q", q[0][0].data),
        ("ada", "gpt", "keys[i] +=", 0, "keys[0]", k[0][0].data),
        ("ada", "gpt", "mixed =", 0, "mixed", mixed[0][0].data),
        ("ada", "gpt", "return linear", 0, "return", logits[0][0].data),
        ("ada", "attention", "[mean] =", -1, "softmax(scores)",
         shares[0] / sum(shares)),
        ("ada", "document_loss", "losses =", 0, "losses", losses[0].data),
        ("ada", "train_step", "loss = document_loss", 0, "loss", loss),
        ("ada", "train_step", "return loss.data", 0, "wte",
         after.weights[0].data),
        ("palindrome", "gpt", "return linear", 0, "return", microgpt.gpt(
            mirror.config, mirror.params, [mirror.tokenizer.bos], [[]], [[]]
        )[0][0].data),
        ("name", "generate", "probs =", 0, "probs", drawn[0].data)]


def shown(name, function, start, which, variable):
    """The event that shows a variable, and its first number there."""
    recorded = recording(name)
    event = events(recorded, function, start)[which]
    frame, found = recorded["events"][event][1], None
    for _, of, _, changed, *_ in recorded["events"][:event + 1]:
        if of == frame:
            found = changed.get(variable, found)
    coded = recorded["pool"][found]
    while isinstance(coded, list):
        coded = coded[0]
    if isinstance(coded, str):
        node = step.node_numbers(coded[1:])[0]
        late = "adam" in recorded and event >= recorded["adam"]
        coded = recorded["after" if late else "data"][node]
    return event, coded


def test_values_are_those_of_the_functions():
    for *where, expected in called_directly():
        _, number = shown(*where)
        assert number == pytest.approx(expected, rel=1e-3), where


def test_attention_is_a_mirror():
    """Each token of the second half looks at its image's left neighbour."""
    recorded = recording("palindrome")
    event = events(recorded, "gpt", "mixed =")[0]
    rows = recorded["pool"][recorded["events"][event][3]["shares"]]
    looked_at = []
    for row in rows[4:8]:
        shares = [recorded["data"][i] for i in step.node_numbers(row[1:])]
        assert max(shares) > 0.9
        looked_at.append(shares.index(max(shares)))
    assert looked_at == [4, 3, 2, 1]

# %% In a browser


def browsed(test):
    for mark in in_browser:
        test = mark(test)
    return test


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


@browsed
@pytest.mark.parametrize("name", NAMES)
def test_walk_by_button_and_back(browser, address, name):
    lines = lines_of(recording(name))
    with reading(browser, address) as page:
        page.goto(f"{address}/step.html#{name}-0")
        page.locator(".step-code .is-now").wait_for()
        assert page.evaluate(WALK, ["ArrowRight", len(lines) - 1]) == lines
        assert now(page) == f"{len(lines)} of {len(lines)}"
        assert page.evaluate(WALK, ["ArrowLeft", len(lines) - 1]) == lines[::-1]


@browsed
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


@browsed
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


@browsed
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


@browsed
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


@browsed
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


@browsed
def test_a_name_lights_its_cells(reader):
    recorded = recording("ada")
    page = reader(f"#ada-{events(recorded, 'gpt', 'q = linear')[0]}")
    page.locator(".step-code .is-now .n", has_text=re.compile("^q$")).hover()
    assert page.locator('[data-name="q"].is-lit').count() == 1
    page.locator('[data-name="x"]').hover()
    assert page.locator(".step-code .n.is-lit").all_text_contents()
    assert set(page.locator(".step-code .n.is-lit").all_text_contents()) == {"x"}


@browsed
def test_what_changed_is_announced(reader):
    recorded = recording("ada")
    page = reader(f"#ada-{events(recorded, 'gpt', 'q = linear')[0]}")
    assert page.locator("[aria-live=polite].step-announced").text_content() == (
        f"gpt, line {step.FILE.find('gpt', 'q = linear')}: q = linear(normed, "
        'params[f"layer{i}.attn_wq"]). Changed: q [4][16].')
    assert page.locator('.step-variable.is-new').get_attribute("data-name") == "q"


@browsed
def test_it_plays_and_pauses(reader):
    page = reader("#ada-0")
    page.locator(".step-play").click()
    playwright.expect(page.locator(".step-count")).to_have_text(
        f"2 of {len(recording('ada')['events'])}")
    page.locator(".step-play").click()
    page.wait_for_timeout(1200)
    assert now(page).startswith("2 of")


@browsed
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


@browsed
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


@browsed
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


@browsed
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
