# %% [markdown]
# # 16. A residual network as a differential equation
#
# $x + F(x)$ is what Euler did in 1768 to solve a differential equation: look where the arrow points, go a little way,
# look again. Since then better methods have been found. Can a block be built like one of them? It can, with as many
# parameters, and its gradient is again a "1" plus terms.
#
# **You need**: [the residual add](08_the_residual_add.py) and its two terms. Differential equations are introduced
# here.
#
# **You will be able to**: read a residual block as a step of Euler's method, measure the order of a method, derive the
# gradient of a Runge-Kutta block, and say how far the comparison carries.
#
# **Time**: 30 minutes

# %%
import numpy as np

from minires.layers import Layer, Linear, Residual, RungeKutta, Sequential, Tanh

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)

# %% [markdown]
# ## Arrows, and a path along them
#
# An **ordinary differential equation** (ODE) says at every point $x$ in which direction, and how fast, to go:
#
# $$\frac{dx}{dt} = f(x)$$
#
# Its solution is the path of a point that always follows the arrow under it. Our example turns in circles: $f(x)$ is
# perpendicular to $x$. The true path from $(1, 0)$ is a circle.

# %%


def field(x):
    return np.stack([-x[..., 1], x[..., 0]], axis=-1)  # (..., 2) -> (..., 2): a quarter turn to the left


def exact(t):
    return np.stack([np.cos(t), np.sin(t)], axis=-1)


# %% [markdown]
# **Euler's method** follows the arrow under it for a time $h$, then looks again:
#
# $$x_{l+1} = x_l + h f(x_l)$$
#
# A residual block computes $x_{l+1} = x_l + F(x_l)$. It is the same line, with $F = h f$. A deep residual network is
# many small steps, its depth is time, and its blocks are the arrows, other ones at each time.
#
# Why is that not exact? *Line 1.* Taylor: $x(t + h) = x + h f(x) + \frac{h^2}{2} x''(t) + \dots$ *Line 2.* Euler has
# the first two terms, so a step misses by about $h^2$. *Line 3.* To come to $t = 1$ takes $1/h$ steps, each of which
# misses by about $h^2$: together about $h$. Half the step, half the error. One says: the **order of a method** is 1.
#
# ## Better methods
#
# The midpoint method first goes *half* a step, looks at the arrow there, and uses that one for the whole step:
#
# $$k_1 = h f(x) \qquad k_2 = h f(x + k_1 / 2) \qquad x_{l+1} = x_l + k_2$$
#
# It agrees with Taylor's sum up to $h^2$, so half the step is a quarter of the error: order 2. The classical method of
# Runge and Kutta (rk4) looks four times and has order 4. All are of one form, a **Runge-Kutta method**:
#
# $$k_i = h f\Big(x + \sum_{j<i} a_{ij} k_j\Big) \qquad y = x + \sum_i b_i k_i$$

# %%


class Field(Layer):
    """y = h f(x): what stands in the branch."""

    def __init__(self, h):
        self.h = h

    def forward(self, x, train=False):
        return self.h * field(x), None


ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "kutta3": 3, "rk4": 4}
STEPS = np.array([8, 16, 32, 64])


def path(method, steps, time=2 * np.pi, start=(1.0, 0.0)):
    """All points on the way: (steps + 1, 2)."""
    block = RungeKutta(method, *[Field(time / steps)] * ORDERS[method])  # each k_i is made by the same f
    points = [np.array([start])]
    for _ in range(steps):
        points.append(block(points[-1]))
    return np.concatenate(points)


errors = {}
print("error at t = 1 with", *STEPS, "steps, and the order")
for method, order in ORDERS.items():
    errors[method] = [np.linalg.norm(path(method, n, time=1)[-1] - exact(1.0)) for n in STEPS]
    measured = -np.polyfit(np.log(STEPS), np.log(errors[method]), 1)[0]
    print(f"{method:9}", *(f"{e:.1e}" for e in errors[method]), f"  {measured:.2f}")
    assert abs(measured - order) < 0.1  # line 3, and the same for the others
    once = [np.linalg.norm(path(method, 1, time=h)[-1] - exact(h)) for h in (0.1, 0.05)]
    assert abs(np.log2(once[0] / once[1]) - (order + 1)) < 0.1  # line 2: a single step misses by one order less
    assert method != "euler" or np.isclose(once[0], 0.1**2 / 2, rtol=0.01)  # line 1: |x''| is 1 on this circle

# %%
if plt:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
    grid = np.stack(np.meshgrid(*[np.linspace(-3, 3, 10)] * 2), axis=-1)
    left.quiver(grid[..., 0], grid[..., 1], *np.moveaxis(field(grid), -1, 0), color="0.75", width=0.004)
    left.plot(*exact(np.linspace(0, 2 * np.pi, 200)).T, color="black", label="exact")
    for method, color in (("euler", "tab:red"), ("midpoint", "tab:blue"), ("rk4", "tab:green")):
        left.plot(*path(method, 20).T, "o-", markersize=3, color=color, label=f"{method}, 20 blocks")
    left.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal", title="once round", xlim=(-3.3, 3.3), ylim=(-3.3, 3.3))
    left.legend(fontsize=8, loc="lower left")
    for method, values in errors.items():
        right.loglog(STEPS, values, "o--" if method == "heun" else "o-", label=f"{method}, order {ORDERS[method]}")
    right.set(xlabel="blocks", ylabel="error at $t = 1$", title="twice the blocks", xticks=STEPS, xticklabels=STEPS)
    right.minorticks_off()
    right.legend(fontsize=8)
    plt.show()

# %% [markdown]
# The order is the slope of a line on the right. (The midpoint's lies under Heun's: where $f$ is linear both are the
# same.) Euler's path on the left spirals outwards, the others stay close to the circle. This is the argument for
# *higher-order residual networks* (HO-ResNet): the midpoint block uses two branches, as two residual blocks do, but
# combines them better.
#
# The published code of that paper has a block that is not what it is called: it evaluates the second branch at
# $x + k_1 / 2$ and then takes the *mean* of $k_1$ and $k_2$. Let us ask for its order before trusting its name.

# %%


def mixed(x, h):
    k1 = h * field(x)
    k2 = h * field(x + k1 / 2)
    return x + (k1 + k2) / 2


found = []
for n in STEPS:
    x = np.array([1.0, 0.0])
    for _ in range(n):
        x = mixed(x, 1 / n)
    found.append(np.linalg.norm(x - exact(1.0)))
print(f"order of that block: {-np.polyfit(np.log(STEPS), np.log(found), 1)[0]:.2f}")
assert abs(-np.polyfit(np.log(STEPS), np.log(found), 1)[0] - 1) < 0.1

# %% [markdown]
# ## The gradient of a Runge-Kutta block
#
# In a network each $f_i$ has weights of its own. Take the midpoint block, $k_1 = f_1(x)$, $z = x + k_1/2$,
# $k_2 = f_2(z)$, $y = x + k_2$, and the upstream gradient $g = dy$.
#
# *Line 1.* $y = x + k_2$: the gradient of $k_2$ is $g$, and a first part of $dx$ is $g$. *Line 2.* $k_2 = f_2(z)$: the
# gradient of $z$ is $v_2 = J_2^T g$. *Line 3.* $z = x + k_1/2$: a second part of $dx$ is $v_2$, and the gradient of
# $k_1$ is $v_2 / 2$. *Line 4.* $k_1 = f_1(x)$: a third part of $dx$ is $v_1 = J_1^T v_2 / 2$.
#
# $$dx = \underbrace{g}_{\text{shortcut}} + \underbrace{J_1^T\, \tfrac12 J_2^T g}_{k_1} + \underbrace{J_2^T g}_{k_2}$$
#
# The "1" is still there, whatever the method. minires keeps the parts apart, as in every fork.

# %%


def branch():
    return Sequential(Linear(6, 6, rng=rng), Tanh())


f1, f2 = branch(), branch()
block = RungeKutta("midpoint", f1, f2).to(dtype=np.float64)
x, g = rng.standard_normal((2, 4, 6))  # each (N, D)
y, cache = block.forward(x)
terms = block.terms(g, cache)

k1, cache_1 = f1.forward(x)
k2, cache_2 = f2.forward(x + k1 / 2)
assert np.allclose(y, x + k2)
v2 = f2.backward(g, cache_2)  # line 2
v1 = f1.backward(v2 / 2, cache_1)  # lines 3 and 4
assert np.array_equal(terms["shortcut"], g)  # line 1: the same bits
assert np.allclose(terms["k2"], v2) and np.allclose(terms["k1"], v1)
assert np.allclose(block.backward(g, cache), g + v1 + v2)
print("parts of dx:", ", ".join(f"{name} {np.linalg.norm(term):.2f}" for name, term in terms.items()))

# %% [markdown]
# ## Does a trained network follow an ODE?
#
# If it did, its blocks would be small steps along a smooth path, and going each step in two halves would change nearly
# nothing. That can be asked of any network: put $x + F(x)/2$ twice in the place of $x + F(x)$. Here with one random
# block, small and large:

# %%


def halved(F, x):
    z = x + F(x) / 2
    return z + F(z) / 2


F = branch().to(dtype=np.float64)
print("size of F / x   difference of two half steps")
moved = []
for size in (1.0, 0.1, 0.01):

    def small(x, size=size):
        return size * F(x)

    whole = x + small(x)
    moved.append(np.linalg.norm(halved(small, x) - whole) / np.linalg.norm(whole))
    print(f"{np.linalg.norm(small(x)) / np.linalg.norm(x):13.3f}   {moved[-1]:.6f}")
assert 50 < moved[1] / moved[2] < 200  # a tenth of the step, a hundredth of the difference

# %% [markdown]
# The experiment `finer_steps` does it to a trained network of 56 layers: `minires experiment run finer_steps`. Halving
# moves its outputs a little, less than a fresh one's, and costs hardly any accuracy: near an ODE, not one. Nothing in
# the training asks for small steps, and blocks that change the shape are no steps at all.

# %% [markdown]
# ## Exercise 1: Heun's method
#
# Heun's method goes a whole step, looks there, and takes the mean of both arrows: $k_1 = h f(x)$,
# $k_2 = h f(x + k_1)$, $y = x + (k_1 + k_2)/2$. Write `heun(f, x, h)`.

# %%


def check_1(answer):
    x, errors = np.array([0.6, -0.8]), []
    for n in (16, 32):
        z = x
        for _ in range(n):
            z = np.asarray(answer(field, z, 1 / n), float)
            assert z.shape == x.shape, f"the shape is {z.shape}, expected that of x, {x.shape}"
        c, s = np.cos(1.0), np.sin(1.0)
        errors.append(np.linalg.norm(z - np.array([[c, -s], [s, c]]) @ x))
    assert errors[1] < 0.01, f"after 32 steps the error is {errors[1]:.3f}"
    assert abs(np.log2(errors[0] / errors[1]) - 2) < 0.1, f"the order is {np.log2(errors[0] / errors[1]):.2f}, not 2"
    found, k1 = np.asarray(answer(np.sin, x, 0.5), float), 0.5 * np.sin(x)  # where f is not linear, as field is
    right = x + (k1 + 0.5 * np.sin(x + k1)) / 2
    assert np.allclose(found, right), f"one step of f = sin from {x} leads to {right.round(4)}, not {found.round(4)}"


# %% tags=["answer", "hide-cell"]
def heun(f, x, h):
    k1 = h * f(x)
    k2 = h * f(x + k1)
    return x + (k1 + k2) / 2


check_1(heun)

# %% [markdown]
# ## Exercise 2: backward of Heun's method
#
# Derive the parts of $dx$ of the block $y = x + (k_1 + k_2)/2$, $k_1 = f_1(x)$, $k_2 = f_2(x + k_1)$. Write
# `parts(g, J1, J2)`, which returns `(shortcut, k1, k2)`, the three parts in the order of `RungeKutta.terms`: what comes
# to $x$ directly, through $f_1$, and through $f_2$'s argument. `g`: (D,); `J1`, `J2`: the Jacobians (D, D).

# %%


def check_2(answer):
    rng = np.random.default_rng()
    one, two = (Linear(5, 5, rng=rng).to(dtype=np.float64) for _ in range(2))
    block = RungeKutta("heun", one, two)
    g = rng.standard_normal((1, 5))
    expected = block.terms(g, block.forward(rng.standard_normal((1, 5)))[1])
    found = answer(g[0], one.weight.data, two.weight.data)
    assert isinstance(found, tuple) and len(found) == 3, "return three arrays: shortcut, k1, k2"
    for name, value in zip(expected, found):
        off = abs(value - expected[name][0]).max()
        assert off < 1e-9, f"the part {name} is off by up to {off:.2g}"


# %% tags=["answer", "hide-cell"]
def parts(g, J1, J2):
    v2 = J2.T @ (g / 2)  # k2 enters y with the factor 1/2
    v1 = J1.T @ (g / 2 + v2)  # k1 enters y with 1/2, and the argument of f2 with 1
    return g, v1, v2


check_2(parts)

# %% [markdown]
# ## Exercise 3: the way back
#
# A block $y = x + F(x)$ with a small $F$ can be undone: given $y$, find $x$. Write `undo(F, y)` that repeats $x
# \leftarrow y - F(x)$, beginning with $x = y$, until nothing changes. (It converges where $F$ shrinks distances; this
# is how *invertible* residual networks save the memory of their caches.)

# %%


def check_3(answer):
    rng = np.random.default_rng()
    A, x = 0.3 * np.linalg.qr(rng.standard_normal((6, 6)))[0], rng.standard_normal((3, 6))

    def F(x):
        return np.tanh(x @ A)

    found = np.asarray(answer(F, x + F(x)), float)
    assert found.shape == x.shape, f"the shape is {found.shape}, expected {x.shape}"
    assert abs(found - x).max() < 1e-9, f"x is missed by {abs(found - x).max():.1e}: repeat it more often"


# %% tags=["answer", "hide-cell"]
def undo(F, y):
    x = y
    for _ in range(100):
        x = y - F(x)
    return x


check_3(undo)
net = Residual(branch()).to(dtype=np.float64)
net.branch["0"].weight.data *= 0.2
print(f"a block of minires, undone: error {abs(undo(net.branch, net(x)) - x).max():.1e}")

# %% [markdown]
# ## What this settles
#
# * "A residual block is a step of Euler's method": true as an equation, for the blocks that keep their shape.
# * "Better methods make better blocks": their order is better, measured above. That the accuracy is, too, is the
#   paper's observation (two per cent on CIFAR-10); it is not a consequence.
# * The gradient of any Runge-Kutta block is $g$ plus a part for each $k_i$.
# * "A residual network *is* an ODE": a picture, near the truth after training, and not asked for by it.
#
# Next: [what batch norm did for all these blocks](17_without_batch_norm.py), and how to do without.
