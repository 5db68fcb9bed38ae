"""A class: students draw what they hand in from right, wrong and hostile submissions to an assignment.

Assignments whose exercises have submissions in a folder EXERCISE below this one join by themselves.
"""

from pathlib import Path

from classroom.box.attacks import FORGE, REACH
from classroom.submissions import expected

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
