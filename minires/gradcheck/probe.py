"""A layer as a function of its arrays: its derivative by forward, its gradients by backward."""

import copy
import warnings

import numpy as np

from ..backend import device_of, to_device, to_numpy
from ..errors import ContractError, GradientError, NumericError, StateError

STEP = {"complex": 1e-30, "central": 1e-6}


class Probe:
    """A float64 twin near the given layer, as a function of x and of each parameter, on the device of x.

    ``arrays``: {"x": x, name of a parameter that is not frozen: its value}   ``y``: the output
    The layer given is never touched, and every forward starts from the same running statistics and random state.
    """

    def __init__(self, layer, x, train, method, rng):
        self.layer = copy.deepcopy(layer).to(dtype=np.float64)
        self.train, self.method, self.rng = train, method, rng
        self.device, self.kind = device_of(x), type(layer).__name__
        self.arrays = {"x": np.array(to_numpy(x), np.float64)}
        for name, p in self.layer.params():
            value = to_numpy(p.data)
            value = value + 0.2 * rms(value) * rng.standard_normal(value.shape)
            p.data = to_device(value, self.device)
            if not p.frozen:
                self.arrays[name] = value
        self._require_finite("x", self.arrays["x"])
        self.y = self.forward()
        self._require_finite("the output of forward", self.y)
        self._gradients = {}

    def with_method(self, method):
        """The same twin, differentiated by another method."""
        other = copy.copy(self)
        other.method = method
        return other

    def move(self):
        """Step off a kink: change x by one per cent."""
        x = self.arrays["x"]
        self.arrays = {**self.arrays, "x": x + 0.01 * rms(x) * self.rng.standard_normal(x.shape)}
        self.y = self.forward()
        self._gradients = {}

    def run(self, name=None, value=None):
        """Forward of a fresh copy, with the array ``name`` replaced; return (copy, y, cache)."""
        twin = copy.deepcopy(self.layer)
        x = value if name == "x" else self.arrays["x"]
        if name not in (None, "x"):
            dict(twin.params())[name].data = to_device(value, self.device)
        given = to_device(x.copy(), self.device)
        result = twin.forward(given, self.train)
        self._require_untouched("forward", "x", given, x)
        if not isinstance(result, tuple) or len(result) != 2:
            found = type(result).__name__
            raise ContractError(f"forward returned a {found}, expected a pair (y, cache)", self.kind)
        return twin, *result

    def forward(self, name=None, value=None):
        return np.array(to_numpy(self.run(name, value)[1]))

    def backward(self, dy):
        """{name: gradient of <dy, y>}, by the layer's own backward; computed once for each dy."""
        if id(dy) not in self._gradients:
            self._gradients[id(dy)] = dy, self._backward(dy)
        return self._gradients[id(dy)][1]

    def _backward(self, dy):
        twin, _, cache = self.run()
        twin.zero_grads()
        given = to_device(dy.copy(), self.device)
        dx = twin.backward(given, cache)
        self._require_untouched("backward", "dy", given, dy)
        grads = {"x": dx, **{name: p.grad for name, p in twin.params() if name in self.arrays}}
        return {name: self._checked(name, grad) for name, grad in grads.items()}

    def _checked(self, name, grad):
        """The gradient of one array as a NumPy array of its own, if it has the shape of the array and is finite."""
        array, shape = "dx" if name == "x" else f"{name}.grad", self.arrays[name].shape
        if getattr(grad, "shape", None) != shape:
            found = f"has shape {grad.shape}" if hasattr(grad, "shape") else f"is a {type(grad).__name__}"
            raise GradientError(f"{array} {found}, expected an array of shape {shape}, that of {name}", self.kind)
        grad = np.array(to_numpy(grad))
        at = _first_not_finite(grad)
        if at is not None:
            raise GradientError(f"{array}{list(at)} is {grad[at]}, expected a finite number", self.kind)
        return grad

    def derivative(self, name, v):
        """d/dt f(a + t v) at t = 0, for the array a called ``name``."""
        a, h = self.arrays[name], STEP[self.method]
        if self.method == "central":
            return (self.forward(name, a + h * v) - self.forward(name, a - h * v)) / (2 * h)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                y = self.forward(name, a + 1j * h * v)
        except (TypeError, np.exceptions.ComplexWarning) as error:
            raise self._no_complex(f"raised {error!r}") from error
        if y.dtype.kind != "c":
            raise self._no_complex(f"returned {y.dtype}")
        return y.imag / h

    def at_kink(self, name, v):
        """Whether the derivatives along v and -v are not opposite: f has a corner at a, and no derivative."""
        if self.method == "complex":
            there, back = self.derivative(name, v), self.derivative(name, -v)
            return size(there + back) > 1e-9 * size(there)
        a, h = self.arrays[name], STEP["central"]
        jumps = [
            size(self.forward(name, a + s * v) + self.forward(name, a - s * v) - 2 * self.y) / s for s in (h, h / 10)
        ]
        return jumps[1] > 0.5 * jumps[0] > 1e-6 * size(self.y)  # at a smooth place they shrink with s

    def _require_finite(self, what, a):
        at = _first_not_finite(a)
        if at is not None:
            raise NumericError(f"{what} is {a[at]} at {list(at)}: check at an x where forward is finite", self.kind)

    def _require_untouched(self, method, name, given, before):
        """Refuse a method that writes into the array it was given: its caller goes on with that array."""
        after = to_numpy(given)
        at = np.argwhere(~((after == before) | (np.isnan(after) & np.isnan(before))))
        if len(at):
            at = tuple(int(i) for i in at[0])
            raise GradientError(
                f"{method} changes its {name}: {name}{list(at)} was {before[at]:.9g} and is {after[at]:.9g} after it; "
                f"compute a new array, {name} = 2 * {name} and not {name} *= 2, and check again",
                self.kind,
            )

    def _no_complex(self, what):
        return StateError(
            f"forward {what} for a complex input, expected a complex output: use method='auto', or write forward "
            "with operations that carry complex numbers (branch on x.real, no abs)",
            self.kind,
        )


def _first_not_finite(a):
    """The index of the first NaN or infinity, None where there is none."""
    bad = np.argwhere(~np.isfinite(a))
    return tuple(int(i) for i in bad[0]) if len(bad) else None


def rms(a):
    """Root mean square, 1 for an array of zeros: the size of a natural step."""
    return size(a) or 1.0


def size(a):
    """Root mean square; squares may leave the range of floats where it does not."""
    largest = float(np.max(np.abs(a), initial=0.0))
    return largest * float(np.sqrt(np.mean(np.square(a / largest, dtype=np.float64)))) if largest else 0.0


def stream(seed, purpose):
    """A generator for one purpose; ``default_rng(seed)`` may well have drawn x, and dy = x would be degenerate."""
    return np.random.default_rng([seed, *purpose.encode()])
