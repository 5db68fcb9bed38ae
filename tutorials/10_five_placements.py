# %% [markdown]
# # 10. Five places for batch norm and ReLU
#
# A residual block has convolutions, batch norms, ReLUs and one addition. In which order? The five answers of He et al.
# 2016 are called (a) to (e) in the articles. They have nearly the same parameters and cost, and one of them
# hardly trains. This tutorial draws them, computes what each does to the "1" of the last tutorial, and trains all
# five.
#
# **You need**: the tutorials before this one: batch norm with its backward, [the residual add](08_the_residual_add.py),
# [the "1 +"](09_the_one_plus.py).
#
# **You will be able to**: draw the five blocks, derive the gradient on the shortcut of each, and say what speaks for
# (e) and what does not.
#
# **Time**: 35 minutes

# %%
import os

import numpy as np

from minires import models
from minires.data import Normalize
from minires.experiments import Lab
from minires.layers import BatchNorm2d, Conv2d, ReLU, Residual, Sequential, observe
from minires.models.blocks import basic_block
from minires.models.placement import PLACEMENTS
from minires.trace import trace

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

FAST = bool(os.environ.get("MINIRES_FAST"))  # two of the five are trained, for fewer epochs
rng = np.random.default_rng(0)
LETTERS = dict(zip("abcde", PLACEMENTS))

# %% [markdown]
# ## The five, drawn
#
# Read each column from top to bottom. The line at the left is the shortcut, what stands on the right of it is the
# branch $F$, and what stands below the addition is $f$: $x_{l+1} = f(x_l + F(x_l))$.

# %%
for letter, name in LETTERS.items():
    place = PLACEMENTS[name]
    print(f"({letter}) {name:17} F = {'-'.join(place.branch.split()):26} f = {place.after or 'the identity'}")
if plt:
    figure, panels = plt.subplots(1, 5, figsize=(10, 4.6), layout="constrained")
    for axes, (letter, name) in zip(panels, LETTERS.items()):
        words = [*PLACEMENTS[name].branch.split(), "+", *PLACEMENTS[name].after.split()]
        joint = words.index("+")
        for row, word in enumerate(words):
            colour = {"conv": "lightblue", "bn": "moccasin", "relu": "palegreen"}.get(word, "white")
            box = {"boxstyle": "circle" if word == "+" else "round", "fc": colour}
            axes.text(0.6 if row < joint else 0.3, -row, word, ha="center", va="center", bbox=box)
        axes.plot([0.3, 0, 0, 0.22], [0.9, 0.5, -joint, -joint], color="C1", lw=2)  # the shortcut
        axes.plot([0.3, 0.6, 0.6, 0.6, 0.38], [0.9, 0.5, 0, -joint, -joint], color="0.5", zorder=0)
        axes.plot([0.3, 0.3], [-joint, -7.6], color="0.5", zorder=0)
        axes.text(0.3, 1.1, "$x_l$", ha="center")
        axes.text(0.3, -8, "$x_{l+1}$", ha="center", va="center")
        axes.set(xlim=(-0.15, 0.95), ylim=(-8.4, 1.5), title=f"({letter})\n{name}", xlabel="orange: the shortcut")
        axes.set(xticks=[], yticks=[])
    plt.show()

# %% [markdown]
# Where batch norm and ReLU come *behind* their convolution, (a) to (c), one speaks of **post-activation**, where they
# come before it, (d) and (e), of **pre-activation**. (a) is ResNet v1, (e) ResNet v2. As code, the block (e) of 8
# channels is:

# %%
block = Residual(
    Sequential(
        BatchNorm2d(8),
        ReLU(),
        Conv2d(8, 8, 3, padding=1, rng=np.random.default_rng(1)),
        BatchNorm2d(8),
        ReLU(),
        Conv2d(8, 8, 3, padding=1, rng=np.random.default_rng(2)),
    )
)
x = rng.standard_normal((4, 8, 6, 6)).astype(np.float32)  # (N, C, H, W)
y, cache = block.forward(x, train=True)
dy = rng.standard_normal(y.shape).astype(np.float32)
assert (block.terms(dy, cache)["shortcut"] == dy).all()

# %% [markdown]
# ## What happens on the shortcut
#
# Let $u$ be the gradient behind the block. In (c), (d) and (e) nothing stands behind the addition, so that the shortcut
# hands on $u$: the "1". In (a) a ReLU masks it, $D u$. For (b), whose $f$ is batch norm and ReLU, go line by line; $s =
# x + F(x)$ is the sum.
#
# *1.* Through the ReLU: $u_1 = D u$, with $D = 1$ where the output is positive.
#
# *2.* Through the batch norm, whose backward has three terms (tutorial on batch norm). With $\hat s = (s -
# \mu)/\sigma$, means taken over the batch and the pixels of each channel:
#
# $$u_2 = \frac{\gamma}{\sigma}\Big(u_1 - \mathrm{mean}(u_1) - \hat s\, \mathrm{mean}(\hat s\, u_1)\Big).$$
#
# *3.* Through the addition, unchanged: $A^T u = u_2$. Three things happen to the "1": it is masked, its mean is
# removed, and it is divided by $\sigma$. Each of them at every block again.

# %%
bn_after = basic_block(8, 8, 1, block="bn_after_add", rng=0).to(dtype=np.float64)
x, u = rng.standard_normal((2, 4, 8, 6, 6))  # each (N, C, H, W)
names = list(dict(bn_after.children()))
y, cache = bn_after.forward(x, train=True)
s, _ = bn_after["add"].forward(x, train=True)

mean, sigma = s.mean((0, 2, 3), keepdims=True), np.sqrt(s.var((0, 2, 3), keepdims=True) + 1e-5)  # (1, 8, 1, 1)
s_hat = (s - mean) / sigma
u_1 = u * (y > 0)  # line 1
u_2 = (u_1 - u_1.mean((0, 2, 3), keepdims=True) - s_hat * (s_hat * u_1).mean((0, 2, 3), keepdims=True)) / sigma
through_f = bn_after["bn"].backward(bn_after["relu"].backward(u, cache[2]), cache[1])
assert np.allclose(u_2, through_f, rtol=0, atol=1e-12)  # line 2; gamma is 1 at the start
assert abs(u_2.mean((0, 2, 3))).max() < 1e-12  # the mean is gone
print(f"{names}: of |u| = {np.linalg.norm(u):.1f} the shortcut hands on {np.linalg.norm(u_2):.1f}")

# %% [markdown]
# Now over many blocks. The networks have 56 layers, 9 blocks in the first stage. What is left of the gradient behind
# them, on shortcuts alone?

# %%
lab = Lab()
digits = lab.digits[0]
images, labels = Normalize.of(digits)(digits.images[:16], np.float64), digits.labels[:16]  # (16, 1, 8, 8)


def network(name, depth):
    tail = {"tail": "bn relu"} if name == "relu_before_add" else {}  # why, see below
    return models.build(f"digits_resnet{depth}", block=name, rng=0, widths=(4, 8, 16), **tail)


ledgers = {name: trace(network(name, 56).to(dtype=np.float64), images, labels) for name in PLACEMENTS}
left = {}
for name, ledger in ledgers.items():
    u, kept = ledger.g(9), [1.0]
    for block in reversed(ledger.trunk.between(1, 9)):  # the eight blocks behind the first
        u = block.shortcut(u)  # through the shortcut of this block, and what stands behind its addition
        kept.append(np.linalg.norm(u) / np.linalg.norm(ledger.g(9)))
    left[name] = kept
    print(f"{name:17} of the gradient behind 8 blocks the shortcuts leave {kept[-1]:.3f}")
assert all(left[name][-1] == 1 for name in ("relu_before_add", "relu_only_preact", "full_preact"))
assert left["bn_after_add"][-1] < left["original"][-1] / 2

# %% [markdown]
# ## What happens to the signal
#
# The sum has a price: in (c), (d) and (e) nothing brings the signal back to its size, and it grows with every block. In
# (c) it can *only* grow: a ReLU ends the branch, so that $F \ge 0$ (not negative, as one article says: non-negative),
# and $x_{l+1} \ge x_l$ for every single number.

# %%


def signals(name):
    """(root mean square behind each block of the first stage, least that a block adds anywhere)"""
    sizes, least = [], []

    def see(path, layer, x, y):
        if path.startswith("stage1.") and path.count(".") == 1:  # a whole block
            sizes.append(float(np.sqrt((y**2).mean())))
            least.append(float((y - x).min()))

    observe(network(name, 56).to(dtype=np.float64), see).forward(images, train=True)
    return sizes, min(least)


streams = {}
for name in PLACEMENTS:
    sizes, least = signals(name)
    streams[name] = sizes
    print(f"{name:17} size of the signal behind blocks 0 to 8: {sizes[0]:.2f} to {sizes[-1]:.2f}", end="")
    print(f"   least x_(l+1) - x_l: {least:.2f}")
    if name == "relu_before_add":
        assert least == 0
    else:
        assert least < 0

# %%
if plt:
    figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
    for letter, name in LETTERS.items():
        style = {"marker": "osv^d"["abcde".index(letter)], "label": f"({letter}) {name}"}
        panels[0].semilogy(left[name], **style)
        panels[1].plot(streams[name], **style)
    panels[0].set(xlabel="blocks passed, backward", ylabel="part of the gradient that is left")
    panels[0].set_title("on shortcuts alone: (c), (d) and (e) coincide at 1")
    panels[1].set(xlabel="block", ylabel="root mean square of the signal", title="the signal, forward")
    panels[1].legend(fontsize=8)
    plt.show()

# %% [markdown]
# That is why the two pre-activations need a last batch norm and ReLU, or a ReLU, in front of the classifier, and have
# it. The paper says nothing of that for (c). Without it (c) ends far behind, with it as good as the others (experiment
# `relu_before_add`): what harmed it was the head, not the block. So (c) gets one here, too.
#
# ## Trained
#
# With the recipe of the tutorial on degradation, at 44 layers:

# %%
EPOCHS = 5 if FAST else 6
curves = {}
for name in ("bn_after_add", "full_preact") if FAST else PLACEMENTS:
    model = network(name, 44)
    curves[name] = lab.train(model, EPOCHS, seed=0, limit_train=720, batch_size=32)
    last = curves[name][-1]
    print(f"{name:17} training loss {last['train_loss']:.2f}, test accuracy {last['test_accuracy']:.0%}")
others = [rows[-1]["train_loss"] for name, rows in curves.items() if name != "bn_after_add"]
assert curves["bn_after_add"][-1]["train_loss"] > 1.5 * max(others)

# %%
if plt:
    figure, axes = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
    for letter, name in LETTERS.items():
        if name in curves:
            losses = [row["train_loss"] for row in curves[name]]
            marker = "osv^d"["abcde".index(letter)]
            axes.plot(range(1, EPOCHS + 1), losses, marker=marker, label=f"({letter}) {name}")
    axes.set(xlabel="epoch", ylabel="training loss", title="Batch norm behind the addition hampers")
    axes.legend()
    plt.show()

# %% [markdown]
# (b) learns slowly from the beginning, as the picture of its shortcut suggests. And (e), the best of the paper? Here it
# is *not* the fastest. The experiment `placements` says the same at 56 layers and three seeds: all but (b) train.
#
# ## Why (e), then
#
# The paper's test errors, in per cent, on CIFAR-10 (tables 2 and 3 of He et al. 2016):

# %%
PAPER = {  # {placement: (ResNet-110, ResNet-164)}
    "original": (6.61, 5.93),
    "bn_after_add": (8.17, 6.50),
    "relu_before_add": (7.84, 6.14),
    "relu_only_preact": (6.71, 5.91),
    "full_preact": (6.37, 5.46),
}
LAYERS_1001 = {"original": 7.61, "full_preact": 4.92}
for letter, name in LETTERS.items():
    print(f"({letter}) {name:17} {PAPER[name][0]:5.2f} {PAPER[name][1]:5.2f}", LAYERS_1001.get(name, ""))
assert all(PAPER["full_preact"][i] == min(errors[i] for errors in PAPER.values()) for i in (0, 1))
assert LAYERS_1001["original"] - LAYERS_1001["full_preact"] > 5 * (PAPER["original"][1] - PAPER["full_preact"][1])

# %% [markdown]
# At 110 layers (e) wins by little, at 1001 by much. Three arguments, from firm to soft:
#
# * With $f$ the identity, the "1" holds inside every stage, however many blocks it has. That is exact, and with (a)
#   what is left of it shrinks with every block, so it counts the more, the deeper the network. (c), (d), (e) share it.
# * In (e) batch norm is the first thing in a branch: every convolution sees a normalised input, although the signal
#   grows. In (d) a ReLU sees it as it is.
# * The paper: batch norm in that place regularises; its training loss is higher, its test error lower.
#
# "(d) is equivalent to (a)", says one article. Their errors are close, their functions are not: see exercise 3.
#
# The order "convolution, batch norm, ReLU" that is often recommended is that of v1. In v2 it is "batch norm, ReLU,
# convolution", and the last convolution of a branch may have a bias that counts: no batch norm follows it.

# %% [markdown]
# ## Exercise 1: write (e)
#
# Write `full_preact(channels, rng)`, which returns block (e) for `channels` channels as a `Residual`, its convolutions
# 3x3 with `padding=1` and drawn from `rng` in the order in which they run.


# %%
def check_1(full_preact):
    seed = int(np.random.default_rng().integers(1000))
    found = full_preact(6, np.random.default_rng(seed))
    assert isinstance(found, Residual), f"expected a Residual, got {type(found).__name__}: is there a return?"
    expected = basic_block(6, 6, 1, block="full_preact", rng=np.random.default_rng(seed))
    kinds = [[type(layer).__name__ for _, layer in block.branch.walk()][1:] for block in (found, expected)]
    assert kinds[0] == kinds[1], f"the branch has {kinds[0]}"
    x = np.random.default_rng().standard_normal((2, 6, 5, 5), np.float32)
    y, right = (block.forward(x, train=True)[0] for block in (found, expected))
    assert y.shape == right.shape, f"the output has the shape {y.shape}, expected {right.shape}"
    assert np.allclose(y, right, rtol=0, atol=1e-5), "the layers are right, the output is not"


# %% tags=["answer", "hide-cell"]
def full_preact(channels, rng):
    layers = []
    for _ in range(2):
        layers += [BatchNorm2d(channels), ReLU(), Conv2d(channels, channels, 3, padding=1, rng=rng)]
    return Residual(Sequential(*layers))


check_1(full_preact)

# %% [markdown]
# ## Exercise 2: the shortcut of (b) when the statistics are fixed
#
# In evaluation batch norm divides by a constant, the running variance: $y = \gamma (s - m)/\sqrt{v + \epsilon} +
# \beta$. Write `shortcut_term(u, s, gamma, beta, m, v, eps)`: what the shortcut of a block (b) hands on of `u`, with $f
# = \mathrm{ReLU} \circ \mathrm{BN}$. `u` and `s` are (N, C, H, W), the other arrays (C,). Line 2 above changes.


# %%
def check_2(shortcut_term):
    rng = np.random.default_rng()
    norm = BatchNorm2d(3).to(dtype=np.float64)
    f = Sequential(norm, ReLU())
    norm.gamma.data[...], norm.beta.data[...] = rng.uniform(-2, 2, (2, 3))
    norm.beta.data[0] = 9  # a channel that hands something on
    norm.running_mean.data[...], norm.running_var.data[...] = rng.uniform(0.5, 2, (2, 3))
    s, u = rng.standard_normal((2, 2, 3, 4, 4))
    _, cache = f.forward(s, train=False)
    numbers = norm.gamma.data, norm.beta.data, norm.running_mean.data, norm.running_var.data, norm.eps
    found = shortcut_term(u, s, *numbers)
    assert np.shape(found) == u.shape, f"the term has the shape {np.shape(found)}, expected {u.shape}"
    right = f.backward(u, cache)
    assert ((found == 0) == (right == 0)).all(), "the zeros are at the wrong places: where is the output positive?"
    assert np.allclose(found, right), "where the output is positive: u gamma / sqrt(v + eps)"


# %% tags=["answer", "hide-cell"]
def shortcut_term(u, s, gamma, beta, m, v, eps):
    gamma, beta, m, v = (a[:, None, None] for a in (gamma, beta, m, v))  # (C,) -> (C, 1, 1)
    slope = gamma / np.sqrt(v + eps)
    return u * (slope * (s - m) + beta > 0) * slope  # no means: m and v do not depend on s


check_2(shortcut_term)

# %% [markdown]
# ## Exercise 3: are (a) and (d) the same?
#
# Regroup a chain of blocks (a): call $s$ the sum *before* the ReLU of a block, and $G$ the layers conv-BN-ReLU-conv-BN
# of the next. The next sum is $s_a = \mathrm{ReLU}(s) + G(\mathrm{ReLU}(s))$. In a chain of blocks (d) it is $s_d = s +
# G(\mathrm{ReLU}(s))$: the same branch. Write `difference(s)`, which is $s_d - s_a$.


# %%
def check_3(difference):
    rng = np.random.default_rng()
    s = rng.standard_normal((3, 4))
    G = rng.standard_normal((4, 4))
    relu = np.maximum(s, 0)
    found = difference(s)
    assert np.shape(found) == s.shape, f"the result has the shape {np.shape(found)}, expected {s.shape}"
    assert np.allclose(found, (s + relu @ G) - (relu + relu @ G)), "it is not s_d - s_a"


# %% tags=["answer", "hide-cell"]
def difference(s):
    return np.minimum(s, 0)  # s - ReLU(s): (a) forgets what is negative, (d) carries it on


check_3(difference)

# %% [markdown]
# ## What this settles
#
# *"Do not alter the identity branch, and put no layer that changes the distribution behind the addition"*: for batch
# norm behind it, true and large, already at 44 layers. For the ReLU of (a), true of the gradient on the shortcut; in
# training it shows only in much deeper networks. *"(c) is bad because its signal only grows"*: it grows, but what
# suffers is a head that is not prepared for it. *"(d) is equivalent to (a)"*: similar errors, other functions.
#
# Next: what may stand on the shortcut itself, in [shortcuts and gates](11_shortcuts_and_gates.py).
