"""What the right layer and every planted mistake of it show on the same inputs; nothing here depends on a student."""

import copy
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import permutations

import numpy as np

from ..layers.base import Param
from .exercises import as_kind, configurations, planted
from .observe import is_term, outputs, same


@dataclass
class Cell:
    """One right layer, input and upstream gradient in one mode; ``right``: what the layer shows, see ``outputs``."""

    layer: object
    x: np.ndarray
    dy: np.ndarray
    train: bool
    terms: bool = False
    right: dict = field(default_factory=dict)
    shown: dict = field(default_factory=dict)  # {class with a mistake: what it shows}
    changed: dict = field(default_factory=dict)  # {class with a mistake: names of what it changes}

    def run(self, layer, between=True, left=None):
        return outputs(layer, self.x, self.dy, self.train, between, self.terms, left)

    def of(self, kind):
        """What the wrong class ``kind`` shows here; worked out once."""
        if kind not in self.shown:
            self.shown[kind] = self.run(as_kind(self.layer, kind))
        return self.shown[kind]

    def changes(self, kind):
        """Names of what the wrong class ``kind`` changes here; worked out once."""
        if kind not in self.changed:
            self.changed[kind] = differing(self, self.of(kind))
        return self.changed[kind]


@dataclass(frozen=True)
class Idea:
    """What a diagnosis may say: one planted mistake, or two at once, in one of its forms.

    terms: whether it is about the terms of dx, or else about all other outputs: they are of different functions, and
    who has the one right may have the other wrong
    """

    names: tuple
    kind: type
    plain: type  # the same without a twist
    terms: bool = False

    def is_about(self, name):
        return is_term(name) == self.terms


class Lab:
    """Cells and ideas for one layer of minires.

    of: name of the layer or loss   exercise: the :class:`~minires.classroom.Exercise` where functions stand for it
    seed: of inputs, parameters and upstream gradients. In float64; parameters and running statistics are off their
    initial values, since gamma = 1 hides a forgotten gamma; one x is rounded, so that it has ties and lies on kinks.
    """

    def __init__(self, of, exercise=None, seed=0):
        self.of, self.exercise = of, exercise
        self.twist = exercise.twist if exercise else None
        self._kinds = frozenset(version.kind for mutant in planted(of) for version in mutant.versions)
        without = getattr(self.twist, "without", ())
        self.ideas = [
            Idea((mutant.name,), self._twisted(version.kind), version.kind, terms)
            for mutant in planted(of)
            for version in mutant.versions
            for terms in ((False, True) if exercise and exercise.terms else (False,))
            if mutant.name.partition(".")[2] not in without
        ]
        rows = exercise.configurations() if exercise else configurations(of)
        self.cells = []
        modes = (True, False) if exercise is None or "train" in exercise.takes else (False,)
        for number, (build, shape) in enumerate(rows):
            layer = settled(build, [seed, number])
            for scale in exercise.scales if exercise else (1, 1000):
                for rounded in (False, True) if (number, scale) == (0, 1) else (False,):
                    rng = np.random.default_rng([seed, number, scale, rounded])
                    self.cells += _cells(
                        layer, shape, scale, rounded, modes, rng, exercise is not None and exercise.terms
                    )
        self._changes = {}

    def _twisted(self, kind):
        """The wrong class with the twist around it, where each of them still has its say, or else beneath it."""
        if self.twist is None:
            return kind
        mro = self.twist.__mro__
        kinds = self._kinds | set(mro[: mro.index(self.twist.untwisted)])
        return _joined(self.twist, kind, kinds) or type(kind.__name__, (kind, self.twist), {})

    def changes(self, kind):
        """{(train, name)} of all that the wrong class ``kind`` changes, where it runs."""
        if kind not in self._changes:
            runs = [cell for cell in self.cells if "raised" not in cell.of(kind)]
            self._changes[kind] = frozenset((c.train, name) for c in runs for name in c.changes(kind))
        return self._changes[kind]

    def _changed(self, idea):
        return frozenset((train, name) for train, name in self.changes(idea.kind) if idea.is_about(name))

    def pairs(self, bad, left):
        """Two mistakes at once that change what is ``left``, and only what is ``bad``.

        They rewrite different steps, or the first of them goes on to the step of the second. Two that change different
        outputs are no pair: each of them explains its own.
        """
        changed = {idea: self._changed(idea) for idea in self.ideas}
        useful = [idea for idea, changes in changed.items() if changes and changes <= bad]
        for a, b in permutations(useful, 2):
            one, other = changed[a], changed[b]
            if a.names != b.names and one & other and (one | other) & left:
                both = _both(a.plain, b.plain, self._kinds)
                if both:
                    yield Idea((*a.names, *b.names), self._twisted(both), both, a.terms)


def settled(build, seed):
    """A right layer in float64 whose parameters and buffers have left their initial values."""
    rng = np.random.default_rng(seed)
    layer = build(rng).to(dtype=np.float64)
    for name, t in layer.tensors():
        if isinstance(t, Param):
            t.data = t.data + 0.4 * rng.standard_normal(t.data.shape)
        elif not name.endswith("targets"):
            t.data = t.data * rng.uniform(0.5, 2, t.data.shape) + rng.uniform(0, 0.3, t.data.shape)
    return layer


def _cells(layer, shape, scale, rounded, modes, rng, terms):
    x = scale * (rng.standard_normal(shape) * 1.7 + 0.3)
    x = np.round(x) if rounded else x
    dy = np.asarray(rng.standard_normal(np.shape(copy.deepcopy(layer).forward(x, False)[0])))
    for train in modes:
        cell = Cell(layer, x, dy, train, terms)
        cell.right = cell.run(layer)
        yield cell


def _steps(kind, kinds):
    """{name: method} of what a wrong class rewrites."""
    found = {}
    for base in reversed(kind.__mro__):
        if base in kinds:
            found |= {name: value for name, value in vars(base).items() if not name.startswith("__")}
    return found


@lru_cache(maxsize=None)
def _both(a, b, kinds):
    """A class with both mistakes, None where one would hide the other; one and the same each time."""
    if not _steps(a, kinds).keys() & _steps(b, kinds).keys() and a.__name__ > b.__name__:
        return None  # two that rewrite different steps are the same in either order
    return _joined(a, b, kinds)


@lru_cache(maxsize=None)
def _joined(a, b, kinds):
    """A class with the steps of both, ``a`` going on to those of ``b``; None where it would hide them."""
    mine, theirs = _steps(a, kinds), _steps(b, kinds)
    if not all("super" in mine[name].__code__.co_names for name in mine.keys() & theirs.keys()):
        return None
    try:
        both = type(f"{a.__name__}And{b.__name__}", (a, b), {})
    except TypeError:  # the one is made of the other
        return None
    owners = (next(base for base in both.__mro__ if name in vars(base)) for name in theirs)
    return both if {*owners} <= kinds else None  # what lies between them hides nothing


def differing(cell, shown):
    """Names of what differs from the right layer; where ``shown`` raised, of what it has shown, and "raised"."""
    raised = {"raised"} & shown.keys()
    seen = shown.keys() if raised else cell.right.keys()
    return raised | {name for name in cell.right if name in seen and not same(cell.right[name], shown.get(name))}
