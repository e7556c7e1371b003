"""The file pasted into a notebook: whole, or cell by cell."""
import builtins
import dis
import json
import re
import signal
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


def cells_of(source):
    return re.split(r"(?m)^(?=# %%)", source)


def check_job(out):
    assert "\r" not in out and "\x1b" not in out
    lines = out.splitlines()
    assert lines[0].startswith("documents 1000 (0 held out, ")
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


def test_whole_file_in_one_cell_twice(source, notebook, capsys):
    for _ in range(2):
        exec(compile(source, "<cell>", "exec"), notebook)  # a SystemExit fails
        out, err = capsys.readouterr()
        check_job(out)
        assert err == ""


@pytest.mark.parametrize("marks", [
    {"__file__": "microgpt.py", "get_ipython": None},  # VS Code's window
    {"__file__": "notebook.py", "__marimo__": None}])  # a cell of marimo
def test_a_notebook_that_sets_file(source, notebook, capsys, marks):
    before = signal.getsignal(signal.SIGTERM)
    notebook.update(marks)
    exec(source, notebook)
    check_job(capsys.readouterr().out)
    assert signal.getsignal(signal.SIGTERM) == before  # the kernel's own


def test_cell_by_cell(source, notebook, capsys):
    cells = cells_of(source)
    assert [cell.split("\n")[0] for cell in cells[1:]] == [
        "# %% " + title for title in (
            "Tokenizer", "Autograd", "Model", "Training", "Sampling", "Data",
            "Saving", "Command line")]
    for cell in cells:
        assert capsys.readouterr().out == ""  # only the last one prints
        code = compile(cell, "<cell>", "exec")
        exec(code, notebook)
        later = set(global_names(code)) - notebook.keys() - set(dir(builtins))
        assert later == set()
    check_job(capsys.readouterr().out)


@pytest.mark.parametrize("split", [cells_of, lambda source: [source]])
def test_the_trained_model_is_at_hand(source, notebook, capsys, split):
    for cell in split(source):
        exec(compile(cell, "<cell>", "exec"), notebook)
    printed, run = capsys.readouterr().out, notebook["run"]
    assert type(run) is notebook["Run"] and run.step == 3
    exec("print(generate(run.config, run.params, run.tokenizer, run.rng))",
         notebook)
    sample = capsys.readouterr().out
    assert sample.strip().isalpha()
    assert sample not in printed  # the next of its samples, no repetition
    notebook["main"](["--steps", "0", "--samples", "0"])
    assert notebook["run"] is run  # main leaves one only where it is told to


def test_a_loop_of_ones_own(source, notebook, capsys):
    exec(source, notebook)
    capsys.readouterr()
    exec("config = Config(n_embd=4, n_head=1, n_layer=1, steps=40,\n"
         "                learning_rate=0.05, holdout=0.4)\n"
         "run = Run(config, ['anna', 'hanna', 'annah'])\n"
         "losses = []\n"
         "while run.step < 40 and held_out_loss(run) < 2.0:\n"
         "    losses.append(train_step(run))", notebook)
    assert 2 < len(notebook["losses"]) < 40  # it got worse: stopped early
    assert notebook["held_out_loss"](notebook["run"]) >= 2.0
    assert capsys.readouterr() == ("", "")


def test_a_command_exits(source, notebook, monkeypatch, capsys):
    """Only where the file is a script does its bottom end the process."""
    notebook["__file__"] = "microgpt.py"
    monkeypatch.setattr("sys.argv", ["microgpt.py", "nofile"])
    monkeypatch.setattr(signal, "signal", lambda *args: None)
    with pytest.raises(SystemExit) as caught:
        exec(source, notebook)
    assert caught.value.code == 2


def test_importing_runs_nothing(source, capsys):
    exec(source, {"__name__": "microgpt"})
    assert capsys.readouterr() == ("", "")


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
