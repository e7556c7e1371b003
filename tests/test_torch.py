"""docs/microgpt_torch.py against microgpt.py, and many processes against one."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "docs"))

import microgpt  # noqa: E402
import microgpt_torch  # noqa: E402
import torch_worker  # noqa: E402

PROGRAM = ROOT / "docs/microgpt_torch.py"
ENV = {**os.environ, "OMP_NUM_THREADS": "1"}
torch.set_num_threads(1)
DOCS = ["anna", "", "bob", "a long document that is cut", "eve", "ab" * 9]


def close(ours, theirs, within):
    return len(ours) == len(theirs) and max(
        [abs(a - b) for a, b in zip(ours, theirs)]) <= within


def run_of(known, **options):
    return microgpt_torch.Run(known, torch_worker.settings(**options))


def grads(run):
    return [x for w in run.matrices for x in w.grad.flatten().tolist()]


def start(*args, **kwargs):
    """The program at work, where signals can end it."""
    def act():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    return subprocess.Popen(
        [sys.executable, PROGRAM, *args], text=True, preexec_fn=act, **{
            "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENV,
            **kwargs})


def start_many(n, *args, script=PROGRAM, **kwargs):
    """n processes that find each other, as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return [subprocess.Popen(
        [sys.executable, script, *args], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={
            **ENV, "RANK": str(rank), "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test"}, **kwargs)
        for rank in range(n)]


def finish(*processes):
    """What they print, after all have ended well."""
    outputs = [process.communicate(timeout=300) for process in processes]
    for process, (out, err) in zip(processes, outputs):
        assert process.returncode == 0, err
    return "".join([out for out, _ in outputs])


@pytest.mark.parametrize("settings", [
    dict(n_embd=8, n_head=2), dict(n_embd=6, n_head=3, n_layer=2),
    dict(n_embd=4, n_head=1, n_layer=3, block_size=5),
    dict(n_embd=5, n_head=5, n_layer=2, block_size=1),
    dict(n_embd=12, n_head=4, n_layer=1, block_size=64),
    dict(n_embd=1, n_head=1, n_layer=1, block_size=2), dict()], ids=str)
def test_losses_and_gradients_are_those_of_microgpt(settings):
    config = microgpt.Config(**settings)
    ours = microgpt.Run(config, DOCS)
    theirs = run_of(ours, batch_size=len(DOCS))
    losses = [microgpt.document_loss(config, ours.params, ours.tokenizer, doc)
              for doc in ours.docs]
    loss = microgpt.total(losses) * (1 / len(DOCS))
    loss.backward()
    found = theirs.loss(theirs.model, *theirs.batch(theirs.text, slice(None)))
    found.backward()
    assert abs(loss.data - found.item()) < 1e-10
    assert close([w.grad for w in ours.weights], grads(theirs), 1e-10)
    assert max(map(abs, grads(theirs))) > 1e-3


def test_a_hundred_steps_of_parity_are_those_of_microgpt():
    config = microgpt.Config(n_embd=8, n_head=2, n_layer=2, steps=100)
    ours = microgpt.Run(config, microgpt.load_docs())
    theirs = run_of(ours)
    pairs = [(microgpt.train_step(ours), microgpt_torch.train_step(
        theirs, theirs.model)[0].item()) for _ in range(100)]
    assert close(*zip(*pairs), 1e-10)
    for row, numbers in zip(theirs.numbers(), (
            [w.data for w in ours.weights], ours.m, ours.v)):
        assert close(numbers, row.tolist(), 1e-9)


@pytest.mark.parametrize("extra", [[], ["--paragraphs"]], ids=str)
def test_the_same_command_prints_the_same(docs, out, tmp_path, extra):
    docs.write_text("anna\nbob\n\neve\nab\n\nann\n")
    args = ["docs.txt", "--steps", "20", "--holdout", "0.4", *extra, "--save"]
    ours = out(*args, "ours.json")
    theirs = finish(start(*args, "theirs.json", "--parity", cwd=tmp_path))
    theirs = re.sub(r" \| \d+ tokens/s \| \d+ s left", "", theirs)
    assert ours.splitlines()[1:] == theirs.splitlines()[1:]
    assert ours.count("held-out") == 11
    sampled = out("--load", "ours.json")
    assert sampled == out("--load", "theirs.json")
    assert sampled == finish(start("--load", "theirs.json", "--parity",
                                   cwd=tmp_path))


def test_a_model_of_microgpt_is_written_back_as_it_was(docs, out, tmp_path):
    out("docs.txt", "--steps", "7", "--n-layer", "2", "--save", "a.json")
    finish(start("--load", "a.json", "--save", "b.json", "--parity",
                 cwd=tmp_path))
    assert (tmp_path / "b.json").read_text() == (tmp_path / "a.json").read_text()


def test_what_microgpt_began_is_finished_as_it_would_have(docs, tmp_path):
    config = microgpt.Config(n_embd=4, n_head=2, steps=20)
    whole = microgpt.Run(config, microgpt.load_docs(docs))
    path = str(tmp_path / "m.json")
    for step in range(20):
        if step == 9:
            microgpt.save(path, whole)
        microgpt.train_step(whole)
    assert microgpt_torch.main(["--load", path, str(docs), "--parity"]) == 0
    done = microgpt.load(path, microgpt.load_docs(docs))
    assert done.step == 20
    assert close([w.data for w in done.weights],
                 [w.data for w in whole.weights], 1e-9)


def test_a_new_training_starts_from_the_weights_of_a_model(docs, tmp_path):
    model = microgpt.Run(microgpt.Config(n_embd=4, n_head=2, seed=1),
                         microgpt.load_docs(docs))
    a, b = [str(tmp_path / name) for name in ("a.json", "b.json")]
    microgpt.save(a, model)
    assert microgpt_torch.main(["--init", a, str(docs), "--steps", "0",
                                "--parity", "--save", b]) == 0
    found = microgpt.load(b)
    assert [w.data for w in found.weights] == [w.data for w in model.weights]
    assert (found.config.seed, found.config.n_embd, found.step) == (42, 4, 0)


@pytest.mark.parametrize("parity", [True, False])
@pytest.mark.parametrize("n", [2, 3])
def test_processes_and_parts_give_the_gradient_of_one(n, parity):
    """Shares are uneven, and with three one has no held-out document."""
    names = microgpt.load_docs()[:40] + ["", "a long document that is cut"]
    task = dict(config=dict(n_embd=8, n_head=2, n_layer=2, holdout=0.05),
                docs=names, batch_size=7, parity=parity)
    one = torch_worker.one_step(**task)
    many = json.loads(finish(*start_many(
        n, json.dumps({**task, "accumulate": 2}),
        script=ROOT / "tests/torch_worker.py")))
    within = 1e-10 if parity else 1e-5
    assert close(one["grads"], many["grads"], within)
    assert close(one["weights"], many["weights"], 10 * within)
    assert abs(one["loss"] - many["loss"]) < within
    assert abs(one["held_out"] - many["held_out"]) < within


def test_packing_changes_no_loss_and_loses_no_token():
    """Each piece of a full row has the loss that it has alone."""
    config = microgpt.Config(n_embd=8, n_head=2, n_layer=2)
    known = microgpt.Run(config, microgpt.load_docs()[:99] + ["ab" * 50])
    run = run_of(known, parity=False)
    losses = []
    for doc in known.docs:
        text = [known.tokenizer.bos, *known.tokenizer.encode(doc),
                known.tokenizer.bos]
        for i in range(0, len(text) - 1, 16):  # one of them is cut into 7
            piece = text[i:i + 17]
            logits = microgpt.gpt(config, known.params, piece[:-1],
                                  defaultdict(list), defaultdict(list))
            losses += [microgpt.cross_entropy(*pair).data
                       for pair in zip(logits, piece[1:])]
    tokens, _, targets = run.text
    assert (targets >= 0).sum() == len(losses) and len(tokens) < 70
    found = run.loss(run.model, *run.batch(run.text, slice(None))).item()
    assert abs(found - sum(losses) / len(losses)) < 1e-5


def test_every_row_has_its_turn_before_one_comes_again(monkeypatch):
    known = microgpt.Run(microgpt.Config(n_embd=4, n_head=1, steps=99),
                         microgpt.load_docs()[:60])
    run, seen = run_of(known, parity=False, batch_size=5), []
    batch = run.batch
    run.batch = lambda text, chosen: seen.extend(chosen) or batch(text, chosen)
    n = len(run.text[0])
    for _ in range(n):
        microgpt_torch.train_step(run, run.model)
    epochs = [seen[i:i + n] for i in range(0, len(seen), n)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(n))] * 5
    assert len(set(map(tuple, epochs))) == 5


@pytest.mark.parametrize("n_embd", [64, 256])
def test_a_wide_model_begins_low_and_falls(n_embd):
    known = microgpt.Run(microgpt.Config(
        n_embd=1, n_head=1, steps=30), microgpt.load_docs())
    known.config = microgpt.Config(n_embd=n_embd, n_layer=2, steps=30)
    known.weights = None
    run = run_of(known, parity=False, batch_size=8)
    losses = [microgpt_torch.train_step(run, run.model)[0].item()
              for _ in range(30)]
    assert 3.2 < losses[0] < 3.5 and max(losses) < 3.6 and losses[-1] < 2.9


def test_bfloat16_learns_as_well():
    found = []
    for options in {}, {"dtype": "bfloat16"}:
        run = run_of(microgpt.Run(microgpt.Config(steps=60, holdout=0.1),
                                  microgpt.load_docs()),
                     parity=False, batch_size=16, **options)
        for _ in range(60):
            microgpt_torch.train_step(run, run.model)
        found.append(microgpt_torch.held_out_loss(run))
    assert found[0] < 2.7 and 0 < abs(found[0] - found[1]) < 0.02


def test_a_batch_samples_what_microgpt_says():
    known = microgpt.Run(microgpt.Config(n_embd=8, n_head=2, n_layer=2,
                                         temperature=0.0), DOCS)
    run = run_of(known)
    texts = microgpt_torch.generate(run, "an", 3)
    assert texts == [microgpt.generate(known.config, known.params,
                                       known.tokenizer, known.rng, "an")] * 3


SMALL = ["docs.txt", "--n-embd", "4", "--n-head", "1", "--block-size", "8"]
ENDLESS = [*SMALL, "--steps", "1000000000", "--samples", "1"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("option, read", [
    ("--save", lambda path: microgpt.load(path).step),
    ("--checkpoint", lambda path: torch.load(path, weights_only=True)[1])])
def test_what_ends_it_early_loses_nothing(docs, tmp_path, name, option, read):
    process = start(*ENDLESS, option, "m", cwd=tmp_path)
    assert "documents" in process.stdout.readline()
    assert "step    1" in process.stdout.readline()
    time.sleep(0.5)
    for _ in range(1 if name == "SIGINT" else 2):
        process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=60)
    status = {"SIGINT": 0, "SIGTERM": 143, "SIGHUP": 129}[name]
    assert (process.returncode, err) == (status, "")
    step = int(re.search(r"stopped after step (\d+)", out)[1])
    assert step > 1 and ("sample  1" in out) == (name == "SIGINT")
    assert read(tmp_path / "m") == step


def test_a_closed_pipe_keeps_the_model(docs, tmp_path):
    process = start(*SMALL, "--steps", "2000", "--save", "m", cwd=tmp_path)
    process.stdout.readline()
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0 and process.stderr.read() == ""
    assert 200 <= microgpt.load(tmp_path / "m").step < 2000


def killed_and_resumed(n, kills, tmp_path):
    """The models of a training that was killed and of one that was not."""
    args = ["--steps", "200", "--batch-size", "3", "--save"]

    def written():
        path = tmp_path / "c.pt"
        return path.exists() and path.stat().st_mtime_ns

    for i in range(kills):
        processes = start_many(n, *args, "killed.json", "--checkpoint", "c.pt",
                               cwd=tmp_path)
        for _ in range(2 + i):  # checkpoints
            before = written()
            while written() == before:
                assert processes[0].poll() is None, processes[0].communicate()
                time.sleep(0.001)
        for process in processes:
            process.kill()
            process.communicate()
        assert not (tmp_path / "killed.json").exists()
    printed = finish(*start_many(n, *args, "killed.json", "--checkpoint",
                                 "c.pt", cwd=tmp_path)).splitlines()
    assert int(printed[1].split()[1]) > 2  # it went on
    finish(*start_many(n, *args, "whole.json", cwd=tmp_path))
    return [(tmp_path / f"{name}.json").read_text()
            for name in ("killed", "whole")]


def test_a_killed_training_goes_on_as_if_it_had_not_been(tmp_path):
    killed, whole = killed_and_resumed(2, 1, tmp_path)
    assert killed == whole


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_training_killed_many_times_goes_on(tmp_path, n):
    killed, whole = killed_and_resumed(n, 3, tmp_path)
    assert killed == whole


def test_one_wrong_bit_of_a_checkpoint_is_noticed(docs, tmp_path, capsys):
    path = tmp_path / "c.pt"
    args = [str(docs), *SMALL[1:], "--steps", "2", "--checkpoint", str(path)]
    assert microgpt_torch.main(args) == 0
    good = path.read_bytes()
    for place in range(0, len(good), 97):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        path.write_bytes(bad)
        assert microgpt_torch.main(args) == 2
        assert "is no checkpoint, or damaged" in capsys.readouterr().err


BAD = {
    "nowhere.txt": "No such file",
    "--batch-size 0": "batch_size=0",
    "--batch-size 4 --accumulate 5": "accumulate=5",
    "--batch-size x": "invalid int value",
    "--dtype float16": "float16",
    "--n-embd 7": "n_embd=7 must be a multiple of n_head=4",
    "--steps -1": "steps=-1 not in 0",
    "--wrong 1": "unrecognized arguments: --wrong",
    "docs.txt --prompt anx": "FILE lacks 'x' of --prompt",
    "--load docs.txt other.txt": "is not a model saved by this microgpt",
    "--load model.json other.txt": "goes on only with what it was trained on",
    "--load model.json docs.txt --n-embd 8": "n_embd=8 is 4",
    "--load model.json docs.txt --checkpoint c": "goes on by itself",
    "docs.txt --save docs.txt": "is there already",
    "docs.txt --save model.json": "is there already",
    "docs.txt --save no/where.json": "No such file",
    "docs.txt --checkpoint no/where.pt": "No such file",
    "docs.txt --checkpoint docs.txt": "is no checkpoint",
    "docs.txt --checkpoint c.pt --steps 4": "steps=4 is 3 in 'c.pt'",
    "other.txt --checkpoint c.pt --steps 3": "is 3 in 'c.pt'|docs_crc=",
    "docs.txt --checkpoint c.pt --steps 3 --batch-size 2": "batch_size=2 is 64",
    "docs.txt --checkpoint c.pt --steps 3 --init model.json": "n_embd=4 is 16",
    "docs.txt --n-embd 1024 --save m.json": "too many weights"}


@pytest.mark.parametrize("args", BAD)
def test_bad_input_is_refused_in_one_line(
        args, docs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.txt").write_text("carl\ndora\n")
    microgpt.save("model.json", microgpt.Run(
        microgpt.Config(n_embd=4, steps=9), microgpt.load_docs("docs.txt")))
    if "c.pt" in args:
        assert microgpt_torch.main(
            ["docs.txt", "--checkpoint", "c.pt", "--steps", "3"]) == 0
        capsys.readouterr()
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert microgpt_torch.main(args.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert any(text in err for text in BAD[args].split("|"))
    assert kept == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_variables_of_torchrun_mean_nothing_without_it(docs, tmp_path):
    env = {**ENV, "RANK": "1", "WORLD_SIZE": "abc"}
    assert "sample  1" in finish(start(
        *SMALL, "--steps", "1", cwd=tmp_path, env=env))


def test_both_files_in_one_folder_are_enough(tmp_path):
    shutil.copy(PROGRAM, tmp_path)
    shutil.copy(ROOT / "microgpt.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "microgpt_torch.py", "--help"], text=True,
        capture_output=True, cwd=tmp_path)
    assert done.returncode == 0
    assert "--batch-size" in done.stdout and "microgpt.py" in done.stdout


def test_divergence_ends_it_and_signals_act_as_before(docs, capsys):
    def own(*args): pass
    before = signal.signal(signal.SIGTERM, own)
    assert microgpt_torch.main(
        [str(docs), "--learning-rate", "1e9", "--steps", "20"]) == 1
    assert "training diverged" in capsys.readouterr().err
    assert signal.signal(signal.SIGTERM, before) is own
