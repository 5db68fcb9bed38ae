"""Float32 gradients compared with float64 ones."""

import copy

import numpy as np

from ..backend import device_of, to_device, to_numpy
from ..errors import GradientError
from .probe import rms, stream

FACTOR = 8  # c in the bound c K u
UNIT_ROUNDOFF = 2.0**-24


def check_float32(layer, x, train, seed):
    """Raise unless each float32 gradient lies within c K u of the float64 one, K the length of the longest sum.

    Rounding may push a pre-activation across a kink, and then the two gradients differ rightly. That happens at one
    x and not at the next, so a failure counts only if it happens at three.
    """
    rng = stream(seed, "float32")
    for _ in range(3):
        error = _difference(layer, x, train, rng)
        if error is None:
            return
        x = x * to_device(rng.uniform(0.99, 1.01, x.shape).astype(np.float32), device_of(x))
    raise error


def _difference(layer, x, train, rng):
    """The error of the first float32 gradient that is too far from the float64 one, or None."""
    kind = type(layer).__name__
    dy = rng.standard_normal(copy.deepcopy(layer).to(dtype=np.float32).forward(x, train)[0].shape)
    grads32, _, y32 = _gradients(layer, x, train, dy.astype(np.float32))
    grads64, arrays, y = _gradients(layer, x.astype(np.float64), train, dy.astype(np.float32).astype(np.float64))
    for what, found in {"the output": y32, **{f"the gradient of {name}": g for name, g in grads32.items()}}.items():
        if found.dtype != np.float32:
            return GradientError(f"{what} is {found.dtype} for a float32 input: stay in the dtype of x", kind)
    longest = max(a.size // a.shape[min(1, a.ndim - 1)] for a in (*arrays.values(), y) if a.ndim)
    bound = FACTOR * longest * UNIT_ROUNDOFF
    for name, grad in grads32.items():
        scale = max(abs(grads64[name]).max(), rms(dy) * rms(y) / rms(arrays[name]))
        error = abs(grad - grads64[name]).max() / scale
        if not error <= bound:
            return GradientError(
                f"the gradient of {name} in float32 differs from float64 by {error:.1e} of its size, "
                f"accepted {bound:.1e} ({FACTOR} K u, K = {longest}): subtract before you sum, never in float16",
                kind,
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
