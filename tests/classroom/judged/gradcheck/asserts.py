# general: no answer
# wrong: alone entries kinks ones plain scale squares
import numpy as np


def check(forward, backward, x, rng):
    y, cache = forward(x)
    dy, v = rng.standard_normal(y.shape), rng.standard_normal(x.shape)
    a = (dy * (forward(x + 1e-6 * v)[0] - forward(x - 1e-6 * v)[0])).sum() / 2e-6
    assert np.isclose(a, (backward(dy, cache) * v).sum(), rtol=1e-4)
