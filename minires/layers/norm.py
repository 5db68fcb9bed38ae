"""Normalisation over the batch (with running statistics), over groups of channels, and over the last axes."""

import math
from typing import Any

from ..backend import Array, xp_of
from ..errors import RangeError, ShapeError
from ..initializers import ones, zeros
from .base import Buffer, Layer, Param
from .checks import as_gradient, as_input, number, positive


STATISTICS = ("batch", "running", "constant")


class BatchNorm2d(Layer):
    """Normalise each channel over the batch, then scale and shift.

    x, y: (N, C, H, W)   gamma, beta, running_mean, running_var: (C,)   m = N H W values per channel

        x_hat = (x - mean) / sqrt(var + eps)        y = gamma x_hat + beta

    In training mean and var = mean((x - mean)^2) are those of the batch, and they move the running ones:

        running <- (1 - momentum) running + momentum batch          (the variance unbiased: var m / (m - 1))

    In evaluation mean and var are the running ones. With dx_hat = gamma dy and means over the batch:

        dbeta = sum dy          dgamma = sum dy x_hat
        training:    dx = (dx_hat - mean(dx_hat) - x_hat mean(dx_hat x_hat)) / sqrt(var + eps)
        evaluation:  dx = dx_hat / sqrt(var + eps)

    The attribute ``statistics`` says what training uses: "batch", as above; "running", so that it runs forwards and
    back as evaluation does and the running ones stay (``freeze(statistics=True)``); or "constant", those
    of the batch, which dx takes for constants: dx = dx_hat / sqrt(var + eps).

    ``momentum`` has PyTorch's meaning. One value per channel in training is a :class:`~minires.errors.ShapeError`.
    Ioffe and Szegedy 2015, "Batch Normalization", algorithms 1 and 2.
    """

    axes = "NCHW"
    statistics = "batch"  # a layer with another setting is none that the engine knows: the definition runs it

    def __init__(self, channels: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        self.channels = positive(self, channels=channels)
        self.momentum = number(self, momentum=momentum)
        self.eps = _epsilon(self, eps)
        if not 0 < self.momentum <= 1:
            raise RangeError(f"momentum is {momentum}, expected 0 < momentum <= 1", layer=type(self).__name__)
        self.gamma, self.beta = Param(ones(channels)), Param(zeros(channels))
        self.running_mean, self.running_var = Buffer(zeros(channels)), Buffer(ones(channels))

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, self.axes, like=self.gamma.data, C=self.channels)
        if self.statistics not in STATISTICS:
            known = ", ".join(STATISTICS)
            raise RangeError(f"statistics is {self.statistics!r}, expected {known}", type(self).__name__)
        if train and self.statistics != "running":
            m = self._values(x)
            _require_spread(self, x, m)
            mean = self._mean(x)
            var = self._mean((x - mean) ** 2)
            self._track(mean, var * (m / (m - 1)))
        else:
            mean, var = self._expand(self.running_mean.data), self._expand(self.running_var.data)
        inv_std = 1 / xp_of(x).sqrt(var + self.eps)
        x_hat = (x - mean) * inv_std
        return self._expand(self.gamma.data) * x_hat + self._expand(self.beta.data), (
            x_hat,
            inv_std,
            train and self.statistics == "batch",
        )

    def backward(self, dy: Array, cache: Any) -> Array:
        x_hat, inv_std, moving = cache
        dy = as_gradient(self, dy, x_hat.shape, like=x_hat)
        if not self.beta.frozen:
            self.beta.add_grad(self._sum(dy))
        if not self.gamma.frozen:
            self.gamma.add_grad(self._sum(dy * x_hat))
        dx_hat = dy * self._expand(self.gamma.data)
        if moving:  # mean and var depend on x too: remove the two directions that they fix
            dx_hat = dx_hat - self._mean(dx_hat) - x_hat * self._mean(dx_hat * x_hat)
        return dx_hat * inv_std

    def terms(self, dy: Array, cache: Any) -> dict[str, Array]:
        """``{"direct", "mean", "variance"}``: what comes back to x by itself, and through the mean and the variance.

            direct = dx_hat / sigma    mean = -mean(dx_hat) / sigma    variance = -x_hat mean(dx_hat x_hat) / sigma

        with sigma = sqrt(var + eps). They add up to dx; where mean and var are constants, direct is all of it, and the
        others are 0. No gradient of a parameter is added.
        """
        x_hat, inv_std, moving = cache
        dx_hat = as_gradient(self, dy, x_hat.shape, like=x_hat) * self._expand(self.gamma.data)
        through = x_hat.dtype.type(moving)
        return {
            "direct": dx_hat * inv_std,
            "mean": -through * self._mean(dx_hat) * inv_std + 0 * x_hat,
            "variance": -through * x_hat * self._mean(dx_hat * x_hat) * inv_std,
        }

    def _track(self, mean, unbiased_var):
        keep = 1 - self.momentum
        for running, batch in ((self.running_mean, mean), (self.running_var, unbiased_var)):
            running.data = keep * running.data + self.momentum * batch.real.reshape(-1)

    def _values(self, x):
        """m, how many values of each channel there are."""
        return x.size // self.channels

    def _batch_axes(self):
        return tuple(i for i, axis in enumerate(self.axes) if axis != "C")

    def _sum(self, a):
        return a.sum(axis=self._batch_axes())

    def _mean(self, a):
        return a.mean(axis=self._batch_axes(), keepdims=True)

    def _expand(self, v):
        """(C,) -> (1, C, 1, 1), to broadcast over the other axes."""
        return v.reshape(tuple(-1 if axis == "C" else 1 for axis in self.axes))


class BatchNorm1d(BatchNorm2d):
    """:class:`BatchNorm2d` for features: x, y: (N, C), m = N values per channel."""

    axes = "NC"


class GroupNorm(Layer):
    """Normalise groups of channels within each image; the same in training and evaluation.

    x, y: (N, C, H, W)   gamma, beta: (C,)   groups: G, each of C/G channels

        x_hat = (x - mean) / sqrt(var + eps)        y = gamma x_hat + beta          mean, var over each (n, g)

        dbeta = sum dy          dgamma = sum dy x_hat          dx_hat = gamma dy
        dx = (dx_hat - mean(dx_hat) - x_hat mean(dx_hat x_hat)) / sqrt(var + eps)

    G = 1 normalises over all channels, G = C each channel of each image. Wu and He 2018, "Group Normalization".
    """

    def __init__(self, groups: int, channels: int, *, eps: float = 1e-5) -> None:
        self.groups = positive(self, groups=groups)
        self.channels = positive(self, channels=channels)
        self.eps = _epsilon(self, eps)
        if channels % groups:
            raise RangeError(f"groups={groups} does not divide channels={channels}: choose a divisor", "GroupNorm")
        self.gamma, self.beta = Param(ones(channels)), Param(zeros(channels))

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, "NCHW", like=self.gamma.data, C=self.channels)
        _require_spread(self, x, x.size // (len(x) * self.groups))
        parts = self._parts(x)
        mean = _group_mean(parts)
        inv_std = 1 / xp_of(x).sqrt(_group_mean((parts - mean) ** 2) + self.eps)
        x_hat = ((parts - mean) * inv_std).reshape(x.shape)
        return self.gamma.data[:, None, None] * x_hat + self.beta.data[:, None, None], (x_hat, inv_std)

    def backward(self, dy: Array, cache: Any) -> Array:
        x_hat, inv_std = cache
        dy = as_gradient(self, dy, x_hat.shape, like=x_hat)
        if not self.beta.frozen:
            self.beta.add_grad(dy.sum(axis=(0, 2, 3)))
        if not self.gamma.frozen:
            self.gamma.add_grad((dy * x_hat).sum(axis=(0, 2, 3)))
        dparts, parts = self._parts(dy * self.gamma.data[:, None, None]), self._parts(x_hat)
        dparts = (dparts - _group_mean(dparts) - parts * _group_mean(dparts * parts)) * inv_std
        return dparts.reshape(x_hat.shape)

    def _parts(self, a):
        """(N, C, H, W) -> (N, G, C/G H W)."""
        return a.reshape(len(a), self.groups, -1)


class LayerNorm(Layer):
    """Normalise each sample over its last axes; the same in training and evaluation.

    x, y: (N, ..., *shape)   gamma, beta: ``shape``, one axis, ``LayerNorm(8)``, or more, ``LayerNorm((C, H, W))``

        x_hat = (x - mean) / sqrt(var + eps)        y = gamma x_hat + beta          mean, var over the axes of shape

        dbeta = sum dy          dgamma = sum dy x_hat, over the other axes          dx_hat = gamma dy
        dx = (dx_hat - mean(dx_hat) - x_hat mean(dx_hat x_hat)) / sqrt(var + eps)

    With shape (C, H, W) it is a :class:`GroupNorm` of one group, but for a gamma and beta of each pixel.
    Ba et al. 2016, "Layer Normalization", section 3.
    """

    def __init__(self, shape: int | tuple[int, ...], *, eps: float = 1e-5) -> None:
        sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
        self.shape = tuple(positive(self, shape=size) for size in sizes)
        self.eps = _epsilon(self, eps)
        if math.prod(self.shape) < 2:
            raise RangeError(
                f"shape is {shape}, expected at least 2 values, as the variance needs: name more of the last axes",
                "LayerNorm",
            )
        self.gamma, self.beta = Param(ones(*self.shape)), Param(zeros(*self.shape))

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, like=self.gamma.data)
        if x.ndim <= len(self.shape) or x.shape[-len(self.shape) :] != self.shape:
            raise ShapeError(
                f"input has the shape {x.shape}, expected (N, ..., {', '.join(map(str, self.shape))}): "
                "build the layer for the last axes of the input",
                "LayerNorm",
            )
        x = x - self._mean(x)
        inv_std = 1 / xp_of(x).sqrt(self._mean(x * x) + self.eps)
        x_hat = x * inv_std
        return self.gamma.data * x_hat + self.beta.data, (x_hat, inv_std)

    def backward(self, dy: Array, cache: Any) -> Array:
        x_hat, inv_std = cache
        dy = as_gradient(self, dy, x_hat.shape, like=x_hat)
        others = tuple(range(dy.ndim - len(self.shape)))
        if not self.beta.frozen:
            self.beta.add_grad(dy.sum(axis=others))
        if not self.gamma.frozen:
            self.gamma.add_grad((dy * x_hat).sum(axis=others))
        dx_hat = dy * self.gamma.data
        return (dx_hat - self._mean(dx_hat) - x_hat * self._mean(dx_hat * x_hat)) * inv_std

    def _mean(self, a):
        return a.mean(axis=tuple(range(-len(self.shape), 0)), keepdims=True)


def _group_mean(parts):
    return parts.mean(axis=2, keepdims=True)


def _epsilon(layer, eps):
    eps = number(layer, eps=eps)
    if not eps >= 0:
        raise RangeError(f"eps is {eps}, expected eps >= 0", type(layer).__name__)
    return eps


def _require_spread(layer, x, values):
    """A variance needs two values: with one, x_hat would be 0 whatever x is, and so would the gradient."""
    if values < 2:
        if isinstance(layer, GroupNorm):
            where, remedy = "group of channels", "choose fewer groups, or pass larger images"
        else:
            where, remedy = "channel in training", "pass a larger batch, or evaluate with train=False"
        raise ShapeError(
            f"{values} value per {where} (input {x.shape}), the variance needs at least 2: {remedy}",
            type(layer).__name__,
        )
