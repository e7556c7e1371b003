import gc
import os
import pathlib
import random
import re
import subprocess
import sys

import pytest

import microgpt
import program

ROOT = pathlib.Path(__file__).resolve().parent.parent
# users' Python keeps output back until it is flushed: so do the programs here
os.environ.pop("PYTHONUNBUFFERED", None)


@pytest.fixture
def tokenizer():
    return microgpt.Tokenizer(["abcde"])


@pytest.fixture
def tiny():
    """Settings of a model that takes milliseconds."""
    return microgpt.Config(n_embd=4, n_head=2, n_layer=1, block_size=4, steps=5)


@pytest.fixture
def params(tiny, tokenizer):
    return microgpt.init_params(tiny, tokenizer.vocab_size, random.Random(1))


@pytest.fixture
def recursion():
    """Room for the textbook, whose backward calls itself."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.fixture
def values_alive():
    """Count the Values that exist, while no collector helps to free them."""
    if sys.implementation.name != "cpython":
        pytest.skip("only CPython frees an object at its last reference")
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    yield lambda: sum([type(thing) is microgpt.Value
                       for thing in gc.get_objects()])
    if enabled:
        gc.enable()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Folder of the built site."""
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", folder],
        cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def docs(tmp_path):
    """A small text to train on, in a folder of the test's own."""
    path = tmp_path / "docs.txt"
    path.write_text("anna\nbob\neve\n")
    return path


@pytest.fixture
def call(docs):
    """Run the program in the folder that holds docs.txt."""
    def call(*args, command=program.COMMAND, **kwargs):
        return subprocess.run(
            [*command, *args], cwd=docs.parent,
            **{"capture_output": True, "encoding": "utf-8", "timeout": 60,
               **kwargs})
    return call


@pytest.fixture
def out(call):
    """What the program prints when all goes well."""
    def out(*args, **kwargs):
        done = call(*args, **kwargs)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout
    return out


def is_refusal(status, stdout, stderr):
    """One printable line on stderr, in words, and nothing else."""
    assert (status, stdout) == (2, "")
    assert re.fullmatch(r"microgpt: [^\n]+\n", stderr)
    assert stderr[:-1].isprintable() and "[Errno" not in stderr
    return stderr


@pytest.fixture
def refused(call):
    """The line with which the program turns a command down."""
    def refused(*args, **kwargs):
        done = call(*args, **kwargs)
        return is_refusal(done.returncode, done.stdout, done.stderr)
    return refused


@pytest.fixture
def main(docs, monkeypatch, capsys):
    """Call main in this process -> its status, stdout and stderr."""
    monkeypatch.chdir(docs.parent)

    def main(*args):
        capsys.readouterr()
        return (microgpt.main(list(args)), *capsys.readouterr())
    return main


@pytest.fixture
def turned_down(main):
    """refused, in this process."""
    return lambda *args: is_refusal(*main(*args))
