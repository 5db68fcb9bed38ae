"""A backward is right if it predicts how the output changes, whatever is asked of it."""

import numpy as np


def check(forward, backward, x, rng):
    """Whether backward is the derivative of forward

    forward(x) returns (y, cache), backward(dy, cache) returns dx   rng: a numpy Generator   returns True or False
    """
    # a wrong derivative is wrong nearly everywhere, a kink is at one place
    return any(holds(forward, backward, x + 0.01 * rng.standard_normal(x.shape), rng) for _ in range(3))


def holds(forward, backward, point, rng):
    """Whether three random directions of y agree with what is measured along three of x."""
    for _ in range(3):
        given = point.copy()
        y, cache = forward(given)
        dy = rng.standard_normal(y.shape)
        upstream = dy.copy()
        dx = backward(upstream, cache)
        if not (np.array_equal(given, point) and np.array_equal(upstream, dy) and dx.shape == point.shape):
            return False
        step = 1e-5 * rng.standard_normal(point.shape)
        measured = (dy * (forward(point + step)[0] - forward(point - step)[0])).sum() / 2
        predicted = (dx * step).sum()
        if not abs(measured - predicted) <= 1e-4 * (abs(measured) + abs(predicted)):
            return False
    return True
