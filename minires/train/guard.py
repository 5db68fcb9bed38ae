"""A process that watches over a rank of an MPI job, and says how it ended where the rank itself no longer can."""

import atexit
import ctypes
import mmap
import os
import signal
import socket
import struct
import sys
import warnings

from ..errors import StateError

FORWARDED = (signal.SIGINT, signal.SIGTERM)
PR_SET_PDEATHSIG = 1  # prctl: the signal that a process gets when its parent dies
STARTED = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")  # variables by which mpiexec tells a process its rank
STATE = struct.Struct("=qq??")  # rank, step, whether it ended as Python does, whether a message was given


class Guard:
    """The watcher of this process, if it has one; :meth:`begin` makes it.

    mpiexec takes a rank that leaves with code 0 (``os._exit``) for one that is done, and what it says of a killed one
    names no step. So mpiexec starts the watcher, which starts the rank, and both share a few bytes of memory.
    """

    def __init__(self):
        self.shared = None

    def begin(self) -> None:
        """Fork: the child returns and is the rank; this process waits for it, and ends as it ended. Linux alone.

        To be called before MPI begins, that is before ``from mpi4py import MPI``. Without mpiexec nothing happens.
        """
        found = [os.environ[name] for name in STARTED if name in os.environ]
        if self.shared is not None or not found or not sys.platform.startswith("linux"):
            return
        if "mpi4py.MPI" in sys.modules:
            raise StateError(
                "MPI has begun already, expected GUARD.begin() first: call it before the import of mpi4py.MPI"
            )
        self.shared = mmap.mmap(-1, STATE.size)
        self._put(int(found[0]), 0, False, False)
        parent = os.getpid()
        sys.stdout.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # BLAS has threads, and knows how to begin anew
            child = os.fork()
        if child:
            self._watch(child)
        os.setsid()  # signals come through the watcher alone, once
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        atexit.register(self._finish)

    def note(self, rank: int, step: int) -> None:
        """How far the rank has come."""
        if self.shared is not None:
            self._put(rank, step, *self._state()[2:])

    def may_speak(self) -> bool:
        """Whether nobody has given the message of this rank yet; from now on somebody has."""
        if self.shared is None:
            return True
        rank, step, finished, spoken = self._state()
        self._put(rank, step, finished, True)
        return not spoken

    def _finish(self):
        rank, step, _, spoken = self._state()
        self._put(rank, step, True, spoken)

    def _watch(self, child):
        """Wait for the rank, and leave as it left; never returns."""
        for number in FORWARDED:
            signal.signal(number, lambda number, frame: os.kill(child, number))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        rank, step, finished, spoken = self._state()
        if not finished and not spoken:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"left with exit code {code}"
            words = f"minires: rank {rank} on {socket.gethostname()}, step {step}: it {how}; the job ends\n"
            os.write(2, words.encode())
        os._exit(code if code > 0 else 128 - code if code < 0 else int(not finished))

    def _state(self):
        return STATE.unpack(self.shared[: STATE.size])

    def _put(self, *state):
        self.shared[: STATE.size] = STATE.pack(*state)


GUARD = Guard()  # one for the process, which has one parent
