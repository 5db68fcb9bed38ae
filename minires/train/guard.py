"""Processes that watch over a rank of an MPI job, and say how it ended where the rank itself no longer can.

mpiexec takes a rank that leaves with code 0 (``os._exit``) for one that is done, and of one that is killed it knows no
step. So mpiexec starts a watcher, which starts the rank; both share a few bytes of memory. Beside rank 0 a witness
watches over mpiexec, through which all others speak.

    mpiexec  ->  watcher  ->  rank
                 watcher  ->  witness      (of rank 0)
"""

import atexit
import contextlib
import ctypes
import mmap
import os
import select
import signal
import socket
import struct
import sys
import warnings
from pathlib import Path

from ..errors import StateError

STARTED = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")  # variables by which mpiexec tells a process its rank
FORWARDED = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1  # prctl: the signal that a process gets when its parent dies
STATE = struct.Struct("=qq??")  # rank, step, whether it ended as Python does, whether it gave a message


class Guard:
    """The watcher of this process, if it has one; :meth:`begin` makes it."""

    def __init__(self):
        self.shared = self.witness = None

    def begin(self) -> None:
        """Fork: the child returns and is the rank; this process waits for it, and leaves as it left. Linux alone.

        To be called before MPI begins, that is before ``from mpi4py import MPI``. Without mpiexec nothing happens.
        """
        found = [os.environ[name] for name in STARTED if name in os.environ]
        if self.shared is not None or not found or not hasattr(os, "pidfd_open"):
            return
        if "mpi4py.MPI" in sys.modules:
            raise StateError("MPI has begun already, expected GUARD.begin() before it: import mpi4py.MPI after it")
        self.shared = mmap.mmap(-1, STATE.size)
        self._put(int(found[0]), 0, False, False)
        launcher = _launcher()
        self.witness = f"\0minires-{launcher}"
        if found[0] == "0" and not _fork():
            self._watch_over_mpiexec(launcher)
        watcher = os.getpid()
        if child := _fork():
            self._watch_over(child)
        os.setsid()  # signals come through the watcher alone, once
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # even where it is stopped
        if os.getppid() != watcher:
            os._exit(1)
        atexit.register(self._finish)

    def note(self, rank: int, step: int) -> None:
        """How far the rank has come."""
        if self.shared is not None:
            self._put(rank, step, *self._state()[2:])

    def speaks(self) -> None:
        """The rank gives the message itself."""
        if self.shared is not None:
            self._put(*self._state()[:3], True)
            self._tell_witness()

    def _finish(self):
        rank, step, _, spoken = self._state()
        self._put(rank, step, True, spoken)

    # -- the watcher and the witness, which never return

    def _watch_over(self, child):
        for number in FORWARDED:
            signal.signal(number, lambda number, frame: os.kill(child, number))
        rank, mpiexec = os.pidfd_open(child), _opened(os.getppid())
        if _first_end(rank, mpiexec) != rank:
            os.kill(child, signal.SIGKILL)
            os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _, _, finished, spoken = self._state()
        if not finished and not spoken:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}"
            self._tell_witness()
            os.write(2, self._message(f"it {how}"))
        os._exit(code if code > 0 else 128 - code if code < 0 else int(not finished))

    def _watch_over_mpiexec(self, launcher):
        os.setsid()
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        told.setblocking(False)
        try:
            told.bind(self.witness)
            ends = os.pidfd_open(os.getppid()), os.pidfd_open(launcher)
            errors = os.open(f"/proc/{launcher}/fd/2", os.O_WRONLY | os.O_APPEND)  # ours leads through mpiexec
        except OSError:  # mpiexec is on another host, or of another user
            os._exit(0)
        for number in map(int, os.listdir("/proc/self/fd")):  # or mpiexec waits for the other ends of its pipes
            if number not in (told.fileno(), *ends, errors):
                with contextlib.suppress(OSError):
                    os.close(number)
        _first_end(*ends)
        is_told = select.select([told], [], [], 0)[0]
        _, _, finished, spoken = self._state()
        if select.select([ends[1]], [], [], 0)[0] and not (finished or spoken or is_told):
            os.write(errors, self._message("mpiexec was killed"))
        os._exit(0)

    def _message(self, words):
        rank, step, *_ = self._state()
        return f"minires: rank {rank} on {socket.gethostname()}, step {step}: {words}; the job ends\n".encode()

    def _tell_witness(self):
        """A message has been given, or is about to be."""
        try:
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"!", self.witness)
        except OSError:  # it is on another host
            return

    def _state(self):
        return STATE.unpack(self.shared[: STATE.size])

    def _put(self, *state):
        self.shared[: STATE.size] = STATE.pack(*state)


def _fork():
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # BLAS has threads, and knows how to begin anew
        return os.fork()


def _launcher():
    """The number of mpiexec: our parent, or its parent where that only starts processes for it."""
    parent = os.getppid()
    name, _, rest = Path(f"/proc/{parent}/stat").read_text().partition("(")[2].rpartition(")")
    return int(rest.split()[1]) if "proxy" in name else parent


def _opened(process):
    try:
        return os.pidfd_open(process)
    except OSError:  # it has just ended
        return os.pidfd_open(os.getpid())


def _first_end(*processes):
    """The descriptor of the process that ends first, of those that have ended the first named."""
    return select.select(processes, [], [])[0][0]


GUARD = Guard()  # one for the process, which has one parent
