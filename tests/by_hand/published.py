"""Does microgpt.py still give the published run, to the last digit?

    python tests/by_hand/published.py NAMES      compare every published figure

NAMES is the list that Andrej Karpathy's microgpt (2026) was trained on. It is
not ours to ship; get it from
https://raw.githubusercontent.com/karpathy/makemore/988aa59/names.txt
`.ci/run` compares where MICROGPT_NAMES is the path of such a file.
"""
import hashlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
import microgpt  # noqa: E402

SHA256 = "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
LOSSES = {1: "3.3660", 2: "3.4243", 3: "3.1778", 100: "3.3669", 200: "2.3097",
          1000: "2.6497"}
NAMES = """kamon ann karai jaire vialan karia yeran anna areli kaina konna
keylen liole alerin earan lenne kana lara alela anton""".split()


def compare(path):
    """What the program gives, and what was published."""
    run = microgpt.Run(microgpt.Config(), microgpt.load_docs(path))
    losses = [f"{microgpt.train_step(run):.4f}" for _ in range(1000)]
    names = [microgpt.generate(run.config, run.params, run.tokenizer, run.rng)
             for _ in NAMES]
    found = {step: losses[step - 1] for step in LOSSES}
    return (len(run.weights), found, names), (4192, LOSSES, NAMES)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    data = pathlib.Path(sys.argv[1]).read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        sys.exit(f"published run: {sys.argv[1]} is another list of names")
    found, published = compare(sys.argv[1])
    if found != published:
        sys.exit(f"published run: {published} became {found}")
    print("published run: the same losses and names")
