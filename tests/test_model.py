import dataclasses
import math
import random

import pytest

import textbook
from microgpt import (Config, Tokenizer, Value, add, attention, cross_entropy,
                      document_loss, flatten, gpt, init_params, linear, mlp,
                      rmsnorm, softmax)

# settings

BAD = [("n_embd", 0, "a whole number from 1 to 9999"),
       ("n_embd", True, "a whole number from 1 to 9999"),
       ("n_embd", 16.0, "a whole number from 1 to 9999"),
       ("n_embd", "16", "a whole number from 1 to 9999"),
       ("n_embd", None, "a whole number from 1 to 9999"),
       ("n_head", -1, "a whole number from 1 to 9999"),
       ("n_layer", 10_000, "a whole number from 1 to 9999"),
       ("block_size", 10 ** 30, "a whole number from 1 to 99999"),
       ("init_std", 0, "a number from 1e-09 to 1000000000.0"),
       ("init_std", math.nan, "a number from 1e-09 to 1000000000.0"),
       ("steps", -1, "a whole number from 0 to 1000000000"),
       ("learning_rate", math.inf, "a number from 1e-09 to 1000000000.0"),
       ("learning_rate", 10 ** 400, "a number from 1e-09 to 1000000000.0"),
       ("learning_rate", True, "a number from 1e-09 to 1000000000.0"),
       ("beta1", 1.0, "a number from 0.0 to 0.999999"),
       ("beta2", -0.1, "a number from 0.0 to 0.999999"),
       ("adam_eps", 0.0, "a number from 1e-99 to 1.0"),
       ("holdout", 1.0, "a number from 0.0 to 0.99"),
       ("samples", 2.5, "a whole number from 0 to 1000000000"),
       ("temperature", -1e-9, "a number from 0.0 to 1000000000.0"),
       ("temperature", -math.inf, "a number from 0.0 to 1000000000.0"),
       ("seed", -1, "a whole number from 0 to 1000000000000000000")]


@pytest.mark.parametrize("name, value, allowed", BAD)
def test_a_bad_setting_is_named(name, value, allowed):
    with pytest.raises(ValueError) as error:
        Config(**{name: value})
    assert str(error.value) == f"{name}={value!r:.80} must be {allowed}"


def test_every_setting_is_checked():
    assert {f.name for f in dataclasses.fields(Config)} == {
        name for name, _, _ in BAD}


@pytest.mark.parametrize("f", dataclasses.fields(Config),
                         ids=lambda f: f.name)
def test_the_limits_themselves_are_allowed(f):
    low, high = f.metadata["low"], f.metadata["high"]
    for limit in (low, high):  # n_embd has to be a multiple of n_head
        both = {"n_embd": limit} if f.name == "n_head" else {"n_head": 1}
        assert getattr(Config(**{**both, f.name: limit}), f.name) == limit


def test_heads_divide_the_embedding():
    with pytest.raises(ValueError) as error:
        Config(n_embd=16, n_head=3)
    assert str(error.value) == "n_embd=16 must be a multiple of n_head=3"


def test_a_whole_number_is_fine_for_a_float():
    assert Config(learning_rate=1).learning_rate == 1


def test_settings_cannot_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().n_embd = 8


# weights

@pytest.mark.parametrize("settings, vocab_size, count", [
    ({}, 27, 4192),
    ({"n_layer": 3}, 27, 27 * 32 + 256 + 3 * 12 * 256),
    ({"n_embd": 6, "n_head": 3, "block_size": 5}, 4, 48 + 30 + 432),
    ({"n_embd": 1, "n_head": 1, "block_size": 1}, 1, 2 + 1 + 12),
])
def test_shapes(settings, vocab_size, count):
    config = Config(**settings)
    params = init_params(config, vocab_size, random.Random(0))
    n = config.n_embd
    layer = {"attn_wq": (n, n), "attn_wk": (n, n), "attn_wv": (n, n),
             "attn_wo": (n, n), "mlp_fc1": (4 * n, n), "mlp_fc2": (n, 4 * n)}
    shapes = {"wte": (vocab_size, n), "wpe": (config.block_size, n),
              "lm_head": (vocab_size, n)}
    for i in range(config.n_layer):
        for name, shape in layer.items():
            shapes[f"layer{i}.{name}"] = shape
    assert list(params) == list(shapes)
    for name, (n_out, n_in) in shapes.items():
        assert [len(row) for row in params[name]] == [n_in] * n_out
    assert len(set(flatten(params))) == count


def test_weights_are_drawn_in_order():
    config = Config(n_embd=4, n_head=1, n_layer=2, block_size=3, init_std=0.5)
    params = init_params(config, 5, random.Random(42))
    rng = random.Random(42)
    assert params["wte"][0][0].data == pytest.approx(-0.1440903 / 2, abs=1e-6)
    for matrix in params.values():
        for row in matrix:
            for w in row:
                assert w.data == rng.gauss(0.0, 0.5)
    assert params["wte"][4][3] is flatten(params)[19]


def test_too_many_weights_are_refused():
    config = Config(n_embd=1000, n_head=1, block_size=2)
    with pytest.raises(ValueError) as error:
        init_params(config, 27, random.Random(0))
    assert str(error.value) == (
        "12056000 parameters are more than 10000000: lower n_embd, n_layer, "
        "block_size or the vocabulary")


# wrong shapes: errors on every Python

def leaves(*shape):
    """Values that all differ, [n] or [rows][n]."""
    if len(shape) == 1:
        return [Value(1.0 + i) for i in range(*shape)]
    return [leaves(shape[1]) for _ in range(shape[0])]


@pytest.mark.parametrize("n_in, n_weights", [(3, 2), (2, 3), (0, 1), (1, 0)])
def test_linear_refuses_a_row_of_another_length(n_in, n_weights):
    for w in ([leaves(n_weights)], [leaves(n_in), leaves(n_weights)]):
        with pytest.raises(ValueError) as error:
            linear([leaves(n_in)], w)
        assert str(error.value) == f"{n_weights} numbers where {n_in} are needed"


def test_linear_refuses_ragged_tokens():
    with pytest.raises(ValueError, match="^3 numbers where 2 are needed$"):
        linear([leaves(2), leaves(3)], leaves(4, 2))


@pytest.mark.parametrize("x, y", [
    (leaves(2, 3), [leaves(3), leaves(2)]), (leaves(1, 2), leaves(1, 3)),
    ([leaves(2), leaves(3)], leaves(2, 2)), (leaves(2, 2), leaves(1, 2)),
    (leaves(1, 2), leaves(2, 2))])
def test_add_refuses_rows_of_another_length(x, y):
    with pytest.raises(ValueError, match="numbers where"):
        add(x, y)


@pytest.mark.parametrize("keys, values", [
    (leaves(2, 4), leaves(1, 4)), (leaves(1, 4), leaves(2, 4)),
    (leaves(0, 4), leaves(1, 4)), (leaves(1, 4), leaves(0, 4)),
    (leaves(0, 4), leaves(0, 4)),
    (leaves(2, 3), leaves(2, 3)), (leaves(2, 5), leaves(2, 5)),
    (leaves(2, 4), leaves(2, 5)), (leaves(2, 5), leaves(2, 4)),
    ([leaves(4), leaves(3)], leaves(2, 4)),
    ([leaves(4), leaves(5)], leaves(2, 4)),
    (leaves(2, 4), [leaves(4), leaves(3)]),
    (leaves(2, 4), [leaves(4), leaves(5)])])
@pytest.mark.parametrize("n_head", [1, 2, 4])
def test_attention_refuses_wrong_keys_and_values(n_head, keys, values):
    with pytest.raises(ValueError):
        attention(n_head, leaves(4), keys, values)


@pytest.mark.parametrize("n, n_head", [(3, 2), (5, 2), (6, 4), (2, 3)])
def test_attention_refuses_heads_that_do_not_divide_the_vector(n, n_head):
    with pytest.raises((ValueError, ZeroDivisionError)):
        attention(n_head, leaves(n), leaves(2, n), leaves(2, n))


@pytest.mark.parametrize("n_fc1, n_fc2", [(8, 7), (8, 9), (7, 8), (9, 8)])
def test_mlp_refuses_rows_of_another_length(n_fc1, n_fc2):
    """Also where all neurons are off, and nothing would be multiplied."""
    for x in (leaves(3, 2), [[-v for v in leaves(2)]]):
        with pytest.raises(ValueError) as error:
            mlp(x, leaves(n_fc1, 2), leaves(2, n_fc2))
        assert str(error.value) == f"{n_fc2} numbers where {n_fc1} are needed"


def test_mlp_refuses_one_row_that_is_too_long():
    with pytest.raises(ValueError, match="^9 numbers where 8 are needed$"):
        mlp(leaves(1, 2), leaves(8, 2), [leaves(8), leaves(9)])


SHAPED = ["wte", "wpe", "lm_head", "attn_wq", "attn_wk", "attn_wv", "attn_wo",
          "mlp_fc1", "mlp_fc2"]


def matrix_of(params, name):
    return params[name if name in params else f"layer0.{name}"]


@pytest.mark.parametrize("change", ["longer", "shorter"])
@pytest.mark.parametrize("name", SHAPED)
def test_gpt_refuses_a_row_of_another_length(name, change, tiny, params):
    for i, row in enumerate(matrix_of(params, name)):
        matrix_of(params, name)[i] = (
            row[:-1] if change == "shorter" else (*row, row[0]))
        with pytest.raises(ValueError, match="numbers where"):
            gpt(tiny, params, list(range(tiny.block_size)), [[]], [[]])
        matrix_of(params, name)[i] = row
        if name in ("wte", "wpe") and i == tiny.block_size - 1:
            break  # the rows below are not looked up


@pytest.mark.parametrize("change", ["more", "fewer"])
@pytest.mark.parametrize("name", ["attn_wq", "attn_wk", "attn_wv", "attn_wo",
                                  "mlp_fc1", "mlp_fc2"])
def test_gpt_refuses_another_number_of_rows(name, change, tiny, params):
    rows = matrix_of(params, name)
    rows[:] = rows[:-1] if change == "fewer" else rows + rows[:1]
    with pytest.raises(ValueError, match="numbers where"):
        gpt(tiny, params, [0, 1], [[]], [[]])


def test_every_matrix_is_among_these(params):
    assert {name.split(".")[-1] for name in params} == set(SHAPED)


@pytest.mark.parametrize("function", [softmax, rmsnorm,
                                      lambda x: cross_entropy(x, 0)])
def test_an_iterator_is_no_vector(function):
    """It would be empty when it is read a second time."""
    for x in (iter(leaves(3)), (v for v in leaves(3)), map(Value, (1.0, 2.0))):
        with pytest.raises((TypeError, ValueError)):
            function(x)
    function(tuple(leaves(3)))


@pytest.mark.parametrize("target", [-1, -3, 3, 100])
def test_a_target_out_of_the_vocabulary_is_refused(target):
    with pytest.raises(IndexError):
        cross_entropy(leaves(3), target)
    for inside in range(3):
        cross_entropy(leaves(3), inside)


# softmax and rmsnorm

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
    assert sum(probabilities(logits)) == pytest.approx(1.0, abs=1e-15)


def test_softmax_does_not_change_with_a_shift(logits):
    shifted = [logit + 100.0 for logit in logits]
    assert probabilities(shifted) == pytest.approx(probabilities(logits),
                                                   rel=1e-12)


def test_huge_logits_do_not_overflow():
    assert probabilities([1e308, -1e308, 1e308]) == [0.5, 0.0, 0.5]


def test_the_loss_of_huge_logits_does_not_overflow():
    logits = [Value(1e6), Value(-1e6)]
    loss = cross_entropy(logits, 1)
    loss.backward()
    assert (loss.data, logits[0].grad, logits[1].grad) == (2e6, 1.0, -1.0)


def test_rmsnorm_has_mean_square_one(logits):
    normed = rmsnorm([Value(logit) for logit in logits])
    square = sum([v.data ** 2 for v in normed]) / len(logits)
    assert square == pytest.approx(1.0, abs=1e-5)
    assert square < 1.0  # for the 1e-5 under the root


def test_rmsnorm_keeps_the_direction(logits):
    normed = rmsnorm([Value(logit) for logit in logits])
    ratios = [y.data / logit for y, logit in zip(normed, logits)]
    assert ratios == pytest.approx([ratios[0]] * 7, rel=1e-14)


def test_rmsnorm_of_zeros():
    x = [Value(0.0), Value(0.0)]
    y = rmsnorm(x)
    y[0].backward()
    assert numbers(y) == [0.0, 0.0]
    assert [v.grad for v in x] == pytest.approx([1e-5 ** -0.5, 0.0])


# the whole model against the textbook

CONFIGS = [Config(n_embd=8, n_head=1, n_layer=2, block_size=5),
           Config(n_embd=8, n_head=2, n_layer=2, block_size=9, init_std=0.5),
           Config(n_embd=8, n_head=4, n_layer=2, block_size=3, init_std=0.2),
           Config(n_embd=6, n_head=3, n_layer=1, block_size=4, init_std=1.0),
           Config(n_embd=1, n_head=1, n_layer=3, block_size=2, init_std=2)]


@pytest.fixture(params=range(len(CONFIGS)))
def pair(request):
    """The settings, equal weights for both programs, and a source of ids."""
    config = CONFIGS[request.param]
    rng = random.Random(request.param)
    params = init_params(config, 6, rng)
    return config, params, textbook.copy(params), rng


def caches(config):
    return [[[] for _ in range(config.n_layer)] for _ in range(2)]


def test_logits_equal_the_textbook(pair):
    config, params, book, rng = pair
    cache, book_cache = caches(config), caches(config)
    token_ids = [rng.randrange(6) for _ in range(config.block_size)]
    ours = gpt(config, params, token_ids, *cache)
    assert len(ours) == config.block_size
    for pos_id, token_id in enumerate(token_ids):
        theirs = textbook.gpt(config, book, token_id, pos_id, *book_cache)
        assert numbers(ours[pos_id]) == pytest.approx(
            numbers(theirs), rel=1e-12, abs=1e-12)
    for kept, expected in zip(cache, book_cache):
        for layer, book_layer in zip(kept, expected):
            assert len(layer) == config.block_size
            assert numbers(sum(layer, [])) == pytest.approx(
                numbers(sum(book_layer, [])), rel=1e-12, abs=1e-12)


def test_all_ids_at_once_equal_any_pieces(pair):
    config, params, _, rng = pair
    token_ids = [rng.randrange(6) for _ in range(config.block_size)]
    whole_cache = caches(config)
    whole = gpt(config, params, token_ids, *whole_cache)
    for size in {1, 2, config.block_size - 1}:
        cache, pieces = caches(config), []
        for i in range(0, config.block_size, size):
            pieces += gpt(config, params, token_ids[i:i + size], *cache)
        assert list(map(numbers, pieces)) == list(map(numbers, whole))
        for kept, expected in zip(cache, whole_cache):
            assert ([numbers(sum(layer, [])) for layer in kept]
                    == [numbers(sum(layer, [])) for layer in expected])


def test_slopes_of_all_ids_at_once_equal_one_at_a_time(pair):
    config, params, _, rng = pair
    token_ids = [rng.randrange(6) for _ in range(config.block_size)]
    weights = flatten(params)
    cache, slopes = caches(config), []
    for rows in (gpt(config, params, token_ids, *caches(config)),
                 [gpt(config, params, [i], *cache)[0] for i in token_ids]):
        for w in weights:
            w.grad = 0.0
        sum([cross_entropy(row, 0) for row in rows]).backward()
        slopes.append([w.grad for w in weights])
    largest = max(map(abs, slopes[0]))
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-9, abs=1e-13 * largest)


def test_gradients_equal_the_textbook(pair, recursion):
    config, params, book, rng = pair
    tokenizer = Tokenizer(["abcde"])
    doc = "".join([rng.choice("abcde") for _ in range(config.block_size)])
    loss = document_loss(config, params, tokenizer, doc)
    tokens = [tokenizer.bos, *tokenizer.encode(doc), tokenizer.bos]
    expected, _ = textbook.document_loss(config, book, tokens)
    assert loss.data == pytest.approx(expected.data, rel=1e-12)
    loss.backward()
    expected.backward()
    grads = [w.grad for w in flatten(book)]
    largest = max([abs(g) for g in grads])
    assert [w.grad for w in flatten(params)] == pytest.approx(
        grads, rel=1e-9, abs=1e-13 * largest)
    assert sum([g != 0.0 for g in grads]) > len(grads) / 4


@pytest.mark.parametrize("before, n_ids", [(0, 5), (4, 1), (3, 2), (2, 9)])
def test_a_position_beyond_the_block_is_refused(before, n_ids, tiny, params):
    """And leaves the cache as it was."""
    cache = caches(tiny)
    if before:
        gpt(tiny, params, [0] * before, *cache)
    with pytest.raises(IndexError):
        gpt(tiny, params, [0] * n_ids, *cache)
    assert [len(layer) for kept in cache for layer in kept] == [before] * 2
    if before < tiny.block_size:
        gpt(tiny, params, [0] * (tiny.block_size - before), *cache)


@pytest.mark.parametrize("token_ids", [[-1], [0, -1], [-6], [6], [0, 6]])
def test_a_token_out_of_the_vocabulary_is_refused(token_ids, tiny, params):
    cache = caches(tiny)
    with pytest.raises(IndexError):
        gpt(tiny, params, token_ids, *cache)
    assert cache == caches(tiny)
    gpt(tiny, params, [0, 5], *cache)


def test_no_tokens_and_an_iterator_of_tokens_are_refused(tiny, params):
    for token_ids in ([], iter([0, 1]), map(int, "01")):
        with pytest.raises((IndexError, TypeError, ValueError)):
            gpt(tiny, params, token_ids, *caches(tiny))


def test_a_token_sees_none_after_it(tiny, params):
    first = numbers(gpt(tiny, params, [1], *caches(tiny))[0])
    for after in ([2], [3], [2, 3, 4]):
        rows = gpt(tiny, params, [1, *after], *caches(tiny))
        assert numbers(rows[0]) == first


def test_a_token_sees_those_before_it(tiny, params):
    rows = [numbers(gpt(tiny, params, [before, 3], *caches(tiny))[1])
            for before in (1, 2)]
    assert rows[0] != rows[1]


# gradients of the loss from outside

def test_every_gradient_against_central_differences(tokenizer):
    config = Config(n_embd=4, n_head=2, block_size=4, init_std=0.3)
    params = init_params(config, tokenizer.vocab_size, random.Random(7))
    document_loss(config, params, tokenizer, "bead").backward()
    grads, measured, h = [], [], 1e-5
    for w in flatten(params):
        data, sides = w.data, []
        for w.data in (data + h, data - h):
            sides.append(document_loss(config, params, tokenizer, "bead").data)
        w.data = data
        grads.append(w.grad)
        measured.append((sides[0] - sides[1]) / (2 * h))
    errors = [abs(g - m) for g, m in zip(grads, measured)]
    largest = max([abs(g) for g in grads])
    assert largest > 0.1
    assert max(errors) / largest < 1e-6
    assert max([e / abs(g) for e, g in zip(errors, grads)
                if abs(g) > 1e-3 * largest]) < 1e-6


def test_every_gradient_against_pytorch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    config, tokenizer = Config(), Tokenizer(["abcdefghijklmnopqrstuvwxyz"])
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
