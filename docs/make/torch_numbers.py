"""Measure microgpt_torch.py next to microgpt.py: docs/data/torch.*.

    python docs/make/torch_numbers.py             measure and write (needs torch)
    python docs/make/torch_numbers.py --rounds 1  quicker and rougher
    python docs/make/torch_numbers.py --write     write what the record says
    python docs/make/torch_numbers.py --check     say what is not as it says

Everything is measured in turn, each in processes of its own, and told in
ratios: only those of one run mean something. A way's start is the time of its
command with no step to take. Its time for a document is the median of steps,
without the first ones, over the documents of a step.
"""
import argparse
import itertools
import json
import math
import os
import platform
import socket
import statistics
import subprocess
import sys
import time

from made import DATA, DOCS, ROOT, table, write
from svg import INK, axes, figure, line, text

PLAIN, ONE, MANY, TWO = WAYS = [
    "microgpt.py", "PyTorch, batch 1", "PyTorch, batch 64",
    "PyTorch, batch 64, two processes"]
BATCH = {PLAIN: 1, ONE: 1, MANY: 64, TWO: 64}
SIZES = {16: 60, 32: 30, 64: 12, 128: 6, 256: 4}  # n_embd: steps of microgpt.py
WARM_UP, STEPS = 10, 40  # of PyTorch
RECORD = DATA / "torch.json"


def options(way, n_embd, steps):
    extra = [] if way == PLAIN else ["--batch-size", str(BATCH[way])]
    return ["--n-embd", str(n_embd), "--steps", str(steps), "--samples", "0",
            *extra]


def start_up(way, n_embd):
    """Seconds of the command as a user types it, without a step."""
    program = ROOT / "microgpt.py" if way == PLAIN else DOCS / "microgpt_torch.py"
    launcher = [] if way != TWO else [
        "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    start = time.perf_counter()
    subprocess.run([sys.executable, *launcher, program,
                    *options(way, n_embd, 0)], check=True, capture_output=True)
    return time.perf_counter() - start


def document(way, n_embd):
    """Seconds for one document in training."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    n = 2 if way == TWO else 1
    env = {**os.environ, "WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1",
           "MASTER_PORT": port}
    if way == TWO:
        env["OMP_NUM_THREADS"] = "1"  # as torchrun sets it
    processes = [subprocess.Popen(
        [sys.executable, __file__, "--worker", way, str(n_embd)], text=True,
        stdout=subprocess.PIPE, env={**env, "RANK": str(i), "LOCAL_RANK": str(i)})
        for i in range(n)]
    outputs = [process.communicate()[0] for process in processes]
    return float(outputs[0]) / BATCH[way]


def worker(way, n_embd):
    """Print the seconds of a step."""
    import microgpt
    times = []

    def report(*_):
        times.append(time.perf_counter())

    if way == PLAIN:
        steps, warm_up = SIZES[n_embd] + 1, 1
        microgpt.train(microgpt.prepare(microgpt.parse(
            options(way, n_embd, steps))), report)
    else:
        import microgpt_torch
        steps, warm_up = STEPS + WARM_UP, WARM_UP
        run = microgpt_torch.prepare(*microgpt_torch.parse(
            options(way, n_embd, steps)))
        if way == TWO:
            microgpt_torch.distributed.init_process_group("gloo")
        microgpt_torch.train(run, report)
    seconds = [b - a for a, b in zip(times, times[1:])][warm_up - 1:]
    print(statistics.median(seconds))


def measure(rounds):
    """{n_embd: {way: ...}}, in documents of microgpt.py with n_embd=16."""
    import torch

    def median(name, way, n_embd):
        return statistics.median(found[name, way, n_embd])

    found = {}
    for _ in range(rounds):
        for n_embd in SIZES:
            for way in WAYS:
                for name, timed in ("start", start_up), ("document", document):
                    if (name, way) != ("start", MANY):  # it starts as ONE does
                        found.setdefault((name, way, n_embd), []).append(
                            timed(way, n_embd))
            found["start", MANY, n_embd] = found["start", ONE, n_embd]
    unit = median("document", PLAIN, min(SIZES))
    sizes = []
    for n_embd in SIZES:
        size = {"n_embd": n_embd}
        for name in ("start", "document"):
            size[name] = {way: float(f"{median(name, way, n_embd) / unit:.3g}")
                          for way in WAYS}
        sizes.append(size)
    return {"python": platform.python_version(), "torch": torch.__version__,
            "cores": os.cpu_count(), "rounds": rounds, "sizes": sizes}


def ahead(size, way):
    """From how many documents on a run from a cold start is sooner done this
    way than by microgpt.py; None if never."""
    start, each = [
        size[name][way] - size[name][PLAIN] for name in ("start", "document")]
    if each >= 0:
        return None
    # a step is not taken in part
    return BATCH[way] * max(1, math.ceil(start / -each / BATCH[way]))


def fastest(size, n):
    """The way in which n documents are sooner done than in any other."""
    return min(WAYS, key=lambda way: size["start"][way] + math.ceil(
        n / BATCH[way]) * BATCH[way] * size["document"][way])


def plain_up_to(found, n):
    """The largest n_embd, in words, for which that is microgpt.py."""
    won = list(itertools.takewhile(
        lambda size: fastest(size, n) == PLAIN, found["sizes"]))
    return f"up to n_embd={won[-1]['n_embd']}" if won else "for none of these"


def digits(x):
    """x with two digits that count, for a table."""
    x = float(f"{x:.2g}")
    return int(x) if x >= 10 else f"{x:g}"


def markdown(found):
    sizes = found["sizes"]
    rows = [[str(size["n_embd"]), digits(size["document"][PLAIN])]
            + [digits(size["document"][PLAIN] / size["document"][way])
               for way in WAYS[1:]] for size in sizes]
    speed = table(["n_embd", f"a document by {PLAIN}",
                   *[f"{way}: times as fast" for way in WAYS[1:]]], rows)
    starts = table(["n_embd", f"start of {PLAIN}", "start of PyTorch",
                    "start of PyTorch, two processes"], [
        [str(size["n_embd"])] + [digits(size["start"][way])
                                 for way in (PLAIN, ONE, TWO)]
        for size in sizes])
    crossing = table(["n_embd", *[f"{way} is ahead from document"
                                  for way in WAYS[1:]]], [
        [str(size["n_embd"])] + [ahead(size, way) or "never"
                                 for way in WAYS[1:]] for size in sizes])
    sooner = table(["documents to learn", "microgpt.py is the fastest way"], [
        [f"{n:,}", plain_up_to(found, n)] for n in (100, 1000, 10_000)])
    return (f"Measured with Python {found['python']} and PyTorch "
            f"{found['torch'].partition('+')[0]} on {found['cores']} cores, the "
            f"median of {found['rounds']} rounds. The unit of time is one "
            "document in the training of microgpt.py with n_embd=16.\n\n"
            + "\n".join([speed, starts, crossing, sooner]))


def drawing(found):
    """The documents from which on PyTorch is ahead, by n_embd."""
    sizes = [size["n_embd"] for size in found["sizes"]]
    top = max([ahead(size, way) or 1 for size in found["sizes"]
               for way in WAYS[1:]])
    ticks = [10 ** i for i in range(math.ceil(math.log10(top)) + 1)]

    def x(n_embd):
        return 60 + math.log(n_embd / sizes[0], sizes[-1] / sizes[0]) * 310

    def y(documents):
        return 230 - math.log(documents, ticks[-1]) * 180

    parts = axes(x, y, sizes, ticks, "n_embd", "documents")
    parts[len(ticks):2 * len(ticks)] = [
        text(54, y(tick), f"{tick:,}", "end") for tick in ticks]
    told = []
    styles = {ONE: {}, MANY: {"stroke_dasharray": "7 4"},
              TWO: {"stroke_dasharray": "2 4"}}
    for row, (way, style) in enumerate(styles.items()):
        points = [(size["n_embd"], ahead(size, way)) for size in found["sizes"]
                  if ahead(size, way)]
        if points:
            parts.append(line(*[(x(a), y(b)) for a, b in points], color=INK,
                              stroke_width=2, **style))
        parts += [line((70, 290 + 22 * row), (106, 290 + 22 * row), color=INK,
                       stroke_width=2, **style),
                  text(114, 290 + 22 * row, way, "start")]
        told.append(f"{way}: " + ", ".join(
            [f"{b:,} at n_embd {a}" for a, b in points]))
    return figure(
        "torch", "From which document on PyTorch is ahead of microgpt.py",
        "Of a run from a cold start; below a line microgpt.py is sooner done. "
        + "; ".join(told) + ".", 350, parts)


def files(found):
    return {"data/torch.json": json.dumps(found, indent=1) + "\n",
            "data/torch.md": markdown(found),
            "data/torch.svg": drawing(found)}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        worker(asked.worker[0], int(asked.worker[1]))
        return
    if asked.check or asked.write:
        found = json.loads(RECORD.read_text(encoding="utf-8"))
    else:
        found = measure(asked.rounds)
    stale = write(files(found), asked.check)
    if asked.check and stale:
        sys.exit("stale in docs: " + ", ".join(stale))
    print("written:" if stale else "all is true", *stale)


if __name__ == "__main__":
    main()
