"""The floor: the same training step on plain lists of floats, with no graph.

The model of microgpt.py with its slopes written out by hand, a backward pass
for each part, and nothing that remembers what was computed. No program of
plain Python with the same multiplications can be much quicker, so that the
benchmark can say how many times that `Value` takes. It is no model to build
on: every change of the forward pass needs another change of the backward pass.
"""
import math
from operator import mul

sumprod = getattr(math, "sumprod", lambda p, q: sum(map(mul, p, q)))


def columns(matrix):
    return list(zip(*matrix))


def linear(x, w):
    """[tokens][n_in], [n_out][n_in] -> [tokens][n_out]."""
    return [[sumprod(row, w_row) for w_row in w] for row in x]


def linear_backward(x, w, d_out):
    """Slopes in x and in w: two more products of matrices."""
    x_columns = columns(x)
    d_w = [[sumprod(d_column, x_column) for x_column in x_columns]
           for d_column in columns(d_out)]
    return linear(d_out, columns(w)), d_w


def add(x, y):
    return [[a + b for a, b in zip(*rows)] for rows in zip(x, y)]


def softmax(logits):
    shift = max(logits)
    exps = [math.exp(logit - shift) for logit in logits]
    scale = 1 / sum(exps)
    return [e * scale for e in exps]


def rmsnorm(x):
    """The rows of x over their root mean squares, and one over these roots."""
    scales = [(sumprod(row, row) / len(row) + 1e-5) ** -0.5 for row in x]
    return [[v * scale for v in row] for row, scale in zip(x, scales)], scales


def rmsnorm_backward(normed, scales, d_normed):
    d_x = []
    for row, scale, d_row in zip(normed, scales, d_normed):
        mean = sumprod(row, d_row) / len(row)
        d_x.append([(d - v * mean) * scale for v, d in zip(row, d_row)])
    return d_x


def attention(n_head, q, k, v):
    """[tokens][n] each -> [tokens][n], and the weights [n_head][tokens]."""
    head_dim = len(q[0]) // n_head
    scale = head_dim ** -0.5
    mixed = [[] for _ in q]
    all_weights = []
    for start in range(0, len(q[0]), head_dim):
        head = slice(start, start + head_dim)
        keys = [row[head] for row in k]
        value_columns = columns([row[head] for row in v])
        weights = []
        for i, row in enumerate(q):
            scaled = [x * scale for x in row[head]]
            probs = softmax([sumprod(scaled, key) for key in keys[:i + 1]])
            weights.append(probs)
            mixed[i] += [sumprod(probs, column[:i + 1])
                         for column in value_columns]
        all_weights.append(weights)
    return mixed, all_weights


def attention_backward(n_head, q, k, v, all_weights, d_mixed):
    """Slopes in q, k and v, [tokens][n] each."""
    n_tokens = len(q)
    head_dim = len(q[0]) // n_head
    scale = head_dim ** -0.5
    d_q, d_k, d_v = [[[] for _ in q] for _ in range(3)]
    for weights, start in zip(all_weights, range(0, len(q[0]), head_dim)):
        head = slice(start, start + head_dim)
        values = [row[head] for row in v]
        d_out = [row[head] for row in d_mixed]
        d_scores = []
        for i, (probs, d_row) in enumerate(zip(weights, d_out)):
            d_probs = [sumprod(d_row, value) for value in values[:i + 1]]
            mean = sumprod(probs, d_probs)
            d_scores.append([p * (d - mean) * scale
                             for p, d in zip(probs, d_probs)])

        key_columns = columns([row[head] for row in k])
        q_columns = columns([row[head] for row in q])
        d_out_columns = columns(d_out)
        for i, d_row in enumerate(d_scores):
            d_q[i] += [sumprod(d_row, column[:i + 1]) for column in key_columns]
        for j in range(n_tokens):  # what the tokens from j on took from j
            d_column = [d_row[j] for d_row in d_scores[j:]]
            probs = [row[j] for row in weights[j:]]
            d_k[j] += [sumprod(d_column, column[j:]) for column in q_columns]
            d_v[j] += [sumprod(probs, column[j:]) for column in d_out_columns]
    return d_q, d_k, d_v


def document_loss(config, params, tokens):
    """The mean loss, and its slopes in params."""
    n = min(config.block_size, len(tokens) - 1)
    ids, targets = tokens[:n], tokens[1:n + 1]
    layers = [f"layer{i}." for i in range(config.n_layer)]
    grads = {}

    # forward
    x = add([params["wte"][i] for i in ids], params["wpe"][:n])
    first = rmsnorm(x)
    x = first[0]
    kept = []
    for layer in layers:
        normed, scales = rmsnorm(x)
        q, k, v = [linear(normed, params[f"{layer}attn_w{part}"])
                   for part in "qkv"]
        mixed, weights = attention(config.n_head, q, k, v)
        x = add(x, linear(mixed, params[layer + "attn_wo"]))
        normed2, scales2 = rmsnorm(x)
        hidden = [[h if h > 0.0 else 0.0 for h in row]
                  for row in linear(normed2, params[layer + "mlp_fc1"])]
        x = add(x, linear(hidden, params[layer + "mlp_fc2"]))
        kept.append((normed, scales, q, k, v, weights, mixed, normed2, scales2,
                     hidden))
    loss = 0.0
    d_logits = []
    for logits, target in zip(linear(x, params["lm_head"]), targets):
        probs = softmax(logits)
        loss -= math.log(probs[target]) / n
        d_row = [p / n for p in probs]
        d_row[target] -= 1 / n
        d_logits.append(d_row)

    # backward
    def back(name, x, d_out):
        d_x, grads[name] = linear_backward(x, params[name], d_out)
        return d_x

    d_x = back("lm_head", x, d_logits)
    for layer in reversed(layers):
        (normed, scales, q, k, v, weights, mixed, normed2, scales2,
         hidden) = kept.pop()
        d_hidden = back(layer + "mlp_fc2", hidden, d_x)
        d_hidden = [[d if h > 0.0 else 0.0 for h, d in zip(*rows)]
                    for rows in zip(hidden, d_hidden)]
        d_normed2 = back(layer + "mlp_fc1", normed2, d_hidden)
        d_x = add(d_x, rmsnorm_backward(normed2, scales2, d_normed2))

        d_mixed = back(layer + "attn_wo", mixed, d_x)
        d_q, d_k, d_v = attention_backward(config.n_head, q, k, v, weights,
                                           d_mixed)
        d_normed = add(back(layer + "attn_wq", normed, d_q),
                       add(back(layer + "attn_wk", normed, d_k),
                           back(layer + "attn_wv", normed, d_v)))
        d_x = add(d_x, rmsnorm_backward(normed, scales, d_normed))

    for name in ("wte", "wpe"):
        grads[name] = [[0.0] * config.n_embd for _ in params[name]]
    for pos, d_row in enumerate(rmsnorm_backward(*first, d_x)):
        grads["wpe"][pos] = d_row
        wte_row = grads["wte"][ids[pos]]  # a token can come more than once
        grads["wte"][ids[pos]] = [g + d for g, d in zip(wte_row, d_row)]
    return loss, grads


class Trainer:
    """Adam on one document a step, on floats."""

    def __init__(self, config, params):
        """params: the first weights, as microgpt.py keeps them."""
        self.config = config
        self.params = {name: [[w.data for w in row] for row in rows]
                       for name, rows in params.items()}
        self.m, self.v = [{name: [[0.0] * len(row) for row in rows]
                           for name, rows in params.items()} for _ in range(2)]
        self.step_count = 0

    def step(self, tokens):
        """Train on one document, return its loss before the update."""
        c = self.config
        loss, grads = document_loss(c, self.params, tokens)

        rate = c.learning_rate * (1 - self.step_count / c.steps)
        self.step_count += 1
        rate /= 1 - c.beta1 ** self.step_count
        v_scale = 1 / (1 - c.beta2 ** self.step_count)
        beta1, beta2, eps = c.beta1, c.beta2, c.adam_eps
        new1, new2 = 1 - beta1, 1 - beta2
        for name, rows in self.params.items():
            for row, d_row, m, v in zip(rows, grads[name], self.m[name],
                                        self.v[name]):
                for i, grad in enumerate(d_row):
                    m[i] = mean = beta1 * m[i] + new1 * grad
                    v[i] = square = beta2 * v[i] + new2 * grad * grad
                    row[i] -= rate * mean / (math.sqrt(square * v_scale) + eps)
        return loss
