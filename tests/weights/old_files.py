"""What the files in the folder old hold; earlier versions of minires wrote them, this module as a script:

python tests/weights/old_files.py tests/weights/old        with the package and the tests of that version
"""

import math
import sys
from pathlib import Path

import numpy as np

from minires.layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, ReLU, Sequential
from minires.train import SGD, AdamW, Position, TrainConfig

DATA = {"name": "tiny", "images": 44, "channels": 1, "classes": ["a", "b", "c"], "mean": [0.25], "std": [1 / 3]}
POSITION = {"epoch": 3, "batch": 2, "step": 20, "images": 16, "loss_sum": 1 / 3, "correct": 7, "seconds": 1.25}
OPTIMIZERS = {"sgd": SGD, "adamw": AdamW}


def network():
    """Named as torchvision names a stem and a head."""
    rng = np.random.default_rng(0)
    return Sequential(
        stem=Sequential(conv=Conv2d(1, 2, 3, bias=False, rng=rng), bn=BatchNorm2d(2)),
        relu=ReLU(),
        dropout=Dropout(0.25, rng=np.random.default_rng(7)),
        flatten=Flatten(),
        head=Sequential(fc=Linear(8, 3, rng=rng)),
    )


def state(kind, dtype="float32"):
    """A network and its optimiser, each number of them another one: k / 16 is exact in every type."""
    model = network().to(dtype=np.dtype(dtype))
    optimizer = OPTIMIZERS[kind](model.params(), 0.1)
    count = 0
    for path, buffer in [*model.tensors(), *optimizer.tensors()]:
        shape = () if path == "steps" else buffer.data.shape  # AdamW had one count of steps for all parameters
        numbers = np.arange(math.prod(shape)).reshape(shape)
        buffer.data[...] = (numbers + count) / 16
        count += numbers.size
    model["dropout"].rng.random(5)
    return model, optimizer


if __name__ == "__main__":
    from minires.models.weights import export_weights
    from minires.train import save_checkpoint, save_weights

    folder = Path(sys.argv[1])
    for kind in OPTIMIZERS:
        save_checkpoint(
            folder / f"checkpoint_{kind}.safetensors",
            *state(kind),
            config=TrainConfig(epochs=7),
            data=DATA,
            position=Position(**POSITION),
            summary={"train_loss": 0.5},
        )
    save_weights(folder / "weights.safetensors", state("sgd", "float64")[0])
    export_weights(folder / "torchvision.safetensors", state("sgd")[0], layout="torchvision")
