"""Mistakes in dropout."""

from ..layers import Dropout
from .base import plant


class MaskRedrawn(Dropout):
    """Backward needs the very mask of its forward: a new one passes the gradient of other entries."""

    def backward(self, dy, cache):
        keep, _ = cache
        if keep is not None:
            _, cache = self.forward(dy, train=True)
        return super().backward(dy, cache)


class ScaleMissing(Dropout):
    """Forward scales what it keeps by 1 / (1 - p), so backward must scale its gradient too."""

    def backward(self, dy, cache):
        keep, _ = cache
        dx = super().backward(dy, cache)
        return dx if keep is None else dx * (1 - self.p)


class MaskForgotten(Dropout):
    """What forward dropped has no part in the output: its gradient is zero."""

    def backward(self, dy, cache):
        _, shape = cache
        return super().backward(dy, (None, shape))


class DropsInEvaluation(Dropout):
    """Dropout is for training only: evaluation must use the whole network, and give the same answer again."""

    def forward(self, x, train=False):
        return super().forward(x, train=True)


WRONG = (MaskRedrawn, ScaleMissing, MaskForgotten, DropsInEvaluation)
MUTANTS = tuple(plant(Dropout, wrong, lambda cls, rng: cls(0.4, rng=rng), (4, 8)) for wrong in WRONG)
