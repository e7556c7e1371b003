"""Write what the book shows of one seeded run into docs/data.

    python docs/make/records.py            run, and write every file
    python docs/make/records.py --check    run, and name the files that differ
"""
import gc
import json
import math
import random
from collections import namedtuple
from unittest import mock

from made import DATA, mean, rounded, script, table
from recording import (CONFIG, PREFIXES, Recorded, adam_steps, baselines,
                       heads, letters, logits_after, neurons_on, probabilities,
                       record, running_mean, sample, stream, trace)

import charts
import figures
import semantics
import textbook
from microgpt import Tokenizer, Value, document_loss, flatten

AGES = 0, 50, 250, 1000  # steps after which samples are shown
ATTENTION_NAMES = ["maria", "emma", "oliver", "anna", "john", "elizabeth",
                   "michelle", "christopher"]

# %% Graphs

Node = namedtuple("Node", "label value op x y")  # x, y: columns, rows


def graph_order(root):
    """Every node of root's graph, children before parents."""
    order, visited, stack = [], set(), [root]
    while stack:
        v = stack.pop()
        if visited.issuperset(v._children):
            if v not in visited:
                order.append(v)
            visited.add(v)
        else:
            stack.append(v)
            stack.extend(v._children)
    return order


def graph_size(loss):
    """Nodes, those among them that are no leaves, edges, and nodes on the
    longest way from loss to a leaf."""
    depth = {}
    for v in graph_order(loss):
        depth[v] = 1 + max([depth[child] for child in v._children], default=0)
    return (len(depth), sum([v._children != () for v in depth]),
            sum([len(v._children) for v in depth]), depth[loss])


def small_expression():
    """Nodes of d = a * b + a, root last."""
    a, b = Value(2.0), Value(3.0)
    product = a * b
    return [Node("a", a, "", 0, 0.2), Node("b", b, "", 0, 2.6),
            Node("a * b", product, "*", 1, 1.9),
            Node("d", product + a, "+", 2, 0.7)]


def small_neuron():
    """Nodes of a neuron's square, n * n: n is used twice. Root last."""
    w1, x1, w2, x2, b = [Value(x) for x in (2.0, 1.5, -1.0, 0.5, 0.5)]
    first, second = w1 * x1, w2 * x2
    both = first + second
    shifted = both + b
    n = shifted.relu()
    return [Node("w1", w1, "", 0, 0), Node("x1", x1, "", 0, 1),
            Node("w2", w2, "", 0, 2), Node("x2", x2, "", 0, 3),
            Node("b", b, "", 0, 4), Node("w1 * x1", first, "*", 1, 0.5),
            Node("w2 * x2", second, "*", 1, 2.5),
            Node("sum", both, "+", 2, 1.5),
            Node("sum + b", shifted, "+", 3, 2.5), Node("n", n, "relu", 4, 2.5),
            Node("n * n", n * n, "*", 5, 2.5)]


def backward_steps(nodes):
    """What backward does, edge by edge, on a small expression."""
    index = {n.value: i for i, n in enumerate(nodes)}
    grads, steps = [0.0] * len(nodes), []
    grads[-1] = 1.0
    for v in reversed(graph_order(nodes[-1].value)):
        for child, slope in zip(v._children, v._local_grads):
            own, to = index[v], index[child]
            product = slope * grads[own]
            steps.append({
                "from": own, "to": to, "local_grad": slope,
                "grad": grads[own], "product": product,
                "before": grads[to], "after": grads[to] + product})
            grads[to] += product
    nodes[-1].value.backward()
    if grads != [n.value.grad for n in nodes]:
        raise ArithmeticError("the steps are not what backward does")
    return steps

# %% Data for the live parts


def live_graph(title, nodes):
    """A graph for drawing, and each step of backward through it."""
    index = {n.value: i for i, n in enumerate(nodes)}
    return {
        "title": title,
        "nodes": [{"id": i, "label": n.label, "op": n.op, "data": n.value.data,
                   "x": n.x, "y": n.y} for i, n in enumerate(nodes)],
        "edges": [{"from": i, "to": index[child], "local_grad": slope}
                  for i, n in enumerate(nodes) for child, slope in zip(
                      n.value._children, n.value._local_grads)],
        "steps": backward_steps(nodes)}


def live_backward():
    return [live_graph("d = a * b + a", small_expression()),
            live_graph("n = relu(w1 * x1 + w2 * x2 + b), then n * n",
                       small_neuron())]


def names_of_tokens(run):
    return [*run.tokenizer.chars, "bos"]


def likely(run, logits, count=6):
    """The count likeliest next tokens: -> [count] of [token, probability]."""
    probs = zip(names_of_tokens(run), rounded(probabilities(logits), 4))
    return sorted(probs, key=lambda pair: -pair[1])[:count]


def live_attention(before, after):
    """Attention weights and predictions for each token of a few names."""
    def seen(run, name):
        steps = trace(run, name)
        return {"weights": [[rounded(weights[head], 4) for weights, _ in steps]
                            for head in range(CONFIG.n_head)],
                "next": [likely(run, logits) for _, logits in steps]}
    return {"names": [
        {"name": name, "tokens": ["bos", *name], "before": seen(before, name),
         "after": seen(after, name)} for name in ATTENTION_NAMES]}


def live_training(run):
    """How loss, samples and predictions change while the model learns."""
    return {"tokens": names_of_tokens(run), "prefixes": PREFIXES,
            "loss": [(step, round(loss, 4))
                     for step, loss in running_mean(run.losses)],
            "snapshots": [{**shot, "held_out": round(shot["held_out"], 4),
                           "samples": shot["samples"][:5]}
                          for shot in run.snapshots if shot["step"] != 1]}


def live_temperature(run):
    """Logits to try temperatures on, and what softmax makes of them."""
    logits = {text: logits_after(run, text) for text in [*PREFIXES, "chri"]}
    return {"tokens": names_of_tokens(run), "prefixes": [
        {"prefix": prefix, "logits": values,
         "probs": {f"{t:g}": probabilities(values, t)
                   for t in (0.2, 0.5, 1.0, 2.0)}}
        for prefix, values in logits.items()]}

# %% Tables

ROLES = {
    "wte": "a row for each token: where it starts out",
    "wpe": "a row for each position, added to the token's",
    "lm_head": "a row for each token: how well it would come next",
    "layer0.attn_wq": "what a token looks for: its query",
    "layer0.attn_wk": "what a token can be found by: its key",
    "layer0.attn_wv": "what a token hands over: its value",
    "layer0.attn_wo": "mixes what the heads gathered",
    "layer0.mlp_fc1": "features of what was gathered, before relu",
    "layer0.mlp_fc2": "what those features add to the token"}


def matrices(params):
    rows = [(f"`{name}`", f"{len(w)} × {len(w[0])}", ROLES[name],
             len(w) * len(w[0])) for name, w in params.items()]
    rows.append(("all", "", "", len(flatten(params))))
    return table(("matrix", "shape", "what it does", "weights"), rows)


def made_by(work):
    """How many Values work() makes: of others, and constants."""
    made, plain = [], Value.__init__

    def spy(self, data, children=(), local_grads=()):
        made.append(children != ())
        plain(self, data, children, local_grads)

    with mock.patch.object(Value, "__init__", spy):
        work()
    return sum(made), len(made) - sum(made)


def graph_measures(run, name):
    """Sizes of the graph of name's loss, here and in the textbook's form."""
    def here():
        return document_loss(CONFIG, run.params, run.tokenizer, name)

    params = {key: [[textbook.Value(w.data) for w in row] for row in matrix]
              for key, matrix in run.params.items()}
    bos = run.tokenizer.bos
    plain, _ = textbook.document_loss(
        CONFIG, params, [bos, *run.tokenizer.encode(name), bos])
    made, constants = made_by(here)
    sizes = [(f"{kind}_{what}_{name}", label.format(name) + form, size)
             for kind, form, loss in (("graph", "", here()), (
                 "textbook", ", each product and sum a node", plain))
             for (what, label), size in zip((
                 ("nodes", "nodes of the graph of {}"),
                 ("inner", "the same without its leaves"),
                 ("edges", "edges of the graph of {}"),
                 ("depth", "depth of the graph of {}")), graph_size(loss))]
    return [*sizes,
            (f"made_{name}", f"Values that a step with {name} makes of others",
             made),
            (f"constants_{name}", "constants that it makes besides",
             constants)]


def heads_table(shares):
    """A row for each head, and one for a head that looks evenly."""
    rows = [(f"head {i}", *[f"{share:.2f}" for share in shares[i - 1].values()])
            for i in range(1, len(shares))]
    rows.append(("evenly", *[f"{share:.2f}" for share in shares[-1].values()]))
    return table(("weight on", *shares[0]), rows)


def ages(run):
    """What the model invents after some steps, from the same dice."""
    return table(("after step", "held-out loss", "ten samples"), [
        (str(shot["step"]), f"{shot['held_out']:.2f}",
         ", ".join(shot["samples"]))
        for shot in run.snapshots if shot["step"] in AGES])


def measures(before, run):
    """(key, what it is, number) of all that the prose tells."""
    docs = run.docs + run.held_out
    longest = max(docs, key=len)
    levels = baselines(run)
    invented = sample(run, 1000, random.Random(CONFIG.seed))
    known, kept = set(run.docs), set(run.held_out)
    new = [name for name in invented if name not in known | kept]
    final = run.snapshots[-1]["held_out"]
    untrained = run.snapshots[0]["held_out"]
    return [
        ("names", "names", len(docs)),
        ("training_names", "names trained on", len(run.docs)),
        ("held_out_names", "names held out", len(run.held_out)),
        ("vocabulary", "tokens in the vocabulary", run.tokenizer.vocab_size),
        ("parameters", "weights", len(flatten(run.params))),
        ("longest_name", "longest name", longest),
        ("longest_length", "its letters", len(longest)),
        ("mean_length", "letters in a name, on average",
         mean([len(doc) for doc in docs])),
        ("uniform", "loss of guessing evenly, ln 27", levels["uniform"]),
        ("unigram", "held-out loss of letter counts", levels["unigram"]),
        ("bigram", "held-out loss of letter pair counts", levels["bigram"]),
        ("held_out_before", "held-out loss before training", untrained),
        ("held_out_after", "held-out loss after training", final),
        ("first_loss", "training loss of step 1", run.losses[0]),
        ("last_100_loss", "training loss, mean of the last 100 steps",
         mean(run.losses[-100:])),
        ("highest_loss", "highest training loss of a step",
         max(run.losses)),
        ("choices_before", "as many even choices as the loss before",
         math.exp(untrained)),
        ("choices_after", "as many even choices as the loss after",
         math.exp(final)),
        ("samples", "samples drawn from the trained model", len(invented)),
        ("samples_distinct", "different ones among them", len(set(invented))),
        ("samples_in_training", "samples that are names trained on",
         sum([name in known for name in invented])),
        ("samples_in_held_out", "samples that are held-out names",
         sum([name in kept for name in invented])),
        ("samples_new", "samples that are neither", len(new)),
        ("new_examples", "five of those",
         ", ".join(list(dict.fromkeys(new))[:5])),
        ("neurons_on_before", "share of the MLP's neurons above 0 "
         "before training", neurons_on(before)),
        ("neurons_on_after", "the same after training", neurons_on(run)),
        *graph_measures(before, "emma"),
        *[row for row in graph_measures(before, longest)
          if row[0].endswith(f"_depth_{longest}")]]

# %% Files


def progress(run):
    """Lines as microgpt itself prints them."""
    lines = [f"step {shot['step']:4d} / {CONFIG.steps:4d} | loss "
             f"{run.losses[shot['step'] - 1]:.4f} | held-out "
             f"{shot['held_out']:.4f}\n" for shot in run.snapshots
             if shot["step"] == 1 or shot["step"] and shot["step"] % 100 == 0]
    return "".join(lines)


def drawings(before, run):
    """{name: SVG} of every figure."""
    nodes, tokenizer = small_expression(), run.tokenizer
    drawn = {"graph-forward": figures.graph("graph-forward", nodes, False)}
    nodes[-1].value.backward()
    drawn["graph-backward"] = figures.graph("graph-backward", nodes, True)
    shapes = {name: (len(w), len(w[0])) for name, w in run.params.items()}
    emma = [tokenizer.bos, *tokenizer.encode("emma"), tokenizer.bos]
    few = Tokenizer(["emma", "ava"])
    drawn["tokens"] = figures.tokens(["bos", *"emma", "bos"], [
        str(i) for i in [few.bos, *few.encode("emma"), few.bos]])
    xs, weights, logits = stream(run, "mar")
    drawn["path"] = figures.path(
        shapes, CONFIG.n_head, ["bos", *"mar"], tokenizer.encode("r")[0], xs,
        weights, likely(run, logits, 3))
    first = document_loss(CONFIG, before.params, tokenizer, "emma").data
    drawn["overview"] = figures.overview(
        "emma", " ".join(map(str, emma)), first, len(flatten(run.params)),
        ", ".join(run.trained[:2]))
    drawn["loss"] = figures.loss(
        run.losses, running_mean(run.losses),
        [(shot["step"], shot["held_out"]) for shot in run.snapshots
         if shot["step"] != 1],
        baselines(run))
    drawn["growth"] = figures.growth(run.snapshots)
    drawn["statuses"] = figures.statuses()
    benchmark = json.loads((DATA / "benchmark.json").read_text(encoding="utf-8"))
    drawn["speed"] = charts.speed(benchmark["step"])
    steps = trace(run, "maria")
    drawn["attention"] = figures.attention(
        ["bos", *"maria"], [[weights[head] for weights, _ in steps]
                            for head in range(CONFIG.n_head)])
    drawn["embeddings"] = figures.embeddings(tokenizer.chars, {
        "before training": letters(before), "after training": letters(run)})
    logits = logits_after(run, "ma")
    drawn["temperature"] = figures.temperature(
        "ma", [*tokenizer.chars, "·"],
        {t: probabilities(logits, t) for t in (0.5, 1.0, 2.0)})
    rng = random.Random(CONFIG.seed)
    drawn["draw"] = figures.draw("ma", [*tokenizer.chars, "·"], probabilities(
        logits, 1.0), [rng.random() for _ in range(3)])
    drawn["adam"] = figures.adam(*adam_steps(run))
    return drawn


def produce():
    """{path below docs: text} of everything, from scratch."""
    gc.disable()  # as in train: graphs are freed without it
    before, run = Recorded(), record()
    untrained = sample(before, 10, before.rng)
    run.trained = sample(run, 10, run.rng)
    numbers = measures(before, run)
    files = {f"{name}.svg": svg for name, svg in drawings(before, run).items()}
    files["matrices.md"] = matrices(run.params)
    for name, samples in (("untrained", untrained), ("trained", run.trained)):
        files[f"{name}.txt"] = "".join([
            f"sample {i:2d}: {text}\n" for i, text in enumerate(samples, 1)])
    files["steps.txt"] = progress(run)
    files["ages.md"] = ages(run)
    files["measures.md"] = table(("what", "measured"), [
        (label, value) for _, label, value in numbers])
    files["measures.json"] = json.dumps(
        {key: value for key, _, value in numbers}, indent=1) + "\n"
    shares = heads(run)
    files["heads.json"] = json.dumps(shares, indent=1) + "\n"
    files["heads.md"] = heads_table(shares)
    for name, data in (
            ("backward", live_backward()), ("training", live_training(run)),
            ("attention", live_attention(before, run)),
            ("temperature", live_temperature(run))):
        files[f"live-{name}.json"] = json.dumps(
            data, separators=(",", ":")) + "\n"
    files["semantics.md"] = semantics.markdown()
    files["differences.md"] = semantics.differences()
    gc.enable()
    return {f"data/{name}": text for name, text in files.items()}


if __name__ == "__main__":
    script(produce, __doc__)
