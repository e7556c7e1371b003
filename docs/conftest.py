"""The `>>>` sessions of every page start from what microgpt.py defines."""
import pytest

import microgpt

# the one needs torch and has no examples, the other is microgpt.py once more
collect_ignore = ["microgpt_torch.py", "download"]


@pytest.fixture(autouse=True)
def start_from_microgpt(doctest_namespace):
    doctest_namespace.update(
        {name: value for name, value in vars(microgpt).items()
         if not name.startswith("__")}, microgpt=microgpt)
