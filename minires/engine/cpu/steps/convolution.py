"""A convolution of the batch: its kernels, one for each size of chunk, its filters, and its gradients."""

import numpy as np

from ..assembly import Assembly
from ..kernels import choose
from ..memory import spare, surround


class ConvolutionStep:
    """``begin``: where its filters begin in their memory"""

    begin = 0

    def __init__(self, operation, forward):
        self.layer, self.x, self.y, self.fold = operation.layer, operation.x, operation.y, operation.fold
        geometry, cut, self.frozen = operation.geometry, forward.cut, forward.frozen
        self.kernel_type = choose(geometry, cut.images, len(cut.sizes) if self.frozen else 0)
        self.kernels = {n: self.kernel_type(geometry, n, cut.dtype) for n in set(cut.sizes)}
        self.kernel = self.kernels[cut.sizes[0]]  # for what does not depend on n
        self.demands, self.numbers = self.kernel.demands(geometry), self.kernel.numbers(geometry)
        forward.rooms.demand(self.x, self.demands.x_extent, self.demands.x_border)
        forward.rooms.demand(self.y, self.demands.y_extent)

    def prepare(self, frame):
        """Make the filters."""
        if frame.prepared:
            return
        weight, bn = self.layer.weight.data, self.fold
        if bn is not None:
            weight = scaled(weight, bn.gamma.data / np.sqrt(bn.running_var.data + bn.eps))
        room = frame.scratch("filters", self.begin + self.numbers)[self.begin :]
        make = self.kernel.frozen_filters if self.frozen else self.kernel.forward_filters
        frame.filters[self] = make(weight, room)

    def forward(self, frame, i, workspace):
        x, y = frame.chunk(self.x, i, workspace), frame.chunk(self.y, i, workspace)
        self.kernels[frame.sizes[i]].forward(x, y, frame.filters[self], workspace)


def scaled(weight, scale):
    """The weight, each output channel times its scale if there is one."""
    return weight if scale is None else weight * scale[:, None, None, None]


class ConvolutionGradient:
    """dy is assembled in the work area, inside its border; from it the gradient of the weights, in a slot, and dx.

    ``folded``: the scale of the batch norm behind is taken here, once for each output channel, in place of once for
    each pixel   ``share``: of dx, None where dx is of no use   ``again``: the join that makes x, where x was not kept
    """

    def __init__(self, record, work, again, share):
        self.work, self.folded, self.again, self.share = work, record.folded, again, share
        self.assembly = Assembly(record.parts, False)
        self.form = work.y.channels, work.y.size, work.demands.y_extent, work.demands.dy_border

    def prepare(self, frame):
        """Make the filters for dx."""
        weight = scaled(self.work.layer.weight.data, self._scale(frame))
        room = frame.scratch("filters", self.work.numbers)
        frame.filters[self.work] = self.work.kernel.input_filters(weight, room)

    def __call__(self, frame, i, workspace):
        work, n = self.work, frame.sizes[i]
        kernel = work.kernels[n]
        if self.again is not None:
            surround(frame.forward.chunk(work.x, i, workspace), workspace)
            self.again.forward(frame.forward, i, workspace)
        dy = spare(workspace, self.form, n, "dy")
        surround(dy, workspace)
        self.assembly(frame, i, dy, workspace)
        if not work.layer.weight.frozen:
            x, room = frame.forward.chunk(work.x, i, workspace), frame.slots[frame.unit[i]]
            fits = kernel.in_place and work.numbers <= len(room)
            slot = room[: work.numbers] if fits else workspace.flat("slot", work.numbers)
            kernel.weight_gradient(x, dy, slot, frame.opens[i], workspace)
            if frame.closes[i]:
                kernel.keep(slot, self._dweights(frame)[frame.unit[i]], workspace)
        if self.share is None:
            return
        filters = frame.filters[work]
        if self.share.adds and kernel.adds:
            kernel.input_gradient(dy, frame.gradient(self.share.buffer, i), filters, workspace, adds=True)
            return
        dx = self.share.place(frame, i, workspace)
        kernel.input_gradient(dy, dx, filters, workspace)
        self.share.close(frame, i, dx, workspace)

    def finish(self, frame):
        """Add what the units have found to the gradient."""
        weight, found = self.work.layer.weight, self._dweights(frame)
        if weight.frozen:
            return
        if (scale := self._scale(frame)) is not None:
            found *= scale[:, None, None, None]
        with frame.lock:
            for dweight in found:
                weight.grad += dweight

    def _dweights(self, frame):
        """The gradient of the weight from each unit of work, (units, M, C/G, KH, KW)."""
        weight = self.work.layer.weight.data
        return frame.slots[:, : weight.size].reshape(-1, *weight.shape)

    def _scale(self, frame):
        return None if self.folded is None else frame.forward.states[self.folded].scale
