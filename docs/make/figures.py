"""The book's drawings: each from recorded numbers, or from a small example.

Those of the recorded run take what docs/data/run.json holds; the small ones of
the page on maths are drawn from the numbers of the example beside them.
"""
import math
import random

from kit import (BASELINE, FAINT, GRAD, HELD_OUT, INK, PAPER, SOFT, VALUE,
                 WIDTH, arrow, axes, bars, box, chain, dot, element, figure,
                 joined, line, mean, minus, number, recorded, rect, scale,
                 spread, text)
from runs import probabilities, running_mean, tables

from microgpt import Tokenizer, Value

# %% Graphs, tokens and the whole


def graph(way):
    """d = a * b + a with its data and, backward, its grads."""
    backward, a, b = way == "backward", Value(2.0), Value(3.0)
    product = a * b
    d = product + a
    if backward:
        d.backward()
    place = {a: (50, 54), b: (50, 203), product: (198, 160), d: (346, 85)}
    color, parts, told = GRAD if backward else SOFT, [], []
    for v, label in (a, "a"), (b, "b"), (product, "a * b"), (d, "d"):
        x, y = place[v]
        rows = [(label, INK), (f"data {v.data:g}", VALUE)]
        rows += [(f"grad {v.grad:g}", GRAD)] * backward
        parts.append(box(x, y, 92, 12 + 20 * len(rows), color=SOFT))
        parts += [text(x, y + 20 * i - 10 * (len(rows) - 1), content,
                       fill=fill, font_weight="normal" if i else "bold")
                  for i, (content, fill) in enumerate(rows)]
        told.append(" ".join([content for content, _ in rows]))
        for child, slope in zip(v._children, v._local_grads):
            x0, y0 = place[child]
            rise = (y - y0) * 0.1
            ends = [(x0 + 48, y0 + rise), (x - 48, y - rise)]
            dx, dy = x - x0 - 96, y - y0 - 2 * rise
            length = math.hypot(dx, dy)
            parts += [arrow(*(ends[::-1] if backward else ends), color=color),
                      text((x0 + x) / 2 + 17 * dy / length,
                           (y0 + y) / 2 - 13.6 * dx / length, f"× {slope:g}",
                           fill=color)]
    flow = ("The grads flow back from d to a and b" if backward else
            "The data flows from a and b to d")
    return figure(f"graph-{way}", f"The graph of d = a * b + a, {way}",
                  f"{flow}. Every edge is labelled with its local gradient. "
                  f"{'; '.join(told)}.", 250, parts)


def tokens(found):
    """A document as token ids, and what the model has to say after each."""
    few, size, parts = Tokenizer(["emma", "ava"]), 62, []
    names = ["bos", *"emma", "bos"]
    ids = [str(i) for i in [few.bos, *few.encode("emma"), few.bos]]
    for i, (name, token) in enumerate(zip(names, ids)):
        x = 45 + size * i
        parts += [box(x, 84, 54, 80, color=SOFT),
                  text(x, 66, name, font_style="italic" if len(name) > 1
                       else "normal"),
                  text(x, 102, token, font_weight="bold", fill=VALUE)]
    first, last = 45 - 27, 45 + size * (len(ids) - 1) + 27
    parts += [line((first, 36), (first, 28), (last - size, 28),
                   (last - size, 36), color=SOFT),
              line((first + size, 132), (first + size, 140), (last, 140),
                   (last, 132), color=SOFT),
              text((first + last - size) / 2, 14, "the model reads"),
              text((first + last + size) / 2, 156, "and should say next")]
    return figure("tokens", "emma as token ids",
                  f"Boxes in a row: {', '.join(names)}, and under them their "
                  f"ids {', '.join(ids)}. A line over all but the last says: "
                  "the model reads. A line under all but the first says: and "
                  "should say next.", 170, parts)


def overview(found):
    """What a run does, as boxes that are links to the chapters."""
    left, right, width = 96, 304, 188
    rows = [30, 106, 182, 258, 334, 410]
    chars = found["vocabulary"]
    ids = [len(chars), *map(chars.index, "emma"), len(chars)]
    weights = found["measures"]["weights"]
    boxes = [
        (left, 0, "a name", "emma", "one-page"),
        (left, 1, "tokens", " ".join(map(str, ids)), "tokenizer"),
        (left, 2, "gpt", f"{weights:,} weights", "model"),
        (left, 3, "probabilities", "of each next token", "model"),
        (right, 4, "loss", f"{found['loss_of_emma']:.2f} nats a token",
         "training"),
        (right, 3, "gradients", "one for each weight", "autograd"),
        (right, 2, "better weights", "a small step by Adam", "training"),
        (left, 5, "new names", ", ".join(found["trained"][:2]), "sampling")]
    parts = [element("a", "".join([
        box(x, rows[i], width, 52, color=SOFT, pointer_events="all"),
        text(x, rows[i] - 11, title, font_weight="bold",
             text_decoration="underline"),
        text(x, rows[i] + 11, content)]), href=page + ".html")
        for x, i, title, content, page in boxes]
    for x, start, end in ((left, 0, 1), (left, 1, 2), (left, 2, 3),
                          (left, 3, 5), (right, 4, 3), (right, 3, 2)):
        down = 1 if end > start else -1
        parts.append(arrow((x, rows[start] + 26 * down),
                           (x, rows[end] - 27 * down)))
    parts += [arrow((left, rows[4]), (right - width / 2 - 1, rows[4])),
              arrow((right - width / 2, rows[2]), (left + width / 2 + 1,
                                                   rows[2])),
              text(left + 12, rows[4] - 18, "to learn", "start", fill=SOFT),
              text(left + 12, rows[4] + 20, "to invent", "start", fill=SOFT)]
    return figure("overview", "From a name to better weights",
                  "A name becomes tokens, gpt makes probabilities of the next "
                  "token from them, and these become a loss, gradients and "
                  "better weights for gpt, or new names. Each box is a link "
                  "to its chapter.", 440, parts, role="group")


def path(found):
    """The way of the last token of "mar" through the model."""
    shapes, settings = found["shapes"], found["settings"]
    vocab, n = shapes["wte"]
    xs, names = found["stream_of_mar"], ["bos", *"mar"]
    n_head = settings["n_head"]
    token_id, spine, side = found["vocabulary"].index(names[-1]), 93, 292

    def size(name):
        return "{} × {}".format(*shapes[name])

    def plus(y):
        return (dot(spine, y, 11, "none", stroke=VALUE, stroke_width=1.5)
                + text(spine, y, "+", fill=VALUE))

    parts = chain(spine, 182, [
        (16, f"token {token_id} ({names[-1]})"),
        (66, f"row {token_id} of wte {vocab} × {n}")])
    parts += chain(300, 182, [(16, "position 3"),
                              (66, f"row 3 of wpe {size('wpe')}")])
    parts += [arrow((spine, 80), (spine, 101)), plus(112),
              arrow((300, 80), (300, 112), (spine + 11, 112)),
              arrow((spine, 123), (spine, 144))]
    parts += chain(spine, 120, [(158, "rmsnorm")])
    joins, looks, y = [172], [], 228
    for layer in range(settings["n_layer"]):
        prefix, heads = f"layer{layer}.", y + 132
        parts += chain(side, 212, [(y, "rmsnorm"), (
            y + 44, f"q, k, v: 3 times {size(prefix + 'attn_wq')}")])
        parts += chain(side, 212, [
            (heads, f"{n_head} heads of {n // n_head}"),
            (heads + 44, "wo: " + size(prefix + "attn_wo"))])
        parts.append(text(side - 106, y + 74, "the first looks at", "start",
                          fill=SOFT, font_size=12))
        weights = found["attention_of_mar"][layer * n_head]
        looks += [f"{t} ({w:.2f})" for t, w in zip(names, weights)]
        for i, (token, weight) in enumerate(zip(names, weights)):
            x = side - 106 + 53 * (i + 0.5)
            parts += [text(x, y + 92, f"{token} {weight:.2f}", fill=VALUE,
                           font_size=13),
                      line((x, y + 101), (x, heads - 15), color=VALUE,
                           stroke_width=0.5 + 6 * weight)]
        top = y + 292
        parts += chain(side, 212, [
            (top, "rmsnorm"), (top + 44, "fc1: " + size(prefix + "mlp_fc1")),
            (top + 88, f"relu: {shapes[prefix + 'mlp_fc1'][0]} numbers"),
            (top + 132, "fc2: " + size(prefix + "mlp_fc2"))])
        for title, start, join in (("attention", y, heads + 44),
                                   ("MLP", top, top + 132)):
            parts += [plus(join), arrow((spine, start), (side - 107, start)),
                      arrow((side - 106, join), (spine + 12, join)),
                      text(side, start - 30, title, font_weight="bold")]
            joins.append(join + 11)
        y += 512
    for above, below, row in zip(joins, [*joins[1:], y], xs):
        end = y - 28 if below == y else below - 22
        told = ", ".join([minus(f"{x:.2f}") for x in row[:2]])
        parts += [arrow((spine, above), (spine, end)),
                  text(spine + 6, above + 24, f"{told}, …", "start", fill=VALUE,
                       font_size=12)]
    y -= 14
    parts += chain(spine, 182, [(y, "lm_head: " + size("lm_head")),
                                (y + 48, "softmax")])
    told = ", ".join([f"{t} {p:.2f}" for t, p in found["likely_after_mar"]])
    for at, content in [(y, f"{vocab} logits"), (y + 48, told)]:
        parts += [arrow((spine + 91, at), (spine + 122, at)),
                  text(spine + 128, at, content, "start")]
    return figure("path", f"The path of the last token of {' '.join(names)}",
                  f"The token's row of wte and its position's row of wpe, {n} "
                  "numbers each, are added and normed. Attention and the MLP "
                  f"each read these {n} numbers, x, and add to them. In "
                  "attention the keys and values of earlier tokens come in: "
                  f"the first head looks at {', '.join(looks)}. lm_head makes "
                  f"{vocab} logits of x, and softmax makes probabilities of "
                  f"those, the largest {told}.", y + 66, parts)

# %% Training


def growth(found, chosen=(0, 50, 200, 1000)):
    """What the model invents after some of the steps of training."""
    shots = [shot for shot in found["snapshots"] if shot["step"] in chosen]
    parts, told = [line((0, 24), (WIDTH, 24), stroke_width=0.5)], []
    for left, shot in zip((0, 148, 238, 324), shots):
        step, samples = shot["step"], shot["samples"][:5]
        parts.append(text(left, 12, f"step {step}" if step else "untrained",
                          "start", fill=SOFT))
        parts += [text(left, 42 + 24 * i, name, "start",
                       font_family="var(--md-code-font-family, monospace)")
                  for i, name in enumerate(samples)]
        told.append(f"Step {step}: {', '.join(samples)}.")
    return figure("growth", "From noise to names", "Five inventions of the "
                  "model at each of four times. " + " ".join(told), 152, parts)


def loss(found):
    """The losses of all steps, and what simpler models reach."""
    losses, measured = found["losses"], found["measures"]
    means = running_mean(losses)
    held_out = [(shot["step"], shot["held_out"]) for shot
                in found["snapshots"] if shot["step"] != 1]
    levels = {"uniform": math.log(len(found["vocabulary"]) + 1),
              "unigram": measured["held-out loss of letter counts"],
              "bigram": measured["held-out loss of letter pair counts"]}
    n, top = len(losses), 4
    x, y = scale(0, n, 36, 280), scale(1, top, 276, 36)
    parts = axes(x, y, range(0, n + 1, 250), range(1, top + 1),
                 "training step", "loss (nats a token)")
    thin = line(*[(x(i), y(v)) for i, v in enumerate(losses, 1)],
                stroke_width="0.5", stroke_opacity="0.6")
    # an svg inside cuts off the few steps above the top
    parts.append(element("svg", thin, x=0, y=36, width=WIDTH, height=240,
                         viewBox=f"0 36 {WIDTH} 240"))
    parts += [line((x(0), y(v)), (x(n), y(v)), color=BASELINE,
                   stroke_width=1.5, stroke_dasharray="6 4")
              for v in levels.values()]
    parts.append(line(*[(x(i), y(v)) for i, v in means], color=VALUE,
                      stroke_width=2.5))
    parts += [dot(x(i), y(v), fill=HELD_OUT) for i, v in held_out]
    end = held_out[-1][1]
    labels = [(f"{name} {v:.2f}", y(v), BASELINE) for name, v in levels.items()]
    labels += [(f"held-out {end:.2f}", y(end), HELD_OUT),
               ("training", y(means[-1][1]), VALUE)]
    parts += [text(286, place, label, "start", fill=color)
              for (label, _, color), place in zip(
                  labels, spread([at for _, at, _ in labels], 17))]
    told = ", ".join([f"{name} {v:.2f}" for name, v in levels.items()])
    return figure("loss", "The loss falls as the model learns",
                  "Training loss of each step (thin line), with its mean over "
                  f"50 steps (thick line); steps above the top: "
                  f"{sum([v > top for v in losses])}, the highest at "
                  f"{max(losses):.2f}. Loss on held-out names (dots), at the "
                  f"end {end:.2f}. Dashed, what simpler models reach on the "
                  f"held-out names: {told}.", 318, parts,
                  data_x=f"0 {n} {number(x(0))} {number(x(n))}",
                  data_y=f"1 {top} {number(y(1))} {number(y(top))}")


def adam(found):
    """One weight's steps under the learning rate, and why: its gradients and
    their means m in the first of them."""
    steps, grads = found["steps_of_a_weight"], found["its_grads"]
    n, few, rate = len(steps), len(grads), found["settings"]["learning_rate"]
    x, y = scale(0, n, 52, 376), scale(0, rate, 176, 36)
    parts = axes(x, y, range(0, n + 1, 250), [0, rate / 2, rate],
                 "training step", "size of a step of one weight")
    dots = [f"M{joined([(x(i), y(v))])}h0" for i, v in enumerate(steps)]
    parts += [element("path", d="".join(dots), stroke=SOFT, stroke_width=2.4,
                      stroke_linecap="round"),
              line((x(0), y(rate)), (x(n), y(0)), color=INK, stroke_width=2),
              text(x(n * 0.55), y(rate * 0.8), "learning rate", "start")]
    highest = max(map(abs, grads))
    unit = 10 ** math.floor(math.log10(highest))
    reach = unit * math.ceil(highest / unit)
    x, y = scale(0, few, 52, 376), scale(-reach, reach, 412, 272)
    parts += axes(x, y, range(0, few + 1, 20), [-reach, 0, reach],
                  "training step", "its gradient, and the running mean m")
    parts += [element("path", d=bars([(x(i), y(v)) for i, v in enumerate(
                  grads, 1)], y(0)), stroke=GRAD, stroke_width=2),
              line(*[(x(i), y(v)) for i, v in enumerate(found["its_m"], 1)],
                   color=INK, stroke_width=2.5)]
    small = sum([step < rate * (1 - i / n) for i, step in enumerate(steps)])
    return figure("adam", "The steps that Adam takes with one weight",
                  f"Above, the sizes of the {n} steps of the first weight of "
                  "lm_head (dots) and the learning rate that falls to 0 "
                  f"(line): {small} dots lie below the line. Below, the "
                  f"weight's gradient in the first {few} steps (bars), which "
                  "jumps from document to document, and its running mean m "
                  "(line), which moves slowly.", 454, parts)

# %% What the trained model does


def attention(found):
    """The weights that each token of "maria" gives to those before it."""
    names, cell, parts, cells, told = ["bos", *"maria"], 25, [], [], []
    steps = found["attention_of_maria"]
    for h, title in enumerate(found["heads_called"]):
        weights = [row[h] for row in steps]
        left, top = 36 + 206 * (h % 2), 52 + 220 * (h // 2)
        parts.append(text(left + cell * len(names) / 2, top - 36, title,
                          font_weight="bold"))
        for i, (token, row) in enumerate(zip(names, weights)):
            middle = (i + 0.5) * cell - 1
            parts += [text(left + middle, top - 12, token),
                      text(left - 7, top + middle, token, "end")]
            cells += [(left + cell * j, top + cell * i, w)
                      for j, w in enumerate(row)]
        share, token = max(zip(weights[-1], names))
        told.append(f"{title} at {token} ({share:.2f})")
    foot = 218 + 220 * ((len(told) - 1) // 2)
    parts.append(text(100, foot + 12, "weight", "end", fill=SOFT))
    cells += [(112 + 48 * i, foot, i / 4) for i in range(5)]
    parts += [text(124 + 48 * i, foot + 36, f"{i / 4:g}") for i in range(5)]
    parts.append(element("g", "\n".join([
        rect(x, y, cell - 2, cell - 2, rx=3, fill_opacity=f"{w:.2f}")
        for x, y, w in cells]), fill=VALUE, stroke=SOFT, stroke_width="0.5"))
    return figure("attention", "Attention in maria",
                  "A grid for each head. A row is a token that looks, a "
                  "column a token that it looks at, and the darkness its "
                  "weight; bos marks the beginning. The last letter looks "
                  f"mostly: {', '.join(told)}.", foot + 48, parts)


def apart(points, gap):
    """Points moved until no two are nearer than gap, each as little as can
    be in turn."""
    points = [list(point) for point in points]
    for _ in range(400):
        for i, a in enumerate(points):
            for b in points[:i]:
                dx, dy = a[0] - b[0], a[1] - b[1]
                length = math.hypot(dx, dy) or 1e-9
                if length < gap:
                    push = (gap - length) / 2 / length
                    for point, sign in ((a, push), (b, -push)):
                        point[0] += sign * dx
                        point[1] += sign * dy
    return points


def embeddings(found):
    """The letters as points, a panel before and one after training."""
    parts, width, top = [], 176, 56
    for i, (title, points) in enumerate(found["letters"].items()):
        left, (xs, ys) = i * (WIDTH - width), zip(*points)
        reach = max(max(xs) - min(xs), max(ys) - min(ys))
        x, y = [scale(middle - reach / 2, middle + reach / 2, start, end)
                for middle, start, end in (
                    ((max(xs) + min(xs)) / 2, left + 12, left + width - 12),
                    ((max(ys) + min(ys)) / 2, top + width - 12, top + 12))]
        parts += [text(left, 12, title, "start", font_weight="bold"),
                  text(left, 32, f"{reach:.2f} across", "start", fill=SOFT),
                  rect(left, top - 6, width, width + 12, rx=6, fill="none",
                       stroke=FAINT, stroke_width=0.5)]
        at = [(x(px), y(py)) for px, py in points]
        for char, old, new in zip(found["vocabulary"], at, apart(at, 17)):
            vowel = char in "aeiou"
            if math.dist(old, new) > 6:
                parts.append(line(old, new, stroke_width=0.5))
            if vowel:
                parts.append(dot(*new, 8.5))
            parts.append(text(
                new[0], new[1] - 0.5, char, fill=PAPER if vowel else INK,
                font_weight="bold" if vowel else "normal"))
    return figure("embeddings", "The letters' embeddings, before and after",
                  "The letters' token embeddings, in the two directions in "
                  "which they differ most, before and after training. On "
                  "discs are the vowels: scattered before, together and apart "
                  "from the consonants after. Where letters would cover each "
                  "other, they are moved apart, and a line leads to the "
                  "place.", top + width + 10, parts)


def temperature(found):
    """What may follow "ma", at three temperatures."""
    parts, told, names = [], [], [*found["vocabulary"], "·"]
    rows = {t: probabilities(found["logits_after_ma"], t)
            for t in (0.5, 1.0, 2.0)}
    x = scale(0, len(names), 0, WIDTH)
    height = scale(0, max(map(max, rows.values())), 0, 92)
    for i, (temp, probs) in enumerate(rows.items()):
        bottom, (top, best) = 116 + 126 * i, max(zip(probs, names))
        parts += [text(0, bottom - 78, f"temperature {temp:g}", "start",
                       font_weight="bold"), line((0, bottom), (WIDTH, bottom)),
                  element("path", d=bars([
                      (x(j + 0.5), bottom - height(p))
                      for j, p in enumerate(probs)], bottom),
                      stroke=VALUE, stroke_width=x(1) - 3)]
        parts += [text(x(j + 0.5), bottom + 13, token,
                       fill=INK if token == best else SOFT)
                  for j, token in enumerate(names)]
        parts.append(text(x(names.index(best) + 0.5),
                          bottom - height(top) - 10, f"{top:.2f}"))
        told.append(f"{best} with {top:.2f} at {temp:g}")
    parts.append(text(WIDTH, 126 * len(rows) + 20, "· is the end", "end",
                      fill=SOFT))
    return figure("temperature", "The letter after ma, at three temperatures",
                  "A bar for each letter's probability; · is the end of the "
                  f"name. The most likely: {', '.join(told)}. A low "
                  "temperature makes the likely likelier.",
                  126 * len(rows) + 32, parts)


def draw(found):
    """How random numbers choose what follows "ma"."""
    x, parts, told, at = scale(0, 1, 1, WIDTH - 1), [], [], 0.0
    rng = random.Random(found["settings"]["seed"])
    points = [rng.random() for _ in range(3)]
    for token, p in zip([*found["vocabulary"], "·"],
                        probabilities(found["logits_after_ma"])):
        hits = [point for point in points if at <= point < at + p]
        parts.append(rect(x(at), 64, x(at + p) - x(at), 40, fill=VALUE,
                          stroke=VALUE, stroke_width=0.7,
                          fill_opacity="0.45" if hits else "0.12"))
        if x(at + p) - x(at) > 11:
            parts.append(text(x(at + p / 2), 84, token,
                              font_weight="bold" if hits else "normal"))
        for point in hits:
            parts += [arrow((x(point), 34), (x(point), 62), color=INK),
                      text(min(max(x(point), 36), WIDTH - 36), 20,
                           f"{point:.2f}: {token}")]
            told.append(f"{point:.2f} falls on {token}")
        at += p
    for tick, anchor in ((0, "start"), (0.5, "middle"), (1, "end")):
        parts += [line((x(tick), 106), (x(tick), 112), color=SOFT),
                  text(x(tick), 122, f"{tick:g}", anchor)]
    return figure("draw", "Drawing the letter after ma",
                  "A strip from 0 to 1, a piece for each token, as wide as "
                  "its probability. Random numbers point at pieces: "
                  + ", ".join(told) + ".", 134, parts)

# %% The program, and its speed


def statuses(found):
    """The course of a run of the program, and how it can end."""
    rows = {"parse": "2: no such option", "prepare": "2: refused",
            "learn": "1: training diverged",
            "save": "1 at the end, if it failed", "generate": "0: done"}
    at = [(20 + 58 * i, name) for i, name in enumerate(rows)]
    parts = chain(84, 150, at)
    for (y, _), end in zip(at, rows.values()):
        parts += [arrow((159, y), (196, y)), text(204, y, end, "start")]
    parts.append(text(8, 292, "Ctrl-C: 130, but while learning only the "
                      "second one", "start", fill=SOFT))
    return figure("statuses", "The course of a run", "Boxes from top to "
                  "bottom, and the exit status that an arrow leads to: "
                  + "; ".join([f"{name}, {end}" for name, end in rows.items()])
                  + ".", 306, parts)


def speed(found):
    """Milliseconds a step, a bar for each way to write it."""
    times = {name: row["ms"] for name, row in recorded("benchmark")[
        "step"].items() if isinstance(row, dict)}
    x, parts = scale(0, max(times.values()), 8, WIDTH - 64), []
    for y, (name, ms) in zip(range(12, 999, 48), times.items()):
        parts += [text(8, y, name, "start"),
                  line((x(0), y + 20), (x(ms), y + 20), color=INK,
                       stroke_width=12),
                  text(x(ms) + 6, y + 20, f"{ms:.1f} ms", "start")]
    told = ", ".join([f"{name} {ms:.1f}" for name, ms in times.items()])
    return figure("speed", "Time of a training step",
                  f"Bars of the median time of a step, in milliseconds: {told}.",
                  48 * len(times), parts)

# %% Maths

X = 1.0, 2.0
ROWS = {"a": (1.0, 0.0), "b": (0.0, 1.0), "bos": (1.0, -1.0)}
SCORES = {name: X[0] * row[0] + X[1] * row[1] for name, row in ROWS.items()}


def say(x):
    return minus(f"{x:.3g}")


def curve(f, x, y, start, end, steps=60):
    """The graph of f from start to end, for the scales x and y."""
    at = [start + (end - start) * i / steps for i in range(steps + 1)]
    return line(*[(x(a), y(f(a))) for a in at], color=VALUE, stroke_width=2)


def mark(x, y, label, dx=8, dy=0, anchor="start"):
    return dot(x, y, 3.5) + text(x + dx, y + dy, label, anchor)


def vector():
    """x and the three rows as arrows, with their dot products."""
    x, y = scale(-1, 2, 60, 270), scale(-1.2, 2.2, 254, 16)
    told = [f"{name} {say(score)}" for name, score in SCORES.items()]
    parts = [line((x(-1), y(0)), (x(2.2), y(0)), stroke_width=0.5),
             line((x(0), y(-1.2)), (x(0), y(2.2)), stroke_width=0.5)]
    for name, tip, dx, dy, color in (
            ("a", ROWS["a"], 20, -12, VALUE), ("b", ROWS["b"], -14, -8, VALUE),
            ("bos", ROWS["bos"], 20, 12, VALUE), ("x", X, 14, 4, INK)):
        parts += [arrow((x(0), y(0)), (x(tip[0]), y(tip[1])), color=color),
                  text(x(tip[0]) + dx, y(tip[1]) + dy, name, fill=color)]
    parts.append(text(252, 40, "dot product with x", "start", fill=SOFT))
    parts += [text(252, 64 + 22 * i, label, "start")
              for i, label in enumerate(told)]
    return figure("maths-vector", "Four vectors as arrows",
                  "Vectors of two numbers as arrows from one point. The row "
                  "of b points most nearly where x points, and that of bos "
                  "away from it. Their dot products with x: "
                  + ", ".join(told) + ".", 268, parts)


def matrix():
    """A matrix times a vector, each row written out."""
    parts, cell, top = [], 34, 34
    for left, rows, color, at, label in (
            (4, ROWS.values(), VALUE, 38, "matrix"),
            (100, [[x] for x in X], INK, 117, "vector"),
            (364, [[x] for x in SCORES.values()], SOFT, 373, "result")):
        parts.append(text(at, 14, label, fill=color))
        for i, row in enumerate(rows):
            for j, x in enumerate(row):
                middle = left + cell * (j + 0.5), top + cell * (i + 0.5)
                parts += [box(*middle, cell - 4, cell - 4, color=color),
                          text(*middle, say(x))]
    parts += [text(86, top + cell, "·"), text(146, top + 1.5 * cell, "=")]
    for i, row in enumerate(ROWS.values()):
        products = " + ".join([
            f"{say(a) if a >= 0 else f'({say(a)})'} · {say(b)}"
            for a, b in zip(row, X)])
        parts += [text(250, top + cell * (i + 0.5), products),
                  text(348, top + cell * (i + 0.5), "=")]
    return figure("maths-matrix", "A matrix times a vector, written out",
                  "A matrix of three rows of two numbers, times a vector of "
                  "two numbers, gives three numbers: the dot product of each "
                  "row with the vector. Each is written out as a sum of two "
                  "products.", top + 3 * cell + 6, parts)


def exponential():
    """exp, and four of its values."""
    x, y = scale(-3, 2, 50, 330), scale(0, 8, 246, 36)
    parts = axes(x, y, [-3, -2, -1, 0, 1, 2], [0, 2, 4, 6, 8], "x", "exp(x)")
    parts.append(curve(math.exp, x, y, -3, 2))
    points = [(-1, 0, -14), (0, -2, -14), (1, 10, 4), (2, 10, 4)]
    parts += [mark(x(at), y(math.exp(at)), say(math.exp(at)), dx, dy,
                   "start" if dx > 0 else "middle") for at, dx, dy in points]
    told = ", ".join([f"exp({say(at)}) is {say(math.exp(at))}"
                      for at, _, _ in points])
    return figure("maths-exp", "The exponential function",
                  "The curve of exp is always above 0. It is flat on the "
                  "left, and each step of 1 to the right multiplies it by "
                  f"2.72: {told}.", 292, parts)


def surprise():
    """−log, from a sure guess to one among 27."""
    x, y = scale(0, 1, 50, 350), scale(0, 4, 236, 36)
    parts = axes(x, y, [0, 0.25, 0.5, 0.75, 1], [0, 1, 2, 3, 4],
                 "probability p", "−log p, in nats")
    parts.append(curve(lambda p: -math.log(p), x, y, math.exp(-4), 1))
    points = {"1/27": 1 / 27, "1/4": 1 / 4, "1/2": 1 / 2, "1": 1.0}
    values = {name: -math.log(p) + 0.0 for name, p in points.items()}
    for name, p in points.items():
        place = (0, -16, "middle") if p == 1.0 else (9, -8)
        parts.append(mark(x(p), y(values[name]),
                          f"{name}: {say(values[name])}", *place))
    told = ", ".join([f"at {name} it is {say(v)}"
                      for name, v in values.items()])
    return figure("maths-log", "How wrong a guess was: −log p",
                  "The curve of −log p falls from far above at p near 0 to 0 "
                  f"at p = 1. {told}.", 282, parts)


def share():
    """Scores, exp of them, and the share of each in the sum."""
    exps = {name: math.exp(score) for name, score in SCORES.items()}
    shares = {name: v / sum(exps.values()) for name, v in exps.items()}
    left, parts = 40, []
    for y, title, numbers in ((44, "exp of each, side by side", exps),
                              (134, "over the sum: shares of 1", shares)):
        parts.append(text(left, y - 32, title, "start", fill=SOFT))
        at = left
        for (name, value), shade in zip(numbers.items(), ("0.25", "0.45",
                                                          "0.65")):
            w = shares[name] * (WIDTH - left)
            middle = min(at + w / 2, WIDTH - 16)
            parts += [rect(at, y - 14, w - 2, 28, rx=3, fill=VALUE,
                           fill_opacity=shade), text(middle, y, name),
                      text(middle, y + 26, say(round(value, 2)))]
            at += w
    told = [", ".join([f"{name} {say(round(v, 2))}" for name, v in
                       numbers.items()]) for numbers in (exps, shares)]
    return figure("maths-share", "From scores to shares",
                  "Three bars in a row, as wide as exp of the scores of a, b "
                  f"and bos: {told[0]}. Below, the same bars as shares of the "
                  f"whole: {told[1]}.", 174, parts)


def root_mean_square():
    """Squares with sides 1 and 7, and the square of mean area."""
    sides, unit, bottom, parts, at = (1, 7), 16, 132, [], 20
    root = mean([side * side for side in sides]) ** 0.5
    for side, color in ((sides[0], VALUE), (sides[1], VALUE), (root, INK)):
        parts += [rect(at, bottom - side * unit, side * unit, side * unit,
                       fill=color, fill_opacity="0.25", stroke=color)]
        parts += [text(at + side * unit / 2, bottom + 14, f"side {say(side)}"),
                  text(at + side * unit / 2, bottom + 34,
                       f"area {say(side * side)}", fill=SOFT)]
        at += side * unit + 66
    parts.append(text(284 + 2.5 * unit, 14, "the mean square"))
    return figure("maths-rms", "The root mean square of 1 and 7",
                  "A square with side 1 and area 1, one with side 7 and area "
                  "49, and one whose area is their mean, 25: its side is 5, "
                  "the root mean square.", 176, parts)


def slope():
    """y = x², and the nudge of x at 3."""
    x, y = scale(0, 5, 50, 330), scale(0, 25, 246, 36)
    parts = axes(x, y, [0, 1, 2, 3, 4, 5], [0, 5, 10, 15, 20, 25], "x",
                 "y = x · x")
    parts += [curve(lambda a: a * a, x, y, 0, 5),
              line((x(1.5), y(0)), (x(5), y(21)), color=GRAD,
                   stroke_width=1.5, stroke_dasharray="5 4"),
              line((x(3), y(9)), (x(4), y(9)), (x(4), y(15)), color=INK,
                   stroke_width=1.5), mark(x(3), y(9), "x = 3", -8, -12, "end"),
              text((x(3) + x(4)) / 2, y(9) + 14, "1"),
              text(x(4) + 8, y(12), "6", "start")]
    return figure("maths-slope", "The slope of x · x at 3",
                  "The curve of x times x, and the straight line that "
                  "touches it at x = 3. Along this line, 1 to the right is 6 "
                  "up: the slope is 6.", 292, parts)


def produce():
    """{path below docs: text} of all drawings, and the run's tables."""
    found = recorded("run")
    drawn = {f"graph-{way}": graph(way) for way in ("forward", "backward")}
    for draw_one in (tokens, overview, path, growth, loss, adam, attention,
                     embeddings, temperature, draw, statuses, speed):
        drawn[draw_one.__name__] = draw_one(found)
    for name, draw_one in {
            "vector": vector, "matrix": matrix, "exp": exponential,
            "log": surprise, "share": share,
            "rms": root_mean_square, "slope": slope}.items():
        drawn[f"maths-{name}"] = draw_one()
    files = {f"data/{name}.svg": svg for name, svg in drawn.items()}
    return {**files, **tables(found)}
