"""One gradient against one derivative, along one direction."""

from dataclasses import dataclass

import numpy as np

TOLERANCE = {"complex": 1e-10, "central": 1e-5}
ZERO = 1e-12  # a derivative below this share of the output is zero for structural reasons
MOVES = 5


@dataclass(frozen=True)
class Comparison:
    """One direction v in the array ``name`` under one upstream gradient."""

    name: str
    dy: np.ndarray
    v: np.ndarray
    error: float
    zero: bool


def compare(probe, name, v, dy, tol):
    """One direction: the relative error of <v, backward(dy)> against the derivative of forward."""
    for _ in range(MOVES):
        df = probe.derivative(name, v)
        analytic, numeric = v * probe.backward(dy)[name], dy * df
        scale = max(abs(analytic).sum(), abs(numeric).sum(), abs(dy * probe.y).sum(), np.finfo(float).tiny)
        error = float(np.nan_to_num(abs(analytic.sum() - numeric.sum()) / scale, nan=np.inf))
        if error <= tol or not probe.at_kink(name, v):
            break
        probe.move()
    return Comparison(name, dy, v, error, bool(abs(df).max() <= ZERO * abs(probe.y).max()))
