import math

import pytest

from microgpt import Value
from semantics import ROWS, markdown, outcome

warns = pytest.mark.filterwarnings("ignore::Warning")  # NumPy's and PyTorch's


@pytest.fixture(params=ROWS, ids=[f"{case.source} at {case.x or None}"
                                  for case in ROWS])
def case(request):
    return request.param


def start(case):
    return eval(case.x, {"math": math}) if case.x else 2.0


def with_numpy(case, names):
    if "np." in case.source:
        names["np"] = pytest.importorskip("numpy", reason="a NumPy number")
    return names


@warns
def test_microgpt(case):
    names = with_numpy(case, {"Value": Value})
    assert outcome(case.source, Value(start(case)), Value, names) == case.gives


@warns
def test_pytorch(case):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    names = with_numpy(case, {"torch": torch})
    x = torch.tensor(start(case), dtype=torch.float64, requires_grad=True)
    found = outcome(case.torch_source, x, torch.Tensor, names)
    assert found == case.torch


def test_every_difference_has_a_reason(case):
    assert bool(case.why) == (case.gives != case.torch)


def test_markdown_has_a_line_for_each_row():
    lines = [line for line in markdown().splitlines()
             if line.startswith(("| `", "|  |"))]
    assert len(lines) == len(ROWS)
    assert {line.count("|") for line in lines} == {6}


@pytest.mark.parametrize("scalar", ["float64", "float32", "int64"])
def test_numpy_scalar_on_the_left_makes_a_value(scalar):
    np = pytest.importorskip("numpy", reason="a NumPy number")
    two, x = getattr(np, scalar)(2), Value(4.0)
    results = [two + x, two - x, two * x, two / x]
    assert [type(result) for result in results] == [Value] * 4
    assert [type(result.data) for result in results] == [float] * 4
    assert [result.data for result in results] == [6.0, -2.0, 8.0, 0.5]
