"""Grading: what students handed in runs in the box, the verdict is made out here."""

import concurrent.futures
import csv
import io
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .. import __version__
from ..errors import DataFileError, RangeError
from ..files.whole import make_folder, write_atomically
from .box import Box, Failure, Tier
from .course import Assignment, assignment
from .escape import for_page, for_table, for_terminal
from .feedback import feedback
from .page import feedback_page
from .secret import Secret, as_secret
from .submissions import Submission, collect
from .twists import for_student
from .words import FRAME, say, stopped

RESULTS = "results"


@dataclass(frozen=True)
class Grade:
    """What one student gets. points: of each output, {"linear dx": 2.0}   names: of misconceptions   problem: why
    nothing could be run   seed: of the numbers   digest: of the submission, SHA-256   twist: the definition of
    the student's own   version: of minires   sections: what is in the page of feedback, and not among the results"""

    student: str
    assignment: str
    points: dict
    total: float
    out_of: float
    names: list
    problem: str
    box: str
    seed: int
    digest: str
    twist: str = ""
    version: str = __version__
    language: str = "en"
    feedback: str = field(default="", compare=False)
    sections: list = field(default_factory=list, compare=False, repr=False)

    def most(self) -> dict[str, float]:
        """The points of each output, where it is right."""
        outputs = Counter(output.partition(" ")[0] for output in self.points)
        return {output: self.out_of / len(outputs) / outputs[output.partition(" ")[0]] for output in self.points}


def seed_of(secret: Secret | str, student: str, name: str) -> int:
    """The seed of a student's numbers: nobody who lacks the secret of the course can know them."""
    return as_secret(secret).number(name, student) >> 224


def grade_one(each: Assignment, submission: Submission, tier: Tier, seed: int, language: str = "en") -> Grade:
    """Grade one submission in a box of its own. BoxError where the box does not start: that is no grade."""
    points: dict[str, float] = {}
    names: list[str] = []
    texts, sections, problem = [], [], submission.problem
    share = each.points / len(each.exercises)
    if not problem:
        with Box(tier, each.minires) as box:
            try:
                functions = box.load(submission.source)
            except Failure as error:
                problem = str(error)
            else:
                for exercise in each.exercises:
                    given = submission.files, submission.student
                    found = feedback(exercise, functions, language, seed, None, *given)
                    outputs = (*found.right, *found.wrong)
                    points |= {f"{exercise} {o}": share / len(outputs) * (o in found.right) for o in outputs}
                    names += found.names
                    texts.append(f"{exercise}\n{found}")
                    sections.append((str(exercise), found.to_html()))
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
        language=language,
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

    What was graded before is kept where neither the submission nor the seed, language or minires has changed, so that
    an interrupted grading goes on. tier: see :func:`~minires.classroom.box.strongest`   secret: of the course
    progress: called after each student. Raises RangeError for a folder that is not there or has none, BoxError where a
    box does not start; the scores of before then stay.
    """
    each, found = assignment(name), handed_in(name, submissions)
    folder = make_folder(out)
    for part in (RESULTS, "feedback"):
        make_folder(folder / part)
    lock, done = threading.Lock(), []

    def one(submission):
        mine = for_student(each, as_secret(secret), submission.student)
        seed = seed_of(secret, submission.student, each.name)
        result = _kept(folder, submission, mine, seed, language)
        if result is None:
            result = grade_one(mine, submission, tier, seed, language)
            _write(folder, result)
        with lock:
            done.append(result)
            progress(len(done), len(found), result.student)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(one, submission) for submission in found]
        try:
            for task in concurrent.futures.as_completed(running):
                task.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    grades = sorted(done, key=lambda result: result.student)
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


def table(grades: list[Grade]) -> str:
    """CSV with a row for each student; no field is a formula."""
    outputs = list(dict.fromkeys(output for each in grades for output in each.points))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["student", "total", "out of", *outputs, "names", "problem"])
    for each in grades:
        scores = [f"{each.points.get(output, 0):.6g}" for output in outputs]
        words = [for_table(" ".join(each.names)), for_table(each.problem)]
        rows.writerow([for_table(each.student), f"{each.total:.6g}", f"{each.out_of:.6g}", *scores, *words])
    return text.getvalue()


def graded(folder: str | Path) -> list[Grade]:
    """The grades that :func:`grade` wrote into ``folder``. Raises DataFileError for a file that is none of them."""
    return [_read(path) for path in sorted((Path(folder) / RESULTS).glob("*.json"))]


def _read(path):
    try:
        return Grade(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise DataFileError(f"{path} holds no grade: {error}: remove it, and grade again") from None


def _kept(folder, submission, each, seed, language):
    path = folder / RESULTS / f"{submission.student}.json"
    if not path.is_file():
        return None
    before = _read(path)
    now = (each.name, seed, each.twist(), submission.digest, submission.problem, __version__, language)
    same = (
        before.assignment,
        before.seed,
        before.twist,
        before.digest,
        before.problem if not submission.source else "",
        before.version,
        before.language,
    )
    return before if same == now else None


def _write(folder, result):
    head, failed = (say(FRAME, key, result.language) for key in ("points", "not run"))
    failed = failed.format(stopped(result.problem, result.language) or result.problem)
    text = result.feedback or for_terminal(failed)
    head = head.format(result.assignment, round(result.total, 2), result.out_of)
    sections = result.sections or [("", f"<p>{for_page(failed)}</p>")]
    page = feedback_page(head, sections, result.language)
    write_atomically(folder / "feedback" / f"{result.student}.txt", f"{head}\n\n{text}\n".encode())
    write_atomically(folder / "feedback" / f"{result.student}.html", page.encode())
    found = json.dumps(as_results(result), indent=1)
    write_atomically(folder / RESULTS / f"{result.student}.json", f"{found}\n".encode())


def as_results(result: Grade) -> dict:
    """What stands in results/STUDENT.json."""
    return {name: value for name, value in asdict(result).items() if name != "sections"}
