"""A tree of layers as a list of operations on values.

    v1 block:  t = conv1(x)    u = relu(bn1(t))    t = conv2(u)    y = relu(bn2(t) + x)
    v2 block:  u = relu(bn1(x))    t = conv1(u)    u = relu(bn2(t))    t = conv2(u)    y = t + x

Everything between two convolutions is one "join": a sum of terms, each a value with an affine map (batch norm), and
perhaps a ReLU. While the tree is read, such a sum is kept open (:class:`Sum`), so that what follows can join it. A
layer that no rule fits stays what it is, "foreign": it works on whole arrays by its own forward and backward.
"""

from dataclasses import replace

import numpy as np

from ..backend import xp_of
from ..errors import MiniresError
from ..layers.known import kind_of
from . import operations as op
from .rules import ANYWHERE, FIRST, RULES
from .values import Array, Sum, Term, Unsuited, Value, require


class Reader:
    """Reads a tree of layers into ``operations``.

    mode: "train" (statistics of the batch), "eval" (running ones, with a backward) or "infer" (no backward: batch norm
    behind a convolution goes into its filters)
    """

    def __init__(self, shape, mode):
        self.mode, self.operations, self.images = mode, [], shape[0]
        self.input, self.forked = Array(0, tuple(shape[1:])), set()  # what several ways read
        self._places, self._named, self._maps = {}, 1, 0  # operations by what they make; how many names are given

    def read(self, model):
        hooked = [path for path, layer in model.walk() if "forward" in vars(layer) or "backward" in vars(layer)]
        if hooked:  # whoever watches a layer is to see each call of it, and no other
            raise Unsuited(f"{hooked[0] or 'the model'} has a forward or backward on the instance")
        self._like = next((tensor.data for _, tensor in model.tensors()), np.empty(0, np.float32))
        self.output = self.array(self.layer(model, self.input, ""), "")
        return self

    def layer(self, layer, x, path):
        """The value, array or open sum that ``layer`` makes of x; by a rule only if it runs by methods of minires."""
        kind = kind_of(layer)
        enters = not isinstance(x, Array) or kind in ANYWHERE or (kind in FIRST and len(x.shape) == 3)
        rule = RULES.get(kind) if enters else None
        return rule(self, layer, x, path) if rule else self.foreign(layer, x, path, own=kind is None)

    def add(self, operation):
        self._places[operation.y] = len(self.operations)
        self.operations.append(operation)
        return operation.y

    def new(self, channels, size):
        self._named += 1
        return Value(self._named - 1, channels, tuple(size))

    def new_array(self, shape):
        self._named += 1
        return Array(self._named - 1, tuple(shape))

    def change(self, operation, **fields):
        """Give other fields to an operation that has been read."""
        self.operations[self._places[operation.y]] = replace(operation, **fields)

    def producer(self, value):
        return self.operations[self._places[value]]

    def behind(self, value, kind, layer, *more):
        """``value`` behind an affine map."""
        self._maps += 1
        return Sum((Term(value, kind(self._maps - 1, layer, value, *more)),))

    def value(self, x, path):
        """x as a value: an array is put into chunks, an open sum is computed."""
        if isinstance(x, Value):
            return x
        if isinstance(x, Array):
            require(len(x.shape) == 3)
            return self.add(op.Load(path, x, self.new(x.shape[0], x.shape[1:])))
        if len(x.terms) == 1 and x.terms[0].plain and not x.relu:
            return x.terms[0].value
        return self.add(op.Join(path, x.terms, x.relu, self.new(x.channels, x.size)))

    def fork(self, x, path):
        """x as a value that several ways read."""
        x = self.value(x, path)
        self.forked.add(x)
        return x

    def sum(self, x, path):
        """x as an open sum that takes further terms."""
        if isinstance(x, Sum) and not x.relu:
            return x
        return Sum((Term(self.value(x, path)),))

    def array(self, x, path):
        """x as an array."""
        if isinstance(x, Array):
            return x
        x = self.value(x, path)
        return self.add(op.Store(path, x, self.new_array(x.shape)))

    def foreign(self, layer, x, path, own=False):
        """``layer`` as it is, on whole arrays."""
        x = self.array(x, path)
        return self.add(op.Foreign(path, layer, x, self.new_array(self._shape_behind(layer, x.shape)), own))

    def _shape_behind(self, layer, shape):
        """What ``layer`` makes of one image of this shape, by one inference on zeros, where the tensors are."""
        like = next((tensor.data for _, tensor in layer.tensors()), self._like)
        try:
            return layer(xp_of(like).zeros((1, *shape), dtype=like.dtype)).shape[1:]
        except MiniresError:
            raise Unsuited from None
