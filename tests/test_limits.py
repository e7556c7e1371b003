"""Large and odd inputs, and how much memory a run takes."""
import subprocess
import sys

import pytest

from program import COMMAND, SMALL

SHORT = ["--steps", "1", "--samples", "1"]


@pytest.fixture
def one_step(main, docs):
    """What is said before one step on a text, and complained of."""
    def one_step(text, *args):
        docs.write_text(text, encoding="utf-8")
        status, stdout, stderr = main("docs.txt", *SMALL, *SHORT, *args)
        assert status == 0 and "sample  1: " in stdout
        return stdout.splitlines()[0], stderr
    return one_step


def test_many_lines(one_step):
    text = "".join([f"n{i}\n" for i in range(100_000)])
    assert one_step(text)[0].startswith("documents 100000 (")


@pytest.mark.slow
def test_fifty_megabytes(one_step):
    text = "anna and bob\n" * 4_000_000
    assert one_step(text)[0].startswith("documents 4000000 (")


@pytest.mark.parametrize("text, size", [
    ("\n".join(map(chr, range(0x4e00, 0x4e00 + 5000))), 5001),
    ("e\u0301a\u0300\n\u0301\u0302\n", 6), ("👩\u200d👩\u200d👧", 4), ("a", 2)],
    ids=["Chinese", "combining", "joined", "one letter"])
def test_vocabulary(one_step, text, size):
    header, stderr = one_step(text)
    assert header.startswith(f"documents {len(text.split())} (") and not stderr
    assert f") | vocabulary {size} |" in header


def test_a_long_document(one_step):
    header, stderr = one_step("ab" * 50_000)
    assert "documents 1 (0 held out, 1 cut to 8 tokens) | voc" in header
    assert "only 8 of 100000 characters are read" in stderr


@pytest.mark.parametrize("args", [
    ["--block-size=512"], ["--n-layer=12"], ["--block-size=1"],
    ["--n-embd=1"], ["--n-embd=32", "--n-head=32"]], ids=" ".join)
def test_sizes(one_step, args):
    one_step("anna\nbob\neve\n", *args)


@pytest.mark.slow
def test_a_context_of_512_tokens(one_step):
    one_step("abcd" * 128, "--block-size=512")


@pytest.fixture
def measured():
    pytest.importorskip("resource")
    if sys.platform != "linux" or sys.implementation.name != "cpython":
        pytest.skip("measured for CPython on Linux")


def test_memory(measured, tmp_path):
    """Peaks in MB, with the sizes that the README shows. A small parent keeps
    pytest's own out."""
    code = ("import resource, subprocess, sys\n"
            "subprocess.run(sys.argv[1:], check=True, stdout=-3)\n"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    sizes = ["--n-embd=16", "--n-head=4", "--n-layer=1", "--steps=20"]
    peaks = [int(subprocess.check_output(
        [sys.executable, "-S", "-c", code, *COMMAND, *sizes,
         f"--block-size={n}"], cwd=tmp_path)) / 1024 for n in (16, 512)]
    assert peaks[0] <= 30 and peaks[1] < peaks[0] + 10


def test_out_of_memory(call, measured):
    """A limit on its addresses stands in for a full machine."""
    import resource
    done = call("--n-embd=512", "--n-head=4", preexec_fn=lambda: (
        resource.setrlimit(resource.RLIMIT_AS, (150_000_000,) * 2)))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "microgpt: out of memory\n"
