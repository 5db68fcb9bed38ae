"""Are the terms of a fork the derivative of its forward? Found from forward alone.

Terms that add up to what ``backward`` returned do not prove it right: ``backward`` *is* their sum, so a wrong term
makes a wrong sum. Here the sum and each term are held against the derivative of forward along random directions,

    <dy, d/dt f(x + t v, where the child named k sees a further t w_k)>  =  <v, dx> + sum_k <w_k, term k>

for every term that has the name of a child: what comes back through child k is what a change of its input alone does.
One forward in complex numbers with the step 1e-30 gives the derivative exactly to rounding (see
:mod:`minires.gradcheck`), always in float64.
"""

import math

import numpy as np

from ..backend import device_of, to_device
from ..errors import StateError
from ..layers import Layer
from ..layers.base import inside
from ..layers.watch import watched
from .norms import difference, dot, frozen, norm, ratio, worst

STEP = 1e-30


def derivative_error(visit, incoming):
    """How far the sum of the terms, and each term, are from the derivative of forward, relative to their size.

    visit: :class:`~minires.trace.trunk.Visit`, one forward of a fork   incoming: the gradient behind it

    Rounding is some 1e-15; a wrong, a dropped or a misnamed term gives about its share of the gradient. If backward
    writes into the gradient that it was given, how much it changed counts too. Raises StateError if forward does not
    carry complex numbers.
    """
    rng = np.random.default_rng(0)
    x, dy = visit.x.astype("float64"), incoming.astype("float64")
    with inside(visit.path):
        fork, given = visit.again(dtype="float64"), dy.copy()
        dx, terms = backward_with_terms(fork, fork.backward, given, fork.forward(x, visit.train)[1])
        v = _random(rng, x)
        moved = visit.again(dtype="float64")
        children = {name: _Moved(child, _random(rng, x)) for name, child in moved.children() if name in terms}
        for name, child in children.items():
            moved.set_child(name, child)
        products = dy * _derivative(moved, x, v, visit.train)
    expected = float(products.sum())
    found = dot(v, dx) + sum(dot(child.w, terms[name]) for name, child in children.items() if child.met)
    size = max(math.hypot(norm(dx), *map(norm, terms.values())), norm(products))
    return worst((difference(given, dy), ratio(abs(found - expected), size) if size else 0.0))


def backward_with_terms(fork, backward, dy, cache):
    """(``backward(dy, cache)``, copies of the terms that the fork found on the way, or would have found)."""
    terms = {}

    def noting(path, fork, terms_of):
        def noted(dy, cache):
            found = terms_of(dy, cache)
            terms.update((name, frozen(term)) for name, term in found.items())
            return found

        return noted

    with watched([("", fork)], terms=noting):
        dx = backward(dy, cache)
        if not terms:
            fork.terms(dy, cache)
    return dx, terms


class _Moved(Layer):
    """``layer`` at x + i STEP w; a child that gets something else than x in shape is not moved."""

    def __init__(self, layer, w):
        self.layer, self.w, self.met = layer, w, False

    def forward(self, x, train=False):
        self.met = x.shape == self.w.shape
        return self.layer.forward(x + 1j * STEP * self.w if self.met else x, train)


def _derivative(fork, x, v, train):
    try:
        y, _ = fork.forward(x + 1j * STEP * v, train)
    except (TypeError, np.exceptions.ComplexWarning) as error:
        raise _no_complex(fork, f"raised {error!r}") from error
    if y.dtype.kind != "c":
        raise _no_complex(fork, f"returned {y.dtype}")
    return y.imag / STEP


def _random(rng, like):
    return to_device(rng.standard_normal(like.shape), device_of(like))


def _no_complex(fork, what):
    return StateError(
        f"forward {what} for a complex input, expected a complex output, by which its terms are checked: write "
        "forward with operations that carry complex numbers (branch on x.real, no abs)",
        type(fork).__name__,
    )
