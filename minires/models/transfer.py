"""Transfer learning: another head, frozen layers, and the output of an inner layer as features."""

from ..errors import RangeError
from ..layers import Concat, Gate, Linear, Residual, Sequential
from ..layers.known import kind_of
from ..layers.base import replace
from .network import classifier


def replace_head(model, num_classes, *, rng):
    """Return a copy of ``model`` whose last linear layer is a fresh one for ``num_classes`` classes.

    The copy shares all other parameters; its running statistics are its own. RangeError for a model without one.
    """
    path = head_of(model)
    old = model.at(path)
    new = classifier(old.weight.data.shape[1], num_classes, bias=old.bias is not None, rng=rng)
    return replace(model, {path: new.to(dtype=old.weight.data.dtype)})


def head_of(model):
    """The path of the last linear layer, which gives the classes."""
    paths = [path for path, layer in model.walk() if isinstance(layer, Linear) and path]
    if not paths:
        raise RangeError(
            f"{type(model).__name__} has 0 linear layers inside, expected one that gives the classes: "
            "put the new head in its place with minires.layers.base.replace"
        )
    return paths[-1]


def freeze_but(model, *paths):
    """Freeze every parameter but those of the layers at ``paths`` (by default the head); return the model.

    Frozen parameters get no gradient, cost none, and no optimiser moves them. Batch norms still track the running
    statistics of what they see in training. RangeError for a path that does not exist; nothing is frozen then.
    """
    kept = [model.at(path) for path in paths or (head_of(model),)]
    model.freeze()
    for layer in kept:
        layer.freeze(False)
    return model


def features(model, path):
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
