# %% [markdown]
# # 11. Shortcuts and gates
#
# The best shortcut does nothing at all. That is hard to believe: surely a factor, a gate that learns what to let
# through, or a small convolution can only help? This tutorial puts each of them on the shortcut, derives what comes
# back, and measures what is left of the gradient after many blocks. It ends with the one case in which the shortcut
# must do something: where the shape changes.
#
# **You need**: the tutorials before this one, above all [the "1 +"](09_the_one_plus.py).
#
# **You will be able to**: derive the three terms of a gated block, predict how a factor on the shortcut acts on a
# deep network, and choose a shortcut for a change of shape.
#
# **Time**: 30 minutes

# %%
import numpy as np

from minires import models
from minires.data import Normalize
from minires.experiments import Lab
from minires.layers import Gate, Linear, Sequential, Sigmoid
from minires.trace import telescope, trace

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)
lab = Lab()
digits = lab.digits[0]
images, labels = Normalize.of(digits)(digits.images[:16], np.float64), digits.labels[:16]  # (16, 1, 8, 8), (16,)

# %% [markdown]
# ## A factor
#
# Let the shortcut multiply by a number: $x_{i+1} = \lambda x_i + F_i(x_i)$.
#
# *1.* One block, backward: $g_i = \lambda\, g_{i+1} + J_i^T g_{i+1}$.
#
# *2.* The first term of the next block is multiplied again. On shortcuts alone, from $L$ to $l$:
#
# $$\lambda \cdot \lambda \cdots \lambda\; g_L = \lambda^{L-l}\, g_L.$$
#
# A product of $L - l$ equal factors: just what a residual network was made to avoid. With $\lambda = 1/2$ and seven
# blocks in a stage, less than one per cent is left. The network has such shortcuts, and the trace says what arrives:

# %%
NARROW = {"widths": (4, 8, 16), "block": "full_preact"}
halved = models.build("digits_resnet44", shortcut="scale-shortcut", rng=0, **NARROW).to(dtype=np.float64)
ledger = trace(halved, images, labels)
found = telescope(ledger, start=0, stop=7)  # the seven blocks of the first stage
assert (found.identity == ledger.g(7) * 0.5**7).all()  # to the bit: a product with 1/2 is exact
assert found.error < 1e-12  # the terms add up, with any shortcut
part = np.linalg.norm(found.identity) / np.linalg.norm(ledger.g(7))
print(f"seven shortcuts hand on {part:.4f} of the gradient; 0.5^7 = {0.5**7:.4f}")

# %% [markdown]
# A factor *above* 1 would explode in the same way. Only 1 does neither.
#
# ## A gate
#
# A **gate** is a factor between 0 and 1 for each number, that the network computes itself: $t = \sigma(W x + b)$, with
# the sigmoid $\sigma(a) = 1/(1 + e^{-a})$. In a **highway network** (2015, some months before residual networks) it
# mixes two ways:
#
# $$y = t \odot F(x) + (1 - t) \odot x.$$
#
# Backward, line by line. The input changes by a small $v$.
#
# *1.* Three things change: $F$ by $Jv$, $x$ by $v$, and the gate by $\dot t = t(1-t) \odot Wv$, since
# $\sigma' = \sigma(1 - \sigma)$. By the product rule the output changes by
#
# $$t \odot Jv + (1 - t) \odot v + (F - x) \odot \dot t.$$
#
# *2.* The inner product with $dy$; each factor goes to the other side, matrices transposed:
#
# $$dx = \underbrace{(1-t) \odot dy}_{\text{shortcut}} + \underbrace{J^T(t \odot dy)}_{\text{branch}} +
# \underbrace{W^T\big(t(1-t) \odot (F - x) \odot dy\big)}_{\text{gate}}.$$
#
# Beside shortcut and branch there is a third way on which the gradient comes back. We check both lines on numbers, and
# against the `Gate` of minires.

# %%
x, dy, v = rng.standard_normal((3, 4, 5))  # each (N, D)
W, b, J = rng.standard_normal((5, 5)), rng.standard_normal(5), rng.standard_normal((5, 5))  # F(x) = J x


def gated(x):
    t = 1 / (1 + np.exp(-(x @ W.T + b)))  # (N, D)
    return t * (x @ J.T) + (1 - t) * x, t


y, t = gated(x)
F, t_dot = x @ J.T, t * (1 - t) * (v @ W.T)
step = 1e-6
change = (gated(x + step * v)[0] - gated(x - step * v)[0]) / (2 * step)
assert np.allclose(change, t * (v @ J.T) + (1 - t) * v + (F - x) * t_dot, rtol=0, atol=1e-7)  # line 1

shortcut, branch, through_gate = (1 - t) * dy, (t * dy) @ J, (t * (1 - t) * (F - x) * dy) @ W
assert np.isclose(((shortcut + branch + through_gate) * v).sum(), (dy * change).sum(), rtol=0, atol=1e-6)  # line 2

linear, to_t = Linear(5, 5, bias=False, rng=0), Linear(5, 5, rng=0)
block = Gate(linear, Sequential(to_t, Sigmoid())).to(dtype=np.float64)
linear.weight.data[...], to_t.weight.data[...], to_t.bias.data[...] = J, W, b
terms = block.terms(dy, block.forward(x, train=True)[1])
for name, term in (("shortcut", shortcut), ("branch", branch), ("gate", through_gate)):
    assert np.allclose(terms[name], term, rtol=0, atol=1e-12), name

# %% [markdown]
# ## Closed at the start
#
# With weights near 0 the gate is $t \approx \sigma(b)$, and $n$ shortcuts hand on $(1 - \sigma(b))^n$ of the gradient.
# With $b = 0$ that is $2^{-n}$, the halving again. That is why a highway network starts with a negative bias: with
# $b = -6$ the gate is nearly shut, and the block nearly the identity.

# %%
print("  b     1 - t    of 54 blocks there is left")
for b_start in (0, -1, -3, -6):
    carry = 1 - 1 / (1 + np.exp(-b_start))
    print(f"{b_start:3d}   {carry:.4f}   {carry**54:.2e}")
if plt:
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    blocks = np.arange(55)
    for b_start in (0, -1, -3, -6):
        axes.semilogy(blocks, (1 / (1 + np.exp(b_start))) ** blocks, label=f"gate that starts at b = {b_start}")
    axes.axhline(1, color="k", linestyle="--", label="identity")
    axes.set(xlabel="blocks", ylabel="part of the gradient on shortcuts", ylim=(1e-8, 3))
    axes.set_title("What gates leave of the gradient")
    axes.legend()
    plt.show()

# %% [markdown]
# ## All of them, measured
#
# The network of 44 layers again, newly drawn, with everything that the paper put on the shortcut (He et al. 2016, table
# 1). What is left on seven of them? A 1x1 convolution is a matrix at every pixel: the product of seven random matrices.
# Dropout sets one half to 0 and doubles the rest; its average is right, and after seven blocks nearly every entry is 0.

# %%
left, zeros = {}, {}
for name, options in {
    "identity": {},
    "1/2 on the shortcut": {"shortcut": "scale-shortcut"},
    "1/2 on both": {"shortcut": "scale"},
    "gate on both, b = 0": {"shortcut": "exclusive-gate", "gate_bias": 0.0},
    "gate on both, b = -6": {"shortcut": "exclusive-gate", "gate_bias": -6.0},
    "1x1 convolution": {"shortcut": "conv1x1"},
    "dropout": {"shortcut": "dropout"},
}.items():
    model = models.build("digits_resnet44", rng=0, **NARROW, **options).to(dtype=np.float64)
    ledger = trace(model, images, labels)
    alone = telescope(ledger, start=0, stop=7).identity
    left[name] = np.linalg.norm(alone) / np.linalg.norm(ledger.g(7))
    zeros[name] = (alone == 0).mean()
    print(f"{name:21} left on shortcuts: {left[name]:7.4f}   entries that are 0: {zeros[name]:.0%}")
assert left["identity"] == 1 and zeros["dropout"] > 0.9
assert left["gate on both, b = 0"] < 0.05 < 0.9 < left["gate on both, b = -6"] < 1

# %%
if plt:
    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    axes.barh(list(left)[::-1], list(left.values())[::-1])
    axes.axvline(1, color="C1", linestyle="--", label="the gradient behind the blocks")
    axes.set(xscale="log", xlabel="norm of what seven shortcuts alone hand on / norm of the gradient")
    axes.set_title("Only the identity hands on what it gets")
    axes.legend(loc="center")
    plt.show()

# %% [markdown]
# Note the 1x1 convolution: its *norm* need not be small. But what arrives is another vector, turned by seven random
# matrices. With it the network can represent *more* than with the identity, for the convolution could learn to be the
# identity; it trains worse. As with plain networks, the trouble is not what can be represented.
#
# ## Trained

# %%
for name in ("identity", "1/2 on the shortcut"):
    options = {} if name == "identity" else {"shortcut": "scale-shortcut"}
    model = models.build("digits_resnet44", rng=0, **NARROW, **options)
    rows = lab.train(model, 5, seed=0, limit_train=720, batch_size=32)
    print(f"{name:20} training loss by epoch:", *(f"{row['train_loss']:.2f}" for row in rows))
    if name == "identity":
        with_identity = rows[-1]["train_loss"]
assert rows[-1]["train_loss"] > with_identity + 0.3

# %% [markdown]
# The experiment `shortcuts` trains all of them, at 56 layers and three seeds: halves, open gates and dropout stay below
# 60 per cent, the identity and gates that start nearly shut are above 90.
#
# ## Where the shape changes
#
# Twice in these networks the image is halved and the channels are doubled. Then $x$ and $F(x)$ cannot be added, and the
# shortcut must do something. He et al. 2015 compare three ways:
#
# * *A*: take every second pixel, and append channels of zeros. No parameters.
# * *B*: where the shape changes, a 1x1 convolution of stride 2 with batch norm, a **projection shortcut**.
# * *C*: projections everywhere, also where the shape stays.
#
# Backward of A: each pixel that was taken gets its gradient, the other three of four get 0, and what the added channels
# got is dropped. So the "1" ends there in every residual network, v2 too.

# %%
params = {}
for option in "ABC":
    params[option] = models.summarize(models.build("resnet20", shortcut=option, rng=0), (3, 32, 32)).params
    print(f"resnet20, option {option}: {params[option]:,} parameters")
assert params == {"A": 269_722, "B": 272_474, "C": 283_962}

# %% [markdown]
# "Padding with zeros is preferred", says one article. That is so for CIFAR; networks for ImageNet have B, also those of
# the usual libraries. In the paper's ResNet-34 the errors of A, B and C differ by less than one per cent, in this
# order, and it drops C because its parameters are not worth it.

# %% [markdown]
# ## Exercise 1: the other gate
#
# The paper also tries a gate on the shortcut alone: $y = F(x) + (1 - t) \odot x$, with $t = \sigma(W x + b)$. Write
# `gate_terms(dy, x, t, W)`, which returns the shortcut term and the gate term. All arrays are (N, D), `W` is (D, D).


# %%
def check_1(gate_terms):
    rng = np.random.default_rng()
    x, dy, v = rng.standard_normal((3, 3, 4))
    W, b = rng.standard_normal((4, 4)), rng.standard_normal(4)
    t = 1 / (1 + np.exp(-(x @ W.T + b)))
    found = gate_terms(dy, x, t, W)
    assert isinstance(found, tuple) and len(found) == 2, "expected two arrays: return shortcut, gate"
    assert np.allclose(found[0], (1 - t) * dy), "the shortcut term is what dy times (1 - t) gives"
    assert np.shape(found[1]) == x.shape, f"the gate term has the shape {np.shape(found[1])}, expected {x.shape}"
    moved = 1 / (1 + np.exp(-((x + 1e-20j * v) @ W.T + b)))  # the gate alone sees the change
    true = (dy * (1 - moved) * x).sum().imag / 1e-20
    assert np.isclose((found[1] * v).sum(), true), f"<gate term, v> is {(found[1] * v).sum():.6f}, not {true:.6f}"


# %% tags=["answer", "hide-cell"]
def gate_terms(dy, x, t, W):
    return (1 - t) * dy, (-x * t * (1 - t) * dy) @ W


check_1(gate_terms)

# %% [markdown]
# ## Exercise 2: option A, backward
#
# Forward: `y = zeros; y[:, :C] = x[:, :, ::2, ::2]`, for `x` of shape (N, C, H, W) and `y` of shape (N, 2 C, H / 2, W /
# 2). Write `option_a_backward(dy, shape)`, with `shape` that of `x`.


# %%
def check_2(option_a_backward):
    rng = np.random.default_rng()
    n, c, h, w = (int(rng.integers(1, 4)) for _ in range(4))
    x, dy = rng.standard_normal((n, c, 2 * h, 2 * w)), rng.standard_normal((n, 2 * c, h, w))
    y = np.zeros(dy.shape)
    y[:, :c] = x[:, :, ::2, ::2]
    dx = option_a_backward(dy, x.shape)
    assert np.shape(dx) == x.shape, f"dx has the shape {np.shape(dx)}, expected {x.shape}"
    assert np.isclose((dx * x).sum(), (dy * y).sum()), "<dx, x> is not <dy, y>, as it is for every linear layer"
    dx[:, :, ::2, ::2] = 0
    assert (dx == 0).all(), "a pixel that was not taken got a gradient"


# %% tags=["answer", "hide-cell"]
def option_a_backward(dy, shape):
    dx = np.zeros(shape)
    dx[:, :, ::2, ::2] = dy[:, : shape[1]]
    return dx


check_2(option_a_backward)

# %% [markdown]
# ## Exercise 3: how far shut?
#
# A network has `n` gated blocks. At which bias do its shortcuts leave the part `part` of the gradient at the start,
# when the weights of the gates are 0? Write `bias_for(n, part)`.


# %%
def check_3(bias_for):
    rng = np.random.default_rng()
    for n, part in ((1, 0.5), (54, 0.5), (int(rng.integers(2, 100)), rng.uniform(0.1, 0.9))):
        b = bias_for(n, part)
        assert np.isscalar(b), f"expected a number, got {type(b).__name__}"
        found = (1 - 1 / (1 + np.exp(-b))) ** n
        assert np.isclose(found, part), f"with n = {n} and b = {b:.3f} the part is {found:.4f}, expected {part:.4f}"


# %% tags=["answer", "hide-cell"]
def bias_for(n, part):
    carry = part ** (1 / n)  # 1 - sigma(b)
    return np.log((1 - carry) / carry)


check_3(bias_for)

# %% [markdown]
# ## What this settles
#
# *"Scaling, gating, 1x1 convolutions and dropout on the shortcut hamper the signal"*: true, for each of them one can
# say how much. A gate that starts nearly shut is nearly an identity, and trains. *"The gate of a highway network
# controls the weight of the two ways"*: true, and it adds a third term to the gradient. *"Zero padding is preferred"*:
# it depends on the network; the three ways differ by little.
#
# Next: what a chain of forks is, seen as a whole: $2^n$ ways through the network, in
# [paths, ensembles and lesions](12_paths_and_lesions.py).
