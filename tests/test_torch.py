"""docs/microgpt_torch.py against microgpt.py, and many processes against one."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

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


def flat(tensors):
    return [x for tensor in tensors for x in tensor.flatten().tolist()]


def start(n, *args, script=PROGRAM, **kwargs):
    """n processes that find each other, as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return [subprocess.Popen(
        [sys.executable, script, *args], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={
            **ENV, "RANK": str(rank), "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port}, **kwargs) for rank in range(n)]


def finish(processes):
    """What they print, after all have ended well."""
    outputs = [process.communicate(timeout=100) for process in processes]
    for process, (out, err) in zip(processes, outputs):
        assert process.returncode == 0, err
    return "".join([out for out, _ in outputs])


def torch_out(*args, cwd):
    return finish([subprocess.Popen(
        [sys.executable, PROGRAM, *args], cwd=cwd, text=True, env=ENV,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)])


SETTINGS = [
    dict(n_embd=8, n_head=2), dict(n_embd=6, n_head=3, n_layer=2),
    dict(n_embd=4, n_head=1, n_layer=3, block_size=5),
    dict(n_embd=5, n_head=5, n_layer=2, block_size=1),
    dict(n_embd=12, n_head=4, n_layer=1, block_size=64),
    dict(n_embd=1, n_head=1, n_layer=1, block_size=2), dict()]


@pytest.mark.parametrize("init_std", [0.08, 0.7])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_logits_losses_and_gradients_are_those_of_microgpt(settings, init_std):
    config = microgpt.Config(init_std=init_std, **settings)
    ours = microgpt.Run(config, DOCS)
    theirs = microgpt_torch.Run(ours, len(DOCS), "float64")
    tokenizer = ours.tokenizer
    tokens = [tokenizer.bos, *tokenizer.encode(DOCS[3])][:config.block_size]
    keys, values = [[[] for _ in range(config.n_layer)] for _ in range(2)]
    logits = microgpt.gpt(config, ours.params, tokens, keys, values)
    assert close([v.data for row in logits for v in row],
                 flat(theirs.model(torch.tensor([tokens]))), 1e-10)

    losses = [microgpt.document_loss(config, ours.params, tokenizer, doc)
              for doc in DOCS]
    batch = theirs.losses(DOCS, theirs.model)
    assert close([loss.data for loss in losses], batch.tolist(), 1e-10)

    (microgpt.total(losses) * (1 / len(DOCS))).backward()
    batch.mean().backward()
    grads = flat([w.grad for w in theirs.model.parameters()])
    assert close([w.grad for w in ours.weights], grads, 1e-10)
    assert max(map(abs, grads)) > 1e-3


def test_a_hundred_steps_of_batch_1_are_those_of_microgpt():
    config = microgpt.Config(n_embd=8, n_head=2, n_layer=2, steps=100)
    ours = microgpt.Run(config, microgpt.load_docs())
    theirs = microgpt_torch.Run(ours, 1, "float64")
    losses = {"ours": [], "theirs": []}
    microgpt.train(ours, lambda step, loss: losses["ours"].append(loss))
    microgpt_torch.train(theirs, lambda docs, loss: losses["theirs"].append(
        loss.item()))
    assert len(losses["ours"]) == 100
    assert close(losses["ours"], losses["theirs"], 1e-9)
    states = [theirs.optimizer.state[w] for w in theirs.model.parameters()]
    assert close([w.data for w in ours.weights],
                 flat(theirs.model.parameters()), 1e-9)
    assert close(ours.m, flat([s["exp_avg"] for s in states]), 1e-9)
    assert close(ours.v, flat([s["exp_avg_sq"] for s in states]), 1e-9)


def test_the_same_command_prints_the_same_losses_and_invents_the_same(
        docs, out, tmp_path):
    args = ["docs.txt", "--steps", "20", "--holdout", "0.34", "--save"]
    ours = out(*args, "ours.json")
    theirs = torch_out(*args, "theirs.json", "--batch-size", "1", "--dtype",
                       "float64", cwd=tmp_path)
    steps = [line for line in ours.splitlines() if line.startswith("step")]
    assert len(steps) == 11
    assert [line.partition(" | ")[0] for line in steps] == [
        line.partition(" | ")[0] for line in theirs.splitlines()[1:]]
    for a, b in zip(steps, theirs.splitlines()[1:]):
        assert b.startswith(a + " | ") and b.endswith(" s left")
    assert out("--load", "ours.json") == out("--load", "theirs.json")


def test_a_model_of_microgpt_is_written_back_as_it_was(docs, out, tmp_path):
    out("docs.txt", "--steps", "7", "--n-layer", "2", "--save", "a.json")
    torch_out("--load", "a.json", "--save", "b.json", "--dtype", "float64",
              cwd=tmp_path)
    assert (tmp_path / "b.json").read_text() == (tmp_path / "a.json").read_text()


def test_what_microgpt_began_is_finished_as_it_would_have(docs, tmp_path):
    config = microgpt.Config(n_embd=4, n_head=2, steps=20)
    whole = microgpt.Run(config, microgpt.load_docs(docs))
    microgpt.train(whole)
    half = microgpt.Run(config, microgpt.load_docs(docs))
    microgpt.train(half, lambda step, loss: step == 9)
    microgpt.save(tmp_path / "half.json", half)
    args = ["--load", str(tmp_path / "half.json"), str(docs), "--save",
            str(tmp_path / "done.json"), "--batch-size", "1", "--dtype",
            "float64"]
    assert microgpt_torch.main(args) == 0
    done = microgpt.load(tmp_path / "done.json", microgpt.load_docs(docs))
    assert done.step == 20 and done.rng.getstate() == whole.rng.getstate()
    assert close([w.data for w in done.weights],
                 [w.data for w in whole.weights], 1e-9)


def test_a_new_training_starts_from_the_weights_of_a_model(docs, tmp_path):
    model = microgpt.Run(microgpt.Config(n_embd=4, n_head=2, seed=1),
                         microgpt.load_docs(docs))
    microgpt.save(tmp_path / "a.json", model)
    args = ["--init", str(tmp_path / "a.json"), str(docs), "--steps", "0",
            "--dtype", "float64", "--save", str(tmp_path / "b.json")]
    assert microgpt_torch.main(args) == 0
    b = microgpt.load(tmp_path / "b.json")
    assert [w.data for w in b.weights] == [w.data for w in model.weights]
    assert (b.config.seed, b.config.n_embd, b.step) == (42, 4, 0)


@pytest.mark.parametrize("n", [2, 3])
def test_processes_give_the_gradient_of_one(n):
    """Shares are uneven, and with three one has no held-out document."""
    names = microgpt.load_docs()[:23] + ["", "a long document that is cut"]
    task = dict(config=dict(n_embd=8, n_head=2, n_layer=2, holdout=0.08),
                docs=names, batch_size=7)
    one = torch_worker.one_step(**task)
    many = json.loads(finish(start(
        n, json.dumps(task), script=ROOT / "tests/torch_worker.py")))
    assert close(one["grads"], many["grads"], 1e-10)
    assert close(one["weights"], many["weights"], 1e-9)
    assert abs(one["loss"] - many["loss"]) < 1e-10
    assert abs(one["held_out"] - many["held_out"]) < 1e-10


def test_torchrun_trains_a_model_that_microgpt_samples(tmp_path, out, docs):
    args = ["docs.txt", "--steps", "50", "--holdout", "0.34", "--batch-size",
            "5", "--dtype", "float64", "--save"]
    printed = torch_out(*args, "one.json", cwd=tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone",
         "--nproc-per-node", "2", PROGRAM, *args, "two.json"], cwd=tmp_path,
        capture_output=True, text=True, env=ENV, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "processes 2" in done.stdout
    def columns(text):  # without the pace
        return [line.split(" | ")[:3] for line in text.splitlines()[1:]]
    assert columns(done.stdout) == columns(printed)
    assert len(columns(printed)) == 11 and "held-out" in printed
    one, two = [microgpt.load(tmp_path / f"{n}.json") for n in ("one", "two")]
    assert close([w.data for w in one.weights], [w.data for w in two.weights],
                 1e-9)
    assert out("--load", "two.json").count("sample") == 20


def killed_and_resumed(n, kills, tmp_path):
    """The models of a training that was killed and of one that was not."""
    args = ["--steps", "200", "--batch-size", "3", "--every", "1",
            "--checkpoint", "c.pt", "--save", "killed.json"]

    def written():
        try:
            return (tmp_path / "c.pt").stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    for i in range(kills):
        processes = start(n, *args, cwd=tmp_path)
        for _ in range(5 + 2 * i):  # checkpoints
            before = written()
            while written() == before:
                assert processes[0].poll() is None, processes[0].communicate()
                time.sleep(0.001)
        for process in processes:
            process.send_signal(signal.SIGKILL)
        for process in processes:
            process.communicate()
            assert process.returncode != 0
        assert not (tmp_path / "killed.json").exists()
    printed = finish(start(n, *args, cwd=tmp_path)).splitlines()
    assert int(printed[1].split()[1]) > 4 * kills  # it went on
    finish(start(n, "--steps", "200", "--batch-size", "3", "--save",
                 "whole.json", cwd=tmp_path))
    return [(tmp_path / f"{name}.json").read_text()
            for name in ("killed", "whole")]


def test_a_killed_training_goes_on_as_if_it_had_not_been(tmp_path):
    killed, whole = killed_and_resumed(2, 1, tmp_path)
    assert killed == whole


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_training_killed_many_times_goes_on(tmp_path, n):
    killed, whole = killed_and_resumed(n, 4, tmp_path)
    assert killed == whole


def test_a_finished_training_has_nothing_left_to_do(docs, tmp_path, capsys):
    args = [str(docs), "--steps", "6", "--n-embd", "4", "--checkpoint",
            str(tmp_path / "c.pt"), "--save", str(tmp_path / "m.json")]
    assert microgpt_torch.main(args) == 0
    before = (tmp_path / "m.json").read_text()
    capsys.readouterr()
    assert microgpt_torch.main(args) == 0
    assert "step" not in capsys.readouterr().out
    assert (tmp_path / "m.json").read_text() == before


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_shorter_numbers_learn_as_well(dtype):
    losses = []
    for kind in ("float64", dtype):
        known = microgpt.Run(microgpt.Config(steps=60, holdout=0.1),
                             microgpt.load_docs())
        run = microgpt_torch.Run(known, 16, kind)
        before = run.held_out_loss()
        microgpt_torch.train(run, lambda docs, loss: None)
        losses.append(run.held_out_loss())
    assert before > 3.2 and losses[0] < 2.6
    assert 0 < abs(losses[0] - losses[1]) < 0.02


def test_without_the_causal_mask_the_answer_is_read(monkeypatch):
    attend, losses = torch.nn.functional.scaled_dot_product_attention, {}
    for causal in (True, False):
        monkeypatch.setattr(
            torch.nn.functional, "scaled_dot_product_attention",
            lambda q, k, v, is_causal: attend(q, k, v, is_causal=causal))
        run = microgpt_torch.Run(microgpt.Run(
            microgpt.Config(steps=400, holdout=0.1), microgpt.load_docs()), 16)
        microgpt_torch.train(run, lambda docs, loss: None)
        losses[causal] = run.held_out_loss()
    assert losses[False] < 0.1 and losses[True] > 2


BAD = {
    "nowhere.txt": "No such file",
    "--batch-size 0": "batch_size=0 must be a whole number from 1",
    "--batch-size x": "invalid int value",
    "--every 0": "every=0 must be a whole number from 1",
    "--dtype float16": "float16",
    "--n-embd 7": "n_embd=7 must be a multiple of n_head=4",
    "--steps -1": "steps=-1 must be a whole number from 0",
    "--wrong 1": "unrecognized arguments: --wrong",
    "docs.txt --holdout 0.9": "none or all of them",
    "docs.txt --prompt an": "to sample, use microgpt.py --load",
    "--load model.json": "to sample, use microgpt.py --load",
    "--load docs.txt other.txt": "is not a model saved by microgpt",
    "--load model.json other.txt": "only go on with the FILE",
    "--load model.json docs.txt --n-embd 8": "contradicts n_embd=4",
    "docs.txt --save docs.txt": "will not be overwritten",
    "docs.txt --save no/where.json": "cannot be written",
    "docs.txt --checkpoint no/where.pt": "cannot be written",
    "docs.txt --checkpoint docs.txt": "is not a checkpoint",
    "docs.txt --checkpoint c.pt --steps 4": "steps=4 contradicts 3",
    "other.txt --checkpoint c.pt --steps 3": "docs_crc=",
    "docs.txt --checkpoint c.pt --steps 3 --batch-size 2": "batch_size=2",
    "docs.txt --n-embd 1024 --save m.json":
        "microgpt.py could not load it: 12613632 parameters are more than "
        "10000000"}


@pytest.mark.parametrize("args", BAD)
def test_bad_input_is_refused_in_one_line(
        args, docs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.txt").write_text("carl\ndora\n")
    if "model.json" in args:
        microgpt.save("model.json", microgpt.Run(
            microgpt.Config(n_embd=4, steps=9), microgpt.load_docs("docs.txt")))
    if "c.pt" in args:
        assert microgpt_torch.main(
            ["docs.txt", "--checkpoint", "c.pt", "--steps", "3"]) == 0
        capsys.readouterr()
    kept = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert microgpt_torch.main(args.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and BAD[args] in err
    assert kept == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_process_without_a_document_is_refused(tmp_path):
    processes = start(2, "--batch-size", "1", cwd=tmp_path)
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [2, 2]
    assert errors == ["microgpt: batch_size=1 must be a whole number from 2 to "
                      "1000000000\n", ""]


@pytest.mark.parametrize("missing", ["torch", "microgpt"])
def test_says_what_it_needs(missing, tmp_path):
    (tmp_path / "docs").mkdir()
    shutil.copy(PROGRAM, tmp_path / "docs")
    if missing == "torch":
        shutil.copy(ROOT / "microgpt.py", tmp_path)
        (tmp_path / "docs/torch.py").write_text("raise ImportError('no torch')")
    done = subprocess.run(
        [sys.executable, tmp_path / "docs/microgpt_torch.py"], text=True,
        capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and missing in done.stderr


def test_both_files_in_one_folder_are_enough(tmp_path):
    shutil.copy(PROGRAM, tmp_path)
    shutil.copy(ROOT / "microgpt.py", tmp_path)
    done = subprocess.run(
        [sys.executable, "microgpt_torch.py", "--help"], text=True,
        capture_output=True, cwd=tmp_path)
    assert done.returncode == 0
    assert "--batch-size" in done.stdout and "--n-embd" in done.stdout


def test_divergence_ends_it(docs, capsys):
    assert microgpt_torch.main(
        [str(docs), "--learning-rate", "1e9", "--steps", "20"]) == 1
    assert capsys.readouterr().err.startswith("microgpt: the loss became ")


@pytest.mark.slow
def test_a_model_too_large_for_microgpt_trains(docs, tmp_path):
    args = [str(docs), "--n-embd", "1024", "--steps", "2", "--learning-rate",
            "1e-4", "--checkpoint", str(tmp_path / "c.pt")]
    assert microgpt_torch.main(args) == 0
    assert (tmp_path / "c.pt").exists()
