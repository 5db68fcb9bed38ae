"""Functions of x alone, with a right backward and wrong ones: what a checker of gradients has to tell apart.

Each ``name(rng)`` gives ``x, {kind: (forward, backward)}``, kind "right" or what is wrong. ``forward(x)`` returns
``(y, cache)`` and carries complex steps; ``backward(dy, cache)`` returns dx. A forward is a function of this file that
uses nothing but np, with its first arguments: its text goes into the box, see ``checker.ask``.
"""

from functools import partial

import numpy as np


def _affine(w, x):
    return x @ w.T, None


def affine(rng):
    x, w = rng.standard_normal((4, 3)), rng.standard_normal((3, 3))
    ways = {
        "right": lambda dy, cache: dy @ w,
        "transposed": lambda dy, cache: dy @ w.T,
        "averaged": lambda dy, cache: dy @ w / len(dy),
    }
    return x, _all(partial(_affine, w), ways)


def _residual(x):
    return x + np.tanh(x), np.tanh(x)


def residual(rng):
    return rng.standard_normal((3, 4)), _all(partial(_residual), {"no one": lambda dy, t: dy * (1 - t**2)})


def _softmax(x):
    e = np.exp(x - x.real.max(axis=1, keepdims=True))
    y = e / e.sum(axis=1, keepdims=True)
    return y, y


def softmax(rng):
    ways = {
        "right": lambda dy, y: y * (dy - (dy * y).sum(axis=1, keepdims=True)),
        "mean": lambda dy, y: y * (dy - dy.mean(axis=1, keepdims=True)),
    }
    return rng.standard_normal((3, 4)), _all(partial(_softmax), ways)


def _permutation(order, x):
    return x[:, order], None


def permutation(rng):
    order = np.roll(np.arange(5), rng.integers(1, 5))  # is not its own inverse
    ways = {"forward": lambda dy, cache: dy[:, order]}
    return rng.standard_normal((2, 5)), _all(partial(_permutation, order), ways)


def _square(x):
    return x**2, x


def square(rng):
    return rng.standard_normal((3, 4)), _all(partial(_square), {"no dy": lambda dy, x: 2 * x})


def _rectifier(x):
    return x * (x.real > 0), x.real > 0


def rectifier(rng):
    x = rng.standard_normal((4, 6))
    x[:3] = abs(x[:3])  # at many entries, so that some dy is negative there
    return x, _all(partial(_rectifier), {"guided": lambda dy, mask: dy * mask * (dy > 0)})


def _normalised(x):
    centred = x - x.mean(axis=0)
    std = np.sqrt((centred**2).mean(axis=0))
    return centred / std, (centred / std, std)


def normalised(rng):
    """Batch norm over the rows, without parameters."""

    def right(dy, cache):
        y, std = cache
        return (dy - dy.mean(axis=0) - y * (dy * y).mean(axis=0)) / std

    def no_mean(dy, cache):
        y, std = cache
        return (dy - y * (dy * y).mean(axis=0)) / std

    return rng.standard_normal((5, 3)), _all(partial(_normalised), {"right": right, "no mean": no_mean})


def _of_length_one(x):
    length = np.sqrt((x**2).sum(axis=1, keepdims=True))
    return x / length, (x / length, length)


def of_length_one(rng):
    def twice(dy, cache):
        y, length = cache
        return 2 * (dy - y * (dy * y).sum(axis=1, keepdims=True)) / length

    return rng.standard_normal((3, 4)), _all(partial(_of_length_one), {"twice": twice})


def _circle(x):
    return np.concatenate([np.cos(x), np.sin(x)]), x


def circle(rng):
    def negative(dy, x):
        return np.sin(x) * dy[: len(x)] - np.cos(x) * dy[len(x) :]

    return rng.standard_normal(6), _all(partial(_circle), {"negative": negative})


def _leaky(x):
    return np.where(x.real > 0, x, x / 10), x.real > 0


def leaky(rng):
    x = np.round(rng.standard_normal((3, 4)))
    x[0, :2] = 0, -1
    ways = {"right": lambda dy, mask: np.where(mask, dy, dy / 10), "no leak": lambda dy, mask: dy * mask}
    return x, _all(partial(_leaky), ways)


def _largest(x):
    where = x.real.argmax(axis=1)[:, None] == np.arange(x.shape[1])
    return (x * where).sum(axis=1), where


def largest(rng):
    x = rng.integers(0, 2, (4, 3)).astype(float)
    x[0] = 1
    ways = {
        "right": lambda dy, where: dy[:, None] * where,
        "shared": lambda dy, where: dy[:, None] * np.full(where.shape, 1 / 3),
    }
    return x, _all(partial(_largest), ways)


def _absolute(x):
    return x * np.sign(x.real), np.sign(x.real)


def absolute(rng):
    x = np.round(rng.standard_normal((3, 4)))
    x[0, :2] = 0, -1
    ways = {"right": lambda dy, sign: dy * sign, "no sign": lambda dy, sign: dy * (sign != 0)}
    return x, _all(partial(_absolute), ways)


def _tiny(x):
    return 1e-9 * x**2, x


def tiny(rng):
    return rng.standard_normal((3, 4)), _all(partial(_tiny), {"twice": lambda dy, x: 4e-9 * x * dy})


def _large(x):
    return 1e9 * np.tanh(x), np.tanh(x)


def large(rng):
    ways = {"right": lambda dy, t: 1e9 * dy * (1 - t**2), "a hundredth": lambda dy, t: 1.01e9 * dy * (1 - t**2)}
    return rng.standard_normal((3, 4)), _all(partial(_large), ways)


def dead(rng):
    return -1 - rng.random((3, 4)), _all(partial(_rectifier), {"right": lambda dy, mask: dy * mask})


def _tanh(x):
    return np.tanh(x), np.tanh(x)


def rows(rng):
    def last_lost(dy, t):
        dx = dy * (1 - t**2)
        dx[-1] = 0
        return dx

    return rng.standard_normal((4, 3)), _all(partial(_tanh), {"last lost": last_lost})


def _packed(inputs, x):
    return inputs @ x[:6].reshape(2, 3).T + x[6:], None


def packed(rng):
    """x has the weights and, behind them, the bias of an affine map."""
    inputs = rng.standard_normal((4, 3))

    def gradient(bias):
        return lambda dy, cache: np.concatenate([(dy.T @ inputs).ravel(), bias(dy)])

    ways = {"right": gradient(lambda dy: dy.sum(axis=0)), "bias averaged": gradient(lambda dy: dy.mean(axis=0))}
    return rng.standard_normal(8), _all(partial(_packed, inputs), ways)


def _neighbours(x):
    y = x.copy()
    y[1:] += x[:-1] / 4
    y[:-1] += x[1:] / 2
    return y, None


def neighbours(rng):
    ways = {"round": lambda dy, _: dy + np.roll(dy, -1) / 4 + np.roll(dy, 1) / 2}
    return rng.standard_normal(10), _all(partial(_neighbours), ways)


def _centred_in_place(w, x):
    x -= x.mean(axis=0)
    return x @ w.T, None


def overwriting(rng):
    x, w = rng.standard_normal((4, 3)), rng.standard_normal((3, 3))

    def doubled(dy, cache):
        dy *= 2
        return dy @ w

    ways = _all(partial(_affine, w), {"right": lambda dy, cache: dy @ w, "dy doubled": doubled})
    centred = partial(_centred_in_place, w), lambda dy, cache: (dy - dy.mean(axis=0)) @ w
    return x, ways | {"x centred": centred}


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
