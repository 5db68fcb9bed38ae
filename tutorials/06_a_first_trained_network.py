# %% [markdown]
# # 6. A first trained network
#
# Now the parts become a network that reads digits it has never seen. Along the way come the habits that save days:
# look at the loss before the first step, let the network learn one batch by heart, draw curves, try a learning rate
# that is too small and one that is too large, look at the weights, and save what you have.
#
# **You need**: [losses, and a training step](05_losses_and_a_training_step.py), and the ones before it.
#
# **You will be able to**: write a training loop, tell by its curves what is wrong, and save and load a network.
#
# **Time**: 30 minutes

# %%
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from minires import models
from minires.data import load
from minires.layers import BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from minires.losses import SoftmaxCrossEntropy
from minires.weights import load_weights, save_weights

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

FAST = bool(os.environ.get("MINIRES_FAST"))
rng = np.random.default_rng(0)

# %% [markdown]
# ## The data
#
# 1,797 digits, written by hand, 8 x 8 grey pixels each, come with minires. They are in two parts: the **training set**,
# from which the network learns, and the **test set**, which it never sees while it learns. Only the second says
# whether it has understood anything.
#
# Pixels are numbers from 0 to 255. A network learns better from numbers around 0 of size about 1, so we subtract the
# mean and divide by the standard deviation, both taken from the training set: the test set must not even lend its mean.

# %%
train, test = load("digits", "train"), load("digits", "test")
mean, std = train.images.mean(), train.images.std()


def pixels(images):
    return ((images - mean) / std).astype(np.float32)  # (N, 1, 8, 8)


print(f"{len(train.images)} images for training, {len(test.images)} for testing, classes {', '.join(train.classes)}")
assert abs(pixels(train.images).mean()) < 1e-5 and abs(pixels(train.images).std() - 1) < 1e-5
assert len(train.images) + len(test.images) == 1797

# %%
if plt:
    figure, axes = plt.subplots(2, 8, figsize=(8, 2.4), layout="constrained")
    for ax, image, label in zip(axes.flat, train.images, train.labels):
        ax.imshow(image[0], cmap="gray_r")
        ax.set(title=train.classes[label], xticks=[], yticks=[])
    figure.suptitle("Sixteen digits of the training set")
    plt.show()

# %% [markdown]
# ## The network
#
# Twice convolution, batch norm, ReLU, pooling; then a linear layer. Weights must start from random numbers (equal ones
# would stay equal for ever), of a size that keeps the signal about as large from layer to layer. minires draws them as
# He et al. proposed: with the variance $2 / D$, where $D$ is how many numbers are added up for one output. The last
# layer starts much smaller, so that the new network has no opinion yet.


# %%
def build(seed):
    rng = np.random.default_rng(seed)
    net = Sequential(
        conv1=Conv2d(1, 16, 3, padding=1, rng=rng),  # (N, 1, 8, 8) -> (N, 16, 8, 8)
        bn1=BatchNorm2d(16),
        relu1=ReLU(),
        pool1=MaxPool2d(2),  # -> (N, 16, 4, 4)
        conv2=Conv2d(16, 32, 3, padding=1, rng=rng),  # -> (N, 32, 4, 4)
        bn2=BatchNorm2d(32),
        relu2=ReLU(),
        pool2=MaxPool2d(2),  # -> (N, 32, 2, 2)
        flat=Flatten(),  # -> (N, 128)
        linear=Linear(128, 10, rng=rng),  # -> (N, 10)
    )
    net["linear"].weight.data *= 0.03
    return net


net = build(seed=0)
cost = models.summarize(net, (1, 8, 8))
print(f"{cost.params:,} parameters, {cost.macs:,} multiplications for one image")
by_hand = 16 * 9 + 2 * 16 + 32 * 16 * 9 + 2 * 32 + 128 * 10 + 10
assert cost.params == by_hand
print(f"spread of conv2.weight: {net['conv2'].weight.data.std():.4f}, He's rule: {np.sqrt(2 / (16 * 9)):.4f}")
assert np.isclose(net["conv2"].weight.data.std(), np.sqrt(2 / (16 * 9)), rtol=0.05)

# %% [markdown]
# ## One step, as a function
#
# The step of the last tutorial, with one thing more. With small batches the gradient is noisy: each batch pulls its
# own way. **Momentum** adds the pulls up, old ones with less weight: a velocity keeps nine tenths of itself and takes
# the new gradient in,
#
# $$v \leftarrow 0.9\, v + g \qquad\qquad w \leftarrow w - \eta\, v$$
#
# Gradient descent on random batches is called **stochastic gradient descent**, SGD.

# %%
loss = SoftmaxCrossEntropy()


def train_step(net, velocity, x, labels, learning_rate):
    """One step on one batch; returns the loss before it."""
    logits, cache = net.forward(x, train=True)  # (N, 1, 8, 8) -> (N, 10)
    value, loss_cache = loss.forward(logits, labels)
    net.zero_grads()
    net.backward(loss.backward(loss_cache), cache)
    for name, p in net.params():
        velocity[name] = 0.9 * velocity.get(name, 0) + p.grad
        p.data -= learning_rate * velocity[name]
    return float(value)


# %% [markdown]
# ## Before any training: two questions
#
# *Is the loss of the new network about $\log 10$?* It knows nothing, so it should be. Much more would say that it has
# opinions before it has seen anything: numbers are too large somewhere.

# %%
batch, truth = pixels(train.images[:32]), train.labels[:32]
logits, _ = net.forward(batch, train=True)
at_start, _ = loss.forward(logits, truth)
print(f"loss of the new network {at_start:.2f}, log 10 = {np.log(10):.2f}")
assert abs(at_start - np.log(10)) < 0.1

# %% [markdown]
# *Can it learn one batch by heart?* 32 pictures, again and again. The loss must go to zero. It proves nothing about
# digits; but if it fails, there is a mistake in the network, the loss, or the step, and it is found in a second. To be
# sure that it tests what it should: with labels that make no sense it must work as well.

# %%
memory = {}
for name, labels in (("true labels", truth), ("labels drawn at random", rng.integers(0, 10, 32))):
    one, velocity = build(seed=0), {}
    memory[name] = [train_step(one, velocity, batch, labels, 0.03) for _ in range(60)]
    print(f"{name:<24} loss {memory[name][0]:.2f} -> {memory[name][-1]:.4f}")
    assert memory[name][-1] < 0.05

# %% [markdown]
# ## The training loop
#
# The training set in a random order, batch by batch, is one **epoch**. After each we measure the **accuracy**, the
# part of the test set that is classified rightly: the class is the one with the largest logit. Mind that `net(x)` is
# the evaluation: batch norm uses its running statistics, and nothing changes.


# %%
def accuracy(net, data):
    return float((net(pixels(data.images)).argmax(axis=1) == data.labels).mean())


def fit(net, learning_rate, epochs, seed=0, size=32):
    """Train; return the loss of every step, and the accuracy on the test set after every epoch."""
    rng, velocity, losses, accuracies = np.random.default_rng(seed), {}, [], []
    for _ in range(epochs):
        order = rng.permutation(len(train.images))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            losses.append(train_step(net, velocity, pixels(train.images[chosen]), train.labels[chosen], learning_rate))
        accuracies.append(accuracy(net, test))
    return losses, accuracies


losses, accuracies = fit(net, 0.03, epochs=3 if FAST else 6)
for epoch, value in enumerate(accuracies, start=1):
    print(f"epoch {epoch}: accuracy on the test set {value:.1%}")
assert accuracies[-1] > 0.93

# %%
if plt:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    axes[0].semilogy(losses, color="0.75", label="each step")
    smooth = np.convolve(losses, np.ones(20) / 20, mode="valid")
    axes[0].semilogy(np.arange(19, len(losses)), smooth, color="tab:blue", label="mean of 20 steps")
    axes[0].axhline(np.log(10), color="tab:red", linestyle=":", label="log 10: knows nothing")
    axes[0].set(title="Loss on the training set", xlabel="step", ylabel="loss")
    axes[0].legend()
    axes[1].plot(np.arange(1, len(accuracies) + 1), accuracies, "o-")
    axes[1].set(
        title="Accuracy on the test set",
        xlabel="epoch",
        ylabel="part that is right",
        xticks=range(1, len(accuracies) + 1),
    )
    plt.show()

# %% [markdown]
# ## Too slow, too fast
#
# The learning rate is the one number that always has to be found. Three of them, each from the same start:

# %%
rates = (0.0001, 0.03, 3.0)
curves = {rate: fit(build(seed=0), rate, epochs=1 if FAST else 2)[0] for rate in rates}
for rate, curve in curves.items():
    print(f"learning rate {rate:<7} loss of the last ten steps {np.mean(curve[-10:]):.3f}, of the first {curve[0]:.3f}")
ends = {rate: np.mean(curve[-10:]) for rate, curve in curves.items()}
assert ends[0.03] < 0.5 * ends[0.0001]  # too small: it hardly falls
assert ends[3.0] > 5 * ends[0.03] and max(curves[3.0]) > 2 * curves[3.0][0]  # too large: it jumps, and learns little

# %%
if plt:
    plt.figure(figsize=(7, 3.4), layout="constrained")
    for rate, curve in curves.items():
        plt.semilogy(np.arange(4, len(curve)), np.convolve(curve, np.ones(5) / 5, mode="valid"), label=f"{rate:g}")
    plt.axhline(np.log(10), color="0.5", linestyle=":", label="log 10")
    plt.title("Three learning rates, from one start")
    plt.xlabel("step")
    plt.ylabel("loss, mean of 5 steps")
    plt.legend(title="learning rate")
    plt.show()

# %% [markdown]
# Rules of thumb. A curve that hardly falls: ten times more. One that jumps, stays above $\log K$, or ends in `nan`: ten
# times less. Batch norm forgives much here, because the size of the filters before it does not matter.
#
# ## What do the weights look like?
#
# A linear layer alone, from 64 pixels to 10 classes, has for each class a weight for each pixel: a picture. It shows
# what speaks for the class (blue) and against it (red). Below it the sixteen filters that our network learnt, and what
# they started from. Nobody designed them; and most of each filter is still where it started, as the number says.

# %%
linear = Sequential(flat=Flatten(), linear=Linear(64, 10, rng=0))
linear["linear"].weight.data[...] = 0  # a single layer may start from zero, and what it learns shows more clearly
linear_accuracy = fit(linear, 0.01, epochs=3 if FAST else 6)[1][-1]
templates = linear["linear"].weight.data.reshape(10, 8, 8)
filters, start = net["conv1"].weight.data[:, 0], build(seed=0)["conv1"].weight.data[:, 0]  # (16, 3, 3)
moved = np.linalg.norm(filters - start) / np.linalg.norm(start)
print(
    f"a linear layer alone: {linear_accuracy:.1%}; the network {accuracies[-1]:.1%}; its filters moved by {moved:.0%}"
)
assert 0.85 < linear_accuracy and moved > 0.1

# %%
if plt:
    figure = plt.figure(figsize=(10, 3.6), layout="constrained")
    upper, lower = figure.subfigures(2, 1)
    for k, (ax, template) in enumerate(zip(upper.subplots(1, 10), templates)):
        ax.imshow(template, cmap="RdBu", vmin=-abs(templates).max(), vmax=abs(templates).max())
        ax.set(title=f"for {k}", xticks=[], yticks=[])
    for row, name, shown in zip(lower.subplots(2, 16), ("at the start", "trained"), (start, filters)):
        for ax, one in zip(row, shown):
            ax.imshow(one, cmap="RdBu", vmin=-abs(filters).max(), vmax=abs(filters).max())
            ax.set(xticks=[], yticks=[])
        row[0].set_title(f"filters {name}", fontsize=9, loc="left")
    plt.show()

# %% [markdown]
# ## Save it, and load it again
#
# A trained network is its arrays by name. Most of them are weights. The running statistics of batch norm are not, and
# are easily forgotten; without them the evaluation goes wrong. That is all there is in a file of weights.

# %%
with TemporaryDirectory() as folder:
    path = Path(folder, "digits.safetensors")
    save_weights(path, net)
    print(
        f"{path.stat().st_size:,} bytes, {len(dict(net.tensors()))} arrays, {len(dict(net.params()))} of them weights"
    )
    again = build(seed=1)  # other numbers
    assert accuracy(again, test) < 0.5
    load_weights(path, again)
x = pixels(test.images)
assert (again(x) == net(x)).all()  # the same, bit for bit

forgotten = dict(again.tensors())["bn1.running_var"]  # what if one of them had been forgotten?
forgotten.data = np.ones_like(forgotten.data)
print(f"loaded {accuracy(net, test):.1%}; with one running variance forgotten {accuracy(again, test):.1%}")
assert accuracy(again, test) < accuracy(net, test) - 0.05

# %% [markdown]
# ## With less typing
#
# What you have written here is `minires.train`, and a command. It adds what a long training needs: a schedule that
# lowers the learning rate, checkpoints from which it goes on after an interruption, and curves:
#
#     minires train --model digits_resnet8 --data digits --epochs 3

# %% [markdown]
# ## Exercise 1: measure without touching
#
# Write `right_in_parts(net, x, labels, size)`: the accuracy of `net` on any number of images, in batches of `size` (the
# last one may be smaller), because a large test set does not fit into memory at once. Beware of changing the network.


# %%
def check_1(answer):
    rng = np.random.default_rng(2)
    net, x, labels = build(seed=2), rng.standard_normal((50, 1, 8, 8)).astype(np.float32), rng.integers(0, 10, 50)
    net.forward(x, train=True)
    kept = {name: tensor.data.copy() for name, tensor in net.tensors()}
    true = (net(x).argmax(axis=1) == labels).mean()
    for size in (50, 7, 64, 1):
        found = answer(net, x, labels, size)
        assert np.shape(found) == () and isinstance(found, (int, float, np.number)), f"expected a number, got {found!r}"
        assert np.isclose(found, true), f"batches of {size}: accuracy {found:.4f}, all at once {true:.4f}"
        changed = [name for name, tensor in net.tensors() if (tensor.data != kept[name]).any()]
        assert not changed, f"the network was changed: {', '.join(changed)}"


# %% tags=["answer", "hide-cell"]
def right_in_parts(net, x, labels, size):
    right = 0
    for start in range(0, len(x), size):
        part = slice(start, start + size)
        right += (net(x[part]).argmax(axis=1) == labels[part]).sum()  # net(x), not net.forward(x, train=True)
    return right / len(x)  # not a mean of means: the last batch is smaller


check_1(right_in_parts)

# %% [markdown]
# ## Exercise 2: predict, then measure
#
# With momentum $\mu$ (0.9 above) and learning rate $\eta$, let the gradient be 1 in every step. How long is a step in
# the end? And which part of that is the `k`-th step (the first one has `k = 1`)? Write `step_length(lr, momentum, k)`,
# which returns both: the length in the end, and that part.


# %%
def check_2(answer):
    for lr, momentum, k in ((0.1, 0.9, 1), (0.03, 0.9, 7), (1.0, 0.5, 3), (0.2, 0.0, 2)):
        found = answer(lr, momentum, k)
        assert isinstance(found, tuple) and len(found) == 2, "expected two numbers: the length in the end, and a part"
        velocity, lengths = 0.0, []
        for _ in range(500):
            velocity = momentum * velocity + 1
            lengths.append(lr * velocity)
        for name, mine, true in zip(("length", "part"), found, (lengths[-1], lengths[k - 1] / lengths[-1])):
            assert np.isclose(mine, true), f"lr {lr}, momentum {momentum}, k {k}: the {name} is {true:.4f}, not {mine}"


# %% tags=["answer", "hide-cell"]
def step_length(lr, momentum, k):
    # the velocity is 1 + mu + mu^2 + ... + mu^(k - 1) = (1 - mu^k) / (1 - mu)
    return lr / (1 - momentum), 1 - momentum**k


check_2(step_length)

# %% [markdown]
# ## Exercise 3: find the bug
#
# This step runs, the loss even falls for a while, and then the training goes wild. Two lines are wrong. Write
# `sgd_step(net, x, labels, lr)`, one step of plain SGD without momentum; it returns the loss before the step.


# %%
def wrong_sgd_step(net, x, labels, lr):
    logits, cache = net.forward(x)
    value, loss_cache = loss.forward(logits, labels)
    net.backward(loss.backward(loss_cache), cache)
    for _, p in net.params():
        p.data -= lr * p.grad
    return float(value)


def check_3(answer):
    mine, right = build(seed=3), build(seed=3)
    for k in range(3):
        x, labels = pixels(train.images[32 * k : 32 * k + 32]), train.labels[32 * k : 32 * k + 32]
        found = answer(mine, x, labels, 0.05)
        logits, cache = right.forward(x, train=True)
        value, loss_cache = loss.forward(logits, labels)
        right.zero_grads()
        right.backward(loss.backward(loss_cache), cache)
        assert isinstance(found, (float, np.floating)), f"expected the loss, a number, got {type(found).__name__}"
        assert np.isclose(found, value, rtol=1e-4), f"step {k + 1}: loss {found:.4f}, expected {value:.4f}"
        for (name, p), (_, q) in zip(mine.params(), right.params()):
            q.data -= 0.05 * q.grad
            assert np.allclose(p.data, q.data, atol=1e-5), f"step {k + 1}: {name} went elsewhere"


# %% tags=["answer", "hide-cell"]
def sgd_step(net, x, labels, lr):
    logits, cache = net.forward(x, train=True)  # without train=True batch norm takes running statistics, and keeps none
    value, loss_cache = loss.forward(logits, labels)
    net.zero_grads()  # without it the gradients of all steps add up
    net.backward(loss.backward(loss_cache), cache)
    for _, p in net.params():
        p.data -= lr * p.grad
    return float(value)


check_3(sgd_step)

# %% [markdown]
# ## What this settles
#
# *Claim: a network that learns one batch by heart is written correctly.* Not quite: it shows that gradients point the
# right way. Wrong running statistics, or a test set that leaked into the training, pass it. That is what the accuracy
# on unseen images is for.
#
# *Claim: a loss above $\log K$ after the start means that something is wrong.* True as a rule of thumb: a network that
# knew nothing would do better. Most often it is the learning rate.
#
# This network has two convolutions. What would twenty do, or fifty-six? That is where residual networks begin:
# [why plain networks degrade](07_why_plain_networks_degrade.py).
