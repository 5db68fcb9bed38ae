"""Several ranks compute what one process computes: in threads here, by MPI in test_mpi.py."""

import copy
import functools
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from train.thread_comm import Ended, on_threads

from minires import models
from minires.data import Dataset, load
from minires.engine import compile
from minires.errors import RangeError, StateError
from minires.layers import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    Param,
    ReLU,
    Residual,
    Sequential,
)
from minires.losses import SoftmaxCrossEntropy
from minires.train import TrainConfig, fit, learning_rate, load_checkpoint, resume
from minires.train.agree import require_the_same
from minires.train.loop import Loop
from minires.train.prepare import build_optimizer, facts_of, make_loaders
from minires.train.ranks import Ranks, reseed

DIGITS = load("digits", "train").subset(slice(75)), load("digits", "test").subset(slice(50))


def small(dropout=0.3):
    rng = np.random.default_rng(3)

    def branch():
        conv = Conv2d(4, 4, 3, padding=1, rng=rng)
        return Sequential(bn=BatchNorm2d(4), relu=ReLU(), drop=Dropout(dropout, rng=rng.spawn(1)[0]), conv=conv)

    stem, fc = Conv2d(1, 4, 3, padding=1, rng=rng), Linear(4, 10, rng=rng)
    rest = {"bn": BatchNorm2d(4), "pool": GlobalAvgPool2d(), "flat": Flatten(), "fc": fc}
    return Sequential(stem=stem, one=Residual(branch()), two=Residual(branch()), **rest)


def resnet20():
    """With narrow stages, and dropout in front of the last layer."""
    model = models.build("resnet20", in_channels=1, widths=(4, 8, 16), rng=1)
    pool, flatten, fc = model.at("head").layers.values()
    model.set_child("head", Sequential(pool=pool, flatten=flatten, drop=Dropout(0.2, rng=2), fc=fc))
    return model


MAKES = {
    "small": small,
    "resnet20": resnet20,
    "densenet": lambda: models.build("densenetbc_16_4", in_channels=1, dropout=0.2, rng=1),
}


def configured(**settings):
    common = {"model": "Sequential", "data": "digits", "epochs": 2, "batch_size": 20, "augment": "crop", "lr": 0.05}
    return TrainConfig(**common | {"engine": "reference", "log_every": 1} | settings)


def shares(count, size):
    return [len(part) for part in np.array_split(np.arange(count), size)]


def trained(comm, make, config, data=DIGITS):
    """{path: array} after the training of a rank, and its rows."""
    from minires.train.global_norm import global_norms

    ranks, model, rows = Ranks(comm, ordered=config.reduction == "ordered"), make(), []
    plain = copy.deepcopy(model)
    with global_norms(model if config.batch_norm == "global" else plain, ranks):
        loop = Loop(config, model, data, on_step=rows.append, on_epoch=rows.append, ranks=ranks)
        loop.run()
    state = {path: t.data.copy() for path, t in model.tensors()}
    return state, [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


class Meeting:
    """Where the threads of one process exchange what they have."""

    def __init__(self, size):
        self.slots, self.barrier = [None] * size, threading.Barrier(size)

    def exchange(self, number, value):
        self.slots[number] = value
        self.barrier.wait(30)
        found = list(self.slots)
        self.barrier.wait(30)
        return found


class NormTogether(Layer):
    """Batch norm over the micro-batches of all threads, written anew from its equations."""

    def __init__(self, norm, meeting, number):
        self.norm, self.meeting, self.number = norm, meeting, number

    def over_all(self, a):
        parts = self.meeting.exchange(self.number, (a.sum(axis=(0, 2, 3)), a.size // a.shape[1]))
        total, count = parts[0][0], sum(count for _, count in parts)
        for part, _ in parts[1:]:
            total = total + part
        return (total / a.dtype.type(count))[None, :, None, None], count

    def forward(self, x, train=False):
        assert train
        norm, (mean, m) = self.norm, self.over_all(x)
        var, _ = self.over_all((x - mean) ** 2)
        for running, new in ((norm.running_mean, mean), (norm.running_var, var * (m / (m - 1)))):
            running.data = 0.9 * running.data + 0.1 * new.reshape(-1)
        inv = 1 / np.sqrt(var + norm.eps)
        x_hat = (x - mean) * inv
        return norm.gamma.data[None, :, None, None] * x_hat + norm.beta.data[None, :, None, None], (x_hat, inv)

    def backward(self, dy, cache):
        x_hat, inv = cache
        self.norm.beta.grad += dy.sum(axis=(0, 2, 3))
        self.norm.gamma.grad += (dy * x_hat).sum(axis=(0, 2, 3))
        dx_hat = dy * self.norm.gamma.data[None, :, None, None]
        return (dx_hat - self.over_all(dx_hat)[0] - x_hat * self.over_all(dx_hat * x_hat)[0]) * inv


def in_threads(make, size):
    """(tensors, learn, spread): a network for each thread, which learns of its micro-batch beside the others."""
    networks, meeting = [make() for _ in range(size)], Meeting(size)
    tensors = [dict(network.tensors()) for network in networks]
    params = [[p for _, p in network.params()] for network in networks]
    for number, network in enumerate(networks):
        for path, layer in list(network.walk()):
            if isinstance(layer, BatchNorm2d):
                parent, _, name = path.rpartition(".")
                network.at(parent).set_child(name, NormTogether(layer, meeting, number))

    def learn(loss, parts, seed, step):
        def one(number):
            network, (x, labels) = networks[number], parts[number]
            for p in params[number]:
                p.grad[...] = 0
            reseed(network, seed, step, number)
            logits, cache = network.forward(x, train=True)
            network.backward(loss.backward(loss.forward(logits, labels)[1]) * len(x), cache)

        with ThreadPoolExecutor(size) as pool:
            list(pool.map(one, range(size)))
        for first, *others in zip(*params):
            for other in others:
                first.grad += other.grad

    def spread():
        for other in tensors[1:]:
            for path, t in other.items():
                t.data = tensors[0][path].data.copy()

    return tensors[0], learn, spread


def one_process(make, config, size, data=DIGITS):
    """{path: array} of a training in one process, which takes each batch in ``size`` micro-batches."""
    model, train, step = make(), data[0], 0
    loader, _, _ = make_loaders(config, model, *data, facts_of(train))
    loss = SoftmaxCrossEntropy(config.label_smoothing)
    tensors, spread = dict(model.tensors()), lambda: None
    learn = functools.partial(micro_batches, compile(model, threads=2) if config.engine == "compiled" else model)
    if config.batch_norm == "global":
        tensors, learn, spread = in_threads(make, size)
    params = [(path, t) for path, t in tensors.items() if isinstance(t, Param)]
    optimizer = build_optimizer(config, params)
    for epoch in range(config.epochs):
        for x, labels in loader.epoch(epoch):
            ends = np.cumsum([n for n in shares(len(x), size) if n])[:-1]
            for _, p in params:
                p.grad[...] = 0
            learn(loss, list(zip(np.split(x, ends), np.split(labels, ends))), config.seed, step)
            for _, p in params:
                p.grad /= p.grad.dtype.type(len(x))
            optimizer.step(learning_rate(config, step, config.epochs * len(loader)))
            spread()
            step += 1
    return {path: t.data for path, t in tensors.items()}


def micro_batches(model, loss, parts, seed, step):
    norms = [layer for _, layer in model.walk() if isinstance(layer, BatchNorm2d)]
    statistics = [t for n in norms for t in (n.running_mean, n.running_var)]
    before, moved = [t.data.copy() for t in statistics], [0 for _ in statistics]
    for number, (x, labels) in enumerate(parts):
        for t, old in zip(statistics, before):
            t.data = old.copy()
        reseed(model, seed, step, number)
        logits, cache = model.forward(x, train=True)
        model.backward(loss.backward(loss.forward(logits, labels)[1]) * len(x), cache)
        moved = [m + (t.data - old) * np.float32(len(x)) for m, t, old in zip(moved, statistics, before)]
    for t, old, m in zip(statistics, before, moved):
        t.data = old + m / np.float32(sum(len(x) for x, _ in parts))


@pytest.mark.parametrize("batch_norm", ["local", "global"])
@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param(name, k, marks=pytest.mark.slow if k in (1, 3) and name != "small" else ())
        for name in MAKES
        for k in (1, 2, 3, 4)
    ],
)
def test_ranks_are_one_process_with_micro_batches_bit_for_bit(name, size, batch_norm):
    """20 steps with 20 images a batch and 15 in each fourth, with augmentation and dropout."""
    config = configured(epochs=5, batch_norm=batch_norm, weight_decay=1e-4, label_smoothing=0.1)
    states = [state for state, _ in on_threads(size, lambda comm: trained(comm, MAKES[name], config))]
    expected = one_process(MAKES[name], config, size)
    for path, array in expected.items():
        for state in states:
            np.testing.assert_array_equal(state[path], array, err_msg=path)
    start = MAKES[name]()
    assert any((expected[path] != t.data).any() for path, t in start.tensors())


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("name", ["resnet20", "densenet"])
def test_ranks_with_the_engine_are_one_process_with_it_bit_for_bit(name, size):
    """Although a rank has fewer threads, and batch 15 is cut into shares of 5 or of 8 and 7."""
    config = configured(epochs=1, engine="compiled")
    states = [state for state, _ in on_threads(size, lambda comm: trained(comm, MAKES[name], config))]
    for path, array in one_process(MAKES[name], config, size).items():
        assert all((state[path] == array).all() for state in states), path


@pytest.mark.parametrize(("batch_norm", "least", "most"), [("local", 1e-4, 1), ("global", 0, 1e-12)])
def test_with_global_batch_norm_any_number_of_ranks_computes_the_same_and_local_does_not(batch_norm, least, most):
    config = configured(batch_norm=batch_norm, epochs=1)
    one, three = (
        on_threads(size, lambda comm: trained(comm, lambda: small(0.0).to(dtype="float64"), config))[0][0]
        for size in (1, 3)
    )
    assert least <= max(np.abs(one[path] - three[path]).max() for path in one) <= most


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_rows_and_evaluation_are_the_same_on_all_ranks_and_exact(size):
    config = configured(epochs=1, batch_norm="global")
    found = on_threads(size, lambda comm: trained(comm, lambda: small(0.0).to(dtype="float64"), config))
    one = on_threads(1, lambda comm: trained(comm, lambda: small(0.0).to(dtype="float64"), config))[0][1]
    for _, rows in found:
        assert rows == found[0][1]
        assert rows[-1]["test_accuracy"] == one[-1]["test_accuracy"]
        for row, other in zip(rows, one):
            assert row == pytest.approx(other, rel=1e-9)


def test_weights_of_ranks_are_images_not_ranks():
    """15 images on 4 ranks are 4, 4, 4, 3: the gradient is that of the mean over 15."""
    data = DIGITS[0].subset(slice(15)), DIGITS[1]
    config = configured(epochs=1, batch_norm="local", augment="none", lr=1e-3, momentum=0.0, weight_decay=0.0)
    make = lambda: Sequential(flat=Flatten(), fc=Linear(64, 10, rng=0)).to(dtype="float64")  # noqa: E731
    four, one = (on_threads(k, lambda comm: trained(comm, make, config, data))[0][0] for k in (4, 1))
    for path in one:
        np.testing.assert_allclose(four[path], one[path], rtol=1e-13, atol=1e-15)


def test_more_ranks_than_images():
    data = DIGITS[0].subset(slice(3)), DIGITS[1].subset(slice(2))
    make = lambda: Sequential(flat=Flatten(), fc=Linear(64, 10, rng=0))  # noqa: E731
    states = [s for s, _ in on_threads(5, lambda comm: trained(comm, make, configured(epochs=3), data))]
    expected = one_process(make, configured(epochs=3), 5, data)
    assert all((state[path] == expected[path]).all() for state in states for path in expected)


def test_shares_are_all_images_in_order_and_nearly_equal():
    for count in (0, 1, 2, 7, 64, 65):
        for size in (1, 2, 3, 7):
            parts = on_threads(size, lambda comm: np.arange(count)[Ranks(comm).share(count)].tolist())  # noqa: B023
            assert sum(parts, []) == list(range(count)) and max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("count", [0, 1, 2, 5, 1001])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_ordered_sums_are_in_the_order_of_the_ranks(size, count):
    arrays = (
        np.random.default_rng(0).standard_normal((size, count)).astype(np.float32) * 10.0 ** np.arange(size)[:, None]
    )
    arrays = arrays.astype(np.float32)
    expected = arrays[0].copy()
    for array in arrays[1:]:
        expected += array
    for found in on_threads(size, lambda comm: Ranks(comm).sum(arrays[comm.rank])):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == np.float32
    for found in on_threads(size, lambda comm: Ranks(comm, ordered=False).sum(arrays[comm.rank])):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * 10**size)


def test_frozen_statistics_stay_bit_for_bit():
    def make():
        model = small()
        model.freeze(False)
        model.at("one").freeze(statistics=True)
        return model

    before = {path: t.data.copy() for path, t in make().at("one").tensors()}
    state, _ = on_threads(3, lambda comm: trained(comm, make, configured(epochs=1)))[0]
    assert all((state[f"one.{path}"] == array).all() for path, array in before.items())


def test_a_share_of_one_image_is_said_before_the_first_step():
    data = [Dataset("flat", d.images[:7, :, 3:4, 3:4], d.labels[:7], d.classes) for d in DIGITS]
    config = configured(batch_size=7, augment="none")
    make = lambda: Sequential(bn=BatchNorm2d(1), flat=Flatten(), fc=Linear(1, 10, rng=0))  # noqa: E731
    with pytest.raises(RangeError, match=r"of a batch of 7 images a rank of 4 gets one.*batch_norm='global'"):
        on_threads(4, lambda comm: trained(comm, make, config, data))
    with pytest.raises(RangeError, match="a batch has 7 images for 8 ranks, expected one each for batch_norm='global'"):
        on_threads(
            8, lambda comm: trained(comm, make, configured(batch_size=7, augment="none", batch_norm="global"), data)
        )


def test_what_one_rank_raises_ends_all(capsys):
    def work(comm):
        ranks = Ranks(comm)
        with ranks.together():
            ranks.step = 17
            if comm.rank == 1:
                raise ValueError("a bad image")
            ranks.gather(1)

    with pytest.raises((Ended, StateError)):
        on_threads(3, work)
    assert "minires: rank 1 on " in (err := capsys.readouterr().err) and "step 17: ValueError('a bad image')" in err


def changed(images):
    images = images.copy()
    images[3, 0, 0, 0] ^= 1
    return images


OTHERS = {  # what rank 2 has
    "lr is 0.1, not 0.05": ({"lr": 0.1}, small, DIGITS),
    "reduction is 'fast', not 'ordered'": ({"reduction": "fast"}, small, DIGITS),
    "its data are others": ({}, small, (replace(DIGITS[0], images=changed(DIGITS[0].images)), DIGITS[1])),
    "its weights are others": ({}, small, DIGITS),
}


@pytest.mark.parametrize("difference", OTHERS)
def test_ranks_that_differ_are_named(tmp_path, capsys, difference):
    def work(comm):
        settings, make, data = OTHERS[difference] if comm.rank == 2 else ({}, small, DIGITS)
        model = make()
        if comm.rank == 2 and "weights" in difference:
            model.at("fc").bias.data[0] = 1e-6
        return fit(configured(run_dir=str(tmp_path / "run"), **settings), model=model, data=data, comm=comm)

    with pytest.raises(StateError, match=f"rank 2 differs from rank 0: {difference}: give all ranks the same"):
        on_threads(3, work)
    assert not (tmp_path / "run").exists() and not capsys.readouterr().err


def test_another_version_on_a_rank_is_named():
    def work(comm):
        require_the_same(Ranks(comm), {"minires": "0.1" if comm.rank == 1 else "0.2"})

    with pytest.raises(StateError, match="rank 1 differs from rank 0: minires is '0.1', not '0.2'"):
        on_threads(2, work)


@pytest.mark.parametrize("batch_norm", ["local", "global"])
@pytest.mark.parametrize("size", [2, 3])
def test_a_run_goes_on_with_as_many_ranks_bit_for_bit_and_with_others_says_so(tmp_path, capsys, size, batch_norm):
    config = configured(run_dir=str(tmp_path / "run"), batch_norm=batch_norm, checkpoint_every=1)

    class Stop(Exception):
        pass

    def first(comm):
        model, seen = small(), []
        plain = model.at("fc").forward

        def ends(x, train=False):
            seen.append(train)
            if sum(seen) == 4:
                raise Stop
            return plain(x, train)

        model.at("fc").forward = ends
        return fit(config, model=model, data=DIGITS, comm=comm)

    with pytest.raises((Stop, Ended)):
        on_threads(2, first)
    on_threads(
        2, lambda comm: fit(replace(config, run_dir=str(tmp_path / "whole")), model=small(), data=DIGITS, comm=comm)
    )
    capsys.readouterr()
    assert load_checkpoint(tmp_path / "run").position.step == 3
    on_threads(size, lambda comm: resume(tmp_path / "run", model=small(), data=DIGITS, comm=comm))
    found, whole = (load_checkpoint(tmp_path / name).tensors for name in ("run", "whole"))
    words = "begun on 2 ranks, goes on on 3 ranks: each step sees the same images, but sums round otherwise"
    shares = "other shares (batch_norm local)"
    err = capsys.readouterr().err
    assert (words in err, shares in err) == (size == 3, size == 3 and batch_norm == "local")
    assert all((found[name] == whole[name]).all() for name in whole) == (size == 2)


def test_the_rate_that_is_scaled_is_said(tmp_path, capsys):
    rules = {"scale_lr": "linear", "lr_batch": 10, "schedule": "cosine"}
    on_threads(
        2, lambda comm: fit(configured(run_dir=str(tmp_path / 'run'), **rules), model=small(), data=DIGITS, comm=comm)
    )
    words = "lr 0.05 x 2 = 0.1: linear, 20 images a step and lr_batch 10; warm-up: 1 steps"
    assert capsys.readouterr().err.count(words) == 1


def test_fit_on_ranks_leaves_one_run_and_gives_all_the_same(tmp_path, capsys):
    def work(comm):
        return fit(configured(run_dir=str(tmp_path / "run")), model=small(), data=DIGITS, comm=comm)

    results = on_threads(2, work)
    assert len({(r.run_dir, r.steps, r.train_loss, r.test_accuracy) for r in results}) == 1
    assert math.isfinite(results[0].train_loss) and {p.name for p in (tmp_path / "run").iterdir()} >= {"config.json"}
    assert capsys.readouterr().err.count("epoch 2/2") == 1
    with pytest.raises(RangeError, match="timeout is 0"):
        Ranks(None, timeout=0)
