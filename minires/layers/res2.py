"""The hierarchical split of Res2Net."""

from typing import Any

from ..backend import Array, xp_of
from ..errors import RangeError, ShapeError
from .base import Layer, inside, require_named
from .checks import as_gradient, as_input
from .containers import _require_same


class Res2(Layer):
    """x is cut into s = n + 1 groups of channels x_1, ..., x_s; group i sees what the groups before it have found.

        y_1 = f_1(x_1)      y_i = f_i(x_i + y_{i-1}), 1 < i < s      y_s = x_s      y = [y_1, ..., y_s]

    x, y: (N, C, H, W), C a multiple of s; each of the n functions f_i keeps the shape of its group. From the last
    function to the first, with u_s = 0:

        u_i = J_i^T (dy_i + u_{i+1})        dx = [u_1, ..., u_{s-1}, dy_s]

    where u_i is the gradient of both x_i and y_{i-1}. Gao et al. 2019, "Res2Net", eq. 1; the paper leaves the first
    group as it is, the authors' code, as here, the last: the same network with its channels in another order.
    """

    HOLDER = "functions"

    def __init__(self, *functions: Layer) -> None:
        if not functions:
            raise RangeError("Res2() has no functions, expected at least one, for two groups: Res2(f)", "Res2")
        self.functions = {str(i): function for i, function in enumerate(functions)}
        require_named(self, self.functions)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, "NCHW")
        *groups, last = self._groups(x)
        ys, caches = [], []
        for (name, function), group in zip(self.functions.items(), groups):
            with inside(name):
                y, cache = function.forward(group + ys[-1] if ys else group, train)
            _require_same(self, f"function {name}", y, "its group", group)
            ys.append(y)
            caches.append(cache)
        return xp_of(x).concatenate([*ys, last], axis=1), (x.shape, caches)

    def backward(self, dy: Array, cache: Any) -> Array:
        shape, caches = cache
        *dys, last = self._groups(as_gradient(self, dy, shape))
        us = []
        for (name, function), group, one in reversed(list(zip(self.functions.items(), dys, caches))):
            with inside(name):
                us.append(function.backward(group + us[-1] if us else group, one))
        return xp_of(dy).concatenate([*reversed(us), last], axis=1)

    def _groups(self, x):
        """(N, C, H, W) -> s views of (N, C/s, H, W)."""
        scale, channels = len(self.functions) + 1, x.shape[1]
        if channels % scale:
            raise ShapeError(
                f"input has {channels} channels (axis 1 of {x.shape}), expected a multiple of the {scale} groups: "
                "change the channels, or the number of functions, one less than the groups",
                "Res2",
            )
        width = channels // scale
        return [x[:, width * i : width * (i + 1)] for i in range(scale)]
