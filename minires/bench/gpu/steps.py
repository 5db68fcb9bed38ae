"""Part 4: whole steps of training, minires and PyTorch, each framework in a process of its own."""

import gc
import statistics
import time
from typing import Any

import numpy as np

from ...backend import to_device
from ...engine import compile
from ...engine.devices import PRECISIONS
from ...losses import SoftmaxCrossEntropy
from ...models import build
from ...train import SGD, compile_step, train_step
from ..subject import nodes_of
from ..worker import with_torch
from .device import milliseconds, open_device

CASES = (("resnet20", (128, 3, 32, 32)), ("resnet20", (1024, 3, 32, 32)), ("resnet50", (64, 3, 224, 224)))
DRY = (("resnet8", (2, 3, 8, 8)),)
SETTINGS = {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4}


def run_minires(dry_run: bool, tell: Any) -> None:
    """The layers, the engine launch by launch, and as one graph."""
    xp = open_device(dry_run)
    for name, shape in DRY if dry_run else CASES:
        for system in ("engine with graph", "engine", "layers"):
            own = ["float32"] if dry_run else PRECISIONS
            for precision in ["tf32"] if system == "layers" else own:  # those of cuBLAS, see day.TF32
                row = {"network": name, "batch": shape[0], "system": f"minires {system}", "precision": precision}
                step = _step(system, name, shape, precision)
                for _ in range(3):
                    step()
                often = (1, 1) if dry_run else (_repeats(step), 7)
                found = milliseconds(xp, step, *often)
                tell(**row, **found, images_s=1e3 * shape[0] / found["ms"] if found["ms"] else None)
                del step
                gc.collect()


def _step(system, name, shape, precision):
    """A step as a function without arguments."""
    model = build(name, num_classes=1000 if "50" in name else 10, rng=0).to(device="cuda")
    loss, sgd = SoftmaxCrossEntropy(), SGD(model.params(), **SETTINGS)
    rng = np.random.default_rng(0)
    x = to_device(rng.standard_normal(shape).astype(np.float32), "cuda")
    labels = to_device(rng.integers(0, 10, shape[0]), "cuda")
    if system == "layers":
        return lambda: train_step(model, loss, sgd, x, labels, SETTINGS["lr"])
    fast = compile(model, input_gradient=False, precision=precision)
    step = compile_step(fast, loss, sgd, graph=system == "engine with graph")
    return lambda: step(x, labels, SETTINGS["lr"])


def _repeats(step, seconds=0.5):
    """So many steps as take about ``seconds``, at most 50."""
    began = time.perf_counter()
    step()
    return int(min(50, max(3, seconds / max(time.perf_counter() - began, 1e-3))))


def run_torch(dry_run: bool, tell: Any) -> None:
    """PyTorch at the same precisions; the compiled ones last."""
    try:
        import torch
    except ImportError as error:
        tell(absent=f"PyTorch cannot be imported ({error})")
        return
    device = "cpu" if dry_run else "cuda"
    if not dry_run:
        torch.backends.cudnn.benchmark = True
    systems = ["eager", "channels_last", "AMP channels_last"] + ([] if dry_run else ["compiled", "compiled AMP"])
    for name, shape in DRY if dry_run else CASES:
        for system in systems:
            for precision in ("bf16",) if "AMP" in system else ("float32", "tf32")[: 1 if dry_run else 2]:
                step = _torch_step(torch, name, shape, system, precision, device)
                for _ in range(1 if dry_run else 5):
                    step()
                found = _torch_time(torch, step, *((1, 1) if dry_run else (_repeats(step), 7)))
                row = {"network": name, "batch": shape[0], "system": f"PyTorch {system}", "precision": precision}
                tell(**row, **found, images_s=1e3 * shape[0] / found["ms"])


def _torch_step(torch, name, shape, system, precision, device):
    model = build(name, num_classes=1000 if "50" in name else 10, rng=0)
    arrays = {path: tensor.data for path, tensor in model.tensors()}
    net = with_torch.network(nodes_of(model), arrays).to(device).train()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    layout = torch.channels_last if "channels_last" in system else torch.contiguous_format
    net = net.to(memory_format=layout)
    net = torch.compile(net) if "compiled" in system else net
    sgd = torch.optim.SGD(net.parameters(), **SETTINGS)
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal(shape).astype(np.float32)).to(device).contiguous(memory_format=layout)
    labels = torch.from_numpy(rng.integers(0, 10, shape[0])).to(device)

    def step():
        sgd.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = torch.nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        sgd.step()

    return step


def _torch_time(torch, step, repeats, rounds):
    """As :func:`.device.milliseconds`; without a GPU by the clock."""
    times = []
    for _ in range(rounds):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(repeats):
            step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - began) / repeats)
    return {"ms": statistics.median(times), "least": min(times), "most": max(times)}
