"""What lists of calls hold beside functions of NumPy; a helper process has no other part of minires."""

import numpy as np

FAR = 32  # mean^2 / variance of a channel up to which sum y^2 is subtracted from: 5 of 24 bits are lost at most


def centre(pair, rows, ones, mean, squares):
    """From sums of rows to mean and deviations; anew from the mean where it is so large that digits were lost."""
    total, found = _fold(ones, pair)
    count = len(rows) * len(ones)
    mean[...] = total / count
    found -= total * mean
    if (count * mean * mean > FAR * found).any():
        apart = rows - np.tile(mean, len(ones))
        off = _fold(ones, np.add.reduce(apart, axis=0)) / count
        found = _fold(ones, np.add.reduce(apart * apart, axis=0)) - count * off * off
        mean += off
    squares[...] = found


def take(pair, ones, *sums):
    """The sum of each channel, from sums of rows."""
    for total, found in zip(sums, _fold(ones, pair)):
        total[...] = found


def _fold(ones, rows):
    """(..., W n C) -> (..., C): the sum of each channel."""
    return ones @ rows.reshape(*rows.shape[:-1], len(ones), -1)


def sum_products(a, b, out):
    """The sum of each column of a b, in one pass, without an array for the products."""
    np.einsum("ij,ij->j", a, b, out=out)


def add_sums(total, part):
    """total (C,) += the sums of part (rows, OW, n, C)."""
    total += np.add.reduce(part, axis=0).reshape(-1, len(total)).sum(axis=0)


def equal(a, b, out):
    """Ones where a == b, zeros elsewhere."""
    np.equal(a, b, out=out, casting="unsafe")


def maximum(a, b, out):
    """The larger of each two; a third argument of NumPy's own is deprecated."""
    np.maximum(a, b, out=out)
