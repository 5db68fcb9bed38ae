"""Between arrays of the layers, (N, C, H, W), and chunks.

The engine's own arrays lie in memory as (H, W, N, C) behind that shape: a chunk of images is then copied in long runs.
"""

import numpy as np


class LoadStep:
    """An array (N, C, H, W) into chunks."""

    def __init__(self, operation, forward):
        self.x, self.y = operation.x, operation.y

    def forward(self, frame, i, workspace):
        workspace.do(_load, frame, self.x, i, frame.chunk(self.y, i, workspace).image)

    @staticmethod
    def prepare(frame, operation):
        """Room for the gradient."""
        frame.arrays[operation.x] = _empty(frame, operation.x)

    def backward(self, frame, i, dy, dxs, workspace):
        workspace.do(_store, frame, self.x, i, dy.image)


class StoreStep:
    """Chunks into an array (N, C, H, W)."""

    def __init__(self, operation, forward):
        self.x, self.y = operation.x, operation.y

    @staticmethod
    def prepare(frame, operation):
        """Room for the array."""
        frame.arrays[operation.y] = _empty(frame, operation.y)

    def forward(self, frame, i, workspace):
        workspace.do(_store, frame, self.y, i, frame.chunk(self.x, i, workspace).image)

    def backward(self, frame, i, dy, dxs, workspace):
        workspace.do(_load, frame, self.y, i, dxs[0].image)


def _load(frame, array, i, image):
    image[...] = frame.arrays[array][frame.images(i)].transpose(2, 3, 0, 1)


def _store(frame, array, i, image):
    frame.arrays[array][frame.images(i)] = image.transpose(2, 3, 0, 1)


def _empty(frame, array):
    """Room for an array of the whole batch."""
    channels, *size = array.shape
    return np.empty((*size, frame.total, channels), frame.dtype).transpose(2, 3, 0, 1)
