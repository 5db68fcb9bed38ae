"""Errors about variants of ResNet, and traps of others. The imports are absolute because readers are shown them."""

import numpy as np

from minires.layers import BatchNorm1d, Conv2d, Linear, ReLU, ReLU6, Res2, Sequential, SiLU
from minires.models import build, summarize

from .error import Error


def cardinality():
    params = {name: summarize(build(name, rng=0), (3, 32, 32)).params for name in ("resnet50", "resnext50_32x4d")}
    paths = build("resnext11_4x8d", form="concat", rng=0).at("stage1.0.add.branch.paths")
    one, two = (path.at("conv2").weight.data for _, path in list(paths.children())[:2])
    print(params)
    print(f"two branches: shapes {one.shape} and {two.shape}, {(one == two).sum()} equal weights")
    assert abs(params["resnet50"] / params["resnext50_32x4d"] - 1) < 0.03
    assert one.shape == two.shape and not (one == two).any()


def quadratic():
    params = {k: summarize(build(f"wrn_16_{k}", rng=0), (3, 32, 32)).params for k in (2, 4, 8)}
    exponent = [np.log2(params[2 * k] / params[k]) for k in (2, 4)]
    print(params, "exponents of k:", *(f"{e:.2f}" for e in exponent))
    assert all(1.9 < e < 2.1 for e in exponent)


def res2net():
    block = Res2(*(Conv2d(1, 1, 3, padding=1, rng=k) for k in range(3))).to(dtype=np.float64)
    y, cache = block.forward(np.random.default_rng(0).standard_normal((1, 4, 15, 15)))
    dy = np.zeros((4, *y.shape))
    dy[range(4), 0, range(4), 7, 7] = 1
    dx = [block.backward(one, cache)[0] for one in dy]
    width = np.array([[(group != 0).any(axis=0).sum() for group in one] for one in dx])
    print("row y_i, column x_j, entry: width of what y_i sees of x_j", width, sep="\n")
    assert (np.diag(width)[:3] == 3).all() and (np.tril(width, -1)[1:3] > 0).sum() == 3


def rank():
    z = np.random.default_rng(0).standard_normal((240, 18))
    net = Sequential(Linear(18, 60, rng=0), BatchNorm1d(60)).to(dtype=np.float64)
    z, found = net.forward(z, train=True)[0], {}
    large = lambda y: (np.linalg.svd(y, compute_uv=False) > 0.1 * np.linalg.norm(y, 2)).mean()
    print(f"rank of W X {np.linalg.matrix_rank(z)}, of relu(W X) {(full := np.linalg.matrix_rank(ReLU()(z)))}")
    found = [[large(y) for y in (f(z), f(z) - f(z).mean(0))] for f in (ReLU6(), SiLU())]
    print("part of large singular values, as it is and centred:", *(np.round(row, 2) for row in found))
    assert full == 60 and found[0][0] < found[1][0] and found[0][1] > found[1][1]


def traps():
    macs = {on: summarize(build("resnet50", stride_on=on, rng=0), (3, 224, 224)).macs for on in ("1x1", "3x3")}
    print(f"multiply-adds of resnet50 with the stride on the first 1x1, as in the paper, or on the 3x3: {macs}")
    assert macs["3x3"] > 1.05 * macs["1x1"]


DERIVATION = "derivation of residual networks"
ERRORS = (
    Error(
        20,
        "ResNeXt and the two versions of ResNet, ResNeXt",
        "ResNeXt extends the width; its branches are identical. (And: a 7x7x64 input.)",
        "Cardinality is a third dimension beside depth and width, at the same cost. The branches have the same "
        "shape, each with weights of its own. (7x7, 64 is the first convolution.)",
        cardinality,
    ),
    Error(
        21,
        f"{DERIVATION}, wide residual networks",
        "The number of parameters grows exponentially with the width.",
        "It grows quadratically with the factor k.",
        quadratic,
    ),
    Error(
        22,
        f"{DERIVATION}, Res2Net",
        "The input is split into i; each group is added to the output of the one before. (The formula is lost, "
        "and SPPNet is said to use kernels of several sizes.)",
        "The groups are x_i. One of them passes without a convolution (the last here), the next has one, and only"
        " from the one behind that is the output before added. (SPPNet pools into bins of several sizes.)",
        res2net,
    ),
    Error(
        23,
        f"{DERIVATION}, ReXNet",
        "rank(f(W X)) is at most the smaller dimension, with ratios from [0.1, .0]; ELU and swish have a higher "
        "rank than ReLU. (And: F_1 for f_1; bottlenecks at the layers that expand, of which there should be "
        "many.)",
        "The bound holds for W X; behind any nonlinear f the rank is full. Counted are large singular values, and"
        " the order of the activations flips when the features are centred. (Ratios end at 1.0; many small "
        "expansions.)",
        rank,
    ),
    Error(
        24,
        "beside the articles, libraries and tables",
        "ResNet-50, GoogLeNet, DenseNet, ResNeXt and HO-ResNet of well-known libraries and tables are those of "
        "the papers.",
        "The usual ResNet-50 has its stride on the 3x3 convolution; that of the paper costs less. Likewise a "
        "well-known ResNeXt expands by two, a GoogLeNet has a 3x3 where the paper has a 5x5, and tables of errors"
        " carry wrong numbers.",
        traps,
    ),
)
