"""A case as files that need no minires: ``case.json`` and ``arrays.npz``.

    case.json    task, subject, batch; for a network ``nodes`` and ``sgd``, for a convolution kernel, stride, padding
    arrays.npz   x, labels and every tensor of the network by its path; for a convolution x, weight and dy

A network is a list of nodes, each a list [kind, settings]; a node "residual" holds two lists, shortcut and branch.
"""

import json
from pathlib import Path

import numpy as np

from .. import models
from ..errors import RangeError
from ..files import StrPath
from ..files.whole import write_atomically, written_whole
from ..layers import (
    BatchNorm2d,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Identity,
    Linear,
    MaxPool2d,
    PadChannels,
    ReLU,
    Residual,
    Sequential,
    Subsample,
)
from ..layers.base import Buffer
from .cases import Case

SEED = 0
SGD = {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4}


def write_subject(case: Case, folder: StrPath) -> None:
    """Write ``case`` into ``folder``, the same bytes of arrays every time."""
    rng = np.random.default_rng(SEED)
    facts, arrays = _convolution(case, rng) if case.conv else _network(case, rng)
    with written_whole(Path(folder) / "arrays.npz") as file:
        np.savez(file, **arrays)
    facts |= {"task": case.task, "subject": case.subject, "batch": case.batch}
    write_atomically(Path(folder) / "case.json", json.dumps(facts).encode())


def nodes_of(layer, path=""):
    """``layer`` as a list of nodes. Raises RangeError for a layer that has no node."""
    if isinstance(layer, Sequential):
        return [node for name, child in layer.children() for node in nodes_of(child, f"{path}{name}.")]
    if isinstance(layer, Residual):
        ways = {name: nodes_of(child, f"{path}{name}.") for name, child in layer.children()}
        return [["residual", ways]]
    kind = type(layer)
    if kind is Identity:
        return []
    if kind not in NODES:
        raise RangeError(
            f"{path.rstrip('.')} ({kind.__name__}) cannot be given to other systems, only networks of "
            f"{', '.join(known.__name__ for known in NODES)}: choose another network"
        )
    name, fields = NODES[kind]
    tensors = {key: f"{path}{key}" for key, value in vars(layer).items() if isinstance(value, Buffer)}
    return [[name, {field: getattr(layer, field) for field in fields} | tensors]]


NODES = {
    Conv2d: ("conv", ("stride", "padding", "dilation", "groups")),
    BatchNorm2d: ("bn", ("eps", "momentum")),
    ReLU: ("relu", ()),
    MaxPool2d: ("max_pool", ("kernel", "stride", "padding", "ceil_mode")),
    GlobalAvgPool2d: ("global_pool", ()),
    Flatten: ("flatten", ()),
    Linear: ("linear", ()),
    Subsample: ("subsample", ("stride",)),
    PadChannels: ("pad_channels", ("before", "after")),
}


def _network(case, rng):
    model = models.build(case.subject, rng=rng)
    x = rng.standard_normal((case.batch, *case.image), dtype=np.float32)
    classes = models.find(case.subject)[0].num_classes
    labels = rng.integers(classes, size=case.batch)
    if case.task == "infer":
        _settle(model, rng.standard_normal((4, *case.image), dtype=np.float32))
    tensors = {path: tensor.data for path, tensor in model.tensors()}
    return {"nodes": nodes_of(model), "sgd": SGD}, {"x": x, "labels": labels} | tensors


def _settle(model, x):
    """Give every batch norm the statistics of ``x``: with mean 0 and variance 1 activations double in each block."""
    for _, layer in model.walk():
        if isinstance(layer, BatchNorm2d):
            layer.momentum = 1.0  # inference does not ask for it
    model.forward(x, train=True)


def _convolution(case, rng):
    conv = case.conv
    layer = Conv2d(
        conv.in_channels, conv.out_channels, conv.kernel, stride=conv.stride, padding=conv.kernel // 2, rng=rng
    )
    out = -(-conv.image // conv.stride)
    arrays = {
        "x": rng.standard_normal((case.batch, conv.in_channels, conv.image, conv.image), dtype=np.float32),
        "dy": rng.standard_normal((case.batch, conv.out_channels, out, out), dtype=np.float32),
        "weight": layer.weight.data,
    }
    return {"kernel": conv.kernel, "stride": conv.stride, "padding": conv.kernel // 2}, arrays
