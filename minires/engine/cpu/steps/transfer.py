"""Between arrays of the layers, (N, C, H, W), and chunks.

The engine's own arrays lie in memory as (H, W, N, C) behind that shape: a chunk of images is then copied in long runs.
"""

import numpy as np


class LoadStep:
    """An array (N, C, H, W) into chunks."""

    def __init__(self, operation, forward):
        self.x, self.y = operation.x, operation.y

    def forward(self, frame, i, workspace):
        x = frame.arrays[self.x][frame.images(i)]
        frame.chunk(self.y, i, workspace).image[...] = x.transpose(2, 3, 0, 1)

    @staticmethod
    def prepare(frame, operation):
        """Room for the gradient."""
        frame.arrays[operation.x] = _empty(frame, operation.x)

    def backward(self, frame, i, dy, dxs, workspace):
        frame.arrays[self.x][frame.forward.images(i)] = dy.image.transpose(2, 3, 0, 1)


class StoreStep:
    """Chunks into an array (N, C, H, W)."""

    def __init__(self, operation, forward):
        self.x, self.y = operation.x, operation.y

    @staticmethod
    def prepare(frame, operation):
        """Room for the array."""
        frame.arrays[operation.y] = _empty(frame, operation.y)

    def forward(self, frame, i, workspace):
        frame.arrays[self.y][frame.images(i)] = frame.chunk(self.x, i, workspace).image.transpose(2, 3, 0, 1)

    def backward(self, frame, i, dy, dxs, workspace):
        dxs[0].image[...] = frame.arrays[self.y][frame.forward.images(i)].transpose(2, 3, 0, 1)


def _empty(frame, array):
    """Room for an array of the whole batch."""
    channels, *size = array.shape
    return np.empty((*size, frame.total, channels), frame.dtype).transpose(2, 3, 0, 1)
