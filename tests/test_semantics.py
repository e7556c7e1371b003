"""What happens at the edges: the table of the page, and a seeded search."""
import math
import pathlib
import random
import re

import pytest

import microgpt
from microgpt import Value

warns = pytest.mark.filterwarnings("ignore::Warning")  # PyTorch's
PAGE = pathlib.Path(microgpt.__file__).parent / "docs/semantics.md"
ROWS = re.findall(r"(?m)^\| `x = (.+?)` \| `(.+?)` \| (.+?) \| (.+?) \| (.*?) ?\|$",
                  PAGE.read_text(encoding="utf-8"))


def outcome(source, x, make):
    """"value, x.grad after backward()" if the result is of the kind of x, else
    what Python shows of it, or the name of the exception."""
    try:
        result = eval(source, {"x": x, "math": math, "Value": make})
        if isinstance(result, type(x)) and hasattr(result, "backward"):
            if getattr(result, "requires_grad", True):
                result.backward()
                return f"{float(result.data)!r}, {float(x.grad)!r}"
        return repr(result)
    except Exception as error:
        return type(error).__name__


def test_the_table():
    assert 15 <= len(ROWS) <= 20
    for x, source, ours, torchs, why in ROWS:
        assert outcome(source, Value(eval(x)), Value) == ours, source
        assert bool(why) == (ours != torchs), source


@pytest.fixture
def tensor():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    return lambda number: torch.tensor(number, dtype=torch.float64,
                                       requires_grad=True)


@warns
def test_pytorch_in_the_table(tensor):
    for x, source, _, torchs, _ in ROWS:
        assert outcome(source, tensor(eval(x)), tensor) == torchs, source


# a search over numbers of all sizes that leave room for a product or two

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, math.inf, -math.inf, math.nan]
EXPONENTS = [0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, -0.5, 1.5, 1 / 3]
OPERATIONS = ["x + y", "x - y", "x * y", "x / y", "x + n", "n + x", "x - n",
              "n - x", "x * n", "n * x", "x / n", "n / x", "-x", "x.log()",
              "x.exp()", "x.relu()", *["x ** n"] * 5]


def any_number(rng):
    pick = rng.random()
    if pick < 0.3:
        return rng.choice(SPECIAL)
    if pick < 0.6:
        return rng.uniform(-10, 10)
    return rng.choice([-1, 1]) * 10 ** rng.uniform(-40, 40)


def numbers(operation, x, b, times, make):
    """The result times a number, and its slopes, or "error"."""
    leaves = [make(x), make(b)] if "y" in operation else [make(x)]
    try:
        result = eval(operation, dict(zip("xy", leaves), n=b)) * times
        result.backward()
    except (ArithmeticError, ValueError):
        return "error"
    return [float(v) for v in [result.data, *[leaf.grad for leaf in leaves]]]


def test_the_search_against_pytorch(tensor):
    """Every difference is of one of four kinds, which the page names."""
    rng, kinds = random.Random(12), set()
    for _ in range(10_000):
        operation = rng.choice(OPERATIONS)
        x, b = any_number(rng), any_number(rng)
        if operation == "x ** n":
            b = rng.choice(EXPONENTS)
        times = 1.0 if rng.random() < 0.5 else any_number(rng)
        trial = operation, x, b, times
        ours, theirs = numbers(*trial, Value), numbers(*trial, tensor)
        if ours == "error":  # where PyTorch goes on with inf or nan
            once = numbers(operation, x, b, 1.0, tensor)
            assert not all(map(math.isfinite, once)), trial
            kinds.add("error")
            continue
        for part, (mine, other) in enumerate(zip(ours, theirs)):
            if mine != mine and other != other or math.isclose(
                    mine, other, rel_tol=1e-12, abs_tol=1e-300):
                continue
            if part and mine == 0 and other != other:
                kinds.add("a gradient of 0 is not passed on")
            elif part and mine != mine and other == 0:
                assert not math.isfinite(times), trial
                kinds.add("0 times inf")
            else:
                assert operation == "x ** n" and x == -math.inf, trial
                kinds.add("root of -inf")
    assert len(kinds) == 4
