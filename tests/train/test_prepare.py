"""What is asked of a model and its data before a training begins."""

import numpy as np
import pytest
from train.tiny_training import model, spread_model

from minires.data import CropFlip, Dataset
from minires.layers import Param
from minires.train import TrainConfig
from minires.train.prepare import build_optimizer, make_loaders, why_not_one


def test_asking_whether_one_image_will_do_changes_nothing():
    one, other = model(), model()
    x = np.zeros((1, 1, 4, 4), np.float32)
    assert "1 value per channel" in str(why_not_one(one, x)) and why_not_one(spread_model(), x) is None
    assert why_not_one(spread := spread_model(), x) is None
    for a, b in ((one, other), (spread, spread_model())):
        assert [t.data.tobytes() for _, t in a.tensors()] == [t.data.tobytes() for _, t in b.tensors()]
        states = [[rng.bit_generator.state for _, rng in net.generators()] for net in (a, b)]
        assert states[0] == states[1]


@pytest.mark.parametrize(
    "name, augment",
    [("digits", None), ("mnist", None), ("fashion_mnist_12k", CropFlip(pad=0)), ("cifar10", CropFlip())],
)
def test_auto_takes_what_suits_the_data(name, augment):
    """Mirrored digits are no digits, and 4 pixels are half of an image of 8."""
    images = Dataset(name, np.zeros((2, 1, 8, 8), np.uint8), np.array([0, 1]), ("a", "b"))
    loader, *_ = make_loaders(TrainConfig(), model(), images, images, {"mean": [0.5], "std": [0.5]})
    assert loader.augment == augment


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_optimiser_has_the_settings_of_the_configuration(optimizer):
    settings = {"lr": 0.3, "weight_decay": 0.2, "decay_all": False, "scalar_rate": 0.1}
    found = build_optimizer(TrainConfig(optimizer=optimizer, **settings), [("gain", Param(np.ones(1)))])
    assert {name: getattr(found, name) for name in settings} == settings
