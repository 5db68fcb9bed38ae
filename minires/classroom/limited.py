"""A limit on the time of a call in this process, for who checks their own functions."""

import functools
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from .box import Failure
from .box.limits import CALL
from .observe import line

SOONEST = 0.01  # seconds to the next look at how much was computed


class _Late(BaseException):
    """Raised inside a function that computes for too long; what a student writes catches Exception at most."""


def limited(names: dict[str, Any], functions: list[str], seconds: float = CALL) -> dict[str, Any]:
    """``names``, the ``functions`` among them so that they raise Failure where a call computes ``seconds``.

    Once one did so none is called any more, and all raise the same, as in a box that has ended. Without a limit where
    the system has no timer of this kind or another one runs, and outside the main thread.
    """
    late: list[str] = []
    return names | {f: _limited(f, names[f], seconds, late) for f in functions if callable(names.get(f))}


def _limited(name: str, function: Callable, seconds: float, late: list[str]) -> Callable:
    @functools.wraps(function)
    def inside(*arguments):
        if late:
            raise Failure("time", late[0])
        if not _can_stop():
            return function(*arguments)
        before = signal.signal(signal.SIGPROF, _watch(time.thread_time() + seconds))
        try:
            signal.setitimer(signal.ITIMER_PROF, seconds)
            result = function(*arguments)
            signal.setitimer(signal.ITIMER_PROF, 0)
            return result
        except _Late as error:
            late.append(
                f"{name} did not come back within {seconds:g} seconds{line(error)}: is there a loop without an end?"
            )
            raise Failure("time", late[0]) from None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before or signal.SIG_DFL)  # None: of another one than Python

    return inside


def _can_stop():
    there = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    return there and signal.getitimer(signal.ITIMER_PROF) == (0, 0)


def _watch(end):
    """What hears the timer: that is of all threads, BLAS has some, and this one alone is to have an end."""

    def heard(number, frame):
        left = end - time.thread_time()
        if left <= 0:
            raise _Late
        signal.setitimer(signal.ITIMER_PROF, max(left, SOONEST))

    return heard
