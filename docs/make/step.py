"""Record microgpt.py as it runs, line by line, for the page "Step through it".

    python docs/make/step.py    train the stored weights anew: minutes

The file's own functions run under sys.settrace; nothing is typed. A recording
has three parts. `nodes` are all Values in the order in which they were made,
each with its number, its slope and what it was computed from. `events` are the
lines that ran, each with the variables that it changed. `pool` holds what
these variables were: a Value is a reference to its node, so no number stands
twice. An event is [line, frame, begins, {variable: place in pool}, note].

Repetitions are folded: of a loop in FOLD only the first turns are events, and
a function is entered only as often as OPEN says from one line.
"""
import ast
import html
import itertools
import json
import math
import random
import sys
from collections import Counter, defaultdict

from kit import DATA, SOURCE

import microgpt
from microgpt import (Config, Run, Tokenizer, Value, document_loss, generate,
                      held_out_loss, load_docs, train_step)

STEPS = 300  # after which the names' model is shown
PALINDROMES_SEED = 1
PALINDROME = "hcabbach"
SAMPLE_SEED = 5
WEIGHTS = DATA / "step-weights.json"

# How many turns of a loop are shown: (function, how the loop begins, turns).
FOLDED = [("linear", "for row", 1), ("mlp", "for row", 1),
          ("train_step", "for w in", 1), ("train_step", "for i, w", 1),
          ("topological_order", "while stack", 9),
          ("topological_order", "for child", 2),
          ("topological_order", "for v", 1),
          ("backward", "for v", 12), ("backward", "for child", 3)]
# Lines that are about the machine and not about the model.
LEFT_OUT = ("try:", "collecting =", "if sys.implementation", "gc.disable()",
            "if collecting", "gc.enable()")
# How many calls from one line are entered: 1 where nothing is said.
OPEN = {"gpt": 99, "cross_entropy": 2}
INSIDES = {"__mul__": 2, "__init__": 2}  # of the methods of Value; others 1
OPERATIONS = {"__add__": "+", "__mul__": "*", "__pow__": "^", "log": "l",
              "exp": "e", "relu": "r", "total": "s", "linear": "d"}
VALUE = {"__init__", "__add__", "__mul__", "__pow__", "log", "exp", "relu",
         "__neg__", "__sub__", "__truediv__"}
# Variables that stay as they are, or are shown another way.
SILENT = {"config", "params", "run", "tokenizer", "order", "stack", "rng",
          "children", "local_grads"}
TOKENS = {"tokens", "text", "token_ids", "new", "target"}
# What lines read or change that is no variable.
BESIDE = {"backward": ["self.grad", "v.grad", "child.grad"],
          "topological_order": ["stack[-1][0]", "len(stack)", "len(order)"],
          "train_step": ["w.data", "w.grad", "run.step", "m[i]", "v[i]"],
          "__init__": ["self.data", "self.grad", "self._children",
                       "self._local_grads"]}

# %% Places: (function, how its first line begins, part of the model)

PLACES = [
    ("train_step", "config, m, v", "start"),
    ("train_step", "loss = document_loss", "loss"),
    ("train_step", "for w in run.weights:", "zero"),
    ("train_step", "loss.backward()", "backward"),
    ("train_step", "rate = config", "adam"),
    ("document_loss", "text =", "tokens"),
    ("document_loss", "logits = gpt", "logits"),
    ("document_loss", "losses =", "loss"),
    ("generate", "tokens = new", "begin"),
    ("generate", "probs =", "sample"),
    ("gpt", "before =", "embed"),
    ("gpt", "x = [rmsnorm", "norm"),
    ("gpt", "q = linear", "qkv"),
    ("gpt", "mixed =", "attention"),
    ("gpt", "x = add(x, linear", "residual"),
    ("gpt", "normed = [rmsnorm(row) for row in x] x = add", "mlp"),
    ("gpt", "return linear", "logits"),
    ("topological_order", "order = []", "order"),
    ("backward", "self.grad += 1.0", "backward")]

# part: (title, box of the map, page, what happens and why)
PARTS = {
    "start": ("Start", "", "training", "One training step learns from one "
              "name, here “ada”. The weights are those after 300 steps."),
    "begin": ("Start", "Tokens", "sampling", "A new name begins with the one "
              "token bos, and empty lists of keys and values."),
    "tokens": ("Tokens", "Tokens", "tokenizer", "Each letter becomes a number. "
               "The token bos, drawn as a dot, marks where the text begins and "
               "ends."),
    "embed": ("Embeddings", "Embeddings", "attention", "Each token takes its row of "
              "wte, and each position its row of wpe. Their sum is all the "
              "model sees of the text."),
    "norm": ("Norm", "Norm", "attention", "Each row is divided by its root "
             "mean square, so that all rows have the same size."),
    "qkv": ("Query, key, value", "Query, key, value", "attention", "Three "
            "matrices turn each token's row into three: what it looks for, "
            "what it can be found by, and what it hands over."),
    "attention": ("Attention", "Attention", "attention", "Each head compares "
                  "a token's query with all keys so far. Softmax makes shares "
                  "of the scores, and the values are mixed by these shares."),
    "residual": ("Add", "Add", "model", "The heads' outputs pass "
                 "through attn_wo and are added to x: attention changes x, it "
                 "does not replace it."),
    "mlp": ("MLP", "MLP", "model", "Each token for itself: 64 neurons "
            "look at it, those below zero are off, and the others write their "
            "answer onto x."),
    "logits": ("Logits", "Logits", "model", "Each row of lm_head is compared "
               "with x: one score for each token that could come next."),
    "loss": ("Loss", "Loss", "training", "The loss of a guess is −log of the "
             "probability that it gave to what really came next. Their mean is "
             "the loss of the name."),
    "zero": ("Zero", "Loss", "training", "Slopes add up over several walks, so "
             "those of the last step are set back to 0 first."),
    "order": ("Order", "Backward", "autograd", "Every number that the loss was "
              "computed from is put in a row, children before parents."),
    "backward": ("Backward", "Backward", "autograd", "From the loss back, each "
                 "number hands its slope on: times the local slope, added to "
                 "the child's grad."),
    "adam": ("Adam", "Adam", "training", "Each weight moves a little against "
             "its slope. Adam divides the mean slope by its usual size, so "
             "that all weights move at a like pace."),
    "sample": ("Sample", "Sample", "sampling", "Logits over the temperature "
               "become probabilities, and a draw among them is the next "
               "token.")}

# A second sentence, inside a function that is used everywhere.
INSIDE = {
    "linear": "A dot product for each row of w: both rows multiplied number by "
              "number, and summed.",
    "softmax": "exp makes every logit positive; each over their sum is a "
               "share. The shares sum to 1.",
    "rmsnorm": "The mean of the squares, to the power −0.5, is what each "
               "number is multiplied by.",
    "total": "A sum is one node, whatever it adds up.",
    "Value": "The result remembers its children, and its slope in each of "
             "them."}

# %% The file's statements


def assigned(node):
    """Names that a statement assigns to. Those of a comprehension are its own
    before Python 3.12, and the function's from then on: they are left out."""
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp,
                         ast.GeneratorExp, ast.FunctionDef)):
        return []
    own = [node.id] if isinstance(node, ast.Name) and isinstance(
        node.ctx, ast.Store) else []
    return sum(map(assigned, ast.iter_child_nodes(node)), own)


class Functions:
    """Which statement a line belongs to, and which loops it stands in."""

    def __init__(self, source):
        self.lines = source.splitlines()
        self.statement, self.loops, self.owner = {}, {}, {}
        self.names = defaultdict(list)  # variables, in the order of the file
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                self.names[node.name] += [a.arg for a in node.args.args]
                self.read(node.name, node.body, [])

    def read(self, name, body, loops):
        for node in body:
            self.names[name] += assigned(node)
            inner = getattr(node, "body", None)
            end = inner[0].lineno - 1 if inner else node.end_lineno
            loop = isinstance(node, (ast.For, ast.While))
            for line in range(node.lineno, max(end, node.lineno) + 1):
                self.statement[line] = node.lineno
                self.owner[line] = name
                self.loops[line] = loops
            within = loops + [node.lineno] if loop else loops
            for block in ("body", "orelse", "finalbody"):
                self.read(name, getattr(node, block, []),
                          within if block == "body" else loops)
            for handler in getattr(node, "handlers", []):
                self.read(name, handler.body, loops)

    def text(self, line):
        return self.lines[line - 1].strip()

    def whole(self, line):
        """All of the statement that begins at a line, in one."""
        return " ".join([self.text(n) for n, first in self.statement.items()
                         if first == line])

    def heads(self, line):
        """The loops in whose body a line stands, by their first lines."""
        return self.loops.get(line, [])

    def find(self, name, start):
        """The one line of function name that begins with start, which may go
        on with the line after it."""
        found = [line for line, owner in self.owner.items() if owner == name
                 and " ".join(map(self.text, (line, line + 1))
                              ).startswith(start)]
        if len(found) != 1:
            raise KeyError(f"{name} has {len(found)} lines that begin with "
                           f"{start!r}: see PLACES")
        return found[0]


FILE = Functions(SOURCE)
FOLD = {FILE.find(name, start): turns for name, start, turns in FOLDED}
PLACE = {(name, FILE.find(name, start)): part for name, start, part in PLACES}


def part_of(name, line):
    """The part that begins at or above this line of a function."""
    above = [at for function, at in PLACE if function == name and at <= line]
    return PLACE[name, max(above)] if above else None

# %% Recording


def brief(x, digits=4):
    """A number of so many digits, as short as JSON allows."""
    x = float(f"{x:.{digits}g}")
    return int(x) if x == int(x) and abs(x) < 1e6 else x


def spec(ids):
    """Node numbers in few characters: 3+16 is 3 to 18, 3+4x16 each 16th."""
    out, i = [], 0
    while i < len(ids):
        stride = ids[i + 1] - ids[i] if i + 1 < len(ids) else 1
        n = 1
        while i + n < len(ids) and ids[i + n] - ids[i + n - 1] == stride > 0:
            n += 1
        if n < 3:
            n = 1
        out.append(f"{ids[i]}" + (f"+{n}" if n > 1 else "")
                   + (f"x{stride}" if n > 1 and stride > 1 else ""))
        i += n
    return ",".join(out)


class Frame:
    """A visit of a function that is shown."""

    def __init__(self, number, name, parent, label):
        self.number, self.name, self.parent = number, name, parent
        self.label, self.line, self.begun = label, None, False
        self.seen, self.turns, self.extra = {}, Counter(), {}


class Recorder:
    """What happens in microgpt.py while function(*args) runs."""

    def __init__(self, run, opened=()):
        self.run, self.opened = run, set(opened)
        self.events, self.frames, self.parts = [], [], []
        self.pool, self.places, self.live = [], {}, {}
        self.inside = Counter()
        self.made, self.number, self.ops, self.origin = [], {}, [], []
        self.rows = {}  # what a matrix is called, by the weights of a row
        for name, matrix in run.params.items():
            self.rows.update({id(w): name for w in matrix[0]})
            for w in [w for row in matrix for w in row]:
                self.number[id(w)] = len(self.made)
                self.made.append(w)
        self.before = [w.data for w in self.made]
        self.calls, self.shares = Counter(), []

    # Values as nodes

    def ids(self, values):
        return spec([self.number[id(v)] for v in values])

    def new_value(self, frame):
        """A Value is being made: remember it, and by which operation."""
        value, children = frame.f_locals["self"], frame.f_locals["children"]
        if id(value) in self.number:
            return
        op, line, back = None, None, frame.f_back
        while back.f_code.co_filename == microgpt.__file__:
            name = back.f_code.co_name
            if not name.startswith("<"):
                op = op or name
                if name not in OPERATIONS or name == "linear":
                    line = FILE.statement.get(back.f_lineno)
                    break
            back = back.f_back
        self.number[id(value)] = len(self.made)
        self.made.append(value)
        kind = OPERATIONS.get(op, "c") if children else "c"
        told = kind
        if kind == "d":
            half = len(children) // 2
            told += f"{self.ids(children[:half])} {self.ids(children[half:])}"
        elif kind == "^":
            slope, = frame.f_locals["local_grads"]
            told += f"{self.ids(children)} {brief(slope)}"
        elif kind in "+*":
            told += " ".join([self.ids([v]) for v in children])
        elif kind != "c":
            told += self.ids(children)
        self.ops.append(told)
        if not self.origin or self.origin[-1][1] != line:
            self.origin.append([len(self.made) - 1, line])

    # Variables

    def coded(self, name, value, depth=0):
        """A value for the pool: "v…" are nodes, "'…" is text, "#…" is told
        in words, "t…" are tokens; a list of numbers is itself."""
        if isinstance(value, Value):
            return "v" + self.ids([value])
        if isinstance(value, (bool, type(None))):
            return f"#{value}"
        if name in TOKENS and depth == 0 and value is not None:
            listed = value if isinstance(value, list) else [value]
            if all([type(i) is int for i in listed]):
                return "t" + ",".join(map(str, listed))
        if isinstance(value, (int, float)):
            return brief(value)
        if isinstance(value, str):
            return f"'{value}"
        if isinstance(value, slice):
            return f"#{value.start} to {value.stop - 1}"
        if isinstance(value, (list, tuple)):
            if not value:
                return "#[] (empty)"
            first = value[0]
            if len(value) > 256:
                return f"#[{len(value)}] of {type(first).__name__}"
            if isinstance(first, Value):
                return "v" + self.ids(value)
            if isinstance(first, tuple) and not isinstance(first[0], Value):
                return f"#[{len(value)}] rows, each as Values and as numbers"
            return [self.coded(name, v, depth + 1) for v in value]
        return f"#{type(value).__name__}"

    def variables(self, frame, locals_):
        """{name: what it is now} of all that is shown of a frame."""
        found = {}
        for name in dict.fromkeys(FILE.names[frame.name]):
            value = locals_.get(name, self)
            if name in SILENT or value is self or (
                    frame.name == "train_step"
                    and name in ("m", "v", "before", "collecting")):
                continue
            if isinstance(value, dict):
                found.update({f"{name}[{i}]": v for i, v in value.items()})
            elif name != "self" or frame.name == "backward":
                found[name] = value
            elif isinstance(value, Value) and hasattr(value, "data"):
                found[name] = value
        for text in BESIDE.get(frame.name, []):
            try:
                found[text] = eval(text, {**locals_, "len": len})
            except (AttributeError, IndexError, NameError):
                continue
        return {**found, **frame.extra}

    def changes(self, frame, locals_):
        changed = {}
        for name, value in self.variables(frame, locals_).items():
            coded = self.coded(name, value)
            key = json.dumps(coded)
            if frame.seen.get(name) != key:
                frame.seen[name] = key
                if key not in self.places:
                    self.places[key] = len(self.pool)
                    self.pool.append(coded)
                changed[name] = self.places[key]
        return changed

    # Lines

    def hidden(self, frame, line):
        """Whether a line stands in a turn of a loop that is folded."""
        return any([frame.turns[head] > FOLD.get(head, 1e9)
                    for head in FILE.heads(line)])

    def emit(self, frame, begins, changed, note="", stays=False):
        """Add an event. Where a call begins, the part is that of what is
        called; where a loop ends, that of its last turn."""
        part, at = None, frame
        while at and not part:
            part, at = part_of(at.name, at.line), at.parent
        self.parts.append(None if begins else self.parts[-1] if stays else part)
        event = [frame.line, frame.number, int(begins), changed]
        self.events.append(event + [note] if note else event)

    def close(self, frame, locals_, following=None):
        """The statement that was at work has run; following is the next."""
        line = frame.line
        if line is None or self.hidden(frame, line):
            return
        turns, limit = frame.turns[line], FOLD.get(line, 1e9)
        if line in FILE.heads(following) and turns > limit:
            return  # another turn, and a folded one
        more = turns - 1 - limit
        self.beside(frame, FILE.text(line))
        self.emit(frame, False, self.changes(frame, locals_),
                  "" if more <= 0 else "The same for the last one." if more == 1
                  else f"The same for the other {more:,}.",
                  turns > 1 and line not in FILE.heads(following))

    def step(self, frame, line, locals_):
        """A line event: its statement begins, unless it is at work already."""
        line = FILE.statement[line]
        if line == frame.line or FILE.text(line).startswith(LEFT_OUT):
            return
        self.close(frame, locals_, line)
        for head in list(frame.turns):  # left, by its end or by a break
            if head != line and head not in FILE.heads(line):
                del frame.turns[head]
        frame.line, frame.begun = line, False
        if FILE.text(line).startswith(("for ", "while ")):
            frame.turns[line] += 1

    def label(self, name, locals_):
        if name == "attention":
            return f"token {len(locals_['keys'])}"
        if name == "linear":
            return self.rows.get(id(locals_["w"][0][0]), "").split(".")[-1]
        return ""

    def enters(self, name, parent):
        """Whether a call is shown line by line."""
        if parent is None:
            return True
        if self.hidden(parent, parent.line):
            return False
        key = name, parent.line
        count = self.calls[key]
        self.calls[key] += 1
        if name in VALUE:
            self.inside[name] += 1
            return self.inside[name] <= INSIDES.get(name, 1)
        if name == "attention":
            return not self.opened or count + 1 in self.opened
        if name == "linear" and parent.name == "rmsnorm":
            return False
        return count < OPEN.get(name, 1)

    # What sys.settrace calls

    def called(self, frame, event, arg):
        code = frame.f_code
        if code.co_filename != microgpt.__file__ or code.co_name[0] == "<":
            return None
        name = code.co_name
        if name == "__init__" and isinstance(frame.f_locals["self"], Value):
            self.new_value(frame)
        back = frame.f_back
        while back and back.f_code.co_name[0] == "<":
            back = back.f_back
        parent = self.live.get(id(back))
        shares = name == "softmax" and back.f_code.co_name == "attention"
        if shares and (parent is None or not self.enters(name, parent)):
            return self.keep_shares(parent)
        if parent is None and self.frames:
            return None
        if not shares and not self.enters(name, parent):
            return None
        if parent and not parent.begun:
            parent.begun = True
            self.emit(parent, True, self.changes(parent, back.f_locals))
        shown = Frame(len(self.frames), name, parent,
                      self.label(name, frame.f_locals))
        self.frames.append(shown)
        self.live[id(frame)] = shown

        def local(frame, event, arg):
            if event == "line":
                self.step(shown, frame.f_lineno, frame.f_locals)
            elif event == "return":
                shown.extra["return"] = arg
                if name == "cross_entropy":
                    shown.extra["exp(-return)"] = math.exp(-arg.data)
                self.close(shown, frame.f_locals)
                del self.live[id(frame)]
                if shares:
                    self.keep_shares(parent)(frame, event, arg)
            return local
        return local

    def keep_shares(self, attention):
        """A tracer that keeps what attention's softmax returns, which is no
        variable: for the frame of attention, if it is shown, and for gpt's."""
        def local(frame, event, arg):
            if event == "return":
                self.shares.append(arg)
                if attention:
                    attention.extra["softmax(scores)"] = arg
            return local
        return local

    def beside(self, frame, text):
        """What is seen after a line and is none of its variables."""
        if frame.name == "gpt" and text.startswith("mixed ="):
            heads = self.run.config.n_head
            for i in range(heads):
                name = f"shares, head {i + 1}" if heads > 1 else "shares"
                frame.extra[name] = self.shares[i::heads]
            self.shares = []
        if frame.name == "train_step" and text.startswith("loss.backward"):
            for name, matrix in self.run.params.items():
                frame.extra[name.split(".")[-1]] = matrix

    def record(self, function, *args):
        before = sys.gettrace()
        sys.settrace(self.called)
        try:
            return function(*args)
        finally:
            sys.settrace(before)

    # What the page reads

    def runs(self):
        """[first event, part] of all events."""
        out = []
        for i in range(len(self.parts) - 1, -1, -1):  # see emit
            self.parts[i] = self.parts[i] or self.parts[i + 1]
        for i, part in enumerate(self.parts):
            if not out or out[-1][1] != part:
                out.append([i, part])
        return out

    def first(self, name, start):
        """The first event at a line: see Functions.find."""
        line = FILE.find(name, start)
        return [event[0] for event in self.events].index(line)

    def told(self, title):
        """The recording, but for its stages."""
        matrices = [[name.split(".")[-1], len(w), len(w[0])]
                    for name, w in self.run.params.items()]
        return {
            "title": title, "letters": [*self.run.tokenizer.chars, "·"],
            "matrices": matrices, "parts": self.runs(),
            "frames": [[f.name, f.parent.number if f.parent else -1, f.label]
                       for f in self.frames],
            "data": [brief(x) for x in self.before]
            + [brief(v.data) for v in self.made[len(self.before):]],
            "ops": self.ops, "origin": self.origin, "pool": self.pool,
            "events": self.events, "told": PARTS, "inside": INSIDE}

# %% The three recordings


def trained():
    """{name: what is stored of a trained model}, from training anew."""
    halves = ["".join(h) for h in itertools.product("abcdefgh", repeat=4)]
    mirrored = [half + half[::-1] for half in
                random.Random(PALINDROMES_SEED).sample(halves, 2000)]
    stored = {}
    for name, config, docs, steps in (
            ("names", Config(n_layer=1), load_docs(), STEPS),
            ("palindromes", Config(n_head=1, n_layer=1, seed=PALINDROMES_SEED,
                                   holdout=0.1), mirrored, 1000)):
        run = Run(config, docs)
        for _ in range(steps):
            train_step(run)
        stored[name] = {"step": run.step, "chars": "".join(run.tokenizer.chars),
                        "weights": [w.data for w in run.weights]}
        if name == "names":
            stored[name].update(m=run.m, v=run.v)
        else:
            stored[name]["held_out_loss"] = held_out_loss(run)
    return {name: {key: [float(f"{x:.5g}") for x in value] if isinstance(
        value, list) else value for key, value in model.items()}
        for name, model in stored.items()}


def loaded(name, config, docs):
    """A Run with stored weights. Those of palindromes have no use for Adam's
    means, which are not stored."""
    stored = json.loads(WEIGHTS.read_text(encoding="utf-8"))[name]
    run = Run(config, docs, Tokenizer([stored["chars"]]))
    for w, data in zip(run.weights, stored["weights"]):
        w.data = data
    run.step = stored["step"]
    run.m[:], run.v[:] = (stored.get(k, getattr(run, k)) for k in "mv")
    return run


def stages(recorder):
    """[event, name] of the places to jump to: the parts, and the tokens that
    attention is seen at; of a name that is sampled, the tokens alone."""
    starts, out = {}, {}
    for i, (line, frame, *_) in enumerate(recorder.events):
        starts.setdefault(frame, i)
    visits = [(starts[frame.number], frame) for frame in recorder.frames]
    if recorder.frames[0].name == "generate":
        inside = [i for i, frame in visits if frame.name == "gpt"]
        return [[0, "Start"]] + [[i - 1, letter] for i, letter in zip(
            inside, recorder.tokens)]
    for i, part in recorder.runs():
        out.setdefault(PARTS[part][0], i)
    for i, frame in visits:
        if frame.name == "attention":
            out.setdefault(frame.label, i)
    out.pop("token 1")
    return sorted([[i, name] for name, i in out.items()])


def ada():
    run = loaded("names", Config(n_layer=1), ["ada"])
    recorder = Recorder(run, opened=(1, 4))
    recorder.record(train_step, run)
    at = recorder.first("train_step", "rate = config")
    n = len(run.weights)
    recorder.tokens = "·ada"
    return recorder, {
        **recorder.told("One training step on “ada”"),
        "stages": stages(recorder),
        "tokens": recorder.tokens,
        "grad": [brief(v.grad, 3) for v in recorder.made],
        "after": [brief(w.data) for w in recorder.made[:n]],
        "backward": at - 1,
        "adam": recorder.first("train_step", "return loss.data") - 1}


def palindrome():
    run = loaded("palindromes", Config(n_head=1, n_layer=1), [PALINDROME])
    recorder = Recorder(run, opened=(1, 5, 6, 7, 8))
    recorder.record(document_loss, run.config, run.params, run.tokenizer,
                    PALINDROME)
    recorder.tokens = "·" + PALINDROME
    return recorder, {**recorder.told(f"The palindrome “{PALINDROME}”"),
                      "stages": stages(recorder), "tokens": recorder.tokens}


def sampled():
    run = loaded("names", Config(n_layer=1), [])
    recorder = Recorder(run)
    name = recorder.record(generate, run.config, run.params, run.tokenizer,
                           random.Random(SAMPLE_SEED))
    recorder.tokens = "·" + name
    return recorder, {**recorder.told(f"A name sampled: “{name}”"),
                      "stages": stages(recorder), "tokens": recorder.tokens}


RECORDINGS = {"ada": ada, "palindrome": palindrome, "name": sampled}


def made_script(name, recording):
    text = json.dumps(recording, separators=(",", ":"), ensure_ascii=False)
    return f"(globalThis.recordings ??= {{}}).{name} = {text};\n"


# %% Stills, for where there is no script, and for paper

# (recording, function, how the line begins, variables that are shown, which of
# the line's events)
STILLS = [
    ("ada", "document_loss", "tokens =", ["tokens"], 0),
    ("ada", "gpt", "tokens =", ["tokens"], 0),
    ("ada", "gpt", "x = [rmsnorm", ["x"], 0),
    ("ada", "gpt", "q = linear", ["q"], 0),
    ("ada", "attention", "[mean] =", ["softmax(scores)", "mean"], -1),
    ("ada", "gpt", "mixed =", ["mixed"], 0),
    ("ada", "gpt", "x = add(x, linear", ["x"], 0),
    ("ada", "gpt", "normed = [rmsnorm(row) for row in x] x = add",
     ["normed"], 0),
    ("ada", "gpt", "x = add(x, mlp", ["x"], 0),
    ("ada", "gpt", "return linear", ["return"], 0),
    ("ada", "cross_entropy", "return", ["return", "exp(-return)"], -1),
    ("ada", "document_loss", "return", ["return"], 0),
    ("ada", "train_step", "for w in run", [], 0),
    ("ada", "backward", "child.grad", ["child.grad"], 3),
    ("ada", "train_step", "loss.backward", ["attn_wv"], 0),
    ("ada", "train_step", "w.data", ["mean", "w.data"], 0),
    ("palindrome", "gpt", "mixed =", ["shares"], 0),
    ("name", "generate", "new = rng", ["probs", "new"], 0)]


def node_numbers(spec_):
    """What spec tells in short."""
    out = []
    for part in spec_.split(","):
        first, _, rest = part.partition("+")
        n, _, stride = (rest or "1").partition("x")
        out += range(int(first), int(first) + int(n) * int(stride or 1),
                     int(stride or 1))
    return out


def picture(rows, above):
    """Rows of numbers as cells: full colour for the largest, ink below 0."""
    top = max([abs(x) for row in rows for x in row]) or 1
    cells = defaultdict(str)
    for i, row in enumerate(rows):
        for j, x in enumerate(row):
            strength = math.ceil(5 * (abs(x) / top) ** 0.7)
            cells[x < 0, strength] += f"M{j} {i}h.9v.9h-.9z"
    paths = "".join([
        f'<path class="step-{"below" if below else above}" '
        f'fill-opacity="{strength / 5:g}" d="{path}"/>'
        for (below, strength), path in sorted(cells.items()) if strength])
    wide, high = max(map(len, rows)), len(rows)
    return (f'<svg viewBox="0 0 {wide} {high}" width="{12 * wide}" '
            f'aria-hidden="true">{paths}</svg>')


def value_told(recording, name, coded):
    """A variable in words, and a picture of its numbers."""
    what = f"<code>{html.escape(name.replace('return', 'returned'))}</code> "
    if isinstance(coded, str) and coded[0] == "t":
        return what + " ".join([recording["letters"][int(i)]
                                for i in coded[1:].split(",")])
    if not isinstance(coded, list) and not str(coded).startswith("v"):
        return what + str(coded)
    grads = name == "attn_wv"
    known = recording["grad" if grads else "data"]
    flat = isinstance(coded, str) or type(coded[0]) is not str
    rows = [[known[i] for i in node_numbers(row[1:])] if isinstance(row, str)
            else row for row in ([coded] if flat else coded)]
    if len(rows[0]) == len(rows) == 1:
        return f"{what}{rows[0][0]}"
    shape = f"[{len(rows[0])}]" if flat else f"[{len(rows)}][{len(rows[-1])}]"
    kind = ", its slopes: " if grads else " "
    first = ", ".join(map(str, rows[0][:3]))
    return (f"{what}{shape}{kind}{first} …"
            + picture(rows, "slope" if grads else "above"))


def stills(made):
    out = []
    for name, function, start, shown, which in STILLS:
        recording, line = made[name], FILE.find(function, start)
        events = [i for i, event in enumerate(recording["events"])
                  if event[0] == line and not event[2]]
        at = events[which]
        frame, state = recording["events"][at][1], {}
        for event in recording["events"][:at + 1]:
            if event[1] == frame:
                state.update(event[3])
        part = [part for i, part in recording["parts"] if i <= at][-1]
        title, _, page, text = PARTS[part]
        title += ", the last of them" if which < 0 else ""
        values = "".join([
            f"<p>{value_told(recording, v, recording['pool'][state[v]])}</p>"
            for v in shown])
        out.append(
            f'<div class="no-copy"><p><b>{len(out) + 1}. '
            f'{recording["title"]}: {title}</b>, '
            f"line {line} of <code>{function}</code></p><pre><code>"
            f"{html.escape(FILE.whole(line))}</code></pre>{values}<p>{text} "
            f'<a href="{page}.html">Its chapter</a></p></div>\n')
    return "".join(out)

# %% Files


def ranges(numbers):
    """[first, last] of all runs in a set of whole numbers."""
    out = []
    for n in sorted(numbers):
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return out


def produce():
    """{path below docs: text} of all that follows from the stored weights."""
    files, made = {}, {}
    for name, make in RECORDINGS.items():
        recorder, made[name] = make()
        files[f"data/step-{name}.js"] = made_script(name, made[name])
    lines = {line for recording in made.values()
             for line, *_ in recording["events"]}
    files["data/step-lines.js"] = (
        "globalThis.stepLines = "
        f"{json.dumps(ranges(lines), separators=(',', ':'))};\n")
    files["data/step-stills.md"] = stills(made)
    return files


if __name__ == "__main__":
    text = json.dumps(trained(), separators=(",", ":"))
    WEIGHTS.write_text(text.replace("},", "},\n") + "\n", encoding="utf-8")
