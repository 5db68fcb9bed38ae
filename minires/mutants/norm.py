"""Mistakes in normalisation."""

from ..layers import BatchNorm2d, GroupNorm, LayerNorm
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

    def dbeta(self, dy):
        return self._sum(dy)

    def dgamma(self, dy, x_hat, inv_std):
        return self._sum(dy * x_hat)

    def dx_hat(self, dy):
        return dy * self._expand(self.gamma.data)

    def dx_train(self, dx_hat, x_hat, inv_std):
        return (dx_hat - self._mean(dx_hat) - x_hat * self._mean(dx_hat * x_hat)) * inv_std

    def dx_eval(self, dx_hat, x_hat, inv_std):
        return dx_hat * inv_std


class VarianceTermMissing(BatchNormSteps):
    """The variance depends on x too: its term is missing from dx."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        return (dx_hat - self._mean(dx_hat)) * inv_std


class MeanTermMissing(BatchNormSteps):
    """The mean depends on x too: its term is missing from dx."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        return (dx_hat - x_hat * self._mean(dx_hat * x_hat)) * inv_std


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

    def dx_train(self, dx_hat, x_hat, inv_std):
        n = len(x_hat)
        terms = self._sum(dx_hat) / n, self._sum(dx_hat * x_hat) / n
        return (dx_hat - self._expand(terms[0]) - x_hat * self._expand(terms[1])) * inv_std


class NotDivided(BatchNormSteps):
    """The terms of mean and variance are means over the batch, not sums."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        terms = self._sum(dx_hat), self._sum(dx_hat * x_hat)
        return (dx_hat - self._expand(terms[0]) - x_hat * self._expand(terms[1])) * inv_std


class UnbiasedVariance(BatchNormSteps):
    """Forward normalises with the biased variance, so its term is divided by m; m - 1 is for the running one only."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        m = x_hat.size // self.channels
        return (dx_hat - self._mean(dx_hat) - x_hat * self._mean(dx_hat * x_hat) * (m / (m - 1))) * inv_std


class MeanOfEachImage(BatchNormSteps):
    """The means run over the batch as well: a channel has one mean for all images, not one for each."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        first, second = (a.mean(axis=(2, 3), keepdims=True) for a in (dx_hat, dx_hat * x_hat))
        return (dx_hat - first - x_hat * second) * inv_std


class GammaForgotten(BatchNormSteps):
    """y = gamma x_hat + beta, so dy passes through gamma on its way to x."""

    def dx_hat(self, dy):
        return dy


class InvStdMissing(BatchNormSteps):
    """x_hat is x - mean divided by the standard deviation, and so is dx: 1 / sqrt(var + eps) is missing."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        return dx_hat - self._mean(dx_hat) - x_hat * self._mean(dx_hat * x_hat)


class TimesStd(BatchNormSteps):
    """dx is divided by the standard deviation, as x was in forward, not multiplied by it."""

    def dx_eval(self, dx_hat, x_hat, inv_std):
        return dx_hat / inv_std


class EpsForgotten(BatchNormSteps):
    """Forward divides by sqrt(var + eps): a small eps, but without it dx is not the derivative of this forward."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        return super().dx_train(dx_hat, x_hat, (1 / inv_std**2 - self.eps) ** -0.5)


class GammaGradientOfCentred(BatchNormSteps):
    """dgamma sums dy x_hat, and x_hat is the normalised input: x - mean is not yet divided by the deviation."""

    def dgamma(self, dy, x_hat, inv_std):
        return self._sum(dy * (x_hat / inv_std))


class BetaGradientAveraged(BatchNormSteps):
    """beta is added to every value of its channel, so dbeta is the sum of dy over all of them, not the mean."""

    def dbeta(self, dy):
        return self._mean(dy).reshape(-1)


class RunningVarianceInBackward(BatchNorm2d):
    """The running variance may move between forward and backward: keep the inv_std that forward used in the cache."""

    def backward(self, dy, cache):
        x_hat, inv_std, train = cache
        if not train:
            inv_std = 1 / (self._expand(self.running_var.data) + self.eps) ** 0.5
        return super().backward(dy, (x_hat, inv_std, train))


class RunningUpdatedInEvaluation(BatchNorm2d):
    """Evaluation reads the running statistics and must not move them, or a result depends on what was tested before."""

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        if not train:
            self._track(self._mean(x), self._mean((x - self._mean(x)) ** 2))
        return y, cache


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


BATCH_NORM = (
    VarianceTermMissing,
    MeanTermMissing,
    EvaluationFormulaInTraining,
    TrainingFormulaInEvaluation,
    DividedByImages,
    NotDivided,
    UnbiasedVariance,
    MeanOfEachImage,
    GammaForgotten,
    InvStdMissing,
    TimesStd,
    EpsForgotten,
    GammaGradientOfCentred,
    BetaGradientAveraged,
    RunningVarianceInBackward,
    RunningUpdatedInEvaluation,
)
GROUP_NORM = (GammaOutsideTheMean, MeanOverTheBatch)
LAYER_NORM = (LayerVarianceForgotten, LayerMeanOverTheBatch, LayerGammaOfOneSample)

MUTANTS = (
    *(plant(BatchNorm2d, wrong, lambda cls, rng: cls(4), (3, 4, 5, 6)) for wrong in BATCH_NORM),
    *(plant(GroupNorm, wrong, lambda cls, rng: cls(2, 4), (3, 4, 5, 6)) for wrong in GROUP_NORM),
    *(plant(LayerNorm, wrong, lambda cls, rng: cls((4, 5, 6)), (3, 4, 5, 6)) for wrong in LAYER_NORM),
)
