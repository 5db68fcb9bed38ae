"""What a step has beside the network: batch, loss, optimiser. See ``images.cu``, ``loss.cu``, ``optimizer.cu``."""

import math

from .launches import Launch, arguments, pitch, whole
from .passes import stored
from .slots import Given

ALIGNED = 32  # numbers; every parameter begins at a multiple of it in the arena
IGNORE = -(2**31)  # the label of no image


def batch(precision, y, images, scale, shift, top=None, left=None, mirrored=None, pad=0):
    """y (N, H, W, pitch(C)) from bytes (N, C, H, W), cropped, mirrored and normalised. scale, shift: (C,) float32.

    top, left: (N,) int32 in 0 .. 2 pad, mirrored: (N,) uint8, as minires.data.CropFlip draws them; none for evaluation.
    """
    n, c, h, w = images.shape
    values = arguments(y, images, scale, shift, top, left, mirrored, n, c, h, w, pad)
    return Launch("images.cu", f"batch<{stored(precision)}>", (whole(n * h * w * pitch(c), 256),), 256, values)


def enter(precision, y, x):
    """y (N, H, W, pitch(C)) from x (N, C, H, W) float32, whose images are whole in memory."""
    n, c, h, w = x.shape
    values = arguments(y, _memory(x), n, c, h * w, *_strides(x))
    return Launch("images.cu", f"enter<{stored(precision)}>", (whole(n * h * w * pitch(c), 256),), 256, values)


def leave(precision, x, y, adds=False):
    """x (N, C, H, W) float32, whose images are whole in memory, from y (N, H, W, pitch(C)); or added to it."""
    n, c, h, w = x.shape
    values = arguments(_memory(x), y, n, c, h * w, *_strides(x), adds)
    return Launch("images.cu", f"leave<{stored(precision)}>", (whole(n * c * h * w, 256),), 256, values)


def cross_entropy(precision, classes, dlogits, rows, results, logits, labels, smoothing=0.0, ignore=IGNORE):
    """The gradient of the mean loss, and the loss and number of right answers as the next results. Two launches.

    logits, dlogits (N, pitch(K)); labels (N,) int32; rows (2, N) float32; results: losses (ROOM,) float32, hits (ROOM,)
    int32, and how many stand there, (1,) int32
    """
    n = len(labels)
    values = arguments(dlogits, rows, logits, labels, n, classes, float(smoothing), ignore)
    each = Launch("loss.cu", f"cross_entropy<{stored(precision)}>", (whole(n, 4),), 128, values)
    return [each, Launch("loss.cu", "cross_entropy_sum", (1,), 256, arguments(*results, rows, n))]


def sgd(p, velocity, g, decay, part, lr, momentum, nesterov=False):
    """One step for all parameters. p, velocity, g (size,); decay, part (size / 32,); lr (1,), all float32."""
    values = arguments(p, velocity, g, decay, part, lr, float(momentum), nesterov, p.size)
    return Launch("optimizer.cu", "sgd", (whole(p.size, 256),), 256, values)


def adamw(p, mean, square, g, steps, decay, part, lr, betas, eps):
    """One step for all parameters. steps (size / 32,) int32, the steps that each has made; the others as for sgd."""
    numbers = [*map(float, betas), *(1.0 - b for b in betas), *(math.log(b) if b else -math.inf for b in betas)]
    values = arguments(p, mean, square, g, steps, decay, part, lr, *numbers, float(eps), p.size)
    return Launch("optimizer.cu", "adamw", (whole(p.size, 256),), 256, values)


def _strides(x):
    """How many numbers lie from one image to the next, and from one channel to the next."""
    if isinstance(x, Given):
        return [math.prod(x.shape[1:]), math.prod(x.shape[2:])]
    return [int(s // x.itemsize) for s in x.strides[:2]]


def _memory(x):
    """x as it lies in memory: the layers leave images as (C, N, H, W) there."""
    return x if isinstance(x, Given) or x.flags.c_contiguous else x.transpose(1, 0, 2, 3)
