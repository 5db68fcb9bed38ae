"""``cupy.cuda`` of the stand-in: one device, present and idle."""

import time
from types import SimpleNamespace

from .counters import record


def is_available():
    return True


def _synchronize():
    record("syncs", "synchronize")


class Device:
    """A device that is there; ``with Device(0):`` does nothing."""

    compute_capability = "90"
    mem_info = 80 * 10**9, 80 * 10**9

    def __init__(self, device=None):
        self.id = 0 if device is None else int(device)

    def use(self):
        return self

    def synchronize(self):
        _synchronize()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


DEVICE = Device()


class Stream:
    """The one stream; work on it is done when it is asked for."""

    def synchronize(self):
        _synchronize()


Stream.null = Stream()


class Event:
    """A moment on the stream."""

    def record(self, stream=None):
        self.time = time.perf_counter()

    def synchronize(self):
        _synchronize()


def get_elapsed_time(begin, end):
    """Milliseconds."""
    return 1e3 * (end.time - begin.time)


def get_current_stream(device_id=None):
    return Stream.null


runtime = SimpleNamespace(
    driverGetVersion=lambda: 13000,
    runtimeGetVersion=lambda: 13000,
    getDeviceCount=lambda: 1,
    getDevice=lambda: 0,
    getDeviceProperties=lambda device: {"name": b"Stand-in"},
    deviceSynchronize=_synchronize,
)
