"""Saving, loading, and going on as if training had never stopped."""
import errno
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

import microgpt
from microgpt import Config, Run, load, save, train

COMMAND = [sys.executable, microgpt.__file__]
TINY = ["docs.txt", "--n-embd", "4", "--n-head", "1", "--block-size", "8"]
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

def samples(text):
    return re.findall(r"(?m)^sample +\d+: .*$", text)

def bits(run):
    """All numbers of a run to the last bit."""
    return [x.hex() for x in [w.data for w in run.weights] + run.m + run.v]

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
    assert again.splitlines() == samples(first)

def test_other_samples_of_a_saved_model(out):
    out(*TINY, "--steps", "9", "--save", "m.json")
    text = out("--load", "m.json", "--temperature", "9", "--samples", "3",
               "--prompt", "ev")
    assert len(samples(text)) == 3
    assert all([": ev" in line for line in samples(text)])
    assert samples(text) != samples(out("--load", "m.json", "--samples", "3",
                                        "--prompt", "ev"))

@pytest.mark.parametrize("args, named", [
    (["--n-embd", "8"], "n_embd=8"), (["--seed", "1"], "seed=1"),
    (["docs.txt", "--steps", "10"], "steps=10"), (["--holdout", "0.5"], "holdout=0.5"),
    (["--learning-rate", "1"], "learning_rate=1"),
    (["--prompt", "Z"], "'Z'"), (["other.txt"], "other documents"),
    (["other.txt", "--steps", "9"], "other documents")])
def test_contradictions_are_refused(out, refused, tmp_path, args, named):
    out(*TINY, "--steps", "9", "--samples", "0", "--save", "m.json")
    (tmp_path / "other.txt").write_text("anna\nbob\nada\n")
    assert named in refused("--load", "m.json", *args)

# Going on

def test_interrupted_and_resumed(run, out, tmp_path):
    args = [*TINY, "--steps", "600", "--samples", "5"]
    whole = out(*args, "--save", "whole.json").splitlines()
    with subprocess.Popen([*COMMAND, *args, "--save", "m.json"], cwd=tmp_path,
                          stdout=subprocess.PIPE, encoding="utf-8") as process:
        while "step    1" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 0 and len(samples(rest)) == 5
    [stopped] = re.findall(r"stopped after step (\d+) of 600", rest)
    resumed = out("--load", "m.json", "docs.txt", "--steps", "600",
                  "--save", "m.json").splitlines()
    assert resumed[0] == whole[0]
    assert resumed[1].startswith(f"step {int(stopped) + 1:4d} /  600")
    assert resumed[2:] == whole[-len(resumed[2:]):]
    assert ((tmp_path / "m.json").read_bytes()
            == (tmp_path / "whole.json").read_bytes())

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
    data = at = json.loads(model.read_text())
    *keys, last = [int(k) if k.isdigit() else k for k in place.split()]
    for key in keys:
        at = at[key]
    at[last] = wrong
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
