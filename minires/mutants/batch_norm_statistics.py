"""Mistakes in batch norm: the statistics of the batch and the running ones."""

from ..layers import BatchNorm2d
from .base import plant
from .batch_norm_terms import BatchNormSteps, UnbiasedVarianceInForward, of_four


class RunningVarianceInBackward(BatchNorm2d):
    """The running variance may move between forward and backward: keep the inv_std that forward used in the cache."""

    def backward(self, dy, cache):
        x_hat, inv_std, train = cache
        if not train:
            inv_std = 1 / (self._expand(self.running_var.data) + self.eps) ** 0.5
        return super().backward(dy, (x_hat, inv_std, train))


class RunningStatisticsInBackward(BatchNorm2d):
    """The mean is read again, too: x_hat is made anew."""

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        return y, (x, cache)

    def backward(self, dy, cache):
        x, (x_hat, inv_std, train) = cache
        if not train:
            inv_std = 1 / (self._expand(self.running_var.data) + self.eps) ** 0.5
            x_hat = (x - self._expand(self.running_mean.data)) * inv_std
        return super().backward(dy, (x_hat, inv_std, train))


class RunningUpdatedInEvaluation(BatchNorm2d):
    """Evaluation reads the running statistics and must not move them, or a result depends on what was tested before."""

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        if not train:
            self._track(self._mean(x), self._mean((x - self._mean(x)) ** 2))
        return y, cache


class RunningUpdatedInEvaluationUnbiased(BatchNorm2d):
    """By the unbiased variance."""

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        if not train:
            m = x.size // self.channels
            self._track(self._mean(x), self._mean((x - self._mean(x)) ** 2) * (m / (m - 1)))
        return y, cache


class AlwaysEvaluates(BatchNorm2d):
    """Training normalises by mean and variance of the batch, and moves the running ones: those are for evaluation."""

    def forward(self, x, train=False):
        return super().forward(x, False)


class MomentumReversed(BatchNorm2d):
    """momentum weighs the batch, not what was there: running <- (1 - momentum) running + momentum batch."""

    def _track(self, mean, unbiased_var):
        for running, batch in ((self.running_mean, mean), (self.running_var, unbiased_var)):
            running.data = self.momentum * running.data + (1 - self.momentum) * batch.real.reshape(-1)


class RunningVarianceBiased(BatchNorm2d):
    """The running variance estimates that of all images: it is the unbiased one that is tracked, var m / (m - 1)."""

    def forward(self, x, train=False):
        start = self.running_mean.data, self.running_var.data
        y, cache = super().forward(x, train)
        if train:
            moved = self.running_mean.data, self.running_var.data
            self.running_mean.data, self.running_var.data = start[0], 0 * start[1]
            super().forward(x, train)
            share = self.running_var.data  # that of the batch
            self.running_mean.data, self.running_var.data = moved[0], moved[1] - share / (x.size // self.channels)
        return y, cache


class BatchStatisticsInEvaluation(BatchNormSteps):
    """Evaluation normalises by the running statistics: by those of the batch, an image depends on the others in it."""

    def forward(self, x, train=False):
        start = self.running_mean.data, self.running_var.data
        y, cache = super().forward(x, True)
        if not train:
            self.running_mean.data, self.running_var.data = start
        return y, cache


class TrainsInEvaluation(BatchNorm2d):
    """The mode matters: evaluation uses the running statistics as they are, and forward takes ``train`` to know it."""

    def forward(self, x, train=False):
        return super().forward(x, True)


class EpsNotAdded(BatchNormSteps):
    """eps keeps the divisor from 0 where all values of a channel are equal: forward divides by sqrt(var + eps)."""

    def forward(self, x, train=False):
        _, cache = super().forward(x, train)
        return self.normalised(cache, lambda var: var**-0.5)


class NormalisedByUnbiasedVariance(UnbiasedVarianceInForward):
    """The batch is normalised by its own, biased variance, the mean of (x - mean)^2: m - 1 is for the running one."""

    def variance_term(self, dx_hat, x_hat, inv_std):
        m = x_hat.size // self.channels
        return super().variance_term(dx_hat, x_hat, inv_std) * (m / (m - 1))


MUTANTS = tuple(
    plant(BatchNorm2d, wrong, of_four, (3, 4, 5, 6), forms)
    for wrong, *forms in (
        (RunningVarianceInBackward, RunningStatisticsInBackward),
        (RunningUpdatedInEvaluation, RunningUpdatedInEvaluationUnbiased),
        (TrainsInEvaluation,),
    )
)
SILENT = tuple(
    plant(BatchNorm2d, wrong, of_four, (3, 4, 5, 6))
    for wrong in (
        AlwaysEvaluates,
        BatchStatisticsInEvaluation,
        EpsNotAdded,
        MomentumReversed,
        NormalisedByUnbiasedVariance,
        RunningVarianceBiased,
    )
)
