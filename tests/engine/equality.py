"""Compiled models against their definitions, and networks of every family small enough for it."""

import copy

import numpy as np
from oracles import run

import minires
from minires.engine.operations import Foreign
from minires.layers import Conv2d, Sequential
from minires.models import FAMILIES, build

# For each family a member small enough, with options that make it smaller, and the size of its images: batch norms need
# more than a few values, or their gradients are all rounding
MEMBERS = {
    "resnet{18,34,50,101,152}": ("resnet18", {}, 20),
    "plain{18,34}": ("plain18", {}, 20),
    "resnext{50,101,152}_{c}x{w}d": ("resnext50_4x2d", {}, 20),
    "wide_resnet{50,101}_{k}": ("wide_resnet50_1", {}, 33),
    "resnetv2_{18,34,50,101,152,200}": ("resnetv2_18", {}, 20),
    "resnext{9n+2}_{c}x{w}d": ("resnext11_2x4d", {}, 10),
    "seresnet{18,34,50,101,152}": ("seresnet18", {}, 20),
    "seresnet{6n+2}": ("seresnet8", {}, 10),
    "wrn_{6n+4}_{k}": ("wrn_10_2", {"dropout": 0.3}, 10),
    "resnet{6n+2}, resnet{9n+2}": ("resnet8", {}, 10),
    "preact_resnet{6n+2}, preact_resnet{9n+2}": ("preact_resnet11", {}, 10),
    "plain{6n+2}": ("plain8", {}, 10),
    "digits_resnet{6n+2}": ("digits_resnet8", {}, 10),
    "digits_plain{6n+2}": ("digits_plain8", {}, 10),
    "res2net{50,101,152}_{w}w_{s}s": ("res2net50_4w_3s", {}, 20),
    "res2next{50,101,152}": ("res2next50", {}, 33),
    "rexnet_{100w}": ("rexnet_20", {}, 70),
    "densenet{121,161,169,201}": ("densenet121", {}, 33),
    "densenet_{3n+4}_{k}": ("densenet_10_6", {"dropout": 0.2}, 10),
    "densenetbc_{6n+4}_{k}": ("densenetbc_16_6", {}, 10),
    "googlenet": ("googlenet", {}, 33),
    "inception_v1": ("inception_v1", {}, 33),
    "vgg{11,13,16,19}, vgg{11,13,16,19}_bn": ("vgg11_bn", {"hidden": 8}, 33),
    "nin_cifar": ("nin_cifar", {}, 10),
    "highway{6n+2}": ("highway8", {}, 10),
    "ho_resnet{6sn+2}_{method}": ("ho_resnet14_heun", {}, 10),
}


def member(family):
    """(name, options, size of the images); a family without a row has its first example, as slow as that may be."""
    return MEMBERS.get(family.pattern, (family.examples[0], {}, family.image))


PATTERNS = [family.pattern for family in FAMILIES]
FAMILY = dict(zip(PATTERNS, FAMILIES))


def network(name, *, classes=3, channels=2, dtype=np.float64, **options):
    """A network whose vectors (gamma, beta, running statistics, biases) are far from 0 and 1."""
    model = build(name, num_classes=classes, in_channels=channels, rng=0, **options).to(dtype=dtype)
    rng = np.random.default_rng(1)
    for _, tensor in model.tensors():
        if tensor.data.ndim == 1:
            tensor.data = rng.uniform(0.5, 1.5, tensor.data.shape).astype(dtype)
    return model


def images(*shape, seed=2, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def entered(channels, *layers):
    """The layers behind a 1x1 convolution that changes nothing: where the engine takes up images."""
    first = Conv2d(channels, channels, 1, rng=0).to(dtype=np.float64)
    first.weight.data = np.eye(channels)[:, :, None, None]
    return Sequential(first, *layers)


def assert_as_definition(model, x, train, tolerance=1e-10, whole=True, **settings):
    """y, dx, every gradient and every running statistic of the compiled model; in evaluation also y of inference.

    whole: whether layers may be left whole, to their own forward and backward
    """
    definition, fast = copy.deepcopy(model), minires.compile(copy.deepcopy(model), **settings)
    executor = fast._executor(x, "train" if train else "eval")
    assert executor is not None, "the definition would be compared with itself"
    operations = executor.plan.operations
    assert any(not isinstance(o, Foreign) for o in operations), "every layer would be compared with itself"
    assert whole or not any(isinstance(o, Foreign) for o in operations)
    dy = images(*definition.forward(x, False)[0].shape, seed=3, dtype=x.dtype)
    expected, found = run(definition, x, dy, train), run(fast, x, dy, train)
    if not fast.input_gradient:
        assert found.pop("dx") is None
        expected.pop("dx")
    if not train:
        expected["inference"], found["inference"] = definition(x), fast(x)
    assert {name: a.dtype for name, a in found.items()} == {name: a.dtype for name, a in expected.items()}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        error, scale = abs(found[name] - value).max(), max(abs(value).max(), 1e-2)
        weight = expected.get(name.removesuffix("bias") + "weight", value)
        if name.endswith("bias"):  # before a batch norm it cancels: measured on what it cancels from
            scale = max(scale, abs(weight).max())
        assert error <= tolerance * scale, f"{name} is off by {error:.1e}, of {scale:.1e}"
