"""A communicator like those of mpi4py whose ranks are threads of one process: for tests that need no MPI."""

import threading

import numpy as np

WAIT = 30  # seconds for the other ranks


class Ended(Exception):
    """The job has been ended by ``Abort``."""


class Request:
    """A message that is done when the call returns."""

    def Test(self):
        return True


class ThreadComm:
    """One rank of ``size``; ``job`` is what the ranks share."""

    def __init__(self, rank, size, job):
        self.rank, self.size, self.job = rank, size, job

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.size

    def allgather(self, value):
        slots, barrier = self.job
        slots[self.rank] = value
        barrier.wait(WAIT)
        found = list(slots)
        barrier.wait(WAIT)
        return found

    def bcast(self, value, root):
        return self.allgather(value)[root]

    def Iallgather(self, sent, found):
        found.reshape(self.size, -1)[:] = [one.reshape(-1) for one in self.allgather(sent.copy())]
        return Request()

    def Ialltoall(self, sent, found):
        found[:] = [one[self.rank] for one in self.allgather(sent.copy())]
        return Request()

    def Iallreduce(self, sent, found):
        found[:] = np.sum(self.allgather(sent.copy())[::-1], axis=0)  # MPI may take any order
        return Request()

    def Abort(self, code):
        self.job[1].abort()
        raise Ended(code)


def on_threads(size, work):
    """[work(comm) of each rank]; raises what the first of them raised."""
    job, found, errors = ([None] * size, threading.Barrier(size)), [None] * size, [None] * size

    def one(rank):
        try:
            found[rank] = work(ThreadComm(rank, size, job))
        except BaseException as error:  # noqa: B036, raised again below
            errors[rank] = error

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [error for error in errors if error is not None]
    if errors:
        raise next((e for e in errors if not isinstance(e, threading.BrokenBarrierError)), errors[0])
    return found
