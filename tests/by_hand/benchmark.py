"""How fast is microgpt.py, next to the textbook formulation and to the floor?

    python tests/by_hand/benchmark.py                print the tables
    python tests/by_hand/benchmark.py --json FILE    and write the figures to FILE
    python tests/by_hand/benchmark.py --rounds 1     quicker and rougher

Each formulation trains in a process of its own, so that neither warms or
fills the memory of the other, on the same documents, in turn, ten steps each:
A B A B. (Turns of one step would measure how long a processor's cache takes to
fill again.) Only ratios within one run mean something; machines differ and are
noisy. The cyclic collector is on, except where it says so. The floor is the
same step on plain lists of floats, without a graph.
"""
import argparse
import collections
import gc
import importlib
import json
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS.parent), str(TESTS)]  # microgpt.py, textbook.py
import microgpt  # noqa: E402


def setup(settings, length):
    """A run on the names, or on documents of exactly length letters."""
    run = microgpt.Run(microgpt.Config(**settings), microgpt.load_docs())
    if length:  # names strung together
        text = "".join(run.docs)
        run.docs = [text[i:i + length] for i in range(0, 100 * length, length)]
    return run


def peak_mb():
    """Most memory that this process has used so far, in MB."""
    try:  # what getrusage says on Linux includes the parent before the exec
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status
                        if line.startswith("VmHWM")) / 2 ** 10
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2 ** 20 if sys.platform == "darwin" else 2 ** 10)


def reply(**figures):
    print(json.dumps(figures), flush=True)


def asked():
    """How many steps the next turn has; ends the process after the last."""
    line = sys.stdin.readline()
    return int(line) if line else sys.exit()


def edges(loss):
    """Number of edges in the graph of a loss."""
    seen, stack, count = {loss}, [loss], 0
    while stack:
        for child in stack.pop()._children:
            count += 1
            if child not in seen:
                seen.add(child)
                stack.append(child)
    return count


def worker(kind, settings, length):
    """Train as many steps as each line on stdin says, and reply their seconds.

    Nothing is read or written within a turn: it would cost a fast step more
    of its cache than a slow one.
    """
    run = setup(settings, length)
    config, params, tokenizer = run.config, run.params, run.tokenizer
    if kind in KINDS:
        if kind == "textbook, collector off":
            gc.disable()
        trainer = None
        if kind != "microgpt":
            module = importlib.import_module(kind.split(",")[0])
            trainer = module.Trainer(config, params)
        step = 0
        while True:
            seconds = []
            for _ in range(asked()):
                text = tokenizer.encode(run.docs[step % len(run.docs)])
                tokens = [tokenizer.bos, *text, tokenizer.bos]
                step += 1
                start = time.perf_counter()
                loss = (trainer.step(tokens) if trainer
                        else microgpt.train_step(run))
                seconds.append(time.perf_counter() - start)
                if not gc.isenabled():
                    gc.collect()  # not counted: only this frees its graphs
            reply(seconds=seconds, loss=loss, peak=peak_mb())
    elif kind == "phases":
        seconds = collections.Counter()

        def timed(phase, function):
            def call(*args):
                start = time.perf_counter()
                result = function(*args)
                seconds[phase] += time.perf_counter() - start
                return result
            return call

        microgpt.document_loss = timed("forward", microgpt.document_loss)
        microgpt.topological_order = timed("order", microgpt.topological_order)
        microgpt.Value.backward = timed("backward", microgpt.Value.backward)
        train_step = timed("training", microgpt.train_step)
        for _ in range(100):
            train_step(run)
        generate = timed("samples", microgpt.generate)
        for _ in range(20):
            generate(config, params, tokenizer, run.rng)
        reply(**seconds)


TURN = 10  # steps
KINDS = ["textbook", "textbook, collector off", "microgpt", "floor"]


class Process:
    """A worker that trains some steps when it is asked to, else waits."""

    def __init__(self, kind, settings=None, length=0):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", kind,
             json.dumps(settings or {}), str(length)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.replies = []

    def turn(self, steps):
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        self.replies.append(json.loads(self.process.stdout.readline()))
        return self.replies[-1]

    def close(self):
        self.process.kill()
        self.process.communicate()

    def median(self):
        return statistics.median(
            seconds for reply in self.replies for seconds in reply["seconds"])


def compare(rounds):
    """A B C D A B C D: all that train, in turn."""
    runs = {kind: Process(kind) for kind in KINDS}
    for _ in range(rounds):
        losses = [run.turn(TURN)["loss"] for run in runs.values()]
        assert max(losses) - min(losses) < 1e-6, losses
    figures = {name: {"ms": 1e3 * run.median(), "peak_mb": run.replies[-1]["peak"]}
               for name, run in runs.items()}
    figures["ratio"] = runs["textbook"].median() / runs["microgpt"].median()
    figures["floor_ratio"] = runs["microgpt"].median() / runs["floor"].median()
    for run in runs.values():
        run.close()
    return figures


def growth(settings, length, steps):
    """Time, memory and graph of a step with other settings."""
    run = Process("microgpt", settings, length)
    run.turn(steps)
    run.close()
    ours = setup(settings, length)
    n_edges = statistics.median(
        edges(microgpt.document_loss(ours.config, ours.params, ours.tokenizer,
                                     doc)) for doc in ours.docs[:steps])
    return {"edges": n_edges, "ms": 1e3 * run.median(),
            "ns_per_edge": 1e9 * run.median() / n_edges,
            "peak_mb": run.replies[-1]["peak"]}


def measure(rounds):
    figures = {"python": f"{platform.python_implementation()} "
                         f"{platform.python_version()}", "rounds": rounds}
    figures["step"] = compare(rounds)
    seconds = Process("phases").turn(0)
    training = seconds["training"]  # a hundred steps
    figures["samples_to_training"] = seconds["samples"] / (10 * training)
    figures["share"] = {
        "forward": seconds["forward"] / training,
        "order": seconds["order"] / training,
        "accumulate": (seconds["backward"] - seconds["order"]) / training,
        "adam_and_rest": 1 - (seconds["forward"] + seconds["backward"]) / training}
    long = Process("microgpt")
    figures["peak_mb"] = {"100": long.turn(100)["peak"],
                          "1000": long.turn(900)["peak"]}
    long.close()
    sizes = [{}, {"n_embd": 32}, {"n_embd": 64}, {"n_layer": 2}, {"n_layer": 4}]
    few = 10
    figures["growth"] = [{"settings": s, "length": 0, **growth(s, 0, few)}
                         for s in sizes]
    figures["growth"] += [
        {"settings": {"block_size": n + 1}, "length": n,
         **growth({"block_size": n + 1}, n, few)} for n in (8, 32, 128)]
    return figures


def markdown(figures):
    """The figures as the tables that are printed, and that the book shows."""
    step = figures["step"]
    names = {"forward": "forward: computing the loss",
             "order": "ordering the graph",
             "accumulate": "adding up gradients",
             "adam_and_rest": "Adam, freeing the graph and the rest"}
    lines = [
        f"Measured with {figures['python']}, {figures['rounds']} turns of {TURN} "
        f"steps each. The textbook took {step['ratio']:.1f} times as long as "
        f"microgpt, and microgpt {step['floor_ratio']:.1f} times as long as the "
        "floor, plain lists of floats without a graph.", "",
        "| a training step | milliseconds, median | peak memory, MB |",
        "|---|---:|---:|"]
    for name in KINDS:
        lines.append(f"| {name} | {step[name]['ms']:.1f} | "
                     f"{step[name]['peak_mb']:.1f} |")
    lines += ["", "| where microgpt's time goes | share |", "|---|---:|"]
    for name, share in figures["share"].items():
        lines.append(f"| {names[name]} | {100 * share:.0f}% |")
    lines += ["", "| over a whole run | |", "|---|---:|"]
    for n, peak in figures["peak_mb"].items():
        lines.append(f"| peak memory at step {n}, MB | {peak:.1f} |")
    lines.append("| twenty samples, in share of a thousand steps | "
                 f"{100 * figures['samples_to_training']:.1f}% |")
    lines += ["", "| setting | letters | edges | milliseconds | "
              "nanoseconds an edge | peak memory, MB |",
              "|---|---:|---:|---:|---:|---:|"]
    for row in figures["growth"]:
        setting = ", ".join(f"{k}={v}" for k, v in row["settings"].items())
        lines.append(
            f"| {setting or 'default'} | {row['length'] or 'names'} | "
            f"{row['edges']:,.0f} | {row['ms']:.1f} | "
            f"{row['ns_per_edge']:.0f} | {row['peak_mb']:.1f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N",
                        help="turns of ten steps for each (default: 5)")
    parser.add_argument("--json", metavar="FILE",
                        help="also write the figures to FILE, JSON")
    parser.add_argument("--markdown", metavar="FILE",
                        help="and the printed tables to FILE")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        kind, settings, length = options.worker
        # the textbook's backward calls itself once for each level of the graph
        sys.setrecursionlimit(10 ** 6)
        threading.stack_size(512 * 2 ** 20)
        thread = threading.Thread(
            target=worker, args=(kind, json.loads(settings), int(length)))
        thread.start()
        thread.join()
        return
    figures = measure(options.rounds)
    print(markdown(figures), end="")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)
            file.write("\n")
    if options.markdown:
        with open(options.markdown, "w", encoding="utf-8") as file:
            file.write(markdown(figures))


if __name__ == "__main__":
    main()
