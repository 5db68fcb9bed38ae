"""The backward of a plan in phases: the records of the adjoint, as steps that each chunk goes through."""

from ..lifetimes import share
from ..operations import Convolution, Foreign, Join, Load, Store
from .affine import finish
from .assembly import Assembly, Share
from .cut import Rooms
from .phases import Phase, Whole, settle
from .steps import ConvolutionGradient, JoinGradient
from .steps.transfer import give_out, take_in


class BackwardPlan:
    """``places``: {buffer: (form, place)}, which buffers share memory."""

    def __init__(self, forward):
        self.forward, self.cut, self.rooms = forward, forward.cut, Rooms()
        self.phases, self._phase = [], None
        convs = [o for o in forward.plan.operations if isinstance(o, Convolution)]
        self.dweight = max((o.layer.weight.data.size for o in convs), default=0)  # numbers of the largest
        records = forward.plan.adjoint
        spans = {}
        for k, record in enumerate(records):
            for item, buffer in _owners(record):
                self.rooms.demand(buffer, forward.rooms.extent(item))
            for buffer in record.buffers:
                spans[buffer] = spans.get(buffer, (k,))[0], k
        forms = {buffer: self.rooms.form(buffer) for buffer in spans}
        places = share((buffer, forms[buffer], *span) for buffer, span in spans.items())
        self.places = {buffer: (forms[buffer], place) for buffer, place in places.items()}
        for record in records:
            self._add(record)
        settle(self.phases)

    def _add(self, record):
        operation = record.operation
        if isinstance(operation, Foreign):
            self._phase = None
            self.phases.append(Whole(operation))
        elif isinstance(operation, Join):
            phase = self._step(JoinGradient(record), record)
            phase.finish += [(finish, affine) for affine in operation.maps]
            phase.pending.update(operation.maps)
        elif isinstance(operation, Convolution):
            again = self.forward.steps[record.again] if record.again is not None else None
            step = ConvolutionGradient(record, self.forward.steps[operation], again, *self._shares(record))
            phase = self._step(step, record)
            if step.share is not None:
                phase.prepare += [(step.prepare, part) for part in step.parts]
            phase.finish += [(step.finish, part) for part in step.parts]
        else:
            work = self.forward.steps[operation]
            phase = self._step(_Other(record, work, self._shares(record)), record)
            if isinstance(operation, Load):
                phase.finish.append((give_out, operation.x))
            elif isinstance(operation, Store):
                phase.prepare.append((take_in, operation.y))

    def _shares(self, record):
        return [t and Share(t, self.rooms.form(t.buffer), k) for k, t in enumerate(record.targets)]

    def _step(self, step, record):
        """The phase of the step; one convolution to a phase, as they share their scratch memory."""
        convolves = isinstance(record.operation, Convolution)
        if self._phase is None or self._phase.pending & record.waits or (convolves and self._phase.convolves):
            self._phase = Phase()
            self.phases.append(self._phase)
        self._phase.add(step, record.operation)
        self._phase.convolves |= convolves
        return self._phase


def _owners(record):
    """(value, buffer) for each buffer that holds the gradient of a value of this operation."""
    if record.dy is not None:
        yield record.operation.y, record.dy
    for x, target in zip(record.operation.inputs, record.targets):
        if target is not None:
            yield x, target.buffer


class _Other:
    """Any other operation: dy is put together in its buffer, and the gradients of the inputs are written at once."""

    def __init__(self, record, work, shares):
        self.work, self.dy, self.shares = work, record.dy, shares
        needed = record.parts or not record.based
        self.assembly = Assembly(record.parts, record.based, work.y.size) if record.dy is not None and needed else None

    def __call__(self, frame, i, workspace):
        dy = None if self.dy is None else frame.gradient(self.dy, i)
        if self.assembly is not None:
            self.assembly(frame, i, dy, workspace)
        dxs = [own and own.place(frame, i, workspace) for own in self.shares]
        self.work.backward(frame, i, dy, dxs, workspace)
        for own, dx in zip(self.shares, dxs):
            if own is not None:
                own.close(frame, i, dx, workspace)
