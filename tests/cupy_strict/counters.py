"""What the stand-in counts, and the context managers that read the counts."""

import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, fields


@dataclass(eq=False)
class Seen:
    """Events inside a ``with`` block: for each kind a list of ``"what at file:line"`` of the calling code."""

    launches: list = field(default_factory=list)  # kernels, by the counts measured on CuPy 14.2
    syncs: list = field(default_factory=list)  # the host waits for the device
    downloads: list = field(default_factory=list)  # device to host; each is a sync too
    uploads: list = field(default_factory=list)  # host to device, asked for: asarray, array, set
    hidden: list = field(default_factory=list)  # host to device, not asked for: indexing by a list or NumPy array
    copies: list = field(default_factory=list)  # device copies, not asked for: reshape of a transposed array
    atomics: list = field(default_factory=list)  # sums whose order, and so whose last bits, vary from run to run
    leaks: list = field(default_factory=list)  # float64 results out of float32 operands
    allocations: list = field(default_factory=list)  # arrays with memory of their own


KINDS = tuple(f.name for f in fields(Seen))
_watching, _captures = [], []


class Capture:
    """``with Capture() as calls``: what the block asks for is kept, not done; what a graph cannot hold is refused."""

    def __enter__(self):
        _captures.append([])
        return _captures[-1]

    def __exit__(self, *error):
        _captures.pop()


def launch(what, run):
    """Launch a kernel: now, or in a capture whenever its graph is launched."""
    if _captures:
        _captures[-1].append(run)
        return
    record("launches", what)
    run()


def record(kind, what, times=1):
    """Note ``times`` events of ``kind`` in every open :func:`watch`."""
    if _captures and times:
        raise RuntimeError(f"{what} ({kind}): operation not permitted when stream is capturing")
    if _watching and times:
        event = f"{what} at {_caller()}"
        for seen in _watching:
            getattr(seen, kind).extend([event] * times)


@contextmanager
def watch():
    """Yield a :class:`Seen` that fills while the block runs."""
    seen = Seen()
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


@contextmanager
def budget(**limits):
    """Fail with an AssertionError that lists the events if the block has more of a kind than its limit.

    ``with budget(syncs=0, uploads=2, hidden=0): ...``. Kinds without a limit are free.
    """
    unknown = sorted(set(limits) - set(KINDS))
    if unknown:
        raise TypeError(f"budget() got the unknown kind {unknown[0]!r}, expected one of {', '.join(KINDS)}")
    with watch() as seen:
        yield seen
    over = {kind: getattr(seen, kind) for kind, limit in limits.items() if len(getattr(seen, kind)) > limit}
    lines = []
    for kind, events in over.items():
        lines += [f"{len(events)} {kind}, at most {limits[kind]} allowed:", *(f"  {event}" for event in events)]
    assert not over, "over budget\n" + "\n".join(lines)


def _caller():
    """``file:line`` of the nearest frame outside this package."""
    frame = sys._getframe(2)
    while frame and frame.f_globals.get("__package__") == __package__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno}" if frame else "?"
