"""Members of every family of the register, compiled: equal to the definition in float64, and keeping the contract."""

import numpy as np
import pytest
from engine.equality import FAMILY, MEMBERS, PATTERNS, assert_as_definition, images, member, network

import minires
from minires.contract import check_layer
from minires.layers import Sequential
from minires.models import FAMILIES, build, find
from minires.models.blocks import PLACEMENTS, SHORTCUTS

FEW, MOST = 60_000, 12  # parameters and layers of what the contract is checked on
SLOW = ("rexnet", "res2ne", "wide_resnet", "resnet{18")


def patterns():
    """Every family; the slow ones marked."""
    for pattern in PATTERNS:
        yield pytest.param(pattern, marks=[pytest.mark.slow] if pattern.startswith(SLOW) else [], id=pattern)


def runs():
    """Every family in training and evaluation; of the slow ones the evaluation is marked."""
    for pattern in PATTERNS:
        for train in (True, False):
            marks = [pytest.mark.slow] if pattern.startswith(SLOW) and not train else []
            yield pytest.param(pattern, train, marks=marks, id=f"{pattern} {'train' if train else 'eval'}")


VARIANTS = {
    **{f"block {name}": ("resnet8", {"block": name}) for name in PLACEMENTS},
    **{f"shortcut {name}": ("resnet8", {"shortcut": name}) for name in SHORTCUTS},
    "preact B": ("preact_resnet8", {"shortcut": "B"}),
    "bottleneck": ("resnet11", {"bottleneck": True, "stride_on": "1x1", "shortcut": "B"}),
    "resnext sum": ("resnext11_2x4d", {"form": "sum"}),
    "no norm": ("digits_resnet8", {"norm": None}),
    "skipinit": ("digits_resnet8", {"norm": None, "init": "skipinit", "block": "full_preact"}),
    "fixup": ("resnet11", {"norm": None, "init": "fixup"}),
    "zero gamma": ("preact_resnet8", {"init": "zero-gamma"}),
    "se biased": ("seresnet8", {"bias": True, "shortcut": "B"}),
    "dropout": ("wrn_10_1", {"dropout": 0.5}),
    "plain without batch norm": ("nin_cifar", {}),
}


@pytest.mark.parametrize(("pattern", "train"), list(runs()))
def test_a_member_equals_the_definition(pattern, train):
    name, options, size = member(FAMILY[pattern])
    assert_as_definition(network(name, **options), images(3, 2, size, size), train, threads=2)


def test_every_member_is_of_its_family():
    by_pattern = {family.pattern: family for family in FAMILIES}
    assert all(find(name)[0] is by_pattern[pattern] for pattern, (name, _, _) in MEMBERS.items())


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_equals_the_definition(variant, train):
    """Placements of activations, shortcuts, gates, scales and dropout (whose generators are in equal states)."""
    name, options = VARIANTS[variant]
    assert_as_definition(network(name, **options), images(3, 2, 9, 9), train, threads=2)


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", ["resnet8", "preact_resnet8", "densenet_10_6", "wrn_10_1", "seresnet8", "highway8"])
def test_without_the_gradient_of_the_input(name, train):
    """None for dx, and the same gradients of the parameters."""
    assert_as_definition(network(name), images(3, 2, 9, 9), train, input_gradient=False)


def front(model):
    """The layers at the front of a network, as far as they are few and have few parameters."""
    layers, count = [], 0
    for layer in _leaves(model):
        count += sum(p.data.size for _, p in layer.params())
        if count > FEW or len(layers) == MOST:
            break
        layers.append(layer)
    return Sequential(*layers)


def _leaves(layer):
    """The layers of nested Sequentials."""
    for _, child in layer.children():
        if type(child) is Sequential:
            yield from _leaves(child)
        else:
            yield child


@pytest.mark.parametrize("pattern", list(patterns()))
def test_the_front_of_a_member_keeps_the_contract(pattern):
    name, options, size = member(FAMILY[pattern])
    x = images(3, 2, *(9, 9) if size < 40 else (24, 24))

    def make():
        model = build(name, num_classes=3, in_channels=2, rng=0, **options)
        return minires.compile(front(model), threads=2)

    fast = make()
    assert sum(p.data.size for _, p in fast.params()) > 1000
    assert fast._executor(x.astype(np.float32), "train") is not None
    check_layer(make, x)
