# %% [markdown]
# # 3. Convolution, as a matrix product
#
# A linear layer looks at a picture as at a list of numbers: it knows nothing of neighbours, and it has a weight of
# its own for every pixel. A convolution looks at small windows, and uses the same few weights in each. This tutorial
# writes it down as seven loops that are impossible to misread, derives its three gradients, and then turns all of
# it into matrix products, which is how minires computes it.
#
# **You need**: [a layer and its gradient](01_a_layer_and_its_gradient.py).
#
# **You will be able to**: compute output sizes, write the forward and backward pass of a convolution by loops and by
# im2col, and say why the gradients of overlapping windows add.
#
# **Time**: 35 minutes

# %%
from itertools import product
from time import perf_counter

import numpy as np

from minires import gradcheck
from minires.data import load
from minires.layers import Conv2d
from minires.ops import col2im, im2col

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)

# %% [markdown]
# ## Pictures are arrays with four axes
#
# A batch of pictures is an array `(N, C, H, W)`: $N$ pictures, $C$ **channels** (one if they are grey, three for red,
# green and blue; inside a network as many as it likes), $H$ rows, $W$ columns. Here is a piece of clothing. We lay a
# small window of numbers, a **filter**, on every place of it, multiply number by number, and add up. This filter
# subtracts what is on the right from what is on the left: it answers to vertical edges.

# %%
picture = load("fashion_mnist_12k", "train").images[5:6] / 255  # (1, 1, 28, 28)
edges = np.array([[1.0, 0, -1]] * 3)  # (3, 3)
seen = np.zeros((26, 26))
for r in range(26):
    for s in range(26):
        seen[r, s] = (edges * picture[0, 0, r : r + 3, s : s + 3]).sum()
print("picture", picture.shape, "  filter", edges.shape, "  output", seen.shape)

# %%
if plt:
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained", width_ratios=(3, 1.2, 3))
    for ax, array, title in zip(axes, (picture[0, 0], edges, seen), ("picture", "filter", "output")):
        limit = abs(array).max()
        if title == "picture":
            shown = ax.imshow(array, cmap="gray")
        else:
            shown = ax.imshow(array, cmap="RdBu", vmin=-limit, vmax=limit)
        ax.set(title=f"{title}, {array.shape[0]} x {array.shape[1]}", xlabel="column", ylabel="row")
        figure.colorbar(shown, ax=ax, shrink=0.7)
    plt.show()

# %% [markdown]
# ## The definition
#
# A **convolution** has $M$ filters, and each looks at all $C$ channels; so its weight has the shape $(M, C, KH, KW)$.
# Two numbers say where the window goes:
#
# * the **padding** $P$: how many rows and columns of zeros are laid around the picture first, so that the window can
#   look at its border;
# * the **stride** $S$: how far the window moves from one output pixel to the next.
#
# $$y_{nmrs} = b_m + \sum_{c, i, j} W_{mcij}\; x_{n,\, c,\, rS + i - P,\, sS + j - P}$$
#
# (Mathematicians would turn the filter around and call this a cross-correlation. In deep learning nobody does.)

# %% [markdown]
# ## How large is the output?
#
# Along an axis of $H$ pixels there are $H + 2P$ with the padding. The window that starts at $rS$ ends at $rS + K$, and
# must not end outside: $rS + K \le H + 2P$. So $r \le (H + 2P - K) / S$. Since $r$ is a whole number and starts from
# 0, there is one more than the largest:
#
# $$OH = \left\lfloor \frac{H + 2P - K}{S} \right\rfloor + 1$$


# %%
def out_size(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) // stride + 1


for size, kernel, stride, padding in product((5, 6, 7, 28), (1, 2, 3, 5), (1, 2, 3), (0, 1, 2)):
    starts = [start for start in range(0, size + 2 * padding, stride) if start + kernel <= size + 2 * padding]
    assert len(starts) == out_size(size, kernel, stride, padding)

print("28 pixels, window 3, stride 1, padding 1:", out_size(28, 3, 1, 1))
print("28 pixels, window 3, stride 2, padding 1:", out_size(28, 3, 2, 1))
assert all(out_size(size, k, 1, (k - 1) // 2) == size for size in (7, 28) for k in (1, 3, 5))  # nothing is lost

# %% [markdown]
# Two cases to remember: with stride 1 and padding $(K - 1) / 2$ the size stays; with stride 2 it is halved.
#
# ## The slow and sure version
#
# The definition as seven loops. It is our **oracle**: code so plain that we believe it, to compare the clever code
# with.


# %%
def places(x, weight, stride, padding):
    """Yield (n, m, r, s, c, i, j, row, column): all products of the definition; row and column in the padded x."""
    oh, ow = (out_size(a, k, stride, padding) for a, k in zip(x.shape[2:], weight.shape[2:]))
    sizes = (len(x), len(weight), oh, ow, *weight.shape[1:])  # N, M, OH, OW, C, KH, KW
    for n, m, r, s, c, i, j in product(*map(range, sizes)):  # seven loops in one line
        yield n, m, r, s, c, i, j, r * stride + i, s * stride + j


def pad(x, padding):
    """(N, C, H, W) -> (N, C, H + 2 P, W + 2 P), zeros around."""
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def slow_forward(x, weight, bias, stride, padding):
    oh, ow = (out_size(a, k, stride, padding) for a, k in zip(x.shape[2:], weight.shape[2:]))
    y = np.zeros((len(x), len(weight), oh, ow)) + bias[:, None, None]  # (N, M, OH, OW)
    padded = pad(x, padding)
    for n, m, r, s, c, i, j, row, column in places(x, weight, stride, padding):
        y[n, m, r, s] += weight[m, c, i, j] * padded[n, c, row, column]
    return y


x = rng.standard_normal((2, 3, 6, 5))  # (N, C, H, W)
layer = Conv2d(3, 4, 3, stride=2, padding=1, bias=True, rng=rng).to(dtype=np.float64)
layer.bias.data = rng.standard_normal(4)
weight, bias, stride, padding = layer.weight.data, layer.bias.data, 2, 1  # weight: (M, C, KH, KW)
y, cache = layer.forward(x)  # (N, M, OH, OW)
print("x", x.shape, "  weight", weight.shape, "  y", y.shape)
assert np.allclose(slow_forward(x, weight, bias, stride, padding), y, rtol=0, atol=1e-13)

# %% [markdown]
# ## Backward: three gradients from one line
#
# Look at the definition once more. Every product in it is *weight times pixel*, added to one output pixel. So in every
# product the chain rule says: the weight gets `dy` times the pixel, the pixel gets `dy` times the weight, and the bias
# gets `dy`. In formulas, for the weight, the bias, and the padded picture $\tilde x$:
#
# $$dW_{mcij} = \sum_{n, r, s} dy_{nmrs}\; \tilde x_{n, c, rS + i, sS + j} \qquad db_m = \sum_{n, r, s} dy_{nmrs}$$
#
# $$d\tilde x_{nchw} = \sum_{m, r, s, i, j:\; rS + i = h,\; sS + j = w} dy_{nmrs}\; W_{mcij}$$
#
# The last sum runs over all windows that the pixel $(h, w)$ lies in. The gradient of $x$ is the middle of
# $d\tilde x$: nobody asks for the gradient of the zeros around it.


# %%
def slow_backward(dy, x, weight, stride, padding):
    padded = pad(x, padding)
    dpadded, dweight, dbias = np.zeros(padded.shape), np.zeros(weight.shape), dy.sum(axis=(0, 2, 3))
    for n, m, r, s, c, i, j, row, column in places(x, weight, stride, padding):
        dweight[m, c, i, j] += dy[n, m, r, s] * padded[n, c, row, column]
        dpadded[n, c, row, column] += dy[n, m, r, s] * weight[m, c, i, j]
    h, w = x.shape[2:]
    return dpadded[:, :, padding : padding + h, padding : padding + w], dweight, dbias


dy = rng.standard_normal(y.shape)
dx = layer.backward(dy, cache)  # (N, M, OH, OW) -> (N, C, H, W)
slow_dx, slow_dweight, slow_dbias = slow_backward(dy, x, weight, stride, padding)
assert np.allclose(slow_dx, dx, rtol=0, atol=1e-13)
assert np.allclose(slow_dweight, layer.weight.grad, rtol=0, atol=1e-12)
assert np.allclose(slow_dbias, layer.bias.grad, rtol=0, atol=1e-13)
assert gradcheck(layer, x).worst_error < 1e-12  # and both are the derivative of forward

# %% [markdown]
# That is the whole convolution. All that follows is how to compute it fast.
#
# ## im2col: every window becomes a column
#
# Take the window of one output pixel, $C \cdot KH \cdot KW$ numbers, and write it down as a column. Do so for all
# $N \cdot OH \cdot OW$ output pixels, side by side. That matrix is called **im2col**. It computes nothing, it copies.

# %%
kernel, dilation, out = (3, 3), (1, 1), y.shape[2:]
padded = pad(x, padding)  # (N, C, H + 2, W + 2)
columns = im2col(padded, kernel, (stride, stride), dilation, out)  # (C KH KW, N OH OW)
print("im2col:", padded.shape, "->", columns.shape, "= (C KH KW, N OH OW)")
assert columns.shape == (3 * 9, 2 * 3 * 3)

n, r, s = 1, 2, 1  # the window of one output pixel...
window = padded[n, :, r * stride : r * stride + 3, s * stride : s * stride + 3]  # (C, KH, KW)
assert (columns[:, n * 9 + r * 3 + s] == window.ravel()).all()  # ...is a column

# %%
if plt:
    small = np.arange(1.0, 17).reshape(1, 1, 4, 4)  # pixels 1 to 16
    copied = im2col(small, (3, 3), (1, 1), (1, 1), (2, 2))  # (9, 4)
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.8), layout="constrained")
    for ax, array, title in zip(axes, (small[0, 0], copied), ("picture, 4 x 4", "im2col: four windows of 3 x 3")):
        ax.imshow(array, cmap="viridis")
        for (row, column), value in np.ndenumerate(array):
            ax.text(column, row, f"{value:.0f}", ha="center", va="center", color="w" if value < 11 else "k")
        ax.set(title=title, xticks=[], yticks=[])
    axes[1].set(xlabel="output pixel", ylabel="place in the window", xticks=range(4))
    plt.show()

# %% [markdown]
# ## Forward is one matrix product
#
# Write each filter as a row: $W$ has the shape $(M,\; C \cdot KH \cdot KW)$. The sum over $c, i, j$ in the definition
# is then the sum of a matrix product, a linear layer on windows:
#
# $$Y = W X + b \qquad (M,\, C\,KH\,KW) \cdot (C\,KH\,KW,\, N\,OH\,OW) = (M,\, N\,OH\,OW)$$

# %%
rows = weight.reshape(4, -1)  # (M, C KH KW)
Y = rows @ columns + bias[:, None]  # (M, N OH OW)
assert np.allclose(Y.reshape(4, 2, *out).transpose(1, 0, 2, 3), y, rtol=0, atol=1e-13)  # (N, M, OH, OW)

# %% [markdown]
# ## Backward is the transposed product
#
# For a product $Y = W X$ the gradients are known since the linear layer: $dW = dY X^T$ and $dX = W^T dY$. The first is
# done. The second gives a gradient for each number in `columns`; but the picture was *copied* there, a pixel up to nine
# times. A value that is used several times gets the sum of its gradients. So every column is added back to the place
# where it came from: that is **col2im**.
#
# $$dW = dY X^T \qquad db = \textstyle\sum dY \qquad dx = \mathrm{col2im}(W^T dY)$$

# %%
dY = dy.transpose(1, 0, 2, 3).reshape(4, -1)  # (N, M, OH, OW) -> (M, N OH OW)
dweight = (dY @ columns.T).reshape(weight.shape)  # (M, C KH KW) -> (M, C, KH, KW)
dcolumns = rows.T @ dY  # (C KH KW, N OH OW)
dpadded = col2im(dcolumns, padded.shape, kernel, (stride, stride), dilation, out)  # (N, C, H + 2, W + 2)
assert np.allclose(dweight, slow_dweight, rtol=0, atol=1e-12)
assert np.allclose(dY.sum(axis=1), slow_dbias, rtol=0, atol=1e-13)
assert np.allclose(dpadded[:, :, 1:-1, 1:-1], slow_dx, rtol=0, atol=1e-13)

# %% [markdown]
# How often is a pixel used? Send a one back from every place of every column and see what arrives. A pixel in the
# middle lies in nine windows of 3 x 3, a corner in one.

# %%
ones = np.ones((9, 36))  # (KH KW, OH OW): all windows of an 8 x 8 picture
used = col2im(ones, (1, 1, 8, 8), kernel, (1, 1), dilation, (6, 6))[0, 0]
strided = col2im(np.ones((9, 9)), (1, 1, 8, 8), kernel, (2, 2), dilation, (3, 3))[0, 0]
assert used[0, 0] == 1 and used[4, 4] == 9
assert used.sum() == 9 * 36

# %%
if plt:
    figure, axes = plt.subplots(1, 2, figsize=(7.5, 3.3), layout="constrained")
    for ax, array, title in zip(axes, (used, strided), ("stride 1", "stride 2")):
        ax.imshow(array, cmap="Blues", vmin=0, vmax=12)
        for (row, column), value in np.ndenumerate(array):
            ax.text(column, row, f"{value:.0f}", ha="center", va="center")
        ax.set(title=f"windows that a pixel lies in, {title}", xlabel="column", ylabel="row")
    plt.show()

# %% [markdown]
# im2col takes a vector of pixels to a vector of copies; it is a matrix of zeros and ones, though nobody writes it
# down. col2im is its transpose, and there is a test for that: $\langle A x, c \rangle = \langle x, A^T c \rangle$.

# %%
c = rng.standard_normal(columns.shape)
left = (columns * c).sum()
right = (padded * col2im(c, padded.shape, kernel, (stride, stride), dilation, out)).sum()
print(f"<im2col(x), c> = {left:.9f} = <x, col2im(c)> = {right:.9f}")
assert abs(left - right) < 1e-11

# %% [markdown]
# ## The gradient of a convolution is a convolution
#
# With stride 1 read the sum of $d\tilde x$ again: $r = h - i$ and $s = w - j$. The filter runs over `dy` backwards. So
# $dx$ is a convolution of `dy` by the filter turned by 180 degrees, with the channels in and out exchanged.

# %%
plain = Conv2d(3, 4, 3, padding=1, rng=rng).to(dtype=np.float64)
_, plain_cache = plain.forward(x)
dy1 = rng.standard_normal((2, 4, 6, 5))
turned = Conv2d(4, 3, 3, padding=1, rng=rng).to(dtype=np.float64)
turned.weight.data = plain.weight.data[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)  # (M, C, K, K) -> (C, M, K, K)
assert np.allclose(turned(dy1), plain.backward(dy1, plain_cache), rtol=0, atol=1e-13)

# %% [markdown]
# ## What it costs
#
# A matrix product of $(M, Q)$ and $(Q, R)$ takes $M Q R$ multiplications, each followed by an addition. For a
# convolution that is $N \cdot M \cdot OH \cdot OW \cdot C \cdot KH \cdot KW$. Forward needs it once, backward twice.
# The price of im2col is memory: `columns` is up to $KH \cdot KW$ times as large as `x`.

# %%
big = Conv2d(16, 16, 3, padding=1, rng=rng).to(dtype=np.float64)
pixels = rng.standard_normal((1, 16, 14, 14))
start = perf_counter()
slowly = slow_forward(pixels, big.weight.data, np.zeros(16), 1, 1)
between = perf_counter()
quickly = big(pixels)
end = perf_counter()
assert np.allclose(slowly, quickly, rtol=0, atol=1e-12)
print(f"{16 * 14 * 14 * 16 * 9:,} multiplications: loops {between - start:.2f} s, im2col {end - between:.4f} s")
assert between - start > 5 * (end - between)

# %% [markdown]
# ## Exercise 1: derive
#
# A **dilation** of $D$ spreads the places of a window: neighbours in the window look at pixels that are $D$ apart.
# How large is the output now? Write `dilated_size(size, kernel, stride, padding, dilation)`.


# %%
def check_1(answer):
    for size, kernel, stride, padding, dilation in product((9, 14), (1, 3, 4), (1, 2), (0, 2), (1, 2, 3)):
        if size + 2 * padding < dilation * (kernel - 1) + 1:
            continue
        layer = Conv2d(1, 1, kernel, stride=stride, padding=padding, dilation=dilation, rng=0)
        true = layer(np.zeros((1, 1, size, size), np.float32)).shape[-1]
        found = answer(size, kernel, stride, padding, dilation)
        given = f"size {size}, kernel {kernel}, stride {stride}, padding {padding}, dilation {dilation}"
        assert np.shape(found) == () and found == true, f"{given}: {found}, a convolution gives {true}"


# %% tags=["answer", "hide-cell"]
def dilated_size(size, kernel, stride, padding, dilation):
    reach = dilation * (kernel - 1) + 1  # the window covers so many pixels, from its first place to its last
    return (size + 2 * padding - reach) // stride + 1


check_1(dilated_size)

# %% [markdown]
# ## Exercise 2: write the smallest convolution
#
# A window of 1 x 1 sees one pixel: the convolution is a linear layer that runs on every pixel. No im2col is needed.
# Write `pointwise_backward(dy, x, W)` with `x` of the shape `(N, C, H, W)` and `W` of `(M, C)`. Return `dx, dW`.


# %%
def check_2(answer):
    rng = np.random.default_rng(1)
    for n, c, m in ((2, 3, 5), (3, 4, 1)):
        layer = Conv2d(c, m, 1, rng=rng).to(dtype=np.float64)
        x = rng.standard_normal((n, c, 4, 3))
        y, cache = layer.forward(x)
        dy = rng.standard_normal(y.shape)
        true = layer.backward(dy, cache), layer.weight.grad[:, :, 0, 0]
        found = answer(dy, x, layer.weight.data[:, :, 0, 0])
        assert isinstance(found, tuple) and len(found) == 2, "expected two arrays: return dx, dW"
        for name, mine, right in zip(("dx", "dW"), found, true):
            assert np.shape(mine) == right.shape, f"{name} has the shape {np.shape(mine)}, expected {right.shape}"
            assert np.allclose(mine, right), f"{name} is wrong by up to {abs(mine - right).max():.2g}"


# %% tags=["answer", "hide-cell"]
def pointwise_backward(dy, x, W):
    dx = np.einsum("nmhw,mc->nchw", dy, W)  # the sum over m, for each pixel
    dW = np.einsum("nmhw,nchw->mc", dy, x)  # over all pixels of all pictures
    return dx, dW


check_2(pointwise_backward)

# %% [markdown]
# ## Exercise 3: find the bug
#
# Somebody wrote col2im for a signal with one axis: `values[k]` belongs to the pixel `positions[k]`. It works for
# windows that do not overlap, and gives wrong gradients for all others. Why? Write `add_back(values, positions,
# size)` right.


# %%
def wrong_add_back(values, positions, size):
    x = np.zeros(size)
    x[positions] += values
    return x


assert wrong_add_back(np.array([1.0, 1.0]), np.array([0, 1]), 2).tolist() == [1, 1]


def check_3(answer):
    rng = np.random.default_rng(2)
    for size, count in ((4, 4), (5, 30)):
        values, positions = rng.standard_normal(count), rng.integers(0, size, count)
        found, true = answer(values, positions, size), [values[positions == p].sum() for p in range(size)]
        assert np.shape(found) == (size,), f"expected an array of {size} numbers, got the shape {np.shape(found)}"
        assert np.allclose(found, true), f"pixels {positions} got {np.round(found, 2)}, expected {np.round(true, 2)}"


# %% tags=["answer", "hide-cell"]
def add_back(values, positions, size):
    x = np.zeros(size)
    np.add.at(x, positions, values)  # x[positions] += ... reads all, adds, writes all: of equal positions one survives
    return x


check_3(add_back)

# %% [markdown]
# ## What this settles
#
# *Claim: a convolution is a linear layer.* True: on windows, with the same weights in each. What is new in its
# backward is that windows overlap, so that a pixel gets the sum of the gradients of all its copies, and that the
# weight gets the sum over all places.
#
# What im2col costs in memory, and how to do without it, is a question for the tutorial on the engine. Next comes the
# layer that stands behind nearly every convolution: [batch norm](04_batch_norm.py).
