# %% [markdown]
# # 18. The weights of others: transfer learning
#
# A network that somebody else has trained is a file of numbers with names. This tutorial opens such a file, sees what
# happens when the names do not fit, and makes the network tell apart what it was never trained for, from one picture of
# each kind.
#
# **You need**: [a training step](05_losses_and_a_training_step.py), [batch norm](04_batch_norm.py)'s running
# statistics, what an option A or B of a [shortcut](11_shortcuts_and_gates.py) is.
#
# **You will be able to**: load weights that PyTorch has saved, replace a head and freeze the rest, say what a frozen
# batch norm still does, and judge by controls whether transfer has helped.
#
# **Time**: 30 minutes

# %%
import os
import tempfile
import textwrap
from pathlib import Path

import numpy as np

from minires.data import Normalize, load
from minires.errors import CheckpointError
from minires.layers import Linear
from minires.losses import SoftmaxCrossEntropy
from minires.models import build
from minires.models.transfer import features, freeze_but, replace_head
from minires.train import SGD, train_step
from minires.weights import build_with_weights, load_weights, read_weights, save_weights

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

FAST = bool(os.environ.get("MINIRES_FAST"))  # shorter trainings, for a slow machine
STEPS = 40 if FAST else 60
folder = Path(tempfile.mkdtemp())
train, test = load("fashion_mnist_12k", "train"), load("fashion_mnist_12k", "test")
normalize = Normalize.of(train)
OLD = ("T-shirt/top", "coat", "sandal", "shirt", "bag", "ankle boot")
NEW = ("trouser", "pullover", "dress", "sneaker")


def pictures(data, classes, of_each=None, seed=0):
    """Images of some classes, 14x14 pixels to be quick, and their labels 0, 1, ... in the order of ``classes``."""
    order = np.random.default_rng(seed).permutation(len(data))
    chosen = [order[data.labels[order] == data.classes.index(name)][:of_each] for name in classes]
    x = normalize(data.images[np.concatenate(chosen)])
    labels = np.repeat(np.arange(len(classes)), [len(indices) for indices in chosen])
    return x.reshape(-1, 1, 14, 2, 14, 2).mean(axis=(3, 5)), labels


def learn(model, x, labels, steps, lr, batch=20):
    loss, optimizer, rng = SoftmaxCrossEntropy(), SGD(model.params(), lr=lr, momentum=0.9), np.random.default_rng(0)
    for step in range(steps):
        chosen = rng.choice(len(x), min(batch, len(x)), replace=False)
        train_step(model, loss, optimizer, x[chosen], labels[chosen], lr * (1 - step / steps))
    return model


def accuracy(model, x, labels):
    return (model(x).argmax(axis=1) == labels).mean()


# %% [markdown]
# ## The network of somebody else
#
# Somebody trains a network on six kinds of clothes, and publishes the weights with the names that PyTorch's users know.
# The format is **safetensors**: a header with names, types and shapes, then the numbers. Files of `torch.save` (`.pth`,
# `.pt`, `.th`) are read too, without PyTorch, and without running what may be hidden in them.

# %%
theirs = learn(
    build("resnet8", in_channels=1, num_classes=6, shortcut="B", rng=0),
    *pictures(train, OLD),
    steps=45 if FAST else 90,
    lr=0.1,
    batch=50,
)
right = accuracy(theirs, *pictures(test, OLD, of_each=100))
print(f"six kinds of clothes: {right:.1%}")
assert right > 0.75

published = folder / "clothes.safetensors"
save_weights(published, theirs, layout="chenyaofo")  # torchvision's names, for networks of small images
for name, array in list(read_weights(published).items())[-7:]:
    print(f"{name:<40} {array.shape}")
assert read_weights(published)["layer2.0.downsample.0.weight"].shape == (32, 16, 1, 1)

# %% [markdown]
# ## We build the network, and the names find their places
#
# The layout is found by the names themselves. In PyTorch the other direction is
# `net.load_state_dict(safetensors.torch.load_file(path))`.

# %%
model, layout = build_with_weights("resnet8", published, in_channels=1, num_classes=6)
print("these are the names of", layout.name)
x_new, y_new = pictures(test, NEW, of_each=100)
assert layout.name == "chenyaofo"
assert (model(x_new) == theirs(x_new)).all()

# %% [markdown]
# ## When they do not fit
#
# Then nothing is loaded, and all differences come at once, with the likeliest reason. Here the file has 1x1
# convolutions in its shortcuts (option B), and our network has none (option A):

# %%
other = build("resnet8", in_channels=1, num_classes=6, shortcut="A", rng=0)
before = {path: tensor.data.copy() for path, tensor in other.tensors()}
try:
    load_weights(published, other)
except CheckpointError as error:
    first, *differences, hint = str(error).splitlines()
    print(first.removeprefix(str(folder)), *differences[:3], "  ...", hint, sep="\n")
assert len(differences) == 10 and "shortcut='B'" in hint
assert all((tensor.data == before[path]).all() for path, tensor in other.tensors())

# %% [markdown]
# And a network for four kinds of clothes is not one for six. The remedy in the last line is what we do next.

# %%
try:
    load_weights(published, build("resnet8", in_channels=1, num_classes=4, shortcut="B", rng=0))
except CheckpointError as error:
    _, *differences, hint = str(error).splitlines()
    print(*differences, *textwrap.wrap(hint, 96), sep="\n")
assert len(differences) == 2 and "replace_head" in hint

# %% [markdown]
# ## Another head, the rest frozen
#
# The last linear layer, which gives a number for each class, is the *head*; to use the rest for another task is
# **transfer learning**. `replace_head` gives a copy that shares everything but the head; `freeze_but` freezes all but
# that. A **frozen parameter** costs no gradient: the layer leaves its product out, and `grad` stays zero.

# %%
tuned = freeze_but(replace_head(model, len(NEW), rng=1))
x_few, y_few = pictures(train, NEW, of_each=5)
weights = {path: param.data.copy() for path, param in tuned.params()}
statistics = tuned.at("stem.bn").running_mean.data.copy()
learn(tuned, x_few, y_few, steps=STEPS, lr=0.05)

trained = sum(p.data.size for _, p in tuned.params() if not p.frozen)
print(f"{trained} of {sum(p.data.size for _, p in tuned.params()):,} parameters were trained")
print(f"four new kinds, from {len(x_few)} pictures: {accuracy(tuned, x_new, y_new):.1%}")
assert trained == 64 * 4 + 4
for path, param in tuned.params():
    moved = (param.data != weights[path]).any()
    assert moved == path.startswith("head.fc") and (param.grad == 0).all() == param.frozen

# %% [markdown]
# Mind the batch norms: `gamma` and `beta` are frozen, but in training they go on to track the mean and variance of what
# they see. Those are the copy's own; the original is as it was.

# %%
assert (tuned.at("stem.bn").running_mean.data != statistics).any()
assert (model(x_new) == theirs(x_new)).all()

# %% [markdown]
# ## Features: run the frozen part once
#
# What is frozen need not run again at each step. `features` cuts the network behind a layer; its output, 64 numbers for
# each picture, is all that a new head has to see.

# %%
trunk = features(model, "head.flatten")
untrained = features(build("resnet8", in_channels=1, num_classes=6, shortcut="B", rng=9), "head.flatten")
print("one picture becomes", trunk(x_few[:1]).shape[1], "numbers")
seen = {network: network(x_new) for network in (trunk, untrained)}


def from_features(trunk, x, labels):
    head = learn(Linear(64, len(NEW), rng=0), trunk(x), labels, steps=STEPS, lr=0.05)
    return accuracy(head, seen[trunk], y_new)


def from_nothing(x, labels):
    fresh = build("resnet8", in_channels=1, num_classes=len(NEW), shortcut="B", rng=0)
    return accuracy(learn(fresh, x, labels, steps=STEPS, lr=0.05), x_new, y_new)


# %% [markdown]
# Does it help that those 64 were learned on *other* clothes? Two controls: the features of a network that was never
# trained, and a network that learns from nothing but the few pictures. Means of three choices of the pictures:

# %%
means = {}
for count in (1, 5):
    few = [pictures(train, NEW, of_each=count, seed=seed) for seed in range(3)]
    means[count] = {
        "features of others": np.mean([from_features(trunk, *part) for part in few]),
        "features of an untrained network": np.mean([from_features(untrained, *part) for part in few]),
        "all weights, from nothing": np.mean([from_nothing(*part) for part in few]),
    }
    for way, mean in means[count].items():
        print(f"{count} of each kind, {way:<33} {mean:.1%}")
best = max(means[1].values())
assert best == means[1]["features of others"] > means[1]["all weights, from nothing"] + 0.05
assert best > means[1]["features of an untrained network"] + 0.05
lead = {count: mean["features of others"] - mean["all weights, from nothing"] for count, mean in means.items()}
assert lead[5] < lead[1] / 2

# %%
if plt:
    figure, axes = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
    for i, way in enumerate(means[1]):
        heights = [means[count][way] for count in means]
        axes.bar(np.arange(len(means)) + 0.27 * (i - 1), heights, width=0.25, label=way)
    axes.axhline(1 / len(NEW), color="0.5", linestyle=":", label="guessing")
    axes.set(
        xlabel="pictures to learn from",
        ylabel="test accuracy",
        ylim=(0, 1),
        title="Four kinds of clothes from few pictures",
    )
    axes.set_xticks(range(len(means)), [f"{count} of each kind" for count in means])
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    plt.show()

# %% [markdown]
# One picture of each kind is too little to learn 77,000 weights from, but enough for 260. With five of each the
# advantage over learning from nothing is gone: what others have learned is worth most where we know least.
#
# ## And back into a file
#
# With PyTorch's names again, so that others can go on from here.

# %%
save_weights(folder / "four.safetensors", tuned, layout="chenyaofo")
again, _ = build_with_weights("resnet8", folder / "four.safetensors", in_channels=1, num_classes=len(NEW))
assert (again(x_new) == tuned(x_new)).all()
assert read_weights(folder / "four.safetensors")["fc.weight"].shape == (4, 64)

# %% [markdown]
# The weights of large networks on the internet work the same way. With those that akamaster published for CIFAR-10:
#
#     minires eval --model resnet20 --weights resnet20-12fca82f.th --data cifar10 --data-dir DIR

# %% [markdown]
# ## Exercise 1: what is trained?
#
# Write `trained_share(model)`: the share of the parameters of a model that are not frozen.

# %%


def check_1(answer):
    fresh = build("resnet8", rng=0)
    for net, name in ((fresh, "a fresh network"), (freeze_but(replace_head(fresh, 7, rng=0)), "one with a new head")):
        params = [p for _, p in net.params()]
        share = sum(p.data.size for p in params if not p.frozen) / sum(p.data.size for p in params)
        found = answer(net)
        assert isinstance(found, float) and np.isclose(found, share), f"{name}: {share:.4f}, not {found}"


# %% tags=["answer", "hide-cell"]
def trained_share(model):
    sizes = [(p.data.size, p.frozen) for _, p in model.params()]
    return sum(size for size, frozen in sizes if not frozen) / sum(size for size, _ in sizes)


check_1(trained_share)

# %% [markdown]
# ## Exercise 2: the names of another world
#
# A file of PyTorch calls a batch norm's arrays `weight`, `bias`, `running_mean`, `running_var` and
# `num_batches_tracked`; minires calls them `gamma`, `beta`, `running_mean` and `running_var`. Write
# `renamed(arrays, norms)`: from a dict of the file, with names such as `"bn1.weight"`, and the set of the names of its
# batch norms (`{"bn1"}`), make the dict that minires would want. Other layers keep their names.

# %%


def check_2(answer):
    a, b, c, d, e = np.random.default_rng().standard_normal((5, 3))
    file = {"conv1.weight": a, "bn1.weight": b, "bn1.bias": c, "bn1.running_mean": d, "bn1.num_batches_tracked": e}
    found = answer(dict(file), {"bn1"})
    expected = {"conv1.weight": a, "bn1.gamma": b, "bn1.beta": c, "bn1.running_mean": d}
    assert isinstance(found, dict) and set(found) == set(expected), f"expected the names {sorted(expected)}"
    assert all(found[name] is array for name, array in expected.items()), "an array stands under another's name"


# %% tags=["answer", "hide-cell"]
def renamed(arrays, norms):
    found = {}
    for name, array in arrays.items():
        layer, _, kind = name.rpartition(".")
        if layer in norms:
            if kind == "num_batches_tracked":  # a count that nothing here needs
                continue
            kind = {"weight": "gamma", "bias": "beta"}.get(kind, kind)
        found[f"{layer}.{kind}"] = array
    return found


check_2(renamed)

# %% [markdown]
# ## Exercise 3: a head in closed form
#
# With features $X$ (N, D) and one-hot targets $T$ (N, K) the best linear head in the sense of squares needs no steps:
# *ridge regression*, $W = (X^T X + \lambda I)^{-1} X^T T$. Write `ridge(X, labels, classes, strength)` that returns
# $W$, (D, K), with $\lambda$ = `strength`.

# %%


def check_3(answer):
    rng = np.random.default_rng()
    X, labels = rng.standard_normal((30, 6)), rng.integers(0, 3, 30)
    W = answer(X, labels, 3, 0.5)
    assert np.shape(W) == (6, 3), f"the shape is {np.shape(W)}, expected (6, 3)"
    T = np.eye(3)[labels]
    slope = 2 * X.T @ (X @ W - T) + 2 * 0.5 * W  # of |X W - T|^2 + lambda |W|^2: zero at the best W
    assert abs(slope).max() < 1e-8, f"the gradient of the ridge loss is not zero there, but {abs(slope).max():.1e}"


# %% tags=["answer", "hide-cell"]
def ridge(X, labels, classes, strength):
    T = np.eye(classes)[labels]
    return np.linalg.solve(X.T @ X + strength * np.eye(X.shape[1]), X.T @ T)


check_3(ridge)
W = ridge(trunk(x_few).astype(float), y_few, len(NEW), 1.0)
print(f"in closed form, from {len(x_few)} pictures: {np.mean((seen[trunk] @ W).argmax(axis=1) == y_new):.1%}")

# %% [markdown]
# ## What this settles
#
# "What a network has learned on one task serves another": here it does, between clothes and clothes, with very few
# pictures, and the lead shrinks as they become more. The experiment `transfer` asks harder questions (objects to
# clothes, objects to digits), and its verdict is that it does not hold everywhere.
#
# Next: what makes all these layers fast, [the engine](19_the_engine.py).
