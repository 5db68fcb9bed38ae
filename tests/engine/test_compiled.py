"""A compiled model is its model: the same parameters, paths, errors, caches that do not disturb each other, bits."""

import copy
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import textwrap
import tracemalloc
import weakref

import numpy as np
import pytest
from engine.equality import assert_as_definition, entered, images, network
from oracles import assert_same, run

import minires
from minires import layers as L
from minires.engine import Compiled
from minires.engine.compiled import KEPT
from minires.errors import DTypeError, MiniresError, RangeError, StateError
from minires.gradcheck import gradcheck
from minires.layers.parts import replace
from minires.layers import observe
from minires.trace import trace
from minires.train import SGD
from minires.weights import load_weights, read_weights, save_weights


def pair(name="resnet8", dtype=np.float64, **settings):
    model = network(name, dtype=dtype)
    return model, minires.compile(model, threads=2, **settings)


# --- bits


BATCHES = (1, 2, 7, 31, 33, 65)


@pytest.mark.parametrize("n", BATCHES)
def test_the_same_bits_for_any_number_of_threads_and_from_run_to_run(n):
    model = network("resnet8", dtype=np.float32)
    x, dy = images(n, 2, 9, 7, dtype=np.float32), images(n, 3, seed=3, dtype=np.float32)
    answers = []
    for threads in (1, 2, 3, 5, 2):
        fast = minires.compile(copy.deepcopy(model), threads=threads)
        for _ in range(2):  # memory that has been used, and new one
            before = [(t, t.data) for _, t in fast.tensors()]
            answer = run(fast, x, dy, True)
            answers.append({name: a.tobytes() for name, a in answer.items()} | {"infer": fast(x).tobytes()})
            for tensor, data in before:
                tensor.data = data
    assert all(answer.keys() == answers[0].keys() for answer in answers)
    assert not [name for answer in answers for name in answer if name != "infer" and answer[name] != answers[0][name]]
    assert len({answer["infer"] for answer in answers}) == 1


@pytest.mark.parametrize("name", ["resnet8", "preact_resnet11", "resnext11_2x4d", "resnet18"])
def test_the_products_of_one_image_are_shared(name, monkeypatch):
    monkeypatch.setattr("minires.engine.cpu.constants.SHARED", 500)
    model, x = network(name), images(1, 2, 40, 36)
    answers = {
        run(minires.compile(copy.deepcopy(model), threads=n), x, images(1, 3, seed=3), True)["dx"].tobytes()
        for n in (1, 2, 3, 5)
    }
    assert len(answers) == 1
    for train in (True, False):
        assert_as_definition(model, x, train, threads=3)


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("shape", [*((n, 9, 7) for n in BATCHES), (3, 28, 28), (2, 30, 30), (2, 33, 33), (9, 7, 5)])
@pytest.mark.parametrize("name", ["resnet8", "preact_resnet8"])
def test_batches_and_sizes(name, shape, train):
    n, height, width = shape
    assert_as_definition(network(name), images(n, 2, height, width), train, threads=3)


@pytest.mark.parametrize("n", [2, 33, 65])
def test_statistics_of_every_chunk_count(n):
    """Chunks with means far apart, and far from zero: the sums are merged without cancellation."""
    model = entered(3, L.BatchNorm2d(3)).to(dtype=np.float32)
    x = images(n, 3, 5, 4, dtype=np.float32) + 300 * np.arange(n, dtype=np.float32)[:, None, None, None] + 1000
    minires.compile(model).forward(x, True)
    exact = x.astype(np.float64)
    assert np.allclose(model[1].running_mean.data, 0.1 * exact.mean((0, 2, 3)), rtol=1e-6)
    assert np.allclose(model[1].running_var.data, 0.9 + 0.1 * exact.var((0, 2, 3), ddof=1), rtol=1e-5)


@pytest.mark.parametrize("layer", ["definition", "engine"])
@pytest.mark.parametrize("mean", [0, 10, 100, 1000])
def test_normalisation_far_from_zero(mean, layer):
    """Deviation 1, and the package's bound for float32: 8 K u, K the length of the sums."""
    x = images(8, 3, 6, 6, dtype=np.float32) + np.float32(mean)
    dy = images(8, 3, 6, 6, seed=3, dtype=np.float32)
    model = entered(3, L.BatchNorm2d(3)).to(dtype=np.float32)
    exact = run(copy.deepcopy(model).to(dtype=np.float64), x.astype(np.float64), dy.astype(np.float64), True)
    found = run(minires.compile(model) if layer == "engine" else model, x, dy, True)
    del exact["0.weight"]  # sums of 1000 dy that cancel
    for name, expected in exact.items():
        bound = 8 * (8 * 6 * 6) * 2.0**-24 * abs(expected).max()
        assert abs(found[name] - expected).max() <= bound, name


# --- re-entrancy


def test_two_caches_in_flight_and_each_twice():
    model, fast = pair()
    inputs = [images(3, 2, 9, 9, seed=k) for k in (1, 2)]
    dys = [images(3, 3, seed=k) for k in (3, 4)]
    expected = [{name: value.copy() for name, value in run(model, x, dy, True).items()} for x, dy in zip(inputs, dys)]
    forwards = [fast.forward(x, True) for x in inputs]
    fast(inputs[1])
    fast.forward(inputs[1], False)
    for k in (1, 0, 1):
        for _ in range(2):
            fast.zero_grads()
            assert np.array_equal(forwards[k][0], fast.forward(inputs[k], True)[0])
            found = {"y": forwards[k][0], "dx": fast.backward(dys[k], forwards[k][1])}
            found |= {path: p.grad for path, p in fast.params()}
            assert_same(found, {name: expected[k][name] for name in found}, 1e-10)


def test_gradients_are_added():
    _, fast = pair()
    x, dy = images(3, 2, 9, 9), images(3, 3, seed=3)
    _, cache = fast.forward(x, True)
    fast.zero_grads()
    fast.backward(dy, cache)
    once = {path: p.grad.copy() for path, p in fast.params()}
    fast.backward(dy, cache)
    assert_same({path: p.grad for path, p in fast.params()}, {path: 2 * g for path, g in once.items()}, 1e-12)


def frames(fast):
    """How many frames of the forward lie ready, in all plans."""
    return sum(len(one.free["forward"]) for one in fast._executors.values())


def test_a_cache_that_is_dropped_returns_its_memory():
    _, fast = pair()
    x = images(3, 2, 9, 9)
    y, first = fast.forward(x, True)
    _, second = fast.forward(x, True)
    assert frames(fast) == 0
    del first
    gc.collect()
    assert frames(fast) == 1
    _, third = fast.forward(x, True)
    assert frames(fast) == 0
    del second, third
    gc.collect()
    assert frames(fast) == 2
    kept = y.copy()
    for _ in range(5):
        fast.forward(2 * x, True)
    assert frames(fast) == 2
    assert np.array_equal(y, kept)  # the output is the caller's


def test_many_steps_keep_the_number_of_frames():
    _, fast = pair()
    for n in (3, 5, 3, 5):
        for _ in range(4):
            y, cache = fast.forward(images(n, 2, 9, 9), True)
            fast.backward(y, cache)
            fast(images(n, 2, 9, 9))
    del cache
    gc.collect()
    for one in fast._executors.values():
        assert len(one.free["forward"]) <= 2 and len(one.free["crews"]) == 1  # the next is made before one is dropped
        assert len(one.free["backward"]) == (one.plan.mode != "infer")  # used again, not made anew


def test_arrays_of_the_caller_are_let_go():
    """The memory that waits for the next run holds neither input nor output, nor their gradients."""
    _, fast = pair()
    x = images(3, 2, 9, 9)
    y, cache = fast.forward(x, True)
    dy = y.copy()
    dx, z = fast.backward(dy, cache), fast(x)
    arrays = [weakref.ref(a) for a in (x, y, dy, dx, z)]
    del x, y, dy, dx, z, cache
    gc.collect()
    assert [a() for a in arrays] == [None] * 5


class Fragile(L.Layer):
    """The identity, until it is told to fail."""

    def __init__(self):
        self.fails = ""

    def forward(self, x, train=False):
        if self.fails == "forward":
            raise KeyError("planted")
        return x, None

    def backward(self, dy, cache):
        if self.fails == "backward":
            raise KeyError("planted")
        return dy


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_an_error_in_the_middle_leaves_it_usable(way):
    fragile = Fragile()
    model = L.Sequential(
        L.Conv2d(2, 4, 3, padding=1, rng=0), L.BatchNorm2d(4), L.ReLU(), fragile, L.Conv2d(4, 3, 3, padding=1, rng=1)
    ).to(dtype=np.float64)
    fast = minires.compile(model, threads=2)
    x, dy = images(5, 2, 7, 7), images(5, 3, 7, 7, seed=3)
    expected = {name: value.copy() for name, value in run(copy.deepcopy(model), x, dy, True).items()}
    y, cache = fast.forward(x, True)
    statistics = [(t, t.data) for _, t in fast.tensors()]
    fragile.fails = way
    for _ in range(3):
        with pytest.raises(KeyError, match="planted"):
            _ = fast.forward(x, True) if way == "forward" else fast.backward(dy, cache)
    fragile.fails = ""
    for tensor, data in statistics:
        assert tensor.data is data  # nothing has moved
    fast.zero_grads()
    found = {"y": y, "dx": fast.backward(dy, cache)} | {path: p.grad for path, p in fast.params()}
    assert_same(found, {name: expected[name] for name in found}, 1e-11)
    assert np.array_equal(fast.forward(x, True)[0], y)


def test_an_error_on_another_thread_leaves_it_usable(monkeypatch):
    from minires.engine.cpu.steps.pool import MaxPoolStep

    model = L.Sequential(L.Conv2d(2, 4, 3, padding=1, rng=0), L.MaxPool2d(2)).to(dtype=np.float64)
    fast = minires.compile(model, threads=3)
    x = images(70, 2, 6, 6)
    with monkeypatch.context() as patch:
        whole = MaxPoolStep.forward

        def fail(self, frame, i, workspace):
            if i == 2:
                raise KeyError("planted")
            whole(self, frame, i, workspace)

        patch.setattr(MaxPoolStep, "forward", fail)
        with pytest.raises(KeyError, match="planted"):
            minires.compile(model, threads=3)(x)
    assert np.allclose(fast(x), model(x), rtol=0, atol=1e-12)


# --- the parameters are the model's


def test_the_same_objects_under_the_same_paths():
    model, fast = pair("seresnet8")
    assert [path for path, _ in fast.walk()] == [path for path, _ in model.walk()]
    assert all(a is b for (_, a), (_, b) in zip(fast.walk(), model.walk(), strict=True))
    for kind in ("tensors", "params", "generators"):
        ours, theirs = dict(getattr(fast, kind)()), dict(getattr(model, kind)())
        assert ours.keys() == theirs.keys() and all(ours[path] is theirs[path] for path in ours)
    assert dict(fast.children()) == dict(model.children())
    assert fast.at("stage2.0") is model.at("stage2.0")
    assert repr(model.at("head.fc")) in repr(fast) and repr(fast).startswith("Compiled(")
    assert minires.compile(fast).definition is model


def test_an_optimiser_moves_what_is_computed_next():
    """Filters are made anew: a step must show in all modes."""
    model, fast = pair()
    x, dy = images(3, 2, 9, 9), images(3, 3, seed=3)
    for train in (True, False):
        for _ in range(3):
            _, cache = fast.forward(x, train)
            fast.zero_grads()
            fast.backward(dy, cache)
            before = fast(x)
            SGD(fast.params(), lr=1e-5).step(1e-5)
            twin = copy.deepcopy(model)
            assert np.allclose(fast(x), twin(x), rtol=1e-9, atol=1e-9)
            assert np.allclose(fast.forward(x, False)[0], twin(x), rtol=1e-9, atol=1e-9)
            assert not np.allclose(fast(x), before, rtol=1e-5, atol=1e-5)
            assert np.allclose(fast.forward(x, True)[0], twin.forward(x, True)[0], rtol=1e-9, atol=1e-9)


def test_weights_are_saved_and_loaded(tmp_path):
    model, fast = pair(dtype=np.float32)
    other = network("resnet8", dtype=np.float32)
    for _, tensor in other.tensors():
        tensor.data = tensor.data * np.float32(1.1)
    x = images(3, 2, 9, 9, dtype=np.float32)
    save_weights(tmp_path / "fast.safetensors", fast)
    saved = read_weights(tmp_path / "fast.safetensors")
    assert sum(a.size for a in saved.values()) == sum(t.data.size for _, t in model.tensors())
    before = fast(x)
    save_weights(tmp_path / "other.safetensors", minires.compile(other))
    load_weights(tmp_path / "other.safetensors", fast)
    assert np.allclose(fast(x), other(x), rtol=1e-4, atol=1e-4)
    assert not np.allclose(fast(x), before, rtol=1e-3, atol=1e-3)


def test_frozen_parameters_get_no_gradient():
    model, fast = pair()
    fast.freeze()
    free = dict(fast.params())["stage2.0.add.branch.conv1.weight"]
    free.frozen = False
    x, dy = images(3, 2, 9, 9), images(3, 3, seed=3)
    expected = {name: value.copy() for name, value in run(copy.deepcopy(model), x, dy, True).items()}
    assert_same(run(fast, x, dy, True), expected, 1e-10)
    assert not [path for path, p in fast.params() if p is not free and p.grad.any()]
    assert free.grad.any()


def test_frozen_weights_cost_nothing(monkeypatch):
    from minires.engine.cpu.kernels import KERNELS

    _, fast = pair()
    fast.freeze()
    y, cache = fast.forward(images(3, 2, 9, 9), True)
    for kind in KERNELS:
        monkeypatch.setattr(kind, "weight_gradient", None)
    fast.backward(y, cache)


def test_another_dtype():
    model, fast = pair(dtype=np.float32)
    x = images(3, 2, 9, 9)
    fast(x.astype(np.float32))
    assert fast.to(dtype=np.float64) is fast
    assert fast(x).dtype == np.float64
    assert np.allclose(fast(x), model(x), rtol=0, atol=1e-10)


def test_another_layer_in_the_place_of_one():
    model, fast = pair()
    x = images(3, 2, 9, 9)
    before = fast(x)
    swapped = {"stage1.0.relu": L.LeakyReLU(0.3)}
    assert np.allclose(replace(fast, swapped)(x), replace(model, swapped)(x), rtol=0, atol=1e-10)
    assert np.array_equal(fast(x), before)
    fast.set_child("stage1", L.Scale(0.5))
    assert type(model.at("stage1")) is L.Scale
    assert np.allclose(fast(x), model(x), rtol=0, atol=1e-10)
    assert abs(fast(x) - before).max() > 1e-3


def test_a_copy_is_independent():
    _, fast = pair()
    x = images(3, 2, 9, 9)
    y = fast(x)
    twin = copy.deepcopy(fast)
    assert isinstance(twin, Compiled) and twin.threads == fast.threads
    for _, p in twin.params():
        p.data *= 0.5
    assert np.array_equal(fast(x), y)
    assert abs(twin(x) - y).max() > 1e-3


@pytest.mark.parametrize("way", ["pickle", "copy", "deepcopy"])
def test_a_copy_computes_the_same_bits(way):
    _, fast = pair()
    x, dy = images(3, 2, 9, 9), images(3, 3, seed=3)
    inference = fast(x)
    make = {"pickle": lambda f: pickle.loads(pickle.dumps(f)), "copy": copy.copy, "deepcopy": copy.deepcopy}[way]
    twin = make(fast)
    assert vars(twin).keys() == vars(fast).keys() and (twin.threads, twin.input_gradient) == (2, True)
    assert (twin.definition is fast.definition) == (way == "copy")
    assert np.array_equal(twin(x), inference)
    state = [(t, t.data) for _, t in fast.tensors()]
    expected = {name: a.tobytes() for name, a in run(fast, x, dy, True).items()}
    for tensor, data in state:
        tensor.data = data
    assert {name: a.tobytes() for name, a in run(twin, x, dy, True).items()} == expected


def test_another_process_computes_the_same_bits(monkeypatch):
    """Started anew ("spawn"), not forked: everything goes through pickle."""
    monkeypatch.undo()  # the other process cuts small batches as it does
    fast, x = minires.compile(network("resnet8"), threads=2), images(3, 2, 9, 9)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert np.array_equal(pool.apply(fast, (x,)), fast(x))


@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle"])
def test_a_cache_is_not_copied(how, capsys):
    """A copy would give away the memory of the first when it goes."""
    _, fast = pair()
    x, dy = images(3, 2, 9, 9), images(3, 3, seed=3)
    _, cache = fast.forward(x, True)
    fast.zero_grads()
    expected = fast.backward(dy, cache)
    copying = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": pickle.dumps}[how]
    for content in (cache, [cache]):
        if how != "copy" or content is cache:
            with pytest.raises(StateError, match="cannot be copied or pickled"):
                copying(content)
    gc.collect()
    assert capsys.readouterr().err == ""
    fast.forward(2 * x, True)
    assert np.array_equal(fast.backward(dy, cache), expected)


def test_the_cache_of_the_definition_may_be_copied():
    """Where the definition runs the cache is a value, as it is there."""
    model = entered(2, L.ReLU())
    model.at("1").forward = model.at("1").forward
    fast, x = minires.compile(model), images(2, 2, 4, 4)
    y, cache = fast.forward(x, True)
    assert np.array_equal(fast.backward(y, copy.copy(cache)), fast.backward(y, cache))


def test_the_last_plans_are_kept():
    _, fast = pair()
    sizes = range(5, 5 + 3 * KEPT)
    plans = []
    for size in sizes:
        fast(images(1, 2, size, size))
        fast(images(1, 2, 5, 5))  # always in use
        plans.append(weakref.ref(fast._executor(images(1, 2, size, size), "infer")))
        assert len(fast._executors) <= KEPT
    assert [size for size, plan in zip(sizes, plans) if plan()] == [5, *sizes[-KEPT + 1 :]]  # gone without a collection


def test_a_cache_outlives_its_plan():
    model, fast = pair()
    x, dy = images(3, 2, 9, 9), images(3, 3, seed=3)
    expected = {name: value.copy() for name, value in run(copy.deepcopy(model), x, dy, True).items()}
    y, cache = fast.forward(x, True)
    for size in range(5, 6 + KEPT):
        fast(images(1, 2, size, size))
        fast.forward(images(2, 2, size, size), False)
    assert cache.executor not in fast._executors.values()
    fast.zero_grads()
    found = {"y": y, "dx": fast.backward(dy, cache)} | {path: p.grad for path, p in fast.params()}
    assert_same(found, {name: expected[name] for name in found}, 1e-10)


def test_many_sizes_of_images_do_not_fill_the_memory():
    """Sizes that come once: no more memory for 40 of them than for the plans that are kept."""
    fast = minires.compile(L.Sequential(L.Conv2d(3, 64, 3, padding=1, rng=0), L.ReLU()))
    tracemalloc.start()
    try:
        used = []
        for size in range(40, 80):
            fast(np.zeros((2, 3, size, size), np.float32))
            used.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    one = 2 * 64 * 80 * 80 * 4
    assert used[-1] < KEPT * 4 * one < 0.5 * 40 * 4 * one


def test_gradcheck_and_trace_on_the_same_parameters():
    model, fast = pair()
    x = images(3, 2, 9, 9)
    assert gradcheck(fast, x, directions=1).worst_error < 1e-10
    y, cache = fast.forward(x, True)
    fast.zero_grads()
    dx = fast.backward(y, cache)
    ledger = trace(model, x, dy=y)
    assert ledger.closure_error < 1e-10
    assert_same({"dx": dx}, {"dx": ledger.dx}, 1e-10)


def test_observe_sees_every_layer_once():
    model, fast = pair("densenet_10_6")
    x = images(2, 2, 9, 9)
    seen = {}
    for layer in (model, fast):
        events = seen[layer] = []
        observed = observe(layer, lambda path, part, x, y, to=events: to.append((path, id(part), x.shape, y.copy())))
        observed.forward(x, True)
        observed.forward(x, True)
    assert len(seen[fast]) == len(seen[model]) > 20
    for found, expected in zip(seen[fast], seen[model]):
        assert found[:3] == expected[:3]
        assert np.allclose(found[3], expected[3], rtol=0, atol=1e-10)


@pytest.mark.parametrize("groups", [2, 4, 8])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("n", [1, 3])
def test_what_is_not_finite_stays_in_its_group(groups, kernel, n):
    """By any of the algorithms; inside its group it reaches at least the pixels that it reaches in the definition."""
    conv = L.Conv2d(8, 16, kernel, padding=kernel // 2, groups=groups, bias=True, rng=0)
    model = L.Sequential(conv, L.BatchNorm2d(16), L.ReLU()).to(dtype=np.float64)
    x = images(n, 8, 9, 9)
    x[0, 0, 4, 4] = np.inf
    with np.errstate(invalid="ignore"):
        for train in (False, True):
            found, expected = (m.forward(x, train)[0] for m in (minires.compile(model, threads=1), model))
            wrong = ~np.isfinite(found)
            assert wrong[:, : 16 // groups].any() and not wrong[:, 16 // groups :].any()
            assert not (~np.isfinite(expected) & ~wrong).any()
            assert np.allclose(found[~wrong], expected[~wrong], rtol=1e-9, atol=1e-9)


def test_a_layer_that_is_watched_is_called():
    model, _ = pair()
    x, calls = images(2, 2, 9, 9), []
    relu = model.at("stage1.0.relu")
    own = relu.forward
    relu.forward = lambda x, train=False: calls.append(x.shape) or own(x, train)
    fast = minires.compile(model)
    fast.forward(x, True)
    assert calls == [(2, 16, 9, 9)]


def test_input_of_any_layout():
    model, fast = pair()
    x = images(2, 2, 9, 9)
    expected = fast(x)
    readonly = x.copy()
    readonly.flags.writeable = False
    layouts = (x.astype(">f8"), readonly, np.asfortranarray(x), x[::-1].copy()[::-1], x.repeat(2, axis=3)[..., ::2])
    for layout in layouts:
        assert np.array_equal(fast(layout), expected)
    y, cache = fast.forward(x, True)
    fast.zero_grads()
    dx = fast.backward(y, cache)
    assert np.array_equal(fast.backward(y.astype(">f8"), cache), dx)
    assert np.array_equal(fast.backward(np.asfortranarray(y), cache), dx)


# --- errors


def error_of(call):
    with pytest.raises(MiniresError) as caught:
        call()
    return type(caught.value), str(caught.value)


BAD_INPUTS = {
    "channels": lambda x: x[:, :1],
    "dtype": lambda x: x.astype(np.float32),
    "integers": lambda x: x.astype(int),
    "half": lambda x: x.astype(np.float16),
    "a list": lambda x: x.tolist(),
    "no axes": lambda x: x[0, 0, 0, 0] + np.zeros(()),
    "one axis": lambda x: x[0, 0, 0],
    "three axes": lambda x: x[0],
    "five axes": lambda x: x[None],
    "no images": lambda x: x[:0],
    "no rows": lambda x: x[:, :, :0],
}


@pytest.mark.parametrize("name", ["resnet8", "wrn_10_1", "densenet_10_6", "resnet18"])
@pytest.mark.parametrize("bad", BAD_INPUTS)
def test_input_that_does_not_fit(name, bad):
    model, fast = pair(name)
    x = BAD_INPUTS[bad](images(3, 2, 9, 9))
    assert error_of(lambda: fast(x)) == error_of(lambda: model(x))
    assert error_of(lambda: fast.forward(x, False)) == error_of(lambda: model.forward(x, False))
    assert error_of(lambda: fast.forward(x, True)) == error_of(lambda: model.forward(x, True))


BAD_MODELS = {
    "one value a channel": (
        lambda: L.Sequential(a=L.Sequential(L.Conv2d(2, 3, 3, rng=0), L.BatchNorm2d(3))),
        (1, 2, 3, 3),
    ),
    "window": (lambda: L.Sequential(a=L.Sequential(L.ReLU(), L.Conv2d(2, 3, 5, rng=0))), (2, 2, 4, 4)),
    "pool": (lambda: L.Sequential(a=L.Conv2d(2, 3, 3, rng=0), pool=L.MaxPool2d(3)), (2, 2, 4, 4)),
    "channels inside": (lambda: L.Sequential(a=L.Conv2d(2, 3, 3, rng=0), b=L.Conv2d(4, 3, 1, rng=0)), (2, 2, 4, 4)),
    "norm inside": (lambda: L.Sequential(a=L.Conv2d(2, 3, 3, rng=0), b=L.BatchNorm2d(4)), (2, 2, 4, 4)),
    "branch": (lambda: L.Sequential(a=L.Residual(L.Conv2d(2, 3, 1, rng=0))), (2, 2, 4, 4)),
    "size of the branch": (lambda: L.Sequential(a=L.Residual(L.Conv2d(2, 2, 3, rng=0))), (2, 2, 4, 4)),
    "concat": (lambda: L.Sequential(L.ReLU(), L.Concat(a=L.Identity(), b=L.Conv2d(2, 2, 3, rng=0))), (2, 2, 4, 4)),
    "gate": (lambda: L.Sequential(L.ReLU(), L.Gate(L.Identity(), L.Conv2d(2, 3, 1, rng=0))), (2, 2, 4, 4)),
    "excite": (
        lambda: L.Sequential(g=L.SqueezeExcite(L.Sequential(L.GlobalAvgPool2d(), L.Conv2d(2, 3, 1, rng=0)))),
        (2, 2, 4, 4),
    ),
    "slice": (lambda: L.Sequential(L.ReLU(), L.SliceChannels(1, 5)), (2, 2, 4, 4)),
    "linear": (lambda: L.Sequential(a=L.Sequential(L.Flatten(), L.Linear(7, 3, rng=0))), (2, 2, 4, 4)),
    "res2": (lambda: L.Sequential(a=L.Res2(L.ReLU(), L.ReLU())), (2, 2, 4, 4)),
    "norm of vectors": (lambda: L.Sequential(a=L.Flatten(), b=L.BatchNorm1d(32)), (1, 2, 4, 4)),
}


@pytest.mark.parametrize("name", BAD_MODELS)
def test_models_that_the_input_does_not_fit(name):
    make, shape = BAD_MODELS[name]
    x = images(*shape, dtype=np.float32)
    assert error_of(lambda: minires.compile(make()).forward(x, True)) == error_of(lambda: make().forward(x, True))


BAD_GRADIENTS = {
    "images": lambda dy: dy[:1],
    "axes": lambda dy: dy[0],
    "dtype": lambda dy: dy.astype(np.float32),
    "integers": lambda dy: dy.astype(int),
    "a list": lambda dy: dy.tolist(),
}


@pytest.mark.parametrize("name", ["resnet8", "seresnet8", "highway8"])
@pytest.mark.parametrize("bad", BAD_GRADIENTS)
def test_gradients_that_do_not_fit(name, bad):
    """By the path of the layer that gets them first; and nothing has changed."""
    model, fast = pair(name)
    x = images(3, 2, 9, 9)
    (y, cache), (_, reference) = fast.forward(x, True), model.forward(x, True)
    before = {path: t.data.tobytes() for path, t in fast.tensors()}
    dy = BAD_GRADIENTS[bad](y)
    fast.zero_grads()
    assert error_of(lambda: fast.backward(dy, cache)) == error_of(lambda: model.backward(dy, reference))
    assert not any(p.grad.any() for _, p in fast.params())
    assert {path: t.data.tobytes() for path, t in fast.tensors()} == before
    fast.backward(y, cache)


def test_a_gradient_of_another_dtype_behind_a_layer_that_would_take_it():
    fast = minires.compile(L.Sequential(L.Conv2d(2, 2, 1, rng=0), L.ReLU()))
    y, cache = fast.forward(images(2, 2, 4, 4, dtype=np.float32), True)
    found = error_of(lambda: fast.backward(y.astype(np.float64), cache))
    assert found[0] is DTypeError and "float64" in found[1] and "float32" in found[1]


@pytest.mark.parametrize("thing", [None, 3, lambda x: x, L.ReLU, "resnet20"])
def test_only_layers_are_compiled(thing):
    with pytest.raises(DTypeError, match="compile: model is .*, expected a Layer: build one with"):
        minires.compile(thing)


@pytest.mark.parametrize("threads", [0, -1, 1.0, "2"])
def test_threads_are_positive_integers(threads):
    with pytest.raises(RangeError, match="compile: threads is .*, expected an integer of at least 1"):
        minires.compile(L.ReLU(), threads=threads)


# --- frozen=True


def test_frozen_copies_the_weights_for_inference_alone():
    """Two convolutions with a layer of its own between them: their filters are made once and must not share memory."""
    model = L.Sequential(
        L.Conv2d(4, 4, 3, padding=1, rng=0),
        L.BatchNorm2d(4),
        L.ReLU(),
        L.GroupNorm(2, 4),
        L.Conv2d(4, 4, 3, padding=1, rng=1),
        L.ReLU(),
    ).to(dtype=np.float64)
    fast = minires.compile(model, frozen=True)
    x = images(3, 4, 9, 9)
    expected = model(x)
    for _ in range(3):
        assert np.allclose(fast(x), expected, rtol=0, atol=1e-11)
    assert np.allclose(fast(x[:1]), expected[:1], rtol=0, atol=1e-11)
    for _, p in model.params():
        p.data = 2 * p.data
    assert np.allclose(fast(x), expected, rtol=0, atol=1e-11)
    for call in (fast.forward, copy.deepcopy(fast).forward):
        with pytest.raises(StateError, match="frozen=True"):
            call(x)


# --- another processor


@pytest.mark.parametrize("core", ["Haswell", "Sandybridge"])
def test_kernels_of_an_older_processor(core):
    code = textwrap.dedent("""
        import copy
        import numpy as np
        import minires
        rng = np.random.default_rng(0)
        for name, size in (("resnet8", 9), ("seresnet8", 12), ("resnext11_2x4d", 9)):
            model = minires.models.build(name, rng=0).to(dtype=np.float64)
            x, dy = rng.normal(size=(5, 3, size, size)), rng.normal(size=(5, 10))
            fast = minires.compile(copy.deepcopy(model), threads=2)
            answers = []
            for layer in (fast, model):
                y, cache = layer.forward(x, True)
                answers.append([y, layer.backward(dy, cache), *(p.grad for _, p in layer.params()), layer(x)])
            print(max(abs(a - b).max() / max(abs(b).max(), 1e-2) for a, b in zip(*answers)) < 1e-10)
    """)
    settings = os.environ | {"OPENBLAS_CORETYPE": core, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    found = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=300)
    assert found.stdout.split() == ["True"] * 3, found.stderr
