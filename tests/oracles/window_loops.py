"""Convolution and pooling, one product at a time. Backward scatters each dy over what its output came from."""

from itertools import product

import numpy as np


def _positions(x, kernel, stride, padding, dilation=(1, 1)):
    """Yield (r, s, [(i, j, h, w), ...]): for each output pixel the places of its window that lie in the image."""
    height, width = x.shape[2:]
    for r, top in enumerate(range(-padding[0], height + padding[0] - dilation[0] * (kernel[0] - 1), stride[0])):
        for s, left in enumerate(range(-padding[1], width + padding[1] - dilation[1] * (kernel[1] - 1), stride[1])):
            places = []
            for i, j in product(range(kernel[0]), range(kernel[1])):
                h, w = top + i * dilation[0], left + j * dilation[1]
                if 0 <= h < height and 0 <= w < width:
                    places.append((i, j, h, w))
            yield r, s, places


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


def max_pool(x, dy, kernel, stride, padding):
    y, dx = np.zeros(dy.shape), np.zeros(x.shape)
    for r, s, places in _positions(x, kernel, stride, padding):
        for n, c in product(range(x.shape[0]), range(x.shape[1])):
            _, _, h, w = max(places, key=lambda place: x[n, c, place[2], place[3]])  # of equals max takes the first
            y[n, c, r, s] = x[n, c, h, w]
            dx[n, c, h, w] += dy[n, c, r, s]
    return {"y": y, "dx": dx}


def avg_pool(x, dy, kernel, stride, padding, count_include_pad):
    y, dx = np.zeros(dy.shape), np.zeros(x.shape)
    for r, s, places in _positions(x, kernel, stride, padding):
        count = kernel[0] * kernel[1] if count_include_pad else len(places)
        for n, c in product(range(x.shape[0]), range(x.shape[1])):
            for _, _, h, w in places:
                y[n, c, r, s] += x[n, c, h, w] / count
                dx[n, c, h, w] += dy[n, c, r, s] / count
    return {"y": y, "dx": dx}
