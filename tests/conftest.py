import os
import pathlib
import random
import subprocess
import sys

import pytest

import microgpt

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture
def tokenizer():
    return microgpt.Tokenizer(["abcde"])


@pytest.fixture
def tiny():
    """Settings of a model that takes milliseconds."""
    return microgpt.Config(n_embd=4, n_head=2, block_size=4, steps=5)


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
