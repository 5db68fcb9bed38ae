"""Residual networks with one block out of order: every block once, in an order of the student's own."""

import numpy as np

READ = 9, "The ledger of a real network"
KINDS = "gamma", "bias", "gate", "scale"
DEAD = {"gamma": 0.0, "bias": -60.0, "gate": -30.0, "scale": 0.05}
BLOCKS, IMAGES, D, H = 5, 6, 5, 8
ALIVE = 0.02  # of the gradient: what a branch in order brings is far above


def healthy(rng, blocks=BLOCKS, d=D, h=H):
    """[inner, bias, outer, gamma, gate, scale]"""
    inner = rng.standard_normal((blocks, h, d)) / np.sqrt(d)
    outer = rng.standard_normal((blocks, d, h)) * np.sqrt(2 / h)
    bias, gamma = 0.2 * rng.standard_normal((blocks, h)), rng.uniform(0.7, 1.3, (blocks, d))
    return [inner, bias, outer, gamma, rng.uniform(0, 2, blocks), np.ones(blocks)]


def sabotaged(net, block, kind):
    """The network with one block out of order."""
    place = ["inner", "bias", "outer", "gamma", "gate", "scale"].index(kind)
    return tuple(np.where(_rows(a, block), DEAD[kind], a) if i == place else a for i, a in enumerate(net))


def _rows(array, block):
    return (np.arange(len(array)) == block).reshape(-1, *[1] * (array.ndim - 1))


def cases(rng):
    rows, kinds = [], rng.permutation([*KINDS, "gate"])  # one closed gate is not in block 0: its term is not quite 0
    for number, block in enumerate(rng.permutation(BLOCKS)):
        net = sabotaged(healthy(rng), block, kinds[number])
        x, dy = rng.standard_normal((2, IMAGES, D))
        names = ("forward", "ledger", "gap", "find", "mend")
        rows += [(name, (x, *net) if name == "forward" else (x, dy, *net)) for name in names]
    return rows


def small():
    rng, rows = np.random.default_rng(3), []

    def whole(*shape):
        return rng.integers(1, 4, shape).astype(float)

    for blocks, images, d, h in ((1, 1, 1, 1), (1, 1, 1, 2), (2, 1, 1, 2), (2, 1, 2, 2), (2, 2, 2, 2)):
        for _ in range(3):
            signs = rng.choice([-1.0, 1.0], (blocks, d, h))
            bias, gate = rng.choice([-4.0, 1.0, 2.0], (blocks, h)), rng.choice([0.0, 1.0], blocks)
            net = [whole(blocks, h, d), bias, signs * whole(blocks, d, h), whole(blocks, d), gate, whole(blocks)]
            x, dy = whole(images, d), rng.choice([-1.0, 1.0, 2.0], (images, d))
            rows += [("forward", (x, *net)), ("ledger", (x, dy, *net)), ("gap", (x, dy, *net))]
    for blocks in (2, 3):
        for kind in KINDS:
            for block in range(blocks):
                net = [
                    whole(blocks, 1, 1),
                    0 * whole(blocks, 1),
                    whole(blocks, 1, 1),
                    whole(blocks, 1),
                    np.ones(blocks),
                ]
                given = (whole(1, 1), whole(1, 1), *sabotaged([*net, np.ones(blocks)], block, kind))
                rows += [("find", given), ("mend", given)]
    order = ["forward", "ledger", "gap", "find", "mend"]
    return sorted(rows, key=lambda row: order.index(row[0]))


def mended(solution, result, x, dy, *net):
    """1 for each of: the other blocks and the weights are kept, the shortcut passes all, the branch is alive."""
    after = [np.array(array, float) for array in result]
    if [a.shape for a in after] != [a.shape for a in net]:
        return {"shapes": np.zeros(6)}
    block = int(solution["find"](x, dy, *net)[0])
    others = all(np.array_equal(np.delete(a, block, 0), np.delete(b, block, 0)) for a, b in zip(after, net))
    weights = all(np.array_equal(after[i], net[i]) for i in (0, 2))
    along, across = solution["ledger"](x, dy, *after)[block]
    return {"others": others, "weights": weights, "shortcut": along, "branch": 1.0 if across > ALIVE else across}


SEEN = {"mend": mended}
