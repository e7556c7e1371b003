"""The page that trains, as a reader with a browser has it, from a file."""
import copy
import importlib.util
import json
import re
import shutil

import pytest

import microgpt
from test_browser import ROOT, browser, pytestmark, reading  # noqa: F401

STATUS = ".train-status"
SMALL = dict(n_embd=8, n_head=2, steps=40)


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


def give(page, side="A", **settings):
    """Write settings into their fields."""
    if not page.locator("#train-steps-A").is_visible():
        unfold(page, "Settings")
    for name, value in settings.items():
        page.locator(f"#train-{name}-{side}").fill(str(value))


def give_text(page, text):
    if not page.locator("#train-text").is_visible():
        unfold(page, "What it learns")
    page.locator("#train-text").fill(text)


def finish(page):
    page.locator(STATUS, has_text="Done:").wait_for(timeout=90_000)


def step_of(page):
    return int(re.match(r"step (\d+)", page.locator(
        ".train-line").first.text_content())[1])


def rows(page, side="A"):
    """(step, loss, samples) as they stand in the table of a run."""
    return [(row.locator("th").text_content(),
             row.locator("td").nth(0).text_content(),
             row.locator("li").all_text_contents())
            for row in page.locator(f".train-side.train-{side} tbody tr").all()]


def trained(run, until=None):
    """Train run -> the rows that the page shows of it."""
    told = []

    def sample(count):
        rng = copy.copy(run.rng)
        rng.setstate(run.rng.getstate())
        return [microgpt.generate(run.config, run.params, run.tokenizer, rng)
                for _ in range(count)]

    def report(step, loss):
        if step * 10 % run.config.steps < 10:
            last = step == run.config.steps
            told.append((str(step), f"{loss:.4f}", sample(20 if last else 10)))
        return step == until

    microgpt.train(run, report)
    return told


def run_of(docs=None, **settings):
    return microgpt.Run(microgpt.Config(**settings), docs or microgpt.load_docs())

# %% Training


def test_the_default_run_is_that_of_the_readme(page):
    main = page.locator(".train-button.is-main")
    assert main.text_content() == "Train"
    press(page, "Train")
    assert main.text_content() == "Pause"
    finish(page)
    assert main.text_content() == "Train"
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = rows(page)
    assert [(step, loss) for step, loss, _ in shown] == re.findall(
        r"step +(\d*00) / 1000 \| loss (\S+)", text)
    assert [len(samples) for _, _, samples in shown] == [10] * 9 + [20]
    assert shown[-1][2] == re.findall(r"sample +\d+: (.*)", text)
    assert "word for word in the documents: 0 of 20" in text
    assert page.locator(".train-samples td p").text_content() == (
        "word for word in the documents: 0 of 20")
    assert page.locator(".train-title").first.text_content() == (
        "1000 documents | vocabulary 27 | parameters 4192")


def test_pause_go_on_and_start_again_give_the_same_run(page):
    settings = dict(SMALL, steps=400, seed=7)
    give(page, **settings)
    press(page, "Train")
    page.locator(".train-samples tbody tr").first.wait_for()
    press(page, "Pause")
    page.wait_for_timeout(100)  # samples that were due are drawn
    at = step_of(page)
    assert 40 <= at < 400
    page.wait_for_timeout(200)
    assert step_of(page) == at
    assert page.locator(STATUS).text_content() == f"Paused at step {at} of 400."
    press(page, "Ten more samples")  # they take nothing from the run
    press(page, "Go on")
    finish(page)
    expected = trained(run_of(**settings))
    assert [row for row in rows(page) if int(row[0]) % 40 == 0
            and row[0] != str(at)] == [
                row for row in expected if row[0] != str(at)]
    press(page, "Start again")
    finish(page)
    assert rows(page) == expected


def test_settings_side_by_side(page):
    unfold(page, "Settings")
    page.get_by_label("A second run").check()
    give(page, **SMALL, temperature=1)
    give(page, "B", n_embd=4, n_head=1, n_layer=2, block_size=5, steps=60,
         learning_rate=0.02, seed=123456789012345678, temperature=0)
    press(page, "Train")
    finish(page)
    assert rows(page) == trained(run_of(**SMALL, temperature=1))
    assert rows(page, "B") == trained(run_of(
        n_embd=4, n_head=1, n_layer=2, block_size=5, steps=60, learning_rate=0.02,
        seed=123456789012345678, temperature=0))
    assert page.locator("polyline").count() == 4
    assert ", that of B " in page.locator(STATUS).text_content()
    page.get_by_label("A second run").uncheck()
    assert page.locator(".train-B.train-side").is_hidden()
    assert rows(page, "B") == []

def test_no_steps_are_a_run_too(page):
    give(page, **dict(SMALL, steps=0))
    press(page, "Train")
    finish(page)
    run = run_of(**dict(SMALL, steps=0))
    (step, loss, samples), = rows(page)
    assert (step, loss) == ("0", "–")
    assert samples == [microgpt.generate(run.config, run.params, run.tokenizer, run.rng)
                       for _ in range(20)]

# %% What is wrong is said


@pytest.mark.parametrize("name, text", [
    ("learning_rate", "0"), ("steps", "-5"), ("steps", "1e3"), ("steps", ""),
    ("seed", "1000000000000000001"), ("temperature", "it's hot"), ("n_embd", "15"),
    ("n_layer", "9" * 200), ("block_size", "0")])
def test_a_setting_out_of_range_is_refused_as_by_the_file(page, name, text):
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if text == "1e3":
        value = text
    with pytest.raises(ValueError) as error:
        microgpt.Config(**{name: value})
    give(page, **{name: text})
    press(page, "Train")
    told = page.locator(f"#train-{name}-A-error").text_content()
    assert told == str(error.value)
    assert page.locator(f"#train-{name}-A").get_attribute("aria-invalid") == "true"
    assert page.locator(f"#train-{name}-A").evaluate(
        "e => e === document.activeElement")
    assert page.locator(".train-error:visible").count() == 1
    assert rows(page) == []
    give(page, **{name: microgpt.Config.__dataclass_fields__[name].default})
    assert page.locator(".train-error:visible").count() == 0


def test_texts_and_files_that_are_none_are_refused(page, tmp_path):
    unfold(page, "What it learns")
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
        assert error.text_content() == str(told.value).replace(
            repr(str(tmp_path / name)), repr(name))
    press(page, "The thousand names")
    assert error.text_content() == ""
    assert page.locator("#train-text").input_value().split("\n") == (
        microgpt.load_docs())


def test_divergence_and_models_too_large_are_told(page):
    give(page, learning_rate=1e9, steps=20)
    press(page, "Train")
    failed = page.locator("#train-failed-A")
    failed.filter(has_text="training").wait_for()
    assert re.fullmatch(r"training diverged after step 1: the loss became \S+; "
                        r"lower learning_rate=1000000000\.0", failed.text_content())
    page.locator(STATUS, has_text="Ended: step 1 of 20, its mean ").wait_for()
    give(page, n_embd=9000, n_head=1, learning_rate=0.01)
    press(page, "Train")
    with pytest.raises(ValueError) as error:
        microgpt.param_shapes(microgpt.Config(n_embd=9000, n_head=1), 27)
    assert page.locator("#train-failed").text_content() == str(error.value)

# %% A text of one's own


def open_with(page, name, path):
    with page.expect_file_chooser() as chosen:
        press(page, name)
    chosen.value.set_files(path)
    page.wait_for_timeout(100)


GREEK = "Ἀθηνᾶ\nἈπόλλων\n  Ἄρης\nἭρα😀\nΖεύς\n\nἭφαιστος 🇬🇷\nἙρμῆς\nΔημήτηρ\n"


def test_one_s_own_text_and_file(page, tmp_path):
    (tmp_path / "gods").write_bytes(b"\xef\xbb\xbf" + GREEK.replace(
        "\n", "\r\n").encode())
    docs = microgpt.load_docs(str(tmp_path / "gods"))
    give(page, **SMALL)
    give_text(page, GREEK)
    press(page, "Train")
    finish(page)
    expected = trained(run_of(docs, **SMALL))
    assert rows(page) == expected
    press(page, "The thousand names")
    open_with(page, "Open a file", tmp_path / "gods")
    assert page.locator("#train-text").input_value().split("\n") == docs
    press(page, "Start again")
    finish(page)
    assert rows(page) == expected


@pytest.mark.parametrize("docs", [None, ["abba", "abc", "cabbage", "b"]])
def test_the_lines_are_those_of_counting(page, docs):
    spec = importlib.util.spec_from_file_location("ladder", ROOT / "docs/ladder.py")
    ladder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ladder)
    run = run_of(docs, steps=1, n_embd=4, n_head=1, block_size=5)
    run.held_out = run.docs
    give(page, steps=1, n_embd=4, n_head=1, block_size=5)
    if docs:
        give_text(page, "\n".join(docs))
    press(page, "Train")
    finish(page)
    assert page.locator(".train-label").all_text_contents() == [
        f"{microgpt.math.log(run.tokenizer.vocab_size):.2f} guessing evenly",
        f"{ladder.loss_of(ladder.letter_counts(run), run):.2f} letter counts",
        f"{ladder.loss_of(ladder.pair_counts(run), run):.2f} letter pair counts"]


def test_what_comes_after_a_prompt(page):
    give(page, **SMALL)
    page.locator("#train-prompt").fill("mar")
    press(page, "Train")
    finish(page)
    run = run_of(**SMALL)
    trained(run)

    def expected(prompt):
        tokens = microgpt.encode_prompt(run.config, run.tokenizer, prompt)
        logits = microgpt.gpt(run.config, run.params, tokens, [[]], [[]])[-1]
        probs = [p.data for p in microgpt.softmax(logits)]
        names = [*run.tokenizer.chars, "end"]
        order = sorted(range(27), key=lambda i: -probs[i])
        return [f"{names[i]}{probs[i]:.3f}" for i in order[:12]] + [
            f"15 more{sum([probs[i] for i in order[12:]]):.3f}"]

    likely = page.locator(".train-of-A .train-likely li")
    for prompt in ("mar", "", "z", "abcdefghijklmno"):
        page.locator("#train-prompt").fill(prompt)
        assert likely.all_text_contents() == expected(prompt)
    for prompt in ("Mar", "it's", "abcdefghijklmnop"):
        page.locator("#train-prompt").fill(prompt)
        with pytest.raises(ValueError) as error:
            microgpt.encode_prompt(run.config, run.tokenizer, prompt)
        assert page.locator("#train-prompt-error").text_content() == str(error.value)
        assert likely.count() == 0
    page.locator("#train-prompt").fill("a")
    assert page.locator("#train-prompt-error").text_content() == ""

# %% Models


def test_a_downloaded_model_is_loaded_by_the_program(page, out, tmp_path):
    give(page, **SMALL)
    press(page, "Train")
    finish(page)
    press(page, "Ten more samples")
    page.wait_for_timeout(200)
    with page.expect_download() as download:
        press(page, "Download the model")
    assert download.value.suggested_filename == "model.json"
    path = tmp_path / "model.json"
    download.value.save_as(path)
    names = re.findall(r"sample +\d+: (.*)", out("--load", str(path)))
    assert names == rows(page)[-1][2][:20]
    assert len(rows(page)[-1][2]) == 30


def test_a_saved_model_goes_on_here(page, tmp_path):
    docs = microgpt.load_docs()[:50]
    settings = dict(SMALL, seed=2**53 + 1, learning_rate=0.02)
    run = run_of(docs, **settings)
    trained(run, until=12)
    path = tmp_path / "names.json"
    microgpt.save(path, run)
    open_with(page, "Open a model", path)
    assert page.locator(STATUS).text_content().startswith(
        "names.json is open, at step 12 of 40")
    assert page.locator("#train-seed-A").input_value() == str(2**53 + 1)
    press(page, "Ten more samples")
    page.wait_for_timeout(200)
    before = rows(page)
    assert (before[0][0], len(before[0][2])) == ("12", 10)
    press(page, "Go on")
    assert page.locator("#train-failed").text_content() == (
        "'names.json' can only go on with the FILE that it was trained on")
    give_text(page, "\n".join(docs))
    press(page, "Go on")
    finish(page)
    expected = trained(run)
    assert rows(page)[1:] == expected
    (tmp_path / "bad.json").write_text(path.read_text("ascii")[:-9])
    open_with(page, "Open a model", tmp_path / "bad.json")
    assert page.locator("#train-failed").text_content().startswith(
        "'bad.json' is not a model saved by microgpt (SyntaxError: ")
    assert rows(page)[1:] == expected


def test_a_finished_model_samples_what_the_program_samples(page, out, tmp_path):
    path = tmp_path / "model.json"
    out("--steps", "9", "--n-embd", "8", "--save", str(path))
    open_with(page, "Open a model", path)
    page.locator(".train-samples li").nth(19).wait_for()
    assert rows(page)[0][2] == re.findall(
        r"sample +\d+: (.*)", out("--load", str(path)))

# %% Manners


def test_the_page_stays_responsive_and_small(page):
    """Frames come while it trains, and what it keeps does not grow."""
    give(page, n_embd=4, n_head=1, steps=6000)
    unfold(page, "Settings")
    devtools = page.context.new_cdp_session(page)

    def heap():
        devtools.send("HeapProfiler.collectGarbage")
        return devtools.send("Runtime.getHeapUsage")["usedSize"]

    press(page, "Train")
    gaps = page.evaluate("""() => new Promise((done) => {
        const times = [];
        const frame = (now) => {
          times.push(now);
          if (times.length < 40) requestAnimationFrame(frame);
          else done(times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b));
        };
        requestAnimationFrame(frame);
    })""")
    assert gaps[len(gaps) // 2] < 100
    page.locator(".train-samples tbody tr").nth(2).wait_for(timeout=60_000)
    early = heap()
    finish(page)
    assert heap() - early < 3_000_000
    assert len(page.locator("polyline").first.get_attribute("points").split()) == 1000
    assert "Thin: the loss of each 6 steps." in page.locator(
        ".train-caption").text_content()


def test_it_stops_when_the_reader_leaves(page):
    give(page, n_embd=4, n_head=1, steps=100_000)
    press(page, "Train")
    page.wait_for_timeout(200)

    def moves():
        page.wait_for_timeout(250)
        at = step_of(page)
        page.wait_for_timeout(250)
        return step_of(page) > at

    assert moves()
    for leave, come in [
            ("Object.defineProperty(document, 'hidden', {configurable: true,"
             "get: () => true}); document.dispatchEvent(new Event('visibilitychange'))",
             "delete document.hidden;"
             "document.dispatchEvent(new Event('visibilitychange'))"),
            ("dispatchEvent(new Event('pagehide'))",
             "dispatchEvent(new Event('pageshow'))")]:
        page.evaluate(f"() => {{ {leave} }}")
        assert not moves()
        page.evaluate(f"() => {{ {come} }}")
        assert moves()
    press(page, "Pause")


def test_it_is_used_by_keyboard_and_told_to_screen_readers(page):
    page.evaluate("""() => {
        globalThis.heard = [];
        const line = document.querySelector('.train-status');
        new MutationObserver(() => heard.push(line.textContent)).observe(
            line, {childList: true, characterData: true, subtree: true});
    }""")
    give(page, **SMALL)
    unfold(page, "Settings")
    page.locator(".train-button.is-main").focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == (
        "solid")
    page.keyboard.press("Enter")
    finish(page)
    heard = page.evaluate("heard")
    assert heard[0] == "Training begins."
    assert [int(re.match(r"Step (\d+) of 40: the loss is ", text)[1])
            for text in heard[1:-1]] == list(range(4, 41, 4))
    assert heard[-1].startswith("Done: step 40 of 40, its mean ")
    assert page.evaluate("document.activeElement.textContent") == "Train"
    unfold(page, "Settings")
    unfold(page, "What it learns")
    page.get_by_label("A second run").check()
    assert page.locator(".train-panel").evaluate(
        "e => [...e.querySelectorAll('button, input:not([type=file]), textarea')].filter("
        "e => e.offsetParent).every(e => e.getAttribute('aria-label') || "
        "[e, ...(e.labels || [])].some(e => e.textContent.trim() && e !== "
        "document.querySelector('textarea')))")
    assert page.locator(".train-panel").evaluate(
        "e => [...e.querySelectorAll('*')].every(e => "
        "getComputedStyle(e).animationName === 'none')")


def test_without_scripts_and_in_print_a_recorded_run_stands_there(
        browser, page, site):  # noqa: F811
    run = (ROOT / "docs/data/run.txt").read_text(encoding="utf-8")
    assert page.locator(".train-recorded").is_hidden()
    page.emulate_media(media="print")
    assert page.locator(".train-panel").is_hidden()
    assert page.locator(".train-recorded pre").is_visible()
    assert page.locator(".train-recorded code").text_content() == run
    with reading(browser, site.as_uri(), java_script_enabled=False) as plain:
        plain.goto(f"{site.as_uri()}/train.html")
        assert plain.locator(".train-recorded pre").is_visible()
        assert plain.locator(".train-recorded code").text_content() == run
        assert plain.locator(".train-panel").count() == 0


@pytest.mark.parametrize("media", [
    dict(color_scheme="dark"), dict(forced_colors="active"),
    dict(reduced_motion="reduce")])
def test_a_phone_has_room_for_it(browser, site, media):  # noqa: F811
    with reading(browser, site.as_uri(), viewport={"width": 390, "height": 844},
                 **media) as page:
        page.goto(f"{site.as_uri()}/train.html")
        unfold(page, "What it learns")
        unfold(page, "Settings")
        page.get_by_label("A second run").check()
        give(page, **SMALL)
        give(page, "B", **SMALL)
        press(page, "Train")
        finish(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator(".train-panel").evaluate(
            "e => [...e.querySelectorAll('*')].every(c => c.getBoundingClientRect()"
            ".right <= e.getBoundingClientRect().right + 1)")
        assert rows(page) == rows(page, "B") == trained(run_of(**SMALL))


# %% An expression of one's own


@pytest.fixture
def expression(browser, site, tmp_path):  # noqa: F811
    """A page with that part alone."""
    for folder in "assets", "search":
        shutil.copytree(site / folder, tmp_path / folder)
    text = (site / "train.html").read_text(encoding="utf-8")
    assert text.count('id="train"') == 1
    (tmp_path / "expression.html").write_text(
        text.replace('id="train"', 'id="expression"'), encoding="utf-8")
    with reading(browser, tmp_path.as_uri()) as page:
        page.goto(f"{tmp_path.as_uri()}/expression.html")
        yield page


def test_an_expression_is_worked_out_step_by_step(expression):
    page = expression
    text = page.get_by_label("expression", exact=True)
    status = page.locator(".expression-status")
    result = page.locator(".expression-result")
    assert text.input_value() == "(a*b + a).relu()"
    assert result.text_content() == "Its value is 8; the slopes: a 4, b 2."
    assert page.locator(".expression-data").count() == 2  # nothing is computed yet
    told = []
    page.get_by_role("button", name="Next").focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")
        told.append(status.text_content())
    assert told == [
        "Step 1 of 9: × of 2 and 3 is 6.",
        "Step 2 of 9: + of 6 and 2 is 8.",
        "Step 3 of 9: relu of 8 is 8.",
        "Step 4 of 9: relu starts with grad 1, all others with 0.",
        "Step 5 of 9: relu passes 1 × 1 = 1 to +, whose grad is now 0 + 1 = 1.",
        "Step 6 of 9: + passes 1 × 1 = 1 to ×, whose grad is now 0 + 1 = 1.",
        "Step 7 of 9: + passes 1 × 1 = 1 to a, whose grad is now 0 + 1 = 1.",
        "Step 8 of 9: × passes 3 × 1 = 3 to a, whose grad is now 1 + 3 = 4.",
        "Step 9 of 9: × passes 2 × 1 = 2 to b, whose grad is now 0 + 2 = 2."]
    grads = dict(zip(page.locator(".expression-label").all_text_contents(),
                     page.locator(".expression-grad").all_text_contents()))
    assert grads == {"a": "grad 4", "b": "grad 2", "×": "grad 1", "+": "grad 1",
                     "relu": "grad 1"}
    page.get_by_label("b =").fill("-3")
    assert result.text_content() == "Its value is 0; the slopes: a 0, b 0."
    text.fill("a*a/c")
    page.get_by_label("c =").fill("4")
    assert result.text_content() == "Its value is 1; the slopes: a 1, c −0.25."
    page.get_by_role("button", name="To the end").click()
    assert page.locator(".expression-edge.is-done, .expression-edge.is-now").count() == (
        page.locator(".expression-edge").count())
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_wrong_expression_is_told_in_one_line(expression):
    page = expression
    text = page.get_by_label("expression", exact=True)
    error = page.locator("#expression-error")
    for wrong, told in (("a +", "the expression ends after “+”, where a number, "
                         "a letter or “(” is due"),
                        ("alert(1)", "“(” stands after “alert”, where an operator is due")):
        text.fill(wrong)
        assert error.text_content() == told
        assert text.get_attribute("aria-invalid") == "true"
        assert page.locator(".expression-picture svg").count() == 0
    text.fill("a.log()")
    assert error.text_content() == ""
    page.get_by_label("a =").fill("x")
    assert error.text_content() == "the value of a must be a number"
    page.get_by_label("a =").fill("-1")
    assert error.text_content() == "(-1.0).log(): math domain error"


def test_names_come_with_the_page(page):
    assert page.locator("#train-text").input_value().split("\n") == (
        microgpt.load_docs())
