import gc
import math
import random
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

import microgpt
import textbook
from microgpt import (Config, Tokenizer, Value, document_loss, flatten,
                      init_params, train)

DOCS = ["abba", "dead", "a", "bead", "", "cabbage"]


@pytest.fixture
def tokenizer():
    return Tokenizer(DOCS)


@pytest.fixture
def collector():
    """Leaves the collector as it was."""
    enabled = gc.isenabled()
    yield
    gc.enable() if enabled else gc.disable()


def data(params):
    return [w.data for w in flatten(params)]


@pytest.mark.parametrize("settings", [
    {}, {"n_layer": 2, "init_std": 0.3}, {"n_head": 4, "learning_rate": 0.1},
    {"block_size": 2, "beta1": 0.0, "beta2": 0.5}, {"adam_eps": 0.01},
])
def test_losses_and_weights_equal_the_textbook(settings, tokenizer, recursion):
    config = replace(Config(n_embd=4, n_head=2, block_size=6, steps=8),
                     **settings)
    params = init_params(config, tokenizer.vocab_size, random.Random(5))
    book = textbook.Trainer(config, {name: [[w.data for w in row]
                                            for row in matrix]
                                     for name, matrix in params.items()})
    losses, expected = [], []
    train(config, params, tokenizer, DOCS,
          report=lambda step, loss: losses.append(loss))
    for step in range(config.steps):
        doc = DOCS[step % len(DOCS)]
        expected.append(book.step(
            [tokenizer.bos, *tokenizer.encode(doc), tokenizer.bos]))
    assert losses == pytest.approx(expected, rel=1e-10)
    assert data(params) == pytest.approx([w.data for w in book.flat],
                                         rel=1e-8, abs=1e-10)


def test_training_learns(tiny, params, tokenizer):
    losses = []
    train(replace(tiny, steps=60, learning_rate=0.05), params, tokenizer,
          ["abba"], report=lambda step, loss: losses.append(loss))
    assert losses[-1] < 0.2 * losses[0]


def test_report_counts_steps_from_one(tiny, params, tokenizer):
    steps = []
    adam = train(tiny, params, tokenizer, DOCS,
                 report=lambda step, loss: steps.append(step))
    assert steps == [1, 2, 3, 4, 5]
    assert adam.step == 5


def test_no_steps(tiny, params, tokenizer):
    before = data(params)
    adam = train(replace(tiny, steps=0), params, tokenizer, DOCS)
    assert adam.step == 0
    assert data(params) == before


@pytest.mark.parametrize("stop_at", [1, 2, 4, 5])
def test_going_on_equals_never_stopping(stop_at, tiny, params, tokenizer):
    other = init_params(tiny, tokenizer.vocab_size, random.Random(1))
    assert data(other) == data(params)
    losses, pieces, adam = [], [], microgpt.Adam()
    whole = train(tiny, params, tokenizer, DOCS,
                  report=lambda step, loss: losses.append(loss))

    def report(step, loss):
        pieces.append(loss)
        if step == stop_at:
            raise StopIteration

    with pytest.raises(StopIteration):
        train(tiny, other, tokenizer, DOCS, adam, report)
    assert adam.step == stop_at
    again = train(tiny, other, tokenizer, DOCS, adam,
                  lambda step, loss: pieces.append(loss))
    assert again is adam
    assert (pieces, data(other), again) == (losses, data(params), whole)


def test_what_grads_were_before_does_not_matter(tiny, params, tokenizer):
    other = init_params(tiny, tokenizer.vocab_size, random.Random(1))
    document_loss(tiny, other, tokenizer, "bead").backward()
    assert any([w.grad for w in flatten(other)])
    train(tiny, params, tokenizer, DOCS)
    train(tiny, other, tokenizer, DOCS)
    assert data(other) == data(params)


# loss of a document

def test_loss_is_the_mean_over_tokens(tiny, params, tokenizer):
    for w in flatten(params):
        w.data = 0.0  # all tokens are then as likely
    for doc in ("", "a", "abc", "abbaabba"):
        loss = document_loss(tiny, params, tokenizer, doc)
        assert loss.data == pytest.approx(math.log(tokenizer.vocab_size))


def test_a_long_document_is_cut(tiny, params, tokenizer):
    full = document_loss(tiny, params, tokenizer, "abba").data
    assert document_loss(tiny, params, tokenizer, "abbage").data == full
    assert document_loss(tiny, params, tokenizer, "abb").data != full


def test_a_full_block_has_no_end_mark(tiny, params, tokenizer):
    """With four tokens to read, bos and abb, the last to predict is a."""
    book = {name: [[textbook.Value(w.data) for w in row] for row in matrix]
            for name, matrix in params.items()}
    tokens = [tokenizer.bos, *tokenizer.encode("abba"), tokenizer.bos]
    expected, (_, _, terms, _) = textbook.document_loss(tiny, book, tokens)
    assert len(terms) == tiny.block_size
    loss = document_loss(tiny, params, tokenizer, "abba")
    assert loss.data == pytest.approx(expected.data, rel=1e-12)


def test_an_unknown_character_is_named(tiny, params, tokenizer):
    with pytest.raises(ValueError, match="'z' is not in the vocabulary"):
        document_loss(tiny, params, tokenizer, "az")


# divergence

@pytest.mark.parametrize("number", [math.nan, math.inf, 1e308])
def test_divergence_leaves_the_weights(number, tiny, params, tokenizer):
    for w in params["lm_head"][tokenizer.encode("b")[0]]:
        w.data = number
    before, adam = list(map(repr, data(params))), microgpt.Adam()
    with pytest.raises(ArithmeticError, match="a probability became"):
        train(tiny, params, tokenizer, ["ad"], adam)
    assert list(map(repr, data(params))) == before
    assert (adam.step, set(adam.m), set(adam.v)) == (0, {0.0}, {0.0})


def test_a_huge_learning_rate_diverges(tiny, params, tokenizer):
    """The weights are then those of the last step that was reported."""
    kept = []
    with pytest.raises(ArithmeticError, match="a probability became"):
        train(replace(tiny, learning_rate=1e9, steps=50), params, tokenizer,
              DOCS, report=lambda step, loss: kept.append(data(params)))
    assert 0 < len(kept) < 50
    assert data(params) == kept[-1]
    assert all(map(math.isfinite, kept[-1]))


# what must not change, whatever happens

class Stop(Exception):
    pass


@pytest.mark.parametrize("error", [None, Stop, KeyboardInterrupt])
@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_before(error, enabled, tiny, params, tokenizer,
                                    collector):
    def report(step, loss):
        if error:
            raise error

    gc.enable() if enabled else gc.disable()
    if error:
        with pytest.raises(error):
            train(tiny, params, tokenizer, DOCS, report=report)
    else:
        train(tiny, params, tokenizer, DOCS, report=report)
    assert gc.isenabled() == enabled


def test_the_collector_is_as_before_a_bad_document(tiny, params, tokenizer,
                                                   collector):
    gc.enable()
    with pytest.raises(ValueError):
        train(tiny, params, tokenizer, ["?"])
    assert gc.isenabled()


@pytest.mark.skipif(sys.implementation.name != "cpython",
                    reason="only CPython frees an object at its last reference")
def test_no_graph_is_left(tiny, params, tokenizer, collector):
    def alive():
        return sum([type(thing) is Value for thing in gc.get_objects()])

    gc.collect()
    gc.disable()
    before, during = alive(), []
    train(tiny, params, tokenizer, DOCS * 2,
          report=lambda step, loss: during.append(alive()))
    assert alive() == before
    assert gc.collect() == 0
    assert max(during) < before + 10_000


def test_global_randomness_is_not_used(tiny, tokenizer):
    random.seed(11)
    state = random.getstate()
    params = init_params(tiny, tokenizer.vocab_size, random.Random(1))
    train(tiny, params, tokenizer, DOCS)
    microgpt.generate(tiny, params, tokenizer, random.Random(2))
    assert random.getstate() == state


def test_importing_changes_nothing_and_is_silent():
    program = ("import gc, random, sys\n"
               "random.seed(5)\n"
               "before = (random.getstate(), gc.isenabled(),"
               " gc.get_threshold(), sys.getrecursionlimit())\n"
               "import microgpt\n"
               "assert before == (random.getstate(), gc.isenabled(),"
               " gc.get_threshold(), sys.getrecursionlimit())\n")
    result = subprocess.run([sys.executable, "-c", program],
                            cwd=str(Path(microgpt.__file__).parent),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (result.returncode, result.stdout) == (0, b"")


@pytest.mark.parametrize("python, collecting", [("cpython", False),
                                                ("pypy", True)])
def test_only_reference_counting_can_do_without_the_collector(
        tiny, params, tokenizer, monkeypatch, python, collecting):
    """PyPy would keep every graph of a run."""
    monkeypatch.setattr(sys, "implementation",
                        types.SimpleNamespace(name=python))
    seen = []
    gc.enable()
    train(tiny, params, tokenizer, ["abc"],
          report=lambda step, loss: seen.append(gc.isenabled()))
    assert set(seen) == {collecting} and gc.isenabled()
