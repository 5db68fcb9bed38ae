"""One step of training, and evaluation. On a GPU nothing here waits for it but the end of an evaluation."""

from dataclasses import dataclass

from ..backend import to_device, to_numpy
from ..errors import StateError
from ..losses import SoftmaxCrossEntropy


def train_step(model, loss, optimizer, x, labels, lr):
    """Forward, backward and update on one batch; x and labels on the device of the model.

    x: (N, ...)   labels: (N,)   Returns ``(value, correct)``: the mean loss before the update and the number
    of images classified rightly, arrays without axes on the device.
    """
    model.zero_grads()
    logits, cache = model.forward(x, train=True)
    value, loss_cache = loss.forward(logits, labels)
    model.backward(loss.backward(loss_cache), cache)
    optimizer.step(lr)
    return value, count_correct(logits, labels)


@dataclass(frozen=True)
class Evaluation:
    """What a model makes of a set of images: ``loss`` is the mean cross-entropy, ``accuracy`` = correct / total."""

    correct: int
    total: int
    loss: float

    @property
    def accuracy(self):
        return self.correct / self.total


def evaluate(model, loader, device="cpu"):
    """Run inference over an epoch of ``loader`` on ``device``, where the model is; return an :class:`Evaluation`."""
    return evaluate_batches(model, loader.epoch(0), device)


def evaluate_batches(model, batches, device="cpu"):
    """:func:`evaluate` for any iterable of ``(x, labels)``."""
    loss = SoftmaxCrossEntropy()
    total, correct, loss_sum = 0, 0, 0.0
    for x, labels in batches:
        labels = to_device(labels, device)
        logits = model(to_device(x, device))
        value, _ = loss.forward(logits, labels)
        total += len(labels)
        correct = correct + count_correct(logits, labels)
        loss_sum = loss_sum + value.astype("float64") * len(labels)
    if total == 0:
        raise StateError("there are 0 images to evaluate, expected at least 1: pass a loader that holds images")
    return Evaluation(int(to_numpy(correct)), total, float(to_numpy(loss_sum)) / total)


def count_correct(logits, labels):
    """The number of rows of ``logits`` (N, K) whose largest entry is at the label, as an array without axes."""
    return (logits.argmax(axis=1) == labels).sum()
