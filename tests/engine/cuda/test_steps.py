"""Batch, loss and optimiser on the host: against the loader bit for bit, the loss and the optimisers in float64."""

import numpy as np
import pytest
from cuda_emulation import ORDERS, Arena, Host, oracle

from minires.data import CropFlip, Normalize
from minires.engine.cuda import steps
from minires.engine.cuda.launches import pitch
from minires.layers.base import Param
from minires.losses import SoftmaxCrossEntropy
from minires.train import SGD, AdamW
from minires.train.step import count_correct

STORED = ["float32", "bf16"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("precision", STORED)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_is_that_of_the_loader_bit_for_bit(channels, precision, order, host=None):
    host = host or Host(order)
    images = np.random.default_rng(0).integers(0, 256, (5, channels, 6, 7), np.uint8)
    normalize = Normalize(np.linspace(0.3, 0.5, channels), np.linspace(0.2, 0.25, channels))
    scale = (1 / (255 * normalize.std)).astype(np.float32)
    shift = (-normalize.mean / normalize.std).astype(np.float32)
    for pad in (0, 4):
        crop, rng, arena = CropFlip(pad), np.random.default_rng(3), Arena()
        top, left = rng.integers(0, 2 * pad + 1, size=(2, 5)).astype(np.int32)
        mirrored = (rng.random(5) < 0.5).astype(np.uint8)
        expected = normalize(crop(images, np.random.default_rng(3)))
        y = arena.array((5, 6, 7, pitch(channels)), oracle.dtype(precision))
        held = map(arena.array, (images, scale, shift, top, left, mirrored))
        host(steps.batch(precision, y, *held, pad))
        arena.check()
        assert np.array_equal(y, oracle.rows(expected.transpose(0, 2, 3, 1), precision))
        host(steps.batch(precision, y, *map(arena.array, (images, scale, shift))))
        assert np.array_equal(y, oracle.rows(normalize(images).transpose(0, 2, 3, 1), precision))


@pytest.mark.parametrize("precision", STORED)
@pytest.mark.parametrize("layout", ["NCHW", "CNHW"])
def test_images_enter_and_leave(layout, precision):
    arena, rng = Arena(), np.random.default_rng(0)
    x = oracle.stored(rng.standard_normal((2, 5, 6, 3)), precision).transpose(0, 3, 1, 2)
    memory = x if layout == "NCHW" else x.transpose(1, 0, 2, 3)
    held = arena.array(np.ascontiguousarray(memory), np.float32)
    images = held if layout == "NCHW" else held.transpose(1, 0, 2, 3)
    y = arena.array((2, 5, 6, 8), oracle.dtype(precision))
    Host()(steps.enter(precision, y, images))
    assert np.array_equal(y, oracle.rows(x.transpose(0, 2, 3, 1), precision))
    Host()(steps.leave(precision, images, y, adds=True))
    np.testing.assert_array_equal(images, 2 * x)
    Host()(steps.leave(precision, images, y))
    arena.check()
    np.testing.assert_array_equal(images, x)


def _cross_entropy(host, precision, logits, labels, smoothing=0.0, ignore=None):
    arena, (n, k) = Arena(), logits.shape
    dlogits = arena.array((n, pitch(k)), oracle.dtype(precision))
    rows, step = arena.array((2, n), np.float32), arena.array(np.array([1], np.int32))
    losses, hits = arena.array(np.full(3, 9, np.float32)), arena.array(np.full(3, 9, np.int32))
    held = arena.array(oracle.rows(logits, precision)), arena.array(labels, np.int32)
    code = steps.IGNORE if ignore is None else ignore
    host(*steps.cross_entropy(precision, k, dlogits, rows, (losses, hits, step), *held, smoothing, code))
    arena.check()
    assert step[0] == 2 and (losses[::2] == 9).all() and (hits[::2] == 9).all(), "behind the last ones"
    return oracle.from_stored(dlogits), losses[1], hits[1]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("precision", STORED)
def test_the_loss_is_that_of_float64(precision, order, host=None):
    host = host or Host(order)
    rng = np.random.default_rng(0)
    for n, k, smoothing, ignore in ((5, 10, 0.0, None), (1, 3, 0.1, None), (300, 130, 0.1, 7), (33, 32, 0.0, 1)):
        logits, labels = 3 * rng.standard_normal((n, k)) + 50, rng.integers(0, k, n)
        if ignore is not None:
            logits[labels == ignore, ignore] += 20  # right, and yet not counted
        logits = oracle.stored(logits, precision)
        loss = SoftmaxCrossEntropy(smoothing, ignore_index=ignore)
        expected, cache = loss.forward(logits, labels)
        dlogits, found, right = _cross_entropy(host, precision, logits, labels, smoothing, ignore)
        assert (dlogits[:, k:] == 0).all()
        oracle.close(dlogits[:, :k], loss.backward(cache), 1e-2 if precision == "bf16" else 1e-5)
        assert found == pytest.approx(expected, rel=2e-6) and right == count_correct(logits, labels, ignore)


def test_the_loss_of_what_is_not_finite_and_of_ties(host=None):
    host = host or Host("rotated")
    logits = np.zeros((6, 40))
    logits[1, 35] = logits[2, 3] = logits[2, 35] = 1
    logits[3, 20], logits[4, 7] = np.nan, -np.inf
    logits[5, [2, 33]] = np.nan
    labels = np.array([0, 35, 3, 20, 0, 2])
    dlogits, loss, right = _cross_entropy(host, "float32", logits, labels)
    assert right == (logits.argmax(axis=1) == labels).sum() == 6
    assert np.isnan(loss) and np.isfinite(dlogits[[0, 1, 2, 4]]).all() and np.isnan(dlogits[[3, 5], :40]).all()
    _, loss, right = _cross_entropy(host, "float32", logits[:1], np.array([4]), ignore=4)
    assert loss == 0


SHAPES = {"conv": (7, 3, 3, 3), "frozen": (5, 5), "bias": (130,), "gain": (1,)}


def _arena_of(params):
    """All parameters in one array, each from a multiple of 32 on, and its place."""
    places, at = {}, 0
    for path, p in params:
        places[path] = slice(at, at + p.data.size)
        at += -(-p.data.size // steps.ALIGNED) * steps.ALIGNED
    return places, at


def _runs(places, size, value):
    """One number for each run of 32."""
    runs = np.zeros(size // steps.ALIGNED, np.float32)
    for path, place in places.items():
        runs[place.start // 32 : -(-place.stop // 32)] = value(path)
    return runs


OPTIMISERS = {
    "sgd": (SGD, {"momentum": 0.9, "weight_decay": 0.01, "decay_all": False, "scalar_rate": 0.1}),
    "nesterov": (SGD, {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    "adamw": (AdamW, {"weight_decay": 0.05, "decay_all": False, "betas": (0.9, 0.999)}),
    "adamw without a first moment": (AdamW, {"betas": (0.0, 0.9), "scalar_rate": 0.1}),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", OPTIMISERS)
def test_five_steps_are_those_of_the_optimiser_in_float64(kind, order, host=None):
    rng, arena, host = np.random.default_rng(0), Arena(), host or Host(order)
    params = [(path, Param(rng.standard_normal(shape))) for path, shape in SHAPES.items()]
    params[1][1].frozen = True
    optimiser = OPTIMISERS[kind][0](params, 0.1, **OPTIMISERS[kind][1])
    places, size = _arena_of(params)
    p = arena.array(np.zeros(size), np.float32)
    for path, param in params:
        p[places[path]] = param.data.ravel()
        param.data = p[places[path]].astype(np.float64).reshape(param.data.shape)
    shapes = SHAPES.items()
    decays = {path: optimiser.weight_decay * (optimiser.decay_all or len(shape) > 1) for path, shape in shapes}
    parts = {"frozen": 0.0, "gain": optimiser.scalar_rate}
    decay = arena.array(_runs(places, size, decays.get))
    part = arena.array(_runs(places, size, lambda path: parts.get(path, 1.0)))
    thawed = _runs(places, size, lambda path: (parts | {"frozen": 1.0}).get(path, 1.0))
    lr, g, *state = (arena.array(np.zeros(n), np.float32) for n in (1, size, size, size))
    counts = arena.array(np.zeros(size // 32), np.int32)
    for step in range(5):
        lr[0] = 0.1 / (step + 1)
        if step == 3:  # it has neither moments nor steps of the time before
            params[1][1].frozen, part[...] = False, thawed
        for path, param in params:
            g[places[path]] = rng.standard_normal(param.data.size)
            param.grad = g[places[path]].astype(np.float64).reshape(param.data.shape)
        if isinstance(optimiser, SGD):
            host(steps.sgd(p, state[0], g, decay, part, lr, optimiser.momentum, optimiser.nesterov))
        else:
            host(steps.adamw(p, *state, g, counts, decay, part, lr, optimiser.betas, optimiser.eps))
        optimiser.step(float(lr[0]))
        arena.check()
        for path, param in params:
            oracle.close(p[places[path]], param.data.ravel(), 2e-6)
    behind = np.ones(size, bool)
    for place in places.values():
        behind[place] = False
    assert (p[behind] == 0).all(), "numbers between the parameters"
