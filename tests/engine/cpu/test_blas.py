"""BLAS on one thread while the engine computes, and as before behind it."""

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
