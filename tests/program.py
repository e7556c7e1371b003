"""The program as a command, for tests: how to start it, how to read it."""
import os
import re
import signal
import subprocess
import sys

import microgpt

COMMAND = [sys.executable, microgpt.__file__]
# a model that is trained in no time, whatever the defaults are
SIZES = {"n_embd": 4, "n_head": 1, "n_layer": 1, "block_size": 8}
SMALL = [f"--{name.replace('_', '-')}={size}" for name, size in SIZES.items()]
TINY = ["docs.txt", *SMALL]
QUICK = [*TINY, "--steps", "3", "--samples", "2"]
ENDLESS = [*TINY, "--steps", "1000000000"]


def signals_on():
    """For preexec_fn: what nohup, or & in a script, turned off acts again."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def start(*args, folder, **kwargs):
    """The program at work in a folder, in a process that signals can end."""
    return subprocess.Popen(
        [*COMMAND, *args], cwd=folder,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
           "encoding": "utf-8", "preexec_fn": signals_on, **kwargs})


def started(process, text):
    """process, once its output has come to a line that holds text."""
    assert any(text in line for line in process.stdout)
    return process


def samples(text):
    """The samples in what the program printed."""
    return re.findall(r"(?m)^sample +\d+: (.*)$", text)


def count_known(text):
    """The numbers in its last line: word for word, and of how many."""
    [numbers] = re.findall(
        r"(?m)^word for word in the documents: (\d+) of (\d+)$", text)
    return tuple(map(int, numbers))


def with_module(code, *args):
    """A command that runs code where `import microgpt` finds the program."""
    return [sys.executable, "-c", "import sys\nsys.path.insert(0, "
            f"{os.path.dirname(microgpt.__file__)!r})\n{code}", *args]


def script(code, *args):
    """A command that runs code, and then the program as a script."""
    return [sys.executable, "-c", f"import runpy, sys\n{code}\n"
            f"runpy.run_path({microgpt.__file__!r}, run_name='__main__')",
            *args]
