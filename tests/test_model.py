import dataclasses
import math
import random
from collections import defaultdict

import pytest

import textbook
from microgpt import (Config, Tokenizer, Value, attention, cross_entropy,
                      document_loss, gpt, init_params, linear, n_params,
                      rmsnorm, softmax)

# settings

BAD = [("n_embd", 0, "1..9999"), ("n_embd", 16.0, "1..9999"),
       ("n_embd", "16", "1..9999"), ("n_head", None, "1..9999"),
       ("n_layer", 10_000, "1..9999"), ("block_size", 10 ** 30, "1..99999"),
       ("steps", -1, "0..1000000000"),
       ("learning_rate", math.inf, "1e-09..1000000000.0"),
       ("beta1", 1.0, "0.0..0.999999"), ("beta2", -0.1, "0.0..0.999999"),
       ("adam_eps", 0.0, "1e-99..1.0"), ("holdout", 1.0, "0.0..0.99"),
       ("paragraphs", 2, "0..1"), ("samples", 2.5, "0..1000000000"),
       ("temperature", math.nan, "0.0..1000000000.0"),
       ("seed", -1, "0..1000000000000000000")]


@pytest.mark.parametrize("name, value, allowed", BAD)
def test_a_bad_setting_is_named(name, value, allowed):
    with pytest.raises(ValueError) as error:
        Config(**{name: value})
    assert str(error.value) == f"{name}={value!r:.80} not in {allowed}"


def test_every_setting_has_limits_that_are_allowed_themselves():
    assert {f.name for f in dataclasses.fields(Config)} == {
        name for name, _, _ in BAD}
    for f in dataclasses.fields(Config):
        for limit in f.metadata["range"]:  # n_head has to divide n_embd
            both = {"n_embd": limit} if f.name == "n_head" else {"n_head": 1}
            config = Config(**{**both, f.name: limit})
            assert getattr(config, f.name) == limit


def test_heads_divide_the_embedding():
    with pytest.raises(ValueError) as error:
        Config(n_embd=16, n_head=3)
    assert str(error.value) == "n_embd=16 must be a multiple of n_head=3"


def test_settings_cannot_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().n_embd = 8


# weights

SIZES = [
    dict(n_embd=16, n_head=4, n_layer=1, block_size=16),  # the published ones
    dict(n_embd=4, n_head=2, n_layer=3, block_size=3),
    dict(n_embd=6, n_head=3, n_layer=1, block_size=5),
    dict(n_embd=1, n_head=1, n_layer=2, block_size=1)]


@pytest.mark.parametrize("sizes", SIZES)
def test_weights_are_drawn_in_order(sizes):
    config, vocab_size, n = Config(**sizes), 27, sizes["n_embd"]
    params = init_params(config, vocab_size, random.Random(42))
    shapes = [("wte", vocab_size, n), ("wpe", config.block_size, n),
              ("lm_head", vocab_size, n)]
    for i in range(config.n_layer):
        for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):
            shapes.append((f"layer{i}.{name}", n, n))
        shapes += [(f"layer{i}.mlp_fc1", 4 * n, n),
                   (f"layer{i}.mlp_fc2", n, 4 * n)]
    assert [(name, len(rows), len(rows[0])) for name, rows in params.items()
            ] == shapes
    rng, seen = random.Random(42), set()
    for rows in params.values():
        for row in rows:
            for w in row:
                assert w.data == rng.gauss(0.0, 0.32 / math.sqrt(n))
                seen.add(w)
    assert len(seen) == n_params(config, vocab_size)


def test_the_published_sizes_have_the_published_number_and_spread():
    assert n_params(Config(**SIZES[0]), 27) == 4192
    assert 0.32 / math.sqrt(16) == 0.08


def test_a_wide_model_starts_by_guessing():
    """A spread of 0.08 at any width would begin with a loss of 4.1."""
    config = Config(n_embd=128, n_head=4, n_layer=1, block_size=4)
    tokenizer = Tokenizer(["abcdefghijklmnopqrstuvwxyz"])
    params = init_params(config, 27, random.Random(42))
    loss = document_loss(config, params, tokenizer, "ava").data
    assert abs(loss - math.log(27)) < 0.5


def test_too_many_weights_are_refused():
    config = Config(n_embd=1000, n_head=1, block_size=2)
    with pytest.raises(ValueError, match="^over 10000000 parameters: lower"):
        init_params(config, 27, random.Random(0))


# wrong shapes

def leaves(*shape):
    """Values that all differ, [n] or [rows][n]."""
    if len(shape) == 1:
        return [Value(1.0 + i) for i in range(*shape)]
    return [leaves(shape[1]) for _ in range(shape[0])]


@pytest.mark.parametrize("n_in, n_weights", [(3, 2), (2, 3), (0, 1), (1, 0)])
def test_linear_refuses_a_row_of_another_length(n_in, n_weights):
    with pytest.raises(ValueError) as error:
        linear([leaves(n_in)], [leaves(n_weights)])
    assert str(error.value) == f"{n_in} numbers meet {n_weights} weights"


@pytest.mark.parametrize("name", ["wte", "attn_wk", "attn_wo", "mlp_fc1",
                                  "mlp_fc2", "lm_head"])
def test_gpt_refuses_a_matrix_of_another_width(name, tiny, params):
    rows = params[name if name in params else f"layer0.{name}"]
    rows[:] = [row[:-1] for row in rows]
    with pytest.raises((IndexError, ValueError)):
        gpt(tiny, params, [0, 1], *caches())


# softmax, rmsnorm and the loss

def numbers(values):
    return [v.data for v in values]


@pytest.fixture
def logits():
    rng = random.Random(3)
    return [rng.gauss(0, 2) for _ in range(7)]


def probabilities(logits):
    return numbers(softmax([Value(logit) for logit in logits]))


def test_softmax_is_exp_over_its_sum(logits):
    exps = [math.exp(logit) for logit in logits]
    expected = [e / sum(exps) for e in exps]
    assert probabilities(logits) == pytest.approx(expected, rel=1e-14)
    shifted = [logit + 100.0 for logit in logits]
    assert probabilities(shifted) == pytest.approx(expected, rel=1e-12)


def test_huge_logits_do_not_overflow():
    assert probabilities([1e308, -1e308, 1e308]) == [0.5, 0.0, 0.5]
    logits = [Value(1e6), Value(-1e6)]
    loss = cross_entropy(logits, 1)
    loss.backward()
    assert (loss.data, logits[0].grad, logits[1].grad) == (2e6, 1.0, -1.0)


def test_a_target_out_of_the_vocabulary_is_refused():
    with pytest.raises(IndexError):
        cross_entropy(leaves(3), 3)


def test_rmsnorm_keeps_the_direction_and_has_mean_square_one(logits):
    normed = numbers(rmsnorm([Value(logit) for logit in logits]))
    ratios = [y / logit for y, logit in zip(normed, logits)]
    assert ratios == pytest.approx([ratios[0]] * 7, rel=1e-14)
    square = sum([y * y for y in normed]) / len(normed)
    assert 1.0 - 1e-5 < square < 1.0  # for the 1e-5 under the root


def test_rmsnorm_of_zeros():
    x = [Value(0.0), Value(0.0)]
    y = rmsnorm(x)
    y[0].backward()
    assert numbers(y) == [0.0, 0.0]
    assert [v.grad for v in x] == pytest.approx([1e-5 ** -0.5, 0.0])


def test_attention_looks_up_what_its_query_asks_for():
    """A head on each half: with sharp keys, the value beside the right one."""
    keys = [[Value(50.0 * (i == j)) for j in range(4)] for i in range(4)]
    values = [[Value(10.0 * i + j) for j in range(4)] for i in range(4)]
    q = [Value(number) for number in (0.0, 9.0, 9.0, 0.0)]
    assert numbers(attention(2, q, keys, values)) == pytest.approx(
        [10.0, 11.0, 22.0, 23.0])


# the whole model against the textbook

CONFIGS = [Config(n_embd=8, n_head=1, n_layer=2, block_size=5),
           Config(n_embd=8, n_head=2, n_layer=2, block_size=9),
           Config(n_embd=8, n_head=4, n_layer=2, block_size=3),
           Config(n_embd=6, n_head=3, n_layer=1, block_size=4),
           Config(n_embd=1, n_head=1, n_layer=3, block_size=2)]


@pytest.fixture(params=range(len(CONFIGS)))
def pair(request):
    """The settings, equal weights for both programs, and tokens."""
    config, rng = CONFIGS[request.param], random.Random(request.param)
    params = init_params(config, 6, rng)
    for w in flatten(params):
        w.data *= request.param + 1  # the larger, the sharper its attention
    tokens = [rng.randrange(6) for _ in range(config.block_size)]
    return config, params, textbook.copy(params), tokens


def flatten(params):
    return [w for matrix in params.values() for row in matrix for w in row]


def caches():
    return defaultdict(list), defaultdict(list)


def test_logits_equal_the_textbook(pair):
    config, params, book, tokens = pair
    cache, book_cache = caches(), caches()
    ours = gpt(config, params, tokens, *cache)
    assert len(ours) == len(tokens)
    for pos, token in enumerate(tokens):
        theirs = textbook.gpt(config, book, token, pos, *book_cache)
        assert numbers(ours[pos]) == pytest.approx(
            numbers(theirs), rel=1e-12, abs=1e-12)
    for kept, expected in zip(cache, book_cache):
        assert kept.keys() == expected.keys() == set(range(config.n_layer))
        for i in kept:
            assert numbers(sum(kept[i], [])) == pytest.approx(
                numbers(sum(expected[i], [])), rel=1e-12, abs=1e-12)


def test_gradients_equal_the_textbook(pair, recursion):
    config, params, book, tokens = pair
    tokenizer = Tokenizer(["abcde"])
    doc = "".join(["abcde"[token % 5] for token in tokens])
    loss = document_loss(config, params, tokenizer, doc)
    expected, _ = textbook.document_loss(
        config, book, [tokenizer.bos, *tokenizer.encode(doc), tokenizer.bos])
    assert loss.data == pytest.approx(expected.data, rel=1e-12)
    loss.backward()
    expected.backward()
    grads = [w.grad for w in flatten(book)]
    largest = max([abs(g) for g in grads])
    assert [w.grad for w in flatten(params)] == pytest.approx(
        grads, rel=1e-9, abs=1e-13 * largest)
    assert sum([g != 0.0 for g in grads]) > len(grads) / 5


def test_all_tokens_at_once_equal_any_pieces(pair):
    """Their logits to the bit, and their slopes but for the order of sums."""
    config, params, _, tokens = pair
    whole_cache, found = caches(), []
    whole = gpt(config, params, tokens, *whole_cache)
    for size in (1, 2, config.block_size - 1, config.block_size):
        cache, pieces = caches(), []
        for i in range(0, len(tokens), size):
            pieces += gpt(config, params, tokens[i:i + size], *cache)
        assert list(map(numbers, pieces)) == list(map(numbers, whole))
        for w in flatten(params):
            w.grad = 0.0
        sum([cross_entropy(row, 0) for row in pieces]).backward()
        found.append([w.grad for w in flatten(params)])
    largest = max(map(abs, found[0]))
    for slopes in found[1:]:
        assert slopes == pytest.approx(found[0], rel=1e-9, abs=1e-13 * largest)


@pytest.mark.parametrize("before, n_tokens", [(0, 5), (4, 1), (3, 2)])
def test_a_position_beyond_the_block_is_refused(before, n_tokens, tiny, params):
    cache = caches()
    if before:
        gpt(tiny, params, [0] * before, *cache)
    with pytest.raises(IndexError):
        gpt(tiny, params, [0] * n_tokens, *cache)
    assert [len(kept[0]) for kept in cache] == [before] * 2  # as it was


def test_a_token_out_of_the_vocabulary_is_refused(tiny, params):
    with pytest.raises(IndexError):
        gpt(tiny, params, [0, 6], *caches())


def test_a_token_sees_those_before_it_and_none_after(tiny, params):
    first = numbers(gpt(tiny, params, [1], *caches())[0])
    rows = {}
    for tokens in ([1, 2], [1, 3, 4], [2, 3]):
        rows[tokens[0], tokens[1]] = gpt(tiny, params, tokens, *caches())
    assert numbers(rows[1, 2][0]) == numbers(rows[1, 3][0]) == first
    assert numbers(rows[1, 3][1]) != numbers(rows[2, 3][1])


# gradients of the loss from outside

def test_every_gradient_against_central_differences(tiny, tokenizer):
    params = init_params(tiny, tokenizer.vocab_size, random.Random(7))
    for w in flatten(params):
        w.data *= 2.0
    document_loss(tiny, params, tokenizer, "bead").backward()
    grads, errors, h = [], [], 1e-5
    for w in flatten(params):
        data, sides = w.data, []
        for w.data in (data + h, data - h):
            sides.append(document_loss(tiny, params, tokenizer, "bead").data)
        w.data = data
        grads.append(abs(w.grad))
        errors.append(abs(w.grad - (sides[0] - sides[1]) / (2 * h)))
    assert max(grads) > 0.1
    assert max(errors) < 1e-6 * max(grads)
    assert max([error / grad for error, grad in zip(errors, grads)
                if grad > 1e-3 * max(grads)]) < 1e-6


def test_every_gradient_against_pytorch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    config = Config(**SIZES[0])
    tokenizer = Tokenizer(["abcdefghijklmnopqrstuvwxyz"])
    params = init_params(config, tokenizer.vocab_size, random.Random(42))
    loss = document_loss(config, params, tokenizer, "bartholomew")
    loss.backward()
    w = {name: torch.tensor([numbers(row) for row in matrix],
                            dtype=torch.float64, requires_grad=True)
         for name, matrix in params.items()}
    tokens = torch.tensor([26, *tokenizer.encode("bartholomew"), 26])
    n = len(tokens) - 1

    def norm(x):
        return x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt()

    x = norm(w["wte"][tokens[:-1]] + w["wpe"][:n])
    normed = norm(x)
    q, k, v = [(normed @ w[f"layer0.attn_w{part}"].T).view(n, 4, 4)
               .transpose(0, 1) for part in "qkv"]
    mixed = torch.nn.functional.scaled_dot_product_attention(
        q, k, v, is_causal=True)
    x = x + mixed.transpose(0, 1).reshape(n, 16) @ w["layer0.attn_wo"].T
    x = x + (norm(x) @ w["layer0.mlp_fc1"].T).relu() @ w["layer0.mlp_fc2"].T
    expected = torch.nn.functional.cross_entropy(x @ w["lm_head"].T, tokens[1:])
    expected.backward()
    assert loss.data == pytest.approx(expected.item(), rel=1e-10)
    for name, matrix in params.items():
        grads = w[name].grad.flatten().tolist()
        largest = max([abs(g) for g in grads])
        assert [v.grad for row in matrix for v in row] == pytest.approx(
            grads, rel=1e-10, abs=1e-13 * largest), name
