"""The smallest case on which the functions of a :class:`~.task.Task` are wrong, and the true number there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import RangeError
from .course import assignment
from .task import Task, differing
from .words import FRAME, instead_of, raises, say


@dataclass(frozen=True)
class Example:
    """The smallest case on which a submission is wrong.

    case: its number, for :func:`answer`   given: {argument: value}   output, index, mine, instead:
    as in :class:`~minires.classroom.smallest.Failing`
    """

    case: int
    given: dict
    output: str
    index: tuple = ()
    mine: float | None = None
    instead: str = ""


def smallest_of(task: Task, functions: dict) -> Example | None:
    """The :class:`Example` of the first function that is wrong; None where there is none."""
    for number, (name, given, right) in enumerate(task.small):
        if callable(functions.get(name)):
            mine = task.show(functions, name, given)
            wrong = sorted(differing(right, mine), key=lambda output: (" " in output, output))
            if wrong:
                return _example(number, dict(zip(task.arguments(name), given)), right, mine, wrong)
    return None


def _example(number, given, right, mine, wrong):
    output = next((each for each in wrong if each in mine), wrong[0])
    found, needed = mine.get(output), right.get(output)
    if not isinstance(found, np.ndarray) or not isinstance(needed, np.ndarray):
        return Example(number, given, output, instead=str(found))
    if found.shape != needed.shape:
        return Example(number, given, output, instead=f"{found.shape} for {needed.shape}")
    gap = np.where(np.isfinite(found), abs(found - needed), np.inf)
    index = tuple(int(i) for i in np.unravel_index(gap.argmax(), needed.shape))
    return Example(number, given, output, index, float(found[index]))


def example_lines(task: Task, functions: dict, language: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, text), kind "plain" or "code", of the smallest case; nothing where there is none."""
    found = smallest_of(task, functions)
    if found is None:
        return
    yield "plain", say(FRAME, "input", language)
    for name, value in found.given.items():
        yield "code", f"{name} = {_written(value)}"
    what, _, argument = found.output.partition(" ")[2].partition(" ")
    if what == "keeps":
        yield "plain", say(FRAME, "changed", language).format(argument)
    elif what == "raised":
        yield "plain", raises(found.instead, language)
    elif found.mine is None:
        yield "plain", instead_of(found, language)
    else:
        where = found.output + (f"[{', '.join(map(str, found.index))}]" if found.index else "")
        yield "plain", say(FRAME, "your number", language).format(where, f"{found.mine:.9g}")
        if task.public:
            call = f"answer('{task}', {found.case}, '{found.output}', {found.index})"
            yield "plain", say(FRAME, "measure", language)
            yield "code", f'python -c "from minires.classroom import answer; {call}"'


def _written(value):
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_written, value))}]"
    return " ".join(np.array2string(value, separator=", ").split()) if isinstance(value, np.ndarray) else repr(value)


def answer(name: str, number: int, output: str, index: tuple[int, ...] = ()) -> float:
    """Run the solution of an assignment on the case ``number`` of :class:`Example`; print and return one number.

    RangeError for what is not there.
    """
    rows = next((part.small for part in assignment(name).exercises if isinstance(part, Task)), [])
    right = rows[number][2].get(output) if 0 <= number < len(rows) else None
    if not isinstance(right, np.ndarray) or len(index) != right.ndim:
        raise RangeError(
            f"there is no {output} {tuple(index)} in case {number} of {name}: copy the command as it stands"
        )
    value = float(right[tuple(index)])
    print(f"{output}{list(index) or ''} is {value:.9g} (the solution of the course)")
    return value
