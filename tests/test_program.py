"""The program as its users meet it: a command, its output, its exit status."""
import fcntl
import os
import pathlib
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import fields

import pytest

import microgpt
from microgpt import Config

COMMAND = [sys.executable, microgpt.__file__]
TINY = ["docs.txt", "--n-embd", "4", "--n-head", "1", "--block-size", "8"]
QUICK = [*TINY, "--steps", "3", "--samples", "2"]
ENDLESS = [*TINY, "--steps", "1000000000"]

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
"""

@pytest.fixture(scope="session")
def default_run(tmp_path_factory):
    return subprocess.run(COMMAND, capture_output=True, encoding="utf-8",
                          cwd=tmp_path_factory.mktemp("default"))

@pytest.fixture
def start(tmp_path, docs):
    """Start the program and read its output up to a line that holds text."""
    def start(text, *args):
        process = subprocess.Popen(
            [*COMMAND, *args], cwd=tmp_path, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        started.append(process)
        assert any(text in line for line in process.stdout)
        return process
    started = []
    yield start
    for process in started:
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

def samples(text):
    return re.findall(r"(?m)^sample +\d+: (.*)$", text)

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
    for i, line in enumerate(lines[1 + len(shown):], 1):
        assert re.fullmatch(rf"sample {i:2d}: [abenov]{{0,8}}", line)
    assert len(lines) == 1 + len(shown) + 11

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
    assert samples(out(*QUICK, "--samples", "0")) == []

def test_temperature(out):
    cold, cool, hot = [samples(out(*TINY, "--steps", "9", "--temperature", t))
                       for t in ("1e-9", "0.5", "9")]
    assert len(set(cold)) == 1 < len(set(cool)) and hot != cool

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
    for option in ("--prompt TEXT", "--save MODEL", "--load MODEL", "FILE"):
        assert option in text

def test_help_fits_80_columns(out, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, out("--help").splitlines())) <= 80

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
    ("docs.txt --temperature 0", "temperature=0"),
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
    ("docs.txt --steps 1 --save ''", "''"),
    ("--load '' --steps 1", "''")])
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
        told.add(refused("--load", "m.json", "--seed", "1", "--steps", "9",
                         "--n-embd", "8", "--n-layer", "3"))
    assert len(told) == 1

def test_divergence(run, out, docs):
    out(*QUICK, "--save", "m.json")
    model = (docs.parent / "m.json").read_bytes()
    done = run(*TINY, "--learning-rate", "1000", "--steps", "99",
               "--save", "m.json")
    assert done.returncode == 1
    assert re.fullmatch(r"microgpt: .* step \d+.*learning_rate=1000.*\n",
                        done.stderr)
    assert samples(done.stdout) == []
    assert (docs.parent / "m.json").read_bytes() == model

# Interrupting it

def test_interrupt_stops_training_and_samples(start):
    process = start("step    1", *ENDLESS, "--samples", "3")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (0, "")
    lines = stdout.splitlines()
    assert re.fullmatch(r"stopped after step \d+ of 1000000000", lines[0])
    assert len(samples(stdout)) == 3 == len(lines) - 1

def test_second_interrupt_ends_at_once(start, docs):
    docs.write_text("a\n" + "anna " * 200 + "\n")
    process = start("step    1", "docs.txt", "--block-size", "999",
                    "--steps", "9", "--seed", "0")  # that shuffles "a" first
    began = time.monotonic()
    for _ in range(2):
        time.sleep(0.2)  # well into step 2
        process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (130, "", "")
    assert time.monotonic() - began < 5  # step 2 would take longer

def test_interrupted_samples(start):
    process = start("sample  1", *QUICK, "--samples", "1000000000")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (130, "")

def test_interrupt_while_reading(docs):
    os.mkfifo(docs.parent / "pipe")
    process = subprocess.Popen([*COMMAND, "pipe"], cwd=docs.parent,
                               stderr=subprocess.PIPE)
    with open(docs.parent / "pipe", "wb"):  # waits for the reader
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (130, b"")

@pytest.mark.skipif(sys.implementation.name == "pypy",
                    reason="PyPy takes up Ctrl-C when it starts")
def test_ignored_interrupt_stays_ignored(docs):
    """What `nohup` and `&` in a script turned off is not turned on again."""
    done = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c",
         "import signal, sys, microgpt\n"
         "report = microgpt.document_loss\n"
         "def loss(*args):\n"
         "    signal.raise_signal(signal.SIGINT)\n"
         "    return report(*args)\n"
         "microgpt.document_loss = loss\n"
         "sys.exit(microgpt.main(sys.argv[1:]))", *QUICK],
        capture_output=True, encoding="utf-8", cwd=docs.parent,
        env={**os.environ, "PYTHONPATH": os.path.dirname(microgpt.__file__)})
    assert (done.returncode, done.stderr) == (0, "")
    assert "stopped" not in done.stdout

# Where its output goes

def test_head(docs):
    command = shlex.join([*COMMAND, *QUICK, "--steps", "500"]) + " | head -3"
    done = subprocess.run(command, shell=True, capture_output=True,
                          encoding="utf-8", cwd=docs.parent)
    assert done.stdout.count("\n") == 3 and done.stderr == ""

def test_what_was_learned_is_saved_when_nobody_reads_on(docs):
    command = shlex.join([*COMMAND, *QUICK, "--steps", "50000", "--save", "m.json"])
    done = subprocess.run(command + " | head -2", shell=True, timeout=60,
                          capture_output=True, encoding="utf-8", cwd=docs.parent)
    assert done.stdout.splitlines()[1].startswith("step    1 / 50000")
    assert done.stderr == ""
    assert 1 < microgpt.load(str(docs.parent / "m.json")).step < 50000

def test_a_held_out_loss_out_of_range_does_not_end_training(out):
    text = out("--learning-rate", "0.5", "--holdout", "0.3", "--steps", "4",
               "--samples", "0")
    assert "step    3" in text and "held-out inf\nstep    4" in text

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

def test_closed_output(run, docs):
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *COMMAND, *QUICK,
                           "--save", "m.json"], cwd=docs.parent,
                          stderr=subprocess.PIPE, encoding="utf-8")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 1

@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("args", [
    QUICK, [*TINY, "--steps", "0", "--samples", "0"]])
def test_full_disk(docs, args):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*COMMAND, *args], stdout=full, cwd=docs.parent,
                              stderr=subprocess.PIPE, encoding="utf-8")
    assert done.returncode not in (0, 2)
    assert re.fullmatch(r"microgpt: [^\n]+\n", done.stderr)

CONTROLS = "a\x1b[31mb\x07\u202ec\x9bd\n"

def test_control_characters_are_escaped(out, docs):
    docs.write_text(CONTROLS * 3, encoding="utf-8")
    text = out(*TINY, "--steps", "9", "--samples", "40", "--temperature", "9")
    assert r"\x1b" in text and r"\x07" in text and r"\u202e" in text
    assert text.replace("\n", "").isprintable()

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
    header, live, *rest = text.splitlines(keepends=True)[:1] + text.split(
        "\n")[1:]
    assert header.startswith("documents 3 (")
    frames = live.split("\r")[1:]
    assert len(frames) == 20
    for step, frame in enumerate(frames, 1):
        assert re.fullmatch(
            rf"step {step:4d} /   20 \| loss \d\.\d{{4}} \| "
            r"\d+\.\d steps/s \| \d+ s left *", frame)
    assert [line[:11] for line in rest] == ["sample  1: ", "sample  2: ", ""]

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
    assert "\r" not in text and text.count("\n") == 3
