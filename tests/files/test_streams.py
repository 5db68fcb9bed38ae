"""Streams that are missing, closed, full, or know few letters."""

import io
import os
import sys

import pytest

from minires.files.streams import Stream, standard_streams


class WriteAlone:
    """What some windows give in place of standard error."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


def in_bytes(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")


@pytest.mark.parametrize("raw", [None, closed(), Full(), object(), WriteAlone()], ids=lambda raw: type(raw).__name__)
def test_a_quiet_stream_takes_everything(raw):
    stream = Stream(raw)
    assert stream.isatty() is False and stream.encoding.lower() == "utf-8"
    for _ in range(2):
        assert stream.write("epoch 1\n") == 8
        print("épõch", file=stream, flush=True)
    with pytest.raises(io.UnsupportedOperation):
        Stream(None).fileno()


def test_it_writes_what_can_be_written():
    raw = WriteAlone()
    print("epoch", 1, file=Stream(raw), flush=True)
    assert raw.text == "epoch 1\n"


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", b"K\\xe4fer \\u65e5\\u672c \\udcff"),
        ("cp1252", b"K\xe4fer \\u65e5\\u672c \\udcff"),
        ("latin-1", b"K\xe4fer \\u65e5\\u672c \\udcff"),
        ("utf-8", "Käfer 日本 ".encode() + b"\\udcff"),
        ("utf-16-le", "Käfer 日本 \\udcff".encode("utf-16-le")),
    ],
)
def test_letters_that_an_encoding_lacks(encoding, expected):
    """The last one is a byte of a file's name that is no text."""
    raw = in_bytes(encoding)
    print("Käfer 日本 \udcff", end="", file=Stream(raw, loud=True), flush=True)
    assert raw.buffer.getvalue() == expected


def test_a_loud_stream_says_once_that_it_is_full():
    stream = Stream(Full(), loud=True)
    with pytest.raises(OSError, match="standard output cannot be written: No space left"):
        stream.write("results")
    assert stream.write("more") == 4


def test_a_loud_stream_that_was_closed_says_nothing():
    Stream(closed(), loud=True).write("results")
    Stream(None, loud=True).write("results")


def test_what_failed_once_does_not_fail_again_at_the_end():
    """The buffer of a full stream is emptied when its process ends: into nowhere."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    raw = open("/dev/full", "w")
    stream = Stream(raw)
    print("epoch 1", file=stream, flush=True)
    raw.close()  # no error


@pytest.mark.parametrize("before", [None, closed(), io.StringIO()], ids=["None", "closed", "open"])
def test_standard_streams_come_and_go(before, monkeypatch):
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, before)
    with standard_streams():
        print("results")
        print("progress", file=sys.stderr)
        assert sys.stdin.readline() == ""
    assert sys.stdin is sys.stdout is sys.stderr is before


def test_bytes_that_are_no_text_are_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"n\xff\xfe\nq\n"), encoding="utf-8"))
    with standard_streams():
        assert [sys.stdin.readline(), sys.stdin.readline()] == ["n\\xff\\xfe\n", "q\n"]
