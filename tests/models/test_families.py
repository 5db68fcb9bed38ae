"""One step of training of a member of each family in the register, so that no new family is forgotten."""

import numpy as np
import pytest

from minires.losses import SoftmaxCrossEntropy
from minires.models import FAMILIES, build, find
from minires.train import SGD, train_step

# pattern: a member that is smaller than the first example, its images, its options
SMALLER = {
    "resnext{50,101,152}_{c}x{w}d": ("resnext50_4x4d", 33, {}),
    "wide_resnet{50,101}_{k}": ("wide_resnet50_1", 33, {}),
    "resnext{9n+2}_{c}x{w}d": ("resnext11_4x4d", 8, {}),
    "res2net{50,101,152}_{w}w_{s}s": ("res2net50_4w_4s", 33, {}),
    "rexnet_{100w}": ("rexnet_50", 33, {}),
    "densenet_{3n+4}_{k}": ("densenet_13_6", 8, {}),
    "densenetbc_{6n+4}_{k}": ("densenetbc_16_6", 8, {}),
    "vgg{11,13,16,19}, vgg{11,13,16,19}_bn": ("vgg11", 32, {"hidden": 16}),
}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.pattern)
def test_a_step_of_training(family):
    """The loss is finite, and every parameter gets a gradient that is finite and not zero."""
    default = family.examples[0], 33 if family.image > 100 else 8, {}
    name, size, options = SMALLER.get(family.pattern, default)
    model = build(name, num_classes=3, in_channels=3, rng=0, **options)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 3, size, size), np.float32)
    loss, optimizer = SoftmaxCrossEntropy(), SGD(model.params(), lr=0.01, momentum=0.9)
    value, _ = train_step(model, loss, optimizer, x, np.array([0, 1, 2, 0]), 0.01)
    assert np.isfinite(value)
    params = dict(model.params())
    assert not [path for path, p in params.items() if not np.isfinite(p.grad).all()]
    assert not [path for path, p in params.items() if not p.grad.any()]
    assert not [path for path, p in params.items() if not np.isfinite(p.data).all()]


def test_every_smaller_member_is_of_its_family():
    by_pattern = {family.pattern: family for family in FAMILIES}
    assert all(find(name)[0] is by_pattern[pattern] for pattern, (name, _, _) in SMALLER.items())
