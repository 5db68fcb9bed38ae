# %% [markdown]
# # 15. Rank, and why ReXNet widens slowly
#
# A layer with few inputs and many outputs cannot say more than its inputs let it. ReXNet is built on that thought:
# "where a network widens, a narrow layer is a bottleneck of what can be represented, so widen a little at a time, and
# choose the activation with care". This tutorial makes the thought exact, finds which half of it is a theorem, and what
# the other half depends on.
#
# **You need**: [the linear layer](01_a_layer_and_its_gradient.py), [batch norm](04_batch_norm.py). What a rank is, is
# said here.
#
# **You will be able to**: say what the rank of a layer's output is and what bounds it, measure it by singular values,
# and see how a claim turns with the definition under it.
#
# **Time**: 25 minutes

# %%
import numpy as np

from minires import models
from minires.layers import ELU, BatchNorm1d, HardSwish, Linear, ReLU, Sequential, SiLU

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)

# %% [markdown]
# ## What a rank is
#
# Write the outputs of a layer for many examples into a matrix, a row for each example. Its rank, the **matrix rank**,
# is the number of rows that are needed to make all others by adding multiples of them: how many *independent*
# directions there are.
#
# Take a linear layer from $d$ numbers to $m$, $Y = X W^T$. *Line 1.* Every row of $Y$ is a row of $X$ times $W^T$: a
# combination of the $d$ rows of $W^T$. *Line 2.* So $d$ rows are enough to make them all, however many examples there
# are, and however large $m$ is. *Line 3.* And rows of $m$ numbers have no more than $m$ independent directions:
#
# $$\text{rank}(X W^T) \le \min(d, m)$$

# %%
examples, d, m = 400, 10, 60
X = rng.standard_normal((examples, d))
W = rng.standard_normal((m, d))
Y = X @ W.T  # (400, 10) (10, 60) -> (400, 60)
print(f"{m} numbers for each example, but rank {np.linalg.matrix_rank(Y)}")
assert np.allclose(Y[0], sum(X[0, i] * W[:, i] for i in range(d)))  # line 1
assert np.linalg.matrix_rank(Y) == d  # line 2
assert np.linalg.matrix_rank(X @ W[:4].T) == 4  # line 3

# %% [markdown]
# ## Singular values
#
# How does a computer count independent directions in numbers that are rounded? By **singular values**: every matrix
# stretches space along perpendicular directions, by the factors $\sigma_1 \ge \sigma_2 \ge \dots \ge 0$. The rank is
# the number of those that are not zero, and "not zero" needs a threshold. That threshold will turn out to be the whole
# question.

# %%
sigma = np.linalg.svd(Y, compute_uv=False)  # (60,)
print("sigma 1, 10, 11:", *(f"{sigma[i]:.1e}" for i in (0, 9, 10)))
assert sigma[9] > 1 and sigma[10] < 1e-12 * sigma[0]

# %% [markdown]
# ## An activation raises the rank
#
# An article states the bound for the layer *with* its activation, $f(X W^T)$. That is not so. The square is the
# simplest example: each entry of $Y \circ Y$ is a sum over pairs of inputs,
# $y_{nm}^2 = \sum_{i,j} x_{ni} x_{nj} w_{mi} w_{mj}$. There are $d (d+1) / 2$ different pairs, so the rank may be as
# large as that. With the linear part beside it, as in $y^2 + y$, there are $d$ directions more.

# %%
d = 5
Y = rng.standard_normal((examples, d)) @ rng.standard_normal((d, m))
print(f"rank of Y {np.linalg.matrix_rank(Y)}, of its squares {np.linalg.matrix_rank(Y**2)},", end=" ")
print(f"of squares + Y {np.linalg.matrix_rank(Y**2 + Y)}, of ReLU {np.linalg.matrix_rank(np.maximum(Y, 0))}")
assert np.linalg.matrix_rank(Y**2) == d * (d + 1) // 2
assert np.linalg.matrix_rank(Y**2 + Y) == d * (d + 1) // 2 + d
assert np.linalg.matrix_rank(np.maximum(Y, 0)) == m  # a kink is no polynomial: no such count bounds it

one = np.maximum(rng.standard_normal((examples, 1)) @ rng.standard_normal((1, m)), 0)  # (400, 1) -> (400, 60)
assert np.linalg.matrix_rank(one) == 2

# %% [markdown]
# Strictly, then, there is no bottleneck behind a ReLU: the rank is full from two inputs on. (With a single one and no
# bias each output is a multiple of $\text{ReLU}(x)$ or of $\text{ReLU}(-x)$: rank 2.) What remains is a question of
# *size*: most of those directions are tiny.
#
# ## The paper's count: what is larger than a tenth
#
# So let us count the singular values above a tenth of the greatest one, and call it the **ε-rank**, with
# $\varepsilon = 0.1$. A layer: linear, batch norm, activation.

# %%
ACTIVATIONS = {"linear": None, "ReLU": ReLU(), "ELU": ELU(), "SiLU": SiLU(), "hard-swish": HardSwish()}
RATIOS = np.arange(1, 11) / 10  # inputs / outputs
WIDTH, LAYERS = 48, 12


def epsilon_rank(y, epsilon=0.1):
    sigma = np.linalg.svd(y, compute_uv=False)
    return (sigma > epsilon * sigma[0]).sum()


def normalised(ratio, rng):
    """The outputs of a random layer with ``ratio`` times as many inputs as outputs, behind batch norm."""
    inputs = round(ratio * WIDTH)
    layer = Sequential(Linear(inputs, WIDTH, bias=False, rng=rng), BatchNorm1d(WIDTH)).to(dtype=np.float64)
    return layer.forward(rng.standard_normal((4 * WIDTH, inputs)), train=True)[0]  # (4 WIDTH, WIDTH)


def measure(seen):
    """{activation: rank / outputs for each ratio}, mean of some layers; ``seen`` is done before counting."""
    rng, shares = np.random.default_rng(1), {name: [] for name in ACTIVATIONS}
    for ratio in RATIOS:
        drawn = [normalised(ratio, rng) for _ in range(LAYERS)]
        for name, f in ACTIVATIONS.items():
            ranks = [epsilon_rank(seen(f(z) if f else z)) for z in drawn]
            shares[name].append(np.mean(ranks) / WIDTH)
    return {name: np.array(values) for name, values in shares.items()}


raw = measure(lambda y: y)
print("share of the outputs; above it inputs / outputs")
print(f"{'':10}", *(f"{ratio:4.1f}" for ratio in RATIOS))
for name, shares in raw.items():
    print(f"{name:10}", *(f"{share:4.2f}" for share in shares))
assert abs(raw["linear"] - RATIOS)[:5].max() < 0.01  # a theorem: min(d, m), up to the half where all of it is large
assert all((np.diff(shares) > -0.01).all() for shares in raw.values())  # the wider the input, the more
assert (raw["SiLU"] > raw["ReLU"]).all() and (raw["ELU"] > raw["ReLU"])[4:].all()

# %% [markdown]
# That is the order which the paper reports: SiLU above ReLU, and ELU too where the input is at least half as wide.
# From the narrowest to the widest input all curves rise: a layer that widens by little loses little.
#
# ## The order depends on the definition
#
# Now take away the mean of each output before counting. The next layer's batch norm would do just that.

# %%
centred = measure(lambda y: y - y.mean(axis=0))
print(f"{'':10}", *(f"{ratio:4.1f}" for ratio in RATIOS))
for name, shares in centred.items():
    print(f"{name:10}", *(f"{share:4.2f}" for share in shares))
assert (centred["ReLU"] > centred["SiLU"])[:5].all()  # the order has flipped

# %%
if plt:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for ax, shares, title in zip(axes, (raw, centred), ("as the paper counts", "mean of each output taken away")):
        for name, values in shares.items():
            ax.plot(RATIOS, values, "o-", markersize=4, label=name)
        ax.set(xlabel="inputs / outputs", title=title, ylim=(0, 1.05))
    axes[0].set_ylabel("singular values above $\\sigma_1 / 10$,\nshare of the outputs")
    axes[0].legend()
    plt.show()

# %% [markdown]
# Why? The outputs of a ReLU are never negative, so they have a large common part, their mean. It is *one* direction
# with a very large $\sigma_1$, and everything is measured against $\sigma_1$. Take it away, and the others look large.
# So "SiLU and ELU raise the rank more than ReLU" is a statement about uncentred outputs and a threshold of a tenth. The
# experiment `rank` prints the same verdict: holds, with that condition.
#
# ## What ReXNet does with it
#
# A usual network keeps its width for some blocks and then doubles it: few, large widenings. ReXNet lets the channels
# grow by the same amount in *each* of its sixteen blocks: many, small ones. That resolves what reads like a
# contradiction in the articles, "expansion layers are bottlenecks" and "use many expansion layers".

# %%
from minires.models.rexnet import block_channels  # noqa: E402

channels = block_channels(1.0)
print("ReXNet 1.0:", channels)
assert set(np.diff(channels)) <= {10, 11, 12}

rexnet = models.summarize(models.build("rexnet_100", rng=None), (3, 224, 224))
print(f"{rexnet.params / 1e6:.2f} M parameters, {rexnet.macs / 1e6:.0f} M multiply-adds")

# %% [markdown]
# Two more things are its own: SiLU after each expansion, and a shortcut that is *partial*. Where a block has more
# channels out than in, $x$ is added to the first channels of $F(x)$ only. Seen from the gradient: the shortcut's term
# is a slice of $dy$, the new channels get to $x$ by the branch alone.

# %% [markdown]
# ## Exercise 1: predict, then measure
#
# A linear layer takes 20 numbers to 50, ReLU is *not* applied, a second linear layer takes them to 40. Write
# `rank_behind(widths)`, the rank of the outputs of a chain of linear layers with these widths, `(20, 50, 40)`, for very
# many examples and random weights.

# %%


def check_1(answer):
    rng = np.random.default_rng()
    for widths in ((20, 50, 40), (30, 7, 90), (5, 5), (9, 30, 4, 30)):
        y = rng.standard_normal((200, widths[0]))
        for d, m in zip(widths, widths[1:]):
            y = y @ rng.standard_normal((d, m))
        found, rank = answer(widths), np.linalg.matrix_rank(y)
        assert np.array_equal(found, rank), f"widths {widths}: the rank is {rank}, not {found}"


# %% tags=["answer", "hide-cell"]
def rank_behind(widths):
    return min(widths)  # each product bounds the rank by its narrowest side


check_1(rank_behind)

# %% [markdown]
# ## Exercise 2: a threshold that does not depend on one direction
#
# The ε-rank measures all against $\sigma_1$. Another count, the *effective rank*, uses them all: with
# $p_i = \sigma_i / \sum_j \sigma_j$ it is $\exp(-\sum_i p_i \ln p_i)$, which is $k$ where $k$ equal values are the only
# ones. Write `effective_rank(y)`. (Take $0 \ln 0 = 0$.)

# %%


def check_2(answer):
    rng = np.random.default_rng()
    for k in (1, 3, 8):
        q = np.linalg.qr(rng.standard_normal((20, k)))[0]  # k perpendicular columns of length 1
        found = answer(q @ q.T)
        assert isinstance(found, float) and abs(found - k) < 1e-6, (
            f"{k} equal singular values: expected {k}, got {found}"
        )
    sigma = np.array([4.0, 2.0, 1.0, 1.0])
    found = answer(np.diag(sigma))
    assert abs(found - 2**1.75) < 1e-9, f"of diag(4, 2, 1, 1): expected 2 to the 1.75, got {found}"


# %% tags=["answer", "hide-cell"]
def effective_rank(y):
    sigma = np.linalg.svd(y, compute_uv=False)
    p = sigma / sigma.sum()
    p = p[p > 0]
    return np.exp(-(p * np.log(p)).sum())


check_2(effective_rank)
z = normalised(0.3, rng)
for name in ("ReLU", "SiLU"):
    f = ACTIVATIONS[name]
    y = f(z)
    print(f"{name}: effective rank {effective_rank(y):.1f}, centred {effective_rank(y - y.mean(axis=0)):.1f}")

# %% [markdown]
# ## Exercise 3: the partial shortcut
#
# Write `partial(dy, dx_branch, in_channels)`: the gradient of $x$ where $y = F(x)$ with $x$ added to its first
# `in_channels` channels. `dy`: (N, M, H, W); `dx_branch`: what backward of $F$ gives for `dy`, (N, C, H, W).

# %%


def check_3(answer):
    rng = np.random.default_rng()
    x, w = rng.standard_normal((2, 3, 4, 4)), rng.standard_normal((5, 3))
    dy = rng.standard_normal((2, 5, 4, 4))
    dx_branch = np.einsum("mc,nmhw->nchw", w, dy)

    def forward(x):
        y = np.einsum("mc,nchw->nmhw", w, x)
        y[:, :3] += x
        return y

    found = np.asarray(answer(dy, dx_branch, 3), float)
    assert found.shape == x.shape, f"the shape is {found.shape}, expected that of x, {x.shape}"
    v = rng.standard_normal(x.shape)
    moved = ((forward(x + v) - forward(x)) * dy).sum()  # F is linear, so the step need not be small
    assert np.isclose(moved, (found * v).sum()), (
        f"a step moves the loss by {moved:.4f}, dx says {(found * v).sum():.4f}"
    )


# %% tags=["answer", "hide-cell"]
def partial(dy, dx_branch, in_channels):
    return dy[:, :in_channels] + dx_branch


check_3(partial)

# %% [markdown]
# ## What this settles
#
# * "The rank of a layer is bounded by its narrower side": true of $X W^T$, false of $f(X W^T)$, whose rank is full.
# * "SiLU and ELU expand the rank more than ReLU": true if one counts singular values above a tenth of the greatest, of
#   outputs that are not centred; the order flips if they are.
# * "Widen in many small steps": follows from the first curve above; that it helps accuracy is an observation of the
#   paper, not of this tutorial.
#
# Next: what else a residual block is, [a step of a differential equation](16_networks_as_odes.py).
