"""Small networks with forks of every kind, and the operators of their blocks as matrices found by forward alone."""

import numpy as np

from minires.layers import (
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Flatten,
    Fork,
    Gate,
    GlobalAvgPool2d,
    Identity,
    Linear,
    PadChannels,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
)
from minires.models.blocks import PLACEMENTS, SHORTCUTS, basic_block

from . import jacobian

CLASSES = 3


def network(units, channels, rng, dtype=np.float64):
    """stem conv (2 channels to that of the first unit), the units by name, a head; every parameter random."""
    stem = Conv2d(2, channels[0], 3, padding=1, rng=rng)
    head = Sequential(GlobalAvgPool2d(), Flatten(), Linear(channels[1], CLASSES, rng=rng))
    model = Sequential(stem=stem, **units, head=head)
    for path, p in model.params():
        if not path.endswith("weight"):
            p.data = p.data + 0.3 * rng.standard_normal(p.data.shape)
    return model.to(dtype=dtype)


def blocks(placement="original", option="A", n=4, changes=(2,), rng=0):
    """n basic blocks of few channels; those numbered in ``changes`` halve the image and add channels."""
    rng = np.random.default_rng(rng)
    units, c = {}, 3
    for i in range(n):
        out = c + 1 if i in changes else c
        units[f"block{i}"] = basic_block(
            c,
            out,
            2 if i in changes else 1,
            option,
            block=placement,
            rng=rng,
            **({"gate_bias": -1.0} if "gate" in option else {}),
        )
        c = out
    return network(units, (3, c), rng)


def dense(n=4, rng=0):
    """Layers of DenseNet, x_{l+1} = [x_l, H(x_l)], with a transition in the middle."""
    rng = np.random.default_rng(rng)
    units, c = {}, 3
    for i in range(n):
        if i == n // 2:
            units["transition"] = Sequential(BatchNorm2d(c), ReLU(), Conv2d(c, 3, 1, rng=rng), AvgPool2d(2))
            c = 3
        branch = Sequential(BatchNorm2d(c), ReLU(), Conv2d(c, 2, 3, padding=1, rng=rng))
        units[f"layer{i}"] = Concat(shortcut=Identity(), branch=branch)
        c += 2
    return network(units, (3, c), rng)


def nested(inner, rng=0):
    """Residual blocks whose branch holds a fork of its own, as in squeeze and excitation."""
    rng = np.random.default_rng(rng)

    def branch():
        return Sequential(conv=Conv2d(3, 3, 3, padding=1, rng=rng), bn=BatchNorm2d(3), inner=inner(rng))

    units = {f"block{i}": Sequential(add=Residual(branch()), relu=ReLU()) for i in range(3)}
    return network(units, (3, 3), rng)


def _gate(rng):
    gate = Sequential(Conv2d(3, 3, 1, bias=True, rng=rng), Sigmoid())
    return Gate(Sequential(Conv2d(3, 3, 1, rng=rng), ReLU()), gate)


def _residual(rng):
    return Residual(Sequential(ReLU(), Residual(Conv2d(3, 3, 3, padding=1, rng=rng))))


def flat(rng=0):
    """Residual blocks written without a container for each: the ReLU of v1 stands between the forks."""
    rng = np.random.default_rng(rng)
    units = {}
    for i in range(3):
        units[f"add{i}"] = Residual(Sequential(Conv2d(3, 3, 3, padding=1, rng=rng), BatchNorm2d(3)))
        units[f"relu{i}"] = ReLU()
    return network(units, (3, 3), rng)


def inception(rng=0):
    """Forks without a shortcut."""
    rng = np.random.default_rng(rng)
    units = {}
    for i in range(2):
        ways = Concat(narrow=Conv2d(3, 2, 1, rng=rng), wide=Conv2d(3, 1, 3, padding=1, rng=rng))
        units[f"module{i}"] = Sequential(ways, BatchNorm2d(3), ReLU())
    return network(units, (3, 3), rng)


def shared(rng=0):
    """The same block three times."""
    rng = np.random.default_rng(rng)
    block = basic_block(3, 3, 1, rng=rng)
    return network({"one": block, "two": block, "three": block}, (3, 3), rng)


class Partial(Fork):
    """y[:, :C] = branch(x)[:, :C] + x, further channels by the branch alone: a shortcut that is no child."""

    def __init__(self, branch, extra):
        self.branch, self.pad = branch, PadChannels(0, extra)

    def forward(self, x, train=False):
        y, cache = self.branch.forward(x, train)
        padded, pad_cache = self.pad.forward(x, train)
        return y + padded, (cache, pad_cache)

    def terms(self, dy, cache):
        return {"shortcut": self.pad.backward(dy, cache[1]), "branch": self.branch.backward(dy, cache[0])}


def partial(rng=0):
    rng = np.random.default_rng(rng)
    units = {f"block{i}": Partial(Conv2d(c, c + 1, 3, padding=1, rng=rng), 1) for i, c in enumerate((3, 4, 5))}
    return network(units, (3, 6), rng)


# name: make(); every variant of the two papers of He et al., with and without a change of shape, and other forks
VARIANTS = {
    **{f"{p} {o}": lambda p=p, o=o: blocks(p, o) for p in PLACEMENTS for o in ("A", "B")},
    **{f"{p} {o}": lambda p=p, o=o: blocks(p, o) for p in ("original", "full_preact") for o in SHORTCUTS},
    **{f"{p} one stage": lambda p=p: blocks(p, n=3, changes=()) for p in PLACEMENTS},
    "dense": dense,
    "nested gate": lambda: nested(_gate),
    "nested residual": lambda: nested(_residual),
    "flat": flat,
    "inception": inception,
    "shared": shared,
    "partial": partial,
}


def units_of(model):
    """[(name, layer)] of a :func:`network` between stem and head."""
    return [(name, layer) for name, layer in model.children() if name not in ("stem", "head")]


def matrices(model, x, train=True):
    """[(name, J, A)] of the units: Jacobian of the unit, and of its way on the shortcut (J itself without a fork).

    Each from the forwards of its parts by complex steps, so without any backward; no dropout.
    """

    def run(layer):
        return lambda z: layer.forward(z, train)[0]

    found, x = [], model["stem"](x)
    for name, unit in units_of(model):
        whole = jacobian(run(unit), x)
        parts = [layer for _, layer in unit.children()] if isinstance(unit, Sequential) else [unit]
        forks = any(isinstance(part, Fork) for part in parts)
        way, y = np.eye(x.size), x
        for part in parts:
            way = (_shortcut(part, y) if isinstance(part, Fork) else jacobian(run(part), y)) @ way
            y = run(part)(y)
        found.append((name, whole, way if forks else None))
        x = y
    return found


def _shortcut(fork, x):
    """The Jacobian of the fork's output by way of its shortcut, all else held."""
    if isinstance(fork, Gate):
        return np.diag(1 - fork.gate(x).ravel())
    if isinstance(fork, Concat):
        rest = fork.forward(x, True)[0][:, x.shape[1] :]
        return jacobian(lambda z: np.concatenate([z, rest], axis=1), x)
    way = fork.pad if isinstance(fork, Partial) else fork.shortcut
    return jacobian(lambda z: way.forward(z, True)[0], x)
