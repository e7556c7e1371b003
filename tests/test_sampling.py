import math
import random
from dataclasses import replace

import pytest

from microgpt import flatten, generate, gpt, init_params, softmax


@pytest.fixture
def wide(tiny):
    return replace(tiny, block_size=12, temperature=1.0)


@pytest.fixture
def params(wide, tokenizer):
    return init_params(wide, tokenizer.vocab_size, random.Random(1))


def texts(config, params, tokenizer, seed, n=20, prompt=""):
    rng = random.Random(seed)
    return [generate(config, params, tokenizer, rng, prompt)
            for _ in range(n)]


def test_the_generator_decides(wide, params, tokenizer):
    first = texts(wide, params, tokenizer, seed=3)
    assert texts(wide, params, tokenizer, seed=3) == first
    assert texts(wide, params, tokenizer, seed=4) != first


def test_tokens_are_drawn_by_their_probabilities(wide, params, tokenizer):
    rng, expected, token_id = random.Random(9), "", tokenizer.bos
    cache = [[[]], [[]]]
    for pos_id in range(wide.block_size):
        logits = gpt(wide, params, token_id, pos_id, *cache)
        weights = softmax([v.data for v in logits], wide.temperature)
        [token_id] = rng.choices(range(tokenizer.vocab_size), weights=weights)
        if token_id == tokenizer.bos:
            break
        expected += tokenizer.chars[token_id]
    assert texts(wide, params, tokenizer, seed=9, n=1) == [expected]


def test_only_known_characters_and_at_most_a_block(wide, params, tokenizer):
    samples = texts(wide, params, tokenizer, seed=5, n=60)
    assert set("".join(samples)) == set("abcde")
    assert max(map(len, samples)) == wide.block_size
    assert min(map(len, samples)) < 3


@pytest.mark.parametrize("prompt", ["a", "dad", "abcdeabcdea"])
def test_a_prompt_is_kept(prompt, wide, params, tokenizer):
    samples = texts(wide, params, tokenizer, seed=5, prompt=prompt)
    assert all([sample.startswith(prompt) for sample in samples])
    assert max(map(len, samples)) > len(prompt)
    assert max(map(len, samples)) <= wide.block_size


def test_a_prompt_costs_no_randomness(wide, params, tokenizer):
    rng, drawn = random.Random(8), []

    class Counting(random.Random):
        def choices(self, *args, **kwargs):
            drawn.append(1)
            return rng.choices(*args, **kwargs)

    text = generate(wide, params, tokenizer, Counting(), "abc")
    ended_early = len(text) < wide.block_size
    assert len(drawn) == len(text) - 3 + ended_early


@pytest.mark.parametrize("length", [12, 13, 100])
def test_a_long_prompt_is_refused(length, wide, params, tokenizer):
    with pytest.raises(ValueError) as error:
        texts(wide, params, tokenizer, seed=1, prompt="a" * length)
    assert str(error.value) == (f"prompt of {length} characters must be "
                                "shorter than block_size=12")


def test_an_unknown_character_is_refused(wide, params, tokenizer):
    with pytest.raises(ValueError, match="^'X' is not in the vocabulary$"):
        texts(wide, params, tokenizer, seed=1, prompt="aXe")


def test_a_tiny_temperature_takes_the_likeliest(wide, params, tokenizer):
    cold = replace(wide, temperature=1e-9)
    [text] = set(texts(cold, params, tokenizer, seed=1))
    token_id, cache = tokenizer.bos, [[[]], [[]]]
    for pos_id, char in enumerate(text):
        logits = [v.data for v in gpt(cold, params, token_id, pos_id, *cache)]
        token_id = logits.index(max(logits))
        assert tokenizer.chars[token_id] == char


def test_a_large_temperature_makes_all_alike(wide, params, tokenizer):
    for w in flatten(params):
        w.data *= 20.0
    hot = replace(wide, temperature=1e9, block_size=1)
    counts = dict.fromkeys(["", *"abcde"], 0)
    for text in texts(hot, params, tokenizer, seed=1, n=600):
        counts[text] += 1
    assert min(counts.values()) > 70


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_broken_weights_are_an_error(number, wide, params, tokenizer):
    for row in params["lm_head"]:
        row[0].data = number
    with pytest.raises(ArithmeticError, match="nan"):
        texts(wide, params, tokenizer, seed=1)
