"""The textbook formulation: every multiply and add is a node of its own.

The same model as microgpt.py, written the obvious and slow way, with nothing
shared but the names of the parameters. The tests compare microgpt.py with it
number by number, and the benchmark measures against it. Its graph is ordered
by a nested function that calls itself, so it needs a raised recursion limit
(`sys.setrecursionlimit`), and that function is a reference cycle that keeps
each step's graph alive until the cyclic collector comes by.
"""
import math


class Value:
    __slots__ = ("data", "grad", "_children", "_local_grads")

    def __init__(self, data, children=(), local_grads=()):
        self.data = data
        self.grad = 0
        self._children = children
        self._local_grads = local_grads

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other),
                     (other.data, self.data))

    def __pow__(self, n):
        return Value(self.data ** n, (self,), (n * self.data ** (n - 1),))

    def log(self):
        return Value(math.log(self.data), (self,), (1 / self.data,))

    def exp(self):
        return Value(math.exp(self.data), (self,), (math.exp(self.data),))

    def relu(self):
        return Value(max(0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self): return self * -1
    def __radd__(self, other): return self + other
    def __sub__(self, other): return self + (-other)
    def __rmul__(self, other): return self * other
    def __truediv__(self, other): return self * other ** -1

    def backward(self):
        order = []
        visited = set()

        def visit(v):
            if v not in visited:
                visited.add(v)
                for child in v._children:
                    visit(child)
                order.append(v)

        visit(self)
        self.grad = 1
        for v in reversed(order):
            for child, local_grad in zip(v._children, v._local_grads):
                child.grad += local_grad * v.grad


def linear(x, w):
    return [sum(wi * xi for wi, xi in zip(row, x)) for row in w]


def softmax(logits):
    top = max(v.data for v in logits)
    exps = [(v - top).exp() for v in logits]
    total = sum(exps)
    return [e / total for e in exps]


def rmsnorm(x):
    mean_square = sum(xi * xi for xi in x) / len(x)
    scale = (mean_square + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def gpt(config, params, token_id, pos_id, keys, values):
    x = [t + p for t, p in zip(params["wte"][token_id],
                               params["wpe"][pos_id])]
    x = rmsnorm(x)
    head_dim = config.n_embd // config.n_head
    for layer in range(config.n_layer):
        def weight(name):
            return params[f"layer{layer}.{name}"]
        residual = x
        x = rmsnorm(x)
        q = linear(x, weight("attn_wq"))
        keys[layer].append(linear(x, weight("attn_wk")))
        values[layer].append(linear(x, weight("attn_wv")))
        mixed = []
        for head in range(config.n_head):
            start = head * head_dim
            dims = range(start, start + head_dim)
            scores = [sum(q[j] * k[j] for j in dims) / head_dim ** 0.5
                      for k in keys[layer]]
            weights = softmax(scores)
            mixed += [sum(w * v[j] for w, v in zip(weights, values[layer]))
                      for j in dims]
        x = [a + b for a, b in zip(linear(mixed, weight("attn_wo")), residual)]
        residual = x
        x = rmsnorm(x)
        x = [h.relu() for h in linear(x, weight("mlp_fc1"))]
        x = [a + b for a, b in zip(linear(x, weight("mlp_fc2")), residual)]
    return linear(x, params["lm_head"])


def document_loss(config, params, tokens):
    """The mean loss, and everything made on the way to it."""
    n = min(config.block_size, len(tokens) - 1)
    keys = [[] for _ in range(config.n_layer)]
    values = [[] for _ in range(config.n_layer)]
    losses = []
    for pos in range(n):
        logits = gpt(config, params, tokens[pos], pos, keys, values)
        losses.append(-softmax(logits)[tokens[pos + 1]].log())
    return (1 / n) * sum(losses), (keys, values, losses, logits)


def copy(params):
    """The weights of microgpt.py, {name: [n_out][n_in]}, as Values of here."""
    return {name: [[Value(w.data) for w in row] for row in matrix]
            for name, matrix in params.items()}


class Trainer:
    """Adam on one document a step, as the published program has it."""

    def __init__(self, config, params):
        """params: the first weights, as microgpt.py keeps them."""
        self.config = config
        self.params = copy(params)
        self.flat = [p for matrix in self.params.values()
                     for row in matrix for p in row]
        self.m = [0.0] * len(self.flat)
        self.v = [0.0] * len(self.flat)
        self.step_count = 0

    def step(self, tokens):
        """Train on one document, return its loss before the update."""
        c = self.config
        # at module level, as in the published program, these names keep the
        # last step's graph alive until the next graph is built
        self.loss, self.made = document_loss(c, self.params, tokens)
        self.loss.backward()
        rate = c.learning_rate * (1 - self.step_count / c.steps)
        self.step_count += 1
        for i, p in enumerate(self.flat):
            self.m[i] = c.beta1 * self.m[i] + (1 - c.beta1) * p.grad
            self.v[i] = c.beta2 * self.v[i] + (1 - c.beta2) * p.grad ** 2
            m_hat = self.m[i] / (1 - c.beta1 ** self.step_count)
            v_hat = self.v[i] / (1 - c.beta2 ** self.step_count)
            p.data -= rate * m_hat / (v_hat ** 0.5 + c.adam_eps)
            p.grad = 0
        return self.loss.data
