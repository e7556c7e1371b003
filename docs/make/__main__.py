"""Make all of docs that is made.

    python docs/make              what follows from microgpt.py in a minute
    python docs/make --check      say what of that is stale, change nothing
    python docs/make NAME...      only these parts
    python docs/make --all        the slow parts too

The parts, in the order in which they are made:

"""
import argparse
import importlib
import sys

import kit

QUICK = {"excerpts": "the excerpts of the pages, the map of the file, the list "
                     "of its definitions",
         "notebooks": "the file as a notebook, and the exercises",
         "runs": "the numbers of one seeded run",
         "figures": "all drawings, and the tables of that run",
         "results": "tables and a drawing of what the experiments gave",
         "mirror": "a head that reads palindromes, drawn",
         "front": "what the first page shows",
         "step": "what the page that steps shows"}
SLOW = {"experiments": "what comes out of many trainings: hours",
        "broken": "what a wrong slope in each operation does"}


def main():
    parts = {**QUICK, **SLOW}
    told = [f"  {name:12} {what}" for name, what in parts.items()]
    parser = argparse.ArgumentParser(
        prog="python docs/make", description=__doc__ + "\n".join(told),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("parts", metavar="NAME", nargs="*", help="make only these parts")
    add("--all", action="store_true", help="make the slow parts too")
    add("--check", action="store_true", help="only say what is stale")
    options = parser.parse_args()
    for name in options.parts:
        if name not in parts:
            parser.error(f"{name!r} is none of {', '.join(parts)}")

    bad = False
    for part in options.parts or (parts if options.all else QUICK):
        try:
            stale = kit.write(importlib.import_module(part).produce(),
                              options.check)
        except (LookupError, ValueError) as error:
            stale, bad = [], True
            print(f"{part}: {error}")
        else:
            bad = bad or stale and options.check
            state = "stale" if options.check else "written"
            print(f"{part}:", f"{state}: {', '.join(stale)}" if stale
                  else "true", flush=True)
    if bad:
        sys.exit("run python docs/make with the names of these parts"
                 if options.check else 1)


if __name__ == "__main__":
    main()
