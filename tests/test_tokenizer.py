import pytest

from microgpt import Tokenizer


def test_characters_are_sorted_and_bos_is_last():
    tokenizer = Tokenizer(["zoe", "bo", "zed"])
    assert tokenizer.chars == Tokenizer(["zed", "bo", "zoe"]).chars == [
        "b", "d", "e", "o", "z"]
    assert tokenizer.encode("bdeoz") == [0, 1, 2, 3, 4]
    assert (tokenizer.bos, tokenizer.vocab_size) == (5, 6)


@pytest.mark.parametrize("text", [
    "", "a", "two words\ttab", "Zoë", "e\u0301", "日本", "🙂👩‍🚀", "\x00\x1b"],
    ids=ascii)
def test_decode_undoes_encode(text):
    tokenizer = Tokenizer([text, "other"])
    token_ids = tokenizer.encode(text)
    assert len(token_ids) == len(text)  # a combining mark is one of its own
    assert tokenizer.decode(token_ids) == text


@pytest.mark.parametrize("char", ["x", "A", "\u0301", "🙂", "'", "\n"])
def test_an_unknown_character_is_named(char):
    with pytest.raises(ValueError) as error:
        Tokenizer(["abc"]).encode("ab" + char)
    assert str(error.value) == f"{char!r} is not in the vocabulary"


@pytest.mark.parametrize("docs", [[], [""]])
def test_without_text_there_is_only_bos(docs):
    tokenizer = Tokenizer(docs)
    assert (tokenizer.chars, tokenizer.bos, tokenizer.vocab_size) == ([], 0, 1)


def test_bos_is_no_text():
    with pytest.raises(IndexError):
        Tokenizer(["abc"]).decode([0, 3])
