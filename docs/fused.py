"""Attention and the loss with one node where microgpt.py has many.

They take the place of microgpt.py's functions of the same names; the page on
speed shows and runs them. A node's slope in each child is the sum, over the
paths inside it, of the products of their slopes.
"""
import math

from microgpt import Value, linear, sumprod


def softmax(numbers):
    """Probabilities of plain numbers."""
    top = max(numbers)
    exps = [math.exp(number - top) for number in numbers]
    scale = sum(exps)
    return [e / scale for e in exps]


def attention(n_head, q, keys, values):
    """Each number of the result is a node whose children are the scores and
    its column of the values. Its slope in a value is the probability p of
    that token, and in a score p * (value - mean) / root."""
    root = (len(q) // n_head) ** 0.5
    mixed = []
    for start in range(0, len(q), len(q) // n_head):
        head = slice(start, start + len(q) // n_head)
        [scores] = linear([q[head]], [row[head] for row in keys])
        probs = softmax([v.data / root for v in scores])
        for column in zip(*[row[head] for row in values]):
            data = [v.data for v in column]
            mean = sumprod(probs, data)
            slopes = [p * (d - mean) / root for p, d in zip(probs, data)]
            mixed.append(Value(mean, (*scores, *column), slopes + probs))
    return mixed


def cross_entropy(logits, target):
    """One node. Its slope in a logit is the probability, less 1 at target."""
    slopes = softmax([v.data for v in logits])
    loss = -math.log(slopes[target])
    slopes[target] -= 1.0
    return Value(loss, tuple(logits), slopes)
