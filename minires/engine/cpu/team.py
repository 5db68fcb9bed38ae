"""Threads that share the items of a phase.

NumPy's products and loops release the interpreter lock, so they run side by side.
"""

import contextlib
import os
import queue
import threading


class _Job:
    """Items that several threads take one after another; ``done`` is unlocked when the last one is finished."""

    def __init__(self, work, items):
        self.work, self.items, self.left = work, iter(items), len(items)
        self.lock, self.done, self.error = threading.Lock(), threading.Lock(), None
        self.done.acquire()

    def take_part(self, seat):
        while True:
            with self.lock:
                item = next(self.items, None)
            if item is None:
                return
            try:
                if self.error is None:  # after an error the rest is only counted
                    self.work(item, seat)
            except BaseException as error:  # noqa: B036, raised again by ``run``, in the thread that asked
                self.error = error
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

        A seat (a workspace) is used by one thread at a time. Returns when every item is done; raises the first error.
        """
        helpers = min(len(seats), len(items)) - 1
        if helpers < 1:
            for item in items:
                work(item, seats[0])
            return
        job = _Job(work, items)
        for seat in seats[1 : self._hire(helpers) + 1]:
            self._jobs.put((job, seat))
        job.take_part(seats[0])
        job.done.acquire()
        if job.error is not None:
            raise job.error

    def forget(self):
        """Begin with no threads, as the child of a fork must, which they do not survive."""
        self._jobs, self._lock, self._hired = queue.SimpleQueue(), threading.Lock(), 0

    def _hire(self, count):
        """How many threads wait now, up to ``count``: a browser gives none, a system may give no more."""
        with self._lock, contextlib.suppress(RuntimeError):
            while self._hired < count:
                threading.Thread(target=_serve, args=(self._jobs,), name="minires", daemon=True).start()
                self._hired += 1
        return min(count, self._hired)


def _serve(jobs):
    while True:
        job, seat = jobs.get()
        job.take_part(seat)
        del job, seat  # a waiting thread holds no memory


TEAM = Team()  # one for the process: many compiled models do not mean many threads
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TEAM.forget)
