"""For the student: one's own functions, checked in this process."""

from pathlib import Path

from ..errors import DataFileError
from .course import Assignment
from .feedback import Feedback, feedback
from .submissions import Unreadable, run, source_of


def check(each: Assignment, path: str | Path, language: str = "en") -> list[Feedback]:
    """The feedback on each exercise of an assignment, for the functions in the file ``path``, which is run.

    Raises DataFileError where it cannot be read or run, with the line.
    """
    try:
        source = source_of(Path(path), each.name, each.functions())
    except (Unreadable, OSError) as error:
        raise DataFileError(
            f"{path}: {getattr(error, 'strerror', None) or error}: name the file of your functions"
        ) from error
    namespace = run(Path(path), source)
    return [feedback(exercise, namespace, language) for exercise in each.exercises]
