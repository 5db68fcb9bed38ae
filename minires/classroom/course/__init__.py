"""The course: assignments in folders, from which handouts, graders and reports are made.

A folder has assignment.toml, solution.py, and the statement in English and Chinese.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataFileError, RangeError
from ..exercises import EXERCISES

LANGUAGES = {"en": "statement.md", "zh": "statement.zh.md"}
FIELDS = {"exercises", "points", "hours", "title"}


@dataclass(frozen=True)
class Assignment:
    """name: "batchnorm"   number: of its place in the course   title: {language: text}   points, hours: for all of it

    exercises: names of :data:`~minires.classroom.EXERCISES`, whose functions the submission defines
    """

    name: str
    number: int
    title: dict
    points: int
    hours: int
    exercises: tuple
    folder: Path

    def statement(self, language: str = "en") -> str:
        """Markdown. RangeError for a language that is not there."""
        if language not in LANGUAGES:
            raise RangeError(f"language is {language!r}, expected one of {', '.join(LANGUAGES)}")
        return (self.folder / LANGUAGES[language]).read_text(encoding="utf-8")

    def solution(self) -> str:
        """The text of a right submission."""
        return (self.folder / "solution.py").read_text(encoding="utf-8")

    def functions(self) -> list[str]:
        """Names of the functions that a submission defines."""
        return [f"{exercise}_{way}" for exercise in self.exercises for way in ("forward", "backward")]


def read(folder: Path) -> Assignment:
    """The assignment in ``folder``, called NN_name. Raises DataFileError where it is not whole."""
    path = folder / "assignment.toml"
    number, _, name = folder.name.partition("_")
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        if fields.keys() != FIELDS:
            raise ValueError(f"it has {', '.join(sorted(fields))}, expected {', '.join(sorted(FIELDS))}")
        if missing := set(fields["exercises"]) - EXERCISES.keys():
            raise ValueError(f"there is no exercise {missing.pop()!r}, there are {', '.join(EXERCISES)}")
        fields["exercises"] = tuple(fields["exercises"])
        return Assignment(name=name, number=int(number), folder=folder, **fields)
    except (OSError, ValueError, TypeError) as error:
        raise DataFileError(f"{path}: {error}: see the folders of the course") from error


def assignments() -> dict[str, Assignment]:
    """The assignments of the course by name, in their order."""
    folders = sorted(path for path in Path(__file__).parent.glob("[0-9][0-9]_*") if path.is_dir())
    return {each.name: each for each in map(read, folders)}


def assignment(name: str) -> Assignment:
    """The assignment called ``name``; RangeError, which lists what is there."""
    found = assignments()
    if name not in found:
        raise RangeError(f"there is no assignment {name!r}: choose one of {', '.join(found)}")
    return found[name]
