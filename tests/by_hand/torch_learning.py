"""What docs/microgpt_torch.py learns: docs/data/learning.json and its tables.

    python tests/by_hand/torch_learning.py            measure all (needs torch)
    python tests/by_hand/torch_learning.py sizes      only one of sizes, induction
    python tests/by_hand/torch_learning.py --write    write what the record says
    python tests/by_hand/torch_learning.py --check    say what is not as it says
"""
import argparse
import itertools
import json
import random
import sys

from torch_speed import options, prepared  # it makes the next line possible
from kit import DATA, mean, table, write

RECORD = DATA / "learning.json"


def trained(run, steps):
    import microgpt_torch
    for _ in range(steps):
        microgpt_torch.train_step(run, run.model)
    return microgpt_torch.held_out_loss(run)


def sizes():
    """Held-out losses of palindromes, whose limit is known."""
    halves = ["".join(h) for h in itertools.product("abcdefgh", repeat=4)]
    docs = [half + half[::-1] for half in random.Random(0).sample(halves, 2000)]
    found = []
    for n_embd, n_layer, steps in (16, 1, 400), (64, 2, 300), (128, 4, 200), (
            256, 4, 150):
        run = prepared(docs, *options(n_embd, n_layer, 16, 32), "--holdout",
                       0.05, "--steps", steps, "--dtype", "bfloat16")
        found.append(dict(n_embd=n_embd, n_layer=n_layer, steps=steps,
                          loss=round(trained(run, steps), 4)))
        print(found[-1], flush=True)
    return found


def repeats(seed, n):
    rng = random.Random(seed)
    for _ in range(n):
        string = rng.sample("abcdefghijklmnop", rng.randint(4, 12))
        yield ("".join(string) * 6)[:24], len(string)


def copied(seed, n_layer):
    """Loss where a string is repeated, after training."""
    import torch
    torch.set_num_threads(1)
    docs, periods = zip(*repeats(seed, 20_000))
    run = prepared(docs, *options(32, n_layer, 32, 32), "--n-head", 1,
                   "--steps", 900, "--holdout", 0.02, "--seed", seed,
                   "--learning-rate", 0.02)
    trained(run, 900)
    period = dict(zip(docs, periods))
    with torch.no_grad():
        tokens, places, targets, share = run.batch(
            run.held_out_text, slice(None))
        known = torch.zeros_like(share)  # no row holds more than one
        for row in range(len(tokens)):
            doc = run.tokenizer.decode(tokens[row, 1:25].tolist())
            known[row, period[doc] + 1:24] = 1.0
        loss = run.loss(run.model, tokens, places, targets,
                        known / known.sum()).item()
    print(n_layer, seed, loss, flush=True)
    return round(loss, 4)


def induction(seeds=3):
    """Losses on what is repeated, by layers."""
    losses = {1: [], 2: []}
    for seed, n_layer in itertools.product(range(seeds), losses):
        losses[n_layer].append(copied(seed, n_layer))
    return losses


def span(numbers):
    return f"{mean(numbers):.3f} ({min(numbers):.3f} to {max(numbers):.3f})"


def sizes_table(found):
    return ("Palindromes (100 of 2,000 held out), learned in bfloat16 with 32 "
            "rows a step and all else as it is by default. No model can expect "
            "less than 0.924:\n\n"
            + table(["n_embd × n_layer", "steps", "held-out loss"], [
                [f"{row['n_embd']} × {row['n_layer']}", row["steps"], row["loss"]]
                for row in found["sizes"]]))


def induction_table(found):
    losses = found["induction"]
    n = len(losses["1"])
    return ("Mean loss where the string is being repeated, in 400 documents "
            f"held out; mean of {n} seed{'s' * (n > 1)} (lowest to highest):"
            "\n\n"
            + table(["layers", "loss, in nats"], [
                [layers, span(numbers)] for layers, numbers in losses.items()]))


def files(found):
    return {"data/learning.json": json.dumps(found, indent=1) + "\n",
            "data/sizes.md": sizes_table(found),
            "data/induction.md": induction_table(found)}


def main():
    parts = {"sizes": sizes, "induction": induction}
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    found = json.loads(RECORD.read_text(encoding="utf-8"))
    if not asked.check and not asked.write:
        import torch
        found["torch"] = torch.__version__
        for name in asked.parts or parts:
            found[name] = json.loads(json.dumps(parts[name]()))
            RECORD.write_text(json.dumps(found, indent=1) + "\n")
    stale = write(files(found), asked.check)
    if asked.check and stale:
        sys.exit("stale in docs: " + ", ".join(stale))
    print("written:" if stale else "all is true", *stale)


if __name__ == "__main__":
    main()
