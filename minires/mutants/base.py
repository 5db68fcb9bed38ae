"""What a planted mistake is."""

import inspect
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Callable

import numpy as np


@dataclass(frozen=True)
class Mutant:
    """A layer with one mistake planted in it, and the misconception that the mistake stands for.

    name: "BatchNorm2d.VarianceTermMissing"   of: name of the class that is right, "BatchNorm2d"
    misconception: what a teacher would say to a student who wrote it, one or two sentences
    make(rng): the wrong layer   right(rng): the right one; from equal rngs both have equal parameters
    shape: of an input on which the mistake shows

    backward_only: forward is the right one, so that backward takes the caches of the right layer as well
    kind: the wrong class, for a loss that of the loss
    forms: the same misconception in other numbers, each as a mutant: in another order of steps, or in the other mode
    """

    name: str
    of: str
    misconception: str
    make: Callable
    right: Callable
    shape: tuple
    backward_only: bool
    kind: type
    forms: tuple = ()

    @property
    def versions(self) -> tuple["Mutant", ...]:
        """This mutant and its other forms."""
        return self, *self.forms

    def case(self, seed: int) -> tuple[Any, Any]:
        """(make, x) like :func:`minires.cases.case`: makes the same wrong layer each time; a random float64 input."""
        x = np.random.default_rng(seed + 1).standard_normal(self.shape)
        return lambda: self.make(np.random.default_rng(seed)), x


def plant(right, wrong, build, shape, forms=()):
    """The :class:`Mutant` of two classes: ``build(cls, rng)`` makes a layer of either.

    The docstring of ``wrong`` is the misconception, so that it stands beside the line that it is about; ``forms`` are
    more classes with it, whose docstrings say what is other in them.
    """
    mutant = Mutant(
        name=f"{right.__name__}.{wrong.__name__}",
        of=right.__name__,
        misconception=" ".join(inspect.cleandoc(wrong.__doc__ or "").split()),
        make=partial(build, wrong),
        right=partial(build, right),
        shape=shape,
        backward_only=wrong.forward is right.forward,
        kind=wrong,
    )
    others = (
        replace(mutant, make=partial(build, form), backward_only=form.forward is right.forward, kind=form)
        for form in forms
    )
    return replace(mutant, forms=tuple(others))
