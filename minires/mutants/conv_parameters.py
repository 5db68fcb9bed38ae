"""Mistakes in convolution: the gradients of weight and bias."""

from ..layers import Conv2d
from .base import plant
from .conv import ConvSteps, plain


class WeightGradientTransposed(ConvSteps):
    """In dweight rows come before columns, KH then KW, as they do in weight."""

    def dweight(self, rows, x, out):
        return super().dweight(rows, x, out).swapaxes(-1, -2)


class WeightGradientFlipped(ConvSteps):
    """Only dx needs the flipped kernel: dweight correlates x with dy as it is."""

    def dweight(self, rows, x, out):
        return super().dweight(rows, x, out)[:, :, ::-1, ::-1]


class WeightGradientAveraged(ConvSteps):
    """The loss has divided by N already: dweight is a sum over images and pixels, not a mean."""

    def dweight(self, rows, x, out):
        return super().dweight(rows, x, out) / len(x)


class WeightGradientAveragedOverPixels(ConvSteps):
    """Over images and pixels."""

    def dweight(self, rows, x, out):
        return super().dweight(rows, x, out) / rows.shape[1]


class BiasOverWrongAxes(ConvSteps):
    """A bias belongs to a channel: dbias sums over the images, rows and columns (axes 0, 2, 3)."""

    def dbias(self, dy):
        return dy.sum(axis=(0, 1, 2))


class BiasAveragedOverPixels(ConvSteps):
    """The bias is added at every pixel of every image, so dbias is the sum of dy over all of them, not a mean."""

    def dbias(self, dy):
        return dy.mean(axis=(2, 3)).sum(axis=0)


class BiasAveragedOverImages(ConvSteps):
    """Over the images alone."""

    def dbias(self, dy):
        return dy.mean(axis=0).sum(axis=(1, 2))


class BiasAveragedOverBoth(ConvSteps):
    """Over images and pixels."""

    def dbias(self, dy):
        return dy.mean(axis=(0, 2, 3))


def _wide(cls, rng):
    """As many output channels as columns, so that a sum over the wrong axes fits."""
    return cls(4, 6, 3, padding=1, bias=True, rng=rng)


ROWS = (
    (WeightGradientTransposed, plain),
    (WeightGradientFlipped, plain),
    (WeightGradientAveraged, plain, WeightGradientAveragedOverPixels),
    (BiasOverWrongAxes, _wide),
    (BiasAveragedOverPixels, plain, BiasAveragedOverImages, BiasAveragedOverBoth),
)
MUTANTS = tuple(plant(Conv2d, wrong, build, (3, 4, 5, 6), forms) for wrong, build, *forms in ROWS)
