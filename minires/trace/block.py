"""A block of the trunk: layers on the way from the input to the output, with what their last forward left.

A block is what lies between x_l and x_{l+1}: a fork with the layers before it that belong to the same block (a shared
pre-activation) and behind it (the ReLU of v1). What comes back through it is a sum of terms,

    g_l = A_l^T g_{l+1} + B_l^T g_{l+1} (+ C_l^T g_{l+1} for a gate)

with A^T, the shortcut operator, B^T, the residual operator, each including the layers before and behind the fork.
Layers without a fork between blocks (stem, head, transitions) are links: A^T alone. In a plain network, without any
fork, a block is a Sequential that holds no other around its layers; its one term is B^T, and A^T is 0.
"""

from dataclasses import dataclass, field
from typing import Any

from ..backend import Array, xp_of
from ..layers.base import Layer, inside

SHORTCUT, BRANCH = "shortcut", "branch"


@dataclass
class Part:
    """A layer on the trunk with what its last forward left: the path in the model, the input and the cache."""

    path: str
    layer: Layer
    x: Array | None = None
    cache: Any = None

    def forward(self, x, train):
        self.x = x
        with inside(self.path):
            y, self.cache = self.layer.forward(x, train)
        return y

    def backward(self, u):
        with inside(self.path):
            return self.layer.backward(u, self.cache)


@dataclass
class Block:
    """Layers before a fork, the fork, layers behind it; a link and a plain block have all their layers in ``pre``."""

    path: str
    pre: list = field(default_factory=list)
    fork: Part | None = None
    post: list = field(default_factory=list)
    plain: bool = False
    y: Array | None = None

    @property
    def link(self):
        """Whether the whole gradient comes through and no block is counted."""
        return self.fork is None and not self.plain

    @property
    def parts(self):
        return [*self.pre, *([self.fork] if self.fork else []), *self.post]

    @property
    def x(self):
        """x_l, the input of the block."""
        return self.parts[0].x

    def forward(self, x, train):
        for part in self.parts:
            x = part.forward(x, train)
        self.y = x
        return x

    def backward(self, u):
        """The whole gradient: g_l from u = g_{l+1}, by the layers' own backward."""
        return _back(self.parts, u)

    def terms(self, u):
        """``{name: term}``: the terms of g_l, each brought back to the input of the block.

        A link has "shortcut" alone, a plain block "branch".
        """
        if self.fork is None:
            return {BRANCH if self.plain else SHORTCUT: self.backward(u)}
        u = _back(self.post, u)
        with inside(self.fork.path):
            terms = self.fork.layer.terms(u, self.fork.cache)
        return {name: _back(self.pre, term) for name, term in terms.items()}

    def shortcut(self, u):
        """A_l^T u alone, without the cost of the residual branch; zeros where there is no shortcut."""
        if self.link:
            return self.backward(u)
        if self.plain:
            return xp_of(self.x).zeros_like(self.x)
        with inside(self.fork.path):
            term = self.fork.layer.shortcut_term(_back(self.post, u), self.fork.cache)
        return _back(self.pre, term)

    def residual(self, u):
        """B_l^T u: everything but the shortcut term."""
        return self.split(u)[1]

    def split(self, u):
        """(A_l^T u, B_l^T u): the shortcut term, and the sum of all the others."""
        terms = self.terms(u)
        shortcut = terms.pop(SHORTCUT, None)
        zero = xp_of(self.x).zeros_like(self.x)
        return (zero if shortcut is None else shortcut), sum(terms.values(), start=zero)


def _back(parts, u):
    for part in reversed(parts):
        u = part.backward(u)
    return u
