"""Grades on disk: results/STUDENT.json, feedback/STUDENT.html and .txt, and the table of all of them."""

import csv
import io
import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .. import __version__
from ..errors import DataFileError
from ..files.whole import write_atomically
from .escape import for_table, for_terminal
from .page import feedback_page
from .words import FRAME, say

RESULTS, FEEDBACK = "results", "feedback"


@dataclass(frozen=True)
class Grade:
    """What one student gets. points: of each output, {"linear dx": 2.0}   names: of misconceptions   problem: why
    nothing could be run   seed: of the numbers   digest: of the submission, SHA-256   twist: the definition of
    the student's own   version: of minires   rules: digest of the files of the assignment
    findings: what is wrong and has no name, [[exercise, kind, output, detail], ...], see :class:`~.general.Finding`
    sections: what is in the page of feedback, and not among the results"""

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
    rules: str = ""
    language: str = "en"
    findings: list = field(default_factory=list)
    feedback: str = field(default="", compare=False)
    sections: list = field(default_factory=list, compare=False, repr=False)

    def most(self) -> dict[str, float]:
        """The points of each output, where it is right."""
        outputs = Counter(output.partition(" ")[0] for output in self.points)
        return {output: self.out_of / len(outputs) / outputs[output.partition(" ")[0]] for output in self.points}


def in_order(grades: list[Grade]) -> list[Grade]:
    """By the names of the students, student_2 before student_10."""

    def key(grade):
        parts = re.split(r"(\d+)", grade.student)
        return [int(part) if at % 2 else part for at, part in enumerate(parts)], grade.student

    return sorted(grades, key=key)


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
    """The grades that :func:`~minires.classroom.grade` wrote into ``folder``, in the order of the students.

    Raises DataFileError for a file that is none of them.
    """
    return in_order([_read(path) for path in (Path(folder) / RESULTS).glob("*.json")])


def _read(path):
    try:
        return Grade(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise DataFileError(f"{path} holds no grade: {error}: remove it, and grade again") from None


def write(folder: Path, result: Grade, title: str) -> None:
    """The feedback, and then the result: where that is there, all is. title: of the assignment"""
    head = say(FRAME, "points", result.language).format(result.assignment, round(result.total, 2), result.out_of)
    page = feedback_page(title, [result.student, head], result.sections, result.language)
    text = "\n".join(map(for_terminal, (title, result.student, head)))
    write_atomically(folder / FEEDBACK / f"{result.student}.txt", f"{text}\n\n{result.feedback}\n".encode())
    write_atomically(folder / FEEDBACK / f"{result.student}.html", page.encode())
    found = json.dumps(as_results(result), indent=1)
    write_atomically(folder / RESULTS / f"{result.student}.json", f"{found}\n".encode())


def as_results(result: Grade) -> dict:
    """What stands in results/STUDENT.json."""
    return {name: value for name, value in asdict(result).items() if name != "sections"}
