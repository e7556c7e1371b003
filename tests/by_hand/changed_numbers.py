"""Change a digit of a number in the book's prose, again and again: is it seen?

    python tests/by_hand/changed_numbers.py               200 changes, seed 0
    python tests/by_hand/changed_numbers.py COUNT SEED

Each change takes one number that the check of test_book.py accepts, in one
page, and replaces one of its digits. What the check then does not notice is
listed.
"""
import pathlib
import random
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
import prose


def main(count=200, seed=0):
    rng = random.Random(seed)
    found, bad = [], 0
    for path, page in prose.pages().items():
        wrong = prose.unproved(page)
        bad += sum([len(texts) for _, texts, _ in wrong])
        for passage in prose.passages(page):
            left = [number.text for number in passage.numbers
                    if not prose.proved(number, passage.known)]
            if left == passage.said:
                found += [(path, page, wrong, number)
                          for number in passage.numbers]
    missed, tried = [], rng.sample(found, min(count, len(found)))
    for path, page, wrong, (text, start, _) in tried:
        at = rng.choice([i for i, char in enumerate(text) if char.isdigit()])
        digit = rng.choice("0123456789".replace(text[at], ""))
        changed = page[:start + at] + digit + page[start + at + 1:]
        if prose.unproved(changed) == wrong:
            line = page.count("\n", 0, start) + 1
            missed.append(f"{path.name}:{line}: {text} with {digit} at {at}")
    caught = len(tried) - len(missed)
    print(f"{len(found)} numbers, and {bad} without a proof; {caught} of "
          f"{len(tried)} changes noticed ({caught / len(tried):.1%}), seed "
          f"{seed}", *missed, sep="\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
