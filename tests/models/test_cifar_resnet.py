"""Shapes, the two paddings of option A, gradients by the complex step, and the budget of a training step on a GPU."""

import numpy as np
import pytest
from conftest import np_of, to_xp
from cupy_strict import watch
from hypothesis import given, settings
from hypothesis import strategies as st

from minires import gradcheck
from minires.backend import to_device
from minires.data import Dataset, Loader, Normalize
from minires.layers import Residual
from minires.losses import SoftmaxCrossEntropy
from minires.models import build
from minires.models.blocks import basic_block, shortcut_layer
from minires.train import SGD, train_step

NETS = [("resnet8", {"shortcut": option}) for option in ("A", "A-both", "B", "C")] + [("plain8", {})]
IDS = ["A", "A-both", "B", "C", "plain"]
SIZES = [(1, 28, 28), (3, 32, 32), (3, 33, 17), (2, 5, 5), (4, 1, 1), (1, 1, 7), (3, 2, 3)]


def images(*shape, dtype=np.float32):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


@pytest.mark.parametrize(("name", "options"), NETS, ids=IDS)
@pytest.mark.parametrize("image", SIZES, ids=str)
def test_any_image(name, options, image):
    model = build(name, rng=0, in_channels=image[0], num_classes=7, **options)
    x = images(4, *image)
    y, cache = model.forward(x, train=True)
    dx = model.backward(images(4, 7), cache)
    assert y.shape == (4, 7) and dx.shape == x.shape
    assert y.dtype == dx.dtype == np.float32
    assert np.isfinite(y).all() and np.isfinite(dx).all() and dx.any()
    assert model(x[:1]).shape == (1, 7)


@settings(max_examples=25)
@given(shape=st.tuples(*(st.integers(1, most) for most in (3, 4, 12, 12))), which=st.sampled_from(NETS))
def test_evaluation_takes_each_image_for_itself(shape, which):
    name, options = which
    n, c, _, _ = shape
    model = build(name, rng=0, in_channels=c, **options)
    x = images(*shape)
    np.testing.assert_allclose(model(x), np.concatenate([model(x[i : i + 1]) for i in range(n)]), rtol=1e-3, atol=1e-4)


def test_the_shapes_on_the_way():
    model = build("resnet14", rng=0)
    x = images(2, 3, 32, 32)
    shapes = {"stem": (16, 32, 32), "stage1": (16, 32, 32), "stage2": (32, 16, 16), "stage3": (64, 8, 8)}
    for name, shape in shapes.items():
        x = model[name](x)
        assert x.shape == (2, *shape), name
    assert model["head"](x).shape == (2, 10)


@pytest.mark.parametrize("planes", [16, 32])
def test_where_option_a_puts_the_zeros(planes):
    """The paper's padding is at the end; akamaster's puts a quarter of the new planes in front."""
    x = images(2, planes, 6, 5)
    thinned = x[:, :, ::2, ::2]
    out = 2 * planes
    end = shortcut_layer(planes, out, 2, "A", rng=0)(x)
    assert end.shape == (2, out, 3, 3)
    np.testing.assert_array_equal(end[:, :planes], thinned)
    assert not end[:, planes:].any()
    both = shortcut_layer(planes, out, 2, "A-both", rng=0)(x)
    front = out // 4
    np.testing.assert_array_equal(both[:, front : front + planes], thinned)
    assert not both[:, :front].any() and not both[:, front + planes :].any()


@pytest.mark.parametrize(("option", "projections"), [("A", 0), ("A-both", 0), ("B", 2), ("C", 9)])
def test_where_the_projections_are(option, projections):
    model = build("resnet20", rng=0, shortcut=option)
    residuals = [layer for _, layer in model.walk() if isinstance(layer, Residual)]
    assert len(residuals) == 9
    assert sum(any(True for _ in layer.shortcut.params()) for layer in residuals) == projections


def test_a_block_whose_branch_is_zero_is_the_identity():
    """ReLU(x + 0) = x for x >= 0: what makes deeper residual networks contain the shallower ones."""
    block = basic_block(4, 4, 1, rng=0)
    block["add"].branch["bn2"].gamma.data[:] = 0
    x = np.abs(images(2, 4, 5, 5))
    np.testing.assert_array_equal(block(x), x)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(("name", "options"), NETS, ids=IDS)
def test_gradients(name, options, train):
    model = build(name, rng=0, in_channels=2, num_classes=4, **options).to(dtype=np.float64)
    report = gradcheck(model, images(3, 2, 6, 5, dtype=np.float64), train=train, directions=1, tol=1e-10)
    assert report.worst_error <= 1e-10
    assert {output.name for output in report.outputs} == {"x", *(path for path, _ in model.params())}


@pytest.mark.parametrize(("name", "options"), NETS, ids=IDS)
def test_same_on_every_backend(xp, device, name, options):
    """Logits and gradients in float64, on the device and on the CPU."""
    x, dy = images(4, 3, 9, 8, dtype=np.float64), images(4, 10, dtype=np.float64)
    answers = []
    for module, place in ((xp, device), (np, "cpu")):
        model = build(name, rng=0, **options).to(device=place, dtype=np.float64)
        y, cache = model.forward(to_xp(module, x), train=True)
        dx = model.backward(to_xp(module, dy), cache)
        answers.append({"y": y, "dx": dx, **{path: p.grad for path, p in model.params()}})
    for what, value in answers[1].items():
        np.testing.assert_allclose(np_of(answers[0][what]), value, rtol=1e-9, atol=1e-11, err_msg=what)


@pytest.mark.parametrize("option", ["A", "B"])
def test_a_training_step_of_resnet20_on_a_gpu(strict, option):
    """It never waits, and moves nothing to the device but its images and labels."""
    rng = np.random.default_rng(0)
    data = Dataset("noise", rng.integers(0, 256, (8, 3, 32, 32), np.uint8), rng.integers(0, 10, 8), tuple("abcdefghij"))
    model = build("resnet20", rng=0, shortcut=option).to(device="cuda")
    optimizer = SGD(model.params(), 0.1, weight_decay=1e-4)
    loader = Loader(data, 4, seed=0, shuffle=True, normalize=Normalize.of(data), prefetch=0)
    (x, labels), (x2, labels2) = loader.epoch(0)
    train_step(model, SoftmaxCrossEntropy(), optimizer, to_device(x, "cuda"), to_device(labels, "cuda"), 0.1)
    with watch() as seen:
        device_x, device_labels = to_device(x2, "cuda"), to_device(labels2, "cuda")
        loss, correct = train_step(model, SoftmaxCrossEntropy(), optimizer, device_x, device_labels, 0.1)
    assert len(seen.uploads) == 2, seen.uploads
    for kind in ("syncs", "downloads", "hidden", "atomics", "leaks"):
        assert not getattr(seen, kind), f"{kind}: {getattr(seen, kind)}"
    assert len(seen.launches) > 100
    assert np.isfinite(float(loss)) and 0 <= int(correct) <= 4
