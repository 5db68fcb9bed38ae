"""The ledger: every term of the gradient at every fork of one forward and one backward, named, kept and added up."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..errors import RangeError, StateError
from ..layers import Fork
from ..layers.checks import as_floats
from ..losses import SoftmaxCrossEntropy
from .derivative import backward_with_terms, derivative_error
from .norms import cosine, difference, frozen, norm, ratio, worst
from .trunk import SHORTCUT, Trunk, Visit


@dataclass(frozen=True, eq=False)
class ForkRecord:
    """What passed through one fork on the way back; arrays are read-only copies that share no memory.

    incoming: the gradient behind the fork   outgoing: the gradient before it, as backward returned it
    terms: {name: term}, which add up to ``outgoing``   visit: the forward that this is the backward of
    """

    path: str
    kind: str
    incoming: np.ndarray
    terms: dict
    outgoing: np.ndarray
    visit: Visit = field(repr=False)

    @property
    def balance_error(self):
        """|sum of the terms - outgoing| / |outgoing|: proves that no term is missing from the account of backward,
        not that backward is right.
        """
        return difference(sum(self.terms.values()), self.outgoing)

    @cached_property
    def derivative_error(self):
        """Proves that the fork's terms and their sum are the derivative of its forward (in float64, on first use)
        and that it left the incoming gradient as it was: :func:`~minires.trace.derivative.derivative_error`.
        """
        return derivative_error(self.visit, self.incoming)

    @property
    def closure_error(self):
        """The larger of ``balance_error`` (rounding of the dtype) and ``derivative_error`` (rounding of float64)."""
        return worst((self.balance_error, self.derivative_error))

    @property
    def shortcut_scaling(self):
        """|shortcut term| / |incoming|; NaN where the fork has no shortcut or nothing comes in."""
        return ratio(norm(self.terms[SHORTCUT]), norm(self.incoming)) if SHORTCUT in self.terms else float("nan")

    @property
    def residual(self):
        """The sum of all terms but the shortcut's."""
        rest = [term for name, term in self.terms.items() if name != SHORTCUT]
        return sum(rest) if rest else 0 * self.outgoing

    @property
    def residual_ratio(self):
        """|residual| / |incoming|."""
        return ratio(norm(self.residual), norm(self.incoming))

    @property
    def cosine(self):
        """Cosine of the angle between the shortcut term and the residual; NaN where one of them is zero."""
        return cosine(self.terms[SHORTCUT], self.residual) if SHORTCUT in self.terms else float("nan")


@dataclass(frozen=True, eq=False)
class BlockRecord(ForkRecord):
    """A block of the trunk: a :class:`ForkRecord` from g_{l+1}, the gradient behind the block, to g_l, that before it.

    index: l, from 0   identity: the cumulative identity gradient A_l^T ... A_{n-1}^T g_n, what arrives from the
    output of the last block on shortcuts alone   fork: the record of the fork itself, without the layers around it
    """

    index: int
    identity: np.ndarray
    fork: ForkRecord = field(repr=False)

    @property
    def derivative_error(self):
        """That of the fork; of the layers around it, ask :func:`~minires.gradcheck.gradcheck`."""
        return self.fork.derivative_error

    @property
    def identity_ratio(self):
        """|cumulative identity gradient| / |g_l|."""
        return ratio(norm(self.identity), norm(self.outgoing))


class Ledger:
    """What :func:`trace` found: the blocks of the trunk, every fork (nested ones too), and the trunk for more.

    ``loss``: its value, or None   ``blocks``: tuple of :class:`BlockRecord`, from the input to the output
    ``forks``: tuple of :class:`ForkRecord`, from the input to the output   ``dx``: gradient of the input of the model
    ``trunk``: :class:`~minires.trace.trunk.Trunk`, whose operators can be applied again
    """

    def __init__(self, trunk, loss, blocks, forks, dx, about):
        self.trunk, self.loss = trunk, loss
        self.blocks, self.forks = tuple(blocks), tuple(forks)
        self.dx = dx
        self.about = about

    def g(self, position):
        """The gradient at x_l, read-only; ``position`` l runs from 0 to n, the output of the last block."""
        start, _ = self.span(position, None)
        return self.blocks[start].outgoing if start < len(self.blocks) else self.blocks[-1].incoming

    def span(self, start, stop):
        """(start, stop) of a part of the trunk, checked; None as ``stop`` is the output of the last block."""
        n = len(self.blocks)
        if n == 0:
            raise StateError("the model has 0 forks on its trunk, expected at least 1: a plain net has a single path")
        stop = n if stop is None else stop
        if not all(isinstance(position, (int, np.integer)) for position in (start, stop)):
            raise RangeError(f"positions are {start!r} and {stop!r}, expected integers from 0 to {n}")
        if not 0 <= start <= stop <= n:
            raise RangeError(
                f"start is {start} and stop {stop}, expected 0 <= start <= stop <= {n}, the number of blocks"
            )
        return start, stop

    @property
    def closure_error(self):
        """The largest closure error of all forks and blocks; 0 where there are none. The first time takes a forward
        and a backward in float64, and a forward in complex numbers, of every fork.
        """
        return worst(record.closure_error for record in (*self.forks, *self.blocks))

    def table(self):
        """A line a block, in the order in which the gradient passes."""
        from .report import as_table

        return as_table(self)

    def to_json(self, **options):
        """See :func:`minires.trace.report.as_dict`."""
        from .report import as_json

        return as_json(self, **options)

    def to_html(self, **options):
        """A page to step through; options: see :func:`minires.trace.report.as_dict`, with pictures by default."""
        from .report import as_dict
        from .viewer import to_html

        return to_html(as_dict(self, **{"pictures": True, **options}))


def trace(model, x, labels=None, *, dy=None, train=True, loss=None):
    """Run one forward and one backward on a private copy of ``model`` and return the :class:`Ledger` of its gradients.

    x: the input of the model   labels: targets of ``loss`` (default softmax cross-entropy), or
    dy: the gradient of the output instead of a loss   train: which forward

    The model stays as it is: its parameters, gradients, running statistics and random states. The ledger holds the
    caches of the forward and, for each fork, its terms: some 36 MB an image of 32 x 32 for ResNet-110 in float32.
    He et al. 2016, "Identity Mappings in Deep Residual Networks", eq. 4 and 5.

    >>> import numpy as np
    >>> from minires import models
    >>> rng = np.random.default_rng(0)
    >>> model = models.build("resnet8", rng=rng)
    >>> ledger = trace(model, rng.standard_normal((2, 3, 8, 8)).astype(np.float32), np.array([3, 7]))
    >>> [block.path for block in ledger.blocks]
    ['stage1.0', 'stage2.0', 'stage3.0']
    >>> ledger.closure_error < 1e-6
    True
    """
    x = as_floats(x)
    if (labels is None) == (dy is None):
        given = "neither" if labels is None else "both"
        raise StateError(f"trace got {given} of labels and dy, expected one of them: trace(model, x, labels)")
    trunk = Trunk(model, x, train)
    value = None
    if dy is None:
        loss = loss or SoftmaxCrossEntropy()
        value, cache = loss.forward(trunk.y, labels)
        dy = loss.backward(cache)
    with _recording(trunk) as forks:
        gradients = trunk.gradients(as_floats(dy, "dy").copy())
    blocks = _block_records(trunk, gradients, forks)
    about = {"model": type(model).__name__, "dtype": str(x.dtype), "shape": list(x.shape), "train": train}
    dx = frozen(gradients[0][2]) if gradients else frozen(dy)
    return Ledger(trunk, None if value is None else float(value), blocks, forks[::-1], dx, about)


def _block_records(trunk, gradients, forks):
    """One record a block, from the input to the output."""
    fork_of = {(id(record.visit.fork), id(record.visit.cache)): record for record in forks}
    records = []
    identity = None
    last = max((i for i, (block, _, _) in enumerate(gradients) if block.fork), default=-1)
    for block, incoming, outgoing in gradients[last::-1] if last >= 0 else ():
        identity = block.shortcut(incoming if identity is None else identity)
        if block.fork is None:
            continue
        fork = fork_of[id(block.fork.layer), id(block.fork.cache)]
        # the account of the fork is that of the block unless layers before the fork belong to the block
        terms = block.terms(incoming) if block.pre else fork.terms
        records.append(
            BlockRecord(
                path=block.path,
                kind=fork.kind,
                incoming=frozen(incoming),
                terms={name: frozen(term) for name, term in terms.items()},
                outgoing=frozen(outgoing),
                visit=fork.visit,
                index=len(trunk.blocks) - 1 - len(records),
                identity=frozen(identity),
                fork=fork,
            )
        )
    return records[::-1]


@contextmanager
def _recording(trunk):
    """While the body runs, note every fork that terms come back through, in the order of backward."""
    records, watched = [], {}
    for _, layer in trunk.model.walk():
        if isinstance(layer, Fork) and id(layer) not in watched:
            watched[id(layer)] = layer
            layer.backward = _noting(layer, trunk, records)
    try:
        yield records
    finally:
        for layer in watched.values():
            del layer.backward


def _noting(fork, trunk, records):
    """``fork.backward``, noting incoming, terms and outgoing gradients as copies."""

    def noted(dy, cache):
        visit, incoming = trunk.visit(fork, cache), frozen(dy)
        outgoing, terms = backward_with_terms(fork, dy, cache)
        records.append(ForkRecord(visit.path, type(fork).__name__, incoming, terms, frozen(outgoing), visit))
        return outgoing

    return noted
