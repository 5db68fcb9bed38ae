# %% [markdown]
# # 5. Losses, and a training step by hand
#
# A network for pictures begins with convolutions and ends with ten numbers, one for each class. Between the two stands
# pooling; behind them stands the loss, softmax with cross-entropy, whose gradient is so simple, $p - y$, that few
# remember where it comes from. We derive both, and then do one training step with nothing hidden.
#
# **You need**: [convolution](03_convolution.py) and [batch norm](04_batch_norm.py); logarithms.
#
# **You will be able to**: derive the gradient of softmax and cross-entropy, say what pooling sends back, compute the
# loss that an untrained network must have, predict how far one step lowers it, and say what changes when two workers
# share it.
#
# **Time**: 35 minutes

# %%
import numpy as np

from minires import gradcheck
from minires.data import load
from minires.layers import AvgPool2d, BatchNorm2d, Conv2d, Flatten, GlobalAvgPool2d, Linear, MaxPool2d, ReLU, Sequential
from minires.losses import Objective, SoftmaxCrossEntropy
from minires.ops import softmax

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)

# %% [markdown]
# ## Pooling
#
# To go from many pixels to few, lay windows side by side and keep one number of each. **Max pooling** keeps the
# largest. Its backward follows from the chain rule without a formula: the output moves with the largest pixel and with
# no other, so that one gets the whole gradient and the others get zero. Of equal pixels the first wins.
#
# **Average pooling** keeps the mean of the $K^2$ pixels of a window. Each of them moves it by $1 / K^2$, so each gets
# that part of the gradient.

# %%
x = rng.permutation(16).reshape(1, 1, 4, 4) / 1.0  # (N, C, H, W), all different
dy = np.array([[[[10.0, 20], [30, 40]]]])  # (N, C, 2, 2)
sent = {}
for pool in (MaxPool2d(2), AvgPool2d(2)):
    y, cache = pool.forward(x)  # (N, C, 4, 4) -> (N, C, 2, 2)
    sent[type(pool).__name__] = y[0, 0], pool.backward(dy, cache)[0, 0]  # (N, C, 2, 2) -> (N, C, 4, 4)

windows = x[0, 0].reshape(2, 2, 2, 2).swapaxes(1, 2)  # (OH, OW, KH, KW)
assert (sent["MaxPool2d"][0] == windows.max(axis=(2, 3))).all()
assert (sent["AvgPool2d"][0] == windows.mean(axis=(2, 3))).all()
for r, s in np.ndindex(2, 2):
    block = (slice(2 * r, 2 * r + 2), slice(2 * s, 2 * s + 2))
    is_largest = x[0, 0][block] == x[0, 0][block].max()
    assert (sent["MaxPool2d"][1][block] == dy[0, 0, r, s] * is_largest).all()
    assert (sent["AvgPool2d"][1][block] == dy[0, 0, r, s] / 4).all()

# %%
if plt:
    shown = [("input", x[0, 0]), ("gradient behind the pool", dy[0, 0])]
    shown += [(f"dx of {name}", dx) for name, (_, dx) in sent.items()]
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.8), layout="constrained")
    for ax, (title, array) in zip(axes, shown):
        ax.imshow(array, cmap="Blues", vmin=0, vmax=60)
        for (row, column), value in np.ndenumerate(array):
            ax.text(column, row, f"{value:g}", ha="center", va="center")
        ax.set(title=title, xticks=[], yticks=[])
    plt.show()

# %% [markdown]
# At the end of a residual network the window is the whole picture: the global average pool turns each channel into one
# number, and each of its $H W$ pixels gets $dy / (H W)$ back.

# %%
pixels = rng.standard_normal((2, 3, 4, 5))
y, cache = GlobalAvgPool2d().forward(pixels)  # (N, C, H, W) -> (N, C, 1, 1)
upstream = rng.standard_normal(y.shape)
assert np.allclose(y[:, :, 0, 0], pixels.mean(axis=(2, 3)))
assert np.allclose(GlobalAvgPool2d().backward(upstream, cache), upstream / 20 + 0 * pixels)

# %% [markdown]
# ## From scores to probabilities
#
# The last layer gives $K$ numbers for a picture, its **logits** $z_1 \dots z_K$: the larger, the more it believes in
# that class. To compare with the truth we want probabilities: positive, with the sum 1. The **softmax** makes them.
#
# $$p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$
#
# Only differences of logits matter: to add $a$ to all of them multiplies numerator and denominator by $e^a$. That also
# saves the computer, for which $e^{1000}$ is infinite: take $a = -\max_j z_j$, and the largest power is $e^0$.

# %%
z = np.array([[2.0, 1.0, -1.0, 0.5]])  # (N, K) = (1, 4)
p = np.exp(z) / np.exp(z).sum()
print("logits", z[0], "-> probabilities", p[0].round(3))
assert np.isclose(p.sum(), 1) and (p > 0).all()
assert np.allclose(softmax(z), p) and np.allclose(softmax(z + 5), p)

large = np.array([[1000.0, 999.0]])
with np.errstate(over="ignore", invalid="ignore"):
    naive = np.exp(large) / np.exp(large).sum()
print("logits", large[0], "-> naively", naive[0], ", shifted", softmax(large)[0].round(4))
assert np.isnan(naive).all() and np.allclose(softmax(large), softmax(large - 1000))

# %% [markdown]
# ## Cross-entropy
#
# If the true class is $t$, the loss is the negative logarithm of the probability that the network gave to it, the
# **cross-entropy**: $L = -\log p_t$. Sure and right costs nothing; sure and wrong costs without limit.
#
# A network that knows nothing gives $1 / K$ to each class. Its loss is $-\log(1 / K) = \log K$: 2.303 for ten classes,
# and the first thing to look at in any training. (Natural logarithms, always.)

# %%
loss = SoftmaxCrossEntropy()
value, _ = loss.forward(z, np.array([0]))
assert np.isclose(value, -np.log(p[0, 0]))
knows_nothing, _ = loss.forward(np.zeros((5, 10)), rng.integers(0, 10, 5))
print(f"loss of a network that knows nothing of ten classes: {knows_nothing:.3f}")
assert np.isclose(knows_nothing, np.log(10)) and f"{knows_nothing:.3f}" == "2.303"

# %% [markdown]
# ## The gradient, line by line
#
# *Line 1, the softmax.* Write $S = \sum_j e^{z_j}$, so that $\partial S / \partial z_j = e^{z_j}$. The rule for a
# quotient, with $\delta_{kj}$ = 1 where $k = j$, else 0:
#
# $$\frac{\partial p_k}{\partial z_j} = \frac{\delta_{kj}\, e^{z_k} S - e^{z_k} e^{z_j}}{S^2}
# = p_k\, (\delta_{kj} - p_j)$$
#
# *Line 2, the logarithm.* The loss depends on $p_t$ alone:
#
# $$\frac{\partial L}{\partial p_k} = -\frac{\delta_{kt}}{p_t}$$
#
# *Line 3, the chain.* Only $k = t$ is left of the sum, and $p_t$ cancels:
#
# $$\frac{\partial L}{\partial z_j} = \sum_k \frac{\partial L}{\partial p_k} \frac{\partial p_k}{\partial z_j}
# = -\frac{1}{p_t}\, p_t\, (\delta_{tj} - p_j) = p_j - \delta_{tj}$$
#
# *Line 4, the batch.* Write the truth as a row $y$ with a 1 at the true class and 0 elsewhere (**one-hot**). The loss
# of a batch is the mean over its $N$ examples, so each of them has the factor $1 / N$:
#
# $$dz = \frac{p - y}{N}$$

# %%
t, h = 0, 1e-30
measured = np.stack([softmax(z + 1j * h * step)[0].imag / h for step in np.eye(4)], axis=-1)  # (K, K), complex steps
jacobian = p[0][:, None] * (np.eye(4) - p[0])
assert np.allclose(measured, jacobian, rtol=0, atol=1e-15)  # line 1
dp = np.where(np.arange(4) == t, -1 / p[0], 0)  # line 2
assert np.allclose(jacobian.T @ dp, p[0] - np.eye(4)[t], rtol=0, atol=1e-15)  # line 3

logits, labels = rng.standard_normal((6, 4)), np.array([0, 3, 1, 1, 2, 0])  # (N, K) and (N,)
_, cache = loss.forward(logits, labels)
dz = loss.backward(cache)  # (N, K)
assert np.allclose(dz, (softmax(logits) - np.eye(4)[labels]) / 6, rtol=0, atol=1e-15)  # line 4
assert gradcheck(Objective(loss, labels), logits).worst_error < 1e-12  # Objective: a loss as a layer of one output

# %% [markdown]
# There is a shorter way, worth knowing by heart. $L = -z_t + \log \sum_j e^{z_j}$, and the derivative of the second
# term by $z_j$ is $e^{z_j} / S = p_j$. Done.
#
# The gradient pushes the true logit up and all others down, each by the probability that the network gave it wrongly.
# Each row of it adds up to zero, and no entry is larger than $1/N$: however wrong the network is, a single example
# cannot tear it apart. Softmax followed by another loss, such as the square, does not have this: there $p_t$ does not
# cancel, and a network that is sure and wrong gets almost no gradient.

# %%
assert np.isclose(value, np.log(np.exp(z).sum()) - z[0, 0])  # the shorter way begins so
assert np.allclose(dz.sum(axis=1), 0, rtol=0, atol=1e-15) and abs(dz).max() < 1 / 6
sure_and_wrong = np.array([[-8.0, 8.0]])  # the truth is class 0
q = softmax(sure_and_wrong)[0]
cross_entropy = q - [1, 0]
square = (np.diag(q) - np.outer(q, q)) @ (2 * (q - [1, 0]))  # of the loss sum (p - y)^2, by line 1
print(
    f"sure and wrong: gradient {abs(cross_entropy).max():.3f} with cross-entropy, {abs(square).max():.0e} with squares"
)
assert abs(cross_entropy).max() > 0.99 and abs(square).max() < 1e-5

# %%
if plt:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    grid = np.linspace(0.005, 1, 200)
    axes[0].plot(grid, -np.log(grid), label="$-\\log p_t$")
    axes[0].plot(0.1, np.log(10), "o", label="a network that knows nothing of ten classes")
    axes[0].set(title="Cross-entropy", xlabel="probability given to the true class", ylabel="loss", ylim=(-0.2, 5.5))
    axes[0].legend()
    for k, (name, values) in enumerate((("p", p[0]), ("y, one-hot", np.eye(4)[t]), ("p - y", p[0] - np.eye(4)[t]))):
        axes[1].bar(np.arange(4) + 0.27 * (k - 1), values, 0.25, label=name)
    axes[1].axhline(0, color="0.5", linewidth=0.8)
    axes[1].set(title="One example of class 0", xlabel="class", ylabel="probability, or gradient", xticks=range(4))
    axes[1].legend()
    plt.show()

# %% [markdown]
# ## A training step by hand
#
# Everything is there. A small network, eight pictures of digits, 8 x 8 pixels each:

# %%
digits = load("digits", "train")
images = (digits.images[:8] / 255 - 0.5).astype(np.float64)  # (8, 1, 8, 8)
labels = digits.labels[:8]
net = Sequential(
    conv=Conv2d(1, 4, 3, padding=1, bias=True, rng=rng),  # (8, 1, 8, 8) -> (8, 4, 8, 8)
    relu=ReLU(),
    pool=MaxPool2d(2),  # -> (8, 4, 4, 4)
    flat=Flatten(),  # -> (8, 64)
    linear=Linear(64, 10, rng=rng),  # -> (8, 10)
).to(dtype=np.float64)
assert gradcheck(net, images).worst_error < 1e-12

# %% [markdown]
# A **training step** has four parts: forward, loss, backward, and then every weight moves against its gradient.

# %%
logits, cache = net.forward(images, train=True)  # 1. forward: (8, 1, 8, 8) -> (8, 10)
before, loss_cache = loss.forward(logits, labels)  # 2. the loss: one number
net.zero_grads()
net.backward(loss.backward(loss_cache), cache)  # 3. backward: (8, 10) -> (8, 1, 8, 8); gradients add up in p.grad
learning_rate = 0.001
for name, p in net.params():
    p.data -= learning_rate * p.grad  # 4. the step
    print(f"{name:<14} {str(p.data.shape):<14} |gradient| {np.linalg.norm(p.grad):.3f}")

after, _ = loss.forward(net(images), labels)
squares = sum((p.grad**2).sum() for _, p in net.params())
print(f"loss {before:.5f} -> {after:.5f}; Taylor's line predicts a fall of {learning_rate * squares:.5f}")
assert np.isclose(before - after, learning_rate * squares, rtol=0.1)

# %% [markdown]
# The loss fell by $\eta$ times the sum of all squared gradients, as Taylor's line said in the first tutorial. Now
# repeat, with larger steps:

# %%
falls = [before]
for _ in range(100):
    logits, cache = net.forward(images, train=True)
    value, loss_cache = loss.forward(logits, labels)
    falls.append(value)
    net.zero_grads()
    net.backward(loss.backward(loss_cache), cache)
    for _, p in net.params():
        p.data -= 0.2 * p.grad
right = (net(images).argmax(axis=1) == labels).sum()
print(f"after 100 steps: loss {falls[-1]:.4f}, {right} of 8 digits right")
assert falls[-1] < 0.1 and right == 8

# %% [markdown]
# Eight pictures learnt by heart are no skill. But a network that cannot do even that has a mistake in it.

# %% [markdown]
# ## One step by two workers
#
# Where one computer is too slow, several take one step together: each has a copy of the network and computes the
# gradient of its share of the batch, then all exchange their gradients. That is **data parallelism**. It rests on one
# line, because the gradient of a mean is the mean of gradients. With $g_i$, what example $i$ alone gives, and shares of
# $N_1 + N_2 = N$ examples:
#
# $$\frac{1}{N} \sum_{i=1}^{N} g_i = \frac{N_1}{N} \Big( \frac{1}{N_1} \sum_{i \le N_1} g_i \Big)
# + \frac{N_2}{N} \Big( \frac{1}{N_2} \sum_{i > N_1} g_i \Big)$$
#
# The brackets are what each worker computes by itself. To add them up so that every worker has the sum is called an
# **all-reduce**. The weights are the parts of the batch: who takes the plain average of three and of five examples
# counts the three too much.


# %%
def gradients(net, images, labels):
    logits, cache = net.forward(images, train=True)
    _, loss_cache = loss.forward(logits, labels)
    net.zero_grads()
    net.backward(loss.backward(loss_cache), cache)
    return {name: p.grad.copy() for name, p in net.params()}


def by_two(net, images, labels, first, weights):
    """The gradients of two workers, added up: the first has the first ``first`` examples."""
    one, two = gradients(net, images[:first], labels[:first]), gradients(net, images[first:], labels[first:])
    return {name: weights[0] * one[name] + weights[1] * two[name] for name in one}


def off(found, true):
    return np.linalg.norm(found - true) / np.linalg.norm(true)


def small(norm, seed=1):
    rng = np.random.default_rng(seed)
    norms = {"bn": BatchNorm2d(4)} if norm else {}
    conv, linear = Conv2d(1, 4, 3, padding=1, rng=rng), Linear(64, 10, rng=rng)
    layers = {"conv": conv, **norms, "relu": ReLU(), "pool": MaxPool2d(2), "flat": Flatten(), "linear": linear}
    return Sequential(**layers).to(dtype=np.float64)


plain = small(norm=False)
true = gradients(plain, images, labels)
shares, halves = by_two(plain, images, labels, 3, (3 / 8, 5 / 8)), by_two(plain, images, labels, 3, (1 / 2, 1 / 2))
for name in true:
    print(f"{name:<14} weighted by examples: off by {off(shares[name], true[name]):.0e}, by workers: ", end="")
    print(f"{off(halves[name], true[name]):.1%}")
    assert off(shares[name], true[name]) < 1e-14 and off(halves[name], true[name]) > 0.01

# %% [markdown]
# ### What breaks it
#
# The line needs $g_i$ to depend on example $i$ alone. Batch norm does not keep to that: mean and deviation are those
# of whatever was computed together. A worker that sees three examples normalises by three, and computes another
# function. The same network with a batch norm:

# %%
normed = small(norm=True)
true, found = gradients(normed, images, labels), by_two(normed, images, labels, 3, (3 / 8, 5 / 8))
for name in true:
    print(f"{name:<14} off by {off(found[name], true[name]):.1%}")
assert min(off(found[name], true[name]) for name in true) > 0.01

# %% [markdown]
# Not one gradient is right, because the logits differ already. To see where it comes from, look at the batch norm
# alone, with one $x$ and one $dy$, of which each worker has its rows. The last tutorial has the terms: $d\beta$ is a
# sum over examples and agrees. $d\gamma$ has $\hat x$ in it. The direct term has $\sigma$, the other two have means
# over the batch as well.
#
# The remedy follows: exchange sums. In forward $\sum x$ and then $\sum (x - \mu)^2$, so that all have the same $\mu$
# and $\sigma$. And in backward the two means, of $d\hat x$ and of $d\hat x\, \hat x$, for every $x$ moves the mean
# and the deviation of *all* workers. The second half is easily forgotten, since every forward is right without it.


# %%
def total(parts):
    """What the workers exchange: each adds up its share; all get the sum, (1, C, 1, 1)."""
    return sum(part.sum(axis=(0, 2, 3), keepdims=True) for part in parts)


def norm_of_two(xs, dys, gamma, eps, forward, backward):
    """Terms of dx and the gradients of gamma and beta; ``forward``, ``backward``: are sums exchanged there?"""
    values = [x[:, 0].size for x in xs]

    def means(parts, exchanged):
        if exchanged:
            return [total(parts) / sum(values) for _ in parts]
        return [total([part]) / m for part, m in zip(parts, values)]

    centred = [x - mean for x, mean in zip(xs, means(xs, forward))]
    sigmas = [np.sqrt(var + eps) for var in means([c**2 for c in centred], forward)]
    x_hats, dx_hats = [c / s for c, s in zip(centred, sigmas)], [gamma * dy for dy in dys]
    first = means(dx_hats, backward)
    second = means([d * x_hat for d, x_hat in zip(dx_hats, x_hats)], backward)
    workers = list(zip(dx_hats, x_hats, sigmas, first, second))
    terms = {
        "direct": [d / s for d, _, s, _, _ in workers],
        "mean": [-a / s + 0 * d for d, _, s, a, _ in workers],
        "variance": [-x_hat * b / s for _, x_hat, s, _, b in workers],
    }
    terms = {name: np.concatenate(parts) for name, parts in terms.items()}
    dgamma, dbeta = total([dy * x_hat for dy, x_hat in zip(dys, x_hats)]), total(dys)
    return terms | {"dx": sum(terms.values()), "dgamma": dgamma.ravel(), "dbeta": dbeta.ravel()}


bn, conv = BatchNorm2d(4).to(dtype=np.float64), normed["conv"]
features = conv(images)  # (8, 4, 8, 8)
bn.gamma.data = rng.uniform(0.5, 2, 4)
y, cache = bn.forward(features, train=True)
upstream = 0.5 * y + rng.standard_normal(y.shape) + 1  # it asks a little for what cannot be: all three terms are there
right = bn.terms(upstream, cache)
right |= {"dx": bn.backward(upstream, cache), "dgamma": bn.gamma.grad, "dbeta": bn.beta.grad}
ways = {"local": (False, False), "exchanged in forward": (True, False), "in both": (True, True)}
gamma = bn.gamma.data[:, None, None]
errors = {}
print(f"{'':<22}{''.join(f'{name:>10}' for name in right)}")
for way, exchanged in ways.items():
    terms = norm_of_two((features[:3], features[3:]), (upstream[:3], upstream[3:]), gamma, bn.eps, *exchanged)
    errors[way] = {name: off(terms[name], right[name]) for name in right}
    print(f"{way:<22}{''.join(f'{errors[way][name]:>10.1%}' for name in right)}")
assert all(error > 1e-3 for name, error in errors["local"].items() if name != "dbeta")
assert all(errors[way]["dbeta"] < 1e-14 for way in ways)
half = errors["exchanged in forward"]
assert half["direct"] < 1e-14 and half["dgamma"] < 1e-14 and half["dx"] > 0.005
assert max(errors["in both"].values()) < 1e-13

# %% [markdown]
# How much it matters depends on the share. A worker with $n$ pictures guesses the mean from them, and its guess is off
# by about $1 / \sqrt n$. But with equal shares the two are off by the same in opposite directions, and part of that
# cancels when their gradients are added: they fall between $1 / \sqrt n$ and $1 / n$.

# %%
sizes, errors_of = (2, 4, 8, 16, 32, 64), []
for n in sizes:
    trials = []
    for seed in range(24):
        chosen = np.random.default_rng(seed).permutation(len(digits.labels))[: 2 * n]
        batch, truth = (digits.images[chosen] / 255 - 0.5).astype(np.float64), digits.labels[chosen]
        two, one = by_two(normed, batch, truth, n, (1 / 2, 1 / 2)), gradients(normed, batch, truth)
        trials.append(off(two["conv.weight"], one["conv.weight"]))
    errors_of.append(np.mean(trials))
slope = np.polyfit(np.log(sizes), np.log(errors_of), 1)[0]
print("pictures a worker:", *(f"{n:6}" for n in sizes))
print("off by:           ", *(f"{error:6.1%}" for error in errors_of), f"  as n^{slope:.2f}")
assert -1 < slope < -0.5

# %%
if plt:
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    for k, (way, values) in enumerate(errors.items()):
        axes[0].bar(np.arange(6) + 0.27 * (k - 1), [100 * error for error in values.values()], 0.25, label=way)
    axes[0].set(title="Two workers and a batch norm", ylim=(0, 18), ylabel="off by, per cent")
    axes[0].set_xticks(range(6), right)
    axes[0].legend(ncols=3, loc="upper left")
    axes[1].plot(sizes, 100 * np.array(errors_of), "o-", label="gradient of the convolution, local")
    for power, style in ((0.5, "--"), (1, ":")):
        line = 100 * errors_of[0] * (2 / np.array(sizes)) ** power
        axes[1].plot(sizes, line, style, color="0.5", label=f"as $n^{{-{power}}}$")
    axes[1].set(title="It falls with the share", xlabel="pictures a worker, $n$", ylabel="off by, per cent")
    axes[1].set(xscale="log", yscale="log")
    axes[1].set_xticks(sizes, sizes)
    axes[1].set_xticks([], minor=True)
    axes[1].legend()
    plt.show()

# %% [markdown]
# So with large shares the batch norm is mostly left local: it is another function, but nothing is exchanged in the
# middle of a network. With a handful of pictures each, exchange. minires does either, with real processes:
# `mpiexec -n 2 minires train --parallel mpi`, and `--batch-norm global` for the second.

# %% [markdown]
# ## Exercise 1: derive
#
# For two classes one logit $z$ is enough: $p = 1 / (1 + e^{-z})$ is the probability of class 1, and the loss of an
# example is $-\log p$ if it is of class 1, else $-\log(1 - p)$. The loss of the batch is the mean. Derive its gradient
# and write `binary_backward(z, t)`, with `z` and `t` (zeros and ones) of the shape `(N,)`.


# %%
def check_1(answer):
    rng = np.random.default_rng(1)
    for n in (1, 7):
        z, t = 2 * rng.standard_normal(n), rng.integers(0, 2, n)

        def value(z, t=t):
            p = 1 / (1 + np.exp(-z))
            return -np.log(np.where(t == 1, p, 1 - p)).mean()

        dz = answer(z, t)
        assert np.shape(dz) == z.shape, f"dz has the shape {np.shape(dz)}, expected that of z, {z.shape}"
        true = [value(z + 1e-30j * step).imag / 1e-30 for step in np.eye(n)]
        times = np.dot(dz, true) / np.dot(true, true)
        assert np.isclose(times, 1) or not np.allclose(dz, times * np.array(true)), (
            f"dz is {times:.3g} times the gradient"
        )
        assert np.allclose(dz, true), f"dz is wrong by up to {abs(dz - true).max():.2g}"


# %% tags=["answer", "hide-cell"]
def binary_backward(z, t):
    return (1 / (1 + np.exp(-z)) - t) / len(z)  # p - t again: it is the softmax of the two logits 0 and z


check_1(binary_backward)

# %% [markdown]
# ## Exercise 2: predict, then measure
#
# A network that has just been made gives the same logit to each of $K$ classes. Write `at_start(K)`, which returns two
# numbers for one example: its loss, and the norm (the root of the sum of squares) of the gradient of its logits.


# %%
def check_2(answer):
    for K in (2, 10, 1000):
        found = answer(K)
        assert isinstance(found, tuple) and len(found) == 2, "expected two numbers: return loss, norm"
        value, cache = SoftmaxCrossEntropy().forward(np.zeros((1, K)), np.array([1]))
        for name, mine, true in zip(
            ("loss", "norm"), found, (value, np.linalg.norm(SoftmaxCrossEntropy().backward(cache)))
        ):
            assert np.isclose(mine, true), f"K = {K}: the {name} is {true:.4f}, not {mine:.4f}"


# %% tags=["answer", "hide-cell"]
def at_start(K):
    # p - y is 1 / K - 1 once and 1 / K for K - 1 classes; the squares add up to 1 - 1 / K
    return np.log(K), np.sqrt(1 - 1 / K)


check_2(at_start)

# %% [markdown]
# ## Exercise 3: find the bug
#
# Somebody wrote the backward of max pooling with 2 x 2 windows. It passes every check with random inputs, and a
# network with it trains. Then come pictures with large black areas. What happens there? Write
# `maxpool_backward(dy, x)` right: `x` is `(H, W)` with even sizes, `dy` is `(H / 2, W / 2)`; of equal pixels the first
# one of the window, row by row, wins.


# %%
def wrong_maxpool_backward(dy, x):
    windows = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2)
    is_largest = windows == windows.max(axis=(1, 3), keepdims=True)
    return (is_largest * dy[:, None, :, None]).reshape(x.shape)


def check_3(answer):
    rng = np.random.default_rng(2)
    for x in (rng.standard_normal((4, 6)), rng.integers(0, 2, (8, 4)) / 1.0, np.zeros((2, 2))):
        y, cache = MaxPool2d(2).forward(x[None, None])
        dy = rng.standard_normal(y.shape)
        found, true = answer(dy[0, 0], x), MaxPool2d(2).backward(dy, cache)[0, 0]
        assert np.shape(found) == x.shape, f"dx has the shape {np.shape(found)}, expected {x.shape}"
        assert np.allclose(found.sum(), dy.sum()), f"gradients {dy.sum():.3f} went in, {found.sum():.3f} came out"
        assert np.allclose(found, true), "the gradient arrives at the wrong pixel"


# %% tags=["answer", "hide-cell"]
def maxpool_backward(dy, x):
    oh, ow = dy.shape
    windows = x.reshape(oh, 2, ow, 2).swapaxes(1, 2).reshape(oh, ow, 4)  # where all are equal, all four got dy
    dx = np.zeros((oh, ow, 4))
    np.put_along_axis(dx, windows.argmax(axis=2)[:, :, None], dy[:, :, None], axis=2)  # argmax gives the first
    return dx.reshape(oh, ow, 2, 2).swapaxes(1, 2).reshape(x.shape)


check_3(maxpool_backward)

# %% [markdown]
# ## What this settles
#
# *Claim: the gradient of softmax with cross-entropy is $p - y$.* True, divided by $N$ where the loss is a mean. Both
# together, and only together: behind another loss the softmax lets almost nothing through where it is sure.
#
# *Claim: a step against the gradient lowers the loss.* True for small steps, and Taylor's line says by how much.
#
# *Claim: two workers with half of the batch each compute what one computes.* True of everything that treats the
# examples one by one, if the sum is weighted by examples. Not with batch norm, unless it exchanges its sums, backward
# too.
#
# You have written every part of a network. Next: [train one that works](06_a_first_trained_network.py).
