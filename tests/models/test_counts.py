"""Parameters, multiply-adds and depth of the published networks, as ``minires models NAME --json`` counts them.

Sources: torchvision 0.29.2, timm 1.0.31, the authors' repositories (KaimingHe/resnet-1k-layers, szagoruyko,
facebookresearch/ResNeXt, moskomule for SE on CIFAR), and networks built from the papers where those have no such one.
"""

import json
import shlex
import time

import numpy as np
import pytest

from minires import cli
from minires.models import build
from minires.models.resnet import resnext_block

# name and options: parameters, multiply-adds (None: not published), depth
COUNTS = {
    # ImageNet, He et al. 2015
    "resnet18": (11_689_512, 1_814_073_344, 18),
    "resnet18 --shortcut A": (11_515_688, 1_794_805_760, 18),
    "resnet18 --shortcut C": (12_043_816, 1_878_298_624, 18),
    "plain18": (11_515_688, 1_794_805_760, 18),
    "resnet34": (21_797_672, 3_663_761_408, 34),
    "resnet34 --shortcut A": (21_623_848, 3_644_493_824, 34),
    "resnet34 --shortcut C": (22_716_840, 3_830_747_136, 34),
    "plain34": (21_623_848, 3_644_493_824, 34),
    "resnet50": (25_557_032, 4_089_184_256, 50),
    "resnet50 --option stride_on=1x1": (25_557_032, 3_857_973_248, 50),
    # identity mappings, and squeeze-and-excitation
    "resnetv2_18": (11_687_720, 1_814_073_344, 18),
    "resnetv2_50": (25_549_352, 4_089_184_256, 50),
    "seresnet18": (11_779_624, None, 18),
    "seresnet34": (21_960_416, None, 34),
    "seresnet50": (28_088_024, 4_091_699_200, 50),
    "seresnet50 --option bias=False": (28_071_976, 4_091_699_200, 50),
    # wider blocks
    "resnext50_32x4d": (25_028_904, 4_230_479_872, 50),
    # small images
    "resnet20": (269_722, 40_551_040, 20),
    "resnet20 --shortcut B": (272_474, 40_813_184, 20),
    "resnet20 --shortcut C": (283_962, 42_648_192, 20),
    "resnet32": (464_154, 68_862_592, 32),
    "resnet44": (658_586, 97_174_144, 44),
    "resnet56": (853_018, 125_485_696, 56),
    "resnet110": (1_727_962, 252_887_680, 110),
    "plain110": (1_727_962, 252_887_680, 110),
    "resnet164": (1_661_274, None, 164),
    "resnet164 --shortcut B": (1_704_154, None, 164),
    "preact_resnet20": (269_722, None, 20),
    "preact_resnet56": (853_018, None, 56),
    "preact_resnet110": (1_727_962, None, 110),
    "preact_resnet110 --shortcut B": (1_730_522, None, 110),
    "preact_resnet164": (1_703_258, 244_500_992, 164),
    "preact_resnet164 --num-classes 100": (1_726_388, None, 164),
    "wrn_16_4": (2_748_890, None, 16),
    "wrn_16_8": (10_961_370, None, 16),
    "wrn_16_8 --num-classes 100": (11_007_540, None, 16),
    "wrn_40_1": (563_930, None, 40),
    "wrn_40_4": (8_949_210, None, 40),
    "wrn_40_4 --num-classes 100": (8_972_340, None, 40),
    "wrn_40_4 --option dropout=0.3": (8_949_210, None, 40),
    "resnext29_32x4d": (4_775_754, None, 29),
    "seresnet20": (271_738, 40_553_056, 20),
    "seresnet20 --shortcut B": (274_490, 40_815_200, 20),
    "seresnet20 --shortcut B --option bias=True": (274_847, 40_815_200, 20),
    "seresnet56 --shortcut B": (861_818, None, 56),
    "seresnet110 --shortcut B": (1_742_810, None, 110),
}
LARGE = {
    "resnet50 --shortcut C": (40_128_552, None, 50),
    "resnet101": (44_549_160, 7_801_405_440, 101),
    "resnet101 --option stride_on=1x1": (44_549_160, 7_570_194_432, 101),
    "resnet101 --shortcut C": (76_981_288, None, 101),
    "resnet152": (60_192_808, 11_513_626_624, 152),
    "resnet152 --option stride_on=1x1": (60_192_808, 11_282_415_616, 152),
    "resnet152 --shortcut C": (107_335_720, None, 152),
    "resnetv2_34": (21_795_880, 3_663_761_408, 34),
    "resnetv2_101": (44_541_480, 7_801_405_440, 101),
    "resnetv2_152": (60_185_128, 11_513_626_624, 152),
    "resnext101_32x4d": (44_177_704, None, 101),
    "resnext101_32x8d": (88_791_336, None, 101),
    "wide_resnet50_2": (68_883_240, 11_398_021_120, 50),
    "resnet1001": (10_285_722, 1_485_752_832, 1001),
    "resnet1202": (19_421_274, 2_829_238_912, 1202),
    "resnet1202 --shortcut B": (19_424_026, None, 1202),
    "resnet1202 --shortcut C": (20_538_714, None, 1202),
    "preact_resnet1001": (10_327_706, 1_487_849_984, 1001),
    "preact_resnet1001 --num-classes 100": (10_350_836, None, 1001),
    "wrn_28_10": (36_479_194, None, 28),
    "wrn_28_10 --num-classes 100": (36_536_884, None, 28),
    "resnext29_8x64d": (34_426_698, None, 29),
    "resnext29_8x64d --num-classes 100": (34_518_948, None, 29),
    "resnext29_16x64d": (68_155_210, None, 29),
    "resnext29_16x64d --num-classes 100": (68_247_460, None, 29),
}
# multiply-adds in units of 1e9, where the source rounds
ROUNDED = {
    "resnet50 --shortcut C": 6.555,
    "resnet101 --shortcut C": 13.762,
    "resnet152 --shortcut C": 20.968,
    "resnext101_32x4d": 7.970,
    "resnext101_32x8d": 16.414,
    "resnet164": 0.2424,
    "resnet164 --shortcut B": 0.2476,
    "wrn_16_8": 1.548,
    "wrn_28_10": 5.243,
    "wrn_40_4": 1.299,
    "resnext29_8x64d": 5.387,
    "resnext29_16x64d": 10.689,
}


def count(line, capsys):
    assert cli.main(["models", *shlex.split(line), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def check(line, counts, capsys):
    params, macs, depth = counts
    found = count(line, capsys)
    assert (found["name"], found["params"], found["depth"]) == (line.split()[0], params, depth)
    if macs is not None:
        assert found["macs"] == macs
    if line in ROUNDED:
        digits = len(str(ROUNDED[line]).split(".")[1])
        assert found["macs"] == pytest.approx(ROUNDED[line] * 1e9, abs=0.51 * 10 ** (9 - max(digits, 3)))
    assert sum(row["macs"] for row in found["layers"]) == found["macs"]
    assert sum(row["params"] for row in found["layers"]) == found["params"]


@pytest.mark.parametrize("line", COUNTS)
def test_published_counts(line, capsys):
    check(line, COUNTS[line], capsys)


@pytest.mark.slow
@pytest.mark.parametrize("line", LARGE)
def test_published_counts_of_large_networks(line, capsys):
    check(line, LARGE[line], capsys)


def test_every_rounded_count_is_checked():
    assert ROUNDED.keys() <= COUNTS.keys() | LARGE.keys()


@pytest.mark.parametrize(
    ("cardinality", "width", "params"),
    [(1, 64, 69_632), (2, 40, 69_760), (4, 24, 69_888), (8, 14, 71_456), (32, 4, 70_144)],
)
def test_blocks_of_equal_complexity(cardinality, width, params):
    """Table 2 of Xie et al. 2017: C (256 d + 9 d^2 + 256 d) weights in a block of the first stage."""
    block = resnext_block(256, 256, 1, cardinality=cardinality, width=width, rng=0)
    assert sum(p.data.size for _, p in block.params() if p.data.ndim == 4) == params


def test_depth_1001_is_built_in_time():
    start = time.perf_counter()
    model = build("preact_resnet1001", rng=0)
    assert time.perf_counter() - start < 10
    assert sum(p.data.size for _, p in model.params()) == 10_327_706
    assert np.isfinite(model(np.ones((1, 3, 8, 8), np.float32))).all()
