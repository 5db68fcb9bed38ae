"""ResNeXt for small images (Xie et al. 2017, section 5.2) and the three equal forms of its block (figure 3).

The forms are made from one another, with copies of the same numbers: they compute the same function. The published
equivalence needs the last batch norm behind the sum of the paths, not one in each path.
"""

from functools import partial, reduce

from ..initializers import generator
from ..layers import BatchNorm2d, Concat, Conv2d, ReLU, Residual, Sequential
from .blocks import require_choice
from .family import Family
from .network import assemble, blocks_per_stage, he_by_fan_out, small_stem
from .resnet import resnext_block

PLANES = (64, 128, 256)


def resnext_small(depth, cardinality, width, *, num_classes=10, in_channels=3, form="grouped", shortcut="B", rng):
    """ResNeXt-29 and others of depth 9n + 2: conv3x3 to 64, three stages of n blocks that end in 256, 512, 1024.

    x: (N, in_channels, H, W), any H, W >= 1   y: (N, num_classes)   form: "grouped", "concat" or "sum"
    The grouped 3x3 has the stride. Convolutions start with He's normal weights by fan-out.
    """
    require_choice("form", form, FORMS)
    count = blocks_per_stage(depth, 3)
    rng = generator(rng)
    model = assemble(
        small_stem(in_channels, PLANES[0], rng=rng),
        partial(resnext_block, cardinality=cardinality, width=width, shortcut=shortcut, rng=rng),
        channels=PLANES[0],
        widths=tuple(4 * planes for planes in PLANES),
        counts=(count,) * 3,
        num_classes=num_classes,
        rng=rng,
    )
    he_by_fan_out(model)
    for _, layer in list(model.walk()):
        if isinstance(layer, Residual):
            layer.branch = FORMS[form](layer.branch)
    return model


def grouped(branch):
    """Form (c): conv1x1 - BN - ReLU - grouped conv3x3 - BN - ReLU - conv1x1 - BN, as it is built."""
    return branch


def concat(branch):
    """Form (b) of a grouped ``branch``: each path conv1x1 - BN - ReLU - conv3x3 - BN - ReLU, joined by one 1x1."""
    paths = {f"path{k}": Sequential(**layers) for k, layers in enumerate(_paths(branch))}
    return Sequential(paths=Concat(**paths), conv3=branch["conv3"], bn3=branch["bn3"])


def summed(branch):
    """Form (a) of a grouped ``branch``: each path has its own last 1x1; the sum of the paths is normalised.

    A sum of paths is a Residual whose shortcut is the sum of those before.
    """
    width = branch["conv2"].weight.data.shape[1]
    paths = [
        Sequential(**layers, conv3=_conv(branch["conv3"], slice(None), slice(width * k, width * (k + 1))))
        for k, layers in enumerate(_paths(branch))
    ]
    total = reduce(lambda before, path: Residual(path, before), paths)
    return Sequential(paths=total, bn3=branch["bn3"])


FORMS = {"grouped": grouped, "concat": concat, "sum": summed}


def _paths(branch):
    """Yield the layers of each path up to its second ReLU, with copies of the numbers of the grouped ``branch``."""
    width = branch["conv2"].weight.data.shape[1]
    for k in range(branch["conv2"].groups):
        own = slice(width * k, width * (k + 1))
        yield {
            "conv1": _conv(branch["conv1"], own, slice(None)),
            "bn1": _norm(branch["bn1"], own),
            "relu1": ReLU(),
            "conv2": _conv(branch["conv2"], own, slice(None)),
            "bn2": _norm(branch["bn2"], own),
            "relu2": ReLU(),
        }


def _conv(conv, rows, columns):
    """An ungrouped convolution with some of the outputs (rows) and inputs (columns) of ``conv``."""
    weight = conv.weight.data[rows, columns]
    settings = {"stride": conv.stride, "padding": conv.padding, "rng": 0}
    part = Conv2d(weight.shape[1], weight.shape[0], conv.kernel, **settings)
    part.weight.data = weight.copy()
    return part


def _norm(norm, channels):
    part = BatchNorm2d(len(norm.gamma.data[channels]), momentum=norm.momentum, eps=norm.eps)
    for name in ("gamma", "beta", "running_mean", "running_var"):
        getattr(part, name).data = getattr(norm, name).data[channels].copy()
    return part


FAMILIES = (
    Family(
        "resnext{9n+2}_{c}x{w}d",
        "resnext([1-9][0-9]*)_([1-9][0-9]{0,3})x([1-9][0-9]{0,3})d",
        resnext_small,
        f"ResNeXt for small images, c groups of w channels; form={', '.join(FORMS)}; shortcut",
        ("resnext29_8x64d", "resnext29_16x64d", "resnext29_32x4d", "resnext29_2x64d"),
        32,
        10,
        (
            "The ReLU is behind the addition, as in the authors' code; errors in the preprint are of pre-activation.",
            "Another well-known ResNeXt-29 (pytorch-cifar) widens by 2 instead of 4: a different network.",
        ),
    ),
)
