"""The program as its users meet it: what it prints, and what it refuses."""
import io
import itertools
import os
import pathlib
import re
import shlex
import subprocess
import sys
import threading
import time
import unicodedata
from dataclasses import fields

import pytest

import microgpt
from microgpt import Config
from program import (COMMAND, QUICK, SIZES, SMALL, TINY, count_known, samples,
                     script)

GOLDEN = """\
documents 1000 (0 held out, 0 cut to 16 tokens) | vocabulary 27 | parameters 4192
step    1 / 1000 | loss 3.2451
step  100 / 1000 | loss 2.1729
step  200 / 1000 | loss 3.5204
step  300 / 1000 | loss 2.5291
step  400 / 1000 | loss 3.0775
step  500 / 1000 | loss 1.8561
step  600 / 1000 | loss 3.1501
step  700 / 1000 | loss 2.3058
step  800 / 1000 | loss 2.1174
step  900 / 1000 | loss 3.1106
step 1000 / 1000 | loss 2.5685
sample  1: shann
sample  2: minndie
sample  3: shana
sample  4: sora
sample  5: manne
sample  6: marl
sample  7: laran
sample  8: sichol
sample  9: miico
sample 10: aran
sample 11: rina
sample 12: jera
sample 13: ericel
sample 14: cariele
sample 15: carin
sample 16: thaly
sample 17: shera
sample 18: branere
sample 19: tharis
sample 20: jone
word for word in the documents: 0 of 20
"""


@pytest.fixture
def printed(main):
    """What main prints when all goes well."""
    def printed(*args):
        status, stdout, stderr = main(*args)
        assert (status, stderr) == (0, "")
        return stdout
    return printed


# What it prints


def test_default_run(tmp_path):
    """Losses and samples are the same on every Python."""
    done = subprocess.run(COMMAND, capture_output=True, encoding="utf-8",
                          cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, GOLDEN, "")


@pytest.mark.parametrize("file", ["README.md", "docs/data/run.txt"])
def test_the_run_that_readers_are_shown(file):
    root = pathlib.Path(microgpt.__file__).parent
    assert GOLDEN in (root / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("steps, shown", [
    (25, [1, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25]), (7, [*range(1, 8)]),
    (1, [1]), (0, [])])
def test_every_line(printed, steps, shown):
    lines = printed(*TINY, f"--steps={steps}", "--samples=11").splitlines()
    assert lines.pop(0) == ("documents 3 (0 held out, 0 cut to 8 tokens) | "
                            "vocabulary 7 | parameters 280")
    for step, line in zip(shown, lines):
        assert re.fullmatch(rf"step {step:4d} / {steps:4d} \| loss \d\.\d{{4}}",
                            line)
    for i, line in enumerate(lines[len(shown):-1], 1):
        assert re.fullmatch(rf"sample {i:2d}: [abenov]{{0,8}}", line)
    assert len(lines) == len(shown) + 11 + 1
    assert count_known(lines[-1])[1] == 11


def test_seed(out):
    """Another process, whose sets have another order, prints the same."""
    text = out(*QUICK)
    assert text == out(*QUICK, "--seed", "42") != out(*QUICK, "--seed", "43")


def test_prompt_and_no_samples(printed):
    for sample in samples(printed(*QUICK, "--prompt", "eve")):
        assert sample.startswith("eve")
    text = printed(*QUICK, "--samples", "0")
    assert samples(text) == [] and "word for word" not in text


def test_temperature(printed):
    likeliest, cold, cool, hot = [
        samples(printed(*TINY, "--steps", "9", "--samples=9", "--temperature",
                        t)) for t in ("0", "1e-9", "0.5", "9")]
    assert len(set(cold)) == 1 < len(set(cool)) and hot != cool
    assert likeliest == cold


@pytest.mark.parametrize("holdout", ["0", "0.4"])
def test_word_for_word(printed, holdout):
    """Held-out documents count too, repeated samples each time."""
    text = printed(*TINY, "--steps=150", "--samples=60", "--seed=3",
                   "--holdout", holdout)
    known = [sample in ("anna", "bob", "eve") for sample in samples(text)]
    assert 0 < sum(known) < 60
    assert count_known(text) == (sum(known), 60)
    text = printed(*TINY, "--steps=1", "--prompt=bob", "--temperature=9",
                   "--samples=20", "--holdout", holdout)
    assert count_known(text)[0] == samples(text).count("bob") > 0


def test_word_for_word_of_documents_that_are_cut(printed, docs):
    """A sample can't be longer than what was read: that is what it copies."""
    docs.write_text("abcdabcdabcd\n")
    text = printed(*TINY, "--block-size=7", "--steps=200", "--temperature=0",
                   "--samples=2")
    assert "(0 held out, 1 cut to 7 tokens)" in text
    assert samples(text) == ["abcdabc"] * 2 and count_known(text) == (2, 2)


def test_a_text_of_which_most_is_never_read(main, docs):
    """As a book on one line. It was learned by heart, and all seemed well."""
    docs.write_text("abcd" * 100)
    status, stdout, stderr = main(*QUICK)
    assert status == 0 and "(0 held out, 1 cut to 8 tokens)" in stdout
    assert stderr == ("microgpt: only 8 of 400 characters are read: raise "
                      "--block-size, or give it shorter documents\n")


def test_paragraphs(printed, docs):
    """Line ends are learned, and are printed as such; the model knows it."""
    docs.write_text("an\nna\n\n\nbob\x07\n")
    args = [*TINY, "--temperature=0", "--samples=1", "--prompt=a"]
    text = printed(*args, "--steps=150", "--paragraphs", "--save=m.json")
    assert text.startswith("documents 2 (0 held out, 0 cut to 8 tokens) | "
                           "vocabulary 7 |")
    assert text.endswith("sample  1: an\nna\n"
                         "word for word in the documents: 1 of 1\n")
    assert printed("--load=m.json", "--prompt=a", "--samples=1",
                   "--temperature=0").endswith("sample  1: an\nna\n")
    for option in ("--load", "--init"):
        text = printed(*args, option, "m.json", "--steps=150")
        assert "sample  1: an\nna\n" in text
    assert r"\x07" in printed("--load=m.json", "--prompt=b", "--samples=1")


def test_help(printed):
    text = " ".join(printed("--help").split())
    for f in fields(Config):
        option = "--" + f.name.replace("_", "-") + " N " * (f.type is not bool)
        if f.metadata["help"]:
            assert (f"{option.strip()} {f.metadata['help']} "
                    f"(default: {f.default})" in text)
        else:
            assert option not in text
    for option in ("--prompt TEXT", "--save MODEL", "--load MODEL",
                   "--init MODEL", "FILE"):
        assert option in text


def test_help_fits_80_columns(printed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, printed("--help").splitlines())) <= 80


def test_options_as_the_messages_write_them(printed, docs):
    texts = {printed(*QUICK, *args) for args in (
        ["--n_embd", "8"], ["--n_embd=8"], ["--n-embd=8"], ["--n-embd", "8"])}
    assert len(texts) == 1 and texts != {printed(*QUICK)}
    docs.write_text("_\n-\n")
    assert printed(*QUICK, "--prompt=_").count(": _") == 2


# Held-out documents


def test_held_out_loss_stands_where_a_line_is_shown(printed, docs, monkeypatch):
    """It is computed there alone: it can take longer than training."""
    docs.write_text("".join(f"{c}{d}\n" for c in "abcde" for d in "xy"))
    config = Config(**SIZES, steps=25, holdout=0.3)
    run, expected = microgpt.Run(config, microgpt.load_docs(docs)), {}
    for step in range(1, 26):
        loss = microgpt.train_step(run)
        expected[step] = (f"step {step:4d} /   25 | loss {loss:.4f} | "
                          f"held-out {microgpt.held_out_loss(run):.4f}")
    calls, held_out_loss = [], microgpt.held_out_loss
    monkeypatch.setattr(microgpt, "held_out_loss",
                        lambda run: calls.append(1) or held_out_loss(run))
    lines = printed(*TINY, "--steps=25", "--holdout=0.3").splitlines()
    assert lines[0].startswith("documents 10 (3 held out, 0 cut to 8 tokens)")
    shown = [1, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25]
    assert lines[1:12] == [expected[step] for step in shown]
    assert len(calls) == 11


# What it refuses

REFUSALS = [line.split(" | ") for line in """\
missing.txt | 'missing.txt'
. | '.'
'' | ''
empty.txt | 'empty.txt' has no text: give it a document a line
blank.txt | 'blank.txt' has no text
latin.txt | 'latin.txt' is not UTF-8 text: see the byte at offset 4
utf16.txt | 'utf16.txt' is not UTF-8 text: see the byte at offset 0
nul.txt | 'nul.txt' is not UTF-8 text: see the byte at offset 2
docs.txt --prompt Z | FILE lacks 'Z' of --prompt
docs.txt --prompt ann --block-size 3 | --prompt must be shorter than
docs.txt --n-embd 6 --n-head 4 | n_embd=6 must be a multiple of n_head=4
docs.txt --n-embd 0 | n_embd=0 not in 1..9999
docs.txt --steps -1 | steps=-1 not in 0..1000000000
docs.txt --temperature nan | temperature=nan not in
docs.txt --learning-rate inf | learning_rate=inf not in
docs.txt --holdout 1 | holdout=1
docs.txt --n-embd 9999 --n-head 1 | over 10000000 parameters: lower n_embd
docs.txt --stepz 3 | --stepz
docs.txt --step 3 | --step
docs.txt --steps | --steps
docs.txt --steps 1.5 | 1.5
docs.txt --temperature warm | warm
docs.txt docs.txt | docs.txt
docs.txt --save nowhere/m.json | nowhere/
docs.txt --save . | '.' is there already
docs.txt --save docs.txt | 'docs.txt' is there already: --load it to go on, or
docs.txt --save m.json | 'm.json' is there already: --load it to go on, or
docs.txt --save docs.txt/x | docs.txt/
docs.txt --save '' | ''
docs.txt --save xxxxxxx | xxxxxxx
--load m.json --save other.txt | 'other.txt' is there already
--load '' | '.'
--load . | '.'
--load missing.json | 'missing.json'
--load docs.txt | 'docs.txt' is not a model saved by this microgpt
--load m.json --prompt Z | m.json lacks 'Z' of --prompt
--load m.json --n-embd 8 | n_embd=8 is 4 in 'm.json'
--load m.json --holdout 0.5 | holdout=0.5 is 0.0 in 'm.json'
--load m.json --steps 9 | steps=9 is 3 in 'm.json': --init changes all but sizes
--load m.json docs.txt --steps 9 | steps=9 is 3 in 'm.json': --init changes
--load m.json docs.txt --seed 1 | seed=1 is 42 in 'm.json'
--load m.json other.txt | 'm.json' goes on only with what it was trained on
--load m.json --steps 3 | 'm.json' goes on only with what it was trained on
--init docs.txt | 'docs.txt' is not a model saved by this microgpt
--init m.json other.txt | m.json lacks 'Z' of other.txt
--init m.json | m.json lacks 'c' of
--init m.json docs.txt --n-embd 8 | n_embd=8 is 4 in 'm.json'
--init m.json docs.txt --paragraphs | paragraphs=True is False in 'm.json'
--init m.json docs.txt --prompt Z | m.json lacks 'Z' of --prompt
--init m.json --load m.json | not allowed with""".split("\n")]


def test_refusals(main, turned_down, docs):
    for name, data in [("empty.txt", b""), ("blank.txt", b" \n\n"),
                       ("latin.txt", b"Zo\n\n\xeb\n"), ("nul.txt", b"ab\0\n"),
                       ("utf16.txt", "anna\n".encode("utf-16")),
                       ("other.txt", b"anna\nbob\nZ\n")]:
        (docs.parent / name).write_bytes(data)
    main(*QUICK, "--save", "m.json")
    before = {path: path.read_bytes() for path in docs.parent.iterdir()}
    for args, named in REFUSALS:
        args = args.replace("xxxxxxx", 300 * "x")
        assert named in turned_down(*shlex.split(args)), args
    assert before == {path: path.read_bytes() for path in docs.parent.iterdir()}


@pytest.mark.parametrize("args", [
    ["missing.txt"], ["docs.txt", "--stepz", "3"], ["docs.txt", "--n-embd=0"],
    ["--load", "docs.txt"], ["--load", "."], ["docs.txt", "--save", "docs.txt"]],
    ids=" ".join)
def test_refusals_of_the_command(refused, args):
    refused(*args)


@pytest.mark.parametrize("name", ["a\x1b[31m.txt", "a\nb.txt", "a\u202eb.txt"])
def test_control_characters_in_a_name(turned_down, name):
    for args in ([name], ["--load", name], [*QUICK, name], ["--steps", name],
                 [*QUICK, "--prompt", name], [*QUICK, "--save", name + "/m"]):
        turned_down(*args)


@pytest.mark.parametrize("steps", ["9", "999"])
def test_divergence(main, docs, steps):
    """The model of the last tenth is kept: here of a step, or of none."""
    status, stdout, stderr = main(*TINY, "--learning-rate", "1000", "--steps",
                                  steps, "--save", "m.json")
    assert status == 1 and samples(stdout) == []
    assert re.fullmatch(r"microgpt: training diverged to a loss of [^\n]+: "
                        r"lower config\.learning_rate=1000\.0\n", stderr)
    step = microgpt.load(docs.parent / "m.json").step
    assert 0 < step < 9 if steps == "9" else step == 0


# Called from Python


def test_main_leaves_the_run_and_returns_its_status(docs, capsys, monkeypatch):
    monkeypatch.chdir(docs.parent)
    names = {}
    assert microgpt.main(QUICK, names) == 0
    assert [*names] == ["run"] and names["run"].step == 3
    assert microgpt.main(["nofile"], names) == 2
    assert microgpt.main(["--help"]) == 0 and names["run"].step == 3


def test_main_in_a_thread(docs, printed, capsys, monkeypatch):
    """As in a web application: no thread but the main one handles signals."""
    expected, statuses = printed(*QUICK), []
    thread = threading.Thread(target=lambda: statuses.append(
        microgpt.main([*QUICK, "--save", "m.json"])))
    thread.start()
    thread.join()
    assert statuses == [0] and microgpt.load("m.json").step == 3
    assert capsys.readouterr() == (expected, "")


@pytest.mark.parametrize("args, question, answer, error", [
    (QUICK, "print(run.step, run.docs)", "3 ['", ""),
    (["nofile"], "print(6 * 7)", "42", "No such file or directory: 'nofile'")])
def test_at_a_prompt(call, args, question, answer, error):
    """`python -i` goes on with what the program left."""
    done = call(*args, command=[sys.executable, "-i", *COMMAND[1:]],
                input=question + "\n")
    assert answer in done.stdout and error in done.stderr
    assert "Traceback" not in done.stderr


class Tee:
    """What users put in the place of stdout, to have its text twice."""
    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


class Shell(Tee):
    """IDLE's, which says that it is a terminal, shows a carriage return as a
    letter, and has no file."""
    encoding = "utf-8"

    def isatty(self):
        return True

    def fileno(self):
        raise io.UnsupportedOperation("fileno")


@pytest.mark.parametrize("kind", [Tee, Shell])
def test_a_stand_in_for_stdout(printed, monkeypatch, kind):
    expected, stdout = printed(*QUICK), kind()
    monkeypatch.setattr(sys, "stdout", stdout)
    assert microgpt.main(QUICK) == 0
    assert stdout.text == expected and "\r" not in stdout.text


@pytest.mark.parametrize("args", [QUICK, [*TINY, "--steps", "0"], ["--help"]])
def test_a_stdout_that_was_closed(docs, capsys, monkeypatch, args):
    monkeypatch.chdir(docs.parent)
    stdout = io.StringIO()
    stdout.close()
    monkeypatch.setattr(sys, "stdout", stdout)
    microgpt.main(args)  # an exception would fail
    assert "Traceback" not in capsys.readouterr().err


def test_without_any_stdout(docs, capsys, monkeypatch):
    """As where a program has no window to print in."""
    monkeypatch.chdir(docs.parent)
    monkeypatch.setattr(sys, "stdout", None)
    assert microgpt.main([*QUICK, "--save", "m.json"]) == 0
    assert microgpt.load("m.json").step == 3


# Characters

CONTROLS = "a\x1b[31mb\x07\u202ec\x9bd\u2067e\u2028f\x7fg\n"
# Persian and Sinhala joiners, the Japanese space, a family, a letter of one's
# own, one that Unicode may know some day
LETTERS = ["می\u200cخواهم", "ශ්\u200dරී", "山田\u3000太郎",
           "👩\u200d👩\u200d👧", "\ue000", "\u0378"]
MANY = ["--steps", "9", "--samples", "40", "--temperature", "9"]


def test_letters_are_printed_as_they_are(printed, docs):
    docs.write_text("\n".join(LETTERS), encoding="utf-8")
    text = "\n".join(samples(printed(*TINY, *MANY)))
    assert "\\" not in text and set(text) == {"\n"}.union(*LETTERS)


def test_control_characters_are_escaped(printed, docs):
    docs.write_text(CONTROLS * 3, encoding="utf-8")
    text = printed(*TINY, *MANY, "--block-size=20")
    for char in r"\x1b \x07 \u202e \x9b \u2067 \u2028 \x7f".split():
        assert char in text
    assert text.replace("\n", "").isprintable()


def test_every_character(monkeypatch):
    """Escaped are controls, separators of lines, changes of direction, and
    surrogates, which no encoding knows; nothing else is."""
    def harmful(char):
        return (unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
                or unicodedata.bidirectional(char) in (
                    "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI",
                    "PDI"))

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    chars = list(map(chr, range(sys.maxunicode + 1)))
    expected = [ascii(char)[1:-1] if harmful(char)
                else char for char in chars]
    assert microgpt.printable("".join(chars)) == "".join(expected)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding(call, docs, encoding):
    docs.write_text("Ωé\n日本\n🙂Ω\n", encoding="utf-8")
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    done = call(*QUICK, "--samples=20", env=env, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("日" in done.stdout) == (encoding == "utf-8")
    assert (r"\u65e5" in done.stdout) == (encoding != "utf-8")
    done = call(*QUICK, "--prompt", "\u65e6", env=env, encoding=encoding)
    assert done.returncode == 2
    assert ("\u65e6" if encoding == "utf-8" else r"\u65e6") in done.stderr


# How long it takes


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def on_terminal(docs, monkeypatch):
    """What is written to a terminal of some width, by a clock that goes on by
    a second each time that it is looked at."""
    def on_terminal(columns, *args):
        stdout = Terminal()
        with monkeypatch.context() as patch:
            patch.chdir(docs.parent)
            patch.setenv("COLUMNS", str(columns))
            patch.setattr(time, "perf_counter", itertools.count().__next__)
            patch.setattr(sys, "stdout", stdout)
            patch.setattr(sys, "__stdout__", stdout)
            assert microgpt.main(args) == 0
        return stdout.getvalue()
    return on_terminal


def test_live_line(on_terminal, capsys):
    header, live, *rest = on_terminal(100, *QUICK, "--steps", "200",
                                      "--holdout", "0.4").split("\n")
    assert header.startswith("documents 3 (1 held out,")
    frames = live.split("\r")[1:]
    assert len(frames) == 200 and {len(frame) for frame in frames} == {99}
    for step, frame in enumerate(frames, 1):
        assert re.fullmatch(
            rf"step {step:4d} /  200 \| loss \d\.\d{{4}} \| held-out "
            rf"\d+\.\d{{4}} \| 1\.0 steps/s \| {200 - step} s left *", frame)
    assert [line[:11] for line in rest] == [
        "sample  1: ", "sample  2: ", "word for wo", ""]
    assert capsys.readouterr().err == ""  # the time left is there already


def test_live_line_is_cut_to_the_width(on_terminal):
    live = on_terminal(30, *QUICK).split("\n")[1]
    assert [len(frame) for frame in live.split("\r")] == [0, 29, 29, 29]


def test_the_pace_of_a_resumed_training_counts_from_there(on_terminal, docs):
    config = Config(**SIZES, steps=200)
    run = microgpt.Run(config, ["anna", "bob", "eve"])
    for _ in range(150):
        microgpt.train_step(run)
    microgpt.save(docs.parent / "m.json", run)
    text = on_terminal(100, "docs.txt", "--load=m.json", "--samples=0")
    assert re.findall(r"step +(\d+) [^\r]* \| (\S+) steps/s \| (\d+) s", text) == [
        (str(step), "1.0", str(200 - step)) for step in range(151, 201)]


def test_the_time_left_where_there_is_no_terminal(call):
    """Once, early on, and only where it is long."""
    clock = "import itertools, time\ntime.perf_counter = "
    for seconds, steps, expected in [
            (20, 100, "microgpt: about 32 min left\n"), (1, 50, "")]:
        done = call(*TINY, f"--steps={steps}", "--samples=0", command=script(
            f"{clock}itertools.count(step={seconds}).__next__"))
        assert (done.returncode, done.stderr) == (0, expected)
