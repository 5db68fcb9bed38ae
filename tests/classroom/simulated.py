"""A class: students draw what they hand in from right, wrong and hostile submissions to an assignment.

    PYTHON tests/classroom/simulated.py [STUDENTS]      grades as many, an equal part in each assignment, and prints how
                                                        long that takes; about a minute of one core for 300

Assignments whose exercises have submissions in a folder EXERCISE below this one join by themselves.
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time

from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from classroom.box.attacks import FORGE, REACH
from classroom.submissions import expected

from minires.classroom import assignments, grade
from minires.classroom.box import TRUST, Box, strongest

HERE = Path(__file__).parent
SLOW = "getattr", "no end of uses"  # they take the time that a call has
HOSTILE = {name: text for name, text in (REACH | FORGE).items() if name not in SLOW}
NAMES = ("=1+1", "+2", "-3", "@SUM(A1)", "|x", "%y", "a,b", 'q"q', "<b>bold", "o'neil", "学生", "semi;colon")


def submissions(exercise):
    """[(text, names that a diagnosis must find), ...], right and wrong, of those whose names are known."""
    found = []
    for path in sorted(HERE.glob(f"*/{exercise}/*.py")):
        kind, names = expected(path)
        if kind in ("right", "expect"):
            found.append((path.read_text(), set(names if kind == "expect" else ())))
    return found


def can_join(each):
    return all(submissions(exercise) for exercise in each.exercises)


def draw(each, count, rng):
    """``{student: (text, names, kind)}``: most are wrong, and one in six hostile."""
    students = [*NAMES, *(f"student {number}" for number in range(count))][:count]
    return {student: _one(each, rng) for student in students}


def _one(each, rng):
    solution, kind = each.solution(), rng.choice(["right", "wrong", "wrong", "wrong", "wrong", "hostile"])
    if kind == "right":
        return solution, set(), kind
    if kind == "hostile":
        text = HOSTILE[rng.choice(sorted(HOSTILE))]
        return text + "".join(f"\n{name} = lambda *a: f(a[0])" for name in each.functions()) + "\n", set(), kind
    text, names = rng.choice(submissions(rng.choice(each.exercises)))
    return f"{solution}\n\n{text}", names, kind if names else "right"  # the later functions are those that count


def hand_in(drawn, folder):
    folder.mkdir()
    for student, (text, _, _) in drawn.items():
        (folder / f"{student}.py").write_text(text, encoding="utf-8")
    return folder


def main(count="300"):
    tier, rng, total = strongest(), random.Random(0), 0.0
    walls = {each.name: min(_started(each) for _ in range(9)) for each in (TRUST, tier)}
    wall = max(0.0, walls[tier.name] - walls[TRUST.name])
    joining = [each for each in assignments().values() if can_join(each)]
    share = -(-int(count) // len(joining))
    numpy = [sys.executable, "-I", "-c", "import numpy"]
    base = min(_cpu(lambda: subprocess.run(numpy, check=True)) for _ in range(5))
    print(f"an import of NumPy: {1000 * base:.0f} ms of computing time; {tier.name} around it: {1000 * wall:.0f} ms")
    with tempfile.TemporaryDirectory() as scratch:
        for each in joining:
            for kind in ("first", "right", "wrong", "hostile"):
                drawn = draw(each, 30 * share, rng)
                drawn = {name: one for name, one in drawn.items() if kind in ("first", one[2])}
                drawn = dict(list(drawn.items())[: 1 if kind == "first" else share // 3])
                folder = hand_in(drawn, Path(scratch) / f"{each.name} {kind}")
                what = {"tier": TRUST, "secret": "s", "jobs": 1}
                seconds = _cpu(lambda: grade(each.name, folder, f"{folder} out", **what))  # noqa: B023
                each_ms = 1000 * (seconds / len(drawn) + wall - base)
                print(f"{each.name:<14} {kind:<8} {each_ms:6.0f} ms above it, each of {len(drawn)}", flush=True)
                total += seconds if kind != "first" else 0
    rate = wall + total / (len(joining) * 3 * (share // 3))
    print(f"300 students x 10 assignments on two cores: {3000 * rate / 2 / 60:.1f} minutes of computing time")


def _started(tier):
    """Seconds on the clock for the start of a box; of several, the least is the one that nothing disturbed."""
    began = time.perf_counter()
    with Box(tier):
        return time.perf_counter() - began


def _cpu(work):
    """Seconds of computing time of this process and of those that it waits for: of none in a namespace."""
    before = _used()
    work()
    return _used() - before


def _used():
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    main(*sys.argv[1:])
