"""Processes that do the share of threads, where those wait for each other's Python.

A thread holds the interpreter's lock for some microseconds of each call, thousands of times in a step, and one that
finds it taken sleeps: two threads then take a quarter to a third longer than two processes. Once the threads have
noted what a run calls, the list of calls (NumPy's functions, with arrays in an :class:`.arena.Arena`) is all that
another process needs. So each thread but the first has a helper, which gets the lists of that thread's chunks and does
them again whenever it is told to. What belongs to all chunks, and the first runs, stay with the threads.

A helper is told by two numbers in shared memory and watches them while it has work; else it sleeps at its input, and
ends when that ends. Results are the same to the last bit: the calls are.
"""

import json
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref

import numpy as np

from ...errors import StateError
from ..values import Unsuited
from . import constants
from .arena import Arena
from .helper import ASLEEP, DONE, ORDER, READY, TASK, WATCHED, WORDS, fence, trim
from .lists import packed
from .phases import Phase

# The packages are made without what they import: a helper needs NumPy and three modules
START = """
import json, sys, types
sys.path[:] = json.loads(sys.argv[1])
for name, path in json.loads(sys.argv[2]).items():
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = path
from minires.engine.cpu import helper
helper.main()
"""
PACKAGES = "minires", "minires.engine"


def helpers_for(threads, units):
    """The helpers of an executor; None where there can be none, or threads do as well."""
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    if threads < 2 or units < 2 or not locked or not sys.executable or hasattr(sys, "frozen"):  # that is no Python
        return None
    try:
        return Helpers(min(threads, units) - 1)
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
        self._words = memoryview(self.zeros(WORDS * count, np.int64))
        self._lock, self._seconds, self._number = threading.Lock(), 0.0, 0
        self._processes, self._tables, self._texts = [], {}, []

    def __str__(self):
        if self.absent:
            return f"threads alone: {self.absent}"
        return f"{self._count} helper process{'' if self._count == 1 else 'es'}" if self.ready() else ""

    def ready(self):
        """Whether they are there, and have the last lists."""
        return bool(self._processes) and all(
            words[READY] == self._number for words in map(self._words_of, range(self._count))
        )

    def share(self, work, phase, frame, calls, units, seats):
        """Do a phase, or return False.

        work(unit, seat): does what is not a helper's   calls: {(phase, chunk): (form, lists)}, which were noted
        """
        _, table = self._tables.get(id(calls), (None, {}))
        if phase not in table or not self._lock.acquire(blocking=False):
            return False
        try:
            index, chunks = table[phase]
            form = frame.form(phase)
            for i, (seat, noted) in chunks.items():
                if calls.get((phase, i)) is not noted or noted[0] != (seat.grown, form):
                    return False
            if not self.ready():
                return False
            self._texts.clear()
            self._order(index)
            for unit in units[:: self._count + 1]:
                work(unit, seats[0])
            for h, process in enumerate(self._processes):
                _await(process, self._words_of(h))
            fence()
            return True
        except BaseException:
            self.stop()
            raise
        finally:
            self._lock.release()

    def _order(self, index):
        fence()
        for h, process in enumerate(self._processes):
            words = self._words_of(h)
            words[TASK] = index
            words[ORDER] += 1
            fence()
            if words[ASLEEP]:
                try:
                    _wake(process)
                except BrokenPipeError:
                    raise _ended(process) from None

    def note(self, seconds, runs, units, seats):
        """A run has ended, after so many seconds: see whether the helpers are to get new lists.

        runs: [(calls, phases)] of the last ones   seats: where they ran
        """
        self._seconds += seconds
        if ended := [process.returncode for process in self._processes if process.poll() is not None]:
            self.absent = f"a helper process has ended with {ended[0]}"
            self.stop()
        if self.absent or self._seconds < constants.HELPED * 2 ** max(0, self._number - 2):
            return
        if not self._lock.acquire(blocking=False):
            return
        try:
            places = {i: h for h in range(1, self._count + 1) for unit in units[h :: self._count + 1] for i in unit}
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
        self._tables, tasks, size = {}, [[] for _ in range(self._count)], 0
        for calls, phases in runs:
            _, table = self._tables[id(calls)] = calls, {}
            for phase in phases:
                if not isinstance(phase, Phase):
                    continue
                table[phase] = size, {i: (seats[h], calls[phase, i]) for i, h in places.items()}
                size += 1
                for h in range(1, self._count + 1):
                    spent = self.zeros(len(phase.steps), np.float64)
                    spent[:] = seats[h].spent.get(phase, 0.0)
                    seats[h].spent[phase] = spent
                    tasks[h - 1].append((spent, [calls[phase, i][1] for i, place in places.items() if place == h]))
        self._number += 1
        for h, each in enumerate(tasks):
            text = np.frombuffer(packed(each, self._arena), np.uint8)
            room = self.zeros(text.size, np.uint8)
            room[:] = text
            self._texts.append(room)
            if h == len(self._processes):
                self._processes.append(self._started(h))
            _wake(self._processes[h], *self._arena.where([room]), room.size, self._number)
        trim()

    def _started(self, h):
        words = self._words_of(h)
        words[ORDER] = words[DONE] = words[ASLEEP] = words[READY] = 0
        packages = {name: list(sys.modules[name].__path__) for name in PACKAGES}
        given = [json.dumps(sys.path), json.dumps(packages)]
        given += [str(self._arena.file), str(*self._arena.where([np.asarray(words)]))]
        process = subprocess.Popen(
            [sys.executable, "-c", START, *given],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[self._arena.file],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for us
        )
        weakref.finalize(self, _end, process, os.getpid())
        return process

    def _words_of(self, h):
        return self._words[WORDS * h : WORDS * (h + 1)]

    def stop(self):
        """End the helpers; the threads go on, and there will be others."""
        for process in self._processes:
            _end(process, os.getpid())
        self._processes, self._tables, self._texts = [], {}, []


def _is_whole(calls, phases, places, seats):
    """Whether a run has noted all that the helpers would do, with the memory of now."""
    phases = [phase for phase in phases if isinstance(phase, Phase)]
    return all((p, i) in calls and calls[p, i][0][0] == seats[h].grown for p in phases for i, h in places.items())


def _wake(process, *numbers):
    """Send a line: where lists are, or nothing."""
    process.stdin.write(f"{json.dumps(numbers)}\n".encode())


def _end(process, of):
    """End a helper, unless we are a fork of the process that it belongs to."""
    if of == os.getpid():
        process.kill()
        process.wait()
        process.stdin.close()


def _await(process, words):
    until = time.monotonic() + WATCHED
    while words[DONE] != words[ORDER]:
        if time.monotonic() < until:
            os.sched_yield()  # time.sleep(0) is 50 us
            continue
        time.sleep(1e-4)
        if process.poll() is not None:
            raise _ended(process)


def _ended(process):
    return StateError(
        f"a helper process of the engine has ended with {process.wait()} in the middle of a batch, whose results are "
        "lost: run it again; where memory is short, compile with threads=1",
        "Compiled",
    )
