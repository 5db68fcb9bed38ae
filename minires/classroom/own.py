"""For the student: one's own functions, checked in this process."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import DataFileError
from .course import Assignment, assignment, assignments
from .feedback import Feedback, feedback
from .limited import limited
from .public import FILE, about, check_examples
from .submissions import Unreadable, files_of, run, source_of
from .words import FRAME, say


def check(each: Assignment | str, given: str | Path | dict[str, Any], language: str = "en") -> list[Feedback]:
    """The feedback on each exercise of an assignment, for the functions of ``given``.

    each: the assignment, its name, or the folder of a handout with examples   given: a file, which is run, or the names
    that it would define: ``globals()`` in a notebook
    Files that are handed in beside the functions are looked for beside the file. A call that computes for too long ends
    as in a grader's box, where the system can do that and this is the main thread.
    Raises DataFileError where a file cannot be read or run, with the line.
    """
    if isinstance(each, str) and (Path(each) / FILE).is_file():
        name, _, functions = about(each)
        return check_examples(each, limited(_names(given, name, functions), functions), language)
    each = assignment(each) if isinstance(each, str) else each
    names = _names(given, each.name, each.functions())
    files, mine = _beside(given, each.files), limited(names, each.functions())
    first, *others = [feedback(exercise, mine, language, files=files) for exercise in each.exercises]
    if not isinstance(given, dict) and (words := _of_another(each, names, given, language)):
        first = replace(first, sentences=(*first.sentences, words))
    return [first, *others]


def _of_another(each, names, path, language):
    """What is said where a file has no function of an assignment, and one of another; "" otherwise."""
    if any(function in names for function in each.functions()):
        return ""
    for other in assignments().values():
        if functions := [function for function in other.functions() if callable(names.get(function))]:
            return say(FRAME, "other", language).format(", ".join(functions), other.name, path)
    return ""


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
