"""The CUDA sources: which kernels there are in which precision, and how a GPU gets them.

A precision is what products multiply and activations are stored in: "float32" (three TF32 products each), "tf32" (one),
"bf16". Kernels that only move or add numbers know the stored type alone.
"""

from pathlib import Path

import numpy as np

from ..values import Unsuited

FOLDER = Path(__file__).parent / "kernels"
PRECISIONS = {"float32": ("Float32", "float"), "tf32": ("Tf32", "float"), "bf16": ("Bf16", "bf16")}
TILES = ((128, 64), (64, 64), (128, 32), (128, 16))  # pixels, channels of a block of a convolution
SIDES = (64, 32)  # channels, channels of a block of the weights' gradient
OPTIONS = ("-std=c++17",)
NULL = np.uint64(0)  # no array: CuPy hands None over as an address that CUDA reads

PRODUCTS = {
    "convolution.cu": [f"convolution<{{product}}, {r}, {c}, {b}>" for r, c in TILES for b in ("false", "true")],
    "weight.cu": [f"weight_gradient<{{product}}, {side}>" for side in SIDES],
}
PASSES = {
    "weight.cu": ["weight_merge", "weight_pack<{stored}>", "bias_gradient<{stored}>"],
    "norm.cu": ["norm_coefficients", "norm_track", "norm_constant", "norm_slopes", "part_statistics<{stored}>"],
    "join.cu": ["join<{stored}>", "assemble<{stored}>", "part<{stored}>", "part_back<{stored}>"],
    "pool.cu": [
        "max_pool<{stored}>",
        "pool_back<{stored}, true>",
        "mean_pool<{stored}>",
        "pool_back<{stored}, false>",
        "global_mean<{stored}>",
        "global_back<{stored}>",
    ],
    "gate.cu": [f"{name}<{{stored}}>" for name in ("scale", "gate", "gate_back", "activate", "activate_back")],
    "loss.cu": ["cross_entropy<{stored}>", "cross_entropy_sum"],
    "optimizer.cu": ["sgd", "adamw"],
    "images.cu": ["batch<{stored}>", "enter<{stored}>", "leave<{stored}>"],
}
FILES = sorted(PRODUCTS.keys() | PASSES.keys())


def source(file):
    """The text that is compiled behind ``ptx.cuh``: all that runs on the host too."""
    return "\n".join((FOLDER / name).read_text() for name in ("common.cuh", "product.cuh", file))


def kernels(file, precision):
    """The names of the kernels of ``file`` in ``precision``, as C++ writes them."""
    product, stored = PRECISIONS[precision]
    names = PRODUCTS.get(file, []) + PASSES.get(file, [])
    return [name.format(product=product, stored=stored) for name in names]


class Modules:
    """The compiled kernels of one GPU. ``xp``: CuPy; a file is compiled when its first kernel is asked for."""

    def __init__(self, xp, precision):
        self.xp, self.precision, self.loaded, self.kernels = xp, precision, {}, {}

    def require(self, keys):
        """Compile these kernels; raise Unsuited where NVRTC, its headers or the driver cannot: layers need none."""
        try:
            for key in keys:
                self[key]
        except Exception as error:
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise Unsuited(f"the kernels cannot be compiled ({reason})") from error

    def __getitem__(self, key):
        """``modules["join.cu", "join<float>"]``: a kernel, called with (grid, block, arguments)."""
        if key not in self.kernels:
            file, name = key
            if file not in self.loaded:
                code = (FOLDER / "ptx.cuh").read_text() + source(file)
                names = kernels(file, self.precision)
                self.loaded[file] = self.xp.RawModule(code=code, options=OPTIONS, name_expressions=names)
            self.kernels[key] = self.loaded[file].get_function(name)
        return self.kernels[key]
