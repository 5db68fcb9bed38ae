"""The phases of the backward: the operations in reverse, with their gradients where they cost least.

A buffer is owned by the value whose gradient it collects. Once every reader of that value has given its share, the
operation that made the value takes the buffer over; it is free for others when nobody refers to it any more.
"""

import numpy as np

from .gradients import Alias, Assembly, Buffer, Pending, Scaled, Strided, place_of, share_in
from .operations import Convolution, Join, Load, Store
from .operations.convolution import ConvolutionGradient
from .operations.transfer import empty
from .phases import Phase, Whole


class BackwardPlanner:
    """Plans buffers and phases of the backward. ``forms``: the (form, place) of every array that is needed."""

    def __init__(self, plan, input_gradient):
        self.plan, self.phases, self.phase = plan, [], None
        self.pending, self.forms, self.free = {}, [], {}
        self.wanted = self._wanted(input_gradient)
        for operation in reversed(plan.operations):
            if operation.kind == "foreign":
                self.phase = None
                if operation.output in self.wanted:
                    self.phases.append(Whole(operation))
            else:
                self._plan(plan.work[operation], operation)

    def _wanted(self, input_gradient):
        """The values whose gradient is of use: they lie behind a parameter, or the caller wants that of the input."""
        wanted = {self.plan.input} if input_gradient else set()
        for o in self.plan.operations:
            has_params = o.layer is not None and any(True for _ in o.layer.params()) and o.kind in ("conv", "foreign")
            affine = o.kind == "join" and any(t.affine is not None for t in o.details["terms"])
            if has_params or affine or any(v in wanted for v in o.inputs):
                wanted.add(o.output)
                if o.kind in ("concat", "excite", "gate"):  # which write the gradients of all their inputs
                    wanted.update(o.inputs)
        return wanted

    def _plan(self, work, operation):
        if isinstance(work, Store):
            (x,) = operation.inputs
            if x in self.wanted:
                self._step(self._writer(work, [self._target(x)], None), set(), operation)
        elif isinstance(work, Join):
            self._join(work, operation)
        elif isinstance(work, Convolution):
            self._convolution(work, operation)
        elif operation.output in self.wanted:
            self._eager(work, operation)

    def _step(self, step, waits, owner):
        convolves = isinstance(step, ConvolutionGradient)  # one in a phase: they share their scratch memory
        if self.phase is None or self.phase.pending & waits or (convolves and self.phase.convolves):
            self.phase = Phase()
            self.phases.append(self.phase)
        self.phase.add(step, owner)
        self.phase.convolves |= convolves
        return self.phase

    # -- buffers

    def _buffer(self, value):
        """A new buffer for a gradient of the form of ``value``."""
        buffer = Buffer(value.channels, value.size, value.extent)
        places = self.free.setdefault(buffer.form, [])
        if places:
            buffer.place = places.pop()
        else:
            buffer.place = len(self.forms)
            self.forms.append((buffer.form, buffer.place))
        return buffer

    def _give_back(self, buffer):
        self.free[buffer.form].append(buffer.place)

    def _read(self, contributions):
        """The contributions have been read: buffers without further readers are free again."""
        for c in contributions:
            c.buffer.readers -= 1
            if not c.buffer.readers:
                self._give_back(c.buffer)

    def _describe(self, value, contribution):
        if value in self.wanted:
            contribution.buffer.readers += 1
            self.pending.setdefault(value, Pending()).described.append(contribution)

    def _target(self, value):
        """(buffer, whether to add): where an operation writes its share of the gradient of ``value``, or None."""
        if value not in self.wanted:
            return None
        pending = self.pending.setdefault(value, Pending())
        if pending.written is None:
            pending.written = self._buffer(value)
            return pending.written, False
        return pending.written, True

    def _own(self, pending, value):
        """(buffer, based, contributions): a buffer that may be changed, with what is still to be added to it."""
        if pending.written is not None:
            return pending.written, True, pending.described
        for c in pending.described:
            if isinstance(c, Alias) and c.buffer.readers == 1 and c.buffer.form == self._form(value):
                rest = [d for d in pending.described if d is not c]
                c.buffer.readers = 0
                return c.buffer, True, rest
        return self._buffer(value), False, pending.described

    @staticmethod
    def _form(value):
        return value.channels, value.size, value.extent

    # -- operations

    def _join(self, work, operation):
        """Z = mask * (what y has collected), in place; its sums for each affine map; then every term refers to Z."""
        y = work.y
        pending = self.pending.pop(y, None)
        if pending is None:
            return
        waits = pending.waits()
        buffer, based, rest = self._own(pending, y)
        summed = [t.affine for t in work.affine]
        then = ([_Mask(y)] if work.relu else []) + [_Sums(t.affine, t.value) for t in work.affine]
        assembly = Assembly(rest, based, y.size, then)
        if rest or then or not based:

            def step(frame, i, workspace):
                for affine in summed:
                    frame.slopes[affine].s1[i] = frame.slopes[affine].s2[i] = 0
                assembly(frame, i, frame.gradient(buffer, i), workspace)

            phase = self._step(step, waits, operation)
            for affine in summed:
                phase.finish.append((_finish, affine))
                phase.pending.add(affine)
        self._read(rest)
        for term in work.terms:
            if term.affine is not None:
                self._describe(term.value, Scaled(buffer, term.affine, term.value))
            elif term.strided:
                self._describe(term.value, Strided(buffer, term))
            else:
                self._describe(term.value, Alias(buffer))
        if not buffer.readers:
            self._give_back(buffer)

    def _convolution(self, work, operation):
        """dy is put together in the work area; the scale of the one batch norm behind, if so, goes into the filters."""
        pending = self.pending.pop(work.y, None)
        if pending is None:
            return
        waits, contributions = pending.waits(), list(pending.described)
        if pending.written is not None:
            pending.written.readers += 1
            contributions.append(Alias(pending.written))
        folded = None
        if len(contributions) == 1 and isinstance(contributions[0], Scaled) and contributions[0].scaled:
            folded, contributions[0].scaled = contributions[0].affine, False
        target = self._target(work.x)
        assembly, again = Assembly(contributions, False, work.y.size), self.plan.again.get(work.x)
        step = ConvolutionGradient(work, assembly, folded, target, again)
        phase = self._step(step, waits, operation)
        if target is not None:
            phase.prepare += [(step.prepare, part) for part in step.parts]
        phase.finish += [(step.finish, part) for part in step.parts]
        self._read(contributions)

    def _eager(self, work, operation):
        """An operation that writes the gradients of its inputs at once, from that of its output."""
        pending = self.pending.pop(operation.output, None)
        if pending is None:
            return
        if pending.written is None and len(pending.described) == 1 and isinstance(pending.described[0], Alias):
            buffer, used = pending.described[0].buffer, pending.described
        else:
            buffer, based, rest = self._own(pending, operation.output)
            assembly = Assembly(rest, based, operation.output.size)
            if rest or not based:
                self._step(_into(assembly, buffer), pending.waits(), operation)
            self._read(rest)
            used = None
        if isinstance(work, Load):
            if operation.inputs[0] in self.wanted:
                phase = self._step(self._writer(work, [], buffer), set(), operation)
                phase.prepare.append((_allocate, operation.inputs[0]))
        else:
            self._step(self._writer(work, [self._target(x) for x in operation.inputs], buffer), set(), operation)
        if used is not None:
            self._read(used)
        else:
            self._give_back(buffer)

    def _writer(self, work, targets, source):
        """A step that calls ``work.backward``; where a gradient is there already, it writes into the work area."""

        def step(frame, i, workspace):
            places = [place_of(frame, i, workspace, target, k) for k, target in enumerate(targets)]
            if source is None:
                work.backward(frame, i, places, workspace)
            else:
                work.backward(frame, i, frame.gradient(source, i), places, workspace)
            for target, place in zip(targets, places):
                share_in(frame, i, target, place)

        return step


class _Mask:
    """Z = 0 where the ReLU was closed."""

    def __init__(self, y):
        self.y = y

    def __call__(self, frame, i, block, z, workspace):
        y = frame.forward.chunk(self.y, i, workspace).rows[block]
        open_ = workspace.mask(z.shape)
        np.greater(y, 0, out=open_)
        np.multiply(z, open_, out=z)


class _Sums:
    """S1 = sum Z and, where there is a scale, S2 = sum Z (y - mean) of one block."""

    def __init__(self, affine, value):
        self.affine, self.value = affine, value

    def __call__(self, frame, i, block, z, workspace):
        state, slopes, n = frame.forward.states[self.affine], frame.slopes[self.affine], frame.sizes[i]
        slopes.s1[i] += state.fold(np.add.reduce(z, axis=0), n)
        if self.affine.scales:
            y = frame.forward.chunk(self.value, i, workspace).rows[block]
            product = workspace.array("addend", z.shape)
            np.subtract(y, state.tiles[n][2], out=product)
            np.multiply(product, z, out=product)
            slopes.s2[i] += state.fold(np.add.reduce(product, axis=0), n)


def _into(assembly, buffer):
    return lambda frame, i, workspace: assembly(frame, i, frame.gradient(buffer, i), workspace)


def _finish(frame, affine):
    with frame.lock:
        frame.slopes[affine].finish()


def _allocate(frame, array):
    frame.arrays[array] = empty(frame, array)
