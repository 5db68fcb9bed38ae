"""Twists: a definition of each student's own, which the secret of the course draws.

The folder of an assignment has them as classes in twist.py, which take the place of the class of the layer; its
manifest has what they are called, what may stand for their constants, and what the student reads. Planted mistakes are
made with the twist as well, so that they keep their names.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import DataFileError, RangeError
from .course import MANIFEST, Assignment
from .secret import Secret
from .submissions import run


def for_student(each: Assignment, secret: Secret, student: str) -> Assignment:
    """The assignment as ``student`` gets it: twisted, if the file of the course says so."""
    return twisted(each, secret, student) if each.name in secret.twisted else each


def twisted(each: Assignment, secret: Secret, student: str) -> Assignment:
    """The assignment as ``student`` gets it: with a twist in each exercise that has some. RangeError where none has."""
    if not each.twists:
        raise RangeError(f"{each.name} has no twists: take it out of twisted in the file of the course")
    exercises, texts = [], []
    for exercise in each.exercises:
        options = [name for name, table in each.twists.items() if table.get("exercise", exercise.name) == exercise.name]
        if options:
            number = secret.number("twist", each.name, exercise.name, student)
            number, choice = divmod(number, len(options))
            table, constants = each.twists[options[choice]], {}
            for key, values in table.items():
                if isinstance(values, list):
                    number, at = divmod(number, len(values))
                    constants[key] = values[at]
            kind = _kind(each.folder / "twist.py", options[choice], tuple(constants.items()))
            exercise = replace(exercise, twist=kind)
            texts.append(
                {language: table[language].format(**constants) for language in ("en", "zh") if language in table}
            )
        exercises.append(exercise)
    return replace(each, exercises=tuple(exercises), drawn=tuple(texts))


@lru_cache(maxsize=256)
def _kind(path: Path, name: str, constants: tuple[tuple[str, Any], ...]) -> type:
    """The class ``name`` with its constants; one and the same each time, so that what it shows is worked out once."""
    classes = run(path, path.read_text(encoding="utf-8"))
    if not isinstance(classes.get(name), type):
        raise DataFileError(f"{path} has no class {name}, which {MANIFEST} names: define it")
    untwisted = next(base for base in classes[name].__mro__ if base.__module__ != classes["__name__"])
    return type(name, (classes[name],), {"untwisted": untwisted, **dict(constants)})
