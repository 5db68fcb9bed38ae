"""Learning rates as pure functions of the step index: ``step`` counts from 0, ``total`` is the number of steps.

A schedule keeps no state, so that a resumed training needs to know nothing but its step.
"""

import math
from collections.abc import Sequence

from ..errors import RangeError
from .config import TrainConfig


def constant(step: int, *, lr: float) -> float:
    """lr."""
    return lr


def steps(step: int, *, lr: float, milestones: Sequence[float], gamma: float = 0.1) -> float:
    """lr gamma^k, where k of the ``milestones`` (step indices) have been reached."""
    return lr * gamma ** sum(step >= milestone for milestone in milestones)


def cosine(step: int, *, lr: float, total: int) -> float:
    """lr (1 + cos(pi step / total)) / 2: from lr down to 0, and 0 behind. Loshchilov and Hutter 2017, "SGDR", eq. 5."""
    _require_steps(total)
    return lr * (1 + math.cos(math.pi * min(1, step / total))) / 2


def one_cycle(
    step: int, *, lr: float, total: int, rise: float = 0.3, start: float = 1 / 25, end: float = 1 / 25e4
) -> float:
    """From ``start`` lr up to lr in the first part ``rise`` of the steps, then down to ``end`` lr, along cosines.

    Smith and Topin 2018, "Super-Convergence", with the cosines and the defaults of PyTorch's OneCycleLR.
    """
    _require_steps(total)
    top = rise * total - 1  # as in PyTorch; 0 or less where the rise is shorter than two steps
    if step < top:
        return lr * _ease(start, 1, step / top)
    return lr * _ease(1, end, min(1, (step - top) / max(1, total - 1 - top)))


def warmup(step: int, *, length: int) -> float:
    """A factor that rises linearly from 1/length at step 0 to 1 at step length - 1; 1 everywhere where length is 0.

    Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 2.2.
    """
    return min(1.0, (step + 1) / length) if length else 1.0


def scale(config: TrainConfig) -> float:
    """By what ``scale_lr`` multiplies the learning rate of ``lr_batch`` images, for those of a step; 1 for "none".

    Goyal et al. 2017, section 2.1, has the linear rule. The root keeps the variance of a step instead: Krizhevsky 2014,
    "One weird trick for parallelizing convolutional neural networks", section 5.
    """
    ratio = config.batch_size * config.accumulate / config.lr_batch
    return {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[config.scale_lr]


def warmup_steps(config: TrainConfig, total: int) -> int:
    """The steps of the warm-up: those of ``warmup``, or a twentieth of all where the rate is scaled up."""
    rises = config.schedule == "one-cycle" or scale(config) <= 1
    return config.warmup if config.warmup or rises else math.ceil(total / 20)


def learning_rate(config: TrainConfig, step: int, total: int) -> float:
    """The learning rate of ``step`` under a :class:`~minires.train.TrainConfig`: the schedule times the warm-up."""
    top = config.lr * scale(config)
    lr = {
        "constant": lambda: constant(step, lr=top),
        "steps": lambda: steps(
            step, lr=top, milestones=[round(part * total) for part in config.milestones], gamma=config.gamma
        ),
        "cosine": lambda: cosine(step, lr=top, total=total),
        "one-cycle": lambda: one_cycle(step, lr=top, total=total),
    }[config.schedule]()
    return lr * warmup(step, length=warmup_steps(config, total))


def _require_steps(total):
    if not total >= 1:
        raise RangeError(f"total is {total}, expected the number of steps of the training, at least 1: change total")


def _ease(a, b, part):
    """a at part 0, b at part 1, half a period of a cosine between."""
    return b + (a - b) * (1 + math.cos(math.pi * part)) / 2
