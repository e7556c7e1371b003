"""Saving, loading, and going on as if training had never stopped."""
import errno
import json
import math
import os
import random
import re
import signal
import stat
import sys
import threading
import time

import pytest

import microgpt
from microgpt import Config, Run, load, save, train
from program import ENDLESS, QUICK, TINY, count_known, samples, start, started

DOCS = ["anna", "bob", "eve"]


@pytest.fixture
def new_run():
    """A tiny untrained run over the same documents."""
    def new_run(**settings):
        return Run(Config(n_embd=2, n_head=1, block_size=4, **settings), DOCS)
    return new_run


@pytest.fixture
def trained(new_run):
    run = new_run(steps=3)
    train(run)
    return run


@pytest.fixture
def model(tmp_path, trained):
    path = tmp_path / "m.json"
    save(str(path), trained)
    return path


def bits(run):
    """All numbers of a run to the last bit."""
    return [x.hex() for x in [w.data for w in run.weights] + run.m + run.v]


def put(data, place, value):
    """Write value at a place in data such as "rng 1 0"."""
    *keys, last = [int(k) if k.isdigit() else k for k in place.split()]
    for key in keys:
        data = data[key]
    data[last] = value


# There and back


def test_round_trip(trained, model):
    for w, x in zip(trained.weights,
                    (5e-324, sys.float_info.max, -0.0, 0.1, math.pi)):
        w.data = x
    save(str(model), trained)
    again = load(str(model))
    assert bits(again) == bits(trained)
    assert again.config == trained.config
    assert again.tokenizer.chars == trained.tokenizer.chars
    assert again.step == 3
    assert again.rng.getstate() == trained.rng.getstate()
    assert again.docs_crc == trained.docs_crc


def test_the_file_is_plain_json(model):
    text = model.read_bytes().decode("ascii")
    assert json.loads(text)["format"] == "microgpt model, version 1"


def test_a_link_stays_a_link(trained, model, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to("m.json")
    model.write_text("")
    save(str(link), trained)
    assert link.is_symlink() and bits(load(str(model))) == bits(trained)


def test_samples_of_a_saved_model(out):
    first = out(*TINY, "--steps", "9", "--save", "m.json")
    again = out("--load", "m.json")
    assert samples(again) == samples(first)
    assert again.count("\n") == 20  # and nothing of documents


def test_other_samples_of_a_saved_model(out):
    out(*TINY, "--steps", "9", "--save", "m.json")
    text = out("--load", "m.json", "--temperature", "9", "--samples", "3",
               "--prompt", "ev")
    assert len(samples(text)) == 3
    assert all([sample.startswith("ev") for sample in samples(text)])
    assert samples(text) != samples(out("--load", "m.json", "--samples", "3",
                                        "--prompt", "ev"))


@pytest.mark.parametrize("args, named", [
    (["--n-embd", "8"], "n_embd=8"),
    (["docs.txt", "--seed", "1"], "seed=1 contradicts seed=42"),
    (["docs.txt", "--steps", "10"], "steps=10"),
    (["--holdout", "0.5"], "holdout=0.5"),
    (["--learning-rate", "1"], "learning_rate=1"), (["--prompt", "Z"], "'Z'"),
    (["other.txt"], "with the FILE that it was trained on"),
    (["other.txt", "--steps", "9"], "with the FILE that it was trained on"),
    (["--steps", "9"], "with the FILE that it was trained on")])
def test_contradictions_are_refused(out, refused, tmp_path, args, named):
    out(*TINY, "--steps", "9", "--samples", "0", "--save", "m.json")
    (tmp_path / "other.txt").write_text("anna\nbob\nada\n")
    assert named in refused("--load", "m.json", *args)


def test_another_seed_gives_other_samples(out, tmp_path):
    out(*TINY, "--steps", "9", "--save", "m.json")
    first, again, other = [out("--load", "m.json", "--seed", seed)
                           for seed in ("1", "1", "2")]
    assert first == again != other != out("--load", "m.json")


def test_another_seed_does_not_change_the_model(out, tmp_path):
    """Saved again, it can go on with its FILE, and with the seed it had."""
    out(*TINY, "--steps", "9", "--save", "m.json")
    before = load(str(tmp_path / "m.json"))
    out("--load", "m.json", "--seed", "1", "--save", "m.json")
    after = load(str(tmp_path / "m.json"))
    assert bits(after) == bits(before) and after.config == before.config
    assert samples(out("docs.txt", "--load", "m.json"))


# Going on


def test_interrupted_and_resumed(out, tmp_path):
    """Nothing shows that it was: not one digit, not one sample."""
    args = [*TINY, "--steps", "600", "--samples", "5", "--holdout", "0.4"]
    whole = out(*args, "--save", "whole.json").splitlines()
    with start(*args, "--save", "m.json", folder=tmp_path) as process:
        started(process, "step    1").send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 0 and len(samples(rest)) == 5
    [stopped] = re.findall(r"stopped after step (\d+) of 600", rest)
    resumed = out("--load", "m.json", "docs.txt", "--steps", "600",
                  "--save", "m.json").splitlines()
    assert resumed[0] == whole[0] and "(1 held out," in whole[0]
    assert re.match(rf"step {int(stopped) + 1:4d} /  600 .* \| held-out \d",
                    resumed[1])
    assert resumed[2:] == whole[-len(resumed[2:]):]
    assert ((tmp_path / "m.json").read_bytes()
            == (tmp_path / "whole.json").read_bytes())


def test_an_interrupted_model_asks_for_its_file(refused, tmp_path):
    with start(*ENDLESS, "--save", "m.json", folder=tmp_path) as process:
        started(process, "step    1").send_signal(signal.SIGINT)
    for args in ([], ["--samples", "1"]):
        assert "'m.json' can only go on with the FILE that" in refused(
            "--load", "m.json", "--steps", "1000000000", *args)


def test_a_power_cut_costs_a_tenth(tmp_path, docs):
    args = [*TINY, "--steps", "2000", "--save", "m.json"]
    with start(*args, folder=tmp_path) as process:
        started(process, "step  600").kill()
    run = load(str(tmp_path / "m.json"), DOCS)
    assert run.step % 200 == 0 and 400 <= run.step < 2000
    same = Run(run.config, DOCS)
    train(same, lambda step, loss: step == run.step)
    assert bits(run) == bits(same)


def test_each_tenth_is_saved(tmp_path, docs, monkeypatch, capsys):
    steps = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(microgpt, "save",
                        lambda path, run: steps.append((path, run.step)))
    microgpt.main([*TINY, "--steps", "25", "--save", "m.json"])
    assert steps == [("m.json", step)
                     for step in (3, 5, 8, 10, 13, 15, 18, 20, 23, 25)]


@pytest.mark.parametrize("last", [1, 4, 9])
def test_stopped_by_the_callback_and_resumed(new_run, tmp_path, last):
    whole, first = new_run(steps=10), new_run(steps=10)
    losses, path = [], str(tmp_path / "m.json")

    def stop(step, loss):
        losses.append(loss)
        return step == last

    train(first, stop)
    save(path, first)
    second, expected = load(path, DOCS), []
    train(second, lambda step, loss: losses.append(loss))
    train(whole, lambda step, loss: expected.append(loss))
    assert losses == expected and bits(second) == bits(whole)


def test_nothing_is_left_to_train(out, tmp_path):
    out(*TINY, "--steps", "9", "--save", "m.json")
    before = (tmp_path / "m.json").read_bytes()
    text = out("--load", "m.json", "docs.txt", "--steps", "9",
               "--save", "m.json")
    assert "step" not in text
    assert (tmp_path / "m.json").read_bytes() == before


# Starting with the weights of another model


@pytest.fixture
def known(out, tmp_path):
    """A model of the program's, as it is in its file."""
    out(*TINY, "--steps", "9", "--seed", "7", "--save", "known.json")
    return load(str(tmp_path / "known.json"))


@pytest.mark.parametrize("text", ["anna\nbob\neve\n", "ann\nvan\n", "o\n"])
def test_init(out, tmp_path, known, text):
    """The first loss is the known model's; Adam and the rate start anew."""
    (tmp_path / "docs.txt").write_text(text)
    lines = out("docs.txt", "--init", "known.json", "--steps", "12",
                "--save", "m.json").splitlines()
    same = Run(Config(n_embd=4, n_head=1, block_size=8, steps=12),
               text.split(), known.tokenizer)
    for w, first in zip(same.weights, known.weights):
        w.data = first.data
    loss = microgpt.document_loss(known.config, known.params, known.tokenizer,
                                  same.docs[0])
    assert lines[0].endswith("vocabulary 7 | parameters 280")
    assert lines[1] == f"step    1 /   12 | loss {loss.data:.4f}"
    train(same)
    saved = load(str(tmp_path / "m.json"))
    assert bits(saved) == bits(same)
    assert (saved.config, saved.step) == (same.config, 12)
    assert saved.tokenizer.chars == known.tokenizer.chars


@pytest.mark.parametrize("text", ["anna\nbob\neve\n", "ann\nvan\n"])
def test_init_goes_on_like_any_training(out, tmp_path, known, text):
    (tmp_path / "docs.txt").write_text(text)
    args = ["docs.txt", "--init", "known.json", "--steps", "600"]
    whole = out(*args, "--save", "whole.json")
    with start(*args, "--save", "m.json", folder=tmp_path) as process:
        started(process, "step    1").send_signal(signal.SIGINT)
    resumed = out("docs.txt", "--load", "m.json", "--save", "m.json")
    assert samples(resumed) == samples(whole)
    assert ((tmp_path / "m.json").read_bytes()
            == (tmp_path / "whole.json").read_bytes())


@pytest.mark.parametrize("args, named", [
    (["other.txt"], "'Z' is not in the vocabulary"),
    ([], "'c' is not in the vocabulary"),
    (["docs.txt", "--n-embd", "8"], "n_embd=8 contradicts n_embd=4"),
    (["docs.txt", "--n-head", "2"], "n_head=2 contradicts n_head=1"),
    (["docs.txt", "--n-layer", "2"], "n_layer=2 contradicts n_layer=1"),
    (["docs.txt", "--block-size", "9"], "block_size=9 contradicts block_size=8"),
    (["docs.txt", "--load", "known.json"], "not allowed with"),
    (["docs.txt", "--prompt", "Z"], "'Z' is not in the vocabulary"),
    (["docs.txt", "--holdout", "0.9"], "holdout=0.9")])
def test_init_refuses(refused, tmp_path, known, args, named):
    (tmp_path / "other.txt").write_text("anna\naZb\n")
    assert named in refused("--init", "known.json", *args)


def test_init_with_the_sizes_it_has(out, known):
    args = [*QUICK, "--n-layer", "1", "--init", "known.json"]
    text = out(*args)
    assert text == out(*args, "--seed", "42") != out(*args, "--seed", "43")


# Whole or not at all


@pytest.mark.parametrize("name", ["replace", "fsync"])
def test_failing_leaves_the_old_file(new_run, model, monkeypatch, name):
    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device")
    before = model.read_bytes()
    monkeypatch.setattr(os, name, fail)
    with pytest.raises(OSError):
        save(str(model), new_run())
    assert model.read_bytes() == before
    assert os.listdir(model.parent) == ["m.json"]


def test_no_nan_is_saved(trained, model):
    before = model.read_bytes()
    trained.weights[0].data = math.nan
    with pytest.raises(ValueError):
        save(str(model), trained)
    assert model.read_bytes() == before
    assert os.listdir(model.parent) == ["m.json"]


def test_full_disk(run, tmp_path):
    """A limit on the size of files stands in for the full disk."""
    resource = pytest.importorskip("resource")
    done = run(*TINY, "--steps", "1", "--samples", "1", "--save", "m.json",
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                     (999, 999)))
    assert done.returncode == 1 and len(samples(done.stdout)) == 1
    assert re.fullmatch(r"microgpt: .*m\.json.*\n", done.stderr)
    assert os.listdir(tmp_path) == ["docs.txt"]


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

    def buffered(path, mode, encoding):
        """More than a model has room in it, as in newer Pythons."""
        return open(path, mode, 1 << 20, encoding)

    monkeypatch.setattr(microgpt, "open", buffered, raising=False)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", renamed)
    save(str(model), trained)
    assert calls == ["fsync", "replace"]


def test_a_planted_link_is_not_followed(trained, model, monkeypatch):
    """Whoever may write in the folder can't turn save to another file."""
    folder, victim = model.parent, model.parent / "victim"
    sync = os.fsync

    def names():
        return {path.name for path in folder.iterdir()}

    def fsync(fd):
        seen.update(names() - {"m.json"})
        sync(fd)

    seen = set()
    monkeypatch.setattr(os, "fsync", fsync)
    save(str(model), trained)
    assert seen and names() == {"m.json"}
    used = set(seen)
    victim.write_text("precious")
    for name in {*used, "m.json.tmp", "m.json.part", f"m.json.{os.getpid()}"}:
        (folder / name).symlink_to("victim")
        seen.add(name)
    planted = names()
    save(str(model), trained)
    assert victim.read_text() == "precious" and names() == planted
    assert bits(load(str(model))) == bits(trained)


def test_two_threads_save_at_once(new_run, trained, model):
    errors = []

    def work(run):
        try:
            for _ in range(40):
                save(str(model), run)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(run,))
               for run in (trained, new_run(steps=3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and os.listdir(model.parent) == ["m.json"]
    assert load(str(model)).step in (0, 3)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_the_mode_of_the_old_file_is_kept(trained, model, mode):
    model.chmod(mode)
    save(str(model), trained)
    assert stat.S_IMODE(model.stat().st_mode) == mode


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_mode_of_a_new_file(out, tmp_path, umask):
    out(*QUICK, "--save", "m.json", preexec_fn=lambda: os.umask(umask))
    mode = stat.S_IMODE((tmp_path / "m.json").stat().st_mode)
    assert mode == 0o666 & ~umask


def test_a_read_only_file_is_refused(refused, model, docs):
    """Also to the administrator, whom permissions don't bind."""
    model.chmod(0o444)
    before = model.read_bytes()
    assert "'m.json' is read-only" in refused(*QUICK, "--save", "m.json")
    assert "'m.json' is read-only" in refused("--load", "m.json",
                                              "--save", "m.json")
    assert model.read_bytes() == before


def test_a_long_name_is_no_obstacle(out, tmp_path):
    out(*TINY, "--steps", "1", "--save", "x" * 250)
    assert (tmp_path / ("x" * 250)).exists()


def test_killed_while_saving(new_run, trained, model):
    old, new = bits(new_run()), bits(trained)
    rng = random.Random(1)
    for _ in range(50):
        pid = os.fork()  # cheaper than a new interpreter
        if not pid:
            try:
                while True:
                    save(str(model), trained)
                    save(str(model), new_run())
            finally:
                os._exit(1)
        time.sleep(rng.uniform(0.0, 0.03))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        numbers = json.loads(model.read_text())["weights"]
        assert [x.hex() for x in numbers] in (old[:len(numbers)],
                                              new[:len(numbers)])


# Files that are no model


def test_missing_and_directory(refused):
    assert "missing.json" in refused("--load", "missing.json")
    assert "'.'" in refused("--load", ".")


@pytest.mark.parametrize("option", ["--save", "--load", "--init"])
@pytest.mark.parametrize("name", [
    "/dev/full", "/dev/zero", "/dev/null", "/dev/stdout", "fifo", "m.json/",
    "new/", "."])
def test_no_regular_file(refused, model, docs, option, name):
    """Refused before anything is opened, which could take for ever."""
    if not os.path.lexists(name) and name.startswith("/dev"):
        pytest.skip(f"no {name}")
    os.mkfifo(docs.parent / "fifo")
    assert repr(name) in refused(*QUICK, option, name, timeout=20)


@pytest.mark.parametrize("option", ["--save", "--load", "--init"])
@pytest.mark.parametrize("claim", [
    {"n_embd": 900, "n_head": 1}, {"n_layer": 9999, "n_embd": 8, "n_head": 1},
    {"block_size": 99999, "n_embd": 64}, {"vocabulary": 20_000, "n_embd": 128},
    {"n_embd": 9999, "n_head": 1, "n_layer": 9999, "block_size": 99999}],
    ids=lambda claim: " ".join(claim))
def test_no_more_is_drawn_than_the_file_holds(refused, model, docs, option,
                                              claim):
    """Two seconds of processor time are a limit that no busy machine moves."""
    resource = pytest.importorskip("resource")

    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (2, 2))

    data, claim = json.loads(model.read_text()), dict(claim)
    data["vocabulary"] += [""] * claim.pop("vocabulary", 0)
    data["config"].update(claim)
    model.write_text(json.dumps(data))
    assert model.stat().st_size < 100_000
    assert "'m.json' is not a model" in refused(*QUICK, option, "m.json",
                                                preexec_fn=limit)


@pytest.mark.parametrize("place", [
    "config seed", "config init_std", "vocabulary", "vocabulary 0", "docs_crc",
    "step", "weights 0", "m 0", "v 0", "rng 0", "rng 1", "rng 1 0"])
@pytest.mark.parametrize("wrong", ["x" * 5_000_000, "number"],
                         ids=["text", "number"])
def test_a_long_setting_gives_a_short_message(model, place, wrong):
    """A screen full of it would hide what is wrong."""
    data = json.loads(model.read_text())
    put(data, place, wrong)
    text = json.dumps(data)
    if wrong == "number":
        text = text.replace('"number"', "9" * 5_000_000)
    model.write_text(text)
    with pytest.raises(ValueError, match="not a model saved by") as caught:
        load(str(model))
    assert len(str(caught.value)) < 500 + len(str(model))


def test_a_long_name_of_a_setting_gives_a_short_message(refused, model):
    data = json.loads(model.read_text())
    data["config"]["x" * 5_000_000] = 1
    model.write_text(json.dumps(data))
    assert len(refused("--load", "m.json")) < 500


@pytest.mark.parametrize("steps", ["9", "3"])
def test_documents_with_other_characters(out, refused, tmp_path, steps):
    """The checksum of the documents is right; a step would fail."""
    out(*TINY, "--steps", steps, "--save", "m.json")
    data = json.loads((tmp_path / "m.json").read_text())
    assert data["vocabulary"][0] == "a"
    data["vocabulary"][0] = "A"
    data["step"] = 3
    (tmp_path / "m.json").write_text(json.dumps(data))
    assert len(samples(out("--load", "m.json"))) == 20
    assert "'m.json' can only go on with the FILE" in refused(
        "docs.txt", "--load", "m.json")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated(model, share):
    data = model.read_bytes()
    model.write_bytes(data[:int(len(data) * share)])
    with pytest.raises(ValueError, match="not a model saved by microgpt"):
        load(str(model))


@pytest.mark.parametrize("data", [
    b"", b"[" * 100_000 + b"]" * 100_000, b'{"config":' * 100_000, b"null",
    b"[]", b"{}", b"3", b'"x"', b"anna\nbob\n", b"\x80\x04\x95pickle",
    bytes(range(256)), b'{"config": {}}', b"\xef\xbb\xbf{}", b"1" * 10_000],
    ids=range(14))
def test_not_a_model(refused, tmp_path, data):
    (tmp_path / "m.json").write_bytes(data)
    assert "m.json" in refused("--load", "m.json")

PLACES = ["format", "config", "vocabulary", "docs_crc", "weights", "m", "v",
          "step", "rng", "config n_embd", "config n_head", "config n_layer",
          "config block_size", "config init_std", "config steps",
          "config learning_rate", "config beta1", "config beta2",
          "config adam_eps", "config holdout", "config samples",
          "config temperature", "config seed",
          "rng 0", "rng 1", "rng 2", "rng 1 0", "rng 1 624", "weights 0",
          "m 0", "v 0", "vocabulary 0"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("wrong", [
    None, "x", [], {}, ["x"], 10 ** 400, math.nan, math.inf, True],
    ids="None text list dict texts huge nan inf True".split())
def test_wrong_types(model, place, wrong):
    if place == "docs_crc" and wrong == 10 ** 400 or place == "rng 2":
        pytest.skip("a number as good as any, or one that is never used")
    data = json.loads(model.read_text())
    put(data, place, wrong)
    model.write_text(json.dumps(data))
    with pytest.raises(ValueError, match="not a model saved by microgpt"):
        load(str(model))


@pytest.mark.parametrize("damage", [
    lambda data: data.update(format="microgpt model, version 2"),
    lambda data: data["weights"].pop(), lambda data: data["m"].pop(),
    lambda data: data["v"].append(0.0),
    lambda data: data["weights"].append(0.0),
    lambda data: data["v"].__setitem__(0, -1e-9),
    lambda data: data.update(step=4),
    lambda data: data.update(step=-1),
    lambda data: data.update(more=1),
    lambda data: data["config"].pop("seed"),
    lambda data: data["config"].update(more=1),
    lambda data: data["config"].update(n_embd=4),
    lambda data: data["config"].update(n_embd=9999),
    lambda data: data["vocabulary"].reverse(),
    lambda data: data["vocabulary"].append("aa"),
    lambda data: data["rng"][1].pop(),
    lambda data: data["rng"][1].__setitem__(624, 625),
    lambda data: data["rng"].append(0),
    lambda data: data.pop("rng"), lambda data: data.pop("docs_crc")])
def test_damage(model, damage):
    data = json.loads(model.read_text())
    damage(data)
    model.write_text(json.dumps(data))
    with pytest.raises(ValueError, match="not a model saved by microgpt"):
        load(str(model))


def test_a_damaged_model_on_the_command_line(refused, model):
    model.write_text(model.read_text().replace('"seed": 42', '"seed": NaN'))
    assert "m.json" in refused("--load", "m.json")
