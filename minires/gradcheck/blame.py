"""From a failed comparison to a message: which part of the layer, which array, which index, which values."""

import numpy as np

from ..errors import GradientError, StateError
from .compare import TOLERANCE, compare

WORST = 5  # coordinates listed


def blame(probe, comparisons, tol, each):
    """(error, index of the worst entry) for ``comparisons`` of one array, worst first, the first above ``tol``.

    Raises :class:`~minires.errors.StateError` where not backward, but the complex step is at fault.
    """
    name, dy, error = comparisons[0].name, comparisons[0].dy, comparisons[0].error
    kind = type(probe.layer).__name__
    if probe.method == "complex" and _loses_imaginary_parts(probe, comparisons[0]):
        raise StateError(
            f"central differences confirm the gradient of {name}, the complex step does not: forward loses imaginary "
            "parts on the way (abs? a cast to float?); use method='auto'",
            kind,
        )
    if each:
        places = [int(c.v.argmax()) for c in comparisons[:WORST] if not c.error <= tol]
    else:
        places = [_narrow(probe, name, dy)]
    values = [_at(probe, name, dy, place) for place in places]
    index, analytic, numeric = values[0]
    array = "dx" if name == "x" else f"{name}.grad"
    others = "".join(f"\n  {array}{list(i)}: backward {a:.9g}, derivative {n:.9g}" for i, a, n in values[1:])
    found = GradientError(
        f"{array}{list(index)} is {analytic:.9g}, the derivative of forward there is {numeric:.9g} "
        f"(train={probe.train}, {probe.method}, relative error {error:.1e}, accepted {tol:.0e}): "
        f"correct backward, or forward{others}",
        kind,
    )
    return found, index


def _loses_imaginary_parts(probe, comparison):
    """Whether central differences confirm backward at a place, off kinks, where the complex step is far from it."""
    central = probe.with_method("central")
    if not _agrees(central, comparison):
        return False
    stepped = central.with_method("complex")  # at the x to which a kink may have moved the differences
    return not _agrees(stepped, comparison)


def _agrees(probe, comparison):
    """To the tolerance of differences, for which a backward that is slightly wrong agrees with both methods."""
    tol = TOLERANCE["central"]
    return compare(probe, comparison.name, comparison.v, comparison.dy, tol).error <= tol


def _narrow(probe, name, dy):
    """The flat index where analytic and numeric differ most, found by halving the array."""
    a = probe.arrays[name]
    grad = probe.backward(dy)[name]

    def difference(places):
        v = np.zeros(a.shape)
        v.flat[places] = probe.rng.standard_normal(len(places)) if len(places) > 1 else 1.0
        return abs((v * grad).sum() - (dy * probe.derivative(name, v)).sum())

    places = np.arange(a.size)
    while len(places) > 8:
        places = max(places[::2], places[1::2], key=difference)
    return max(places, key=lambda place: difference(np.array([place])))


def _at(probe, name, dy, place):
    """(index, analytic, numeric) of one coordinate."""
    a = probe.arrays[name]
    index = tuple(int(i) for i in np.unravel_index(place, a.shape))
    v = np.zeros(a.shape)
    v[index] = 1.0
    return index, probe.backward(dy)[name][index], (dy * probe.derivative(name, v)).sum()
