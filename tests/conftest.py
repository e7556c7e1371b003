import math
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import microgpt


class Pages:
    """A plugin, for a fixture of this file would not reach other folders."""

    @pytest.fixture(autouse=True)
    def pages(self, doctest_namespace):
        """What the examples of the pages can use without an import."""
        public = {name: value for name, value in vars(microgpt).items()
                  if not name.startswith("_")}
        doctest_namespace.update(public, microgpt=microgpt, random=random,
                                 math=math)


def pytest_configure(config):
    config.pluginmanager.register(Pages())


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
