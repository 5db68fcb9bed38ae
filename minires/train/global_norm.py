"""Batch norm whose batch lies on several ranks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from ..backend import Array
from ..layers import BatchNorm1d, BatchNorm2d
from ..layers.base import Layer
from ..layers.parts import put
from .ranks import Ranks


class GlobalBatchNorm2d(BatchNorm2d):
    """:class:`~minires.layers.BatchNorm2d` whose mean, var, mean(dx_hat) and mean(dx_hat x_hat) are over all ranks.

    x, y: the rank's share of the images, (N, C, H, W). dgamma and dbeta are those of the share: like all gradients of
    parameters, they are added over the ranks afterwards. Three sums of C numbers are exchanged in forward and backward
    each; in backward because every x moves the mean and the variance of all ranks.
    """

    ranks: Ranks

    @classmethod
    def of(cls, norm: BatchNorm2d, ranks: Ranks) -> Self:
        """The same with the tensors of ``norm``."""
        made = cls(norm.channels, momentum=norm.momentum, eps=norm.eps)
        made.gamma, made.beta, made.statistics = norm.gamma, norm.beta, norm.statistics
        made.running_mean, made.running_var, made.ranks = norm.running_mean, norm.running_var, ranks
        return made

    def _values(self, x: Array) -> int:
        return int(self.ranks.gather(super()._values(x)).sum())

    def _mean(self, a: Array) -> Any:
        sums = a.sum(axis=self._batch_axes())
        total = self.ranks.sum(sums) / a.dtype.type(self._values(a))
        return self._expand(total)


class GlobalBatchNorm1d(GlobalBatchNorm2d):
    """:class:`GlobalBatchNorm2d` for features (N, C)."""

    axes = "NC"


KINDS = {BatchNorm2d: GlobalBatchNorm2d, BatchNorm1d: GlobalBatchNorm1d}


@contextmanager
def global_norms(model: Layer, ranks: Ranks) -> Iterator[None]:
    """Within the block every batch norm in ``model`` is over all ranks; the tensors are the same."""
    norms = [(path, layer) for path, layer in model.walk() if isinstance(layer, BatchNorm2d)]
    found = [(path, layer) for path, layer in norms if type(layer) in KINDS]
    for path, layer in found:
        put(model, path, KINDS[type(layer)].of(layer, ranks))
    try:
        yield
    finally:
        for path, layer in found:
            put(model, path, layer)
