"""What a training step costs on a GPU, before there is one: launches, memory, bytes, and the floor of the time."""

from dataclasses import dataclass

import numpy as np

from ...errors import RangeError
from ...layers import Flatten, Layer
from ...layers.known import kind_of
from ..operations import Foreign
from ..plan import Plan
from ..values import Unsuited
from . import steps
from .cards import COPIES, PRODUCTS, Card, card_of
from .launches import pitch
from .memory import largest_batch
from .modules import PRECISIONS
from .program import Program
from .slots import Slot, launches_of
from .traffic import Traffic

FLOAT32 = np.dtype(np.float32)
HEAD = (
    f"{'group':<12} {'launches':>8} {'GFLOP':>9} {'MB':>10} {'of bytes ms':>12} {'of products ms':>15} {'floor ms':>9}"
)


@dataclass(frozen=True)
class Group:
    """The layers below one child of the model. gflop: 10^9 operations of the products   megabytes: read and written

    of_bytes, of_products: milliseconds of all of them   floor: the sum over the launches of the longer of the two
    """

    name: str
    launches: int
    gflop: float
    megabytes: float
    of_bytes: float
    of_products: float
    floor: float

    def line(self) -> str:
        return (
            f"{self.name:<12} {self.launches:>8} {self.gflop:>9.1f} {self.megabytes:>10.1f} {self.of_bytes:>12.3f} "
            f"{self.of_products:>15.3f} {self.floor:>9.3f}"
        )


@dataclass(frozen=True)
class Forecast:
    """arena: bytes of the activations and their gradients   kept: of parameters, their gradients and momentum

    forward, backward: launches of the network   layers: paths of those that run by themselves, whose own launches are
    not counted   largest: the largest batch up to this one that fits on the card
    """

    shape: tuple
    precision: str
    card: Card
    groups: tuple
    arena: int
    kept: int
    forward: int
    backward: int
    layers: tuple
    largest: int

    @property
    def total(self) -> Group:
        sums = [sum(numbers) for numbers in zip(*(tuple(vars(g).values())[1:] for g in self.groups))]
        return Group("sum", *sums)

    def facts(self) -> dict:
        """A dictionary that JSON can hold."""
        groups = [vars(group) for group in (*self.groups, self.total)]
        return vars(self) | {"card": vars(self.card), "groups": groups}

    def table(self) -> str:
        card, total, images = self.card, self.total, self.shape[0]
        lines = [
            f"a training step on {' x '.join(map(str, self.shape))}, products in {self.precision}, on {card.name}",
            "",
            HEAD,
            *(group.line() for group in (*self.groups, total)),
            "",
            f"launches   {self.forward} + {self.backward} of the network, the others of loss and optimiser",
            f"memory     an arena of {self.arena / 1e6:.1f} MB, parameters, gradients and momentum of "
            f"{self.kept / 1e6:.1f} MB; the card has {card.gigabytes:g} GB{self._fit()}",
            f"floor      {total.floor:.2f} ms, {images / total.floor * 1e3:,.0f} images a second: each array of each "
            "launch once through memory",
            f"card       sm_{card.capability}, {card.terabytes:g} TB/s, of which copies reach {COPIES:.0%}; "
            f"{card.tf32:g} (TF32), {card.bf16:g} (bf16) TFLOP/s, products {PRODUCTS:.0%} ({card.source})",
        ]
        if self.layers:
            lines.append(f"layers     run by themselves, not counted here: {', '.join(self.layers)}")
        return "\n".join([*lines, "Reckoned, not measured: no step is faster than its floor, most are slower."])

    def _fit(self):
        if self.largest >= self.shape[0]:
            return ""
        return f": too little, a batch of {self.largest} fits" if self.largest else ": too little for one image"


def forecast(model: Layer, shape: tuple[int, ...], precision: str = "float32", card: str = "h100") -> Forecast:
    """The :class:`Forecast` of a training step of ``model`` on images of ``shape`` (N, C, H, W), by SGD.

    It needs neither a GPU nor CuPy. Raises RangeError for an unknown precision or card, one whose GPU the kernels do
    not run on, and for a network that runs by its layers.
    """
    if precision not in PRECISIONS:
        raise RangeError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    found = card_of(card)
    if found.reason:
        raise RangeError(f"card {card}: {found.reason}")
    try:
        program = Program(Plan(model, shape, FLOAT32, "train", input_gradient=False), precision)
    except Unsuited as reason:
        raise RangeError(f"no plan for {' x '.join(map(str, shape))}: {reason}") from None
    traffic, costs = Traffic(program), {}
    items = [(_group(owner), owner, item) for owner, item in traffic.items]
    items += [(name, None, item) for name, item in _behind(program, model)]
    for name, owner, item in items:
        moved, flops = traffic.bytes(owner, item), traffic.flops(owner, item)
        ms = [moved / found.bandwidth, flops / found.rate(precision), traffic.seconds(owner, item, found, precision)]
        numbers = [launches_of(item), flops / 1e9, moved / 1e6, *(1e3 * seconds for seconds in ms)]
        costs[name] = [a + b for a, b in zip(costs.get(name, [0] * len(numbers)), numbers)]
    kept = 3 * sum(parameter.data.nbytes for _, parameter in model.params())
    forward, backward = program.launches()
    return Forecast(
        shape=tuple(shape),
        precision=precision,
        card=found,
        groups=tuple(Group(name, *numbers) for name, numbers in costs.items()),
        arena=program.bytes,
        kept=kept,
        forward=forward,
        backward=backward,
        layers=tuple(sorted({o.path for o in program.plan.operations if o in program.layered or _launches(o)})),
        largest=_largest(program, found.gigabytes * 1e9 - kept),
    )


def _group(operation):
    """The child of the model that an operation belongs to."""
    return "all layers" if operation is None else operation.path.split(".")[0] or "(model)"


def _launches(operation):
    """Whether a layer of the definition launches something: a view does not."""
    return isinstance(operation, Foreign) and kind_of(operation.layer) is not Flatten


def _behind(program, model):
    """(group, launch) of what a step does beside the network."""
    n, classes = program.plan.images, program.plan.output.shape[0]
    stored = np.dtype(np.uint16 if program.precision == "bf16" else np.float32)
    dlogits, logits = (Slot((n, pitch(classes)), stored) for _ in range(2))
    each = Slot((2, n), FLOAT32)
    labels, count = (Slot((size,), np.dtype(np.int32)) for size in (n, 1))
    results = Slot((1,), FLOAT32), count, count
    loss = steps.cross_entropy(program.precision, classes, dlogits, each, results, logits, labels)
    aligned = steps.ALIGNED
    size = sum(-(-p.data.size // aligned) * aligned for _, p in model.params() if not p.frozen)
    p, velocity, gradient = (Slot((size,), FLOAT32) for _ in range(3))
    decay, part = (Slot((size // aligned,), FLOAT32) for _ in range(2))
    update = steps.sgd(p, velocity, gradient, decay, part, Slot((1,), FLOAT32), 0.9)
    return [("loss", launch) for launch in loss] + [("optimizer", update)]


def _largest(program, free):
    """The largest batch up to that of the program that fits."""
    return program.plan.images if program.bytes <= free else largest_batch(program, free)
