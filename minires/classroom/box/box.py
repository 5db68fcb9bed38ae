"""The box seen from outside: functions of a submission, called in a worker that knows no answer and reaches nothing."""

import contextlib
import os
import select
import signal
import struct
import subprocess
import tempfile
import time

from ...errors import MiniresError
from .inside.wire import LIMIT, WireError, frame, unpack

START = 20.0  # seconds for a worker to be ready
CALL = 5.0  # and for a call
SHOWN = 2000  # bytes of what a worker says that does not start


class BoxError(MiniresError):
    """The box itself failed: the grader's failure, never the student's."""


class Failure(MiniresError):
    """What a submission did in place of an answer: ``kind`` is one of "raised", "missing", "result", "time", "ended",
    "garbled"; the message is its own text, which may be anything."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


class Box:
    """A worker in a box of the given :class:`~.tiers.Tier`, to be used in a ``with`` block.

    Raises BoxError where it does not start. All limits are in seconds of time on the clock.
    """

    def __init__(self, tier):
        self.tier = tier

    def __enter__(self):
        requests, self._to = os.pipe()
        self._from, answers = os.pipe()
        with tempfile.TemporaryFile() as said, contextlib.ExitStack() as both:
            both.callback(os.close, requests)
            both.callback(os.close, answers)
            try:
                self._start(requests, answers, said)
                ready = self._receive(time.monotonic() + START)
            except (Failure, OSError, EOFError) as error:
                self._stop()
                said.seek(0)
                reason = said.read(SHOWN).decode("utf-8", "replace").strip().rpartition("\n")[2]
                raise BoxError(f"the box ({self.tier.name}) does not start: {reason or error}") from None
        if ready != ["ready"]:
            self._stop()
            raise BoxError(f"the box ({self.tier.name}) does not start: its first words are {ready!r:.80}")
        return self

    def __exit__(self, *_):
        self._stop()

    def load(self, source, seconds=CALL):
        """Run the text of the submission; returns the names of its functions. Raises Failure."""
        (names,) = self._ask(seconds, "the submission", "load", source)
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []

    def call(self, name, *arguments, returns="a", seconds=CALL):
        """Call the function ``name`` and return what it returns, a tuple if ``returns`` names several results.

        returns: a letter for each result, "a" an array or a number, "v" text, None, or a list of such, "h" anything,
        which stays in the box: a :class:`~.inside.wire.Handle` to be handed in later. Arguments: arrays, which get what
        the function writes into them, numbers, text, None, handles and parts of the kit. Raises Failure.
        """
        answer = self._ask(seconds, name, "call", name, returns, list(arguments))
        try:
            values, changed = answer
            if len(values) != len(returns):
                raise ValueError
            for i, array in changed:
                arguments[i][...] = array
        except (TypeError, ValueError, IndexError, OverflowError):
            raise self._broken("garbled", f"{name}: the answer is not one of the worker") from None
        return tuple(values) if len(returns) > 1 else values[0]

    def function(self, name, returns="a", seconds=CALL):
        """The function ``name`` as one of Python."""
        return lambda *arguments: self.call(name, *arguments, returns=returns, seconds=seconds)

    def forget(self):
        """Drop all that handles stand for."""
        self._ask(CALL, "the submission", "forget")

    def _ask(self, seconds, what, *request):
        if self._process is None:
            raise Failure("ended", "the submission has ended its process")
        deadline = time.monotonic() + seconds
        try:
            self._send(frame(list(request)), deadline)
            answer = self._receive(deadline)
        except TimeoutError:
            raise self._broken("time", f"{what} takes longer than {seconds:g} s") from None
        except (BrokenPipeError, EOFError):
            raise self._broken("ended", f"{what} ends its process") from None
        if not isinstance(answer, list) or not answer or answer[0] not in ("ok", "error"):
            raise self._broken("garbled", f"{what}: the answer is not one of the worker")
        if answer[0] == "error":
            kind, text = answer[1:] if len(answer) == 3 else (None, None)
            if kind not in ("raised", "missing", "result") or not isinstance(text, str):
                raise self._broken("garbled", f"{what}: the answer is not one of the worker")
            raise Failure(kind, text)
        return answer[1:]

    def _broken(self, kind, text):
        self._stop()
        return Failure(kind, text)

    def _start(self, requests, answers, said):
        self._process = None
        self._process = subprocess.Popen(
            self.tier.command(requests, answers),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=(requests, answers),
            env={"PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        os.set_blocking(self._to, False)

    def _send(self, data, deadline):
        while data:
            _, ready, _ = select.select([], [self._to], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            data = data[os.write(self._to, data[:65536]) :]

    def _receive(self, deadline):
        (size,) = struct.unpack("<I", self._read(4, deadline))
        if size > LIMIT:
            raise self._broken("garbled", f"an answer of {size} bytes")
        try:
            return unpack(self._read(size, deadline))
        except (WireError, struct.error, ValueError, MemoryError):
            raise self._broken("garbled", "an answer that is no value") from None

    def _read(self, size, deadline):
        parts = []
        while size:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            part = os.read(self._from, min(size, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _stop(self):
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        for number in (self._to, self._from):
            with contextlib.suppress(OSError):
                os.close(number)
        self._to = self._from = -1
