# %% [markdown]
# # 3. From im2col to a trained residual network
#
# Two layers make a convolutional network: the convolution and the batch norm. This tutorial builds both from their
# equations, compares them with the layers of minires, stacks them into a ResNet, and trains it on real images.

# %%
import numpy as np

from minires import models
from minires.data import load
from minires.layers import BatchNorm2d, Conv2d
from minires.losses import SoftmaxCrossEntropy
from minires.ops import col2im, im2col

rng = np.random.default_rng(0)

# %% [markdown]
# ## A convolution is a matrix product
#
# A 3x3 convolution takes each output pixel from the 9 input pixels around it. Write those 9 C numbers into a column,
# one column for each output pixel: that matrix is `im2col(x)`. Each filter is a row of 9 C weights. Then all outputs
# are one product, `weight_rows @ columns`.

# %%
x = rng.standard_normal((2, 3, 6, 6))  # two images, three channels, 6x6 pixels
kernel, stride, dilation, out = (3, 3), (1, 1), (1, 1), (4, 4)  # without padding 6 - 3 + 1 = 4 positions remain
columns = im2col(x, kernel, stride, dilation, out)
print("im2col:", x.shape, "->", columns.shape, "= (C KH KW, N OH OW)")
assert columns.shape == (3 * 9, 2 * 16)

layer = Conv2d(3, 5, 3, rng=rng).to(dtype=np.float64)
weight_rows = layer.weight.data.reshape(5, -1)
y = (weight_rows @ columns).reshape(5, 2, 4, 4).transpose(1, 0, 2, 3)
assert np.allclose(y, layer(x), rtol=0, atol=1e-13)

# %% [markdown]
# The same output pixel, from the definition:

# %%
n, m, r, s = 1, 4, 2, 3
pixel = sum(layer.weight.data[m, c, i, j] * x[n, c, r + i, s + j] for c in range(3) for i in range(3) for j in range(3))
print(f"y[{n}, {m}, {r}, {s}] = {y[n, m, r, s]:.6f}, by the definition {pixel:.6f}")
assert abs(y[n, m, r, s] - pixel) < 1e-13

# %% [markdown]
# ## Its backward is the transposed product
#
# For `Y = W X` the gradients are `dW = dY X^T` and `dX = W^T dY`, as for the linear layer. What remains is to bring
# `dX`, one column per output pixel, back to an image: an input pixel that was copied into nine columns gets the sum
# of nine gradients. That is `col2im`, the transpose of `im2col`, and transpose means `<im2col(x), c> = <x, col2im(c)>`.

# %%
dy = rng.standard_normal(y.shape)
dy_rows = dy.transpose(1, 0, 2, 3).reshape(5, -1)
dx = col2im(weight_rows.T @ dy_rows, x.shape, kernel, stride, dilation, out)

_, cache = layer.forward(x)
assert np.allclose(dx, layer.backward(dy, cache), rtol=0, atol=1e-13)
assert np.allclose((dy_rows @ columns.T).reshape(5, 3, 3, 3), layer.weight.grad, rtol=0, atol=1e-12)

c = rng.standard_normal(columns.shape)
left, right = (columns * c).sum(), (x * col2im(c, x.shape, kernel, stride, dilation, out)).sum()
print(f"<im2col(x), c> = {left:.9f} = <x, col2im(c)> = {right:.9f}")
assert abs(left - right) < 1e-11

# %% [markdown]
# ## Batch norm
#
# Every channel is shifted to mean 0 and scaled to variance 1 over the batch, and then by a learned `gamma` and `beta`.
# In training the mean and the variance are themselves functions of `x`, so `dx` has three terms; whoever forgets
# the last two gets a network that trains a little worse and never says why.

# %%
bn = BatchNorm2d(3).to(dtype=np.float64)
y, cache = bn.forward(x, train=True)
mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
print("mean of the output by channel:", y.mean(axis=(0, 2, 3)).round(12))
assert np.allclose(y.var(axis=(0, 2, 3)), var / (var + bn.eps))  # not exactly 1: eps is in the denominator

dy = rng.standard_normal(y.shape)
x_hat, inv_std = y, 1 / np.sqrt(var + bn.eps)[:, None, None]  # gamma = 1 and beta = 0 at the start
through_x = dy
through_mean = -dy.mean(axis=(0, 2, 3), keepdims=True)
through_var = -x_hat * (dy * x_hat).mean(axis=(0, 2, 3), keepdims=True)
dx = (through_x + through_mean + through_var) * inv_std
assert np.allclose(dx, bn.backward(dy, cache), rtol=0, atol=1e-12)

# %% [markdown]
# For evaluation the layer keeps a running mean and variance (`running <- 0.9 running + 0.1 batch`), the variance in its
# unbiased form, `m / (m - 1)` times larger. After one batch:

# %%
m = x.size // 3
assert np.allclose(bn.running_mean.data, 0.1 * mean)
assert np.allclose(bn.running_var.data, 0.9 + 0.1 * var * m / (m - 1))

# %% [markdown]
# ## A residual network
#
# `resnet8` is the smallest of the family of depth 6n + 2: a stem, three blocks with 16, 32 and 64 channels, a mean over
# all pixels, a linear layer. Each block is `ReLU(shortcut(x) + F(x))`.

# %%
net = models.build("resnet8", in_channels=1, num_classes=10, rng=0)
cost = models.summarize(net, (1, 28, 28))
print(net["stage2"])
print(f"resnet8: {cost.params:,} parameters, {cost.macs:,} multiply-adds for one image")
assert cost.depth == 8

# %% [markdown]
# ## Training, with nothing hidden
#
# One step: forward, loss, backward, and every weight moves against its gradient. We train on 2,000 pictures of
# clothes (a teaching subset of Fashion-MNIST that comes with minires), 28x28 grey pixels, ten classes.

# %%
train, test = load("fashion_mnist_12k", "train"), load("fashion_mnist_12k", "test")
print(train.classes)
scale = train.images.mean() / 255, train.images.std() / 255


def pixels(images):
    return ((images / 255 - scale[0]) / scale[1]).astype(np.float32)


images, labels = pixels(train.images[:2000]), train.labels[:2000]
loss, velocity = SoftmaxCrossEntropy(), {name: 0 for name, _ in net.params()}
steps, batch = 150, 40
for step in range(steps):
    if step * batch % len(images) == 0:
        order = rng.permutation(len(images))
    chosen = order[np.arange(step * batch, (step + 1) * batch) % len(images)]
    net.zero_grads()
    logits, cache = net.forward(images[chosen], train=True)
    value, loss_cache = loss.forward(logits, labels[chosen])
    net.backward(loss.backward(loss_cache), cache)
    lr = 0.1 * (1 - step / steps)
    for name, p in net.params():
        velocity[name] = 0.9 * velocity[name] + p.grad
        p.data -= lr * velocity[name]
    if step % 20 == 0:
        print(f"step {step:3d}: loss {value:.3f}")

# %%
unseen, truth = test.images[:1000], test.labels[:1000]
predicted = np.concatenate([net(pixels(part)).argmax(axis=1) for part in np.array_split(unseen, 10)])
accuracy = (predicted == truth).mean()
print(f"accuracy on {len(truth)} images that it has never seen: {accuracy:.1%}")
assert accuracy > 0.7

# %% [markdown]
# With the whole training set, a deeper network and three epochs, the command line does better in less than three
# minutes:
#
#     minires train --model resnet20 --epochs 3
