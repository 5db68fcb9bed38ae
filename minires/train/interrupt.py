"""Ctrl-C, SIGTERM and SIGHUP at a moment that suits the training: a handler only sets a flag, the loop looks at it."""

import signal
import threading
from contextlib import closing

from ..errors import MiniresError

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))  # Windows has no SIGHUP


class Interrupted(MiniresError):
    """A training was asked to stop, and has saved its state. The message says how to go on."""

    signal = None  # the number of the signal, such as signal.SIGINT


class StopRequested(Exception):
    """Raised by :meth:`StopSignals.watch` between two batches; never leaves ``minires.train``."""


class StopSignals:
    """A context in which the first of SIGNALS sets ``received``, and a second SIGINT is a KeyboardInterrupt.

    What is ignored stays so: nohup asks for that, and a shell for what runs behind ``&``. Outside the main thread
    Python allows no handlers, so nothing is changed there.
    """

    def __init__(self, agree=lambda number: number):
        self.received = None
        self.agree = agree  # of several ranks, each of which may have received one, all stop at the same step
        self.previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
            self.previous = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(self, *exception):
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def watch(self, batches):
        """Yield the items of the generator ``batches``; after a signal raise :class:`StopRequested` instead."""
        with closing(batches):
            for batch in batches:
                if number := self.agree(self.received or 0):
                    self.received = number
                    raise StopRequested
                yield batch

    def _note(self, number, frame):
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
