"""Convolution and pooling, one product at a time. Backward scatters each dy over what its output came from."""

import math
from itertools import product

import numpy as np


def _positions(x, kernel, stride, padding, dilation=(1, 1)):
    """Yield (r, s, [(i, j, h, w), ...]): for each output pixel the places of its window that lie in the image."""
    height, width = x.shape[2:]
    (above, below), (before, behind) = map(_both, padding)
    for r, top in enumerate(range(-above, height + below - dilation[0] * (kernel[0] - 1), stride[0])):
        for s, left in enumerate(range(-before, width + behind - dilation[1] * (kernel[1] - 1), stride[1])):
            places = []
            for i, j in product(range(kernel[0]), range(kernel[1])):
                h, w = top + i * dilation[0], left + j * dilation[1]
                if 0 <= h < height and 0 <= w < width:
                    places.append((i, j, h, w))
            yield r, s, places


def _both(border):
    """(before, behind) of the padding along one axis."""
    return border if isinstance(border, tuple) else (border, border)


def conv2d(x, dy, weight, bias, stride, padding, dilation, groups):
    m_out, c_group, *kernel = weight.shape
    y, dx, dweight = np.zeros(dy.shape), np.zeros(x.shape), np.zeros(weight.shape)
    for r, s, places in _positions(x, kernel, stride, padding, dilation):
        for n, m in product(range(len(x)), range(m_out)):
            first = m // (m_out // groups) * c_group
            for c, (i, j, h, w) in product(range(c_group), places):
                y[n, m, r, s] += weight[m, c, i, j] * x[n, first + c, h, w]
                dx[n, first + c, h, w] += weight[m, c, i, j] * dy[n, m, r, s]
                dweight[m, c, i, j] += x[n, first + c, h, w] * dy[n, m, r, s]
    answer = {"y": y, "dx": dx, "weight": dweight}
    if bias is not None:
        for m in range(m_out):
            y[:, m] += bias[m]
        answer["bias"] = np.array([sum(dy[:, m].flat) for m in range(m_out)])
    return answer


def _pool_positions(x, kernel, stride, padding, ceil, dilation=(1, 1)):
    """:func:`_positions`; with ``ceil`` also those whose window reaches too far, if they begin before the end of x."""
    if not ceil:
        yield from _positions(x, kernel, stride, padding, dilation)
        return
    begins = []
    for n, k, s, d, (before, behind) in zip(x.shape[2:], kernel, stride, dilation, map(_both, padding)):
        begins.append([-before])
        while begins[-1][-1] + d * (k - 1) + 1 < n + behind and begins[-1][-1] + s < n:
            begins[-1].append(begins[-1][-1] + s)
    for (r, top), (s, left) in product(*map(enumerate, begins)):
        places = product(range(kernel[0]), range(kernel[1]))
        places = [(i, j, top + i * dilation[0], left + j * dilation[1]) for i, j in places]
        yield r, s, [place for place in places if 0 <= place[2] < x.shape[2] and 0 <= place[3] < x.shape[3]]


def max_pool(x, dy, kernel, stride, padding, ceil=False, dilation=(1, 1)):
    y, dx = np.zeros(dy.shape), np.zeros(x.shape)
    for r, s, places in _pool_positions(x, kernel, stride, padding, ceil, dilation):
        for n, c in product(range(x.shape[0]), range(x.shape[1])):
            _, _, h, w = max(places, key=lambda place: x[n, c, place[2], place[3]])  # of equals max takes the first
            y[n, c, r, s] = x[n, c, h, w]
            dx[n, c, h, w] += dy[n, c, r, s]
    return {"y": y, "dx": dx}


def avg_pool(x, dy, kernel, stride, padding, count_include_pad, ceil=False):
    y, dx = np.zeros(dy.shape), np.zeros(x.shape)
    for r, s, places in _pool_positions(x, kernel, stride, padding, ceil):
        count = len(places)
        if count_include_pad:
            settings = zip((r, s), stride, map(_both, padding), kernel, x.shape[2:])
            count = math.prod(min(k, size + sum(border) - step * i) for i, step, border, k, size in settings)
        for n, c in product(range(x.shape[0]), range(x.shape[1])):
            for _, _, h, w in places:
                y[n, c, r, s] += x[n, c, h, w] / count
                dx[n, c, h, w] += dy[n, c, r, s] / count
    return {"y": y, "dx": dx}


def adaptive_avg_pool(x, dy):
    y, dx = np.zeros(dy.shape), np.zeros(x.shape)
    for n, c, r, s in np.ndindex(dy.shape):
        rows, columns = (
            range(math.floor(i * size / out), math.ceil((i + 1) * size / out))
            for i, size, out in zip((r, s), x.shape[2:], dy.shape[2:])
        )
        for h, w in product(rows, columns):
            y[n, c, r, s] += x[n, c, h, w] / (len(rows) * len(columns))
            dx[n, c, h, w] += dy[n, c, r, s] / (len(rows) * len(columns))
    return {"y": y, "dx": dx}
