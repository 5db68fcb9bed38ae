# %% [markdown]
# # 4. Batch norm, and the gradient that everybody asks for
#
# Behind nearly every convolution of a residual network stands a batch norm. Its forward is three lines. Its backward
# is a favourite question of interviews, and easily written wrong in a way that nobody notices: the mean and the
# variance are functions of the input too, so the gradient has three terms, and a network trained with one of them still
# learns, only worse. We derive it line by line, and check every line.
#
# **You need**: the first three tutorials, above all [gradient checks](02_gradient_checks_and_how_they_lie.py).
#
# **You will be able to**: derive dx of batch norm on a sheet of paper, say what each of its three terms does, and
# explain running statistics, the missing bias, and why a batch of one is refused.
#
# **Time**: 35 minutes

# %%
from textwrap import fill

import numpy as np

from minires import gradcheck
from minires.errors import ShapeError
from minires.layers import BatchNorm1d, BatchNorm2d, Conv2d, Sequential

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)

# %% [markdown]
# ## Forward
#
# Take one channel of a batch of pictures, all its $m = N H W$ numbers $x_1 \dots x_m$. **Batch norm** subtracts
# their mean and divides by their standard deviation, so that a channel always has the mean 0 and the variance 1,
# whatever the layers before it do. A learned scale $\gamma$ and shift $\beta$ follow, one of each for a channel; they
# start from 1 and 0.
#
# $$\mu = \frac{1}{m} \sum_i x_i \qquad v = \frac{1}{m} \sum_i (x_i - \mu)^2 \qquad \sigma = \sqrt{v + \varepsilon}
# \qquad \hat x_i = \frac{x_i - \mu}{\sigma} \qquad y_i = \gamma \hat x_i + \beta$$
#
# The small $\varepsilon = 10^{-5}$ keeps us from dividing by zero.

# %%
bn = BatchNorm2d(3).to(dtype=np.float64)
x = rng.standard_normal((4, 3, 5, 5)) * np.array([0.5, 1, 3])[:, None, None] + np.array([-4, 0, 2])[:, None, None]
y, cache = bn.forward(x, train=True)  # (N, C, H, W) -> (N, C, H, W)

mean = x.mean(axis=(0, 2, 3), keepdims=True)  # (1, C, 1, 1)
var = ((x - mean) ** 2).mean(axis=(0, 2, 3), keepdims=True)  # (1, C, 1, 1)
sigma = np.sqrt(var + bn.eps)
x_hat = (x - mean) / sigma  # (N, C, H, W)
assert np.allclose(y, x_hat, rtol=0, atol=1e-13)  # gamma is 1 and beta is 0 at the start
print("mean by channel: ", mean.ravel().round(2), "->", abs(y.mean(axis=(0, 2, 3))).round(12))
print("var by channel:  ", var.ravel().round(2), "->", y.var(axis=(0, 2, 3)).round(5))
assert np.allclose(y.var(axis=(0, 2, 3)), (var / (var + bn.eps)).ravel())  # not exactly 1, because of epsilon

# %%
if plt:
    figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
    for ax, array, title in zip(axes, (x, y), ("before batch norm", "behind it")):
        for c in range(3):
            ax.hist(array[:, c].ravel(), bins=20, alpha=0.6, label=f"channel {c}")
        ax.set(title=title, xlabel="value", xlim=(-11, 11))
    axes[0].set_ylabel("how many of 100 values")
    axes[0].legend()
    plt.show()

# %% [markdown]
# ## Backward, line 1: what is easy
#
# From here on we follow one channel, as a vector of $m$ numbers. $y_i = \gamma \hat x_i + \beta$ is a linear layer with
# one weight, used $m$ times:
#
# $$d\gamma = \sum_i dy_i\, \hat x_i \qquad d\beta = \sum_i dy_i \qquad d\hat x_i = \gamma\, dy_i$$

# %%
bn.gamma.data, bn.beta.data = np.array([0.8, 1.5, -0.7]), np.array([0.1, 0.2, 0.3])
y, cache = bn.forward(x, train=True)
dy = rng.standard_normal(y.shape)
dx = bn.backward(dy, cache)
assert np.allclose(bn.gamma.grad, (dy * x_hat).sum(axis=(0, 2, 3)))
assert np.allclose(bn.beta.grad, dy.sum(axis=(0, 2, 3)))

one, gamma, eps = x[:, 1].ravel(), bn.gamma.data[1], bn.eps  # one channel: (m,)
m = one.size
dx_hat = gamma * dy[:, 1].ravel()  # (m,)

# %% [markdown]
# ## Line 2: how mean and deviation follow $x$
#
# An input $x_j$ reaches the outputs on three ways: directly, through $\mu$, and through $\sigma$. So we need three
# derivatives.
#
# *The mean.* $x_j$ is one of $m$ numbers:
#
# $$\frac{\partial \mu}{\partial x_j} = \frac{1}{m}$$
#
# *The variance.* By the rule for a square, with $\delta_{ij}$ = 1 where $i = j$, else 0:
#
# $$\frac{\partial v}{\partial x_j} = \frac{1}{m} \sum_i 2 (x_i - \mu) \left(\delta_{ij} - \frac{1}{m}\right)
# = \frac{2}{m} (x_j - \mu) - \frac{2}{m^2} \sum_i (x_i - \mu) = \frac{2}{m} (x_j - \mu)$$
#
# since deviations from the mean add up to zero.
#
# *The deviation.* By the rule for a root:
#
# $$\frac{\partial \sigma}{\partial x_j} = \frac{1}{2 \sigma} \frac{\partial v}{\partial x_j}
# = \frac{x_j - \mu}{m\, \sigma} = \frac{\hat x_j}{m}$$
#
# We measure all three by complex steps, one for every $j$.


# %%
def derivative(f, x):
    """All derivatives of f at x, by complex steps: [output, input], or [input] where f gives a number."""
    steps = 1e-30j * np.eye(x.size)
    return np.stack([np.imag(f(x + step)) / 1e-30 for step in steps], axis=-1)


def mean_of(x):
    return x.sum() / x.size


def var_of(x):
    return ((x - mean_of(x)) ** 2).sum() / x.size


def sigma_of(x):
    return np.sqrt(var_of(x) + eps)


mu, s = mean_of(one), sigma_of(one)
hat = (one - mu) / s  # (m,)
assert np.allclose(derivative(mean_of, one), 1 / m, rtol=0, atol=1e-15)
assert np.allclose(derivative(var_of, one), 2 / m * (one - mu), rtol=0, atol=1e-15)
assert np.allclose(derivative(sigma_of, one), hat / m, rtol=0, atol=1e-15)

# %% [markdown]
# ## Line 3: the Jacobian
#
# Now $\hat x_i = (x_i - \mu) / \sigma$, by the rule for a quotient:
#
# $$\frac{\partial \hat x_i}{\partial x_j}
# = \frac{\delta_{ij} - \frac{1}{m}}{\sigma} - \frac{x_i - \mu}{\sigma^2} \cdot \frac{\hat x_j}{m}
# = \frac{1}{\sigma} \left( \delta_{ij} - \frac{1}{m} - \frac{\hat x_i\, \hat x_j}{m} \right)$$
#
# Three terms: direct, through the mean, through the deviation.

# %%
J = (np.eye(m) - 1 / m - np.outer(hat, hat) / m) / s  # (m, m)
assert np.allclose(derivative(lambda x: (x - mean_of(x)) / sigma_of(x), one), J, rtol=0, atol=1e-14)

# %% [markdown]
# ## Line 4: the gradient
#
# $dx_j = \sum_i d\hat x_i\, \partial \hat x_i / \partial x_j$, term by term. A sum divided by $m$ is a mean, written
# with a bar, $\overline{a}$:
#
# $$dx_j = \frac{1}{\sigma} \Big( \underbrace{d\hat x_j}_{\text{direct}}
# \;-\; \underbrace{\overline{d\hat x}}_{\text{through the mean}}
# \;-\; \underbrace{\hat x_j\, \overline{d\hat x\, \hat x}}_{\text{through the variance}} \Big)$$
#
# That is the answer. Two means and no matrix.

# %%
direct = dx_hat / s
through_mean = -dx_hat.mean() / s * np.ones(m)
through_variance = -hat * (dx_hat * hat).mean() / s
assert np.allclose(direct + through_mean + through_variance, J.T @ dx_hat, rtol=0, atol=1e-14)
assert np.allclose(direct + through_mean + through_variance, dx[:, 1].ravel(), rtol=0, atol=1e-14)

# %% [markdown]
# Is each term what its name says? Let $x$ move in one place at a time and hold it fixed in the others: where it is
# itself, inside the mean, inside the deviation. And minires gives the same three by name.


# %%
def parted(itself, in_mean, in_sigma):
    return (itself - mean_of(in_mean)) / sigma_of(in_sigma)


assert np.allclose(derivative(lambda x: parted(x, one, one), one).T @ dx_hat, direct, rtol=0, atol=1e-14)
assert np.allclose(derivative(lambda x: parted(one, x, one), one).T @ dx_hat, through_mean, rtol=0, atol=1e-14)
assert np.allclose(derivative(lambda x: parted(one, one, x), one).T @ dx_hat, through_variance, rtol=0, atol=1e-14)

terms = bn.terms(dy, cache)
for name, mine in (("direct", direct), ("mean", through_mean), ("variance", through_variance)):
    assert np.allclose(terms[name][:, 1].ravel(), mine, rtol=0, atol=1e-14)
    print(f"{name:<9} norm {np.linalg.norm(mine):.4f}")
assert gradcheck(bn, x).worst_error < 1e-12

# %% [markdown]
# ## What the two other terms do
#
# They look like corrections, and they are: they take out of the gradient two directions in which the output cannot
# move. If all inputs grow by the same number, the mean takes it away. If all deviations from the mean grow by the same
# factor, $\sigma$ takes it away. So the gradient must not ask for either:
#
# $$\sum_j dx_j = 0 \qquad\qquad \sum_j dx_j\, \hat x_j = 0 \quad (\text{up to } \varepsilon)$$
#
# This is also why an upstream gradient of ones, or one proportional to the output, proves nothing here: of
# $d\hat x = a + b \hat x$ nothing is left.

# %%
whole = direct + through_mean + through_variance
left = np.dot(dx_hat, hat) * eps / (s * s) / s  # what epsilon leaves of the second sum
print(f"sum dx = {whole.sum():.1e},   sum dx x_hat = {whole @ hat:.1e}, of which epsilon explains {left:.1e}")
assert abs(whole.sum()) < 1e-12
assert abs(whole @ hat - left) < 1e-12

for name, part in (("direct alone", direct), ("without the variance", direct + through_mean)):
    print(f"{name:<21} misses {np.linalg.norm(part - whole) / np.linalg.norm(whole):.0%} of the gradient here")
assert np.allclose(J.T @ (2 + 3 * hat), 0, atol=1e-3)  # dx_hat = a + b x_hat

# %%
if plt:
    few = BatchNorm1d(1).to(dtype=np.float64)  # one channel, eight examples
    points = np.array([-2.0, -1.2, -0.5, 0.1, 0.4, 1.0, 1.6, 2.6])[:, None]
    upstream = 0.6 + 0.8 * points + 0.4 * rng.standard_normal(points.shape)  # it mostly asks for what cannot be
    shown = few.terms(upstream, few.forward(points, train=True)[1])
    shown["dx, their sum"] = sum(shown.values())
    plt.figure(figsize=(8, 3.2), layout="constrained")
    for k, (name, term) in enumerate(shown.items()):
        plt.bar(np.arange(8) + 0.2 * (k - 1.5), term[:, 0], 0.19, label=name, color="k" if k == 3 else None)
    plt.axhline(0, color="0.5", linewidth=0.8)
    plt.title("Three terms of the gradient of batch norm: little is left of a dy that grows with x")
    plt.xlabel("example, in the order of its value")
    plt.ylabel("gradient")
    plt.ylim(-2, 3)
    plt.legend(ncols=4, loc="upper left")
    plt.show()

# %% [markdown]
# ## Training and evaluation
#
# In training the output for a picture depends on its neighbours in the batch. When the network is used, at
# **evaluation**, it must not. So the layer keeps **running statistics**: after every batch of the training a running
# mean and a running variance move a tenth of the way to those of the batch,
#
# $$\text{running} \leftarrow 0.9\;\text{running} + 0.1\;\text{batch}$$
#
# and evaluation uses these in place of $\mu$ and $v$. They are constants then, and $dx = d\hat x / \sigma$, the direct
# term alone. One detail: the variance goes into the average times $m / (m - 1)$. A batch underestimates the variance of
# all the data, because it measures from its own mean; that factor mends it (the "unbiased" variance).

# %%
fresh = BatchNorm2d(3).to(dtype=np.float64)  # running mean 0, running variance 1
_, cache = fresh.forward(x, train=True)
assert np.allclose(fresh.running_mean.data, 0.1 * mean.ravel())
assert np.allclose(fresh.running_var.data, 0.9 + 0.1 * var.ravel() * m / (m - 1))

for _ in range(60):
    fresh.forward(x, train=True)
assert np.allclose(fresh.running_mean.data, mean.ravel(), rtol=1e-2)  # arrived

other = np.concatenate([x[:1], 5 * x[1:]])  # the first picture with other neighbours
moved = abs(fresh.forward(x, train=True)[0][0] - fresh.forward(other, train=True)[0][0]).max()
still = abs(fresh(x)[0] - fresh(other)[0]).max()  # fresh(x) is the evaluation
print(f"other neighbours move the first output by {moved:.2f} in training and by {still} in evaluation")
assert moved > 0.1 and still == 0

# %% [markdown]
# In minires `train` is an argument of forward, and the cache knows which of the two ran. To forget it is a mistake that
# shows only later: a network evaluated in training mode gives other answers for other batches.
#
# ## Why there is no bias before it
#
# A convolution before a batch norm has no bias, in all networks of this course. A bias adds one number to the whole
# channel, the mean takes it away again: the output does not change, and the gradient of the bias is zero for ever.

# %%
with_bias = Sequential(conv=Conv2d(3, 4, 3, padding=1, bias=True, rng=rng), bn=BatchNorm2d(4)).to(dtype=np.float64)
before, _ = with_bias.forward(x, train=True)
with_bias["conv"].bias.data = np.array([5.0, -3, 1, 100])
after, cache = with_bias.forward(x, train=True)
with_bias.backward(rng.standard_normal(after.shape), cache)
print(
    f"the output moved by {abs(after - before).max():.0e}, gradient of the bias {with_bias['conv'].bias.grad.round(10)}"
)
assert np.allclose(after, before, rtol=0, atol=1e-11)
assert abs(with_bias["conv"].bias.grad).max() < 1e-11
assert gradcheck(with_bias, x).structurally_zero == ("conv.bias",)

# %% [markdown]
# For the same reason the *size* of the weights before a batch norm does not matter: ten times the filter gives the
# same output (up to $\varepsilon$), and a tenth of the gradient.

# %%
norms = []
for factor in (1, 10):
    scaled = Sequential(conv=Conv2d(3, 4, 3, padding=1, rng=1), bn=BatchNorm2d(4)).to(dtype=np.float64)
    scaled["conv"].weight.data *= factor
    out, cache = scaled.forward(x, train=True)
    scaled.backward(np.random.default_rng(2).standard_normal(out.shape), cache)
    norms.append((np.linalg.norm(out), np.linalg.norm(scaled["conv"].weight.grad)))
print(f"ten times the filter: output x {norms[1][0] / norms[0][0]:.4f}, gradient x {norms[1][1] / norms[0][1]:.4f}")
assert np.isclose(norms[1][0], norms[0][0], rtol=1e-4) and np.isclose(norms[1][1], norms[0][1] / 10, rtol=1e-3)

# %% [markdown]
# ## A batch of one
#
# With one value in a channel the mean is that value: $\hat x = 0$ whatever $x$ is, and so is the gradient. The layer
# would silently turn its input into $\beta$. minires refuses. One picture of 8 x 8 pixels is allowed in a
# convolutional network, since it has 64 values in a channel.

# %%
try:
    BatchNorm1d(3).forward(np.ones((1, 3), np.float32), train=True)
except ShapeError as refusal:
    print(fill(f"refused: {refusal}", 84))
else:
    raise AssertionError("a batch of one was accepted")
out, _ = fresh.forward(rng.standard_normal((1, 3, 8, 8)), train=True)  # 64 values in a channel
assert np.allclose(out.var(axis=(0, 2, 3)), 1, atol=1e-3)

# %% [markdown]
# And a small batch? Its mean is a guess of the true one, and a guess from $m$ values has the variance $1/m$ of that of
# a single value. So the noise that batch norm brings in falls with the size of the batch, as this measurement shows.

# %%
sizes = 2 ** np.arange(1, 11)
noise = np.array([rng.standard_normal((2000, size)).mean(axis=1).var() for size in sizes])
slope = np.polyfit(np.log(sizes), np.log(noise), 1)[0]
print(f"variance of the mean of a batch: proportional to m^{slope:.2f}")
assert abs(slope + 1) < 0.05

# %%
if plt:
    plt.figure(figsize=(5.5, 3.2), layout="constrained")
    plt.loglog(sizes, noise, "o", label="measured, 2000 batches each")
    plt.loglog(sizes, 1 / sizes, color="0.5", label="$1 / m$")
    plt.title("How much the mean of a batch is off")
    plt.xlabel("values in a channel, $m$")
    plt.ylabel("variance of the mean")
    plt.legend()
    plt.show()

# %% [markdown]
# ## Exercise 1: the derivation, from memory
#
# Close the text above. For `x` of the shape `(N, C)`, one channel in a column, write `batchnorm_backward(dy, x, gamma,
# eps)`, which returns `dx, dgamma, dbeta`.


# %%
def check_1(answer):
    rng = np.random.default_rng(3)
    for n, c in ((6, 3), (2, 1), (9, 4)):
        layer = BatchNorm1d(c, eps=1e-3).to(dtype=np.float64)
        layer.gamma.data = rng.standard_normal(c)
        x, dy = rng.standard_normal((2, n, c))
        _, cache = layer.forward(x, train=True)
        true, terms = (layer.backward(dy, cache), layer.gamma.grad, layer.beta.grad), layer.terms(dy, cache)
        found = answer(dy, x, layer.gamma.data, 1e-3)
        assert isinstance(found, tuple) and len(found) == 3, "expected three arrays: return dx, dgamma, dbeta"
        for names in (("mean",), ("variance",), ("mean", "variance")):
            lacking = np.shape(found[0]) == x.shape and np.allclose(found[0], true[0] - sum(terms[k] for k in names))
            assert not lacking, f"dx lacks what comes through the {' and the '.join(names)}"
        for name, mine, right in zip(("dx", "dgamma", "dbeta"), found, true):
            assert np.shape(mine) == right.shape, f"{name} has the shape {np.shape(mine)}, expected {right.shape}"
            assert np.allclose(mine, right), f"{name} is wrong by up to {abs(mine - right).max():.2g}"


# %% tags=["answer", "hide-cell"]
def batchnorm_backward(dy, x, gamma, eps):
    sigma = np.sqrt(x.var(axis=0) + eps)  # (C,)
    x_hat = (x - x.mean(axis=0)) / sigma  # (N, C)
    dx_hat = dy * gamma
    dx = (dx_hat - dx_hat.mean(axis=0) - x_hat * (dx_hat * x_hat).mean(axis=0)) / sigma
    return dx, (dy * x_hat).sum(axis=0), dy.sum(axis=0)


check_1(batchnorm_backward)

# %% [markdown]
# ## Exercise 2: predict, then measure
#
# The running variance starts from 1. The same batch, with the variance `var` and `m` values a channel, comes `k` times.
# What is the running variance then? Write `running_variance(k, var, m)` without a loop.


# %%
def check_2(answer):
    rng = np.random.default_rng(4)
    for k, m in ((1, 5), (3, 2), (40, 100)):
        layer, x = BatchNorm1d(1).to(dtype=np.float64), 3 * rng.standard_normal((m, 1))
        for _ in range(k):
            layer.forward(x, train=True)
        found, true = answer(k, x.var(), m), layer.running_var.data[0]
        assert np.shape(found) == () and np.isreal(found) and found is not None, f"expected a number, got {found!r}"
        assert np.isclose(found, true), f"k = {k}, m = {m}: {found:.5f}, the layer has {true:.5f}"


# %% tags=["answer", "hide-cell"]
def running_variance(k, var, m):
    # what is left of the 1 shrinks by 0.9 each time; the rest is the unbiased variance
    return 0.9**k + (1 - 0.9**k) * var * m / (m - 1)


check_2(running_variance)

# %% [markdown]
# ## Exercise 3: fold it away
#
# At evaluation a batch norm is a scale and a shift of each channel, and so is what a convolution before it could do
# by itself. Write `fold(weight, gamma, beta, mean, var, eps)`: it returns the weight, `(M, C, KH, KW)`, and the bias,
# `(M,)`, of one convolution that computes the same as both. Programs that only run trained networks do this.


# %%
def check_3(answer):
    rng = np.random.default_rng(5)
    conv, bn = Conv2d(2, 3, 3, rng=rng).to(dtype=np.float64), BatchNorm2d(3).to(dtype=np.float64)
    bn.gamma.data, bn.beta.data, bn.running_mean.data = rng.standard_normal((3, 3))
    bn.running_var.data = rng.uniform(0.5, 2, 3)
    kept = conv.weight.data.copy()
    found = answer(conv.weight.data, bn.gamma.data, bn.beta.data, bn.running_mean.data, bn.running_var.data, bn.eps)
    assert isinstance(found, tuple) and len(found) == 2, "expected two arrays: return weight, bias"
    assert (conv.weight.data == kept).all(), "the weight that came in was changed"
    one = Conv2d(2, 3, 3, bias=True, rng=rng).to(dtype=np.float64)
    for name, mine, shape in zip(("weight", "bias"), found, (one.weight.data.shape, (3,))):
        assert np.shape(mine) == shape, f"{name} has the shape {np.shape(mine)}, expected {shape}"
    one.weight.data, one.bias.data = found
    x = rng.standard_normal((2, 2, 6, 6))
    assert np.allclose(one(x), bn(conv(x))), f"outputs differ by up to {abs(one(x) - bn(conv(x))).max():.2g}"


# %% tags=["answer", "hide-cell"]
def fold(weight, gamma, beta, mean, var, eps):
    scale = gamma / np.sqrt(var + eps)  # (M,)
    return weight * scale[:, None, None, None], beta - scale * mean


check_3(fold)

# %% [markdown]
# ## What this settles
#
# *Claim: batch norm makes every channel zero-mean and of unit variance.* True of $\hat x$, in training, up to
# $\varepsilon$. Behind $\gamma$ and $\beta$, and in evaluation, it need not be.
#
# *Claim: a convolution before batch norm needs no bias.* True, exactly: its gradient is zero. It does need one where
# something else follows.
#
# *Claim: the batch should be as large as possible.* The noise of its mean does fall as $1/m$; whether less noise trains
# better is another question, which the experiment `minires experiment run batch_norm` looks into.
#
# What is missing for a training is an end: [losses, and a training step](05_losses_and_a_training_step.py).
