"""How long the numbers of a plan live: what backward reads, what it computes again, and who may share memory."""

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterable

from .operations import Convolution, Join, MaxPool, Operation
from .values import Value


def saved(operations: list[Operation]) -> set[Value]:
    """The values that backward reads."""
    return {v for o in operations for v in o.saves}


def computed_again(operations: list[Operation], kept: set[Value]) -> dict[Value, Join]:
    """{value: its join}: what backward computes again, from what it keeps anyway.

    The join stands right before a convolution or a max pooling, and others only add its value, so backward needs it at
    one place only: a pass over it in place of the memory of a batch (Chen et al. 2016, "Training Deep Nets with
    Sublinear Memory Cost", section 4). Of the sums along the shortcuts of a stage that is every second one.
    """
    readers: dict[Value, list[Operation]] = defaultdict(list)
    for o in operations:
        for v in {*o.inputs}:
            readers[v].append(o)
    again: dict[Value, Join] = {}
    for join, reader in itertools.pairwise(operations):
        if isinstance(join, Join) and isinstance(reader, (Convolution, MaxPool)) and reader.x == join.y:
            others = [o for o in readers[join.y] if o is not reader]
            if all(_adds(o, join.y) for o in others) and all(v in kept and v not in again for v in join.inputs):
                again[join.y] = join
    return again


def _adds(operation: Operation, value: Value) -> bool:
    """Whether the operation adds the value, as it is: no gradient of it depends on the value then."""
    return isinstance(operation, Join) and all(t.affine is None for t in operation.terms if t.value == value)


def share(spans: Iterable[tuple[Hashable, Hashable, int, int]]) -> dict:
    """{item: place}: items of one form that do not live at once have one place, numbered for each form.

    spans: (item, form, first use, last use) in the order of the first use
    """
    places, taken = {}, {}
    for item, form, first, last in spans:
        ends = taken.setdefault(form, [])
        place = next((k for k, end in enumerate(ends) if end < first), len(ends))
        ends[place : place + 1] = [last]
        places[item] = place
    return places


def offsets(spans: Iterable[tuple[Hashable, int, int, int]], align: int = 256) -> tuple[dict, int]:
    """({item: where it begins in one arena}, the size of the arena); items that live at once do not overlap.

    spans: (item, bytes or numbers, first use, last use). The largest is placed first, each as low as those allow that
    it meets (Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference", section 5, greedy by
    size).
    """
    placed: list[tuple[int, int, int, int]] = []
    found, total = {}, 0
    for item, size, first, last in sorted(spans, key=lambda span: (-span[1], span[2])):
        begin, size = 0, -(-size // align) * align
        for low, high, since, until in sorted(placed):
            if first <= until and since <= last:
                if begin + size <= low:
                    break
                begin = max(begin, high)
        placed.append((begin, begin + size, first, last))
        found[item], total = begin, max(total, begin + size)
    return found, total
