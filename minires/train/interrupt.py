"""Ctrl-C and SIGTERM at a moment that suits the training: a handler only sets a flag, the loop looks at it."""

import signal
import threading
from contextlib import closing

from ..errors import MiniresError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(MiniresError):
    """A training was asked to stop, and has saved its state. The message says how to go on."""

    signal = None  # the number of the signal, such as signal.SIGINT


class StopRequested(Exception):
    """Raised by :meth:`StopSignals.watch` between two batches; never leaves ``minires.train``."""


class StopSignals:
    """A context in which the first SIGINT or SIGTERM sets ``received``, and a second SIGINT is a KeyboardInterrupt.

    Outside the main thread Python allows no handlers, so nothing is changed there.
    """

    def __init__(self):
        self.received = None
        self.previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self.previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *exception):
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def watch(self, batches):
        """Yield the items of the generator ``batches``; after a signal raise :class:`StopRequested` instead."""
        with closing(batches):
            for batch in batches:
                if self.received:
                    raise StopRequested
                yield batch

    def _note(self, number, frame):
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
