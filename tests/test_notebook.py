"""The file pasted into a notebook: whole, or cell by cell."""
import builtins
import dis
import json
import re
import subprocess
import sys
import types

import pytest

import microgpt
from program import count_known


@pytest.fixture
def source():
    """The text of the program, its default job cut to three steps."""
    with open(microgpt.__file__, encoding="utf-8") as file:
        text, n = re.subn(r"(steps: int = setting\()1000,", r"\g<1>3,",
                          file.read())
    assert n == 1
    return text


@pytest.fixture
def notebook(monkeypatch):
    """An empty namespace, and the argv of a kernel, which is not for us."""
    monkeypatch.setattr("sys.argv", ["x", "-f", "kernel.json"])
    return {"__name__": "__main__"}


def check_job(out):
    assert "\r" not in out and "\x1b" not in out
    lines = out.splitlines()
    assert lines[0].startswith(
        "documents 1000 (0 held out, 0 cut to 16 tokens)")
    assert [line[:13] for line in lines[1:4]] == [
        "step    1 /  ", "step    2 /  ", "step    3 /  "]
    assert len(lines) == 25 and lines[-2].startswith("sample 20: ")
    assert count_known(lines[-1])[1] == 20


def global_names(code):
    """The globals that functions in code look up when they are called."""
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from [i.argval for i in dis.get_instructions(const)
                        if i.opname == "LOAD_GLOBAL"]
            yield from global_names(const)


def test_whole_file_in_one_cell(source, notebook, capsys):
    exec(compile(source, "<cell>", "exec"), notebook)  # a SystemExit fails
    out, err = capsys.readouterr()
    check_job(out)
    assert err == ""


def test_an_editor_that_sets_file(source, notebook, capsys):
    """VS Code's interactive window has `__file__`, and a kernel's argv."""
    notebook.update(__file__="microgpt.py", get_ipython=lambda: None)
    exec(source, notebook)
    check_job(capsys.readouterr().out)


def test_whole_file_twice(source, notebook, capsys):
    exec(source, notebook)
    first = capsys.readouterr().out
    exec(source, notebook)
    assert capsys.readouterr().out == first


def test_cell_by_cell(source, notebook, capsys):
    cells = re.split(r"(?m)^(?=# %%)", source)
    titles = [cell.split("\n")[0] for cell in cells[1:]]
    assert titles == ["# %% " + title for title in (
        "Tokenizer", "Autograd", "Model", "Training", "Sampling", "Data",
        "Saving", "Command line")]
    for cell in cells:
        assert capsys.readouterr().out == ""  # only the last one prints
        code = compile(cell, "<cell>", "exec")
        exec(code, notebook)
        later = set(global_names(code)) - notebook.keys() - set(dir(builtins))
        assert later == set()
    check_job(capsys.readouterr().out)


def test_by_hand_afterwards(source, notebook, capsys):
    exec(source, notebook)
    capsys.readouterr()
    a = notebook["Value"](3.0)
    (a * a).backward()
    assert a.grad == 6.0
    config = notebook["Config"](n_embd=4, n_head=1, steps=2)
    run, losses = notebook["Run"](config, ["anna", "bob"]), []
    notebook["train"](run, lambda step, loss: losses.append(loss))
    text = notebook["generate"](config, run.params, run.tokenizer, run.rng)
    assert len(losses) == 2 and set(text) <= set("annabob")
    notebook["main"](["--steps", "0", "--samples", "1"])
    assert capsys.readouterr().out.count("\n") == 3


@pytest.mark.parametrize("pasted", ["whole", "cell by cell"])
def test_the_trained_model_is_at_hand(source, notebook, capsys, pasted):
    cells = [source]
    if pasted != "whole":
        cells = re.split(r"(?m)^(?=# %%)", source)
    for cell in cells:
        exec(compile(cell, "<cell>", "exec"), notebook)
    printed = capsys.readouterr().out
    exec("print(run.step)\n"
         "print(generate(run.config, run.params, run.tokenizer, run.rng))",
         notebook)
    step, sample = capsys.readouterr().out.splitlines()
    assert step == "3" and sample.isalpha()
    assert type(notebook["run"]) is notebook["Run"]
    assert sample not in printed  # the next of its samples, no repetition


def test_the_model_of_another_call(notebook, source, capsys):
    """main leaves it where it is told to, and nowhere else."""
    exec(source, notebook)
    first = notebook["run"]
    notebook["main"](["--steps", "0", "--samples", "0"])
    assert notebook["run"] is first
    notebook["main"](["--steps", "0", "--samples", "0"], notebook)
    assert notebook["run"] is not first


def test_marimo_sets_file(source, notebook, capsys):
    """A cell of marimo has `__file__`, and a name of marimo's own."""
    notebook.update(__file__="notebook.py", __marimo__=None)
    exec(source, notebook)  # a SystemExit fails
    check_job(capsys.readouterr().out)


def test_a_command_exits(source, notebook, monkeypatch, capsys):
    """Only where the file is a script does its bottom end the process."""
    notebook["__file__"] = "microgpt.py"
    monkeypatch.setattr("sys.argv", ["microgpt.py", "nofile"])
    with pytest.raises(SystemExit) as caught:
        exec(source, notebook)
    assert caught.value.code == 2


def test_a_real_marimo(source, tmp_path):
    """The whole file as the one cell of a notebook that marimo runs."""
    pytest.importorskip("marimo")

    def marimo(*args):
        return subprocess.run([sys.executable, "-m", "marimo", *args],
                              cwd=tmp_path, capture_output=True,
                              encoding="utf-8", timeout=120)

    cell = dict(cell_type="code", source=source, metadata={}, outputs=[],
                execution_count=None)
    (tmp_path / "book.ipynb").write_text(json.dumps(
        dict(cells=[cell], metadata={}, nbformat=4, nbformat_minor=5)))
    done = marimo("convert", "book.ipynb", "-o", "book.py")
    assert done.returncode == 0, done.stderr
    done = marimo("export", "html", "book.py", "-o", "book.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "book.html").read_text(encoding="utf-8")
    for shown in ("documents 1000 (", "sample 20: ", "word for word in"):
        assert re.search(re.escape(shown) + r"[^{}<>]*\d", page)
    assert "SystemExit" not in done.stdout + done.stderr


def test_importing_runs_nothing(source, capsys):
    exec(source, {"__name__": "microgpt"})
    assert capsys.readouterr() == ("", "")


def test_a_real_kernel(source):
    manager = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    out = []

    def collect(message):
        assert message["msg_type"] != "error", message["content"]
        if message["msg_type"] == "stream":
            assert message["content"]["name"] == "stdout"
            out.append(message["content"]["text"])

    kernel, client = manager.start_new_kernel(kernel_name="python3")
    try:
        reply = client.execute_interactive(source, timeout=60,
                                           output_hook=collect)
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
    assert reply["content"]["status"] == "ok"
    check_job("".join(out))
