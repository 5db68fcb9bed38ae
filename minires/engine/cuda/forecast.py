"""What a training step costs on a GPU, before there is one: launches, memory, bytes, and the floor of the time."""

from dataclasses import dataclass

import numpy as np

from ...errors import RangeError
from ...layers import Flatten, Layer
from ...layers.known import kind_of
from ...losses import SoftmaxCrossEntropy
from ..operations import Foreign
from ..plan import Plan
from ..values import Unsuited
from . import steps
from .cards import COPIES, PRODUCTS, Card, card_of
from .feed import Feed
from .launches import whole
from .memory import largest_batch
from .modules import PRECISIONS
from .program import Program
from .slots import Call, Given, launches_of
from .step_program import StepProgram
from .traffic import Traffic

LARGEST = 1_000_000  # images of a batch; the kernels count in 32 bits
FLOAT32, INT32 = np.dtype(np.float32), np.dtype(np.int32)
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

    no_graph: why the step is no graph, "" where it is one   layers: paths of those that run by themselves, whose own
    launches are not counted   largest: the largest batch up to this one that fits on the card
    """

    shape: tuple
    precision: str
    card: Card
    groups: tuple
    arena: int
    kept: int
    no_graph: str
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
            f"launches   {self._graph()}",
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

    def _graph(self):
        if self.no_graph:
            return f"{self.total.launches}, and those of loss and update; no graph, because {self.no_graph}"
        return f"{self.total.launches} in the first step of a shape, one graph from the second one on"

    def _fit(self):
        if self.largest >= self.shape[0]:
            return ""
        return f": too little, a batch of {self.largest} fits" if self.largest else ": too little for one image"


def forecast(model: Layer, shape: tuple[int, ...], precision: str = "float32", card: str = "h100") -> Forecast:
    """The :class:`Forecast` of a training step of ``model`` on images of ``shape`` (N, C, H, W), by SGD.

    It needs neither a GPU nor CuPy. Raises RangeError for an unknown precision or card, for one that the kernels do not
    run on, for a batch of no or too many images, and where there is no plan.
    """
    if not 1 <= shape[0] <= LARGEST:
        raise RangeError(f"batch is {shape[0]}, expected 1 to {LARGEST:,} images")
    if precision not in PRECISIONS:
        raise RangeError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    found = card_of(card)
    if found.reason:
        raise RangeError(f"card {card}: {found.reason}")
    update = _Update(model)
    try:
        plan = Plan(model, shape, FLOAT32, "train", input_gradient=False)
        program, why = _whole_step(plan, precision, update)
    except Unsuited as reason:
        raise RangeError(f"no plan for {' x '.join(map(str, shape))}: {reason}") from None
    kept = 3 * sum(parameter.data.nbytes for _, parameter in model.params())
    return Forecast(
        shape=tuple(shape),
        precision=precision,
        card=found,
        groups=tuple(_groups(program, found, update)),
        arena=program.bytes,
        kept=kept,
        no_graph=why,
        layers=tuple(sorted({o.path for o in program.plan.operations if o in program.layered or _launches(o)})),
        largest=_largest(program, found.gigabytes * 1e9 - kept),
    )


def _groups(program, card, update):
    """What the launches of each group add up to."""
    traffic, costs = Traffic(program), {}
    for owner, item in traffic.items:
        clear = owner is None and isinstance(item, Call)  # of the gradients, at the begin of a whole step
        moved = update.slots["g"].nbytes if clear else traffic.bytes(owner, item)
        flops = traffic.flops(owner, item)
        ms = [1e3 * moved / card.bandwidth, 1e3 * flops / card.rate(program.precision)]
        numbers = [1 if clear else launches_of(item), flops / 1e9, moved / 1e6, *ms, max(ms)]
        name = _group(owner, item)
        costs[name] = [a + b for a, b in zip(costs.get(name, [0] * len(numbers)), numbers)]
    return [Group(name, *numbers) for name, numbers in costs.items()]


def _whole_step(plan, precision, update):
    """(the program of a step, why it is none of whole steps): then the loss and the update are the layers' own."""
    results = [Given((1,), dtype) for dtype in (FLOAT32, INT32, INT32)]
    try:
        return StepProgram(plan, precision, Feed(plan.shape, 0), SoftmaxCrossEntropy(), update, results), ""
    except Unsuited as reason:
        return Program(plan, precision), str(reason)


class _Update:
    """SGD over all parameters in one array, as :class:`~.parameters.Parameters` has them, without the numbers."""

    def __init__(self, model):
        runs = sum(whole(p.data.size, steps.ALIGNED) for _, p in model.params())
        numbers, shares = (Given((size,), FLOAT32) for size in (runs * steps.ALIGNED, runs))
        self.slots = {name: Given(numbers.shape, FLOAT32) for name in ("p", "velocity", "g")}
        self.slots |= {name: Given(shares.shape, FLOAT32) for name in ("decay", "part")}

    def launch(self, lr):
        s = self.slots
        return steps.sgd(s["p"], s["velocity"], s["g"], s["decay"], s["part"], lr, 0.9)


def _group(operation, item):
    """The child of the model that an operation belongs to; of a step beside it what it is for."""
    if operation is not None:
        return operation.path.split(".")[0] or "(model)"
    return {"weight.cu": "weights", "loss.cu": "loss"}.get(getattr(item, "file", ""), "update")


def _launches(operation):
    """Whether a layer of the definition launches something: a view does not."""
    return isinstance(operation, Foreign) and kind_of(operation.layer) is not Flatten


def _largest(program, free):
    """The largest batch up to that of the program that fits."""
    return program.plan.images if program.bytes <= free else largest_batch(program, free)
