"""Losses. ``forward(outputs, targets)`` returns ``(loss, cache)``, ``backward(cache)`` the gradient of the outputs.

The loss is an array without axes that stays on its device: to read it (``float(loss)``) waits for a GPU.
"""

import numpy as np

from .backend import device_of, xp_of
from .errors import DeviceError, DTypeError, RangeError, ShapeError
from .layers.base import Buffer, Layer
from .layers.checks import as_gradient, as_input, number
from .ops import log_softmax, one_hot


class SoftmaxCrossEntropy:
    """L = -(1/N) sum_n sum_k q[n, k] log p[n, k] with p = softmax(logits).

    logits: (N, K)   labels: (N,) integers in 0 .. K-1   q: (N, K)

        q = (1 - e) one_hot(labels) + e / K        dlogits = (p - q) / N

    e is ``label_smoothing`` (Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7).
    Labels are checked where they are NumPy arrays; on a GPU that would wait for it.
    """

    def __init__(self, label_smoothing=0.0):
        self.label_smoothing = number(self, label_smoothing=label_smoothing)
        if not 0 <= self.label_smoothing < 1:
            raise RangeError(f"label_smoothing is {label_smoothing}, expected 0 <= e < 1", "SoftmaxCrossEntropy")

    def forward(self, logits, labels):
        logits = as_input(self, logits, "NK", name="logits")
        _check_labels(logits, labels)
        n, k = logits.shape
        log_p = log_softmax(logits)
        e = self.label_smoothing
        q = (1 - e) * one_hot(labels, k, logits.real.dtype) + e / k
        return -(q * log_p).sum() / n, (log_p, q)

    def backward(self, cache):
        log_p, q = cache
        return (xp_of(log_p).exp(log_p) - q) / len(q)


class MeanSquaredError:
    """L = (1/size) sum (outputs - targets)^2, over all entries.   doutputs = 2 (outputs - targets) / size."""

    def forward(self, outputs, targets):
        outputs = as_input(self, outputs, name="outputs")
        targets = as_input(self, targets, like=outputs, name="targets")
        if targets.shape != outputs.shape:
            raise ShapeError(
                f"targets have shape {targets.shape}, outputs {outputs.shape}, expected the same: reshape the targets",
                "MeanSquaredError",
            )
        difference = outputs - targets
        return (difference**2).sum() / difference.size, difference

    def backward(self, cache):
        difference = cache
        return 2 * difference / difference.size


class Objective(Layer):
    """A loss with its targets fixed, as a layer of one output: y = loss(x, targets), dx = dy dloss/dx.

    x: the outputs of a model   y, dy: an array without axes. Lets the checks of layers check a loss.
    """

    def __init__(self, loss, targets):
        self.loss, self.targets = loss, Buffer(targets)

    def forward(self, x, train=False):
        return self.loss.forward(x, self.targets.data)

    def backward(self, dy, cache):
        return as_gradient(self, dy, ()) * self.loss.backward(cache)


def _check_labels(logits, labels):
    name = "SoftmaxCrossEntropy"
    n, k = logits.shape
    if getattr(getattr(labels, "dtype", None), "kind", "") not in ("i", "u"):
        found = getattr(labels, "dtype", type(labels).__name__)
        raise DTypeError(f"labels are {found}, expected an array of integers: np.asarray(labels, dtype=np.int64)", name)
    if labels.shape != (n,):
        raise ShapeError(f"labels have shape {labels.shape}, expected ({n},), one a row of logits {(n, k)}", name)
    if device_of(labels) != device_of(logits):
        raise DeviceError(
            f"labels are on {device_of(labels)}, logits on {device_of(logits)}: "
            f'minires.to_device(labels, "{device_of(logits)}")',
            name,
        )
    if isinstance(labels, np.ndarray) and not 0 <= int(labels.min()) <= int(labels.max()) < k:
        at = int(np.argmax((labels < 0) | (labels >= k)))
        raise RangeError(
            f"labels[{at}] is {labels[at]}, expected 0 <= label < {k} (the width of logits): "
            f"build the model with num_classes={int(labels.max()) + 1} or mend the labels",
            name,
        )
