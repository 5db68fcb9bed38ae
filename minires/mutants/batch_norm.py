"""Mistakes in batch norm: gamma, the deviation, the gradients of gamma and beta."""

from ..layers import BatchNorm2d
from .base import plant
from .batch_norm_terms import BatchNormSteps, of_four


class GammaForgotten(BatchNormSteps):
    """y = gamma x_hat + beta, so dy passes through gamma on its way to x."""

    def dx_hat(self, dy):
        return dy


class GammaForgottenInTraining(BatchNormSteps):
    """In training alone."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        return super().dx_train(dx_hat / self._expand(self.gamma.data), x_hat, inv_std)


class GammaForgottenInEvaluation(BatchNormSteps):
    """In evaluation alone."""

    def dx_eval(self, dx_hat, x_hat, inv_std):
        return super().dx_eval(dx_hat / self._expand(self.gamma.data), x_hat, inv_std)


class InvStdMissing(BatchNormSteps):
    """x_hat is x - mean divided by the standard deviation, and so is dx: 1 / sqrt(var + eps) is missing."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        return super().dx_train(dx_hat, x_hat, inv_std) / inv_std


class InvStdMissingInBothModes(InvStdMissing):
    """In evaluation too."""

    def dx_eval(self, dx_hat, x_hat, inv_std):
        return dx_hat


class InvStdMissingInEvaluation(BatchNormSteps):
    """In evaluation alone."""

    dx_eval = InvStdMissingInBothModes.dx_eval


class TimesStd(BatchNormSteps):
    """dx is divided by the standard deviation, as x was in forward, not multiplied by it."""

    def dx_eval(self, dx_hat, x_hat, inv_std):
        return dx_hat / inv_std


class TimesStdInBothModes(TimesStd):
    """In training too."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        return super().dx_train(dx_hat, x_hat, inv_std) / inv_std**2


class TimesStdInTraining(BatchNormSteps):
    """In training alone."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        return super().dx_train(dx_hat, x_hat, inv_std) / inv_std**2


class EpsForgotten(BatchNormSteps):
    """Forward divides by sqrt(var + eps): a small eps, but without it dx is not the derivative of this forward."""

    def dx_train(self, dx_hat, x_hat, inv_std):
        return super().dx_train(dx_hat, x_hat, (1 / inv_std**2 - self.eps) ** -0.5)


class EpsForgottenInBothModes(EpsForgotten):
    """In evaluation too."""

    def dx_eval(self, dx_hat, x_hat, inv_std):
        return super().dx_eval(dx_hat, x_hat, (1 / inv_std**2 - self.eps) ** -0.5)


class EpsOutsideTheRoot(BatchNormSteps):
    """eps stands below the root: sqrt(var + eps), not sqrt(var) + eps."""

    def forward(self, x, train=False):
        _, cache = super().forward(x, train)
        return self.normalised(cache, lambda var: 1 / (var**0.5 + self.eps))


class RootForgotten(BatchNormSteps):
    """x is divided by the standard deviation, the root of the variance, so that it gets the variance 1."""

    def forward(self, x, train=False):
        _, cache = super().forward(x, train)
        return self.normalised(cache, lambda var: 1 / (var + self.eps))


class GammaGradientOfCentred(BatchNormSteps):
    """dgamma sums dy x_hat, and x_hat is the normalised input: x - mean is not yet divided by the deviation."""

    def dgamma(self, dy, x_hat, inv_std):
        return self._sum(dy * (x_hat / inv_std))


class GammaGradientOfInput(BatchNormSteps):
    """gamma multiplies x_hat, so dgamma sums dy x_hat: x itself was not multiplied by it."""

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        return y, (x, cache)

    def backward(self, dy, cache):
        x, cache = cache
        grad = self.gamma.grad.copy()
        dx = super().backward(dy, cache)
        self.gamma.grad[...] = grad + self._sum(dy * x)
        return dx


class GammaGradientAveraged(BatchNormSteps):
    """gamma multiplies every value of its channel, so dgamma is a sum over all of them, not a mean."""

    def dgamma(self, dy, x_hat, inv_std):
        return self._mean(dy * x_hat).reshape(-1)


class GammaGradientByImages(BatchNormSteps):
    """Divided by the images alone."""

    def dgamma(self, dy, x_hat, inv_std):
        return self._sum(dy * x_hat) / len(dy)


class BetaGradientAveraged(BatchNormSteps):
    """beta is added to every value of its channel, so dbeta is the sum of dy over all of them, not the mean."""

    def dbeta(self, dy):
        return self._mean(dy).reshape(-1)


class BetaGradientByImages(BatchNormSteps):
    """Divided by the images alone."""

    def dbeta(self, dy):
        return self._sum(dy) / len(dy)


class GradientsExchanged(BatchNormSteps):
    """dgamma and dbeta have one shape: it is dgamma that sums dy x_hat, and dbeta that sums dy."""

    def backward(self, dy, cache):
        grads = [p.grad.copy() for p in (self.gamma, self.beta)]
        dx = super().backward(dy, cache)
        dgamma, dbeta = self.gamma.grad - grads[0], self.beta.grad - grads[1]
        self.gamma.grad[...], self.beta.grad[...] = grads[0] + dbeta, grads[1] + dgamma
        return dx


MUTANTS = tuple(
    plant(BatchNorm2d, wrong, of_four, (3, 4, 5, 6), forms)
    for wrong, *forms in (
        (GammaForgotten, GammaForgottenInTraining, GammaForgottenInEvaluation),
        (InvStdMissing, InvStdMissingInBothModes, InvStdMissingInEvaluation),
        (TimesStd, TimesStdInBothModes, TimesStdInTraining),
        (EpsForgotten, EpsForgottenInBothModes),
        (EpsOutsideTheRoot,),
        (RootForgotten,),
        (GammaGradientOfCentred,),
        (GammaGradientOfInput,),
        (GammaGradientAveraged, GammaGradientByImages),
        (BetaGradientAveraged, BetaGradientByImages),
        (GradientsExchanged,),
    )
)
