"""Layers made of layers: one rule of calculus each. Forks and joins live here and nowhere else."""

from typing import Any

from ..backend import Array, xp_of
from ..errors import RangeError, ShapeError
from .base import Fork, Layer, inside, require_layer, require_named
from .checks import as_gradient, as_input
from .shape import Identity


class Sequential(Layer):
    """y = f_n(... f_2(f_1(x))): the chain rule, dx = J_1^T J_2^T ... J_n^T dy, from the last layer to the first.

    Layers are given by position (their names are "0", "1", ...) or by keyword::

        Sequential(Conv2d(3, 16, 3, rng=rng), ReLU())
        Sequential(conv=Conv2d(3, 16, 3, rng=rng), relu=ReLU())
    """

    HOLDER = "layers"

    def __init__(self, *layers: Layer, **named: Layer) -> None:
        self.layers = {str(i): layer for i, layer in enumerate(layers)}
        if both := self.layers.keys() & named.keys():
            raise RangeError(f"two layers are called {min(both)!r}: name all layers or none", "Sequential")
        self.layers |= named
        require_named(self, self.layers)

    def __getitem__(self, name: int | str) -> Any:
        """The layer called ``name``; an integer counts from the front or, if negative, from the end."""
        return list(self.layers.values())[name] if isinstance(name, int) else self.layers[name]

    def __len__(self) -> int:
        return len(self.layers)

    def __call__(self, x: Array) -> Array:
        if "forward" in vars(self) or type(self).forward is not Sequential.forward:
            return super().__call__(x)
        for name, layer in self.layers.items():  # not by forward: that would hold every cache until the end
            with inside(name):
                x = layer(x)
        return x

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        caches = []
        for name, layer in self.layers.items():
            with inside(name):
                x, cache = layer.forward(x, train)
            caches.append(cache)
        return x, caches

    def backward(self, dy: Array, cache: Any) -> Array:
        for (name, layer), layer_cache in zip(reversed(self.layers.items()), reversed(cache)):
            with inside(name):
                dy = layer.backward(dy, layer_cache)
        return dy


class Residual(Fork):
    """y = shortcut(x) + branch(x).   dx = J_shortcut^T dy + J_branch^T dy.

    Without a ``shortcut`` it is the identity, and dx = dy + J_branch^T dy = (1 + dF/dx)^T dy.
    He et al. 2015, "Deep Residual Learning", eq. 1 and 2; He et al. 2016, "Identity Mappings", eq. 1 to 5.
    """

    def __init__(self, branch: Layer, shortcut: Layer | None = None) -> None:
        self.shortcut = Identity() if shortcut is None else shortcut
        self.branch = branch
        require_layer(self, "branch", branch)
        require_layer(self, "shortcut", self.shortcut)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        with inside("shortcut"):
            h, shortcut_cache = self.shortcut.forward(x, train)
        with inside("branch"):
            f, branch_cache = self.branch.forward(x, train)
        _require_same(self, "the branch", f, "the shortcut", h)
        return h + f, (shortcut_cache, branch_cache)

    def terms(self, dy: Array, cache: Any) -> dict[str, Array]:
        _, branch_cache = cache
        with inside("branch"):
            branch = self.branch.backward(dy, branch_cache)
        return {"shortcut": self.shortcut_term(dy, cache), "branch": branch}

    def shortcut_term(self, dy: Array, cache: Any) -> Array:
        shortcut_cache, _ = cache
        with inside("shortcut"):
            return self.shortcut.backward(dy, shortcut_cache)


class Concat(Fork):
    """y = [f_1(x), f_2(x), ...] along the channels.   dx = sum_k J_k^T dy[channels of f_k].

    ``Concat(shortcut=Identity(), branch=...)`` is a layer of DenseNet: y = [x, H(x)]
    (Huang et al. 2017, "Densely Connected Convolutional Networks", eq. 2); with more branches a module of Inception.
    """

    HOLDER = "branches"

    def __init__(self, **branches: Layer) -> None:
        if not branches:
            raise RangeError("Concat() has no branches, expected at least one: Concat(a=..., b=...)", "Concat")
        self.branches = branches
        require_named(self, branches)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        ys, caches = [], []
        for name, branch in self.branches.items():
            with inside(name):
                y, cache = branch.forward(x, train)
            if ys and (y.shape[0], *y.shape[2:]) != (ys[0].shape[0], *ys[0].shape[2:]):
                first = next(iter(self.branches))
                raise ShapeError(
                    f"{name} gives {y.shape}, {first} gives {ys[0].shape}: they may differ in channels (axis 1) only, "
                    "so give both the same stride and padding",
                    "Concat",
                )
            ys.append(y)
            caches.append(cache)
        return xp_of(ys[0]).concatenate(ys, axis=1), (caches, [y.shape for y in ys])

    def terms(self, dy: Array, cache: Any) -> dict[str, Array]:
        return {name: self._term(name, dy, cache) for name in self.branches}

    def shortcut_term(self, dy: Array, cache: Any) -> Array:
        return self._term("shortcut", dy, cache) if "shortcut" in self.branches else super().shortcut_term(dy, cache)

    def _term(self, name, dy, cache):
        """J_k^T dy[channels of f_k], f_k the branch called ``name``."""
        caches, shapes = cache
        n, _, *size = shapes[0]
        dy = as_gradient(self, dy, (n, sum(shape[1] for shape in shapes), *size))
        k = list(self.branches).index(name)
        start = sum(shape[1] for shape in shapes[:k])
        with inside(name):
            return self.branches[name].backward(dy[:, start : start + shapes[k][1]], caches[k])


class Gate(Fork):
    """A gate t = gate(x) in (0, 1) decides how much of x and how much of F = branch(x) passes.

    x, F, t, y: the same shape; ``gate`` ends in a :class:`~minires.layers.Sigmoid`.

        exclusive (highway):   y = t F + (1 - t) x
            shortcut term (1 - t) dy       branch term J_F^T (t dy)       gate term J_t^T ((F - x) dy)
        shortcut-only:         y = F + (1 - t) x
            shortcut term (1 - t) dy       branch term J_F^T dy           gate term J_t^T (-x dy)

    Srivastava et al. 2015, "Highway Networks", eq. 3; He et al. 2016, "Identity Mappings", section 3.1.
    """

    def __init__(self, branch: Layer, gate: Layer, *, exclusive: bool = True) -> None:
        self.branch, self.gate = branch, gate
        self.exclusive = exclusive
        require_layer(self, "branch", branch)
        require_layer(self, "gate", gate)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x)
        with inside("branch"):
            f, branch_cache = self.branch.forward(x, train)
        with inside("gate"):
            t, gate_cache = self.gate.forward(x, train)
        _require_same(self, "the branch", f, "the input", x)
        _require_same(self, "the gate", t, "the input", x)
        y = (t * f if self.exclusive else f) + (1 - t) * x
        return y, (x, f, t, branch_cache, gate_cache)

    def terms(self, dy: Array, cache: Any) -> dict[str, Array]:
        x, f, t, branch_cache, gate_cache = cache
        dy = as_gradient(self, dy, x.shape, like=x)
        with inside("branch"):
            branch = self.branch.backward(t * dy if self.exclusive else dy, branch_cache)
        with inside("gate"):
            gate = self.gate.backward((f - x if self.exclusive else -x) * dy, gate_cache)
        return {"shortcut": self.shortcut_term(dy, cache), "branch": branch, "gate": gate}

    def shortcut_term(self, dy: Array, cache: Any) -> Array:
        _, _, t, _, _ = cache
        return (1 - t) * dy


class SqueezeExcite(Fork):
    """Each channel of x is multiplied by a number s = gate(x) that depends on the whole image.

    x, y: (N, C, H, W)   s: (N, C, 1, 1); ``gate`` begins with a global mean and ends in a Sigmoid.

        y = s x         scale term s dy         gate term J_s^T (sum_{h, w} x dy)

    The product rule: x is in y twice, once in s. Hu et al. 2018, "Squeeze-and-Excitation Networks", eq. 2 to 4.
    """

    def __init__(self, gate: Layer) -> None:
        self.gate = gate
        require_layer(self, "gate", gate)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Any]:
        x = as_input(self, x, "NCHW")
        with inside("gate"):
            s, gate_cache = self.gate.forward(x, train)
        if s.shape != (*x.shape[:2], 1, 1):
            raise ShapeError(
                f"the gate gives {s.shape}, expected {(*x.shape[:2], 1, 1)}, one number for each channel of the input "
                f"{x.shape}: let it begin with GlobalAvgPool2d and keep the channels",
                "SqueezeExcite",
            )
        return s * x, (x, s, gate_cache)

    def terms(self, dy: Array, cache: Any) -> dict[str, Array]:
        x, s, gate_cache = cache
        dy = as_gradient(self, dy, x.shape, like=x)
        with inside("gate"):
            gate = self.gate.backward((x * dy).sum(axis=(2, 3), keepdims=True), gate_cache)
        return {"scale": s * dy, "gate": gate}


def _require_same(container, a_name, a, b_name, b):
    if a.shape != b.shape:
        axis = next((i for i, (p, q) in enumerate(zip(a.shape, b.shape)) if p != q), min(a.ndim, b.ndim))
        raise ShapeError(
            f"{a_name} gives {a.shape}, {b_name} {b.shape} (axis {axis} differs): where a block changes channels or "
            "size, its shortcut must too, by Subsample and PadChannels (option A) or a 1x1 Conv2d (option B)",
            type(container).__name__,
        )
