"""Mistakes in losses, each inside an :class:`~minires.losses.Objective`."""

from ..losses import MeanSquaredError, Objective, SoftmaxCrossEntropy
from .base import plant


class DividedTwice(SoftmaxCrossEntropy):
    """The mean over the batch is in dlogits already: divided by N once more, the step depends on the batch size."""

    def backward(self, cache):
        _, q = cache
        return super().backward(cache) / len(q)


class NotDivided(SoftmaxCrossEntropy):
    """The loss is a mean over the batch, so dlogits is divided by N."""

    def backward(self, cache):
        _, q = cache
        return super().backward(cache) * len(q)


class TargetsForgotten(SoftmaxCrossEntropy):
    """dlogits is p - q: the probabilities alone would push every logit down, that of the right class too."""

    def backward(self, cache):
        log_p, q = cache
        return super().backward(cache) + q / len(q)


class LogProbabilities(SoftmaxCrossEntropy):
    """dlogits is p - q with the probabilities p, not with their logarithms."""

    def backward(self, cache):
        log_p, q = cache
        return (log_p - q) / len(q)


class SmoothingIgnored(SoftmaxCrossEntropy):
    """With label smoothing the targets of the loss are q, and so are those of its gradient, not the hard labels."""

    def backward(self, cache):
        log_p, q = cache
        e = self.label_smoothing
        return super().backward((log_p, (q - e / q.shape[1]) / (1 - e)))


class FactorTwoForgotten(MeanSquaredError):
    """The derivative of a square is 2 (outputs - targets): the 2 is missing."""

    def backward(self, cache):
        return super().backward(cache) / 2


class SignExchanged(MeanSquaredError):
    """The loss grows with outputs - targets: the gradient points from the targets to the outputs."""

    def backward(self, cache):
        return -super().backward(cache)


class DividedByImages(MeanSquaredError):
    """The mean runs over all entries, so divide by N K, not by N alone."""

    def backward(self, cache):
        difference = cache
        return 2 * difference / len(difference)


def _cross_entropy(cls, rng):
    return Objective(cls(0.1), rng.integers(0, 5, 4))


def _squared_error(cls, rng):
    return Objective(cls(), rng.standard_normal((4, 5)))


CROSS_ENTROPY = (DividedTwice, NotDivided, TargetsForgotten, LogProbabilities, SmoothingIgnored)
SQUARED_ERROR = (FactorTwoForgotten, SignExchanged, DividedByImages)
MUTANTS = (
    *(plant(SoftmaxCrossEntropy, wrong, _cross_entropy, (4, 5)) for wrong in CROSS_ENTROPY),
    *(plant(MeanSquaredError, wrong, _squared_error, (4, 5)) for wrong in SQUARED_ERROR),
)
