"""What is recorded for the page that steps, and the same called directly."""
import json
import math
import sys

import microgpt
from book import DOCS, ROOT
from microgpt import Config, add, linear, rmsnorm, softmax

sys.path.append(str(DOCS / "make"))
import step  # noqa: E402

NAMES = list(step.RECORDINGS)
SOURCE = (ROOT / "microgpt.py").read_text(encoding="utf-8").splitlines()


def recording(name):
    text = (DOCS / f"data/step-{name}.js").read_text(encoding="utf-8")
    return json.loads(text.partition(" = ")[2].rstrip(";\n"))


def events(recorded, function, start, begins=0):
    """The events at a line of a function."""
    line = step.FILE.find(function, start)
    return [i for i, event in enumerate(recorded["events"])
            if event[0] == line and event[2] == begins]


def frame_name(recorded, event):
    return recorded["frames"][recorded["events"][event][1]][0]


def called_directly():
    """[recording, function, line, event of it, variable, first number]."""
    run = step.loaded("names", Config(), ["ada"])
    p, tokens = run.params, [26, 0, 3, 0, 26]
    x = add([p["wte"][i] for i in tokens[:-1]], p["wpe"])
    first = [rmsnorm(row) for row in x]
    normed = [rmsnorm(row) for row in first]
    q, k, v = [linear(normed, p[f"layer0.attn_w{n}"]) for n in "qkv"]
    mixed = [microgpt.attention(4, q[i], k[:i + 1], v[:i + 1]) for i in range(4)]
    keys, values = [], []
    logits = microgpt.gpt(run.config, p, tokens[:-1], [keys], [values])
    losses = [microgpt.cross_entropy(*pair) for pair in zip(logits, tokens[1:])]
    scores = [sum([a.data * b.data for a, b in zip(q[3][12:], row[12:])]) / 2
              for row in k]
    top = max(scores)
    shares = [math.exp(s - top) for s in scores]
    after = step.loaded("names", Config(), ["ada"])
    loss = microgpt.train_step(after)
    mirror = step.loaded("palindromes", Config(n_head=1), [])
    rng = step.random.Random(step.SAMPLE_SEED)
    drawn = softmax([logit / 0.5 for logit in microgpt.gpt(
        run.config, p, [26], [[]], [[]])[0]])
    assert microgpt.generate(run.config, p, run.tokenizer, rng) == "jory"
    return [
        ("ada", "gpt", "x = [rmsnorm", 0, "x", first[0][0].data),
        ("ada", "gpt", "q = linear", 0, "q", q[0][0].data),
        ("ada", "gpt", "keys[i] +=", 0, "keys[0]", k[0][0].data),
        ("ada", "gpt", "mixed =", 0, "mixed", mixed[0][0].data),
        ("ada", "gpt", "return linear", 0, "return", logits[0][0].data),
        ("ada", "attention", "[mean] =", -1, "softmax(scores)",
         shares[0] / sum(shares)),
        ("ada", "document_loss", "losses =", 0, "losses", losses[0].data),
        ("ada", "train_step", "loss = document_loss", 0, "loss", loss),
        ("ada", "train_step", "return loss.data", 0, "wte",
         after.weights[0].data),
        ("palindrome", "gpt", "return linear", 0, "return", microgpt.gpt(
            mirror.config, mirror.params, [mirror.tokenizer.bos], [[]], [[]]
        )[0][0].data),
        ("name", "generate", "probs =", 0, "probs", drawn[0].data)]


def shown(name, function, start, which, variable):
    """The event that shows a variable, and its first number there."""
    recorded = recording(name)
    event = events(recorded, function, start)[which]
    frame, found = recorded["events"][event][1], None
    for _, of, _, changed, *_ in recorded["events"][:event + 1]:
        if of == frame:
            found = changed.get(variable, found)
    coded = recorded["pool"][found]
    while isinstance(coded, list):
        coded = coded[0]
    if isinstance(coded, str):
        node = step.node_numbers(coded[1:])[0]
        late = "adam" in recorded and event >= recorded["adam"]
        coded = recorded["after" if late else "data"][node]
    return event, coded
