"""The loop: batches of one, accumulation, clipping, weights of classes, mixtures, each resumed bit for bit."""

import os
import signal

import numpy as np
import pytest
from train.test_fit import assert_same_end, cut, no_pictures  # noqa: F401 (a fixture)
from train.tiny_training import config, data, dataset, model, plain_model, spread_model

from minires.data import Loader, Normalize
from minires.errors import NumericError, RangeError, ShapeError
from minires.losses import SoftmaxCrossEntropy
from minires.train import SGD, Interrupted, evaluate, fit, load_checkpoint, loop, read_metrics, resume, run
from minires.train.loop import FILES
from minires.train.training import Training


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(("make", "steps"), [(plain_model, 6), (spread_model, 6), (model, 5)])
def test_a_last_batch_of_one_image_is_trained_on_where_forward_can(make, steps, engine, tmp_path, capsys):
    train, test = dataset(41, seed=1), dataset(9, seed=2)
    settings = {"epochs": 2, "engine": engine}
    result = fit(config(tmp_path / "whole", **settings), model=make(), data=(train, test))
    assert result.steps == 2 * steps
    said = "41 training images in batches of 8 leave one over, which this network cannot train on alone: each epoch"
    err = capsys.readouterr().err
    assert err.count(said) == (steps == 5) and ("bn (BatchNorm1d): " in err) == (steps == 5)
    for stop in (steps - 1, steps, 2 * steps - 1):
        run_dir = tmp_path / f"cut{stop}"
        with pytest.MonkeyPatch.context() as patch:
            cut(run_dir, patch, stop, make=make, images=(train, test), **settings)
        resume(run_dir, model=make(), data=(train, test))
        assert_same_end(run_dir, tmp_path / "whole")


def test_the_only_image(tmp_path):
    """There is nothing left to leave out: what batch norm says is the answer."""
    with pytest.raises(ShapeError, match="bn .BatchNorm1d"):
        fit(config(tmp_path), model=model(), data=(dataset(1, seed=1), dataset(2, seed=2)))


OPTIONS = {
    "clip_norm": {"clip_norm": 0.3},
    "accumulate": {"accumulate": 4},  # batches of 8, 8, 8, 8, then 8, 4
    "accumulate beyond the epoch": {"accumulate": 9},
    "class_weights": {"class_weights": (0.2, 1.0, 3.0), "accumulate": 2},
    "ignore_index": {"ignore_index": 2, "accumulate": 2, "clip_norm": 1.0},
    "mixup": {"mixup": 0.4},
    "cutmix": {"cutmix": 1.0, "class_weights": (0.2, 1.0, 3.0), "accumulate": 3},
}


@pytest.mark.parametrize("settings", OPTIONS.values(), ids=OPTIONS)
def test_every_option_resumes_bit_for_bit(settings, tmp_path, monkeypatch):
    settings = {"epochs": 2, "checkpoint_every": 1, "lr": 0.02, **settings}
    result = fit(config(tmp_path / "whole", **settings), model=model(), data=data())
    for step in {1, result.steps // 2, result.steps - 1}:
        cut(tmp_path / f"cut{step}", monkeypatch, step, **settings)
        resume(tmp_path / f"cut{step}", model=model(9), data=data())
        assert_same_end(tmp_path / f"cut{step}", tmp_path / "whole")


@pytest.mark.parametrize("settings", OPTIONS.values(), ids=OPTIONS)
def test_every_option_on_every_backend_and_engine(settings, tmp_path, device):
    settings = {"epochs": 2, "lr": 0.02, **settings}
    found = fit(config(tmp_path / "a", device=device, **settings), model=model(), data=data())
    for engine in ("reference", "compiled"):
        expected = fit(config(tmp_path / engine, engine=engine, **settings), model=model(), data=data())
        assert found.train_loss == pytest.approx(expected.train_loss, rel=1e-5)
        assert found.test_loss == pytest.approx(expected.test_loss, rel=1e-4)
        assert found.train_accuracy == expected.train_accuracy


@pytest.mark.parametrize("settings", OPTIONS.values(), ids=OPTIONS)
def test_every_option_does_something(settings, tmp_path):
    plain = fit(config(tmp_path / "plain", epochs=1), model=model(), data=data())
    other = fit(config(tmp_path / "other", epochs=1, **settings), model=model(), data=data())
    assert (plain.train_loss, plain.test_loss) != (other.train_loss, other.test_loss)


def test_accumulation_trains_as_large_batches_do(tmp_path):
    """Without batch norm: 44 images in batches of 4, 3 to a step, and in batches of 12; each epoch ends with 8."""
    data64 = {"epochs": 3, "augment": "none", "schedule": "cosine", "class_weights": (1.0, 2.0, 0.5)}
    few, many = plain_model().to(dtype=np.float64), plain_model().to(dtype=np.float64)
    a = fit(config(tmp_path / "a", batch_size=12, **data64), model=many, data=data())
    b = fit(config(tmp_path / "b", batch_size=4, accumulate=3, **data64), model=few, data=data())
    assert (a.steps, b.steps) == (12, 12)
    np.testing.assert_allclose(few["fc"].weight.data, many["fc"].weight.data, rtol=1e-10)
    assert (b.train_loss, b.test_loss) == pytest.approx((a.train_loss, a.test_loss), rel=1e-10)
    lines = [[(row["step"], row["epoch"]) for row in read_metrics(tmp_path / run)] for run in "ab"]
    assert lines[0] == lines[1]


def test_a_signal_inside_a_group_of_batches_waits_for_the_step(tmp_path, monkeypatch):
    """A checkpoint holds no gradients: it is of a moment between two steps."""
    settings = {"accumulate": 4, "epochs": 2}
    fit(config(tmp_path / "whole", **settings), model=model(), data=data())
    real, calls = loop.count_labels, []

    def count_labels(*args):
        calls.append(args)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*args)

    monkeypatch.setattr(loop, "count_labels", count_labels)
    with pytest.raises(Interrupted, match="after step 1 .epoch 1 of 2."):
        fit(config(tmp_path / "run", **settings), model=model(), data=data())
    position = load_checkpoint(tmp_path / "run").position
    assert (position.batch, position.step, position.images, len(calls)) == (4, 1, 32, 4)
    resume(tmp_path / "run", model=model(9), data=data())
    assert_same_end(tmp_path / "run", tmp_path / "whole")


def test_a_class_left_out_does_not_count(tmp_path):
    train, test = data()
    fit(config(tmp_path, epochs=1, ignore_index=1), model=(net := model()), data=(train, test))
    kept = test.subset(test.labels != 1)
    x = load_checkpoint(tmp_path).normalize()(kept.images)
    row = read_metrics(tmp_path)[-1]
    assert row["test_accuracy"] == (net(x).argmax(axis=1) == kept.labels).mean()
    alone = train.subset(train.labels == 2)
    for images in ((alone, test), (train, alone)):
        with pytest.raises(RangeError, match="ignore_index is 2, the label of all .* change ignore_index"):
            fit(config(tmp_path / "new", ignore_index=2), model=model(), data=images)


def test_weights_need_a_class_each(tmp_path):
    with pytest.raises(RangeError, match="class_weights has 2 numbers, tiny has 3 classes: give one a class"):
        fit(config(tmp_path, class_weights=(1.0, 2.0)), model=model(), data=data())


def test_mixed_images_count_for_the_larger_share(tmp_path):
    """By hand: the model is frozen but for a bias that a learning rate of 1e-30 leaves where it is."""
    net = plain_model().freeze()
    net["fc"].bias.frozen = False
    settings = config(tmp_path, epochs=1, mixup=1.0, lr=1e-30)
    training = Training(settings, net, data())
    right = 0
    for x, targets in training.loop.train_loader.epoch(0):
        right += sum(int(np.argmax(row) == np.argmax(target)) for row, target in zip(net(x), targets))
    assert fit(settings, model=net, data=data()).train_accuracy == right / 44


# run


def test_run_is_the_loop_of_the_readme():
    """Bit by bit, with the layers as they are written and nothing added."""
    train, test = data()
    one, other = model(), model()
    loader = Loader(train, 8, seed=0, shuffle=True, normalize=Normalize.of(train))
    loss, optimizer = SoftmaxCrossEntropy(), SGD(one.params(), 0.05)
    values = []
    for epoch in range(3):
        for x, labels in loader.epoch(epoch):
            logits, cache = one.forward(x, train=True)
            value, loss_cache = loss.forward(logits, labels)
            one.zero_grads()
            one.backward(loss.backward(loss_cache), cache)
            optimizer.step()
            values.append((float(value), len(labels)))
    plain = {"schedule": "constant", "weight_decay": 0.0, "augment": "none", "engine": "reference"}
    seen = []
    rows = run(other, (train, test), 3, lr=0.05, batch_size=8, on_epoch=seen.append, **plain)
    assert [t.data.tobytes() for _, t in one.tensors()] == [t.data.tobytes() for _, t in other.tensors()]
    losses, counts = zip(*values[12:])
    assert seen == rows and [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[-1]["train_loss"] == pytest.approx(np.average(losses, weights=counts), rel=1e-6)
    test_loader = Loader(test, 8, seed=0, shuffle=False, normalize=Normalize.of(train))
    assert rows[-1]["test_accuracy"] == evaluate(one, test_loader).accuracy


def test_fit_is_run_with_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = config("r").to_dict() | {"milestones": (0.5,), "option": (), "freeze_but": (), "class_weights": ()}
    left = {name: value for name, value in settings.items() if name not in (*FILES, "model", "data", "epochs")}
    rows = run(one := model(), data(), 4, **left)
    assert not list(tmp_path.iterdir())
    fit(config("r"), model=(other := model()), data=data())
    assert [t.data.tobytes() for _, t in one.tensors()] == [t.data.tobytes() for _, t in other.tensors()]
    written = [row for row in read_metrics("r") if row["kind"] == "epoch"]
    assert [{**row, "kind": "epoch", "seconds": 0} for row in rows] == [{**row, "seconds": 0} for row in written]


def test_run_stops_on_nan_and_where_its_callback_raises(capsys):
    with pytest.raises(NumericError, match="loss is .*, expected a finite number: try lr=1e.37"):
        run(model(), data(), 2, lr=1e38, momentum=0.0, schedule="constant")

    def stop(row):
        raise StopIteration

    with pytest.raises(StopIteration):
        run(model(), data(), 2, on_epoch=stop)
    run(model(), (dataset(41, seed=1), dataset(9, seed=2)), 2, batch_size=8, augment="none")
    assert capsys.readouterr().err.count("each epoch leaves one out") == 1


@pytest.mark.parametrize("name", ["run_dir", "weights"])
def test_run_takes_no_files(name):
    with pytest.raises(RangeError, match=f"{name} is given, but run takes and leaves no files: use fit"):
        run(model(), data(), 2, **{name: "x"})
