"""A step and an evaluation that ranks share. On a GPU nothing here waits for it but the end of an evaluation."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..backend import Array, to_device, xp_of
from ..data import Loader
from ..layers.base import Layer, Param
from ..losses import SoftmaxCrossEntropy
from .buckets import Buckets
from .global_norm import GlobalBatchNorm2d
from .optim import Optimizer
from .ranks import Ranks
from .step import Evaluation, add_gradients, count_correct, count_labels, evaluation, like, update


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
    model.zero_grads()
    buckets.begin()
    statistics = _moved_apart(model)
    before = [t.data.copy() for t in statistics]
    total, counted, correct, images, loss_sum = 0, 0, 0, 0, 0.0
    for x, labels, is_last in _with_last(iter(batches)):
        share = loss.total(labels)
        value, right = add_gradients(model, loss, x, labels, share, buckets.backward if is_last else None)
        loss_sum = loss_sum + value * like(share, value)
        total, correct, images = total + share, correct + right, images + len(x)
        counted = counted + count_labels(labels, getattr(loss, "ignore_index", None))
    buckets.finish()
    moved = [(t.data - old) * t.data.dtype.type(images) for t, old in zip(statistics, before)]
    moved, (loss_sum, total, correct, counted, images) = _over_ranks(
        moved, [loss_sum, total, correct, counted, images], buckets.ranks, optimizer.params[0][1].grad
    )
    buckets.divide(like(total, loss_sum))
    for t, old, whole in zip(statistics, before, moved):
        t.data = old + whole / like(images, old)
    update(optimizer, lr, clip_norm)
    return loss_sum / like(total, loss_sum), correct, counted


def _over_ranks(moved, numbers, ranks, grad):
    """The sums over the ranks of the arrays ``moved`` and of ``numbers``: the loss, then how many of what.

    On the CPU the counts go by themselves, in float64. On a GPU, where a look at them would wait, all is one message.
    """
    if xp_of(grad) is np:
        counts = ranks.gather([float(n) for n in numbers[1:]]).sum(0)
        *moved, loss_sum = _summed([*moved, np.asarray(numbers[0], grad.dtype)], ranks)
        return moved, [loss_sum, counts[0] or 1.0, *map(int, counts[1:])]
    full = xp_of(grad).full
    arrays = [n.astype(grad.dtype) if hasattr(n, "dtype") else full((), n, grad.dtype) for n in numbers]
    *moved, loss_sum, total, correct, counted, images = _summed([*moved, *arrays], ranks)
    return moved, [loss_sum, total + (total == 0), correct, counted, images]


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
        flat, start = ranks.sum(xp_of(arrays[numbers[0]]).concatenate([arrays[i].reshape(-1) for i in numbers])), 0
        for i in numbers:
            found[i] = flat[start : start + arrays[i].size].reshape(arrays[i].shape)
            start += arrays[i].size
    return found


def evaluate_shared(
    model: Layer, loader: Loader, ranks: Ranks, device: str = "cpu", ignore_index: int | None = None
) -> Evaluation:
    """:func:`evaluate`, of whose batches each rank takes every k-th; all get the same, which is that of one process."""
    loss, found = SoftmaxCrossEntropy(ignore_index=ignore_index), []
    for number, (x, labels) in enumerate(loader.epoch(0)):
        if number % ranks.size == ranks.rank:
            labels = to_device(labels, device)
            logits = model(to_device(x, device))
            counted = count_labels(labels, ignore_index)
            value = loss.forward(logits, labels)[0].astype("float64") * counted
            found.append((count_correct(logits, labels, ignore_index), counted, value))
    mine = np.zeros((len(loader), 3))
    for number, row in enumerate(found):
        mine[ranks.rank + number * ranks.size] = [float(n) for n in row]
    all_ranks = ranks.gather(mine).reshape(ranks.size, len(loader), 3)
    rows = [all_ranks[number % ranks.size, number] for number in range(len(loader))]
    correct, total, loss_sum = (float(sum(column)) for column in zip(*rows))  # in the order of the batches
    return evaluation(model, int(correct), int(total), loss_sum, len(loader.dataset.classes))
