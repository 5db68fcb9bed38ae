"""Grading: what students handed in runs in the box, the verdict is made out here."""

import concurrent.futures
import threading
from collections.abc import Callable
from pathlib import Path

from .. import __version__
from ..errors import RangeError
from ..files.whole import make_folder, write_atomically
from .box import Box, Failure, Tier
from .course import Assignment, assignment
from .escape import for_page, for_terminal
from .feedback import feedback
from .results import FEEDBACK, RESULTS, Grade, graded, in_order, table, write
from .secret import Secret, as_secret
from .submissions import Submission, collect
from .twists import for_student
from .words import not_run, of_syntax


def seed_of(secret: Secret | str, student: str, name: str) -> int:
    """The seed of a student's numbers: nobody who lacks the secret of the course can know them."""
    return as_secret(secret).number(name, student) >> 224


def grade_one(each: Assignment, submission: Submission, tier: Tier, seed: int, language: str = "en") -> Grade:
    """Grade one submission in a box of its own. BoxError where the box does not start: that is no grade."""
    points: dict[str, float] = {}
    names: list[str] = []
    findings: list[list[str]] = []
    texts, sections, problem = [], [], submission.problem
    share = each.points / len(each.exercises)
    if not problem:
        with Box(tier, each.minires) as box:
            try:
                functions = box.load(submission.source)
            except Failure as error:
                problem = of_syntax(str(error), f"{each.name}.py")
            else:
                for exercise in each.exercises:
                    given = submission.files, submission.student
                    found = feedback(exercise, functions, language, seed, None, *given)
                    outputs = (*found.right, *found.wrong)
                    points |= {f"{exercise} {o}": share / len(outputs) * (o in found.right) for o in outputs}
                    names += found.names
                    findings += [[str(exercise), f.kind, f.output, f.detail] for f in found.findings]
                    texts.append(f"{exercise}\n{found}")
                    sections.append((str(exercise), found.to_html()))
    if problem:
        words = not_run(problem, language)
        texts, sections = [for_terminal(words)], [("", f"<p>{for_page(words)}</p>")]
    return Grade(
        student=submission.student,
        assignment=each.name,
        points=points,
        total=round(sum(points.values()), 6),
        out_of=float(each.points),
        names=sorted(set(names)),
        problem=problem,
        box=tier.name,
        seed=seed,
        digest=submission.digest,
        twist=each.twist(),
        rules=each.rules,
        language=language,
        findings=findings,
        feedback="\n\n".join(texts),
        sections=sections,
    )


def grade(
    name: str,
    submissions: str | Path,
    out: str | Path,
    *,
    tier: Tier,
    secret: Secret | str,
    jobs: int = 2,
    language: str = "en",
    progress: Callable = lambda done, total, student: None,
) -> list[Grade]:
    """Grade all ``submissions`` (a folder) into ``out``: scores.csv, results/STUDENT.json, feedback/STUDENT.html, .txt.

    What was graded before is kept where neither the submission nor the seed, language, assignment or minires has
    changed, so that an interrupted grading goes on. The grades of students of whom nothing is there any more stay, and
    are returned, too. tier: see :func:`~minires.classroom.box.strongest`   secret: of the course
    progress: called after each student. Raises RangeError for a folder that is not there or has none, and where ``out``
    has the grades of another assignment; BoxError where a box does not start; the scores of before then stay.
    """
    each, found = assignment(name), handed_in(name, submissions)
    before = graded_before(name, out)
    folder = make_folder(out)
    for part in (RESULTS, FEEDBACK):
        make_folder(folder / part)
    lock, done = threading.Lock(), {}

    def one(submission):
        mine = for_student(each, as_secret(secret), submission.student)
        seed = seed_of(secret, submission.student, each.name)
        result = before.get(submission.student)
        if result is None or not _holds(result, submission, mine, seed, language):
            result = grade_one(mine, submission, tier, seed, language)
            write(folder, result, mine.called(language))
        with lock:
            done[result.student] = result
            progress(len(done), len(found), result.student)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(one, submission) for submission in found]
        try:
            for task in concurrent.futures.as_completed(running):
                task.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    grades = in_order([*(before | done).values()])
    write_atomically(folder / "scores.csv", table(grades).encode())
    return grades


def handed_in(name: str, submissions: str | Path) -> list[Submission]:
    """The submissions to an assignment in a folder, at least one, and one of each student; RangeError where not."""
    each = assignment(name)
    if not Path(submissions).is_dir():
        raise RangeError(f"{submissions} is no folder, expected one with a file or folder for each student")
    found = collect(submissions, each.name, each.functions(), each.files)
    if not found:
        raise RangeError(f"there is no submission in {submissions}: expected .py, .ipynb, .zip or folders")
    if twice := {a.student for a, b in zip(found, found[1:]) if a.student == b.student}:
        raise RangeError(f"{submissions} has two submissions of {twice.pop()}: leave one")
    return found


def graded_before(name: str, out: str | Path) -> dict[str, Grade]:
    """{student: grade} of those that are in ``out``. RangeError where they are of another assignment."""
    before = {result.student: result for result in graded(out)}
    if others := {result.assignment for result in before.values()} - {assignment(name).name}:
        raise RangeError(f"{out} has the grades of {', '.join(sorted(others))}: grade into another --out")
    return before


def _holds(before, submission, each, seed, language):
    """Whether all that decides a grade is as it was."""
    was = (before.seed, before.twist, before.digest, before.version, before.rules, before.language)
    now = (seed, each.twist(), submission.digest, __version__, each.rules, language)
    return was == now and (submission.source or before.problem == submission.problem)
