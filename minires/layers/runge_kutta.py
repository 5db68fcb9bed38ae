"""One step of a Runge-Kutta method as a block: higher-order residual networks."""

from typing import Any

from ..backend import Array
from ..errors import RangeError
from .base import Fork, Layer, inside, require_named
from .checks import as_input
from .containers import _require_same

# name: (a, b), the Butcher tableau; row i of a weighs k_1 ... k_{i-1} in the input of f_i, b weighs them in y
METHODS = {
    "euler": (((),), (1,)),
    "midpoint": (((), (1 / 2,)), (0, 1)),
    "heun": (((), (1,)), (1 / 2, 1 / 2)),
    "ralston": (((), (2 / 3,)), (1 / 4, 3 / 4)),
    "heun3": (((), (1 / 3,), (0, 2 / 3)), (1 / 4, 0, 3 / 4)),
    "kutta3": (((), (1 / 2,), (-1, 2)), (1 / 6, 4 / 6, 1 / 6)),
    "rk4": (((), (1 / 2,), (0, 1 / 2), (0, 0, 1)), (1 / 6, 2 / 6, 2 / 6, 1 / 6)),
}


class RungeKutta(Fork):
    """y = x + sum_i b_i k_i   with   k_i = f_i(x + sum_{j<i} a_ij k_j),   a and b those of ``METHODS[method]``.

    The residual block is "euler", y = x + f_1(x); the others follow the ODE x' = f(x) to a higher order if all f_i
    are the same map f times the step. Each f_i keeps the shape of x. From the last f to the first, with g = dy:

        v_i = J_i^T (b_i g + sum_{j>i} a_ji v_j)        dx = g + sum_i v_i

    so that the terms are g ("shortcut") and v_i ("k1", "k2", ...).
    Luo et al. 2021, "Rethinking ResNets: improved stacking strategies with high order schemes"; the methods:
    Butcher 2016, "Numerical Methods for Ordinary Differential Equations", section 23.
    """

    HOLDER = "functions"

    def __init__(self, method: str, *functions: Layer) -> None:
        if method not in METHODS:
            raise RangeError(f"method is {method!r}, expected one of {', '.join(METHODS)}", "RungeKutta")
        self.method = method
        self.a, self.b = METHODS[method]
        if len(functions) != len(self.b):
            raise RangeError(
                f"{method} got {len(functions)} functions, expected {len(self.b)}: one for each k_i", "RungeKutta"
            )
        self.functions = {f"k{i}": function for i, function in enumerate(functions, start=1)}
        require_named(self, self.functions)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        ks, caches = [], []
        for row, (name, function) in zip(self.a, self.functions.items()):
            with inside(name):
                k, cache = function.forward(_add(x, row, ks), train)
            _require_same(self, name, k, "the input", x)
            ks.append(k)
            caches.append(cache)
        return _add(x, self.b, ks), caches

    def terms(self, dy: Array, cache: Any) -> dict[str, Array]:
        vs = {}
        for i, (name, function) in reversed(list(enumerate(self.functions.items()))):
            column = [self.a[j][i] for j in range(len(self.b) - 1, i, -1)]
            with inside(name):
                vs[name] = function.backward(_add(self.b[i] * dy, column, vs.values()), cache[i])
        return {"shortcut": dy, **dict(reversed(vs.items()))}

    def shortcut_term(self, dy: Array, cache: Any) -> Array:
        return dy

    def describe(self) -> str:
        return f"method={self.method!r}"


def _add(x, weights, terms):
    """x + sum_i weights_i terms_i, without the terms that have the weight 0."""
    for weight, term in zip(weights, terms):
        if weight:
            x = x + weight * term
    return x
