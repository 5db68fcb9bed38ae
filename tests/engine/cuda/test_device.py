"""The kernels on a GPU, against NumPy float64: the checks of the emulation, launched by CuPy."""

import ctypes
import math

import numpy as np
import pytest
from engine.cuda import checks_passes, checks_pools, checks_products

from minires.engine.cuda.modules import PRECISIONS, Modules

PRODUCTS = {
    "forward": checks_products.forward,
    "backward": checks_products.backward,
    "weights": checks_products.weight_gradient,
}
PASSES = {f.__name__: f for f in (checks_passes.batch_norm, checks_passes.constant_maps, checks_passes.gradient)}
POOLS = {f.__name__: f for f in (checks_pools.maximum, checks_pools.mean)}
pytestmark = pytest.mark.gpu


class Device:
    """Runs launches on a GPU: host arrays go there, each once, and come back."""

    def __init__(self, xp, precision):
        self.xp, self.modules = xp, Modules(xp, precision)

    def __call__(self, *launches):
        for launch in launches:
            there, arguments = {}, list(launch.arguments)
            if launch.name.startswith("weight_pack"):
                arguments[0] = weights = self.xp.asarray(_weights(*launch.arguments))
                arguments[0] = self.xp.asarray(np.array([weights.data.ptr], np.int64))
            for k, value in enumerate(arguments):
                if isinstance(value, np.ndarray) and value.dtype.names is None:
                    if id(value) not in there:
                        there[id(value)] = value, self.xp.asarray(value)
                    arguments[k] = there[id(value)][1]
            self.modules[launch.file, launch.name](launch.grid, (launch.threads,), tuple(arguments))
            for host, device in there.values():
                host[...] = device.get()


def _weights(addresses, packed, table):
    """The one weight that is named by its address on the host."""
    _, _, *shape, _ = table[0].tolist()
    size = math.prod(shape)
    return np.ctypeslib.as_array((ctypes.c_float * size).from_address(int(addresses[0])))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", checks_products.CASES)
@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_on_a_gpu_is_that_of_float64(gpu, product, case, precision):
    PRODUCTS[product](Device(gpu, precision), case, precision)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("size", [(530, 130), (77, 16)], ids=str)
@pytest.mark.parametrize("check", PASSES)
def test_a_pass_on_a_gpu_is_that_of_float64(gpu, check, size, precision):
    PASSES[check](Device(gpu, precision), precision, *size)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("case", checks_pools.POOLS)
@pytest.mark.parametrize("check", POOLS)
def test_a_pool_on_a_gpu_is_that_of_the_layer(gpu, check, case, precision):
    POOLS[check](Device(gpu, precision), precision, case)
