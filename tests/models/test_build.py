"""Networks by name: which names exist, what is reproducible, what the messages suggest.

Parts of a message that may be apart are divided by ``|``.
"""

import random
import resource
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minires import models
from minires.errors import DTypeError, RangeError
from minires.models import build, certify, cifar_plain, cifar_resnet


def bits(model):
    return {path: tensor.data.tobytes() for path, tensor in model.tensors()}


@given(family=st.sampled_from(["resnet", "plain"]), depth=st.integers(0, 49).filter(lambda d: d not in (18, 34)))
def test_every_depth_6n_plus_2_and_for_bottlenecks_9n_plus_2_and_no_other(family, depth):
    """18 and 34 are ImageNet's."""
    known = depth >= 8 and (depth % 6 == 2 or (family == "resnet" and depth % 9 == 2))
    try:
        model = build(f"{family}{depth}", rng=0)
    except RangeError:
        assert not known
    else:
        assert known
        convolutions = [p for path, p in model.params() if p.data.ndim == 4 and "shortcut" not in path]
        assert len(convolutions) == depth - 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnt20", "try resnet20|; minires models lists the families"),
        ("preact_resnet50", "try preact_resnet"),
        ("wrn_28", "try wrn_28_10"),
        ("wrn_28_0", "try wrn_28_10"),
        ("resnext50_32x04d", "try resnext50_32x4d"),
        ("wide_resnet152_2", "try wide_resnet"),
        ("ResNet20", "try "),
        ("resnet-20", "try resnet20"),
        ("resnet020", "try resnet20"),
        ("resnet", "try resnet"),
        ("plane56", "try plain56"),
        ("alexnet", "try "),
        ("", "try resnet20"),
        ("resnet２０", "try resnet"),
        (" resnet20", "try resnet20"),
    ],
)
def test_unknown_names_suggest_the_nearest(name, message):
    with pytest.raises(RangeError) as error:
        build(name, rng=0)
    assert str(error.value).startswith(f"no model is called {name!r}")
    assert all(part in str(error.value) for part in message.split("|"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "resnet21",
            "expected 6n + 2 with an integer n of at least 1 or, for bottlenecks, 9n + 2; |nearest are 20 and 26",
        ),
        ("resnet2", "the nearest are 8 and 14"),
        ("plain1", "the nearest are 8 and 14"),
        ("plain29", "expected 6n + 2 with an integer n of at least 1; the nearest are 26 and 32"),
        ("resnet49", "the nearest are 50 and 44"),
        ("resnet99999999999999999999", "expected at most 2,000"),
        ("preact_resnet21", "for bottlenecks, 9n + 2"),
        ("wrn_29_2", "expected 6n + 4 with an integer n of at least 1; the nearest are 28 and 34"),
        ("wrn_4_2", "the nearest are 10 and 16"),
        ("resnext30_2x4d", "expected 9n + 2 with an integer n of at least 1; the nearest are 29 and 38"),
        ("seresnet21", "expected 6n + 2 with an integer n of at least 1; the nearest are 20 and 26"),
    ],
)
def test_depths_that_no_member_has(name, message):
    with pytest.raises(RangeError) as error:
        build(name, rng=0)
    assert str(error.value).startswith(f"{name}: the depth is ")
    assert all(part in str(error.value) for part in message.split("|"))


@pytest.mark.parametrize("name", [20, None, b"resnet20"])
def test_names_are_strings(name):
    with pytest.raises(DTypeError, match="the name of a model is .* expected a string: 'resnet20'"):
        build(name, rng=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "resnet8: num_classes is 0, expected an integer of at least 1"),
        ({"num_classes": 2.0}, "resnet8: num_classes is 2.0, expected an integer"),
        ({"in_channels": -1}, "resnet8: in_channels is -1, expected an integer"),
        ({"in_channels": "3"}, "resnet8: in_channels is '3', expected an integer"),
        ({"shortcut": "D"}, "shortcut is 'D', expected one of A, A-both, B, C"),
        ({"shortcut": "a"}, "shortcut is 'a', expected one of A, A-both, B, C"),
        ({"shortcut": None}, "shortcut is None, expected one of A, A-both, B, C"),
        ({"width": 2}, "resnet8 has no option 'width', expected |shortcut"),
        ({"depth": 20}, "resnet8 has no option 'depth', expected |shortcut"),
    ],
)
def test_options(options, message):
    with pytest.raises(RangeError) as error:
        build("resnet8", rng=0, **options)
    assert all(part in str(error.value) for part in message.split("|"))


def test_a_plain_network_has_no_shortcut():
    with pytest.raises(RangeError, match="plain8 has no option 'shortcut', expected widths"):
        build("plain8", rng=0, shortcut="A")


@pytest.mark.parametrize("family", [cifar_resnet, cifar_plain])
@pytest.mark.parametrize("depth", [2, 9, 19, 20.0, "20"])
def test_constructors_refuse_other_depths(family, depth):
    with pytest.raises(RangeError, match="the depth is .*, expected 6n [+] 2 with an integer n of at least 1"):
        family(depth, rng=0)


def test_sizes_may_come_from_numpy():
    labels = np.array([0, 3])
    assert build("resnet8", rng=0, num_classes=labels.max() + 1)(np.zeros((1, 3, 8, 8), np.float32)).shape == (1, 4)


@pytest.mark.parametrize("name", ["resnet14", "plain14"])
def test_the_seed_decides(name):
    np.random.seed(1)
    random.seed(1)
    before = np.random.get_state()[1].tobytes(), random.getstate()
    model = build(name, rng=5)
    assert (np.random.get_state()[1].tobytes(), random.getstate()) == before
    np.random.seed(2)
    random.seed(2)
    assert bits(build(name, rng=5)) == bits(model)
    assert bits(build(name, rng=np.random.default_rng(5))) == bits(model)
    assert bits(build(name, rng=6)) != bits(model)


def test_two_networks_of_one_generator_differ():
    rng = np.random.default_rng(0)
    assert bits(build("resnet8", rng=rng)) != bits(build("resnet8", rng=rng))


def test_the_generator_is_required():
    with pytest.raises(TypeError):
        build("resnet8")


@pytest.mark.parametrize("name", ["resnet8", "resnet18", "nin_cifar", "highway8", "rexnet_50", "densenet_10_4"])
def test_without_a_generator_weights_are_zeros_and_shapes_as_ever(name):
    blank, drawn = build(name, rng=None), build(name, rng=0)
    weights = [p.data for path, p in blank.params() if path.endswith("weight")]
    assert weights and not any(weight.any() for weight in weights)
    assert all(p.data.flags.writeable and p.data.dtype == np.float32 for _, p in blank.params())
    shapes, expected = ({path: t.data.shape for path, t in model.tensors()} for model in (blank, drawn))
    assert shapes == expected
    assert [path for path, _ in blank.generators()] == [path for path, _ in drawn.generators()]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory in use is read from Linux")
def test_what_is_not_drawn_takes_no_memory():
    """138 million weights and their gradients would be 1.1 GB; the convolutions, which are rescaled, are 59 MB."""

    def pages():
        return int(Path("/proc/self/statm").read_text().split()[1])

    before = pages()
    model = build("vgg16", rng=None)
    assert (pages() - before) * resource.getpagesize() < 200e6
    assert sum(p.data.size for _, p in model.params()) == 138_357_544


HUGE = 12345678901234567890123
TOO_LARGE = {
    "resnet6000002": ("resnet6000002", {}, "resnet6000002: the depth is 6000002, expected at most 2,000"),
    "a depth of 23 digits": (f"resnet{HUGE}", {}, f"the depth is {HUGE}, expected at most 2,000"),
    "a bottleneck depth": (f"wrn_{HUGE}_4", {}, f"the depth is {HUGE}, expected at most 2,000"),
    "more digits than Python reads": ("resnet" + "2" * 5000, {}, "a number in the name has 5000 digits"),
    "num_classes": ("resnet8", {"num_classes": HUGE}, f"num_classes is {HUGE}, expected at most 1,000,000"),
    "in_channels": ("resnet8", {"in_channels": HUGE}, f"in_channels is {HUGE}, expected at most 2,048"),
    "an option": ("vgg11", {"hidden": HUGE}, f"vgg11: hidden is {HUGE}, expected at most 2,147,483,648"),
    "a width": ("vgg11", {"hidden": 10**9}, "out_features is 1000000000, expected at most 67,108,864"),
    "an array": ("vgg11", {"hidden": 10**5}, "an array of 100000 x 25088 numbers is larger than 1,073,741,824"),
    "groups": ("resnext50_9999x9999d", {}, "out_channels is 99980001, expected at most 67,108,864"),
    "a generator": ("resnet8", {"rng": 1}, "resnet8 has no option 'rng', expected block or bottleneck"),
}


@pytest.mark.parametrize(("name", "settings", "message"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_sizes_that_fill_the_memory_are_refused_at_once(name, settings, message):
    began = time.process_time()
    with pytest.raises(RangeError) as error:
        certify(name, **settings)
    assert message in str(error.value)
    assert time.process_time() - began < 1


def test_a_plain_network_starts_with_the_weights_of_the_residual_one():
    """So the two of an experiment differ in the shortcuts alone."""
    residual, plain = (dict(build(name, rng=3).tensors()) for name in ("resnet20", "plain20"))
    assert [t.data.tobytes() for t in residual.values()] == [t.data.tobytes() for t in plain.values()]
    assert [path.replace(".add.", ".") for path in residual] == list(plain)


@pytest.mark.parametrize("option", ["A", "B", "C"])
def test_he_initialisation(option):
    """Standard deviation sqrt(2 / fan-in) for convolutions; gamma 1, beta 0, bias 0."""
    for path, param in build("resnet32", rng=0, shortcut=option).params():
        if param.data.ndim == 4:
            fan = param.data[0].size
            assert param.data.std() * np.sqrt(fan / 2) == pytest.approx(1, abs=4 / np.sqrt(2 * param.data.size)), path
            assert abs(param.data.mean()) < 5 * np.sqrt(2 / fan / param.data.size), path
        elif path.endswith("gamma"):
            assert (param.data == 1).all()
        elif path.endswith(("beta", "bias")):
            assert (param.data == 0).all()
        assert param.data.dtype == np.float32


def test_no_two_layers_start_equal():
    weights = [p.data.tobytes() for path, p in build("resnet20", rng=0, shortcut="C").params() if p.data.ndim > 1]
    assert len(set(weights)) == len(weights)


def test_the_table_of_families():
    """Every example belongs to the family that lists it; a network that is built has the classes of its family."""
    for family in models.FAMILIES:
        assert family.about and family.examples
        assert all(models.find(example)[0] is family for example in family.examples)
    assert len({family.pattern for family in models.FAMILIES}) == len(models.FAMILIES)
    assert set(models.EXAMPLES) > {"resnet20", "plain20", "resnet1202", "resnet50", "wrn_28_10", "preact_resnet1001"}
    assert build("resnet8", rng=0).at("head.fc").out_features == 10
    assert build("resnet18", rng=0).at("head.fc").out_features == 1000
