"""What the trials have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..observe import raised

Words = tuple[str, str]  # English, Chinese


@dataclass(frozen=True)
class Verdict:
    """right: criteria that hold   names: of ideas   remarks: what else is to be said
    example: lines ("plain" or "code", words), the smallest case on which the submission errs"""

    right: tuple = ()
    names: tuple = ()
    remarks: tuple = ()
    example: tuple = ()


@dataclass(frozen=True)
class Trial:
    """A submission is handed functions or layers, right ones and wrong ones, and says which is which.

    name: "gradcheck"   defines: names of its functions   criteria, ideas: {name: words}; an idea is a misconception
    judge(functions, seed) -> Verdict   read: (number of a tutorial, heading in it)
    """

    name: str
    defines: tuple
    criteria: dict[str, Words]
    ideas: dict[str, Words]
    judge: Callable[[dict, int], Verdict]
    read: tuple = ()

    def __str__(self):
        return self.name


@dataclass(frozen=True)
class Answer:
    """says: True or False, None where there is no answer   instead: what there is in its place"""

    says: bool | None
    instead: str = ""


def answer(function: Callable, *arguments: Any) -> Answer:
    """What a function of a submission says, which has to be True or False."""
    try:
        with np.errstate(all="ignore"):
            found = np.asarray(function(*arguments))
    except Exception as error:  # whatever a student's code raises is an observation
        return Answer(None, raised(error))
    if found.dtype == bool and found.shape == ():
        return Answer(bool(found))
    return Answer(None, f"{found!r:.60}")
