"""Networks for 8 x 8 pixels: counts by hand, first weights, and a deep one that trains in seconds."""

import numpy as np
import pytest

from minires import compile
from minires.data import load
from minires.errors import RangeError
from minires.layers import Conv2d, Residual
from minires.models import build, certify, find
from minires.models.blocks import PLACEMENTS
from minires.train import run

NAMES = ("digits_resnet", "digits_plain")


@pytest.mark.parametrize("n", [1, 3, 9, 18])
@pytest.mark.parametrize("name", NAMES)
def test_counts_by_hand(name, n):
    """Per block of a stage of C channels: two convolutions of 9 C^2 weights, two batch norms of 2 C.

    The first convolutions of the second and third stage have half as many. Every convolution behind the stem takes
    36,864 multiply-adds, because the pixels fall as the weights rise, and those two take half of that.
    """
    blocks = n * sum(2 * 9 * c * c + 2 * 2 * c for c in (8, 16, 32)) - 9 * 8 * 16 - 9 * 16 * 32
    found = certify(f"{name}{6 * n + 2}")
    assert found.params == (9 * 8 + 16) + blocks + (32 * 10 + 10) == 24_416 * n - 5_342
    assert found.macs == 64 * 9 * 8 + (6 * n - 1) * 36_864 + 320
    assert (found.depth, found.image, found.num_classes) == (6 * n + 2, (1, 8, 8), 10)
    assert found.stages == {
        "stem": (8, 8, 8),
        "stage1": (8, 8, 8),
        "stage2": (16, 4, 4),
        "stage3": (32, 2, 2),
        "head": (10,),
    }


@pytest.mark.parametrize("name", NAMES)
def test_he_by_fan_out(name):
    """N(0, 2 / (9 C_out)), also where the channels double."""
    convs = [layer for _, layer in build(f"{name}44", rng=0).walk() if isinstance(layer, Conv2d)]
    assert len(convs) == 43
    for out in (8, 16, 32):
        ratios = [np.ravel(c.weight.data) / np.sqrt(2 / (9 * out)) for c in convs if c.out_channels == out]
        assert np.concatenate(ratios).std() == pytest.approx(1, rel=0.03)
    (widest,) = [c for c in convs if (c.in_channels, c.out_channels) == (16, 32)]
    assert widest.weight.data.std() / np.sqrt(2 / (9 * 32)) == pytest.approx(1, rel=0.04)


def test_the_plain_network_is_the_residual_one_without_shortcuts():
    one, other = build("digits_resnet14", rng=3), build("digits_plain14", rng=3)
    assert [p.data.tobytes() for _, p in one.params()] == [p.data.tobytes() for _, p in other.params()]
    counts = [sum(isinstance(layer, Residual) for _, layer in net.walk()) for net in (one, other)]
    assert counts == [6, 0]


@pytest.mark.parametrize("block", PLACEMENTS)
def test_placements_are_those_of_the_larger_networks(block):
    """The same layers by the same names, with half of the channels."""
    ours, theirs = (build(f"{name}14", block=block, rng=0) for name in ("digits_resnet", "resnet"))
    assert [(path, type(layer)) for path, layer in ours.walk()] == [(p, type(layer)) for p, layer in theirs.walk()]
    widths = {p.data.shape[0] for path, p in ours.params() if "fc" not in path}
    assert widths == {8, 16, 32}


@pytest.mark.parametrize(
    "name, words",
    [
        ("digits_resnet9", "the depth is 9, expected 6n \\+ 2"),
        ("digits_plain2", "the depth is 2"),
        ("digits_resnet11", "the nearest are"),
    ],
)
def test_other_depths(name, words):
    with pytest.raises(RangeError, match=f"{name}: .*{words}"):
        build(name, rng=0)


def test_images_of_their_own():
    assert build("digits_resnet8", rng=0)(np.zeros((2, 1, 8, 8), np.float32)).shape == (2, 10)
    assert build("digits_resnet8", in_channels=3, rng=0)(np.zeros((2, 3, 5, 9), np.float32)).shape == (2, 10)
    assert find("resnet20")[0].in_channels == 3


@pytest.mark.slow
def test_56_layers_learn_the_digits_with_shortcuts_and_not_without():
    """He et al. 2015, figure 6, in seconds: the plain network cannot even fit its training images."""
    sets = load("digits", "train"), load("digits", "test")
    settings = {"lr": 0.05, "batch_size": 64, "warmup": 20, "schedule": "steps", "milestones": (0.75,)}
    with_shortcuts, plain = (run(build(f"{name}56", rng=0), sets, 6, **settings)[-1] for name in NAMES)
    assert with_shortcuts["test_accuracy"] > 0.95 and plain["test_accuracy"] < 0.55
    assert plain["train_accuracy"] < 0.55 and plain["train_loss"] > 3 * with_shortcuts["train_loss"]


@pytest.mark.slow
def test_relu_before_add_learns_with_a_normalisation_in_front_of_the_head_alone():
    sets = load("digits", "train"), load("digits", "test")
    settings = {"lr": 0.05, "batch_size": 64, "warmup": 20, "schedule": "steps", "milestones": (0.75,)}
    found = []
    for tail in (None, "bn relu"):
        model = compile(build("digits_resnet56", block="relu_before_add", tail=tail, rng=0))
        found.append(run(model, sets, 6, **settings)[-1]["test_accuracy"])
    assert found[0] < 0.9 and found[1] > 0.95
