"""Losses. ``forward(outputs, targets)`` returns ``(loss, cache)``, ``backward(cache)`` the gradient of the outputs.

The loss is an array without axes that stays on its device: to read it (``float(loss)``) waits for a GPU.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from .backend import Array, device_of, to_device, xp_of
from .errors import DeviceError, DTypeError, RangeError, ShapeError
from .layers.base import Buffer, Layer
from .layers.checks import as_gradient, as_input, is_integer, number, plain
from .ops import log_softmax, one_hot


class Loss(Protocol):
    """What serves as a loss: these two methods."""

    def forward(self, outputs: Array, targets: Any, /) -> tuple[Array, Any]:
        """(loss, cache)."""
        raise NotImplementedError

    def backward(self, cache: Any, /) -> Array:
        """The gradient of the outputs."""
        raise NotImplementedError


class SoftmaxCrossEntropy:
    """L = -(1/S) sum_n sum_k w[k] q[n, k] log p[n, k] with p = softmax(logits).

    logits: (N, K)   labels: (N,) integers in 0 .. K-1, or the targets themselves: (N, K) floats, none below 0

        q = (1 - e) targets + e / K       targets = one_hot(labels)       t = w q
        dlogits[n, k] = (p[n, k] sum_j t[n, j] - t[n, k]) / S             without w: (p - q) / N

    e is ``label_smoothing`` (Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7), w the K
    numbers ``weight``, one a class, all 1 by default. Rows whose label is the integer ``ignore_index`` are left out.
    As in PyTorch, S is the sum of w[label] over the rows that count, so that the loss is their weighted mean, and N
    where the labels are floats; with no row that counts, or none of any weight, the loss and its gradient are 0.
    A class of logit -inf has p = 0, and costs nothing where q = 0.
    Labels are checked where they are NumPy arrays; on a GPU that would wait for it.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        weight: Sequence[float] | Array | None = None,
        ignore_index: int | None = None,
    ) -> None:
        self.label_smoothing = number(self, label_smoothing=label_smoothing)
        if not 0 <= self.label_smoothing < 1:
            raise RangeError(f"label_smoothing is {label_smoothing}, expected 0 <= e < 1", "SoftmaxCrossEntropy")
        self.weight = None if weight is None else _class_weights(weight)
        if ignore_index is not None and not is_integer(ignore_index):
            raise DTypeError(f"ignore_index is {ignore_index!r}, expected an integer or None", "SoftmaxCrossEntropy")
        self.ignore_index = ignore_index if ignore_index is None else int(ignore_index)

    def forward(self, logits: Array, labels: Array) -> tuple[Array, Any]:
        logits = as_input(self, logits, "NK", name="logits")
        labels = plain(labels, "labels", type(self).__name__)
        self._check_labels(logits, labels)
        t, total = self._targets(logits, labels)
        log_p = log_softmax(logits)
        xp = xp_of(logits)
        return (t * xp.where(t == 0, 0, -log_p)).sum() / total, (log_p, t, total)  # 0 log 0 = 0

    def backward(self, cache: Any) -> Array:
        log_p, t, total = cache
        return (xp_of(log_p).exp(log_p) * t.sum(axis=1, keepdims=True) - t) / total

    def total(self, labels: Array) -> int | Array:
        """S: what the sum over ``labels`` is divided by, an int or an array without axes. 0 where none counts."""
        if labels.ndim == 2 or (self.weight is None and self.ignore_index is None):
            return len(labels)
        xp = xp_of(labels)
        counts = xp.ones(labels.shape, bool) if self.ignore_index is None else labels != self.ignore_index
        if self.weight is None:
            return counts.sum()
        w = to_device(self.weight, device_of(labels))
        return xp.where(counts, w[xp.where(counts, labels, 0)], 0).sum()

    def _targets(self, logits, labels):
        """(t, S)."""
        n, k = logits.shape
        e, dtype, xp = self.label_smoothing, logits.real.dtype, xp_of(logits)
        w = 1 if self.weight is None else to_device(self.weight.astype(dtype), device_of(logits))
        if labels.ndim == 2:
            return w * ((1 - e) * labels.astype(dtype) + e / k), n
        targets = one_hot(labels, k, dtype)
        q = (1 - e) * targets + e / k
        if self.ignore_index is not None:
            counts = (labels != self.ignore_index)[:, None]
            targets, q = xp.where(counts, targets, 0), xp.where(counts, q, 0)
        if self.weight is None and self.ignore_index is None:
            return q, n
        total = (w * targets).sum()
        return w * q, xp.where(total == 0, 1, total)

    def _check_labels(self, logits, labels):
        name = type(self).__name__
        n, k = logits.shape
        if self.weight is not None and len(self.weight) != k:
            raise ShapeError(
                f"weight has {len(self.weight)} numbers, logits {(n, k)} have {k} classes: give one a class", name
            )
        _check_kind(labels, n, k, name)
        if device_of(labels) != device_of(logits):
            raise DeviceError(
                f"labels are on {device_of(labels)}, logits on {device_of(logits)}: "
                f'minires.to_device(labels, "{device_of(logits)}")',
                name,
            )
        if not isinstance(labels, np.ndarray):
            return
        wrong = ~((labels >= 0) & (labels < (math.inf if labels.ndim == 2 else k)))
        if labels.ndim == 1 and self.ignore_index is not None:
            wrong &= labels != self.ignore_index
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise RangeError(_wrong_label(labels, at, k), name)


class MeanSquaredError:
    """L = (1/size) sum (outputs - targets)^2, over all entries.   doutputs = 2 (outputs - targets) / size."""

    def forward(self, outputs: Array, targets: Array) -> tuple[Array, Any]:
        outputs = as_input(self, outputs, name="outputs")
        targets = as_input(self, targets, like=outputs, name="targets")
        if targets.shape != outputs.shape:
            raise ShapeError(
                f"targets have shape {targets.shape}, outputs {outputs.shape}, expected the same: reshape the targets",
                "MeanSquaredError",
            )
        difference = outputs - targets
        return (difference**2).sum() / difference.size, difference

    def total(self, targets: Array) -> int:
        """What the sum over ``targets`` is divided by: their number."""
        return targets.size

    def backward(self, cache: Any) -> Array:
        difference = cache
        return 2 * difference / difference.size


class Objective(Layer):
    """A loss with its targets fixed, as a layer of one output: y = loss(x, targets), dx = dy dloss/dx.

    x: the outputs of a model   y, dy: an array without axes. Lets the checks of layers check a loss.
    """

    def __init__(self, loss: Loss, targets: Array) -> None:
        self.loss, self.targets = loss, Buffer(targets)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        return self.loss.forward(x, self.targets.data)

    def backward(self, dy: Array, cache: Any) -> Array:
        gradient = self.loss.backward(cache)
        return as_gradient(self, dy, (), like=gradient) * gradient


def _class_weights(weight):
    try:
        found = np.asarray(weight, dtype=np.float64)
    except (TypeError, ValueError):
        found = None
    if found is None or found.ndim != 1 or not found.size:
        raise DTypeError(f"weight is {weight!r}, expected numbers, one a class: [1.0, 2.5]", "SoftmaxCrossEntropy")
    for k, value in enumerate(found):
        if not 0 <= value < math.inf:
            raise RangeError(
                f"weight[{k}] is {value}, expected a finite number of at least 0: mend the weight of class {k}",
                "SoftmaxCrossEntropy",
            )
    return found


def _check_kind(labels, n, k, name):
    """Integers (N,) or floats (N, K)?"""
    kind, shape = getattr(getattr(labels, "dtype", None), "kind", ""), getattr(labels, "shape", None)
    if (kind in ("i", "u") and shape == (n,)) or (kind == "f" and shape == (n, k)):
        return
    if kind in ("i", "u") or kind == "b" and shape == (n, k):
        remedy = "pass the labels of these images"
        if shape == (n, k):
            remedy = "labels.argmax(axis=1) where they are one-hot; targets are floats: labels.astype(np.float32)"
        raise ShapeError(f"labels have shape {shape}, expected ({n},), one a row of logits {(n, k)}: {remedy}", name)
    if kind == "f" and shape != (n,):
        expected = f"expected integers ({n},) or floats {(n, k)}: pass the labels of these images"
        raise ShapeError(f"labels are {labels.dtype} of shape {shape}, {expected}", name)
    found = getattr(labels, "dtype", type(labels).__name__)
    raise DTypeError(f"labels are {found}, expected an array of integers: np.asarray(labels, dtype=np.int64)", name)


def _wrong_label(labels, at, k):
    value, where = labels[at], f"labels{list(at)}"
    if labels.ndim == 2:
        return f"{where} is {value}, expected a finite number of at least 0: mend the targets"
    leave_out = f"leave such rows out by SoftmaxCrossEntropy(ignore_index={value})"
    if value < 0:
        return f"{where} is {value}, expected 0 <= label < {k} (the width of logits): {leave_out}, or mend the labels"
    return (
        f"{where} is {value}, expected 0 <= label < {k} (the width of logits): "
        f"build the model with num_classes={int(labels.max()) + 1}, {leave_out}, or mend the labels"
    )
