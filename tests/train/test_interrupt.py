"""Signals: what stops at once, what waits for the end of a step, and that the old handlers come back."""

import os
import signal
import threading

import pytest
from train.tiny_training import config, data, model, weights_of

from minires.train import Interrupted, fit, load_checkpoint, loop, read_metrics, resume, training
from minires.train.interrupt import StopRequested, StopSignals


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(training, "draw_curves", lambda run_dir, title: None)


NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handlers():
    return [signal.getsignal(number) for number in NUMBERS]


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_waits_for_the_end_of_the_step(number):
    before, done = handlers(), []
    with pytest.raises(StopRequested):
        with StopSignals() as stop:
            for batch in stop.watch(iter_of(range(5))):
                if batch == 2:
                    send(number)
                done.append(batch)
    assert done == [0, 1, 2] and stop.received == number and handlers() == before


def iter_of(values):
    yield from values


def test_a_second_ctrl_c_stops_at_once():
    before = handlers()
    with pytest.raises(KeyboardInterrupt):
        with StopSignals():
            send(signal.SIGTERM)
            send(signal.SIGTERM)
            send(signal.SIGINT)
            pytest.fail("went on")
    assert handlers() == before


@pytest.mark.parametrize("number", NUMBERS)
def test_what_the_parent_ignores_stays_ignored(number):
    """nohup ignores SIGHUP, and a shell without job control SIGINT for what runs behind ``&``."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            send(number)
            assert list(stop.watch(iter_of(range(3)))) == [0, 1, 2]
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_a_handler_that_python_does_not_know_is_left_alone(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    with StopSignals() as stop:
        assert stop.previous == {}


def test_the_batches_are_closed():
    closed = []

    def batches():
        try:
            yield from range(5)
        finally:
            closed.append(True)

    with pytest.raises(StopRequested) as caught, StopSignals() as stop:
        for _ in stop.watch(batches()):
            send(signal.SIGINT)
    assert closed and caught, "the traceback keeps the generator alive, so it must have been closed"


def test_another_thread_has_no_handlers(tmp_path):
    before, results = handlers(), []
    thread = threading.Thread(target=lambda: results.append(fit(config(tmp_path), model=model(), data=data())))
    thread.start()
    thread.join()
    assert results[0].epochs == 4 and handlers() == before


@pytest.mark.parametrize("at", [0, 3, 5, 6, 23])
@pytest.mark.parametrize("number", NUMBERS)
def test_fit_saves_and_says_how_to_go_on(tmp_path, monkeypatch, at, number):
    """The step in which the signal arrives is finished and saved: step 5 ends an epoch, step 23 the training."""
    whole, run_dir = tmp_path / "whole", tmp_path / "a run"
    fit(config(whole), model=model(), data=data())
    before, steps = handlers(), iter(range(24))

    def train_step(*args, real=loop.train_step):
        if next(steps) == at:
            send(number)
        return real(*args)

    monkeypatch.setattr(loop, "train_step", train_step)
    with pytest.raises(Interrupted, match=f"stopped by {number.name} after step {at + 1} .*go on with") as caught:
        fit(config(run_dir, checkpoint_every=100), model=model(), data=data())
    assert caught.value.signal == number
    assert f"minires train --resume '{run_dir}'" in str(caught.value)
    assert handlers() == before
    assert load_checkpoint(run_dir).position.step == at + 1
    resume(run_dir, model=model(9), data=data())
    assert weights_of(load_checkpoint(run_dir)) == weights_of(load_checkpoint(whole))
    assert [row["step"] for row in read_metrics(run_dir)] == [row["step"] for row in read_metrics(whole)]


def test_a_signal_during_evaluation(tmp_path, monkeypatch):
    """The evaluation is left, not waited for; the resumed run repeats it."""
    fit(config(tmp_path / "whole"), model=model(), data=data())
    real = loop.evaluate_batches

    def evaluate_batches(*args):
        send(signal.SIGTERM)
        return real(*args)

    monkeypatch.setattr(loop, "evaluate_batches", evaluate_batches)
    with pytest.raises(Interrupted, match="after step 6 .epoch 1 of 4."):
        fit(config(tmp_path / "run"), model=model(), data=data())
    monkeypatch.setattr(loop, "evaluate_batches", real)
    assert [row["kind"] for row in read_metrics(tmp_path / "run")] == ["step"] * 3
    resume(tmp_path / "run", model=model(9), data=data())
    assert weights_of(load_checkpoint(tmp_path / "run")) == weights_of(load_checkpoint(tmp_path / "whole"))
