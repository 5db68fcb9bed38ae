"""What the right layer and every planted mistake of it show on the same inputs; nothing here depends on a student."""

import copy
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations

import numpy as np

from ..layers.base import Param
from ..losses import Objective
from .exercises import configurations, planted
from .observe import outputs, same


@dataclass
class Cell:
    """One right layer, input and upstream gradient in one mode; ``right``: what the layer shows, see ``outputs``."""

    layer: object
    x: np.ndarray
    dy: np.ndarray
    train: bool
    right: dict = field(default_factory=dict)
    shown: dict = field(default_factory=dict)  # {class with a mistake: what it shows}

    def run(self, layer, between=True):
        return outputs(layer, self.x, self.dy, self.train, between)

    def of(self, kind):
        """What the wrong class ``kind`` shows here; worked out once."""
        if kind not in self.shown:
            self.shown[kind] = self.run(as_kind(self.layer, kind))
        return self.shown[kind]


@dataclass(frozen=True)
class Idea:
    """What a diagnosis may say: one planted mistake, or two at once, in one of its forms."""

    names: tuple
    kind: type


class Lab:
    """Cells and ideas for one layer of minires.

    of: name of the layer or loss   exercise: the :class:`~minires.classroom.Exercise` where functions stand for it
    seed: of inputs, parameters and upstream gradients. In float64; parameters and running statistics are off their
    initial values, since gamma = 1 hides a forgotten gamma; one x is rounded, so that it has ties and lies on kinks.
    """

    def __init__(self, of, exercise=None, seed=0):
        self.of, self.exercise = of, exercise
        self.ideas = [Idea((m.name,), version.kind) for m in planted(of) for version in m.versions]
        rows = exercise.configurations() if exercise else configurations(of)
        self.cells = []
        modes = (True, False) if exercise is None or "train" in exercise.takes else (False,)
        for number, (build, shape) in enumerate(rows):
            layer = settled(build, [seed, number])
            for scale in exercise.scales if exercise else (1, 1000):
                for rounded in (False, True) if (number, scale) == (0, 1) else (False,):
                    rng = np.random.default_rng([seed, number, scale, rounded])
                    self.cells += _cells(layer, shape, scale, rounded, modes, rng)
        self._changes = {}

    def changes(self, kind):
        """{(train, name)} of all that the wrong class ``kind`` changes, where it runs."""
        if kind not in self._changes:
            runs = [(cell, cell.of(kind)) for cell in self.cells if "raised" not in cell.of(kind)]
            self._changes[kind] = frozenset((c.train, name) for c, shown in runs for name in differing(c, shown))
        return self._changes[kind]

    def pairs(self, bad, left):
        """Two mistakes at once that rewrite different steps and both change what is ``left``, and only what is ``bad``.

        Two that change different outputs are no pair: each of them explains its own.
        """
        kinds = {idea.kind for idea in self.ideas}
        useful = [idea for idea in self.ideas if self.changes(idea.kind) and self.changes(idea.kind) <= bad]
        for a, b in combinations(useful, 2):
            common = self.changes(a.kind) & self.changes(b.kind) & left
            if common and a.names != b.names and not _steps(a.kind, kinds) & _steps(b.kind, kinds):
                both = _both(a.kind, b.kind)
                if both:
                    yield Idea((*a.names, *b.names), both)


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


def as_kind(layer, kind):
    """A copy of ``layer`` with the methods of the wrong class ``kind``."""
    twin = copy.deepcopy(layer)
    part = twin.loss if isinstance(twin, Objective) else twin
    part.__class__ = kind
    return twin


def _cells(layer, shape, scale, rounded, modes, rng):
    x = scale * (rng.standard_normal(shape) * 1.7 + 0.3)
    x = np.round(x) if rounded else x
    dy = np.asarray(rng.standard_normal(np.shape(copy.deepcopy(layer).forward(x, False)[0])))
    for train in modes:
        cell = Cell(layer, x, dy, train)
        cell.right = cell.run(layer)
        yield cell


def _steps(kind, kinds):
    """Names of the methods that a wrong class rewrites."""
    found = set()
    for base in kind.__mro__:
        if base in kinds:
            found |= {name for name in vars(base) if not name.startswith("__")}
    return found


@lru_cache(maxsize=None)
def _both(a, b):
    """A class with both mistakes, None where the order of their bases does not allow it; one and the same each time."""
    try:
        return type(f"{a.__name__}And{b.__name__}", (a, b), {})
    except TypeError:
        return None


def differing(cell, shown):
    """Names of what differs from the right layer."""
    return {name for name in cell.right if not same(cell.right[name], shown.get(name))}
