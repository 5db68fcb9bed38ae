"""Part 2: gradients of whole networks against float64 on the CPU, twice the same bits, nothing that waits."""

import copy
from typing import Any

import numpy as np

from ...backend import to_device, to_numpy
from ...engine import compile
from ...engine.devices import PRECISIONS
from ...losses import SoftmaxCrossEntropy
from ...models import build
from ...train import SGD, compile_step
from .device import open_device, without_waiting

LIMITS = {"float32": 1e-5, "tf32": 2e-3, "bf16": 2e-2}  # of a network's gradients, |found - exact| / |exact|
CASES = {"resnet20": (8, 3, 32, 32), "densenetbc_40_12": (4, 3, 32, 32), "resnet50": (4, 3, 64, 64)}
STEPS = 3  # the second is captured, the third replays
DRY = {"resnet8": (2, 3, 8, 8)}


def run(dry_run: bool, tell: Any) -> str | None:
    """Returns a sentence where something is wrong."""
    xp, wrong = open_device(dry_run), []
    for name, shape in (DRY if dry_run else CASES).items():
        for precision in ("float32",) if dry_run else PRECISIONS:
            row = _compare(xp, name, shape, precision)
            tell(network=name, shape=shape, precision=precision, **row)
            if row["error"] > row["limit"] or not row["same_bits"]:
                wrong.append(f"{name} in {precision}")
        same = _steps(name, shape, True) == _steps(name, shape, False)
        tell(network=name, steps=STEPS, graph_is_the_same=same)
        wrong += [] if same else [f"the graph of {name}"]
    return f"wrong: {', '.join(wrong)}" if wrong else None


def _compare(xp, name, shape, precision):
    rng = np.random.default_rng(0)
    model = build(name, num_classes=10, rng=0)
    x = rng.standard_normal(shape).astype(np.float32)
    dy = rng.standard_normal((shape[0], 10)).astype(np.float32)
    exact = _gradients(copy.deepcopy(model).to(dtype=np.float64), x.astype(np.float64), dy.astype(np.float64))
    fast = compile(model.to(device="cuda"), precision=precision)
    at = to_device(x, "cuda"), to_device(dy, "cuda")
    fast.backward(at[1], fast.forward(at[0], True)[1])  # compiles
    with without_waiting(xp):
        y, cache = fast.forward(at[0], True)
        fast.backward(at[1], cache)
    found, again = (_gradients(fast, *at) for _ in range(2))
    norm = np.sqrt(sum(float((exact[k] ** 2).sum()) for k in exact))
    error = np.sqrt(sum(float(((found[k] - exact[k]) ** 2).sum()) for k in exact)) / norm
    same = all(found[k].tobytes() == again[k].tobytes() for k in found)
    return {"error": error, "limit": LIMITS[precision], "same_bits": same}


def _gradients(model, x, dy):
    """{path: gradient}, with dx."""
    model.zero_grads()
    dx = model.backward(dy, model.forward(x, True)[1])
    return {"dx": to_numpy(dx).copy()} | {path: to_numpy(p.grad).copy() for path, p in model.params()}


def _steps(name, shape, graph):
    """The bytes of all tensors after a few steps, with a graph or launch by launch."""
    rng = np.random.default_rng(1)
    model = build(name, num_classes=10, rng=0).to(device="cuda")
    step = compile_step(model, SoftmaxCrossEntropy(), SGD(model.params(), 0.1), graph=graph)
    x = to_device(rng.standard_normal(shape).astype(np.float32), "cuda")
    labels = to_device(rng.integers(0, 10, shape[0]), "cuda")
    for _ in range(STEPS):
        step(x, labels, 0.1)
    return [to_numpy(tensor.data).tobytes() for _, tensor in model.tensors()]
