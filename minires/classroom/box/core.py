"""One core for a grader and its worker: they take turns, and to wake the other on another core takes longer than most
answers do, above all on a virtual machine."""

import ctypes
import os
import threading
from collections import Counter

_taken: Counter[int] = Counter()
_lock = threading.Lock()


class OneCore:
    """The thread that makes it, and what that starts, stay on one core until ``free`` is called, from any thread.

    Of those that it may use, the core is one that the fewest others of this process have, the present one where it is
    among them. Where there is one alone, or the system grants no choice, nothing happens.
    """

    def __init__(self) -> None:
        self._thread, self._core, self._before = threading.get_native_id(), None, set()
        try:
            cores = os.sched_getaffinity(0)
            here = ctypes.CDLL(None).sched_getcpu()
            with _lock:
                core = min(cores, key=lambda core: (_taken[core], core != here))
                if cores != {core}:
                    os.sched_setaffinity(0, {core})
                    self._core, self._before = core, cores
                    _taken[core] += 1
        except (OSError, AttributeError):  # not granted, or no Linux
            pass

    def free(self) -> None:
        """The thread may use the cores of before again; a second time does nothing."""
        core, self._core = self._core, None
        if core is None:
            return
        with _lock:
            _taken[core] -= 1
        try:
            os.sched_setaffinity(self._thread, self._before)
        except OSError:  # the thread has ended, or its cores have been taken away
            pass
