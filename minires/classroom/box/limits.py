"""How long a submission may take: in computing time, so that a busy machine takes no points, and on the clock."""

import ctypes
import time
from collections.abc import Callable
from pathlib import Path

CALL, TOTAL = 5.0, 60.0  # seconds of computing time for a call, and for all calls together
PATIENCE = 4  # on the clock that many times as long: for who sleeps, and for a machine that has no time
SOONEST = 1e-3  # seconds to the next look at how much was used


class ComputingTime:
    """Seconds that the process behind ``pid`` has computed: the last of those that ``pid`` started, one by one, such as
    the worker in a namespace. Where the system does not tell, those of the clock."""

    def __init__(self, pid: int) -> None:
        self._last, self._clock = 0.0, time.CLOCK_MONOTONIC
        try:
            while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                pid = int(children[0])
            clock = ctypes.c_int()
            if ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)) == 0:
                self._clock = clock.value
        except (OSError, AttributeError):
            pass

    def __call__(self) -> float:
        try:
            self._last = time.clock_gettime(self._clock)
        except OSError:  # it has ended
            pass
        return self._last


ALL = TOTAL, PATIENCE * TOTAL
UNITS = "of computing time", "on the clock"


class Limit:
    """Of one call: ``seconds`` of computing time, as ``computed()`` gives it, PATIENCE times as many on the clock, and
    of both no more than is ``left`` of ALL."""

    def __init__(
        self, seconds: float, left: tuple[float, float] = ALL, computed: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._left, self._computed = (seconds, PATIENCE * seconds), left, computed
        self._began = self._now()

    def _now(self):
        return self._computed(), time.monotonic()

    def _used(self):
        return [now - began for now, began in zip(self._now(), self._began)]

    def left(self) -> tuple[float, float]:
        """What the call leaves of ALL."""
        computed, took = (left - used for left, used in zip(self._left, self._used()))
        return computed, took

    def pause(self) -> float:
        """Seconds to wait until one looks again. Raises TimeoutError with the limit that is reached."""
        pauses = []
        for used, most, left, of_all, unit in zip(self._used(), self._most, self._left, ALL, UNITS):
            if used >= min(most, left):
                which = f"{most:g} s {unit}" if most <= left else f"{of_all:g} s {unit} with all calls before"
                raise TimeoutError(which)
            pauses.append(min(most, left) - used)
        return max(SOONEST, min(pauses))
