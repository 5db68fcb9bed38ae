"""One step of training, and evaluation. On a GPU nothing here waits for it but the end of an evaluation."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import Array, to_device, to_numpy
from ..data import Loader
from ..errors import NumericError, StateError
from ..layers import BatchNorm2d
from ..layers.base import Layer, Param
from ..losses import Loss, SoftmaxCrossEntropy
from .buckets import Buckets, backward
from .global_norm import GlobalBatchNorm2d
from .optim import Optimizer, clip_gradients
from .ranks import Ranks


def train_step(
    model: Layer, loss: Loss, optimizer: Optimizer, x: Array, labels: Array, lr: float, clip_norm: float | None = None
) -> tuple[Array, Array]:
    """Forward, backward and update on one batch; x and labels on the device of the model.

    x: (N, ...)   labels: (N,), or the (N, K) targets that ``loss`` takes   clip_norm: see :func:`clip_gradients`
    Returns ``(value, correct)``: the mean loss before the update and the number of images classified rightly, arrays
    without axes on the device.
    """
    model.zero_grads()
    value, correct = _add_gradients(model, loss, x, labels)
    _update(optimizer, lr, clip_norm)
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
        value, right = _add_gradients(model, loss, x, labels, share)
        total, loss_sum, correct = total + share, loss_sum + value * _like(share, value), correct + right
    total = total + (total == 0)  # nothing counts: the gradients are 0
    for _, p in model.params():
        p.grad /= _like(total, p.grad)
    _update(optimizer, lr, clip_norm)
    return loss_sum / _like(total, loss_sum), correct


def shared_step(
    model: Layer,
    loss: Any,
    optimizer: Optimizer,
    batches: Iterable[tuple[Array, Array]],
    lr: float,
    buckets: Buckets,
    clip_norm: float | None = None,
) -> tuple[Any, Any, int]:
    """:func:`accumulated_step` on this rank's shares ``batches``, whose sums of gradients are added over all ranks.

    The ``buckets`` of the gradients are added while the backward of the last batch goes on.

    The gradient of a mean over all images is the sum of the ranks' sums, divided once: a rank with more images weighs
    more, one without any nothing. Running statistics move by the mean of what they moved on the ranks, weighted by
    images; all ranks so end with the same bits. Returns also how many images count on all ranks.
    """
    ranks = buckets.ranks
    model.zero_grads()
    buckets.begin()
    statistics = _moved_apart(model)
    before = [t.data.copy() for t in statistics]
    total, counted, correct, images, loss_sum = 0, 0, 0, 0, 0.0
    for x, labels, is_last in _with_last(iter(batches)):
        share = loss.total(labels)
        value, right = _add_gradients(model, loss, x, labels, share, buckets.ready if is_last else None)
        loss_sum = loss_sum + value * _like(share, value)
        total, correct, images = total + share, correct + right, images + len(x)
        counted = counted + count_labels(labels, getattr(loss, "ignore_index", None))
    buckets.finish()
    sums = ranks.gather([float(total), float(correct), float(counted), images]).sum(0)
    moved = [(t.data - old) * t.data.dtype.type(images) for t, old in zip(statistics, before)]
    loss_type = optimizer.params[0][1].data.dtype
    *moved, loss_sum = _summed([*moved, np.asarray(loss_sum, loss_type)], ranks)
    buckets.divide(sums[0] or 1)
    for t, old, whole in zip(statistics, before, moved):
        t.data = old + whole / old.dtype.type(sums[3])
    _update(optimizer, lr, clip_norm)
    return loss_sum / loss_type.type(sums[0] or 1), int(sums[1]), int(sums[2])


def _moved_apart(model):
    """The running statistics that each rank moves by its share: those of all batch norms that are not over all."""
    agreed = {id(t) for _, layer in model.walk() if isinstance(layer, GlobalBatchNorm2d) for _, t in layer.tensors()}
    return [
        t for _, t in model.tensors() if not isinstance(t, Param) and t.data.dtype.kind == "f" and id(t) not in agreed
    ]


def _with_last(batches):
    """(x, labels, whether it is the last) of each batch."""
    following = next(batches, None)
    while following is not None:
        batch, following = following, next(batches, None)
        yield *batch, following is None


def _summed(arrays, ranks):
    """The sums of ``arrays`` over the ranks, in one message for each dtype."""
    found = list(arrays)
    for dtype in dict.fromkeys(a.dtype for a in arrays):
        numbers = [i for i, a in enumerate(arrays) if a.dtype == dtype]
        flat = ranks.sum(np.concatenate([arrays[i].reshape(-1) for i in numbers]))
        ends = np.cumsum([arrays[i].size for i in numbers])[:-1]
        for i, part in zip(numbers, np.split(flat, ends)):
            found[i] = part.reshape(arrays[i].shape)
    return found


def _add_gradients(model, loss, x, labels, times=None, ready=None):
    logits, cache = model.forward(x, train=True)
    value, loss_cache = loss.forward(logits, labels)
    dlogits = loss.backward(loss_cache)
    dlogits = dlogits if times is None else dlogits * _like(times, dlogits)
    if ready is None:
        model.backward(dlogits, cache)
    else:
        backward(model, dlogits, cache, ready)
    return value, count_correct(logits, labels, getattr(loss, "ignore_index", None))


def _update(optimizer, lr, clip_norm):
    if clip_norm is not None:
        clip_gradients(optimizer.params, clip_norm)
    optimizer.step(lr)


def _like(number, array):
    """An int, or an array without axes with the type of ``array``: a float64 would widen it."""
    return number if isinstance(number, int) else number.astype(array.dtype)


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
    return _evaluation(model, int(to_numpy(correct)), int(to_numpy(total)), float(to_numpy(loss_sum)), classes)


def evaluate_shared(model: Layer, loader: Loader, ranks: Ranks, ignore_index: int | None = None) -> Evaluation:
    """:func:`evaluate`, of whose batches each rank takes every k-th; all get the same, which is that of one process."""
    loss, found = SoftmaxCrossEntropy(ignore_index=ignore_index), np.zeros((len(loader), 3))
    for number, (x, labels) in enumerate(loader.epoch(0)):
        if number % ranks.size == ranks.rank:
            logits = model(x)
            counted = count_labels(labels, ignore_index)
            value = float(loss.forward(logits, labels)[0]) * counted
            found[number] = count_correct(logits, labels, ignore_index), counted, value
    all_ranks = ranks.gather(found).reshape(ranks.size, len(loader), 3)
    rows = [all_ranks[number % ranks.size, number] for number in range(len(loader))]
    correct, total, loss_sum = (float(sum(column)) for column in zip(*rows))  # in the order of the batches
    return _evaluation(model, int(correct), int(total), loss_sum, len(loader.dataset.classes))


def _evaluation(model, correct, total, loss_sum, classes):
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
