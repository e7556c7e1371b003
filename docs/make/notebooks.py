"""Two notebooks made of the cells of microgpt.py: the whole file with a few
things to try after its run, and exercises in which some bodies are left blank.
"""
import ast
import json

from excerpts import CELLS, cells
from kit import SOURCE

AFTER = ["""\
The model above is trained and called `run`. Here it invents names at other
temperatures, goes on from a beginning, and says how likely it finds a name.""",
         """\
for temperature in 0.2, 0.5, 1.0:
    config = replace(run.config, temperature=temperature)
    print(temperature, [generate(config, run.params, run.tokenizer, run.rng,
                                 prompt="ka") for _ in range(5)])

for name in "karen", "kxqzv":
    loss = document_loss(run.config, run.params, run.tokenizer, name)
    print(name, round(loss.data, 2), "nats a letter")""", """\
A training step is a function, so the loop can be yours: here it keeps the loss
of every step, and draws them if matplotlib is installed.""", """\
mine = Run(Config(steps=300), load_docs())
losses = [train_step(mine) for _ in range(mine.config.steps)]
means = [sum(losses[i - 50:i]) / 50 for i in range(50, len(losses) + 1)]
try:
    import matplotlib.pyplot as plt
except ImportError:
    print("without matplotlib there is no drawing; the mean of 50 losses fell "
          f"from {means[0]:.2f} to {means[-1]:.2f}")
else:
    plt.plot(losses, linewidth=0.5, label="a document")
    plt.plot(range(50, len(losses) + 1), means, label="mean of 50")
    plt.xlabel("training step")
    plt.ylabel("loss (nats a token)")
    plt.legend()"""]

# what is left blank: (what to do, and the code that judges it)
EXERCISES = {
    "Tokenizer.encode": ("The id of a character is its place in `self.chars`. "
                         "One that is not there is a ValueError.", """\
tokenizer = Tokenizer(["emma", "ava"])
assert tokenizer.encode("mave") == [2, 0, 3, 1]
try:
    tokenizer.encode("x")
    assert False, "x is in no name"
except ValueError:
    pass"""),
    "Value.__mul__": ("A new Value: its data, its two children, and the slope "
                      "of the product in each of them.", """\
c = Value(2.0) * Value(3.0)
assert (c.data, c._local_grads) == (6.0, (3.0, 2.0))
assert [child.data for child in c._children] == [2.0, 3.0]
assert (Value(2.0) * 4).data == 8.0"""),
    "Value.backward": ("Each Value hands its grad on to its children, times "
                       "the slope in each. `topological_order(self)` gives "
                       "the order, children first.", """\
a, b = Value(2.0), Value(3.0)
d = a * b + a
d.backward()
assert (d.grad, a.grad, b.grad) == (1.0, 4.0, 2.0)
d.backward()
assert (d.grad, a.grad, b.grad) == (1.0, 8.0, 4.0), "leaves add up\""""),
    "softmax": ("exp of each logit, over the sum of all. With a logit of "
                "1,000 it still has to work.", """\
assert [p.data for p in softmax([Value(0.0)] * 4)] == [0.25] * 4
probs = [p.data for p in softmax([Value(2.0), Value(1.0), Value(0.0)])]
assert [round(p, 3) for p in probs] == [0.665, 0.245, 0.09]
assert softmax([Value(1000.0), Value(0.0)])[0].data == 1.0"""),
    "attention": ("Each head for its own slice: scores of q with all keys, "
                  "over the root of head_dim; softmax; the mean of the values "
                  "with these weights.", """\
def rows(*numbers): return [[Value(x) for x in row] for row in numbers]
keys, values = rows([4.0, 0.0], [0.0, 4.0]), rows([1.0, 2.0], [3.0, 6.0])
def seen(n_head, q):
    [q] = rows(q)
    return [round(v.data, 3) for v in attention(n_head, q, keys, values)]
assert seen(1, [0.0, 0.0]) == [2.0, 4.0]
assert seen(1, [9.0, 0.0]) == [1.0, 2.0]
assert seen(1, [1.0, 0.0]) == [1.112, 2.223]
assert seen(2, [9.0, 9.0]) == [1.0, 6.0]"""),
    "cross_entropy": ("−log of the probability that softmax gives to target. "
                      "It may call softmax, or be clever.", """\
logits = [Value(2.0), Value(1.0), Value(0.0)]
loss = cross_entropy(logits, 0)
assert math.isclose(loss.data, -math.log(0.6652409557748219))
loss.backward()
assert [round(v.grad, 3) for v in logits] == [-0.335, 0.245, 0.09]"""),
    "train_step": ("Adam: the two running means of each weight, then the "
                   "weight itself.", """\
tiny = Run(Config(n_embd=4, n_head=1, block_size=4, steps=2), ["ab", "ba"])
old, losses = [w.data for w in tiny.weights], []
losses.append(train_step(tiny))
for w, before, m, v in zip(tiny.weights, old, tiny.m, tiny.v):
    assert math.isclose(m, 0.15 * w.grad)
    assert math.isclose(v, 0.01 * w.grad ** 2)
    if abs(w.grad) > 1e-3:  # the first step of each is the learning rate
        assert math.isclose(w.data - before, math.copysign(0.01, -w.grad),
                            rel_tol=1e-4)"""),
    "generate": ("Begin with bos and the prompt. Ask gpt, divide its logits "
                 "by the temperature, draw from softmax of them; end at bos, "
                 "or with block_size tokens.", """\
tiny = Run(Config(n_embd=8, n_head=1, block_size=6, steps=80), ["ab", "acca"])
while tiny.step < 80: train_step(tiny)
def invent(temperature, seed, prompt=""):
    return generate(replace(tiny.config, temperature=temperature), tiny.params,
                    tiny.tokenizer, random.Random(seed), prompt)
assert {invent(0.0, seed, "ac") for seed in range(5)} == {"acca"}
assert {invent(0.5, seed) for seed in range(20)} >= {"ab", "acca"}
assert invent(1e9, 1, "b") == invent(1e9, 1, "b")
assert max([len(invent(1e9, seed)) for seed in range(20)]) == 6""")}
BLANK = 'raise NotImplementedError("yours to write")'


def body_of(tree, name):
    """The statements that an exercise leaves blank."""
    for part in name.split("."):
        [tree] = [node for node in tree.body
                  if getattr(node, "name", "") == part]
    if name == "train_step":  # Adam's lines only
        [loop] = [node for node in ast.walk(tree) if isinstance(
            node, ast.For) and "enumerate" in ast.dump(node.iter)]
        return loop.body
    return tree.body[ast.get_docstring(tree) is not None:]


def blanked(source, names):
    """source, with the bodies of names left blank."""
    lines, tree = source.splitlines(keepends=True), ast.parse(source)
    for name in names:
        first, *_, last = [*body_of(tree, name)] * 2
        indent = " " * first.col_offset
        lines[first.lineno - 1] = f"{indent}{BLANK}\n"
        for i in range(first.lineno, last.end_lineno):
            lines[i] = None
    return lines


def notebook(parts):
    """The text of a notebook, nbformat 4.5, of parts (kind, id, text)."""
    code = {"execution_count": None, "outputs": []}
    return json.dumps({"cells": [
        {"cell_type": kind, "id": name, "metadata": {},
         **(code if kind == "code" else {}),
         "source": text.rstrip("\n").splitlines(keepends=True)}
        for kind, name, text in parts], "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"kernelspec": {
            "display_name": "Python 3", "language": "python",
            "name": "python3"}, "language_info": {"name": "python"}}},
        indent=1) + "\n"


def file_cells(source, blanks=()):
    """(title, parts) of each cell: a sentence with a link, and the code."""
    lines, found = blanked(source, blanks), cells(source)
    for title, (page, holds) in CELLS.items():
        first, last = found[title]
        name = "The top of the file" if title == "top" else title
        known = title.lower().replace(" ", "-")
        yield title, [
            ("markdown", f"{known}-told", f"**{name}**: {holds}. The book "
             f"explains it in [{page}.html]({page}.html)."),
            ("code", known, "".join([line for line in lines[first - 1:last]
                                     if line is not None]))]


def whole(source):
    """The notebook of the file."""
    parts = [part for _, two in file_cells(source) for part in two]
    kinds = "markdown", "code"
    return notebook(parts + [(kinds[i % 2], f"after-{i}", text)
                             for i, text in enumerate(AFTER)])


def exercises(source, blanks=EXERCISES):
    """The notebook of exercises, with blanks to fill in."""
    parts = [("markdown", "how", "# Exercises that judge themselves\n\nEach "
              f"`{BLANK}` is a body for you to write. Run the cells in order; "
              "the one after an exercise says nothing when you are right.")]
    tree, found = ast.parse(source), cells(source)
    starts = {name: body_of(tree, name)[0].lineno for name in EXERCISES}
    for title, two in file_cells(source, blanks):
        if title in ("Data", "Saving", "Command line"):
            continue
        parts += two
        for name, (task, judge) in EXERCISES.items():
            if found[title][0] <= starts[name] <= found[title][1]:
                known = name.replace(".", "-")
                parts += [("markdown", f"{known}-told", f"**`{name}`** {task}"),
                          ("code", f"{known}-judge", judge)]
    return notebook(parts)


def produce():
    return {"microgpt.ipynb": whole(SOURCE),
            "exercises.ipynb": exercises(SOURCE)}
