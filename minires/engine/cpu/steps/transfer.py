"""Between arrays of the layers, (N, C, H, W), and chunks.

The engine's own arrays lie in memory as (H, W, N, C) behind that shape: a chunk of images is then copied in long runs.
Arrays of others are copied to memory of the frame first, and those for others out of it last.
"""

import numpy as np


class LoadStep:
    """An array (N, C, H, W) into chunks."""

    def __init__(self, operation, forward):
        self.x, self.y = operation.x, operation.y

    def forward(self, frame, i, workspace):
        _load(frame, self.x, i, frame.chunk(self.y, i, workspace), workspace)

    def backward(self, frame, i, dy, dxs, workspace):
        _store(frame, self.x, i, dy, workspace)


class StoreStep:
    """Chunks into an array (N, C, H, W)."""

    def __init__(self, operation, forward):
        self.x, self.y = operation.x, operation.y

    def forward(self, frame, i, workspace):
        _store(frame, self.y, i, frame.chunk(self.x, i, workspace), workspace)

    def backward(self, frame, i, dy, dxs, workspace):
        _load(frame, self.y, i, dxs[0], workspace)


def take_in(frame, array):
    """Before the chunks are loaded."""
    given = frame.arrays[array]
    np.copyto(frame.room(array, like=given), given)


def give_out(frame, array):
    """Behind the last chunk that is stored."""
    frame.arrays[array] = frame.room(array).copy("K")


def _load(frame, array, i, chunk, workspace):
    workspace.do(np.copyto, chunk.image, frame.room(array)[frame.images(i)].transpose(2, 3, 0, 1))


def _store(frame, array, i, chunk, workspace):
    workspace.do(np.copyto, frame.room(array)[frame.images(i)].transpose(2, 3, 0, 1), chunk.image)
