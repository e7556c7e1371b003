"""From counting letters to a GPT: rung by rung, each in the place of gpt.

    python ladder.py            climb it once with the names: a minute
    python ladder.py FILE       with your own text, one document a line
    python ladder.py --help     what else can be chosen

A rung is a function that takes what gpt takes and gives logits as gpt does.
The tokenizer, the loss, training and sampling are those of microgpt.py, which
has to lie beside this file or in the folder above it.
"""
import argparse, copy, math, pathlib, random, sys
from collections import Counter
from dataclasses import replace
from functools import partial
from unittest import mock

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import microgpt
from microgpt import (Config, Run, Value, add, attention, document_loss,
                      generate, gpt, held_out_loss, init_params, linear,
                      load_docs, mlp, train_step)

# %% Measuring
def loss_of(model, run):
    """held_out_loss with model in the place of gpt, in nats a token."""
    with mock.patch.object(microgpt, "gpt", model):
        return held_out_loss(run)

def samples_of(model, run, count=10):
    """Names that model invents."""
    rng = random.Random(run.config.seed)
    with mock.patch.object(microgpt, "gpt", model):
        return [generate(run.config, run.params, run.tokenizer, rng)
                for _ in range(count)]

# %% Counting
def tokens_of(run, doc):
    """The tokens of doc that document_loss looks at."""
    tokens = [run.tokenizer.bos, *run.tokenizer.encode(doc), run.tokenizer.bos]
    return tokens[:run.config.block_size + 1]

def counted(probabilities):
    """A gpt made of probabilities(tokens so far): -> [vocab_size]."""
    def model(config, params, token_ids, keys, values):
        logits = []
        for token in token_ids:
            keys[0].append(token)  # all that it keeps of the tokens before
            probs = probabilities(keys[0])
            logits.append([Value(math.log(p)) for p in probs])
        return logits
    return model

def letter_counts(run):
    """The next letter by how often it is seen, whatever stands before it."""
    size = run.tokenizer.vocab_size
    seen = Counter()
    for doc in run.docs:
        seen.update(tokens_of(run, doc)[1:])

    counts = [seen[i] + 1 for i in range(size)]
    probs = [count / sum(counts) for count in counts]
    return counted(lambda tokens: probs)

def pair_counts(run, extra=1.0):
    """The next letter by how often it is seen after the last one.
    extra is added to every count: what was never seen is not impossible."""
    size = run.tokenizer.vocab_size
    seen = Counter()
    for doc in run.docs:
        tokens = tokens_of(run, doc)
        seen.update(zip(tokens, tokens[1:]))

    def probabilities(tokens):
        counts = [seen[tokens[-1], i] + extra for i in range(size)]
        return [count / sum(counts) for count in counts]

    return counted(probabilities)

def best(choices, make, run):
    """The choice with the least loss on a ninth of the training names, where
    make(run, choice) has counted the others only."""
    part = copy.copy(run)
    n = len(run.docs) // 9
    part.held_out, part.docs = run.docs[:n], run.docs[n:]
    return min(choices, key=lambda choice: loss_of(make(part, choice), part))

def pair_counts_at_best(run):
    extra = best([0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0], pair_counts, run)
    return pair_counts(run, extra)

# %% Learning
def learned(config, docs, params, model, step=train_step):
    """A run whose weights come from params, trained with model as its gpt."""
    with mock.patch.multiple(microgpt, init_params=params, gpt=model):
        run = Run(config, docs)
        while run.step < config.steps:
            step(run)
    return run

def drawn(rng, spread, **shapes):
    """Matrices of random weights, for the shapes name=(n_out, n_in)."""
    return {name: [[Value(rng.gauss(0.0, spread)) for _ in range(n_in)]
                   for _ in range(n_out)]
            for name, (n_out, n_in) in shapes.items()}

def bigram_params(config, size, rng):
    return drawn(rng, 0.08, after=(size, size))

def learned_bigram(config, params, token_ids, keys, values):
    """Each token has a row of logits for the next one, and sees no other."""
    return [params["after"][i] for i in token_ids]

def letters_mlp_params(config, size, rng):
    n = config.n_embd
    return drawn(rng, 0.25, wte=(size, n), lm_head=(size, n),
                 mlp_fc1=(4 * n, 3 * n), mlp_fc2=(n, 4 * n))

def letters_mlp(config, params, token_ids, keys, values):
    """An MLP of the last three tokens' embeddings. Bengio et al., 2003."""
    rows = keys[0]
    x = []
    for i in token_ids:
        rows.append(params["wte"][i])
        last = (rows[:1] * 2 + rows)[-3:]  # bos stands for what is missing
        x.append([v for row in last for v in row])
    x = mlp(x, params["mlp_fc1"], params["mlp_fc2"])
    return linear(x, params["lm_head"])

def placed_params(config, size, rng):
    n = config.n_embd
    return drawn(rng, 0.25, wte=(size, n), wpe=(config.block_size, n),
                 lm_head=(size, n))

def placed(params, token_ids, before):
    """The row of each token and that of its position, added."""
    positions = [params["wpe"][before + i] for i in range(len(token_ids))]
    return add([params["wte"][i] for i in token_ids], positions)

def letter_and_position(config, params, token_ids, keys, values):
    """The last token and its position, and nothing else."""
    x = placed(params, token_ids, len(keys[0]))
    keys[0] += token_ids  # how many there were is all that it keeps
    return linear(x, params["lm_head"])

def one_head_params(config, size, rng):
    n = config.n_embd
    return drawn(rng, 0.25, wte=(size, n), wpe=(config.block_size, n),
                 lm_head=(size, n), attn_wq=(n, n), attn_wk=(n, n),
                 attn_wv=(n, n), mlp_fc1=(4 * n, n), mlp_fc2=(n, 4 * n))

def one_head(config, params, token_ids, keys, values, residual=False):
    """An MLP of what one head of attention finds in all the tokens so far;
    with residual, the head and the MLP add to x and don't replace it."""
    before = len(keys[0])
    x = placed(params, token_ids, before)

    q = linear(x, params["attn_wq"])
    keys[0] += linear(x, params["attn_wk"])
    values[0] += linear(x, params["attn_wv"])
    mixed = [attention(1, row, keys[0][:seen], values[0][:seen])
             for seen, row in enumerate(q, before + 1)]
    x = add(x, mixed) if residual else mixed

    features = mlp(x, params["mlp_fc1"], params["mlp_fc2"])
    x = add(x, features) if residual else features
    return linear(x, params["lm_head"])

def gradient_step(run):
    """train_step without Adam: every weight goes against its own slope."""
    doc = run.docs[run.step % len(run.docs)]
    for w in run.weights:
        w.grad = 0.0
    document_loss(run.config, run.params, run.tokenizer, doc).backward()
    rate = run.config.learning_rate * (1 - run.step / run.config.steps)
    for w in run.weights:
        w.data -= rate * w.grad
    run.step += 1

# %% Counting once more
def blended_counts(run, contexts, trust):
    """The next letter by how often it is seen in each of contexts(tokens so
    far), from the widest to the narrowest. What the one before says counts as
    much as trust letters that were seen."""
    size = run.tokenizer.vocab_size
    seen, next_seen = Counter(), Counter()
    for doc in run.docs:
        tokens = tokens_of(run, doc)
        for i in range(1, len(tokens)):
            for context in contexts(tokens[:i]):
                seen[context] += 1
                next_seen[context, tokens[i]] += 1

    def probabilities(tokens):
        probs = [1 / size] * size
        for context in contexts(tokens):
            probs = [(next_seen[context, i] + trust * p)
                     / (seen[context] + trust) for i, p in enumerate(probs)]
        return probs

    return counted(probabilities)

def last_letters(n, tokens):
    """No letter, the last, the last two, and so on to n."""
    longest = min(n, len(tokens))
    return [tuple(tokens[len(tokens) - i:]) for i in range(longest + 1)]

def pair_and_position(tokens):
    """No letter, the last, and the last at its position in the name."""
    return [(), (tokens[-1],), (tokens[-1], len(tokens))]

def blended_at_best(contexts, run):
    def make(run, trust):
        return blended_counts(run, contexts, trust)
    return make(run, best([2, 4, 8, 16, 32, 64], make, run))

# %% All rungs
COUNTED = {  # label: from a run to what takes the place of gpt
    "letter counts": letter_counts,
    "pair counts": pair_counts_at_best}
LEARNED = {  # label: learning rate, first weights, the place of gpt, a step
    "pairs, learned": (0.03, bigram_params, learned_bigram, train_step),
    "letter and position": (0.03, placed_params, letter_and_position,
                            train_step),
    "MLP of three letters": (0.01, letters_mlp_params, letters_mlp,
                             train_step),
    "one head in their place": (0.01, one_head_params, one_head, train_step),
    "one head, residuals": (0.01, one_head_params,
                            partial(one_head, residual=True), train_step),
    "the file: four heads, norms": (0.01, init_params, gpt, train_step),
    "the file by gradient descent": (0.4, init_params, gpt, gradient_step)}
BLENDED = {
    "blended counts: pair, position": partial(blended_at_best,
                                              pair_and_position),
    "blended counts: two letters": partial(blended_at_best,
                                           partial(last_letters, 2)),
    "blended counts: three letters": partial(blended_at_best,
                                             partial(last_letters, 3))}
RUNGS = [*COUNTED, *LEARNED, *BLENDED]

def climb(label, config, docs):
    """A run, trained where the rung learns, and what stands for its gpt."""
    if label in LEARNED:
        rate, params, model, step = LEARNED[label]
        config = replace(config, learning_rate=rate)
        return learned(config, docs, params, model, step), model
    run = Run(config, docs)
    return run, {**COUNTED, **BLENDED}[label](run)

def main():
    parser = argparse.ArgumentParser(description="Climb from counts to a GPT.")
    parser.add_argument("file", metavar="FILE", nargs="?",
                        help="text, a document a line (default: the names)")
    parser.add_argument("--seed", type=int, default=42, metavar="N",
                        help="says what is held out, and more (default: 42)")
    parser.add_argument("--steps", type=int, default=1000, metavar="N",
                        help="of each that learns (default: 1000)")
    options = parser.parse_args()
    try:
        docs = load_docs(options.file)
        config = Config(holdout=0.1, seed=options.seed, steps=options.steps)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if len(docs) < 20:
        parser.error("fewer than 20 documents: too few to keep some apart")

    for label in RUNGS:
        run, model = climb(label, config, docs)
        print(f"{label:30}  {loss_of(model, run):.4f} ",
              ", ".join(samples_of(model, run, 5)), flush=True)

if __name__ == "__main__":
    main()
