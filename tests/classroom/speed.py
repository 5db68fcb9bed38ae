"""How long it takes to grade a submission, above an import of NumPy in the same box; and a whole class.

    PYTHON tests/classroom/speed.py [ROUNDS [NAME ...]]      right and wrong submissions of the tests, each ROUNDS times
    PYTHON tests/classroom/speed.py class [STUDENTS]         ten assignments as minires assign grade does, two at a time

Computing time is that of the grader and of all in the box. A box that starts, imports NumPy and ends takes turns with
each submission; of several rounds the shortest counts, which is the one that others disturb least.
"""

import os
import random
import resource
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

from classroom.box.table import descendants
from classroom.simulated import hand_in
from classroom.submissions import expected

from minires.classroom import assignments
from minires.classroom.box import Box, strongest
from minires.classroom.grade import grade, grade_one
from minires.classroom.submissions import Submission

HERE = Path(__file__).parent
MOST = {"right": 150, "wrong": 400}  # milliseconds
HEAD = "| assignment | | submissions | computing: median | most | on the clock: median | most |\n|" + "---|" * 7


class Counting(Box):
    """Adds up the computing time of workers before they end: nobody waits for those in a namespace."""

    seconds = 0.0

    def _stop(self):
        if self._process is not None:
            Counting.seconds += sum(map(_computed, descendants(os.getpid())))
        super()._stop()


def _computed(pid):
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except OSError:  # it has ended
        return 0.0


def measured(work, *arguments):
    """Milliseconds (of computing time, on the clock) of work(*arguments)."""
    Counting.seconds, before, began = 0.0, time.process_time(), time.perf_counter()
    work(*arguments)
    took = time.perf_counter() - began
    return 1000 * (time.process_time() - before + Counting.seconds), 1000 * took


def numpy_alone(tier):
    with Counting(tier):
        pass


def above(each, text, tier, rounds):
    """What ``measured`` gives for grading a text, and for NumPy alone, which is taken off the first."""
    one, alone, graded = Submission("ada", text), [], []
    for number in range(rounds):
        alone.append(measured(numpy_alone, tier))
        graded.append(measured(grade_one, each, one, tier, number))
    base = [min(each) for each in zip(*alone)]
    return [min(each) - least for each, least in zip(zip(*graded), base)], base


def submissions(each):
    """{"right": texts, "wrong": texts} of the tests; they stand behind the solution and take its place."""
    found = {"right": [each.solution()], "wrong": []}
    for exercise in each.exercises:
        for path in sorted(HERE.glob(f"*/{exercise}/*.py")):
            kind = "right" if expected(path)[0] == "right" else "wrong"
            found[kind].append(f"{each.solution()}\n\n{path.read_text()}")
    return found


def each_alone(rounds="5", *names):
    sys.modules[grade_one.__module__].Box = Counting
    tier, bases, slow = strongest(), [], []
    print(f"Milliseconds above an import of NumPy, box: {tier.name}, {rounds} rounds\n\n{HEAD}")
    for name, each in assignments().items():
        for kind, texts in submissions(each).items() if not names or name in names else ():
            grade_one(each, Submission("ada", texts[0]), tier, 0)  # what is made once
            rows, least = zip(*(above(each, text, tier, int(rounds)) for text in texts))
            bases += least
            cells = [f"{of(column):.0f}" for column in zip(*rows) for of in (statistics.median, max)]
            print(f"| {name} | {kind} | {len(texts)} | {' | '.join(cells)} |", flush=True)
            slow += [name] * (max(computed for computed, _ in rows) > MOST[kind])
    computed, took = map(statistics.median, zip(*bases))
    print(
        f"\nThe import itself, with the start of the box: {computed:.0f} ms of computing time, {took:.0f} on the clock."
    )
    print(f"Over {MOST} ms of computing time: {', '.join(slow) or 'none'}.")


class OfSeveral(Box):
    """Adds up the computing time of its workers, of which some run side by side."""

    seconds, lock = 0.0, threading.Lock()

    def _stop(self):
        if self._process is not None:
            with self.lock:
                OfSeveral.seconds += self._computed()
        super()._stop()


def a_class(students="300"):
    sys.modules[grade_one.__module__].Box = OfSeveral
    rng, tier, began = random.Random(0), strongest(), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        for name, each in assignments().items():
            texts = submissions(each)
            drawn = {f"s{n}": (rng.choice(texts[rng.choice(("right", "wrong"))]), (), "") for n in range(int(students))}
            folder, start, before = hand_in(drawn, Path(scratch) / name), time.perf_counter(), _of_all()
            grade(name, folder, f"{folder} out", tier=tier, secret="s", jobs=2)
            print(f"{name:<12} {time.perf_counter() - start:6.1f} s, computing {_of_all() - before:6.1f} s", flush=True)
    took, computed = (seconds / 60 for seconds in (time.perf_counter() - began, _of_all()))
    print(f"{students} students x {len(assignments())} assignments, two at a time: {took:.1f} minutes on the clock")
    print(f"computing time of the grader and in the boxes: {computed:.1f} minutes, {computed / 2:.1f} on two cores")


def _of_all():
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime + OfSeveral.seconds


if __name__ == "__main__":
    a_class(*sys.argv[2:]) if sys.argv[1:2] == ["class"] else each_alone(*sys.argv[1:])
