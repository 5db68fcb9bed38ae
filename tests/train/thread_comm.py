"""A communicator like those of mpi4py whose ranks are threads of one process: for tests that need no MPI."""

import itertools
import threading

import numpy as np

WAIT = 30  # seconds for the other ranks


class Ended(Exception):
    """The job has been ended by ``Abort``, or by a rank that raised."""


class Board:
    """What the ranks have posted: {(communicator, number of the message): (kind, {rank: value})}."""

    def __init__(self, size):
        self.size, self.messages, self.changed, self.ended = size, {}, threading.Condition(), False

    def post(self, key, kind, rank, value):
        with self.changed:
            known, values = self.messages.setdefault(key, (kind, {}))
            assert known == kind, f"rank {rank} has {kind} where another has {known}"
            values[rank] = value
            self.changed.notify_all()
        return values

    def has_all(self, values):
        if len(values) < self.size and self.ended:
            raise Ended
        return len(values) == self.size

    def end(self):
        with self.changed:
            self.ended = True
            self.changed.notify_all()


class Request:
    """A message that is done at the third question at the earliest, as one that takes its time."""

    def __init__(self, board, values, put):
        self.board, self.values, self.put, self.asked = board, values, put, 0

    def Test(self):
        self.asked += 1
        if self.asked < 3:
            return False
        if not self.board.has_all(self.values):
            with self.board.changed:
                self.board.changed.wait(0.001)
            return False
        if self.put is not None:
            self.put([self.values[rank] for rank in range(self.board.size)])
            self.put = None
        return True


class ThreadComm:
    """One rank; ``board`` is what the ranks share."""

    def __init__(self, rank, board, name=()):
        self.rank, self.size, self.board, self.name = rank, board.size, board, name
        self.numbers, self.twins = itertools.count(), itertools.count()

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.size

    def Dup(self):
        return ThreadComm(self.rank, self.board, (*self.name, next(self.twins)))

    def Free(self):
        pass

    def _request(self, kind, value, put):
        key = self.name, next(self.numbers)
        return Request(self.board, self.board.post(key, kind, self.rank, value), put)

    def Iallgather(self, sent, found):
        def put(values):
            found.reshape(self.size, -1)[:] = [one.reshape(-1) for one in values]

        return self._request("allgather", sent.copy(), put)

    def Ialltoall(self, sent, found):
        def put(values):
            found[:] = [one[self.rank] for one in values]

        return self._request("alltoall", sent.copy(), put)

    def Iallreduce(self, sent, found):
        def put(values):
            found[:] = np.sum(values[::-1], axis=0)  # MPI may take any order

        return self._request("allreduce", sent.copy(), put)

    def Abort(self, code):
        self.board.end()
        raise Ended(code)


def on_threads(size, work):
    """[work(comm) of each rank]; raises what the first of them raised."""
    board, found, errors = Board(size), [None] * size, [None] * size

    def one(rank):
        try:
            found[rank] = work(ThreadComm(rank, board))
        except BaseException as error:  # noqa: B036, raised again below
            errors[rank] = error
            board.end()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [error for error in errors if error is not None]
    if errors:
        raise next((e for e in errors if not isinstance(e, Ended)), errors[0])
    return found
