"""Which misconception do the functions of a :class:`~.task.Task` show?"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from ..errors import DataFileError
from .diagnose import Diagnosis
from .general import Finding
from .task import Task, agree, differing, plant, run


_run = lru_cache(maxsize=256)(run)  # the solution with one mistake is asked for again and again


@dataclass(frozen=True)
class Planted:
    """names: of one mistake or two   source: of the solution with them"""

    names: tuple
    source: str


def diagnose_task(task: Task, functions: dict, seed: int = 0) -> Diagnosis:
    """What the functions show, held against the solution and, where they are wrong, against all planted mistakes.

    The functions are gone through in their order. Where one agrees with a mistake everywhere, that is the reason, also
    for later functions that the mistake makes wrong: they may use the first in another way than the solution does.
    """
    cases = task.cases(seed)
    missing = [name for name in task.defines if not callable(functions.get(name))]
    shown = [{} if name in missing else task.show(functions, name, given) for name, given, _ in cases]
    bad = {o for (name, _, right), mine in zip(cases, shown) if name not in missing for o in differing(right, mine)}
    wrong = tuple(n for n in task.defines if n in missing or n in {task.criterion(output) for output in bad})
    right = tuple(name for name in task.defines if name not in wrong)
    findings = [Finding("missing", name) for name in missing]
    names, done = {}, set(missing)
    for name in wrong:
        if name in done:
            continue
        planted, reach = _best(task, cases, shown, name, _singles(task))
        if planted is None and _is_near(cases, shown, name):
            planted, reach = _best(task, cases, shown, name, _pairs(task, cases, name))
        done |= task.users(reach)
        names |= dict.fromkeys(planted.names if planted else ())
        if planted is None:
            outputs = sorted((o for o in bad if task.criterion(o) == name), key=lambda o: (not o.endswith("raised"), o))
            rows = [(right, mine) for (each, _, right), mine in zip(cases, shown) if each == name]
            findings.append(_of(name, outputs, rows))
    return Diagnosis(task.name, tuple(names), tuple(findings), right, wrong)


def _singles(task):
    return (Planted((mistake.name,), source) for mistake in task.mistakes for source in mistake.forms)


def _is_near(cases, shown, name):
    """Whether a function shows all that it should, in the right shapes: else two mistakes are no likely account."""
    rows = [(right, mine) for (each, _, right), mine in zip(cases, shown) if each == name]
    return all(np.shape(right[output]) == np.shape(mine.get(output)) for right, mine in rows for output in right)


def _pairs(task, cases, name):
    """Two mistakes at once that both change what one function shows, each in its first form that does."""
    useful = {}
    for mistake in task.mistakes:
        for change, source in zip(mistake.changes, mistake.forms):
            namespace = _run(source)
            own = [(given, right) for each, given, right in cases if each == name]
            if any(differing(right, task.show(namespace, name, given)) for given, right in own):
                useful.setdefault(mistake.name, change)
    for (a, one), (b, other) in combinations(useful.items(), 2):
        try:
            yield Planted((a, b), plant(task.source, [*one, *other]))
        except DataFileError:  # the one has changed the lines of the other
            continue


def _best(task, cases, shown, name, several):
    """(mistake, functions that it makes wrong): the one that agrees in ``name``, and in most of these; or (None, set())

    One that makes an earlier function wrong in which the submission does not agree is none.
    """
    best, found = (0, 0), (None, set())
    for planted in several:
        namespace, agrees = _run(planted.source), {}
        for function in (name, *(each for each in task.defines if each != name)):
            agrees[function] = _agrees(task, cases, shown, function, namespace)
            before = task.defines.index(function) < task.defines.index(name)
            if agrees[function] is False and (before or function == name) or agrees[name] is None:
                break
        else:
            reach = {function for function, agreed in agrees.items() if agreed is not None}
            worth = sum(agrees[function] for function in reach), -len(reach)
            if worth > best:
                best, found = worth, (planted, reach)
    return found


def _agrees(task, cases, shown, function, namespace):
    """Whether the submission shows what a mistake makes of ``function`` in all cases; None where it makes no other."""
    changed, agreed = False, True
    for (name, given, right), mine in zip(cases, shown):
        if name == function:
            mistaken = task.show(namespace, name, given)
            changed = changed or bool(differing(right, mistaken))
            agreed = agreed and not differing(mistaken, mine)
            if changed and not agreed:
                return False
    return True if changed else None


def _of(name, outputs, rows):
    for output in outputs:
        what, _, argument = output.removeprefix(f"{name} ").partition(" ")
        if what == "raised":
            text = next(mine[output] for _, mine in rows if output in mine)
            return Finding("raised", name, f"{text} [{name}]")
        if what == "count":
            text = next(mine for right, mine in rows if not agree(output, right.get(output), mine.get(output)))
            return Finding("kind", name, f"{int(text[output])} results" if output in text else "one result")
        if what == "keeps":
            return Finding("changes", argument)
    output = outputs[0]
    for _, mine in rows:
        if isinstance(mine.get(output), str):
            return Finding("kind", output, mine[output])
    pairs = [(right[output], mine.get(output)) for right, mine in rows if output in right]
    return _of_arrays(output, [(a, b) for a, b in pairs if isinstance(a, np.ndarray)])


def _of_arrays(output, pairs):
    for right, mine in pairs:
        if not isinstance(mine, np.ndarray):
            return Finding("kind", output, mine or "nothing")
        if mine.shape != right.shape:
            return Finding("shape", output, f"{mine.shape} for {right.shape}")
        if not np.isfinite(mine).all():
            return Finding("nan", output)
    if all(agree(output, 0 * right, mine) for right, mine in pairs):
        return Finding("zeros", output)
    factors = {f"{(a * b).sum() / (a * a).sum():.4g}" for a, b in pairs if a.any()}
    if len(factors) == 1 and all(agree(output, float(*factors) * a, b) for a, b in pairs):
        return Finding("factor", output, *factors)
    return Finding("wrong", output)
