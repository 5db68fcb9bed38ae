"""The lock on the folder of a run: one training at a time."""

import contextlib
import os

from ..errors import StateError


@contextlib.contextmanager
def only_user(folder):
    """Keep other processes out of ``folder`` while the block runs; they get a :class:`~minires.errors.StateError`."""
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows has no such lock
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StateError(
            f"{folder} is in use by 1 other process, expected none: wait for that training, or stop it with Ctrl-C"
        ) from error
    except OSError:  # some network file systems know no locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)
