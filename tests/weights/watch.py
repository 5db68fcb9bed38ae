"""Watches that nothing runs, imports or compiles, and that neither much time nor much memory goes by."""

import resource
import sys
import time
from contextlib import contextmanager

SECONDS, BYTES = 2, 2**30
SUSPICIOUS = ("exec", "compile", "import", "os.", "subprocess.", "pickle.", "socket.", "ctypes.", "shutil.", "code.")
WATCH = {"on": False, "events": []}


def _hook(event, arguments):
    if WATCH["on"] and event.startswith(SUSPICIOUS):
        WATCH["events"].append((event, arguments))


sys.addaudithook(_hook)  # Python tells it of everything that could do harm; it cannot be removed again


def memory_held():
    """Bytes that this process may write to, as Linux counts them: with what it has asked for and not touched yet."""
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmData:"))


@contextmanager
def watched():
    """Fails where the block imports, compiles or executes anything, or takes more time or memory than allowed.

    Linux refuses memory beyond the limit, and that is a MemoryError, which no test here expects.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    WATCH["on"], WATCH["events"], start = True, [], time.process_time()
    resource.setrlimit(resource.RLIMIT_DATA, (memory_held() + BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
        WATCH["on"] = False
    assert not WATCH["events"], str(WATCH["events"])
    assert time.process_time() - start < SECONDS, "it took too long"
