"""For the student: one's own functions, checked in this process."""

from pathlib import Path
from typing import Any

from ..errors import DataFileError
from .course import Assignment, assignment
from .feedback import Feedback, feedback
from .public import FILE, about, check_examples
from .submissions import Unreadable, files_of, run, source_of


def check(each: Assignment | str, given: str | Path | dict[str, Any], language: str = "en") -> list[Feedback]:
    """The feedback on each exercise of an assignment, for the functions of ``given``.

    each: the assignment, its name, or the folder of a handout with examples   given: a file, which is run, or the names
    that it would define: ``globals()`` in a notebook
    Files that are handed in beside the functions are looked for beside the file.
    Raises DataFileError where a file cannot be read or run, with the line.
    """
    if isinstance(each, str) and (Path(each) / FILE).is_file():
        name, _, functions = about(each)
        return check_examples(each, _names(given, name, functions), language)
    each = assignment(each) if isinstance(each, str) else each
    names = _names(given, each.name, each.functions())
    files = _beside(given, each.files)
    return [feedback(exercise, names, language, files=files) for exercise in each.exercises]


def _beside(given, names):
    """The files that are handed in with the functions: in the same folder or archive, for a notebook here."""
    path = Path() if isinstance(given, dict) else Path(given)
    return files_of(path if path.is_dir() or path.suffix == ".zip" else path.parent, names)


def _names(given, name, functions):
    """What a submission defines."""
    if isinstance(given, dict):
        return given
    path = Path(given)
    try:
        return run(path, source_of(path, name, functions))
    except (Unreadable, OSError) as error:
        raise DataFileError(
            f"{path}: {getattr(error, 'strerror', None) or error}: name the file of your functions"
        ) from error
