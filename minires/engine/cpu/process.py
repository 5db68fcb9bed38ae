"""A helper process as its engine sees it: started, told, waited for, ended; see :mod:`.helper` for what it does."""

import json
import os
import subprocess
import sys
import time
import weakref

import numpy as np

from ...errors import StateError
from .helper import ASLEEP, DONE, ORDER, READY, TASK, WATCHED, fence

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


class Process:
    """One helper. words: its numbers in shared memory   Raises OSError where no process can be started."""

    def __init__(self, arena, words):
        self._arena, self._words, self._lists = arena, memoryview(words), None
        words[ORDER] = words[DONE] = words[ASLEEP] = words[READY] = 0
        packages = {name: list(sys.modules[name].__path__) for name in PACKAGES}
        given = [json.dumps(sys.path), json.dumps(packages), str(arena.file), str(*arena.where([words]))]
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, *given],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[arena.file],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C is for us
        )
        weakref.finalize(self, _end, self.process, os.getpid())

    def give(self, text, number):
        """New lists, as bytes; number: of the lists, which it says back when it has them"""
        self._lists = self._arena.zeros(len(text), np.uint8)
        self._lists[:] = np.frombuffer(text, np.uint8)
        self._wake(*self._arena.where([self._lists]), len(text), number)

    def has(self, number):
        """Whether it has read the lists of this number; their bytes are of no more use then."""
        if self._words[READY] != number:
            return False
        self._lists = None
        return True

    def order(self, task):
        """Have it do the task of this number in its lists. What was written before is seen by it."""
        words = self._words
        words[TASK] = task
        fence()
        words[ORDER] += 1
        fence()
        if words[ASLEEP]:
            try:
                self._wake()
            except BrokenPipeError:
                raise self._lost() from None

    def wait(self):
        """Until the last order is done. Raises StateError when the process has ended."""
        words, until = self._words, time.monotonic() + WATCHED
        while words[DONE] != words[ORDER]:
            if time.monotonic() < until:
                os.sched_yield()  # time.sleep(0) is 50 us
                continue
            time.sleep(1e-4)
            if self.ended() is not None:
                raise self._lost()

    def ended(self):
        """With which code, None while it runs."""
        return self.process.poll()

    def end(self):
        _end(self.process, os.getpid())

    def _wake(self, *numbers):
        """Send a line: where lists are, or nothing."""
        self.process.stdin.write(f"{json.dumps(numbers)}\n".encode())

    def _lost(self):
        return StateError(
            f"a helper process of the engine has ended with {self.process.wait()} in the middle of a batch, whose "
            "results are lost: run it again; where memory is short, compile with threads=1",
            "Compiled",
        )


def _end(process, of):
    """End a helper, unless we are a fork of the process that it belongs to."""
    if of == os.getpid():
        process.kill()
        process.wait()
        process.stdin.close()
