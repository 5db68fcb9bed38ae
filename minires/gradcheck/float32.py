"""Float32 gradients compared with float64 ones."""

import copy

import numpy as np

from ..backend import device_of, to_device, to_numpy
from ..errors import GradientError
from .probe import rms

FACTOR = 8  # c in the bound c K u
UNIT_ROUNDOFF = 2.0**-24


def check_float32(layer, x, train, seed):
    """Raise unless each float32 gradient lies within c K u of the float64 one, K the length of the longest sum.

    Rounding may push a pre-activation across a kink, and then the two gradients differ rightly. That happens at one
    x and not at the next, so a failure counts only if it happens at three.
    """
    rng = np.random.default_rng(seed)
    for _ in range(3):
        error = _difference(layer, x, train, rng)
        if error is None:
            return
        x = x * to_device(rng.uniform(0.99, 1.01, x.shape).astype(np.float32), device_of(x))
    raise error


def _difference(layer, x, train, rng):
    dy = rng.standard_normal(np.shape(copy.deepcopy(layer).to(dtype=np.float32).forward(x, train)[0]))
    grads32, arrays, y = _gradients(layer, x, train, dy.astype(np.float32))
    grads64, _, _ = _gradients(layer, x.astype(np.float64), train, dy.astype(np.float32).astype(np.float64))
    longest = max(a.size // a.shape[min(1, a.ndim - 1)] for a in (*arrays.values(), y) if a.ndim)
    bound = FACTOR * longest * UNIT_ROUNDOFF
    for name, grad in grads32.items():
        scale = max(abs(grads64[name]).max(), rms(dy) * rms(y) / rms(arrays[name]))
        error = abs(grad - grads64[name]).max() / scale
        if grad.dtype != np.float32 or not error <= bound:
            return GradientError(
                f"the gradient of {name} in float32 (it is {grad.dtype}) differs from float64 by {error:.1e} of its "
                f"size, accepted {bound:.1e} ({FACTOR} K u, K = {longest}): "
                "stay in float32, and subtract before you sum",
                type(layer).__name__,
            )
    return None


def _gradients(layer, x, train, dy):
    twin = copy.deepcopy(layer).to(dtype=x.dtype)
    twin.zero_grads()
    y, cache = twin.forward(x, train)
    dx = twin.backward(to_device(dy, device_of(x)), cache)
    arrays = {"x": to_numpy(x), **{name: to_numpy(p.data) for name, p in twin.params()}}
    grads = {"x": to_numpy(dx), **{name: to_numpy(p.grad) for name, p in twin.params()}}
    return grads, arrays, to_numpy(y)
