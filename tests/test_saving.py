"""Saving, loading, and going on as if training had never stopped."""
import json
import math
import os
import pathlib
import random
import re
import sys
import threading
import zlib

import pytest

import microgpt
from microgpt import Config, Run, load, save, train_step
from program import QUICK, SIZES, TINY, samples, script, with_module

DOCS = ["anna", "bob", "eve"]
MODELS = pathlib.Path(__file__).parent / "models"


@pytest.fixture
def trained():
    run = Run(Config(n_embd=2, n_head=1, n_layer=1, block_size=4, steps=3),
              DOCS)
    for _ in range(3):
        train_step(run)
    return run


@pytest.fixture
def model(tmp_path, trained):
    path = tmp_path / "m.json"
    save(path, trained)
    return path


def bits(run):
    """All numbers of a run to the last bit."""
    return [x.hex() for x in [w.data for w in run.weights] + run.m + run.v]


def rewrite(path, change, signed=True):
    """Change the data of a model, with a checksum as if save had written it."""
    data = json.loads(path.read_bytes())
    checksum = data.pop("checksum")
    change(data)
    text = json.dumps(data)[:-1]
    if signed:
        checksum = zlib.crc32(text.encode())
    path.write_text(f'{text}, "checksum": {checksum}}}')


# There and back


def test_round_trip(trained, model):
    for w, x in zip(trained.weights,
                    (5e-324, sys.float_info.max, -0.0, 0.1, math.pi)):
        w.data = x
    save(model, trained)
    again = load(model)
    assert bits(again) == bits(trained)
    assert again.config == trained.config
    assert again.tokenizer.chars == trained.tokenizer.chars
    assert again.step == 3
    assert again.rng.getstate() == trained.rng.getstate()
    assert again.docs_crc == trained.docs_crc


def test_the_file_is_plain_json(model):
    data = json.loads(model.read_bytes().decode("ascii"))
    assert list(data) == ["format", "config", "vocabulary", "docs_crc",
                          "weights", "m", "v", "step", "rng", "checksum"]


def test_a_model_of_version_2():
    """It was saved by the first program that wrote this version, as are the
    losses and the samples: every later one gives the same."""
    told = json.loads((MODELS / "version-2.told.json").read_bytes())
    path = MODELS / "version-2.json"
    run = load(path, told["docs"])
    assert run.step == 3 and run.config.steps == 6
    losses = [train_step(run) for _ in range(3)]
    assert losses == pytest.approx(told["losses"], rel=1e-9)
    assert [microgpt.generate(run.config, run.params, run.tokenizer, run.rng)
            for _ in told["samples"]] == told["samples"]


def test_a_setting_that_a_model_lacks_takes_its_default(model):
    rewrite(model, lambda data: [data["config"].pop(name)
                                 for name in ("paragraphs", "samples")])
    config = load(model).config
    assert (config.paragraphs, config.samples) == (False, Config().samples)


@pytest.mark.parametrize("version", ["1", "3"])
def test_another_version_is_refused_by_its_name(model, turned_down, version):
    name = f"microgpt model, version {version}"
    rewrite(model, lambda data: data.update(format=name))
    assert (f"'m.json' is not a model saved by this microgpt: it is a {name}, "
            "this knows 2\n") in turned_down("--load", "m.json")


def test_samples_of_a_saved_model(main):
    first = main(*TINY, "--steps", "9", "--save", "m.json")[1]
    status, again, _ = main("--load", "m.json")
    assert status == 0 and again.count("\n") == 20  # nothing of documents
    assert samples(again) == samples(first)
    texts = [main("--load", "m.json", *args)[1] for args in (
        ["--seed", "1"], ["--seed", "1"], ["--seed", "2"],
        ["--temperature", "9", "--seed", "1"])]
    assert texts[0] == texts[1] and len({again, *texts}) == 4
    text = main("--load", "m.json", "--samples", "3", "--prompt", "ev")[1]
    assert [sample[:2] for sample in samples(text)] == ["ev"] * 3


# Going on


def test_going_on_equals_never_stopping(tmp_path):
    config = Config(**SIZES, steps=10, holdout=0.4)
    whole, path = Run(config, DOCS), tmp_path / "m.json"
    first = [train_step(whole) for _ in range(4)]
    save(path, whole)
    rest = [train_step(whole) for _ in range(6)]
    other = load(path, DOCS)
    assert [train_step(other) for _ in range(6)] == rest and first
    assert bits(other) == bits(whole)
    assert other.rng.getstate() == whole.rng.getstate()


def test_a_resumed_training_is_kept_where_it_was(main, docs):
    """Also without --save: once, it was trained to its end and thrown away."""
    config, path = Config(**SIZES, steps=30), docs.parent / "m.json"
    run = Run(config, DOCS)
    for _ in range(10):
        train_step(run)
    save(path, run)
    whole = main(*TINY, "--steps=30", "--save=whole.json")
    status, text, error = main("--load=m.json", "docs.txt", "--steps=30")
    assert (status, error) == (0, "") and "step   11 /   30" in text
    assert whole[1].endswith(text[text.index("step   12"):])
    expected = (docs.parent / "whole.json").read_bytes()
    assert path.read_bytes() == expected
    # nothing is left to do, and nothing changes
    text = main("--load=./m.json", "docs.txt", "--save=m.json")[1]
    assert "step" not in text and path.read_bytes() == expected
    # another seed for its samples is none for its training
    main("--load=m.json", "--seed=1", "--save=other.json")
    assert main("--load=other.json", "docs.txt")[0] == 0


def test_another_file_can_be_named_for_a_resumed_training(main, docs):
    run, path = Run(Config(**SIZES, steps=9), DOCS), docs.parent / "m.json"
    save(path, run)
    before = path.read_bytes()
    assert main("--load=m.json", "docs.txt", "--save=new.json")[0] == 0
    assert path.read_bytes() == before
    assert load(docs.parent / "new.json").step == 9


def test_documents_are_told_from_each_other_by_where_they_end(tmp_path):
    path = tmp_path / "m.json"
    save(path, Run(Config(**SIZES, steps=9), ["a\nb", "c"]))
    with pytest.raises(ValueError, match="goes on only with what it was train"):
        load(path, ["a", "b", "c"])
    assert load(path, ["a\nb", "c"]).step == 0


# Starting with the weights of another model


@pytest.mark.parametrize("text", ["anna\nbob\neve\n", "ann\nvan\n", "o\n"])
def test_init(main, docs, text):
    """The first loss is the known model's; Adam and the rate start anew."""
    main(*TINY, "--steps", "9", "--seed", "7", "--save", "known.json")
    known = load(docs.parent / "known.json")
    docs.write_text(text)
    args = ["docs.txt", "--init", "known.json", "--steps", "12"]
    lines = main(*args, "--save=m.json", "--n-layer=1")[1].splitlines()
    same = Run(Config(**SIZES, steps=12), text.split(), known.tokenizer)
    for w, first in zip(same.weights, known.weights):
        w.data = first.data
    losses = [train_step(same) for _ in range(12)]
    assert lines[0].endswith("vocabulary 7 | parameters 280")
    assert lines[1] == f"step    1 /   12 | loss {losses[0]:.4f}"
    saved = load(docs.parent / "m.json")
    assert bits(saved) == bits(same)
    assert (saved.config, saved.step) == (same.config, 12)
    assert saved.tokenizer.chars == known.tokenizer.chars
    if text != "o\n":
        assert main(*args)[1] != main(*args, "--seed", "43")[1]


# Whole or not at all, and where


def test_a_finished_model_is_never_replaced(refused, out, docs):
    """The same command again, which Ctrl-C then would have ended early."""
    out(*QUICK, "--save", "m.json")
    before = (docs.parent / "m.json").read_bytes()
    assert "'m.json' is there already: --load it to go on, or remove it" in (
        refused(*QUICK, "--save", "m.json"))
    assert (docs.parent / "m.json").read_bytes() == before


def test_each_tenth_is_saved_and_before_all_the_start(main, monkeypatch):
    steps = []
    monkeypatch.setattr(microgpt, "save",
                        lambda path, run: steps.append((path, run.step)))
    main(*TINY, "--steps", "25", "--save", "m.json")
    assert steps == [("m.json", step)
                     for step in (0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25)]


FAILING = ("import os\n"
           "calls, real = [], os.replace\n"
           "def replace(*args):\n"
           "    calls.append(args)\n"
           "    if len(calls) in {when}:\n"
           "        raise OSError(28, 'No space left on device')\n"
           "    real(*args)\n"
           "os.replace = replace")
COMPLAINT = ("microgpt: 'm.json' cannot be written: No space left on device\n")


def test_a_save_that_fails_is_tried_again_at_each_tenth(call, tmp_path):
    """Its failure is said once, and forgotten when it works again."""
    done = call(*TINY, "--steps=9", "--samples=1", "--save=m.json",
                command=script(FAILING.format(when="(2, 3, 4)")))
    assert (done.returncode, done.stderr) == (0, COMPLAINT)
    assert load(tmp_path / "m.json").step == 9 and samples(done.stdout)


def test_a_save_that_fails_to_the_end(call, tmp_path):
    """The samples are there all the same; the status tells."""
    done = call(*TINY, "--steps=9", "--samples=1", "--save=m.json",
                command=script(FAILING.format(when="range(4, 99)")))
    assert (done.returncode, done.stderr) == (1, COMPLAINT)
    assert load(tmp_path / "m.json").step == 2 and samples(done.stdout)
    assert sorted(os.listdir(tmp_path)) == ["docs.txt", "m.json"]


def test_a_save_error_that_is_none_of_the_system(call, tmp_path):
    """A weight that is nan can't be written, and may not replace a good one."""
    done = call(*TINY, "--steps=1", "--samples=0", "--save=m.json",
                command=script("import math, random\n"
                               "real, calls = math.sqrt, []\n"
                               "def sqrt(x):  # the first is of the spread\n"
                               "    calls.append(x)\n"
                               "    return math.nan if calls[1:] else real(x)\n"
                               "math.sqrt = sqrt"))
    assert done.returncode == 1
    assert re.fullmatch("microgpt: 'm.json' cannot be written: Out of range "
                        "float values[^\n]*\n", done.stderr)
    assert load(tmp_path / "m.json").step == 0


def test_a_second_ctrl_c_while_saving_leaves_the_last_tenth(call, tmp_path):
    done = call(*TINY, "--steps=9", "--save=m.json", command=with_module(
        "import microgpt, os, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "step, sync = microgpt.train_step, os.fsync\n"
        "def pressed(run):\n"
        "    if run.step == 4:\n"
        "        os.fsync = lambda fd: signal.raise_signal(signal.SIGINT)\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    return step(run)\n"
        "microgpt.train_step = pressed\n"
        "sys.exit(microgpt.main(sys.argv[1:]))"))
    assert (done.returncode, done.stderr) == (130, "")
    assert load(tmp_path / "m.json").step == 4
    assert sorted(os.listdir(tmp_path)) == ["docs.txt", "m.json"]


@pytest.mark.parametrize("name", ["replace", "fsync"])
def test_failing_leaves_the_old_file(trained, model, monkeypatch, name):
    def fail(*args):
        raise OSError(28, "No space left on device")
    before = model.read_bytes()
    monkeypatch.setattr(os, name, fail)
    trained.step = 2
    with pytest.raises(OSError):
        save(model, trained)
    assert model.read_bytes() == before
    assert os.listdir(model.parent) == ["m.json"]


def test_on_the_disk_before_it_takes_the_name(trained, model, monkeypatch):
    """Else a power cut could leave a name without its text."""
    whole, calls = model.stat().st_size, []
    sync, replace = os.fsync, os.replace

    def fsync(fd):
        assert os.fstat(fd).st_size == whole  # no part waits to be flushed
        calls.append("fsync")
        sync(fd)

    def renamed(part, path):
        calls.append("replace")
        replace(part, path)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", renamed)
    save(model, trained)
    assert calls == ["fsync", "replace"]


def test_two_threads_save_at_once(trained, model):
    errors = []

    def work():
        try:
            for _ in range(20):
                save(model, trained)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and os.listdir(model.parent) == ["m.json"]
    assert bits(load(model)) == bits(trained)


def test_a_long_name_is_no_obstacle(main, tmp_path):
    assert main(*TINY, "--steps", "1", "--save", "x" * 250)[0] == 0
    assert (tmp_path / ("x" * 250)).exists()


# Files that are no model


def test_damaged_bits(model):
    """Whichever is turned, the model is refused: a number would be another."""
    data, rng = model.read_bytes(), random.Random(1)
    for _ in range(600):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        model.write_bytes(damaged)
        with pytest.raises(ValueError, match="not a model saved by this micro"):
            load(model)


def test_truncated(model):
    data = model.read_bytes()
    for share in (0.0, 0.1, 0.5, 0.9, 0.999):
        model.write_bytes(data[:int(len(data) * share)])
        with pytest.raises(ValueError, match="not a model saved by this micro"):
            load(model)


@pytest.mark.parametrize("data", [
    b"", b"null", b"[]", b"{}", b"anna\nbob\n", b"\x80\x04\x95pickle",
    bytes(range(256)), b'{"config": {}}', b"\xef\xbb\xbf{}"])
def test_not_a_model(turned_down, docs, data):
    (docs.parent / "m.json").write_bytes(data)
    for args in (["--load"], ["docs.txt", "--init"]):
        assert "'m.json' is not a model saved by this microgpt" in turned_down(
            *args, "m.json")


@pytest.mark.parametrize("change", [
    lambda data: data["weights"].pop(), lambda data: data["v"].append(0.0),
    lambda data: data["config"].update(more=1),
    lambda data: data["config"].update(n_embd=4),
    lambda data: data["config"].update(n_embd=9999, n_head=1),
    lambda data: data["config"].update(seed="x"),
    lambda data: data["rng"][1].pop(), lambda data: data.pop("rng"),
    lambda data: data.pop("docs_crc"), lambda data: data.update(weights=None),
    lambda data: data.update(format=3)])
def test_what_another_program_could_write(model, change):
    """Its checksum is right; it is no model all the same."""
    rewrite(model, change)
    with pytest.raises(ValueError, match="not a model saved by this microgpt"):
        load(model)


def test_changed_by_hand(model, turned_down):
    rewrite(model, lambda data: data.update(step=2), signed=False)
    assert "its checksum is wrong or missing" in turned_down("--load", "m.json")
