"""One submission graded where a platform runs the grader, and the result as that platform reads it."""

from dataclasses import replace
from pathlib import Path

from ...errors import RangeError
from ...files.whole import make_folder, remove, write_atomically
from ..box import Box, Failure, Tier
from ..course import assignment
from ..escape import for_terminal
from ..grade import grade_one, seed_of
from ..public import FILE, about, check_examples
from ..results import Grade
from ..secret import Secret
from ..submissions import Submission, Unreadable, files_of, source_of
from ..twists import for_student
from ..words import not_run, of_syntax
from . import actions, autolab, classroom50, gradescope, prairielearn
from .bundle import outputs

PLATFORMS = {
    "gradescope": gradescope,
    "actions": actions,
    "classroom50": classroom50,
    "autolab": autolab,
    "prairielearn": prairielearn,
}


def grade_for(
    platform: str,
    name: str,
    submission: str | Path,
    out: str | Path,
    *,
    tier: Tier,
    secret: Secret | None = None,
    student: str = "student",
    language: str = "en",
) -> tuple[Grade, str]:
    """Grade what one student handed in, and return the grade and its text for the ``platform``.

    name: see :func:`~minires.classroom.assignment`, or the folder of a handout with examples, which then stand for the
    solution   submission: a file or folder   secret: of the course; None for numbers that everybody may know
    A platform that reads a file gets it in ``out``, first with no points. Where the box fails, the file goes again, and
    BoxError is raised: that is no grade.
    """
    check_graded(platform, name)
    module = PLATFORMS[platform]
    place = make_folder(out) / module.RESULT if module.RESULT else None
    if place:
        write_atomically(place, module.result(None).encode())
    try:
        grade = _graded(name, Path(submission), student, secret or Secret("public"), tier, language)
    except BaseException:
        if place:
            remove(place)
        raise
    text = module.result(grade)
    if place:
        write_atomically(place, text.encode())
    return grade, text


def check_graded(platform: str, name: str) -> None:
    """Raise RangeError or DataFileError where nothing called ``name`` can be graded for the platform."""
    if platform not in PLATFORMS:
        raise RangeError(f"{platform} grades by itself, minires for {', '.join(PLATFORMS)}")
    if not (Path(name) / FILE).is_file():
        assignment(name)


def _graded(name, path, student, secret, tier, language):
    if (Path(name) / FILE).is_file():
        return _by_examples(Path(name), path, student, tier, language)
    each = for_student(assignment(name), secret, student)
    found = _taken(path, student, each.name, each.functions(), each.files)
    grade = grade_one(each, found, tier, seed_of(secret, student, each.name), language)
    return grade if grade.points else replace(grade, points=dict.fromkeys(outputs(each), 0.0))


def _taken(path, student, name, functions, files=()):
    """The submission of one student, with a problem where there is none."""
    try:
        return Submission(student, source_of(path, name, functions), files=files_of(path, files))
    except Unreadable as error:
        return Submission(student, "", str(error))
    except FileNotFoundError:
        return Submission(student, "", f"there is no {path.name}")


def _by_examples(folder, path, student, tier, language):
    """A grade by the examples of a handout, whose solution is not here."""
    name, points, functions = about(folder)
    found = _taken(path, student, name, functions)
    earned: dict[str, float] = {}
    texts, problem = [], found.problem
    if not problem:
        with Box(tier) as box:
            try:
                names = box.load(found.source)
            except Failure as error:
                problem = of_syntax(str(error), f"{name}.py")
            else:
                every = check_examples(folder, names, language)
                for each in every:
                    outputs = (*each.right, *each.wrong)
                    share = points / len(every) / len(outputs)
                    earned |= {f"{each.exercise} {output}": share * (output in each.right) for output in outputs}
                    texts.append(str(each))
    if problem:
        texts = [for_terminal(not_run(problem, language))]
    total, text = round(sum(earned.values()), 6), "\n\n".join(texts)
    return Grade(student, name, earned, total, points, [], problem, tier.name, 0, found.digest, feedback=text)
