"""Gradient checks by random projection, or coordinate by coordinate.

For a random upstream gradient dy and a random direction v in the checked array a, the two numbers

    analytic = <v, backward(dy)>        numeric = <dy, d/dt f(a + t v) at t = 0>

must agree; one direction costs one forward, whatever the size of a. The derivative comes from a complex step,

    d/dt f(a + t v) = Im f(a + i h v) / h + O(h^2),    h = 1e-30,

which subtracts nothing, so it is exact to rounding, with no step size to choose, and in a forward that branches on
the real part it takes at a kink the branch that the real input takes (Squire and Trapp 1998, SIAM Review 40(1)).
For a forward that cannot take complex numbers there are central differences (f(a + h v) - f(a - h v)) / 2h.
Where the derivative jumps between -v and v, at a kink, there is nothing to compare with: x moves by one per cent.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..backend import Array, to_device, to_numpy
from ..errors import GradientError, RangeError, ShapeError, StateError
from ..layers import observe
from ..layers.base import Layer
from ..layers.checks import as_floats
from .blame import blame
from .compare import TOLERANCE, compare
from .float32 import check_float32
from .probe import Probe, rms, size, stream


@dataclass(frozen=True)
class Output:
    """The result for the gradient of one array, "x" or the path of a parameter: its worst relative error.

    structurally_zero: whether it is zero whatever dy is   where: the index of its worst entry if it is wrong, else None
    """

    name: str
    error: float
    structurally_zero: bool = False
    where: tuple | None = None


@dataclass(frozen=True)
class Report:
    """What :func:`gradcheck` found; ``print(report)`` is a table."""

    layer: str
    method: str
    outputs: tuple

    @property
    def worst_error(self) -> float:
        return max(output.error for output in self.outputs)

    @property
    def wrong(self) -> tuple[Any, ...]:
        """The outputs that do not agree, those of a report that a GradientError carries."""
        return tuple(output for output in self.outputs if output.where is not None)

    @property
    def structurally_zero(self) -> tuple[str, ...]:
        """Names of the arrays whose gradient is zero whatever the upstream gradient is."""
        return tuple(output.name for output in self.outputs if output.structurally_zero)

    def __str__(self):
        width = max(len(output.name) for output in self.outputs)
        verdict = f"{len(self.wrong)} of {len(self.outputs)} gradients are wrong" if self.wrong else "gradients agree"
        lines = [f"{self.layer}: {verdict} ({self.method}), worst relative error {self.worst_error:.1e}"]
        for output in self.outputs:
            note = "  zero whatever dy is" if output.structurally_zero else ""
            note = f"  wrong, most at {list(output.where)}" if output.where is not None else note
            lines.append(f"  {output.name:<{width}}  {output.error:.1e}{note}")
        return "\n".join(lines)


def gradcheck(
    layer: Layer,
    x: Array,
    *,
    train: bool = True,
    dy: Array | None = None,
    method: str = "complex",
    each: bool = False,
    directions: int = 3,
    tol: float | None = None,
    seed: int = 0,
) -> Report:
    """Compare backward with the derivative of forward, for x and every parameter that is not frozen.

    Return a :class:`Report`.

    layer: any :class:`~minires.layers.Layer`; it is copied and never changed
    x: its input, float32 or float64   train: which forward   dy: upstream gradient, shaped like y (default: random)
    method: "complex", "central", or "auto", which takes the complex step where forward can carry it and else central
    differences, and says so in the report   tol: largest relative error accepted (1e-10 and 1e-5)
    each: check every coordinate, and on failure list the worst ones, instead of ``directions`` random projections

    Errors are relative to max(sum |v backward(dy)|, sum |dy df|, sum |dy y|) with v of the size of its array, so that
    a gradient that cancels, as that of a bias before batch norm, is measured against what it cancels from.
    Parameters are checked near their values: gamma = 1 and beta = 0 would hide mistakes. A float32 x is also run
    in float32 and compared with float64.

    Raises :class:`~minires.errors.GradientError`, which names the layer, the array, the index and both values, and
    carries the report on all arrays;
    :class:`~minires.errors.RangeError` for a degenerate dy; :class:`~minires.errors.StateError` if forward does
    not carry complex numbers through; :class:`~minires.errors.NumericError` if x or the output has NaN or infinity.

    >>> import numpy as np
    >>> from minires.layers import Linear
    >>> x = np.random.default_rng(0).standard_normal((4, 3))
    >>> gradcheck(Linear(3, 2, rng=0), x).worst_error < 1e-12
    True

    All of it for dx, in central differences, each entry of x moved alone:

    >>> layer, dy, h = Linear(3, 2, rng=0).to(dtype=np.float64), np.random.default_rng(1).standard_normal((4, 2)), 1e-6
    >>> y, cache = layer.forward(x)
    >>> dx, derivative = layer.backward(dy, cache), np.zeros_like(x)
    >>> for i in np.ndindex(x.shape):
    ...     step = np.zeros_like(x)
    ...     step[i] = h
    ...     slope = (layer.forward(x + step)[0] - layer.forward(x - step)[0]) / (2 * h)
    ...     derivative[i] = (dy * slope).sum()
    >>> bool(abs(dx - derivative).max() < 1e-8)
    True
    """
    if method not in (*TOLERANCE, "auto"):
        raise RangeError(f"method is {method!r}, expected 'complex', 'central' or 'auto'")
    x = as_floats(x, layer=type(layer).__name__)
    asked, method = method, method if method != "auto" else _best_method(layer, x, train, seed)
    probe = Probe(layer, x, train, method, stream(seed, "gradcheck"))
    tol = TOLERANCE[method] if tol is None else tol
    if dy is None:
        upstream = [probe.rng.standard_normal(probe.y.shape) for _ in range(directions)]
    else:
        dy = np.array(to_numpy(as_floats(dy, "dy")), np.float64)
        refuse_degenerate(dy, probe.y, type(layer).__name__)
        upstream = [dy] * directions
    report, error = _check(probe, upstream, tol, each)
    if error is not None:
        raise _faulty_part(probe) or error from error.__cause__
    if x.dtype == np.float32:
        check_float32(layer, x, train, seed)
    if asked != method == "central":
        report = replace(report, method=f"{report.method}, as forward does not carry complex numbers")
    return report


def _best_method(layer, x, train, seed):
    """ "complex" where the complex step finds what central differences find, off kinks, else "central"."""
    probe = Probe(layer, x, train, "complex", stream(seed, "method"))
    probe.move()
    central = probe.with_method("central")
    for name, a in probe.arrays.items():
        v = rms(a) * probe.rng.standard_normal(a.shape)
        try:
            step, difference = probe.derivative(name, v), central.derivative(name, v)
        except StateError:
            return "central"
        if not size(step - difference) <= TOLERANCE["central"] * size(probe.y):
            return "central"
    return "complex"


def refuse_degenerate(dy, y, layer):
    """Refuse an upstream gradient that is, channel by channel, an affine function of the output."""
    if dy.shape != y.shape:
        raise ShapeError(f"dy has shape {dy.shape}, the output has {y.shape}: pass a dy of that shape", layer)
    why = "behind a normalisation its true gradient is zero, so that a backward that returns zeros would pass"
    remedy = "use a random one: dy=None, or rng.standard_normal(y.shape)"
    if dy.size > 1 and np.ptp(dy) == 0:
        raise RangeError(f"dy is uniform, {dy.flat[0]:g} everywhere: {why}; {remedy}", layer)
    if y.ndim < 2 or y.size // y.shape[1] < 3:
        return
    y, dy = (np.moveaxis(a / (abs(a).max() or 1), 1, 0).reshape(a.shape[1], -1) for a in (y, dy))
    y = y - y.mean(axis=1, keepdims=True)
    rest = dy - dy.mean(axis=1, keepdims=True)
    rest = rest - y * (rest * y).sum(1, keepdims=True) / np.maximum((y * y).sum(1, keepdims=True), np.finfo(float).tiny)
    if np.linalg.norm(rest) <= 1e-5 * np.linalg.norm(dy):  # an output in float32 counts too
        raise RangeError(f"dy is proportional to the output, as for the loss sum(y**2): {why}; {remedy}", layer)


def _check(probe, upstream, tol, each):
    """(:class:`Report`, the error of the first array whose gradient is wrong, or None)."""
    outputs, errors = [], []
    try:
        for name in probe.arrays:
            comparisons = [compare(probe, name, v, dy, tol) for v, dy in _directions(probe, name, upstream, each)]
            comparisons.sort(key=lambda c: c.error, reverse=True)
            worst, where = comparisons[0].error, None
            if not worst <= tol:
                error, where = blame(probe, comparisons, tol, each)
                errors.append(error)
            outputs.append(Output(name, worst, all(c.zero for c in comparisons), where))
    except (GradientError, StateError) as error:
        return None, error
    report = Report(probe.kind, f"{probe.method}, train={probe.train}", tuple(outputs))
    if not errors:
        return report, None
    errors[0].report = report
    if len(errors) > 1:
        others = ", ".join(f"{output.name} (relative error {output.error:.1e})" for output in report.wrong[1:])
        errors[0].message += f"; wrong too: {others}"
    return report, errors[0]


def _directions(probe, name, upstream, each):
    """Yield (v, dy): where to step in the array, and an upstream gradient."""
    a = probe.arrays[name]
    if each:
        for one_hot in np.eye(a.size).reshape(a.size, *a.shape):
            yield rms(a) * one_hot, upstream[0]
        return
    if name == "x":  # a common step keeps ties, so that a gradient given to each of two equal pixels shows
        yield np.full(a.shape, rms(a)), upstream[0]
    for dy in upstream:
        yield rms(a) * probe.rng.standard_normal(a.shape), dy


def _faulty_part(probe):
    """Check each part with the input that reaches it, children before their containers; return the first error."""
    inputs = {}
    observed = observe(probe.layer, lambda path, part, x, y: inputs.setdefault(path, (part, x)))
    observed.forward(to_device(probe.arrays["x"], probe.device), probe.train)
    inputs.pop("", None)  # not observed where forward is the instance's own
    for path, (part, x) in inputs.items():
        try:
            gradcheck(part, x, train=probe.train, method=probe.method)
        except (GradientError, StateError) as error:
            error.path = (*path.split("."), *error.path)
            return error
    return None
