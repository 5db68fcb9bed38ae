# %% [markdown]
# # 14. Bottlenecks, groups and dense connections
#
# The residual add leaves open what stands in the branch. Ten years of networks differ in little else: a bottleneck,
# a wider block, parallel paths, groups that listen to each other, a gate for each channel, concatenation in place of
# the sum. Each is a few lines of algebra, and this tutorial checks each of them: what it costs, what it computes, and
# what its gradient is.
#
# **You need**: [convolution](03_convolution.py) and its cost, [the residual add](08_the_residual_add.py) and its two
# terms.
#
# **You will be able to**: count parameters and multiplications of a block in your head, prove that the three forms of
# ResNeXt are one function, draw receptive fields, and derive the gradients of a gate and of a concatenation.
#
# **Time**: 40 minutes

# %%
import numpy as np

from minires import models
from minires.layers import Conv2d, Linear, Res2
from minires.models.blocks import basic_block, bottleneck_block
from minires.models.densenet import dense_layer
from minires.models.se import squeeze_excite

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)

# %% [markdown]
# ## What a convolution costs
#
# A convolution with a $K \times K$ window from $C$ to $M$ channels has one number for each row, column, channel in and
# channel out. At each pixel of the output each of them is multiplied once:
#
# $$\text{parameters} = K^2\, C\, M \qquad\qquad \text{multiply-adds} = K^2\, C\, M \cdot H W$$
#
# Both grow with the *square* of the width (double $C$ and $M$), and with the square of the window.

# %%


def weights(kernel, channels, out_channels):
    return kernel**2 * channels * out_channels


for kernel in (1, 3, 5):
    layer = Conv2d(64, 128, kernel, rng=rng)
    assert layer.weight.data.size == weights(kernel, 64, 128)
    print(f"{kernel} x {kernel} from 64 to 128 channels: {weights(kernel, 64, 128):7,} parameters")

# %% [markdown]
# ## The bottleneck
#
# The basic block has two 3 x 3 convolutions. On 256 channels that is expensive. A **bottleneck** first brings the
# 256 channels down to 64 by a 1 x 1 convolution, works with 3 x 3 there, and goes up again by another 1 x 1. (The idea
# of the 1 x 1 is that of "Network in Network".)

# %%
basic = 2 * weights(3, 256, 256)
narrow = weights(1, 256, 64) + weights(3, 64, 64) + weights(1, 64, 256)
print(f"two 3 x 3 on 256 channels: {basic:9,}")
print(f"bottleneck 256-64-64-256:  {narrow:9,}, {basic / narrow:.1f} times fewer")
assert (basic, narrow) == (1_179_648, 69_632)


def convolutions(block):
    return sum(layer.weight.data.size for _, layer in block.walk() if isinstance(layer, Conv2d))


assert convolutions(basic_block(256, 256, 1, rng=rng)) == basic  # those of the library
assert convolutions(bottleneck_block(256, 256, 1, rng=rng)) == narrow

# %% [markdown]
# So a network can have three layers where it had two, and be cheaper. ResNet-50 is ResNet-34 with each of its 16 basic
# blocks replaced by a bottleneck: 16 more layers. (Its blocks also have four times as many channels outside, so that it
# costs a little more.) Bottlenecks are used *from* 50 layers on; one of the articles says "above 50".

# %%
for name in ("resnet34", "resnet50", "resnet152", "vgg19"):
    found = models.summarize(models.build(name, rng=None), (3, 224, 224))
    size = f"{found.params / 1e6:6.1f} M parameters {found.macs / 1e9:5.1f} G multiply-adds"
    print(f"{name:10} {found.depth:3} layers {size}")
    if name == "resnet50":
        assert found.depth == 34 + 16

# %% [markdown]
# 152 layers cost less than the 19 of VGG. The reason that one finds in articles, "no fully connected layers at the
# end", is wrong as to *compute*: they hold most of VGG's parameters, and hardly any of its multiplications, because
# each of their weights is used once for an image, and a weight of a convolution at every pixel.

# %%
vgg = models.build("vgg19", rng=None)
linear = sum(layer.weight.data.size for _, layer in vgg.walk() if isinstance(layer, Linear))
total = models.summarize(vgg, (3, 224, 224))
print(f"fully connected: {linear / total.params:.0%} of the parameters, {linear / total.macs:.1%} of the multiply-adds")
assert linear > 0.8 * total.params and linear < 0.01 * total.macs

# %% [markdown]
# ## Wider instead of deeper
#
# A **wide residual network** WRN-d-k has $d$ layers and $k$ times the channels. Its parameters grow linearly with the
# depth, and with the *square* of $k$, as the count above says. (An article says "exponentially": no.) If they grow as
# $k^p$, the slope on two logarithmic axes is $p$.

# %%
ks, depths = (1, 2, 4, 8, 16), (10, 16, 22, 28, 34)
by_width = [models.summarize(models.build(f"wrn_16_{k}", rng=None), (3, 32, 32)).params for k in ks]
by_depth = [models.summarize(models.build(f"wrn_{d}_4", rng=None), (3, 32, 32)).params for d in depths]
power = np.log2(by_width[-1] / by_width[-2])
print(
    f"from k = 8 to k = 16 the parameters grow {by_width[-1] / by_width[-2]:.2f} times: k to the power of {power:.2f}"
)
assert abs(power - 2) < 0.02
assert np.ptp(np.diff(by_depth)) == 0  # six layers more cost the same everywhere: a straight line

# %%
if plt:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.loglog(ks, by_width, "o-", label="WRN-16-k")
    left.loglog(ks, by_width[-1] * (np.array(ks) / ks[-1]) ** 2, "--", color="0.5", label="$k^2$")
    left.set(xlabel="width factor $k$", ylabel="parameters", title="width: a square", xticks=ks, xticklabels=ks)
    left.minorticks_off()
    left.legend()
    right.plot(depths, np.array(by_depth) / 1e6, "o-", label="WRN-d-4")
    right.set(xlabel="depth $d$", ylabel="parameters, millions", title="depth: a straight line", ylim=0)
    right.legend()
    plt.show()

# %% [markdown]
# ## ResNeXt: split, transform, merge
#
# ResNeXt replaces the one path of a bottleneck by $G$ thin ones that are added. $G$ is called the **cardinality**:
# a third dimension beside depth and width. Take one pixel and leave the normalisation out; each path has three
# matrices, with a ReLU between them, here written $\sigma$:
#
# $$F(x) = \sum_{g=1}^{G} C_g\, \sigma(B_g\, \sigma(A_g x)) \qquad \text{(a) a sum of paths}$$
#
# *Line 1.* A sum of products is one product of matrices side by side with vectors one upon the other. With
# $u_g = \sigma(B_g \sigma(A_g x))$:
#
# $$\sum_g C_g u_g = [C_1 \dots C_G] \begin{pmatrix} u_1 \\ \vdots \\ u_G \end{pmatrix} = C u
# \qquad \text{(b) concatenate, then one 1 x 1}$$
#
# *Line 2.* In the same way all $A_g x$ together are $A x$, with the $A_g$ one upon the other; $\sigma$ acts on each
# number alone, so it does not care.
#
# *Line 3.* What is left is $u_g = \sigma(B_g v_g)$: group $g$ of the output sees group $g$ of the input alone. That is
# one matrix with blocks on its diagonal, a **grouped convolution**:
#
# $$u = \sigma\left( \begin{pmatrix} B_1 & & \\ & \ddots & \\ & & B_G \end{pmatrix} \sigma(A x) \right)
# \qquad \text{(c) grouped}$$

# %%
G, wide, thin = 4, 12, 3  # paths, channels outside, channels in a path
A = rng.standard_normal((G, thin, wide))
B = rng.standard_normal((G, thin, thin))
C = rng.standard_normal((G, wide, thin))
x = rng.standard_normal(wide)  # (C,): one pixel


def relu(a):
    return np.maximum(a, 0)


u = [relu(B[g] @ relu(A[g] @ x)) for g in range(G)]  # each (thin,)
form_a = sum(C[g] @ u[g] for g in range(G))

C_beside = np.concatenate(C, axis=1)  # (wide, G thin)
form_b = C_beside @ np.concatenate(u)
assert np.allclose(form_a, form_b)  # line 1

A_upon = np.concatenate(A)  # (G thin, wide)
assert np.allclose(A_upon @ x, np.concatenate([A[g] @ x for g in range(G)]))  # line 2

B_diagonal = np.zeros((G * thin, G * thin))
for g in range(G):
    B_diagonal[g * thin : (g + 1) * thin, g * thin : (g + 1) * thin] = B[g]
form_c = C_beside @ relu(B_diagonal @ relu(A_upon @ x))
assert np.allclose(form_a, form_c)  # line 3

# %%
if plt:
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
    named = (("C, side by side", C_beside), ("B, in groups", B_diagonal), ("A, one upon the other", A_upon))
    for ax, (name, matrix) in zip(axes, named):
        limit = abs(matrix).max()
        ax.imshow(np.where(matrix == 0, np.nan, matrix), cmap="RdBu", vmin=-limit, vmax=limit)
        ax.set(title=name, xlabel="channel in", ylabel="channel out", xticks=[0, 5, 10], yticks=[0, 5, 10])
    figure.suptitle("Four thin paths are three matrices, the middle one empty outside its blocks")
    plt.show()

# %% [markdown]
# With 3 x 3 windows nothing changes: each window position has such a matrix. minires builds all three forms, with the
# same weights for the same seed:

# %%
image = rng.standard_normal((2, 3, 16, 16))
outputs = {}
for form in ("grouped", "concat", "sum"):
    net = models.build("resnext11_4x8d", form=form, rng=1).to(dtype=np.float64)
    outputs[form] = net.forward(image, train=True)[0]  # (2, 10)
    print(f"{form:8} differs from grouped by at most {abs(outputs[form] - outputs['grouped']).max():.1e}")
    assert np.allclose(outputs[form], outputs["grouped"], rtol=0, atol=1e-12)

# %% [markdown]
# *The condition that the proof needs*: between the last product and the sum stands nothing. With a batch norm of its
# own at the end of *each* path the three are different functions, because the batch norm of a sum is not the sum of
# batch norms. It has to stand behind the sum. The experiment `split_transform_merge` measures both.
#
# What do $G$ paths of width $w$ cost? $G (256 w + 9 w^2 + 256 w)$: the paper chooses $w$ for each $G$ so that it is
# about the 69,632 of one path of 64.

# %%
for G, w in ((1, 64), (2, 40), (4, 24), (8, 14), (32, 4)):
    cost = G * (256 * w + 9 * w * w + w * 256)
    built = convolutions(bottleneck_block(256, 256, 1, width=G * w, groups=G, rng=rng))
    print(f"{G:2} paths of {w:2}: {cost:,}, {G * w:3} channels inside")
    assert cost == built and abs(cost / 69_632 - 1) < 0.03

# %% [markdown]
# For the same price the 3 x 3 works on 128 channels instead of 64. That, and not the sum, is what cardinality buys.
#
# ## Res2Net: groups that listen to each other
#
# Res2Net also cuts the channels into $s$ groups, but one after the other: each group gets what the group before
# found, added to its own channels.
#
# $$y_1 = K_1(x_1) \qquad y_i = K_i(x_i + y_{i-1}), \quad 1 < i < s \qquad y_s = x_s$$
#
# The **receptive field** of an output is the part of the image that it depends on. A 3 x 3 widens it by 2; so the
# groups of *one* layer see 3, 5, 7 rows, and the one without a convolution sees 1. We need no theory to see that: the
# gradient of one output with respect to the input is zero exactly where it does not look.

# %%
groups = 4
layer = Res2(*[Conv2d(1, 1, 3, padding=1, rng=rng) for _ in range(groups - 1)]).to(dtype=np.float64)
x = rng.standard_normal((1, groups, 15, 15))
y, cache = layer.forward(x)  # (1, 4, 15, 15) -> (1, 4, 15, 15)

seen = []
for group in range(groups):
    dy = np.zeros_like(y)
    dy[0, group, 7, 7] = 1  # one output, in the middle
    looks = layer.backward(dy, cache)[0] != 0  # (4, 15, 15): where in each group of the input
    seen.append(looks)
    print(f"y_{group + 1} depends on x_" + ", x_".join(str(i + 1) for i in range(groups) if looks[i].any()), end="; ")
    print(f"of the 15 rows {looks.any(axis=(0, 2)).sum()}")
assert [s.any(axis=(0, 2)).sum() for s in seen] == [3, 5, 7, 1]

# %%
if plt:
    figure, axes = plt.subplots(1, groups, figsize=(10, 3), layout="constrained")
    for group, (ax, looks) in enumerate(zip(axes, seen)):
        ax.imshow(looks.sum(axis=0), cmap="viridis", vmin=0, vmax=3)
        ax.set(title=f"$y_{group + 1}$", xlabel="column", xticks=[0, 7, 14], yticks=[0, 7, 14])
    axes[0].set_ylabel("row")
    figure.colorbar(axes[0].images[0], ax=axes, label="groups of x that count", ticks=[0, 1, 2, 3], shrink=0.8)
    figure.suptitle("What the pixel in the middle of each group of Res2Net sees")
    plt.show()

# %% [markdown]
# ## A gate for each channel
#
# Squeeze-and-excitation multiplies each channel by a number between 0 and 1 that depends on the whole image:
# $y = s\, x$ with $s = \text{gate}(x)$. The gate is a mean over all pixels, two linear layers with a
# ReLU between them, and a sigmoid, $1 / (1 + e^{-a})$.
#
# *The gradient.* $x$ is in $y$ twice, so by the product rule there are two terms. Where it stands itself:
# $s\, dy$. Through the gate: $s_c$ takes part in all pixels of channel $c$, so its gradient is the sum over them,
# $ds_c = \sum_{hw} x_{chw}\, dy_{chw}$, and the gate's own backward takes it to $x$:
#
# $$dx = \underbrace{s\, dy}_{\text{scale}} + \underbrace{J_s^T \sum_{hw} x\, dy}_{\text{gate}}$$

# %%
block = squeeze_excite(6, 3, rng=rng).to(dtype=np.float64)  # 6 channels, 3 numbers between the linear layers
x, dy = rng.standard_normal((2, 2, 6, 5, 5))  # each (N, C, H, W)
y, cache = block.forward(x)
terms = block.terms(dy, cache)

s, gate_cache = block.gate.forward(x)  # (N, C, 1, 1)
assert np.array_equal(y, s * x)
assert np.array_equal(terms["scale"], s * dy)
ds = (x * dy).sum(axis=(2, 3), keepdims=True)  # (N, C, H, W) -> (N, C, 1, 1)
assert np.array_equal(terms["gate"], block.gate.backward(ds, gate_cache))

h, v = 1e-6, rng.standard_normal(x.shape)  # and is the sum true? a nudge along v
measured = ((block(x + h * v) - block(x - h * v)) * dy).sum() / (2 * h)
derived = ((terms["scale"] + terms["gate"]) * v).sum()
print(f"measured {measured:.6f}, scale alone {(terms['scale'] * v).sum():.6f}, with the gate {derived:.6f}")
assert abs(measured - derived) < 1e-6

# %% [markdown]
# ## DenseNet: concatenate instead of adding
#
# A layer of DenseNet puts its $k$ new channels *beside* all that was there before: $x_{j+1} = [x_j, H_j(x_j)]$.
# $k$ is called the **growth rate**. Concatenation is a fork, too, and its gradient has two terms, a slice and a branch:
#
# $$dx_j = \underbrace{dx_{j+1}[\text{the first } C_j \text{ channels}]}_{\text{shortcut}}
#   + \underbrace{J_{H_j}^T\, dx_{j+1}[\text{the other } k]}_{\text{branch}}$$
#
# So here, too, there is a way on which the gradient arrives untouched, and each layer is taught by the loss directly.

# %%
layer = dense_layer(16, 4, rng=rng).to(dtype=np.float64)
x = rng.standard_normal((2, 16, 8, 8))
y, cache = layer.forward(x, train=True)  # (2, 16, 8, 8) -> (2, 20, 8, 8)
dy = rng.standard_normal(y.shape)
terms = layer.terms(dy, cache)
assert np.array_equal(y[:, :16], x)
assert np.array_equal(terms["shortcut"], dy[:, :16])  # the same numbers, bit by bit

H = layer.branches["branch"]
_, H_cache = H.forward(x, train=True)  # (2, 16, 8, 8) -> (2, 4, 8, 8)
assert np.allclose(terms["branch"], H.backward(dy[:, 16:], H_cache))
assert np.allclose(layer.backward(dy, cache), terms["shortcut"] + terms["branch"])

# %% [markdown]
# "All layers are connected with each other" is true inside one **dense block** only: between two of them stands a
# *transition* (a 1 x 1 convolution and a pooling by 2), which no shortcut crosses. Inside a block of $L$ layers each
# hears all before it, which are $L(L+1)/2$ connections, the input counted as well. Because each layer adds so little,
# the network has few parameters. The multiplications are no fewer than those of ResNet-110, with twice the parameters:

# %%
sizes = []
for name in ("densenetbc_100_12", "resnet110", "wrn_28_10"):
    found = models.summarize(models.build(name, rng=None), (3, 32, 32))
    sizes.append(found)
    print(f"{name:20} {found.params / 1e6:6.2f} M parameters {found.macs / 1e6:7.0f} M multiply-adds")
assert sizes[0].params < sizes[1].params / 2 and sizes[0].macs > sizes[1].macs

# %% [markdown]
# ## Exercise 1: the price of a block
#
# Write `price(kernel, channels, out_channels, groups)`, the parameters of a grouped convolution without bias. Each of
# the `groups` sees `channels / groups` channels and makes `out_channels / groups`.

# %%


def check_1(answer):
    for kernel, c, m, g in ((3, 64, 64, 1), (3, 128, 128, 32), (1, 48, 96, 4), (5, 12, 12, 12)):
        found, size = answer(kernel, c, m, g), Conv2d(c, m, kernel, groups=g, rng=0).weight.data.size
        assert np.array_equal(found, size), (
            f"{kernel} x {kernel} from {c} to {m} in {g} groups: expected {size}, got {found}"
        )


# %% tags=["answer", "hide-cell"]
def price(kernel, channels, out_channels, groups):
    return groups * kernel**2 * (channels // groups) * (out_channels // groups)  # G blocks of a smaller convolution


check_1(price)

# %% [markdown]
# ## Exercise 2: no groups are needed
#
# Line 3 says that a grouped convolution is an ordinary one whose weights between groups are zero. Write
# `whole(weight, groups)`: from the weight of a grouped convolution, of shape `(M, C / groups, K, K)`, make that of an
# ordinary one, `(M, C, K, K)`, which gives the same outputs.

# %%


def check_2(answer):
    rng = np.random.default_rng()
    for channels, out_channels, groups in ((4, 4, 2), (6, 9, 3), (5, 5, 5)):
        grouped = Conv2d(channels, out_channels, 3, padding=1, groups=groups, rng=rng).to(dtype=np.float64)
        ordinary = Conv2d(channels, out_channels, 3, padding=1, rng=rng).to(dtype=np.float64)
        found = np.asarray(answer(grouped.weight.data, groups))
        assert found.shape == ordinary.weight.data.shape, f"shape {found.shape}, expected {ordinary.weight.data.shape}"
        ordinary.weight.data[...] = found
        x = rng.standard_normal((2, channels, 6, 6))
        assert np.allclose(ordinary(x), grouped(x)), f"the outputs differ with {groups} groups"


# %% tags=["answer", "hide-cell"]
def whole(weight, groups):
    out_channels, thin, *window = weight.shape
    found = np.zeros((out_channels, groups * thin, *window))
    for g in range(groups):
        rows = slice(g * out_channels // groups, (g + 1) * out_channels // groups)
        found[rows, g * thin : (g + 1) * thin] = weight[rows]
    return found


check_2(whole)

# %% [markdown]
# ## Exercise 3: backward of Res2Net
#
# Three groups, each function $K_i$ a multiplication by a number $k_i$: $y_1 = k_1 x_1$, $y_2 = k_2 (x_2 + y_1)$,
# $y_3 = x_3$. Derive `backward(dy, k)`, which gives $dx$; `dy` and `dx` have three numbers, `k` has two. Which term
# does one forget easily? ($y_1$ has two readers.)

# %%


def check_3(answer):
    rng = np.random.default_rng()
    for _ in range(3):
        k, dy = rng.standard_normal(2), rng.standard_normal(3)
        J = np.array([[k[0], 0, 0], [k[1] * k[0], k[1], 0], [0, 0, 1]])  # row: output, column: input
        found = np.asarray(answer(dy, k), float)
        assert found.shape == (3,), f"three numbers expected, got the shape {found.shape}"
        for i in range(3):
            right = J[:, i] @ dy
            assert np.isclose(found[i], right), f"dx_{i + 1} is {found[i]:.3f}, a nudge of x_{i + 1} says {right:.3f}"


# %% tags=["answer", "hide-cell"]
def backward(dy, k):
    u_2 = k[1] * dy[1]  # the gradient of x_2 + y_1
    u_1 = k[0] * (dy[0] + u_2)  # y_1 is read by the output, and by group 2
    return np.array([u_1, u_2, dy[2]])


check_3(backward)

# %% [markdown]
# ## What this settles
#
# * "The bottleneck is cheaper": true, 17 times for 256 channels. It is used from 50 layers on.
# * "ResNet needs less compute than VGG because it drops the fully connected layers": false; they are parameters, not
#   compute.
# * "The parameters of a wide network grow exponentially": false; with the square of $k$.
# * "The three forms of ResNeXt are equivalent": true, if the last batch norm stands behind the sum.
# * "In DenseNet all layers are connected": inside one dense block.
#
# Next: what a layer that is too thin loses, and ReXNet's answer, in [rank](15_rank_and_rexnet.py).
