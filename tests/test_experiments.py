"""What the book says of parts, texts and sizes is what was recorded, and a part
of it comes out the same when it is run again."""
import collections
import importlib
import itertools
import math
import pathlib
import random
import re
import sys

import pytest

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"


@pytest.fixture(scope="module")
def made():
    """The modules experiments and results of docs/make."""
    sys.path.insert(0, str(DOCS / "make"))
    yield [importlib.import_module(name) for name in ("experiments",
                                                      "results")]
    sys.path.remove(str(DOCS / "make"))


def page(name):
    return " ".join((DOCS / name).read_text(encoding="utf-8").split())


@pytest.mark.slow
def test_a_part_of_the_trainings_comes_out_the_same(made):
    experiments, _ = made
    known = experiments.recorded()["short"]
    found = experiments.short()
    assert found.keys() == known.keys()
    for label, loss in found.items():
        assert math.isclose(loss, known[label], rel_tol=1e-6), label


def test_tables_and_drawing_are_those_of_the_record(made):
    _, results = made
    for name, text in results.produce().items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, name


def best_rate(rows, label, rates):
    """The rate with the lowest mean, of those that never diverged."""
    means = {}
    for rate in rates:
        losses = [row["loss"] for row in rows[f"{label} @ {rate}"].values()]
        if None not in losses:
            means[sum(losses) / len(losses)] = rate
    return means[min(means)]


def test_what_learns_has_the_best_rate_that_was_tried(made):
    experiments, _ = made
    found = experiments.recorded()
    for label in experiments.SEARCHED:
        assert (experiments.ladder.LEARNED[label][0] == best_rate(
            found["names"], label, experiments.RATES)), label
    for text, rate in experiments.DESCENT_RATE.items():
        assert rate == best_rate(found[text], experiments.DESCENT,
                                 experiments.DESCENT_RATES)


def test_the_texts_are_those_of_the_page(made):
    experiments, _ = made
    random.seed(0)
    halves = ["".join(h) for h in itertools.product("abcdefgh", repeat=4)]
    assert experiments.palindromes() == [
        half + half[::-1] for half in random.sample(halves, 2000)]
    assert len(experiments.brackets()) == 429
    assert not experiments.is_balanced("())(")


def sum_of(runs, key, i=None):
    return sum([run[key] if i is None else run[key][i]
                for run in runs.values()])


def test_what_is_said_of_sums(made):
    runs = made[0].recorded()["sums"]
    whole = runs["the whole file"]
    right, n = sum_of(whole, "right"), 15 * len(whole)
    alone, asked_alone = [sum_of(whole, "alone", i) for i in range(2)]
    text = page("languages.md")
    assert f"gets {right} of {n} sums right" in text
    assert (f"of {n - asked_alone} such, {right - alone} are right; of "
            f"{asked_alone} without such a help, as 5+5, {alone}.") in text
    wrong = [answer for run in whole.values() for answer in run["wrong"]]
    off = collections.Counter([abs(int(a) + int(b) - int(c)) for a, b, c in [
        re.fullmatch(r"(\d)\+(\d)=(\d+)", answer).groups()
        for answer in wrong]])
    assert (f"of {len(wrong)} wrong answers, {off[1]} are off by one and "
            f"{off[2]} by two") in text
    assert f"its one mistake is {''.join(whole['43']['wrong'])}." in text
    blind, free = [sum_of(runs[label], "right")
                   for label in ("no attention", "no positions")]
    assert f"Without attention {blind} of {n} are right" in text
    assert f"Without positions {free} are, more than with them" in text
    turned = free - sum_of(runs["no positions"], "alone", 0)
    assert f"{turned} right and not {right - alone}" in text


def test_what_is_said_of_brackets(made):
    runs = made[0].recorded()["brackets"]

    def span(label, key="right"):
        found = [run[key] for run in runs[label].values()]
        assert len(found) == 10
        return f"{min(found)} to {max(found)}"
    text = page("languages.md")
    assert f"Of a hundred samples {span('the whole file')} are right" in text
    assert f"Of these {span('the whole file', 'new')} were never" in text
    assert f"Without attention {span('no attention')} are right" in text
    assert f"Without positions {span('no positions')} are:" in text
    assert max([run["right"] for n in (1, 2, 3) for run in
                runs[f"counts of {n} letters"].values()]) == 2


def test_what_is_said_of_sorting(made):
    runs = made[0].recorded()["sorting"]
    right = [run["right"] for run in runs["the whole file"].values()]
    assert f"{min(right)} to {max(right)} come out sorted" in page(
        "languages.md") and len(right) == 10
    assert {run["right"] for run in runs["no attention"].values()} == {0, 1}
    free = [run["right"] for run in runs["no positions"].values()]
    assert f"Without positions {min(free)} to {max(free)} are" in page(
        "languages.md")


def test_what_is_said_of_palindromes(made):
    found = made[0].recorded()["palindromes"]
    limit = 4 * math.log(8) / 9
    whole = found["the whole file"].values()
    assert len(whole) == 10 and {run["right"] for run in whole} == {100}
    assert all([run["loss"] < limit + 0.03 for run in whole])
    late = found["one head, not four"].pop("46")
    assert (late["right"], round(late["loss"], 3)) == (86, 1.118)
    assert {run["right"] for run in found["one head, not four"].values()
            } == {100}
    assert all([abs(run["loss"] - 7 * math.log(8) / 9) < 0.02
                for run in found["no attention"].values()])
    assert min([run["loss"] for label in made[0].COUNTS
                for run in found[label].values()]) > 1.9


def test_what_is_said_of_heads_that_are_knocked_out(made):
    runs = made[0].recorded()["palindromes"]["the whole file"]
    shares = {}
    for seed, run in runs.items():
        worse = {part: loss - run["loss"]
                 for part, loss in run["knocked out"].items()}
        shares[seed] = max([worse[f"head {h}"] for h in range(1, 5)]
                           ) / worse["all heads"]
    assert len([share for share in shares.values() if share > 0.5]) == 7
    assert max(shares["47"], shares["50"]) < 1 / 3


def test_what_is_said_of_forty_names(made):
    runs = made[0].recorded()["names"]["forty names"]
    *first, last = [str(run["known"]) for _, run in sorted(runs.items())]
    assert (f"Of 20 samples at the end, {', '.join(first)} and {last} are "
            "among the forty names") in page("next.md")
    assert all([run["loss"] > math.log(26) + 1 for run in runs.values()])


def test_what_is_said_of_names_that_were_shown(made):
    runs = made[0].recorded()["names"]["the whole file"]
    shown, held_out = [sum_of(runs, "by heart", i) for i in range(2)]
    assert len(runs) == 30
    assert (f"{shown} are among the 900 that it learned from, and {held_out} "
            "among the 100 that were held out: "
            f"{shown / 900:.2f} and {held_out / 100:.2f} for each name"
            ) in page("questions.md")


def losses(made, text, label):
    return [row["loss"] for seed, row in sorted(
        made[0].recorded()[text][label].items()) if 42 <= int(seed) < 52]


FILE = "the whole file"


@pytest.mark.parametrize("seeds, lower, higher", [  # in loss, on names
    (10, "pair counts", "letter counts"),
    (9, "pair counts", "pairs, learned"),
    (10, "letter and position", "pairs, learned"),
    (10, "letter and position", "one head in their place"),
    (9, "one head, residuals", "letter and position"),
    (5, FILE, "one head, residuals"),
    (7, "MLP of three letters", FILE),
    (9, FILE, "the file by gradient descent"),
    (10, "blended counts: two letters", FILE),
    (10, "blended counts: three letters", "blended counts: two letters")])
def test_what_the_ladder_says_of_names(made, seeds, lower, higher):
    pairs = list(zip(losses(made, "names", lower),
                     losses(made, "names", higher)))
    assert len(pairs) == 10
    assert sum([a < b for a, b in pairs]) == seeds


def test_what_the_ladder_says_of_longer_counts(made):
    means = [sum(losses(made, "names", label)) / 10 for label in (
        "blended counts: three letters", *made[0].COUNTS[4:])]
    assert means[0] - 0.02 < means[2] < means[1] < means[0]


def test_what_the_ladder_says_of_palindromes(made):
    def right(label):
        return [row["right"] for row in
                made[0].recorded()["palindromes"][label].values()]
    assert right("one head in their place") == [100] * 10
    assert right("one head, residuals") == [100] * 10
    assert right("no MLP") == [100] * 10
    assert len([n for n in right("no residuals") if n > 95]) == 2
    assert max(right("no residuals @ 0.03")) < 5
    assert max(right("no norms")) < 90
    assert len([n for n in right("no norms @ 0.03") if n > 95]) == 7
    assert [n for n in right("gradient descent, not Adam") if n > 10] == [68]
    assert right("gradient descent, not Adam @ 0.8").count(100) == 2
    first = zip(losses(made, "palindromes", "no first norm"),
                losses(made, "palindromes", FILE))
    assert all([a < b for a, b in first])
