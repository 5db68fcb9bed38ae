"""The operations on chunks, each with its backward: what the layers do, in the layout of the engine.

    forward(frame, i, workspace)              computes chunk i of the output
    backward(frame, i, dy, dxs, workspace)    writes the gradients of the inputs that are asked for
    keeps()                                   the values that backward reads
"""

import numpy as np

from .kernels import Geometry, Im2col, Pointwise, Winograd


class Convolution:
    def __init__(self, operation, plan):
        layer, (x,), y = operation.layer, operation.inputs, operation.output
        self.operation, self.layer, self.x, self.y = operation, layer, x, y
        self.fold = operation.details.get("fold")
        self.geometry = Geometry(
            x.channels, y.channels, layer.kernel, layer.stride, layer.padding, layer.dilation, layer.groups, x.size, y.size
        )
        self.algorithm = choose(self.geometry, plan.images)
        self.demands = self.algorithm.demands(self.geometry)
        x.demand(self.demands.x_border, self.demands.x_extent)
        y.demand(0, self.demands.y_extent)
        self.numbers = self.algorithm.numbers(self.geometry)
        self.kernels = {n: self.algorithm(self.geometry, n, plan.dtype) for n in set(plan.sizes)}
        self.any = next(iter(self.kernels.values()))
        self.dform = y.channels, y.size, self.demands.y_extent

    def keeps(self):
        return [self.x]

    def prepare(self, frame):
        weight = self.layer.weight.data
        if self.fold is not None:
            bn = self.fold
            weight = weight * (bn.gamma.data / np.sqrt(bn.running_var.data + bn.eps))[:, None, None, None]
        frame.filters[self] = self.any.forward_filters(weight, frame.scratch(("filters", self.place), self.numbers))

    def forward(self, frame, i, workspace):
        x, y = frame.chunk(self.x, i, workspace), frame.chunk(self.y, i, workspace)
        self.kernels[frame.sizes[i]].forward(x, y, frame.filters[self], workspace)


def choose(geometry, images):
    """The algorithm with the least estimated time, see :func:`estimate`."""
    fitting = [a for a in (Pointwise, Winograd, Im2col) if a.fits(geometry)]
    return min(fitting, key=lambda a: estimate(a, geometry, images))


def estimate(algorithm, g, images):
    if algorithm is Winograd:
        return 36 / 144 * g.flops * images * 1.6 + 60 * algorithm.numbers(g)
    return g.flops * images


class Load:
    """An array (N, C, H, W) into chunks."""

    def __init__(self, operation, plan):
        (self.x,), self.y = operation.inputs, operation.output

    def keeps(self):
        return []

    def forward(self, frame, i, workspace):
        x = frame.arrays[self.x][frame.images(i)]
        frame.chunk(self.y, i, workspace).image[...] = x.transpose(2, 3, 0, 1)

    def backward(self, frame, i, dy, dxs, workspace):
        frame.arrays[self.x][frame.forward.images(i)] = dy.image.transpose(2, 3, 0, 1)


class Store:
    """Chunks into an array (N, C, H, W)."""

    def __init__(self, operation, plan):
        (self.x,), self.y = operation.inputs, operation.output

    def keeps(self):
        return []

    def prepare(self, frame):
        frame.arrays[self.y] = np.empty((frame.total, *self.y.shape), frame.dtype)

    def forward(self, frame, i, workspace):
        frame.arrays[self.y][frame.images(i)] = frame.chunk(self.x, i, workspace).image.transpose(2, 3, 0, 1)

    def backward(self, frame, i, dxs, workspace):
        dxs[0].image[...] = frame.arrays[self.y][frame.forward.images(i)].transpose(2, 3, 0, 1)


class Join:
    """y = relu(sum of terms), each behind its affine map; one pass over memory."""

    def __init__(self, operation, plan):
        self.terms, self.relu, self.y = operation.details["terms"], operation.details["relu"], operation.output
        self.affine = [t for t in self.terms if t.affine is not None]
        self.plain = [t for t in self.terms if t.plain]
        self.strided = [t for t in self.terms if t.strided]

    def keeps(self):
        return [t.value for t in self.affine if t.affine.scales] + ([self.y] if self.relu else [])

    def forward(self, frame, i, workspace):
        y, n = frame.chunk(self.y, i, workspace), frame.sizes[i]
        scaled = [(frame.chunk(t.value, i, workspace).rows, frame.states[t.affine].tiles[n],
                   frame.states[t.affine].scale is not None) for t in self.affine]
        plain = [frame.chunk(t.value, i, workspace).rows for t in self.plain]
        strided = [(frame.chunk(t.value, i, workspace).image[:: t.step, :: t.step], t) for t in self.strided]
        for block in frame.blocks(self.y.size, y):
            out = y.rows[block]
            begun = False
            for rows, (scale, shift), scales in scaled:
                part = workspace.array("addend", out.shape) if begun else out
                if scales:
                    np.multiply(rows[block], scale, out=part)
                    np.add(part, shift, out=part)
                else:
                    np.add(rows[block], shift, out=part)
                if begun:
                    np.add(out, part, out=out)
                begun = True
            for rows in plain:
                if begun:
                    np.add(out, rows[block], out=out)
                else:
                    np.copyto(out, rows[block])
                begun = True
            for image, term in strided:
                if not begun:
                    out[...] = 0
                    begun = True
                kept = y.image[block][..., term.before : term.before + term.value.channels]
                np.add(kept, image[block], out=kept)
            if self.relu:
                np.clip(out, 0, np.inf, out=out)  # half the time of np.maximum


class MaxPool:
    """The largest of each window, by comparison of its places in turn; the winner's place is kept as a byte."""

    def __init__(self, operation, plan):
        self.layer, (self.x,), self.y = operation.layer, operation.inputs, operation.output
        self.operation = operation

    def keeps(self):
        return [self.x, self.y]

    def forward(self, frame, i, workspace):
        x, y = frame.chunk(self.x, i, workspace), frame.chunk(self.y, i, workspace)
        out = y.image
        out[...] = -np.inf
        for rows, columns, source in self._places(x.image):
            kept = out[rows, columns]
            np.maximum(kept, source, out=kept)

    def backward(self, frame, i, dy, dxs, workspace):
        x, y = (frame.forward.chunk(v, i, workspace).image for v in (self.x, self.y))
        dx = dxs[0].image
        dx[...] = 0
        shape = y.shape
        free = workspace.array("free", shape)
        free[...] = dy.image
        won = workspace.array("won", shape)
        for (rows, columns, source), (_, _, target) in zip(self._places(x), self._places(dx)):
            kept = won[rows, columns]
            np.equal(source, y[rows, columns], out=kept, casting="unsafe")
            np.multiply(kept, free[rows, columns], out=kept)  # what has not gone to an earlier place
            np.add(target, kept, out=target)
            left = free[rows, columns]
            np.subtract(left, kept, out=left)

    def _places(self, image):
        """Yield (rows, columns, pixels): for each place of the window the outputs that see a pixel there, and those."""
        layer, (height, width), (oh, ow) = self.layer, self.x.size, self.y.size
        (sh, sw), (ph, pw) = layer.stride, layer.padding
        for i in range(layer.kernel[0]):
            top, rows = _seen(i - ph, sh, height, oh)
            for j in range(layer.kernel[1]):
                left, columns = _seen(j - pw, sw, width, ow)
                if rows.stop > rows.start and columns.stop > columns.start:
                    taken = image[top : top + (rows.stop - rows.start - 1) * sh + 1 : sh,
                                  left : left + (columns.stop - columns.start - 1) * sw + 1 : sw]
                    yield rows, columns, taken


class AvgPool(MaxPool):
    """The mean of each window."""

    def keeps(self):
        return []

    def forward(self, frame, i, workspace):
        x, y = frame.chunk(self.x, i, workspace), frame.chunk(self.y, i, workspace)
        y.image[...] = 0
        for rows, columns, source in self._places(x.image):
            kept = y.image[rows, columns]
            np.add(kept, source, out=kept)
        np.divide(y.image, self._count(frame.dtype), out=y.image)

    def backward(self, frame, i, dy, dxs, workspace):
        share = workspace.array("free", dy.image.shape)
        np.divide(dy.image, self._count(frame.dtype), out=share)
        dx = dxs[0].image
        dx[...] = 0
        for rows, columns, target in self._places(dx):
            np.add(target, share[rows, columns], out=target)

    def _count(self, dtype):
        x = np.empty((1, 1, *(s + 2 * p for s, p in zip(self.x.size, self.layer.padding))), dtype)
        return self.layer._count(x, self.x.size, self.y.size)[:, :, None, None]


class Mean:
    """The mean of each channel of each image."""

    def __init__(self, operation, plan):
        (self.x,), self.y = operation.inputs, operation.output

    def keeps(self):
        return []

    def forward(self, frame, i, workspace):
        x, y = frame.chunk(self.x, i, workspace), frame.chunk(self.y, i, workspace)
        np.mean(x.image, axis=(0, 1), out=y.image[0, 0])

    def backward(self, frame, i, dy, dxs, workspace):
        h, w = self.x.size
        dxs[0].image[...] = dy.image / (h * w)


class Entrywise:
    """An activation: the layer itself, chunk by chunk."""

    def __init__(self, operation, plan):
        self.layer, (self.x,), self.y = operation.layer, operation.inputs, operation.output
        self.keep = plan.mode != "infer"

    def keeps(self):
        return [self.x]  # the layer's cache may be a view of it

    def forward(self, frame, i, workspace):
        x, y = frame.chunk(self.x, i, workspace), frame.chunk(self.y, i, workspace)
        y.image[...], cache = self.layer.forward(x.image)
        if self.keep:
            frame.caches[self, i] = cache

    def backward(self, frame, i, dy, dxs, workspace):
        dxs[0].image[...] = self.layer.backward(np.ascontiguousarray(dy.image), frame.forward.caches[self, i])


class Concat:
    """Channels side by side."""

    def __init__(self, operation, plan):
        self.parts, self.y = operation.inputs, operation.output
        ends = np.cumsum([part.channels for part in self.parts])
        self.slices = [slice(int(e) - p.channels, int(e)) for e, p in zip(ends, self.parts)]

    def keeps(self):
        return []

    def forward(self, frame, i, workspace):
        y = frame.chunk(self.y, i, workspace).image
        for part, channels in zip(self.parts, self.slices):
            y[..., channels] = frame.chunk(part, i, workspace).image

    def backward(self, frame, i, dy, dxs, workspace):
        for dx, channels in zip(dxs, self.slices):
            dx.image[...] = dy.image[..., channels]


class Excite:
    """y = s x, one s for each channel of each image. Terms: s dy, and sum x dy."""

    def __init__(self, operation, plan):
        (self.x, self.s), self.y = operation.inputs, operation.output

    def keeps(self):
        return [self.x, self.s]

    def forward(self, frame, i, workspace):
        x, s, y = (frame.chunk(v, i, workspace).image for v in (self.x, self.s, self.y))
        np.multiply(x, s, out=y)

    def backward(self, frame, i, dy, dxs, workspace):
        x, s = (frame.forward.chunk(v, i, workspace).image for v in (self.x, self.s))
        np.multiply(s, dy.image, out=dxs[0].image)
        product = workspace.array("addend", x.shape)
        np.multiply(x, dy.image, out=product)
        np.add.reduce(product, axis=(0, 1), out=dxs[1].image[0, 0])


class Gate:
    """y = t F + (1 - t) x, or F + (1 - t) x; see :class:`minires.layers.Gate` for its three terms."""

    def __init__(self, operation, plan):
        (self.x, self.f, self.t), self.y = operation.inputs, operation.output
        self.exclusive = operation.layer.exclusive

    def keeps(self):
        return [self.x, self.f, self.t]

    def forward(self, frame, i, workspace):
        x, f, t, y = (frame.chunk(v, i, workspace).image for v in (self.x, self.f, self.t, self.y))
        y[...] = (t * f if self.exclusive else f) + (1 - t) * x

    def backward(self, frame, i, dy, dxs, workspace):
        x, f, t = (frame.forward.chunk(v, i, workspace).image for v in (self.x, self.f, self.t))
        dy = dy.image
        dxs[0].image[...] = (1 - t) * dy
        dxs[1].image[...] = t * dy if self.exclusive else dy
        dxs[2].image[...] = (f - x if self.exclusive else -x) * dy


OPERATIONS = {
    "conv": Convolution, "load": Load, "store": Store, "join": Join, "maxpool": MaxPool, "avgpool": AvgPool,
    "mean": Mean, "entrywise": Entrywise, "concat": Concat, "excite": Excite, "gate": Gate,
}


def _seen(offset, stride, size, outputs):
    """(first pixel, outputs): the outputs o whose pixel o stride + offset lies within 0 .. size - 1."""
    start = max(0, -(offset // stride)) if offset < 0 else 0
    stop = min(outputs, (size - 1 - offset) // stride + 1)
    return start * stride + offset, slice(start, max(start, stop))
