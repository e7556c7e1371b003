import pytest

from microgpt import Tokenizer


def test_characters_are_sorted_and_bos_is_last():
    tokenizer = Tokenizer(["zoe", "bo", "zed"])
    assert tokenizer.chars == ["b", "d", "e", "o", "z"]
    assert tokenizer.encode("bdeoz") == [0, 1, 2, 3, 4]
    assert tokenizer.bos == 5
    assert tokenizer.vocab_size == 6


def test_order_of_documents_does_not_matter():
    docs = ["zoe", "bo", "zed"]
    assert Tokenizer(docs).chars == Tokenizer(docs[::-1]).chars


@pytest.mark.parametrize("text", [
    "", "a", "two words\ttab", "Zoë", "e\u0301", "日本", "🙂👩‍🚀",
    "\x00\x1b",
], ids=ascii)
def test_decode_undoes_encode(text):
    tokenizer = Tokenizer([text, "other"])
    token_ids = tokenizer.encode(text)
    assert len(token_ids) == len(text)
    assert tokenizer.decode(token_ids) == text


def test_a_combining_mark_is_a_token_of_its_own():
    assert Tokenizer(["e\u0301"]).vocab_size == 3
    assert Tokenizer(["\u00e9"]).vocab_size == 2


@pytest.mark.parametrize("char", ["x", "A", "\u0301", "🙂", "'", "\n"])
def test_unknown_character_is_named(char):
    with pytest.raises(ValueError) as error:
        Tokenizer(["abc"]).encode("ab" + char)
    assert str(error.value) == f"{char!r} is not in the vocabulary"


@pytest.mark.parametrize("docs", [[], [""]])
def test_without_text_there_is_only_bos(docs):
    tokenizer = Tokenizer(docs)
    assert (tokenizer.chars, tokenizer.bos, tokenizer.vocab_size) == ([], 0, 1)
    assert tokenizer.encode("") == []


@pytest.mark.parametrize("token_id", [3, 4, -1, -3])
def test_an_id_without_a_character_is_no_text(token_id):
    """Neither bos nor what Python would count from the end."""
    tokenizer = Tokenizer(["abc"])
    for token_ids in ([token_id], [0, token_id]):
        with pytest.raises(LookupError):
            tokenizer.decode(token_ids)
