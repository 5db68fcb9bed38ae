"""A plan as a table."""

import math
import textwrap

from .blas import kernels
from .operations import Convolution

KINDS = {
    "avgpool": "average pool",
    "concat": "concatenate",
    "entrywise": "entry by entry",
    "excite": "scale channels",
    "gate": "gate",
    "load": "into chunks",
    "maxpool": "max pool",
    "mean": "mean",
    "store": "out of chunks",
}
HEAD = f"{'layer':<38} {'algorithm':<20} {'MFLOP':>8} {'MB':>7} {'forward ms':>10} {'backward ms':>11}"


def table(plan):
    """A line for each operation of the forward: what it is, its work, and its time, the mean over all runs so far.

    MFLOP: 10^6 multiplications and additions of the definition   MB: 10^6 bytes read and written, each value once
    ms: summed over the threads; filters, which are made once for all chunks, are not in it
    """
    forward, backward = _times(plan, plan.phases, plan.runs[0]), _times(plan, plan.backward_phases, plan.runs[1])
    shape = " x ".join(map(str, plan.shape))
    lines = [
        f"{plan.mode}, {shape}, {plan.dtype}, chunks of {max(plan.sizes)} images, {len(plan.phases)} + "
        f"{len(plan.backward_phases)} phases",
        *([f"products by {kernels()}"] if kernels() else []),
        HEAD,
    ]
    sums = [0.0] * 4
    for operation in plan.operations:
        numbers = [
            _flops(plan, operation) / 1e6,
            _bytes(plan, operation) / 1e6,
            forward.get(operation, 0.0),
            backward.get(operation, 0.0),
        ]
        sums = [a + b for a, b in zip(sums, numbers)]
        lines.append(_line(operation.path or "(model)", _algorithm(plan, operation), numbers))
    return "\n".join([*lines, _line("sum", "", sums), *_foreign(plan)])


def _foreign(plan):
    """Why some layers run whole."""
    layers = [o for o in plan.operations if o.kind == "foreign"]
    for own, reason in ((False, "the engine has no kernel for it there"), (True, "runs by methods of its own")):
        paths = [o.path or "(model)" for o in layers if o.details["own"] is own]
        if paths:
            yield textwrap.fill(f"(layer): {reason}: {', '.join(paths)}", 100, subsequent_indent="  ")


def _line(name, algorithm, numbers):
    name = name if len(name) <= 38 else f"...{name[-35:]}"
    flops, megabytes, forward, backward = numbers
    return f"{name:<38} {algorithm:<20} {flops:8.1f} {megabytes:7.1f} {forward:10.2f} {backward:11.2f}".rstrip()


def _times(plan, phases, runs):
    """{operation: milliseconds}."""
    times = {}
    for seat in list(plan.free["seats"]):
        for phase, spent in list(seat.spent.items()):
            if phase in phases:
                for owner, seconds in zip(phase.owners, spent):
                    times[owner] = times.get(owner, 0.0) + 1e3 * seconds / max(runs, 1)
    return times


def _algorithm(plan, operation):
    if operation.kind == "foreign":
        return f"{type(operation.layer).__name__} (layer)"
    work = plan.work[operation]
    if isinstance(work, Convolution):
        return f"{work.kernel_type.name} {'x'.join(map(str, work.geometry.kernel))}"
    if operation.kind == "join":
        terms = operation.details["terms"]
        parts = [*("norm" for t in terms if t.affine is not None and t.affine.normalises)][:1]
        parts += [*("bias" for t in terms if t.affine is not None and not t.affine.normalises)][:1]
        parts += ["add"] * (len(terms) > 1) + ["relu"] * operation.details["relu"]
        return ", ".join(parts) or "copy"
    return KINDS[operation.kind]


def _flops(plan, operation):
    work = plan.work.get(operation)
    return work.geometry.flops * plan.images if isinstance(work, Convolution) else 0


def _bytes(plan, operation):
    return plan.dtype.itemsize * plan.images * sum(map(_numbers, [*operation.inputs, operation.output]))


def _numbers(value):
    shape = value.shape if hasattr(value, "shape") else (value.channels, *value.size)
    return math.prod(shape)
