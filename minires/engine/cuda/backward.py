"""The backward of a plan as launches: the records of the adjoint over rows of pixels."""

from .. import operations as op
from ..gradients import Alias, Strided
from . import passes, pools, products
from .forward import bare
from .launches import pitch
from .linear import Linear
from .passes import Contribution
from .slots import Call, Held, Slot, Unless


class Backward:
    """``launches``: of one backward, behind a forward   ``owners``: the operation of each

    rows: {buffer: its slot}   slopes: {map: its slot}   dy: of a step, the rows that hold the gradient of the output
    """

    def __init__(self, forward, dy=None):
        self.dy = dy
        self.forward, self.plan, self.precision = forward, forward.plan, forward.precision
        self.launches, self.owners, self.rows, self.slopes = [], [], {}, {}
        for record in self.plan.adjoint:
            if isinstance(record.operation, op.Foreign):
                operation = record.operation
                self.launches.append(Call(lambda frame, o=operation: frame.whole_back(o), ()))
            else:
                BACKWARD[type(record.operation)](self, record)
            self.owners += [record.operation] * (len(self.launches) - len(self.owners))

    def buffer(self, buffer):
        if buffer not in self.rows:
            self.rows[buffer] = self.forward.new(buffer)
        return self.rows[buffer]

    # -- dy put together

    def contribution(self, part):
        """A described gradient as the kernel takes it. The scale of a map is never left to the filters here."""
        z = self.rows[part.buffer]
        if isinstance(part, Alias) or not part.affine.scales:
            return Contribution(z)
        affine, norms = part.affine, self.forward.norms
        if affine.over_batch:
            return Contribution(z, self.forward.rows[affine.y], norms[affine], self.slopes[affine])
        return Contribution(z, None, norms[affine])

    def assemble(self, record, z, y=None, maps=()):
        """z gets the sum of the parts, masked by y, and S1, S2 of the maps are summed, two at a time."""
        value = record.operation.y
        size, based = (self.forward.pixels(value), value.channels), record.based
        for part in record.parts:
            if isinstance(part, Strided):
                g = self.forward.part(part.term)
                self.launches.append(passes.part_back(self.precision, g, z, self.rows[part.buffer], based))
                based = True
        shares = [Contribution(z)] * based
        shares += [self.contribution(part) for part in record.parts if not isinstance(part, Strided)]
        while len(shares) > 2:
            self.launches.append(passes.assemble(self.precision, *size, z, shares[:2]))
            shares = [Contribution(z), *shares[2:]]
        groups = [maps[k : k + 2] for k in range(0, len(maps), 2)] or [()]
        for k, group in enumerate(groups):
            if k:
                shares, y = [Contribution(z)], None
            if len(shares) == 1 and shares[0].z is z and y is None and not group:
                continue  # all of it stands there
            self._sums(size, z, shares, y, group)

    def _sums(self, size, z, shares, y, group):
        sums = self.forward.floats(passes.slabs(size[0])[0], 3, pitch(size[1])) if group else None
        pairs = [(self.forward.rows[a.y], self.forward.norms[a]) for a in group]
        self.launches.append(passes.assemble(self.precision, *size, z, shares, y, pairs, sums))
        for which, affine in enumerate(group, 1):
            out = None
            if affine.over_batch:
                out = self.slopes[affine] = self.forward.floats(2, pitch(size[1]))
            bias = not affine.normalises
            shift = affine.bias if bias else affine.layer.beta
            gamma = None if bias else Held(affine.layer.gamma, True)
            norm, dbeta = self.forward.norms[affine], Held(shift, True)
            self.launches.append(passes.slopes(*size, sums, which, norm, out, gamma, dbeta))

    def _dy(self, record):
        """The slot that holds the gradient of the output."""
        if record.dy is None:  # of a convolution, or of an array
            if len(record.parts) == 1 and isinstance(record.parts[0], Alias):
                return self.rows[record.parts[0].buffer]
            z = self.forward.new(record.operation.y)
        else:
            z = self.buffer(record.dy)
        self.assemble(record, z)
        return z

    # -- operations

    def _join(self, record):
        join = record.operation
        mask = self.forward.rows[join.y] if join.relu else None
        self.assemble(record, self.buffer(record.dy), mask, join.maps)

    def _convolution(self, record):
        o, forward = record.operation, self.forward
        if o not in forward.packed:
            self._by_layer(record, bare(o.layer))
            return
        g, dy, x = forward.geometry(o), self._dy(record), forward.rows[o.x]  # kept, not computed again: fewer launches
        count, _, _ = products.slabs(g)
        parts = forward.floats(count, g.taps, g.in_channels // g.groups, g.out_channels)
        weight = o.layer.weight
        for launch in products.weight_gradient(self.precision, g, x, dy, parts, Held(weight, True)):
            self.launches.append(Unless(weight, launch))
        (target,) = record.targets
        if target is not None:
            dx = self.buffer(target.buffer)
            self.launches.append(products.backward(self.precision, g, dy, forward.packed[o][1], dx, target.adds))

    def _linear(self, record):
        bias, o = record.operation.layer.bias, record.operation
        if bias is not None:
            images, dy = self.plan.images, self._dy(record)
            launch = passes.bias_gradient(self.precision, images, o.y.channels, dy, Held(bias, True))
            self.launches.append(Unless(bias, launch))
        self._convolution(record)

    def _store(self, record):
        o, (target,) = record.operation, record.targets
        if self.dy is not None and o.y == self.plan.output:
            self.rows[target.buffer] = self.dy
            return

        def run(frame, dx):
            frame.enter(dx, frame.arrays[o.y].reshape(-1, *o.x.shape))

        self._written(target, lambda dx: [Call(lambda frame: run(frame, dx), (dx,))])

    def _load(self, record):
        o, dy = record.operation, self._dy(record)

        def run(frame):
            frame.add(o.x, frame.leave(dy, o.y))

        self.launches.append(Call(run, (dy,)))

    def _written(self, target, launches):
        """A share that a launch can only write: by way of rows of its own, where others stand there already."""
        if target is None:
            return
        buffer = self.buffer(target.buffer)
        dx = Slot(buffer.shape, buffer.dtype) if target.adds else buffer
        self.launches += launches(dx)
        if target.adds:
            pixels, channels = self.forward.pixels(target.buffer), target.buffer.channels
            self.launches.append(passes.join(self.precision, pixels, channels, buffer, buffer, None, dx))

    def _max_pool(self, record):
        o, (target,) = record.operation, record.targets
        if o not in self.forward.winners:
            self._by_layer(record, o.layer)
            return
        dy, dx = self._dy(record), self.buffer(target.buffer)
        winner = self.forward.winners[o]
        self.launches.append(pools.maximum_back(self.precision, self.forward.pool(o), dx, dy, winner, target.adds))

    def _avg_pool(self, record):
        o, (target,) = record.operation, record.targets
        dy, dx = self._dy(record), self.buffer(target.buffer)
        self.launches.append(pools.mean_back(self.precision, self.forward.pool(o), dx, dy, target.adds))

    def _mean(self, record):
        o, (target,) = record.operation, record.targets
        dy, dx = self._dy(record), self.buffer(target.buffer)
        size = self.plan.images, o.x.size[0] * o.x.size[1], o.x.channels
        self.launches.append(pools.image_mean_back(self.precision, *size, dx, dy, target.adds))

    def _entrywise(self, record):
        o, (target,) = record.operation, record.targets
        kind = pools.activation(o.layer)
        if kind is None:
            self._by_layer(record, o.layer)
            return
        dy, dx, x = self._dy(record), self.buffer(target.buffer), self.forward.rows[o.x]
        size = self.forward.pixels(o.y), o.y.channels
        self.launches.append(pools.activate_back(self.precision, *size, dx, dy, x, *kind, target.adds))

    def _concat(self, record):
        dy, begin, o = self._dy(record), 0, record.operation
        for x, target in zip(o.parts, record.targets):
            fill = pitch(x.channels)
            g = passes.Part(self.plan.images, *o.y.size, o.y.channels, x.channels, 1, begin, 0, x.channels, 0, fill)
            self._written(target, lambda dx, g=g: [passes.part(self.precision, g, dx, dy)])
            begin += x.channels

    def _excite(self, record):
        o, dy = record.operation, self._dy(record)
        x, s = (self.forward.rows[v] for v in o.inputs)
        to_x, to_s = record.targets
        size = self.plan.images, o.x.size[0] * o.x.size[1], o.x.channels
        dx = self.buffer(to_x.buffer)
        self.launches.append(pools.scale(self.precision, *size, dx, dy, s, to_x.adds))
        self._written(to_s, lambda ds: [pools.image_mean(self.precision, *size, ds, dy, x)])

    def _gate(self, record):
        o, dy = record.operation, self._dy(record)
        values, targets = [self.forward.rows[v] for v in o.inputs], record.targets
        gradients, adds = [self.buffer(t.buffer) for t in targets], [t.adds for t in targets]
        size = self.forward.pixels(o.y), o.y.channels
        self.launches.append(pools.gate_back(self.precision, *size, gradients, adds, dy, *values, o.layer.exclusive))

    def _by_layer(self, record, layer):
        """Out of the rows, through the layer's backward, and back."""
        o, dy, (target,) = record.operation, self._dy(record), record.targets
        dx = None if target is None else self.forward.new(o.x)

        def run(frame):
            found = layer.backward(frame.leave(dy, o.y), frame.caches[o])
            if dx is not None:
                frame.enter(dx, found)

        self.launches.append(Call(run, (dy,) if dx is None else (dy, dx)))
        self._written(target, lambda to: [passes.join(self.precision, *self._size(o.x), to, dx)])

    def _size(self, value):
        return self.forward.pixels(value), value.channels


BACKWARD = {
    op.Load: Backward._load,
    op.Store: Backward._store,
    op.Convolution: Backward._convolution,
    Linear: Backward._linear,
    op.Join: Backward._join,
    op.MaxPool: Backward._max_pool,
    op.AvgPool: Backward._avg_pool,
    op.Mean: Backward._mean,
    op.Entrywise: Backward._entrywise,
    op.Concat: Backward._concat,
    op.Excite: Backward._excite,
    op.Gate: Backward._gate,
}
