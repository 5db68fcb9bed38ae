"""The ledger: every term of the gradient at every fork of one forward and one backward, named, kept and added up."""

import copy
from collections.abc import Iterable
from functools import partial
from typing import Any

from ..backend import Array
from ..errors import RangeError, StateError
from ..layers.base import Layer
from ..layers.known import kind_of
from ..layers.checks import as_floats, is_integer
from ..layers.watch import watched
from ..losses import Loss, SoftmaxCrossEntropy
from .block import SHORTCUT
from .depth import backward_by_depth
from .norms import AGREE, agrees, difference, frozen, worst
from .records import BlockRecord, ForkRecord, block_records, noting
from .trunk import Trunk, definition


class Ledger:
    """What :func:`trace` found: the blocks of the trunk, every fork (nested ones too), and the trunk for more.

    ``loss``: its value, or None   ``blocks``: tuple of :class:`BlockRecord`, from the input to the output
    ``forks``: tuple of :class:`ForkRecord`, from the input to the output   ``dx``: gradient of the input of the model
    ``trunk``: :class:`~minires.trace.trunk.Trunk`, whose operators can be applied again   ``backward_error``:
    |dx - dx of the model's own backward| / |dx|   ``depth``: what :func:`~minires.trace.gradient_norms` gives
    ``labels``: those that were given, or None
    """

    def __init__(
        self,
        trunk: Trunk,
        loss: float | None,
        blocks: Iterable[BlockRecord],
        forks: Iterable[ForkRecord],
        dx: Array,
        backward_error: float,
        depth: Any,
        about: dict[str, Any],
        labels: Array | None = None,
    ) -> None:
        self.trunk, self.loss = trunk, loss
        self.blocks, self.forks = tuple(blocks), tuple(forks)
        self.dx, self.backward_error, self.depth = dx, backward_error, depth
        self.about, self.labels = about, labels

    def __repr__(self):
        about = ", ".join(f"{key}={value!r}" for key, value in self.about.items())
        return f"<Ledger of {len(self.blocks)} blocks and {len(self.forks)} forks, {about}>"

    @property
    def notes(self) -> list[str]:
        """Sentences about what of the model could not be seen; empty as a rule."""
        unnamed = [
            f"{block.fork.kind} ({block.fork.path}) has the terms {', '.join(block.terms)}, none of them called "
            f"{SHORTCUT!r}, so nothing counts as its shortcut: give the term of the shortcut that name."
            for block in self.blocks
            if block.fork and SHORTCUT not in block.terms and kind_of(block.fork.visit.fork) is None
        ]
        return [*self.trunk.notes, *unnamed]

    def g(self, position: int) -> Array:
        """The gradient at x_l, read-only; ``position`` l runs from 0 to n, the output of the last block."""
        start, _ = self.span(position, None)
        return self.blocks[start].outgoing if start < len(self.blocks) else self.blocks[-1].incoming

    def span(self, start: int, stop: int | None) -> tuple[int, int]:
        """(start, stop) of a part of the trunk, checked; None as ``stop`` is the output of the last block."""
        n = len(self.blocks)
        if n == 0:
            why = " ".join(self.notes) or "it holds no fork and no layer with parameters"
            raise StateError(f"the trunk of the model has 0 blocks, expected at least 1: {why}")
        stop = n if stop is None else stop
        if not all(is_integer(position) for position in (start, stop)):
            raise RangeError(f"positions are {start!r} and {stop!r}, expected integers from 0 to {n}")
        if not 0 <= start <= stop <= n:
            raise RangeError(
                f"start is {start} and stop {stop}, expected 0 <= start <= stop <= {n}, the number of blocks"
            )
        return start, stop

    @property
    def closure_error(self) -> float:
        """The largest closure error of all forks and blocks, and |dx - dx of the model's own backward| / |dx|.

        The first time takes a forward and a backward in float64, and a forward in complex numbers, of every fork.
        """
        return worst((self.backward_error, *(record.closure_error for record in (*self.forks, *self.blocks))))

    def table(self, **options: Any) -> str:
        """A line a block, in the order in which the gradient passes; see :func:`minires.trace.report.as_table`."""
        from .report import as_table

        return as_table(self, **options)

    def to_json(self, **options: Any) -> str:
        """See :func:`minires.trace.report.as_dict`."""
        from .report import as_json

        return as_json(self, **options)

    def to_html(self, language: str = "en", **options: Any) -> str:
        """A page to step through, in English or Chinese ("zh"); options: see :func:`minires.trace.report.as_dict`,
        with pictures by default."""
        from .report import as_dict
        from .viewer import to_html

        return to_html(as_dict(self, **{"pictures": True, **options}), language)

    def to_widget(self, language: str = "en", **options: Any) -> Any:
        """The same as a widget of a notebook, which needs the extra ``notebook``; options: as :meth:`to_html`."""
        from .report import as_dict
        from .viewer import to_widget

        return to_widget(as_dict(self, **{"pictures": True, **options}), language)


def trace(
    model: Layer,
    x: Array,
    labels: Array | None = None,
    *,
    dy: Array | None = None,
    train: bool = True,
    loss: Loss | None = None,
) -> Ledger:
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
    if labels is not None:
        loss = loss or SoftmaxCrossEntropy()
        found, cache = loss.forward(trunk.y, labels)
        value = float(found)
        dy = loss.backward(cache)
    dy, forks = as_floats(dy, "dy"), []
    with watched(trunk.forks(), backward=partial(noting, trunk=trunk, records=forks)):
        gradients = trunk.gradients(dy.copy())
    blocks = block_records(trunk, gradients, forks)
    about = {"model": type(model).__name__, "dtype": str(x.dtype), "shape": list(x.shape), "train": train}
    dx = frozen(gradients[0][2]) if gradients else frozen(dy)
    own = definition(copy.deepcopy(model))
    own_y, own_dx, depth = backward_by_depth(own, x, train, dy)
    _require_the_same(own, trunk.y, own_y, dx, own_dx)
    return Ledger(trunk, value, blocks, forks[::-1], dx, difference(dx, own_dx), depth, about, labels)


def _require_the_same(model, y, own_y, dx, own_dx):
    """Raise StateError where y and dx of the trunk are not those of the model's own forward and backward."""
    for name, found, own in (("y", y, own_y), ("dx", dx, own_dx)):
        if not agrees(found, own):
            raise StateError(
                f"the trunk gives a {name} that is off by {difference(found, own):.1e} from that of the model's own "
                f"{'forward' if name == 'y' else 'backward'}, accepted {AGREE[str(own.dtype)]:.0e}: its layers do not "
                "do the same each time, or do something to each other beside forward and backward; trace its parts",
                type(model).__name__,
            )
