"""Train with a slope of Value written wrongly: the loss falls all the same.

Each mistake is one that is easily made, in one operation of microgpt.py. With
it the program is trained with the default settings but for 100 names held out,
once for each seed. This takes some minutes, on all processors.
"""
import json
import multiprocessing
import random
import types

from kit import SOURCE, mean, span, table

SEEDS = range(42, 47)
SHORT = dict(steps=20)  # a part that a test can run again

# operation: its slope in the file, and the mistake
MISTAKES = {
    "none": ("", ""),
    "+": ("(1.0, 1.0)", "(2.0, 1.0)"),
    "*": ("other.data, self.data", "self.data, other.data"),
    "**": ("n * math.pow(self.data, n - 1)", "math.pow(self.data, n - 1)"),
    "log": ("1.0 / self.data", "1.0"),
    "exp": ("(data,)", "(math.exp(self.data),)"),
    "relu": ("1.0 - (self.data <= 0.0)", "0.0 + (self.data <= 0.0)")}


def with_mistake(operation):
    """microgpt.py as a module, with the mistake in an operation of Value."""
    right, wrong = MISTAKES[operation]
    before, value, after = SOURCE.partition("class Value:")
    if right and value and after.count(right) != 1:
        raise ValueError(f"microgpt.py should have once: {right}")
    module = types.ModuleType("broken")
    exec(compile(before + value + after.replace(right, wrong, bool(right)),
                 operation, "exec"), vars(module))
    return module


def loss_after_training(operation, **settings):
    """Held-out loss in nats a token, or None if training diverges."""
    microgpt = with_mistake(operation)
    run = microgpt.Run(microgpt.Config(holdout=0.1, **settings),
                       microgpt.load_docs())
    try:
        while run.step < run.config.steps:
            microgpt.train_step(run)
    except ArithmeticError:
        return None
    return microgpt.held_out_loss(run)


def along_a_direction(operation, size=1e-4):
    """The slope of the loss of "emma" along a random direction of all first
    weights, by backward and by nudges."""
    microgpt = with_mistake(operation)
    run = microgpt.Run(microgpt.Config(), microgpt.load_docs())
    rng = random.Random(1)
    direction = [rng.gauss(0.0, 1.0) for _ in run.weights]

    def loss(nudge=0.0):
        for w, d in zip(run.weights, direction):
            w.data += nudge * d
        return microgpt.document_loss(run.config, run.params, run.tokenizer,
                                      "emma")

    loss().backward()
    by_backward = sum([w.grad * d for w, d in zip(run.weights, direction)])
    up, down = loss(size).data, loss(-2 * size).data
    return by_backward, (up - down) / (2 * size)


def task(args):
    operation, seed = args
    return loss_after_training(operation, seed=seed)


def broken_slopes():
    """What each mistake does to the held-out loss and to the slopes."""
    with multiprocessing.Pool() as pool:
        losses = iter(pool.map(task, [
            (operation, seed) for operation in MISTAKES for seed in SEEDS],
            chunksize=1))
    before = [loss_after_training("none", steps=0, seed=seed) for seed in SEEDS]
    return {"seeds": list(SEEDS), "before": before, "mistakes": MISTAKES,
            "held_out": {op: [next(losses) for _ in SEEDS] for op in MISTAKES},
            "slope": {op: along_a_direction(op) for op in MISTAKES},
            "short": {op: loss_after_training(op, seed=SEEDS[0], **SHORT)
                      for op in MISTAKES}}


def markdown(found):
    """A row for each mistake, with the loss before training on top."""
    rows = [("before training", "", f"{mean(found['before']):.3f}",
             span(found["before"]), "")]
    for operation, losses in found["held_out"].items():
        right, wrong = found["mistakes"][operation]
        known = [loss for loss in losses if loss is not None]
        rows.append((
            f"`{operation}`" if right else "no mistake",
            f"`{wrong}` for `{right}`" if right else "",
            f"{mean(known):.3f}" if len(known) == len(losses) else "diverged",
            span(known) if known else "",
            f"{found['slope'][operation][0]:.3f}".replace("-", "−")))
    return table(("operation", "mistake in its slope", "loss", "range",
                  "by `backward`"), rows)


def produce():
    found = json.loads(json.dumps(broken_slopes()))
    return {"data/broken.json": json.dumps(found, indent=1) + "\n",
            "data/broken.md": markdown(found)}
