# %% [markdown]
# # 21. The interview
#
# Everything that the five articles ask, and that is asked in interviews: each question with an answer that is derived
# line by line, and a run that checks it. At the end stand the 24 errors of the articles, each with what is right. Cover
# the answer, say yours aloud, then read on. A good answer names the condition under which it is true.
#
# **You need**: all tutorials before this one; each answer says which.
#
# **You will be able to**: derive the gradients that interviews ask for without notes, and correct what you will be
# told.
#
# **Time**: 40 minutes

# %%
import os
import textwrap
from math import comb

import numpy as np

from minires import models
from minires.errors import ShapeError
from minires.experiments import EXPERIMENTS
from minires.experiments.errors import ERRORS
from minires.layers import BatchNorm1d, BatchNorm2d, Conv2d, Gain, Linear, ReLU, Residual, Sequential
from minires.losses import SoftmaxCrossEntropy
from minires.ops import im2col
from minires.trace import trace

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

FAST = bool(os.environ.get("MINIRES_FAST"))  # the lines of the 24 errors are not run
rng = np.random.default_rng(0)

# %% [markdown]
# ## Part 1: derive it
#
# ### 1. What is the gradient of softmax and cross-entropy?
#
# *Line 1.* With logits $z$ and the label $t$: $L = -\log p_t$, $p_k = e^{z_k} / \sum_j e^{z_j}$.
#
# *Line 2.* Take the logarithm first: $L = -z_t + \log \sum_j e^{z_j}$.
#
# *Line 3.* Differentiate: of $-z_t$ it is $-1$ where $k = t$; of the logarithm, $e^{z_k} / \sum_j e^{z_j} = p_k$.
#
# *Line 4.* $\partial L / \partial z_k = p_k - [k = t]$ (the bracket is 1 where it is true, else 0), and for the mean
# over a batch of $N$, one $N$-th of it. The sum over $k$ is zero: what one class gains, the others lose.

# %%
z, labels = rng.standard_normal((4, 10)), rng.integers(0, 10, 4)  # (N, K), (N,)
loss = SoftmaxCrossEntropy()
value, cache = loss.forward(z, labels)
p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
assert np.isclose(value, -np.log(p[np.arange(4), labels]).mean())  # line 1
assert np.isclose(value, (np.log(np.exp(z).sum(axis=1)) - z[np.arange(4), labels]).mean())  # line 2
dz = (p - np.eye(10)[labels]) / 4
assert np.allclose(loss.backward(cache), dz) and np.allclose(dz.sum(axis=1), 0)  # line 4

# %% [markdown]
# *Follow-up: why subtract the maximum first?* It changes nothing ($e^{z-m}$ over the sum of $e^{z-m}$), and without it
# $e^{1000}$ is infinite.
#
# ### 2. What is dx of batch norm?
#
# One channel, $m$ numbers, $\hat x = (x - \mu)/s$ with $s = \sqrt{\sigma^2 + \varepsilon}$, $y = \gamma \hat x +
# \beta$; $\hat g = \gamma\, dy$ is the gradient of $\hat x$.
#
# *Line 1.* $x_i$ reaches the loss three ways: directly, through $\mu$, through $\sigma^2$.
#
# *Line 2, direct.* $\hat g_i / s$.
#
# *Line 3, mean.* $\partial \hat x_j / \partial \mu = -1/s$ for every $j$, and $\partial \mu / \partial x_i = 1/m$:
# together $-\frac{1}{s} \cdot \frac1m \sum_j \hat g_j$.
#
# *Line 4, variance.* $\partial \hat x_j / \partial \sigma^2 = -\frac12 (x_j - \mu) s^{-3} = -\frac{1}{2} \hat x_j
# s^{-2}$, and $\partial \sigma^2 / \partial x_i = \frac2m (x_i - \mu) = \frac2m s\, \hat x_i$: together $-\frac{1}{s}
# \hat x_i \cdot \frac1m \sum_j \hat g_j \hat x_j$. ($\sigma^2$ depends on $\mu$, too, but with the slope $-\frac2m
# \sum_j (x_j - \mu) = 0$.)
#
# *Line 5.*
#
# $$dx = \frac{1}{s} \Big( \hat g - \text{mean}(\hat g) - \hat x\, \text{mean}(\hat g\, \hat x) \Big)$$
#
# So the sum of $dx$ over the channel is zero: a constant added to all of $x$ changes nothing.

# %%
norm = BatchNorm1d(3).to(dtype=np.float64)
norm.gamma.data[...] = rng.uniform(0.5, 2, 3)
x, dy = rng.standard_normal((2, 8, 3))  # each (N, C)
_, cache = norm.forward(x, train=True)
s = np.sqrt(x.var(axis=0) + norm.eps)
x_hat, g_hat = (x - x.mean(axis=0)) / s, norm.gamma.data * dy
direct, mean, variance = g_hat / s, -g_hat.mean(axis=0) / s, -x_hat * (g_hat * x_hat).mean(axis=0) / s
dx = norm.backward(dy, cache)
terms = norm.terms(dy, cache)
for name, mine in (("direct", direct), ("mean", mean), ("variance", variance)):  # lines 2 to 4
    assert np.allclose(terms[name], mine)
assert np.allclose(dx, direct + mean + variance)  # line 5
assert np.allclose(dx.sum(axis=0), 0)

# %% [markdown]
# *Follow-ups.* *In evaluation?* Mean and variance are constants: only the direct term, with the running variance.
# *$d\gamma$, $d\beta$?* $\sum dy\, \hat x$ and $\sum dy$. *One number in each channel?* $\hat x = 0$: the output
# would be $\beta$ whatever $x$ is; refused. *Why no bias before it?* $\mu$ takes it away; its gradient is that zero
# sum. *Which variance goes into the running one?* The unbiased one, $m/(m-1)$ times as large; normalised is with the
# biased one.

# %%
norm = BatchNorm2d(3, momentum=0.1).to(dtype=np.float64)
x = rng.standard_normal((4, 3, 2, 2))
for _ in range(5):
    norm.forward(x, train=True)
m, var = 16, x.var(axis=(0, 2, 3))
assert np.allclose(norm.running_mean.data, (1 - 0.9**5) * x.mean(axis=(0, 2, 3)))  # it began at 0
assert np.allclose(norm.running_var.data, 0.9**5 + (1 - 0.9**5) * var * m / (m - 1))  # it began at 1

try:
    BatchNorm1d(2).forward(np.array([[100.0, -5.0]], np.float32), train=True)
except ShapeError as error:
    print(textwrap.fill(str(error), 96))

# %% [markdown]
# ### 3. And of a convolution?
#
# *Line 1.* Write each window as a column: $Y = W\, \text{col}(x)$ with $W$: $(M, C K K)$, $\text{col}(x)$: $(C K K, N H
# W)$.
#
# *Line 2.* It is a linear layer: $dW = dY\, \text{col}(x)^T$ and $d\text{col} = W^T dY$.
#
# *Line 3.* A pixel stands in as many columns as there are windows over it, so its gradient is the *sum* over them:
# col2im adds. For stride 1 that is a convolution of $dy$ with the filters turned round by 180 degrees, in and out
# exchanged.

# %%
conv = Conv2d(3, 5, 3, padding=1, rng=rng).to(dtype=np.float64)
x = rng.standard_normal((2, 3, 6, 6))
y, cache = conv.forward(x)
dy = rng.standard_normal(y.shape)
dx = conv.backward(dy, cache)
col = im2col(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (1, 1), (1, 1), (6, 6))  # (3 3 3, 2 6 6)
assert np.allclose(conv.weight.grad.reshape(5, -1), dy.transpose(1, 0, 2, 3).reshape(5, -1) @ col.T)  # line 2

turned = Conv2d(5, 3, 3, padding=1, rng=rng).to(dtype=np.float64)
turned.weight.data[...] = conv.weight.data[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
assert np.allclose(dx, turned(dy))  # line 3

# %% [markdown]
# *Follow-up: the size of the output?* $\lfloor (H + 2p - k)/s \rfloor + 1$.
#
# ### 4. Why N(0, 2/n)?
#
# *Line 1.* $y = \sum_{i=1}^n w_i x_i$ with independent terms: $E[y^2] = n\, \text{Var}(w)\, E[x^2]$. *Line 2.* $x$
# comes from a ReLU, which has set half of a symmetric distribution to zero: $E[x^2] = \frac12 E[y_{\text{before}}^2]$.
# *Line 3.* To keep the size: $n\, \text{Var}(w) / 2 = 1$. (Xavier's rule has $1/n$: half the mean square is lost in
# each layer.)

# %%
before = rng.standard_normal((200, 400))
for name, var, kept in (("He", 2 / 400, 1.0), ("Xavier", 1 / 400, 0.5)):
    y = np.maximum(before, 0) @ (rng.standard_normal((400, 400)) * np.sqrt(var))
    print(f"{name}: E[y^2] becomes {np.mean(y**2) / np.mean(before**2):.2f} of what it was")
    assert abs(np.mean(y**2) / np.mean(before**2) - kept) < 0.05

# %% [markdown]
# ### 5. What does the shortcut do to the gradient?
#
# *Line 1.* $x_{l+1} = x_l + F_l(x_l)$: two ways, so $g_l = g_{l+1} + J_l^T g_{l+1}$.
#
# *Line 2.* Put line 1 into itself, from $l$ to $L$: $g_l = g_L + \sum_{i=l}^{L-1} J_i^T g_{i+1}$.
#
# *Line 3.* The same with everything traced to $g_L$: $g_l = (1 + \frac{\partial}{\partial x_l} \sum_i F_i)^T g_L$,
# where the derivative is the *total* one: $x_i$ depends on $x_l$.
#
# *The conditions, which most answers lack.* Only identity shortcuts and nothing behind the addition: in v1 a ReLU
# stands there, and its mask multiplies the "1". And only inside a stage: where the shape changes, the shortcut is no
# identity.

# %%
images, labels = rng.standard_normal((4, 3, 16, 16)), rng.integers(0, 10, 4)
for block in ("full_preact", "original"):
    net = models.build("resnet20", block=block, rng=0).to(dtype=np.float64)
    ledger = trace(net, images, labels)
    last = ledger.blocks[-1]
    arrives = (last.terms["shortcut"] == last.incoming).all()
    print(f"{block:12} terms add up to {ledger.closure_error:.0e}; the 1 arrives untouched: {arrives}")
    assert ledger.closure_error < 1e-12 and arrives == (block == "full_preact")

# %% [markdown]
# *Follow-up: could the bracket be zero?* It would need $\frac{\partial}{\partial x_l} \sum F = -1$ for *all* images of
# a batch at once. *And if the shortcut is scaled by $\lambda$?* Then $\lambda^{L-l}$ stands in the place of the 1: half
# of it in each of ten blocks is a thousandth.

# %%
x, g = rng.standard_normal((2, 1, 6))  # each (N, D)
way = g
for _ in range(10):
    block = Residual(Linear(6, 6, rng=rng), shortcut=Gain(0.5)).to(dtype=np.float64)
    way = block.terms(way, block.forward(x)[1])["shortcut"]  # of each block the shortcut's term alone
assert np.array_equal(way, 0.5**10 * g) and 0.5**10 < 0.001

# %% [markdown]
# ### 6. How many paths has a residual network, and how long are they?
#
# *Line 1.* Multiply out $(1 + J_1)(1 + J_2) \dots (1 + J_n)$: $2^n$ terms, one for each choice of blocks that are
# entered. *Line 2.* With $k$ of $n$ entered there are $\binom nk$: lengths are distributed as heads in $n$ throws of a
# coin. *Line 3.* What a path *carries* is another question: each block that is entered multiplies by $J$, so that short
# paths carry most, though they are few.

# %%
n = 54
share = np.array([comb(n, k) for k in range(n + 1)]) / 2.0**n
print(
    f"paths of length 19 to 35: {share[19:36].sum():.1%}; of length 5 to 17, which carry most: {share[5:18].sum():.2%}"
)
assert share[19:36].sum() > 0.95 and share[5:18].sum() < 0.005

carried = share * 0.4 ** np.arange(n + 1)  # if each block that is entered leaves 0.4 of the gradient
carried /= carried.sum()
print(f"mean length of paths {share @ np.arange(n + 1):.0f}, of what is carried {carried @ np.arange(n + 1):.1f}")

# %%
if plt:
    plt.figure(figsize=(6.5, 3.4), layout="constrained")
    plt.bar(np.arange(n + 1) - 0.2, share, width=0.4, label="share of the paths")
    plt.bar(np.arange(n + 1) + 0.2, carried, width=0.4, label="share of the gradient, if J has the size 0.4")
    plt.xlabel("blocks that a path enters, of 54")
    plt.ylabel("share")
    plt.ylim(0, 0.16)  # room for the legend
    plt.title("Most paths are long, most gradient is on short ones")
    plt.legend()
    plt.show()

# %% [markdown]
# ### 7. How many parameters has ResNet-20?
#
# $20 = 6 \cdot 3 + 2$: three stages of $n = 3$ blocks. *Stem*: $9 \cdot 3 \cdot 16$. *Stage 1*: six convolutions $9
# \cdot 16 \cdot 16$. *Stage 2*: one $9 \cdot 16 \cdot 32$, five $9 \cdot 32 \cdot 32$. *Stage 3* likewise with 32 and
# 64. *Batch norms*: two numbers for each channel, $2 (16 \cdot 7 + 32 \cdot 6 + 64 \cdot 6)$. *Head*: $64 \cdot 10 +
# 10$. With option A the shortcuts have none.

# %%
convs = 9 * (3 * 16 + 6 * 16**2 + 16 * 32 + 5 * 32**2 + 32 * 64 + 5 * 64**2)
norms = 2 * (7 * 16 + 6 * 32 + 6 * 64)
total = convs + norms + 64 * 10 + 10
print(f"{total:,} parameters")
assert total == models.summarize(models.build("resnet20", rng=None), (3, 32, 32)).params

# %% [markdown]
# ## Part 2: say it in one breath, and what holds it up
#
# *Why did deeper plain networks get worse?* Not by overfitting (they are worse on the training images too), and
# hardly by vanishing gradients (with batch norm they *explode* towards the first layers). They are hard to optimise:
# `degradation`, `gradients_by_depth`.
#
# *But a deeper network could be the shallower one plus identities?* Yes, the families are nested, for plain networks
# too. Gradient descent does not find the identity; in a residual block it is $F = 0$: `nested_families`,
# `starts_at_identity`.
#
# *Which placement is best, and why?* Batch norm, ReLU, convolution, twice, and nothing behind the sum (v2): the
# shortcut is clean, and every weight layer gets normalised input. With ReLU in front of the sum $x$ can only grow; with
# batch norm behind it each block rescales the "1": `placements`.
#
# *When the shape changes?* Option A, zeros for the new channels; B, a 1 x 1 convolution where needed; C, everywhere.
# B for ImageNet, A in the CIFAR networks: `shortcuts`.
#
# *Is a residual network an ensemble?* Deleting one block at test time costs little, so paths do not strongly depend
# on each other; nobody trained them apart. A few blocks carry much: `lesions`, `dropped_blocks`, `ensemble`.
#
# *What are shattered gradients?* In deep plain networks the gradients of neighbouring inputs look like white noise:
# with batch norm their correlation halves with each layer. In residual ones it falls much more slowly:
# `shattered_plain`, `shattered_residual`.
#
# *Bottleneck, wide, ResNeXt, Res2Net, SE, DenseNet?* A 1 x 1 before and behind the 3 x 3; more channels; parallel
# thin paths; groups that listen to each other; a gate for each channel; concatenation in place of the sum:
# [tutorial 14](14_bottlenecks_and_groups.py).
#
# Each name above is an experiment: `minires experiment run degradation`. They exist:

# %%
NAMED = """degradation gradients_by_depth nested_families starts_at_identity placements shortcuts lesions dropped_blocks
ensemble shattered_plain shattered_residual"""
for name in NAMED.split():
    assert name in EXPERIMENTS, name
print(len(EXPERIMENTS), "experiments")

# %% [markdown]
# ## Part 3: the 24 errors
#
# What the articles say, and what is right. Most can be shown in a few lines; here the lines are run, and what they find
# is asserted.

# %%
for error in ERRORS:
    print(f"{error.number}. {error.article}")
    for name, text in (("says:", error.says), ("right:", error.right)):
        print(textwrap.fill(text, 96, initial_indent=f"   {name:7}", subsequent_indent=" " * 10))
    if error.snippet and not FAST:
        print("   run:  ", error.output.strip().splitlines()[0][:88])
assert len(ERRORS) == 24

# %% [markdown]
# ## Exercise 1: RMS norm
#
# The interviewer leaves the mean out: $y = x / r$ with $r = \sqrt{\text{mean}(x^2) + \varepsilon}$ over the last axis.
# Derive $dx$ and write `rms_backward(dy, x, eps)`. `dy`, `x`: (N, D).

# %%


def check_1(answer):
    rng = np.random.default_rng()
    x, dy, v = rng.standard_normal((3, 4, 6))

    def forward(x):
        return x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 0.1)

    dx = np.asarray(answer(dy, x, 0.1), float)
    assert dx.shape == x.shape, f"the shape is {dx.shape}, expected {x.shape}"
    h = 1e-6
    measured = ((forward(x + h * v) - forward(x - h * v)) * dy).sum() / (2 * h)
    says = (dx * v).sum()
    assert np.isclose(measured, says, atol=1e-7), f"a nudge moves the loss by {measured:.6f}, dx says {says:.6f}"


# %% tags=["answer", "hide-cell"]
def rms_backward(dy, x, eps):
    r = np.sqrt((x**2).mean(axis=1, keepdims=True) + eps)
    y = x / r
    return (dy - x / r * (dy * y).mean(axis=1, keepdims=True)) / r  # batch norm without its mean term


check_1(rms_backward)

# %% [markdown]
# ## Exercise 2: find the bug
#
# A candidate writes a residual block. His gradient check passes. What is wrong, and why did the check not see it? Write
# `repaired(branch, x)`, the forward of the block as in the paper (v1).

# %%


def candidate(branch, x):
    return branch(np.maximum(x, 0)) + np.maximum(x, 0)  # the ReLU stands in front of the block, not behind the sum


def check_2(answer):
    rng = np.random.default_rng()
    branch = Sequential(Linear(5, 5, rng=rng), ReLU(), Linear(5, 5, rng=rng)).to(dtype=np.float64)
    x = rng.standard_normal((3, 5))
    expected = Sequential(Residual(branch), ReLU())(x)
    assert not np.allclose(candidate(branch, x), expected)
    found = answer(branch, x)
    assert np.shape(found) == x.shape, f"the shape is {np.shape(found)}, expected that of x, {x.shape}"
    off = abs(found - expected).max()
    assert off < 1e-9, f"other numbers than the block of the paper, by up to {off:.2g}: what does the shortcut carry?"


# %% tags=["answer", "hide-cell"]
def repaired(branch, x):
    return np.maximum(branch(x) + x, 0)  # a gradient check compares backward with forward: both were wrong alike


check_2(repaired)

# %% [markdown]
# ## Exercise 3: the "1" under a gate
#
# A highway block is $y = t\, F(x) + (1 - t)\, x$ with $t = \sigma(a\, x + b)$, all of it element by element. Derive the
# three terms of $dx$ and write `highway_terms(dy, x, F, dF, a, b)` that returns `(shortcut, branch, gate)`; `F`:
# $F(x)$, `dF`: $F'(x)$, arrays as $x$.

# %%


def check_3(answer):
    rng = np.random.default_rng()
    x, dy = rng.standard_normal((2, 7))
    a, b, h = 0.7, -1.5, 1e-6

    def forward(x):
        t = 1 / (1 + np.exp(-(a * x + b)))
        return t * np.sin(x) + (1 - t) * x

    found = answer(dy, x, np.sin(x), np.cos(x), a, b)
    assert isinstance(found, tuple) and len(found) == 3, "return the three terms: shortcut, branch, gate"
    shortcut, branch, gate = found
    t = 1 / (1 + np.exp(-(a * x + b)))
    assert np.allclose(shortcut, (1 - t) * dy), "the shortcut's term is wrong"
    assert np.allclose(branch, t * np.cos(x) * dy), "the branch's term is wrong"
    measured = (forward(x + h) - forward(x - h)) / (2 * h) * dy
    off = abs(shortcut + branch + gate - measured).max()
    assert off < 1e-7, f"the gate's term is off by up to {off:.2g}"


# %% tags=["answer", "hide-cell"]
def highway_terms(dy, x, F, dF, a, b):
    t = 1 / (1 + np.exp(-(a * x + b)))
    return (1 - t) * dy, t * dF * dy, a * t * (1 - t) * (F - x) * dy


check_3(highway_terms)

# %% [markdown]
# ## What this settles
#
# That nothing here has to be believed. If an answer of yours differs from these, write the run that decides: that is
# what minires is for. To go on: write a block of your own and trace it, or add an experiment.
