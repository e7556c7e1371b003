"""The `>>>` sessions of every page start from what microgpt.py defines.

Those in a comment, which prove numbers of the prose, know recorded(NAME) too:
what docs/data/NAME.json holds.
"""
import json
import pathlib

import pytest

import microgpt

# the one needs torch and has no examples, the other is microgpt.py once more
collect_ignore = ["microgpt_torch.py", "download"]
DATA = pathlib.Path(__file__).resolve().parent / "data"


def recorded(name):
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def start_from_microgpt(doctest_namespace):
    doctest_namespace.update(
        {name: value for name, value in vars(microgpt).items()
         if not name.startswith("__")}, microgpt=microgpt, recorded=recorded)
