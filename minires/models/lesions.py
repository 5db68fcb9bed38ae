"""Lesions: copies of a trained network with a residual branch cut or scaled, or with blocks in another order.

Veit et al. 2016, "Residual Networks Behave Like Ensembles of Relatively Shallow Networks", section 4. Each function
returns a new model that shares the parameters of the given one, and leaves that as it was. Running statistics and
generators of the copy are its own. Lesions compose: every result is a model that may be lesioned again.

A path names a layer as in ``model.walk()``; :func:`forks` lists those that have a residual branch.

>>> from minires.models import build
>>> model = build("resnet14", rng=0)
>>> forks(model)[:2]
['stage1.0.add', 'stage1.1.add']
>>> lesioned = swap(delete(model, "stage2.1.add"), "stage1.0", "stage1.1")
"""

import itertools
from collections.abc import Sequence

from ..backend import xp_of
from ..errors import RangeError
from ..layers import Conv2d, Gate, Identity, Linear, Residual, Scale, Sequential, observe, replace
from ..layers.base import Layer

FORKS = (Residual, Gate)


def forks(model: Layer) -> list[str]:
    """The paths of all layers with a residual branch, in the order of the model."""
    return [path for path, layer in model.walk() if isinstance(layer, FORKS)]


def delete(model: Layer, path: str) -> Layer:
    """A copy of ``model`` in which F = 0 in the fork at ``path``; what stands behind the addition stays.

    A Residual leaves its shortcut, y = h(x); of v1, ReLU(h(x)). A Gate leaves y = (1 - t) x.
    Raises RangeError if there is no Residual or Gate at ``path``.
    """
    fork = _fork(model, path)
    if isinstance(fork, Residual):
        return replace(model, {path: fork.shortcut})
    return replace(model, {f"{path}.branch": Scale(0)})


def bypass(model: Layer, path: str, *, image: tuple[int, ...] | None = None) -> Layer:
    """A copy of ``model`` without the layers at ``path``, a block of a plain network say: y = x there.

    image: see :func:`reorder`. Raises RangeError unless the layer maps its input to the same shape.
    """
    model.at(path)
    shapes = _shapes(model, image)
    if shapes[path][0] != shapes[path][1]:
        fitting = [p for p, (x, y) in shapes.items() if p and p.count(".") == path.count(".") and x == y]
        raise RangeError(
            f"{path} maps {_arrow(shapes[path])}, expected the same shape, to be bypassed: {_some(fitting)}"
        )
    return replace(model, {path: Identity()})


def scale_branch(model: Layer, path: str, factor: float) -> Layer:
    """A copy of ``model`` in which F is ``factor`` times as large in the fork at ``path``.

    Raises RangeError if there is no Residual or Gate at ``path``.
    """
    branch = _fork(model, path).branch
    layers = dict(branch.children()) if isinstance(branch, Sequential) else {"branch": branch}
    names = itertools.chain(["scale"], (f"scale{k}" for k in itertools.count(2)))
    free = next(name for name in names if name not in layers)
    return replace(model, {f"{path}.branch": Sequential(**layers, **{free: Scale(factor)})})


def swap(model: Layer, path_a: str, path_b: str, *, image: tuple[int, ...] | None = None) -> Layer:
    """A copy of ``model`` in which the blocks at ``path_a`` and ``path_b`` have changed places. See :func:`reorder`."""
    return _rearrange(model, {path_a: path_b, path_b: path_a}, image)


def reorder(model: Layer, order: Sequence[str], *, image: tuple[int, ...] | None = None) -> Layer:
    """A copy of ``model`` whose blocks at the paths in ``order`` come in that order.

    order: paths of blocks, each once; the k-th takes the place of that which comes k-th in the model
    image: the shape of one input without the batch axis; the default is (C, 32, 32), or (D,) where Linear comes first

    ``reorder(model, ["stage1.2", "stage1.0", "stage1.1"])`` runs the last block of the first stage first.
    A block fits the place of another if both map the same shape to the same shape; else RangeError.
    """
    order = list(order)
    for path in order:
        model.at(path)
        if order.count(path) > 1:
            raise RangeError(f"{path} comes {order.count(path)} times in the order, expected once: leave one")
    places = [path for path, _ in model.walk() if path in order]
    return _rearrange(model, dict(zip(places, order, strict=True)), image)


def _rearrange(model, sources, image):
    """``sources``: {place: path of the layer to put there}."""
    parts = {place: model.at(source) for place, source in sources.items()}
    shapes = _shapes(model, image)
    for place, source in sources.items():
        if shapes[source] != shapes[place]:
            fitting = [path for path in shapes if path != place and _alike(model, shapes, path, place)]
            raise RangeError(
                f"{source} maps {_arrow(shapes[source])}, {place} maps {_arrow(shapes[place])}: only blocks with the "
                f"same shapes can be exchanged; {place} fits {_some(fitting)}"
            )
    return replace(model, parts)


def _alike(model, shapes, a, b):
    """Whether two layers are blocks of the same kind and level with the same shapes."""
    same_level = a.count(".") == b.count(".") and type(model.at(a)) is type(model.at(b))
    return same_level and shapes[a] == shapes[b]


def _shapes(model, image):
    """{path: (shape of its input, shape of its output)} without the batch axis, by a run on zeros."""
    seen = {}

    def see(path, layer, x, y):
        seen.setdefault(id(layer), (x.shape[1:], y.shape[1:]))

    observe(model, see).forward(_zeros(model, image))
    return {path: seen[id(layer)] for path, layer in model.walk()}


def _zeros(model, image):
    first = next((layer for _, layer in model.walk() if isinstance(layer, (Conv2d, Linear))), None)
    if image is None and first is None:
        raise RangeError("the model has no Conv2d or Linear that tells the shape of its input: pass image=(C, H, W)")
    if image is None:
        image = (first.in_channels, 32, 32) if isinstance(first, Conv2d) else (first.in_features,)
    weight = next(p.data for _, p in model.params())
    return xp_of(weight).zeros((1, *image), weight.dtype)


def _fork(model, path):
    fork = model.at(path)
    if not isinstance(fork, FORKS):
        below = [p for p, layer in fork.walk(path) if isinstance(layer, FORKS)]
        raise RangeError(
            f"{path} ({type(fork).__name__}) has no residual branch, expected a Residual or Gate: "
            f"{_some(below or forks(model))}"
        )
    return fork


def _arrow(shapes):
    return " to ".join(map(str, shapes))


def _some(paths):
    shown = ", ".join(paths[:6]) + (f", ... ({len(paths)} in all)" if len(paths) > 6 else "")
    return shown or "none in this model"
