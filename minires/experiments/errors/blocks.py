"""Errors about blocks, shortcuts and batch norm. The imports are absolute because readers are shown them."""

import numpy as np

from minires import RangeError, ShapeError
from minires.layers import BatchNorm1d, Conv2d, Identity, Linear, MaxPool2d, ReLU, Residual, Sequential
from minires.models import build, lesions, summarize

from .error import Error


def resnet_153():
    depth = {name: summarize(build(name, rng=0), (3, 32, 32)).depth for name in ("resnet50", "resnet152")}
    try:
        build("resnet153", rng=0)
    except RangeError as error:
        refused = error
    print(depth, refused, sep="\n")
    assert [f"resnet{layers}" for layers in depth.values()] == list(depth)


def linear_layers():
    whole = build("vgg16", rng=0)
    linear = Sequential(*(layer for _, layer in whole.walk() if isinstance(layer, Linear)))
    weights = sum(weight.data.size for _, weight in linear.params())
    all_of_it = summarize(whole, (3, 224, 224))
    found = weights / all_of_it.params, weights / all_of_it.macs  # one multiply-add for each weight
    print(f"the linear layers of vgg16: {found[0]:.0%} of the parameters, {found[1]:.1%} of the multiply-adds")
    assert found[0] > 0.8 and found[1] < 0.01


def options():
    count = lambda name, **shortcut: summarize(build(name, rng=0, **shortcut), (3, 32, 32)).params
    large, small = ({option: count(name, shortcut=option) for option in "ABC"} for name in ("resnet34", "resnet20"))
    print(f"resnet34, for ImageNet: {large}, by default {count('resnet34')}")
    print(f"resnet20, for CIFAR: {small}, by default {count('resnet20')}")
    assert count("resnet34") == large["B"] and count("resnet20") == small["A"]


def pooled_twice():
    branch = Sequential(MaxPool2d(2), Conv2d(8, 16, 3, padding=1, rng=0))
    shortcut = Sequential(MaxPool2d(2), Conv2d(8, 16, 1, stride=2, rng=0))
    try:
        Residual(branch, shortcut)(np.ones((1, 8, 8, 8), np.float32))
    except ShapeError as error:
        refused = str(error)
    print(refused)
    assert "the shortcut (1, 16, 2, 2)" in refused


def bottlenecks():
    convolutions = {
        name: sum(isinstance(layer, Conv2d) for _, layer in build(name, rng=0).at("stage1.1").walk())
        for name in ("resnet34", "resnet50")
    }
    print(f"convolutions in a block: {convolutions}")
    assert convolutions == {"resnet34": 2, "resnet50": 3}


def dashed():
    models = {name: build(name, rng=0) for name in ("resnet34", "resnet50")}
    places = {
        name: [path for path in lesions.forks(model) if not isinstance(model.at(path).shortcut, Identity)]
        for name, model in models.items()
    }
    print(*(f"{name}: {', '.join(paths)}" for name, paths in places.items()), sep="\n")
    assert "stage1.0.add" in places["resnet50"] and "stage1.0.add" not in places["resnet34"]


def batch_norm():
    x, norm = np.random.default_rng(0).standard_normal((64, 5)), BatchNorm1d(5).to(dtype=np.float64)
    run = lambda bias, *between: Sequential(*between, norm).forward(x + bias, train=True)[0]
    moved = [np.abs(run(0.5, *between) - run(0.0, *between)).max() for between in ([], [ReLU()])]
    print(f"a bias before batch norm moves its output by {moved[0]:.0e}, with a ReLU between by {moved[1]:.1f}")
    norm.gamma.data[...], norm.beta.data[...] = 3, 7
    print(f"the output has mean {run(0.0).mean():.3f} and deviation {run(0.0).std():.3f}: beta and gamma")
    assert moved[0] < 1e-12 and moved[1] > 0.1
    assert abs(run(0.0).mean() - 7) < 1e-9 and abs(run(0.0).std() - 3) < 0.01


def second_relu():
    block = build("resnet20", rng=0).at("stage1.0")
    outside, inside = (list(dict(part.children())) for part in (block, block.at("add.branch")))
    print(f"the block: {outside}, its branch: {inside}")
    assert outside == ["add", "relu"] and inside[-1] == "bn2"


SHORTCUTS, TABLES = "residuals and shortcuts", "ResNet table and batch norm"
ERRORS = (
    Error(
        1,
        "ResNeXt and the two versions of ResNet, headings",
        "ResNet-153; the original ResNet paper of 2016.",
        "The deepest network of the paper is ResNet-152. It appeared in 2015 and at a conference of 2016.",
        resnet_153,
    ),
    Error(
        11,
        f"{SHORTCUTS}, introduction",
        "A residual network of 152 layers won ILSVRC 2015 with a top-5 error of 3.57 %.",
        "3.57 % is the error of an ensemble of six networks, two of them of 152 layers (He et al. 2015, table 5);"
        " the best single one has 4.49 % on the validation images (table 4).",
        because="it needs ImageNet and six trainings",
    ),
    Error(
        12,
        f"{SHORTCUTS}, comparison with VGG",
        "ResNet drops the last fully connected layers, so that it computes less than VGG.",
        "They hold most of VGG's parameters, but next to none of its multiply-adds. What saves is that ResNet "
        "makes the images small early and its stages narrow.",
        linear_layers,
    ),
    Error(
        13,
        f"{SHORTCUTS}, change of dimensions",
        "Zero-padding is usually preferred to the projection.",
        "On CIFAR it is (option A); for ImageNet the projection is the standard (option B), in the paper and in "
        "libraries.",
        options,
    ),
    Error(
        14,
        f"{SHORTCUTS}, throughout",
        "33 and 11 convolutions, an incidence net, the implementation part, the white tower, two-layer and "
        "two-layer and three-layer.",
        "What machine translation left of 3x3, 1x1, Inception, solid lines, beta, and two-layer and three-layer.",
        because="it is about words",
    ),
    Error(
        15,
        f"{SHORTCUTS}, code",
        "A residual block in TensorFlow whose shortcut is taken after max-pooling and projected with a stride of 2.",
        "The shapes do not fit. The block also forgets to add the shortcut, has no ReLU at its end, pads an array"
        " of four axes with three pairs, and shrinks by max-pooling, which the paper does not: an exercise in "
        "finding mistakes.",
        pooled_twice,
    ),
    Error(
        16,
        f"{SHORTCUTS}, bottleneck",
        "Bottlenecks are used above 50 layers.",
        "From ResNet-50 on, which has them.",
        bottlenecks,
    ),
    Error(
        17,
        f"{TABLES}, dashed shortcuts",
        "Only conv3_1, conv4_1 and conv5_1 have dashed shortcuts, with a projection. (And: the ResNeXt table.)",
        "In networks of bottlenecks conv2_1 needs one, too, because the channels change: stage1.0 here. (The "
        "table is ResNet's.)",
        dashed,
    ),
    Error(
        18,
        f"{TABLES}, batch norm",
        "Batch norm gives feature maps of mean 0 and variance 1; convolutions need no bias; it stands between "
        "convolution and ReLU; dropout is discarded.",
        "Mean and variance are those before gamma and beta. A bias is lost only where batch norm follows "
        "directly. In pre-activation networks it stands before both, and wide residual networks use dropout.",
        batch_norm,
    ),
    Error(
        19,
        "degradation and function families, block and DenseNet",
        "The input is added into the last ReLU; each convolution is followed by batch norm and ReLU; DenseNet "
        "connects all layers.",
        "It is added before the last ReLU, so that the second convolution is followed by batch norm, the "
        "addition, and then the ReLU. DenseNet connects the layers within one dense block, by concatenation of "
        "what they give.",
        second_relu,
    ),
)
