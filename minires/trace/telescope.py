"""g_l as a telescoped sum over the blocks between l and L, in its two exact forms.

With A_i^T the shortcut operator and B_i^T the residual operator of block i (all that is not shortcut),

    local:  g_l = A_l^T ... A_{L-1}^T g_L + sum_i  A_l^T ... A_{i-1}^T  B_i^T g_{i+1}
    total:  g_l = A_l^T ... A_{L-1}^T g_L + sum_i  (A+B)_l^T ... (A+B)_{i-1}^T  B_i^T  A_{i+1}^T ... A_{L-1}^T g_L

Where every shortcut is the identity these are g_L + sum r_i and g_L + sum q_i:

    r_i = B_i^T g_{i+1}                   the total gradient behind block i through the local Jacobian of F_i at x_i
    q_i = (dF_i(x_i) / dx_l)^T g_L        the gradient at L through the total derivative of F_i with respect to x_l

The q_i are the terms of dL/dx_l = dL/dx_L (1 + sum_i dF_i/dx_l), the equation of He et al. 2016, "Identity Mappings
in Deep Residual Networks", eq. 5. The two sums are equal; their terms are not. Local terms cost one residual
product each, total terms O((L - l)^2).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..backend import Array
from ..errors import RangeError
from .norms import difference, frozen
from .records import Traced


@dataclass(frozen=True, eq=False)
class Telescope:
    """``identity`` + sum of ``terms`` = ``total``, which should be ``g``, the gradient that backward found at x_l.

    form: "local" (terms r_i) or "total" (terms q_i)   terms: {path of block i: term}, in the shape of x_l
    residual_products: how many products with a residual operator it took
    """

    form: str
    start: int
    stop: int
    identity: Array
    terms: dict
    total: Array
    g: Array
    residual_products: int

    def __repr__(self):
        return f"<Telescope, {self.form} form, {len(self.terms)} terms from x_{self.stop} to x_{self.start}>"

    @property
    def error(self) -> float:
        """|total - g| / |g|."""
        return difference(self.total, self.g)


def telescope(
    ledger: Traced,
    start: int = 0,
    stop: int | None = None,
    form: str = "local",
    *,
    progress: Callable[[Any], Any] = iter,
) -> Telescope:
    """The :class:`Telescope` of a ledger from x_L (L = ``stop``, default the last) back to x_l (l = ``start``).

    progress: what the loop over the blocks runs through; ``tqdm`` shows a bar
    """
    start, stop = ledger.span(start, stop)
    if form not in ("local", "total"):
        raise RangeError(f"form is {form!r}, expected 'local' (r_i) or 'total' (q_i)")
    chain = ledger.trunk.between(start, stop)
    g_stop = ledger.g(stop)
    identity = _shortcuts(chain, g_stop)
    terms, products = {}, 0
    for i, block in enumerate(progress(chain)):
        if block.link:
            continue
        if form == "local":
            term = _shortcuts(chain[:i], block.residual(ledger.blocks[start + len(terms)].incoming))
            products += 1
        else:
            term = block.residual(_shortcuts(chain[i + 1 :], g_stop))
            for earlier in reversed(chain[:i]):
                term = earlier.backward(term)
            products += 1 + sum(not earlier.link for earlier in chain[:i])
        terms[block.path] = frozen(term)
    total = sum(terms.values(), start=identity)
    return Telescope(form, start, stop, frozen(identity), terms, frozen(total), ledger.g(start), products)


def _shortcuts(chain, u):
    """A^T ... A^T u along the chain, from its end to its beginning."""
    for block in reversed(chain):
        u = block.shortcut(u)
    return u
