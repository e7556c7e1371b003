"""Measure docs/microgpt_torch.py by hand: docs/data/torch.json and its tables.

    python tests/by_hand/torch_speed.py            measure all (needs torch)
    python tests/by_hand/torch_speed.py speed      only one of speed, start,
                                                   compiled, plain
    python tests/by_hand/torch_speed.py --write    write what the record says
    python tests/by_hand/torch_speed.py --check    say what is not as it says

Ways are measured in turn, step by step in one process, and told in ratios: the
median over the steps. On one thread it is the time of the processor that counts,
which other work on the machine hardly changes. With a GPU the same is measured
there, in the time that passes.
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
    with mock.patch("microgpt_torch.pack",
                    lambda pieces, size: sorted(pieces, key=len)):
        text = run.cut(run.docs)
    lengths = (text[2] >= 0).sum(1)
    n = round(run.batch_size * text[0].shape[1] / lengths.float().mean().item())
    starts, batch = random.Random(0), run.batch
    def chosen(_, numbers):
        first = starts.randrange(max(1, len(lengths) - n))
        width = int(lengths[first:first + n].max())
        return batch([part[first:first + n, :width] for part in text],
                     slice(None))
    run.batch = chosen
    assert microgpt_torch.WORLD == 1
    return run


def clock(device):
    import torch
    if device.type == "cpu":
        return time.process_time()
    torch.accelerator.synchronize()
    return time.perf_counter()


def raced(ways, device):
    """Tokens a second of ways, over those of the last."""
    paces = {name: [] for name in ways}
    for _, (name, step) in itertools.product(range(STEPS), ways.items()):
        start = clock(device)
        tokens = int(step())
        paces[name].append(tokens / (clock(device) - start))
    *names, last = ways
    return {name: round(statistics.median(
        [a / b for a, b in zip(paces[name][2:], paces[last][2:])]), 3)
        for name in names}


def speed():
    """Tokens a second of ours over those of the reference."""
    import microgpt
    import microgpt_torch
    import reference_torch
    import torch
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
        stream = torch.tensor([i for doc in ours.docs for i in (
            ours.tokenizer.bos, *ours.tokenizer.encode(doc))])
        reference = reference_torch.Trainer(
            stream, ours.tokenizer.vocab_size, block_size, n_embd, 4, n_layer,
            batch_size, dtype, ours.device)
        found.append(dict(
            n_embd=n_embd, n_layer=n_layer, text=kind, dtype=dtype,
            device=ours.device.type, **raced({
                "packed": lambda: microgpt_torch.train_step(
                    ours, ours.model)[1],
                "sorted": lambda: microgpt_torch.train_step(
                    other, other.model)[1],
                "reference": reference.step}, ours.device)))
        print(found[-1], flush=True)
    return found


def start():
    """How many times as fast weights are drawn on the device."""
    import microgpt
    ratios = []
    for _ in range(3):
        times = []
        for extra in ["--parity"], []:
            start = time.process_time()
            run = prepared(microgpt.load_docs(), *options(256, 4, 16, 64),
                           *extra)
            times.append(time.process_time() - start)
        ratios.append(times[0] / times[1])
        print(ratios[-1], flush=True)
    return dict(n_embd=256, n_layer=4, device=run.device.type,
                ratio=round(statistics.median(ratios), 1))


def compiled():
    """Tokens a second with --compile over those without."""
    import microgpt
    import microgpt_torch
    found = []
    for dtype in "float32", "bfloat16":
        one, two = [prepared(microgpt.load_docs(), *options(*SIZES[1]),
                             "--dtype", dtype, *extra)
                    for extra in (["--compile"], [])]
        found.append(dict(
            n_embd=SIZES[1][0], n_layer=SIZES[1][1], dtype=dtype,
            device=one.device.type, **raced({
                "compiled": lambda: microgpt_torch.train_step(
                    one, one.model)[1],
                "not": lambda: microgpt_torch.train_step(
                    two, two.model)[1]}, one.device)))
        print(found[-1], flush=True)
    return found


def plain():
    """Documents a second over those of microgpt.py."""
    import microgpt
    import microgpt_torch
    found = []
    for n_embd in 16, 32, 64, 128:
        run = prepared(microgpt.load_docs(), *options(n_embd, 1, 16, 64))
        slow = microgpt.Run(microgpt.Config(n_embd=n_embd), run.docs)
        length = mean([len(doc) + 1 for doc in run.docs])
        ratios = []
        for _ in range(5):
            start = clock(run.device)
            microgpt.train_step(slow)
            middle = clock(run.device)
            tokens = int(microgpt_torch.train_step(run, run.model)[1])
            ratios.append(tokens / length * (middle - start)
                          / (clock(run.device) - middle))
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
        "manner of nanoGPT: tokens for each second of the processor, as a "
        "multiple of its. It cuts one long row of text anywhere, so its rows "
        "are always full.\n\n"
        + table(["n_embd × n_layer", "text", "numbers", "packed (this program)",
                 "sorted by length"], rows)
        + "\nDocuments a second, as a multiple of those of microgpt.py:\n\n"
        + table(["n_embd", "times as fast"], [
            [str(row["n_embd"]), f"{row['ratio']:,.0f}"]
            for row in found["plain"]])
        + "\nSteps with `--compile`, as a multiple of those without:\n\n"
        + table(["n_embd × n_layer", "numbers", "times as fast"], [
            [f"{row['n_embd']} × {row['n_layer']}", row["dtype"],
             f"{row['compiled']:.2f}"] for row in found["compiled"]])
        + "\nTo start with n_embd {n_embd} and {n_layer} layers, where weights "
        "are drawn on the device, takes 1/{ratio:.0f} of the time that it takes "
        "with `--parity`.\n".format(**found["start"]))


def files(found):
    return {"data/torch.json": json.dumps(found, indent=1) + "\n",
            "data/torch.md": markdown(found)}


def main(doc, record, parts, files, inside=None):
    """Measure the parts that the command line names, each written to record as
    it comes, and make files(what is recorded). With inside, parts stand there."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    for name in asked.parts:
        if name not in parts:
            parser.error(f"{name!r} is none of {', '.join(parts)}")
    found = json.loads(record.read_text(encoding="utf-8"))
    if not asked.check and not asked.write:
        import torch
        torch.set_num_threads(1)
        found["torch"] = torch.__version__
        for name in asked.parts or parts:
            (found[inside] if inside else found)[name] = parts[name]()
            record.write_text(json.dumps(found, indent=1) + "\n")
        found = json.loads(record.read_text(encoding="utf-8"))
    stale = write(files(found), asked.check)
    if asked.check and stale:
        sys.exit("stale in docs: " + ", ".join(stale))
    print("written:" if stale else "all is true", *stale)


if __name__ == "__main__":
    main(__doc__, RECORD, {"speed": speed, "start": start,
                           "compiled": compiled, "plain": plain}, files)
