"""What the README tells to type."""
import pathlib
import re
import shlex
import subprocess
import sys

import microgpt

ROOT = pathlib.Path(microgpt.__file__).parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_lines_for_a_library(tmp_path):
    [code] = re.findall("(?ms)^```python\n(.*?)^```", README)
    assert code.count("\n") <= 16 and "steps=1000" in code
    done = subprocess.run(
        [sys.executable, "-c", code.replace("steps=1000", "steps=100")],
        cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    sample, loss = done.stdout.splitlines()
    assert sample.isalpha() and 2 < float(loss) < 4


def test_every_command_is_one():
    commands = re.findall(r"^    python microgpt\.py ?(.*)$", README, re.M)
    assert len(commands) > 3
    for command in commands:
        microgpt.parse(shlex.split(command))


def test_a_text_of_sums():
    [command] = re.findall(r'^    python -c "(.*)" > sums.txt$', README, re.M)
    done = subprocess.run([sys.executable, "-c", command],
                          capture_output=True, encoding="utf-8")
    sums = set(done.stdout.split())
    assert len(sums) == 100
    for line in sums:
        left, right = line.split("=")
        assert sum(map(int, left.split("+"))) == int(right)
