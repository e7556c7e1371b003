"""The book's figures: each a function from recorded numbers to an SVG."""
import math

from svg import (BLUE, GREEN, INK, RED, SOFT, WIDTH, arrow, axes, box, element,
                 figure, joined, line, number, scale, spread, text)

VOWELS = "aeiou"


def beside(start, end, gap=17):
    """The middle of an edge that goes right, and then gap above it."""
    (x0, y0), (x, y) = start, end
    length = ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5
    return ((x0 + x) / 2 + (y - y0) / length * gap,
            (y0 + y) / 2 - (x - x0) / length * gap * 0.8)


def graph(name, nodes, backward):
    """An expression's graph with its data and, if backward, its grads."""
    place = {id(n.value): (50 + 148 * n.x, 42 + 62 * n.y) for n in nodes}
    color, parts, told = RED if backward else SOFT, [], []
    for node in nodes:
        x, y = place[id(node.value)]
        rows = [(node.label, INK), (f"data {node.value.data:g}", BLUE)]
        if backward:
            rows.append((f"grad {node.value.grad:g}", RED))
        parts.append(box(x, y, 92, 12 + 20 * len(rows), color=SOFT))
        parts += [text(x, y + 20 * i - 10 * (len(rows) - 1), content,
                       fill=fill, font_weight="normal" if i else "bold")
                  for i, (content, fill) in enumerate(rows)]
        told.append(" ".join([content for content, _ in rows]))
        for child, slope in zip(node.value._children, node.value._local_grads):
            x0, y0 = place[id(child)]
            ends = [(x0 + 48, y0 + (y - y0) * 0.1),
                    (x - 48, y - (y - y0) * 0.1)]
            parts.append(arrow(*(ends[::-1] if backward else ends),
                               color=color))
            parts.append(text(*beside(*ends), f"× {slope:g}", fill=color))
    way, flow = (("backward", "The grads flow back from d to a and b")
                 if backward else
                 ("forward", "The data flows from a and b to d"))
    return figure(name, f"The graph of d = a * b + a, {way}", f"{flow}. Every "
                  f"edge is labelled with its local gradient. "
                  f"{'; '.join(told)}.", 250, parts)


def chain(x, width, rows):
    """Boxes under one another, [n] of (y, content), joined by arrows."""
    parts = [arrow((x, above + 14), (x, y - 14))
             for (above, _), (y, _) in zip(rows, rows[1:])]
    for y, content in rows:
        parts += [box(x, y, width, 28, color=SOFT), text(x, y, content)]
    return parts


def path(shapes, n_head, token, char, pos_id):
    """One token's way through the model; shapes is {name: (n_out, n_in)}."""
    vocab, n = shapes["wte"]
    positions, hidden = shapes["wpe"][0], shapes["layer0.mlp_fc1"][0]
    spine, side, y_end = 93, 292, 638

    def size(name):
        return "{} × {}".format(*shapes[name])

    def plus(y):
        return (element("circle", cx=spine, cy=y, r=11, fill="none",
                        stroke=BLUE, stroke_width=1.5)
                + text(spine, y, "+", fill=BLUE))

    parts = chain(spine, 182, [(16, f"token {token} ({char})"), (
        66, f"row {token} of wte {vocab} × {n}")])
    parts += chain(300, 182, [(16, f"position {pos_id}"), (
        66, f"row {pos_id} of wpe {positions} × {n}")])
    parts += [arrow((spine, 80), (spine, 101)), plus(112),
              arrow((300, 80), (300, 112), (spine + 11, 112)),
              arrow((spine, 123), (spine, 144))]
    parts += chain(spine, 120, [(158, "rmsnorm")])
    blocks = [
        ("attention", 228, ["rmsnorm", "q, k, v: 3 times " + size(
            "layer0.attn_wq"), f"{n_head} heads of {n // n_head} numbers",
            "wo: " + size("layer0.attn_wo")]),
        ("MLP", 432, ["rmsnorm", "fc1: " + size("layer0.mlp_fc1"),
                      f"relu: {hidden} numbers",
                      "fc2: " + size("layer0.mlp_fc2")])]
    above = 172
    for title, y, contents in blocks:
        rows = [(y + 44 * i, content) for i, content in enumerate(contents)]
        join = rows[-1][0]
        parts += chain(side, 212, rows)
        parts += [arrow((spine, above), (spine, join - 11)), plus(join),
                  arrow((spine, y), (side - 107, y)),
                  arrow((side - 106, join), (spine + 12, join)),
                  text(side, y - 30, title, font_weight="bold"),
                  text(spine + 8, y + 66, f"x: {n}", "start",
                       fill=BLUE)]
        above = join + 11
    parts.append(arrow((spine, above), (spine, y_end - 14)))
    parts += chain(spine, 182, [(y_end, "lm_head: " + size("lm_head")),
                                (y_end + 48, "softmax")])
    for y, content in [(y_end, "logits"), (y_end + 48, "probabilities")]:
        parts += [arrow((spine + 91, y), (spine + 122, y)),
                  text(spine + 128, y, f"{vocab} {content}", "start")]
    return figure("path", "The path of one token through the model",
                  f"The token's row of wte and its position's row of wpe, {n} "
                  "numbers each, are added and normed. Attention and the MLP "
                  f"each read these {n} numbers, x, and add to them. lm_head "
                  f"makes {vocab} logits of x, and softmax makes "
                  "probabilities of those.", y_end + 66, parts)


def overview(name, tokens, loss, n_weights, samples):
    """What a run does, as boxes that are links to the chapters."""
    left, right, width = 96, 304, 188
    rows = [30, 106, 182, 258, 334, 410]
    boxes = [
        (left, rows[0], "a name", name, "one-page"),
        (left, rows[1], "tokens", tokens, "tokenizer"),
        (left, rows[2], "gpt", f"{n_weights:,} weights", "model"),
        (left, rows[3], "probabilities", "of each next token", "model"),
        (right, rows[4], "loss", f"{loss:.2f} nats a token", "training"),
        (right, rows[3], "gradients", "one for each weight", "autograd"),
        (right, rows[2], "better weights", "a small step by Adam", "training"),
        (left, rows[5], "new names", samples, "sampling")]
    parts = []
    for x, y, title, content, page in boxes:
        inside = [box(x, y, width, 52, color=BLUE, pointer_events="all"),
                  text(x, y - 11, title, font_weight="bold", fill=BLUE),
                  text(x, y + 11, content)]
        parts.append(element("a", "".join(inside), href=page + ".html"))
    down = [(left, y + 26) for y in rows], [(left, y - 27) for y in rows]
    parts += [arrow(down[0][i], down[1][i + 1]) for i in range(3)]
    parts += [arrow(down[0][3], down[1][5]),
              arrow((left, rows[4]), (right - width / 2 - 1, rows[4])),
              arrow((right, rows[4] - 26), (right, rows[3] + 27)),
              arrow((right, rows[3] - 26), (right, rows[2] + 27)),
              arrow((right - width / 2, rows[2]), (left + width / 2 + 1,
                                                   rows[2])),
              text(left + 12, rows[4] - 18, "to learn", "start", fill=SOFT),
              text(left + 12, rows[4] + 20, "to invent", "start", fill=SOFT)]
    return figure("overview", "From a name to better weights",
                  "A name becomes tokens, gpt makes probabilities of the next "
                  "token from them, and these become a loss, gradients and "
                  "better weights for gpt, or new names. Each box is a link "
                  "to its chapter.", 440, parts, role="group")


def loss(losses, means, held_out, levels):
    """The recorded run: losses of all steps, [n] of (step, mean), held-out
    losses [n] of (step, loss), and what simpler models reach, {name: loss}."""
    n, top = len(losses), 4
    x, y = scale(0, n, 36, 280), scale(1, top, 276, 36)
    parts = axes(x, y, range(0, n + 1, 250), range(1, top + 1),
                 "training step", "loss (nats a token)")
    thin = line(*[(x(i), y(v)) for i, v in enumerate(losses, 1)], color=BLUE,
                stroke_width="0.6", stroke_opacity="0.45")
    # an svg inside cuts off the few steps above the top
    parts.append(element("svg", thin, x=0, y=36, width=WIDTH, height=240,
                         viewBox=f"0 36 {WIDTH} 240"))
    parts.append(line(*[(x(i), y(v)) for i, v in means], color=BLUE,
                      stroke_width=2))
    parts += [line((x(0), y(v)), (x(n), y(v)), color=GREEN, stroke_width=1.5,
                   stroke_dasharray="6 4") for v in levels.values()]
    parts += [element("circle", cx=x(i), cy=y(v), r=3, fill=RED)
              for i, v in held_out]
    labels = [(f"{name} {v:.2f}", y(v), GREEN) for name, v in levels.items()]
    labels += [(f"held-out {held_out[-1][1]:.2f}", y(held_out[-1][1]), RED),
               ("training", y(means[-1][1]), BLUE)]
    places = spread([at for _, at, _ in labels], 17)
    parts += [text(286, place, label, "start", fill=color)
              for (label, _, color), place in zip(labels, places)]
    above = sum([v > top for v in losses])
    return figure("loss", "The loss falls as the model learns",
                  "Training loss of each step (thin line), with its mean over "
                  f"50 steps (thick line); steps above the top: {above}, "
                  f"the highest at {max(losses):.2f}. Loss on held-out names "
                  f"(dots), at the end {held_out[-1][1]:.2f}. Dashed, what "
                  "simpler models reach on the held-out names: " + ", ".join(
                      [f"{name} {v:.2f}" for name, v in levels.items()]) + ".",
                  318, parts)


def attention(tokens, heads):
    """Weights [n_head][n][n] that each token gives to those before it."""
    parts, cells, cell, strongest = [], [], 25, []
    for h, weights in enumerate(heads):
        left, top = 36 + 206 * (h % 2), 52 + 220 * (h // 2)
        parts.append(text(left + cell * len(tokens) / 2, top - 36,
                          f"head {h + 1}", font_weight="bold"))
        for i, (token, row) in enumerate(zip(tokens, weights)):
            middle = (i + 0.5) * cell - 1
            parts += [text(left + middle, top - 12, token),
                      text(left - 7, top + middle, token, "end")]
            cells += [(left + cell * j, top + cell * i, w)
                      for j, w in enumerate(row)]
        last = max(range(len(tokens)), key=weights[-1].__getitem__)
        strongest.append(f"head {h + 1} at {tokens[last]} "
                         f"({weights[-1][last]:.2f})")
    parts.append(text(100, 450, "weight", "end", fill=SOFT))
    cells += [(112 + 48 * i, 438, i / 4) for i in range(5)]
    parts += [text(124 + 48 * i, 474, f"{i / 4:g}") for i in range(5)]
    rects = [element("rect", x=x, y=y, width=cell - 2, height=cell - 2, rx=3,
                     fill_opacity=f"{w:.2f}") for x, y, w in cells]
    parts.append(element("g", "\n".join(rects), fill=BLUE, stroke=SOFT,
                         stroke_width="0.5"))
    return figure("attention", f"Attention in {''.join(tokens[1:])}",
                  "A grid for each head. A row is a token that looks, a "
                  "column a token that it looks at, and the darkness its "
                  f"weight; {tokens[0]} marks the beginning. The last letter "
                  f"looks mostly: {', '.join(strongest)}.", 486, parts)


def embeddings(chars, panels):
    """Points {title: [n] of (x, y)} of chars, a panel for each title."""
    parts, top = [], 0
    for title, points in panels.items():
        xs, ys = zip(*points)
        low, high = min(xs), max(xs)
        height = (max(ys) - min(ys)) * (WIDTH - 32) / (high - low)
        x = scale(low, high, 16, WIDTH - 16)
        y = scale(max(ys), min(ys), top + 48, top + 48 + height)
        parts += [text(0, top + 12, title, "start", font_weight="bold"),
                  text(WIDTH, top + 12, f"{high - low:.2f} across", "end",
                       fill=SOFT),
                  line((0, top + 26), (WIDTH, top + 26), stroke_width=0.5)]
        for char, (px, py) in zip(chars, points):
            vowel = char in VOWELS
            if vowel:
                parts.append(element("circle", cx=x(px), cy=y(py), r=10,
                                     fill="none", stroke=RED))
            parts.append(text(x(px), y(py), char, fill=RED if vowel else INK,
                              font_weight="bold" if vowel else "normal"))
        top += height + 84
    return figure("embeddings", "The letters' embeddings, before and after",
                  "The letters' token embeddings, in the two directions in "
                  "which they differ most, before and after training. Circled "
                  "are the vowels: scattered before, together and apart from "
                  "the consonants after.", top - 18, parts)


def temperature(prefix, tokens, rows):
    """Probabilities {temperature: [n]} of the tokens after prefix."""
    parts, told = [], []
    x = scale(0, len(tokens), 0, WIDTH)
    top = max([p for probs in rows.values() for p in probs])
    for i, (temp, probs) in enumerate(rows.items()):
        bottom = 116 + 126 * i
        height = scale(0, top, 0, 92)
        parts.append(text(0, bottom - 78, f"temperature {temp:g}", "start",
                          font_weight="bold"))
        parts.append(line((0, bottom), (WIDTH, bottom)))
        best = max(range(len(probs)), key=probs.__getitem__)
        bars = [f"M{joined([(x(j + 0.5), bottom)])}v-{number(height(p))}"
                for j, p in enumerate(probs)]
        parts.append(element("path", d="".join(bars), stroke=BLUE,
                             stroke_width=x(1) - 3))
        parts += [text(x(j + 0.5), bottom + 13, token,
                       fill=INK if j == best else SOFT)
                  for j, token in enumerate(tokens)]
        parts.append(text(x(best + 0.5), bottom - height(probs[best]) - 10,
                          f"{probs[best]:.2f}"))
        told.append(f"{tokens[best]} with {probs[best]:.2f} at {temp:g}")
    parts.append(text(WIDTH, 126 * len(rows) + 20, f"{tokens[-1]} is the end",
                      "end", fill=SOFT))
    return figure("temperature", f"The letter after {prefix}, at three "
                  "temperatures", "A bar for each letter's probability; "
                  f"{tokens[-1]} is the end of the name. The most likely: "
                  + ", ".join(told) + ". A low temperature makes the likely "
                  "likelier.", 126 * len(rows) + 32, parts)


def adam(rates, steps, grads, means):
    """One weight's steps under the learning rate, and why: the gradients and
    their means m of its first steps."""
    n, few = len(rates), len(grads)
    x, y = scale(0, n, 52, 376), scale(0, rates[0], 176, 36)
    parts = axes(x, y, range(0, n + 1, 250), [0, rates[0] / 2, rates[0]],
                 "training step", "size of a step of one weight")
    dots = [f"M{joined([(x(i), y(v))])}h0" for i, v in enumerate(steps)]
    parts += [element("path", d="".join(dots), stroke=BLUE, stroke_width=2.4,
                      stroke_linecap="round"),
              line((x(0), y(rates[0])), (x(n), y(0)), color=RED,
                   stroke_width=2),
              text(x(n * 0.55), y(rates[0] * 0.8), "learning rate", "start",
                   fill=RED)]
    reach = 10 ** math.floor(math.log10(max(map(abs, grads))))
    reach *= math.ceil(max(map(abs, grads)) / reach)
    x, y = scale(0, few, 52, 376), scale(-reach, reach, 412, 272)
    parts += axes(x, y, range(0, few + 1, 20), [-reach, 0, reach],
                  "training step", "its gradient, and the running mean m")
    bars = [f"M{joined([(x(i), y(0)), (x(i), y(v))])}"
            for i, v in enumerate(grads, 1)]
    parts += [element("path", d="".join(bars), stroke=RED, stroke_width=2),
              line(*[(x(i), y(v)) for i, v in enumerate(means, 1)],
                   color=BLUE, stroke_width=2)]
    small = sum([step < rate for step, rate in zip(steps, rates)])
    return figure("adam", "The steps that Adam takes with one weight",
                  f"Above, the sizes of the {n} steps of the first weight of "
                  "lm_head (dots) and the learning rate that falls to 0 "
                  f"(line): {small} dots lie below the line. Below, the "
                  f"weight's gradient in the first {few} steps (bars), which "
                  "jumps from document to document, and its running mean m "
                  "(line), which moves slowly.", 454, parts)
