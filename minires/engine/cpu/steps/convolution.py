"""A convolution of the batch: its kernels, one for each size of chunk, its filters, and its gradients."""

import numpy as np

from .. import constants
from ..assembly import Assembly
from ..cut import slices
from ..kernels import choose
from ..memory import spare


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
        self.parts = self.slices(self.kernel.axis)

    def slices(self, axis):
        """Parts of the weight along an axis, of about equal size."""
        channels = self.layer.weight.data.shape[axis]
        count = max(1, min(channels, self.numbers // constants.PART)) if self.layer.groups == 1 else 1
        return slices(channels, count)

    def prepare(self, frame, part):
        """Make a part of the filters."""
        if frame.prepared:
            return
        scale, bn = None, self.fold
        if bn is not None:
            scale = bn.gamma.data / np.sqrt(bn.running_var.data + bn.eps)
        room = frame.scratch("filters", self.begin + self.numbers)[self.begin :]
        weight = self.slice_of(self.layer.weight.data, self.kernel.axis, part, scale)
        make = self.kernel.frozen_filters if self.frozen else self.kernel.forward_filters
        frame.filters[self] = make(weight, room, part)

    @staticmethod
    def slice_of(weight, axis, part, scale):
        """A slice of the weight along an axis, each output channel times its scale."""
        weight = weight[part] if axis == 0 else weight[:, part]
        if scale is None:
            return weight
        return weight * (scale[part] if axis == 0 else scale)[:, None, None, None]

    def forward(self, frame, i, workspace):
        x, y = frame.chunk(self.x, i, workspace), frame.chunk(self.y, i, workspace)
        self.kernels[frame.sizes[i]].forward(x, y, frame.filters[self], workspace)


class ConvolutionGradient:
    """dy is assembled in the work area, inside its border; from it the slot of the weights, one to a thread, and dx.

    ``folded``: the scale of the batch norm behind is taken here, once for each output channel, in place of once for
    each pixel   ``share``: of dx, None where dx is of no use   ``again``: the join that makes x, where x was not kept
    """

    def __init__(self, record, work, again, share):
        self.work, self.folded, self.again, self.share = work, record.folded, again, share
        self.assembly = Assembly(record.parts, False)
        self.form = work.y.channels, work.y.size, work.demands.y_extent, work.demands.dy_border
        self.parts = work.slices(0)

    def prepare(self, frame, part):
        """Make a part of the filters for dx."""
        weight = self.work.slice_of(self.work.layer.weight.data, 0, part, self._scale(frame))
        room = frame.scratch("filters", self.work.numbers)
        frame.filters[self.work] = self.work.kernel.input_filters(weight, room, part)

    def __call__(self, frame, i, workspace):
        work, n = self.work, frame.sizes[i]
        kernel = work.kernels[n]
        if self.again is not None:
            self.again.forward(frame.forward, i, workspace)
        dy = spare(workspace, self.form, n, "dy")
        self.assembly(frame, i, dy, workspace)
        if not work.layer.weight.frozen:
            x, dweight = frame.forward.chunk(work.x, i, workspace), self._dweights(frame)[frame.unit[i]]
            slot = dweight.reshape(-1) if kernel.plain else workspace.flat("slot", work.numbers)
            kernel.weight_gradient(x, dy, slot, frame.opens[i], workspace)
            if frame.closes[i] and not kernel.plain:
                kernel.keep(slot, dweight, workspace)
        if self.share is None:
            return
        filters = frame.filters[work]
        if self.share.adds and kernel.adds:
            kernel.input_gradient(dy, frame.gradient(self.share.buffer, i), filters, workspace, adds=True)
            return
        dx = self.share.place(frame, i, workspace)
        kernel.input_gradient(dy, dx, filters, workspace)
        self.share.close(frame, i, dx, workspace)

    def finish(self, frame, part):
        """Add what the units have found for a part of the output channels to the gradient."""
        weight = self.work.layer.weight
        if weight.frozen:
            return
        found = self._dweights(frame)[:, part]
        dweight = found[0] if len(found) == 1 else found.sum(axis=0)
        if (scale := self._scale(frame)) is not None:
            dweight *= scale[part, None, None, None]
        with frame.lock:
            weight.grad[part] += dweight

    def _dweights(self, frame):
        """The gradient of the weight from each unit of work, (units, M, C/G, KH, KW)."""
        return frame.dweights(self.work.layer.weight.data.shape)

    def _scale(self, frame):
        return None if self.folded is None else frame.forward.states[self.folded].scale
