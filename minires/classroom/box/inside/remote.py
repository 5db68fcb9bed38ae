"""A layer of the grader's as one of minires: its arrays are here, what it computes comes from there."""

from minires.layers.base import Buffer, Layer, Param


class RemoteLayer(Layer):
    """Its parameters and buffers have the names of those of the layer: ``layer.bn1.gamma``.

    tensors: [[name, whether it is trained, array], ...]   use(method, arguments ...): asks the layer itself, which gets
    the arrays with every call, so that copies of this one are layers of their own
    """

    def __init__(self, tensors, use):
        self._use = use
        for name, trained, array in tensors:
            *path, last = name.split(".")
            part = self
            for step in path:
                part = vars(part).setdefault(step, Layer())
            vars(part)[last] = (Param if trained else Buffer)(array)

    def forward(self, x, train=False):
        tensors = [t for _, t in self.tensors()]
        y, cache, moved = self._use("forward", x, bool(train), [t.data for t in tensors])
        for t, array in zip(tensors, moved):
            t.data = t.data if array is None else array
        return y, cache

    def backward(self, dy, cache):
        tensors = [t for _, t in self.tensors()]
        dx, gradients = self._use("backward", dy, cache, [t.data for t in tensors])
        for p, gradient in zip((t for t in tensors if isinstance(t, Param)), gradients):
            if not p.frozen:
                p.add_grad(gradient)
        return dx
