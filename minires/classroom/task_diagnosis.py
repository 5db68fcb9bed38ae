"""Which misconception do the functions of a :class:`~.task.Task` show?"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..errors import DataFileError
from .diagnose import Diagnosis, explained, fewest
from .general import Finding
from .task import Task, agree, differing, plant, run


@dataclass(frozen=True)
class Planted:
    """names: of one mistake or two   source: of the solution with them   only: the function that shows it, or "" for
    all: a student may have written the others without calling it"""

    names: tuple
    source: str
    only: str = ""


def diagnose_task(task: Task, functions: dict, seed: int = 0) -> Diagnosis:
    """What the functions show, held against the solution and, where they are wrong, against all planted mistakes."""
    cases = task.cases(seed)
    missing = [name for name in task.defines if not callable(functions.get(name))]
    shown = [{} if name in missing else task.show(functions, name, given) for name, given, _ in cases]
    bad = {o for (name, _, right), mine in zip(cases, shown) if name not in missing for o in differing(right, mine)}
    wrong = tuple(n for n in task.defines if n in missing or n in {task.criterion(output) for output in bad})
    right = tuple(name for name in task.defines if name not in wrong)
    chosen, left = (), bad
    if bad:
        alive = {}
        for several in (_singles(task), _pairs(task, cases, bad)):
            alive |= {p: what for p in several if (what := _explains(task, cases, p, shown, missing))}
            chosen = fewest(alive, bad)
            left = bad - explained(chosen, alive)
            if not left:
                break
    names = dict.fromkeys(name for planted in chosen for name in planted.names)
    findings = [Finding("missing", name, f"there is no function {name}: define it under this name") for name in missing]
    findings += general(task, cases, shown, left)
    return Diagnosis(task.name, tuple(names), tuple(findings), right, wrong)


def _singles(task):
    for mistake in task.mistakes:
        for source, function in mistake.forms:
            yield Planted((mistake.name,), source)
            yield Planted((mistake.name,), source, function)


def _pairs(task, cases, bad):
    """Two mistakes at once, where both change what is wrong and nothing else."""
    useful = []
    for mistake in task.mistakes:
        for change, (source, _) in zip(mistake.changes, mistake.forms):
            outputs = _changes(task, cases, Planted((), source))
            useful += [(mistake.name, change)] if outputs and outputs <= bad else []
    for (a, one), (b, other) in combinations(useful, 2):
        try:
            if a != b:
                yield Planted((a, b), plant(task.source, [*one, *other]))
        except DataFileError:  # the one has changed the lines of the other
            continue


def _shows(task, cases, planted):
    """What the solution with a mistake shows in each case."""
    namespace = run(planted.source)
    for name, given, right in cases:
        yield right if planted.only not in ("", name) else task.show(namespace, name, given)


def _changes(task, cases, planted):
    both = zip(cases, _shows(task, cases, planted))
    return {output for (_, _, right), mistaken in both for output in differing(right, mistaken)}


def _explains(task, cases, planted, shown, missing):
    """The outputs that a mistake changes, if the submission agrees with it in all of these everywhere; else nothing."""
    changed, disagrees = set(), set()
    for (name, _, right), mistaken, mine in zip(cases, _shows(task, cases, planted), shown):
        if name in missing:
            continue
        changes, other = differing(right, mistaken), differing(mistaken, mine)
        changed |= changes
        disagrees |= other
        if changed & disagrees:
            return frozenset()
    return frozenset(changed)


def general(task: Task, cases: list, shown: list, left: set) -> list[Finding]:
    """One finding for each function with an output in ``left``."""
    found = []
    for name in task.defines:
        outputs = sorted((o for o in left if task.criterion(o) == name), key=lambda o: (not o.endswith("raised"), o))
        rows = [(right, mine) for (each, _, right), mine in zip(cases, shown) if each == name]
        if outputs:
            found.append(_of(name, outputs, rows))
    return found


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
    if not any(mine.any() for _, mine in pairs):
        return Finding("zeros", output)
    factors = {f"{(a * b).sum() / (a * a).sum():.4g}" for a, b in pairs if a.any()}
    if len(factors) == 1 and all(agree(output, float(*factors) * a, b) for a, b in pairs):
        return Finding("factor", output, *factors)
    return Finding("wrong", output)
