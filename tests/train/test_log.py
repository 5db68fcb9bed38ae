"""metrics.jsonl, curves.png and the progress on stderr."""

import io
import json
import os
import sys

import pytest
from PIL import Image
from train.tiny_training import config, data, model

from minires.errors import CheckpointError
from minires.train import draw_curves, fit, log, read_metrics
from minires.train.log import MetricsLog, Progress

EPOCH = {"train_loss": 0.5, "train_accuracy": 0.75, "test_loss": 0.625, "test_accuracy": 0.5, "seconds": 12.4}


def write_run(run_dir):
    log = MetricsLog(run_dir)
    for step in range(1, 7):
        log.write("step", step=step, epoch=step / 3, loss=1 / step, lr=0.1, seconds=step)
        if step % 3 == 0:
            log.write("epoch", step=step, epoch=step // 3, **EPOCH)


def kept(run_dir):
    return [(row["kind"], row["step"]) for row in read_metrics(run_dir)]


def test_drops_what_lies_after_the_checkpoint(tmp_path):
    write_run(tmp_path)
    everything = kept(tmp_path)
    MetricsLog(tmp_path, step=6, epoch=2)
    assert kept(tmp_path) == everything
    MetricsLog(tmp_path, step=6, epoch=1)  # stopped between the last step and the evaluation
    assert kept(tmp_path) == everything[:-1]
    MetricsLog(tmp_path, step=4, epoch=1)
    assert kept(tmp_path) == [("step", 1), ("step", 2), ("step", 3), ("epoch", 3), ("step", 4)]
    MetricsLog(tmp_path)
    assert kept(tmp_path) == []


@pytest.mark.parametrize("torn", ['{"kind": "ste', "\0\0\0\0", "\ufffd"])
def test_a_torn_line_is_left_out(tmp_path, torn):
    write_run(tmp_path)
    whole = kept(tmp_path)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write(torn)
    assert kept(tmp_path) == whole
    log = MetricsLog(tmp_path, step=6, epoch=2)
    log.write("step", step=7, epoch=2.3333, loss=0.1, lr=0.1, seconds=7)
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()][-2:] == [6, 7]


ROW = {"kind": "step", "step": 7, "epoch": 2.5, "loss": 0.1}
NO_ROWS = (
    "5",
    "{}",
    "null",
    "[1]",
    "true",
    "NaN",
    '"step"',
    '{"kind": "epoch"}',
    '{"kind": "step", "step": "x", "epoch": 1}',
    '{"kind": null, "step": 1}',
    '{"kind": ["step"]}',
    '{"kind": "note", "step": 1, "epoch": 1}',
    "[" * 5000,
    "9" * 5000,
    *(json.dumps(ROW | {name: value}) for name in ("step", "epoch", "loss") for value in (None, "1", [1], True)),
    json.dumps({"kind": "epoch", "step": 6, "epoch": 2} | EPOCH | {"test_loss": None}),
)


@pytest.mark.parametrize("line", [*NO_ROWS, b"\xff\xfe", b'{"kind": "st\xffep"}', b"\0" * 9], ids=lambda x: str(x)[:60])
@pytest.mark.parametrize("place", [0, 3, 8])
def test_a_line_that_is_no_row_costs_no_other(tmp_path, line, place):
    write_run(tmp_path)
    whole, path = kept(tmp_path), tmp_path / "metrics.jsonl"
    lines = path.read_bytes().splitlines()
    lines.insert(place, line.encode() if isinstance(line, str) else line)
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert kept(tmp_path) == whole
    MetricsLog(tmp_path, step=6, epoch=2)
    assert kept(tmp_path) == whole and len(path.read_text().splitlines()) == len(whole)
    if place == 3:
        draw_curves(tmp_path)


def test_metrics_in_a_pipe_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "metrics.jsonl")
    assert read_metrics(tmp_path) == []


def test_a_full_disk(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    log = MetricsLog(tmp_path)
    os.remove(log.path)
    os.symlink("/dev/full", log.path)
    with pytest.raises(CheckpointError, match="metrics.jsonl cannot be written .*No space left.*make room"):
        log.write("step", step=1)


def test_curves(tmp_path):
    pytest.importorskip("matplotlib")
    write_run(tmp_path)
    draw_curves(tmp_path, "resnet20 on tiny")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1350, 540)
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
    assert {(31, 119, 180), (255, 127, 14)} <= colours  # a line for training, one for test


def test_curves_of_an_empty_run(tmp_path):
    pytest.importorskip("matplotlib")
    draw_curves(tmp_path)
    assert (tmp_path / "curves.png").exists()


def test_without_matplotlib(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    write_run(tmp_path)
    draw_curves(tmp_path)
    assert capsys.readouterr().err == "curves.png is not drawn, matplotlib is missing: pip install matplotlib\n"


@pytest.mark.parametrize("reason", [ValueError("a backend"), OSError(28, "No space left"), CheckpointError("full")])
def test_a_picture_ends_no_training(tmp_path, monkeypatch, capsys, reason):
    def fail(*args, **kwargs):
        raise reason

    monkeypatch.setattr(log, "new_figure", fail)
    write_run(tmp_path)
    draw_curves(tmp_path)
    assert capsys.readouterr().err == f"curves.png is not drawn, {reason}\n"


class WriteAlone:
    def write(self, text):
        pass


class Torn(io.StringIO):
    def isatty(self):
        return True

    def write(self, text):
        raise OSError(5, "Input/output error")


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, closed(), WriteAlone(), Torn()], ids=["None", "closed", "alone", "torn"])
def test_no_stream_ends_a_training(tmp_path, monkeypatch, stream):
    """fit itself, in a program that is not the command line."""
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = fit(config(tmp_path, epochs=2), model=model(), data=data())
    assert result.epochs == 2


def test_progress_without_a_terminal(capsys):
    progress = Progress(epochs=3)
    progress.begin(1, batches=10, done=2)
    progress.step()
    progress.loss(0.25)
    progress.epoch({"epoch": 2, **EPOCH})
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "epoch 2/3   train loss 0.5000  accuracy 75.00%   test loss 0.6250  accuracy 50.00%   12 s\n"
    )


def test_progress_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress(epochs=3)
    progress.begin(1, batches=10, done=2)
    progress.loss(0.25)
    for _ in range(3):
        progress.step()
    assert progress.bar.n == 5 and progress.bar.total == 10
    progress.bar.refresh()
    progress.close()
    error = capsys.readouterr().err
    assert "epoch 2/3" in error and "loss 0.250" in error and "5/10" in error
