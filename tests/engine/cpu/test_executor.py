"""What a run notes of itself, and what the next one makes of it: the same calls on the same memory."""

import copy

import numpy as np
import pytest
from engine.equality import images, network
from oracles import assert_same, run

import minires
from minires.engine.cpu import blas, constants, executor
from minires.engine.cpu.memory import Workspace
from minires.engine.cpu.phases import Phase
from minires.layers import BatchNorm2d, Conv2d, Linear, ReLU, Sequential


def bits(model, x, dy):
    return {name: array.tobytes() for name, array in run(model, x, dy, True).items()}


@pytest.mark.parametrize("name", ["resnet8", "seresnet8", "highway8", "densenet_10_6", "preact_resnet8"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_repeated_run_computes_what_a_first_one_does(name, threads):
    model = network(name, dtype=np.float32)
    fast = minires.compile(model, threads=threads)
    for seed in range(4):
        x, dy = images(19, 2, 9, 7, seed=seed, dtype=np.float32), images(19, 3, seed=seed + 9, dtype=np.float32)
        first = minires.compile(copy.deepcopy(model), threads=threads)
        assert bits(fast, x, dy) == bits(first, x, dy)
        for param, _ in zip(fast.params(), range(3)):
            param[1].data = param[1].data + np.float32(0.1)  # numbers of new arrays


def test_steps_are_asked_once_then_their_calls_repeated(monkeypatch):
    asked = []
    add = Phase.add

    def count(phase, step, owner, **where):
        add(phase, lambda *arguments: (asked.append(owner), step(*arguments)), owner, **where)

    monkeypatch.setattr(Phase, "add", count)
    fast = minires.compile(network("resnet8", dtype=np.float32), threads=2)
    x = images(5, 2, 9, 9, dtype=np.float32)
    numbers = []
    for _ in range(5):
        y, cache = fast.forward(x, True)
        fast.backward(y, cache)
        del cache
        numbers.append(len(asked))
    assert 0 < numbers[0] < numbers[1]  # the work areas have been laid out anew
    assert numbers[2:] == [numbers[2]] * 3


def test_weights_may_be_frozen_between_two_runs():
    model = Sequential(Conv2d(2, 4, 3, padding=1, rng=0), Conv2d(4, 3, 3, padding=1, rng=1)).to(dtype=np.float64)
    fast, layer = minires.compile(model, threads=2), next(model.children())[1]
    x = images(4, 2, 9, 9)
    y, cache = fast.forward(x, True)
    grads = []
    for frozen in (False, True, False, True):
        fast.zero_grads()
        layer.weight.frozen = frozen
        y, cache = fast.forward(x, True)
        fast.backward(y, cache)
        grads.append(layer.weight.grad.copy())
    assert grads[0].any() and np.array_equal(grads[0], grads[2])
    assert not grads[1].any() and not grads[3].any()


def test_means_may_move_far_from_zero_and_back():
    """Sums of products serve near zero, products with what is left of the mean elsewhere: other calls."""
    model = Sequential(Conv2d(2, 4, 3, padding=1, rng=0), BatchNorm2d(4), ReLU(), Conv2d(4, 3, 1, rng=1)).to(
        dtype=np.float64
    )
    fast = minires.compile(model, threads=2)
    for offset in (0, 0, 300, 300, 0):
        x = images(6, 2, 9, 9, seed=offset) + offset
        dy = images(6, 3, 9, 9, seed=1)
        expected = run(model, x, dy, True)
        for _ in range(2):
            found = run(fast, x, dy, True)
            found = {name: array for name, array in found.items() if "running" not in name}  # moved by both
            assert_same(found, {name: expected[name] for name in found}, 1e-9)


def test_the_buffer_of_numpy_is_the_caller_s_again():
    before = np.getbufsize()
    seen = []
    fast = minires.compile(network("resnet8"), threads=2)
    x = images(3, 2, 9, 9)
    y, cache = fast.forward(x, True)
    executor.TEAM.run(lambda item, seat: seen.append(np.getbufsize()), range(2), [0, 1])
    assert np.getbufsize() == before != constants.BUFFER
    assert sorted(seen) == sorted([before, constants.BUFFER])
    with pytest.raises(ValueError, match="shape"):
        with executor._computing():
            np.zeros(3) + np.zeros(4)
    assert np.getbufsize() == before


@pytest.mark.parametrize(("threaded", "alone"), [(10**9, True), (0, False)])
def test_a_linear_layer_of_a_usual_size_wakes_no_threads_of_blas(threaded, alone, monkeypatch):
    """They would wait for more on the cores of the next phases."""
    if (before := blas.threads()) is None:
        pytest.skip("this BLAS cannot be asked")
    seen, forward, backward = [], Linear.forward, Linear.backward

    def watched(method):
        return lambda *args, **settings: seen.append(blas.threads()) or method(*args, **settings)

    monkeypatch.setattr(constants, "THREADED", threaded)
    monkeypatch.setattr(Linear, "forward", watched(forward))
    monkeypatch.setattr(Linear, "backward", watched(backward))
    fast = minires.compile(network("resnet8"), threads=2)
    fast.forward(images(3, 2, 9, 9), True)
    seen.clear()  # what was asked to make the plan
    y, cache = fast.forward(images(3, 2, 9, 9), True)
    fast.backward(np.ones_like(y), cache)
    assert seen == [1 if alone else before] * 2 and blas.threads() == before


def test_arrays_of_a_work_area_are_laid_side_by_side_once():
    work = Workspace(np.dtype(np.float32))
    arrays = {name: work.array(name, (length,)) for name, length in (("a", 5), ("b", 7), ("a", 9))}
    work.gather()
    again = {name: work.array(name, array.shape) for name, array in arrays.items()}
    assert not any(np.shares_memory(arrays[name], again[name]) for name in arrays)
    assert again["a"].base is again["b"].base or np.shares_memory(again["a"].base, again["b"].base)
    grown = work.grown
    work.gather()
    assert work.grown == grown and work.array("a", (9,)) is again["a"]
    work.array("b", (8,))
    assert work.grown == grown + 1


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", ["resnet8", "preact_resnet8", "densenet_10_6", "seresnet8", "resnet18"])
def test_zeros_around_large_chunks_are_written_anew(name, train, monkeypatch):
    """Their memory is that of the whole phase: from the second run on the numbers of others stand there."""
    monkeypatch.setattr(constants, "CLEAN", 0)
    model, fast = network(name), minires.compile(network(name), threads=2)
    for seed in range(3):
        x, dy = images(3, 2, 20, 20, seed=seed), images(3, 3, seed=seed + 9)
        assert_same(run(fast, x, dy, train), run(model, x, dy, train), 1e-9)
        assert_same({"y": fast(x)}, {"y": model(x)}, 1e-9)
    (seats,) = next(iter(fast._executors.values())).free["crews"]
    assert not any(phase is None for phase, _ in seats[0]._sizes)


def test_at_most_so_many_lists_of_calls_are_kept():
    fast = minires.compile(network("resnet8", dtype=np.float32), threads=1)
    x = images(2, 2, 9, 9, dtype=np.float32)
    caches = [fast.forward(x, True) for _ in range(2 * executor.RECORDS)]
    (one,) = fast._executors.values()
    assert len(one.records) == executor.RECORDS
    found = [bits_of(fast.backward(y, cache)) for y, cache in caches]
    assert len(set(found)) == 1


def bits_of(array):
    return array.tobytes()
