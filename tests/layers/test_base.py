"""The object model: names of tensors, sharing, moving, printing and observing."""

import numpy as np
import pytest
from conftest import np_of, to_xp
from oracles import randomise

from minires.errors import DTypeError, MiniresError, RangeError, ShapeError
from minires.layers import BatchNorm2d, Buffer, Conv2d, Dropout, Flatten, Fork, Layer, Linear, Param, ReLU, Residual
from minires.layers import Sequential
from minires.layers.base import inside
from minires.layers import observe


def small_model():
    branch = Sequential(conv=Conv2d(2, 2, 3, padding=1, rng=0), norm=BatchNorm2d(2))
    return Sequential(add=Residual(branch), drop=Dropout(rng=0), flat=Flatten(), head=Linear(2 * 4 * 4, 3, rng=1))


NAMES = [
    "add.branch.conv.weight",
    "add.branch.norm.gamma",
    "add.branch.norm.beta",
    "add.branch.norm.running_mean",
    "add.branch.norm.running_var",
    "head.weight",
    "head.bias",
]


def test_names_of_tensors_parameters_and_generators():
    model = small_model()
    assert [name for name, _ in model.tensors()] == NAMES
    assert [name for name, _ in model.params()] == [name for name in NAMES if "running" not in name]
    assert [name for name, _ in model.generators()] == ["drop.rng"]


@pytest.mark.parametrize("kind", [Buffer, Param])
def test_a_tensor_is_a_plain_array_and_its_gradient_alike(kind, xp):
    data = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    tensor = kind(to_xp(xp, data))
    assert np.array_equal(np_of(tensor.data), data)
    if kind is Param:
        assert type(tensor.grad) is type(tensor.data) and tensor.grad.dtype == np.float32
        assert tensor.grad.shape == (2, 3) and not np_of(tensor.grad).any() and tensor.frozen is False
    with pytest.raises(DTypeError, match=f"^{kind.__name__}: data is a masked array"):
        kind(np.ma.array(data, mask=data > 0))


@pytest.mark.parametrize("statistics", [False, True])
def test_freeze_and_thaw(statistics):
    model = small_model()
    norm = model.at("add.branch.norm")
    assert model.freeze(statistics=statistics) is model
    assert all(p.frozen is True for _, p in model.params())
    assert norm.statistics == ("running" if statistics else "batch")
    norm.statistics = "constant"
    model.freeze(False)
    assert not any(p.frozen for _, p in model.params()) and norm.statistics == "constant"
    for _ in range(2):  # twice: there is nothing left to take away
        model.freeze(False, statistics=True)
        assert norm.statistics == "batch" and "statistics" not in vars(norm)
    model.freeze()
    assert norm.statistics == "batch"


def test_a_call_is_a_forward_of_inference():
    class Told(Layer):
        def forward(self, x, train):
            return x + 1, seen.append(train)

    seen = []
    assert Told()(1) == 2 and seen == [False]


class Ways(Fork):
    """y = sum of factor x over the ways."""

    def __init__(self, **factors):
        self.factors = factors

    def terms(self, dy, cache):
        return {name: factor * dy for name, factor in self.factors.items()}


def test_the_terms_of_a_fork_of_a_user():
    dy = np.random.default_rng(0).normal(size=(2, 3))
    dy[0, 1] = 0
    with_shortcut, without = Ways(a=2, shortcut=3, b=5), Ways(a=2, b=5)
    assert np.allclose(with_shortcut.backward(dy, None), 10 * dy) and np.allclose(without.backward(dy, None), 7 * dy)
    assert np.array_equal(with_shortcut.shortcut_term(dy, None), 3 * dy)
    found = without.shortcut_term(dy, None)
    assert found.shape == dy.shape and not found.any()


def test_walk_gives_every_layer_below_with_its_path():
    paths = [path for path, _ in small_model().walk()]
    assert paths[:4] == ["", "add", "add.shortcut", "add.branch"]
    assert paths[4:] == ["add.branch.conv", "add.branch.norm", "drop", "flat", "head"]


def test_a_path_that_leads_nowhere_is_told_where_it_ends():
    model = Sequential(a=Sequential(b=Sequential(ReLU())))
    with pytest.raises(RangeError, match=r"no layer at 'a.b.7.c': a.b \(Sequential\) holds 0, not '7'"):
        model.at("a.b.7.c")
    with pytest.raises(RangeError, match=r"no layer at 'a.b.0.1': a.b.0 \(ReLU\) holds no layers, not '1'"):
        model.at("a.b.0.1")


def test_a_shared_layer_has_its_tensors_once():
    linear = Linear(3, 3, rng=0)
    model = Sequential(linear, ReLU(), linear)
    assert [name for name, _ in model.params()] == ["0.weight", "0.bias"]
    x, dy = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    y, cache = model.forward(x)
    model.backward(dy, cache)
    hidden = linear(x)
    second = dy.T @ np.maximum(hidden, 0)
    first = ((dy @ linear.weight.data) * (hidden > 0)).T @ x
    np.testing.assert_allclose(linear.weight.grad, first + second, rtol=1e-5)


def test_zero_grads():
    model = small_model()
    for _, p in model.params():
        p.grad += 1
    model.zero_grads()
    assert not any(p.grad.any() for _, p in model.params())


def test_to_moves_values_gradients_and_buffers():
    model = small_model()
    assert model.to(dtype=np.float64) is model
    assert {t.data.dtype for _, t in model.tensors()} == {np.dtype("float64")}
    assert {p.grad.dtype for _, p in model.params()} == {np.dtype("float64")}
    assert model.to(device="cpu") is model
    model.to(dtype=np.float32)
    assert {t.data.dtype for _, t in model.tensors()} == {p.grad.dtype for _, p in model.params()} == {np.dtype("f4")}
    assert model.to().at("head").weight.data.dtype == np.float32


def test_to_the_other_device_and_back(strict):
    model = randomise(small_model(), np.random.default_rng(0))
    before = [t.data.copy() for _, t in model.tensors()]
    model.to(device="cuda")
    assert {type(t.data) for _, t in model.tensors()} == {strict.ndarray}
    assert {type(p.grad) for _, p in model.params()} == {strict.ndarray}
    model.to(device="cpu")
    assert all(np.array_equal(t.data, b) for (_, t), b in zip(model.tensors(), before))


def test_repr_is_the_tree_with_its_settings():
    lines = repr(small_model()).split("\n")
    assert lines[0] == "Sequential()"
    assert lines[1] == "  add: Residual()"
    assert lines[2] == "    shortcut: Identity()"
    assert lines[4].startswith("      conv: Conv2d(in_channels=2, out_channels=2, kernel=(3, 3), stride=(1, 1)")
    assert repr(Param(np.zeros((2, 3)))) == "Param(2, 3)"
    assert repr(Buffer(np.zeros(4))) == "Buffer(4,)"


def test_what_is_private_is_no_setting():
    layer = ReLU()
    layer.factor, layer._seen, layer.array = 2.5, 3, np.ones(2)
    assert repr(layer) == "ReLU(factor=2.5)"


def test_observe_sees_each_layer_with_input_and_output_and_leaves_the_model_alone():
    model = small_model().to(dtype=np.float64)
    seen = {}
    twin = observe(model, lambda path, layer, x, y: seen.setdefault(path, (layer, x.shape, y.shape)))
    x = np.random.default_rng(0).normal(size=(2, 2, 4, 4))
    y, _ = twin.forward(x, train=False)
    assert np.array_equal(y, model(x))
    assert seen.keys() == {path for path, _ in model.walk()}
    assert all(seen[path][0] is layer for path, layer in model.walk())
    assert seen["add"][1:] == ((2, 2, 4, 4), (2, 2, 4, 4)) and seen["head"][1:] == ((2, 32), (2, 3))
    assert list(seen)[-1] == ""
    assert [id(t) for _, t in twin.tensors()] == [id(t) for _, t in model.tensors()]
    seen.clear()
    model(x)
    assert not seen


def test_an_observed_layer_trains_only_when_it_is_told():
    norm, x = BatchNorm2d(2).to(dtype=np.float64), np.random.default_rng(0).normal(size=(3, 2, 2, 2))
    twin = observe(norm, lambda *_: None)
    assert np.array_equal(twin.forward(x)[0], norm(x)) and not norm.running_mean.data.any()
    y, _ = twin.forward(x, True)
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-15)
    assert norm.running_mean.data.all()


def test_a_layer_used_twice_is_seen_under_its_first_path():
    relu = ReLU()
    seen = []
    observe(Sequential(relu, relu), lambda path, *_: seen.append(path)).forward(np.ones(2))
    assert seen == ["0", "0", ""]


def test_the_path_of_an_error_grows_outwards():
    with pytest.raises(MiniresError) as caught, inside("stage"), inside("0"):
        raise ShapeError("axis 1 is 3, expected 4: pad it", "Conv2d")
    assert str(caught.value) == "stage.0 (Conv2d): axis 1 is 3, expected 4: pad it"
    assert caught.value.path == ("stage", "0")


def test_other_errors_pass_through_inside():
    with pytest.raises(KeyError), inside("stage"):
        raise KeyError("x")


@pytest.mark.parametrize(
    "call", [lambda: Layer().forward(1), lambda: Layer().backward(1, 2), lambda: Fork().terms(1, 2)]
)
def test_a_subclass_without_its_methods_says_which(call):
    with pytest.raises(NotImplementedError, match="does not define (forward|backward|terms)"):
        call()
