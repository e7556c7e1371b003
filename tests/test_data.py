"""The names that come with the program, and the reading of a text file."""
import os
import shlex
import shutil
import string
import subprocess

import pytest

from microgpt import NAMES, load_docs
from program import COMMAND, QUICK


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
    b"anna\r\nbob\r", b"\xef\xbb\xbf\nanna\nbob\n",
    b"anna\n\xef\xbb\xbfbob\n", b"\xef\xbb\xbf anna\r\xef\xbb\xbf\tbob",
    b"\xef\xbb\xbf\xef\xbb\xbfanna\r\n\xef\xbb\xbf\r\nbob"])
def test_line_ends_blanks_and_byte_order_mark(read, data):
    assert read(data) == ["anna", "bob"]


@pytest.mark.parametrize("inside", [
    "a b", "né", "日本語", "🙂 👩‍👩‍👧", "e\u0301", "a\u2028b", "a\u2029b",
    "a\fb", "a\vb", "a\x1cb", "a\x85b", "a\ufeffb"])
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
    (b"", b"\xfd\xfea"), (b"", b"\xed\xa0\x80")])
def test_not_utf_8_names_the_byte(read, before, bad):
    with pytest.raises(ValueError, match=f"UTF-8.* offset {len(before)}$"):
        read(before + bad)


@pytest.mark.parametrize("data", [
    "anna\nbob\n".encode("utf-16"), "anna\n".encode("utf-16-le"),
    "anna\n".encode("utf-16-be"), b"\xff\xfe" + "日本\n".encode("utf-16-le"),
    b"\xfe\xff" + "日本\n".encode("utf-16-be"), "anna\n".encode("utf-32"),
    b"\xff\xfe", b"\xfe\xff", b"anna\nbo\0b\n", b"\0",
    b"anna\n" * 99 + b"\0"])
def test_utf_16_and_binary_are_named(read, data):
    """Their bytes could pass for UTF-8, with a NUL beside each letter."""
    with pytest.raises(ValueError, match=r"docs\.txt' is UTF-16 or binary"):
        read(data)


def test_utf_16_on_the_command_line(refused, docs):
    docs.write_text("anna\nbob\n", encoding="utf-16")
    assert "'docs.txt' is UTF-16 or binary" in refused("docs.txt")


@pytest.mark.parametrize("command", [
    "{program} - < docs.txt", "cat docs.txt | {program} -",
    "{program} /dev/stdin < docs.txt", "cat docs.txt | {program} /dev/stdin",
    "{program} <(cat docs.txt)", "cat docs.txt > fifo & {program} fifo"])
def test_text_from_elsewhere(out, docs, command):
    """What can be read but once is a FILE as well."""
    if not os.path.exists("/dev/stdin") or not shutil.which("bash"):
        pytest.skip("no /dev/stdin, or no bash")
    os.mkfifo(docs.parent / "fifo")
    program = shlex.join([*COMMAND, *QUICK[1:]])
    done = subprocess.run(["bash", "-c", command.format(program=program)],
                          capture_output=True, encoding="utf-8",
                          cwd=docs.parent, timeout=20)
    assert (done.stdout, done.stderr) == (out(*QUICK), "")


@pytest.mark.parametrize("data, named", [
    (b"", "'-' has no text"), (b"a\xff", "'-' is not UTF-8 text"),
    (b"a\0", "'-' is UTF-16 or binary")])
def test_a_bad_standard_input(run, data, named):
    done = run("-", *QUICK[1:], input=data, encoding=None)
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
