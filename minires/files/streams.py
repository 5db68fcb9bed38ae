"""Standard streams as programs find them: missing, closed, full, or of an encoding that lacks a letter."""

import contextlib
import io
import os
import sys


class Stream(io.TextIOBase):
    """A text stream that takes every letter, around one that may be None or closed or have ``write`` alone.

    What it cannot write goes nowhere: without a word, or, where it is ``loud``, with the OSError of the first time.
    """

    def __init__(self, raw, loud=False):
        self.raw = None if raw is None or getattr(raw, "closed", False) else raw
        self.loud = loud

    @property
    def encoding(self):
        return getattr(self.raw, "encoding", None) or "utf-8"

    def write(self, text):
        self._try(lambda: self.raw.write(self._encodable(text)))
        return len(text)

    def flush(self):
        self._try(lambda: getattr(self.raw, "flush", int)())

    def isatty(self):
        return bool(self.raw is not None and getattr(self.raw, "isatty", bool)())

    def fileno(self):
        if self.raw is None:
            raise io.UnsupportedOperation("fileno")
        return self.raw.fileno()

    def _encodable(self, text):
        """``text`` with an escape in place of what the encoding lacks."""
        try:
            return text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        except (LookupError, UnicodeError):
            return text

    def _try(self, act):
        if self.raw is None:
            return
        try:
            act()
        except (OSError, ValueError, AttributeError) as error:
            self._give_up()
            if self.loud and isinstance(error, OSError):
                raise OSError(error.errno, f"standard output cannot be written: {error.strerror}") from error

    def _give_up(self):
        """What lies in its buffer would fail again when the process ends: from now on it goes nowhere."""
        raw, self.raw = self.raw, None
        with contextlib.suppress(OSError, ValueError, AttributeError):
            number, nowhere = raw.fileno(), os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


@contextlib.contextmanager
def standard_streams():
    """The streams of ``sys`` as :class:`Stream` while the block runs; input takes any bytes, and may be missing."""
    _occupy()
    before = sys.stdin, sys.stdout, sys.stderr
    if sys.stdin is None or getattr(sys.stdin, "closed", False):
        sys.stdin = io.StringIO()
    with contextlib.suppress(AttributeError, io.UnsupportedOperation):  # of another kind, or read from already
        sys.stdin.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = Stream(sys.stdout, loud=True), Stream(sys.stderr)
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def _occupy():
    """Open the numbers 0, 1 and 2 where they are closed: the next file would get them, and stray messages with it."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, and that is this one
