"""The names that come with the program, and the reading of a text file."""
import os
import string

import pytest

from microgpt import load_docs
from program import QUICK


@pytest.fixture
def read(tmp_path):
    """Documents of a file that holds these bytes."""
    def read(data, **kwargs):
        path = tmp_path / "docs.txt"
        path.write_bytes(data)
        return load_docs(str(path), **kwargs)
    return read


def test_names():
    names = load_docs()
    assert len(names) == len(set(names)) == 1000
    assert set("".join(names)) == set(string.ascii_lowercase)
    assert names == sorted(names)
    names.clear()
    assert len(load_docs()) == 1000  # each call gives a list of its own


@pytest.mark.parametrize("data", [
    b"anna\nbob\n", b"anna\nbob", b"anna\r\nbob\r\n", b"anna\rbob\r",
    b"\xef\xbb\xbfanna\r\nbob\r\n", b"\n\n  \nanna\n\t\n\nbob\n\n",
    b"  anna\t\n bob  \n", b"anna\n\xef\xbb\xbfbob\n",
    b"\xef\xbb\xbf anna\r\xef\xbb\xbf\tbob"])
def test_line_ends_blanks_and_byte_order_marks(read, data):
    assert read(data) == ["anna", "bob"]


@pytest.mark.parametrize("data", [
    b"an\nna\n\nbob", b"\n\n an\n\tna \n \n\n\nbob\n\n",
    b"\xef\xbb\xbfan\r\nna\r\n\r\nbob\r\n"])
def test_paragraphs_keep_their_line_ends(read, data):
    assert read(data, paragraphs=True) == ["an\nna", "bob"]


@pytest.mark.parametrize("inside", [
    "a b", "né", "日本語", "🙂 👩‍👩‍👧", "e\u0301", "a\u2028b", "a\fb", "a\x1cb",
    "a\x85b"])
def test_what_stands_inside_a_line_stays(read, inside):
    assert read(f"x{inside}y\nz\n".encode()) == [f"x{inside}y", "z"]


def test_repeated_documents_stay_in_order(read):
    assert read(b"b\na\nb\n") == ["b", "a", "b"]


@pytest.mark.parametrize("data", [b"", b" \t\r\n \n", b"\xef\xbb\xbf\n\n"])
def test_no_text_is_refused(read, data):
    with pytest.raises(ValueError, match=r"docs\.txt' has no text: give it a"):
        read(data)


@pytest.mark.parametrize("before, bad", [
    (b"", b"\xff"), (b"anna\nbo", b"\xe9\n"), (b"a" * 100_000, b"\x80"),
    ("日本語\n".encode(), b"\xe6\x97"), (b"", b"\xed\xa0\x80"),
    (b"anna\nbo", b"\0b\n"),  # else UTF-16 could pass, a NUL in each letter
    (b"a", "nna".encode("utf-16-be")), (b"", "anna".encode("utf-16"))])
def test_what_is_not_utf_8_names_the_byte(read, before, bad):
    with pytest.raises(ValueError, match=f"UTF-8.* offset {len(before)}$"):
        read(before + bad)


@pytest.mark.parametrize("data, named", [
    (b"", "'-' has no text"), (b"a\xff", "'-' is not UTF-8 text"),
    (b"a\0", "'-' is not UTF-8 text")])
def test_a_bad_standard_input(call, data, named):
    done = call("-", *QUICK[1:], input=data, encoding=None)
    assert done.returncode == 2 and named in done.stderr.decode()


def test_a_dash_leaves_standard_input_open():
    """It belongs to the shell, or to the prompt, that called."""
    read, write = os.pipe()
    os.write(write, b"anna\n")
    os.close(write)
    kept = os.dup(0)
    try:
        os.dup2(read, 0)
        assert load_docs("-") == ["anna"]
        os.fstat(0)  # an error if it was closed
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(read)


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0,
                    reason="needs a user whom permissions bind")
def test_no_permission(tmp_path):
    path = tmp_path / "docs.txt"
    path.write_text("anna\n")
    path.chmod(0)
    with pytest.raises(PermissionError):
        load_docs(str(path))
