"""The numbers in the prose of a page, and what proves each of them.

Blocks are examples, excerpts, and what is pulled in: figures, tables, texts. A
number is proved by the block above it or the block below it, both in its own
section, or by a comment between these two blocks:

    <!-- from ladder.md: pair counts, 1 added; letter counts -->
    <!-- said: 175 96 -->
    <!-- tested: test_semantics.py -->

The first names lines of a file in docs/data, each by words that it holds. The
second repeats, in their order, all numbers of this text that nothing proves,
such as those of a paper. The third says that a test of its own checks the
whole text between the two blocks. An example can stand in a comment too: then
it is run and not seen.

Looked at are all decimals, and whole numbers of two digits or more, or of one
before "of" or "percent". Not looked at are words ("ten"), years, versions,
whole numbers in code, and the few that the whole book knows.
"""
import json
import math
import pathlib
import re
from typing import NamedTuple

import microgpt

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
DATA = DOCS / "data"
BLOCK = re.compile(
    r"^( *)```.*?\n(?P<code>.*?)^\1``` *$"
    r'|^ *--8<-- "(?P<path>[^":]+)(?::(?P<first>\d+):(?P<last>\d+)'
    r'|:(?P<section>[\w-]+))?" *$', re.M | re.S)
COMMENT = re.compile(r"<!--(.*?)-->", re.S)
NO_PROSE = [r"\A---\n.*?\n---\n", r"<(style|svg|math|script)\b.*?</\1>",
            r"</?[a-z][^<>]*>", r"\]\([^)]*\)", r"\{[^}\n]*\}"]
NUMBER = re.compile(
    r"(?<![\w.,/^])(?<!\w[+-])(?<!Python )"
    r"(?P<text>(?:\d{1,3}(?:,\d{3})+|\d+)(?P<rest>\.\d+)?)"
    r"(?![\w/]|[.,:]\d|-\w)(?P<after> of \d| ?%| percent)?")
PROVING = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?")


class Number(NamedTuple):
    text: str  # as it stands in the page
    start: int  # and where
    percent: bool


class Passage(NamedTuple):
    """The text between two blocks."""
    numbers: list
    known: list  # (number, digits after its point) in what may prove them
    said: list


def numbers_in(text):
    """(number, digits after its point) of all numbers in a proof."""
    return [(float(found), 99 if "e" in found else
             len(found.partition(".")[2])) for found in
            [found.replace(",", "") for found in PROVING.findall(text)]]


def everywhere():
    """What the whole book knows: the size of the default model, and a few of
    the settings of its training."""
    run = json.loads((DATA / "run.json").read_text(encoding="utf-8"))
    names = "weights", "tokens in the vocabulary", "names", "names trained on"
    known = [run["measures"][name] for name in names]
    names = "n_embd", "steps", "learning_rate", "beta1", "beta2"
    known += [getattr(microgpt.Config(), name) for name in names]
    return numbers_in(" ".join(map(str, known)))


EVERYWHERE = everywhere()


def shown(block):
    """What a block shows, as far as it proves something."""
    if block["code"] is not None:
        inner = [shown(found) for found in BLOCK.finditer(block["code"])]
        return "\n".join([block["code"], *inner])
    path = ROOT / block["path"]
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if block["section"]:
        text = text.partition(f"[start:{block['section']}]")[2]
        found = BLOCK.search(text.partition("[end:")[0])
        return shown(found) if found else ""
    if block["path"].endswith(".svg"):
        return re.sub("<[^>]*>", " ", text)
    if block["path"].endswith((".json", ".html")):
        return ""  # thousands of numbers: nearly any would be among them
    lines = text.splitlines()
    return "\n".join(lines[int(block["first"] or 1) - 1:
                           int(block["last"] or len(lines))])


def lines_from(told):
    """What `FILE: words; words` names. Raises ValueError."""
    file, _, words = told.partition(": ")
    lines = (DATA / file).read_text(encoding="utf-8").splitlines()
    found = {word: [line for line in lines if word in line]
             for word in words.split("; ")}
    if not all(found.values()):
        raise ValueError(f"{file} has no line for one of: {words}")
    return "\n".join([line for lines in found.values() for line in lines])


def blank(match):
    return " " * len(match[0])


def passages(page):
    """The passages of a page, with the numbers that need a proof."""
    plain = BLOCK.sub(blank, page)
    cuts = [(m.start(), m.end(), shown(m)) for m in BLOCK.finditer(page)]
    # a heading is a cut that shows nothing
    cuts += [(m.start(), m.start(), "") for m in re.finditer(
        "^#+ ", plain, re.M)]
    cuts = [(0, 0, ""), *sorted(cuts), (len(page), len(page), "")]
    comments = [(m.start(), " ".join(m[1].split()))
                for m in COMMENT.finditer(plain)]
    prose = COMMENT.sub(blank, plain)
    for nothing in NO_PROSE:
        prose = re.sub(nothing, blank, prose, flags=re.S)
    code = [m.span() for m in re.finditer("`[^`\n]*`", prose)]

    for (_, start, above), (end, _, below) in zip(cuts, cuts[1:]):
        numbers, said, proof = [], [], [above, below]
        for at, comment in comments:
            kind, _, rest = comment.partition(" ")
            if not start <= at < end:
                continue
            if kind == "tested:":
                if not (ROOT / "tests" / rest).exists():
                    raise ValueError(f"there is no test {rest}")
                break
            said += rest.split() if kind == "said:" else []
            if kind == "from" or ">>> " in comment:
                proof.append(lines_from(rest) if kind == "from" else comment)
        else:
            for match in NUMBER.finditer(prose, start, end):
                after = (match["after"] or "").strip()
                small = len(match["text"]) == 1 and not after
                year = re.fullmatch(r"1[6-9]\d\d|20\d\d", match["text"])
                inside = any([a <= match.start() < b for a, b in code])
                if match["rest"] or not (small or year or inside):
                    numbers.append(Number(match["text"], match.start(),
                                          after in ("%", "percent")))
        yield Passage(numbers, EVERYWHERE + numbers_in("\n".join(proof)), said)


def proved(number, known):
    """Whether something known is, or is rounded to, that number."""
    whole, _, digits = number.text.partition(".")
    if len(whole) > 1 and whole[0] == "0":
        return False
    value, n = float(number.text.replace(",", "")), len(digits)
    if number.percent:
        known = known + [(100 * x, has - 2) for x, has in known]
    return any([math.isclose(x, value, abs_tol=1e-9) or  # 0.4 is no rounding
                (has > n and (n > 1 or value >= 10 or number.percent)
                 and abs(x - value) <= 0.5 * 10 ** -n + 1e-12)
                for x, has in known])


def unproved(page):
    """(line, numbers that nothing proves, what is said in their place) of
    each passage where the two are not the same."""
    found = []
    for passage in passages(page):
        left = [number for number in passage.numbers
                if not proved(number, passage.known)]
        texts = [number.text for number in left]
        if texts != passage.said:
            at = [*left, *passage.numbers, Number("", 0, False)][0].start
            found.append((page.count("\n", 0, at) + 1, texts, passage.said))
    return found


def pages():
    """{path: text} of all pages but the one of addresses and years."""
    return {path: path.read_text(encoding="utf-8")
            for path in sorted(DOCS.glob("*.md"))
            if path.name != "bibliography.md"}
