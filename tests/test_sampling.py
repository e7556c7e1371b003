import math
import random
from collections import defaultdict
from dataclasses import replace

import pytest

from microgpt import generate, gpt, init_params, softmax


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


def next_logits(config, params, tokens):
    """Of the token after tokens, without anything kept from before."""
    return gpt(config, params, tokens, defaultdict(list), defaultdict(list))[-1]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("prompt", ["", "dad"])
def test_tokens_are_drawn_by_their_probabilities(
        temperature, prompt, wide, wide_params, tokenizer):
    """Those of all logits divided by the temperature, from the whole text,
    by one number of the generator for each token, and none for the prompt."""
    config = replace(wide, temperature=temperature)
    for seed in range(5):
        rng, tokens = random.Random(seed), [tokenizer.bos]
        tokens += tokenizer.encode(prompt)
        while len(tokens) <= wide.block_size:
            logits = next_logits(config, wide_params, tokens)
            probs = softmax([v / temperature for v in logits])
            [token_id] = rng.choices(range(tokenizer.vocab_size),
                                     weights=[p.data for p in probs])
            if token_id == tokenizer.bos:
                break
            tokens.append(token_id)
        assert texts(config, wide_params, tokenizer, seed, 1, prompt) == [
            tokenizer.decode(tokens[1:])]


def test_only_known_characters_and_at_most_a_block(wide, wide_params, tokenizer):
    samples = texts(wide, wide_params, tokenizer, seed=5, n=60)
    assert set("".join(samples)) == set("abcde")
    assert max(map(len, samples)) == wide.block_size
    assert min(map(len, samples)) < 3


def test_an_unknown_character_is_refused(wide, wide_params, tokenizer):
    with pytest.raises(ValueError, match="^'X' is not in the vocabulary$"):
        texts(wide, wide_params, tokenizer, seed=1, prompt="aXe")


def likeliest(config, params, tokenizer, prompt=""):
    """The text of the largest logit each time."""
    tokens = [tokenizer.bos, *tokenizer.encode(prompt)]
    while len(tokens) <= config.block_size:
        logits = [v.data for v in next_logits(config, params, tokens)]
        tokens.append(logits.index(max(logits)))
        if tokens[-1] == tokenizer.bos:
            return tokenizer.decode(tokens[1:-1])
    return tokenizer.decode(tokens[1:])


class Extreme(random.Random):
    """Its random() is 0, or as large as can be: the first or the last of all
    that choices knows as possible."""
    def random(self):
        return self.number


@pytest.mark.parametrize("temperature", [0, 5e-324, 1e-9])
@pytest.mark.parametrize("prompt", ["", "dad"])
def test_without_temperature_the_likeliest_is_taken(
        temperature, prompt, wide, tokenizer):
    cold, rng, found = replace(wide, temperature=temperature), Extreme(), set()
    for seed in range(5):  # weights: a text of another model each
        params = init_params(wide, tokenizer.vocab_size, random.Random(seed))
        expected = likeliest(wide, params, tokenizer, prompt)
        for rng.number in (0.0, 1.0 - 2.0 ** -53):
            assert generate(cold, params, tokenizer, rng, prompt) == expected
        found.add(expected)
    assert len(found) > 2


def test_without_temperature_huge_logits_are_no_error(wide, wide_params,
                                                      tokenizer):
    for row in wide_params["lm_head"]:
        for w in row:
            w.data *= 1e200
    cold = replace(wide, temperature=0.0)
    assert set(texts(cold, wide_params, tokenizer, seed=1)) == {
        likeliest(wide, wide_params, tokenizer)}


def test_a_large_temperature_makes_all_alike(wide, wide_params, tokenizer):
    for matrix in wide_params.values():
        for row in matrix:
            for w in row:
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
