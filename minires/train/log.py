"""What a training reports: metrics.jsonl for programs, curves.png for the eye, progress on stderr."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from ..files import StrPath
from ..files.picture import new_figure, png
from ..files.streams import Stream
from ..files.whole import appended, write_atomically

METRICS, CURVES = "metrics.jsonl", "curves.png"
SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
FIELDS = {"step": ("step", "epoch", "loss"), "epoch": ("step", "epoch", *SCORES)}  # numbers of each kind of line
TRAIN, TEST = "tab:blue", "tab:orange"


class MetricsLog:
    """The file metrics.jsonl of a run: JSON objects, one a line, of kind "step" or "epoch".

    "step" counts from 1. "epoch" is the number of epochs completed, with the part of the current one.

    Opened at a step and a number of completed epochs, it drops whatever an interrupted run wrote after
    them, so that in the end the file is that of a run without interruption, but for the seconds.
    """

    def __init__(self, run_dir, *, step=0, epoch=0):
        self.path = Path(run_dir) / METRICS
        kept = [row for row in read_metrics(run_dir) if _is_before(row, step, epoch)]
        write_atomically(self.path, "".join(map(_line, kept)).encode())

    def write(self, kind, **fields):
        """Append a line and return it; it survives the end of the process, and a loss of power after :meth:`sync`."""
        row = {"kind": kind, **fields}
        with appended(self.path) as file:
            file.write(_line(row))
        return row

    def sync(self):
        """Return when all lines are on the disk."""
        with appended(self.path) as file:
            os.fsync(file.fileno())


def read_metrics(run_dir: StrPath) -> list[dict[str, Any]]:
    """The lines of a run's metrics.jsonl as a list of dicts; [] where there is none.

    What is no line of a run, such as the torn one of a process that was killed, is passed over.
    """
    path = Path(run_dir) / METRICS
    if not path.is_file():
        return []
    return [row for row in map(_row, path.read_bytes().split(b"\n")) if row is not None]


def _row(line):
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    fields = FIELDS.get(row.get("kind")) if isinstance(row, dict) and isinstance(row.get("kind"), str) else None
    return row if fields is not None and all(type(row.get(name)) in (int, float) for name in fields) else None


def draw_curves(run_dir: StrPath, title: str = "") -> None:
    """Draw loss and accuracy of metrics.jsonl into curves.png. A picture ends no training: what hinders it is said."""
    try:
        write_atomically(Path(run_dir) / CURVES, png(_curves(read_metrics(run_dir), title)))
    except Exception as error:  # noqa: B902 (whatever a library of pictures raises)
        reason = "matplotlib is missing: pip install matplotlib" if isinstance(error, ImportError) else error
        print(f"{CURVES} is not drawn, {reason}", file=Stream(sys.stderr))


def _curves(rows, title):
    figure = new_figure(figsize=(9, 3.6), layout="constrained")
    from matplotlib.ticker import MaxNLocator

    epochs = [row for row in rows if row["kind"] == "epoch"]
    steps = [row for row in rows if row["kind"] == "step"]
    loss, accuracy = figure.subplots(1, 2)
    loss.plot(
        [row["epoch"] for row in steps],
        [row["loss"] for row in steps],
        color=TRAIN,
        alpha=0.3,
        linewidth=1,
        label="train, one batch",
    )
    for axes, name, scale in ((loss, "loss", 1), (accuracy, "accuracy", 100)):
        for split, color in (("train", TRAIN), ("test", TEST)):
            values = [scale * row[f"{split}_{name}"] for row in epochs]
            axes.plot([row["epoch"] for row in epochs], values, color=color, marker="o", markersize=3, label=split)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    loss.set_ylabel("cross-entropy")
    loss.set_ylim(bottom=0)
    accuracy.set_ylabel("accuracy in %")
    figure.suptitle(title)
    return figure


class Progress:
    """Progress on stderr: a bar over the steps of an epoch where stderr is a terminal, a line an epoch elsewhere."""

    def __init__(self, epochs):
        self.epochs = epochs
        self.stream = Stream(sys.stderr)
        self.terminal = self.stream.isatty()
        self.bar = None

    def say(self, text):
        """A sentence of its own."""
        print(text, file=self.stream)

    def begin(self, epoch, batches, done):
        """Epoch ``epoch`` (from 0) starts, ``done`` of its batches were trained earlier."""
        if self.terminal:
            from tqdm import tqdm

            label = f"epoch {epoch + 1}/{self.epochs}"
            self.bar = tqdm(total=batches, initial=done, desc=label, unit="step", leave=False, file=self.stream)

    def step(self):
        if self.bar is not None:
            self.bar.update()

    def loss(self, value):
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {value:.3f}", refresh=False)

    def epoch(self, row):
        """The epoch is over; ``row`` is its line of metrics.jsonl."""
        self.close()
        print(
            f"epoch {row['epoch']}/{self.epochs}   "
            f"train loss {row['train_loss']:.4f}  accuracy {row['train_accuracy']:.2%}   "
            f"test loss {row['test_loss']:.4f}  accuracy {row['test_accuracy']:.2%}   {row['seconds']:.0f} s",
            file=self.stream,
        )

    def close(self):
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _line(row):
    return json.dumps(row) + "\n"


def _is_before(row, step, epoch):
    return row["epoch"] <= epoch if row["kind"] == "epoch" else row["step"] <= step
