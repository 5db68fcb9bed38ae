"""Threads that share the items of a phase.

NumPy's products and loops release the interpreter lock, so they run side by side.
"""

import os
import queue
import threading

import numpy as np

from . import constants


class _Job:
    """Shifts, (seat, items), of which ``left`` are with other threads; ``done`` is unlocked when these are finished."""

    def __init__(self, work, left):
        self.work, self.left, self.error = work, left, None
        self.lock, self.done = threading.Lock(), threading.Lock()
        self.done.acquire()

    def do(self, seat, items):
        try:
            for item in items:
                if self.error is None:  # after an error the rest is left
                    self.work(item, seat)
        except BaseException as error:  # noqa: B036, raised again by ``run``, in the thread that asked
            self.error = error

    def end_shift(self):
        with self.lock:
            self.left -= 1
            if not self.left:
                self.done.release()


class Team:
    """Threads that wait for work; as many as were ever asked for at once."""

    def __init__(self):
        self.forget()

    def run(self, work, items, seats):
        """Call ``work(item, seat)`` for each item, on as many threads as there are seats, this one among them.

        Item k belongs to seat k modulo their number, and a seat (a workspace) to a thread of its own: what an item has
        left in the cache of a core, its next work finds there. Returns when every item is done; raises the first error.
        """
        count = max(1, min(len(seats), len(items)))
        shifts = [(seat, items[k::count]) for k, seat in enumerate(seats[:count])]
        helpers = self._hire(count - 1)
        job = _Job(work, len(helpers))
        for jobs, shift in zip(helpers, shifts[1:]):
            jobs.put((job, shift))
        for shift in (shifts[0], *shifts[1 + len(helpers) :]):
            job.do(*shift)
        if helpers:
            job.done.acquire()
        if job.error is not None:
            raise job.error

    def forget(self):
        """Begin with no threads, as the child of a fork must, which they do not survive."""
        self._jobs, self._lock = [], threading.Lock()

    def _hire(self, count):
        """The queues of up to ``count`` threads: a browser gives none, a system may give no more."""
        if len(self._jobs) < count:
            with self._lock:
                while len(self._jobs) < count:
                    jobs = queue.SimpleQueue()
                    try:
                        threading.Thread(target=_serve, args=(jobs,), name="minires", daemon=True).start()
                    except RuntimeError:
                        break
                    self._jobs.append(jobs)
        return self._jobs[:count]


def _serve(jobs):
    np.setbufsize(constants.BUFFER)  # of this thread
    while True:
        job, shift = jobs.get()
        job.do(*shift)
        job.end_shift()
        del job, shift  # a waiting thread holds no memory


TEAM = Team()  # one for the process: many compiled models do not mean many threads
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TEAM.forget)
