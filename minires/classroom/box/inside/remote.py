"""A layer of the grader's as one of minires: its arrays are here, what it computes comes from there."""

import functools
import sys

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

    def gradients_are_right(self, x, train):
        """What the grader's ``gradcheck`` of its layer finds at x, [[name, error, whether it is zero], ...], None where
        it finds a mistake, or does not look."""
        tensors = [t for _, t in self.tensors()]
        if any(t.frozen for t in tensors if isinstance(t, Param)):
            return None
        return self._use("gradients", x, train, [t.data for t in tensors])[0]


def ask_there():
    """Have ``gradcheck`` and ``check_layer``, once all of minires has been read, ask one question about a layer of the
    grader's in the place of two hundred.

    The grader knows that backward of its layers is the derivative of their forward, and checks it again at the x of the
    submission, with one direction for each array. Where it finds anything, or where more is asked than that, the check
    runs here, as it does for any layer.
    """
    minires = sys.modules["minires"]
    checks, contract = (sys.modules[f"minires.{name}"] for name in ("gradcheck", "contract"))
    gradcheck, check_layer = checks.gradcheck, contract.check_layer

    def report(layer, x, train):
        if type(layer) is not RemoteLayer or {"forward", "backward"} & vars(layer).keys():
            return None
        found = layer.gradients_are_right(x, train)
        outputs = [checks.Output(name, error, zero) for name, error, zero in found or ()]
        return checks.Report(type(layer).__name__, f"complex, train={train}", tuple(outputs)) if outputs else None

    @functools.wraps(gradcheck)
    def gradcheck_there(layer, x, **options):
        plain = options.keys() <= {"train"} and isinstance(x, contract.np.ndarray)
        found = report(layer, x, bool(options.get("train", True))) if plain else None
        return found or gradcheck(layer, x, **options)

    @functools.wraps(check_layer)
    def check_layer_there(make, x, **options):
        if options or not isinstance(x, contract.np.ndarray):
            return check_layer(make, x, **options)
        made = [make()]
        found = [report(made[0], x, train) for train in (False, True)]
        if all(found):
            return contract.ContractReport(found[0].layer, tuple(found), False)
        return check_layer(lambda: made.pop() if made else make(), x)

    minires.gradcheck = checks.gradcheck = gradcheck_there
    minires.check_layer = contract.check_layer = check_layer_there
