"""Members of the families that no table lists: parameters and multiply-adds as layers of PyTorch have them.

The first table holds the oracle against published counts, the second minires against the oracle, by the command.
"""

import json
import shlex

import pytest
from models import torch_counts as T

from minires import cli
from minires.models import FAMILIES, find

SMALL, LARGE = (16, 32, 64), (64, 128, 256, 512)
FIFTY, EIGHTEEN = (3, 4, 6, 3), (2, 2, 2, 2)


def small(block, n, classes=10, widths=SMALL, stem=16, **settings):
    return {"network": T.residual, "block": block, "counts": (n,) * 3, "widths": widths, "stem": stem} | {
        "classes": classes,
        **settings,
    }


def large(block, counts, classes=1000, **settings):
    return {"network": T.residual, "block": block, "counts": counts, "widths": LARGE, "classes": classes, **settings}


def dense(counts, k, classes=10, **settings):
    return {"network": T.densenet, "counts": counts, "k": k, "classes": classes, **settings}


def net(network, classes, **settings):
    return {"network": network, "classes": classes, **settings}


def pre(block, **settings):
    return {"block": block, "preact": True, **settings}


# what the oracle builds: (rows and columns, parameters, multiply-adds; None where the source rounds them)
PUBLISHED = {
    "resnet20": (small(T.basic, 3, option="A"), 32, 269_722, 40_551_040),
    "resnet50": (large(T.bottleneck, FIFTY), 224, 25_557_032, 4_089_184_256),
    "resnext50_32x4d": (large(T.bottleneck, FIFTY, inner=lambda w: 2 * w, groups=32), 224, 25_028_904, 4_230_479_872),
    "preact_resnet164": (small(n=18, **pre(T.pre_bottleneck, on_1x1=True)), 32, 1_703_258, 244_500_992),
    "resnetv2_50": (large(counts=FIFTY, **pre(T.pre_bottleneck)), 224, 25_549_352, 4_089_184_256),
    "wrn_40_4": (small(n=6, widths=(64, 128, 256), **pre(T.pre_basic)), 32, 8_949_210, None),
    "seresnet20 B": (small(T.basic, 3, se=16), 32, 274_490, 40_815_200),
    "seresnet50": (large(T.bottleneck, FIFTY, se=True), 224, 28_088_024, 4_091_699_200),
    "res2net50_26w_4s": (large(T.res2, FIFTY, width=26, scale=4), 224, 25_699_120, None),
    "densenet121": (dense((6, 12, 24, 16), 32, 1000, imagenet=True), 224, 7_978_856, 2_834_161_664),
    "densenet_40_12": (dense((12,) * 3, 12, bottleneck=False, stem=16), 32, 1_019_722, None),
    "densenetbc_100_12": (dense((16,) * 3, 12), 32, 769_162, None),
    "vgg16_bn": (net(T.vgg, 1000, plan=(2, 2, 3, 3, 3), hidden=4096, norm=True), 224, 138_365_992, None),
    "nin_cifar": (net(T.nin, 10), 32, 966_986, 222_486_528),
    "googlenet": (net(T.googlenet, 1000), 224, 6_624_904, 1_498_376_192),
    "inception_v1": (net(T.googlenet, 1000, paper=True), 224, 6_998_552, 1_582_671_872),
    "rexnet_100": (net(T.rexnet, 1000, w=1), 224, 4_796_873, None),
}

# arguments of minires models: (what the oracle builds, rows and columns)
FURTHER = {
    "resnet38 --shortcut B --image 40": (small(T.basic, 6), 40),
    "resnet65": (small(T.bottleneck, 7, option="A"), 32),
    "resnet34 --num-classes 37 --image 96": (large(T.basic, FIFTY, 37), 96),
    "plain26 --image 28": (small(T.basic, 4, option="none"), 28),
    "plain34 --image 160": (large(T.basic, FIFTY, option="none"), 160),
    "preact_resnet32 --image 48": (small(n=5, **pre(T.pre_basic, projection=False)), 48),
    "preact_resnet47 --image 24": (small(n=5, **pre(T.pre_bottleneck, on_1x1=True)), 24),
    "resnetv2_200 --image 64": (large(counts=(3, 24, 36, 3), **pre(T.pre_bottleneck)), 64),
    "wrn_22_6 --num-classes 100 --image 48": (small(n=3, classes=100, widths=(96, 192, 384), **pre(T.pre_basic)), 48),
    "resnext50_8x14d --image 128": (large(T.bottleneck, FIFTY, inner=lambda w: 8 * (w * 14 // 64), groups=8), 128),
    "resnext38_4x24d --image 40": (
        small(T.bottleneck, 4, widths=LARGE[:3], stem=64, inner=lambda w: 4 * (w * 24 // 64), groups=4),
        40,
    ),
    "wide_resnet50_3 --image 64 --num-classes 10": (large(T.bottleneck, FIFTY, 10, inner=lambda w: 3 * w), 64),
    "seresnet26": (small(T.basic, 4, option="A", se=16), 32),
    "seresnet101 --image 96": (large(T.bottleneck, (3, 4, 23, 3), se=True), 96),
    "res2net50_14w_8s --image 160": (large(T.res2, FIFTY, width=14, scale=8), 160),
    "res2net101_18w_3s --image 96": (large(T.res2, (3, 4, 23, 3), width=18, scale=3), 96),
    "res2next101 --image 64": (large(T.res2, (3, 4, 23, 3), width=4, scale=4, groups=8), 64),
    "rexnet_130 --image 192": (net(T.rexnet, 1000, w=1.3), 192),
    "densenet161 --image 128": (dense((6, 12, 36, 24), 48, 1000, imagenet=True), 128),
    "densenet201 --image 96": (dense((6, 12, 48, 32), 32, 1000, imagenet=True), 96),
    "densenet_25_18 --image 36": (dense((7,) * 3, 18, bottleneck=False, stem=16), 36),
    "densenetbc_58_20 --image 44": (dense((9,) * 3, 20), 44),
    "vgg13_bn --image 96 --option hidden=640": (net(T.vgg, 1000, plan=(2, 2, 2, 2, 2), hidden=640, norm=True), 96),
    "vgg11 --image 224 --option hidden=300": (net(T.vgg, 1000, plan=(1, 1, 2, 2, 2), hidden=300, norm=False), 224),
    "nin_cifar --num-classes 23 --image 29": (net(T.nin, 23), 29),
    "googlenet --num-classes 12 --image 160": (net(T.googlenet, 12), 160),
    "inception_v1 --num-classes 12 --image 150": (net(T.googlenet, 12, paper=True), 150),
    "highway26 --image 20": (small(T.highway_layer, 8, plain_head=True), 20),
    "digits_resnet56": (small(T.basic, 9, widths=(8, 16, 32), stem=8, option="A"), 8),
    "digits_resnet26 --in-channels 3 --image 12 --shortcut B": (small(T.basic, 4, widths=(8, 16, 32), stem=8), 12),
    "digits_plain20": (small(T.basic, 3, widths=(8, 16, 32), stem=8, option="none"), 8),
    "ho_resnet38_heun3": (small(n=2, **pre(T.step, functions=3)), 32),
    "ho_resnet50_rk4 --in-channels 1 --image 28": (small(n=2, **pre(T.step, functions=4)), 28),
}


def expected(settings, image, in_channels=3):
    settings = dict(settings)
    return T.count(settings.pop("network"), image, in_channels, **settings)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_oracle_counts_what_is_published(name):
    settings, image, params, macs = PUBLISHED[name]
    found = expected(settings, image)
    assert found == (params, found[1] if macs is None else macs)


@pytest.mark.parametrize("line", FURTHER)
def test_members_that_no_table_lists(line, capsys):
    settings, image = FURTHER[line]
    assert cli.main(["models", *shlex.split(line), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["image"][1:] == [image, image]
    assert (found["params"], found["macs"]) == expected(settings, image, found["image"][0])


def test_every_family_has_such_a_member():
    assert {find(line.split()[0])[0] for line in FURTHER} == set(FAMILIES)
    published = {example for example in PUBLISHED if " " not in example}
    assert not published & {line.split()[0] for line in FURTHER} - {"nin_cifar", "googlenet", "inception_v1"}
