"""``cupy.cuda`` of the stand-in: one device, present and idle."""

import time
from types import SimpleNamespace

from .counters import Capture, launch, record


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
    """Work is done when it is asked for, but in a capture: kernels of the stream are kept then, the rest is refused."""

    def __init__(self, null=False, non_blocking=False, ptds=False):
        self._capture, self._calls = None, []

    def synchronize(self):
        _synchronize()

    def __enter__(self):
        _current.append(self)
        return self

    def __exit__(self, *error):
        _current.pop()

    def begin_capture(self, mode=None):
        if self is Stream.null or _current[-1] is not self:
            raise RuntimeError(
                "cudaErrorStreamCaptureUnsupported: capture on a stream of its own, within `with stream`"
            )
        self._capture = Capture()
        self._calls = self._capture.__enter__()

    def end_capture(self):
        self._capture.__exit__()
        return Graph(self._calls)


class Graph:
    """What was captured: one launch, as often as one likes."""

    def __init__(self, calls):
        self._calls = calls

    def launch(self, stream=None):
        def run():
            for call in self._calls:
                call()

        launch(f"graph of {len(self._calls)}", run)


Stream.null = Stream()
_current = [Stream.null]


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
    return _current[-1]


runtime = SimpleNamespace(
    driverGetVersion=lambda: 13000,
    runtimeGetVersion=lambda: 13000,
    getDeviceCount=lambda: 1,
    getDevice=lambda: 0,
    getDeviceProperties=lambda device: {"name": b"Stand-in"},
    deviceSynchronize=_synchronize,
)
