"""Processes that do the share of threads, where those wait for each other's Python.

A thread holds the interpreter's lock for some microseconds of each call, thousands of times in a step, and one that
finds it taken sleeps: two threads then take a quarter to a third longer than two processes. Once the threads have
noted what a run calls, the list of calls (NumPy's functions, with arrays in an :class:`.arena.Arena`) is all that
another process needs. So each thread but the first has a helper, which gets the lists of that thread's chunks, or its
streams of the one chunk that all share, and does them again whenever it is told to. What belongs to all chunks, and the
first runs, stay with the threads.

A helper is told by two numbers in shared memory and watches them while it has work; else it sleeps at its input, and
ends when that ends. Results are the same to the last bit: the calls are.
"""

import pickle
import sys
import threading

import numpy as np

from ..values import Unsuited
from . import constants
from .arena import Arena
from .crew import Section, do
from .helper import WORDS, fence, trim
from .lists import packed
from .phases import Phase
from .process import Process

ONE_CHUNK = {0: 0}  # where it is: its lists are the first thread's, and helpers have streams of them


def helpers_for(threads, hands):
    """The helpers of an executor; None where there can be none, or threads do as well. hands: who find work at once"""
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    if min(threads, hands) < 2 or not locked or not sys.executable or hasattr(sys, "frozen"):  # that is no Python
        return None
    try:
        return Helpers(min(threads, hands) - 1)
    except (OSError, AttributeError):  # a sandbox, or no Linux
        return None


class Helpers:
    """The helpers of one executor. ``zeros``: makes arrays that they see   ``absent``: why there are none

    Nothing is started before the executor has run for some time, and then beside it: until they are ready, and whenever
    a phase does not do what it did before, the threads do it.
    """

    def __init__(self, count):
        self._arena, self._count, self.absent = Arena(), count, None
        self.zeros = self._arena.zeros
        self._words = self.zeros(WORDS * count, np.int64).reshape(count, WORDS)
        self._unread = self.zeros(1, np.float64)  # the seconds of sections, which their first thread notes
        self._lock, self._seconds, self._number = threading.Lock(), 0.0, 0
        self._processes, self._tables, self._sections = [], {}, {}

    def __str__(self):
        if self.absent:
            return f"threads alone: {self.absent}"
        return f"{self._count} helper process{'' if self._count == 1 else 'es'}" if self.ready() else ""

    def ready(self):
        """Whether they are there, and have the last lists."""
        return bool(self._processes) and all(process.has(self._number) for process in self._processes)

    def share(self, work, phase, frame, calls, units, seats):
        """Do a phase, or return False.

        work(unit, seat): does what is not a helper's   calls: {(phase, chunk): (form, lists)}, which were noted
        """
        _, table = self._tables.get(id(calls), (None, {}))
        task, chunks = table.get(phase, (None, {}))
        if task is None:
            return False
        form = frame.form(phase)
        for i, (seat, noted) in chunks.items():
            if calls.get((phase, i)) is not noted or noted[0] != (seat.grown, form):
                return False

        def own():
            for unit in units[:: self._count + 1]:
                work(unit, seats[0])

        return self._beside(task, own)

    def do(self, section):
        """Do a section, or return False."""
        return section in self._sections and self._beside(self._sections[section], lambda: do(section.streams[0]))

    def _beside(self, task, own):
        """Do what is our own while the helpers do their task, or return False."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if not self.ready():
                return False
            for process in self._processes:
                process.order(task)
            own()
            for process in self._processes:
                process.wait()
            fence()
            return True
        except BaseException:
            self.stop()
            raise
        finally:
            self._lock.release()

    def note(self, seconds, runs, units, seats):
        """A run has ended, after so many seconds: see whether the helpers are to get new lists.

        runs: [(calls, phases)] of the last ones   seats: where they ran
        """
        self._seconds += seconds
        if ended := [code for code in (process.ended() for process in self._processes) if code is not None]:
            self.absent = f"a helper process has ended with {ended[0]}"
            self.stop()
        if self.absent or self._seconds < constants.HELPED * 2 ** max(0, self._number - 2):
            return
        if not self._lock.acquire(blocking=False):
            return
        try:
            places = {i: h for h in range(1, self._count + 1) for unit in units[h :: self._count + 1] for i in unit}
            places = places or ONE_CHUNK
            runs = [(calls, phases) for calls, phases in runs if _is_whole(calls, phases, places, seats)]
            idle = self.ready() or not self._processes
            if idle and any(self._is_new(calls) for calls, _ in runs):
                self._send(runs, places, seats)
        except OSError as reason:
            self.absent = f"no process can be started: {reason}"
            self.stop()
        except (Unsuited, pickle.PicklingError, AttributeError, TypeError):
            self.absent = "some steps call methods of layers, or memory that is not shared"
            self.stop()
        finally:
            self._lock.release()

    def _is_new(self, calls):
        """Whether the helpers have other lists than these."""
        _, table = self._tables.get(id(calls), (None, {}))
        noted = {(phase, i): each for phase, (_, chunks) in table.items() for i, (_, each) in chunks.items()}
        return not noted or any(calls.get(key) is not each for key, each in noted.items())

    def _send(self, runs, places, seats):
        """Give the helpers the lists of all these runs, in place of those of before."""
        self._tables, self._sections, tasks, numbers = {}, {}, [], range(1, self._count + 1)
        for calls, phases in runs:
            _, table = self._tables[id(calls)] = calls, {}
            for phase in filter(_has_chunks, phases):
                number, chunks = None, {i: (seats[h], calls[phase, i]) for i, h in places.items()}
                if places == ONE_CHUNK:
                    for section in _sections(calls[phase, 0]):
                        self._sections[section] = len(tasks)
                        tasks.append([(self._unread, [section.streams[h : h + 1]]) for h in numbers])
                else:
                    number = len(tasks)
                    lists = [[calls[phase, i][1] for i, place in places.items() if place == h] for h in numbers]
                    tasks.append([(self._spent(phase, seats[h]), each) for h, each in zip(numbers, lists)])
                table[phase] = number, chunks
        if not tasks:  # nothing is worth an order
            return
        self._number += 1
        for h, each in enumerate(zip(*tasks)):
            if h == len(self._processes):
                self._processes.append(Process(self._arena, self._words[h]))
            self._processes[h].give(packed(list(each), self._arena), self._number)
        trim()

    def _spent(self, phase, seat):
        """The seconds of each step of a phase in a work area, where its helper counts on."""
        spent = self.zeros(len(phase.steps), np.float64)
        spent[:] = seat.spent.get(phase, 0.0)
        seat.spent[phase] = spent
        return spent

    def stop(self):
        """End the helpers; the threads go on, and there will be others."""
        for process in self._processes:
            process.end()
        self._processes, self._tables, self._sections = [], {}, {}


def _is_whole(calls, phases, places, seats):
    """Whether a run has noted all that the helpers would do, with the memory of now."""
    keys = [(phase, i, h) for phase in filter(_has_chunks, phases) for i, h in places.items()]
    return all((phase, i) in calls and calls[phase, i][0][0] == seats[h].grown for phase, i, h in keys)


def _has_chunks(phase):
    return isinstance(phase, Phase)


def _sections(noted):
    """The sections among the calls of a chunk."""
    _, lists = noted
    return [function for calls in lists for function, _ in calls if isinstance(function, Section)]
