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
from microgpt import (Config, Run, Tokenizer, Value, document_loss, flatten,
                      train)

DOCS = ["abba", "dead", "a", "bead", "", "cabbage"]


@pytest.fixture
def tokenizer():
    return Tokenizer(DOCS)


@pytest.fixture
def run(tiny):
    return Run(tiny, DOCS)


@pytest.fixture
def params(run):
    return run.params


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
    run = Run(config, DOCS)
    book = textbook.Trainer(config, {name: [[w.data for w in row]
                                            for row in matrix]
                                     for name, matrix in run.params.items()})
    losses, expected = [], []
    train(run, report=lambda step, loss: losses.append(loss))
    for step in range(config.steps):
        doc = run.docs[step % len(DOCS)]
        expected.append(book.step(
            [tokenizer.bos, *tokenizer.encode(doc), tokenizer.bos]))
    assert losses == pytest.approx(expected, rel=1e-10)
    assert data(run.params) == pytest.approx([w.data for w in book.flat],
                                         rel=1e-8, abs=1e-10)


def test_a_run_shuffles_and_holds_out(tiny):
    docs = [f"{c}{d}" for c in "abcde" for d in "xy"]
    before, whole = list(docs), Run(tiny, docs)
    run = Run(replace(tiny, holdout=0.3), docs)
    assert docs == before != whole.docs and sorted(whole.docs) == docs
    assert (run.held_out, run.docs) == (whole.docs[:3], whole.docs[3:])
    assert data(run.params) == data(whole.params) and run.step == 0
    assert run.weights == flatten(run.params)


def test_a_run_without_documents(tiny):
    run = Run(replace(tiny, holdout=0.99), ["a", "b"])
    with pytest.raises(ValueError, match="no documents to train on"):
        train(run)


def test_training_learns(tiny):
    losses = []
    train(Run(replace(tiny, steps=60, learning_rate=0.05), ["abba"]),
          report=lambda step, loss: losses.append(loss))
    assert losses[-1] < 0.2 * losses[0]


def test_report_counts_steps_from_one(run):
    steps = []
    train(run, report=lambda step, loss: steps.append(step))
    assert steps == [1, 2, 3, 4, 5]
    assert run.step == 5


def test_no_steps(tiny):
    run = Run(replace(tiny, steps=0), DOCS)
    before = data(run.params)
    train(run)
    assert run.step == 0
    assert data(run.params) == before


@pytest.mark.parametrize("error", [None, InterruptedError])
@pytest.mark.parametrize("stop_at", [1, 2, 4, 5])
def test_going_on_equals_never_stopping(stop_at, error, tiny):
    """Both for a report that returns true and for one that raises."""
    whole, other = Run(tiny, DOCS), Run(tiny, DOCS)
    losses, pieces = [], []
    train(whole, report=lambda step, loss: losses.append(loss))

    def report(step, loss):
        pieces.append(loss)
        if error and step == stop_at:
            raise error
        return step == stop_at

    try:
        train(other, report)
    except InterruptedError:
        pass
    assert other.step == stop_at == len(pieces)
    train(other, lambda step, loss: pieces.append(loss))
    assert (pieces, data(other.params)) == (losses, data(whole.params))
    assert (other.m, other.v, other.step) == (whole.m, whole.v, whole.step)


def test_what_grads_were_before_does_not_matter(run, tiny):
    other = Run(tiny, DOCS)
    document_loss(tiny, other.params, other.tokenizer, "bead").backward()
    assert any([w.grad for w in other.weights])
    train(run)
    train(other)
    assert data(other.params) == data(run.params)


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
def test_divergence_leaves_the_weights(number, run):
    for w in run.params["lm_head"][run.tokenizer.encode("b")[0]]:
        w.data = number
    before, run.docs = list(map(repr, data(run.params))), ["ad"]
    with pytest.raises(ArithmeticError, match="a probability became"):
        train(run)
    assert list(map(repr, data(run.params))) == before
    assert (run.step, set(run.m), set(run.v)) == (0, {0.0}, {0.0})


@pytest.mark.parametrize("name", [
    "attn_wq", "attn_wk", "attn_wv", "attn_wo", "mlp_fc1", "mlp_fc2"])
def test_nan_is_never_left_out(name, run):
    for w in run.params[f"layer0.{name}"][0]:
        w.data = math.nan
    with pytest.raises(ArithmeticError, match="a probability became nan"):
        train(run)


def test_a_huge_learning_rate_diverges(tiny):
    """The weights are then those of the last step that was reported."""
    run = Run(replace(tiny, learning_rate=1e9, steps=50), DOCS)
    kept = []
    with pytest.raises(ArithmeticError, match="a probability became"):
        train(run, report=lambda step, loss: kept.append(data(run.params)))
    assert 0 < len(kept) < 50
    assert data(run.params) == kept[-1]
    assert all(map(math.isfinite, kept[-1]))


# what must not change, whatever happens

class Stop(Exception):
    pass


@pytest.mark.parametrize("error", [None, Stop, KeyboardInterrupt])
@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_before(error, enabled, run, collector):
    def report(step, loss):
        if error:
            raise error

    gc.enable() if enabled else gc.disable()
    if error:
        with pytest.raises(error):
            train(run, report)
    else:
        train(run, report)
    assert gc.isenabled() == enabled


def test_the_collector_is_as_before_a_bad_document(run, collector):
    gc.enable()
    run.docs = ["?"]
    with pytest.raises(ValueError):
        train(run)
    assert gc.isenabled()


@pytest.mark.skipif(sys.implementation.name != "cpython",
                    reason="only CPython frees an object at its last reference")
def test_no_graph_is_left(run, collector):
    def alive():
        return sum([type(thing) is Value for thing in gc.get_objects()])

    gc.collect()
    gc.disable()
    before, during = alive(), []
    train(run, report=lambda step, loss: during.append(alive()))
    assert alive() == before
    assert gc.collect() == 0
    assert max(during) < before + 10_000


def test_global_randomness_is_not_used(tiny):
    random.seed(11)
    state = random.getstate()
    run = Run(tiny, DOCS)
    train(run)
    microgpt.generate(tiny, run.params, run.tokenizer, run.rng)
    assert random.getstate() == state


def test_importing_changes_nothing_and_is_silent():
    program = ("import gc, random, sys\n"
               "random.seed(5)\n"
               "def state(): return (random.getstate(), gc.isenabled(),"
               " sys.getrecursionlimit())\n"
               "before = state()\n"
               "import microgpt\n"
               "assert before == state()\n")
    result = subprocess.run([sys.executable, "-c", program],
                            cwd=str(Path(microgpt.__file__).parent),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (result.returncode, result.stdout) == (0, b"")


@pytest.mark.parametrize("python, collecting", [("cpython", False),
                                                ("pypy", True)])
def test_only_reference_counting_can_do_without_the_collector(
        run, monkeypatch, python, collecting):
    """PyPy would keep every graph of a run."""
    monkeypatch.setattr(sys, "implementation",
                        types.SimpleNamespace(name=python))
    seen = []
    gc.enable()
    train(run, report=lambda step, loss: seen.append(gc.isenabled()))
    assert set(seen) == {collecting} and gc.isenabled()
