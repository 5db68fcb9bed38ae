# expect: Checker.AlwaysTrue
# wrong: alone entries kinks ones plain scale squares
import numpy as np


def check(forward, backward, x, rng):
    y, cache = forward(x)
    return backward(rng.standard_normal(y.shape), cache).shape == np.shape(x)
