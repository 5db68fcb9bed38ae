"""For the student: one's own functions, checked in this process."""

from pathlib import Path

from ..errors import DataFileError
from .course import Assignment
from .feedback import Feedback, feedback
from .submissions import Unreadable, source_of


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
    namespace: dict = {"__name__": "submission"}
    try:
        exec(compile(source, str(path), "exec"), namespace)
    except SyntaxError as error:
        raise DataFileError(f"{path}, line {error.lineno}: {error.msg}: mend it first") from error
    except Exception as error:
        raise DataFileError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    return [feedback(exercise, namespace, language) for exercise in each.exercises]
