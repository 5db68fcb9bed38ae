"""A convolution of the batch: its kernels, one for each size of chunk, its filters, and its gradients."""

import numpy as np

from ..gradients import place_of, share_in, spare
from ..kernels import Geometry, choose
from ..kernels.base import slices

PART = 300_000  # numbers of the filters that one thread makes at a time


class Convolution:
    """``fold``: a batch norm whose scale goes into the filters, in inference; ``number``: of its filters' memory."""

    number = 0

    def __init__(self, operation, plan):
        layer, (x,), y = operation.layer, operation.inputs, operation.output
        self.layer, self.x, self.y, self.fold = layer, x, y, operation.details.get("fold")
        settings = layer.kernel, layer.stride, layer.padding, layer.dilation, layer.groups
        self.geometry = Geometry(x.channels, y.channels, *settings, x.size, y.size)
        self.kernel_type = choose(self.geometry, plan.images)
        self.kernels = {n: self.kernel_type(self.geometry, n, plan.dtype) for n in set(plan.sizes)}
        self.kernel = self.kernels[plan.sizes[0]]  # for what does not depend on n
        self.demands, self.numbers = self.kernel.demands(self.geometry), self.kernel.numbers(self.geometry)
        x.demand(self.demands.x_border, self.demands.x_extent)
        y.demand(0, self.demands.y_extent)
        self.parts = self.slices(self.kernel.axis)

    def slices(self, axis):
        """Parts of the weight along an axis, of about equal size."""
        channels = self.layer.weight.data.shape[axis]
        count = max(1, min(channels, self.numbers // PART)) if self.layer.groups == 1 else 1
        return slices(channels, count)

    def keeps(self):
        return [self.x]

    def prepare(self, frame, part):
        """Make a part of the filters."""
        if frame.prepared:
            return
        scale, bn = None, self.fold
        if bn is not None:
            scale = bn.gamma.data / np.sqrt(bn.running_var.data + bn.eps)
        room = frame.scratch(("filters", self.number), self.numbers)
        weight = self.slice_of(self.layer.weight.data, self.kernel.axis, part, scale)
        frame.filters[self] = self.kernel.forward_filters(weight, room, part)

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

    folded: the batch norm behind the convolution whose scale is taken here, once for each output channel, in place of
    once for each pixel   target: (buffer, whether to add), or None where dx is of no use   again: the join that made
    x, where x was not kept
    """

    def __init__(self, work, assembly, folded, target, again):
        self.work, self.assembly, self.folded, self.target, self.again = work, assembly, folded, target, again
        self.form = work.y.channels, work.y.size, work.demands.y_extent
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
        dy = spare(workspace, self.form, n, work.demands.dy_border, "dy")
        self.assembly(frame, i, dy, workspace)
        if not work.layer.weight.frozen:
            x, slot = frame.forward.chunk(work.x, i, workspace), workspace.flat("slot", work.numbers)
            kernel.weight_gradient(x, dy, slot, frame.opens[i], workspace)
            if frame.closes[i]:
                frame.dweights(work.layer.weight.data.shape)[frame.unit[i]] = kernel.to_weight(slot)
        if self.target is None:
            return
        if self.target[1] and kernel.adds:
            kernel.input_gradient(dy, frame.gradient(self.target[0], i), frame.filters[work], workspace, adds=True)
            return
        dx = place_of(frame, i, workspace, self.target)
        kernel.input_gradient(dy, dx, frame.filters[work], workspace)
        share_in(frame, i, self.target, dx)

    def finish(self, frame, part):
        """Add what the units have found for a part of the output channels to the gradient."""
        weight = self.work.layer.weight
        if weight.frozen:
            return
        dweight = frame.dweights(weight.data.shape)[:, part].sum(axis=0)
        if (scale := self._scale(frame)) is not None:
            dweight *= scale[part, None, None, None]
        with frame.lock:
            weight.grad[part] += dweight

    def _scale(self, frame):
        return None if self.folded is None else frame.forward.states[self.folded].scale
