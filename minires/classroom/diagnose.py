"""Which misconception does a wrong submission show?"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations
from typing import Any

from .exercises import Exercise, Missing, exercise
from .general import Finding, general, raising
from .lab import Lab, as_kind, differing
from .observe import Raised, is_term, same

MOST = 3  # ideas of which a diagnosis is made up


@dataclass(frozen=True)
class Diagnosis:
    """What :func:`diagnose` found.

    names: of the planted mistakes that the submission shows, exactly   findings: what none of them explains
    right, wrong: names of the outputs, "dx", that are right in all cells, and of the others
    raises: findings on what functions raise where the mistakes named would do so, too, or have no numbers
    """

    of: str
    names: tuple
    findings: tuple
    right: tuple
    wrong: tuple
    raises: tuple = field(default=(), compare=False)  # in a box an error of a layer is one of another kind

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


def diagnose(name: str | Exercise, namespace: Any, seed: int = 0) -> Diagnosis:
    """Hold the functions of the exercise ``name`` against the right layer and against all planted mistakes of it.

    namespace: a module or dict with ``linear_forward`` and ``linear_backward``, which run in this process
    Return a :class:`Diagnosis`. RangeError for an exercise that is not there; what the functions raise is a finding,
    and so is one that is missing.

    >>> def linear_forward(x, weight, bias):
    ...     return x @ weight.T + bias, (x, weight)
    >>> def linear_backward(dy, cache):
    ...     x, weight = cache
    ...     return dy @ weight, dy.T @ x, dy.mean(axis=0)
    >>> found = diagnose("linear", {"linear_forward": linear_forward, "linear_backward": linear_backward})
    >>> found.names, found.right
    (('Linear.BiasAveraged',), ('y', 'dx', 'dweight'))
    """
    each = exercise(name)
    found = diagnose_layer(lab(name, seed), each.wrap(namespace))
    missing = [Finding("missing", function) for function in each.missing(namespace)]
    others = [finding for finding in found.findings if not finding.detail.startswith(Missing.__name__)]
    return replace(found, findings=(*missing, *others)) if missing else found


def diagnose_layer(lab, wrap):
    """The :class:`Diagnosis` of the layers that ``wrap(right layer)`` gives."""
    found = [_run(cell, wrap) for cell in lab.cells]
    bad = {(cell.train, name) for cell, shown in zip(lab.cells, found) for name in differing(cell, shown)}
    right, wrong = _criteria(lab, found)
    if not bad:
        return Diagnosis(lab.of, (), (), right, wrong)
    strange = bad - _untwisted(lab, found)  # who has read over the twist has not made the mistakes that look like it
    alive = _alive(lab, lab.ideas, found)
    chosen = fewest(alive, strange)
    left = bad - explained(chosen, alive)
    if left:  # what has a plain reason needs no two mistakes
        plain = {finding.output for finding in general(lab, found, left) if _is_plain(finding)}
        hard = {(train, name) for train, name in left if name.removeprefix("twice ") not in plain}
        alive |= _alive(lab, lab.pairs(bad, hard), found)
        chosen = fewest(alive, strange)
    left = bad - explained(chosen, alive)
    if left and not right:  # that one output of garbage agrees with some mistake says nothing
        chosen, left = (), bad
    names = dict.fromkeys(name for idea in chosen for name in idea.names)
    unsaid = {"shortcut_term" if is_term(name) else name for _, name in left}
    of_idea, others = (
        [n for n in ("raised", "shortcut_term") if (n in unsaid) is no_name] for no_name in (False, True)
    )
    findings = [*raising(found, others), *general(lab, found, left)]
    return Diagnosis(lab.of, tuple(names), tuple(findings), right, wrong, tuple(raising(found, of_idea)))


def wrong_layer(kind):
    """What :func:`diagnose_layer` takes for a submission that makes the planted mistake ``kind``."""
    return lambda right: as_kind(right, kind)


def _run(cell, wrap):
    try:
        return cell.run(wrap(cell.layer))
    except Exception as error:  # a layer that cannot even be made
        return {"raised": Raised(error, "")}


def _is_plain(finding):
    """Whether one thing is wrong, of which two mistakes would be a strange account: one term that counts half."""
    one_term = finding.kind == "terms" and "," not in finding.detail
    return one_term or finding.kind in ("zeros", "dy", "copy", "exchanged")


def _criteria(lab, found):
    """(right, wrong): names of outputs. What a call leaves behind belongs to its result, so that zeros earn nothing."""
    belongs = {"keeps x": "y", "keeps dy": "dx", "keeps parameters": "dx"}
    every = {}
    for cell, shown in zip(lab.cells, found):
        for name, right in cell.right.items():
            output = belongs.get(name, name.removeprefix("twice "))
            every[output] = every.get(output, True) and same(right, shown.get(name))
    return tuple(n for n, is_right in every.items() if is_right), tuple(n for n in every if not every[n])


def _alive(lab, ideas, found):
    """``{idea: what it explains}`` of those that agree in all that they change, wherever they run.

    Where a submission raised there is nothing to compare but what it has shown before, and an idea that raises there,
    too, explains that.
    """
    alive = {}
    for idea in ideas:
        changed, disagrees, raises = set(), set(), True
        for cell, shown in zip(lab.cells, found):
            mistaken, raised = cell.of(idea.kind), "raised" in shown
            if "raised" in mistaken:  # on these sizes it has no numbers, and then the student has no right ones
                if not differing(cell, shown):
                    break
                continue
            raises = raises and not raised
            seen = [name for name in mistaken if idea.is_about(name) and (name in shown or not raised)]
            agrees = {name for name in seen if same(mistaken[name], shown.get(name))}
            changes = cell.changes(idea.kind).intersection(seen)
            if changes - agrees:
                break
            changed |= {(cell.train, name) for name in changes}
            disagrees |= {(cell.train, name) for name in seen if name not in agrees}
        else:
            if changed and not changed & disagrees:
                alive[idea] = frozenset(changed | _beyond(lab, idea, found, disagrees, raises))
    return alive


def _beyond(lab, idea, found, disagrees, raises):
    """What is wrong only on sizes on which the idea cannot run: it explains that too."""
    wrong_there, wrong_here = set(), set()
    for cell, shown in zip(lab.cells, found):
        where = wrong_there if "raised" in cell.of(idea.kind) else wrong_here
        wrong = {name for name in differing(cell, shown) if idea.is_about(name)}
        where |= {(cell.train, name) for name in wrong if raises or name != "raised"}
    return wrong_there - wrong_here - disagrees


def _untwisted(lab, found):
    """{(train, name)} that are as without the twist, wherever they were looked at."""
    if lab.twist is None:
        return set()
    agrees = {}
    for cell, shown in zip(lab.cells, found):
        for name, value in cell.of(lab.twist.untwisted).items():
            key = cell.train, name
            agrees[key] = agrees.get(key, True) and same(value, shown.get(name))
    return {key for key, as_before in agrees.items() if as_before}


def fewest(alive, bad):
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


def explained(chosen, alive):
    return frozenset().union(*(alive[idea] for idea in chosen))
