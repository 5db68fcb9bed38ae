"""Functions that are no layer, asked for by a folder of the course.

solution.py is the definition. questions.py has ``cases(rng)``, on which they are graded, and ``small()``, from few
numbers to many: both lists of ``(name of a function, its arguments)``; ``READ``, (number of a tutorial, heading in it);
and, where more than one result is right, ``SEEN``, {name of a function: what is looked at}, a function of (solution,
result, *arguments) that returns ``{what: number}``. Where files are handed in beside the functions, ``weigh(solution,
file, data, student, rng)`` says what is wrong with one, in English and Chinese. ``__file__`` is its path.
mistakes.toml plants mistakes into the solution, each a misconception: name, en, zh, of, changes (see :class:`Mistake`).
"""

import copy
import inspect
import tomllib
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataFileError
from .observe import raised, same


Words = tuple[str, str]  # English, Chinese


@dataclass(frozen=True, eq=False)
class Mistake:
    """name: "paths.BranchTwice"   misconception: {language: text}

    of: four digits of the English sentence that the Chinese one translates   changes: [[old, new, old, new, ...], ...]
    of the solution, for each form in which the same idea is wrong   forms: for each of them the text of the solution
    with the mistake
    """

    name: str
    misconception: dict
    of: str
    changes: tuple
    forms: tuple


class Task:
    """name: "paths"   defines: names of the functions of a submission, each a criterion
    files: names of those that are handed in beside them, each a criterion, too   folder: see above"""

    def __init__(self, name: str, functions: tuple, folder: Path, files: tuple = ()) -> None:
        self.name, self.defines, self.folder, self.files = name, functions, folder, files
        self.source = _text(folder / "solution.py")
        self.solution = run(self.source)
        self.questions = run(_text(folder / "questions.py"), __file__=str(folder / "questions.py"))
        self.read = self.questions.get("READ", ())
        self.seen = self.questions.get("SEEN", {})
        self.mistakes = tuple(_mistakes(folder / "mistakes.toml", self.source))

    def __str__(self) -> str:
        return self.name

    def cases(self, seed: int) -> list:
        """[(function, arguments, what the solution shows), ...] for the numbers of ``seed``."""
        return self._shown(self.questions["cases"](np.random.default_rng(seed)))

    @cached_property
    def small(self) -> list:
        """The same, from few numbers to many."""
        return self._shown(self.questions["small"]())

    def _shown(self, rows):
        return [(name, given, self.show(self.solution, name, given)) for name, given in rows]

    def show(self, functions: dict, name: str, given: tuple) -> dict:
        """{output: array, or text where there is none} of one function; "name keeps x" is 0 where it changed x."""
        mine = copy.deepcopy(given)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                result = functions[name](*mine)
                found = flat(name, self.seen[name](self.solution, result, *given) if name in self.seen else result)
        except Exception as error:  # whatever a student's code raises is an observation
            return {f"{name} raised": raised(error)}
        for argument, before, after in zip(self.arguments(name), given, mine):
            if isinstance(before, np.ndarray):
                found[f"{name} keeps {argument}"] = np.float64(np.array_equal(before, after))
        return found

    def arguments(self, name: str) -> list[str]:
        """What the function takes, by the solution."""
        return list(inspect.signature(self.solution[name]).parameters)

    def users(self, names: set) -> set:
        """``names`` and the functions that call one of them in the solution, or call one that does."""
        calls = {name: set(self.solution[name].__code__.co_names) for name in self.defines}
        more = names | {name for name, called in calls.items() if called & names}
        return more if more == names else self.users(more)

    def weigh(self, handed: dict, student: str, seed: int) -> dict[str, Words]:
        """{file: what is wrong with it}, (English, Chinese). handed: {file: its bytes, or text why it is not taken}"""
        found = {}
        for file in self.files:
            data, rng = handed.get(file), np.random.default_rng(seed)
            if data is None:
                found[file] = (
                    f"There is no {file}: hand it in beside {self.name}.py.",
                    f"没有 {file}：请与 {self.name}.py 一起提交。",
                )
            elif isinstance(data, str):
                found[file] = f"{file} cannot be taken: {data}.", f"{file} 不能使用：{data}。"
            elif words := self.questions["weigh"](self.solution, file, data, student, rng):
                found[file] = words
        return found

    @property
    def public(self) -> bool:
        """Whether minires has the solution: then the true numbers can be measured with it."""
        return self.folder.parent == Path(__file__).parent / "course"

    def sentence(self, name: str, language: str = "en") -> str:
        """The misconception called ``name``, in English ("en") or Chinese ("zh")."""
        return next(mistake.misconception[language] for mistake in self.mistakes if mistake.name == name)

    def criterion(self, output: str) -> str:
        """The function that an output belongs to."""
        return output.split(" ")[0].split("[")[0]


def run(source: str, **given: Any) -> dict[str, Any]:
    """The names that the text of a module defines, which finds those that are given."""
    found: dict[str, Any] = {"__name__": "course", **given}
    exec(compile(source, "course.py", "exec"), found)
    return found


def flat(name: str, result: Any) -> dict[str, Any]:
    """The arrays of a result by their places: {"f": array}, or {"f[0]": array, "f[1]": ...} of a tuple or list.

    Numbers alone, in a tuple or list, are an array."""
    if "[" in name and (isinstance(result, tuple) or type(result).__name__ == "Handle"):
        return {name: "a tuple: return a list"}  # in the box a tuple within the results stays there, as a cache
    if isinstance(result, (tuple, list)) and not (result and all(map(_is_number, result))):
        parts = {f"{name} count": np.float64(len(result))}
        for number, value in enumerate(result):
            parts |= flat(f"{name}[{number}]", value)
        return parts
    if isinstance(result, dict):
        return {f"{name} {what}": np.array(value, float) for what, value in result.items()}
    if isinstance(result, (tuple, list)) or _is_number(result) or isinstance(result, np.ndarray):
        array = np.asarray(result)
        if array.dtype.kind in "biuf":
            return {name: array.astype(float)}
    return {name: "None" if result is None else f"a {type(result).__name__}"}


def _is_number(value):
    number = isinstance(value, (bool, int, float, np.generic)) or isinstance(value, np.ndarray) and value.ndim == 0
    return number and np.asarray(value).dtype.kind in "biuf"


def differing(right: dict, shown: dict) -> set:
    """Names of the outputs that are not right."""
    return {name for name in right.keys() | shown.keys() if not agree(name, right.get(name), shown.get(name))}


def agree(name: str, a: Any, b: Any) -> bool:
    """Whether two observations called ``name`` are one; any two errors are."""
    return same(a, b) and (not isinstance(a, str) or a == b or name.endswith(" raised"))


def _text(path):
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        example = Path(__file__).parent / "course" / "10_paths" / path.name
        raise DataFileError(f"{path}: {error}: compare it with one that is whole, {example}") from error


def _mistakes(path, source):
    """The mistakes of a file, each planted. DataFileError where a line to be changed is not there just once."""
    for row in tomllib.loads(_text(path))["mistake"]:
        forms = tuple(plant(source, change, path) for change in row["changes"])
        words = {"en": row["en"], "zh": row["zh"]}
        yield Mistake(row["name"], words, row["of"], tuple(row["changes"]), forms)


def plant(source: str, change: list, path: Any = "") -> str:
    """``source`` with [old, new, old, new, ...] changed. DataFileError where an old text is not there just once."""
    for old, new in zip(change[::2], change[1::2], strict=True):
        if source.count(old) != 1:
            raise DataFileError(f"{path}: {old!r} stands {source.count(old)} times in solution.py, expected once")
        source = source.replace(old, new)
    return source
