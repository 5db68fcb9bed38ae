"""A small input on which a submission is wrong, and the true number there, measured."""

import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from ..errors import RangeError
from ..layers.base import Param
from .exercises import Exercise, exercise
from .lab import Cell, differing
from .observe import Raised, is_term

TRIALS = 2
LARGEST = 8  # numbers in x
CLEAR = 1e-3  # a mistake that shows in the first digits of a number is better than the very first,
FURTHER = 24  # and is looked for in so many cases more


@dataclass(frozen=True)
class Failing:
    """case: its number, which tells :func:`measure` the input   x, dy: arrays   arrays: {name: value of what is given}

    train: the mode   output: what is wrong, "dx" or "keeps dy"   index: where   mine: the student's number there,
    or None and ``instead`` what is there instead of a number: an array of another shape, an error
    changed: (name, index, before, after) of an entry that they have written into
    between: whether it is right where no other forward runs between forward and backward
    """

    case: int
    x: np.ndarray
    dy: np.ndarray
    arrays: dict
    train: bool
    output: str
    index: tuple = ()
    mine: float | None = None
    instead: str = ""
    changed: tuple = ()
    between: bool = False


def smallest(name: str | Exercise, namespace: Any, wanted: tuple = ()) -> Failing | None:
    """The :class:`Failing` of the functions of the exercise ``name`` on few numbers; None where there is none.

    Shapes go from small to large, x, dy and parameters are small whole numbers. RangeError as :func:`diagnose`.
    wanted: outputs of which one is to be shown, if that needs no far larger input: "keeps dy"
    """
    wrap = exercise(name).wrap(namespace)
    best, worth = None, -1
    for number, cell in enumerate(cases(name)):
        left: dict = {}
        shown = cell.run(wrap(cell.layer), left=left)
        if differing(cell, shown):
            failing = _failing(number, cell, shown, left)
            value = _is_clear(cell, failing) and 1 + (failing.output in wanted)
            if value == 1 + bool(wanted):
                return _alone(failing, cell, wrap)
            if value > worth:
                best, worth = failing, value
        if best and number >= best.case + FURTHER:
            break
    return best and _alone(best, case(name, best.case), wrap)


def cases(name):
    """Yield the :class:`~minires.classroom.lab.Cell` of each case of an exercise, from few numbers to many."""
    return (case(name, number) for number in range(len(_table(name))))


@lru_cache(maxsize=1024)
def case(name, number):
    """The cell of one case; made once."""
    build, shape, seed, scale, train = _table(name)[number]
    rng = np.random.default_rng(seed)
    layer = build(rng).to(dtype=np.float64)
    for path, t in layer.tensors():
        if isinstance(t, Param):
            t.data = rng.integers(2, 5, t.data.shape).astype(float)
        elif "running" in path:
            t.data = rng.integers(1, 4, t.data.shape).astype(float)
    x = scale * rng.integers(-3, 4, shape).astype(float)
    dy = np.asarray(rng.choice([-2.0, -1.0, 1.0, 2.0, 3.0], np.shape(copy.deepcopy(layer).forward(x, False)[0])))
    cell = Cell(layer, x, dy, train, exercise(name).terms)
    cell.right = cell.run(layer)
    return cell


@lru_cache(maxsize=64)
def _table(name):
    """[(build, shape, seed, scale, mode), ...]"""
    each = exercise(name)
    modes = (True, False) if "train" in each.takes else (False,)
    small = [(build, shape) for build, shape in each.few() if np.prod(shape) <= LARGEST]
    return [
        (*row, (number, trial), scale, train)
        for number, row in enumerate(small)
        for trial, scale, train in product(range(TRIALS), each.scales, modes)
    ]


def measure(name: str, number: int, output: str, index: tuple[int, ...] = ()) -> float:
    """Measure the true number of an output of the case ``number`` of :func:`smallest`, print and return it.

    y and running statistics come from the forward of minires; an entry of a gradient is the derivative of that forward
    by one complex step at the entry, h = 1e-30: Im <dy, f(a + i h)> / h; a term of dx is that of
    the shortcut or the branch alone.
    """
    cell = case(name, number) if 0 <= number < len(_table(name)) else None
    if cell is None or output not in cell.right or not 0 <= len(index) == cell.right[output].ndim:
        raise RangeError(
            f"there is no {output} {tuple(index)} in case {number} of {name}: copy the command as it stands"
        )
    layer = copy.deepcopy(cell.layer)
    if output.startswith("d") or is_term(output):
        x, h = cell.x.astype(complex), 1e-30
        array = x
        if output.startswith("d") and output != "dx":
            t = dict(layer.params())[output.removeprefix("d")]
            t.data = array = t.data.astype(complex)
        array[tuple(index)] += 1j * h
        way = getattr(layer, output.removesuffix("_term")) if is_term(output) else layer
        value = float((cell.dy * way.forward(x, cell.train)[0].imag).sum() / h)
        how = "measured: the derivative of minires's own forward at this entry"
    else:
        y, _ = layer.forward(cell.x, cell.train)
        value = float((y if output == "y" else dict(layer.tensors())[output].data)[tuple(index)])
        how = "forward of minires"
    print(f"{output}{list(index) or ''} is {value:.9g} ({how})")
    return value


def _failing(number, cell, shown, left):
    """What is changed, else the first output that is wrong, and where it is most wrong."""
    wrong = differing(cell, shown)
    kinds = sorted(cell.right, key=lambda key: (not key.startswith("keeps"), key.startswith("twice")))
    output = next((key for key in kinds if key in wrong), "raised")
    arrays = {name: t.data for name, t in cell.layer.tensors()}
    about = (number, cell.x, cell.dy, arrays, cell.train, output)
    right, mine = cell.right.get(output), shown.get(output)
    if output.startswith("keeps"):
        return Failing(*about, changed=_changed({"x": cell.x, "dy": cell.dy, **arrays}, left, output))
    if output.startswith("twice"):
        return Failing(*about)
    if not isinstance(mine, np.ndarray):
        return Failing(*about, instead=mine if isinstance(mine, Raised) else str(mine))
    if mine.shape != right.shape:
        return Failing(*about, instead=f"{mine.shape} for {right.shape}")
    gap = np.where(np.isfinite(mine), abs(mine - right), np.inf)
    index = tuple(int(i) for i in np.unravel_index(gap.argmax(), right.shape))
    return Failing(*about, index, float(mine[index]))


def _changed(before, after, output):
    """(name, index, before, after) of the entry that is changed most, of the array or of a parameter."""
    names = [output.removeprefix("keeps ")] if output != "keeps parameters" else [*after]
    for name in names:
        if after[name].shape != before[name].shape:
            continue
        gap = abs(after[name] - before[name])
        gap = np.where(np.isfinite(gap), gap, np.inf)
        if gap.any():
            index = tuple(int(i) for i in np.unravel_index(gap.argmax(), gap.shape))
            return name, index, float(before[name][index]), float(after[name][index])
    return ()


def _is_clear(cell, failing):
    """Whether it shows in the first digits of a number, or in what is changed, and not only by an error."""
    if failing.mine is None:
        return failing.output.startswith(("keeps", "twice"))
    value = cell.right[failing.output][failing.index]
    return not np.isfinite(failing.mine) or abs(failing.mine - value) > CLEAR * max(abs(value), abs(failing.mine))


def _alone(failing, cell, wrap):
    """The same, and whether it is right where no other forward runs in between."""
    shown = cell.run(wrap(cell.layer), between=False)
    return replace(failing, between=failing.output not in differing(cell, shown))
