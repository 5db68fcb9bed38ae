"""Other definitions of the normalisation, which differ in what is taken away and in the variance."""

import numpy as np

from minires.mutants.batch_norm_terms import BatchNormSteps


class _OtherMoments(BatchNormSteps):
    def forward(self, x, train=False):
        if train:
            mean, var = self.moments(x)
            self._track(mean, var)
        else:
            var = self._expand(self.running_var.data)
        x_hat = (x - self.middle(x, train)) / (var + self.eps) ** 0.5
        y = self._expand(self.gamma.data) * x_hat + self._expand(self.beta.data)
        return y, (x_hat, (var + self.eps) ** -0.5, train)

    def middle(self, x, train):
        return self._mean(x) if train else self._expand(self.running_mean.data)


class MeanDeviation(_OtherMoments):
    """var = (a mean|x - mean|)^2."""

    without = ("HalfLost", "PowerOfTheDeviation", "VarianceTermSign", "UnbiasedVariance")

    def moments(self, x):
        mean = self._mean(x)
        return mean, (self.a * self._mean((x - mean) * np.sign((x - mean).real))) ** 2

    def variance_term(self, dx_hat, x_hat, inv_std):
        sign, deviation = np.sign(x_hat.real), (inv_std**-2 - self.eps) ** 0.5
        return self.a * deviation * inv_std * (sign - self._mean(sign)) * self._mean(dx_hat * x_hat)


class WithoutMean(_OtherMoments):
    """var = a mean(x^2), and no mean is taken away."""

    without = ("MeanTermMissing", "UnbiasedVariance")

    def moments(self, x):
        return self.running_mean.data, self.a * self._mean(x**2)

    def middle(self, x, train):
        return 0

    def mean_term(self, dx_hat):
        return 0 * dx_hat

    def variance_term(self, dx_hat, x_hat, inv_std):
        return self.a * super().variance_term(dx_hat, x_hat, inv_std)
