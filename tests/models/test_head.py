"""The layer of the classes: an untrained network finds all classes about equally likely."""

import math

import numpy as np
import pytest

from minires import data
from minires.engine import compile
from minires.layers import Conv2d, Linear
from minires.models import FAMILIES, build
from minires.models.network import HEAD_STD, classifier

OPTIONS = {"vgg11": {"hidden": 256}}
LARGE = ("wide_resnet50_2", "resnext50_32x4d", "res2net50_26w_4s")
SMALL = {"resnext29_8x64d": "resnext11_2x8d"}  # a member of the family that takes less time
DEEP = ("resnet110", "resnet164", "preact_resnet110", "plain56", "wrn_40_4", "ho_resnet26_rk4", "densenetbc_100_12")
SLOW = ("resnet1202", "resnet152", "resnext101_32x4d", "densenet201", "vgg19_bn", "res2net101_26w_4s", "inception_v1")


@pytest.fixture(scope="module")
def inputs():
    """{kind: standardised images (16, 1, 32, 32)}: noise whose neighbours are alike, as in photographs, and clothes."""
    rng = np.random.default_rng(0)
    waves = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.rfftfreq(32)) + 1 / 32
    smooth = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((16, 1, 32, 32))) / waves, s=(32, 32))
    test = data.load("fashion_mnist_12k", "test")
    clothes = data.Normalize.of(test)(test.images[:16], np.dtype("float32"))
    return {
        "smooth": ((smooth - smooth.mean()) / smooth.std()).astype(np.float32),
        "clothes": np.pad(clothes, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge"),
    }


def loss(model, x):
    """The cross-entropy, as a mean over all labels that the images could have; batch statistics."""
    logits = model.forward(x, train=True)[0].astype(np.float64)
    top = logits.max(axis=1)
    return float(np.mean(np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top - logits.mean(axis=1)))


@pytest.mark.parametrize(
    "family",
    [pytest.param(f, id=f.examples[0], marks=[pytest.mark.slow] if f.examples[0] in LARGE else []) for f in FAMILIES],
)
def test_every_family_starts_near_log_k(family, inputs):
    name = family.examples[0]
    for kind, x in inputs.items():
        model = compile(build(SMALL.get(name, name), in_channels=1, rng=0, **OPTIONS.get(name, {})))
        assert loss(model, x) == pytest.approx(math.log(family.num_classes), rel=0.1), kind


@pytest.mark.slow
@pytest.mark.parametrize("name", DEEP + SLOW)
def test_deep_members_too(name, inputs):
    for kind, x in inputs.items():
        model = compile(build(name, in_channels=1, num_classes=10, rng=0))
        assert loss(model, x) == pytest.approx(math.log(10), rel=0.1), kind


@pytest.mark.slow
def test_without_batch_norm_at_full_size():
    """He's rule lets the signal of Inception v1 grow at every max pool: it would start at three times log 1000."""
    x = np.random.default_rng(0).standard_normal((2, 3, 224, 224)).astype(np.float32)
    assert loss(compile(build("inception_v1", rng=0)), x) == pytest.approx(math.log(1000), rel=0.1)


@pytest.mark.parametrize("name", ["resnet8", "resnet18", "vgg11", "nin_cifar", "googlenet", "densenet_10_4"])
def test_the_last_layer_has_the_rule_and_the_others_have_not(name):
    weights = [
        layer.weight.data
        for _, layer in build(name, rng=0, **OPTIONS.get(name, {})).walk()
        if isinstance(layer, (Conv2d, Linear))
    ]
    *others, last = weights
    assert last.std() == pytest.approx(HEAD_STD, rel=6 / math.sqrt(2 * last.size))
    assert all(abs(weight.std() / HEAD_STD - 1) > 0.3 for weight in others)


def test_it_draws_what_a_linear_layer_draws():
    """So that everything drawn behind it stays what it was."""
    rng, other = np.random.default_rng(3), np.random.default_rng(3)
    ours, plain = classifier(50, 7, rng=rng).weight.data, Linear(50, 7, rng=other).weight.data
    np.testing.assert_allclose(ours, plain * (HEAD_STD / math.sqrt(2 / 50)), rtol=1e-6)
    assert ours.dtype == np.float32 and rng.random() == other.random()
