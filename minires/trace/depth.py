"""The gradient by depth: how large dx and dW are at every layer of any network, plain ones too."""

import copy
from dataclasses import dataclass

from ..backend import Array
from ..errors import StateError
from ..layers import Param
from ..layers.base import Layer
from ..layers.tree import held
from ..layers.checks import as_floats
from ..layers.watch import watched
from ..losses import Loss, SoftmaxCrossEntropy
from .norms import norm


@dataclass(frozen=True)
class LayerGradient:
    """|dx| and |dy| of one backward through a layer without children, and {name: |dW|} of its own parameters.

    dx, dy: the Euclidean norms of the gradients before and behind the layer   params: of the whole backward, for a
    layer that runs more than once
    """

    path: str
    kind: str
    dx: float
    dy: float
    params: dict


def gradient_norms(
    model: Layer,
    x: Array,
    labels: Array | None = None,
    *,
    dy: Array | None = None,
    train: bool = True,
    loss: Loss | None = None,
) -> tuple[LayerGradient, ...]:
    """Return a tuple of :class:`LayerGradient` for the layers of ``model`` on a private copy, from input to output.

    x, labels, dy, train, loss: as for :func:`~minires.trace.trace`. A layer that runs twice comes twice, and a
    container only where it has parameters of its own.
    He et al. 2015, section 4.1, "we verify that the backward propagated gradients exhibit healthy norms".

    >>> import numpy as np
    >>> from minires import models
    >>> x, labels = np.random.default_rng(0).standard_normal((4, 3, 16, 16)), np.arange(4)
    >>> def first_over_last(name):
    ...     norms = gradient_norms(models.build(name, rng=0).to(dtype="float64"), x, labels)
    ...     convs = [g.params["weight"] for g in norms if g.kind == "Conv2d"]
    ...     return convs[0] / convs[-1]
    >>> first_over_last("plain56") > 100, first_over_last("resnet56") < 10
    (True, True)
    """
    if (labels is None) == (dy is None):
        given = "neither" if labels is None else "both"
        raise StateError(f"gradient_norms got {given} of labels and dy, expected one: gradient_norms(model, x, labels)")
    loss = loss or SoftmaxCrossEntropy()
    upstream = as_floats(dy, "dy") if labels is None else lambda y: loss.backward(loss.forward(y, labels)[1])
    return backward_by_depth(copy.deepcopy(model), as_floats(x), train, upstream)[2]


def backward_by_depth(model, x, train, dy):
    """(y, dx, the :class:`LayerGradient` of each layer) of the model's own forward and backward; its gradients change.

    dy: the gradient of y, or a function of y that gives it
    """
    model.freeze(False).zero_grads()
    order = {id(layer): i for i, (_, layer) in reversed(list(enumerate(model.walk())))}
    seen = []

    def noting(path, layer, backward):
        def noted(dy, cache):
            dx = backward(dy, cache)
            seen.append((order[id(layer)], path, layer, norm(dx), norm(dy)))
            return dx

        return noted

    with watched(model.walk(), backward=noting):
        y, cache = model.forward(x, train)
        dx = model.backward(dy(y) if callable(dy) else dy.copy(), cache)
    return (
        y,
        dx,
        tuple(
            LayerGradient(path, type(layer).__name__, dx_norm, dy_norm, params)
            for _, path, layer, dx_norm, dy_norm in sorted(reversed(seen), key=lambda one: one[0])
            if (params := {name: norm(p.grad) for name, p in held(layer, Param)})
            or next(layer.children(), None) is None
        ),
    )
