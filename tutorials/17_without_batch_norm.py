# %% [markdown]
# # 17. Without batch norm
#
# Take batch norm out of a deep residual network, and it stops learning. So what did batch norm do? One part of the
# answer is a single number: it made the blocks *start small*. This tutorial derives that number, and then trains deep
# networks without any normalisation by giving it to them in another way.
#
# **You need**: [batch norm](04_batch_norm.py), [the residual add](08_the_residual_add.py), and that the variance of a
# sum of independent numbers is the sum of their variances.
#
# **You will be able to**: derive how activations grow with depth with and without batch norm, write SkipInit in one
# line, and say what it lacks.
#
# **Time**: 30 minutes

# %%
import os

import numpy as np

from minires import models
from minires.experiments import Lab
from minires.layers import BatchNorm1d, Gain, Linear, ReLU, Residual, Sequential

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

FAST = bool(os.environ.get("MINIRES_FAST"))  # a shallower network, for a slow machine
rng = np.random.default_rng(0)

# %% [markdown]
# ## One branch: He's rule keeps the size
#
# Take the branch $F(x) = W\, \text{ReLU}(x)$, with $D$ numbers in and out, and let $q = E[x^2]$ be the mean square of
# $x$, which is distributed alike on both sides of zero. *He's rule* draws the weights with variance $2/D$.
#
# *Line 1.* ReLU sets one half to zero: $E[\text{ReLU}(x)^2] = q/2$. *Line 2.* Each number of $F$ is a sum of $D$ terms
# $w\, \text{ReLU}(x)$, independent by their weights, each with mean zero and variance $\frac{2}{D} \cdot \frac{q}{2}$;
# together $q$. So the branch is as large as its input.

# %%
D, N = 256, 512
x = rng.standard_normal((N, D))  # q = 1
W = rng.standard_normal((D, D)) * np.sqrt(2 / D)
F = np.maximum(x, 0) @ W.T  # (N, D)
print(f"E[x^2] {np.mean(x**2):.2f}, behind ReLU {np.mean(np.maximum(x, 0) ** 2):.2f}, of F {np.mean(F**2):.2f}")
assert abs(np.mean(np.maximum(x, 0) ** 2) - 0.5) < 0.05
assert abs(np.mean(F**2) - 1) < 0.1

# %% [markdown]
# ## The sum doubles it
#
# *Line 3.* The weights of the branch know nothing of $x$, so $E[x F] = 0$. *Line 4.*
#
# $$E[(x + F)^2] = E[x^2] + 2 E[x F] + E[F^2] = 2 q$$
#
# Each block doubles the mean square. After 27 blocks, those of a network of 56 layers, it is $2^{27}$. That is no
# failure of He's rule, which was made for chains; it is the shortcut.

# %%


assert abs(np.mean(x * F)) < 0.02  # line 3
assert abs(np.mean((x + F) ** 2) - 2) < 0.1  # line 4


def sizes(blocks, F_scale=1.0, norm=False, draws=4):
    """Mean square of x behind each block, (blocks + 1,): mean of some draws."""
    found = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((256, D)).astype(np.float32)
        row = [np.mean(x**2)]
        for _ in range(blocks):
            before = [BatchNorm1d(D)] if norm else []
            branch = Sequential(*before, ReLU(), Linear(D, D, bias=False, rng=rng), Gain(F_scale))
            branch["2" if norm else "1"].weight.data[...] = rng.standard_normal((D, D)) * np.sqrt(2 / D)
            x = Residual(branch).forward(x, train=True)[0]
            row.append(np.mean(x**2))
        found.append(row)
    return np.mean(found, axis=0)


BLOCKS = 12 if FAST else 27
without = sizes(BLOCKS)
growth = (without[-1] / without[0]) ** (1 / BLOCKS)
print(f"without batch norm: {growth:.2f} times in each block, {without[-1]:.1e} behind {BLOCKS}")
assert 1.8 < growth < 2.2

# %% [markdown]
# ## What batch norm does about it
#
# With batch norm at the beginning of the branch, *what $F$ sees* has mean square 1, however large $x$ is. So $F$ adds
# 1, in every block, and no more:
#
# $$E[x_l^2] = 1 + l$$
#
# A straight line in place of an exponential. And read it the other way: behind $l$ blocks $x$ has the size $\sqrt{1 +
# l}$ and the branch 1. Relative to what it is added to, the branch shrinks as $1 / \sqrt{1 + l}$: *batch norm makes
# the deeper blocks start near the identity.* That is what De and Smith found it to be good for.

# %%
with_norm = sizes(BLOCKS, norm=True)
step = np.diff(with_norm).mean()
print(f"with batch norm: + {step:.2f} in each block, {with_norm[-1]:.1f} behind {BLOCKS}")
assert 0.9 < step < 1.1

# %% [markdown]
# ## The same without batch norm
#
# Then we can do it by hand: multiply each branch by a number $\alpha$. A block now makes $q$ to $(1 + \alpha^2) q$.
# With $\alpha = 1/\sqrt{n}$ for $n$ blocks the whole network makes it to
#
# $$(1 + 1/n)^n q \to e\, q$$
#
# And with $\alpha = 0$ every block *is* the identity at the start. That is **SkipInit**: a number $\alpha$ in front of
# each addition, trained like a weight, which starts at 0.

# %%
root = sizes(BLOCKS, F_scale=BLOCKS**-0.5)
print(f"alpha = 1 / sqrt(n): {root[-1] / root[0]:.2f} times, and (1 + 1/n)^n = {(1 + 1 / BLOCKS) ** BLOCKS:.2f}")
assert abs(root[-1] / root[0] / (1 + 1 / BLOCKS) ** BLOCKS - 1) < 0.15

# %%
if plt:
    figure, axes = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
    lines = (
        (without, "no norm: $2^l$"),
        (with_norm, "batch norm: $1 + l$"),
        (root, "$\\alpha = 1/\\sqrt{n}$: at most $e$"),
        (np.ones(BLOCKS + 1), "SkipInit, $\\alpha = 0$: 1"),
    )
    for values, label in lines:
        axes.semilogy(values, "o-", markersize=3, label=label)
    axes.set(xlabel="behind block $l$", ylabel="mean square of $x_l$", title="How activations grow at the start")
    axes.legend()
    plt.show()

# %% [markdown]
# ## How can it learn, if every branch is multiplied by zero?
#
# Derive the gradients of $y = x + \alpha F(x)$ for the upstream gradient $g$. *Of $x$*: $g + \alpha J_F^T g$, at the
# start only the shortcut's $g$. *Of the weights of F*: $\alpha$ times what they would get: at the start, nothing. *Of
# $\alpha$*: it multiplies every entry of $F$, so the sum of all products,
#
# $$\frac{\partial L}{\partial \alpha} = \langle F(x), g \rangle \ne 0$$
#
# In the first step only the $\alpha$ move in all the blocks, away from zero; from the second on, all weights do.

# %%
branch = Sequential(relu=ReLU(), linear=Linear(6, 6, rng=rng), gain=Gain(0.0))
block = Residual(branch).to(dtype=np.float64)
x, g = rng.standard_normal((2, 4, 6))  # each (N, D)
y, cache = block.forward(x)
dx = block.backward(g, cache)
assert np.array_equal(y, x) and np.array_equal(dx, g)  # the identity, both ways
assert (branch["linear"].weight.grad == 0).all()
linear = branch["linear"]
F = linear(np.maximum(x, 0))
assert np.isclose(branch["gain"].weight.grad[0], (F * g).sum())
print(f"gradient of alpha {branch['gain'].weight.grad[0]:.3f}, of the weights 0")


# %% [markdown]
# ## Training
#
# A deep residual network on the digits, without any norm, at the learning rate at which it learns with one. He's rule
# alone against SkipInit:

# %%
NAME, EPOCHS = "digits_resnet20" if FAST else "digits_resnet44", 5
SETTINGS = {"lr": 0.1, "limit_train": 720, "batch_size": 32}
lab, curves = Lab(), {}
for label, options in (
    ("no norm, He's rule", {"norm": None}),
    ("no norm, SkipInit", {"norm": None, "init": "skipinit"}),
    ("batch norm", {}),
):
    net = models.build(NAME, block="full_preact", widths=(4, 8, 16), rng=0, **options)
    rows = lab.train(net, EPOCHS, seed=0, **SETTINGS)
    curves[label] = rows
    end = f"loss {rows[-1]['train_loss']:.2f}, test accuracy {rows[-1]['test_accuracy']:.0%}" if rows else "diverged"
    print(f"{label:20} {len(rows)} epochs, {end}")
assert curves["no norm, SkipInit"][-1]["test_accuracy"] > curves["no norm, He's rule"][-1]["test_accuracy"] + 0.2

# %%
if plt:
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for label, rows in curves.items():
        axes.plot(range(1, len(rows) + 1), [row["train_loss"] for row in rows], "o-", label=label)
    axes.set(xlabel="epoch", ylabel="training loss", title=f"{NAME}, learning rate {SETTINGS['lr']}", ylim=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    plt.show()

# %% [markdown]
# The experiment `without_norm` does it at 56 layers and three seeds, with **Fixup** as a fourth way: scale the weights
# of each branch by a power of the number of blocks, start its last layer at zero, and put trained numbers where batch
# norm had its shift. All that start near the identity learn; He's rule alone does not at this rate, though at a fifth
# of it it comes some way.
#
# What SkipInit does not replace: batch norm also makes the size of the weights irrelevant, which allows larger learning
# rates, and its noise from batch to batch keeps the network from learning the training set by heart.

# %% [markdown]
# ## Exercise 1: how small must alpha be?
#
# A network has $n$ blocks with the branch multiplied by $\alpha$. Write `alpha_for(n, factor)`: the $\alpha$ with which
# the mean square grows by exactly `factor` over the whole network.

# %%


def check_1(answer):
    for n, factor in ((1, 2.0), (27, 2.0), (100, 10.0), (54, 1.0)):
        found = answer(n, factor)
        assert isinstance(found, float), f"expected one number, got {found}"
        growth = (1 + found**2) ** n
        assert abs(growth - factor) < 1e-6 * factor, (
            f"with alpha = {found:.4f} it grows {growth:.4f} times, not {factor}"
        )


# %% tags=["answer", "hide-cell"]
def alpha_for(n, factor):
    return np.sqrt(factor ** (1 / n) - 1)  # (1 + alpha^2)^n = factor


check_1(alpha_for)

# %% [markdown]
# ## Exercise 2: a gain of your own
#
# Write `gain_backward(dy, x, alpha)` for $y = \alpha x$: return `(dx, dalpha)`. `dy`, `x`: (N, D); `dalpha`: one
# number.

# %%


def check_2(answer):
    rng = np.random.default_rng()
    layer = Gain(0.3).to(dtype=np.float64)
    x, dy = rng.standard_normal((2, 5, 4))
    expected = layer.backward(dy, layer.forward(x)[1])
    found = answer(dy, x, layer.weight.data[0])
    assert isinstance(found, tuple) and len(found) == 2, "return dx and dalpha"
    dx, dalpha = found
    assert np.shape(dx) == x.shape and np.allclose(dx, expected), "dx is wrong"
    assert np.shape(dalpha) == (), f"dalpha has the shape {np.shape(dalpha)}, expected one number"
    assert np.isclose(dalpha, layer.weight.grad[0]), "dalpha is wrong: alpha multiplies every entry"


# %% tags=["answer", "hide-cell"]
def gain_backward(dy, x, alpha):
    return alpha * dy, (x * dy).sum()


check_2(gain_backward)

# %% [markdown]
# ## Exercise 3: predict, then measure
#
# *Backward*, too, goes through the sums. Without batch norm each block doubles the mean square of the gradient as well;
# with an $\alpha$ it is $1 + \alpha^2$ again. But how large is the gradient of a *branch's weight*, which is $\alpha$
# times a product of activation and gradient? Write `weight_gradient(l, n, alpha)`: the factor by which its mean square
# in block $l$ of $n$ (from 1) differs from that in block 1 of a network with one block and $\alpha = 1$. The input of
# the network and the gradient behind it are the same in all.

# %%


def check_3(answer):
    rng = np.random.default_rng(0)

    def measured(l, n, alpha, draws=40):
        found = []
        for _ in range(draws):
            scale = np.sqrt(2 / 128)
            weights = [rng.standard_normal((128, 128)) * scale for _ in range(n)]
            xs = [rng.standard_normal((4, 128))]
            for W in weights:
                xs.append(xs[-1] + alpha * np.maximum(xs[-1], 0) @ W.T)
            g = rng.standard_normal((4, 128))
            for i in range(n, l, -1):
                g = g + alpha * (g @ weights[i - 1]) * (xs[i - 1] > 0)
            found.append(np.mean((alpha * g.T @ np.maximum(xs[l - 1], 0)) ** 2))
        return np.mean(found)

    base = measured(1, 1, 1.0)
    for l, n, alpha in ((1, 4, 1.0), (3, 4, 1.0), (2, 6, 0.5)):
        found, expected = answer(l, n, alpha), measured(l, n, alpha) / base
        assert isinstance(found, float), f"expected one number, got {found}"
        assert abs(np.log(found / expected)) < 0.4, (
            f"block {l} of {n}, alpha {alpha}: about {expected:.2f}, not {found:.2f}"
        )


# %% tags=["answer", "hide-cell"]
def weight_gradient(l, n, alpha):
    # activations have grown in the l - 1 blocks before it, the gradient in the n - l behind it: together n - 1
    return alpha**2 * (1 + alpha**2) ** (n - 1)


check_3(weight_gradient)

# %% [markdown]
# The same in every block: without batch norm all gradients are too large *together*. That is why a smaller learning
# rate helps for a while, and why starting near the identity helps for good.

# %% [markdown]
# ## What this settles
#
# * "Batch norm is what lets residual networks be deep": it is one way; a number that starts at zero in each block is
#   another, and simpler.
# * "He's initialisation takes care of the scale": in a chain. With shortcuts each block doubles the mean square.
# * What batch norm does besides is not settled here.
#
# Next: [the weights of others](18_weights_of_others.py).
