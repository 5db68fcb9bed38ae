"""Threads that share one compiled model: no wrong result, no growth of memory."""

import gc
import threading
import tracemalloc

import numpy as np
import pytest
from engine.equality import images, network

import minires
from minires.engine.cpu import blas
from minires.layers import BatchNorm2d

THREADS = 8


def shared_model(threads):
    """Running statistics stay where they are, so that inference has one right answer during training."""
    model = network("resnet8", dtype=np.float64)
    for _, layer in model.walk():
        if isinstance(layer, BatchNorm2d):
            layer.momentum = 0.0
    return minires.compile(model, threads=threads)


class Work:
    """Rounds of training and inference on inputs of two shapes, each compared with what one thread alone computes."""

    def __init__(self, threads=2):
        self.fast = shared_model(threads)
        self.inputs = [images(n, 2, 8, 8, seed=n) for n in (3, 5)]
        self.dys = [images(len(x), 3, seed=9) for x in self.inputs]
        self.expected = [self._answer(x, dy) for x, dy in zip(self.inputs, self.dys)]
        self.grads = []
        for x, dy in zip(self.inputs, self.dys):
            self.fast.zero_grads()
            self._answer(x, dy)
            self.grads.append({path: p.grad.copy() for path, p in self.fast.params()})
        self.fast.zero_grads()
        self.wrong, self.trained, self.lock = [], [0, 0], threading.Lock()

    def _answer(self, x, dy):
        y, cache = self.fast.forward(x, True)
        return y, self.fast.backward(dy, cache), self.fast(x)

    def rounds(self, thread, count):
        for k in range(count):
            which = (thread + k) % 2
            x, dy, expected = self.inputs[which], self.dys[which], self.expected[which]
            if k % 3 == 2:
                right = np.array_equal(self.fast(x), expected[2])
            else:
                y, cache = self.fast.forward(x, True)
                other = self.fast(self.inputs[1 - which])
                dx = self.fast.backward(dy, cache)
                right = np.array_equal(y, expected[0]) and np.array_equal(dx, expected[1])
                right &= np.array_equal(other, self.expected[1 - which][2])
                with self.lock:
                    self.trained[which] += 1
            if not right:
                self.wrong.append((thread, k))

    def run(self, count):
        threads = [threading.Thread(target=self.rounds, args=(k, count)) for k in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def ready(self):
        """How many frames and work areas lie ready."""
        gc.collect()
        return [{kind: len(free) for kind, free in run.free.items()} for run in self.fast._executors.values()]


@pytest.mark.parametrize("rounds", [25, pytest.param(125, marks=pytest.mark.slow)])
def test_eight_threads_share_one_model(rounds):
    """Training and inference interleaved, 1,000 rounds in the slow one; y and dx equal bit by bit."""
    work, before = Work(), blas.threads()
    work.run(rounds)
    assert not work.wrong
    assert sum(work.trained) == THREADS * sum(k % 3 != 2 for k in range(rounds))
    for path, p in work.fast.params():
        expected = sum(count * grads[path] for count, grads in zip(work.trained, work.grads))
        assert np.allclose(p.grad, expected, rtol=1e-9, atol=1e-9 * abs(expected).max()), path
    for ready in work.ready():
        assert ready["forward"] <= 2 * THREADS  # the next is made before one is dropped
        assert ready["backward"] <= THREADS and ready["crews"] <= THREADS
    assert blas.threads() == before
    assert sum(thread.name == "minires" for thread in threading.enumerate()) < 2 * THREADS


def test_memory_stays_as_it_is():
    """After the first rounds, in which each memory makes its views, no more is taken: 100 bytes a round would show."""
    work, used = Work(threads=1), []
    tracemalloc.start()
    for _ in range(4):
        work.rounds(0, 24)
        gc.collect()
        used.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert used[3] - used[1] < 48 * 100, used
