"""Commands that are told to end while they work."""

import contextlib
import signal
import threading

from .common import STOPPED


@contextlib.contextmanager
def ending_in_order():
    """SIGTERM and SIGHUP end what runs here as Ctrl-C does, with all its processes; what is ignored stays so."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL and _in_main_thread()]
    try:
        for number in heard:
            signal.signal(number, _end)
        yield
    finally:
        for number in heard:
            signal.signal(number, signal.SIG_DFL)


def _in_main_thread():
    return threading.current_thread() is threading.main_thread()


def _end(number, frame):
    raise SystemExit(STOPPED + number)
