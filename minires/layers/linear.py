"""The affine map."""

from typing import Any

from ..backend import Array
from ..initializers import Rng, he_normal, zeros
from .base import Layer, Param
from .checks import as_gradient, as_input, positive


class Linear(Layer):
    """Affine map ``y = x weight^T + bias``.

    x: (N, D)   weight: (M, D)   bias: (M,)   y: (N, M)

        dx = dy weight        dweight = dy^T x        dbias = sum_n dy_n

    ``weight`` starts from :func:`~minires.initializers.he_normal` with fan-in D, ``bias`` from zero.
    """

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True, rng: Rng) -> None:
        self.in_features = positive(self, in_features=in_features)
        self.out_features = positive(self, out_features=out_features)
        self.weight = Param(he_normal((out_features, in_features), in_features, rng))
        self.bias = Param(zeros(out_features)) if bias else None

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, "ND", like=self.weight.data, D=self.in_features)
        y = x @ self.weight.data.T
        if self.bias is not None:
            y = y + self.bias.data
        return y, x

    def backward(self, dy: Array, cache: Any) -> Array:
        x = cache
        dy = as_gradient(self, dy, (len(x), self.out_features), like=x)
        if not self.weight.frozen:
            self.weight.add_grad(dy.T @ x)
        if self.bias is not None and not self.bias.frozen:
            self.bias.add_grad(dy.sum(axis=0))
        return dy @ self.weight.data
