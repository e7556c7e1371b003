import math
import random
from dataclasses import replace

import pytest

from microgpt import flatten, generate, gpt, init_params, softmax


@pytest.fixture
def wide(tiny):
    return replace(tiny, block_size=12, temperature=1.0)


@pytest.fixture
def wide_params(wide, tokenizer):
    return init_params(wide, tokenizer.vocab_size, random.Random(1))


def texts(config, params, tokenizer, seed, n=20, prompt=""):
    rng = random.Random(seed)
    return [generate(config, params, tokenizer, rng, prompt)
            for _ in range(n)]


def test_the_generator_decides(wide, wide_params, tokenizer):
    first = texts(wide, wide_params, tokenizer, seed=3)
    assert texts(wide, wide_params, tokenizer, seed=3) == first
    assert texts(wide, wide_params, tokenizer, seed=4) != first


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_tokens_are_drawn_by_their_probabilities(
        temperature, wide, wide_params, tokenizer):
    """Those of all logits divided by the temperature, from the whole text."""
    config = replace(wide, temperature=temperature)
    rng, tokens = random.Random(9), [tokenizer.bos]
    for _ in range(wide.block_size):
        logits = gpt(wide, wide_params, tokens, [[]], [[]])[-1]
        probs = softmax([v / temperature for v in logits])
        [token_id] = rng.choices(range(tokenizer.vocab_size),
                                 weights=[p.data for p in probs])
        if token_id == tokenizer.bos:
            break
        tokens.append(token_id)
    assert texts(config, wide_params, tokenizer, seed=9, n=1) == [
        tokenizer.decode(tokens[1:])]


def test_only_known_characters_and_at_most_a_block(wide, wide_params, tokenizer):
    samples = texts(wide, wide_params, tokenizer, seed=5, n=60)
    assert set("".join(samples)) == set("abcde")
    assert max(map(len, samples)) == wide.block_size
    assert min(map(len, samples)) < 3


@pytest.mark.parametrize("prompt", ["a", "dad", "abcdeabcdea"])
def test_a_prompt_is_kept(prompt, wide, wide_params, tokenizer):
    samples = texts(wide, wide_params, tokenizer, seed=5, prompt=prompt)
    assert all([sample.startswith(prompt) for sample in samples])
    assert max(map(len, samples)) > len(prompt)
    assert max(map(len, samples)) <= wide.block_size


def test_a_prompt_costs_no_randomness(wide, wide_params, tokenizer):
    rng, drawn = random.Random(8), []

    class Counting(random.Random):
        def choices(self, *args, **kwargs):
            drawn.append(1)
            return rng.choices(*args, **kwargs)

    text = generate(wide, wide_params, tokenizer, Counting(), "abc")
    ended_early = len(text) < wide.block_size
    assert len(drawn) == len(text) - 3 + ended_early


@pytest.mark.parametrize("length", [12, 13, 100])
def test_a_long_prompt_is_refused(length, wide, wide_params, tokenizer):
    with pytest.raises(ValueError) as error:
        texts(wide, wide_params, tokenizer, seed=1, prompt="a" * length)
    assert str(error.value) == (f"prompt of {length} characters must be "
                                "shorter than block_size=12")


def test_an_unknown_character_is_refused(wide, wide_params, tokenizer):
    with pytest.raises(ValueError, match="^'X' is not in the vocabulary$"):
        texts(wide, wide_params, tokenizer, seed=1, prompt="aXe")


def likeliest(config, params, tokenizer, prompt=""):
    """The text of the largest logit each time."""
    tokens = [tokenizer.bos, *tokenizer.encode(prompt)]
    while len(tokens) <= config.block_size:
        logits = [v.data for v in gpt(config, params, tokens, [[]], [[]])[-1]]
        tokens.append(logits.index(max(logits)))
        if tokens[-1] == tokenizer.bos:
            return tokenizer.decode(tokens[1:-1])
    return tokenizer.decode(tokens[1:])


class Last(random.Random):
    """Its random() is as large as can be, so choices takes the last of all."""
    def random(self):
        return 1.0 - 2.0 ** -53


class First(random.Random):
    def random(self):
        return 0.0


@pytest.mark.parametrize("temperature", [0, 0.0, 5e-324, 1e-9])
@pytest.mark.parametrize("prompt", ["", "dad"])
def test_without_temperature_the_likeliest_is_taken(
        temperature, prompt, wide, tokenizer):
    cold = replace(wide, temperature=temperature)
    found = set()
    for seed in range(5):  # weights: a text of another model each
        params = init_params(wide, tokenizer.vocab_size, random.Random(seed))
        expected = likeliest(wide, params, tokenizer, prompt)
        for rng in (random.Random(1), random.Random(2), First(), Last()):
            assert generate(cold, params, tokenizer, rng, prompt) == expected
        found.add(expected)
    assert len(found) > 2


def test_without_temperature_huge_logits_are_no_error(wide, wide_params,
                                                      tokenizer):
    for row in wide_params["lm_head"]:
        for w in row:
            w.data *= 1e300
    cold = replace(wide, temperature=0.0)
    assert set(texts(cold, wide_params, tokenizer, seed=1)) == {
        likeliest(wide, wide_params, tokenizer)}


def test_a_large_temperature_makes_all_alike(wide, wide_params, tokenizer):
    for w in flatten(wide_params):
        w.data *= 20.0
    hot = replace(wide, temperature=1e9, block_size=1)
    counts = dict.fromkeys(["", *"abcde"], 0)
    for text in texts(hot, wide_params, tokenizer, seed=1, n=600):
        counts[text] += 1
    assert min(counts.values()) > 70


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_broken_weights_are_an_error(number, temperature, wide, wide_params,
                                     tokenizer):
    for row in wide_params["lm_head"]:
        row[0].data = number
    config = replace(wide, temperature=temperature)
    with pytest.raises(ArithmeticError, match="nan"):
        texts(config, wide_params, tokenizer, seed=1)
