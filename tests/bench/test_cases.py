"""Which cases there are, and how they are chosen."""

import pytest

from minires import models
from minires.bench import Case, Conv, select
from minires.bench.cases import CASES, CONV_TASKS
from minires.errors import MiniresError, RangeError
from minires.layers import Conv2d
from minires.models.summary import multiply_adds


def test_a_full_run_holds_what_it_should():
    networks = {(case.task, case.subject) for case in CASES if not case.conv}
    names = ("resnet20", "resnet56", "resnet110", "resnet18", "resnet50")
    assert networks == {(task, name) for task in ("train", "infer") for name in names}
    assert {1, 512} <= {case.batch for case in CASES}
    convs = [case for case in CASES if case.conv]
    assert {case.task for case in convs} == set(CONV_TASKS)
    assert {case.conv.kernel for case in convs} == {1, 3, 7} and {case.conv.stride for case in convs} == {1, 2}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_names_lead_back_to_their_cases(case):
    assert Case.parse(case.name) == case


def test_names_of_convolutions():
    assert Conv.parse("conv3x3_16-32@28_s2") == Conv(16, 32, 3, 28, 2)
    assert Conv.parse("conv1x1_64@7") == Conv(64, 64, 1, 7)
    for name in ("conv3x1_16@8", "conv2x2_16@8", "conv3x3_16", "conv3x3_0@8", "resnet20"):
        assert Conv.parse(name) is None


@pytest.mark.parametrize("name", ["conv3x3_16-32@9_s2", "conv1x1_8-4@7", "conv7x7_3-64@224_s2"])
def test_multiply_adds_of_a_convolution(name):
    conv = Conv.parse(name)
    layer = Conv2d(conv.in_channels, conv.out_channels, conv.kernel, rng=0)
    size = -(-conv.image // conv.stride)
    assert conv.macs == multiply_adds(layer, (1, conv.out_channels, size, size))
    assert Case("dx", name, 5).macs == 5 * conv.macs


def test_multiply_adds_of_a_network():
    assert Case("train", "resnet8", 3).macs == 3 * models.certify("resnet8").macs


def test_networks_get_the_images_that_they_were_made_for():
    assert Case("train", "resnet8", 3).image == (3, 32, 32)
    assert Case("infer", "digits_resnet8", 3).image == (1, 8, 8)
    assert Case("infer", "digits_resnet8", 3).macs == 3 * (5 * 36_864 + 4_928)


def test_select():
    assert select() == CASES
    assert 0 < len(select(quick=True)) < len(CASES) / 4
    assert select(["train resnet44 b7"]) == (Case("train", "resnet44", 7),)
    assert {case.task for case in select(["infer*"])} == {"infer"}
    both = select(["dx conv3x3_64@8 b128", "dx conv*", "dx conv3x3_64@8 b128"])
    assert both[0].name == "dx conv3x3_64@8 b128" and len(both) == len(set(both)) == len(select(["dx conv*"]))
    assert select(["train resnet20 *"], batches=(2, 3)) == (Case("train", "resnet20", 2), Case("train", "resnet20", 3))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet20", "case is 'resnet20', expected 'train resnet20 b128'"),
        ("train*resnet21*", "no case fits 'train*resnet21*'"),
        ("dx resnet20 b1", "the task of 'dx resnet20 b1' is 'dx', expected one of train, infer"),
        ("train conv3x3_8@8 b1", "is 'train', expected one of forward, dx, dw"),
        ("train resnett20 b1", "no model is called 'resnett20'"),
        ("train resnet20 b5000", "is 5000, expected 1 to 4096"),
        ("train resnet20 b0", "expected 'train resnet20 b128'"),
    ],
)
def test_wrong_names(name, message):
    with pytest.raises(RangeError, match="expected|no ") as error:
        select([name])
    assert message in str(error.value)
    assert isinstance(error.value, MiniresError)


def test_wrong_batch():
    with pytest.raises(RangeError, match="b0 is 0, expected 1 to 4096"):
        select(["train resnet20 b1"], batches=[0])
