"""The names that come with the program, and the reading of a text file."""
import os
import string

import pytest

from microgpt import NAMES, load_docs

@pytest.fixture
def read(tmp_path):
    """Documents of a file that holds these bytes."""
    def read(data):
        path = tmp_path / "docs.txt"
        path.write_bytes(data)
        return load_docs(str(path))
    return read

def test_names():
    names = load_docs()
    assert len(names) == len(set(names)) == 1000
    assert set("".join(names)) == set(string.ascii_lowercase)
    assert names == sorted(names)

def test_names_are_wrapped_readably():
    lines = NAMES.strip("\n").split("\n")
    assert max(map(len, lines)) < 80
    assert [line for line in lines if line != line.strip()] == []

def test_each_call_returns_a_list_of_its_own():
    load_docs().clear()
    assert len(load_docs()) == 1000

@pytest.mark.parametrize("data", [
    b"anna\nbob\n", b"anna\nbob", b"anna\r\nbob\r\n", b"anna\rbob\r",
    b"\xef\xbb\xbfanna\nbob\n", b"\xef\xbb\xbfanna\r\nbob\r\n",
    b"\n\n  \nanna\n\t\n\nbob\n\n", b"  anna\t\n bob  \n",
    b"anna\r\nbob\r", b"\xef\xbb\xbf\nanna\nbob\n"])
def test_line_ends_blanks_and_byte_order_mark(read, data):
    assert read(data) == ["anna", "bob"]

@pytest.mark.parametrize("inside", [
    "a b", "né", "日本語", "🙂 👩‍👩‍👧", "e\u0301", "a\u2028b", "a\u2029b",
    "a\fb", "a\vb", "a\x1cb", "a\x85b", "a\x00b", "a\ufeffb"])
def test_what_stands_inside_a_line_stays(read, inside):
    assert read(f"x{inside}y\nz\n".encode()) == [f"x{inside}y", "z"]

def test_repeated_documents_stay_in_order(read):
    assert read(b"b\na\nb\n") == ["b", "a", "b"]

@pytest.mark.parametrize("data", [
    b"", b"\n", b" \t\r\n \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n\n"])
def test_no_text_is_refused(read, data):
    with pytest.raises(ValueError, match=r"docs\.txt' has no text"):
        read(data)

@pytest.mark.parametrize("before, bad", [
    (b"", b"\xff"), (b"anna\nbo", b"\xe9\n"), (b"a" * 100_000, b"\x80"),
    (b"\xef\xbb\xbfanna\r\n", b"\xff"), ("日本語\n".encode(), b"\xe6\x97"),
    (b"", b"\xff\xfea\x00"), (b"", b"\xed\xa0\x80")])
def test_not_utf_8_names_the_byte(read, before, bad):
    with pytest.raises(ValueError, match=f"UTF-8.* offset {len(before)}$"):
        read(before + bad)

def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_docs(str(tmp_path / "missing"))

def test_directory(tmp_path):
    with pytest.raises(OSError):
        load_docs(str(tmp_path))

@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0,
                    reason="needs a user whom permissions bind")
def test_no_permission(tmp_path):
    path = tmp_path / "docs.txt"
    path.write_text("anna\n")
    path.chmod(0)
    with pytest.raises(PermissionError):
        load_docs(str(path))
