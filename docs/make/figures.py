"""The book's figures: each a function from recorded numbers to an SVG."""
import math

from svg import (BASELINE, FAINT, GRAD, HELD_OUT, INK, SOFT, VALUE, WIDTH,
                 arrow, axes, box, element, figure, joined, line, number,
                 scale, spread, text)

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
    color, parts, told = GRAD if backward else SOFT, [], []
    for node in nodes:
        x, y = place[id(node.value)]
        rows = [(node.label, INK), (f"data {node.value.data:g}", VALUE)]
        if backward:
            rows.append((f"grad {node.value.grad:g}", GRAD))
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


def path(shapes, n_head, tokens, token_id, xs, weights, likely):
    """The last token's way through the model. shapes is {name: (n_out, n_in)},
    xs x after each stage, [3][n], weights those that the first head gives to
    tokens, likely [n] of (token, probability) that come next."""
    vocab, n = shapes["wte"]
    positions, hidden = shapes["wpe"][0], shapes["layer0.mlp_fc1"][0]
    spine, side, y_end = 93, 292, 726
    char, pos_id = tokens[-1], len(tokens) - 1

    def size(name):
        return "{} × {}".format(*shapes[name])

    def plus(y):
        return (element("circle", cx=spine, cy=y, r=11, fill="none",
                        stroke=VALUE, stroke_width=1.5)
                + text(spine, y, "+", fill=VALUE))

    def numbers(y, row):
        told = ", ".join([f"{x:.2f}".replace("-", "−") for x in row[:2]])
        return text(spine + 6, y, f"{told}, …", "start", fill=VALUE,
                    font_size=12)

    parts = chain(spine, 182, [(16, f"token {token_id} ({char})"), (
        66, f"row {token_id} of wte {vocab} × {n}")])
    parts += chain(300, 182, [(16, f"position {pos_id}"), (
        66, f"row {pos_id} of wpe {positions} × {n}")])
    parts += [arrow((spine, 80), (spine, 101)), plus(112),
              arrow((300, 80), (300, 112), (spine + 11, 112)),
              arrow((spine, 123), (spine, 144))]
    parts += chain(spine, 120, [(158, "rmsnorm")])

    # attention: what earlier tokens left comes in from the right
    y, heads = 228, 228 + 132
    parts += chain(side, 212, [(y, "rmsnorm"), (y + 44, "q, k, v: 3 times "
                                                 + size("layer0.attn_wq"))])
    parts += chain(side, 212, [(heads, f"{n_head} heads of {n // n_head}"),
                               (heads + 44, "wo: " + size("layer0.attn_wo"))])
    parts += [text(side - 106, y + 74, "the first looks at", "start",
                   fill=SOFT, font_size=12)]
    step = 212 / len(tokens)
    for i, (token, weight) in enumerate(zip(tokens, weights)):
        x = side - 106 + step * (i + 0.5)
        parts += [text(x, y + 92, f"{token} {weight:.2f}", fill=VALUE,
                       font_size=13),
                  line((x, y + 101), (x, heads - 15), color=VALUE,
                       stroke_width=0.5 + 6 * weight)]
    for title, top, contents in [
            ("attention", y, []),
            ("MLP", y + 292, ["rmsnorm", "fc1: " + size("layer0.mlp_fc1"),
                              f"relu: {hidden} numbers",
                              "fc2: " + size("layer0.mlp_fc2")])]:
        rows = [(top + 44 * i, content) for i, content in enumerate(contents)]
        join = rows[-1][0] if rows else heads + 44
        parts += chain(side, 212, rows)
        parts += [plus(join), arrow((spine, top), (side - 107, top)),
                  arrow((side - 106, join), (spine + 12, join)),
                  text(side, top - 30, title, font_weight="bold")]
    joins = [172, heads + 44 + 11, y + 292 + 132 + 11, y_end - 14]
    for above, below, row in zip(joins, joins[1:], xs):
        end = below if below == joins[-1] else below - 22
        parts += [arrow((spine, above), (spine, end)),
                  numbers(above + 24, row)]
    parts += chain(spine, 182, [(y_end, "lm_head: " + size("lm_head")),
                                (y_end + 48, "softmax")])
    told = ", ".join([f"{token} {p:.2f}" for token, p in likely])
    for at, content in [(y_end, f"{vocab} logits"), (y_end + 48, told)]:
        parts += [arrow((spine + 91, at), (spine + 122, at)),
                  text(spine + 128, at, content, "start")]
    looks = ", ".join([f"{t} ({w:.2f})" for t, w in zip(tokens, weights)])
    return figure("path", f"The path of the last token of {' '.join(tokens)}",
                  f"The token's row of wte and its position's row of wpe, {n} "
                  "numbers each, are added and normed. Attention and the MLP "
                  f"each read these {n} numbers, x, and add to them. In "
                  "attention the keys and values of earlier tokens come in: the "
                  f"first head looks at {looks}. lm_head makes {vocab} logits "
                  "of x, and softmax makes probabilities of those, the largest "
                  f"{told}.", y_end + 66, parts)


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
        inside = [box(x, y, width, 52, color=SOFT, pointer_events="all"),
                  text(x, y - 11, title, font_weight="bold",
                       text_decoration="underline"),
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
    parts += [element("circle", cx=x(i), cy=y(v), r=3, fill=HELD_OUT)
              for i, v in held_out]
    labels = [(f"{name} {v:.2f}", y(v), BASELINE)
              for name, v in levels.items()]
    labels += [(f"held-out {held_out[-1][1]:.2f}", y(held_out[-1][1]),
                HELD_OUT),
               ("training", y(means[-1][1]), VALUE)]
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
                  318, parts, data_x=f"0 {n} {number(x(0))} {number(x(n))}",
                  data_y=f"1 {top} {number(y(1))} {number(y(top))}")


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
    parts.append(element("g", "\n".join(rects), fill=VALUE, stroke=SOFT,
                         stroke_width="0.5"))
    return figure("attention", f"Attention in {''.join(tokens[1:])}",
                  "A grid for each head. A row is a token that looks, a "
                  "column a token that it looks at, and the darkness its "
                  f"weight; {tokens[0]} marks the beginning. The last letter "
                  f"looks mostly: {', '.join(strongest)}.", 486, parts)


def apart(points, gap):
    """Points moved until no two are nearer than gap, each as little as can
    be in turn."""
    points = [list(point) for point in points]
    for _ in range(400):
        for i, a in enumerate(points):
            for b in points[:i]:
                dx, dy = a[0] - b[0], a[1] - b[1]
                length = math.hypot(dx, dy) or 1e-9
                push = (gap - length) / 2
                if push > 0:
                    for point, sign in ((a, 1), (b, -1)):
                        point[0] += sign * push * dx / length
                        point[1] += sign * push * dy / length
    return points


def embeddings(chars, panels):
    """Points {title: [n] of (x, y)} of chars, a panel for each title."""
    parts, width, top, height = [], 176, 56, 176
    for i, (title, points) in enumerate(panels.items()):
        left = i * (WIDTH - width)
        xs, ys = zip(*points)
        span = max(max(xs) - min(xs), max(ys) - min(ys))
        middle = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
        x = scale(middle[0] - span / 2, middle[0] + span / 2,
                  left + 12, left + width - 12)
        y = scale(middle[1] + span / 2, middle[1] - span / 2,
                  top + 12, top + height - 12)
        parts += [text(left, 12, title, "start", font_weight="bold"),
                  text(left, 32, f"{span:.2f} across", "start", fill=SOFT),
                  element("rect", x=left, y=top - 6, width=width,
                          height=height + 12, rx=6, fill="none",
                          stroke=FAINT, stroke_width=0.5)]
        places = apart([(x(px), y(py)) for px, py in points], 17)
        for char, (px, py), (at_x, at_y) in zip(chars, points, places):
            vowel = char in VOWELS
            if math.hypot(x(px) - at_x, y(py) - at_y) > 6:
                parts.append(line((x(px), y(py)), (at_x, at_y),
                                  stroke_width=0.5))
            if vowel:
                parts.append(element("circle", cx=at_x, cy=at_y, r=8.5,
                                     fill=INK))
            parts.append(text(at_x, at_y - 0.5, char, font_weight="bold" if
                              vowel else "normal", fill="var(--md-default-bg-"
                              "color, #fff)" if vowel else INK))
    return figure("embeddings", "The letters' embeddings, before and after",
                  "The letters' token embeddings, in the two directions in "
                  "which they differ most, before and after training. On "
                  "discs are the vowels: scattered before, together and apart "
                  "from the consonants after. Where letters would cover each "
                  "other, they are moved apart, and a line leads to the "
                  "place.", top + height + 10, parts)


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
        parts.append(element("path", d="".join(bars), stroke=VALUE,
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


def draw(prefix, tokens, probs, points):
    """How points, numbers from 0 to 1, choose among tokens by probs."""
    x = scale(0, 1, 1, WIDTH - 1)
    parts, told, at = [], [], 0.0
    chosen = {}
    for token, p in zip(tokens, probs):
        for point in points:
            if at <= point < at + p:
                chosen[point] = token
        hit = token in chosen.values()
        parts.append(element("rect", x=x(at), y=64, width=x(at + p) - x(at),
                             height=40, fill=VALUE, stroke=VALUE,
                             fill_opacity="0.45" if hit else "0.12",
                             stroke_width=0.7))
        if x(at + p) - x(at) > 11:
            parts.append(text(x(at + p / 2), 84, token,
                              font_weight="bold" if hit else "normal"))
        at += p
    for point, token in chosen.items():
        parts += [arrow((x(point), 34), (x(point), 62), color=INK),
                  text(min(max(x(point), 36), WIDTH - 36), 20,
                       f"{point:.2f}: {token}")]
        told.append(f"{point:.2f} falls on {token}")
    parts += [line((x(tick), 106), (x(tick), 112), color=SOFT)
              for tick in (0, 0.5, 1)]
    parts += [text(x(tick), 122, f"{tick:g}", anchor) for tick, anchor in
              ((0, "start"), (0.5, "middle"), (1, "end"))]
    return figure("draw", f"Drawing the letter after {prefix}",
                  "A strip from 0 to 1, a piece for each token, as wide as "
                  "its probability. Random numbers point at pieces: "
                  + ", ".join(told) + ".", 134, parts)


def adam(rates, steps, grads, means):
    """One weight's steps under the learning rate, and why: the gradients and
    their means m of its first steps."""
    n, few = len(rates), len(grads)
    x, y = scale(0, n, 52, 376), scale(0, rates[0], 176, 36)
    parts = axes(x, y, range(0, n + 1, 250), [0, rates[0] / 2, rates[0]],
                 "training step", "size of a step of one weight")
    dots = [f"M{joined([(x(i), y(v))])}h0" for i, v in enumerate(steps)]
    parts += [element("path", d="".join(dots), stroke=SOFT, stroke_width=2.4,
                      stroke_linecap="round"),
              line((x(0), y(rates[0])), (x(n), y(0)), color=INK,
                   stroke_width=2),
              text(x(n * 0.55), y(rates[0] * 0.8), "learning rate", "start")]
    reach = 10 ** math.floor(math.log10(max(map(abs, grads))))
    reach *= math.ceil(max(map(abs, grads)) / reach)
    x, y = scale(0, few, 52, 376), scale(-reach, reach, 412, 272)
    parts += axes(x, y, range(0, few + 1, 20), [-reach, 0, reach],
                  "training step", "its gradient, and the running mean m")
    bars = [f"M{joined([(x(i), y(0)), (x(i), y(v))])}"
            for i, v in enumerate(grads, 1)]
    parts += [element("path", d="".join(bars), stroke=GRAD, stroke_width=2),
              line(*[(x(i), y(v)) for i, v in enumerate(means, 1)],
                   color=INK, stroke_width=2.5)]
    small = sum([step < rate for step, rate in zip(steps, rates)])
    return figure("adam", "The steps that Adam takes with one weight",
                  f"Above, the sizes of the {n} steps of the first weight of "
                  "lm_head (dots) and the learning rate that falls to 0 "
                  f"(line): {small} dots lie below the line. Below, the "
                  f"weight's gradient in the first {few} steps (bars), which "
                  "jumps from document to document, and its running mean m "
                  "(line), which moves slowly.", 454, parts)


def tokens(names, ids):
    """A document as token ids, and what the model has to say after each."""
    size, parts = 62, []
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
    return figure("tokens", f"{''.join(names[1:-1])} as token ids",
                  f"Boxes in a row: {', '.join(names)}, and under them their "
                  f"ids {', '.join(ids)}. A line over all but the last says: "
                  "the model reads. A line under all but the first says: and "
                  "should say next.", 170, parts)


def statuses():
    """The course of a run of the program, and how it can end."""
    rows = [("parse", "2: no such option"), ("prepare", "2: refused"),
            ("learn", "1: training diverged"),
            ("save", "1 at the end, if it failed"), ("generate", "0: done")]
    at = [(20 + 58 * i, name) for i, (name, _) in enumerate(rows)]
    parts = chain(84, 150, at)
    for (y, _), (_, end) in zip(at, rows):
        parts += [arrow((159, y), (196, y)), text(204, y, end, "start")]
    parts.append(text(8, 292, "Ctrl-C: 130, but while learning only the "
                      "second one", "start", fill=SOFT))
    return figure("statuses", "The course of a run", "Boxes from top to "
                  "bottom, and the exit status that an arrow leads to: "
                  + "; ".join([f"{name}, {end}" for name, end in rows])
                  + ".", 306, parts)


def growth(snapshots, chosen=(0, 50, 200, 1000)):
    """What the model invents after some of the steps of training."""
    shots = [shot for shot in snapshots if shot["step"] in chosen]
    parts, lefts = [], (0, 148, 238, 324)
    for left, shot in zip(lefts, shots):
        title = "untrained" if shot["step"] == 0 else f"step {shot['step']}"
        parts.append(text(left, 12, title, "start", fill=SOFT))
        parts += [text(left, 42 + 24 * i, name, "start",
                       font_family="var(--md-code-font-family, monospace)")
                  for i, name in enumerate(shot["samples"])]
    parts.append(line((0, 24), (WIDTH, 24), stroke_width=0.5))
    return figure("growth", "From noise to names", "Five inventions of the "
                  "model at each of four times. " + " ".join(
                      [f"Step {shot['step']}: {', '.join(shot['samples'])}."
                       for shot in shots]), 152, parts)
