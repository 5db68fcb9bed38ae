"""What an experiment is: a claim, a measurement, a verdict that can fail, a picture, and what breaks it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

HOLDS, CONDITION, FAILS = "HOLDS", "HOLDS WITH A CONDITION", "FAILS"
ARTICLES = (
    "all five articles",
    "derivation of residual networks",
    "residuals and shortcuts",
    "ResNet table and batch norm",
    "degradation and function families",
    "ResNeXt and the two versions of ResNet",
    "beside the articles",
)


@dataclass(frozen=True)
class Claim:
    """What is said, and where.

    sentence: the claim as it was made, in one sentence   article: one of ARTICLES, a comma, and where in it
    paper: authors, year and section of its source
    """

    sentence: str
    article: str
    paper: str


@dataclass(frozen=True)
class Check:
    """A number that was measured at several seeds, and its bounds; it holds if it lies within them at each seed.

    what: names the number, such as "training loss of plain56 / plain20"   values: one for each seed
    """

    what: str
    values: tuple
    at_least: float = -math.inf
    at_most: float = math.inf

    @property
    def holds(self) -> bool:
        return all(self.at_least <= value <= self.at_most for value in self.values)  # NaN does not

    @property
    def worst(self) -> float:
        """The value that is nearest to a bound, or farthest beyond it; NaN before all others."""
        return min(self.values, key=self._room)

    @property
    def criterion(self) -> str:
        """The bounds, in words."""
        if self.at_least == self.at_most:
            return f"exactly {self.at_least:.3g}"
        if self.at_most == math.inf:
            return f"at least {self.at_least:.3g}"
        if self.at_least == -math.inf:
            return f"at most {self.at_most:.3g}"
        return f"from {self.at_least:.3g} to {self.at_most:.3g}"

    def _room(self, value):
        return -math.inf if math.isnan(value) else min(value - self.at_least, self.at_most - value)


@dataclass(frozen=True)
class Verdict:
    """What the numbers say: ``word`` is HOLDS where every check holds, HOLDS WITH A CONDITION where ``condition`` says
    on what it depends, otherwise FAILS. ``found`` and ``criterion`` are texts made of the checks."""

    checks: tuple
    condition: str = ""

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)

    @property
    def word(self) -> str:
        return (CONDITION if self.condition else HOLDS) if self.holds else FAILS

    @property
    def found(self) -> str:
        return "; ".join(f"{check.what} {check.worst:.3g}" for check in self.checks)

    @property
    def criterion(self) -> str:
        return "; ".join(f"{check.what} {check.criterion}" for check in self.checks)


@dataclass(frozen=True)
class Experiment:
    """One claim, and all that is needed to judge it.

    measure(seed, quick, lab) -> {name: float or list of floats, nested}: the numbers of one seed, and nothing else
    verdict(numbers) -> Verdict, from a list with the numbers of each seed: a pure function of what was stored
    draw(numbers, figure): the picture on an empty figure of matplotlib, from the same list
    expected: the word of the verdict, as measured when the experiment was made
    breaks: {what is sabotaged: function that gives a context manager}: measured within, the verdict is another
    """

    name: str
    claim: Claim
    measure: Callable
    verdict: Callable
    draw: Callable
    expected: str = HOLDS
    breaks: dict = field(default_factory=dict)
