import random
import sys

import pytest

import microgpt


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
