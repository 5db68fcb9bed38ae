# %% [markdown]
# # 7. Why plain networks degrade
#
# More layers can compute more. And yet, beyond some depth, a network that is simply a longer chain of convolutions
# becomes *worse*: not only on new images, but on those that it was trained on. This observation started residual
# networks. We measure it on small pictures of digits, rule out the two explanations that come to mind first, and
# find a third in the gradient.
#
# **You need**: the tutorials before this one (convolution, batch norm, a training step); a little probability.
#
# **You will be able to**: tell degradation from overfitting by two curves, measure the gradient layer by layer, and
# derive by how much it grows in a plain network.
#
# **Time**: 30 minutes

# %%
import os

import numpy as np

from minires import models
from minires.data import Normalize
from minires.experiments import Lab
from minires.layers import BatchNorm1d, BatchNorm2d, Conv2d, Linear, ReLU, Sequential
from minires.trace import gradient_norms

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

FAST = bool(os.environ.get("MINIRES_FAST"))  # fewer epochs, for a slow machine
rng = np.random.default_rng(0)

# %% [markdown]
# ## Three networks, one recipe
#
# The pictures are 8 x 8 pixels of handwritten digits that come with minires. A **plain network** is a chain of
# convolution, batch norm and ReLU; `digits_plain8` has 8 layers with weights, `digits_plain44` has 44.
# `digits_resnet44` has the same 44 layers, the same number of parameters, and one thing more: shortcuts, which add
# the input of every two convolutions to their output. The next tutorial looks at them; here they are the control.
#
# All have 4, 8 and 16 channels, from the front to the back, to be quick. A `Lab` trains every network in the same way
# (the learning rate rises over the first steps and falls after three quarters), so that nothing differs but the
# network.

# %%
NAMES = ("digits_plain8", "digits_plain44", "digits_resnet44")
EPOCHS = 4 if FAST else 10
lab = Lab()
curves = {}
print("                 layers  parameters  training: loss  accuracy  test: accuracy")
for name in NAMES:
    model = models.build(name, widths=(4, 8, 16), rng=0)
    curves[name] = lab.train(model, EPOCHS, seed=0, limit_train=720, batch_size=32)
    size, last = models.summarize(model, (1, 8, 8)), curves[name][-1]
    print(f"{name:16} {size.depth:6d}  {size.params:10,d}  {last['train_loss']:14.2f}", end="")
    print(f"  {last['train_accuracy']:8.0%}  {last['test_accuracy']:14.0%}")

# %%
if plt:
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axes, key, label in zip(panels, ("train_loss", "test_accuracy"), ("training loss", "test accuracy")):
        for name in NAMES:
            axes.plot(range(1, EPOCHS + 1), [row[key] for row in curves[name]], "o-", label=name)
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle("The deeper plain network is worse on its own training images")
    panels[1].legend()
    plt.show()

# %% [markdown]
# ## It is not overfitting
#
# **Overfitting** means to learn the training images by heart: the training loss falls, the test error does not. The
# deeper plain network is worse on the *training* images too. That has another name, **degradation**.

# %%
end = {name: rows[-1] for name, rows in curves.items()}
assert end["digits_plain44"]["train_loss"] > 2 * end["digits_plain8"]["train_loss"]
assert end["digits_plain44"]["train_accuracy"] < end["digits_plain8"]["train_accuracy"] - 0.3
assert end["digits_resnet44"]["train_loss"] < end["digits_plain44"]["train_loss"] / 2  # depth alone is not to blame

# %% [markdown]
# One training proves little. The experiment `degradation` does the same with 8, 20 and 56 layers and three seeds,
# `minires experiment run degradation` runs it on your machine; He et al. 2015, figures 1 and 4, did it on CIFAR-10 and
# ImageNet.
#
# It is not that the deeper network *could not* do as well, either. Take a good network of 8 layers and put in 36 that
# copy their input: that network of 44 layers is as good as the one of 8. Plain layers can copy, which is the second
# exercise. So a good solution exists, and training does not find it. What is in its way?
#
# ## Is the gradient vanishing?
#
# The first suspect is the **vanishing gradient**: by the chain rule the gradient at the first layer is a product of as
# many matrices as there are layers, and a product of many numbers below 1 is close to 0. `gradient_norms` runs one
# forward and one backward, and says how large the gradient is at every layer. $|dW|$ is the root of the sum of the
# squares of the gradient of all weights of a layer. The networks are new, as they were drawn.

# %%
train = lab.digits[0]
normalize = Normalize.of(train)  # pixels of mean 0 and variance 1
images, labels = normalize(train.images[:64], np.float32), train.labels[:64]  # (64, 1, 8, 8), (64,)


def of_convolutions(name):
    """|dW| of each 3x3 convolution, from the first to the last."""
    found = gradient_norms(models.build(name, rng=0), images, labels)
    return np.array([layer.params["weight"] for layer in found if layer.kind == "Conv2d"])


sizes = {name: of_convolutions(name) for name in ("digits_plain20", "digits_plain56", "digits_resnet56")}
for name, size in sizes.items():
    print(f"{name:16} |dW| first {size[0]:8.3f}   last {size[-1]:.4f}   first / last {size[0] / size[-1]:6.0f}")
assert sizes["digits_plain56"][0] > 100 * sizes["digits_plain56"][-1]
assert sizes["digits_resnet56"][0] < 50 * sizes["digits_resnet56"][-1]

# %%
if plt:
    figure, axes = plt.subplots(figsize=(7, 3.4), layout="constrained")
    for name, size in sizes.items():
        axes.semilogy(np.linspace(0, 1, len(size)), size, "o-", markersize=3, label=name)
    axes.set_xlabel("place of the convolution: 0 the first, 1 the last")
    axes.set_ylabel("|dW|")
    axes.set_title("Read it from right to left, as the gradient runs: it grows")
    axes.legend()
    plt.show()

# %% [markdown]
# It does not vanish. It is an **exploding gradient**: in the plain network of 56 layers the first convolution gets a
# gradient that is hundreds of times that of the last. A learning rate that suits the last layer throws the first one
# about; a rate that suits the first leaves the last where it is. And this network has batch norm after every
# convolution, which is often said to prevent just that.
#
# ## Why it explodes: batch norm itself, line by line
#
# Consider one layer in the middle of a wide plain network: batch norm, ReLU, a product with a matrix $W$ of $n \times
# n$ numbers from He's normal distribution, of variance $2/n$ (**He initialisation**: it makes up for the half that
# ReLU sets to 0). We follow the sizes forward, then backward.
#
# *1.* Batch norm gives every unit mean 0 and variance 1 over the batch; call such a number $z$, and take it as
# normally distributed. Behind the ReLU, with $h = \max(z, 0)$,
#
# $$\mathrm{E}[h] = \frac{1}{\sqrt{2\pi}}, \qquad \mathrm{E}[h^2] = \frac12, \qquad
# \mathrm{Var}[h] = \frac12 - \frac1{2\pi} = \frac{\pi - 1}{2\pi}.$$

# %%
z = rng.standard_normal(1_000_000)
h = np.maximum(z, 0)
print(f"E[h] = {h.mean():.4f}   E[h^2] = {(h**2).mean():.4f}   Var[h] = {h.var():.4f}")
assert abs(h.mean() - 1 / np.sqrt(2 * np.pi)) < 3e-3
assert abs((h**2).mean() - 1 / 2) < 3e-3
assert abs(h.var() - (np.pi - 1) / (2 * np.pi)) < 3e-3

# %% [markdown]
# *2.* A unit of the next layer is $x = \sum_j W_j h_j$. The weights are independent with mean 0, so on average the
# products of two different ones vanish, and what is left is a sum of variances:
#
# $$\mathrm{Var}[x] = \sum_j W_j^2\, \mathrm{Var}[h_j] \approx n \cdot \frac2n \cdot \frac{\pi - 1}{2\pi}
# = \frac{\pi - 1}{\pi} \approx 0.68.$$
#
# He's factor 2 keeps $\mathrm{E}[x^2]$ at 1. But batch norm divides by the root of the *variance*, and that is smaller,
# because the mean of $h$ is not 0.

# %%
n, batch = 400, 1000
W = rng.normal(0, np.sqrt(2 / n), (n, n))  # (n, n), variance 2 / n
h = np.maximum(rng.standard_normal((batch, n)), 0)  # (batch, n)
x = h @ W.T  # (batch, n)
print(f"mean of x^2: {(x**2).mean():.3f}   mean variance over the batch: {x.var(axis=0).mean():.3f}")
assert abs((x**2).mean() - 1) < 0.1
assert abs(x.var(axis=0).mean() - (np.pi - 1) / np.pi) < 0.05

# %% [markdown]
# *3.* Backward now. The product with $W^T$ makes the mean square of the gradient $n \cdot 2/n = 2$ times as large,
# the mask of the ReLU lets one half of the entries pass: together a factor of 1. That is He's initialisation at work.

# %%
dx = rng.standard_normal((batch, n))
dh = dx @ W  # (batch, n)
dz = dh * (h > 0)
print(f"mean square: dx {(dx**2).mean():.3f}, dh {(dh**2).mean():.3f}, behind the mask {(dz**2).mean():.3f}")
assert abs((dh**2).mean() - 2) < 0.1 and abs((dz**2).mean() - 1) < 0.1

# %% [markdown]
# *4.* Last comes the batch norm, whose backward divides by the same $\sigma = \sqrt{(\pi-1)/\pi}$, which is below 1.
# (Its two other terms, through the mean and the variance, take only a little away.) So with every layer the gradient
# grows by
#
# $$\frac1\sigma = \sqrt{\frac{\pi}{\pi - 1}} \approx 1.21.$$
#
# Since $dW$ is a product of this gradient with the input of the layer, and batch norm and ReLU keep the size of the
# input the same in all layers, $|dW|$ grows in the same way.
#
# Every line was checked; now the whole, on a network of 20 such layers. The law is one of wide layers; the convolutions
# above have few channels, and their gradient grows somewhat less.

# %%
GROWTH = np.sqrt(np.pi / (np.pi - 1))


def plain(depth, width, rng):
    """batch norm - ReLU - linear, ``depth`` times."""
    layers = []
    for _ in range(depth):
        layers += [BatchNorm1d(width), ReLU(), Linear(width, width, bias=False, rng=rng)]
    return Sequential(*layers)


x, dy = rng.standard_normal((128, 256)), rng.standard_normal((128, 256))
found = gradient_norms(plain(20, 256, rng).to(dtype=np.float64), x, dy=dy)
by_layer = np.array([layer.dx for layer in found if layer.kind == "BatchNorm1d"][1:])  # the first gets x, not W ReLU(z)
ratios = by_layer[:-1] / by_layer[1:]
print("growth from layer to layer, from the last to the first:", ratios[::-1].round(2))
print(f"on average {ratios.mean():.3f}, derived {GROWTH:.3f}; in 54 layers that is a factor of {GROWTH**54:,.0f}")
assert abs(ratios.mean() - GROWTH) < 0.03

# %% [markdown]
# ## What is proved, and what is not
#
# Measured and derived: with batch norm and He's initialisation the gradient of a plain network grows exponentially
# towards the input, at the start of training. That it vanishes is wrong. That the growth is *the* cause of degradation
# is not proved by this: there is a second finding, gradients that resemble noise, to which a later tutorial is
# devoted. Both go away when shortcuts are added. The experiment `gradients_by_depth` has more networks, with batch
# norm and without.

# %% [markdown]
# ## Exercise 1: read the curves
#
# Write `diagnose(shallow_train, shallow_test, deep_train, deep_test)` for four errors between 0 and 1, of a shallow
# and a deep network on training and test images. It returns `"degradation"` if the deep network has the larger
# training error; if not, `"overfitting"` if it has the larger test error; otherwise `"deeper is better"`.


# %%
def check_1(diagnose):
    cases = {
        (0.05, 0.10, 0.20, 0.25): "degradation",  # the plain networks above
        (0.05, 0.20, 0.15, 0.10): "degradation",  # the training error decides, whatever the test says
        (0.05, 0.10, 0.00, 0.20): "overfitting",
        (0.05, 0.10, 0.01, 0.06): "deeper is better",
    }
    for errors, word in cases.items():
        assert isinstance(diagnose(*errors), str), "expected a word: is there a return?"
        assert diagnose(*errors) == word, f"diagnose{errors} is {diagnose(*errors)!r}, expected {word!r}"
    for a, b, c, d in np.random.default_rng().random((100, 4)):
        word = "degradation" if c > a else "overfitting" if d > b else "deeper is better"
        assert diagnose(a, b, c, d) == word, f"diagnose{a, b, c, d} is not {word!r}"


# %% tags=["answer", "hide-cell"]
def diagnose(shallow_train, shallow_test, deep_train, deep_test):
    if deep_train > shallow_train:
        return "degradation"
    return "overfitting" if deep_test > shallow_test else "deeper is better"


check_1(diagnose)

# %% [markdown]
# ## Exercise 2: a plain block that copies
#
# It is sometimes said that a plain layer cannot be the identity, because of its ReLU or its batch norm. Write
# `copying_block(x)`, which returns `Sequential(Conv2d, BatchNorm2d, ReLU)` of float64 whose output in training is `x`.
# `x` is (N, C, H, W) and not negative, as everything is behind a ReLU. Two hints: a 3x3 kernel that copies has a
# single 1; and batch norm subtracts the mean and divides by $\sqrt{\mathrm{var} + \epsilon}$, which `gamma` and `beta`
# can undo.


# %%
def check_2(copying_block):
    rng = np.random.default_rng()
    x = np.abs(rng.standard_normal((4, 5, 8, 8))) * rng.uniform(0.5, 2, (5, 1, 1))
    block = copying_block(x)
    assert isinstance(block, Sequential), f"expected a Sequential, got {type(block).__name__}: is there a return?"
    kinds = [type(layer).__name__ for _, layer in block.children()]
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU"], f"the block has {kinds}"
    y, _ = block.forward(x, train=True)
    assert y.shape == x.shape, f"the output is {y.shape}, expected {x.shape}: does the kernel of 3 have a padding of 1?"
    assert np.abs(y - x).max() < 1e-12, f"the output differs from x by up to {np.abs(y - x).max():.1e}"


# %% tags=["answer", "hide-cell"]
def copying_block(x):
    channels = x.shape[1]
    conv, norm = Conv2d(channels, channels, 3, padding=1, rng=0), BatchNorm2d(channels)
    block = Sequential(conv, norm, ReLU()).to(dtype=np.float64)
    conv.weight.data[...] = 0
    for c in range(channels):
        conv.weight.data[c, c, 1, 1] = 1  # the middle of the kernel, from each channel to itself
    norm.gamma.data[...] = np.sqrt(x.var(axis=(0, 2, 3)) + norm.eps)
    norm.beta.data[...] = x.mean(axis=(0, 2, 3))
    return block


check_2(copying_block)

# %% [markdown]
# ## Exercise 3: the classical vanishing
#
# Without batch norm, the factor in front of the variance of the weights decides. Write `slope(gain, depth, width,
# rng)`: send `x`, of shape (256, width) and drawn from the normal distribution, `depth` times through a matrix with
# entries of variance `gain / width` and then ReLU, and return the *mean change per layer of the binary logarithm* of
# the root mean square of the signal: $\log_2(\mathrm{rms}_{last} / \mathrm{rms}_{first}) / (depth - 1)$, behind the
# first layer and behind the last. Before you run it, predict it for `gain` 2 (He) and 1 (Xavier, which knows nothing
# of ReLU).


# %%
def check_3(slope):
    for gain, expected in ((2, 0.0), (1, -0.5), (4, 0.5)):
        each = [slope(gain, 20, 128, np.random.default_rng(seed)) for seed in range(4)]
        assert all(np.isscalar(one) for one in each), f"expected a number, got {type(each[0]).__name__}"
        found = np.mean(each)
        assert abs(found - expected) < 0.06, f"the slope at gain {gain} is {found:.3f}, expected about {expected}"


# %% tags=["answer", "hide-cell"]
def slope(gain, depth, width, rng):
    x, sizes = rng.standard_normal((256, width)), []
    for _ in range(depth):
        x = np.maximum(x @ rng.normal(0, np.sqrt(gain / width), (width, width)), 0)
        sizes.append(np.sqrt((x**2).mean()))
    return np.log2(sizes[-1] / sizes[0]) / (depth - 1)


check_3(slope)

# %% [markdown]
# With Xavier's weights the signal halves with every two layers: after 50 layers, a factor of $2^{-25}$ is left. That is
# the vanishing that the textbooks mean, and He's factor of 2, or batch norm, does away with it.

# %% [markdown]
# ## What this settles
#
# *"Deep plain networks suffer from vanishing gradients, and residual learning solves that"*: wrong as it stands.
# With He's initialisation and batch norm nothing vanishes; the gradient explodes, by 1.21 a layer. *"Degradation is
# not overfitting"*: true, the training loss shows it. *"A deeper network cannot be worse, since its new layers could
# copy"*: true of what it can express, plain or not; false of what training finds.
#
# The digits flatter residual networks, though. On CIFAR-10, after ten short epochs, one of 56 layers is far ahead of
# the plain one and still behind a residual one of 20 layers (the same experiment with `--full`): that depth does no
# harm is true at the end of a training, on the way the deeper network is slower.
#
# Next: [the residual add](08_the_residual_add.py), by which layers only have to compute the difference from a copy.
