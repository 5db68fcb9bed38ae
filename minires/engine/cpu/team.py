"""Threads that share the items of a phase. NumPy's products and loops release the interpreter lock, so they run at once."""

import os
import queue
import threading

_jobs = queue.SimpleQueue()
_workers = []
_lock = threading.Lock()


class _Job:
    """Items that several threads take one after another; ``done`` opens when the last one is finished."""

    def __init__(self, work, items):
        self.work, self.items, self.left = work, iter(items), len(items)
        self.lock, self.done, self.error = threading.Lock(), threading.Event(), None

    def take_part(self, seat):
        while True:
            with self.lock:
                item = next(self.items, None)
            if item is None:
                return
            try:
                if self.error is None:  # after an error the rest is only counted
                    self.work(item, seat)
            except BaseException as error:
                self.error = error
            with self.lock:
                self.left -= 1
                if not self.left:
                    self.done.set()


def run(work, items, seats):
    """Call ``work(item, seat)`` for each item, on as many threads as there are seats, this one among them.

    A seat (a workspace) is used by one thread at a time. Returns when every item is done; raises the first error.
    """
    if len(seats) == 1 or len(items) == 1:
        for item in items:
            work(item, seats[0])
        return
    job = _Job(work, items)
    helpers = min(len(seats), len(items)) - 1
    _hire(helpers)
    for seat in seats[1 : helpers + 1]:
        _jobs.put((job, seat))
    job.take_part(seats[0])
    job.done.wait()
    if job.error is not None:
        raise job.error


def _hire(count):
    with _lock:
        while len(_workers) < count:
            worker = threading.Thread(target=_serve, args=(_jobs,), name="minires", daemon=True)
            _workers.append(worker)
            worker.start()


def _serve(jobs):
    while True:
        job, seat = jobs.get()
        job.take_part(seat)
        del job, seat  # a waiting thread must hold no memory


def _forget():
    """Threads do not survive a fork: the child begins with none."""
    global _jobs, _lock
    _jobs, _lock = queue.SimpleQueue(), threading.Lock()
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
