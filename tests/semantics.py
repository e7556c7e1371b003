"""What each operation gives on every kind of input, here and in PyTorch.

Each row is a test and a line of a table in the book.
"""
import math
from itertools import groupby
from typing import NamedTuple


class Case(NamedTuple):
    """An expression of x with its outcome here and in PyTorch (float64).

    An outcome is "value, x.grad after backward()" if the result is a Value,
    else the repr of the result, or the name of the exception.
    """
    x: str
    source: str
    gives: str
    torch: str = ""  # where it differs, and then why
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
         why="A Value is one number, a tensor an array of any shape.",
         torch_source="torch.tensor([1.0], dtype=torch.float64).item()"),
    Case("", "Value(1j).data", "TypeError",
         torch_source="torch.tensor(1j, dtype=torch.float64).item()"),
    Case("2.0", "Value(x).data", "TypeError", torch="2.0",
         why="A copy would leave the graph unseen; PyTorch warns of that.",
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
    Case("2.0", "x + '3'", "TypeError"),
    Case("2.0", "'3' * x", "TypeError"),
    Case("2.0", "x + None", "TypeError"),
    Case("2.0", "[3] * x", "TypeError"),
    Case("2.0", "x * 1j", "TypeError", torch="RuntimeError",
         why="No complex Values; PyTorch makes one and refuses its "
             "backward()."),
    Case("2.0", "x + 10 ** 400", "OverflowError"),
],
"Divide": [
    Case("2.0", "x / 4", "0.5, 0.25"),
    Case("2.0", "1 / x", "0.5, -0.25"),
    Case("2.0", "x / x", "1.0, 0.0"),
    Case("-2.0", "1 / x", "-0.5, -0.25"),
    Case("2.0", "True / x", "0.5, -0.25"),
    Case("2.0", "x / 0", "ValueError", torch="inf, inf",
         why="Division by zero is an error at once, not an inf that "
             "turns into nan."),
    Case("2.0", "x / 0.0", "ValueError", torch="inf, inf",
         why="Division by zero is an error at once, not an inf that "
             "turns into nan."),
    Case("2.0", "x / Value(0.0)", "ValueError", torch="inf, inf",
         why="Division by zero is an error at once, not an inf that "
             "turns into nan.",
         torch_source="x / torch.tensor(0.0, dtype=torch.float64)"),
    Case("0.0", "1 / x", "ValueError", torch="inf, -inf",
         why="Division by zero is an error at once, not an inf that "
             "turns into nan."),
    Case("0.0", "x / x", "ValueError", torch="nan, nan",
         why="Division by zero is an error at once, not an inf that "
             "turns into nan."),
    Case("0.0", "0 / x", "ValueError", torch="nan, nan",
         why="Division by zero is an error at once, not an inf that "
             "turns into nan."),
    Case("math.inf", "1 / x", "0.0, 0.0", torch="0.0, -0.0",
         why="The same zero: PyTorch keeps its sign, a grad here starts "
             "from +0.0."),
    Case("-math.inf", "1 / x", "-0.0, 0.0", torch="-0.0, -0.0",
         why="The same zero: PyTorch keeps its sign, a grad here starts "
             "from +0.0."),
    Case("math.inf", "x / x", "nan, nan"),
    Case("math.nan", "1 / x", "nan, nan"),
    Case("2.0", "x / math.inf", "0.0, 0.0"),
    Case("2.0", "x / math.nan", "nan, nan"),
    Case("1e-200", "1 / x", "OverflowError", torch="1e+200, -inf",
         why="The slope, -1e400, is too large for a float: an error, not "
             "-inf."),
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
    Case("-8.0", "x ** 0.5", "ValueError", torch="nan, nan",
         why="The result is complex: an error, not nan."),
    Case("-8.0", "x ** (1 / 3)", "ValueError", torch="nan, nan",
         why="Pow knows no cube root of a negative number: an error, not "
             "nan."),
    Case("0.0", "x ** 0", "1.0, 0.0"),
    Case("0.0", "x ** 1", "0.0, 1.0"),
    Case("0.0", "x ** 2", "0.0, 0.0"),
    Case("0.0", "x ** 0.5", "ValueError", torch="0.0, inf",
         why="The slope is infinite there: an error, not an inf that "
             "spreads."),
    Case("0.0", "x ** -1", "ValueError", torch="inf, -inf",
         why="Division by zero is an error at once, not an inf that "
             "turns into nan."),
    Case("0.0", "x ** 1.5", "0.0, 0.0"),
    Case("math.nan", "x ** 0", "1.0, 0.0"),
    Case("math.inf", "x ** 0", "1.0, 0.0"),
    Case("math.nan", "x ** 2", "nan, nan"),
    Case("math.inf", "x ** 2", "inf, inf"),
    Case("-math.inf", "x ** 3", "-inf, inf"),
    Case("math.inf", "x ** -1", "0.0, 0.0", torch="0.0, -0.0",
         why="The same zero: PyTorch keeps its sign, a grad here starts "
             "from +0.0."),
    Case("2.0", "x ** math.nan", "nan, nan"),
    Case("2.0", "x ** math.inf", "inf, inf"),
    Case("1.0", "x ** math.nan", "1.0, nan"),
    Case("10.0", "x ** 400", "OverflowError", torch="inf, inf",
         why="Too large for a float: an error, not inf."),
    Case("10.0", "x ** -400", "0.0, 0.0", torch="0.0, -0.0",
         why="The same zero: PyTorch keeps its sign, a grad here starts "
             "from +0.0."),
    Case("1e-200", "x ** -1", "OverflowError", torch="1e+200, -inf",
         why="The slope, -1e400, is too large for a float: an error, not "
             "-inf."),
    Case("2.0", "x ** 10 ** 400", "OverflowError"),
    Case("3.0", "x ** x", "TypeError", torch="27.0, 56.66253179403897",
         why="The exponent must be a plain number: the model needs no other."),
    Case("3.0", "2 ** x", "TypeError", torch="8.0, 5.545177444479562",
         why="The exponent must be a plain number: the model needs no other."),
    Case("3.0", "x ** '2'", "TypeError"),
    Case("3.0", "x ** None", "TypeError"),
    Case("3.0", "x ** 1j", "TypeError", torch="RuntimeError",
         why="No complex Values; PyTorch makes one and refuses its "
             "backward()."),
],
"Logarithm and exponential": [
    Case("1.0", "x.log()", "0.0, 1.0"),
    Case("0.5", "x.log()", "-0.6931471805599453, 2.0"),
    Case("0.0", "x.log()", "ValueError", torch="-inf, inf",
         why="Not defined there: an error, not -inf or nan."),
    Case("-1.0", "x.log()", "ValueError", torch="nan, -1.0",
         why="Not defined there: an error, not -inf or nan."),
    Case("math.inf", "x.log()", "inf, 0.0"),
    Case("-math.inf", "x.log()", "ValueError", torch="nan, -0.0",
         why="Not defined there: an error, not -inf or nan."),
    Case("math.nan", "x.log()", "nan, nan"),
    Case("0.0", "x.exp()", "1.0, 1.0"),
    Case("-1000.0", "x.exp()", "0.0, 0.0"),
    Case("1000.0", "x.exp()", "OverflowError", torch="inf, inf",
         why="Too large for a float: an error, not inf."),
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
         why="Not defined there: an error, not -inf or nan."),
    Case("0.0", "x ** 0.5 * 0", "ValueError", torch="0.0, nan",
         why="The slope is infinite there: an error, not an inf that "
             "spreads."),
    Case("-1.0", "(x * math.inf).relu()", "0.0, 0.0", torch="0.0, nan",
         why="A zero gradient is not passed on, so it cannot meet an "
             "infinite slope."),
    Case("-1.0", "(x * 1e308 * 10).relu()", "0.0, 0.0"),
    Case("2.0", "x * math.inf * 0", "nan, 0.0", torch="nan, nan",
         why="A zero gradient is not passed on, so it cannot meet an "
             "infinite slope."),
],
"Compare and convert": [
    Case("2.0", "x < 3", "TypeError", torch="tensor(True)",
         why="Values have no order: compare their data."),
    Case("2.0", "x == x", "True", torch="tensor(True)",
         why="PyTorch answers with a tensor."),
    Case("2.0", "x == 2", "False", torch="tensor(True)",
         why="Values are equal only if they are the same node, so sets "
             "can hold them."),
    Case("2.0", "x != 2", "True", torch="tensor(False)",
         why="Values are equal only if they are the same node, so sets "
             "can hold them."),
    Case("2.0", "x in [Value(2.0)]", "False", torch="True",
         why="Values are equal only if they are the same node, so sets "
             "can hold them.",
         torch_source="x in [torch.tensor(2.0, dtype=torch.float64)]"),
    Case("2.0", "len({x, x, Value(2.0)})", "2",
         torch_source="len({x, x, torch.tensor(2.0, dtype=torch.float64)})"),
    Case("2.0", "bool(x)", "True"),
    Case("0.0", "bool(x)", "True", torch="False",
         why="A Value is true like any object: ask x.data."),
    Case("2.0", "float(x)", "TypeError", torch="2.0",
         why="Leaving the graph must be visible: take x.data."),
    Case("2.0", "int(x)", "TypeError", torch="2",
         why="Leaving the graph must be visible: take x.data."),
    Case("2.0", "abs(x)", "TypeError", torch="2.0, 1.0",
         why="The model needs no such operation."),
    Case("2.0", "+x", "TypeError", torch="2.0, 1.0",
         why="The model needs no such operation."),
    Case("2.0", "x // 1", "TypeError", torch="RuntimeError",
         why="There is no such operation; PyTorch has one without a "
             "gradient."),
    Case("2.0", "x % 2", "TypeError", torch="0.0, 1.0",
         why="The model needs no such operation."),
    Case("2.0", "round(x)", "TypeError"),
    Case("2.0", "max(x, Value(1.0)).data", "TypeError", torch="2.0",
         why="Values have no order: compare their data.",
         torch_source="max(x, torch.tensor(1.0, dtype=torch.float64)).item()"),
    Case("2.0", "math.sqrt(x)", "TypeError", torch="1.4142135623730951",
         why="Leaving the graph must be visible: take x.data."),
],
"NumPy numbers": [
    Case("3.0", "np.float64(2) * x", "6.0, 2.0"),
    Case("3.0", "np.float32(2) * x", "6.0, 2.0"),
    Case("3.0", "np.int64(2) + x", "5.0, 1.0"),
    Case("4.0", "np.float64(2) - x", "-2.0, -1.0"),
    Case("4.0", "np.float64(2) / x", "0.5, -0.125"),
    Case("3.0", "np.float64(2) ** x", "TypeError",
         torch="8.0, 5.545177444479562",
         why="The exponent must be a plain number: the model needs no other."),
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
                         f"| {case.torch} | {case.why} |")
        lines.append("")
    return "\n".join(lines)


def differences():
    """The rows where PyTorch does otherwise, as a list under each reason."""
    reasons = {}
    for case in ROWS:
        if case.why:
            at = f" at x = {case.x}" if case.x else ""
            reasons.setdefault(case.why, []).append(
                f"    - `{case.source}`{at}: {case.gives}; "
                f"PyTorch: {case.torch}")
    return "\n".join(line for why, cases in reasons.items()
                     for line in [f"- {why}", "", *cases, ""])
