"""Mistakes in normalisation over groups of channels, and over the last axes."""

from ..layers import GroupNorm, LayerNorm
from ..layers.checks import as_gradient
from .base import plant


class GammaOutsideTheMean(GroupNorm):
    """A group has channels with different gammas, so gamma cannot be taken out of the mean over the group."""

    def backward(self, dy, cache):
        x_hat, inv_std = cache
        dy = as_gradient(self, dy, x_hat.shape, like=x_hat)
        self.beta.grad += dy.sum(axis=(0, 2, 3))
        self.gamma.grad += (dy * x_hat).sum(axis=(0, 2, 3))
        dparts, parts = self._parts(dy), self._parts(x_hat)
        first, second = (a.mean(axis=2, keepdims=True) for a in (dparts, dparts * parts))
        dparts = (dparts - first - parts * second) * inv_std
        return dparts.reshape(x_hat.shape) * self.gamma.data[:, None, None]


class MeanOverTheBatch(GroupNorm):
    """Group norm treats each image alone: its means do not run over the batch."""

    def backward(self, dy, cache):
        x_hat, inv_std = cache
        dy = as_gradient(self, dy, x_hat.shape, like=x_hat)
        self.beta.grad += dy.sum(axis=(0, 2, 3))
        self.gamma.grad += (dy * x_hat).sum(axis=(0, 2, 3))
        dparts, parts = self._parts(dy * self.gamma.data[:, None, None]), self._parts(x_hat)
        first, second = (a.mean(axis=(0, 2), keepdims=True) for a in (dparts, dparts * parts))
        return ((dparts - first - parts * second) * inv_std).reshape(x_hat.shape)


class LayerVarianceForgotten(LayerNorm):
    """The variance of a sample depends on its entries too: the term along x_hat is missing."""

    def backward(self, dy, cache):
        x_hat, inv_std = cache
        dx_hat = as_gradient(self, dy, x_hat.shape, like=x_hat) * self.gamma.data
        super().backward(dy, cache)
        return (dx_hat - self._mean(dx_hat)) * inv_std


class LayerMeanOverTheBatch(LayerNorm):
    """Layer norm treats each sample alone: its means run over the axes of its shape, not over the batch."""

    def backward(self, dy, cache):
        x_hat, inv_std = cache
        dx_hat = as_gradient(self, dy, x_hat.shape, like=x_hat) * self.gamma.data
        super().backward(dy, cache)
        first, second = (a.mean(axis=0, keepdims=True) for a in (dx_hat, dx_hat * x_hat))
        return (dx_hat - first - x_hat * second) * inv_std


class LayerGammaOfOneSample(LayerNorm):
    """gamma and beta serve every sample: their gradients are summed over all axes that are not theirs."""

    def backward(self, dy, cache):
        x_hat, _ = cache
        grads = [p.grad.copy() for p in (self.gamma, self.beta)]
        dx = super().backward(dy, cache)
        dy = as_gradient(self, dy, x_hat.shape, like=x_hat)
        for p, grad, of_each in zip((self.gamma, self.beta), grads, (dy * x_hat, dy)):
            p.grad[...] = grad + of_each[-1]
        return dx


GROUP_NORM = (GammaOutsideTheMean, MeanOverTheBatch)
LAYER_NORM = (LayerVarianceForgotten, LayerMeanOverTheBatch, LayerGammaOfOneSample)

MUTANTS = (
    *(plant(GroupNorm, wrong, lambda cls, rng: cls(2, 4), (3, 4, 5, 6)) for wrong in GROUP_NORM),
    *(plant(LayerNorm, wrong, lambda cls, rng: cls((4, 5, 6)), (3, 4, 5, 6)) for wrong in LAYER_NORM),
)
