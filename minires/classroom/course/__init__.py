"""The course: assignments in folders, from which handouts, graders and reports are made.

A folder has assignment.toml, solution.py, and the statement in English and Chinese; teachers have such folders of their
own.
"""

import hashlib
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ...errors import DataFileError, RangeError
from ...files.whole import check_folder, make_folder, write_atomically
from ..declared import declared
from ..exercises import EXERCISES
from ..submissions import run
from ..task import Task
from ..trials import TRIALS

MANIFEST = "assignment.toml"
TEMPLATE = Path(__file__).parent / "template"
LANGUAGES = {"en": "statement.md", "zh": "statement.zh.md"}
FIELDS = {"points", "hours", "title"}
MAY = {"minires", "twists", "files"}


@dataclass(frozen=True)
class Assignment:
    """name: "batchnorm"   number: of its place in the course   title: {language: text}   points, hours: for all of it

    exercises: each an :class:`~minires.classroom.Exercise` or :class:`~minires.classroom.trials.Trial`, that tells the
    functions of a submission; or one :class:`~minires.classroom.task.Task`, where assignment.toml ``asks`` for
    functions, and the folder has questions.py and mistakes.toml
    minires: whether it can be imported in the box, which the statement then says   files: that a task wants beside them
    twists: what :mod:`~minires.classroom.twists` draws from   drawn: {language: text} of what a student has got of them
    rules: digest of all in the folder that decides a grade
    """

    name: str
    number: int
    title: dict
    points: int
    hours: int
    exercises: tuple
    folder: Path
    minires: bool = False
    twists: dict = field(default_factory=dict)
    drawn: tuple = ()
    files: tuple = ()
    rules: str = ""

    def called(self, language: str) -> str:
        """Its title, in English where there is no other."""
        return self.title.get(language, self.title["en"])

    def statement(self, language: str = "en") -> str:
        """Markdown. RangeError for a language that is not there."""
        if language not in LANGUAGES:
            raise RangeError(f"language is {language!r}, expected one of {', '.join(LANGUAGES)}")
        try:
            return (self.folder / LANGUAGES[language]).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise RangeError(
                f"{self.folder} has no {LANGUAGES[language]}: write it, or take another language"
            ) from None

    def solution(self) -> str:
        """The text of a right submission."""
        return (self.folder / "solution.py").read_text(encoding="utf-8")

    def twist(self, language: str = "en") -> str:
        """What is other in the definition of a student's own; "" where nothing is."""
        return "\n".join(text.get(language, text["en"]) for text in self.drawn)

    def functions(self) -> list[str]:
        """Names of the functions that a submission defines."""
        return [name for exercise in self.exercises for name in exercise.defines]


def read(folder: Path) -> Assignment:
    """The assignment in ``folder``, called NN_name or name. Raises DataFileError where it is not whole."""
    path, rules = folder / MANIFEST, _rules(folder)
    number, _, name = folder.name.partition("_") if re.match(r"\d\d_", folder.name) else ("0", "", folder.name)
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        what = {"exercises", "asks"} & fields.keys()
        if fields.keys() - MAY - what != FIELDS or len(what) != 1:
            names = f"{', '.join(sorted(FIELDS))}, and exercises or asks"
            raise ValueError(f"it has {', '.join(sorted(fields))}, expected {names}")
        for key in ("points", "hours"):
            if not isinstance(fields[key], (int, float)) or not fields[key] > 0:
                raise ValueError(f"{key} is {fields[key]!r}, expected a number above 0")
        if not isinstance(fields.get("minires", False), bool):
            raise ValueError(f"minires is {fields['minires']!r}, expected true or false: whether the box has it")
        if "en" not in fields["title"]:
            raise ValueError(f"title has {', '.join(fields['title']) or 'nothing'}, expected at least en")
        if "asks" in fields:
            fields["files"] = tuple(fields.get("files", ()))
            fields["exercises"] = (_task(name, tuple(fields.pop("asks")), folder, fields["files"]),)
        else:
            fields["exercises"] = _exercises(fields["exercises"], folder)
        return Assignment(name=name, number=int(number), folder=folder, rules=rules, **fields)
    except DataFileError:  # of another file, which it names
        raise
    except (OSError, ValueError, TypeError) as error:
        remedy = 'compare it with one that is whole, as "minires assign new NAME" makes it'
        raise DataFileError(f"{path}: {error}: {remedy}") from error


def _rules(folder):
    """SHA-256 of the files of the assignment, without its statements."""
    paths = [path for path in folder.iterdir() if path.suffix in (".py", ".toml")] if folder.is_dir() else []
    found = hashlib.sha256()
    for path in sorted(path for path in (*paths, *(folder / "given").glob("*")) if path.is_file()):
        found.update(f"{path.relative_to(folder)} {path.stat().st_size}\0".encode() + path.read_bytes())
    return found.hexdigest()


@cache
def _task(name, functions, folder, files):
    return Task(name, functions, folder, files)


def _exercises(given, folder):
    """Those of a list of names, or those that a table declares."""
    if not isinstance(given, dict):
        known = EXERCISES | TRIALS
        if missing := set(given) - known.keys():
            raise ValueError(f"there is no exercise {missing.pop()!r}, there are {', '.join(known)}")
        return tuple(known[name] for name in given)
    path = folder / "solution.py"
    functions = run(path, path.read_text(encoding="utf-8"))
    return tuple(declared(name, table, functions, path) for name, table in given.items())


def assignments() -> dict[str, Assignment]:
    """The assignments of the course by name, in their order."""
    folders = sorted(path for path in Path(__file__).parent.glob("[0-9][0-9]_*") if path.is_dir())
    return {each.name: each for each in map(read, folders)}


def assignment(name: str) -> Assignment:
    """The assignment called ``name``, or that in the folder of this path; RangeError, which lists what is there."""
    found = assignments()
    if name in found:
        return found[name]
    folder = Path(name).resolve()
    if (folder / MANIFEST).is_file():
        return read(folder)
    raise RangeError(
        f"there is no assignment {name!r}: choose one of {', '.join(found)}, or the folder of your own: "
        "minires assign new NAME"
    )


def new(name: str, out: str | Path = ".") -> list[Path]:
    """Write an assignment of one's own into the new folder ``out``/name, ready to be built and changed; its files.

    RangeError for a name that is none, or a folder that is there.
    """
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) or name in assignments():
        raise RangeError(
            f"the name is {name!r}, expected letters, digits and _, and none of {', '.join(assignments())}"
        )
    if (Path(out) / name).exists():
        raise RangeError(f"{Path(out) / name} is there: choose another name")
    check_folder(out)
    folder = make_folder(Path(out) / name)
    files = sorted(path for path in TEMPLATE.iterdir() if path.is_file())
    for path in files:
        write_atomically(folder / path.name, path.read_bytes())
    return [folder / path.name for path in files]
