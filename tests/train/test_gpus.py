"""Ranks on GPUs, on the stand-in: the same numbers, one call for all gradients, and nobody waits."""

from threading import Barrier

import cupy_strict
import numpy as np
import pytest
from cupy_strict import watch
from train.gpu_ranks import join
from train.test_ranks import DIGITS, configured, resnet20, small
from train.thread_comm import on_threads

from minires.errors import DeviceError
from minires.losses import SoftmaxCrossEntropy
from minires.train import SGD, accumulated_step, fit
from minires.train.buckets import Buckets
from minires.train.global_norm import global_norms
from minires.train.ranks import Ranks
from minires.train.shared import shared_step


@pytest.fixture
def made(strict, monkeypatch):
    """{rank: its calls of NCCL}, of 2 ranks."""
    return join(monkeypatch, comms := {}), comms


def two(comms, work):
    """[work(ranks) of two ranks], each with a GPU."""
    meeting = Barrier(2)

    def one(comm):
        comms[comm.rank] = comm
        meeting.wait(10)
        return work(comm)

    return on_threads(2, one)


@pytest.mark.parametrize("batch_norm", ["local", "global"])
@pytest.mark.parametrize("reduction", ["ordered", "fast"])
def test_gpus_train_to_what_the_cpu_trains_to(made, tmp_path, batch_norm, reduction):
    states = {}
    for device in ("cpu", "cuda"):
        settings = {"device": device, "batch_norm": batch_norm, "reduction": reduction, "epochs": 1}

        def work(comm, device=device, settings=settings):
            model = small()
            result = fit(configured(run_dir=str(tmp_path / device), **settings), model=model, data=DIGITS, comm=comm)
            model.to(device="cpu")
            return {path: t.data for path, t in model.tensors()}, result.train_loss, result.test_accuracy

        states[device] = two(made[1], work)
    for (cpu, *numbers), (gpu, *found) in zip(*states.values()):
        for path in cpu:
            np.testing.assert_allclose(gpu[path], cpu[path], rtol=2e-4, atol=2e-5, err_msg=path)
        assert found == pytest.approx(numbers, rel=1e-4)
    first, second = (state for state, *_ in states["cuda"])
    assert all((first[path] == second[path]).all() for path in first), "the same bits on both"


@pytest.mark.parametrize(("reduction", "calls"), [("fast", ["all_reduce"]), ("ordered", ["all_to_all", "all_gather"])])
@pytest.mark.parametrize("rule", ["plain", "ignored", "weighted"])
def test_a_step_adds_no_wait_and_no_copy_but_the_sums(made, reduction, calls, rule):
    """One call for all gradients, and one for the statistics, the loss and the counts."""
    settings = {"ignored": {"ignore_index": 3}, "weighted": {"weight": np.arange(1, 11)}}.get(rule, {})
    meeting, loss = Barrier(2), SoftmaxCrossEntropy(**settings)

    def learner(seed):
        model, rng = resnet20().to(device="cuda"), np.random.default_rng(seed)
        x = cupy_strict.asarray(rng.standard_normal((4, 1, 8, 8)).astype(np.float32))
        return model, loss, SGD(model.params(), 0.1), [(x, cupy_strict.asarray(rng.integers(0, 10, 4)))], 0.1

    def work(comm):
        ranks = Ranks(comm, ordered=reduction == "ordered")
        ranks.take_gpu()
        learning = learner(comm.rank)
        buckets = Buckets(learning[0].params(), ranks)
        shared_step(*learning, buckets)
        ranks.gpus.calls.clear()
        meeting.wait(30)
        with watch() as seen:
            meeting.wait(30)
            shared_step(*learning, buckets)
            meeting.wait(30)
        return len(buckets.all), ranks.gpus.calls, seen

    (buckets, found, seen), (_, other, _) = two(made[1], work)
    assert buckets == 1 and found == other == calls * 2
    assert seen.syncs + seen.downloads + seen.hidden + seen.leaks == []
    learning = learner(0)
    accumulated_step(*learning)
    with watch() as alone:
        accumulated_step(*learning)
    assert len(seen.copies) == 2 * len(alone.copies) and len(seen.uploads) == 2 * len(alone.uploads), "as without ranks"


def test_global_batch_norm_waits_for_no_gpu(made):
    meeting = Barrier(2)

    def work(comm):
        ranks = Ranks(comm)
        ranks.take_gpu()
        model = small(0.0).to(device="cuda")
        x = cupy_strict.asarray(np.random.default_rng(comm.rank).standard_normal((4, 1, 8, 8)).astype(np.float32))
        with global_norms(model, ranks):
            meeting.wait(30)
            with watch() as seen:
                y, cache = model.forward(x, train=True)
                model.backward(y, cache)
                meeting.wait(30)
        return seen.syncs + seen.downloads + seen.hidden, ranks.gpus.calls.count("all_gather")

    for waits, sums in two(made[1], work):
        assert waits == [] and sums == 3 * 4, "two sums forward and two backward for each of three batch norms"


def test_more_ranks_than_gpus_are_told(strict, monkeypatch):
    join(monkeypatch, comms := {}, gpus=1)

    def work(comm):
        Ranks(comm).take_gpu()

    with pytest.raises(
        DeviceError, match="rank 1 is number 2 of its host, which has 1 GPUs, expected one for each rank"
    ):
        two(comms, work)
