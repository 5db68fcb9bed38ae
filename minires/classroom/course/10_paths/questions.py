"""Nets of blocks y = S x + U relu(V x): for grading of five blocks, for showing of one or two."""

import numpy as np

READ = 12, "All ways of one length, without listing them"
SIZES = (5, 4, 3), (3, 2, 5), (4, 3, 3)  # blocks, D, H
SMALL = (1, 1, 1), (2, 1, 1), (1, 2, 1), (2, 2, 1), (3, 1, 1), (3, 2, 1)


def of_net(draw, blocks, d, h):
    """The arguments of all functions for one net, whose numbers ``draw(*shape)`` draws."""
    x, dy, shortcuts = draw(d), draw(d), draw(blocks, d, d)
    inner, outer, branches = draw(blocks, h, d), draw(blocks, d, h), draw(blocks, d, d)
    taken = np.arange(blocks) % 2
    yield "operators", (x, shortcuts, inner, outer)
    for several in (taken, 1 - taken):
        yield "path", (dy, shortcuts, branches, several)
    yield "by_length", (dy, shortcuts, branches)
    yield "shares", (np.concatenate([shortcuts[:, 0], branches[-1:, 0], dy[None]]),)
    for block in {0, blocks // 2, blocks - 1}:
        yield "avoiding", (dy, shortcuts, branches, block)
        yield "lesion", (x, dy, shortcuts, inner, outer, block)


def cases(rng):
    rows = []
    for blocks, d, h in SIZES:
        rows += of_net(lambda *shape: rng.standard_normal(shape), blocks, d, h)
    return rows


def small():
    rng, rows = np.random.default_rng(1), []
    for blocks, d, h in SMALL:
        for _ in range(3):
            rows += of_net(lambda *shape: rng.choice([-2.0, -1.0, 1.0, 2.0, 3.0], shape), blocks, d, h)
    order = ["operators", "path", "by_length", "shares", "avoiding", "lesion"]
    return sorted(rows, key=lambda row: order.index(row[0]))
