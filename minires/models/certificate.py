"""A certificate: what a network is, measured on the network itself, and how it differs from others of its name."""

import math
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..initializers import Undrawn
from ..layers import BatchNorm2d, Conv2d, Gate, Linear, Residual, RungeKutta
from .network import HEAD_STD
from .receptive import receptive_fields
from .register import build, check_options, find
from .summary import depth, multiply_adds, output_shapes


@dataclass(frozen=True)
class Row:
    """One layer: ``shape`` of its output without the batch axis; ``field``: (rows, columns) of the image it sees,
    inf for all of it."""

    path: str
    kind: str
    shape: tuple
    params: int
    macs: int
    field: tuple

    def facts(self):
        """A dictionary that JSON can hold; None in the field is the whole image."""
        return vars(self) | {"field": [None if size == math.inf else size for size in self.field]}

    def cells(self):
        return self.path, self.kind, _times(self.shape), f"{self.params:,}", _field(self.field)


@dataclass(frozen=True)
class Certificate:
    """Facts on one network; ``str`` of it is :meth:`table`, 100 columns wide.

    params, macs: as in :class:`~minires.models.Summary`   depth: too, unless the authors count in another way
    image: (C, H, W)   stages: {name: shape behind it}
    strides: layers that make the image smaller   tail: what stands behind the last addition
    initialisation, batch_norm: sentences, measured on the tensors
    notes: differences from the paper and from other implementations   layers: tuple of :class:`Row`
    """

    name: str
    about: str
    image: tuple
    num_classes: int
    params: int
    macs: int
    depth: int
    stages: dict
    strides: tuple
    tail: str
    initialisation: str
    batch_norm: str
    notes: tuple
    layers: tuple

    def facts(self) -> dict[str, Any]:
        """A dictionary that JSON can hold."""
        return vars(self) | {"layers": [row.facts() for row in self.layers]}

    def __str__(self):
        return self.table()

    def table(self, width: int = 100) -> str:
        """What was found as text, ``width`` >= 60 columns wide. Below 76 it lacks what the layers see."""
        title = f"{self.name} on {_times(self.image)} pixels, {self.num_classes} classes"
        facts = {
            "what": [self.about],
            "parameters": [f"{self.params:,}"],
            "multiply-adds": [f"{self.macs:,} for one image"],
            "depth": [f"{self.depth} layers, as its authors count"],
            "output of": [f"{name:<10} {_times(shape)}" for name, shape in self.stages.items()],
            "stride": _shorten(self.strides),
            "at the end": [self.tail] if self.tail else [],
            "weights": [self.initialisation],
            "batch norm": [self.batch_norm],
            "notes": self.notes,
        }
        lines = [f"{key if i == 0 else '':<14} {line}" for key, value in facts.items() for i, line in enumerate(value)]
        rows = [("layer", "kind", "output", "parameters", "sees"), *(row.cells() for row in self.layers)]
        wrapped = [part for line in lines for part in _wrap(line, width)]
        return "\n".join([*textwrap.wrap(title, width), "", *(_line(row, width) for row in rows), "", *wrapped])


def certify(
    name: str,
    *,
    image: int | None = None,
    num_classes: int | None = None,
    in_channels: int | None = None,
    **options: Any,
) -> Certificate:
    """Build the network called ``name`` and return its :class:`Certificate`.

    ``image``: rows and columns, by default those that the family was made for; the rest as in ``build``.
    """
    family, numbers = find(name)
    check_options(name, options)
    in_channels = family.in_channels if in_channels is None else in_channels
    model = build(name, num_classes=num_classes, in_channels=in_channels, rng=_Spread(), **options)
    size = (in_channels, *2 * (family.image if image is None else image,))
    shapes = output_shapes(model, size)
    rows = tuple(_rows(model, shapes))
    return Certificate(
        name=name,
        about=family.about,
        image=size,
        num_classes=family.num_classes if num_classes is None else num_classes,
        params=sum(p.data.size for _, p in model.params()),
        macs=sum(row.macs for row in rows),
        depth=family.depth(*numbers) if family.depth else depth(model),
        stages=_stages(shapes),
        strides=tuple(f"{row.kind} at {row.path}" for row in rows if " /" in row.kind),
        tail=_tail(model, shapes),
        initialisation=_initialisation(model),
        batch_norm=_batch_norm(model),
        notes=family.notes,
        layers=rows,
    )


class _Spread(Undrawn):
    """Gives the standard deviation in place of the numbers: weights that show their rule, in the memory of one."""

    def normal(self, loc=0.0, scale=1.0, size=()):
        return np.broadcast_to(np.float32(scale), size)


def _rows(model, shapes):
    fields = receptive_fields(model)
    for path, layer in model.walk():
        if path in shapes and not any(True for _ in layer.children()):
            params = sum(p.data.size for _, p in layer.params())
            yield Row(path, _kind(layer), shapes[path], params, multiply_adds(layer, shapes[path]), fields[path])


def _stages(shapes):
    """{child of the model: shape behind it}: of the last entry inside, for ``shapes`` has the order of the run."""
    return {path.split(".")[0]: shape for path, shape in shapes.items() if path}


def _tail(model, shapes):
    """The layers behind the last addition, and whether one of them normalises; empty in a network without additions."""
    behind, added = [], False
    for path in shapes:  # in the order of the run, containers after their children
        layer = model.at(path)
        if isinstance(layer, (Residual, Gate, RungeKutta)):
            behind, added = [], True
        elif not any(True for _ in layer.children()):
            behind.append(layer)
    if not added:
        return ""
    normalised = any(isinstance(layer, BatchNorm2d) for layer in behind)
    names = ", ".join(type(layer).__name__ for layer in behind)
    return f"{names} behind the last addition" + ("" if normalised else "; what the classes see is not normalised")


def _kind(layer):
    """ "Conv2d 3x3 /2 g32": kernel, stride and groups where they matter."""
    words = [type(layer).__name__]
    if hasattr(layer, "kernel"):
        words.append("x".join(map(str, layer.kernel)))
    strides = layer.stride if isinstance(getattr(layer, "stride", 1), tuple) else (getattr(layer, "stride", 1),)
    if max(strides) > 1:
        words.append("/" + "x".join(map(str, dict.fromkeys(strides))))
    if getattr(layer, "groups", 1) > 1:
        words.append(f"g{layer.groups}")
    return " ".join(words)


def _initialisation(model):
    """How wide the weights are spread: which of He's rules they obey, and how the layer of the classes starts."""
    weighted = [(path, layer) for path, layer in model.walk() if isinstance(layer, (Conv2d, Linear))]
    (head, last), found = weighted[-1], []
    for kind in (Conv2d, Linear):
        if layers := [layer for _, layer in weighted[:-1] if isinstance(layer, kind)]:
            found.append(f"{kind.__name__}: {_rule(layers)}")
    loss = " (VGG's rule, a third as wide), so that the loss starts near log k" if _std(last) == HEAD_STD else ""
    found.append(f"{head}: mean 0, standard deviation {_std(last):.2g}{loss}")
    biases = [p.data for path, p in model.params() if path.endswith("bias")]
    zero = all((bias == 0).all() for bias in biases)
    return "; ".join(found) + ("" if not biases else "; biases 0" if zero else "; biases not all 0")


def _rule(layers):
    for rule, fan in (("fan-in", _fan_in), ("fan-out", _fan_out)):
        if all(math.isclose(_std(layer) * math.sqrt(fan(layer.weight.data) / 2), 1, rel_tol=1e-5) for layer in layers):
            return f"mean 0, standard deviation sqrt(2 / {rule}) (He)"
    spread = [_std(layer) for layer in layers]
    return f"standard deviation from {min(spread):.2g} to {max(spread):.2g}"


def _std(layer):
    """That of the rule by which the weights of ``layer`` start, to six digits; :class:`_Spread` has put it there."""
    return float(f"{layer.weight.data.flat[0]:.6g}")


def _fan_in(weight):
    return weight[0].size


def _fan_out(weight):
    return len(weight) * math.prod(weight.shape[2:])


def _batch_norm(model):
    norms = [layer for _, layer in model.walk() if isinstance(layer, BatchNorm2d)]
    if not norms:
        return "none"
    settings = sorted({f"eps {norm.eps:g}, momentum {norm.momentum:g}" for norm in norms})
    starts = all((norm.gamma.data == 1).all() and (norm.beta.data == 0).all() for norm in norms)
    return (
        f"{len(norms)} layers, {' or '.join(settings)} (the share of the batch in the running statistics), running "
        f"variance unbiased, {'gamma 1, beta 0 at the start' if starts else 'gamma and beta not 1 and 0 at the start'}"
    )


def _times(shape):
    return " x ".join(map(str, shape))


def _field(field):
    rows, columns = ("all" if size == math.inf else str(size) for size in field)
    return rows if rows == columns else f"{rows} x {columns}"


def _line(cells, width):
    path, kind, shape, params, field = cells
    if width < 76:
        room = max(width - 49, 4)
        return f"{_cut(path, room):<{room}} {kind:<19} {shape:>16} {params:>11}"
    room = min(width - 60, 39)
    return f"{_cut(path, room):<{room}} {kind:<20} {shape:>16} {params:>11} {field:>9}"


def _cut(text, width):
    return text if len(text) <= width else "..." + text[3 - width :]


def _shorten(lines, most=12):
    rest = len(lines) - most
    return lines if rest <= 0 else (*lines[:most], f"and {rest} more")


def _wrap(line, width):
    return textwrap.wrap(line, width, subsequent_indent=" " * 15, break_on_hyphens=False)
