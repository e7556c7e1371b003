"""What each operation gives on every kind of input, here and in PyTorch.

Each row is a test and a line of a table in the book. Below the rows stands
what a search over all floats needs: operations, exact results to compare with,
and the rule that says which of the reasons explains a difference.
"""
import decimal
import math
import struct
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

# how a result or a slope can differ from PyTorch's or from calculus, and why
KINDS = {
    "zero division":
        "Division by zero is an error at once, not an inf that turns into "
        "nan.",
    "infinite slope":
        "The slope is infinite there: an error, not an inf that spreads.",
    "complex power":
        "A fractional power of a negative number is complex, and pow knows no "
        "cube roots: an error, not nan.",
    "logarithm":
        "Not defined there: an error, not -inf or nan.",
    "too large":
        "Too large for a float: an error, not inf.",
    "slope too large":
        "The slope is too large for a float: an error, not inf.",
    "sign of zero":
        "The same zero: PyTorch keeps its sign, a grad here starts from +0.0.",
    "zero gradient":
        "A zero gradient is not passed on, so it cannot meet an infinite "
        "slope.",
    "zero slope":
        "Every slope is multiplied, and `0 * inf` is nan; PyTorch puts 0 there "
        "without a product.",
    "root of -inf":
        "Pow makes inf or 0 of a fractional power of -inf; PyTorch takes "
        "square roots for some of them, and gets nan.",
    "division":
        "`x / y` is `x * y ** -1`, so that a quotient needs no slopes of its "
        "own; `y ** -1` and its slope, `-y ** -2`, leave the range of floats "
        "before the quotient does.",
    "power":
        "The slope, n times `x ** (n - 1)`, is rounded twice, and the power "
        "can leave the range of floats where the product would not.",
    "square":
        "PyTorch takes `x ** -2` as `1 / (x * x)`, and `x * x` leaves the "
        "range of floats first.",
    "reciprocal":
        "The logarithm keeps its slope, `1 / x`, which is inf for the smallest "
        "numbers; PyTorch divides the gradient by x.",
    "several roundings":
        "A dot product is rounded after each step, and a product can leave "
        "the range of floats though the sum would not.",
    "huge exponent":
        "Beyond `2 ** 53`, `n - 1` is n for floats, in PyTorch too.",
}
# of all differences
REASONS = {
    **KINDS,
    "whole zero":
        "Minus the whole number 0 is 0, not -0.0: `x - 0` is `x + 0`.",
    "one number":
        "A Value is one number, a tensor an array of any shape.",
    "copy":
        "A copy would leave the graph unseen; PyTorch warns of that.",
    "complex":
        "No complex Values; PyTorch makes one and refuses its backward().",
    "exponent":
        "The exponent must be a plain number: the model needs no other.",
    "order":
        "Values have no order: compare their data.",
    "answer":
        "PyTorch answers with a tensor.",
    "identity":
        "Values are equal only if they are the same node, so sets can hold "
        "them.",
    "truth":
        "A Value is true like any object: ask x.data.",
    "leaving":
        "Leaving the graph must be visible: take x.data.",
    "no operation":
        "The model needs no such operation.",
    "no slope":
        "There is no such operation; PyTorch has one without a gradient.",
}


class Case(NamedTuple):
    """An expression of x with its outcome here and in PyTorch (float64).

    An outcome is "value, x.grad after backward()" if the result is a Value,
    else the repr of the result, or the name of the exception.
    """
    x: str
    source: str
    gives: str
    torch: str = ""  # where it differs, and then why: a key of REASONS
    why: str = ""
    torch_source: str = ""  # where PyTorch spells it in another way
    group: str = ""


GROUPS = {
"A number as data": [
    Case("", "Value(3).data", "3.0",
         torch_source="torch.tensor(3, dtype=torch.float64).item()"),
    Case("", "Value(True).data", "1.0",
         torch_source="torch.tensor(True, dtype=torch.float64).item()"),
    Case("", "Value(math.nan).data", "nan",
         torch_source="torch.tensor(math.nan, dtype=torch.float64).item()"),
    Case("", "Value(-math.inf).data", "-inf",
         torch_source="torch.tensor(-math.inf, dtype=torch.float64).item()"),
    Case("", "Value(10 ** 400).data", "OverflowError",
         torch_source="torch.tensor(10 ** 400, dtype=torch.float64).item()"),
    Case("", "Value('3').data", "TypeError",
         torch_source="torch.tensor('3', dtype=torch.float64).item()"),
    Case("", "Value(None).data", "TypeError",
         torch_source="torch.tensor(None, dtype=torch.float64).item()"),
    Case("", "Value([1.0]).data", "TypeError", torch="1.0",
         why="one number",
         torch_source="torch.tensor([1.0], dtype=torch.float64).item()"),
    Case("", "Value(1j).data", "TypeError",
         torch_source="torch.tensor(1j, dtype=torch.float64).item()"),
    Case("2.0", "Value(x).data", "TypeError", torch="2.0",
         why="copy",
         torch_source="torch.tensor(x, dtype=torch.float64).item()"),
],
"Add, subtract, multiply": [
    Case("2.0", "x + 3", "5.0, 1.0"),
    Case("2.0", "3 + x", "5.0, 1.0"),
    Case("2.0", "x - 3", "-1.0, 1.0"),
    Case("2.0", "3 - x", "1.0, -1.0"),
    Case("2.0", "x * 3", "6.0, 3.0"),
    Case("2.0", "3 * x", "6.0, 3.0"),
    Case("2.0", "-x", "-2.0, -1.0"),
    Case("2.0", "x + x", "4.0, 2.0"),
    Case("2.0", "x * x", "4.0, 4.0"),
    Case("2.0", "x - x", "0.0, 0.0"),
    Case("2.0", "x * 0", "0.0, 0.0"),
    Case("0.0", "x * x", "0.0, 0.0"),
    Case("-2.0", "x * 0.5", "-1.0, 0.5"),
    Case("2.0", "True + x", "3.0, 1.0"),
    Case("2.0", "x * True", "2.0, 1.0"),
    Case("math.inf", "x - x", "nan, 0.0"),
    Case("math.inf", "x * 0", "nan, 0.0"),
    Case("math.nan", "x + 1", "nan, 1.0"),
    Case("-math.inf", "x + 1", "-inf, 1.0"),
    Case("1e200", "x * 1e200", "inf, 1e+200"),
    Case("2.0", "sum([x, x, x])", "6.0, 3.0"),
    Case("-0.0", "x + 0", "0.0, 1.0"),
    Case("-0.0", "x + x", "-0.0, 2.0"),
    Case("-0.0", "x - 0.0", "-0.0, 1.0"),
    Case("-0.0", "x - 0", "0.0, 1.0", torch="-0.0, 1.0", why="whole zero"),
    Case("-0.0", "0 - x", "0.0, -1.0"),
    Case("-0.0", "sum([x, x])", "0.0, 2.0"),
    Case("-0.0", "total([x, x])", "0.0, 2.0",
         torch_source="torch.stack([x, x]).sum()"),
    Case("-0.0", "linear([[x]], [[Value(1.0)]])[0][0]", "0.0, 1.0",
         torch_source="torch.stack([x]) @ torch.ones(1, dtype=x.dtype)"),
    Case("1e308", "total([x, x, -x])", "inf, 1.0",
         torch_source="torch.stack([x, x, -x]).sum()"),
    Case("2.0", "x + '3'", "TypeError"),
    Case("2.0", "'3' * x", "TypeError"),
    Case("2.0", "x + None", "TypeError"),
    Case("2.0", "[3] * x", "TypeError"),
    Case("2.0", "x * 1j", "TypeError", torch="RuntimeError", why="complex"),
    Case("2.0", "x + 10 ** 400", "OverflowError"),
],
"Divide": [
    Case("2.0", "x / 4", "0.5, 0.25"),
    Case("2.0", "1 / x", "0.5, -0.25"),
    Case("2.0", "x / x", "1.0, 0.0"),
    Case("-2.0", "1 / x", "-0.5, -0.25"),
    Case("2.0", "True / x", "0.5, -0.25"),
    Case("2.0", "x / 0", "ValueError", torch="inf, inf", why="zero division"),
    Case("2.0", "x / 0.0", "ValueError", torch="inf, inf",
         why="zero division"),
    Case("2.0", "x / Value(0.0)", "ValueError", torch="inf, inf",
         why="zero division",
         torch_source="x / torch.tensor(0.0, dtype=torch.float64)"),
    Case("0.0", "1 / x", "ValueError", torch="inf, -inf", why="zero division"),
    Case("0.0", "x / x", "ValueError", torch="nan, nan", why="zero division"),
    Case("0.0", "0 / x", "ValueError", torch="nan, nan", why="zero division"),
    Case("math.inf", "1 / x", "0.0, 0.0", torch="0.0, -0.0",
         why="sign of zero"),
    Case("-math.inf", "1 / x", "-0.0, 0.0", torch="-0.0, -0.0",
         why="sign of zero"),
    Case("math.inf", "x / x", "nan, nan"),
    Case("math.nan", "1 / x", "nan, nan"),
    Case("2.0", "x / math.inf", "0.0, 0.0"),
    Case("2.0", "x / math.nan", "nan, nan"),
    Case("1e-200", "1 / x", "OverflowError", torch="1e+200, -inf",
         why="slope too large"),
    Case("1e170", "Value(1e300) / x", "1e+130, 0.0",
         torch="1e+130, -1e-40", why="division",
         torch_source="torch.tensor(1e300, dtype=x.dtype) / x"),
    Case("2e-300", "Value(1e-300) / x", "OverflowError",
         torch="0.5, -2.4999999999999998e+299", why="division",
         torch_source="torch.tensor(1e-300, dtype=x.dtype) / x"),
    Case("1e-200", "Value(0.0) / x", "OverflowError",
         torch="0.0, -0.0", why="division",
         torch_source="torch.tensor(0.0, dtype=x.dtype) / x"),
    Case("1e308", "x / 1e308", "0.9999999999999999, 1e-308",
         torch="1.0, 1e-308", why="division"),
    Case("1.5e308", "x / 1.7e308", "0.8823529411764709, 5.88235294117647e-309",
         torch="0.8823529411764707, 5.88235294117647e-309", why="division"),
    Case("1e200", "Value(math.inf) / x", "inf, nan",
         torch="inf, -inf", why="division",
         torch_source="torch.tensor(math.inf, dtype=x.dtype) / x"),
    Case("2.0", "x / '3'", "TypeError"),
    Case("2.0", "'3' / x", "TypeError"),
],
"Power": [
    Case("3.0", "x ** 2", "9.0, 6.0"),
    Case("4.0", "x ** 0.5", "2.0, 0.25"),
    Case("2.0", "x ** -1", "0.5, -0.25"),
    Case("2.0", "x ** True", "2.0, 1.0"),
    Case("-8.0", "x ** 3", "-512.0, 192.0"),
    Case("-8.0", "x ** 2.0", "64.0, -16.0"),
    Case("-1.0", "x ** 1e154", "1.0, 1e+154"),
    Case("-8.0", "x ** 0.5", "ValueError", torch="nan, nan",
         why="complex power"),
    Case("-8.0", "x ** (1 / 3)", "ValueError", torch="nan, nan",
         why="complex power"),
    Case("0.0", "x ** 0", "1.0, 0.0"),
    Case("0.0", "x ** 1", "0.0, 1.0"),
    Case("0.0", "x ** 2", "0.0, 0.0"),
    Case("0.0", "x ** 0.5", "ValueError", torch="0.0, inf",
         why="infinite slope"),
    Case("0.0", "x ** -1", "ValueError", torch="inf, -inf",
         why="zero division"),
    Case("0.0", "x ** 1.5", "0.0, 0.0"),
    Case("math.nan", "x ** 0", "1.0, 0.0"),
    Case("math.inf", "x ** 0", "1.0, 0.0"),
    Case("math.nan", "x ** 2", "nan, nan"),
    Case("math.inf", "x ** 2", "inf, inf"),
    Case("-math.inf", "x ** 3", "-inf, inf"),
    Case("math.inf", "x ** -1", "0.0, 0.0", torch="0.0, -0.0",
         why="sign of zero"),
    Case("2.0", "x ** math.nan", "nan, nan"),
    Case("2.0", "x ** math.inf", "inf, inf"),
    Case("1.0", "x ** math.nan", "1.0, nan"),
    Case("10.0", "x ** 400", "OverflowError", torch="inf, inf",
         why="too large"),
    Case("10.0", "x ** -400", "0.0, 0.0", torch="0.0, -0.0",
         why="sign of zero"),
    Case("1e-200", "x ** -1", "OverflowError", torch="1e+200, -inf",
         why="slope too large"),
    Case("2.0", "x ** 10 ** 400", "OverflowError"),
    Case("-math.inf", "x ** 0.5", "inf, 0.0",
         torch="nan, nan", why="root of -inf"),
    Case("-math.inf", "x ** -0.5", "0.0, 0.0",
         torch="nan, -0.0", why="root of -inf"),
    Case("-math.inf", "x ** 1.5", "inf, inf",
         torch="inf, nan", why="root of -inf"),
    Case("-math.inf", "x ** 2.5", "inf, inf"),
    Case("-math.inf", "x ** (1 / 3)", "inf, 0.0"),
    Case("1e-309", "x ** 0.001", "OverflowError",
         torch="0.49090787615260306, inf", why="power"),
    Case("1e160", "x ** -2", "1e-320, 0.0", torch="0.0, -0.0", why="square"),
    Case("1e160", "x ** -1", "1e-160, -1e-320",
         torch="1e-160, -0.0", why="square"),
    Case("3.0", "x ** x", "TypeError", torch="27.0, 56.66253179403897",
         why="exponent"),
    Case("3.0", "2 ** x", "TypeError", torch="8.0, 5.545177444479562",
         why="exponent"),
    Case("3.0", "x ** '2'", "TypeError"),
    Case("3.0", "x ** None", "TypeError"),
    Case("3.0", "x ** 1j", "TypeError", torch="RuntimeError", why="complex"),
],
"Logarithm and exponential": [
    Case("1.0", "x.log()", "0.0, 1.0"),
    Case("0.5", "x.log()", "-0.6931471805599453, 2.0"),
    Case("0.0", "x.log()", "ValueError", torch="-inf, inf", why="logarithm"),
    Case("-1.0", "x.log()", "ValueError", torch="nan, -1.0", why="logarithm"),
    Case("1e-310", "x.log()", "-713.8013788281542, inf"),
    Case("1e-310", "x.log() * 1e-300", "-7.138013788281542e-298, inf",
         torch="-7.138013788281542e-298, 10000000000.00003", why="reciprocal"),
    Case("math.inf", "x.log()", "inf, 0.0"),
    Case("-math.inf", "x.log()", "ValueError", torch="nan, -0.0",
         why="logarithm"),
    Case("math.nan", "x.log()", "nan, nan"),
    Case("0.0", "x.exp()", "1.0, 1.0"),
    Case("-1000.0", "x.exp()", "0.0, 0.0"),
    Case("1000.0", "x.exp()", "OverflowError", torch="inf, inf",
         why="too large"),
    Case("math.inf", "x.exp()", "inf, inf"),
    Case("-math.inf", "x.exp()", "0.0, 0.0"),
    Case("math.nan", "x.exp()", "nan, nan"),
],
"ReLU": [
    Case("2.0", "x.relu()", "2.0, 1.0"),
    Case("-2.0", "x.relu()", "0.0, 0.0"),
    Case("0.0", "x.relu()", "0.0, 0.0"),
    Case("-0.0", "x.relu()", "-0.0, 0.0"),
    Case("math.nan", "x.relu()", "nan, 1.0"),
    Case("math.inf", "x.relu()", "inf, 1.0"),
    Case("-math.inf", "x.relu()", "0.0, 0.0"),
],
"Backward": [
    Case("3.0", "thrice(2 * x ** 2)", "[12.0, 24.0, 36.0]"),
    Case("3.0", "thrice((x * x) * (x * x))", "[108.0, 216.0, 324.0]"),
    Case("3.0", "thrice(x)", "[1.0, 2.0, 3.0]"),
    Case("0.0", "x.log() * 0", "ValueError", torch="nan, nan",
         why="logarithm"),
    Case("0.0", "x ** 0.5 * 0", "ValueError", torch="0.0, nan",
         why="infinite slope"),
    Case("-1.0", "(x * math.inf).relu()", "0.0, 0.0", torch="0.0, nan",
         why="zero gradient"),
    Case("-1.0", "(x * 1e308 * 10).relu()", "0.0, 0.0"),
    Case("-1.0", "x.relu() * math.inf", "nan, nan",
         torch="nan, 0.0", why="zero slope"),
    Case("2.0", "x ** 0 * math.inf", "inf, nan",
         torch="inf, 0.0", why="zero slope"),
    Case("2.0", "x.relu() * math.inf", "inf, inf"),
    Case("2.0", "x * math.inf * 0", "nan, 0.0", torch="nan, nan",
         why="zero gradient"),
],
"Compare and convert": [
    Case("2.0", "x < 3", "TypeError", torch="tensor(True)", why="order"),
    Case("2.0", "x == x", "True", torch="tensor(True)", why="answer"),
    Case("2.0", "x == 2", "False", torch="tensor(True)", why="identity"),
    Case("2.0", "x != 2", "True", torch="tensor(False)", why="identity"),
    Case("2.0", "x in [Value(2.0)]", "False", torch="True",
         why="identity",
         torch_source="x in [torch.tensor(2.0, dtype=torch.float64)]"),
    Case("2.0", "len({x, x, Value(2.0)})", "2",
         torch_source="len({x, x, torch.tensor(2.0, dtype=torch.float64)})"),
    Case("2.0", "bool(x)", "True"),
    Case("0.0", "bool(x)", "True", torch="False", why="truth"),
    Case("2.0", "float(x)", "TypeError", torch="2.0", why="leaving"),
    Case("2.0", "int(x)", "TypeError", torch="2", why="leaving"),
    Case("2.0", "abs(x)", "TypeError", torch="2.0, 1.0", why="no operation"),
    Case("2.0", "+x", "TypeError", torch="2.0, 1.0", why="no operation"),
    Case("2.0", "x // 1", "TypeError", torch="RuntimeError", why="no slope"),
    Case("2.0", "x % 2", "TypeError", torch="0.0, 1.0", why="no operation"),
    Case("2.0", "round(x)", "TypeError"),
    Case("2.0", "max(x, Value(1.0)).data", "TypeError", torch="2.0",
         why="order",
         torch_source="max(x, torch.tensor(1.0, dtype=torch.float64)).item()"),
    Case("2.0", "math.sqrt(x)", "TypeError", torch="1.4142135623730951",
         why="leaving"),
],
"NumPy numbers": [
    Case("3.0", "np.float64(2) * x", "6.0, 2.0"),
    Case("3.0", "np.float32(2) * x", "6.0, 2.0"),
    Case("3.0", "np.int64(2) + x", "5.0, 1.0"),
    Case("4.0", "np.float64(2) - x", "-2.0, -1.0"),
    Case("4.0", "np.float64(2) / x", "0.5, -0.125"),
    Case("3.0", "np.float64(2) ** x", "TypeError",
         torch="8.0, 5.545177444479562", why="exponent"),
    Case("3.0", "x * np.float64(2)", "6.0, 2.0"),
    Case("3.0", "x + np.int64(2)", "5.0, 1.0"),
    Case("3.0", "x ** np.int64(2)", "9.0, 6.0"),
    Case("3.0", "x ** np.float64(2)", "9.0, 6.0"),
    Case("3.0", "x / np.float64(2)", "1.5, 0.5"),
    Case("3.0", "x / np.int64(2)", "1.5, 0.5"),
    Case("3.0", "x / np.float32(3)", "1.0, 0.3333333333333333"),
    Case("3.0", "x ** np.float32(0.1)",
         "1.1161231758610648, 0.03720410641641988"),
    Case("", "Value(np.float64(2)).data", "2.0",
         torch_source="torch.tensor(np.float64(2), "
                      "dtype=torch.float64).item()"),
    Case("", "Value(np.complex128(1 + 2j)).data", "1.0",
         torch_source="torch.tensor(np.complex128(1 + 2j), "
                      "dtype=torch.float64).item()"),
    Case("3.0", "x ** np.int8(-128)",
         "8.481631423210552e-62, -3.6188294072365024e-60"),
],
}
ROWS = [case._replace(group=group, torch=case.torch or case.gives,
                      torch_source=case.torch_source or case.source)
        for group, cases in GROUPS.items() for case in cases]


def outcome(source, x, kind, names):
    """The outcome of source as a Case states it; kind is the class of x."""
    def thrice(z):  # x.grad after each of three calls of backward
        grads = []
        for _ in range(3):
            z.backward(**({"retain_graph": True} if "torch" in names else {}))
            grads.append(float(x.grad))
        return grads

    try:
        result = eval(source, dict(names, x=x, math=math, thrice=thrice))
        if (not isinstance(result, kind)
                or not getattr(result, "requires_grad", True)):
            return repr(result)
        result.backward()
        return f"{float(result.data)!r}, {float(x.grad)!r}"
    except Exception as error:
        return type(error).__name__


def markdown():
    """The rows as Markdown, a table for each group."""
    lines = []
    for group, cases in groupby(ROWS, lambda case: case.group):
        lines += [f"### {group}", "",
                  "| x | expression | microgpt | PyTorch | why they differ |",
                  "|---|---|---|---|---|"]
        for case in cases:
            x = f"`{case.x}`" if case.x else ""
            lines.append(f"| {x} | `{case.source}` | {case.gives} "
                         f"| {case.torch} | {REASONS.get(case.why, '')} |")
        lines.append("")
    return "\n".join(lines)


def differences():
    """The rows where PyTorch does otherwise, as a table grouped by reason."""
    reasons = {}
    for case in ROWS:
        if case.why:
            reasons.setdefault(REASONS[case.why], []).append(case)
    lines = ["| why | expression | x | here | PyTorch |",
             "|---|---|---|---|---|"]
    for why, cases in reasons.items():
        for i, case in enumerate(cases):
            x = f"`{case.x}`" if case.x else ""
            lines.append(f"| {'' if i else why} | `{case.source}` | {x} "
                         f"| {case.gives} | {case.torch} |")
    return "\n".join(lines) + "\n"


# a search over all floats

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, math.inf, -math.inf, math.nan,
           5e-324, -5e-324, 2.0 ** -1022, 2.0 ** -1024, 1.7976931348623157e308,
           -1.7976931348623157e308, 1e154, 1e-154, 1e160, -1e160, 709.7, 710.0,
           -745.2]
EXPONENTS = [0.0, 1.0, 2.0, 3.0, -1.0, -2.0, 0.5, -0.5, 1.5, 1 / 3, 0.001,
             400.0, -400.0, 1e154, -math.inf, math.inf, math.nan]
PRECISE = decimal.Context(prec=60, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN,
                          traps=[])


def exact_decimal(number):
    number = Fraction(number)
    return decimal.Decimal(number.numerator) / number.denominator


def exact_power(x, n):
    """x ** n of Fractions as a Decimal; of inf, nan and 0 as C has it."""
    if x == 0 or not (math.isfinite(x) and math.isfinite(n)):
        return math.pow(x, n)
    if x < 0 and n % 1 != 0:
        raise ValueError("complex")
    size = (exact_decimal(abs(x)).ln() * exact_decimal(n)).exp()
    return -size if x < 0 and n % 2 == 1 else size


def exact_slope_of_power(x, n):
    if n == 0:
        return 0
    power = exact_power(x, n - 1)
    if isinstance(power, decimal.Decimal):
        return exact_decimal(n) * power
    return float(n) * power


def exact_log(x):
    if x <= 0:
        raise ValueError("not defined")
    return exact_decimal(x).ln() if math.isfinite(x) else x


def exact_exp(x):
    return exact_decimal(x).exp() if math.isfinite(x) else math.exp(x)


# result and slopes of an operation on Values x and y, or on x and a number n;
# here these are Fractions, or the floats inf and nan
OPERATIONS = {
    "x + y": lambda x, y: (x + y, 1, 1),
    "x - y": lambda x, y: (x - y, 1, -1),
    "x * y": lambda x, y: (x * y, y, x),
    "x / y": lambda x, y: (x / y, 1 / y, -x / y / y),
    "total([x, y])": lambda x, y: (x + y, 1, 1),
    "dot([x, y], [y, one])": lambda x, y: (x * y + y, y, x + 1),
    "x + n": lambda x, n: (x + n, 1),
    "n + x": lambda x, n: (n + x, 1),
    "x - n": lambda x, n: (x - n, 1),
    "n - x": lambda x, n: (n - x, -1),
    "x * n": lambda x, n: (x * n, n),
    "n * x": lambda x, n: (n * x, n),
    "x / n": lambda x, n: (x / n, 1 / n),
    "n / x": lambda x, n: (n / x, -n / x / x),
    "x ** n": lambda x, n: (exact_power(x, n), exact_slope_of_power(x, n)),
    "-x": lambda x, n: (-x, -1),
    "x.log()": lambda x, n: (exact_log(x), 1 / x),
    "x.exp()": lambda x, n: (exact_exp(x), exact_exp(x)),
    "x.relu()": lambda x, n: (0, 0) if x <= 0 else (x, 1),
}


class Trial(NamedTuple):
    """An operation on x and b, and what its result is multiplied by."""
    operation: str
    x: float
    b: float  # its y or its n
    times: float  # the gradient that reaches it


def any_float(rng):
    """Of all floats by their bits, of ordinary ones, or of odd ones."""
    pick = rng.random()
    if pick < 0.3:
        return rng.choice(SPECIAL)
    if pick < 0.6:
        return rng.uniform(-10, 10)
    return struct.unpack("<d", rng.getrandbits(64).to_bytes(8, "little"))[0]


def trials(rng, n):
    for _ in range(n):
        operation = rng.choice([*OPERATIONS, *["x ** n"] * 9])  # the oddest
        x, b = any_float(rng), any_float(rng)
        if operation == "x ** n" and rng.random() < 0.7:
            b = rng.choice(EXPONENTS)
        times = 1.0 if rng.random() < 0.5 else any_float(rng)
        yield Trial(operation, x, b, times)


def exact(trial):
    """Result and slopes, each exact, rounded once, then multiplied by times;
    "undefined" where there are none."""
    def rounded(number):
        try:
            return float(number)
        except OverflowError:
            return math.inf if number > 0 else -math.inf

    x, b = [Fraction(v) if math.isfinite(v) else v
            for v in (trial.x, trial.b)]
    try:
        with decimal.localcontext(PRECISE):
            numbers = OPERATIONS[trial.operation](x, b)
    except (ValueError, ZeroDivisionError):
        return "undefined"
    return [rounded(number) * trial.times for number in numbers]


def found(trial, make, names):
    """Result and slopes with Values or tensors, or the name of an exception."""
    x, y = make(trial.x), make(trial.b)
    n = trial.b
    try:
        result = eval(trial.operation, dict(names, x=x, y=y, n=n, one=make(1.0)))
        result = result * trial.times
        result.backward()
    except (ArithmeticError, ValueError) as error:
        return type(error).__name__
    leaves = [x, y] if "y" in trial.operation else [x]
    return [float(v) for v in [result.data, *[leaf.grad for leaf in leaves]]]


def alike(mine, other):
    """The same but for some rounding; zeros of both signs are two numbers."""
    if mine == other == 0.0:
        return math.copysign(1.0, mine) == math.copysign(1.0, other)
    return (mine != mine and other != other
            or math.isclose(mine, other, rel_tol=1e-12, abs_tol=2e-323))


def leaves_range(*factors):
    """Whether a product of some of these, a number and its power each, could
    leave the range in which floats have all their digits."""
    sizes = [0.0]
    for number, power in factors:
        if number != 0 and math.isfinite(number):
            size = power * math.log10(abs(number))
            sizes += [size + other for other in sizes]
    return max(map(abs, sizes)) > 300


def kind(trial, part, mine, other):
    """Which of KINDS explains that Value has mine and PyTorch, or calculus,
    has other: the result (part 0), a slope, or ("error") any of them."""
    operation, x, b, times = trial
    is_power = operation == "x ** n"
    finite = math.isfinite(x) and math.isfinite(b)
    once = exact(trial._replace(times=1.0))
    over, under = {"x / y": (x, b), "x / n": (x, b),
                   "n / x": (b, x)}.get(operation, (None, None))

    if mine == "ValueError":
        if under == 0 or is_power and x == 0 and b < 0:
            return "zero division"
        if is_power and x == 0 and 0 < b < 1:
            return "infinite slope"
        if is_power and x < 0 and finite and b % 1:
            return "complex power"
        if operation == "x.log()" and x <= 0:
            return "logarithm"
        return None

    if mine == "OverflowError" and once != "undefined":
        if operation == "x.exp()" and once[0] == math.inf:
            return "too large"
        if (is_power or under is not None) and finite:
            if math.isinf(once[0]):
                return "too large"
            if any(map(math.isinf, once)):
                return "slope too large"

    if under and leaves_range((under, -1), (under, -1), (over, 1), (times, 1)):
        return "division"
    if is_power and b and finite and x:
        out = abs((b - 1) * math.log10(abs(x))) > 307
        if part in (1, "error") and (out or abs(once[1]) < 1e-307):
            return "power"
    if part == "error":
        return None

    if mine == other == 0 and part > 0:
        return "sign of zero"
    if part > 0 and mine == 0 and other != other:
        if times == 0 or over is not None and over * times == 0:
            return "zero gradient"
    if (part > 0 and mine != mine and other == 0 and not math.isfinite(times)
            and (operation == "x.relu()" and x <= 0 or is_power and b == 0)):
        return "zero slope"
    if is_power and x == -math.inf and math.isfinite(b) and b % 1:
        return "root of -inf"
    if is_power and b in (-2.0, -1.0) and abs(x) > 1e150:
        return "square"
    if is_power and part == 1 and x == -1 and b - 1 == b:
        return "huge exponent"
    if operation == "x.log()" and part == 1 and leaves_range((x, -1)):
        return "reciprocal"
    if operation.startswith("dot") and part != 1:
        terms = [x * b * times, b * times] if part == 0 else [x * times, times]
        if not all(map(math.isfinite, [*terms, sum(terms), x * b, x * b + b])):
            return "several roundings"
        if abs(mine - other) <= 1e-15 * sum(map(abs, terms)):
            return "several roundings"
    return None


def kinds(trial, mine, other):
    """The kinds of all differences, None for one of no known kind."""
    if isinstance(mine, str):
        return {kind(trial, "error", mine, other)}
    if isinstance(other, str):
        return {None}
    return {kind(trial, part, *pair)
            for part, pair in enumerate(zip(mine, other)) if not alike(*pair)}
