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

import numpy as np

from ...errors import MiniresError
from .core import OneCore
from .inside.wire import LIMIT, WireError, frame, unpack
from .limits import ALL, CALL, ComputingTime, Limit
from .served import Seen, Served

START = 20.0  # seconds on the clock for a worker to be ready
PIPE = 1 << 16  # bytes that a pipe holds
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
    Raises BoxError where it does not start. Seconds are of computing time; on the clock a call may take four times
    as many. The thread that opens it must outlive it, and stays on one core with the worker until it is closed.
    """

    def __init__(self, tier, minires=False):
        self.tier = tier
        self._command = functools.partial(tier.command, minires=True) if minires else tier.command
        self._served, self._seen, self._got, self._left = Served(), Seen(), bytearray(), ALL

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
                ready = self._receive(Limit(START))
                self._computed = ComputingTime(self._process.pid)
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
        function.__name__, function.apart = name, True  # what it gets stays here
        return function

    def call(self, name, *arguments, seconds=CALL):
        """Call the function ``name`` and return what it returns. Raises Failure.

        Arguments: arrays, which get what the function writes into them, numbers, text, None, handles, generators of
        random numbers, of which it gets another one, functions of the kind :class:`~.served.Shown`, and layers and
        other functions, of which it gets stand-ins that ask here; where the box has minires, layers are layers of
        minires. Results, alone or in a tuple: arrays and numbers as arrays, text and None; of anything else, such as a
        cache, a :class:`~.inside.wire.Handle`, to be handed in again.
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
        limit = Limit(seconds, self._left, self._computed)
        try:
            self._send(frame(list(request)), limit)
            while _word(answer := self._receive(limit)) == "use":
                self._send(self._answer(*answer[1:]), limit)
        except TimeoutError as error:
            raise self._broken("time", f"{what} takes longer than {error}") from None
        except (BrokenPipeError, EOFError):
            raise self._broken("ended", f"{what} ends its process") from None
        self._left = limit.left()
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
        self._process, self._core = None, OneCore()
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

    def _send(self, data, limit):
        while data:
            try:
                data = data[os.write(self._to, data[:PIPE]) :]
            except BlockingIOError:
                self._wait([], [self._to], limit)

    def _receive(self, limit):
        limit.pause()  # also where the answer is here already
        (size,) = struct.unpack("<I", self._read(4, limit))
        if size > LIMIT:
            raise self._broken("garbled", f"an answer of {size} bytes")
        try:
            return unpack(self._read(size, limit))
        except (WireError, struct.error, ValueError, MemoryError):
            raise self._broken("garbled", "an answer that is no value") from None

    def _read(self, size, limit):
        while len(self._got) < size:
            self._wait([self._from], [], limit)
            part = os.read(self._from, PIPE)
            if not part:
                raise EOFError
            self._got += part
        data = bytes(self._got[:size])
        del self._got[:size]
        return data

    def _wait(self, readable, writable, limit):
        while not any(select.select(readable, writable, [], limit.pause())):
            pass

    def _stop(self):
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        self._core.free()
        for number in (self._to, self._from):
            with contextlib.suppress(OSError):
                os.close(number)
        self._to = self._from = -1


def _word(answer):
    """The first word of an answer, which a submission may have forged; "" where it has none."""
    return answer[0] if isinstance(answer, list) and answer and isinstance(answer[0], str) else ""
