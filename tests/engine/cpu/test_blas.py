"""BLAS on one thread while the engine computes, and as before behind it."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import minires
from minires.engine.cpu import blas
from minires.layers import Conv2d, Layer, Sequential

pytestmark = pytest.mark.skipif(blas.threads() is None, reason="this BLAS cannot be asked for its threads")


@pytest.fixture(autouse=True)
def two_threads():
    """BLAS on two threads, so that a restored number can be told from one."""
    get, set_ = blas._functions()
    before = get()
    set_(2)
    yield
    set_(before)


def test_one_inside_and_restored():
    assert blas.threads() == 2
    with blas.one_thread():
        assert blas.threads() == 1
        with blas.one_thread():
            assert blas.threads() == 1
        assert blas.threads() == 1
    assert blas.threads() == 2


def test_restored_after_an_error():
    with pytest.raises(KeyError), blas.one_thread():
        raise KeyError
    assert blas.threads() == 2


def test_overlapping_blocks_restore_at_the_last():
    """The first to begin is the first to end; the number stays one until the other has ended."""
    inside, leave, left = threading.Event(), threading.Event(), threading.Event()

    def first():
        with blas.one_thread():
            inside.set()
            leave.wait()
        left.set()

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with blas.one_thread():
        leave.set()
        left.wait()
        assert blas.threads() == 1
    thread.join()
    assert blas.threads() == 2


class Witness(Layer):
    """A layer that the engine does not know; it notes the threads of BLAS, or raises."""

    def __init__(self):
        self.seen, self.fails = [], False

    def forward(self, x, train=False):
        self.seen.append(blas.threads())
        if self.fails:
            raise KeyError("planted")
        return x, None

    def backward(self, dy, cache):
        self.seen.append(blas.threads())
        return dy


def test_every_call_of_a_compiled_model_restores():
    """A layer of its own computes on the whole batch and has all threads of BLAS."""
    witness = Witness()
    fast = minires.compile(Sequential(Conv2d(3, 4, 3, padding=1, rng=0), witness), threads=2)
    x = np.ones((4, 3, 6, 6), np.float32)
    y, cache = fast.forward(x, True)
    assert blas.threads() == 2
    fast.backward(y, cache)
    assert blas.threads() == 2
    fast(x)
    assert blas.threads() == 2
    assert set(witness.seen) == {2}
    witness.fails = True
    with pytest.raises(KeyError, match="planted"):
        fast(x)
    assert blas.threads() == 2
    witness.fails = False
    assert np.array_equal(fast(x), fast(x))


def test_its_kernels_are_named():
    assert blas.kernels().startswith("OpenBLAS's ")
    fast = minires.compile(Conv2d(3, 4, 3, rng=0))
    fast(np.ones((2, 3, 6, 6), np.float32))
    assert fast.describe().splitlines()[1] == f"products by {blas.kernels()}"


@pytest.mark.parametrize(
    "core, bits, ending",
    [
        ("SkylakeX", 512, "SkylakeX kernels"),
        ("SkylakeX", 256, "SkylakeX kernels"),
        ("Zen", 256, "Zen kernels"),
        ("neoversen1", 128, "neoversen1 kernels"),
        ("Haswell", 512, "Haswell kernels, 256 bits; the processor has 512: a newer NumPy may have them"),
        ("Nehalem", 256, "Nehalem kernels, 128 bits; the processor has 256: a newer NumPy may have them"),
    ],
)
def test_kernels_below_the_processor(monkeypatch, core, bits, ending):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setattr(blas, "_says", lambda what: core)
    monkeypatch.setattr(blas, "_processor_bits", lambda: bits)
    assert blas.kernels() == f"OpenBLAS's {ending}"


@pytest.mark.skipif(blas._processor_bits() < 256, reason="this processor has no kernels wider than those of Nehalem")
def test_a_variable_that_holds_the_kernels_down():
    """In a process of its own: OpenBLAS reads the variable when it is loaded."""
    code = "from minires.engine.cpu import blas; print(blas.kernels())"
    settings = os.environ | {"OPENBLAS_CORETYPE": "Nehalem", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    found = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=60)
    assert ", 128 bits; " in found.stdout and found.stdout.endswith(": unset OPENBLAS_CORETYPE\n"), found
