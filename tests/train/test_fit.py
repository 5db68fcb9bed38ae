"""fit and resume: the files of a run, stopping and resuming at any step, and what they refuse."""

import dataclasses
import functools
import json
import os

import cupy_strict
import numpy as np
import pytest
from train.tiny_training import config, data, dataset, model, weights_of

from minires.errors import CheckpointError, MiniresError, NumericError, RangeError, StateError
from minires.train import TrainConfig, evaluate, fit, load_checkpoint, load_model, loop, read_metrics, resume, training
from minires.train.training import Training


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Half a second each; test_log.py draws one."""
    monkeypatch.setattr("minires.train.training.draw_curves", lambda run_dir, title: None)


class PowerCut(Exception):
    pass


def cut(run_dir, monkeypatch, step, make=model, images=None, **changes):
    """A run whose process ends without warning after ``step`` steps, resumed if it exists."""

    def step_or_cut(*args, real):
        nonlocal step
        if step == 0:
            raise PowerCut
        step -= 1
        return real(*args)

    for name in ("train_step", "accumulated_step"):
        monkeypatch.setattr(loop, name, functools.partial(step_or_cut, real=getattr(loop, name)))
    with pytest.raises(PowerCut):
        if run_dir.exists():
            resume(run_dir, model=make(), data=images or data())
        else:
            fit(config(run_dir, **changes), model=make(), data=images or data())
    monkeypatch.undo()
    monkeypatch.setattr("minires.train.training.draw_curves", lambda run_dir, title: None)


def without_seconds(run_dir):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in read_metrics(run_dir)]


def assert_same_end(run_dir, other):
    assert weights_of(load_checkpoint(run_dir)) == weights_of(load_checkpoint(other))
    assert without_seconds(run_dir) == without_seconds(other)
    a, b = (dataclasses.replace(load_checkpoint(d).position, seconds=0) for d in (run_dir, other))
    assert a == b


def test_learns_and_writes_its_files(tmp_path, capsys):
    result = fit(config(tmp_path, epochs=12, augment="none", lr=0.2), model=model(), data=data())
    assert result.train_loss < 0.6 and result.test_accuracy > 0.8
    assert (result.run_dir, result.epochs, result.steps) == (str(tmp_path), 12, 72)
    files = {"checkpoint.safetensors", "config.json", "metrics.jsonl"}
    assert set(os.listdir(tmp_path)) == files
    assert TrainConfig.from_json((tmp_path / "config.json").read_text()) == load_checkpoint(tmp_path).config
    rows = read_metrics(tmp_path)
    assert [row["step"] for row in rows if row["kind"] == "step"] == list(range(2, 73, 2))
    assert [row["step"] for row in rows if row["kind"] == "epoch"] == list(range(6, 73, 6))
    assert rows[-1]["test_accuracy"] == result.test_accuracy and rows[-1]["seconds"] == result.seconds
    assert set(rows[0]) == {"kind", "step", "epoch", "loss", "lr", "seconds"}
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 12 and lines[-1].startswith("epoch 12/12   train loss 0.")


def test_numbers_of_an_epoch(tmp_path, monkeypatch):
    """The numbers of metrics.jsonl are means over the images of one epoch, also where the last batch is smaller."""
    seen = []
    real = loop.train_step
    monkeypatch.setattr(loop, "train_step", lambda *args: seen.append(real(*args)) or seen[-1])
    settings = config(tmp_path, epochs=2, log_every=1, augment="none")
    result = fit(settings, model=model(), data=data())
    losses, correct = zip(*seen[6:])
    assert result.train_loss == pytest.approx(np.average(losses, weights=[8, 8, 8, 8, 8, 4]), rel=1e-6)
    assert result.train_accuracy == sum(correct) / 44
    assert [row["loss"] for row in read_metrics(tmp_path) if row["kind"] == "step"][6:] == [float(v) for v in losses]
    trained = model()
    load_checkpoint(tmp_path).restore(trained)
    found = evaluate(trained, Training(settings, model(), data()).loop.test_loader)
    assert (found.accuracy, found.loss) == (result.test_accuracy, result.test_loss)


@pytest.mark.parametrize(("optimizer", "prefetch"), [("sgd", 2), ("adamw", 0)])
def test_resumes_bit_for_bit_after_a_crash_at_any_step(tmp_path, monkeypatch, optimizer, prefetch):
    settings = {"optimizer": optimizer, "prefetch": prefetch, "checkpoint_every": 2, "epochs": 2}
    fit(config(tmp_path / "whole", **settings), model=model(), data=data())
    for step in range(12):
        run_dir = tmp_path / f"cut{step}"
        cut(run_dir, monkeypatch, step, **settings)
        resume(run_dir, model=model(9), data=data())
        assert_same_end(run_dir, tmp_path / "whole")


def test_resumes_after_several_crashes(tmp_path, monkeypatch):
    fit(config(tmp_path / "whole"), model=model(), data=data())
    for step in (5, 1, 0, 7, 3):
        cut(tmp_path / "run", monkeypatch, step)
    resume(tmp_path / "run", model=model(9), data=data(), checkpoint_every=100, prefetch=0)
    assert_same_end(tmp_path / "run", tmp_path / "whole")


def test_a_network_by_name(tmp_path, monkeypatch):
    """Convolutions, crops and flips, embedded data: interrupted in the middle of an epoch."""
    settings = TrainConfig(
        model="resnet8", epochs=2, batch_size=8, limit_train=24, limit_test=10, seed=3, checkpoint_every=1, log_every=1
    )
    whole = fit(dataclasses.replace(settings, run_dir=str(tmp_path / "whole")))
    steps = iter(range(4))
    real = loop.train_step
    monkeypatch.setattr(loop, "train_step", lambda *args: (next(steps), real(*args))[1])
    with pytest.raises(StopIteration):
        fit(dataclasses.replace(settings, run_dir=str(tmp_path / "cut")))
    monkeypatch.setattr(loop, "train_step", real)
    cut = resume(tmp_path / "cut")
    assert_same_end(tmp_path / "cut", tmp_path / "whole")
    assert (cut.train_loss, cut.test_accuracy) == (whole.train_loss, whole.test_accuracy)
    net, checkpoint = load_model(tmp_path / "cut")
    assert net(checkpoint.normalize()(dataset(2, 0).images)).shape == (2, 10)


def test_same_on_every_backend(tmp_path, device):
    result = fit(config(tmp_path / "a", device=device, epochs=2), model=model(), data=data())
    expected = fit(config(tmp_path / "b", epochs=2), model=model(), data=data())
    assert result.train_loss == pytest.approx(expected.train_loss, rel=1e-5)
    assert resume(tmp_path / "a", model=model(), data=data(), device="cpu").train_loss == result.train_loss


def test_never_waits_for_a_gpu_between_two_log_lines(tmp_path, strict):
    """Twice the steps, as many waits; a line of metrics costs one."""
    rarely = config(tmp_path / "short", device="cuda", log_every=100, checkpoint_every=100)
    train, test = data()
    with cupy_strict.watch() as short:
        fit(rarely, model=model(), data=(train, test))
    with cupy_strict.watch() as long:
        more = dataclasses.replace(rarely, run_dir=str(tmp_path / "long"))
        fit(more, model=model(), data=(dataset(88, seed=1), test))
    with cupy_strict.watch() as often:
        every = dataclasses.replace(rarely, run_dir=str(tmp_path / "often"), log_every=1)
        fit(every, model=model(), data=(train, test))
    assert len(long.syncs) == len(short.syncs)
    assert len(often.syncs) == len(short.syncs) + 24


def test_saves_once_a_moment_and_the_metrics_first(tmp_path, monkeypatch):
    events = []
    for owner, name in ((training.MetricsLog, "sync"), (Training, "save")):
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda self, real=real, name=name: (events.append(name), real(self))[1])
    fit(config(tmp_path, checkpoint_every=2), model=model(), data=data())
    assert events == ["save", *["sync", "save"] * 12]  # the first state; steps 2, 4 and 6 of four epochs


def test_of_a_finished_run_nothing_changes(tmp_path):
    result = fit(config(tmp_path), model=model(), data=data())
    before = (tmp_path / "metrics.jsonl").read_bytes(), (tmp_path / "checkpoint.safetensors").read_bytes()
    assert resume(tmp_path, model=model(9), data=data()) == result
    assert ((tmp_path / "metrics.jsonl").read_bytes(), (tmp_path / "checkpoint.safetensors").read_bytes()) == before


@pytest.mark.parametrize("log_every", [1, 5])
def test_divergence(tmp_path, log_every):
    """The loss is not finite from step 4 on; the checkpoint stays that of step 3 or before."""
    settings = config(tmp_path, lr=1e38, momentum=0.0, schedule="constant", warmup=0, log_every=log_every)
    with pytest.raises(NumericError) as caught:
        fit(settings, model=model(), data=data())
    message = str(caught.value)
    for part in ("loss", "nan", "at step ", "epoch 1 of 4", "lr 1e+38", "expected a finite number", "try lr=1e+37"):
        assert part in message
    checkpoint = load_checkpoint(tmp_path)
    assert all(np.isfinite(array).all() for array in checkpoint.tensors.values())
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_a_folder_holds_one_run(tmp_path):
    fit(config(tmp_path, epochs=1), model=model(), data=data())
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(StateError, match="holds checkpoint.safetensors of an earlier run.*minires train --resume"):
        fit(config(tmp_path), model=model(), data=data())
    os.remove(tmp_path / "checkpoint.safetensors")
    with pytest.raises(StateError, match="holds metrics.jsonl of an earlier run"):
        fit(config(tmp_path), model=model(), data=data())
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_names_of_new_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = dataclasses.replace(config("x", epochs=1, seed=5), run_dir=None)
    names = [fit(settings, model=model(), data=data()).run_dir for _ in range(3)]
    assert names == ["runs/Sequential-tiny-seed5", "runs/Sequential-tiny-seed5-2", "runs/Sequential-tiny-seed5-3"]
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="file cannot be written: .*file is no folder, expected one"):
        fit(config("file"), model=model(), data=data())


def test_resume_refuses(tmp_path):
    with pytest.raises(CheckpointError, match="absent is not a folder"):
        resume(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="checkpoint.safetensors cannot be read .No such file"):
        resume(tmp_path)
    fit(config(tmp_path, epochs=1), model=model(), data=data())
    with pytest.raises(RangeError, match="lr cannot change when a run resumes, only device, data_dir"):
        resume(tmp_path, model=model(), data=data(), lr=0.01)
    train, test = data()
    for other, message in [
        (dataset(44, seed=3), "whose mean is"),
        (train.subset(slice(40)), "whose images is 44, found 40"),
        (dataset(44, seed=1, name="other"), "whose name is tiny, found other"),
    ]:
        with pytest.raises(CheckpointError, match=f"comes from training data {message}.*resume with the same data"):
            resume(tmp_path, model=model(), data=(other, test))
    with pytest.raises(MiniresError):
        resume(tmp_path)  # no data set is called tiny


def test_limits_take_a_random_sample(tmp_path):
    train, test = data()
    ordered = train.subset(np.argsort(train.labels, kind="stable"))
    training = Training(config(tmp_path, limit_train=20, limit_test=9, seed=4), model(), (ordered, test))
    chosen = training.loop.train_loader.dataset
    assert (len(chosen), len(training.loop.test_loader.dataset)) == (20, 9)
    assert len(set(chosen.labels.tolist())) == 3
    again = Training(config(tmp_path, limit_train=20, seed=7), model(), (ordered, test)).loop.train_loader.dataset
    assert (again.images == chosen.images).all()


def test_nothing_to_train(tmp_path):
    with pytest.raises(StateError, match="all 6 parameters of the model are frozen.*model.freeze.False."):
        fit(config(tmp_path / "new"), model=model().freeze(), data=data())
    assert not (tmp_path / "new").exists()


def test_a_model_in_float64(tmp_path):
    net = model().to(dtype=np.float64)
    result = fit(config(tmp_path, epochs=2), model=net, data=data())
    assert {t.data.dtype for _, t in net.tensors()} == {np.dtype("float64")} and result.steps == 12
    assert resume(tmp_path, model=model().to(dtype=np.float64), data=data()) == result


def test_a_run_of_ones_own_says_how_it_goes_on(tmp_path):
    fit(config(tmp_path, epochs=1), model=model(), data=data())
    with pytest.raises(StateError, match=r"data of your own, 'tiny', expected them again: resume\(run_dir, data="):
        resume(tmp_path)
    with pytest.raises(StateError, match=r"model of your own, Sequential, .*again: .*resume\(run_dir, model="):
        resume(tmp_path, data=data())
    with pytest.raises(StateError, match="model of your own"):
        load_model(tmp_path)
