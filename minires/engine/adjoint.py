"""The backward of a plan: the operations in reverse, with their gradients where they cost least.

A buffer is owned by the value whose gradient it collects. Once every reader of that value has given its share, the
operation that made the value takes the buffer over. What is planned here are records; a device runs them.
"""

import math
from collections import Counter
from dataclasses import dataclass, replace

from . import operations as op
from .gradients import Alias, Buffer, Contribution, Scaled, Strided, Target
from .operations import Convolution, Join, Operation
from .values import Value


@dataclass(frozen=True)
class Adjoint:
    """The backward of one operation.

    First dy, the gradient of the output, is put together: ``parts`` are added to what stands in ``dy`` (``based``), or
    their sum is written there; a convolution has no ``dy`` and takes the sum at once. Then, by the operation:

    Join         dy becomes Z = dy (y > 0), in place; S1 and S2 of each of its maps are summed
    Convolution  dweight, and dx into its target, both with the scale of the map ``folded``, which dx finds in its
                 filters
    Store        the target gets the gradient of an array
    Load         the gradient of an array gets dy
    Foreign      the layer's own backward
    else         each input's share of the gradient goes to its target; None where it is of no use

    Where the input of a convolution or of a max pooling was not kept, the join ``again`` makes it first.
    """

    operation: Operation
    parts: tuple[Contribution, ...] = ()
    dy: Buffer | None = None
    based: bool = False
    targets: tuple[Target | None, ...] = ()
    folded: object = None
    again: Join | None = None

    @property
    def waits(self) -> set:
        """The maps whose sums over all images must be known before dy can be put together."""
        return {p.affine for p in self.parts if isinstance(p, Scaled) and p.affine.over_batch}

    @property
    def buffers(self) -> list[Buffer]:
        """Every buffer that is read or written."""
        used = [*(p.buffer for p in self.parts), *(t.buffer for t in self.targets if t is not None)]
        return used if self.dy is None else [*used, self.dy]


def plan_adjoint(operations: list[Operation], wanted: set, again: dict[Value, Join], images: int) -> list[Adjoint]:
    """The records in the order in which they run.

    wanted: values and arrays whose gradient is of use, see :func:`wanted`   again: what is computed again
    images: of a batch
    """
    return _Planner(operations, wanted, again, images).records


def wanted(operations: list[Operation], known: set) -> set:
    """``known``, with everything that lies behind it or behind a parameter."""
    found = set(known)
    for o in operations:
        layer = o.layer if isinstance(o, (Convolution, op.Foreign)) else None
        has_params = layer is not None and any(True for _ in layer.params())
        if has_params or isinstance(o, Join) and o.maps or any(v in found for v in o.inputs):
            found.add(o.y)
            if isinstance(o, (op.Concat, op.Excite, op.Gate)):  # which write the gradients of all their inputs
                found.update(o.inputs)
    return found


class _Pending:
    """What the gradient of one value is made of so far: what operations have written, and what is only described."""

    def __init__(self):
        self.written, self.described = None, []


class _Planner:
    def __init__(self, operations, wanted_, again, images):
        self.wanted, self.again, self.images, self.records = wanted_, again, images, []
        self.pending, self.buffers = {}, 0
        self.readers = Counter()  # contributions that refer to a buffer and have not been read
        for operation in reversed(operations):
            if isinstance(operation, op.Foreign):
                if operation.y in self.wanted:
                    self._record(operation)
            elif isinstance(operation, op.Store):
                if operation.x in self.wanted:
                    self._record(operation, targets=(self._target(operation.x),))
            elif (pending := self.pending.pop(operation.y, None)) is not None:
                if isinstance(operation, Join):
                    self._join(operation, pending)
                elif isinstance(operation, Convolution):
                    self._convolution(operation, pending)
                else:
                    self._other(operation, pending)

    def _record(self, operation, parts=(), **details):
        self.records.append(Adjoint(operation, tuple(parts), **details))
        self._read(parts)

    def _read(self, contributions):
        for c in contributions:
            self.readers[c.buffer] -= 1

    # -- buffers

    def _buffer(self, value):
        self.buffers += 1
        return Buffer(self.buffers - 1, value.channels, value.size)

    def _describe(self, value, contribution):
        if value in self.wanted:
            self.readers[contribution.buffer] += 1
            self.pending.setdefault(value, _Pending()).described.append(contribution)

    def _target(self, value):
        """Where an operation writes its share of the gradient of ``value``, or None."""
        if value not in self.wanted:
            return None
        pending = self.pending.setdefault(value, _Pending())
        if pending.written is None:
            pending.written = self._buffer(value)
            return Target(pending.written, False)
        return Target(pending.written, True)

    def _own(self, pending, value):
        """(buffer, based, contributions): a buffer that may be changed, with what is still to be added to it."""
        if pending.written is not None:
            return pending.written, True, pending.described
        for c in pending.described:
            if isinstance(c, Alias) and self.readers[c.buffer] == 1:
                self.readers[c.buffer] = 0
                return c.buffer, True, [d for d in pending.described if d is not c]
        return self._buffer(value), False, pending.described

    # -- operations

    def _join(self, join, pending):
        """Z = mask * (what y has collected), in place; then every term refers to Z."""
        z, based, rest = self._own(pending, join.y)
        if rest or join.relu or join.maps or not based:
            self._record(join, rest, dy=z, based=based)
        for term in join.terms:
            if term.affine is not None:
                self._describe(term.value, Scaled(z, term.affine, term.affine.scales))
            else:
                self._describe(term.value, Strided(z, term) if term.strided else Alias(z))

    def _convolution(self, conv, pending):
        """The scale of the one batch norm behind, if so, goes into the filters, unless there is more of them."""
        parts = list(pending.described)
        if pending.written is not None:
            self.readers[pending.written] += 1
            parts.append(Alias(pending.written))
        folded, (part, *others) = None, parts
        fewer = conv.geometry.depth <= self.images * math.prod(conv.y.size)  # weights of a channel than pixels
        if fewer and not others and isinstance(part, Scaled) and part.scaled:
            folded, parts = part.affine, [replace(part, scaled=False)]
        targets = (self._target(conv.x),)
        self._record(conv, parts, targets=targets, folded=folded, again=self.again.get(conv.x))

    def _other(self, operation, pending):
        """An operation that writes the gradients of its inputs at once, from that of its output."""
        used = []
        if pending.written is None and len(pending.described) == 1 and isinstance(pending.described[0], Alias):
            used = pending.described
            dy, based, rest = used[0].buffer, True, []
        else:
            dy, based, rest = self._own(pending, operation.y)
        targets = () if isinstance(operation, op.Load) else tuple(map(self._target, operation.inputs))
        if any(targets) or isinstance(operation, op.Load) and operation.x in self.wanted:
            again = self.again.get(operation.x) if isinstance(operation, op.MaxPool) else None
            self._record(operation, rest, dy=dy, based=based, targets=targets, again=again)
        else:  # a gate writes the gradients of all its inputs, also of those behind which nothing is wanted
            self._read(rest)
        self._read(used)
