"""Draw the one head that has learned palindromes, from its own numbers."""
import math
from collections import defaultdict
from unittest import mock

from kit import mean

import experiments
import microgpt
from microgpt import Config, Run, add, document_loss, linear, rmsnorm, softmax
from kit import GRAD, INK, SOFT, VALUE, WIDTH, element, figure, line, text

CONFIG = Config(holdout=0.05, n_head=1, n_layer=1)
STEPS = 0, 50, 100, 150, 200, 250, 300, 1000  # whose slopes are drawn
PLACE = 5  # that asks in the drawings: the letter after it is that of place 3
N = 9  # tokens that are read, bos and eight letters

# %% The numbers


def scores_of(run, doc):
    """The loss of a document, and the head's scores [token][<= token]."""
    found = []

    def noted(scores):
        found.append(scores)
        return softmax(scores)

    with mock.patch.object(microgpt, "softmax", noted):
        loss = document_loss(run.config, run.params, run.tokenizer, doc)
    return loss, found


def numbers(values):
    return [v.data for v in values]


def means(rows):
    """[rows][columns] -> a mean for each column."""
    return [mean(column) for column in zip(*rows)]


def asked(run):
    """The shares that PLACE gives and the slopes in its scores, means over
    100 documents, and the held-out loss."""
    shares, slopes = [], []
    for doc in run.docs[-100:]:
        loss, scores = scores_of(run, doc)
        loss.backward()
        shares.append(numbers(softmax(scores[PLACE])))
        slopes.append([score.grad for score in scores[PLACE]])
    return means(shares), means(slopes), microgpt.held_out_loss(run)


def trained():
    """A trained run, and what was asked of it on the way {step: asked}."""
    run, told = Run(CONFIG, experiments.palindromes()), {}
    while run.step < CONFIG.steps:
        if run.step in STEPS:
            told[run.step] = asked(run)
        microgpt.train_step(run)
    told[run.step] = asked(run)
    return run, told


def shares(run):
    """Where each token looks, a mean over 50 held-out documents."""
    found = [[numbers(softmax(scores)) for scores in scores_of(run, doc)[1]]
             for doc in run.held_out[:50]]
    return [means(rows) for rows in zip(*found)]


def read(run, token_ids, places):
    """q, k and v of tokens at places: three lists, [tokens][n_embd]."""
    x = add([run.params["wte"][i] for i in token_ids],
            [run.params["wpe"][p] for p in places])
    normed = [rmsnorm(rmsnorm(row)) for row in x]
    return [linear(normed, run.params[f"layer0.attn_w{name}"])
            for name in "qkv"]


def scores_by_place(run):
    """q · k / √n of each place with those before it, a mean over letters."""
    letters = range(run.tokenizer.bos)
    queries, keys = [], []
    for place in range(N):
        ids = letters if place else [run.tokenizer.bos]
        q, k, _ = read(run, ids, [place] * len(ids))
        queries.append(means(map(numbers, q)))
        keys.append(means(map(numbers, k)))
    root = math.sqrt(CONFIG.n_embd)
    return [[microgpt.sumprod(q, k) / root for k in keys[:i + 1]]
            for i, q in enumerate(queries)]


def handed_over(run):
    """What each letter's value does to the logits of the letters, straight
    through attn_wo and lm_head: [letter][letter], a mean over places 1 to 4,
    less the mean of all letters."""
    rows = []
    for letter in range(run.tokenizer.bos):
        _, _, v = read(run, [letter] * 4, [1, 2, 3, 4])
        out = linear(linear(v, run.params["layer0.attn_wo"]),
                     run.params["lm_head"])
        rows.append(means(map(numbers, out))[:-1])
    common = means(rows)
    return [[a - b for a, b in zip(row, common)] for row in rows]

# %% The drawings


def signed(number, digits=1):
    return f"{round(number, digits) + 0.0:.{digits}f}".replace("-", "−")


def cell(x, y, width, height, share, content, **attrs):
    """A cell, the fuller the larger share, 0 to 1, with what it says."""
    return (element("rect", x=x, y=y, width=width - 2, height=height - 2,
                    fill=VALUE, fill_opacity=f"{0.05 + 0.5 * share:.2f}")
            + text(x + width / 2 - 1, y + height / 2 - 1, content,
                   font_size=12, **attrs))


def grid(name, title, desc, rows, labels, top, left, say):
    """Cells for rows [n][m] with labels on both sides; top and left say what
    the columns and rows are, and say what stands in a cell."""
    most = max([x for row in rows for x in row])
    step = (WIDTH - 60) / len(labels)
    parts = [text(60 + step * len(labels) / 2, 8, top, fill=SOFT),
             text(0, 30, left, "start", fill=SOFT)]
    parts += [text(60 + step * (j + 0.5) - 1, 30, label, font_weight="bold")
              for j, label in enumerate(labels)]
    for i, row in enumerate(rows):
        y = 44 + 30 * i
        parts.append(text(48, y + 14, labels[i], "end", font_weight="bold"))
        parts += [cell(60 + step * j, y, step, 30, max(x, 0.0) / most, say(x))
                  for j, x in enumerate(row)]
    return figure(name, title, desc, 48 + 30 * len(rows), parts)


def mirror(found):
    told = "; ".join([f"{i} at {max(range(len(row)), key=row.__getitem__)} "
                      f"({max(row):.2f})" for i, row in enumerate(found)])
    return grid("mirror", "Where one head looks that has learned palindromes",
                "A table of the shares that each place gives to itself and to "
                "those before it, means over 50 palindromes that were held "
                f"out. From place 4 on they lie on a mirror line: {told}.",
                found, [str(i) for i in range(N)], "the place it looks at",
                "reading", lambda x: f"{x:.2f}" if x >= 0.005 else "")


def by_place(found):
    told = "; ".join([f"{i} with {max(range(len(row)), key=row.__getitem__)} "
                      f"({signed(max(row))})" for i, row in enumerate(found)])
    return grid("mirror-places", "Scores of the head, by place",
                "A table of q · k over the root, means over all letters. The "
                f"largest of each row: {told}.", found,
                [str(i) for i in range(N)], "the key's place", "query", signed)


def by_letter(found, chars):
    told = ", ".join([f"{char} {signed(row[i])}"
                      for i, (char, row) in enumerate(zip(chars, found))])
    return grid("mirror-letters", "What the head hands over, by letter",
                "A table of what each letter's value does to the logits of all "
                "letters, straight through attn_wo and lm_head. Each letter "
                f"raises itself most: {told}.", found, chars,
                "the logit that it changes", "v of", signed)


def learning(told):
    """A row for each step: shares, and under them slopes in the scores."""
    step = (WIDTH - 110) / (PLACE + 1)
    parts = [text(56 + step * (PLACE + 1) / 2, 8, "the place it looks at",
                  fill=SOFT), text(0, 30, "step", "start", fill=SOFT),
             text(WIDTH, 30, "loss", "end", fill=SOFT)]
    parts += [text(56 + step * (j + 0.5), 30, str(j), font_weight="bold")
              for j in range(PLACE + 1)]
    for i, (at, (row, slopes, loss)) in enumerate(told.items()):
        y = 44 + 48 * i
        parts += [text(44, y + 14, f"{at:,}", "end"),
                  text(WIDTH, y + 14, f"{loss:.2f}", "end")]
        for j, (share, slope) in enumerate(zip(row, slopes)):
            parts += [cell(56 + step * j, y, step, 30, share, f"{share:.2f}"),
                      text(56 + step * (j + 0.5), y + 36,
                           signed(1000 * slope), fill=GRAD, font_size=12)]
    most = "; ".join([f"step {at}: share {row[3]:.2f}, slope "
                      f"{signed(1000 * slopes[3])}"
                      for at, (row, slopes, _) in told.items()])
    return figure("mirror-learning", "The slopes that made the head look back",
                  f"Shares that place {PLACE} gives to places 0 to {PLACE} "
                  "during training, and under them the slopes of the loss in "
                  "the scores, in thousandths; means over 100 palindromes. Of "
                  f"place 3, the right one: {most}.", 44 + 48 * len(told),
                  parts)


def products(run, doc):
    """The 16 products of q of PLACE with each key, as bars that add up."""
    ids = [run.tokenizer.bos, *run.tokenizer.encode(doc)][:PLACE + 1]
    q, k, _ = read(run, ids, range(PLACE + 1))
    root = math.sqrt(CONFIG.n_embd)
    rows = [[a.data * b.data / root for a, b in zip(q[PLACE], key)]
            for key in k]
    most = max([abs(x) for row in rows for x in row])
    parts = [text(0, 8, "place", "start", fill=SOFT),
             text(180, 8, "16 products of q and k", fill=SOFT),
             text(342, 8, "sum", "end", fill=SOFT),
             text(WIDTH, 8, "share", "end", fill=SOFT)]
    probs = softmax([microgpt.Value(sum(row)) for row in rows])
    told = []
    for i, (row, p) in enumerate(zip(rows, probs)):
        y, name = 42 + 46 * i, "bos" if i == 0 else doc[i - 1]
        parts += [text(0, y, f"{i}  {name}", "start", font_weight="bold"),
                  line((54, y), (300, y)),
                  text(342, y, signed(sum(row)), "end"),
                  text(WIDTH, y, f"{p.data:.2f}", "end",
                       font_weight="bold" if p.data > 0.5 else "normal")]
        parts += [line((62 + 15.2 * j, y), (62 + 15.2 * j, y - 20 * x / most),
                       color=VALUE if x > 0 else SOFT, stroke_width=9)
                  for j, x in enumerate(row)]
        told.append(f"{i} {name} {signed(sum(row))}, share {p.data:.2f}")
    return figure("mirror-products", f"Place {PLACE} of {doc} asks",
                  f"Bars of the 16 products of the query of place {PLACE} "
                  f"with the key of each place, and their sums: "
                  f"{'; '.join(told)}.", 46 * len(rows) + 22, parts)


def produce():
    run, told = trained()
    doc = next(d for d in run.held_out if len(set(d[:4])) == 4)
    drawn = {"mirror": mirror(shares(run)),
             "mirror-places": by_place(scores_by_place(run)),
             "mirror-letters": by_letter(handed_over(run),
                                         run.tokenizer.chars),
             "mirror-learning": learning(told),
             "mirror-products": products(run, doc)}
    return {f"data/{name}.svg": svg for name, svg in drawn.items()}
