"""The page that trains, as a reader with a browser has it, from a file."""
import copy
import json
import math
from collections import Counter
import re

import pytest

import microgpt
from browsing import (ROOT, browser, playwright, pytestmark,  # noqa: F401
                      reading)

SMALL = dict(n_embd=8, n_head=2, steps=40)
TEXTS = ["names", "palindromes", "sums", "sorted letters", "words",
         "Chinese numerals", "patterns"]


@pytest.fixture
def page(browser, site):  # noqa: F811
    size = {"width": 1280, "height": 1000}
    with reading(browser, site.as_uri(), viewport=size) as page:
        page.goto(f"{site.as_uri()}/train.html")
        yield page


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def unfold(page, name):
    page.locator(".train-panel summary", has_text=name).click()


def give(page, **settings):
    """Write settings into their fields."""
    if not page.locator("#train-steps").is_visible():
        unfold(page, "Settings")
    for name, value in settings.items():
        page.locator(f"#train-{name}").fill(str(value))


def give_text(page, text):
    if not page.locator("#train-text").is_visible():
        unfold(page, "What it learns")
    page.locator("#train-text").fill(text)


def status(page, text):
    page.locator(".live-status", has_text=text).wait_for(timeout=90_000)


def finish(page):
    status(page, "Done:")


def open_with(page, name, path):
    with page.expect_file_chooser() as chosen:
        press(page, name)
    chosen.value.set_files(path)


def runs(page):
    """{name: line} of the runs, each of which has come to its end."""
    playwright.expect(page.locator(".train-panel .is-main")).to_have_text(
        "Train", timeout=90_000)
    return dict(zip(page.locator(".train-runs b").all_text_contents(),
                    page.locator(".train-line").all_text_contents()))


def rows(page):
    """[(step, loss, samples)] of the chosen run, in the order of steps."""
    return [(int(row.locator("th").text_content()),
             row.locator("td").nth(0).text_content(),
             row.locator("li").all_text_contents())
            for row in page.locator(".train-samples tbody tr").all()][::-1]


def draw(run, count):
    """Samples of a copy of run's generator."""
    rng = copy.copy(run.rng)
    rng.setstate(run.rng.getstate())
    return [microgpt.generate(run.config, run.params, run.tokenizer, rng)
            for _ in range(count)]


def trained(run, until=None):
    """Train run -> the rows that the page shows of it."""
    told, steps = [], run.config.steps
    while run.step < (steps if until is None else until):
        loss = microgpt.train_step(run)
        if run.step * 10 % steps < 10 or run.step in (1, 10, 100):
            told.append((run.step, f"{loss:.4f}", draw(run, 20 if run.step == steps else 10)))
    return told


def expect_rows(page, expected):
    """Samples on the way are as many as a second allows, in the end all."""
    shown = rows(page)
    assert [row[:2] for row in shown] == [row[:2] for row in expected]
    for (*_, samples), (*_, all_of_them) in zip(shown, expected):
        assert samples and samples == all_of_them[:len(samples)]
    assert shown[-1] == expected[-1]


def run_of(docs=None, **settings):
    return microgpt.Run(microgpt.Config(**settings), docs or microgpt.load_docs())

# %% Training


def test_the_default_run_is_that_of_the_readme(page):
    press(page, "Train")
    assert page.locator(".is-main").text_content() == "Pause"
    finish(page)
    text = (ROOT / "docs/data/run.txt").read_text(encoding="utf-8")
    shown = rows(page)
    assert [(step, loss) for step, loss, _ in shown if step != 10] == [
        (int(step), loss) for step, loss in re.findall(
            r"step +(\d+) / 1000 \| loss (\S+)", text)]
    assert shown[-1][2] == re.findall(r"sample +\d+: (.*)", text)
    known = "word for word in the documents: 0 of 20"
    assert known in text
    assert page.locator(".train-samples td p").first.text_content() == known
    assert page.locator(".train-title").text_content() == (
        "1000 documents | vocabulary 27 | parameters 4192")


def test_pause_go_on_and_once_more_give_the_same_run(page):
    settings = dict(SMALL, steps=1500, seed=7)
    give(page, **settings)
    press(page, "Train")
    page.locator(".train-samples tbody tr").first.wait_for()
    press(page, "Pause")
    status(page, "Paused at step ")
    page.wait_for_timeout(300)  # samples that were due are drawn
    line = page.locator(".train-line").text_content()
    page.wait_for_timeout(200)
    assert page.locator(".train-line").text_content() == line
    press(page, "Ten more samples")  # they take nothing from the run
    press(page, "Go on")
    finish(page)
    expected = trained(run_of(**settings))
    own = {step for step, *_ in expected}
    assert [row[:2] for row in rows(page) if row[0] in own] == [
        row[:2] for row in expected]
    assert rows(page)[-1] == expected[-1]
    press(page, "Train")  # the same settings: the same run, in its place
    finish(page)
    expect_rows(page, expected)
    assert page.locator(".train-runs > div").count() == 1


def test_up_to_four_runs_are_named_by_what_differs(page):
    give(page, **SMALL, holdout=0.05)
    press(page, "Train")
    finish(page)
    first = rows(page)
    assert list(runs(page)) == ["names"]
    press(page, "one head")
    finish(page)
    press(page, "ten times the rate")
    finish(page)
    press(page, "no attention")
    finish(page)
    shown = runs(page)
    assert list(shown) == [
        "n_head=2, learning_rate=0.01, all parts",
        "n_head=1, learning_rate=0.01, all parts",
        "n_head=2, learning_rate=0.1, all parts",
        "n_head=2, learning_rate=0.01, no attention"]
    assert page.locator("polyline.train-means").count() == 8  # and in the legend
    for line, changes in zip(shown.values(), ({}, dict(n_head=1), dict(learning_rate=0.1))):
        run = run_of(**{**SMALL, "holdout": 0.05, **changes})
        trained(run)
        assert f"held-out {microgpt.held_out_loss(run):.2f}" in line
    press(page, "another seed")
    assert page.locator("#train-failed").text_content() == (
        "There are 4 runs: take one away first.")
    press(page, "Take n_head=2, learning_rate=0.1, all parts away")
    assert list(runs(page)) == [
        "n_head=2, all parts", "n_head=1, all parts", "n_head=2, no attention"]
    page.get_by_role("radio", name="n_head=2, all parts").check()
    assert rows(page) == first  # nothing of it is lost


@pytest.mark.parametrize("part", ["attention", "MLP", "positions"])
def test_a_part_left_out_is_left_out(page, part, monkeypatch):
    """As if it returned zeros, or the positions were all the same."""
    give(page, **SMALL)
    page.locator("#train-without").select_option(part)
    press(page, "Train")
    finish(page)
    shown = rows(page)
    run = run_of(**SMALL)

    def zeros(n):
        return [microgpt.Value(0.0) for _ in range(n)]

    if part == "attention":
        monkeypatch.setattr(microgpt, "attention", lambda n_head, q, *_: zeros(len(q)))
    elif part == "MLP":
        monkeypatch.setattr(microgpt, "mlp", lambda x, *_: [zeros(len(row)) for row in x])
    else:
        run.params["wpe"] = [zeros(8) for _ in run.params["wpe"]]
    assert shown[-1] == trained(run)[-1]


def test_no_steps_are_a_run_too(page):
    give(page, **dict(SMALL, steps=0))
    press(page, "Train")
    finish(page)
    assert rows(page) == [(0, "–", draw(run_of(**dict(SMALL, steps=0)), 20))]


def test_it_says_beforehand_what_it_will_take(page):
    outlook = page.locator(".train-outlook")
    outlook.filter(has_text="4,192 weights: a step takes some ").wait_for(timeout=30_000)
    give(page, n_embd=64, n_layer=4)
    outlook.filter(has_text="201,088 weights").wait_for()
    assert outlook.text_content().startswith("1,000 documents, ")
    give(page, n_embd=16, n_layer=1, block_size=5)
    cut = len([name for name in microgpt.load_docs() if len(name) > 5])
    outlook.filter(has_text=f"{cut} are longer than block_size=5, and cut there").wait_for()

# %% What is wrong is said


@pytest.mark.parametrize("name, text", [
    ("learning_rate", "0"), ("steps", "-5"), ("steps", "1.5"), ("steps", ""),
    ("seed", "1000000000000000001"), ("temperature", "it's hot"), ("n_embd", "15"),
    ("n_layer", "9" * 200), ("block_size", "0"), ("holdout", "1")])
def test_a_setting_out_of_range_is_refused_as_by_the_file(page, name, text):
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if name in ("learning_rate", "holdout"):
        value = float(value)
    with pytest.raises(ValueError) as error:
        microgpt.Config(**{name: value})
    give(page, **{name: text})
    press(page, "Train")
    field = page.locator(f"#train-{name}")
    assert page.locator(f"#train-{name}-error").text_content() == str(error.value)
    assert field.get_attribute("aria-invalid") == "true"
    assert field.evaluate("e => e === document.activeElement")
    assert page.locator(".live-error:visible").count() == 1
    assert rows(page) == []
    give(page, **{name: microgpt.Config.__dataclass_fields__[name].default})
    assert page.locator(".live-error:visible").count() == 0


def test_texts_and_files_that_are_none_are_refused(page, tmp_path):
    give_text(page, " \n\n")
    press(page, "Train")
    error = page.locator("#train-text-error")
    assert error.text_content() == (
        "the text has no text: give it a document a line")
    for name, data in (("a.txt", "ab".encode("utf-16")), ("b.txt", b"abc\xe9"),
                       ("c.txt", b"\n \n")):
        (tmp_path / name).write_bytes(data)
        open_with(page, "Open a file", tmp_path / name)
        with pytest.raises(ValueError) as told:
            microgpt.load_docs(str(tmp_path / name))
        playwright.expect(error).to_have_text(str(told.value).replace(
            repr(str(tmp_path / name)), repr(name)))


def test_divergence_and_models_too_large_are_told(page):
    give(page, learning_rate=1e9, steps=20)
    press(page, "Train")
    failed = page.locator(".train-side .live-error")
    failed.filter(has_text="training").wait_for()
    assert re.fullmatch(r"training diverged to a loss of \S+: lower "
                        r"config\.learning_rate=1000000000\.0", failed.text_content())
    status(page, "Ended at step ")
    give(page, n_embd=9000, n_head=1, learning_rate=0.01)
    press(page, "Train")
    failed.filter(has_text="over 10000000 parameters").wait_for()

# %% Texts


GREEK = "Ἀθηνᾶ\nἈπόλλων\n  Ἄρης\nἭρα😀\nΖεύς\n\nἭφαιστος 🇬🇷\nἙρμῆς\nΔημήτηρ\n"


def test_one_s_own_text_and_file_and_what_a_reload_keeps(page, tmp_path):
    (tmp_path / "gods").write_bytes(b"\xef\xbb\xbf" + GREEK.replace(
        "\n", "\r\n").encode())
    docs = microgpt.load_docs(str(tmp_path / "gods"))
    give(page, **SMALL)
    give_text(page, GREEK)
    press(page, "Train")
    finish(page)
    expected = trained(run_of(docs, **SMALL))
    expect_rows(page, expected)
    # the address has the settings, and not the text
    assert page.url.endswith("train.html#steps=40&n_embd=8&n_head=2")
    page.reload()
    assert page.locator("#train-text").input_value() == GREEK
    assert page.locator("#train-ready").input_value() == "your own"
    assert page.locator("#train-steps").input_value() == "40"
    page.locator("#train-ready").select_option("names")
    assert page.locator("#train-text").input_value().split("\n") == (
        microgpt.load_docs())
    page.locator("#train-ready").select_option("your own")  # it is still there
    assert page.locator("#train-text").input_value() == GREEK
    unfold(page, "What it learns")
    open_with(page, "Open a file", tmp_path / "gods")
    playwright.expect(page.locator("#train-text")).to_have_value("\n".join(docs))
    press(page, "Train")
    finish(page)
    expect_rows(page, expected)


def chinese(text):
    """The number that a numeral below ten thousand spells."""
    total, digit = 0, 0
    for char in text:
        if char in "千百十":
            total += (digit or 1) * {"千": 1000, "百": 100, "十": 10}[char]
            digit = 0
        elif char != "零":
            digit = "零一二三四五六七八九".index(char)
    return total + digit


def test_each_ready_text_is_what_it_says(page):
    rule = {
        "names": lambda doc: doc in microgpt.load_docs(),
        "palindromes": lambda doc: len(doc) == 8 and doc == doc[::-1],
        "sums": lambda doc: sum(map(int, doc.split("=")[0].split("+"))) == int(
            doc.split("=")[1]),
        "sorted letters": lambda doc: "".join(sorted(doc[:4])) == doc[5:],
        "words": lambda doc: re.fullmatch(
            "(un|re|over|out)?[a-z]{4,5}?(s|er|ers|ing|able)?", doc),
        "Chinese numerals": lambda doc: 0 < chinese(doc) < 10_000,
        "patterns": lambda doc: any(
            doc == (doc[:n] * 8)[:15] for n in (2, 3, 4))}
    assert list(rule) == TEXTS
    for name in TEXTS:
        page.locator("#train-ready").select_option(name)
        docs = page.locator("#train-text").input_value().split("\n")
        assert len(docs) == len(set(docs)) >= 100
        assert all(map(rule[name], docs)), name
        assert all(len(doc) < 16 for doc in docs)
        if name == "Chinese numerals":
            assert len(set(map(chinese, docs))) == len(docs)
        assert page.locator(".train-note").text_content().startswith(
            ("Made here: ", "The thousand first names"))
    page.goto("about:blank")


def test_an_address_brings_settings_and_a_text(browser, site):  # noqa: F811
    address = f"{site.as_uri()}/train.html"
    with reading(browser, site.as_uri()) as page:
        page.goto(f"{address}#n_embd=8&n_head=1&steps=30&text=sums&without=MLP&bad=1")
        press(page, "Train")
        finish(page)
        assert "step 30 / 30" in page.locator(".train-line").text_content()
        assert page.locator(".train-title").text_content() == (
            "100 documents | vocabulary 13 | parameters 1104")
        assert page.url == f"{address}#steps=30&n_embd=8&n_head=1&text=sums&without=MLP"


@pytest.mark.parametrize("docs", [None, ["abba", "abc", "cabbage", "b"]])
def test_the_lines_are_those_of_counting(page, docs):
    run = run_of(docs, steps=1, n_embd=4, n_head=1, block_size=5)
    bos = "$"  # not in the texts
    read = [(bos + doc[:5] + bos)[:6] for doc in run.docs]
    seen = [pair for text in read for pair in zip(text, text[1:])]
    letters, pairs = Counter(b for _, b in seen), Counter(seen)
    firsts, size = Counter(a for a, _ in seen), run.tokenizer.vocab_size

    def loss(probability):
        """Mean over documents of the mean over their letters; one is added to
        each count."""
        return sum([sum([-math.log(probability(a, b)) for a, b in zip(text, text[1:])])
                    / (len(text) - 1) for text in read]) / len(read)

    give(page, steps=1, n_embd=4, n_head=1, block_size=5)
    if docs:
        give_text(page, "\n".join(docs))
    press(page, "Train")
    finish(page)
    assert page.locator(".train-label").all_text_contents() == [
        f"{loss:.2f}" for loss in (
            math.log(size),
            loss(lambda a, b: (letters[b] + 1) / (len(seen) + size)),
            loss(lambda a, b: (pairs[a, b] + 1) / (firsts[a] + size)))]
    assert page.locator(".train-caption").text_content().endswith(
        "Dashed, from above: guessing evenly, letter counts, letter pair counts.")

# %% The next letter


def next_probs(run, text):
    """[(token, probability)], the likeliest first."""
    tokens = [run.tokenizer.bos, *run.tokenizer.encode(text)]
    caches = [microgpt.defaultdict(list) for _ in range(2)]
    logits = microgpt.gpt(run.config, run.params, tokens, *caches)[-1]
    temperature = run.config.temperature
    probs = [p.data for p in microgpt.softmax([v / temperature for v in logits])]
    names = [*run.tokenizer.chars, "end"]
    return sorted(zip(names, probs), key=lambda pair: -pair[1])


def test_the_next_letter_is_drawn_step_by_step(page):
    give(page, **SMALL, temperature=1)
    page.locator("#train-prompt").fill("mar")
    press(page, "Train")
    finish(page)
    run = run_of(**SMALL, temperature=1.0)
    trained(run)
    prompt, likely = page.locator("#train-prompt"), page.locator(".train-next .live-list li")
    error = page.locator("#train-prompt-error")

    def expect(text):
        ranked = next_probs(run, text)
        rest = sum(p for _, p in ranked[12:])
        playwright.expect(likely).to_have_text([
            f"{name}{p:.3f}" for name, p in ranked[:12]] + [f"15 more{rest:.3f}"])
        return ranked

    for text in ("mar", "", "z", "abcdefghijklmno"):
        prompt.fill(text)
        expect(text)
    for text, told in (("Mar", "'M' is not in the vocabulary"),
                       ("abcdefghijklmnop", "it reads 16 tokens, and they are all there")):
        prompt.fill(text)
        playwright.expect(error).to_have_text(told)
        assert likely.count() == 0
    prompt.fill("ka")
    playwright.expect(error).to_have_text("")
    letters, text = page.locator(".train-letters button"), "ka"
    for _ in range(4):
        ranked = expect(text)
        press(page, "Next letter")
        line = page.locator(".train-draw").text_content()
        drawn, name, low, high = re.match(
            r"(\S+) was drawn: it falls into the share of “(.*)”, from (\S+) to (\S+)\.$",
            line).groups()
        i = [name for name, _ in ranked].index(name)
        assert float(low) == pytest.approx(sum(p for _, p in ranked[:i]), abs=6e-4)
        assert float(high) - float(low) == pytest.approx(ranked[i][1], abs=1.1e-3)
        assert float(low) - 6e-4 <= float(drawn) <= float(high) + 6e-4
        if name == "end":
            assert page.locator(".train-letters > b").text_content() == "end"
            break
        text += name
        assert prompt.input_value() == text
        playwright.expect(letters).to_have_text(["·", *text])
    letters.nth(1).click()  # back to an earlier one
    assert prompt.input_value() == "k"
    expect("k")

# %% Models


def test_a_downloaded_model_is_loaded_by_the_program_and_here(page, out, tmp_path):
    give(page, **SMALL)
    press(page, "Train")
    finish(page)
    with page.expect_download() as download:
        press(page, "Download the model")
    assert download.value.suggested_filename == "model.json"
    path = tmp_path / "model.json"
    download.value.save_as(path)
    names = re.findall(r"sample +\d+: (.*)", out("--load", str(path)))
    assert names == rows(page)[-1][2]
    open_with(page, "Open a model", path)
    status(page, "model.json is open, at step 40 of 40")
    page.locator(".train-samples li").nth(19).wait_for()
    assert rows(page)[0][2] == names


def test_a_saved_model_goes_on_here(page, tmp_path):
    docs = microgpt.load_docs()[:50]
    settings = dict(SMALL, seed=2**53 + 1, learning_rate=0.02)
    run = run_of(docs, **settings)
    trained(run, until=12)
    path = tmp_path / "names.json"
    microgpt.save(path, run)
    open_with(page, "Open a model", path)
    status(page, "names.json is open, at step 12 of 40")
    assert page.locator("#train-seed").input_value() == str(2**53 + 1)
    press(page, "Ten more samples")
    page.locator(".train-samples li").nth(9).wait_for()
    press(page, "Go on")
    playwright.expect(page.locator(".train-side .live-error")).to_have_text(
        "'names.json' goes on only with what it was trained on")
    give_text(page, "\n".join(docs))
    press(page, "Go on")
    finish(page)
    expected = trained(run)
    assert [row[:2] for row in rows(page)[1:]] == [row[:2] for row in expected]
    assert rows(page)[-1] == expected[-1]
    for name, text in (("bad.json", path.read_text("ascii")[:-9]), ("no.json", "[]")):
        (tmp_path / name).write_text(text)
        open_with(page, "Open a model", tmp_path / name)
        playwright.expect(page.locator("#train-failed")).to_have_text(
            f"'{name}' is not a model saved by this microgpt: its checksum is "
            "wrong or missing")
    assert page.locator(".train-runs > div").count() == 1
    assert rows(page)[-1] == expected[-1]  # it is still there


# %% Manners


def test_what_it_keeps_does_not_grow_and_the_page_answers(page):
    """A curve has a thousand points, and the page works while it trains."""
    give(page, n_embd=4, n_head=1, steps=6000)
    press(page, "Train")
    page.locator(".train-samples tbody tr").nth(3).wait_for(timeout=60_000)
    give(page, seed=5)
    page.locator("#train-prompt").fill("a")
    page.locator(".train-next .live-list li").first.wait_for()
    assert "left" in page.locator(".train-line").text_content()
    finish(page)
    points = page.locator(".train-picture polyline.train-points")
    assert len(points.get_attribute("points").split()) == 1000
    assert "Thin: the loss of each 6 steps." in page.locator(
        ".train-caption").text_content()


def test_it_is_used_by_keyboard_and_told_to_screen_readers(page):
    page.evaluate("""() => {
        globalThis.heard = [];
        const line = document.querySelector('.train-panel .live-status');
        new MutationObserver(() => heard.push(line.textContent)).observe(
            line, {childList: true, characterData: true, subtree: true});
    }""")
    give(page, **SMALL)
    unfold(page, "Settings")
    page.locator(".is-main").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == (
        "solid")
    page.keyboard.press("Enter")
    finish(page)
    heard = page.evaluate("heard")
    assert heard[0] == "Training begins."
    assert [int(re.match(r"Step (\d+) of 40: the loss is ", text)[1])
            for text in heard[1:-1]] == [1, 4, 8, 10, *range(12, 41, 4)]
    assert heard[-1].startswith("Done: step 40 of 40, its mean ")
    assert page.evaluate("document.activeElement.textContent") == "Train"
    unfold(page, "Settings")
    unfold(page, "What it learns")
    assert page.locator(".train-panel").evaluate(
        "e => [...e.querySelectorAll('button, input:not([type=file]), select, textarea')]"
        ".filter(e => e.offsetParent).every(e => e.getAttribute('aria-label') || "
        "[e, ...(e.labels || [])].some(e => e.textContent.trim() && e !== "
        "document.querySelector('textarea')))")
    assert page.locator(".train-panel").evaluate(
        "e => [...e.querySelectorAll('*')].every(e => "
        "getComputedStyle(e).animationName === 'none')")


def test_without_scripts_and_in_print_a_recorded_run_stands_there(
        browser, page, site):  # noqa: F811
    assert page.locator(".train-recorded").is_hidden()
    page.emulate_media(media="print")
    assert page.locator(".train-panel").is_hidden()
    with reading(browser, site.as_uri(), java_script_enabled=False) as plain:
        plain.goto(f"{site.as_uri()}/train.html")
        assert plain.locator(".train-panel").count() == 0
        for shown in page, plain:
            assert shown.locator(".train-recorded pre").is_visible()
            assert shown.locator(".train-recorded code").text_content() == (
                ROOT / "docs/data/run.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("media", [
    dict(color_scheme="dark"), dict(forced_colors="active"),
    dict(reduced_motion="reduce")])
def test_a_phone_has_room_for_it(browser, site, media):  # noqa: F811
    with reading(browser, site.as_uri(), viewport={"width": 390, "height": 844},
                 **media) as page:
        page.goto(f"{site.as_uri()}/train.html")
        unfold(page, "What it learns")
        give(page, **SMALL)
        press(page, "Train")
        finish(page)
        press(page, "one head")
        finish(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator(".train-panel").evaluate(
            "e => [...e.querySelectorAll('*')].every(c => c.closest('.scrolls') || "
            "c.getBoundingClientRect().right <= e.getBoundingClientRect().right + 1)")
        parts = [page.locator(selector) for selector in (
            ".is-main", ".train-samples", ".train-picture svg", ".train-runs")]
        for part in parts:
            part.wait_for()
        tops = [part.evaluate("e => e.getBoundingClientRect().y")
                for part in parts]
        assert tops == sorted(tops)  # samples stand under the button
        assert rows(page)[-1] == trained(run_of(**dict(SMALL, n_head=1)))[-1]
