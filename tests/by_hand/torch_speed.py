"""Measure docs/microgpt_torch.py by hand: docs/data/torch.json and its tables.

    python tests/by_hand/torch_speed.py            measure all (needs torch)
    python tests/by_hand/torch_speed.py speed      only one of speed, plain
    python tests/by_hand/torch_speed.py --write    write what the record says
    python tests/by_hand/torch_speed.py --check    say what is not as it says

Ways are measured in turn, step by step in one process, and told in ratios: the
median over the steps. With a GPU the same is measured there.
"""
import argparse
import itertools
import json
import pathlib
import random
import statistics
import sys
import time
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs"), str(ROOT / "docs/make"),
                str(ROOT / "tests/by_hand")]
from kit import DATA, mean, table, write  # noqa: E402

RECORD = DATA / "torch.json"
SIZES = [(64, 2, 32, 32), (128, 4, 64, 16), (256, 4, 64, 8)]
STEPS = 12


def prepared(docs, *options):
    """A run of microgpt_torch.py on docs, and no file."""
    import microgpt_torch
    with mock.patch("microgpt.load_docs", lambda *_: list(docs)):
        return microgpt_torch.prepare(*microgpt_torch.parse(
            [str(option) for option in options]))


def options(n_embd, n_layer, block_size, batch_size):
    return ("--n-embd", n_embd, "--n-layer", n_layer, "--block-size",
            block_size, "--batch-size", batch_size)


def sorted_by_length(run):
    """run, with rows of one piece, and pieces of one length in a batch."""
    import microgpt_torch
    def alone(pieces, size):
        return [[piece] for piece in sorted(pieces, key=len)]
    with mock.patch("microgpt_torch.pack", alone):
        run.text = run.cut(run.docs)
    tokens, places, rows = run.text
    full, batch = run.batch_size * rows.shape[1], run.batch
    n = round(full / (rows >= 0).sum(1).float().mean().item())
    starts = random.Random(0)
    def chosen(_, numbers):
        first = starts.randrange(max(1, len(rows) - n))
        some = rows[first:first + n]
        width = int((some >= 0).sum(1).max())
        return batch((tokens, places, some[:, :width]), slice(None))
    run.batch = chosen
    assert microgpt_torch.WORLD == 1
    return run


def speed():
    """Tokens a second of ours over those of the reference."""
    import microgpt
    import microgpt_torch
    import reference_torch
    import torch
    torch.set_num_threads(1)
    names = microgpt.load_docs()
    texts = {"names": names, "long": ["\n".join(names[i:i + 40])
                                      for i in range(0, len(names), 40)]}
    found = []
    for size, dtype, (kind, docs) in itertools.product(
            SIZES, ("float32", "bfloat16"), texts.items()):
        ours, other = [prepared(docs, *options(*size), "--dtype", dtype)
                       for _ in range(2)]
        other = sorted_by_length(other)
        n_embd, n_layer, block_size, batch_size = size
        reference = reference_torch.Trainer(
            ours.text[0], ours.tokenizer.vocab_size, block_size, n_embd, 4,
            n_layer, batch_size, dtype, ours.device)
        ways = {"packed": lambda: microgpt_torch.train_step(ours, ours.model)[1],
                "sorted": lambda: microgpt_torch.train_step(
                    other, other.model)[1], "reference": reference.step}
        paces = {name: [] for name in ways}
        for _, (name, step) in itertools.product(range(STEPS), ways.items()):
            start = time.perf_counter()
            tokens = int(step())
            if ours.device.type != "cpu":
                torch.accelerator.synchronize()
            paces[name].append(tokens / (time.perf_counter() - start))
        ratios = {name: statistics.median(
            [a / b for a, b in zip(paces[name][2:], paces["reference"][2:])])
            for name in ("packed", "sorted")}
        found.append(dict(n_embd=n_embd, n_layer=n_layer, text=kind,
                          dtype=dtype, device=ours.device.type,
                          **{k: round(v, 3) for k, v in ratios.items()}))
        print(found[-1], flush=True)
    return found


def plain():
    """Documents a second over those of microgpt.py."""
    import microgpt
    import microgpt_torch
    import torch
    torch.set_num_threads(1)
    found = []
    for n_embd in 16, 32, 64, 128:
        run = prepared(microgpt.load_docs(), *options(n_embd, 1, 16, 64))
        slow = microgpt.Run(microgpt.Config(n_embd=n_embd), run.docs)
        length = mean([len(doc) + 1 for doc in run.docs])
        ratios = []
        for _ in range(5):
            start = time.perf_counter()
            microgpt.train_step(slow)
            middle = time.perf_counter()
            tokens = int(microgpt_torch.train_step(run, run.model)[1])
            ratios.append(tokens / length * (middle - start)
                          / (time.perf_counter() - middle))
        found.append(dict(n_embd=n_embd, ratio=statistics.median(ratios[1:])))
        print(found[-1], flush=True)
    return found


def markdown(found):
    where = sorted({row["device"] for row in found["speed"]})
    kinds = {"names": "names", "long": "forty names a document"}
    rows = [[f"{row['n_embd']} × {row['n_layer']}", kinds[row["text"]],
             row["dtype"], f"{row['packed']:.2f}", f"{row['sorted']:.2f}"]
            for row in found["speed"]]
    return (
        f"Measured with PyTorch {found['torch'].partition('+')[0]} on one "
        f"thread ({', '.join(where)}), step by step in turn with a trainer in the "
        "manner of nanoGPT: tokens a second, as a multiple of its. It cuts "
        "one long row of text anywhere, so its rows are always full.\n\n"
        + table(["n_embd × n_layer", "text", "numbers", "packed (this program)",
                 "sorted by length"], rows)
        + "\nDocuments a second, as a multiple of those of microgpt.py:\n\n"
        + table(["n_embd", "times as fast"], [
            [str(row["n_embd"]), f"{row['ratio']:,.0f}"]
            for row in found["plain"]]))


def files(found):
    return {"data/torch.json": json.dumps(found, indent=1) + "\n",
            "data/torch.md": markdown(found)}


def main():
    parts = {"speed": speed, "plain": plain}
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
