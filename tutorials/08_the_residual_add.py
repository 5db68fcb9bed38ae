# %% [markdown]
# # 8. The residual add
#
# A deep plain network has to learn, among other things, to hand on what it has. Why not hand it on, and let the layers
# learn the rest? One addition does that. This tutorial writes it forward and backward, finds the gradient as a sum of
# two terms, and shows what "a deeper network contains the shallower one" means, down to the last bit.
#
# **You need**: the tutorials before this one, above all [why plain networks degrade](07_why_plain_networks_degrade.py).
#
# **You will be able to**: write a residual block with its backward, say which way each part of its gradient came, and
# make a network deeper without changing what it computes.
#
# **Time**: 25 minutes

# %%
import textwrap

import numpy as np

from minires import models
from minires.data import Normalize, load
from minires.errors import ShapeError
from minires.experiments.nested_families import errors
from minires.layers import Conv2d, ReLU, Residual, Sequential, observe
from minires.trace import Stepper

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)
train = load("digits", "train")
images, labels = Normalize.of(train)(train.images[:32], np.float64), train.labels[:32]  # (32, 1, 8, 8), (32,)

# %% [markdown]
# ## Learn the difference
#
# Say a block should compute $H(x)$. A plain block learns $H$ itself. A **residual block** learns the **residual
# function** $F(x) = H(x) - x$, what is left to do, and adds what it was given:
#
# $$y = x + F(x).$$
#
# (In one article a minus sign was lost, and $F$ reads $H(x)$ or $H(x)\,x$.) The way on which $x$ passes unchanged is
# the shortcut, the layers of $F$ are the branch. If nothing is left to do, $F = 0$ is enough, and the block is the
# **identity mapping**, $y = x$: small weights in place of weights that copy exactly. Here is a block of two linear
# layers with a ReLU between them, for rows of 5 numbers.


# %%
def forward(x, W1, W2):
    h = x @ W1.T  # (N, 5) -> (N, 7)
    F = np.maximum(h, 0) @ W2.T  # (N, 7) -> (N, 5): the shape of x, or they cannot be added
    return x + F, h


x = rng.standard_normal((4, 5))  # (N, D)
W1, W2 = rng.standard_normal((7, 5)), rng.standard_normal((5, 7))
y, h = forward(x, W1, W2)
assert y.shape == x.shape
assert (forward(x, W1, 0 * W2)[0] == x).all()  # F = 0: the identity, to the bit

# %% [markdown]
# ## Backward, line by line
#
# The gradient $dy$ of the output is given, the gradient $dx$ of the input is wanted: the array for which, for a small
# change $v$ of the input, the loss changes by $\langle dx, v\rangle$ (the sum of the products of all entries).
#
# *1.* The input changes by $v$, so the output changes by $v + Jv$: once because $x$ is added, once because it went
# through the branch, whose Jacobian is $J = \partial F/\partial x$. With the ReLU as a mask,
# $Jv = W_2\,(\mathbf{1}[h > 0] \odot W_1 v)$.

# %%
v, step = rng.standard_normal(x.shape), 1e-7
Jv = ((h > 0) * (v @ W1.T)) @ W2.T  # (4, 5)
change = (forward(x + step * v, W1, W2)[0] - y) / step
print(f"largest difference of the change of y from v + Jv: {abs(change - (v + Jv)).max():.0e}")
assert abs(change - (v + Jv)).max() < 1e-5

# %% [markdown]
# *2.* So the loss changes by $\langle dy, v + Jv\rangle = \langle dy, v\rangle + \langle dy, Jv\rangle$: the product
# is linear.
#
# *3.* Move $J$ to the other side, where it becomes its transpose: $\langle dy, Jv\rangle = \langle J^T dy, v\rangle$.
# The transpose reverses the order of the factors; that is all that backward of the branch does:
# $J^T dy = W_1^T(\mathbf 1[h > 0] \odot W_2^T dy)$.

# %%
dy = rng.standard_normal(y.shape)
JT_dy = ((dy @ W2) * (h > 0)) @ W1  # (4, 5)
assert abs((dy * (v + Jv)).sum() - ((dy * v).sum() + (dy * Jv).sum())) < 1e-12
assert abs((dy * Jv).sum() - (JT_dy * v).sum()) < 1e-12

# %% [markdown]
# *4.* Together $\langle dy, v\rangle + \langle J^T dy, v\rangle = \langle dy + J^T dy, v\rangle$ for every $v$, hence
#
# $$dx = \underbrace{dy}_{\text{shortcut term}} + \underbrace{J^T dy}_{\text{branch term}} = (I + J)^T dy.$$
#
# A value that is used twice gets the *sum* of two gradients. The first of them is `dy` itself: no matrix, no mask.

# %%
dx = dy + JT_dy
slopes = (dy * (forward(x + step * v, W1, W2)[0] - forward(x - step * v, W1, W2)[0])).sum() / (2 * step)
print(f"change of the loss along v: {slopes:.6f}, by <dx, v>: {(dx * v).sum():.6f}")
assert abs(slopes - (dx * v).sum()) < 1e-5

# %%
if plt:
    figure, axes = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
    for place, words in ((0, "x"), (2, "F"), (4, "+"), (5, "y")):
        axes.text(place, 0, words, ha="center", va="center", fontsize=14, bbox={"boxstyle": "circle", "fc": "white"})
    ways = (((0, 0), (2, 0), 0), ((2, 0), (4, 0), 0), ((4, 0), (5, 0), 0), ((0, 0), (4, 0), -0.35))
    for color, shift, back in (("C0", 0.09, False), ("C1", -0.09, True)):
        for start, end, bend in ways:
            a, b = ((s[0], s[1] + shift) for s in (start, end))
            a, b, bend = (b, a, -bend) if back else (a, b, bend)
            style = {"arrowstyle": "->", "color": color, "shrinkA": 16, "shrinkB": 16}
            axes.annotate("", b, a, arrowprops=style | {"connectionstyle": f"arc3,rad={bend}"})
    axes.text(2, 0.22, "shortcut term: dy", color="C1", ha="center")
    axes.text(2, 0.82, "x, unchanged", color="C0", ha="center")
    axes.text(1, -0.3, r"branch term: $J^T$dy", color="C1", ha="center")
    axes.text(2.7, 0.13, "F(x)", color="C0", ha="center")
    axes.text(4.5, -0.3, "dy", color="C1", ha="center")
    axes.set(xlim=(-0.5, 5.5), ylim=(-0.45, 1.1), title="Forward (blue) and backward (orange) through y = x + F(x)")
    axes.axis("off")
    plt.show()

# %% [markdown]
# ## The same in minires
#
# `Residual(branch)` is that container. Beside `backward` it has `terms`, which returns the two parts under their names;
# `backward` is their sum. In the block of He et al. 2015 a ReLU follows *behind* the addition (not before it, as one
# can read): `ReLU(x + F(x))`, and $F$ is convolution, batch norm, ReLU, convolution, batch norm.

# %%
model = models.build("digits_resnet8", rng=0).to(dtype=np.float64)
print(model["stage1"])
block = Residual(Sequential(Conv2d(8, 8, 3, padding=1, rng=0), ReLU(), Conv2d(8, 8, 3, padding=1, rng=1)))
block.to(dtype=np.float64)
x = rng.standard_normal((2, 8, 6, 6))  # (N, C, H, W)
y, cache = block.forward(x, train=True)
dy = rng.standard_normal(y.shape)
terms = block.terms(dy, cache)
assert (terms["shortcut"] == dy).all()
assert (terms["shortcut"] + terms["branch"] == block.backward(dy, cache)).all()

# %% [markdown]
# The addition needs two arrays of one shape. Where a block halves the image or has more channels, the shortcut must
# do the same; how it does is the subject of the tutorial on shortcuts. If it does not, minires says so:

# %%
try:
    Residual(Conv2d(8, 16, 3, padding=1, rng=0)).to(dtype=np.float64)(x)
    raise AssertionError("two shapes were added")
except ShapeError as error:
    print(textwrap.fill(str(error), 80))

# %% [markdown]
# To go through a whole network, use the debugger: `minires step --model digits_resnet8 --data digits` in a terminal, or
# the same from Python. We go to where, on the way back, a branch first brings more than its shortcut. The screen shows
# where we are in the model, then every array at hand with its size, and below them how `dx` is made of its terms.

# %%
stepper = Stepper(model, images, labels)
assert stepper.until("norm(branch) > norm(shortcut)")
print(stepper)
assert (stepper.dx == stepper.terms["shortcut"] + stepper.terms["branch"]).all()

# %% [markdown]
# ## Many blocks: a sum instead of a product
#
# If nothing follows the addition, blocks telescope:
#
# $$x_1 = x_0 + F_0(x_0), \quad x_2 = x_1 + F_1(x_1), \;\ldots \quad\Longrightarrow\quad
# x_L = x_l + \sum_{i=l}^{L-1} F_i(x_i).$$
#
# The output is the input plus corrections. In a plain network it would be a product of matrices (and masks). We listen
# to the blocks of a network of the kind `full_preact`, of which a later tutorial speaks, within one
# **stage**: the blocks from one change of the shape to the next.

# %%
seen = {}  # {path of a layer: (its input, its output)}
deep = models.build("digits_resnet20", block="full_preact", rng=0).to(dtype=np.float64)
watched = observe(deep, lambda path, layer, x, y: seen.update({path: (x, y)}))
watched.forward(images, train=True)
x_l, x_L = seen["stage1.0"][0], seen["stage1.2"][1]  # before the first block, behind the third: (32, 8, 8, 8)
F = [seen[f"stage1.{i}.branch"][1] for i in range(3)]
assert np.allclose(x_L, x_l + sum(F), rtol=0, atol=1e-12)
print("size of x_l, F_0, F_1, F_2, x_L:", *(f"{np.sqrt((a**2).mean()):.2f}" for a in (x_l, *F, x_L)))

# %% [markdown]
# ## Nested families
#
# All functions that a network can compute, with any weights, are its **function family**. They are **nested families**
# if each contains the one before: $\mathcal F_1 \subseteq \mathcal F_2 \subseteq \ldots$ Then the best function of a
# larger family cannot be worse than that of a smaller one. If a larger family does *not* contain the smaller one,
# $\mathcal F_1 \not\subseteq \mathcal F_2$, it may be worse although it is larger. (One of the articles has the sign
# the other way round.) Fits to 50 points show it: polynomials of degree 0, 1, 2, ... are nested; waves of *one*
# frequency 0, 1, 2, ... are not.

# %%
best = errors(np.random.default_rng(0))
assert (np.diff(best["nested"]) <= 1e-9).all()  # never worse
assert (np.diff(best["not nested"]) > 0.01).any()  # sometimes worse
if plt:
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for name, words in (("nested", "polynomials: nested"), ("not nested", "one wave: not nested")):
        axes.semilogy(best[name], "o-", label=words)
    axes.set_xlabel("number of the family: degree, or frequency")
    axes.set_ylabel("mean squared error of the best fit")
    axes.set_title("Only nested families cannot get worse")
    axes.legend()
    plt.show()

# %% [markdown]
# Residual networks are nested in the plainest way: set the scale `gamma` of the last batch norm of a branch to 0, and
# the block is the identity. Not nearly: to the bit. (Behind the addition there is a ReLU, but what comes in is behind
# a ReLU too, and not negative.)

# %%
block = model["stage1"][0]
block["add"].branch["bn2"].gamma.data[...] = 0
x = np.maximum(rng.standard_normal((2, 8, 6, 6)), 0)
assert (block(x) == x).all()

# %% [markdown]
# *Plain* networks are nested as well, in spite of their activations: a plain block that copies was an exercise of the
# last tutorial. So "residual networks are better because their families are nested" is not the reason. The difference
# is how *near* the identity is. In a residual block it is at $F = 0$, which small weights come close to; in a plain one
# it is a special point among all kernels. The experiment `starts_at_identity` starts a plain network of 56
# layers near that point: it then learns far better than one started by He's rule, and not as well as a
# residual one.

# %% [markdown]
# ## Exercise 1: a backward of your own
#
# A block halves its branch and doubles nothing: $y = x + \frac12 W \max(x, 0)$, for rows `x` of shape (N, D) and `W` of
# shape (D, D). Write `backward(dy, x, W)`, which returns `(dx, dW)`.


# %%
def check_1(backward):
    rng = np.random.default_rng()
    x, dy, W = rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), rng.standard_normal((4, 4))
    found = backward(dy, x, W)
    assert isinstance(found, tuple) and len(found) == 2, f"backward gives {type(found).__name__}, expected (dx, dW)"

    def loss(x, W):
        return (dy * (x + 0.5 * np.where(x.real > 0, x, 0) @ W.T)).sum()

    for name, array, gradient in zip(("dx", "dW"), (x, W), found, strict=True):
        v = rng.standard_normal(array.shape)
        moved = array + 1e-20j * v  # a complex step: the derivative without rounding
        true = (loss(moved, W) if name == "dx" else loss(x, moved)).imag / 1e-20
        assert np.shape(gradient) == array.shape, f"{name} has shape {np.shape(gradient)}, expected {array.shape}"
        assert abs((gradient * v).sum() - true) < 1e-10, f"<{name}, v> is {(gradient * v).sum():.6f}, not {true:.6f}"


# %% tags=["answer", "hide-cell"]
def backward(dy, x, W):
    dF = dy / 2
    dx = dy + (x > 0) * (dF @ W)  # y = x + F: dy through the shortcut, and what the branch adds
    return dx, dF.T @ np.maximum(x, 0)


check_1(backward)

# %% [markdown]
# ## Exercise 2: find the bug
#
# This block saves memory: it adds into `x` in place. Its output is right. And yet in a network it may give wrong
# gradients: why? Write `repaired(x, F)`, which returns the same output and does no harm.


# %%
def wrong_block(x, F):
    x += F(x)  # `+=` writes into the array of the caller, who needs it for his own backward
    return x


def check_2(repaired):
    x, W = np.random.default_rng().standard_normal((2, 3, 4))[:, :, :3]
    before = x.copy()
    y = repaired(x, lambda x: x @ W.T)
    assert np.shape(y) == x.shape, f"the output has the shape {np.shape(y)}, expected {x.shape}"
    assert np.allclose(y, before + before @ W.T), "the output is not x + F(x)"
    assert (x == before).all(), "the input has changed: whoever kept it in a cache now has something else there"
    assert not np.shares_memory(y, x), "the output is the input's memory"
    assert repaired(x, lambda x: 0 * x) is not x, "with F = 0, too, the output is an array of its own"


# %% tags=["answer", "hide-cell"]
def repaired(x, F):
    return x + F(x)


check_2(repaired)

# %% [markdown]
# ## Exercise 3: deeper, and the same
#
# Write `deepen(shallow, deep)`. Both are models of the kind `digits_resnet...`, `deep` has more blocks in each stage.
# It changes `deep` so that it computes exactly what `shallow` does, and returns it. Parameters and running statistics
# with their paths are in `model.tensors()`, an iterator over `(path, tensor)`; the array is `tensor.data`. Blocks that
# both have, have the same paths; the last batch norm of a block is called `bn2`.


# %%
def check_3(deepen):
    rng = np.random.default_rng()
    shallow, deep = (models.build(f"digits_resnet{depth}", rng=rng) for depth in (14, 26))
    x = rng.standard_normal((3, 1, 8, 8), np.float32)
    expected = shallow(x)
    deeper = deepen(shallow, deep)
    assert isinstance(deeper, Sequential), f"expected a model, got {type(deeper).__name__}: is there a return?"
    assert models.summarize(deeper, (1, 8, 8)).depth == 26, "that is not the deep model"
    assert (shallow(x) == expected).all(), "the shallow model has changed"
    assert (deeper(x) == expected).all(), f"outputs differ by up to {abs(deeper(x) - expected).max():.2g}"


# %% tags=["answer", "hide-cell"]
def deepen(shallow, deep):
    known = dict(shallow.tensors())
    for path, tensor in deep.tensors():
        if path in known:
            tensor.data[...] = known[path].data
        elif path.endswith("bn2.gamma"):
            tensor.data[...] = 0
    return deep


check_3(deepen)

# %% [markdown]
# The experiment `nested_families` does it with a trained network, and trains on: the loss never rises above where the
# shallow network had it.

# %% [markdown]
# ## What this settles
#
# *"A deeper residual network cannot be worse than the shallower one that it contains"*: true of what it can compute,
# and of training that starts there. *"Plain networks are not nested, because of their activations"*: wrong.
# *"Residual functions are small"*: not in general. On the digits the layers of trained residual networks respond as
# strongly as those of plain ones (experiment `responses`, verdict FAILS).
#
# Next: [the "1 +"](09_the_one_plus.py), the same sum over all blocks of a network, and where it breaks.
