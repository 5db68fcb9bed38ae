"""Residual networks without batch norm, and how their branches start instead."""

from ..errors import RangeError
from ..layers import BatchNorm2d, Conv2d, Gain, Gate, Offset, ReLU, Residual, Sequential

INITS = (None, "skipinit", "fixup", "zero-gamma")


def check_start(norm, init, tail=None):
    """Raise RangeError unless these options of a residual network make sense together."""
    if norm not in ("batch", None):
        raise RangeError(f"norm is {norm!r}, expected 'batch' or None: choose one")
    if init not in INITS:
        raise RangeError(f"init is {init!r}, expected one of {', '.join(map(str, INITS))}: choose one")
    if tail is not None and norm is None:
        raise RangeError(f"tail is {tail!r} and norm is None, which takes every batch norm out: leave one of them out")
    if init == "zero-gamma" and norm is None:
        raise RangeError("init is 'zero-gamma' and norm is None, but it sets gammas of batch norms: leave norm out")
    if init in ("skipinit", "fixup") and norm is not None:
        raise RangeError(f"init is {init!r} and norm is {norm!r}, but it stands in for batch norm: set norm to None")


def start_branches(model, norm, init):
    """Change a fresh ``model`` made of :class:`~minires.layers.Residual` as its options say; return the model.

    norm=None takes every batch norm out. The convolutions keep the numbers that they have with it, and have no bias. In
    front of each addition stands then, with L blocks in the model and m convolutions in the branch F:

        None        F(x)                     He's rule alone: without a norm mean x^2 grows with every block
        "skipinit"  g F(x), g = 0            De & Smith 2020
        "fixup"     g F(x) + b, g = 1        Zhang, Dauphin & Ma 2019, section 3

    Fixup moreover sets the last convolution of F and the layer of the classes to 0, multiplies the others of F by
    L^(-1 / (2m - 2)), and adds a number b = 0 before each layer of F, behind the first convolution of the network and
    before the classes. The paper trains g and b at a tenth of the learning rate: ``scalar_rate=0.1`` of
    :class:`~minires.train.TrainConfig`, without which most seeds of 56 layers stay at chance with lr=0.1.

    "zero-gamma", with batch norm: the gamma of the norm that ends F, or the convolution that ends it, is 0 (Goyal et
    al. 2017, "Accurate, Large Minibatch SGD", section 5.1). It too starts every block as its shortcut.
    """
    if norm is None:
        _drop_norms(model)
    branches = [layer.branch for _, layer in model.walk() if isinstance(layer, Residual)]
    if init is not None and any(isinstance(layer, Gate) for _, layer in model.walk()):
        raise RangeError(f"init is {init!r}, but gates do not add the branch to the shortcut: leave one of them out")
    for branch in branches:
        if init == "skipinit":
            branch.layers["gain"] = Gain(0.0)
        elif init == "fixup":
            _fixup(branch, len(branches))
        elif init == "zero-gamma":
            last = [layer for layer in branch.layers.values() if isinstance(layer, (Conv2d, BatchNorm2d))][-1]
            _rescale(last.weight if isinstance(last, Conv2d) else last.gamma, 0)
    if init == "fixup":
        stem, head = model["stem"], model["head"]
        stem.layers = _with_offset(stem.layers, "conv", behind=True)
        head.layers = _with_offset(head.layers, "fc")
        _rescale(head["fc"].weight, 0)
    return model


def _drop_norms(model):
    for _, layer in list(model.walk()):
        if isinstance(layer, Sequential):
            layer.layers = {name: child for name, child in layer.layers.items() if not isinstance(child, BatchNorm2d)}


def _fixup(branch, blocks):
    *others, last = [layer for layer in branch.layers.values() if isinstance(layer, Conv2d)]
    for conv in others:
        _rescale(conv.weight, blocks ** (-1 / (2 * len(others))))
    _rescale(last.weight, 0)
    for name, layer in list(branch.layers.items()):
        if isinstance(layer, (Conv2d, ReLU)):
            branch.layers = _with_offset(branch.layers, name)
    branch.layers |= {"gain": Gain(1.0), "offset": Offset()}


def _with_offset(layers, place, behind=False):
    """``layers`` with an Offset before (or behind) the one called ``place``."""
    found = {}
    for name, layer in layers.items():
        pair = {f"offset_{name}": Offset(), name: layer} if name == place else {name: layer}
        found |= dict(reversed(pair.items())) if behind else pair
    return found


def _rescale(param, factor):
    param.data = param.data * factor
