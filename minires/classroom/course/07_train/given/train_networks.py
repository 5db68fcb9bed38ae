"""Train both networks with the functions in train.py, and write the two files to hand in.

python train_networks.py NAME      NAME: the one under which you hand in; your networks start from numbers of their own
"""

import sys

import numpy as np

from minires.data import load
from minires.files.safetensors import write_safetensors

PIXELS, D, BLOCKS, CLASSES = 64, 24, 60, 10
EPOCHS, BATCH, LR, MOMENTUM, DECAY = 8, 32, 0.02, 0.9, 1e-4
ATTEMPTS = 10  # a plain network may diverge to NaN, about one in a hundred: then both begin anew
NAMES = "first.weight", "first.bias", "blocks.weight", "blocks.bias", "last.weight", "last.bias"


def start(name, attempt=0):
    """The parameters before training: each weight is normal with variance 2 / inputs (He et al. 2015)."""
    rng = np.random.default_rng([attempt, *name.encode()])
    shapes = (D, PIXELS), (BLOCKS, D, D), (CLASSES, D)
    first, blocks, last = (rng.standard_normal(shape) * np.sqrt(2 / shape[-1]) for shape in shapes)
    return [first, np.zeros(D), blocks, np.zeros((BLOCKS, D)), last, np.zeros(CLASSES)]


def digits(part):
    """(images (N, 64) from 0 to 1, labels (N,)) of the "train" or "test" part."""
    data = load("digits", part)
    return data.images.reshape(len(data.images), -1) / 255, data.labels


def train(training_step, name, residual, epochs=EPOCHS, attempt=0):
    """The parameters after training, and the mean loss of each epoch."""
    images, labels = digits("train")
    params, order, losses = start(name, attempt), np.random.default_rng(0), []
    velocities = [np.zeros_like(p) for p in params]
    for _ in range(epochs):
        steps = []
        for batch in np.array_split(order.permutation(len(images)), len(images) // BATCH):
            given = images[batch], labels[batch], params, velocities
            params, velocities, loss = training_step(*given, residual, LR, MOMENTUM, DECAY)
            steps.append(loss)
        losses.append(float(np.mean(steps)))
    return params, losses


def write(path, name, params, attempt=0):
    write_safetensors(path, dict(zip(NAMES, params)), {"student": name, "attempt": str(attempt)})


if __name__ == "__main__":
    from train import logits, training_step

    if len(sys.argv) != 2:
        sys.exit("python train_networks.py NAME: the name under which you hand in")
    name, kinds = sys.argv[1], {"plain": False, "residual": True}
    for attempt in range(ATTEMPTS):
        with np.errstate(all="ignore"):
            found = {kind: train(training_step, name, residual, EPOCHS, attempt) for kind, residual in kinds.items()}
        if all(np.isfinite(losses).all() for _, losses in found.values()):
            break
    images, labels = digits("test")
    for kind, (params, losses) in found.items():
        share = np.mean(logits(images, params, kinds[kind]).argmax(axis=1) == labels)
        print(f"{kind}: losses {', '.join(f'{loss:.3f}' for loss in losses)}; {share:.1%} of the test images are right")
        write(f"{kind}.safetensors", name, params, attempt)
