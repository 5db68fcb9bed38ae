"""The checks put to the test: do they refuse every planted mistake, and no layer that is right?"""

import textwrap
from dataclasses import dataclass
from itertools import cycle, islice

from ..cases import CASES, case
from ..contract import check_layer
from ..errors import ContractError, MiniresError
from . import MUTANTS

TRIALS = 3  # seeds at which a mutant must be caught
COLUMNS = 100
INDENT = " " * 8


@dataclass(frozen=True)
class Row:
    """One mutant and the first line of the message that refuses it; None if it passed at some seed."""

    name: str
    misconception: str
    caught_by: str | None

    def __str__(self):
        verdict = "MISSED" if self.caught_by is None else "caught"
        by = "check_layer accepts it" if self.caught_by is None else self.caught_by
        by = textwrap.shorten(by, 1.9 * (COLUMNS - len(INDENT)), placeholder=" ...")  # two lines
        return f"{verdict}  {self.name}\n{_indented(self.misconception)}\n{_indented(by)}"


@dataclass(frozen=True)
class Matrix:
    """What :func:`run_matrix` found; ``print(matrix)`` lists every mutant and ends with the two counts.

    layers: rows of CASES   checked: checks of right layers   false_alarms: the messages of those that were refused
    worst_error: the largest relative error of a gradient of a right layer
    """

    layers: int
    checked: int
    worst_error: float
    false_alarms: tuple
    rows: tuple

    @property
    def mutants(self):
        return len(self.rows)

    @property
    def mutants_caught(self):
        return self.mutants - len(self.missed)

    @property
    def missed(self):
        """Names of the mutants that passed."""
        return tuple(row.name for row in self.rows if row.caught_by is None)

    @property
    def refused(self):
        """How many checks of right layers failed."""
        return len(self.false_alarms)

    def __str__(self):
        lines = [
            *map(str, self.rows),
            *(f"FALSE ALARM\n{_indented(alarm)}" for alarm in self.false_alarms),
            f"layers: {self.layers}, worst relative error of a gradient: {self.worst_error:.1e}",
            f"mutants caught: {self.mutants_caught} of {self.mutants}",
            f"correct layers refused: {self.refused} of {self.checked}",
        ]
        return "\n".join(lines)


def run_matrix(seeds=1000, progress=iter):
    """Run :func:`~minires.contract.check_layer` on every mutant and on right layers; return a :class:`Matrix`.

    seeds: number of checks of right layers, each with its own seed, spread over all CASES
    progress: what the two loops, over mutants and over right layers, run through: ``tqdm`` shows two bars
    """
    names = list(islice(cycle(CASES), seeds))
    rows = tuple(_row(mutant) for mutant in progress(MUTANTS))
    outcomes = [_outcome(*case(name, seed), seed) for seed, name in enumerate(progress(names))]
    alarms = [(name, seed, error) for (seed, name), (error, _) in zip(enumerate(names), outcomes) if error]
    return Matrix(
        layers=len(set(names)),
        checked=seeds,
        worst_error=max((report.worst_error for _, report in outcomes if report), default=0.0),
        false_alarms=tuple(f"{name} (seed {seed}): {error}" for name, seed, error in alarms),
        rows=rows,
    )


def _row(mutant):
    """A mutant is caught if it is refused at every seed, for breaking the contract and for nothing else."""
    errors = [_outcome(*mutant.case(seed), seed)[0] for seed in range(TRIALS)]
    caught = all(isinstance(error, ContractError) for error in errors)
    return Row(mutant.name, mutant.misconception, str(errors[0]).split("\n")[0] if caught else None)


def _outcome(make, x, seed):
    """(error, None) or (None, report)."""
    try:
        return None, check_layer(make, x, seed=seed)
    except MiniresError as error:
        return error, None


def _indented(text):
    return textwrap.fill(text, COLUMNS, initial_indent=INDENT, subsequent_indent=INDENT)
