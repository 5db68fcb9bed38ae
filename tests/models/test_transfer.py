"""Transfer learning: heads, frozen layers without cost, features."""

import numpy as np
import pytest

from minires.errors import RangeError
from minires.layers import BatchNorm2d, Conv2d, Linear, ReLU, Sequential
from minires.layers import conv as conv_module
from minires.losses import SoftmaxCrossEntropy
from minires.models import build
from minires.models.network import classifier
from minires.models.transfer import features, freeze_but, head_of, replace_head
from minires.train import SGD, train_step

X = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)
LABELS = np.array([0, 1, 2, 1])


def net(**options):
    return build("resnet8", rng=0, **options)


@pytest.mark.parametrize("name", ["resnet8", "preact_resnet8", "wrn_10_1", "resnet18"])
def test_another_head(name):
    model = build(name, rng=0, num_classes=10)
    other = replace_head(model, 3, rng=1)
    assert head_of(model) == head_of(other) == "head.fc"
    assert model(X).shape == (4, 10) and other(X).shape == (4, 3)
    shared = {id(p) for _, p in model.params()} & {id(p) for _, p in other.params()}
    assert len(shared) == len(list(model.params())) - 2, "all but the head are shared"
    assert (other.at("head.fc").weight.data == classifier(model.at("head.fc").in_features, 3, rng=1).weight.data).all()
    assert (features(other, "head.flatten")(X) == features(model, "head.flatten")(X)).all()


def test_the_head_is_the_last_of_several_linear_layers():
    model = build("vgg11", rng=0, hidden=8, num_classes=10)
    other = replace_head(model, 3, rng=1)
    assert head_of(model) == "head.fc3"
    assert [other.at(f"head.fc{i}").weight.data.shape for i in (1, 2, 3)] == [(8, 512 * 49), (8, 8), (3, 8)]


def test_the_head_has_the_type_of_the_model():
    other = replace_head(net().to(dtype=np.float64), 3, rng=0)
    assert other.at("head.fc").bias.data.dtype == np.float64
    model = Sequential(Linear(3, 2, bias=False, rng=0))
    assert replace_head(model, 5, rng=0)[0].bias is None


def test_statistics_of_the_copy_are_its_own():
    model = net()
    before = {path: t.data.copy() for path, t in model.tensors()}
    replace_head(model, 3, rng=1).forward(X, train=True)
    assert all((t.data == before[path]).all() for path, t in model.tensors())


def test_frozen_layers_do_not_move_and_the_head_learns():
    model = freeze_but(replace_head(net(), 3, rng=1))
    before = {path: p.data.copy() for path, p in model.params()}
    optimizer = SGD(model.params(), lr=0.1, weight_decay=5e-4)
    for _ in range(3):
        train_step(model, SoftmaxCrossEntropy(), optimizer, X, LABELS, 0.1)
    moved = {path for path, p in model.params() if (p.data != before[path]).any()}
    assert moved == {"head.fc.weight", "head.fc.bias"}


class Counting(np.ndarray):
    """An array that counts what is added to it."""

    count = 0

    def __iadd__(self, other):
        Counting.count += 1
        return super().__iadd__(other)


def cost_of_backward(model, monkeypatch):
    """(additions to gradients, images unfolded for the gradient of a convolution) in one backward."""
    unfolded, real = [], conv_module.im2col
    y, cache = model.forward(X, train=True)
    for _, p in model.params():
        p.grad = p.grad.view(Counting)
    monkeypatch.setattr(conv_module, "im2col", lambda *arguments: unfolded.append(1) or real(*arguments))
    Counting.count = 0
    model.backward(np.random.default_rng(1).normal(size=y.shape).astype(y.dtype), cache)
    monkeypatch.undo()
    return Counting.count, len(unfolded)


def test_frozen_parameters_cost_no_gradient(monkeypatch):
    model = net()
    convs = sum(isinstance(layer, Conv2d) for _, layer in model.walk())
    assert convs == 7
    assert cost_of_backward(model, monkeypatch) == (len(list(model.params())), convs)
    freeze_but(model)
    model.zero_grads()
    assert cost_of_backward(model, monkeypatch) == (2, 0)
    freeze_but(model, "stage3", "head")
    assert cost_of_backward(model, monkeypatch) == (2 + 2 * 3, 2)
    assert all((p.grad == 0).all() == p.frozen for _, p in model.params())


def test_freeze_but():
    model = net()
    assert freeze_but(model) is model
    assert [path for path, p in model.params() if not p.frozen] == ["head.fc.weight", "head.fc.bias"]
    freeze_but(model, "stem", "stage1.0.add.branch.conv2")
    assert {path for path, p in model.params() if not p.frozen} == {
        "stem.conv.weight",
        "stem.bn.gamma",
        "stem.bn.beta",
        "stage1.0.add.branch.conv2.weight",
    }
    model.freeze(False)
    with pytest.raises(RangeError, match="no layer at 'stage9'"):
        freeze_but(model, "stem", "stage9")
    assert not any(p.frozen for _, p in model.params()), "after an error nothing has changed"
    with pytest.raises(RangeError, match="Sequential has 0 linear layers inside"):
        freeze_but(Sequential(ReLU()))


def activations(model, x):
    """{path: output} of an inference, layer by layer."""
    from minires.layers import observe

    found = {}
    observe(model, lambda path, layer, x, y: found.setdefault(path, y)).forward(x)
    return found


@pytest.mark.parametrize("name", ["resnet8", "preact_resnet8", "densenet_10_4", "wrn_10_1"])
def test_features_of_every_path(name):
    """At each path that features takes, the values are those of the whole network."""
    model = build(name, rng=0)
    expected = activations(model, X)
    assert len(expected) > 20
    for path, y in expected.items():
        assert np.array_equal(features(model, path)(X), y), path
    assert features(model, "") is model


def test_features_leave_out_what_comes_behind():
    part = features(net(), "stage1")
    assert sum(isinstance(layer, Conv2d) for _, layer in part.walk()) == 3
    assert [name for name, _ in part.children()] == ["stem", "stage1"]
    y, cache = part.forward(X, train=True)
    assert part.backward(np.ones_like(y), cache).shape == X.shape


def test_features_inside_other_layers():
    model = build("seresnet8", rng=0)
    with pytest.raises(RangeError, match="inside a SqueezeExcite, expected a path through Sequential"):
        features(model, "stage1.0.add.branch.se.gate.conv1")
    with pytest.raises(RangeError, match="no layer at 'stage1.7'"):
        features(model, "stage1.7")


def test_features_in_a_new_network():
    """A frozen trunk of one network below a head of another kind."""
    trunk = features(net(), "stage2").freeze()
    model = Sequential(trunk=trunk, conv=Conv2d(32, 4, 3, rng=0), bn=BatchNorm2d(4))
    y, cache = model.forward(X, train=True)
    model.backward(np.ones_like(y), cache)
    assert all((p.grad == 0).all() for _, p in trunk.params())


def test_features_run_nothing_that_has_a_forward_of_its_own():
    class Twice(Sequential):
        def forward(self, x, train=False):
            y, cache = super().forward(x, train)
            return 2 * y, cache

    for model in (Twice(ReLU()), Sequential(a=Twice(b=ReLU()))):
        inner = [path for path, layer in model.walk() if isinstance(layer, ReLU)][0]
        with pytest.raises(RangeError, match="lies inside a Twice, expected a path through Sequential"):
            features(model, inner)
    assert np.array_equal(features(Sequential(a=Twice(b=ReLU()), c=ReLU()), "a")(X), 2 * np.maximum(X, 0))
