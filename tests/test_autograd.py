import ast
import gc
import io
import math
import operator
import random
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import microgpt
from microgpt import (Value, add, attention, cross_entropy, linear, mlp,
                      rmsnorm, softmax, total)

SOURCE = Path(microgpt.__file__)


# the class itself

def test_fields():
    assert Value.__slots__ == ("data", "grad", "_children", "_local_grads")
    assert not hasattr(Value(1.0), "__dict__")
    with pytest.raises(AttributeError):
        Value(1.0).label = "x"


def test_a_fresh_value_is_a_leaf_without_gradient():
    x = Value(3.0)
    assert (x.data, x.grad, x._children, x._local_grads) == (3.0, 0, (), ())


def test_a_node_can_have_any_number_of_children():
    xs = [Value(float(i)) for i in range(5)]
    node = Value(7.0, tuple(xs), (1.0, 2.0, 3.0, 4.0, 5.0))
    (node * 2).backward()
    assert [x.grad for x in xs] == [2.0, 4.0, 6.0, 8.0, 10.0]


def test_repr_is_short_whatever_the_graph():
    x = Value(1.5)
    x.grad = 0.25
    assert repr(x) == "Value(data=1.5, grad=0.25)"
    deep = x
    for _ in range(10_000):
        deep = deep + x
    assert len(repr(deep)) < 50


def test_the_class_has_at_most_43_lines_of_code():
    text = SOURCE.read_text(encoding="utf-8")
    [cls] = [node for node in ast.parse(text).body
             if isinstance(node, ast.ClassDef) and node.name == "Value"]
    docstrings = set()
    for node in ast.walk(cls):
        if (isinstance(node, (ast.ClassDef, ast.FunctionDef))
                and ast.get_docstring(node) is not None):
            doc = node.body[0]
            docstrings.update(range(doc.lineno, doc.end_lineno + 1))
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE,
               tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    code = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            code.update(range(token.start[0], token.end[0] + 1))
    code &= set(range(cls.lineno, cls.end_lineno + 1))
    assert 30 < len(code - docstrings) <= 43


def test_slopes_stand_in_value_the_dot_product_and_the_sum_alone():
    makers = []  # what calls Value with more than data, or touches its slopes
    for top in ast.parse(SOURCE.read_text(encoding="utf-8")).body:
        name = getattr(top, "name", "no definition")
        for node in ast.walk(top):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Value":
                if len(node.args) + len(node.keywords) != 1:
                    makers.append(name)
            if isinstance(node, ast.Attribute) and node.attr == "_local_grads":
                makers.append(name)
        assert "Value" not in map(ast.unparse, getattr(top, "bases", []))
    assert makers.count("Value") >= 6  # + * ** log exp relu
    assert sorted(set(makers)) == ["Value", "linear", "total"]


def test_the_model_is_said_in_exp_log_relu_powers_dot_products_and_sums(
        monkeypatch, tiny, tokenizer, params):
    most = {}  # children of a node, by the function that made it
    init = Value.__init__

    def watching(self, data, children=(), local_grads=()):
        init(self, data, children, local_grads)
        caller = sys._getframe(1)
        while caller.f_code.co_name.startswith("<"):  # a comprehension
            caller = caller.f_back
        if children:
            name = caller.f_code.co_name
            most[name] = max(most.get(name, 0), len(children))

    monkeypatch.setattr(Value, "__init__", watching)
    microgpt.document_loss(tiny, params, tokenizer, "bead")
    assert most.pop("linear") > 2
    assert most.pop("total") == tokenizer.vocab_size
    assert most == {"__add__": 2, "__mul__": 2, "__pow__": 1, "exp": 1,
                    "log": 1, "relu": 1}


def test_lines_fit_a_page():
    lines = SOURCE.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 80] == []


# worked examples

def test_product_and_sum():
    a, b = Value(2.0), Value(3.0)
    c = a * b
    d = c + a
    assert (c.data, d.data) == (6.0, 8.0)
    d.backward()
    assert (a.grad, b.grad, c.grad, d.grad) == (4.0, 2.0, 1.0, 1.0)


def test_nudge():
    a, b = Value(3.0), Value(5.0)
    product = a * b
    product.backward()
    nudged = Value(3.001) * b
    assert nudged.data == pytest.approx(15.005)
    assert (nudged.data - product.data) / 0.001 == pytest.approx(a.grad)


# each operation: what it records, and its slope against finite differences

@pytest.mark.parametrize("operation, data, slopes", [
    (lambda a, b: a + b, 5.0, (1.0, 1.0)),
    (lambda a, b: a * b, 6.0, (3.0, 2.0)),
])
def test_two_children(operation, data, slopes):
    a, b = Value(2.0), Value(3.0)
    node = operation(a, b)
    assert node.data == data
    assert node._children == (a, b)
    assert tuple(node._local_grads) == slopes


@pytest.mark.parametrize("operation, data, slope", [
    (lambda a: a ** 3, 8.0, 12.0),
    (lambda a: a ** -1, 0.5, -0.25),
    (lambda a: a.log(), math.log(2.0), 0.5),
    (lambda a: a.exp(), math.exp(2.0), math.exp(2.0)),
    (lambda a: a.relu(), 2.0, 1.0),
])
def test_one_child(operation, data, slope):
    a = Value(2.0)
    node = operation(a)
    assert node.data == pytest.approx(data, rel=1e-15)
    assert node._children == (a,)
    assert tuple(node._local_grads) == pytest.approx((slope,), rel=1e-15)


@pytest.fixture(params=[-2.5, -0.3, 0.7, 4.0])
def point(request):
    return request.param


def check_slope(function, at):
    """Compare function(Value) with central differences of function."""
    x, h = Value(at), 1e-5
    result = function(x)
    result.backward()
    above, below = function(Value(at + h)).data, function(Value(at - h)).data
    assert x.grad == pytest.approx((above - below) / (2 * h), rel=1e-7)


@pytest.mark.parametrize("symbol", ["add", "sub", "mul", "truediv"])
@pytest.mark.parametrize("other", [3, -0.5, True, Value(1.25)], ids=repr)
def test_operators_on_both_sides(symbol, other, point):
    operate = getattr(operator, symbol)
    number = getattr(other, "data", other)
    assert operate(Value(point), other).data == pytest.approx(
        operate(point, number), rel=1e-15)
    assert operate(other, Value(point)).data == pytest.approx(
        operate(number, point), rel=1e-15)
    check_slope(lambda x: operate(x, other), point)
    check_slope(lambda x: operate(other, x), point)


@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 5, 2.0])
def test_whole_powers(n, point):
    assert (Value(point) ** n).data == pytest.approx(point ** n, rel=1e-15)
    check_slope(lambda x: x ** n, point)


@pytest.mark.parametrize("n", [-1.5, -0.5, 0.5, 2.7])
def test_broken_powers(n, point):
    point = abs(point)
    assert (Value(point) ** n).data == pytest.approx(point ** n, rel=1e-15)
    check_slope(lambda x: x ** n, point)


def test_functions(point):
    assert (-Value(point)).data == -point
    assert Value(point).relu().data == max(0.0, point)
    assert Value(point).exp().data == math.exp(point)
    assert Value(abs(point)).log().data == math.log(abs(point))
    check_slope(lambda x: -x, point)
    check_slope(lambda x: x.relu(), point)
    check_slope(lambda x: x.exp(), point)
    check_slope(lambda x: x.log(), abs(point))


def test_both_operands_get_their_gradient():
    a, b = Value(2.0), Value(4.0)
    (a / b - b).backward()
    assert (a.grad, b.grad) == (0.25, -2.0 / 16.0 - 1.0)


# backward

def test_gradients_of_all_paths_add_up():
    x = Value(3.0)
    y = x * x
    z = y + y * y + x
    z.backward()
    assert x.grad == 2 * 3.0 + 4 * 3.0 ** 3 + 1
    assert y.grad == 1 + 2 * 9.0


def test_leaves_add_up_over_calls_and_the_rest_starts_again():
    x = Value(3.0)
    square = x ** 2
    z = 2 * square
    seen = []
    for _ in range(3):
        z.backward()
        seen.append((x.grad, square.grad, z.grad))
    assert seen == [(12.0, 2.0, 1.0), (24.0, 2.0, 1.0), (36.0, 2.0, 1.0)]


def test_backward_from_two_results_with_a_common_part():
    x = Value(2.0)
    common = x * x
    (common * 3).backward()
    (common * 5).backward()
    assert x.grad == 8 * 4.0
    assert common.grad == 5.0


def test_backward_from_an_inner_node_after_the_whole():
    x = Value(2.0)
    inner = x * x
    (inner * 3).backward()
    inner.backward()
    assert x.grad == 12.0 + 4.0


def test_backward_of_a_leaf():
    x = Value(2.0)
    x.backward()
    x.backward()
    assert x.grad == 2.0


def test_a_value_twice_in_one_node():
    x = Value(3.0)
    x_plus_x = x + x
    (x_plus_x * x_plus_x).backward()
    assert x.grad == 24.0


def test_wide_graph():
    leaves = [Value(float(i)) for i in range(50_000)]
    (sum(leaves) * 2).backward()
    assert {leaf.grad for leaf in leaves} == {2.0}


def test_many_paths_take_no_exponential_time():
    x = y = Value(1.0)
    for _ in range(200):
        y = y + y
    y.backward()
    assert x.grad == 2.0 ** 200


def test_a_million_operations_deep():
    """Backward and freeing; in a process of its own, lest a crash end all."""
    program = ("import gc\n"
               "from microgpt import Value\n"
               "gc.disable()  # it would take most of the time\n"
               "x = y = Value(1.0)\n"
               "for _ in range(1_000_000): y = y + 1.0\n"
               "y.backward()\n"
               "print(x.grad, y.data)\n"
               "del y\n"
               "print('freed')\n")
    result = subprocess.run([sys.executable, "-c", program],
                            cwd=str(SOURCE.parent), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, universal_newlines=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.split() == ["1.0", "1000001.0", "freed"]


# memory

def test_a_graph_is_freed_by_its_last_reference(values_alive):
    before = values_alive()
    x = Value(0.5)
    [[_, y]] = linear([[x, x.exp()]], [[x, x], [x, x]])
    z = (y / 3 + y.log() - y ** 2).relu() + y
    z.backward()
    assert values_alive() > before + 8
    del x, y, z, _
    assert values_alive() == before


def test_a_graph_has_no_cycles(values_alive):
    x = Value(0.5)
    z = total(attention(1, rmsnorm([x, x * 2]), [[x, x.exp()]], [[x, x]]))
    z.backward()
    assert values_alive() > 8
    del x, z
    assert gc.collect() == 0


# many operations in one node

def vectors(rng, n_vectors, n):
    return [[Value(rng.gauss(0, 2)) for _ in range(n)]
            for _ in range(n_vectors)]


def assert_agree(fused, single, leaves):
    """Same numbers, and same slopes in the leaves, of two lists of Values."""
    assert [v.data for v in fused] == pytest.approx(
        [v.data for v in single], rel=1e-12)
    slopes = []
    for out in (fused, single):
        for v in leaves:
            v.grad = 0.0
        sum([(i + 1) * v * v for i, v in enumerate(out)]).backward()
        slopes.append([v.grad for v in leaves])
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-9, abs=1e-12)
    assert any(slopes[0])


def dot(x, y):
    return sum([a * b for a, b in zip(x, y)])


@pytest.mark.parametrize("n_tokens", [1, 3])
@pytest.mark.parametrize("n_in, n_out", [(1, 1), (3, 2), (16, 5), (40, 1)])
def test_linear_agrees_with_single_operations(n_tokens, n_in, n_out):
    rows = vectors(random.Random(n_in), n_tokens + n_out, n_in)
    x, w = rows[:n_tokens], rows[n_tokens:]
    out = linear(x, w)
    assert [len(row) for row in out] == [n_out] * n_tokens
    assert_agree(sum(out, []), [dot(row, w_row) for row in x for w_row in w],
                 sum(rows, []))


@pytest.mark.parametrize("n_tokens, n", [(1, 1), (2, 3), (5, 4)])
def test_add_agrees_with_single_operations(n_tokens, n):
    rows = vectors(random.Random(n), 2 * n_tokens, n)
    x, y = rows[:n_tokens], rows[n_tokens:]
    assert_agree(sum(add(x, y), []),
                 [a + b for a, b in zip(sum(x, []), sum(y, []))], sum(rows, []))


def probabilities(scores):
    exps = [v.exp() for v in scores]
    return [e / sum(exps) for e in exps]


@pytest.mark.parametrize("n", [1, 2, 7])
def test_softmax_agrees_with_single_operations(n):
    [logits] = vectors(random.Random(n), 1, n + 1)
    assert_agree(softmax(logits), probabilities(logits), logits)


@pytest.mark.parametrize("n_head", [1, 2, 4])
@pytest.mark.parametrize("n_tokens, head_dim", [(1, 1), (1, 4), (5, 3), (9, 4)])
def test_attention_agrees_with_single_operations(n_tokens, head_dim, n_head):
    n = n_head * head_dim
    q, *rows = vectors(random.Random(n_tokens), 1 + 2 * n_tokens, n)
    keys, values = rows[:n_tokens], rows[n_tokens:]
    mixed = []
    for i in range(0, n, head_dim):
        scores = [dot(q[i:i + head_dim], k[i:i + head_dim]) / head_dim ** 0.5
                  for k in keys]
        mixed += [dot(probabilities(scores), [v[j] for v in values])
                  for j in range(i, i + head_dim)]
    assert_agree(attention(n_head, q, keys, values), mixed, sum(rows, q))


@pytest.mark.parametrize("n", [1, 2, 7])
def test_rmsnorm_agrees_with_single_operations(n):
    [x] = vectors(random.Random(n), 1, n)
    root = (dot(x, x) / n + 1e-5) ** 0.5
    assert_agree(rmsnorm(x), [v / root for v in x], x)


@pytest.mark.parametrize("n_tokens, n", [(1, 1), (1, 4), (3, 2)])
def test_mlp_agrees_with_single_operations(n_tokens, n):
    """Also where neurons are off, one of them at exactly 0."""
    rng = random.Random(n)
    x, fc1 = vectors(rng, n_tokens, n), vectors(rng, 4 * n, n)
    fc2 = vectors(rng, n, 4 * n)
    for w in fc1[1]:
        w.data = 0.0
    expected = []
    for row in x:
        hidden = [dot(w_row, row).relu() for w_row in fc1]
        assert 0 < [h.data for h in hidden].count(0.0) < 4 * n
        expected += [dot(w_row, hidden) for w_row in fc2]
    assert_agree(sum(mlp(x, fc1, fc2), []), expected, sum(x + fc1 + fc2, []))


@pytest.mark.parametrize("n, target", [(2, 0), (7, 6), (27, 3)])
def test_cross_entropy_agrees_with_single_operations(n, target):
    [logits] = vectors(random.Random(n), 1, n)
    assert_agree([cross_entropy(logits, target)],
                 [-probabilities(logits)[target].log()], logits)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_total_agrees_with_single_operations(n):
    [x] = vectors(random.Random(n), 1, n)
    assert_agree([total(x)], [sum(x)], x)


def test_the_total_of_a_generator_has_its_children():
    x = Value(2.0)
    twice = total(v for v in (x, x))
    twice.backward()
    assert (twice.data, x.grad) == (4.0, 2.0)


def test_the_total_of_nothing_is_zero():
    assert (total([]).data, total([])._children) == (0.0, ())


def test_linear_of_x_with_itself():
    x = [Value(1.0), Value(-2.0)]
    [[square]] = linear([x], [x])
    square.backward()
    assert (square.data, x[0].grad, x[1].grad) == (5.0, 2.0, -4.0)


def test_linear_of_repeated_inputs():
    a, w = Value(3.0), Value(2.0)
    [[out]] = linear([[a, a]], [[w, w]])
    out.backward()
    assert (out.data, a.grad, w.grad) == (12.0, 4.0, 6.0)


# random graphs against derivatives carried forward

class Dual:
    """A number and its slope in every input, by the rules of calculus."""
    def __init__(self, data, slopes):
        self.data, self.slopes = data, slopes

    def chain(self, data, slope):
        return Dual(data, [slope * s for s in self.slopes])

    def __add__(self, other):
        if not isinstance(other, Dual):
            return self.chain(self.data + other, 1.0)
        return Dual(self.data + other.data,
                    [s + t for s, t in zip(self.slopes, other.slopes)])

    def __mul__(self, other):
        if not isinstance(other, Dual):
            return self.chain(self.data * other, other)
        return Dual(self.data * other.data,
                    [s * other.data + self.data * t
                     for s, t in zip(self.slopes, other.slopes)])

    def __sub__(self, other):
        if not isinstance(other, Dual):
            return self.chain(self.data - other, 1.0)
        return Dual(self.data - other.data,
                    [s - t for s, t in zip(self.slopes, other.slopes)])

    def __rsub__(self, other):
        return self.chain(other - self.data, -1.0)

    def __truediv__(self, other):
        if not isinstance(other, Dual):
            return self.chain(self.data / other, 1.0 / other)
        return Dual(self.data / other.data,
                    [(s * other.data - self.data * t) / other.data ** 2
                     for s, t in zip(self.slopes, other.slopes)])

    def __rtruediv__(self, other):
        return self.chain(other / self.data, -other / self.data ** 2)

    def __pow__(self, n):
        return self.chain(self.data ** n, n * self.data ** (n - 1))

    def __neg__(self):
        return self.chain(-self.data, -1.0)

    def log(self):
        return self.chain(math.log(self.data), 1.0 / self.data)

    def exp(self):
        return self.chain(math.exp(self.data), math.exp(self.data))

    def relu(self):
        return self * 1.0 if self.data > 0 else self * 0.0

    __radd__, __rmul__ = __add__, __mul__


# name: operation on a, b and a number c, and where it is safe
OPERATIONS = {
    "a + b": (lambda a, b, c: a + b, lambda a, b: True),
    "a - b": (lambda a, b, c: a - b, lambda a, b: True),
    "a * b": (lambda a, b, c: a * b, lambda a, b: True),
    "a / b": (lambda a, b, c: a / b, lambda a, b: abs(b) > 0.2),
    "a + c": (lambda a, b, c: a + c, lambda a, b: True),
    "c + a": (lambda a, b, c: c + a, lambda a, b: True),
    "a - c": (lambda a, b, c: a - c, lambda a, b: True),
    "c - a": (lambda a, b, c: c - a, lambda a, b: True),
    "a * c": (lambda a, b, c: a * c, lambda a, b: True),
    "c * a": (lambda a, b, c: c * a, lambda a, b: True),
    "a / c": (lambda a, b, c: a / c, lambda a, b: True),
    "c / a": (lambda a, b, c: c / a, lambda a, b: abs(a) > 0.2),
    "-a": (lambda a, b, c: -a, lambda a, b: True),
    "a ** c": (lambda a, b, c: a ** c, lambda a, b: 0.2 < a < 5),
    "a ** 2": (lambda a, b, c: a ** 2, lambda a, b: True),
    "a ** -3": (lambda a, b, c: a ** -3, lambda a, b: abs(a) > 0.5),
    "log": (lambda a, b, c: a.log(), lambda a, b: a > 0.2),
    "exp": (lambda a, b, c: a.exp(), lambda a, b: a < 3),
    "relu": (lambda a, b, c: a.relu(), lambda a, b: abs(a) > 1e-6),
}


def random_program(rng, inputs, size, deep):
    """Steps (operation, i, j, c) on a growing list, and the list of Duals."""
    nodes = [Dual(x, [float(i == j) for j in range(len(inputs))])
             for i, x in enumerate(inputs)]
    program = []
    while len(program) < size:
        name = rng.choice(sorted(OPERATIONS))
        i = len(nodes) - 1 if deep else rng.randrange(len(nodes))
        j, c = rng.randrange(len(nodes)), rng.choice([-1.7, -0.6, 0.4, 1.5, 2])
        operation, safe = OPERATIONS[name]
        if safe(nodes[i].data, nodes[j].data):
            node = operation(nodes[i], nodes[j], c)
            if abs(node.data) < 50 and all([abs(s) < 1e4 for s in node.slopes]):
                program.append((name, i, j, c))
                nodes.append(node)
            elif deep:  # a fresh start, or the chain could be stuck
                program.append(("a * c", j, j, 0.4))
                nodes.append(nodes[j] * 0.4)
    return program, nodes


@pytest.mark.parametrize("seed", range(300))
def test_random_graph(seed):
    rng = random.Random(seed)
    inputs = [rng.uniform(-2, 3) for _ in range(rng.randint(1, 6))]
    size, deep = rng.choice([3, 10, 40, 150]), rng.random() < 0.4
    program, duals = random_program(rng, inputs, size, deep)
    leaves = [Value(x) for x in inputs]
    nodes = list(leaves)
    for name, i, j, c in program:
        nodes.append(OPERATIONS[name][0](nodes[i], nodes[j], c))
    picks = [len(nodes) - 1] + [rng.randrange(len(nodes)) for _ in range(5)]
    root = sum([nodes[pick] for pick in picks])
    expected = sum([duals[pick] for pick in picks])
    root.backward()
    assert root.data == pytest.approx(expected.data, rel=1e-9, abs=1e-11)
    largest = max([abs(s) for s in expected.slopes])
    assert [leaf.grad for leaf in leaves] == pytest.approx(
        expected.slopes, rel=1e-9, abs=1e-11 * max(1.0, largest))


def test_random_graphs_use_every_operation():
    used = set()
    for seed in range(30):
        program, _ = random_program(random.Random(seed), [0.5, 2.0], 40, False)
        used.update([name for name, _, _, _ in program])
    assert used == set(OPERATIONS)
