"""The exercises whose functions can be diagnosed: what they take, and the layers that they are run on."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np

from ..errors import ContractError, RangeError
from ..layers import BatchNorm2d, Conv2d, Linear, ReLU, Residual, Sequential, Tanh
from ..layers.base import Layer
from ..losses import Objective, SoftmaxCrossEntropy
from ..mutants import MUTANTS, SILENT
from .functions import FunctionLayer


@dataclass(frozen=True)
class Exercise:
    """Functions that stand for a layer of minires.

    name: that of the functions, ``linear_forward`` and ``linear_backward``   of: name of the layer or loss, "" for none
    takes: what forward takes after x, see :class:`~minires.classroom.FunctionLayer`
    fits(right): whether the functions can stand for this layer: they may know no stride
    more: ``((build(rng), shape of x), ...)`` beside the configurations of the planted mistakes: other sizes
    small() yields ``(build(rng), shape)`` from few numbers to many, on which a mistake is shown
    scales: what x is multiplied by   read: (number of a tutorial, heading in it), where there is something to read
    terms: whether a third function, ``name_terms``, returns the terms of dx
    twist: a class that takes the place of the layer's: another definition, see :mod:`~minires.classroom.twists`
    """

    name: str
    of: str
    takes: tuple
    more: tuple
    small: Callable
    read: tuple = ()
    fits: Callable = lambda right: True
    scales: tuple = (1,)
    twist: type | None = None
    terms: bool = False

    def __str__(self):
        return self.name

    @property
    def defines(self) -> tuple[str, ...]:
        """Names of the functions that a submission defines."""
        ways = ("forward", "backward", "terms") if self.terms else ("forward", "backward")
        return tuple(f"{self.name}_{way}" for way in ways)

    @property
    def public(self) -> bool:
        """Whether minires shows how it is done: then the true numbers can be measured with it."""
        return self.twist is None and bool(self.of)

    def functions(self, namespace: Any) -> list[Any]:
        """Those of a module or dict that ``defines`` names. What stands in the place of a missing one raises that, so
        that the others are graded."""
        given = namespace if isinstance(namespace, dict) else vars(namespace)
        missing = self.missing(namespace)
        return [_raising(name) if name in missing else given[name] for name in self.defines]

    def missing(self, namespace: Any) -> list[str]:
        """Names of the functions that are not there."""
        given = namespace if isinstance(namespace, dict) else vars(namespace)
        return [name for name in self.defines if not callable(given.get(name))]

    def few(self) -> list[tuple[Callable[..., Layer], tuple[int, ...]]]:
        """``[(build(rng), shape), ...]`` of ``small``."""
        return [(self._twisted(build), shape) for build, shape in self.small()]

    def wrap(self, namespace: Any) -> Callable[[Layer], FunctionLayer]:
        """A function that gives the layer of these functions on the arrays of a right one."""
        forward, backward, *terms = self.functions(namespace)
        return lambda right: FunctionLayer(forward, backward, like=right, takes=self.takes, terms=[*terms, None][0])

    def configurations(self) -> list[tuple[Callable[..., Layer], tuple[int, ...]]]:
        """``[(build(rng), shape), ...]``: all on which some planted mistake shows, and ``more``."""
        rows = configurations(self.of, self.more)
        return [(self._twisted(build), shape) for build, shape in rows if self.fits(build(np.random.default_rng(0)))]

    def _twisted(self, build):
        return build if self.twist is None else lambda rng: as_kind(build(rng), self.twist)


class Missing(ContractError):
    """A function of a submission is not there."""


def _raising(name):
    def missing(*arguments):
        raise Missing(f"there is no function {name}")

    return missing


def as_kind(layer, kind):
    """A copy of ``layer`` with the methods of the class ``kind``, wrong or twisted."""
    twin = copy.deepcopy(layer)
    part = twin.loss if isinstance(twin, Objective) else twin
    part.__class__ = kind
    return twin


def planted(of):
    """All planted mistakes of the layer or loss called ``of``."""
    return [mutant for mutant in (*MUTANTS, *SILENT) if mutant.of == of]


def configurations(of, more=()):
    """``[(build(rng), shape), ...]`` of the planted mistakes of ``of``, each once, then ``more``."""
    rows = {(mutant.right.func, mutant.shape): mutant.right for mutant in planted(of)}
    return [(build, shape) for (_, shape), build in rows.items()] + list(more)


def exercise(name):
    """The :class:`Exercise` called ``name``, or which is that; RangeError, which lists what is there."""
    if isinstance(name, Exercise):
        return name
    if name not in EXERCISES:
        raise RangeError(f"there is no exercise {name!r}: choose one of {', '.join(EXERCISES)}")
    return EXERCISES[name]


def _by_size(*ranges):
    return sorted(product(*ranges), key=lambda sizes: (prod(sizes), sizes))


def _small_linear():
    for n, d, m in _by_size((1, 2, 3), (1, 2), (1, 2, 3)):
        yield (lambda rng, d=d, m=m: Linear(d, m, rng=rng)), (n, d)


def _small_relu():
    for d in (1, 2, 3, 4):
        yield (lambda rng: ReLU()), (1, d)


def _small_loss():
    for n, k in _by_size((1, 2), (2, 3)):
        yield (lambda rng, n=n, k=k: Objective(SoftmaxCrossEntropy(), rng.integers(0, k, n))), (n, k)


def _small_conv():
    for c, m, k, n, h, w in _by_size((1, 2), (1, 2), (1, 3), (1, 2), (1, 2), (1, 2, 3)):
        if c * n * h * w <= 8:
            yield (lambda rng, c=c, m=m, k=k: Conv2d(c, m, k, padding=k // 2, bias=True, rng=rng)), (n, c, h, w)


def _small_batchnorm():
    for n, c, h, w in _by_size((1, 2, 3), (1, 2), (1, 2), (1, 2)):
        if n * h * w > 2 and n * c * h * w <= 8:
            yield (lambda rng, c=c: BatchNorm2d(c)), (n, c, h, w)


def _small_residual():
    for c in (1, 2):
        yield (lambda rng, c=c: Residual(Conv2d(c, c, 1, rng=rng))), (1, c, 1, 1)
        yield (lambda rng, c=c: Residual(Conv2d(c, c, 1, rng=rng), Conv2d(c, c, 1, rng=rng))), (1, c, 1, 1)
    yield (lambda rng: Residual(BatchNorm2d(1))), (3, 1, 1, 1)


def _is_plain_conv(conv):
    return (
        conv.bias is not None
        and conv.groups == 1
        and {conv.stride, conv.dilation} == {(1, 1)}
        and conv.padding in ((0, 0), (1, 1), (2, 2))
    )


def _wider(rng):
    return Residual(
        Sequential(Conv2d(3, 5, 3, stride=2, padding=1, rng=rng), Tanh()), Conv2d(3, 5, 1, stride=2, rng=rng)
    )


EXERCISES = {
    each.name: each
    for each in (
        Exercise(
            "linear",
            "Linear",
            ("weight", "bias"),
            ((lambda rng: Linear(5, 3, rng=rng), (6, 5)), (lambda rng: Linear(2, 3, rng=rng), (2, 2))),
            _small_linear,
            (1, "Backward: the same sum, read the other way"),
        ),
        Exercise("relu", "ReLU", (), ((lambda rng: ReLU(), (2, 3, 4, 5)),), _small_relu, (2, "Lie 2: kinks")),
        Exercise(
            "softmax_cross_entropy",
            "SoftmaxCrossEntropy",
            ("targets",),
            ((lambda rng: Objective(SoftmaxCrossEntropy(), rng.integers(0, 3, 7)), (7, 3)),),
            _small_loss,
            (5, "The gradient, line by line"),
            lambda right: repr(vars(right.loss)) == repr(vars(SoftmaxCrossEntropy())) and right.targets.data.ndim == 1,
            (1, 1000),
        ),
        Exercise(
            "conv",
            "Conv2d",
            ("weight", "bias", "padding"),
            (
                (lambda rng: Conv2d(2, 3, 3, padding=0, bias=True, rng=rng), (2, 2, 6, 4)),
                (lambda rng: Conv2d(3, 2, (3, 2), padding=2, bias=True, rng=rng), (4, 3, 3, 5)),
            ),
            _small_conv,
            (3, "Backward: three gradients from one line"),
            _is_plain_conv,
        ),
        Exercise(
            "batchnorm",
            "BatchNorm2d",
            ("gamma", "beta", "running_mean", "running_var", "train"),
            ((lambda rng: BatchNorm2d(3), (4, 3, 2, 5)),),
            _small_batchnorm,
            (4, "Line 4: the gradient"),
        ),
        Exercise(
            "residual",
            "Residual",
            ("branch", "shortcut", "train"),
            ((_wider, (2, 3, 4, 5)),),
            _small_residual,
            (1, 'A fork: where the "1 +" of a residual network comes from'),
            terms=True,
        ),
    )
}
