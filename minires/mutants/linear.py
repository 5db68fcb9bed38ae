"""Mistakes in the affine map, and those about gradients and caches that any layer with parameters could make."""

from ..layers import Linear
from ..layers.checks import as_gradient
from .base import plant


class LinearSteps(Linear):
    """The right backward, one method a step: each mutant below rewrites one of them."""

    def backward(self, dy, cache):
        x = cache
        dy = as_gradient(self, dy, (len(x), self.out_features), like=x)
        self.weight.grad += self.dweight(dy, x)
        self.bias.grad += self.dbias(dy)
        return self.dx(dy)

    def dweight(self, dy, x):
        return dy.T @ x

    def dbias(self, dy):
        return dy.sum(axis=0)

    def dx(self, dy):
        return dy @ self.weight.data


class TransposeForgotten(LinearSteps):
    """Forward multiplies by weight^T, so backward multiplies by weight: a square one fits the wrong way round too."""

    def dx(self, dy):
        return dy @ self.weight.data.T


class WeightGradientTransposed(LinearSteps):
    """dweight = dy^T x has the layout of weight, outputs by inputs; x^T dy is its transpose."""

    def dweight(self, dy, x):
        return super().dweight(dy, x).T


class WeightGradientAveraged(LinearSteps):
    """The loss has divided by N already: dweight is a sum over the batch, not a mean."""

    def dweight(self, dy, x):
        return super().dweight(dy, x) / len(x)


class BiasOverWrongAxis(LinearSteps):
    """Every example uses the same bias, so dbias sums over the batch (axis 0), not over the features."""

    def dbias(self, dy):
        return dy.sum(axis=1)


class BiasOverEverything(LinearSteps):
    """One number for all biases."""

    def dbias(self, dy):
        return dy.sum() + 0 * dy.sum(axis=0)


class BiasAveraged(LinearSteps):
    """The loss has divided by N already: dbias is a sum over the batch, not a mean."""

    def dbias(self, dy):
        return dy.mean(axis=0)


class BiasForgotten(LinearSteps):
    """The bias is a parameter too: without a gradient it is never trained."""

    def dbias(self, dy):
        return 0 * dy.sum(axis=0)


class BiasNotAdded(LinearSteps):
    """The bias is missing: y = x weight^T + bias, so x = 0 must give y = bias."""

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        return y - self.bias.data, cache


class GradientsOverwritten(Linear):
    """Backward adds to grad (+=): a layer that is used twice has two gradients, and = keeps only the last."""

    def backward(self, dy, cache):
        for _, p in self.params():
            p.grad[...] = 0
        return super().backward(dy, cache)


class CacheKept(Linear):
    """A cache kept on the layer is overwritten by the next forward: return it and let the caller hand it back."""

    def forward(self, x, train=False):
        y, self.x = super().forward(x, train)
        return y, self.x

    def backward(self, dy, cache):
        return super().backward(dy, self.x)


class WeightUpdated(Linear):
    """Backward computes gradients; to change the weights is the optimiser's task, after all gradients are there."""

    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        self.weight.data -= 0.1 * self.weight.grad
        return dx


class InputsByOutputs(LinearSteps):
    """weight is (outputs, inputs), so forward multiplies by its transpose: x weight is another map, where it fits."""

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        return x @ self.weight.data + (0 if self.bias is None else self.bias.data) + 0 * y, cache

    def dweight(self, dy, x):
        return super().dweight(dy, x).T

    dx = TransposeForgotten.dx


def _square(cls, rng):
    """Batch, inputs and outputs are of one size, so that what is transposed still fits."""
    return cls(4, 4, rng=rng)


WRONG = (
    TransposeForgotten,
    WeightGradientTransposed,
    WeightGradientAveraged,
    BiasOverWrongAxis,
    BiasAveraged,
    BiasForgotten,
    BiasNotAdded,
    GradientsOverwritten,
    CacheKept,
    WeightUpdated,
)
FORMS: dict[type, tuple] = {BiasOverWrongAxis: (BiasOverEverything,)}
MUTANTS = tuple(plant(Linear, wrong, _square, (4, 4), FORMS.get(wrong, ())) for wrong in WRONG)
SILENT = (plant(Linear, InputsByOutputs, _square, (4, 4)),)
