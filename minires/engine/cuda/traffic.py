"""What a launch must move and multiply, whatever it runs on: each of its arrays once, the padding of rows too."""

import math
from types import ModuleType
from typing import Any

from ..operations import Convolution
from ..values import Value
from .cards import card_here
from .slots import Addresses, Behind, Call, Constant, Given, Held, Slot, Unless

PRODUCTS = "convolution<", "weight_gradient<"
ADDS = {"convolution": 2, "part_back": 0, "pool_back": 0, "global_back": 0, "scale": 0, "activate_back": 0}
ONTO = {
    "weight_merge": (1,),
    "bias_gradient": (1,),
    "sgd": (0, 1),
    "adamw": (0, 1, 2, 4),
}  # arrays that are read and written


class Traffic:
    """Of a :class:`~.program.Program`: ``items`` of a run, (operation, launch or call), and what each costs."""

    def __init__(self, program):
        self.images = program.plan.images
        pairs = zip(program.owners, [*program.forward, *program.backward])
        self.items = [(owner, launch) for owner, item in pairs if (launch := _runs(item)) is not None]
        self._ends = {}
        for _, item in self.items:
            if getattr(item, "name", "").startswith("weight_pack"):
                _, packed, table = item.arguments
                begins = sorted(begin for row in table.value[:, :2] for begin in row.tolist() if begin >= 0)
                self._ends |= zip(begins, [*begins[1:], packed.size])

    def bytes(self, owner, item):
        """Read and written."""
        if isinstance(item, Call):
            stored = sum(slot.nbytes for slot in item.slots)
            values = [v for v in (*owner.inputs, owner.y) if isinstance(v, Value)] if item.slots else []
            return stored + 4 * self.images * sum(math.prod(value.shape) for value in values)
        sizes = [self._size(value) for value in item.arguments]
        return sum(sizes) + sum(sizes[k] for k in _again(item))

    def flops(self, owner, item):
        """Multiplications and additions of the definition's products."""
        if isinstance(owner, Convolution) and getattr(item, "name", "").startswith(PRODUCTS):
            return owner.geometry.flops * self.images
        return 0

    def seconds(self, owner, item, card, precision):
        """The floor of one launch on a card: what its bytes or its products take, whichever takes longer."""
        return max(self.bytes(owner, item) / card.bandwidth, self.flops(owner, item) / card.rate(precision))

    def floor(self, card, precision):
        """Milliseconds below which a run cannot be on a card: the floors of its launches, one after the other."""
        return 1e3 * sum(self.seconds(*pair, card, precision) for pair in self.items)

    def _size(self, value):
        if isinstance(value, (Slot, Given)):
            return value.nbytes
        if isinstance(value, Behind):
            return (self._ends[value.begin] - value.begin) * value.slot.dtype.itemsize
        if isinstance(value, Addresses):
            return sum(held.tensor.data.nbytes + 8 for held in value.held)
        if isinstance(value, Held):
            gone = value.gradient and value.tensor.frozen
            return 0 if gone else value.tensor.data.nbytes
        return value.value.nbytes if isinstance(value, Constant) else 0


def floor_here(program: Any, xp: ModuleType) -> list[str]:
    """A line for describe(): the floor on the GPU in use; none where its card is not known."""
    if (card := card_here(xp)) is None or card.reason:
        return []
    floor = Traffic(program).floor(card, program.precision)
    return [f"floor {floor:.3f} ms: what the launches must move and multiply takes as long on {card.name}"]


def _runs(item):
    """The launch or call, None where it is left out."""
    if isinstance(item, Unless):
        return None if item.tensor.frozen else item.launch
    return item


def _again(launch):
    """Which arguments are read before they are written."""
    name = launch.name.partition("<")[0]
    if name == "gate_back":
        return [k for k in range(3) if int(launch.arguments[-1]) >> k & 1]
    if name in ADDS:
        return [ADDS[name]] * bool(int(launch.arguments[-1]))
    return ONTO.get(name, ())
