"""What only a POSIX system has: signals, terminals, and what a shell joins."""
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import time

import pytest

import microgpt
from program import (COMMAND, ENDLESS, QUICK, TINY, count_known, samples,
                     script, start, started, with_module)

fcntl, pty, termios = [pytest.importorskip(name, reason="needs POSIX")
                       for name in ("fcntl", "pty", "termios")]

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


@pytest.fixture
def at_work(docs):
    """The program at work, its output read up to a line that holds text."""
    def at_work(text, *args, **kwargs):
        process = start(*args, folder=docs.parent, **kwargs)
        processes.append(process)
        return started(process, text)
    processes = []
    yield at_work
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def saved_step(docs):
    """The step of the model that was saved."""
    return lambda: microgpt.load(docs.parent / "m.json").step


def end_of(process):
    """Its status, the rest of its output, and its complaints but for time."""
    stdout, stderr = process.communicate(timeout=20)
    return process.returncode, stdout, re.sub(
        r"microgpt: about \d+ min left\n", "", stderr)


STOPPED = r"stopped after step (\d+) of 1000000000\n"


# Ctrl-C


@pytest.mark.parametrize("saves", [True, False])
def test_ctrl_c_ends_training_saves_and_samples(at_work, saved_step, saves):
    process = at_work("step    1", *ENDLESS, "--samples", "3",
                      *["--save", "m.json"] * saves)
    process.send_signal(INT)
    status, stdout, stderr = end_of(process)
    assert (status, stderr) == (0, "")
    last = int(re.match(STOPPED, stdout)[1])
    assert len(samples(stdout)) == 3 == count_known(stdout)[1]
    assert not saves or saved_step() == last


def test_interrupted_and_resumed(at_work, call, docs):
    """Nothing shows that it was: not one digit, not one sample."""
    args = [*TINY, "--steps=1000", "--samples=5", "--holdout=0.4"]
    whole = call(*args, "--save=whole.json").stdout.splitlines()
    process = at_work("step    1", *args, "--save=m.json")
    process.send_signal(INT)
    status, rest, _ = end_of(process)
    assert status == 0 and len(samples(rest)) == 5
    [stopped] = re.findall(r"stopped after step (\d+) of 1000", rest)
    resumed = call("--load=m.json", "docs.txt").stdout.splitlines()
    assert resumed[0] == whole[0] and "(1 held out," in whole[0]
    assert re.match(rf"step {int(stopped) + 1:4d} / 1000 .* \| held-out \d",
                    resumed[1])
    assert resumed[2:] == whole[-len(resumed[2:]):]
    assert ((docs.parent / "m.json").read_bytes()
            == (docs.parent / "whole.json").read_bytes())


LONG = "a\n" + "anna " * 200 + "\n"  # with seed 0, "a" comes first


def test_ctrl_c_within_a_long_step(at_work, docs, saved_step):
    """The step is left, and was never taken."""
    docs.write_text(LONG)
    process = at_work("step    1", "docs.txt", "--block-size=999", "--steps=9",
                      "--seed=0", "--save=m.json", "--samples=0")
    time.sleep(0.3)  # well into step 2, which takes some seconds
    process.send_signal(INT)
    assert end_of(process) == (0, "stopped after step 1 of 9\n", "")
    assert saved_step() == 1


def test_a_second_ctrl_c_ends_at_once(at_work, saved_step):
    process = at_work("step    1", *ENDLESS, "--samples=1000000000",
                      "--save=m.json")
    process.send_signal(INT)
    started(process, "sample  1")
    process.send_signal(INT)
    status, _, stderr = end_of(process)
    assert (status, stderr) == (130, "") and saved_step() > 0


@pytest.mark.parametrize("signals, status", [
    ([INT], 0), ([INT, INT], 130), ([TERM], 143)])
def test_a_signal_in_the_pass_over_held_out_documents(
        at_work, docs, saved_step, signals, status):
    """That pass, some minutes here, is left; what was learned is saved."""
    docs.write_text("".join(f"name {i}\n" for i in range(40_000)))
    process = at_work("documents", *TINY, "--holdout=0.9", "--steps=1000",
                      "--save=m.json", f"--samples={10 ** (6 * len(signals[1:]))}")
    for signum in signals:
        time.sleep(0.7)
        process.send_signal(signum)
    found, stdout, stderr = end_of(process)
    assert (found, stderr) == (status, "")
    assert stdout.startswith("stopped after step 1 of 1000\n")
    assert saved_step() == 1


def test_ctrl_c_while_reading(docs):
    os.mkfifo(docs.parent / "pipe")
    process = start("pipe", folder=docs.parent)
    with open(docs.parent / "pipe", "wb"):  # waits for the reader
        process.send_signal(INT)
        status, _, stderr = end_of(process)
    assert (status, stderr) == (130, "")


@pytest.mark.skipif(sys.implementation.name == "pypy",
                    reason="PyPy takes up Ctrl-C when it starts")
def test_an_ignored_ctrl_c_stays_ignored(call):
    """What `nohup` and `&` in a script turned off is not turned on again."""
    command = with_module(
        "import microgpt, signal\n"
        "step = microgpt.train_step\n"
        "microgpt.train_step = (\n"
        "    lambda run: signal.raise_signal(signal.SIGINT) or step(run))\n"
        "sys.exit(microgpt.main(sys.argv[1:]))", *QUICK)
    done = call(command=["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command])
    assert (done.returncode, done.stderr) == (0, "")
    assert "stopped" not in done.stdout


# A scheduler, or a terminal that is closed


@pytest.mark.parametrize("gap", [0.0, 0.002, 0.005, 0.02])
@pytest.mark.parametrize("first, second", [
    (TERM, TERM), (HUP, HUP), (HUP, TERM), (TERM, HUP)])
def test_ended_twice(at_work, saved_step, first, second, gap):
    """A closing terminal sends two, one from the shell and one from itself."""
    process = at_work("step    1", *ENDLESS, "--save", "m.json")
    process.send_signal(first)
    time.sleep(gap)
    process.send_signal(second)
    status, stdout, stderr = end_of(process)
    # negative where the second came when Python itself was about to leave
    assert stderr == "" and status in (129, 143, -HUP, -TERM)
    assert saved_step() == int(re.fullmatch(STOPPED, stdout)[1])


def test_without_a_model_to_save_it_ends_as_well(at_work):
    process = at_work("step    1", *ENDLESS)
    process.send_signal(TERM)
    status, stdout, stderr = end_of(process)
    assert (status, stderr) == (143, "") and re.fullmatch(STOPPED, stdout)


def test_the_status_where_it_was_ended_and_could_not_save(at_work, docs):
    (docs.parent / "new").mkdir()
    process = at_work("step    1", *ENDLESS, "--save", "new/m.json")
    (docs.parent / "new").rename(docs.parent / "gone")
    process.send_signal(TERM)
    status, stdout, stderr = end_of(process)
    assert status == 1 and re.fullmatch(STOPPED, stdout)
    assert re.fullmatch(r"microgpt: 'new/m\.json' cannot be written: [^\n\[]+\n",
                        stderr)


@pytest.mark.skipif(sys.implementation.name == "pypy",
                    reason="PyPy does not say which signals are ignored")
def test_ignored_hangup_stays_ignored(at_work):
    """As under nohup."""
    process = at_work(
        "step    1", *TINY, "--steps=300", "--samples=1", "--save=m.json",
        preexec_fn=lambda: signal.signal(HUP, signal.SIG_IGN))
    process.send_signal(HUP)
    status, stdout, stderr = end_of(process)
    assert (status, stderr) == (0, "")
    assert "step  300" in stdout and "stopped" not in stdout


def test_a_power_cut_costs_a_tenth(at_work, saved_step):
    process = at_work("step  600", *TINY, "--steps=6000", "--save=m.json")
    process.kill()
    process.communicate()
    assert saved_step() % 600 == 0 and 600 <= saved_step() < 6000


# Where its output goes


def test_each_line_is_out_before_the_next_is_made(docs):
    """Whoever reads a pipe sees what there is: nothing is held back."""
    code = ("import microgpt\n"
            "def when_told(work):\n"
            "    return lambda *args: sys.stdin.readline() and work(*args)\n"
            "microgpt.train_step = when_told(microgpt.train_step)\n"
            "microgpt.generate = when_told(microgpt.generate)\n"
            "sys.exit(microgpt.main(sys.argv[1:]))")
    with subprocess.Popen(with_module(code, *QUICK), cwd=docs.parent,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          bufsize=0) as process:
        for expected in ("documents 3", "step    1", "step    2", "step    3",
                         "sample  1", "sample  2"):
            assert process.stdout.readline().decode().startswith(expected)
            process.stdin.write(b"\n")


def test_what_was_learned_is_saved_when_nobody_reads_on(at_work, saved_step):
    """As with `| head -2`: at the next line it is known, and kept."""
    process = at_work("step    1", *TINY, "--steps=20000", "--save=m.json")
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert saved_step() % 2000 == 0 and 0 < saved_step() < 20_000


@pytest.mark.parametrize("args", [
    QUICK, [*TINY, "--steps", "0"], [*TINY, "--steps", "0", "--samples", "0"],
    ["--help"]])
def test_nobody_reads(call, args):
    ours, its = os.pipe()
    os.close(ours)
    done = call(*args, capture_output=False, stdout=its, stderr=subprocess.PIPE)
    os.close(its)
    assert done.stderr == ""


def test_closed_output(call, saved_step):
    """Nobody ever read, and what was learned is saved all the same."""
    done = call(*QUICK, "--save", "m.json",
                command=["sh", "-c", '"$@" >&-', "sh", *COMMAND])
    assert (done.returncode, done.stderr, saved_step()) == (0, "", 3)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("args", [
    QUICK, [*TINY, "--steps", "0", "--samples", "0"]])
def test_output_to_a_full_disk(call, args):
    with open("/dev/full", "w") as full:
        done = call(*args, capture_output=False, stdout=full,
                    stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert re.fullmatch(r"microgpt: [^\n\[]+\n", done.stderr)


def test_a_model_on_a_full_disk(refused, docs):
    """It is known before the first step."""
    resource = pytest.importorskip("resource")
    refused(*QUICK, "--save", "m.json", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (999, 999)))  # stands in for the full disk
    assert os.listdir(docs.parent) == ["docs.txt"]


@pytest.mark.parametrize("utf8", ["0", "1"])
def test_c_locale(out, docs, utf8):
    docs.write_text("Ωé\n日本\n", encoding="utf-8")
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": utf8}
    assert ("日" in out(*QUICK, "--samples=20", env=env)) == (utf8 == "1")


@pytest.mark.parametrize("command", [
    "{program} - < docs.txt", "cat docs.txt | {program} -",
    "{program} /dev/stdin < docs.txt", "{program} <(cat docs.txt)"])
def test_text_from_elsewhere(out, docs, command):
    """What can be read but once is a FILE as well."""
    if not os.path.exists("/dev/stdin") or not shutil.which("bash"):
        pytest.skip("no /dev/stdin, or no bash")
    program = shlex.join([*COMMAND, *QUICK[1:]])
    assert out(command=["bash", "-c", command.format(program=program)]) == (
        out(*QUICK))


def test_a_name_that_is_not_utf_8(refused):
    assert "missing" in refused(b"missing\xff.txt")


def test_on_a_real_terminal(call):
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    env = {name: os.environ[name] for name in os.environ if name != "COLUMNS"}
    done = call(*QUICK, capture_output=False, stdout=its, env=env,
                stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")
    lines = os.read(ours, 9999).decode().replace("\r\n", "\n").split("\n")
    os.close(ours)
    os.close(its)
    frames = lines[1].split("\r")
    assert [len(frame) for frame in frames] == [0, 59, 59, 59]
    assert re.match(r"step    3 /    3 \| loss \d\.\d{4} \| \d", frames[-1])
    assert [line[:11] for line in lines[2:]] == [
        "sample  1: ", "sample  2: ", "word for wo", ""]
