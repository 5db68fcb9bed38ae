"""check_layer: each promise broken on purpose and refused by name; layers that keep them accepted."""

import copy

import numpy as np
import pytest
from conftest import to_xp

from minires.contract import check_layer
from minires.errors import ContractError, DTypeError, GradientError, StateError
from minires.layers import (
    BatchNorm1d,
    Buffer,
    Dropout,
    Layer,
    Linear,
    Param,
    ReLU,
    Residual,
    Scale,
    Sequential,
    SiLU,
    Tanh,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def square(cls):
    return lambda: cls(4, 4, rng=np.random.default_rng(1))


def refused(make, promise, error=ContractError, **settings):
    with pytest.raises(error, match=promise) as caught:
        check_layer(make, draw(5, 4), **settings)
    return str(caught.value)


# --- the shape and the kind of results


class OnlyY(Tanh):
    def forward(self, x, train=False):
        return super().forward(x, train)[0]


class ListOfTwo(Tanh):
    def forward(self, x, train=False):
        return list(super().forward(x, train))


class NestedLists(Tanh):
    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        return y.tolist(), cache


class SinglePrecision(Tanh):
    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        return y.astype(np.float32), cache


class Infinite(Tanh):
    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        return np.where(x.real > 0, np.inf, y), cache


class NoDx(Tanh):
    def backward(self, dy, cache):
        super().backward(dy, cache)


class FlatDx(Tanh):
    def backward(self, dy, cache):
        return super().backward(dy, cache).reshape(-1)


class SingleDx(Tanh):
    def backward(self, dy, cache):
        return super().backward(dy, cache).astype(np.float32)


class NanDx(Tanh):
    def backward(self, dy, cache):
        return super().backward(dy, cache) * np.nan


# --- what may change

READS = {
    "Linear": (lambda: Linear(4, 4, rng=0), True),
    "a frozen Linear": (lambda: Linear(4, 4, rng=0).freeze(), False),
    "ReLU": (ReLU, False),
    "Tanh": (Tanh, False),
    "BatchNorm1d": (lambda: BatchNorm1d(4), False),
    "Dropout": (lambda: Dropout(0.5, rng=0), False),
    "SiLU": (SiLU, True),
    "Residual": (lambda: Residual(Sequential(Linear(4, 4, rng=0), Tanh())), True),
    "Linear behind Scale": (lambda: Sequential(Scale(2), Linear(4, 4, rng=0)), False),
}


@pytest.mark.parametrize("make, reads", READS.values(), ids=READS)
def test_tells_whether_backward_reads_x(make, reads, xp, device):
    """Who writes over x between forward and backward gets other gradients from such a layer."""
    x = draw(5, 4)
    assert check_layer(lambda: make().to(device=device), to_xp(xp, x)).reads_x is reads
    answers = []
    for value in (x, 0 * x):
        layer, buffer = make().to(dtype=np.float64), x.copy()
        layer.zero_grads()
        _, cache = layer.forward(buffer, train=True)
        buffer[...] = value
        answers.append([layer.backward(draw(5, 4, seed=1), cache), *(p.grad for _, p in layer.params())])
    assert any(not np.array_equal(a, b) for a, b in zip(*answers)) == reads


class ChangesX(Tanh):
    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        x *= 1.5
        return y, cache


class ChangesXInBackward(Linear):
    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        cache[0] = 0
        return dx


class ChangesDy(Tanh):
    def backward(self, dy, cache):
        dy *= 1 - cache**2
        return dy


class DecaysWeight(Linear):
    def forward(self, x, train=False):
        self.weight.data = 0.9 * self.weight.data
        return super().forward(x, train)


class StepsInBackward(Linear):
    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        self.bias.data -= self.bias.grad
        return dx


class CountsInEvaluation(Tanh):
    def __init__(self):
        self.calls = Buffer(np.zeros(1))

    def forward(self, x, train=False):
        self.calls.data = self.calls.data + 1
        return super().forward(x, train)


class CountsInBackward(Tanh):
    def __init__(self):
        self.calls = Buffer(np.zeros(1))

    def backward(self, dy, cache):
        self.calls.data = self.calls.data + 1
        return super().backward(dy, cache)


# --- caches


class KeepsCache(Tanh):
    def forward(self, x, train=False):
        y, self.y = super().forward(x, train)
        return y, self.y


class KeepsDy(Tanh):
    def backward(self, dy, cache):
        self.dy = dy
        return super().backward(dy, cache)


class KeepsCacheInADict(Tanh):
    def __init__(self):
        self.kept = {}

    def forward(self, x, train=False):
        y, self.kept["y"] = super().forward(x, train)
        return y, None

    def backward(self, dy, cache):
        return super().backward(dy, self.kept["y"])


class StackOfCaches(Tanh):
    def __init__(self):
        self.kept = []

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        self.kept.append(cache)
        return y, None

    def backward(self, dy, cache):
        return super().backward(dy, self.kept[-1])


class UsesUpItsCache(Tanh):
    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        return y, [cache]

    def backward(self, dy, cache):
        dx = super().backward(dy, cache[0])
        cache[0] = 0 * cache[0]
        return dx


class WorksInABuffer(Tanh):
    """One array for the output of every forward, as a fast layer might keep."""

    def __init__(self):
        self.kept = {}

    def forward(self, x, train=False):
        y = self.kept.setdefault(x.dtype.kind, np.empty(x.shape, x.dtype.newbyteorder("=")))
        np.tanh(x, out=y)
        return y, y


# --- backward


class Overwrites(Linear):
    def backward(self, dy, cache):
        self.zero_grads()
        return super().backward(dy, cache)


class Rebinds(Linear):
    def backward(self, dy, cache):
        self.weight.grad = dy.T @ cache
        self.bias.grad = dy.sum(axis=0)
        return dy @ self.weight.data


class Clips(Tanh):
    def backward(self, dy, cache):
        return np.clip(super().backward(dy, cache), -0.5, 0.5)


class AddsToDy(Tanh):
    def backward(self, dy, cache):
        return super().backward(dy + 1, cache)


# --- memory layouts


class TrustsMemory(Tanh):
    """Right for arrays in C order only."""

    def forward(self, x, train=False):
        y = np.tanh(x.ravel(order="K")).reshape(x.shape)
        return y, y


class TrustsMemoryOfDy(Tanh):
    def backward(self, dy, cache):
        return dy.ravel(order="K").reshape(dy.shape) * (1 - cache**2)


class TrustsBase(Tanh):
    """Reads the memory behind a view as if it were the view."""

    def __init__(self, of):
        self.kind = [of]

    def forward(self, x, train=False):
        if self.kind[0](x):
            x = x.base.ravel()[: x.size].reshape(x.shape)
        return super().forward(x, train)


class TrustsByteOrder(Tanh):
    def forward(self, x, train=False):
        return super().forward(x.view(x.dtype.newbyteorder("=")), train)


class BorrowsX(Tanh):
    """Writes into x and puts everything back."""

    def forward(self, x, train=False):
        x *= 2
        y, cache = super().forward(x / 2, train)
        x /= 2
        return y, cache


def is_reversed(x):
    return x.strides[1] < 0


def is_strided(x):
    return x.strides[0] > x.strides[1] > x.itemsize


# --- randomness and training


class NoiseInEvaluation(Dropout):
    def forward(self, x, train=False):
        return super().forward(x, train=True)


class DrawsInEvaluation(Dropout):
    def forward(self, x, train=False):
        self.rng.random()
        return super().forward(x, train)


class CallsDiffer(Tanh):
    def __call__(self, x):
        return 2 * super().__call__(x)


class CallsAreShort(Tanh):
    def __call__(self, x):
        return super().__call__(x)[:3]


class CallsCount(Tanh):
    def __init__(self):
        self.calls = Buffer(np.zeros(1))

    def __call__(self, x):
        self.calls.data = self.calls.data + 1
        return super().__call__(x)


RULES = [
    (OnlyY, r"forward returns \(y, cache\)"),
    (ListOfTwo, r"forward returns \(y, cache\)"),
    (NestedLists, "forward returns an array like x"),
    (SinglePrecision, "y has the dtype of x; found: float32 for float64"),
    (Infinite, "y is finite"),
    (NoDx, "backward returns an array like x; found: <class 'NoneType'>"),
    (FlatDx, r"dx has the shape of x; found: \(20,\) for \(5, 4\)"),
    (SingleDx, "dx has the dtype of x; found: float32 for float64"),
    (NanDx, "dx is finite where y is"),
    (ChangesX, "forward leaves x alone"),
    (square(ChangesXInBackward), "backward leaves x and dy alone"),
    (ChangesDy, "backward leaves x and dy alone"),
    (square(DecaysWeight), r"forward\(train=False\) leaves weight alone"),
    (square(StepsInBackward), "backward leaves the value of bias alone"),
    (CountsInEvaluation, r"forward\(train=False\) leaves calls alone"),
    (CountsInBackward, "backward leaves the value of calls alone"),
    (KeepsCache, "the cache is returned, not kept"),
    (KeepsDy, "backward keeps nothing"),
    (KeepsCacheInADict, "other forwards between forward and backward do not disturb it"),
    (StackOfCaches, "other forwards between forward and backward do not disturb it"),
    (UsesUpItsCache, "the same cache and dy give the same dx again"),
    (WorksInABuffer, "other forwards between forward and backward do not disturb it"),
    (square(Overwrites), r"backward adds to weight\.grad"),
    (square(Rebinds), r"backward adds to weight\.grad"),
    (Clips, "backward is linear in dy"),
    (AddsToDy, "backward is linear in dy"),
    (TrustsMemory, "forward takes x transposed"),
    (TrustsMemoryOfDy, "backward takes dy transposed"),
    (lambda: TrustsBase(is_reversed), "forward takes x reversed"),
    (lambda: TrustsBase(is_strided), "forward takes x strided"),
    (TrustsByteOrder, "forward takes x swapped"),
    (BorrowsX, "x and dy may be read-only; found: raised ValueError"),
    (lambda: NoiseInEvaluation(0.5, rng=0), r"layer\(x\) gives the same again"),
    (lambda: DrawsInEvaluation(0.5, rng=0), "inference changes nothing"),
    (CallsDiffer, r"layer\(x\) is forward\(x, train=False\)"),
    (CallsAreShort, r"layer\(x\) is forward\(x, train=False\); found: shapes \(5, 4\) and \(3, 4\)"),
    (CallsCount, "inference leaves calls alone"),
]


@pytest.mark.parametrize("make, promise", RULES)
def test_a_broken_promise_is_named(make, promise):
    text = refused(make, promise)
    assert text.startswith(f"{type(make()).__name__}: broken promise (train=")


def test_a_broken_promise_of_training_is_named_too():
    class ChangesBetaInTraining(BatchNorm1d):
        def forward(self, x, train=False):
            if train:
                self.beta.data = self.beta.data + 1
            return super().forward(x, train)

    class BackwardOfTraining(BatchNorm1d):
        def backward(self, dy, cache):
            x_hat, inv_std, train = cache
            if train:
                inv_std = 1 / np.sqrt(self.running_var.data + self.eps)
            return super().backward(dy, (x_hat, inv_std, train))

    assert "(train=True)" in refused(lambda: ChangesBetaInTraining(4), r"forward\(train=True\) leaves beta alone")
    assert "(train=True)" in refused(lambda: BackwardOfTraining(4), "do not disturb it")


def test_a_wrong_gradient_is_named_with_its_path():
    class Wrong(Linear):
        def backward(self, dy, cache):
            return super().backward(2 * dy, cache)

    def make():
        return Sequential(Tanh(), Residual(Sequential(Wrong(4, 4, rng=0))))

    assert refused(make, "dx", GradientError).startswith("1.branch.0 (Wrong): dx[")


def test_a_wrong_gradient_in_evaluation_alone_is_found():
    class Wrong(BatchNorm1d):
        def backward(self, dy, cache):
            dx = super().backward(dy, cache)
            return dx if cache[-1] else 2 * dx

    assert "train=False" in refused(lambda: Wrong(4), "dx", GradientError)


def test_an_output_of_the_wrong_precision_is_found():
    class Widens(Scale):
        def forward(self, x, train=False):
            return np.float64(self.factor) * x, x.shape

    refused(lambda: Widens(0.3), "Widens: the output is float64 for a float32 input", GradientError)


def test_a_forward_without_complex_numbers_is_told_the_remedy():
    class Magnitude(Layer):
        def forward(self, x, train=False):
            return np.abs(x), np.sign(x)

        def backward(self, dy, cache):
            return dy * cache

    refused(Magnitude, "use method='auto'", StateError)
    check_layer(Magnitude, draw(5, 4), method="central")


def test_an_input_of_integers_is_refused():
    with pytest.raises(DTypeError, match="input is int64"):
        check_layer(Tanh, np.arange(6).reshape(2, 3))


# --- right layers, as a user might write them


class Swish(Layer):
    """One parameter, a cache of several things in a dict."""

    def __init__(self):
        self.beta = Param(np.array([1.5]))

    def forward(self, x, train=False):
        s = 1 / (1 + np.exp(-self.beta.data * x))
        return x * s, {"x": x, "s": s}

    def backward(self, dy, cache):
        x, s = cache["x"], cache["s"]
        ds = dy * x * s * (1 - s)
        self.beta.grad += (ds * x).sum()
        return dy * s + ds * self.beta.data


class Softmax(Layer):
    def forward(self, x, train=False):
        e = np.exp(x - x.real.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return p, p

    def backward(self, dy, p):
        return p * (dy - (dy * p).sum(axis=1, keepdims=True))


class MaximumReLU(Layer):
    """As most people write it, with no thought of complex numbers."""

    def forward(self, x, train=False):
        return np.maximum(x, 0), x > 0

    def backward(self, dy, mask):
        return dy * mask


class Logarithm(Layer):
    """Defined for positive x only."""

    def forward(self, x, train=False):
        return np.log(x), x

    def backward(self, dy, x):
        return dy / x


class RunningMax(Layer):
    """A buffer written in place, in training only."""

    def __init__(self):
        self.largest = Buffer(np.ones(4))

    def forward(self, x, train=False):
        if train:
            self.largest.data[...] = np.maximum(self.largest.data, np.abs(x.real).max(axis=0))
        scale = 1 / self.largest.data if not train else np.ones(4, self.largest.data.dtype)
        return x * scale, scale

    def backward(self, dy, scale):
        return dy * scale


class Twice(Layer):
    """One layer used twice: its gradient is a sum."""

    def __init__(self):
        self.inner = Linear(4, 4, rng=0)

    def forward(self, x, train=False):
        y, first = self.inner.forward(x, train)
        y, second = self.inner.forward(y, train)
        return y, (first, second)

    def backward(self, dy, cache):
        first, second = cache
        return self.inner.backward(self.inner.backward(dy, second), first)


class Noise(Layer):
    def __init__(self):
        self.rng = np.random.default_rng(3)

    def forward(self, x, train=False):
        return x + self.rng.standard_normal(x.shape).astype(x.real.dtype) if train else x, None

    def backward(self, dy, cache):
        return dy


class RowSums(Layer):
    """Fewer axes out than in; dx is a view."""

    def forward(self, x, train=False):
        return x.sum(axis=1), x.shape

    def backward(self, dy, shape):
        return np.broadcast_to(dy[:, None], shape)


RIGHT = [Swish, Softmax, MaximumReLU, RunningMax, Twice, Noise, RowSums, lambda: Sequential(Twice(), MaximumReLU())]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", RIGHT, ids=lambda make: make.__name__)
def test_right_layers_are_accepted(make, seed):
    report = check_layer(make, draw(5, 4, seed=seed), seed=seed)
    assert report.worst_error < 1e-13
    assert str(report).startswith(f"{type(make()).__name__}: keeps the contract, worst relative error of a gradient ")


def test_a_layer_that_is_not_defined_everywhere_is_checked_where_it_is():
    assert check_layer(Logarithm, 0.1 + draw(5, 4) ** 2).worst_error < 1e-13
    with np.errstate(invalid="ignore"):
        refused(Logarithm, "y is finite")


def test_the_dtype_of_the_input_does_not_matter():
    check_layer(square(Linear), draw(5, 4).astype(np.float32))


def test_a_frozen_layer_is_accepted():
    check_layer(lambda: Sequential(square(Linear)().freeze(), Tanh(), square(Linear)()), draw(5, 4))


def test_make_may_copy_a_model():
    """As for a model that is trained already."""
    model = Sequential(Linear(4, 3, rng=0), BatchNorm1d(3), ReLU(), Dropout(0.3, rng=2))
    before = [(path, t.data.tobytes()) for path, t in model.tensors()]
    check_layer(lambda: copy.deepcopy(model), draw(5, 4))
    assert [(path, t.data.tobytes()) for path, t in model.tensors()] == before
