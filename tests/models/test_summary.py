"""Parameters, multiply-adds and depth against the literature, closed forms, and counting by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minires.errors import RangeError
from minires.layers import Conv2d, Flatten, GlobalAvgPool2d, Linear, Residual, Sequential
from minires.models import build, cifar_plain, cifar_resnet, summarize

IMAGE = (3, 32, 32)

# Parameters of options A, B, C and multiply-adds of option A. Option A: the akamaster implementation for CIFAR
# (github.com/akamaster/pytorch_resnet_cifar10), B and C: built in PyTorch from He et al. 2015, section 4.2.
COUNTS = {
    20: (269_722, 272_474, 283_962, 40_551_040),
    32: (464_154, 466_906, 489_594, 68_862_592),
    44: (658_586, 661_338, 695_226, 97_174_144),
    56: (853_018, 855_770, 900_858, 125_485_696),
    110: (1_727_962, 1_730_714, 1_826_202, 252_887_680),
}
MACS_20 = {"A": 40_551_040, "A-both": 40_551_040, "B": 40_813_184, "C": 42_648_192}


def summary(name, image=IMAGE, **options):
    return summarize(build(name, rng=0, in_channels=image[0], **options), image)


@pytest.mark.parametrize("depth", COUNTS)
def test_published_counts(depth):
    a, b, c, macs = COUNTS[depth]
    found = summary(f"resnet{depth}")
    assert (found.params, found.macs, found.depth) == (a, macs, depth)
    for option, params in {"A-both": a, "B": b, "C": c}.items():
        model = build(f"resnet{depth}", rng=0, shortcut=option)
        assert sum(p.data.size for _, p in model.params()) == params
    assert summary(f"plain{depth}") == found


@pytest.mark.parametrize("option", MACS_20)
def test_published_multiply_adds_of_the_options(option):
    found = summary("resnet20", shortcut=option)
    assert (found.macs, found.depth) == (MACS_20[option], 20)


def test_depth_1202():
    found = summary("resnet1202")
    assert (found.params, found.macs, found.depth) == (19_421_274, 2_829_238_912, 1202)


@settings(max_examples=20)
@given(n=st.integers(1, 12), family=st.sampled_from([cifar_resnet, cifar_plain]))
def test_closed_forms_for_any_depth(n, family):
    found = summarize(family(6 * n + 2, rng=0), IMAGE)
    assert found.params == 97_216 * n - 21_926
    assert found.macs == 2_359_296 * (6 * n - 1) + 443_008
    assert found.depth == 6 * n + 2


@given(n=st.integers(1, 5), classes=st.integers(1, 200), channels=st.integers(1, 8))
def test_closed_forms_for_any_data(n, classes, channels):
    """9 16 weights more for each further channel of the image, 65 more for each further class."""
    model = build(f"resnet{6 * n + 2}", rng=0, in_channels=channels, num_classes=classes)
    params = sum(p.data.size for _, p in model.params())
    assert params == 97_216 * n - 21_926 + 144 * (channels - 3) + 65 * (classes - 10)


def test_by_hand():
    """Two 3x3 kernels a pixel of 5 x 4, a 1x1 shortcut with stride 2 to 3 x 2, and a linear layer."""
    model = Sequential(
        conv=Conv2d(2, 3, 3, padding=1, bias=True, rng=0),
        add=Residual(Conv2d(3, 4, 3, padding=1, stride=2, rng=0), shortcut=Conv2d(3, 4, 1, stride=2, rng=0)),
        pool=GlobalAvgPool2d(),
        flatten=Flatten(),
        fc=Linear(4, 10, rng=0),
    )
    found = summarize(model, (2, 5, 4))
    assert found.macs == 20 * 3 * 2 * 9 + 6 * 4 * 3 * 9 + 6 * 4 * 3 + 4 * 10
    assert found.params == (3 * 2 * 9 + 3) + 4 * 3 * 9 + 4 * 3 + (4 * 10 + 10)
    assert found.depth == 3


def test_counting_changes_nothing():
    model = build("resnet8", rng=0)
    before = {path: tensor.data.tobytes() for path, tensor in model.tensors()}
    assert summarize(model, IMAGE) == summarize(model, IMAGE)
    assert {path: tensor.data.tobytes() for path, tensor in model.tensors()} == before


@pytest.mark.parametrize("image", [(3, 0, 0), (3, 32), (3, 32, -1), (3, 32.0, 32), ()])
def test_images_that_are_none(image):
    with pytest.raises(RangeError, match=r"^image is \(.*\), expected \(C, H, W\), three integers of at least 1"):
        summarize(build("resnet8", rng=0), image)
