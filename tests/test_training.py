import gc
import math
import random
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

import floor
import microgpt
import textbook
from microgpt import Config, Run, Value, document_loss, flatten, train

DOCS = ["abba", "dead", "a", "bead", "", "cabbage"]


@pytest.fixture
def training_run(tiny):
    return Run(tiny, DOCS)


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
def test_losses_and_weights_equal_the_textbook(settings, recursion):
    config = replace(Config(n_embd=4, n_head=2, block_size=6, steps=8),
                     **settings)
    run = Run(config, DOCS)
    tokenizer = run.tokenizer
    book = textbook.Trainer(config, run.params)
    losses, expected = [], []
    train(run, report=lambda step, loss: losses.append(loss))
    for step in range(config.steps):
        doc = run.docs[step % len(DOCS)]
        expected.append(book.step(
            [tokenizer.bos, *tokenizer.encode(doc), tokenizer.bos]))
    assert losses == pytest.approx(expected, rel=1e-10)
    assert data(run.params) == pytest.approx([w.data for w in book.flat],
                                             rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("settings", [
    {}, {"n_layer": 3, "init_std": 0.4}, {"n_head": 1, "n_embd": 3},
    {"block_size": 2, "beta1": 0.0, "adam_eps": 0.01}])
def test_losses_slopes_and_weights_equal_the_floor(settings):
    """The same step without a graph, which the benchmark measures against."""
    config = replace(Config(n_embd=4, n_head=2, block_size=6, steps=8),
                     **settings)
    run = Run(config, DOCS)
    plain = floor.Trainer(config, run.params)
    names, tokenizer = list(run.params), run.tokenizer

    def flat(params):
        return [w for name in names for row in params[name] for w in row]

    def tokens(step):
        text = tokenizer.encode(run.docs[step % len(DOCS)])
        return [tokenizer.bos, *text, tokenizer.bos]

    loss = document_loss(config, run.params, tokenizer, run.docs[0])
    loss.backward()
    plain_loss, grads = floor.document_loss(config, plain.params, tokens(0))
    assert plain_loss == pytest.approx(loss.data, rel=1e-12)
    largest = max([abs(w.grad) for w in run.weights])
    assert flat(grads) == pytest.approx([w.grad for w in run.weights],
                                        rel=1e-9, abs=1e-13 * largest)

    losses = []
    train(run, report=lambda step, loss: losses.append(loss))
    assert losses == pytest.approx(
        [plain.step(tokens(step)) for step in range(config.steps)], rel=1e-10)
    assert flat(plain.params) == pytest.approx(data(run.params), rel=1e-8,
                                               abs=1e-10)


def test_a_run_shuffles_and_holds_out(tiny):
    docs = [f"{c}{d}" for c in "abcde" for d in "xy"]
    before, whole = list(docs), Run(tiny, docs)
    run = Run(replace(tiny, holdout=0.3), docs)
    assert docs == before != whole.docs and sorted(whole.docs) == docs
    assert (run.held_out, run.docs) == (whole.docs[:3], whole.docs[3:])
    assert data(run.params) == data(whole.params) and run.step == 0
    assert run.weights == flatten(run.params)


def ours_and_a_list(tiny, docs):
    """What a Run of docs and a Run of the list DOCS are made of."""
    return [(run.docs, run.docs_crc, run.tokenizer.chars, data(run.params))
            for run in (Run(tiny, docs), Run(tiny, DOCS))]


@pytest.mark.parametrize("docs", [
    lambda: tuple(DOCS), lambda: iter(DOCS), lambda: (doc for doc in DOCS),
    lambda: map(str.strip, [doc + "\n" for doc in DOCS])])
def test_documents_come_from_anything_that_yields_them(docs, tiny):
    ours, expected = ours_and_a_list(tiny, docs())
    assert ours == expected


def test_documents_come_from_an_open_file(tiny, tmp_path):
    path = tmp_path / "docs.txt"
    path.write_text("\n".join(DOCS) + "\n")
    with open(path) as file:
        lines = Run(tiny, file)
    assert lines.tokenizer.chars == ["\n", *"abcdeg"]
    assert sorted(lines.docs) == sorted([doc + "\n" for doc in DOCS])
    with open(path) as file:
        ours, expected = ours_and_a_list(tiny, map(str.rstrip, file))
    assert ours == expected


@pytest.mark.parametrize("docs", ["abba", "", "abba\ndead"])
def test_a_plain_string_is_no_list_of_documents(docs, tiny):
    with pytest.raises(TypeError, match="list of documents, not a string"):
        Run(tiny, docs)


def test_a_run_without_documents(tiny):
    run = Run(replace(tiny, holdout=0.99), ["a", "b"])
    with pytest.raises(ValueError, match="no documents to train on"):
        train(run)


def test_training_learns(tiny):
    losses = []
    train(Run(replace(tiny, steps=60, learning_rate=0.05), ["abba"]),
          report=lambda step, loss: losses.append(loss))
    assert losses[-1] < 0.2 * losses[0]


def test_report_counts_steps_from_one(training_run):
    steps = []
    train(training_run, report=lambda step, loss: steps.append(step))
    assert steps == [1, 2, 3, 4, 5]
    assert training_run.step == 5


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


def test_what_grads_were_before_does_not_matter(training_run, tiny):
    other = Run(tiny, DOCS)
    document_loss(tiny, other.params, other.tokenizer, "bead").backward()
    assert any([w.grad for w in other.weights])
    train(training_run)
    train(other)
    assert data(other.params) == data(training_run.params)


# loss of a document

def loss_of(run, doc):
    return document_loss(run.config, run.params, run.tokenizer, doc).data


def test_loss_is_the_mean_over_tokens(training_run):
    for w in training_run.weights:
        w.data = 0.0  # all tokens are then as likely
    for doc in ("", "a", "abc", "abbaabba"):
        assert loss_of(training_run, doc) == pytest.approx(
            math.log(training_run.tokenizer.vocab_size))


def test_a_long_document_is_cut(training_run):
    full = loss_of(training_run, "abba")
    assert loss_of(training_run, "abbage") == full
    assert loss_of(training_run, "abb") != full


def test_a_full_block_has_no_end_mark(tiny, training_run):
    """With four tokens to read, bos and abb, the last to predict is a."""
    tokenizer = training_run.tokenizer
    tokens = [tokenizer.bos, *tokenizer.encode("abba"), tokenizer.bos]
    expected, (_, _, terms, _) = textbook.document_loss(
        tiny, textbook.copy(training_run.params), tokens)
    assert len(terms) == tiny.block_size
    assert loss_of(training_run, "abba") == pytest.approx(expected.data,
                                                          rel=1e-12)


def test_an_unknown_character_is_named(training_run):
    with pytest.raises(ValueError, match="'z' is not in the vocabulary"):
        loss_of(training_run, "az")


# divergence

@pytest.mark.parametrize("number, loss", [
    (math.nan, "nan"), (math.inf, "nan"), (1e308, "inf|nan"),
    (1e6, "[0-9.e+]+")])
def test_divergence_leaves_the_weights(number, loss, training_run):
    run = training_run
    for w in run.params["lm_head"][run.tokenizer.encode("b")[0]]:
        w.data = number
    before, run.docs = list(map(repr, data(run.params))), ["ad"]
    with pytest.raises(ArithmeticError, match=f"^the loss became ({loss})$"):
        train(run)
    assert list(map(repr, data(run.params))) == before
    assert (run.step, set(run.m), set(run.v)) == (0, {0.0}, {0.0})
    assert not any([w.grad for w in run.weights])


@pytest.mark.parametrize("loss, diverged", [(740.0, False), (750.0, True)])
def test_a_loss_is_divergence_where_its_likelihood_is_zero(
        loss, diverged, training_run, monkeypatch):
    monkeypatch.setattr(microgpt, "document_loss",
                        lambda config, params, *args: Value(loss))
    if diverged:
        with pytest.raises(ArithmeticError, match="^the loss became 750.0$"):
            train(training_run)
    else:
        train(training_run)
    assert training_run.step == (0 if diverged else 5)


@pytest.mark.parametrize("name", [
    "attn_wq", "attn_wk", "attn_wv", "attn_wo", "mlp_fc1", "mlp_fc2"])
def test_nan_is_never_left_out(name, training_run):
    for w in training_run.params[f"layer0.{name}"][0]:
        w.data = math.nan
    with pytest.raises(ArithmeticError, match="^the loss became nan$"):
        train(training_run)


def test_a_huge_learning_rate_diverges(tiny):
    """The weights are then those of the last step that was reported."""
    run = Run(replace(tiny, learning_rate=1e9, steps=50), DOCS)
    kept = []
    with pytest.raises(ArithmeticError, match="^the loss became"):
        train(run, report=lambda step, loss: kept.append(data(run.params)))
    assert 0 < len(kept) < 50
    assert data(run.params) == kept[-1]
    assert all(map(math.isfinite, kept[-1]))


# what must not change, whatever happens

class Stop(Exception):
    pass


@pytest.mark.parametrize("error", [None, Stop, KeyboardInterrupt])
@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_before(error, enabled, training_run, collector):
    def report(step, loss):
        if error:
            raise error

    gc.enable() if enabled else gc.disable()
    if error:
        with pytest.raises(error):
            train(training_run, report)
    else:
        train(training_run, report)
    assert gc.isenabled() == enabled


def test_the_collector_is_as_before_a_bad_document(training_run, collector):
    gc.enable()
    training_run.docs = ["?"]
    with pytest.raises(ValueError):
        train(training_run)
    assert gc.isenabled()


class Watched(list):
    """Adam's m or v: notes what look gives while a number is stored."""
    def __init__(self, numbers, look):
        super().__init__(numbers)
        self.look = look
        self.seen = []

    def __setitem__(self, i, number):
        if i in (0, len(self) - 1):
            self.seen.append(self.look())
        super().__setitem__(i, number)


def test_a_graph_is_freed_before_adam(training_run, values_alive, monkeypatch):
    """And so before the next is built: two at once would cost memory."""
    run, at_start, at_report = training_run, [], []
    before = values_alive()
    run.m = watched = Watched(run.m, values_alive)
    build = document_loss

    def building(*args):
        at_start.append(values_alive())
        loss = build(*args)
        assert values_alive() > before + 100
        return loss

    monkeypatch.setattr(microgpt, "document_loss", building)
    train(run, lambda step, loss: at_report.append(values_alive()))
    assert at_start == at_report == [before] * 5
    assert watched.seen == [before] * 10
    assert values_alive() == before
    assert gc.collect() == 0  # and no cycle


def test_no_graph_is_left_where_training_ends_early(training_run, values_alive):
    before = values_alive()
    train(training_run, lambda step, loss: True)
    assert values_alive() == before
    assert set(map(type, training_run.m + training_run.v)) == {float}


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
        training_run, monkeypatch, collector, python, collecting):
    """PyPy would keep every graph of a run."""
    monkeypatch.setattr(sys, "implementation",
                        types.SimpleNamespace(name=python))
    seen = []
    gc.enable()
    train(training_run, report=lambda step, loss: seen.append(gc.isenabled()))
    assert set(seen) == {collecting} and gc.isenabled()
