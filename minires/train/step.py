"""One step of training, and evaluation. On a GPU nothing here waits for it but the end of an evaluation."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


from ..backend import Array, to_device, to_numpy
from ..data import Loader
from ..errors import NumericError, StateError
from ..layers import BatchNorm2d
from ..layers.base import Layer
from ..losses import Loss, SoftmaxCrossEntropy
from .optim import Optimizer, clip_gradients


def train_step(
    model: Layer, loss: Loss, optimizer: Optimizer, x: Array, labels: Array, lr: float, clip_norm: float | None = None
) -> tuple[Array, Array]:
    """Forward, backward and update on one batch; x and labels on the device of the model.

    x: (N, ...)   labels: (N,), or the (N, K) targets that ``loss`` takes   clip_norm: see :func:`clip_gradients`
    Returns ``(value, correct)``: the mean loss before the update and the number of images classified rightly, arrays
    without axes on the device.
    """
    model.zero_grads()
    value, correct = add_gradients(model, loss, x, labels)
    update(optimizer, lr, clip_norm)
    return value, correct


def accumulated_step(
    model: Layer,
    loss: Any,
    optimizer: Optimizer,
    batches: Iterable[tuple[Array, Array]],
    lr: float,
    clip_norm: float | None = None,
) -> tuple[Any, Any]:
    """One step on several ``batches``, pairs ``(x, labels)``, that does what one on all their images together would do.

    Where layers mix the images of a batch (batch norm), they mix those of each batch. Each batch weighs as much as in
    the whole, by ``loss.total(labels)``, so that batches of other sizes or class weights come out right.
    Arguments and what is returned: see :func:`train_step`.
    """
    model.zero_grads()
    total, loss_sum, correct = 0, 0, 0
    for x, labels in batches:
        share = loss.total(labels)
        value, right = add_gradients(model, loss, x, labels, share)
        total, loss_sum, correct = total + share, loss_sum + value * like(share, value), correct + right
    total = total + (total == 0)  # nothing counts: the gradients are 0
    for _, p in model.params():
        p.grad /= like(total, p.grad)
    update(optimizer, lr, clip_norm)
    return loss_sum / like(total, loss_sum), correct


def add_gradients(model, loss, x, labels, times=None, backward=None):
    """(mean loss, number of images classified rightly) of a batch, whose gradients, ``times`` a number, are added."""
    logits, cache = model.forward(x, train=True)
    value, loss_cache = loss.forward(logits, labels)
    dlogits = loss.backward(loss_cache)
    dlogits = dlogits if times is None else dlogits * like(times, dlogits)
    if backward is None:
        model.backward(dlogits, cache)
    else:
        backward(model, dlogits, cache)
    return value, count_correct(logits, labels, getattr(loss, "ignore_index", None))


def update(optimizer, lr, clip_norm):
    if clip_norm is not None:
        clip_gradients(optimizer.params, clip_norm)
    optimizer.step(lr)


def like(number, array):
    """A number of Python, or an array without axes with the type of ``array``: a float64 would widen it."""
    return number.astype(array.dtype) if hasattr(number, "astype") else number


@dataclass(frozen=True)
class Evaluation:
    """What a model makes of a set of images: ``loss`` is the mean cross-entropy, ``accuracy`` = correct / total.

    ``note``: "", or what to know of the model, such as that its batch norms have seen nothing yet.
    """

    correct: int
    total: int
    loss: float
    note: str = ""

    @property
    def accuracy(self) -> float:
        return self.correct / self.total


def evaluate(model: Layer, loader: Loader, device: str = "cpu", ignore_index: int | None = None) -> Evaluation:
    """Run inference over an epoch of ``loader`` on ``device``, where the model is; return an :class:`Evaluation`.

    Images whose label is ``ignore_index`` do not count. Raises :class:`~minires.errors.NumericError` where the loss is
    NaN, and :class:`~minires.errors.StateError` where no image counts.
    """
    return evaluate_batches(model, loader.epoch(0), device, ignore_index)


def evaluate_batches(
    model: Layer, batches: Iterable[tuple[Array, Array]], device: str = "cpu", ignore_index: int | None = None
) -> Evaluation:
    """:func:`evaluate` for any iterable of ``(x, labels)``."""
    loss = SoftmaxCrossEntropy(ignore_index=ignore_index)
    total, correct, loss_sum, classes = 0, 0, 0.0, 1
    for x, labels in batches:
        labels = to_device(labels, device)
        logits = model(to_device(x, device))
        classes = logits.shape[1]
        value, _ = loss.forward(logits, labels)
        counted = count_labels(labels, ignore_index)
        total = total + counted
        correct = correct + count_correct(logits, labels, ignore_index)
        loss_sum = loss_sum + value.astype("float64") * counted
    return evaluation(model, int(to_numpy(correct)), int(to_numpy(total)), float(to_numpy(loss_sum)), classes)


def evaluation(model, correct, total, loss_sum, classes):
    if total == 0:
        raise StateError("there are 0 images to evaluate, expected at least 1: pass a loader that holds images")
    if math.isnan(loss_sum):
        raise NumericError(
            f"the loss of {total} images is nan, expected a number: the model gives NaN or infinity; "
            "minires.trace.Stepper shows the layer that gives it first"
        )
    mean = loss_sum / total
    return Evaluation(correct, total, mean, _note(model) if mean > 2 * math.log(classes) else "")


def _note(model):
    """Why the loss may be far above that of guessing: with the statistics of a fresh layer, x grows block by block."""
    norms = ((path, layer) for path, layer in model.walk() if isinstance(layer, BatchNorm2d))
    path, first = next(norms, (None, None))
    if first is None or to_numpy(first.running_mean.data).any() or (to_numpy(first.running_var.data) != 1).any():
        return ""
    return (
        f"{path}: the running statistics are still those of a fresh batch norm, so that nothing is normalised in "
        "evaluation: train first, or run model.forward(x, train=True) on some batches"
    )


def count_labels(labels, ignore_index=None):
    """How many of the (N,) labels are not ``ignore_index``: N, or an array without axes. All (N, K) targets count."""
    return len(labels) if ignore_index is None or labels.ndim == 2 else (labels != ignore_index).sum()


def count_correct(logits, labels, ignore_index=None):
    """How many rows of ``logits`` (N, K) have their largest entry at the label, as an array without axes.

    Of labels (N, K), targets, the largest is the label; labels (N,) that are ``ignore_index`` do not count.
    """
    if labels.ndim == 2:
        return (logits.argmax(axis=1) == labels.argmax(axis=1)).sum()
    right = logits.argmax(axis=1) == labels
    return right.sum() if ignore_index is None else (right & (labels != ignore_index)).sum()
