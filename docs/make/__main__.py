"""Make all of docs that is made.

    python docs/make              what follows from microgpt.py in a minute
    python docs/make --check      say what of that is stale, change nothing
    python docs/make NAME...      only these parts
    python docs/make --all        the slow parts too: half an hour

The parts, in the order in which they are made:

"""
import argparse
import importlib
import sys

import excerpts
import made

QUICK = {"excerpts": "the line ranges of the excerpts in the pages",
         "notebook": "the notebook",
         "map": "the map of the file, and the list of its definitions",
         "pictures": "the drawings of the maths page",
         "records": "numbers, tables and figures from one seeded run"}
SLOW = {"ablations": "what each part is worth: the model without it",
        "staircase": "the rungs from counting to this model",
        "experiments": "what comes out of the experiments in the book"}


def make(part, check):
    """Make a part unless check -> what was stale, and what can't be made."""
    if part == "excerpts":
        return excerpts.make(check)
    return made.write(importlib.import_module(part).produce(), check), []


def main():
    parts = {**QUICK, **SLOW}
    told = [f"  {name:12} {what}{' (slow)' if name in SLOW else ''}"
            for name, what in parts.items()]
    parser = argparse.ArgumentParser(
        prog="python docs/make", description=__doc__ + "\n".join(told),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", metavar="NAME", nargs="*",
                        help="make only these parts")
    parser.add_argument("--all", action="store_true",
                        help="make the slow parts too")
    parser.add_argument("--check", action="store_true",
                        help="only say what is stale")
    options = parser.parse_args()
    for name in options.parts:
        if name not in parts:
            parser.error(f"{name!r} is none of {', '.join(parts)}")

    wanted = options.parts or (parts if options.all else QUICK)
    bad = False
    for part in wanted:
        stale, unknown = make(part, options.check)
        bad = bad or unknown or stale and options.check
        state = "stale" if options.check else "written"
        print(f"{part}:", f"{state}: {', '.join(stale)}" if stale else "true",
              *[f"\n  {what}" for what in unknown], flush=True)
    if bad:
        sys.exit("run python docs/make with the names of these parts"
                 if options.check else 1)


if __name__ == "__main__":
    main()
