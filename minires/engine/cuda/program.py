"""A plan as launches, with a place for each of its arrays: all that is known before there is a device."""

import copy

from ..lifetimes import offsets
from .backward import Backward
from .forward import Forward
from .launches import Launch
from .linear import in_rows
from .modules import PRECISIONS
from .slots import Addresses, Held, Unless, launches_of, slots_of


class Program:
    """``forward``, ``track``, ``backward``: launches and calls in their order   ``held``: the tensors that they name

    ``owners``: the operation of each launch of ``forward`` and ``backward``, None where it serves all of them
    ``turn``: how many of these stand before backward   ``values``: (path, slot) of what each operation makes
    ``layered``: the operations that no kernel covers   ``places``: {slot: where it begins in the arena}
    ``bytes``: of the arena. What backward reads of the forward stays as it is, so that backward may run again; other
    arrays share memory where they do not live at once.
    """

    def __init__(self, plan, precision):
        self.plan, self.precision = in_rows(plan), precision
        forward = Forward(self.plan, precision)
        self.forward, self.track = forward.launches, forward.track
        backward = Backward(forward) if plan.mode != "infer" else None
        self.backward = backward.launches if backward else []
        self.owners = [*forward.owners, *(backward.owners if backward else ())]
        self.turn = len(self.forward)
        self._place(forward)

    def of(self, images):
        """The program for another batch of the same images."""
        plan = copy.copy(self.plan)
        plan.images, plan.shape = images, (images, *plan.shape[1:])
        return self._like(plan)

    def _like(self, plan):
        return Program(plan, self.precision)

    def _place(self, forward):
        plan = self.plan
        self.places, self.bytes = offsets(self._spans())
        self.settings, self.layered = settings(plan), forward.layered
        self.values = [(o.path or "(model)", forward.rows[o.y]) for o in plan.operations if o.y in forward.rows]
        arguments = [a for i in self._launches() for a in getattr(i, "arguments", ())]
        self.held = [a for a in arguments if isinstance(a, Held)]
        self.held += [held for a in arguments if isinstance(a, Addresses) for held in a.held]
        self.frozen = [i.tensor for i in [*self.forward, *self.backward] if isinstance(i, Unless)]

    def launches(self):
        """(forward, backward): how many a run makes; what layers of the definition launch is not counted."""
        return tuple(sum(map(launches_of, items)) for items in ([*self.forward, *self.track], self.backward))

    def kernels(self):
        """(file, name) of every kernel that runs, those of calls too."""
        stored = PRECISIONS[self.precision][1]
        entries = {("images.cu", f"{name}<{stored}>") for name in ("enter", "leave")}
        return entries | {(i.file, i.name) for i in self._launches() if isinstance(i, Launch)}

    def _launches(self):
        """All launches and calls, those that may be left out too."""
        return [i.launch if isinstance(i, Unless) else i for i in [*self.forward, *self.track, *self.backward]]

    def _spans(self):
        """(slot, bytes, first use, last use)"""
        spans, kept, end = {}, set(), len(self.forward) + len(self.track) + len(self.backward)
        before = len(self.forward) + len(self.track)
        for k, item in enumerate([*self.forward, *self.track, *self.backward]):
            for slot in slots_of(item):
                first, _ = spans.get(slot, (k, k))
                spans[slot] = first, k
                if first < before <= k:
                    kept.add(slot)
        return [(slot, slot.nbytes, first, end if slot in kept else last) for slot, (first, last) in spans.items()]


def settings(plan):
    """The floats of layers that launches carry: whoever changes one gets new launches."""
    found = []
    for affine in plan.maps:
        found += [getattr(affine.layer, name, None) for name in ("eps", "momentum")]
    for operation in plan.operations:
        layer = getattr(operation, "layer", None)
        found += [getattr(layer, name, None) for name in ("slope", "alpha")]
    return found
