"""Small networks of the kind that is trained, plain and residual."""

import numpy as np

READ = 7, "Three networks, one recipe"
SIZES = (4, 5, 6, 3, 3), (3, 4, 5, 4, 4)  # images, pixels, D, blocks, classes
SMALL = (1, 1, 1, 1, 2), (2, 1, 1, 1, 2), (1, 1, 1, 2, 2), (2, 1, 2, 1, 2), (2, 2, 2, 2, 2)


def of_network(draw, labels, sizes):
    """The arguments of all functions for one network; ``draw(*shape)`` draws its numbers."""
    n, pixels, d, blocks, classes = sizes
    shapes = (d, pixels), (d,), (blocks, d, d), (blocks, d), (classes, d), (classes,)
    images, params, velocities = draw(n, pixels), [draw(*s) for s in shapes], [draw(*s) for s in shapes]
    for residual in (False, True):
        yield "logits", (images, params, residual)
        yield "gradients", (images, labels, params, residual)
        yield "training_step", (images, labels, params, velocities, residual, 0.5, 0.75, 0.25)
    yield "sgd", (draw(d, 2), draw(d, 2), draw(d, 2), 0.5, 0.75, 0.25)


def cases(rng):
    rows = []
    for sizes in (*SIZES, SIZES[0]):
        labels = rng.integers(0, sizes[-1], sizes[0])
        rows += of_network(lambda *shape: rng.standard_normal(shape), labels, sizes)
    return rows


def small():
    rng, rows = np.random.default_rng(2), []
    for sizes in SMALL:
        for _ in range(4):
            labels = rng.integers(0, sizes[-1], sizes[0])
            rows += of_network(lambda *shape: rng.choice([-1.0, 1.0, 1.0, 2.0], shape), labels, sizes)
    order = ["logits", "gradients", "sgd", "training_step"]
    return sorted(rows, key=lambda row: order.index(row[0]))
