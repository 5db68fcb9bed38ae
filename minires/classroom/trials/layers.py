"""Functions of x alone, with a right backward and wrong ones: what a checker of gradients has to tell apart.

Each ``name(rng)`` gives ``x, {kind: (forward, backward)}``, kind "right" or what is wrong. ``forward(x)`` returns
``(y, cache)`` and carries complex steps; ``backward(dy, cache)`` returns dx.
"""

import numpy as np


def affine(rng):
    x, w = rng.standard_normal((4, 3)), rng.standard_normal((3, 3))
    ways = {
        "right": lambda dy, cache: dy @ w,
        "transposed": lambda dy, cache: dy @ w.T,
        "averaged": lambda dy, cache: dy @ w / len(dy),
    }
    return x, _all(lambda x: (x @ w.T, None), ways)


def residual(rng):
    x = rng.standard_normal((3, 4))
    return x, _all(lambda x: (x + np.tanh(x), np.tanh(x)), {"no one": lambda dy, t: dy * (1 - t**2)})


def softmax(rng):
    def forward(x):
        e = np.exp(x - x.real.max(axis=1, keepdims=True))
        y = e / e.sum(axis=1, keepdims=True)
        return y, y

    ways = {
        "right": lambda dy, y: y * (dy - (dy * y).sum(axis=1, keepdims=True)),
        "mean": lambda dy, y: y * (dy - dy.mean(axis=1, keepdims=True)),
    }
    return rng.standard_normal((3, 4)), _all(forward, ways)


def permutation(rng):
    order = np.roll(np.arange(5), rng.integers(1, 5))  # is not its own inverse
    return rng.standard_normal((2, 5)), _all(lambda x: (x[:, order], None), {"forward": lambda dy, cache: dy[:, order]})


def square(rng):
    return rng.standard_normal((3, 4)), _all(lambda x: (x**2, x), {"no dy": lambda dy, x: 2 * x})


def rectifier(rng):
    forward = lambda x: (x * (x.real > 0), x.real > 0)  # noqa: E731
    x = rng.standard_normal((4, 6))
    x[:3] = abs(x[:3])  # at many entries, so that some dy is negative there
    return x, _all(forward, {"guided": lambda dy, mask: dy * mask * (dy > 0)})


def normalised(rng):
    """Batch norm over the rows, without parameters."""

    def forward(x):
        centred = x - x.mean(axis=0)
        std = np.sqrt((centred**2).mean(axis=0))
        return centred / std, (centred / std, std)

    def right(dy, cache):
        y, std = cache
        return (dy - dy.mean(axis=0) - y * (dy * y).mean(axis=0)) / std

    def no_mean(dy, cache):
        y, std = cache
        return (dy - y * (dy * y).mean(axis=0)) / std

    return rng.standard_normal((5, 3)), _all(forward, {"right": right, "no mean": no_mean})


def of_length_one(rng):
    def forward(x):
        length = np.sqrt((x**2).sum(axis=1, keepdims=True))
        return x / length, (x / length, length)

    def twice(dy, cache):
        y, length = cache
        return 2 * (dy - y * (dy * y).sum(axis=1, keepdims=True)) / length

    return rng.standard_normal((3, 4)), _all(forward, {"twice": twice})


def circle(rng):
    def forward(x):
        return np.concatenate([np.cos(x), np.sin(x)]), x

    def negative(dy, x):
        return np.sin(x) * dy[: len(x)] - np.cos(x) * dy[len(x) :]

    return rng.standard_normal(6), _all(forward, {"negative": negative})


def leaky(rng):
    x = np.round(rng.standard_normal((3, 4)))
    x[0, :2] = 0, -1
    ways = {"right": lambda dy, mask: np.where(mask, dy, dy / 10), "no leak": lambda dy, mask: dy * mask}
    return x, _all(lambda x: (np.where(x.real > 0, x, x / 10), x.real > 0), ways)


def largest(rng):
    x = rng.integers(0, 2, (4, 3)).astype(float)
    x[0] = 1

    def forward(x):
        where = x.real.argmax(axis=1)[:, None] == np.arange(x.shape[1])
        return (x * where).sum(axis=1), where

    ways = {
        "right": lambda dy, where: dy[:, None] * where,
        "shared": lambda dy, where: dy[:, None] * np.full(where.shape, 1 / 3),
    }
    return x, _all(forward, ways)


def absolute(rng):
    x = np.round(rng.standard_normal((3, 4)))
    x[0, :2] = 0, -1
    ways = {"right": lambda dy, sign: dy * sign, "no sign": lambda dy, sign: dy * (sign != 0)}
    return x, _all(lambda x: (x * np.sign(x.real), np.sign(x.real)), ways)


def tiny(rng):
    return rng.standard_normal((3, 4)), _all(lambda x: (1e-9 * x**2, x), {"twice": lambda dy, x: 4e-9 * x * dy})


def large(rng):
    ways = {"right": lambda dy, t: 1e9 * dy * (1 - t**2), "a hundredth": lambda dy, t: 1.01e9 * dy * (1 - t**2)}
    return rng.standard_normal((3, 4)), _all(lambda x: (1e9 * np.tanh(x), np.tanh(x)), ways)


def dead(rng):
    x = -1 - rng.random((3, 4))
    return x, _all(lambda x: (x * (x.real > 0), x.real > 0), {"right": lambda dy, mask: dy * mask})


def rows(rng):
    def last_lost(dy, t):
        dx = dy * (1 - t**2)
        dx[-1] = 0
        return dx

    return rng.standard_normal((4, 3)), _all(lambda x: (np.tanh(x), np.tanh(x)), {"last lost": last_lost})


def packed(rng):
    """x has the weights and, behind them, the bias of an affine map."""
    inputs = rng.standard_normal((4, 3))

    def gradient(bias):
        return lambda dy, cache: np.concatenate([(dy.T @ inputs).ravel(), bias(dy)])

    ways = {"right": gradient(lambda dy: dy.sum(axis=0)), "bias averaged": gradient(lambda dy: dy.mean(axis=0))}
    return rng.standard_normal(8), _all(lambda x: (inputs @ x[:6].reshape(2, 3).T + x[6:], None), ways)


def neighbours(rng):
    def forward(x):
        y = x.copy()
        y[1:] += x[:-1] / 4
        y[:-1] += x[1:] / 2
        return y, None

    return rng.standard_normal(10), _all(
        forward, {"round": lambda dy, _: dy + np.roll(dy, -1) / 4 + np.roll(dy, 1) / 2}
    )


def overwriting(rng):
    x, w = rng.standard_normal((4, 3)), rng.standard_normal((3, 3))

    def forward(x):
        return x @ w.T, None

    def centred(x):
        x -= x.mean(axis=0)
        return forward(x)

    def doubled(dy, cache):
        dy *= 2
        return dy @ w

    def right(dy, cache):
        return dy @ w

    ways = {"right": (forward, right), "dy doubled": (forward, doubled)}
    return x, ways | {"x centred": (centred, lambda dy, cache: (dy - dy.mean(axis=0)) @ w)}


GROUPS = {
    "plain": (affine, residual),
    "ones": (softmax, permutation, square, rectifier),
    "squares": (normalised, of_length_one, circle),
    "kinks": (leaky, largest, absolute),
    "scale": (tiny, large, dead),
    "entries": (rows, packed, neighbours),
    "alone": (overwriting,),
}


def _all(forward, ways):
    return {kind: (forward, backward) for kind, backward in ways.items()}
