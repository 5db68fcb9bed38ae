"""Which misconception does a wrong submission show?"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

from ..errors import MiniresError
from .exercises import exercise
from .general import Finding, general
from .lab import Lab, as_kind, differing
from .observe import same

MOST = 3  # mistakes of which a diagnosis is made up


@dataclass(frozen=True)
class Diagnosis:
    """What :func:`diagnose` found.

    names: of the planted mistakes that the submission shows, exactly   findings: what none of them explains
    right, wrong: names of the outputs, "dx", that are right in all cells, and of the others
    """

    of: str
    names: tuple
    findings: tuple
    right: tuple
    wrong: tuple

    @property
    def passed(self) -> bool:
        return not self.wrong

    @property
    def score(self) -> float:
        """The part of the outputs that are right."""
        return len(self.right) / (len(self.right) + len(self.wrong))


@lru_cache(maxsize=16)
def lab(name, seed=0):
    """The :class:`~minires.classroom.lab.Lab` of an exercise; made once."""
    each = exercise(name)
    return Lab(each.of, each, seed)


def diagnose(name: str, namespace: Any, seed: int = 0) -> Diagnosis:
    """Hold the functions of the exercise ``name`` against the right layer and against all planted mistakes of it.

    namespace: a module or dict with ``linear_forward`` and ``linear_backward``, which run in this process
    Return a :class:`Diagnosis`. RangeError for an exercise that is not there; what the functions raise is a finding.

    >>> def linear_forward(x, weight, bias):
    ...     return x @ weight.T + bias, (x, weight)
    >>> def linear_backward(dy, cache):
    ...     x, weight = cache
    ...     return dy @ weight, dy.T @ x, dy.mean(axis=0)
    >>> found = diagnose("linear", {"linear_forward": linear_forward, "linear_backward": linear_backward})
    >>> found.names, found.right
    (('Linear.BiasAveraged',), ('y', 'dx', 'dweight'))
    """
    try:
        wrap = exercise(name).wrap(namespace)
    except MiniresError as error:
        if name not in str(error) or "no function" not in str(error):
            raise
        return Diagnosis(exercise(name).of, (), (Finding("missing", "", str(error)),), (), ("y",))
    return diagnose_layer(lab(name, seed), wrap)


def diagnose_layer(lab, wrap):
    """The :class:`Diagnosis` of the layers that ``wrap(right layer)`` gives."""
    found = [_run(cell, wrap) for cell in lab.cells]
    bad = {(cell.train, name) for cell, shown in zip(lab.cells, found) for name in differing(cell, shown)}
    right, wrong = _criteria(lab, bad)
    if not bad:
        return Diagnosis(lab.of, (), (), right, wrong)
    alive = _alive(lab, lab.ideas, found)
    chosen = _fewest(alive, bad)
    left = bad - _explained(chosen, alive)
    if left:
        alive |= _alive(lab, lab.pairs(bad, left), found)
        chosen = _fewest(alive, bad)
    left = bad - _explained(chosen, alive)
    if left and not right:  # that one output of garbage agrees with some mistake says nothing
        chosen, left = (), bad
    names = dict.fromkeys(name for idea in chosen for name in idea.names)
    return Diagnosis(lab.of, tuple(names), tuple(general(lab, found, left)) if left else (), right, wrong)


def wrong_layer(kind):
    """What :func:`diagnose_layer` takes for a submission that makes the planted mistake ``kind``."""
    return lambda right: as_kind(right, kind)


def _run(cell, wrap):
    try:
        return cell.run(wrap(cell.layer))
    except Exception as error:  # a layer that cannot even be made
        return {"raised": f"{type(error).__name__}: {error}"}


def _criteria(lab, bad):
    """(right, wrong): names of outputs. What a call leaves behind belongs to its result, so that zeros earn nothing."""
    belongs = {"keeps x": "y", "keeps dy": "dx", "keeps parameters": "dx"}
    wrong = {belongs.get(name, name.removeprefix("twice ")) for _, name in bad}
    every = dict.fromkeys(belongs.get(name, name.removeprefix("twice ")) for cell in lab.cells for name in cell.right)
    return tuple(n for n in every if n not in wrong), tuple(n for n in every if n in wrong)


def _alive(lab, ideas, found):
    """``{idea: what it explains}`` of those that agree in all that they change, wherever they run."""
    alive = {}
    for idea in ideas:
        changed, agrees = set(), [set(), set()]
        for cell, shown in zip(lab.cells, found):
            mistaken = cell.of(idea.kind)
            if "raised" in mistaken:  # on these sizes it has no numbers, and then the student has no right ones
                if not differing(cell, shown):
                    break
                continue
            changes = differing(cell, mistaken)
            if not all(same(mistaken[name], shown.get(name)) for name in changes):
                break
            changed |= {(cell.train, name) for name in changes}
            for name in mistaken:
                agrees[not same(mistaken[name], shown.get(name))].add((cell.train, name))
        else:
            if changed and not changed & agrees[True]:
                alive[idea] = frozenset(changed | _beyond(lab, idea, found, agrees[True]))
    return alive


def _beyond(lab, idea, found, disagrees):
    """What is wrong only on sizes on which the idea cannot run: it explains that too."""
    wrong_there, wrong_here = set(), set()
    for cell, shown in zip(lab.cells, found):
        where = wrong_there if "raised" in cell.of(idea.kind) else wrong_here
        where |= {(cell.train, name) for name in differing(cell, shown)}
    return wrong_there - wrong_here - disagrees


def _fewest(alive, bad):
    """The ideas that explain most of ``bad``; of these the fewest mistakes."""
    useful = {idea: what & bad for idea, what in alive.items() if what & bad}
    best, value = (), (0, 0)
    for count in range(1, MOST + 1):
        for chosen in combinations(useful, count):
            names = {name for idea in chosen for name in idea.names}
            worth = len(frozenset().union(*(useful[idea] for idea in chosen))), -len(names)
            if worth > value:
                best, value = chosen, worth
    return best


def _explained(chosen, alive):
    return frozenset().union(*(alive[idea] for idea in chosen))
