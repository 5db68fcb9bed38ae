"""Receptive fields: how much of the image one number behind a layer depends on, in evaluation."""

import math

from ..layers import Fork, GlobalAvgPool2d, Linear, RungeKutta, SqueezeExcite
from ..layers.tree import join

WHOLE = math.inf


def receptive_fields(model):
    """{path: (rows, columns)} in pixels of the input for every layer; inf is the whole image.

    A window of K at stride S widens a field of R pixels to R + (K - 1) D J, with dilation D and J pixels of the input
    between neighbours, and J grows to J S. Of parallel ways the widest counts. Borders are not taken into account.
    """
    fields = {}
    _visit(model, "", ((1, 1), (1, 1)), fields)
    return fields


def _visit(layer, path, state, fields):
    """``state``: (field, jump), each (rows, columns); returns that behind ``layer``."""
    children = [(child, join(path, name)) for name, child in layer.children()]
    if isinstance(layer, Fork) and not isinstance(layer, RungeKutta):  # each k_i is in the input of the next
        states = [_visit(child, name, state, fields) for child, name in children]
        state = tuple(tuple(map(max, zip(*pairs))) for pairs in zip(*states))
    else:
        for child, name in children:
            state = _visit(child, name, state, fields)
    state = _behind(layer, *state)
    fields.setdefault(path, state[0])
    return state


def _behind(layer, field, jump):
    if isinstance(layer, (GlobalAvgPool2d, Linear, SqueezeExcite)):
        return (WHOLE, WHOLE), jump
    kernel, stride, dilation = (_pair(getattr(layer, name, 1)) for name in ("kernel", "stride", "dilation"))
    wider = tuple(r + (k - 1) * d * j for r, k, d, j in zip(field, kernel, dilation, jump))
    return wider, tuple(j * s for j, s in zip(jump, stride))


def _pair(value):
    return value if isinstance(value, tuple) else (value, value)
