# %% [markdown]
# # 13. Shattered gradients
#
# A step along the gradient helps if the gradient near by is much the same. In a deep plain network it is not: change
# the input a little, and the gradient is another. It has the right size and no memory; it is noise. This tutorial looks
# at it, derives how fast it gets so, derives what a shortcut changes, and corrects three numbers of the articles.
#
# **You need**: the tutorials before this one, above all
# [why plain networks degrade](07_why_plain_networks_degrade.py); variance and correlation.
#
# **You will be able to**: measure how alike two gradients are, derive the law of $1/2^L$ with its condition, and the
# law of residual networks.
#
# **Time**: 30 minutes

# %%
import math
import os

import numpy as np

from minires.experiments.shattered_plain import law
from minires.experiments.shattered_residual import refined
from minires.experiments.shattering import gradients, on_a_line, plain, residual
from minires.layers import Sequential

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

FAST = bool(os.environ.get("MINIRES_FAST"))  # fewer networks are averaged
rng = np.random.default_rng(0)

# %% [markdown]
# ## A network of one number
#
# To see a gradient as a curve, take networks $y = f(x)$ of one number $x$ and one number $y$, with hidden layers of 100
# units: linear, then ($L - 1$ times) batch norm, ReLU, linear, then batch norm, ReLU, and a last linear layer. They are
# newly drawn. The slope $f'(x)$ at 256 points from -2 to 2, for a network of 1 layer, a plain one of 24, and a residual
# one of 50 whose branches count a tenth. (`gradients` holds the means and variances of batch norm fixed: what one input
# does to the others is another matter.)

# %%
POINTS, UNITS = 256, 100
x = np.linspace(-2, 2, POINTS)[:, None]  # (256, 1)


def slopes(kind, depth, seed, **options):
    """f'(x) at each point. (256,)"""
    own = np.random.default_rng(seed)
    model = on_a_line(kind(depth - 1, own, width=UNITS, **options), UNITS, own)
    return gradients(model, x, np.ones(1))[:, 0]


NETS = {
    "plain, 1 layer": (plain, 1, {}),
    "plain, 24 layers": (plain, 24, {}),
    "residual, 50 layers": (residual, 50, {"factor": 0.1, "keep": True}),
}
curves = {name: slopes(kind, depth, 3, **options) for name, (kind, depth, options) in NETS.items()}
if plt:
    figure, panels = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
    for axes, (name, curve) in zip(panels, curves.items()):
        axes.plot(x[:, 0], curve / curve.std(), lw=1)
        axes.set(title=name, xlabel="x")
    panels[0].set_ylabel("slope f'(x), scaled")
    plt.show()

# %% [markdown]
# The first curve is a step: batch norm puts the kink of every unit at $x = 0$. The second is like **white noise**:
# numbers each of which says nothing about the next. Such gradients are called **shattered gradients** (Balduzzi et al.
# 2017). To say it by a number: the **autocorrelation** at a lag $k$ is the correlation of the curve with itself,
# shifted by $k$ points; 1 for a curve that barely changes from point to point, 0 for white noise.


# %%
def autocorrelation(curve, lag):
    c = curve - curve.mean()
    return (c[:-lag] * c[lag:]).sum() / (c * c).sum()


found = {}
for name, (kind, depth, options) in NETS.items():
    each = [autocorrelation(slopes(kind, depth, seed, **options), 1) for seed in range(3 if FAST else 8)]
    found[name] = np.mean(each)
    print(f"{name:20} neighbouring points: {found[name]:5.2f}")
assert found["plain, 1 layer"] > 0.9
assert abs(found["plain, 24 layers"]) < 0.2
assert found["residual, 50 layers"] > 0.6

# %% [markdown]
# ## Where the $1/2^L$ comes from, line by line
#
# Take two different inputs, and the gradients $g$ and $g'$ that come back for them. Behind the last layer they are the
# same. A layer on the way back multiplies by a mask of zeros and ones, $m$ for the one input and $m'$ for the other,
# and then by $W^T$, of $n \times n$ numbers with variance $2/n$ (He).
#
# *1.* The assumption: each unit is active by the toss of a coin, and *by another coin for each input*. So
# $\mathrm{E}[m^2] = \mathrm{E}[m] = \frac12$, and $\mathrm{E}[m\, m'] = \frac14$.
#
# *2.* One entry behind $W^T$ is $\sum_j W_j m_j g_j$. Weights are independent with mean 0, so of its square only
# $\sum_j W_j^2 m_j g_j^2$ is left: the mean square becomes $n \cdot \frac2n \cdot \frac12 = 1$ times as large. It
# stays.
#
# *3.* In the product of the two, $\sum_j W_j^2\, m_j m'_j\, g_j g'_j$ is left: times $n \cdot \frac2n \cdot \frac14 =
# \frac12$.
#
# *4.* So the correlation, the mean product divided by the mean square, is halved by each layer: after $L$ layers
#
# $$R(L) = \frac1{2^L}.$$


# %%
def likeness(g):
    """Mean product of two different rows of g, divided by the mean square."""
    square = (g * g).sum()
    products = (g.sum(axis=0) ** 2).sum() - square  # the square of a sum has all pairs in it
    return products / (len(g) - 1) / square


n, inputs = 400, 32
R = np.zeros(4)
DRAWS = 10 if FAST else 30
for _ in range(DRAWS):
    g = np.tile(rng.standard_normal(n), (inputs, 1))  # (32, 400): the same for all inputs
    for depth in range(4):
        masks = rng.random((inputs, n)) < 0.5  # line 1
        g = (g * masks) @ rng.normal(0, np.sqrt(2 / n), (n, n))
        R[depth] += likeness(g) / DRAWS
print("R(1) to R(4):", R.round(3), "  law:", [0.5**L for L in (1, 2, 3, 4)])
assert np.allclose(R, [0.5, 0.25, 0.125, 0.0625], rtol=0.15)  # lines 2 to 4

# %% [markdown]
# ## With real masks
#
# Coins are an assumption. In a real network, similar inputs have similar masks. Batch norm between the layers makes the
# coins nearly true: it centres every unit, so that one half of the inputs make it active. Without batch norm the inputs
# grow more alike from layer to layer (their means add up), so do their masks, and the gradients shatter *slowly*. For
# wide networks that has a law of its own, by the angle between two inputs, which shrinks from layer to layer (`law`, of
# the experiment `shattered_plain`).

# %%
EXAMPLES, WIDTH = 64, 128


def measured(kind, depth, draws, **options):
    """R of a network with random inputs, averaged."""
    each = []
    for draw in range(draws):
        own = np.random.default_rng((depth, draw))
        x, dy = own.standard_normal((EXAMPLES, WIDTH)), own.standard_normal(WIDTH)
        each.append(likeness(gradients(Sequential(*kind(depth, own, width=WIDTH, **options)), x, dy)))
    return float(np.mean(each))


DRAWS = 6 if FAST else 12
with_norm = {L: measured(plain, L, DRAWS) for L in (1, 2, 4, 6)}
for L, r in with_norm.items():
    print(f"plain with batch norm, {L} layers: {r:.3f}, by the law {0.5**L:.3f}")
print(f"without, in theory, at 16 layers: {law(16):.4f}; with coins {2.0**-16:.6f}")
assert all(abs(with_norm[L] * 2**L - 1) < 0.35 for L in (1, 2, 4))
assert law(16) > 100 * 2.0**-16

# %% [markdown]
# ## A shortcut, line by line
#
# Now blocks $x_{l+1} = x_l + W\,\mathrm{ReLU}(\mathrm{BN}(x_l))$. Call $v_l$ the variance of the signal $x_l$.
#
# *1.* Batch norm divides by $\sqrt{v_l}$. So backward the branch is what we had, divided by $\sqrt{v_l}$: it brings a
# mean square of $1/v_l$, and a mean product of $\frac12 \cdot 1/v_l$.
#
# *2.* The shortcut brings the gradient itself, uncorrelated with what comes through random weights, so squares add up:
# $1 + 1/v_l$. Products too: $1 + 1/(2 v_l)$.
#
# *3.* The correlation is multiplied at every block by their quotient:
#
# $$R(L) = \prod_{l=0}^{L-1} \frac{1 + 1/(2 v_l)}{1 + 1/v_l}.$$
#
# *4.* And $v_l$? Each branch adds, by the calculation of the tutorial on degradation, $(\pi - 1)/\pi$ to the variance:
# $v_l = 1 + l\,(\pi-1)/\pi$. It grows with depth, so the later a block, the less it harms. For large $L$ the product
# falls as a *power* of $L$, with the exponent $-\frac{\pi}{2(\pi-1)} \approx -0.73$.

# %%
v, squares, products = 2.5, [], []
for _ in range(DRAWS):
    g = np.tile(rng.standard_normal(n), (inputs, 1))  # the same gradient for all inputs: mean product 1
    through = (g * (rng.random(g.shape) < 0.5)) @ rng.normal(0, np.sqrt(2 / n), (n, n)) / np.sqrt(v)  # line 1
    square = ((g + through) ** 2).mean() / (g**2).mean()
    squares.append(square)
    products.append(square * likeness(g + through))
print(
    f"squares {np.mean(squares):.3f}, line 2 {1 + 1 / v:.3f}, products {np.mean(products):.3f}, {1 + 1 / (2 * v):.3f}"
)
assert abs(np.mean(squares) - (1 + 1 / v)) < 0.1 and abs(np.mean(products) - (1 + 1 / (2 * v))) < 0.1  # line 2

stream = rng.standard_normal((1000, n))  # (1000, 400)
for blocks in range(1, 6):
    normed = (stream - stream.mean(axis=0)) / stream.std(axis=0)
    stream = stream + np.maximum(normed, 0) @ rng.normal(0, np.sqrt(2 / n), (n, n))
    variance = stream.var(axis=0).mean()
    assert abs(variance / (1 + blocks * (np.pi - 1) / np.pi) - 1) < 0.1  # line 4
print(f"variance behind 5 blocks: {variance:.2f}, by line 4 {1 + 5 * (np.pi - 1) / np.pi:.2f}")

# %%
DEPTHS = (1, 4, 16) if FAST else (1, 2, 4, 8, 16, 32)
of_residual = {L: measured(residual, L, DRAWS) for L in DEPTHS}
for L, r in of_residual.items():
    print(f"residual, {L:2d} blocks: measured {r:.3f}   product {refined(L):.3f}   1/sqrt(L) {1 / math.sqrt(L):.3f}")
    assert abs(r / refined(L) - 1) < 0.3
slope = (math.log(refined(4000)) - math.log(refined(1000))) / math.log(4)
print(f"exponent of the product, far out: {slope:.3f}; -pi / (2 (pi - 1)) = {-np.pi / (2 * (np.pi - 1)):.3f}")
assert abs(slope + np.pi / (2 * (np.pi - 1))) < 0.01

# %%
if plt:
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    every = np.arange(1, 33)
    axes.loglog(list(with_norm), list(with_norm.values()), "o", color="C0", label="plain, measured")
    axes.loglog(every[:8], 0.5 ** every[:8], "--", color="C0", label="$1/2^L$")
    axes.loglog(list(of_residual), list(of_residual.values()), "o", color="C1", label="residual, measured")
    axes.loglog(every, [refined(L) for L in every], "--", color="C1", label="the product")
    axes.set(xlabel="layers or blocks L", ylabel="correlation of two gradients", title="Shattering, and its absence")
    axes.legend()
    plt.show()

# %% [markdown]
# The articles have $1/\sqrt L$: the theorem of the paper takes $v_l = l$, that is, branches that add a variance of 1.
# With batch norm that subtracts the mean they add 0.68, and the power is a little steeper. Either way a power, not an
# exponential: after 50 blocks gradients still have something in common.
#
# Two conditions hide in the picture. All this is at the *start* of training. And a residual network whose sums are
# scaled back to variance 1 at every block, with branches that count as much as the stream, shatters too, as the
# experiment `shattered_noise` shows: it is the *growth* of the stream that protects.

# %% [markdown]
# ## Exercise 1: how alike are they?
#
# Write `pairs(g)`: the mean of $\langle g_a, g_b\rangle$ over all pairs of different rows, divided by the mean of
# $\langle g_a, g_a\rangle$, by two loops or by a formula. `g` is (N, D), N at least 2.


# %%
def check_1(pairs):
    rng = np.random.default_rng()
    same = np.tile(rng.standard_normal(5), (4, 1))
    for g in (same, rng.standard_normal((2, 3)), rng.standard_normal((6, 4)) + 1):
        found = pairs(g)
        assert np.isscalar(found), f"expected a number, got {type(found).__name__}"
        products = g @ g.T
        right = products[~np.eye(len(g), dtype=bool)].mean() / np.diag(products).mean()
        assert np.isclose(found, right), f"the likeness is {found:.4f}, expected {right:.4f}"


# %% tags=["answer", "hide-cell"]
def pairs(g):
    products = g @ g.T  # (N, D) (D, N) -> (N, N)
    n, square = len(g), np.trace(products)
    return (products.sum() - square) / (n - 1) / square


check_1(pairs)

# %% [markdown]
# ## Exercise 2: without batch norm
#
# In blocks $x_{l+1} = x_l + W\,\mathrm{ReLU}(x_l)$ nothing divides by $\sqrt{v_l}$. Go through the four lines again,
# with coins for the masks, and write `without_norm(L)`: the correlation of two gradients after `L` blocks.


# %%
def check_2(without_norm):
    rng, n = np.random.default_rng(), 300
    for depth in (1, 3):
        found = without_norm(depth)
        assert np.isscalar(found), f"expected a number, got {type(found).__name__}"
        each = []
        for _ in range(12):
            g = np.tile(rng.standard_normal(n), (32, 1))
            for _ in range(depth):
                g = g + (g * (rng.random(g.shape) < 0.5)) @ rng.normal(0, np.sqrt(2 / n), (n, n))
            each.append(likeness(g))
        measured = np.mean(each)
        assert abs(found / measured - 1) < 0.12, f"{depth} blocks: measured {measured:.3f}, your law says {found:.3f}"


# %% tags=["answer", "hide-cell"]
def without_norm(L):
    # the branch brings a mean square of 1 and a mean product of 1/2: (1 + 1/2) / (1 + 1) at every block
    return 0.75**L


check_2(without_norm)

# %% [markdown]
# An exponential again: shortcuts alone do not do it. In a *real* network without batch norm the masks grow alike, and
# it is slower than that.

# %% [markdown]
# ## Exercise 3: white or brown?
#
# Sums of white noise, $b_i = w_1 + \ldots + w_i$, are called brown noise. Write `kind_of(curve)`, which tells by the
# autocorrelation at lag 1 whether a curve of 256 points is `"white"` or `"brown"`.


# %%
def check_3(kind_of):
    rng = np.random.default_rng()
    for _ in range(20):
        noise = rng.standard_normal(256)
        for name, curve in (("white", noise), ("brown", np.cumsum(noise) * rng.uniform(0.1, 10))):
            found = kind_of(curve)
            assert isinstance(found, str), f"expected a word, got {type(found).__name__}"
            assert found == name, (
                f"{name} noise with autocorrelation {autocorrelation(curve, 1):.2f} is called {found!r}"
            )


# %% tags=["answer", "hide-cell"]
def kind_of(curve):
    return "white" if autocorrelation(curve, 1) < 0.5 else "brown"


check_3(kind_of)
assert kind_of(curves["plain, 24 layers"]) == "white" and kind_of(curves["residual, 50 layers"]) == "brown"

# %% [markdown]
# ## What this settles
#
# *"Gradients of plain networks have a correlation of $1/2^L$"*: with batch norm, at the start; without it they fall far
# more slowly. *"Of residual networks, $1/\sqrt L$"*: a power, with the exponent -0.73 when batch norm centres. *"Batch
# norm keeps the norm of gradients stable"*: not in plain networks, where it grows by 1.21 a layer. *"This confirms the
# paper of ResNet, that the difficulty of training grows at least polynomially with depth"*: that paper says no such
# thing; it supposes that deep plain networks converge exponentially slowly.
#
# Next: blocks with another inside: [bottlenecks, groups, and wider ones](14_bottlenecks_and_groups.py).
