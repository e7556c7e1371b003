"""The recordings of the page that steps through microgpt.py."""
import json
import re
import shutil
import subprocess
import sys

import pytest

import microgpt
from book import DOCS, ROOT
from recordings import (NAMES, SOURCE, called_directly, events, frame_name,
                        recording, shown, step)
import kit

COMMAND = "run python docs/make step"

# %% The recordings


def test_recordings_are_what_the_file_does():
    for name, text in step.produce().items():
        old = (DOCS / name).read_text(encoding="utf-8")
        assert kit.same(old, text), f"docs/{name} is stale: {COMMAND}"


def test_a_line_that_changed_is_seen(tmp_path):
    for name in (*[f"docs/make/{name}.py" for name in (
            "__main__", "step", "kit")], *[
            f"docs/{name}" for name in ["data/step-weights.json",
                                        *step.produce()]]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    source = "\n".join(SOURCE) + "\n"
    for old, new, stale in (
            ("+ 1e-5) **", "+ 1e-5) **", False),
            ("+ 1e-5) **", "+ 2e-2) **", True),
            ("local_grad * grad", "local_grad * grad * 1.01", True)):
        assert source.count(old) == 1
        (tmp_path / "microgpt.py").write_text(source.replace(old, new))
        done = subprocess.run(
            [sys.executable, "docs/make", "--check", "step"], cwd=tmp_path,
            capture_output=True, text=True)
        assert ("step-ada.js" in done.stdout) == stale, (old, new)


@pytest.mark.slow
def test_stored_weights_are_what_training_gives():
    stored = json.loads(step.WEIGHTS.read_text(encoding="utf-8"))
    for name, model in step.trained().items():
        assert model.pop("chars") == stored[name]["chars"]
        for key, value in model.items():
            assert value == pytest.approx(stored[name][key], rel=1e-4, abs=1e-9), (
                f"{name} {key}: run python docs/make/step.py")


def test_the_palindromes_were_learned():
    """0.924 nats is what can be reached, 1.617 without attention."""
    stored = json.loads(step.WEIGHTS.read_text(encoding="utf-8"))
    assert stored["palindromes"]["held_out_loss"] == pytest.approx(0.924, abs=0.02)


def test_sizes():
    for name in NAMES:
        assert (DOCS / f"data/step-{name}.js").stat().st_size <= 250_000
    lines = {name: (DOCS / f"assets/{name}").read_text("utf-8").count("\n")
             for name in ("step.js", "step-links.js")}
    assert lines["step.js"] <= 700 and lines["step-links.js"] <= 40
    page = (DOCS / "step.md").read_text(encoding="utf-8")
    prose = re.sub(r"<[^>]*>|```.*?```|^---.*?---|--8<--.*", "", page, flags=re.S)
    assert len(prose.split()) <= 400


@pytest.mark.parametrize("name", NAMES)
def test_every_event_is_a_line_of_its_function(name):
    recorded = recording(name)
    for i, (line, frame, _, changed, *_) in enumerate(recorded["events"]):
        function, parent, _ = recorded["frames"][frame]
        assert step.FILE.owner[line] == function
        assert step.FILE.statement[line] == line
        assert all(place < len(recorded["pool"]) for place in changed.values())
        assert parent < frame
    starts = [start for start, _ in recorded["stages"]]
    assert starts == sorted(set(starts)) and starts[0] == 0


def test_events_of_calls_are_nested():
    """What a line calls stands between its beginning and its end."""
    for name in NAMES:
        open_lines = []
        for line, frame, begins, *_ in recording(name)["events"]:
            if begins:
                open_lines.append((line, frame))
            elif open_lines and open_lines[-1] == (line, frame):
                open_lines.pop()
            assert not open_lines or frame >= open_lines[-1][1]
        assert open_lines == []


def test_nodes_are_what_they_were_computed_from():
    """Slopes that follow from the recording, summed by hand, are the grads."""
    recorded = recording("ada")
    data, first = recorded["data"], len(recorded["data"]) - len(recorded["ops"])
    grads = [0.0] * len(data)
    grads[-1] = 1.0
    for own in range(len(data) - 1, first - 1, -1):
        op, rest = recorded["ops"][own - first][0], recorded["ops"][own - first][1:]
        parts = rest.split()
        groups = [step.node_numbers(part)
                  for part in (parts[:1] if op == "^" else parts)]
        children = sum(groups, [])
        if op in "d*":
            slopes = [data[i] for i in groups[1] + groups[0]]
        elif op in "+s":
            slopes = [1.0] * len(children)
        elif op == "^":
            slopes = [float(parts[1])]
        else:
            slopes = {"e": [data[own]], "c": []}.get(op) or [
                1 / data[i] if op == "l" else float(data[i] > 0)
                for i in children]
        for child, slope in zip(children, slopes):
            grads[child] += slope * grads[own]
    told = recorded["grad"]
    assert grads == pytest.approx(told, rel=0.01, abs=2e-3)  # digits are few
    assert max(map(abs, told[:first])) > 0.1


def test_links_know_the_recorded_lines():
    text = (DOCS / "data/step-lines.js").read_text(encoding="utf-8")
    ranges = json.loads(text.partition(" = ")[2].rstrip(";\n"))
    lines = {line for first, last in ranges for line in range(first, last + 1)}
    assert lines == {event[0] for name in NAMES
                     for event in recording(name)["events"]}

# %% What the page shows, from the same functions called directly


def test_values_are_those_of_the_functions():
    for *where, expected in called_directly():
        _, number = shown(*where)
        assert number == pytest.approx(expected, rel=1e-3), where


def test_attention_is_a_mirror():
    """Each token of the second half looks at its image's left neighbour."""
    recorded = recording("palindrome")
    event = events(recorded, "gpt", "mixed =")[0]
    rows = recorded["pool"][recorded["events"][event][3]["shares"]]
    looked_at = []
    for row in rows[4:8]:
        shares = [recorded["data"][i] for i in step.node_numbers(row[1:])]
        assert max(shares) > 0.9
        looked_at.append(shares.index(max(shares)))
    assert looked_at == [4, 3, 2, 1]
