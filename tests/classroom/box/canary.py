"""A number planted in every array of expected values, and looked for in the memory of the worker."""

import json
import os
import struct
import sys
from pathlib import Path

import numpy as np
from classroom.submissions import FOLDER

from minires.classroom import EXERCISES, feedback
from minires.classroom.box import Box
from minires.classroom.diagnose import lab
from minires.classroom.smallest import case, cases


def plant(canary):
    """Put ``canary`` into every array that functions of students are held against, and return how many there are."""
    arrays = []
    for name in EXERCISES:
        cells = [*lab(name).cells, *cases(name)]
        for idea in lab(name).ideas:
            cells[0].of(idea.kind)
        for cell in cells:
            for shown in (cell.right, *cell.shown.values()):
                for output, value in shown.items():
                    if isinstance(value, np.ndarray) and value.size:
                        value = shown[output] = value.copy()
                        value.flat[0] = canary
                        arrays.append(value)
    return len(arrays)


def search(tier, ask=None):
    """Words on one wrong submission of each exercise, diagnosed in a box of this kind.

    ask(canary) -> how often it stands in the memory of the worker; by default the answer to a line on standard output
    """
    canary, hits, ask = float(np.random.default_rng().standard_normal()), 0, ask or by_lines
    planted = plant(canary)
    try:
        for name in EXERCISES:
            path = sorted(FOLDER.glob(f"{name}/*.py"))[0]
            with Box(tier) as box:
                feedback(name, box.load(path.read_text()))
                hits += ask(canary)
    finally:
        lab.cache_clear()
        case.cache_clear()
    with Box(tier) as box:
        box.load("kept = []\ndef f(x): kept.append(x)")
        box.call("f", np.full(3, canary))
        control = ask(canary)
    if hits or not control:
        return f"HITS {hits}" if hits else "NOT FOUND WHERE IT IS"
    return f"0 hits of {planted} arrays, found where it was sent"


def by_lines(canary):
    print(json.dumps(["search", canary]), flush=True)
    return json.loads(sys.stdin.readline())


def hits(pids, number):
    """How often the eight bytes of ``number`` stand in what the processes ``pids`` may write to."""
    return sum(memory.count(struct.pack("<d", number)) for pid in pids for memory in memory_of(pid))


def memory_of(pid):
    """The writable pieces of the memory of a process. PermissionError where that may not be read."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        with open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in lines:
                begin, end = (int(number, 16) for number in line.split()[0].split("-"))
                if line.split()[1].startswith("rw"):
                    try:
                        yield os.pread(memory.fileno(), end - begin, begin)
                    except OSError:
                        continue
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return
