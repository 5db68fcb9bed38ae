"""Part 3: every launch of a step by events, beside its bytes, products and floor; the products beside cuBLAS."""

from collections import defaultdict
from typing import Any

import numpy as np

from ...backend import to_device
from ...engine.cuda.cards import CARDS, card_here
from ...engine.cuda.frame import Frame
from ...engine.cuda.modules import Modules
from ...engine.cuda.program import Program
from ...engine.cuda.slots import Call, Unless
from ...engine.cuda.traffic import Traffic
from ...engine.operations import Convolution
from ...engine.plan import Plan
from ...layers import Conv2d
from ...models import build
from .device import milliseconds, open_device

CASES = (("resnet20", (128, 3, 32, 32), "tf32"), ("resnet50", (64, 3, 224, 224), "bf16"))
DRY = (("resnet8", (2, 3, 8, 8), "float32"),)
SLOWER = 1.1  # what is slower than cuBLAS by a tenth is not merged


def run(dry_run: bool, tell: Any) -> None:
    xp = open_device(dry_run)
    card = card_here(xp) or CARDS["h100"]  # its floors are only a scale
    for name, shape, precision in DRY if dry_run else CASES:
        model = build(name, rng=0).to(device="cuda")
        x = to_device(np.random.default_rng(0).standard_normal(shape).astype(np.float32), "cuda")
        program = Program(Plan(model, shape, np.float32, "train", False), precision)
        _launches(xp, name, program, x, card, tell, (1, 1) if dry_run else (10, 3))
        seen = set()
        for o in program.plan.operations:
            if type(o) is Convolution and o.geometry not in seen:  # no linear map, which is one for this engine
                seen.add(o.geometry)
                _product(xp, name, o, program, card, tell, (1, 1) if dry_run else (5, 3))
                if dry_run and len(seen) == 2:
                    break


def _launches(xp, name, program, x, card, tell, often):
    """A row for each kernel: how often it is launched, and what all of its launches take."""
    frame, traffic = Frame(program, xp, Modules(xp, program.precision), {}), Traffic(program)
    frame.arrays[program.plan.input] = x
    frame.bind()
    for call in frame.forward:  # all arrays get numbers
        call()
    sums = defaultdict(lambda: np.zeros(5))
    items = [(owner, item) for owner, item in traffic.items if not isinstance(item, Call)]
    for owner, item in items:
        call = frame.call(item.launch if isinstance(item, Unless) else item)
        time = milliseconds(xp, call, *often)["ms"]
        moved, flops = traffic.bytes(owner, item), traffic.flops(owner, item)
        sums[item.name] += 1, time, moved, flops, 1e3 * traffic.seconds(owner, item, card, program.precision)
    for kernel, (count, time, moved, flops, floor) in sorted(sums.items(), key=lambda pair: -pair[1][1]):
        tell(
            network=name,
            precision=program.precision,
            kernel=kernel,
            launches=int(count),
            ms=time,
            gigabytes_s=moved / time / 1e6 if time else None,
            tflops=flops / time / 1e9 if time else None,
            floor_ms=floor,
            of_floor=floor / time if time else None,
        )


def _product(xp, name, o, program, card, tell, often):
    """Forward, and both gradients, of one convolution: ours, and im2col before cuBLAS, which the layers are."""
    g, images = o.geometry, program.plan.images
    layer = Conv2d(g.channels, g.out_channels, g.kernel, **_settings(o.layer), bias=False, rng=0).to(device="cuda")
    shape = (images, g.channels, *g.size)
    rng = np.random.default_rng(0)
    x = to_device(rng.standard_normal(shape).astype(np.float32), "cuda")
    dy = to_device(rng.standard_normal((images, g.out_channels, *g.out)).astype(np.float32), "cuda")
    own = Program(Plan(layer, shape, np.float32, "train"), program.precision)
    frame = Frame(own, xp, Modules(xp, program.precision), {})
    frame.arrays[own.plan.input] = x
    frame.bind()
    y, cache = layer.forward(x, True)
    frame.arrays[own.plan.output] = dy
    ours = {
        "forward": _calls(frame, own.forward, "convolution"),
        "gradients": _calls(frame, own.backward, ("convolution", "weight_")),
    }
    theirs = {"forward": lambda: layer.forward(x, True), "gradients": lambda: layer.backward(dy, cache)}
    for what, calls in ours.items():
        if not calls:
            continue
        mine = milliseconds(xp, lambda calls=calls: [call() for call in calls], *often)["ms"]
        other = milliseconds(xp, theirs[what], *often)["ms"]
        tell(
            network=name,
            product=f"{what} {'x'.join(map(str, g.kernel))} {g.channels} -> {g.out_channels} at {g.out[0]}",
            precision=program.precision,
            ms=mine,
            cublas_tf32_ms=other,
            cutile="no cubins were exported",
            merge=bool(mine <= SLOWER * other),
        )


def _settings(layer):
    names = ("stride", "padding", "dilation", "groups")
    return {name: getattr(layer, name) for name in names}


def _calls(frame, items, names):
    launches = [item.launch if isinstance(item, Unless) else item for item in items]
    return [frame.call(i) for i in launches if getattr(i, "name", "").startswith(names)]
