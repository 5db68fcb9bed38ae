"""The process that does lists of calls again, see :mod:`.helpers`. It imports little: two of them are two memories."""

import ctypes
import io
import json
import mmap
import os
import pickle
import select
import sys
import threading
import time
from contextlib import suppress

import numpy as np

from . import blas, constants

ORDER, TASK, DONE, ASLEEP, READY = 0, 1, 8, 9, 10  # words of a helper: the first two are written by the engine
WORDS = 16
WATCHED = 2e-3  # seconds that one watches for the next order, and for the end of one, before it sleeps

_lock = threading.Lock()


def fence():
    """What was written before is seen before what is written after: one lock taken behind another orders both."""
    for _ in range(2):
        with _lock:
            pass


class _Unpickler(pickle.Unpickler):
    """What :func:`.lists.packed` made; a view that many calls have is made once."""

    def __init__(self, data, memory):
        super().__init__(io.BytesIO(data))
        self._memory, self._arrays = memory, {}

    def persistent_load(self, place):
        if place not in self._arrays:
            offset, shape, dtype, strides = place
            self._arrays[place] = np.ndarray(shape, dtype, self._memory, offset, strides)
        return self._arrays[place]


def trim():
    """Give the memory back that C's heap keeps, where it can."""
    with suppress(AttributeError):  # not of every C library
        ctypes.CDLL(None).malloc_trim(0)


def main():
    """python -c START PATHS PACKAGES FILE OFFSET: of the memory, and of our words in it."""
    file, offset = map(int, sys.argv[3:])
    np.setbufsize(constants.BUFFER)
    words = memoryview(np.frombuffer(mmap.mmap(file, 0), np.int64, WORDS, offset))
    tasks, done, seen = [], 0, time.monotonic()
    with blas.one_thread():
        while True:
            if words[ORDER] != done:
                fence()
                spent, chunks = tasks[words[TASK]]
                for lists in chunks:
                    for k, calls in enumerate(lists):
                        began = time.perf_counter()
                        for function, arguments in calls:
                            function(*arguments)
                        spent[k] += time.perf_counter() - began
                done += 1
                fence()
                words[DONE] = done
                seen = time.monotonic()
            elif time.monotonic() - seen > WATCHED:
                words[ASLEEP] = 1
                fence()
                if words[ORDER] == done and select.select([0], [], [], 1.0)[0]:
                    message = _line()
                    if message:
                        start, length, number = message
                        memory = mmap.mmap(file, 0)
                        tasks = _Unpickler(memory[start : start + length], memory).load()
                        trim()
                        words[READY] = number
                words[ASLEEP] = 0
                seen = time.monotonic()
            else:
                os.sched_yield()


def _line():
    """A line of our input, whose end is ours."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os._exit(0)
        line += byte
    return json.loads(line)
