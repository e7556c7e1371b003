"""The pages on docs/microgpt_torch.py and what it learned: no torch needed."""
import itertools
import json
import pathlib
import re
import subprocess
import sys
import unicodedata
import zlib
from dataclasses import fields
from functools import partial

import pytest

import microgpt

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/torch.md").read_text(encoding="utf-8")
PROGRAM = (ROOT / "docs/microgpt_torch.py").read_text(encoding="utf-8")


def test_every_line_of_the_program_stands_once_in_order():
    lines = PROGRAM.splitlines()
    excerpts = (ROOT / "docs/data/excerpts.md").read_text(encoding="utf-8")
    shown = []
    for name in re.findall(r'--8<-- "docs/data/excerpts\.md:(\S+)"', PAGE):
        section = excerpts.partition(f"[start:{name}]")[2].partition("[end:")[0]
        for first, last in re.findall(r"microgpt_torch\.py:(\d+):(\d+)", section):
            shown += [i for i in range(int(first), int(last) + 1)
                      if lines[i - 1].strip()
                      and not lines[i - 1].startswith("# %%")]
    assert shown == [i for i, line in enumerate(lines, 1) if line.strip()
                     and not line.startswith("# %%")]
    assert max(map(len, lines)) <= 80


def test_no_setting_of_microgpt_is_passed_over():
    """A new one has to be used there, or it would be silently ignored."""
    settings = {f.name for f in fields(microgpt.Config)}
    used = set(re.findall(r"config\.(\w+)", PROGRAM)) & settings
    assert settings - used == {"holdout", "paragraphs"}  # which prepare uses
    options = vars(microgpt.parse([])).keys()
    used = set(re.findall(r"options\.(\w+)", PROGRAM)) & options
    assert options == used
    for name in "prepare", "parse":
        assert f"microgpt.{name}(" in PROGRAM


def test_the_functions_beside_each_other_stand_in_the_files():
    source = (ROOT / "microgpt.py").read_text(encoding="utf-8")
    [table] = re.findall(r"^\| here \| in `microgpt.py` \|\n\|---\|---\|\n"
                         r"((?:\|.*\n)+)", PAGE, re.M)
    rows = re.findall(r"\| `(\w+)` \| `(\w+)` \|\n", table)
    assert len(rows) == table.count("\n") > 12
    for row in rows:
        for name, text in zip(row, (PROGRAM, source)):
            assert re.search(rf"(def|class) {name}\b", text), name


def test_options_on_the_page_are_those_of_the_program():
    assert re.findall(r"^\| `(--[\w-]+)` \|", PAGE, re.M) == re.findall(
        r'add\("(--[\w-]+)"', PROGRAM)


@pytest.mark.parametrize("script", ["torch_speed", "torch_learning", "crossing"])
def test_tables_and_figures_say_what_was_recorded(script):
    done = subprocess.run(
        [sys.executable, ROOT / f"tests/by_hand/{script}.py", "--check"],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_command_on_the_page_makes_the_text_that_was_learned():
    import torch_learning
    command, _ = torch_learning.commands()
    recorded = json.loads(torch_learning.RECORD.read_text(encoding="utf-8"))
    assert zlib.crc32(torch_learning.printed(command).encode()) == (
        recorded["induction"]["text"])


@pytest.mark.slow
def test_two_layers_copy_what_one_does_not():
    pytest.importorskip("torch").set_num_threads(1)
    import microgpt_torch
    import torch_learning
    command, options = torch_learning.commands()
    docs = torch_learning.printed(command).split()
    losses = []
    for n_layer in 2, 1:
        run = torch_learning.prepared(docs, *options[1:], "--n-layer", n_layer,
                                      "--seed", torch_learning.DRAWN)
        for _ in range(400):
            microgpt_torch.train_step(run, run.model)
        losses.append(torch_learning.Asked(run).loss())
    assert losses[0] < 0.1 < 2 < losses[1]


def test_counts_are_those_of_the_ladder():
    import crossing
    import ladder
    docs = microgpt.load_docs()[:60]
    run = microgpt.Run(microgpt.Config(block_size=32), docs[:50])
    ours = crossing.counted_losses(docs[50:], crossing.counts(docs[:50]), 8.0,
                                   run.tokenizer.vocab_size)
    run.held_out = docs[50:]
    for n in 0, 3:
        model = ladder.blended_counts(run, partial(ladder.last_letters, n), 8.0)
        losses = []
        for doc in docs[50:]:  # that of the ladder is a mean over documents
            run.held_out = [doc]
            losses += [ladder.loss_of(model, run)] * (len(doc) + 1)
        assert sum(losses) / len(losses) == pytest.approx(ours[n])


def test_counts_and_models_were_measured_as_the_script_says():
    import crossing
    recorded = json.loads(crossing.RECORD.read_text(encoding="utf-8"))["texts"]
    assert recorded.keys() == crossing.TEXTS.keys()
    for name, plan in crossing.TEXTS.items():
        part = recorded[name]
        assert [row["docs"] for row in part["counts"]] == list(plan.steps)
        for row in part["counts"]:  # more of either would not be better
            assert 0 < row["letters"] < crossing.LETTERS
            assert min(crossing.TRUSTS) < row["trust"] < max(crossing.TRUSTS)
        names = [f"{n_embd} × {n_layer}" for n_embd, n_layer in plan.models]
        assert [(row["seed"], row["docs"], row["model"])
                for row in part["models"]] == list(itertools.product(
                    plan.seeds, plan.steps, names))
        for row in part["models"]:
            steps = plan.steps[row["docs"]]
            assert 0 < row["step"] <= steps
            assert row["step"] % (steps // plan.asked) == 0


def test_counts_and_models_learn_what_was_measured():
    """Unicode's names grow with its version, which a Python brings along."""
    import crossing
    recorded = json.loads(crossing.RECORD.read_text(encoding="utf-8"))["texts"]
    for name, plan in crossing.TEXTS.items():
        docs = crossing.documents(name)
        assert len(set(docs)) == len(docs)
        assert max(map(len, docs)) < plan.rows[0]  # as many tokens, with bos
        version = unicodedata.unidata_version
        if recorded[name].get("unicode", version) == version:
            assert crossing.crc(docs) == recorded[name]["crc"]
            assert len(docs) >= 2 * plan.held_out + max(plan.steps)
            size = len(set("".join(docs))) + 1
            n, first = min(plan.steps), recorded[name]["counts"][0]
            assert crossing.best_counts(
                *crossing.parts(docs, plan.held_out, n), size) == first


@pytest.mark.slow
@pytest.mark.parametrize("name", ["names", "twice", "unicode"])
def test_a_model_has_the_loss_that_was_recorded(name):
    pytest.importorskip("torch").set_num_threads(1)
    import crossing
    recorded = json.loads(crossing.RECORD.read_text(encoding="utf-8"))["texts"]
    plan, docs = crossing.TEXTS[name], crossing.documents(name)
    if crossing.crc(docs) != recorded[name]["crc"]:
        pytest.skip("this Python has other names of characters")
    first = recorded[name]["models"][0]
    again = crossing.learned(
        plan, plan.models[0], first["docs"], first["seed"], docs)
    assert again["loss"] == pytest.approx(first["loss"], abs=0.03)


def test_the_page_is_short():
    text = re.sub(r"```.*?```|<!--.*?-->", "", PAGE, flags=re.S)
    assert len(text.split()) <= 1500
