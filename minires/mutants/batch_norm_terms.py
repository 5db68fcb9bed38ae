"""Mistakes in batch norm: the terms of the mean and of the variance."""

from ..layers import BatchNorm2d
from ..layers.checks import as_gradient
from .base import plant


class BatchNormSteps(BatchNorm2d):
    """The right backward, one method a step: each mutant below rewrites one of them."""

    def backward(self, dy, cache):
        x_hat, inv_std, train = cache
        dy = as_gradient(self, dy, x_hat.shape, like=x_hat)
        self.beta.grad += self.dbeta(dy)
        self.gamma.grad += self.dgamma(dy, x_hat, inv_std)
        dx_hat = self.dx_hat(dy)
        return self.dx_train(dx_hat, x_hat, inv_std) if train else self.dx_eval(dx_hat, x_hat, inv_std)

    def normalised(self, cache, deviation):
        """(y, cache) as they are with another factor 1 / sqrt(var + eps), a function of var."""
        x_hat, inv_std, train = cache
        other = deviation(1 / inv_std**2 - self.eps)
        x_hat = x_hat * (other / inv_std)
        return self._expand(self.gamma.data) * x_hat + self._expand(self.beta.data), (x_hat, other, train)

    def dbeta(self, dy):
        return self._sum(dy)

    def dgamma(self, dy, x_hat, inv_std):
        return self._sum(dy * x_hat)

    def dx_hat(self, dy):
        return dy * self._expand(self.gamma.data)

    def dx_train(self, dx_hat, x_hat, inv_std):
        return (dx_hat - self.mean_term(dx_hat) - self.variance_term(dx_hat, x_hat, inv_std)) * inv_std

    def mean_term(self, dx_hat):
        return self._mean(dx_hat)

    def variance_term(self, dx_hat, x_hat, inv_std):
        return x_hat * self._mean(dx_hat * x_hat)

    def dx_eval(self, dx_hat, x_hat, inv_std):
        return dx_hat * inv_std


class VarianceTermMissing(BatchNormSteps):
    """The variance depends on x too: its term is missing from dx."""

    def variance_term(self, dx_hat, x_hat, inv_std):
        return 0 * x_hat


class MeanTermMissing(BatchNormSteps):
    """The mean depends on x too: its term is missing from dx."""

    def mean_term(self, dx_hat):
        return 0 * dx_hat


class EvaluationFormulaInTraining(BatchNormSteps):
    """In training mean and variance come from the batch, so they are not constants: both of their terms are missing."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        return dx_hat * inv_std


class TrainingFormulaInEvaluation(BatchNormSteps):
    """In evaluation mean and variance are constants: their terms do not belong in dx."""

    def dx_eval(self, dx_hat, x_hat, inv_std):
        return self.dx_train(dx_hat, x_hat, inv_std)


class DividedByImages(BatchNormSteps):
    """A channel is averaged over m = N H W values, images and pixels: do not divide the sums by N alone."""

    def mean_term(self, dx_hat):
        return self._expand(self._sum(dx_hat) / len(dx_hat))

    def variance_term(self, dx_hat, x_hat, inv_std):
        return x_hat * self._expand(self._sum(dx_hat * x_hat) / len(x_hat))


class MeanTermDividedByImages(BatchNormSteps):
    """The term of the mean alone."""

    mean_term = DividedByImages.mean_term


class VarianceTermDividedByImages(BatchNormSteps):
    """The term of the variance alone."""

    variance_term = DividedByImages.variance_term


class NotDivided(BatchNormSteps):
    """The terms of mean and variance are means over the batch, not sums."""

    def mean_term(self, dx_hat):
        return self._expand(self._sum(dx_hat))

    def variance_term(self, dx_hat, x_hat, inv_std):
        return x_hat * self._expand(self._sum(dx_hat * x_hat))


class MeanTermNotDivided(BatchNormSteps):
    """The term of the mean alone."""

    mean_term = NotDivided.mean_term


class VarianceTermNotDivided(BatchNormSteps):
    """The term of the variance alone."""

    variance_term = NotDivided.variance_term


class UnbiasedVariance(BatchNormSteps):
    """Forward normalises with the biased variance, so its term is divided by m; m - 1 is for the running one only."""

    def variance_term(self, dx_hat, x_hat, inv_std):
        m = x_hat.size // self.channels
        return super().variance_term(dx_hat, x_hat, inv_std) * (m / (m - 1))


class UnbiasedVarianceInForward(BatchNormSteps):
    """Forward normalises with it."""

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        m = x.size // self.channels
        return self.normalised(cache, lambda var: (var * m / (m - 1) + self.eps) ** -0.5) if cache[-1] else (y, cache)


class MeanOfEachImage(BatchNormSteps):
    """The means run over the batch as well: a channel has one mean for all images, not one for each."""

    def mean_term(self, dx_hat):
        return dx_hat.mean(axis=(2, 3), keepdims=True)

    def variance_term(self, dx_hat, x_hat, inv_std):
        return x_hat * (dx_hat * x_hat).mean(axis=(2, 3), keepdims=True)


class MeanOverTheImagesAlone(BatchNormSteps):
    """The means run over the pixels as well: a channel has one mean, not one for each pixel (axis 0 alone)."""

    def mean_term(self, dx_hat):
        return dx_hat.mean(axis=0)

    def variance_term(self, dx_hat, x_hat, inv_std):
        return x_hat * (dx_hat * x_hat).mean(axis=0)


class HalfLost(BatchNormSteps):
    """The derivative of sqrt(var) is 1 / (2 sqrt(var)): without that 1/2 the term of the variance counts twice."""

    def variance_term(self, dx_hat, x_hat, inv_std):
        return 2 * super().variance_term(dx_hat, x_hat, inv_std)


class PowerOfTheDeviation(BatchNormSteps):
    """The derivative of var^(-1/2) is -1/2 var^(-3/2): the power goes down by one."""

    def variance_term(self, dx_hat, x_hat, inv_std):
        return super().variance_term(dx_hat, x_hat, inv_std) / inv_std**2


class PowerOfTheDeviationMinusOne(BatchNormSteps):
    """With var^(-1)."""

    def variance_term(self, dx_hat, x_hat, inv_std):
        return super().variance_term(dx_hat, x_hat, inv_std) / inv_std


class VarianceTermSign(BatchNormSteps):
    """1 / sqrt(var) falls as the variance grows: its term is taken away from dx, not added."""

    def variance_term(self, dx_hat, x_hat, inv_std):
        return -super().variance_term(dx_hat, x_hat, inv_std)


def of_four(cls, rng):
    return cls(4)


MUTANTS = tuple(
    plant(BatchNorm2d, wrong, of_four, (3, 4, 5, 6), forms)
    for wrong, *forms in (
        (VarianceTermMissing,),
        (MeanTermMissing,),
        (EvaluationFormulaInTraining,),
        (TrainingFormulaInEvaluation,),
        (DividedByImages, MeanTermDividedByImages, VarianceTermDividedByImages),
        (NotDivided, MeanTermNotDivided, VarianceTermNotDivided),
        (UnbiasedVariance, UnbiasedVarianceInForward),
        (MeanOfEachImage,),
        (MeanOverTheImagesAlone,),
        (HalfLost,),
        (PowerOfTheDeviation, PowerOfTheDeviationMinusOne),
        (VarianceTermSign,),
    )
)
