"""A training of a fraction of a second, with batch norm and dropout; as a script it runs in a process of its own.

python tiny_training.py RUN_DIR            starts the run, or resumes it where the folder holds a checkpoint
python tiny_training.py RUN_DIR slow       the same with steps of some milliseconds
"""

import sys
import time
from pathlib import Path

import numpy as np

from minires.data import Dataset
from minires.layers import BatchNorm1d, BatchNorm2d, Conv2d, Dropout, Flatten, Linear, ReLU, Sequential
from minires.train import TrainConfig, fit, resume

CLASSES = ("dark", "left", "right")


def dataset(count, seed, name="tiny"):
    """Images (count, 1, 4, 4): noise, with the left or the right half brighter."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    images = rng.integers(0, 120, (count, 1, 4, 4))
    images[labels == 1, :, :, :2] += 100
    images[labels == 2, :, :, 2:] += 100
    return Dataset(name, images.astype(np.uint8), labels.astype(np.int64), CLASSES)


def data():
    return dataset(44, seed=1), dataset(24, seed=2)


def model(seed=0, linear=Linear):
    rng = np.random.default_rng(seed)
    return Sequential(
        flatten=Flatten(),
        fc1=linear(16, 8, rng=rng),
        bn=BatchNorm1d(8),
        relu=ReLU(),
        dropout=Dropout(0.25, rng=rng),
        fc2=Linear(8, 3, rng=rng),
    )


def plain_model():
    """Without batch norm."""
    return Sequential(flatten=Flatten(), fc=Linear(16, 3, rng=0))


def spread_model():
    """With batch norm over 16 pixels an image: one image will do."""
    return Sequential(
        conv=Conv2d(1, 4, 3, padding=1, rng=0),
        bn=BatchNorm2d(4),
        relu=ReLU(),
        flatten=Flatten(),
        fc=Linear(64, 3, rng=1),
    )


def config(run_dir, **changes):
    """Six batches an epoch, the last one smaller."""
    settings = {"epochs": 4, "batch_size": 8, "lr": 0.05, "augment": "crop", "log_every": 2, "checkpoint_every": 1}
    return TrainConfig(run_dir=str(run_dir), **(settings | changes))


def weights_of(checkpoint):
    return {name: array.tobytes() for name, array in checkpoint.tensors.items()}


class Slow(Linear):
    """A linear layer that takes its time, so that a signal surely arrives during the training."""

    def forward(self, x, train=False):
        time.sleep(0.04)
        return super().forward(x, train)


if __name__ == "__main__":
    sys.modules["matplotlib"] = None  # half a second of each start
    run_dir = Path(sys.argv[1])
    network = model(linear=Slow if "slow" in sys.argv else Linear)
    print("ready", flush=True)
    if (run_dir / "checkpoint.safetensors").exists():
        resume(run_dir, model=network, data=data())
    else:
        fit(config(run_dir), model=network, data=data())
