"""Change a digit of a number in the book's prose, again and again: is it seen?

    python tests/by_hand/numbers.py               200 changes, seed 0
    python tests/by_hand/numbers.py COUNT SEED

Each change takes one number of one page that is proved, and replaces one of
its digits. What the check of test_book.py does not notice is listed.
"""
import pathlib
import random
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
import prose


def main(count=200, seed=0):
    rng = random.Random(seed)
    found = [(path, page, number) for path, page in prose.pages().items()
             for number in prose.numbers(page)]
    known = [each for each in found if prose.proved(each[-1])]
    tried = rng.sample(known, min(count, len(known)))
    missed = []
    for path, page, number in tried:
        text = number.text
        at = rng.choice([i for i, char in enumerate(text) if char.isdigit()])
        digit = rng.choice("0123456789".replace(text[at], ""))
        changed = text[:at] + digit + text[at + 1:]
        if prose.proved(number._replace(text=changed)):
            line = page.count("\n", 0, number.start) + 1
            missed.append(f"{path.name}:{line}: {text} as {changed}")
    caught = len(tried) - len(missed)
    print(f"{len(found)} numbers, of which {len(found) - len(known)} are not "
          f"proved; {caught} of {len(tried)} changes noticed "
          f"({caught / len(tried):.1%}), seed {seed}", *missed, sep="\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
