"""Pooling, place by place of the window, for blocks of rows that stay in the cache."""

import numpy as np

from ....ops import padded_sizes, sides
from .. import constants
from ..calls import equal, maximum
from ..memory import constant


class _Pool:
    """``blocks``: for each block of rows of y the places of the window, as (region of y, region of x)."""

    def __init__(self, operation, forward):
        self.layer, self.x, self.y = operation.layer, operation.x, operation.y
        run = self.x.size[1] * max(forward.cut.sizes) * self.x.channels * self.layer.stride[0]
        rows = max(1, constants.BLOCK // run)
        height = self.y.size[0]
        self.blocks = [self._places(r, min(r + rows, height)) for r in range(0, height, rows)]

    def _places(self, first, last):
        layer, ((top, _), (left, _)) = self.layer, sides(self.layer.padding)
        places = []
        for i in range(layer.kernel[0]):
            down = _seen(i * layer.dilation[0] - top, layer.stride[0], self.x.size[0], first, last)
            for j in range(layer.kernel[1]):
                right = _seen(j * layer.dilation[1] - left, layer.stride[1], self.x.size[1], 0, self.y.size[1])
                if down and right:
                    places.append(((down[0], right[0]), (down[1], right[1])))
        return slice(first, last), places


class MaxPoolStep(_Pool):
    """The largest value of each window. dy goes to the first place of the window that holds it."""

    def forward(self, frame, i, workspace):
        x, y = (frame.chunk(v, i, workspace).image for v in (self.x, self.y))
        for rows, places in self.blocks:
            workspace.do(y[rows].fill, -np.inf)
            for seen, source in places:
                workspace.do(maximum, y[seen], x[source], y[seen])

    def backward(self, frame, i, dy, dxs, workspace):
        x, y = (frame.forward.chunk(v, i, workspace).image for v in (self.x, self.y))
        dx = dxs[0].image
        workspace.do(dx.fill, 0)
        for rows, places in self.blocks:
            left = workspace.array("left", y[rows].shape)  # what has not gone to an earlier place
            won = workspace.array("won", y[rows].shape)
            workspace.do(np.copyto, left, dy.image[rows])
            for (seen, columns), target in places:
                here = slice(seen.start - rows.start, seen.stop - rows.start), columns
                workspace.do(equal, x[target], y[seen, columns], won[here])
                workspace.do(np.multiply, won[here], left[here], won[here])
                workspace.do(np.add, dx[target], won[here], dx[target])
                workspace.do(np.subtract, left[here], won[here], left[here])


class AvgPoolStep(_Pool):
    """The mean of each window."""

    def forward(self, frame, i, workspace):
        x, y = (frame.chunk(v, i, workspace).image for v in (self.x, self.y))
        workspace.do(y.fill, 0)
        for _, places in self.blocks:
            for seen, source in places:
                workspace.do(np.add, y[seen], x[source], y[seen])
        workspace.do(np.divide, y, self._count(frame.dtype), y)

    def backward(self, frame, i, dy, dxs, workspace):
        share, dx = workspace.array("share", dy.image.shape), dxs[0].image
        workspace.do(np.divide, dy.image, self._count(frame.dtype), share)
        workspace.do(dx.fill, 0)
        for _, places in self.blocks:
            for seen, target in places:
                workspace.do(np.add, dx[target], share[seen], dx[target])

    def _count(self, dtype):
        x = np.empty((1, 1, *padded_sizes(self.x.size, self.layer.padding)), dtype)
        return constant(self.layer._count(x, self.x.size, self.y.size)[:, :, None, None])


class MeanStep:
    """The mean of each channel of each image."""

    def __init__(self, operation, forward):
        self.x, self.y = operation.x, operation.y

    def forward(self, frame, i, workspace):
        x, y = frame.chunk(self.x, i, workspace), frame.chunk(self.y, i, workspace)
        workspace.do(np.mean, x.image, (0, 1), None, y.image[0, 0])

    def backward(self, frame, i, dy, dxs, workspace):
        height, width = self.x.size
        workspace.do(np.divide, dy.image, height * width, dxs[0].image)


def _seen(offset, stride, size, first, last):
    """(outputs, pixels): the outputs o of first .. last - 1 whose pixel o stride + offset exists, and those pixels."""
    start = max(first, -(offset // stride))
    stop = min(last, (size - 1 - offset) // stride + 1)
    if stop <= start:
        return None
    return slice(start, stop), slice(start * stride + offset, (stop - 1) * stride + offset + 1, stride)
