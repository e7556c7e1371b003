"""Large and odd inputs, and how much memory a run takes."""
import re
import subprocess
import sys

import pytest

import microgpt

COMMAND = [sys.executable, microgpt.__file__]
TINY = ["--n-embd", "4", "--n-head", "1"]
SHORT = ["--steps", "1", "--samples", "1"]

@pytest.fixture
def run(tmp_path):
    """Run one step on this text: it works, or is refused in one line."""
    def run(text, *args, timeout=60):
        (tmp_path / "docs.txt").write_text(text, encoding="utf-8")
        done = subprocess.run([*COMMAND, "docs.txt", *SHORT, *args],
                              capture_output=True, encoding="utf-8",
                              cwd=tmp_path, timeout=timeout)
        if done.returncode:
            assert done.returncode == 2
            assert re.fullmatch(r"microgpt: [^\n]+\n", done.stderr)
        else:
            assert done.stderr == "" and "sample  1: " in done.stdout
        return done.stdout
    return run

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

def test_many_lines(run):
    text = "".join([f"name{i}\n" for i in range(200_000)])
    assert run(text, *TINY).startswith("documents 200000 (")

@pytest.mark.slow
def test_fifty_megabytes(run):
    text = "anna and bob\n" * 4_000_000
    assert run(text, *TINY).startswith("documents 4000000 (")

@pytest.mark.parametrize("text, size", [
    ("".join(map(chr, range(0x4e00, 0x4e00 + 5000))), 5001),
    ("".join(map(chr, range(0x1f300, 0x1f600))), 769),
    ("e\u0301a\u0300\n\u0301\u0302\n", 6), ("👩\u200d👩\u200d👧", 4)],
    ids=["Chinese", "emoji", "combining", "joined"])
def test_vocabulary(run, text, size):
    header = run(text, *TINY).splitlines()[0]
    assert header.startswith(f"documents {len(text.split())} (")
    assert f") | vocabulary {size} |" in header

def test_long_document(run):
    out = run("ab" * 50_000, *TINY)
    assert out.startswith("documents 1 (0 held out, 1 cut to 16 tokens) | "
                          "vocabulary 3 |")

def test_one_letter(run):
    assert run("a").startswith("documents 1 (0 held out, 0 cut to 16 tokens) "
                               "| vocabulary 2 |")

@pytest.mark.parametrize("args", [
    ["--block-size", "512"], ["--n-layer", "12"],
    ["--block-size", "1"], ["--n-embd", "1", "--n-head", "1"],
    ["--n-embd", "9999", "--n-head", "9999"]], ids=" ".join)
def test_sizes(run, args):
    run("anna\nbob\neve\n", *args)

@pytest.mark.slow
def test_a_context_of_512_tokens(run):
    run("abcd" * 128, *TINY, "--block-size", "512")

def test_memory(peak):
    default = peak("--steps", "20", "--samples", "3")
    assert default <= 30
    assert peak("--steps", "20", "--samples", "3",
                "--block-size", "512") < default + 10
