"""``Flatten`` and ``Linear`` behind images: a plan has them as layers of arrays, and here they are rows.

    Store x -> a, Flatten a -> b      becomes   Store x -> b                     nothing moves
    Store x -> b, Linear  b -> d      becomes   Linear x -> v, Store v -> d      a product over all pixels of an image

The weight (M, C H W) of a linear map is that of a convolution whose window is the image, (M, C, H, W).
"""

import copy
from collections import Counter
from dataclasses import dataclass

from ...layers import Flatten
from ...layers import Linear as LinearLayer
from ...layers.known import kind_of
from .. import operations as op
from ..adjoint import Adjoint
from ..geometry import Geometry
from ..gradients import Alias, Buffer, Target
from ..values import Value


@dataclass(frozen=True, eq=False)
class Linear(op.Convolution):
    """y = x * weight + bias, x (C, H, W), y (M, 1, 1)."""

    name = "linear"

    @property
    def geometry(self):
        return Geometry(self.x.channels, self.y.channels, self.x.size, (1, 1), (0, 0), (1, 1), 1, self.x.size, (1, 1))


def in_rows(plan):
    """``plan`` with these layers as rows; the rest of it is the same."""
    readers, chains = Counter(x for o in plan.operations for x in o.inputs), {}
    operations = []
    for o in plan.operations:
        store = operations[-1] if operations else None
        kind = kind_of(o.layer) if isinstance(o, op.Foreign) and isinstance(store, op.Store) else None
        if kind not in (Flatten, LinearLayer) or store.y != o.x or readers[o.x] > 1 or o.x == plan.output:
            operations.append(o)
            continue
        chain = chains.pop(store.y, None) or _Chain(store)
        chains[o.y] = chain
        chain.operations.append(o)
        operations.pop()
        x = store.x
        if kind is LinearLayer:
            x = Value(o.y.number, o.y.shape[0], (1, 1))
            operations.append(Linear(o.path, o.layer, store.x, x))
            chain.linear.append(operations[-1])
        operations.append(op.Store(o.path, x, o.y))
        chain.store = operations[-1]
    changed = copy.copy(plan)
    changed.operations, changed.adjoint = operations, _adjoint(plan.adjoint, chains.values())
    return changed


class _Chain:
    """``operations`` of the plan, the first of them a Store, and what takes their place: ``linear``, then ``store``."""

    def __init__(self, store):
        self.operations, self.linear, self.store = [store], [], store

    def records(self, target, number):
        """The adjoint. target: that of the plan for the value before the chain   number: of the first new buffer"""
        buffers = [Buffer(number + k, o.y.channels, (1, 1)) for k, o in enumerate(self.linear)]
        targets = [target, *(Target(b, False) for b in buffers)]
        if targets[-1] is not None:
            yield Adjoint(self.store, targets=(targets[-1],))
        for o, buffer, target in reversed([*zip(self.linear, buffers, targets)]):
            yield Adjoint(o, (Alias(buffer),), targets=(target,))


def _adjoint(records, chains):
    """The records, with those of chains in the place of the layers'."""
    made, found = {o: chain for chain in chains for o in chain.operations}, []
    targets = {r.operation: r.targets[0] for r in records if isinstance(r.operation, op.Store)}
    number = 1 + max((b.number for r in records for b in r.buffers), default=-1)
    for r in records:
        chain = made.get(r.operation)
        if chain is None:
            found.append(r)
        elif r.operation is chain.operations[-1]:
            found += chain.records(targets.get(chain.operations[0]), number)
            number += len(chain.linear)
    return found
