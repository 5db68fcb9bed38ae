"""Exercises that a teacher declares in assignment.toml: the functions of the solution are the definition."""

import re
from collections.abc import Iterator
from functools import partial
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import check_layer
from ..errors import DataFileError, GradientError, MiniresError
from ..layers.base import Layer, Param
from .exercises import Exercise
from .functions import FunctionLayer
from .observe import raised

KEYS = {"x", "takes", "sizes"}
SMALL = (1, 2, 3)


class Given(Layer):
    """What the functions of an exercise take beside x: arrays, trained, and settings."""

    def __init__(self, arrays: dict[str, Any], settings: dict[str, Any]) -> None:
        vars(self).update({name: Param(array) for name, array in arrays.items()} | settings)


def declared(name: str, table: dict[str, Any], namespace: dict[str, Any], path: Path) -> Exercise:
    """The exercise ``name`` of a manifest, whose solution, the file ``path``, is in ``namespace``.

    table: ``x = ["N", "D"]``, the axes of x; ``takes = {gain = ["D"], steps = 3}``, what forward takes after x: arrays,
    whose gradients backward returns after dx, and settings; ``sizes = [{N = 4, D = 3}, ...]``, on which it is graded
    Raises ValueError for a table that is not whole, and DataFileError for a solution that lacks a function, raises, or
    has wrong gradients: students would be graded by it.
    """
    x, takes, sizes = _read(name, table)
    arrays = {key: axes for key, axes in takes.items() if isinstance(axes, list)}
    settings = {key: value for key, value in takes.items() if key not in arrays}

    def build(size, rng):
        rng = np.random.default_rng(rng)
        made = {key: 1 + 0.2 * rng.standard_normal(_shape(axes, size)) for key, axes in arrays.items()}
        given = Given(made, settings)
        return FunctionLayer(*(namespace[f"{name}_{way}"] for way in ("forward", "backward")), like=given, takes=takes)

    def row(size):
        return partial(build, size), _shape(x, size)

    def small() -> Iterator[tuple]:
        letters = sorted({axis for axes in (x, *arrays.values()) for axis in axes if isinstance(axis, str)})
        found = [dict(zip(letters, values)) for values in product(SMALL, repeat=len(letters))]
        for size in sorted([*found, *sizes], key=lambda size: prod(_shape(x, size))):
            try:
                make, shape = row(size)
                make(0).forward(np.ones(shape))
            except Exception:  # the functions of a teacher need not take the smallest sizes
                continue
            yield make, shape

    each = Exercise(name, "", tuple(takes), tuple(map(row, sizes)), small)
    if missing := each.missing(namespace):
        raise DataFileError(f"{path} has no function {missing[0]!r}: define it")
    for make, shape in each.more:
        try:
            numbers = np.random.default_rng(0).standard_normal(shape)
            check_layer(partial(make, 0), numbers, method="auto")
        except Exception as error:  # whatever the functions of a teacher raise
            words = _of_solution(each, error)
            raise DataFileError(f"{path}: the solution is wrong for x of shape {shape}: {words}") from error
    return each


def _of_solution(each, error):
    """What an error says of the functions of the solution, by their names."""
    if not isinstance(error, MiniresError):
        return raised(error)
    if error.layer != FunctionLayer.__name__:
        return str(error)
    return f"{each.defines[-1] if isinstance(error, GradientError) else ' and '.join(each.defines)}: {error.message}"


def _read(name, table):
    """(axes of x, takes, sizes) of the table of an exercise, or ValueError."""
    if not name.isidentifier() or not isinstance(table, dict) or not {"x", "sizes"} <= table.keys() <= KEYS:
        raise ValueError(f"exercises.{name} has {_keys(table)}, expected x, sizes and takes")
    x, takes, sizes = table["x"], table.get("takes", {}), table["sizes"]
    axes = [x, *(value for value in takes.values() if isinstance(value, list))]
    for axis in (axis for each in axes for axis in (each if isinstance(each, list) else [each])):
        if not (isinstance(axis, str) and re.fullmatch("[A-Za-z]+", axis) or _is_size(axis)):
            raise ValueError(f'exercises.{name} has the axis {axis!r}, expected a letter, as in x = ["N", "D"]')
    letters = {axis for each in axes for axis in each if isinstance(axis, str)}
    if not isinstance(x, list) or not isinstance(sizes, list) or not sizes:
        raise ValueError(f"exercises.{name} has x = {x!r} and sizes = {sizes!r}, expected lists that are not empty")
    for size in sizes:
        if not isinstance(size, dict) or size.keys() != letters or not all(map(_is_size, size.values())):
            raise ValueError(
                f"exercises.{name} has the size {size!r}, expected {', '.join(sorted(letters))}, from 1 on"
            )
    return x, takes, sizes


def _is_size(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _keys(table):
    return ", ".join(sorted(table)) if isinstance(table, dict) else repr(table)


def _shape(axes, size):
    return tuple(size.get(axis, axis) for axis in axes)
