"""The joins of branches other than a sum, and activations other than ReLU."""

import numpy as np


class EntrywiseStep:
    """An activation: the layer itself, chunk by chunk."""

    def __init__(self, operation, forward):
        self.layer, self.x, self.y = operation.layer, operation.x, operation.y
        self.keep = forward.plan.mode != "infer"

    def forward(self, frame, i, workspace):
        x, y = frame.chunk(self.x, i, workspace), frame.chunk(self.y, i, workspace)
        workspace.do(self._forward, frame, i, x, y)

    def _forward(self, frame, i, x, y):
        y.image[...], cache = self.layer.forward(x.image)
        if self.keep:
            frame.caches[self, i] = cache

    def backward(self, frame, i, dy, dxs, workspace):
        workspace.do(self._backward, frame, i, dy, dxs[0])

    def _backward(self, frame, i, dy, dx):
        dx.image[...] = self.layer.backward(np.ascontiguousarray(dy.image), frame.forward.caches[self, i])


class ConcatStep:
    """Channels side by side."""

    def __init__(self, operation, forward):
        self.parts, self.y = operation.parts, operation.y
        ends = np.cumsum([part.channels for part in self.parts])
        self.slices = [slice(int(e) - p.channels, int(e)) for e, p in zip(ends, self.parts)]

    def forward(self, frame, i, workspace):
        y = frame.chunk(self.y, i, workspace).image
        for part, channels in zip(self.parts, self.slices):
            workspace.do(np.copyto, y[..., channels], frame.chunk(part, i, workspace).image)

    def backward(self, frame, i, dy, dxs, workspace):
        for dx, channels in zip(dxs, self.slices):
            workspace.do(np.copyto, dx.image, dy.image[..., channels])


class ExciteStep:
    """y = s x, one s for each channel of each image. Terms: s dy, and sum x dy."""

    def __init__(self, operation, forward):
        self.x, self.s, self.y = operation.x, operation.s, operation.y

    def forward(self, frame, i, workspace):
        x, s, y = (frame.chunk(v, i, workspace).image for v in (self.x, self.s, self.y))
        workspace.do(np.multiply, x, s, y)

    def backward(self, frame, i, dy, dxs, workspace):
        x, s = (frame.forward.chunk(v, i, workspace).image for v in (self.x, self.s))
        workspace.do(np.multiply, s, dy.image, dxs[0].image)
        product = workspace.array("addend", x.shape)
        workspace.do(np.multiply, x, dy.image, product)
        workspace.do(np.add.reduce, product, (0, 1), None, dxs[1].image[0, 0])


class GateStep:
    """y = t F + (1 - t) x, or F + (1 - t) x; see :class:`minires.layers.Gate` for its three terms."""

    def __init__(self, operation, forward):
        self.x, self.f, self.t, self.y = operation.x, operation.f, operation.t, operation.y
        self.exclusive = operation.layer.exclusive

    def forward(self, frame, i, workspace):
        workspace.do(self._forward, *(frame.chunk(v, i, workspace).image for v in (self.x, self.f, self.t, self.y)))

    def _forward(self, x, f, t, y):
        y[...] = (t * f if self.exclusive else f) + (1 - t) * x

    def backward(self, frame, i, dy, dxs, workspace):
        x, f, t = (frame.forward.chunk(v, i, workspace).image for v in (self.x, self.f, self.t))
        workspace.do(self._backward, x, f, t, dy.image, *(dx.image for dx in dxs))

    def _backward(self, x, f, t, dy, dx, df, dt):
        dx[...] = (1 - t) * dy
        df[...] = t * dy if self.exclusive else dy
        dt[...] = (f - x if self.exclusive else -x) * dy
