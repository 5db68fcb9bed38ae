"""Transfer learning: another head, frozen layers, and the output of an inner layer as features."""

import copy

from ..errors import RangeError
from ..initializers import Rng
from ..layers import Concat, Conv2d, Gate, Linear, Param, Residual, Sequential, replace
from ..layers.base import Layer
from ..layers.known import kind_of
from .network import classifier


def replace_head(model: Layer, num_classes: int, *, rng: Rng) -> Layer:
    """Return a copy of ``model`` whose last linear layer is a fresh one for ``num_classes`` classes.

    The copy shares all other parameters; its running statistics are its own. RangeError for a model without one.
    """
    path = head_of(model)
    old = model.at(path)
    new = classifier(old.weight.data.shape[1], num_classes, bias=old.bias is not None, rng=rng)
    return replace(model, {path: new.to(dtype=old.weight.data.dtype)})


def head_of(model: Layer) -> str:
    """The path of the last linear layer, which gives the classes."""
    paths = [path for path, layer in model.walk() if isinstance(layer, Linear) and path]
    if not paths:
        raise RangeError(
            f"{type(model).__name__} has 0 linear layers inside, expected one that gives the classes: "
            "put the new head in its place with minires.layers.replace"
        )
    return paths[-1]


def freeze_but(model: Layer, *paths: str, statistics: bool = False) -> Layer:
    """Freeze every parameter but those of the layers at ``paths`` (by default the head); return the model.

    Frozen parameters get no gradient, cost none, and no optimiser moves them. Batch norms still track the running
    statistics of what they see in training, unless ``statistics`` is True: those of frozen layers then stay, and
    training uses them. RangeError for a path that does not exist; nothing is frozen then.
    """
    kept = [model.at(path) for path in paths or (head_of(model),)]
    model.freeze(statistics=statistics)
    for layer in kept:
        layer.freeze(False, statistics=statistics)
    return model


def adapt_stem(model: Layer) -> Layer:
    """Return a copy of ``model`` for images of one channel: its first convolution has the sum of its filters.

    On a grey image the copy computes what ``model`` computes on three equal channels. Images must be normalised by one
    mean and deviation then: a network for channels normalised apart sees three different ones in a grey photograph.
    The copy shares all other parameters. RangeError for a model without a convolution, or with groups in the first.
    """
    path = next((path for path, layer in model.walk() if isinstance(layer, Conv2d) and path), None)
    if path is None or model.at(path).groups != 1:
        raise RangeError(f"{type(model).__name__} does not begin with a convolution of one group: exchange it by hand")
    stem = copy.deepcopy(model.at(path))
    stem.in_channels = 1
    stem.weight = Param(stem.weight.data.sum(axis=1, keepdims=True))
    return replace(model, {path: stem})


def features(model: Layer, path: str) -> Layer:
    """A layer whose output is that of the layer at ``path`` in ``model``; it shares the parameters.

    What comes behind is left out, so it costs nothing; backward works as in any layer. RangeError for a path that does
    not exist, or that leads into a layer which feeds its children other than with its own input.

        features(resnet, "head.flatten")        the vector that the last linear layer sees
    """
    model.at(path)
    name, _, rest = path.partition(".")
    if not path:
        return model
    kind = kind_of(model)
    if kind is Sequential:
        layers = dict(model.children())
        before = list(layers)[: list(layers).index(name)]
        return Sequential(**{key: layers[key] for key in before}, **{name: features(layers[name], rest)})
    if kind in (Residual, Concat, Gate):
        return features(dict(model.children())[name], rest)
    raise RangeError(
        f"{path!r} lies inside a {type(model).__name__}, expected a path through Sequential, Residual, Concat or Gate "
        "that run by their own methods: take the output of the whole layer"
    )
