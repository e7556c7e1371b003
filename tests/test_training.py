import gc
import math
import random
import sys
import types
import zlib
from dataclasses import replace

import pytest

import floor
import microgpt
import textbook
from microgpt import Config, Run, document_loss, held_out_loss, train_step
from program import with_module

DOCS = ["abba", "dead", "a", "bead", "", "cabbage"]


@pytest.fixture
def run(tiny):
    return Run(tiny, DOCS)


@pytest.fixture
def collector():
    """Leaves the collector as it was."""
    enabled = gc.isenabled()
    yield
    gc.enable() if enabled else gc.disable()


def train(run):
    """All steps that are left -> their losses."""
    return [train_step(run) for _ in range(run.config.steps - run.step)]


def state(run):
    """All of it that a step changes, to the bit."""
    numbers = [w.data for w in run.weights] + run.m + run.v
    return run.step, [number.hex() for number in numbers]


def tokens_of(run, step):
    tokenizer, doc = run.tokenizer, run.docs[step % len(run.docs)]
    return [tokenizer.bos, *tokenizer.encode(doc), tokenizer.bos]


SETTINGS = [{}, {"n_layer": 2}, {"n_head": 4, "learning_rate": 0.1},
            {"n_embd": 3, "n_head": 1}, {"adam_eps": 0.01},
            {"block_size": 2, "beta1": 0.0, "beta2": 0.5}]


@pytest.mark.parametrize("settings", SETTINGS)
def test_losses_and_weights_equal_the_textbook_and_the_floor(
        settings, tiny, recursion):
    """The floor is the same step without a graph, slopes written by hand."""
    config = replace(tiny, **{"block_size": 6, "steps": 8, **settings})
    run = Run(config, DOCS)
    book = textbook.Trainer(config, run.params)
    plain = floor.Trainer(config, run.params)
    names = list(run.params)
    losses = train(run)
    for trainer in (book, plain):
        assert losses == pytest.approx(
            [trainer.step(tokens_of(run, step)) for step in range(8)],
            rel=1e-10)
    weights = [w.data for w in run.weights]
    assert [w.data for w in book.flat] == pytest.approx(weights, rel=1e-8,
                                                        abs=1e-10)
    assert [w for name in names for row in plain.params[name] for w in row
            ] == pytest.approx(weights, rel=1e-8, abs=1e-10)


# a run

def test_a_run_shuffles_and_holds_out(tiny):
    docs = [f"{c}{d}" for c in "abcde" for d in "xy"]
    before, whole = list(docs), Run(tiny, docs)
    run = Run(replace(tiny, holdout=0.3), docs)
    assert docs == before != whole.docs and sorted(whole.docs) == docs
    assert (run.held_out, run.docs) == (whole.docs[:3], whole.docs[3:])
    assert state(run) == state(whole)
    assert [w for matrix in run.params.values() for row in matrix
            for w in row] == run.weights
    assert len(Run(replace(tiny, holdout=0.99), docs).docs) == 1  # never none


def test_documents_are_a_list(tiny):
    for docs in ("abba", iter(DOCS)):
        with pytest.raises((AttributeError, TypeError)):
            Run(tiny, docs)


def test_the_checksum_of_documents_knows_where_each_ends(tiny):
    assert (Run(tiny, ["a\nb", "c"]).docs_crc
            != Run(tiny, ["a", "b", "c"]).docs_crc
            != Run(tiny, ["a", "b\nc"]).docs_crc)
    assert Run(tiny, ["a", "é"]).docs_crc == zlib.crc32(b'["a", "\\u00e9"]')


@pytest.mark.parametrize("docs, steps", [([], 5), (DOCS, 0)])
def test_where_nothing_is_left_to_learn(docs, steps, tiny):
    run = Run(replace(tiny, steps=steps), docs)
    before = state(run)
    with pytest.raises(ValueError, match="no documents, or no steps left"):
        train_step(run)
    assert state(run) == before


def test_training_learns(tiny):
    losses = train(Run(replace(tiny, steps=60, learning_rate=0.05), ["abba"]))
    assert losses[-1] < 0.2 * losses[0]


def test_what_grads_were_before_does_not_matter(run, tiny):
    other = Run(tiny, DOCS)
    document_loss(tiny, other.params, other.tokenizer, "bead").backward()
    assert any([w.grad for w in other.weights])
    assert train(run) == train(other) and state(other) == state(run)


def test_the_gradient_of_a_step_stays_to_be_looked_at(run, tiny):
    other = Run(tiny, DOCS)
    document_loss(tiny, other.params, other.tokenizer, other.docs[0]).backward()
    train_step(run)
    assert [w.grad for w in run.weights] == [w.grad for w in other.weights]


# losses

def loss_of(run, doc):
    return document_loss(run.config, run.params, run.tokenizer, doc).data


def test_loss_is_the_mean_over_tokens(run):
    for w in run.weights:
        w.data = 0.0  # all tokens are then as likely
    for doc in ("", "a", "abc", "abbaabba"):
        assert loss_of(run, doc) == pytest.approx(
            math.log(run.tokenizer.vocab_size))


def test_a_long_document_is_cut(run, tiny):
    """With four tokens to read, bos and abb, the last to predict is a."""
    full = loss_of(run, "abba")
    assert loss_of(run, "abbage") == full != loss_of(run, "abb")
    tokens = [run.tokenizer.bos, *run.tokenizer.encode("abba"), 0]
    expected, (_, _, terms, _) = textbook.document_loss(
        tiny, textbook.copy(run.params), tokens)
    assert len(terms) == 4
    assert full == pytest.approx(expected.data, rel=1e-12)


def test_held_out_loss_is_a_mean_and_changes_nothing(tiny):
    run = Run(replace(tiny, holdout=0.5), DOCS)
    before = state(run)
    assert held_out_loss(run) == pytest.approx(
        sum([loss_of(run, doc) for doc in run.held_out]) / 3, rel=1e-12)
    assert state(run) == before and len(run.held_out) == 3


# a step is taken whole or not at all

@pytest.mark.parametrize("number", [math.nan, math.inf, 1e308, 1e6])
def test_divergence_leaves_the_run(number, run):
    for w in run.params["lm_head"][run.tokenizer.encode("b")[0]]:
        w.data = number
    run.docs = ["ad"]
    before = state(run)
    with pytest.raises(ArithmeticError, match="^training diverged to a loss of"
                       r" (nan|inf|[0-9.e+]+): lower config.learning_rate="):
        train_step(run)
    assert state(run) == before


@pytest.mark.parametrize("name", [
    "attn_wq", "attn_wk", "attn_wv", "attn_wo", "mlp_fc1", "mlp_fc2"])
def test_nan_is_never_left_out(name, run):
    for w in run.params[f"layer0.{name}"][0]:
        w.data = math.nan
    with pytest.raises(ArithmeticError, match="a loss of nan:"):
        train_step(run)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_step_that_is_interrupted_within_adam(error, run, monkeypatch):
    """Half of the weights are then new, and must be the old ones again."""
    train_step(run)
    before, left, sqrt = state(run), [len(run.weights) // 2], math.sqrt

    def interrupted(number):
        left[0] -= 1
        if left[0] < 0:
            raise error
        return sqrt(number)

    same = Run(run.config, DOCS)
    train(same)
    monkeypatch.setattr(math, "sqrt", interrupted)
    with pytest.raises(error):
        train_step(run)
    monkeypatch.undo()
    assert state(run) == before
    train(run)
    assert state(run) == state(same)


def test_ctrl_c_in_a_loop_of_ones_own(out):
    """As in a notebook: whenever it comes, the loop can be run again, and
    nothing shows that it was stopped thirty times."""
    assert out(command=with_module(INTERRUPTED)) == "30 True\n"


INTERRUPTED = """
import os, random, signal, threading
from microgpt import Config, Run, train_step

config = Config(n_embd=4, n_head=1, n_layer=1, block_size=8, steps=10 ** 6)
docs = ["anna", "bob", "eve"]
run, caught, n_caught = Run(config, docs), threading.Event(), 0
signal.signal(signal.SIGINT, signal.default_int_handler)

def press():
    rng = random.Random(1)
    for _ in range(30):
        caught.wait()
        caught.clear()
        threading.Event().wait(rng.uniform(0.001, 0.01))
        os.kill(os.getpid(), signal.SIGINT)

presser = threading.Thread(target=press)
presser.start()
while n_caught < 30:
    try:
        caught.set()
        while True:
            train_step(run)
    except KeyboardInterrupt:
        n_caught += 1
presser.join()
same = Run(config, docs)
while same.step < run.step:
    train_step(same)
print(n_caught, ([w.data for w in run.weights], run.m, run.v)
      == ([w.data for w in same.weights], same.m, same.v))
"""


# what must not change, whatever happens

@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("doc", ["abba", "?"])  # "?" is an error
def test_the_collector_is_as_before(doc, enabled, run, collector):
    gc.enable() if enabled else gc.disable()
    run.docs = [doc]
    if doc == "?":
        with pytest.raises(ValueError):
            train_step(run)
    else:
        train_step(run)
    assert gc.isenabled() == enabled


@pytest.mark.parametrize("python, collecting", [("cpython", False),
                                                ("pypy", True)])
def test_only_reference_counting_can_do_without_the_collector(
        run, monkeypatch, collector, python, collecting):
    """PyPy would keep every graph of a run."""
    seen, build = [], document_loss

    def building(*args):
        seen.append(gc.isenabled())
        return build(*args)

    monkeypatch.setattr(microgpt, "document_loss", building)
    monkeypatch.setattr(sys, "implementation",
                        types.SimpleNamespace(name=python))
    gc.enable()
    train_step(run)
    assert seen == [collecting] and gc.isenabled()


def test_a_step_leaves_no_graph_and_no_cycle(run, values_alive):
    before = values_alive()
    for _ in range(3):
        train_step(run)
        assert values_alive() == before
    assert set(map(type, run.m + run.v)) == {float}
    assert gc.collect() == 0


def test_global_randomness_is_not_used(tiny):
    random.seed(11)
    before = random.getstate()
    run = Run(tiny, DOCS)
    train(run)
    microgpt.generate(tiny, run.params, run.tokenizer, run.rng)
    assert random.getstate() == before


def test_importing_changes_nothing_and_is_silent(out):
    assert out(command=with_module(
        "import gc, random, signal\n"
        "def state():\n"
        "    return (random.getstate(), gc.isenabled(),\n"
        "            sys.getrecursionlimit(), signal.getsignal(signal.SIGINT),\n"
        "            signal.getsignal(signal.SIGTERM))\n"
        "random.seed(5)\n"
        "before = state()\n"
        "import microgpt\n"
        "assert before == state()\n")) == ""
