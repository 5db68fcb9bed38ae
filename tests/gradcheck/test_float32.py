"""Float32 gradients are held against float64 ones: rounding passes, a loss of precision does not."""

import numpy as np
import pytest

from minires.errors import GradientError
from minires.gradcheck import gradcheck
from minires.layers import BatchNorm2d, Linear, ReLU, Scale


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class HalfPrecision(Linear):
    def backward(self, dy, cache):
        if dy.dtype == np.float32:
            dy = dy.astype(np.float16).astype(np.float32)
        return super().backward(dy, cache)


class OnePassVariance(BatchNorm2d):
    """var = mean(x^2) - mean(x)^2 is the same in exact arithmetic; with a large mean it cancels to noise."""

    def forward(self, x, train=False):
        y, (x_hat, inv_std, train) = super().forward(x, train)
        if train:
            mean = self._mean(x)
            inv_std = 1 / np.sqrt(self._mean(x * x) - mean * mean + self.eps)
            x_hat = (x - mean) * inv_std
            y = self._expand(self.gamma.data) * x_hat + self._expand(self.beta.data)
        return y, (x_hat, inv_std, train)


class Widens(Scale):
    """Right but for its dtype: a NumPy float64 scalar makes the product float64."""

    def forward(self, x, train=False):
        return np.float64(self.factor) * x, x.shape


class WidensGradient(Scale):
    def backward(self, dy, cache):
        return np.float64(self.factor) * dy


def test_half_precision_is_refused():
    with pytest.raises(GradientError, match=r"HalfPrecision: the gradient of \w+ in float32 differs from float64 by"):
        gradcheck(HalfPrecision(6, 4, rng=0), draw(5, 6))
    gradcheck(HalfPrecision(6, 4, rng=0), draw(5, 6).astype(np.float64))  # there is nothing to see in float64


def test_variance_that_cancels_is_refused_and_two_passes_are_accepted():
    x = 100 + draw(4, 3, 5, 5)
    gradcheck(OnePassVariance(3), draw(4, 3, 5, 5))
    gradcheck(BatchNorm2d(3), x)
    with pytest.raises(GradientError, match="OnePassVariance: the gradient of .* subtract before you sum"):
        gradcheck(OnePassVariance(3), x)


def test_other_dtypes_are_refused():
    with pytest.raises(GradientError, match="Widens: the output is float64 for a float32 input"):
        gradcheck(Widens(0.3), draw(4, 5))
    with pytest.raises(GradientError, match="WidensGradient: the gradient of x is float64 for a float32 input"):
        gradcheck(WidensGradient(0.3), draw(4, 5))


def test_a_kink_that_rounding_crosses_is_no_mistake():
    class Threshold(ReLU):
        """y = max(x - 0.1, 0): float32(0.1) lies on the kink in float32, above it in float64."""

        def forward(self, x, train=False):
            return super().forward(x - 0.1, train)

    x = draw(4, 5)
    x[1, 2] = 0.1
    alive32, alive64 = (Threshold().forward(a)[1] for a in (x, x.astype(np.float64)))
    assert alive32[1, 2] != alive64[1, 2]
    gradcheck(Threshold(), x)
