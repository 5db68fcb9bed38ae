"""A plan as a table."""

import math
import textwrap
from collections.abc import Callable

from .operations import Convolution, Foreign, Operation
from .plan import Plan

HEAD = f"{'layer':<38} {'algorithm':<20} {'MFLOP':>8} {'MB':>7} {'forward ms':>10} {'backward ms':>11}"


def table(
    plan: Plan,
    how: list[str],
    algorithm: Callable[[Operation], str],
    forward: dict[Operation, float],
    backward: dict[Operation, float],
) -> str:
    """A line for each operation of the forward: what it is, its work, and its time, the mean over all runs so far.

    how: what a device says of the whole, the first of it behind the shape   algorithm: what of an operation
    forward, backward: milliseconds of the operations

    MFLOP: 10^6 multiplications and additions of the definition   MB: 10^6 bytes read and written, each value once
    ms: summed over the threads; filters, which are made once for all chunks, are not in it
    """
    shape = " x ".join(map(str, plan.shape))
    lines = [f"{plan.mode}, {shape}, {plan.dtype}, {how[0]}", *how[1:], HEAD]
    sums = [0.0] * 4
    for o in plan.operations:
        numbers = [_flops(plan, o) / 1e6, _bytes(plan, o) / 1e6, forward.get(o, 0.0), backward.get(o, 0.0)]
        sums = [a + b for a, b in zip(sums, numbers)]
        lines.append(_line(o.path or "(model)", algorithm(o), numbers))
    return "\n".join([*lines, _line("sum", "", sums), *_foreign(plan)])


def _foreign(plan):
    """Why some layers run whole."""
    layers = [o for o in plan.operations if isinstance(o, Foreign)]
    for own, reason in ((False, "the engine has no kernel for it there"), (True, "runs by methods of its own")):
        paths = [o.path or "(model)" for o in layers if o.own is own]
        if paths:
            yield textwrap.fill(f"(layer): {reason}: {', '.join(paths)}", 100, subsequent_indent="  ")


def _line(name, algorithm, numbers):
    name = name if len(name) <= 38 else f"...{name[-35:]}"
    flops, megabytes, forward, backward = numbers
    return f"{name:<38} {algorithm:<20} {flops:8.1f} {megabytes:7.1f} {forward:10.2f} {backward:11.2f}".rstrip()


def _flops(plan, operation):
    return operation.geometry.flops * plan.images if isinstance(operation, Convolution) else 0


def _bytes(plan, operation):
    return plan.dtype.itemsize * plan.images * sum(math.prod(v.shape) for v in (*operation.inputs, operation.y))
