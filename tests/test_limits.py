"""Large and odd inputs, and how much memory a run takes."""
import subprocess
import sys

import pytest

from program import COMMAND

NARROW = ["--n-embd", "4", "--n-head", "1"]
SHORT = ["--steps", "1", "--samples", "1"]


@pytest.fixture
def one_step(out, docs):
    """What the program prints of one step on a text, and a sample."""
    def one_step(text, *args):
        docs.write_text(text, encoding="utf-8")
        text = out("docs.txt", *SHORT, *args)
        assert "sample  1: " in text
        return text
    return one_step


@pytest.fixture
def peak(tmp_path):
    """Peak memory of a run, in MB; a small parent keeps pytest's own out."""
    pytest.importorskip("resource")
    if sys.platform != "linux" or sys.implementation.name != "cpython":
        pytest.skip("measured for CPython on Linux")
    def peak(*args):
        code = ("import resource, subprocess, sys\n"
                "subprocess.run(sys.argv[1:], check=True, stdout=-3)\n"
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
        return int(subprocess.check_output(
            [sys.executable, "-S", "-c", code, *COMMAND, *args],
            cwd=tmp_path)) / 1024
    return peak


def test_many_lines(one_step):
    text = "".join([f"name{i}\n" for i in range(200_000)])
    assert one_step(text, *NARROW).startswith("documents 200000 (")


@pytest.mark.slow
def test_fifty_megabytes(one_step):
    text = "anna and bob\n" * 4_000_000
    assert one_step(text, *NARROW).startswith("documents 4000000 (")


@pytest.mark.parametrize("text, size", [
    ("".join(map(chr, range(0x4e00, 0x4e00 + 5000))), 5001),
    ("".join(map(chr, range(0x1f300, 0x1f600))), 769),
    ("e\u0301a\u0300\n\u0301\u0302\n", 6), ("👩\u200d👩\u200d👧", 4)],
    ids=["Chinese", "emoji", "combining", "joined"])
def test_vocabulary(one_step, text, size):
    header = one_step(text, *NARROW).splitlines()[0]
    assert header.startswith(f"documents {len(text.split())} (")
    assert f") | vocabulary {size} |" in header


def test_long_document(one_step):
    text = one_step("ab" * 50_000, *NARROW)
    assert text.startswith("documents 1 (0 held out, 1 cut to 16 tokens) | "
                           "vocabulary 3 |")


def test_one_letter(one_step):
    text = one_step("a")
    assert text.startswith("documents 1 (0 held out, 0 cut to 16 tokens) | "
                           "vocabulary 2 |")


@pytest.mark.parametrize("args", [
    ["--block-size", "512"], ["--n-layer", "12"],
    ["--block-size", "1"], ["--n-embd", "1", "--n-head", "1"],
    ["--n-embd", "32", "--n-head", "32"]], ids=" ".join)
def test_sizes(one_step, args):
    one_step("anna\nbob\neve\n", *args)


@pytest.mark.slow
def test_a_context_of_512_tokens(one_step):
    one_step("abcd" * 128, *NARROW, "--block-size", "512")


def test_memory(peak):
    default = peak("--steps", "20", "--samples", "3")
    assert default <= 30
    assert peak("--steps", "20", "--samples", "3",
                "--block-size", "512") < default + 10


def test_out_of_memory(run):
    """A limit on its addresses stands in for a full machine."""
    resource = pytest.importorskip("resource")
    if sys.platform != "linux" or sys.implementation.name != "cpython":
        pytest.skip("measured for CPython on Linux")

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (150_000_000,) * 2)

    done = run("--n-embd", "512", preexec_fn=limit)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "microgpt: out of memory\n"
