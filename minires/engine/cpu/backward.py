"""The backward of a plan in phases: the records of the adjoint, as steps that each chunk goes through."""

import itertools
from dataclasses import replace
from functools import partial

from ..gradients import Alias, Target
from ..operations import Convolution, Foreign, Join, Load, Store
from .affine import finish
from .assembly import Assembly, Share
from .cut import Rooms
from .memory import Overlay
from .phases import Phase, Whole, settle
from .steps import ConvolutionGradient, JoinGradient
from .steps.transfer import give_out, take_in


class BackwardPlan:
    """``overlay``: where the gradients of values lie   ``dweight``, ``filters``: numbers of the largest"""

    def __init__(self, forward):
        self.forward, self.cut, self.rooms = forward, forward.cut, Rooms()
        self.phases, self._phase = [], None
        convs = [o for o in forward.plan.operations if isinstance(o, Convolution)]
        self.dweight = max((o.layer.weight.data.size for o in convs), default=0)
        self.filters = max((forward.steps[o].numbers for o in convs), default=0)
        self._near = None  # what the last convolution has left for the next join
        records = in_place(forward.plan.adjoint)
        spans = {}
        for k, record in enumerate(records):
            for item, buffer in _owners(record):
                self.rooms.demand(buffer, forward.rooms.extent(item))
            for buffer in record.buffers:
                spans[buffer] = spans.get(buffer, (k,))[0], k
        self.overlay = Overlay({b: (self.rooms.form(b), *span) for b, span in spans.items()}, self.cut.sizes)
        for record, following in itertools.zip_longest(records, records[1:]):
            self._add(record, following)
        settle(self.phases)

    def _add(self, record, following):
        operation = record.operation
        near, self._near = self._near, None
        if isinstance(operation, Foreign):
            self._phase = None
            self.phases.append(Whole(operation, self.cut.images))
        elif isinstance(operation, Join):
            phase = self._step(JoinGradient(record, near), record)
            phase.finish += [partial(finish, affine=affine) for affine in operation.maps]
            phase.pending.update(operation.maps)
        elif isinstance(operation, Convolution):
            work, (share,) = self.forward.steps[operation], self._shares(record)
            step = ConvolutionGradient(record, work, self._again(record), share)
            phase = self._step(step, record)
            if share is not None:
                phase.prepare.append(step.prepare)
            phase.finish.append(step.finish)
            if share is not None and share.adds and not work.kernel.adds and _takes(following, share.buffer):
                share.waits = isinstance(following.operation, Join) and not following.waits  # then it is the same phase
                self._near = share if share.waits else None
        else:
            work = self.forward.steps[operation]
            phase = self._step(_Other(record, work, self._again(record), self._shares(record)), record)
            if isinstance(operation, Load):
                phase.finish.append(partial(give_out, array=operation.x))
            elif isinstance(operation, Store):
                phase.prepare.append(partial(take_in, array=operation.y))

    def _again(self, record):
        return self.forward.steps.get(record.again)

    def _shares(self, record):
        return [t and Share(t, self.rooms.form(t.buffer), k) for k, t in enumerate(record.targets)]

    def _step(self, step, record):
        """The phase of the step; one convolution to a phase, as they share their scratch memory.

        Nor does a pooling whose x is made again follow one in its phase: that is large.
        """
        convolves = isinstance(record.operation, Convolution)
        large = convolves or record.again is not None
        if self._phase is None or self._phase.pending & record.waits or (large and self._phase.convolves):
            self._phase = Phase()
            self.phases.append(self._phase)
        self._phase.add(step, record.operation)
        self._phase.convolves |= convolves
        return self._phase


def in_place(records):
    """The same records, with the gradient that goes back by a shortcut as the memory of the sum that it joins.

    Where a convolution writes to a buffer, and the next record adds a second one that nobody reads from then on, the
    convolution adds to that one: dx = dy + dF, in the memory of dy.
    """
    last = {buffer: k for k, record in enumerate(records) for buffer in record.buffers}
    heirs, found = {}, []
    for k, (record, following) in enumerate(itertools.zip_longest(records, records[1:])):
        parts = [replace(p, buffer=heirs.get(p.buffer, p.buffer)) for p in record.parts]
        dy = heirs.get(record.dy, record.dy)
        parts = [p for p in parts if not (isinstance(p, Alias) and p.buffer == dy)]  # it stands there already
        targets = [t and replace(t, buffer=heirs.get(t.buffer, t.buffer)) for t in record.targets]
        target = record.targets[0] if isinstance(record.operation, Convolution) else None
        if target is not None and not target.adds and _takes(following, target.buffer):
            for p in following.parts:
                if isinstance(p, Alias) and last[p.buffer] == k + 1 and target.buffer not in heirs:
                    heirs[target.buffer] = heirs.get(p.buffer, p.buffer)
                    targets = [Target(heirs[target.buffer], True)]
        found.append(replace(record, parts=tuple(parts), dy=dy, targets=tuple(targets)))
    return found


def _takes(record, buffer):
    """Whether the record begins with what stands in the buffer."""
    return record is not None and record.dy == buffer and record.based


def _owners(record):
    """(value, buffer) for each buffer that holds the gradient of a value of this operation."""
    if record.dy is not None:
        yield record.operation.y, record.dy
    for x, target in zip(record.operation.inputs, record.targets):
        if target is not None:
            yield x, target.buffer


class _Other:
    """Any other operation: dy is put together in its buffer, and the gradients of the inputs are written at once."""

    def __init__(self, record, work, again, shares):
        self.work, self.dy, self.again, self.shares = work, record.dy, again, shares
        needed = record.parts or not record.based
        self.assembly = Assembly(record.parts, record.based) if record.dy is not None and needed else None

    def __call__(self, frame, i, workspace):
        if self.again is not None:
            self.again.forward(frame.forward, i, workspace)
        dy = None if self.dy is None else frame.gradient(self.dy, i)
        if self.assembly is not None:
            self.assembly(frame, i, dy, workspace)
        dxs = [own and own.place(frame, i, workspace) for own in self.shares]
        self.work.backward(frame, i, dy, dxs, workspace)
        for own, dx in zip(self.shares, dxs):
            if own is not None:
                own.close(frame, i, dx, workspace)
