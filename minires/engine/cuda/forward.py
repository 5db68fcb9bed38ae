"""The forward of a plan as launches: values are rows of pixels, (N, H, W, pitch(C)), see ``kernels/common.cuh``."""

import copy

import numpy as np

from .. import operations as op
from ..affine import Bias
from . import passes, pools, products
from .launches import Window, pitch
from .linear import Linear
from .slots import Addresses, Behind, Call, Constant, Held, Slot

FLOAT32 = np.dtype(np.float32)


class Forward:
    """``launches``: of one forward, in their order   ``track``: of the running statistics   ``rows``: {value: its slot}

    source: of a step, what makes the launch that fills rows with its images; then the output stays rows, too
    owners: the operation of each launch, None where it serves all of them
    norms: {affine map: its (6, pitch(C)) coefficients}   packed: {convolution: its weights, as both ways want them}
    """

    def __init__(self, plan, precision, source=None):
        self.plan, self.precision, self.source = plan, precision, source
        self.stored = np.dtype(np.uint16 if precision == "bf16" else np.float32)
        self.launches, self.track = [], []
        self.rows, self.norms, self.packed, self.winners, self.statistics = {}, {}, {}, {}, {}
        self.of, self.layered = {}, set()  # the maps of a value; the operations that no kernel covers
        for affine in plan.maps:
            self.of.setdefault(affine.y, []).append(affine)
        # a layer of the user may fail in the middle of a forward, which must not have moved anything then
        self._tracks = not any(isinstance(o, op.Foreign) and o.own for o in plan.operations)
        self._pack()
        self.owners = [None] * len(self.launches)
        for operation in plan.operations:
            self.add(operation)
            self._maps(operation.y)
            self.owners += [operation] * (len(self.launches) - len(self.owners))

    # -- slots

    def new(self, value):
        """Rows for one value, as stored."""
        return Slot((self.plan.images, *value.size, pitch(value.channels)), self.stored)

    def pixels(self, value):
        return self.plan.images * value.size[0] * value.size[1]

    @staticmethod
    def floats(*shape):
        return Slot(shape, FLOAT32)

    def geometry(self, conv):
        g = conv.geometry
        windows = [Window(*w) for w in zip(g.size, g.out, g.kernel, g.stride, g.padding, g.dilation)]
        return products.Geometry(self.plan.images, g.channels, g.out_channels, g.groups, *windows)

    def pool(self, operation):
        layer, x, y = operation.layer, operation.x, operation.y
        dilation = getattr(layer, "dilation", (1, 1))
        sides = [p if isinstance(p, tuple) else (p, p) for p in layer.padding]
        windows = [Window(*w) for w in zip(x.size, y.size, layer.kernel, layer.stride, (p for p, _ in sides), dilation)]
        include = getattr(layer, "count_include_pad", True)
        return pools.Pool(self.plan.images, x.channels, *windows, include, tuple(p for _, p in sides))

    def _pack(self):
        """All weights as the products want them, by one launch."""
        convs = [o for o in self.plan.operations if isinstance(o, op.Convolution) and self.geometry(o).fits]
        rows, begin, largest = [], 0, 0
        for o in convs:
            g = self.geometry(o)
            forward, back = products.packed_sizes(g)
            if self.plan.mode == "infer":
                back = 0
            rows.append([begin, begin + forward if back else -1, g.out_channels, g.in_channels // g.groups])
            rows[-1] += [g.taps, g.groups]
            begin, largest = begin + forward + back, max(largest, forward, back)
        if convs:
            packed, table = Slot((begin,), self.stored), Constant(np.array(rows, np.int32))
            addresses = Addresses(tuple(Held(o.layer.weight) for o in convs))
            self.launches.append(products.pack(self.precision, addresses, packed, table, largest))
            self.packed = {o: (Behind(packed, row[0]), Behind(packed, row[1])) for o, row in zip(convs, rows)}

    # -- operations

    def add(self, o):
        """The launches of one operation."""
        self.launches += FORWARD[type(o)](self, o)

    def _load(self, o):
        y = self.rows[o.y] = self.new(o.y)
        if self.source is not None and o.x == self.plan.input:
            return [self.source(self.precision, y)]
        return [Call(lambda frame: frame.enter(y, frame.arrays[o.x]), (y,))]

    def _store(self, o):
        x = self.rows[o.x]

        def run(frame):
            frame.arrays[o.y] = frame.leave(x, o.x).reshape(-1, *o.y.shape)

        return [] if self.source is not None and o.y == self.plan.output else [Call(run, (x,))]

    def _convolution(self, o):
        if o not in self.packed:
            return self._by_layer(o, bare(o.layer))
        g, y = self.geometry(o), self.new(o.y)
        self.rows[o.y] = y
        own = o.fold is not None or isinstance(o, Linear)  # else the bias is a term behind
        bias = Held(o.layer.bias) if own and o.layer.bias is not None else None
        statistics = None
        if any(affine.over_batch for affine in self.of.get(o.y, ())):
            count, rows = products.tiles(g)
            statistics = self.floats(count, 3, pitch(o.y.channels))
            self.statistics[o.y] = statistics, rows
        weight, _ = self.packed[o]
        return [products.forward(self.precision, g, self.rows[o.x], weight, y, bias, statistics)]

    def join(self, o, y):
        """y = relu(sum of terms), two terms to a launch."""
        launches, terms, size = [], [], (self.pixels(o.y), o.y.channels)
        for t in o.terms:
            x = self.rows[t.value]
            if t.strided:
                part = self.new(o.y)
                launches.append(passes.part(self.precision, self.part(t), part, x))
                x = part
            terms.append((x, self.norms.get(t.affine)))
        first, *rest = terms
        last = rest[:1] or [(None, None)]
        launches.append(passes.join(self.precision, *size, y, *first, *last[0], o.relu and len(rest) < 2))
        for k, term in enumerate(rest[1:], 2):
            launches.append(passes.join(self.precision, *size, y, y, None, *term, o.relu and k == len(rest)))
        return launches

    def part(self, t):
        """The part of its value that a term takes."""
        fill = pitch(t.channels)
        return passes.Part(
            self.plan.images, *t.value.size, t.value.channels, t.channels, t.step, t.start, t.before, t.width, 0, fill
        )

    def _join(self, o):
        self.rows[o.y] = self.new(o.y)
        return self.join(o, self.rows[o.y])

    def _max_pool(self, o):
        g, y = self.pool(o), self.new(o.y)
        if g.h.kernel * g.w.kernel > pools.PLACES:
            return self._by_layer(o, o.layer)
        self.rows[o.y] = y
        winner = self.winners[o] = Slot(y.shape, np.dtype(np.uint8))
        return [pools.maximum(self.precision, g, y, winner, self.rows[o.x])]

    def _avg_pool(self, o):
        y = self.rows[o.y] = self.new(o.y)
        return [pools.mean(self.precision, self.pool(o), y, self.rows[o.x])]

    def _mean(self, o):
        y, pixels = self.new(o.y), o.x.size[0] * o.x.size[1]
        self.rows[o.y] = y
        return [pools.image_mean(self.precision, self.plan.images, pixels, o.x.channels, y, self.rows[o.x])]

    def _entrywise(self, o):
        kind = pools.activation(o.layer)
        if kind is None:
            return self._by_layer(o, o.layer)
        y = self.rows[o.y] = self.new(o.y)
        return [pools.activate(self.precision, self.pixels(o.y), o.y.channels, y, self.rows[o.x], *kind)]

    def _concat(self, o):
        y = self.rows[o.y] = self.new(o.y)
        parts = [(self.rows[x], x.channels) for x in o.parts]
        return passes.concatenate(self.precision, self.plan.images, o.y.size, y, parts)

    def _excite(self, o):
        y, pixels = self.new(o.y), o.y.size[0] * o.y.size[1]
        self.rows[o.y] = y
        return [pools.scale(self.precision, self.plan.images, pixels, o.y.channels, y, self.rows[o.x], self.rows[o.s])]

    def _gate(self, o):
        y = self.rows[o.y] = self.new(o.y)
        xs = [self.rows[v] for v in o.inputs]
        return [pools.gate(self.precision, self.pixels(o.y), o.y.channels, y, *xs, o.layer.exclusive)]

    def _foreign(self, o):
        return [Call(lambda frame: frame.whole(o), ())]

    def _by_layer(self, o, layer):
        """What no kernel covers: out of the rows, through the layer, and back."""
        x, y = self.rows[o.x], self.new(o.y)
        self.rows[o.y] = y
        self.layered.add(o)

        def run(frame):
            out, frame.caches[o] = layer.forward(frame.leave(x, o.x))
            frame.enter(y, out)

        return [Call(run, (x, y))]

    # -- affine maps

    def _maps(self, value):
        """The coefficients of the maps of a value that has just been made."""
        for affine in self.of.get(value, ()):
            norm = self.norms[affine] = self.floats(passes.NORM, pitch(value.channels))
            self.launches += self._coefficients(affine, value, norm)

    def _coefficients(self, affine, value, norm):
        if isinstance(affine, Bias):
            return [passes.constant(value.channels, norm, Held(affine.bias))]
        bn = affine.layer
        running = Held(bn.running_mean), Held(bn.running_var)
        if not affine.over_batch:  # a folded one too: here its scale stays out of the filters
            return [passes.constant(value.channels, norm, Held(bn.beta), Held(bn.gamma), running, float(bn.eps))]
        launches, pixels = [], self.pixels(value)
        if value not in self.statistics:
            count, rows = passes.slabs(pixels)
            parts = self.floats(count, 3, pitch(value.channels))
            self.statistics[value] = parts, rows
            launches.append(passes.statistics(self.precision, pixels, value.channels, self.rows[value], parts))
        parts, rows = self.statistics[value]
        eps, momentum = float(bn.eps), float(bn.momentum)
        moved = (running, momentum) if self._tracks else ((None, None), 0.0)
        if not self._tracks:
            self.track.append(passes.track(pixels, value.channels, norm, running, momentum))
        gamma, beta = Held(bn.gamma), Held(bn.beta)
        size = pixels, value.channels
        return [*launches, passes.coefficients(*size, parts, rows, gamma, beta, norm, eps, *moved)]


FORWARD = {
    op.Load: Forward._load,
    op.Store: Forward._store,
    op.Convolution: Forward._convolution,
    Linear: Forward._convolution,
    op.Join: Forward._join,
    op.MaxPool: Forward._max_pool,
    op.AvgPool: Forward._avg_pool,
    op.Mean: Forward._mean,
    op.Entrywise: Forward._entrywise,
    op.Concat: Forward._concat,
    op.Excite: Forward._excite,
    op.Gate: Forward._gate,
    op.Foreign: Forward._foreign,
}


def bare(conv):
    """A convolution without its bias, with the same weight: the bias is a term of the sum behind."""
    found = copy.copy(conv)
    found.bias = None
    return found
