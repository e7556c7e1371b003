import math
import random

import pytest

from microgpt import Value, linear, total
from semantics import (KINDS, REASONS, ROWS, differences, exact, found, kinds,
                       markdown, outcome, trials)

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
    names = with_numpy(case, {"Value": Value, "linear": linear, "total": total})
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
    assert case.why in ("", *REASONS)


def test_every_reason_is_one_sentence_and_says_of_what():
    used = {case.why for case in ROWS}
    for key, reason in REASONS.items():
        assert reason.endswith(".") and ". " not in reason and "|" not in reason
        # these differ from calculus alone, as PyTorch does
        assert key in used or key in ("several roundings", "huge exponent")
        assert (reason in differences()) == (key in used)


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


# a search over all floats

WITH_PYTORCH = {"sign of zero", "zero slope", "root of -inf", "square",
                "reciprocal"}


def search(result, convert=lambda numbers: numbers):
    """The kinds of differences between Value and result, a function."""
    names = {"total": total, "dot": lambda x, y: linear([x], [y])[0][0]}
    seen = set()
    for trial in trials(random.Random(12), 40_000):
        mine = convert(found(trial, Value, names))
        others = convert(result(trial))
        those = kinds(trial, mine, others)
        assert None not in those, (trial, mine, others)
        seen |= those
    return seen


def one_zero(numbers):
    """Fractions have no -0.0; -0.0 + 0.0 is 0.0."""
    return (numbers if isinstance(numbers, str)
            else [number + 0.0 for number in numbers])


def test_a_search_against_exact_numbers():
    assert search(exact, one_zero) == KINDS.keys() - WITH_PYTORCH


@warns
def test_a_search_against_pytorch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    names = {"total": lambda values: torch.stack(values).sum(),
             "dot": lambda x, y: torch.stack(x) @ torch.stack(y)}

    def tensor(number):
        return torch.tensor(number, dtype=torch.float64, requires_grad=True)

    seen = search(lambda trial: found(trial, tensor, names))
    assert seen == KINDS.keys() - {"several roundings", "huge exponent"}


def test_the_search_knows_no_excuse_for_an_ordinary_wrong_number():
    for trial in trials(random.Random(13), 2_000):
        right = exact(trial)
        if right != "undefined" and all(1e-9 < abs(v) < 1e9 for v in right):
            for part in range(len(right)):
                for wrong in (-right[part], 1.001 * right[part], 0.0, math.inf,
                              math.nan):
                    mine = [*right[:part], wrong, *right[part + 1:]]
                    assert kinds(trial, mine, right) == {None}, trial
            assert kinds(trial, "OverflowError", right) == {None}
            assert kinds(trial, "ValueError", right) == {None}
