import gc
import math
import operator
import random
import sys

import pytest

import microgpt
import textbook
from microgpt import (Value, add, attention, cross_entropy, linear, mlp,
                      rmsnorm, softmax, total)
from program import with_module

# the class itself


def test_fields():
    assert Value.__slots__ == ("data", "grad", "_children", "_local_grads")
    x = Value(3)
    assert (x.data, x.grad, x._children, x._local_grads) == (3.0, 0.0, (), ())
    assert type(x.data) is float
    with pytest.raises(AttributeError):
        x.label = "x"


def test_a_node_can_have_any_number_of_children():
    xs = [Value(float(i)) for i in range(5)]
    node = Value(7.0, tuple(xs), (1.0, 2.0, 3.0, 4.0, 5.0))
    (node * 2).backward()
    assert [x.grad for x in xs] == [2.0, 4.0, 6.0, 8.0, 10.0]


def test_repr_is_short_whatever_the_graph():
    x = y = Value(1.5)
    for _ in range(10_000):
        y = y + x
    x.grad = 0.25
    assert repr(x) == "Value(data=1.5, grad=0.25)" and len(repr(y)) < 50


def test_the_model_is_said_in_exp_log_relu_powers_dot_products_and_sums(
        monkeypatch, tiny, tokenizer, params):
    """Nothing else knows a slope: that is what autograd is for."""
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
    with open(microgpt.__file__, encoding="utf-8") as file:
        assert [line for line in file if len(line.rstrip("\n")) > 80] == []


# each operation: its value, and its slope against finite differences

def check(function, expected, at):
    """function(Value) is expected there, as is its slope, measured."""
    x, h = Value(at), 1e-5
    result = function(x)
    result.backward()
    above, below = function(Value(at + h)).data, function(Value(at - h)).data
    assert result.data == pytest.approx(expected, rel=1e-15)
    assert x.grad == pytest.approx((above - below) / (2 * h), rel=1e-7)


@pytest.fixture(params=[-2.5, -0.3, 0.7, 4.0])
def point(request):
    return request.param


@pytest.mark.parametrize("other", [3, -0.5, True, Value(1.25)], ids=repr)
@pytest.mark.parametrize("symbol", ["add", "sub", "mul", "truediv"])
def test_operators_on_both_sides(symbol, other, point):
    operate = getattr(operator, symbol)
    number = getattr(other, "data", other)
    check(lambda x: operate(x, other), operate(point, number), point)
    check(lambda x: operate(other, x), operate(number, point), point)


@pytest.mark.parametrize("n", [-3, -1, 0, 1, 2, 5, 2.0, -1.5, 0.5, 2.7])
def test_powers(n, point):
    at = point if n % 1 == 0 else abs(point)
    check(lambda x: x ** n, at ** n, at)


def test_functions(point):
    check(lambda x: -x, -point, point)
    check(lambda x: x.relu(), max(0.0, point), point)
    check(lambda x: x.exp(), math.exp(point), point)
    check(lambda x: x.exp(1.5), math.exp(point - 1.5), point)
    check(lambda x: x.log(), math.log(abs(point)), abs(point))


# backward

def test_gradients_of_all_paths_and_both_operands_add_up():
    x, b = Value(3.0), Value(4.0)
    y = x * x
    (y + y * y + x / b).backward()
    assert x.grad == 2 * 3.0 + 4 * 3.0 ** 3 + 0.25
    assert (y.grad, b.grad) == (1 + 2 * 9.0, -3.0 / 16.0)


def test_leaves_add_up_over_calls_and_the_rest_starts_again():
    x = Value(3.0)
    square = x ** 2
    z = 2 * square
    seen = []
    for _ in range(3):
        z.backward()
        seen.append((x.grad, square.grad, z.grad))
    assert seen == [(12.0, 2.0, 1.0), (24.0, 2.0, 1.0), (36.0, 2.0, 1.0)]
    (square * 5).backward()  # another result with a common part
    square.backward()  # and from within
    assert (x.grad, square.grad) == (36.0 + 30.0 + 6.0, 1.0)


def test_backward_of_a_leaf():
    x = Value(2.0)
    x.backward()
    x.backward()
    assert x.grad == 2.0


class Interrupting(tuple):
    def __iter__(self):
        raise KeyboardInterrupt


def test_an_interrupted_walk_does_not_spoil_the_next():
    x = Value(3.0)
    inner = x + 1
    z = (x * x) * inner
    children = inner._children
    inner._children = Interrupting(children)
    with pytest.raises(KeyboardInterrupt):
        z.backward()
    inner._children = children
    x.grad = 0.0
    z.backward()
    assert x.grad == 3 * 9.0 + 2 * 3.0


def test_wide_graph():
    leaves = [Value(float(i)) for i in range(20_000)]
    (sum(leaves) * 2).backward()
    assert {leaf.grad for leaf in leaves} == {2.0}


def test_many_paths_take_no_exponential_time():
    x = y = Value(1.0)
    for _ in range(200):
        y = y + y
    y.backward()
    assert x.grad == 2.0 ** 200


def test_a_million_operations_deep(out):
    """Backward and freeing; in a process of its own, lest a crash end all."""
    assert out(command=with_module(
        "import gc\n"
        "from microgpt import Value\n"
        "gc.disable()  # it would take most of the time\n"
        "x = y = Value(1.0)\n"
        "for _ in range(1_000_000): y = y + 1.0\n"
        "y.backward()\n"
        "print(x.grad, y.data)\n"
        "del y\n"
        "print('freed')\n")).split() == ["1.0", "1000001.0", "freed"]


# memory

def test_a_graph_is_freed_by_its_last_reference(values_alive):
    """So it has no cycles, which only the collector would find."""
    before = values_alive()
    x = Value(0.5)
    z = total(attention(1, rmsnorm([x, x * 2]), [[x, x.exp()]], [[x, x]]))
    z = (z / 3 + x.log() - z ** 2).relu() + z
    z.backward()
    assert values_alive() > before + 8
    del x, z
    assert values_alive() == before
    assert gc.collect() == 0


# many operations in one node

def vectors(rng, n_vectors, n):
    return [[Value(rng.gauss(0, 2)) for _ in range(n)]
            for _ in range(n_vectors)]


def assert_agree(fused, single, leaves):
    """Same numbers, and same slopes in the leaves, of two Values or lists."""
    if isinstance(fused, Value):
        fused, single = [fused], [single]
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


def probabilities(scores):
    exps = [v.exp() for v in scores]
    return [e / sum(exps) for e in exps]


@pytest.mark.parametrize("n", [1, 2, 7])
def test_parts_agree_with_single_operations(n):
    x, y = vectors(random.Random(n), 2, n)
    root = (dot(x, x) / n + 1e-5) ** 0.5
    assert_agree(rmsnorm(x), [v / root for v in x], x)
    assert_agree(total(x), sum(x), x)
    assert_agree(add([x], [y])[0], [a + b for a, b in zip(x, y)], x + y)
    x += y
    assert_agree(softmax(x), probabilities(x), x)
    assert_agree(cross_entropy(x, n), -probabilities(x)[n].log(), x)


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


def test_linear_of_what_comes_twice():
    a, w = Value(3.0), Value(2.0)
    [[out]] = linear([[a, a]], [[w, a]])
    out.backward()
    assert (out.data, a.grad, w.grad) == (15.0, 2.0 + 6.0, 3.0)


# random graphs against the textbook, whose backward calls itself

# operations on two numbers of the graph and one that is not, and where they
# are safe
OPERATIONS = {
    "a + b": "True", "a - b": "True", "a * b": "True", "a / b": "abs(b) > 0.2",
    "a + c": "True", "c + a": "True", "a - c": "True", "a * c": "True",
    "c * a": "True", "a / c": "True", "-a": "True", "a ** c": "0.2 < a < 5",
    "a ** 2": "True", "a ** -3": "abs(a) > 0.5", "a.log()": "a > 0.2",
    "a.exp()": "a < 3", "a.relu()": "abs(a) > 1e-6"}


def apply(operation, nodes, i, j, c):
    return eval(operation, {"a": nodes[i], "b": nodes[j], "c": c})


def random_program(rng, nodes, size, deep):
    """Steps (operation, i, j, c) on nodes, to which their results are added."""
    program = []
    while len(program) < size:
        name = rng.choice(sorted(OPERATIONS))
        i = len(nodes) - 1 if deep else rng.randrange(len(nodes))
        j, c = rng.randrange(len(nodes)), rng.choice([-1.7, -0.6, 0.4, 1.5, 2])
        if eval(OPERATIONS[name], {"a": nodes[i].data, "b": nodes[j].data}):
            node = apply(name, nodes, i, j, c)
            if abs(node.data) < 50:
                program.append((name, i, j, c))
                nodes.append(node)
            elif deep:  # a fresh start, or the chain could be stuck
                program.append(("a * c", j, j, 0.4))
                nodes.append(nodes[j] * 0.4)
    return program


def test_random_graphs(recursion):
    used = set()
    for seed in range(300):
        rng = random.Random(seed)
        inputs = [rng.uniform(-2, 3) for _ in range(rng.randint(1, 6))]
        size, deep = rng.choice([3, 10, 40, 150]), rng.random() < 0.4
        leaves, book = [list(map(make, inputs))
                        for make in (Value, textbook.Value)]
        nodes, book_nodes = list(leaves), list(book)
        for step in random_program(rng, book_nodes, size, deep):
            nodes.append(apply(step[0], nodes, *step[1:]))
            used.add(step[0])
        picks = [len(nodes) - 1] + [rng.randrange(len(nodes)) for _ in range(5)]
        root, expected = [sum([those[pick] for pick in picks])
                          for those in (nodes, book_nodes)]
        root.backward()
        expected.backward()
        assert root.data == pytest.approx(expected.data, rel=1e-9, abs=1e-11)
        slopes = [leaf.grad for leaf in book]
        largest = max(map(abs, slopes))
        assert [leaf.grad for leaf in leaves] == pytest.approx(
            slopes, rel=1e-9, abs=1e-11 * max(1.0, largest)), seed
    assert used == OPERATIONS.keys()
