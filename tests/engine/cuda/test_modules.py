"""The CUDA sources as texts: what they may use and how long they are; how they reach a GPU."""

import re

import numpy as np
import pytest

from minires.engine.cuda import modules
from minires.engine.cuda.launches import MOST, Launch, arguments, numbers, pitch, record
from minires.engine.values import Unsuited

SOURCES = sorted(modules.FOLDER.iterdir())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_source_fits_in_the_head_and_needs_no_header(path):
    text = path.read_text()
    assert text.startswith("// ") and len(text.splitlines()) <= 260
    assert max(map(len, text.splitlines())) <= 135
    for forbidden in ("#include", "atomic", "double", "printf"):
        assert forbidden not in text, forbidden
    if path.name != "ptx.cuh":
        assert "asm" not in text, "PTX stands in ptx.cuh alone"
    if path.suffix == ".cu":
        assert re.search(r"^// +\w.*= ", text, re.M), "begins with its equations"
        assert re.search(r"[Ff]loor", text), "says what it must move"


@pytest.mark.parametrize("file", modules.FILES)
def test_every_kernel_is_known_in_every_precision(file):
    """Each ``__global__`` function has a name that is compiled, and each name a function."""
    found = set(
        re.findall(r"__global__ void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\(", (modules.FOLDER / file).read_text())
    )
    for precision in modules.PRECISIONS:
        assert {name.split("<")[0] for name in modules.kernels(file, precision)} == found


class Cupy:
    """Counts what is compiled."""

    def __init__(self):
        self.made = []

    def RawModule(self, **settings):
        self.made.append(settings)
        return self

    def get_function(self, name):
        return lambda *call: (name, call)


def test_a_file_is_compiled_once_and_a_launch_calls_its_kernel():
    cupy = Cupy()
    loaded = modules.Modules(cupy, "bf16")
    launch = Launch("join.cu", "join<bf16>", (3, 1), 256, (1, 2))
    assert launch.bind(loaded)() == ("join<bf16>", ((3, 1), (256,), (1, 2)))
    launch.bind(loaded), loaded["join.cu", "part<bf16>"]
    (made,) = cupy.made
    assert made["name_expressions"] == modules.kernels("join.cu", "bf16") and "mma.sync" in made["code"]


def test_arguments_have_the_types_of_the_kernels():
    array = np.zeros(2, np.float32)
    found = arguments(None, array, 3, True, 0.5, record(1, 2))
    assert [getattr(a, "dtype", None) for a in found[:5]] == [np.uint64, np.float32, np.int32, np.int32, np.float32]
    assert found[1] is array and found[5].nbytes == 8 and found[5].dtype.names


def test_what_32_bits_cannot_count_is_left_to_the_layers():
    assert numbers(10, 3) == 80 and pitch(3) == 8
    with pytest.raises(Unsuited, match="more than the kernels can count"):
        numbers(MOST // 8 + 1, 3)
