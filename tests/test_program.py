"""The program as its users meet it: a command, its output, its exit status."""
import fcntl
import io
import os
import pathlib
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
import unicodedata
from dataclasses import fields

import pytest

import microgpt
from microgpt import Config
from program import (COMMAND, ENDLESS, QUICK, TINY, count_known, samples,
                     start, started, with_module)

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


@pytest.fixture(scope="session")
def default_run(tmp_path_factory):
    return subprocess.run(COMMAND, capture_output=True, encoding="utf-8",
                          cwd=tmp_path_factory.mktemp("default"))


@pytest.fixture
def started_at(docs):
    """The program at work, its output read up to a line that holds text."""
    def started_at(text, *args, **kwargs):
        process = start(*args, folder=docs.parent, **kwargs)
        processes.append(process)
        return started(process, text)
    processes = []
    yield started_at
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def on_terminal(tmp_path, docs, monkeypatch):
    """What the program writes to a terminal of some width."""
    monkeypatch.delenv("COLUMNS", raising=False)
    def on_terminal(columns, *args):
        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, columns, 0, 0))
        with subprocess.Popen([*COMMAND, *args], cwd=tmp_path, stdout=its,
                              stderr=subprocess.PIPE) as process:
            os.close(its)
            written = b""
            try:
                while True:
                    data = os.read(ours, 9999)
                    if not data:
                        break
                    written += data
            except OSError:
                pass  # how Linux reports the end
            assert process.stderr.read() == b""
        os.close(ours)
        assert process.returncode == 0
        return written.decode().replace("\r\n", "\n")  # the terminal's doing
    return on_terminal


# What it prints


def test_default_run(default_run):
    """Losses and samples are the same on every Python."""
    assert default_run.stdout == GOLDEN
    assert (default_run.returncode, default_run.stderr) == (0, "")


@pytest.mark.parametrize("file", ["README.md", "docs/data/run.txt"])
def test_the_run_that_readers_are_shown(file):
    root = pathlib.Path(microgpt.__file__).parent
    assert GOLDEN in (root / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("steps, shown", [
    (25, [1, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25]), (7, [*range(1, 8)]),
    (1, [1]), (0, [])])
def test_every_line(out, steps, shown):
    lines = out(*TINY, "--steps", str(steps), "--samples", "11").splitlines()
    assert lines[0] == ("documents 3 (0 held out, 0 cut to 8 tokens) | "
                        "vocabulary 7 | parameters 280")
    for step, line in zip(shown, lines[1:]):
        assert re.fullmatch(rf"step {step:4d} / {steps:4d} \| loss \d\.\d{{4}}",
                            line)
    for i, line in enumerate(lines[1 + len(shown):-1], 1):
        assert re.fullmatch(rf"sample {i:2d}: [abenov]{{0,8}}", line)
    assert len(lines) == 1 + len(shown) + 11 + 1
    assert count_known(lines[-1])[1] == 11


def test_no_carriage_return_in_a_file(run, docs):
    with open(docs.parent / "out", "w+b") as file:
        subprocess.run([*COMMAND, *QUICK], stdout=file, cwd=docs.parent)
        file.seek(0)
        written = file.read()
    assert b"\r" not in written and written.endswith(b"\n")


def test_same_again(out):
    assert out(*QUICK) == out(*QUICK)


def test_seed(out):
    assert out(*QUICK) == out(*QUICK, "--seed", "42")
    assert out(*QUICK) != out(*QUICK, "--seed", "43")


def test_prompt(out):
    for sample in samples(out(*QUICK, "--prompt", "eve")):
        assert sample.startswith("eve")


def test_no_samples(out):
    text = out(*QUICK, "--samples", "0")
    assert samples(text) == [] and "word for word" not in text


def test_temperature(out):
    likeliest, cold, cool, hot = [
        samples(out(*TINY, "--steps", "9", "--temperature", t))
        for t in ("0", "1e-9", "0.5", "9")]
    assert len(set(cold)) == 1 < len(set(cool)) and hot != cool
    assert likeliest == cold


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_the_likeliest_token_is_not_chance(out, docs, seed):
    """At temperature 0 another seed of a saved model changes nothing."""
    out(*QUICK, "--save", "m.json")
    config = microgpt.load(str(docs.parent / "m.json")).config
    run = microgpt.load(str(docs.parent / "m.json"))
    token, text, cache = run.tokenizer.bos, "", ([[]], [[]])
    while len(text) < config.block_size:
        [logits] = microgpt.gpt(config, run.params, [token], *cache)
        data = [v.data for v in logits]
        token = data.index(max(data))
        if token == run.tokenizer.bos:
            break
        text += run.tokenizer.chars[token]
    assert samples(out("--load", "m.json", "--temperature", "0", "--seed", seed,
                       "--samples", "3")) == [text] * 3


@pytest.mark.parametrize("holdout", ["0", "0.4"])
def test_word_for_word(out, holdout):
    """Held-out documents count too, repeated samples each time."""
    text = out(*TINY, "--steps", "150", "--samples", "60", "--seed", "3",
               "--holdout", holdout)
    known = [sample in ("anna", "bob", "eve") for sample in samples(text)]
    assert 0 < sum(known) < 60
    assert count_known(text) == (sum(known), 60)
    assert text.splitlines()[-1].startswith("word for word")


def test_word_for_word_counts_held_out_documents(out):
    text = out(*TINY, "--steps", "1", "--samples", "20", "--holdout", "0.4",
               "--prompt", "bob", "--temperature", "9")
    assert "bob" in samples(text)
    assert count_known(text) == (samples(text).count("bob"), 20)


def test_long_documents_are_announced(out):
    header = out(*QUICK, "--block-size", "4").splitlines()[0]
    assert "documents 3 (0 held out, 1 cut to 4 tokens)" in header


def test_help(out):
    text = " ".join(out("--help").split())
    for f in fields(Config):
        option = "--" + f.name.replace("_", "-") + " N "
        if f.metadata["help"]:
            assert (f"{option}{f.metadata['help']} (default: {f.default})"
                    in text)
        else:
            assert option not in text
    for option in ("--prompt TEXT", "--save MODEL", "--load MODEL",
                   "--init MODEL", "FILE"):
        assert option in text


def test_help_fits_80_columns(out, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, out("--help").splitlines())) <= 80


@pytest.mark.parametrize("args", [
    ["--n_embd", "8"], ["--n_embd=8"], ["--n-embd=8"]], ids=" ".join)
def test_options_as_the_messages_write_them(out, args):
    text = out(*QUICK, *args)
    assert text == out(*QUICK, "--n-embd", "8") != out(*QUICK)


def test_only_names_of_options_are_respelled(out, docs):
    docs.write_text("_\n-\n")
    assert out(*QUICK, "--prompt=_").count(": _") == 2


# Called from Python


def test_main_returns_its_status(docs, capsys, monkeypatch):
    monkeypatch.chdir(docs.parent)
    assert microgpt.main(["nofile"]) == 2
    assert capsys.readouterr().err.startswith("microgpt: ")
    assert microgpt.main(["--help"]) == 0
    assert microgpt.main([*QUICK, "--learning-rate", "1000"]) == 1
    assert microgpt.main(QUICK) == 0


def test_main_leaves_the_run(docs, capsys, monkeypatch):
    monkeypatch.chdir(docs.parent)
    names = {}
    assert microgpt.main(QUICK, names) == 0
    assert [*names] == ["run"] and names["run"].step == 3


def test_main_leaves_the_signals_alone(docs, capsys, monkeypatch):
    monkeypatch.chdir(docs.parent)
    signums = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    before = [signal.getsignal(signum) for signum in signums]
    assert microgpt.main([*QUICK, "--save", "m.json"]) == 0
    assert [signal.getsignal(signum) for signum in signums] == before


def test_main_in_a_thread(docs, out, capsys, monkeypatch):
    """As in a web application: no thread but the main one handles signals."""
    monkeypatch.chdir(docs.parent)
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(
        microgpt.main([*QUICK, "--save", "m.json"])))
    thread.start()
    thread.join()
    assert statuses == [0] and microgpt.load("m.json").step == 3
    assert capsys.readouterr() == (out(*QUICK), "")


def ask(args, question, folder):
    """What `python -i` answers when the program is done."""
    return subprocess.run(
        [sys.executable, "-i", *COMMAND[1:], *args], input=question,
        capture_output=True, encoding="utf-8", cwd=folder, timeout=60)


def test_the_run_is_at_hand_at_a_prompt(docs, out):
    done = ask(QUICK, "print(run.step, run.docs)\n", docs.parent)
    assert done.stdout.startswith(out(*QUICK))
    assert "3 ['" in done.stdout and "Traceback" not in done.stderr


def test_a_refusal_at_a_prompt(docs):
    done = ask(["nofile"], "print(6 * 7)\n", docs.parent)
    assert "42" in done.stdout and "Traceback" not in done.stderr
    assert "No such file or directory: 'nofile'" in done.stderr


# Held-out documents


def test_holdout(out, docs):
    docs.write_text("".join(f"{c}{d}\n" for c in "abcde" for d in "xy"))
    lines = out(*TINY, "--steps", "10", "--holdout", "0.3").splitlines()
    assert lines[0].startswith(
        "documents 10 (3 held out, 0 cut to 8 tokens) | vocabulary 8 |")

    config = Config(n_embd=4, n_head=1, block_size=8, steps=10, holdout=0.3)
    run = microgpt.Run(config, microgpt.load_docs(str(docs)))
    expected = []

    def report(step, loss):
        losses = [microgpt.document_loss(config, run.params, run.tokenizer,
                                         doc).data for doc in run.held_out]
        expected.append(f"step {step:4d} /   10 | loss {loss:.4f} | "
                        f"held-out {sum(losses) / 3:.4f}")

    microgpt.train(run, report)
    assert lines[1:11] == expected


def test_a_large_held_out_loss_does_not_end_training(out, docs):
    """In training, a loss from 746 on is divergence: exp(-746) is 0."""
    docs.write_text("anna\nbob\neve\nzzz\nada\n")
    text = out(*TINY, "--learning-rate", "3", "--holdout", "0.2", "--seed", "8",
               "--steps", "2", "--samples", "0")
    first, second = re.findall(r"held-out (\S+)\n", text)
    assert 746 < float(first) < float(second) < 9999


def test_no_holdout_changes_nothing(out):
    assert out(*QUICK, "--holdout", "0") == out(*QUICK)


# What it refuses


@pytest.mark.parametrize("args, named", [
    ("missing.txt", "missing.txt"),
    (".", "'.'"),
    ("empty.txt", "no text"),
    ("blank.txt", "no text"),
    ("latin.txt", "offset 4"),
    ("''", "''"),
    ("docs.txt --prompt Z", "'Z'"),
    ("docs.txt --prompt abbabbabbabbabba", "prompt of 16 characters"),
    ("docs.txt --prompt ann --block-size 3", "block_size=3"),
    ("docs.txt --n-embd 6", "n_embd=6 must be a multiple of n_head=4"),
    ("docs.txt --n-embd 0", "n_embd=0"),
    ("docs.txt --n-head 0", "n_head=0"),
    ("docs.txt --n-layer -1", "n_layer=-1"),
    ("docs.txt --block-size 0", "block_size=0"),
    ("docs.txt --steps -1", "steps=-1"),
    ("docs.txt --samples -1", "samples=-1"),
    ("docs.txt --seed -1", "seed=-1"),
    ("docs.txt --temperature -1", "temperature=-1"),
    ("docs.txt --temperature nan", "temperature=nan"),
    ("docs.txt --temperature inf", "temperature=inf"),
    ("docs.txt --learning-rate 0", "learning_rate=0"),
    ("docs.txt --learning-rate nan", "learning_rate=nan"),
    ("docs.txt --holdout 1", "holdout=1"),
    ("docs.txt --holdout 0.1", "holdout=0.1 of these documents is none or all"),
    ("docs.txt --holdout 0.9", "holdout=0.9 of these documents is none or all"),
    ("docs.txt --holdout nan", "holdout=nan"),
    ("docs.txt --n-embd 9999 --n-head 1", "parameters"),
    ("docs.txt --n-embd 99999999", "n_embd=99999999"),
    ("docs.txt --stepz 3", "--stepz"),
    ("docs.txt --step 3", "--step"),
    ("docs.txt --steps", "--steps"),
    ("docs.txt --steps ten", "ten"),
    ("docs.txt --steps 1.5", "1.5"),
    ("docs.txt --temperature warm", "warm"),
    ("docs.txt docs.txt", "docs.txt"),
    ("docs.txt --save nowhere/m.json", "nowhere/m.json"),
    ("docs.txt --save .", "'.'"),
    ("docs.txt --save docs.txt", "'docs.txt' is not a model"),
    ("docs.txt --save nowhere/../docs.txt", "nowhere/../docs.txt"),
    ("docs.txt --save docs.txt/.", "docs.txt/."),
    ("docs.txt --save docs.txt/..", "docs.txt/.."),
    ("docs.txt --steps 1 --save ''", "''"),
    ("--load '' --steps 1", "''"),
    ("docs.txt --init ''", "''"),
    ("docs.txt --init docs.txt", "'docs.txt' is not a model"),
    ("docs.txt --init m.json --load m.json", "not allowed with")])
def test_refused(refused, docs, args, named):
    (docs.parent / "empty.txt").write_bytes(b"")
    (docs.parent / "blank.txt").write_bytes(b" \n\n")
    (docs.parent / "latin.txt").write_bytes(b"Zo\n\n\xeb\n")
    assert named in refused(*shlex.split(args))
    assert docs.read_text() == "anna\nbob\neve\n"


@pytest.mark.parametrize("name", ["a\x1b[31m.txt", "a\nb.txt", "a\u202eb.txt"])
def test_control_characters_in_a_name(refused, name):
    for args in ([name], ["--load", name], [*QUICK, name], ["--save", name],
                 [*QUICK, "--prompt", name], ["--steps", name]):
        if args[0] != "--save":  # such a name may be saved to
            refused(*args)


def test_a_name_that_is_not_utf_8(refused):
    assert "missing" in refused(b"missing\xff.txt")


def test_the_same_words_each_time(refused, out, monkeypatch):
    out(*QUICK, "--save", "m.json")
    told = set()
    for seed in "0123":  # of the order of a set, in each process its own
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        told.add(refused("docs.txt", "--load", "m.json", "--seed", "1",
                         "--steps", "9", "--n-embd", "8", "--n-layer", "3"))
    assert len(told) == 1


DIVERGED = (r"microgpt: training diverged after step (\d+): the loss became "
            r"[^\n]+; lower learning_rate=1000\.0\n")


@pytest.mark.parametrize("steps", ["2", "999"])
def test_divergence(run, out, docs, steps):
    """The old model, or one that was saved at a tenth, is there to load."""
    path = docs.parent / "m.json"
    out(*QUICK, "--save", "m.json")
    model = path.read_bytes()
    done = run(*TINY, "--learning-rate", "1000", "--steps", steps,
               "--save", "m.json")
    assert done.returncode == 1 and samples(done.stdout) == []
    last = int(re.fullmatch(DIVERGED, done.stderr)[1])
    if steps == "2":  # each step is saved
        assert microgpt.load(str(path)).step == last == 1
    else:  # the first tenth was never reached
        assert last < 99 and path.read_bytes() == model


def test_divergence_of_a_loaded_model(run, out, docs):
    """It is called that as soon as one step was taken."""
    path = str(docs.parent / "m.json")
    config = Config(n_embd=4, n_head=1, block_size=8, learning_rate=1000.0)
    model = microgpt.Run(config, ["anna", "bob", "eve"])
    microgpt.save(path, model)
    done = run("docs.txt", "--load", "m.json")
    assert done.returncode == 1 and re.fullmatch(DIVERGED, done.stderr)


@pytest.mark.parametrize("args", [
    ["--load", "m.json"], ["--load", "m.json", "docs.txt"],
    ["--init", "m.json", "docs.txt"],
    ["--init", "m.json", "docs.txt", "--steps", "0"]], ids=" ".join)
def test_a_bad_model_is_not_divergence(run, docs, args):
    model = microgpt.Run(Config(n_embd=4, n_head=1), ["anna", "bob", "eve"])
    for w in model.weights:
        w.data = 1e308
    microgpt.save(str(docs.parent / "m.json"), model)
    done = run(*args)
    assert done.returncode == 1 and samples(done.stdout) == []
    assert re.fullmatch(r"microgpt: m\.json has weights out of range: [^\n]+\n",
                        done.stderr)


# Interrupting it


def test_interrupt_stops_training_and_samples(started_at):
    process = started_at("step    1", *ENDLESS, "--samples", "3")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (0, "")
    first, *rest, last = stdout.splitlines()
    assert re.fullmatch(r"stopped after step \d+ of 1000000000", first)
    assert len(samples(stdout)) == len(rest) == 3 == count_known(last)[1]


def test_second_interrupt_ends_at_once(started_at, docs):
    docs.write_text("a\n" + "anna " * 200 + "\n")
    process = started_at("step    1", "docs.txt", "--block-size", "999",
                         "--steps", "9", "--seed", "0")  # first comes "a"
    began = time.monotonic()
    for _ in range(2):
        time.sleep(0.2)  # well into step 2
        process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (130, "", "")
    assert time.monotonic() - began < 5  # step 2 would take longer


def test_interrupted_samples(started_at):
    process = started_at("sample  1", *QUICK, "--samples", "1000000000")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (130, "")


def test_interrupt_while_reading(docs):
    os.mkfifo(docs.parent / "pipe")
    process = start("pipe", folder=docs.parent)
    with open(docs.parent / "pipe", "wb"):  # waits for the reader
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (130, "")


@pytest.mark.parametrize("signum, status", [
    (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_scheduler_ends_it(started_at, docs, signum, status):
    """What was learned is saved; nobody waits for samples."""
    process = started_at("step    1", *ENDLESS, "--save", "m.json")
    process.send_signal(signum)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (status, "")
    [last] = re.findall(r"\Astopped after step (\d+) of 1000000000\n\Z", stdout)
    assert microgpt.load(str(docs.parent / "m.json")).step == int(last)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_without_a_model_to_save_it_dies(started_at, signum):
    process = started_at("step    1", *ENDLESS)
    process.send_signal(signum)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (-signum, "", "")


def test_interrupt_saves_and_samples(started_at, docs):
    process = started_at("step    1", *ENDLESS, "--save", "m.json")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (0, "")
    [last] = re.findall(r"stopped after step (\d+) of", stdout)
    assert microgpt.load(str(docs.parent / "m.json")).step == int(last)
    assert len(samples(stdout)) == 20


@pytest.mark.skipif(sys.implementation.name == "pypy",
                    reason="PyPy does not say which signals are ignored")
def test_ignored_hangup_stays_ignored(started_at, docs):
    """As under nohup."""
    process = started_at(
        "step    1", *TINY, "--steps", "300", "--samples", "1", "--save",
        "m.json", preexec_fn=lambda: signal.signal(signal.SIGHUP,
                                                   signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (0, "")
    assert "step  300" in stdout and "stopped" not in stdout


@pytest.mark.skipif(sys.implementation.name == "pypy",
                    reason="PyPy takes up Ctrl-C when it starts")
def test_ignored_interrupt_stays_ignored(docs):
    """What `nohup` and `&` in a script turned off is not turned on again."""
    code = ("import microgpt, signal\n"
            "known = microgpt.document_loss\n"
            "def loss(*args):\n"
            "    signal.raise_signal(signal.SIGINT)\n"
            "    return known(*args)\n"
            "microgpt.document_loss = loss\n"
            "sys.exit(microgpt.main(sys.argv[1:]))")
    done = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh",
         *with_module(code, *QUICK)], capture_output=True, encoding="utf-8",
        cwd=docs.parent, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "stopped" not in done.stdout


# Where its output goes


def test_each_line_is_out_before_the_next_is_made(docs):
    """Whoever reads a pipe sees what there is: nothing is held back."""
    code = ("import microgpt\n"
            "def when_told(work):\n"
            "    def wait(*args):\n"
            "        sys.stdin.readline()\n"
            "        return work(*args)\n"
            "    return wait\n"
            "microgpt.document_loss = when_told(microgpt.document_loss)\n"
            "microgpt.generate = when_told(microgpt.generate)\n"
            "sys.exit(microgpt.main(sys.argv[1:]))")
    with subprocess.Popen(with_module(code, *QUICK), cwd=docs.parent,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          bufsize=0) as process:
        for expected in ("documents 3", "step    1", "step    2", "step    3",
                         "sample  1", "sample  2"):
            assert select.select([process.stdout], [], [], 20)[0]
            assert process.stdout.readline().decode().startswith(expected)
            process.stdin.write(b"\n")


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


class Detached(Shell):
    def fileno(self):
        raise io.UnsupportedOperation("fileno")


@pytest.mark.parametrize("kind", [Tee, Shell, Detached])
def test_a_stand_in_for_stdout(docs, out, capsys, monkeypatch, kind):
    monkeypatch.chdir(docs.parent)
    stdout = kind()
    monkeypatch.setattr(sys, "stdout", stdout)
    assert microgpt.main(QUICK) == 0
    assert stdout.text == out(*QUICK) and "\r" not in stdout.text


@pytest.mark.parametrize("args", [
    QUICK, [*TINY, "--steps", "0"], ["--help"]], ids=["run", "samples", "help"])
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


def test_head(docs):
    command = shlex.join([*COMMAND, *QUICK, "--steps", "500"]) + " | head -3"
    done = subprocess.run(command, shell=True, capture_output=True,
                          encoding="utf-8", cwd=docs.parent)
    assert done.stdout.count("\n") == 3 and done.stderr == ""


def test_what_was_learned_is_saved_when_nobody_reads_on(docs):
    command = shlex.join(
        [*COMMAND, *QUICK, "--steps", "5000", "--save", "m.json"])
    done = subprocess.run(command + " | head -2", shell=True, timeout=60,
                          capture_output=True, encoding="utf-8", cwd=docs.parent)
    assert done.stdout.splitlines()[1].startswith("step    1 / 5000")
    assert done.stderr == ""
    assert 1 < microgpt.load(str(docs.parent / "m.json")).step < 5000


@pytest.mark.parametrize("args", [
    QUICK, [*QUICK, "--steps", "0"], [*TINY, "--steps", "0", "--samples", "0"],
    ["--help"]])
def test_nobody_reads(docs, args):
    ours, its = os.pipe()
    os.close(ours)
    done = subprocess.run([*COMMAND, *args], stdout=its, cwd=docs.parent,
                          stderr=subprocess.PIPE, encoding="utf-8")
    os.close(its)
    assert done.stderr == ""


def test_closed_output(docs):
    """Nobody reads, and what was learned is saved all the same."""
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *COMMAND, *QUICK,
                           "--save", "m.json"], cwd=docs.parent,
                          stderr=subprocess.PIPE, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert microgpt.load(str(docs.parent / "m.json")).step == 3


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("args", [
    QUICK, [*TINY, "--steps", "0", "--samples", "0"]])
def test_full_disk(docs, args):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*COMMAND, *args], stdout=full, cwd=docs.parent,
                              stderr=subprocess.PIPE, encoding="utf-8")
    assert done.returncode not in (0, 2)
    assert re.fullmatch(r"microgpt: [^\n]+\n", done.stderr)

# What a terminal is sent

CONTROLS = "a\x1b[31mb\x07\u202ec\x9bd\u2067e\u2028f\x7fg\n"
# Persian and Sinhala joiners, the Japanese space, a family, a letter of one's
# own, one that Unicode may know some day
LETTERS = ["می\u200cخواهم", "ශ්\u200dරී", "山田\u3000太郎",
           "👩\u200d👩\u200d👧", "\ue000", "\u0378"]
MANY = ["--steps", "9", "--samples", "40", "--temperature", "9"]


def test_letters_are_printed_as_they_are(out, docs):
    docs.write_text("\n".join(LETTERS), encoding="utf-8")
    text = "\n".join(samples(out(*TINY, *MANY)))
    assert "\\" not in text and set(text) == {"\n"}.union(*LETTERS)


def test_control_characters_are_escaped(out, docs):
    docs.write_text(CONTROLS * 3, encoding="utf-8")
    text = out(*TINY, *MANY)
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


def test_control_characters_on_a_terminal(on_terminal, docs):
    docs.write_text(CONTROLS * 3, encoding="utf-8")
    text = on_terminal(80, *QUICK, "--samples", "40", "--temperature", "9")
    assert text.replace("\n", "").replace("\r", "").isprintable()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding(docs, encoding):
    docs.write_text("Ωé\n日本\n🙂Ω\n", encoding="utf-8")
    done = subprocess.run([*COMMAND, *QUICK, "--samples", "20"],
                          capture_output=True, cwd=docs.parent,
                          env={**os.environ, "PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    assert ("日" in text) == (encoding == "utf-8")
    assert (r"\u65e5" in text) == (encoding != "utf-8")


@pytest.mark.parametrize("utf8", ["0", "1"])
def test_c_locale(out, docs, utf8):
    docs.write_text("Ωé\n日本\n", encoding="utf-8")
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": utf8}
    assert ("日" in out(*QUICK, "--samples", "20", env=env)) == (utf8 == "1")


def test_unknown_character_in_any_encoding(docs):
    done = subprocess.run([*COMMAND, *QUICK, "--prompt", "日"], cwd=docs.parent,
                          capture_output=True,
                          env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2 and rb"\u65e5" in done.stderr


# On a terminal


def test_live_line(on_terminal):
    text = on_terminal(100, *QUICK, "--steps", "20")
    header, live, *rest = text.split("\n")
    assert header.startswith("documents 3 (")
    frames = live.split("\r")[1:]
    assert len(frames) == 20
    for step, frame in enumerate(frames, 1):
        assert re.fullmatch(
            rf"step {step:4d} /   20 \| loss \d\.\d{{4}} \| "
            r"\d+\.\d steps/s \| \d+ s left *", frame)
    assert [line[:11] for line in rest] == [
        "sample  1: ", "sample  2: ", "word for wo", ""]


@pytest.mark.parametrize("columns", [5, 30, 60])
def test_live_line_is_cut_to_the_width(on_terminal, columns):
    live = on_terminal(columns, *QUICK).split("\n")[1]
    assert [len(frame) for frame in live.split("\r")] == [0] + [columns - 1] * 3


def test_live_line_with_holdout(on_terminal):
    live = on_terminal(100, *QUICK, "--holdout", "0.4").split("\n")[1]
    assert re.fullmatch(r"\r(step .* \| held-out \d\.\d{4} \| .* left *\r?)+",
                        live)


def test_no_live_line_without_steps(on_terminal):
    text = on_terminal(80, *QUICK, "--steps", "0")
    assert "\r" not in text and text.count("\n") == 4
