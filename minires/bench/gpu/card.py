"""Part 1: the card, its driver, the versions, and the ceilings of this very card: a copy, products in TF32 and bf16."""

import platform
from importlib import metadata
from typing import Any

import numpy as np

from ...engine.cuda import products
from ...engine.cuda.launches import Window, pitch
from ...engine.cuda.modules import Modules
from .device import milliseconds, open_device

PACKAGES = ("numpy", "cupy-cuda13x", "cupy-cuda12x", "torch", "minires")


def run(dry_run: bool, tell: Any) -> None:
    xp = open_device(dry_run)
    runtime = xp.cuda.runtime
    number = runtime.getDevice()
    tell(
        card=runtime.getDeviceProperties(number)["name"].decode(),
        capability=xp.cuda.Device().compute_capability,
        memory=xp.cuda.Device().mem_info,
        driver=runtime.driverGetVersion(),
        runtime=runtime.runtimeGetVersion(),
        python=platform.python_version(),
        versions={name: version for name in PACKAGES if (version := _version(name))},
    )
    bytes_, side, rounds = (1 << 16, 64, 1) if dry_run else (1 << 32, 8192, 7)
    x, y = xp.empty(bytes_, dtype="uint8"), xp.empty(bytes_, dtype="uint8")
    time = milliseconds(xp, lambda: xp.copyto(y, x), 1 if dry_run else 5, rounds)
    tell(ceiling="copy", terabytes_s=2 * bytes_ / time["ms"] / 1e9, **time)
    for precision in ("tf32", "bf16"):
        launch = _product(xp, precision, side)
        time = milliseconds(xp, launch, 1 if dry_run else 5, rounds)
        tell(ceiling=f"product of ours, {precision}", side=side, tflops=2 * side**3 / time["ms"] / 1e9, **time)
    a = xp.ones((side, side), dtype="float32")
    time = milliseconds(xp, lambda: a @ a, 1 if dry_run else 5, rounds)
    tell(ceiling="product of cuBLAS, tf32", side=side, tflops=2 * side**3 / time["ms"] / 1e9, **time)


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _product(xp, precision, side):
    """The product of two square matrices as a convolution of 1 x 1 pixels, bound."""
    one = Window.of(1, 1)
    g = products.Geometry(side, side, side, 1, one, one)
    stored = np.uint16 if precision == "bf16" else np.float32
    x, y, weight = (xp.zeros((side, pitch(side)), dtype=stored) for _ in range(3))
    return products.forward(precision, g, x, weight, y).bind(Modules(xp, precision))
