"""Mistakes in losses, each inside an :class:`~minires.losses.Objective`."""

import numpy as np

from ..backend import xp_of
from ..losses import MeanSquaredError, Objective, SoftmaxCrossEntropy
from ..ops import log_softmax, one_hot
from .base import plant


class DividedTwice(SoftmaxCrossEntropy):
    """The mean over the batch is in dlogits already: divided by N once more, the step depends on the batch size."""

    def backward(self, cache):
        _, t, _ = cache
        return super().backward(cache) / len(t)


class NotDivided(SoftmaxCrossEntropy):
    """The loss is a mean over the batch, so dlogits is divided by N."""

    def backward(self, cache):
        log_p, t, _ = cache
        return super().backward((log_p, t, 1))


class TargetsForgotten(SoftmaxCrossEntropy):
    """dlogits is p - q: the probabilities alone would push every logit down, that of the right class too."""

    def backward(self, cache):
        _, t, total = cache
        return super().backward(cache) + t / total


class LogProbabilities(SoftmaxCrossEntropy):
    """dlogits is p - q with the probabilities p, not with their logarithms."""

    def backward(self, cache):
        log_p, t, total = cache
        return (log_p * t.sum(axis=1, keepdims=True) - t) / total


class LogOfProbabilities(SoftmaxCrossEntropy):
    """Of those that have become 0, minus infinity."""

    def backward(self, cache):
        log_p, t, total = cache
        xp = xp_of(log_p)
        return (xp.log(xp.exp(log_p)) * t.sum(axis=1, keepdims=True) - t) / total


class SmoothingIgnored(SoftmaxCrossEntropy):
    """With label smoothing the targets of the loss are q, and so are those of its gradient, not the hard labels."""

    def backward(self, cache):
        log_p, t, total = cache
        e = self.label_smoothing
        return super().backward((log_p, (t - e / t.shape[1]) / (1 - e), total))


class WeightOnTheTargetAlone(SoftmaxCrossEntropy):
    """A weight multiplies the loss of its row, so p - q as a whole, not q alone."""

    def backward(self, cache):
        log_p, t, total = cache
        counts = t.sum(axis=1, keepdims=True) > 0
        return (xp_of(log_p).exp(log_p) * counts - t) / total


class DividedByAllRows(SoftmaxCrossEntropy):
    """A weighted mean is divided by the sum of the weights of the rows that count, not by their number."""

    def backward(self, cache):
        log_p, t, _ = cache
        return super().backward((log_p, t, len(t)))


class IgnoredRowsPush(SoftmaxCrossEntropy):
    """A row that is left out of the loss has no gradient; p - q with q = 0 would push all of its logits down."""

    def backward(self, cache):
        log_p, t, total = cache
        row = t.sum(axis=1, keepdims=True)
        return (xp_of(log_p).exp(log_p) * xp_of(log_p).where(row > 0, row, 1) - t) / total


class LikeliestClassAlone(SoftmaxCrossEntropy):
    """Targets that are a mixture of classes pull towards each of them, not only towards the largest."""

    def backward(self, cache):
        log_p, t, total = cache
        row = t.sum(axis=1, keepdims=True)
        return super().backward((log_p, row * one_hot(t.argmax(axis=1), t.shape[1], t.dtype), total))


class TargetsMinusProbabilities(SoftmaxCrossEntropy):
    """dlogits is p - q: q - p points to a larger loss when it is subtracted."""

    def backward(self, cache):
        return -super().backward(cache)


class OtherClassesForgotten(SoftmaxCrossEntropy):
    """The softmax ties the logits of a row together: those of the wrong classes get p, not 0."""

    def backward(self, cache):
        _, t, _ = cache
        return super().backward(cache) * (t > 0)


class SoftmaxForgotten(SoftmaxCrossEntropy):
    """-q / p is the gradient of the probabilities: the derivative of the softmax follows, and p - q is what remains."""

    def backward(self, cache):
        log_p, t, total = cache
        return -t / xp_of(log_p).exp(log_p) / total


class SoftmaxOverTheBatch(SoftmaxCrossEntropy):
    """The probabilities of one example add up to 1: softmax runs along its classes (axis 1), not over the batch."""

    def forward(self, logits, labels):
        _, (_, t, total) = super().forward(logits, labels)
        log_p = log_softmax(logits.T).T
        return -(t * log_p).sum() / total, (log_p, t, total)


class Summed(SoftmaxCrossEntropy):
    """The loss is a mean over the batch, so that its size does not depend on the number of examples."""

    def forward(self, logits, labels):
        loss, (log_p, t, total) = super().forward(logits, labels)
        return loss * total, (log_p, t, 1)


class Unstable(SoftmaxCrossEntropy):
    """exp of a large logit is infinite: subtract the largest of each row first, which changes no probability."""

    def forward(self, logits, labels):
        _, (_, t, total) = super().forward(logits, labels)
        xp = xp_of(logits)
        log_p = xp.log(xp.exp(logits) / xp.exp(logits).sum(axis=1, keepdims=True))
        return -(t * log_p).sum() / total, (log_p, t, total)


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


def _weighted(cls, rng):
    return Objective(cls(weight=[1, 2, 0.5, 3, 1], ignore_index=-1), np.array([3, -1, 0, 1]))


def _labels(cls, rng):
    return Objective(cls(), rng.integers(0, 5, 4))


def _mixture(cls, rng):
    return Objective(cls(), rng.dirichlet(np.ones(5), 4))


def _squared_error(cls, rng):
    return Objective(cls(), rng.standard_normal((4, 5)))


CROSS_ENTROPY = (DividedTwice, NotDivided, TargetsForgotten, LogProbabilities, SmoothingIgnored)
FORMS: dict[type, tuple] = {LogProbabilities: (LogOfProbabilities,)}
HARD = (TargetsMinusProbabilities, OtherClassesForgotten, SoftmaxForgotten, SoftmaxOverTheBatch)
WEIGHTED = (WeightOnTheTargetAlone, DividedByAllRows, IgnoredRowsPush)
SQUARED_ERROR = (FactorTwoForgotten, SignExchanged, DividedByImages)
MUTANTS = (
    *(plant(SoftmaxCrossEntropy, wrong, _cross_entropy, (4, 5), FORMS.get(wrong, ())) for wrong in CROSS_ENTROPY),
    *(plant(SoftmaxCrossEntropy, wrong, _labels, (4, 5)) for wrong in HARD),
    *(plant(SoftmaxCrossEntropy, wrong, _weighted, (4, 5)) for wrong in WEIGHTED),
    plant(SoftmaxCrossEntropy, LikeliestClassAlone, _mixture, (4, 5)),
    *(plant(MeanSquaredError, wrong, _squared_error, (4, 5)) for wrong in SQUARED_ERROR),
)
SILENT = tuple(plant(SoftmaxCrossEntropy, wrong, _labels, (4, 5)) for wrong in (Summed, Unstable))
