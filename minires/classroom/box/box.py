"""The box seen from outside: functions of a submission, called in a worker that knows no answer and reaches nothing."""

import contextlib
import functools
import inspect
import os
import select
import signal
import struct
import subprocess
import tempfile
import time

import numpy as np

from ...errors import MiniresError
from .inside.wire import LIMIT, WireError, frame, unpack
from .served import Seen, Served

START = 20.0  # seconds for a worker to be ready
CALL = 5.0  # and for a call,
TOTAL = 60.0  # for all calls together
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

    minires: whether it can be imported there, which only some assignments say
    Raises BoxError where it does not start. All limits are in seconds of time on the clock. The thread that opens it
    must outlive it.
    """

    def __init__(self, tier, minires=False):
        self.tier = tier
        self._command = functools.partial(tier.command, minires=True) if minires else tier.command
        self._served, self._seen, self._left = Served(), Seen(), TOTAL

    def __enter__(self):
        requests, self._to = os.pipe()
        self._from, answers = os.pipe()
        with tempfile.TemporaryFile() as said:
            try:
                try:
                    self._start(requests, answers, said)
                finally:  # the worker has its own: its end is seen once ours are closed
                    os.close(requests)
                    os.close(answers)
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
        """Run the text of the submission; returns its functions, ``{name: function}``. Raises Failure."""
        (found,) = self._ask(seconds, "the submission", "load", source)
        try:
            return {str(name): self.function(str(name), int(taken)) for name, taken in found}
        except (TypeError, ValueError):
            raise self._broken("garbled", "the submission: the answer is not one of the worker") from None

    def function(self, name, taken=-1, seconds=CALL):
        """The function ``name`` as one of Python, which takes that many arguments by position."""

        def function(*arguments):
            return self.call(name, *arguments, seconds=seconds)

        if taken >= 0:
            only = inspect.Parameter.POSITIONAL_ONLY
            function.__signature__ = inspect.Signature([inspect.Parameter(f"a{i}", only) for i in range(taken)])
        function.__name__ = name
        return function

    def call(self, name, *arguments, seconds=CALL):
        """Call the function ``name`` and return what it returns. Raises Failure.

        Arguments: arrays, which get what the function writes into them, numbers, text, None, handles, generators of
        random numbers, of which it gets another one, and layers and functions, of which it gets stand-ins that ask
        here; where the box has minires, layers are layers of minires. Results, alone or in a tuple: arrays and numbers
        as arrays, text and None; of anything else, such as a cache, a :class:`~.inside.wire.Handle`, to be handed in
        again.
        """
        numbers = [self._seen.number(value) for value in arguments]
        answer = self._ask(seconds, name, "call", name, [self._served.part(value) for value in arguments], numbers)
        try:
            (several, values), changed = answer
            for number, array in changed:
                self._seen.arrays[number][...] = array
            values = [np.asarray(v) if isinstance(v, (bool, int, float)) else v for v in values]
            return tuple(values) if several else values[0]
        except (TypeError, ValueError, LookupError, OverflowError):
            raise self._broken("garbled", f"{name}: the answer is not one of the worker") from None

    def forget(self):
        """Drop all that handles stand for."""
        self._served, self._seen = Served(), Seen()
        self._ask(CALL, "the submission", "forget")

    def _ask(self, seconds, what, *request):
        if self._process is None:
            raise Failure("ended", "the submission has ended its process")
        began = time.monotonic()
        deadline = began + min(seconds, self._left)
        try:
            self._send(frame(list(request)), deadline)
            while _word(answer := self._receive(deadline)) == "use":
                self._send(self._answer(*answer[1:]), deadline)
        except TimeoutError:
            limit = f"{seconds:g} s" if seconds <= self._left else f"{TOTAL:g} s with all calls before"
            raise self._broken("time", f"{what} takes longer than {limit}") from None
        except (BrokenPipeError, EOFError):
            raise self._broken("ended", f"{what} ends its process") from None
        self._left -= time.monotonic() - began
        if _word(answer) not in ("ok", "error"):
            raise self._broken("garbled", f"{what}: the answer is not one of the worker")
        if answer[0] == "error":
            kind, text = answer[1:] if len(answer) == 3 else (None, None)
            if not isinstance(text, str) or not isinstance(kind, str) or kind not in ("raised", "missing", "result"):
                raise self._broken("garbled", f"{what}: the answer is not one of the worker")
            raise Failure(kind, text)
        return answer[1:]

    def _answer(self, *request):
        """The frame of the answer to a submission that uses a layer or a function."""
        try:
            return frame(self._served.answer(*request))
        except WireError as error:
            return frame(["error", str(error)])

    def _broken(self, kind, text):
        self._stop()
        return Failure(kind, text)

    def _start(self, requests, answers, said):
        self._process = None
        self._process = subprocess.Popen(
            self._command(requests, answers),
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


def _word(answer):
    """The first word of an answer, which a submission may have forged; "" where it has none."""
    return answer[0] if isinstance(answer, list) and answer and isinstance(answer[0], str) else ""
