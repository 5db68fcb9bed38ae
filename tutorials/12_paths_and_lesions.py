# %% [markdown]
# # 12. Paths, ensembles and lesions
#
# At every block the gradient goes two ways. Through $n$ blocks that makes $2^n$ ways, a million for twenty blocks. Seen
# so, a residual network is not one deep network but a great many of all depths, which share their weights. This
# tutorial counts the ways, finds how much of the gradient each length brings, and takes blocks out of a trained network
# to see what it does without them.
#
# **You need**: the tutorials before this one, above all [the "1 +"](09_the_one_plus.py).
#
# **You will be able to**: split a gradient by the number of branches on its way, without listing the ways; and say
# what an experiment with deleted blocks shows and what not.
#
# **Time**: 35 minutes

# %%
import itertools
import math

import numpy as np

from minires import models
from minires.data import Normalize
from minires.experiments import Lab
from minires.models import lesions
from minires.trace import all_paths, path_lengths, sample_paths, trace

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)

# %% [markdown]
# ## Multiply it out
#
# Let $A_i^T$ be what the shortcut of block $i$ does to the gradient (nothing, where it is the identity), and $B_i^T$
# what the branch does. One block: $g_i = (A_i + B_i)^T g_{i+1}$. Two blocks, multiplied out:
#
# $$g_0 = (A_0 + B_0)^T (A_1 + B_1)^T g_2 =
# \underbrace{A_0^T A_1^T g_2}_{\text{no branch}} +
# \underbrace{B_0^T A_1^T g_2 + A_0^T B_1^T g_2}_{\text{one branch}} +
# \underbrace{B_0^T B_1^T g_2}_{\text{two}}.$$
#
# Each term is a way through the network; the number of branches on it is its **path length**. Of $n$ blocks there are
# $\binom{n}{k}$ ways of length $k$. In 54 blocks, as ResNet-110 has, nearly all ways have a length near 27:

# %%
n = 54
part = [math.comb(n, k) / 2**n for k in range(n + 1)]
print(f"{2**n:,} ways; of lengths 19 to 35: {sum(part[19:36]):.1%}, of lengths 5 to 17: {sum(part[5:18]):.2%}")
assert sum(part[19:36]) > 0.95 and sum(part[5:18]) < 0.005

# %% [markdown]
# ## All ways of one length, without listing them
#
# Let $G_k$ be the sum of the terms with exactly $k$ branches. Nobody can list $2^{54}$ terms, and nobody has to. Go
# from the last block to the first, and keep one array for each length.
#
# *1.* Behind the last block there is one way, without branches: $G_0 = g_L$.
#
# *2.* A way of length $k$ before block $i$ came either through its shortcut, and was of length $k$ behind it, or
# through its branch, and was of length $k - 1$:
#
# $$G_k \leftarrow A_i^T G_k + B_i^T G_{k-1}.$$
#
# *3.* In the end $\sum_k G_k$ is the whole gradient, because no way is left out and none is counted twice. On small
# matrices, against the list of all ways:

# %%
A, B = rng.standard_normal((2, 5, 3, 3))  # five blocks
g_L = rng.standard_normal(3)
G = [g_L]  # line 1
for i in reversed(range(5)):
    behind = [*G, 0 * g_L]
    G = [behind[k] @ A[i] + (behind[k - 1] @ B[i] if k else 0) for k in range(len(behind))]  # line 2

listed = [np.zeros(3) for _ in range(6)]
for ways in itertools.product("AB", repeat=5):
    g = g_L
    for i in reversed(range(5)):
        g = g @ (A if ways[i] == "A" else B)[i]
    listed[ways.count("B")] += g
assert np.allclose(G, listed)
g = g_L
for i in reversed(range(5)):
    g = g @ (A[i] + B[i])
assert np.allclose(sum(G), g)  # line 3

# %% [markdown]
# ## In a trained network
#
# A network of 32 layers, 15 blocks, is trained for a few seconds, and a plain one of 14 layers for comparison.

# %%
EPOCHS, NARROW = 6, {"widths": (4, 8, 16), "rng": 0}
lab = Lab()
digits, test = lab.digits
normalize = Normalize.of(digits)
residual = models.build("digits_resnet32", block="full_preact", **NARROW)
plain = models.build("digits_plain14", **NARROW)
for name, model in (("resnet32", residual), ("plain14", plain)):
    rows = lab.train(model, EPOCHS, seed=0, limit_train=720, batch_size=32)
    print(f"{name}: training loss {rows[-1]['train_loss']:.2f}, test accuracy {rows[-1]['test_accuracy']:.0%}")

images, labels = normalize(digits.images[:16], np.float64), digits.labels[:16]  # (16, 1, 8, 8), (16,)
ledger = trace(residual.to(dtype=np.float64), images, labels)
lengths = path_lengths(ledger)
print(lengths)
print(f"the G_k miss the gradient by {lengths.error:.0e} of it; it took {lengths.residual_products} products")
assert lengths.error < 1e-12
assert lengths.residual_products == 15 * 16 // 2  # not 2^15

few = path_lengths(ledger, 11, 15)  # the last four blocks: 16 ways can be listed
by_hand = [0] * 5
for branches, gradient in all_paths(ledger, 11, 15):
    by_hand[len(branches)] = by_hand[len(branches)] + gradient
assert all(np.allclose(a, b, rtol=0, atol=1e-12) for a, b in zip(few.gradients, by_hand, strict=True))

# %% [markdown]
# How much does each length bring? There are two answers, and they must not be mixed.
#
# * Veit et al. 2016 look at *single* ways: the mean norm of the gradient of one, times their number. Norms know no
#   sign, so this counts what cancels as well.
# * The exact one: the part of $G_k$ along the whole gradient, $\langle G_k, g\rangle / \langle g, g\rangle$.
#   These parts add up to 1, and some may be negative.

# %%
single = sample_paths(ledger, samples=6, rng=0)
share = np.array(lengths.counts) / 2**15
print("length   share of the ways   number times norm   exact, with sign")
for k in range(16):
    print(f"{k:6d} {share[k]:19.2%} {single.contributions[k]:19.2%} {lengths.projections[k]:18.2%}")
assert abs(sum(lengths.projections) - 1) < 1e-9
print(f"mean length: of all ways {15 / 2}, by what a way brings {single.mean_length:.1f}")
assert single.mean_length < 15 / 2 - 0.5

# %%
if plt:
    figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
    panels[0].semilogy(single.lengths, single.mean_norms, "o-")
    panels[0].set(
        xlabel="branches on the way", ylabel="norm of the gradient of one way", title="Longer ways bring less"
    )
    panels[1].plot(share, "--", label="number of ways")
    panels[1].plot(single.contributions, "o-", label="number times norm")
    panels[1].plot(lengths.projections, "s-", label="exact, with sign")
    panels[1].set(xlabel="branches on the way", ylabel="part", title="Short ways bring more than their share")
    panels[1].legend()
    plt.show()

# %% [markdown]
# Each branch multiplies the gradient of a way by a factor below 1, and that beats the number of ways. The experiment
# `path_lengths` has 27 blocks: by Veit's measure nearly all comes from ways of at most 16 branches, on average of 7 or
# so.
#
# ## Lesions
#
# If a network is a crowd of ways, it should survive the loss of some. A **lesion study** takes a trained network, sets
# the *branch* of a block to 0, and measures the accuracy: at test time, without any training afterwards. (One article
# says that shortcuts are destroyed and the network still trains. It is the branches, and nothing is trained.) Half of
# the ways lead through the branch of any one block, so half of all ways are gone. In the plain network all of them are.


# %%
def accuracy(model):
    """Part of the test images that it classifies rightly, by the fast engine."""
    return float((lab.fast(model)(normalize(test.images, np.float32)).argmax(axis=1) == test.labels).mean())


residual.to(dtype=np.float32)
whole, whole_plain = accuracy(residual), accuracy(plain)
forks = lesions.forks(residual)
drops = [whole - accuracy(lesions.delete(residual, fork)) for fork in forks]
same_shape = ("stage1.0", "stage1.1", "stage2.1", "stage3.1")
drops_plain = [whole_plain - accuracy(lesions.bypass(plain, block, image=(1, 8, 8))) for block in same_shape]
for name, lost in (("residual", drops), ("plain", drops_plain)):
    print(f"accuracy lost without one block, {name}, median {np.median(lost):.2f}:")
    print("   ", *(f"{one:.2f}" for one in lost))
assert np.median(drops) < 0.25 and np.median(drops_plain) > np.median(drops) + 0.2

# %%
if plt:
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    axes.bar(range(15), drops, label="residual, 32 layers")
    axes.bar([16, 17, 18, 19], drops_plain, label="plain, 14 layers")
    axes.set(xlabel="the block that is missing, from first to last", ylabel="accuracy that is lost")
    axes.set(title="One block missing", xticks=[])
    axes.legend()
    plt.show()

# %% [markdown]
# And with several blocks missing the accuracy falls step by step, not at once:

# %%
inner = [fork for fork in forks if not fork.startswith(("stage1.0", "stage2.0", "stage3.0"))]
errors = {}
for count in (0, 1, 2, 4, 6, 8):
    found = []
    for _ in range(4 if count else 1):
        lesioned = residual
        for fork in rng.choice(inner, count, replace=False):
            lesioned = lesions.delete(lesioned, str(fork))
        found.append(1 - accuracy(lesioned))
    errors[count] = float(np.mean(found))
print("error by the number of missing blocks:", {count: round(error, 2) for count, error in errors.items()})
assert errors[0] < errors[4] < errors[8]

# %% [markdown]
# ## What it shows, and what not
#
# A set of models whose votes are averaged is an **ensemble**, and it too gets worse step by step if members are taken
# away. That is the likeness; it is no more. The ways share their weights and were trained together, so they are not
# *independent* (one article says "interdependent" and "independent" in two lines; the paper says that they do not
# *strongly depend* on each other). And not every block can be spared: the first ones carry more than the others, see
# the picture. The experiment `lesions` has 56 layers, and blocks in another order, too.
#
# The 3.57 per cent of the competition of 2015 are those of a real ensemble, of six networks; the best single network
# had 4.49 (experiment `ensemble`).

# %% [markdown]
# ## Exercise 1: the programme
#
# Write `by_length(A, B, g)`: `A` and `B` are lists of n square matrices, `g` a row behind the last block, and a row
# goes back through a block by `g @ A[i]` or `g @ B[i]`. Return the list $G_0, \ldots, G_n$, for n up to 200: no
# listing.


# %%
def check_1(by_length):
    rng = np.random.default_rng()
    for n in (1, 4, 100):
        A, B = 0.5 * rng.standard_normal((2, n, 2, 2))
        g = rng.standard_normal(2)
        found = by_length(list(A), list(B), g)
        assert isinstance(found, list) and len(found) == n + 1, f"expected a list of {n + 1} arrays"
        for z in (1.0, -1.0, 0.5):  # sum_k z^k G_k is the gradient with every branch times z
            whole = g
            for i in reversed(range(n)):
                whole = whole @ (A[i] + z * B[i])
            total = sum(z**k * G for k, G in enumerate(found))
            scale = sum(np.abs(z**k * G) for k, G in enumerate(found)).max()
            assert np.shape(total) == g.shape, "each G_k has the shape of g"
            assert np.allclose(total, whole, rtol=0, atol=1e-9 * scale), f"with branches times {z} the sum is wrong"


# %% tags=["answer", "hide-cell"]
def by_length(A, B, g):
    G = [g]
    for a, b in zip(reversed(A), reversed(B), strict=True):
        shortcut = [*(one @ a for one in G), 0 * g]
        branch = [0 * g, *(one @ b for one in G)]  # one longer
        G = [x + y for x, y in zip(shortcut, branch, strict=True)]
    return G


check_1(by_length)

# %% [markdown]
# ## Exercise 2: how many ways are short?
#
# Write `share(n, low, high)`: the part of the $2^n$ ways whose length is from `low` to `high`, both included. For 54
# blocks: predict first whether lengths 5 to 17, which in the paper bring nearly all of the gradient, are a half, a
# tenth or less of the ways.


# %%
def check_2(share):
    for n, low, high, right in (
        (2, 0, 0, 0.25),
        (2, 1, 1, 0.5),
        (54, 0, 54, 1.0),
        (54, 19, 35, 0.980),
        (54, 5, 17, 0.0045),
    ):
        found = share(n, low, high)
        assert np.isscalar(found), f"expected a number, got {type(found).__name__}"
        assert abs(found - right) < 5e-4, f"share({n}, {low}, {high}) is {found:.4f}, expected {right}"


# %% tags=["answer", "hide-cell"]
def share(n, low, high):
    return sum(math.comb(n, k) for k in range(low, high + 1)) / 2**n


check_2(share)

# %% [markdown]
# ## Exercise 3: which ways are left?
#
# From `n` blocks somebody cuts the branches of the blocks in the set `branches` and the shortcuts of those in the set
# `shortcuts`. How many of the $2^n$ ways remain? Write `ways_left(n, branches, shortcuts)`. What does it give for a
# plain network, which is one with all shortcuts cut, when one branch is cut as well?


# %%
def check_3(ways_left):
    rng = np.random.default_rng()
    cases = [(4, set(), set()), (4, {1}, set()), (4, {2}, {0, 1, 2, 3}), (4, set(), {0, 1, 2, 3})]
    cases += [(5, *(set(np.flatnonzero(rng.random(5) < 0.4).tolist()) for _ in range(2))) for _ in range(10)]
    for n, branches, shortcuts in cases:
        ways = itertools.product((True, False), repeat=n)  # through the branch of each block, or not
        right = sum(all(i not in (branches if through else shortcuts) for i, through in enumerate(w)) for w in ways)
        found = ways_left(n, branches, shortcuts)
        assert np.isscalar(found), f"expected a number, got {type(found).__name__}"
        assert found == right, (
            f"with branches {branches} and shortcuts {shortcuts} cut, of {2**n} ways {right} are left"
        )


# %% tags=["answer", "hide-cell"]
def ways_left(n, branches, shortcuts):
    if branches & shortcuts:
        return 0  # nothing passes that block
    return 2 ** (n - len(branches) - len(shortcuts))


check_3(ways_left)

# %% [markdown]
# ## What this settles
#
# *"A residual network is a collection of many paths of different length"*: exactly true of its gradient, the terms add
# up. *"Only the short paths contribute"*: by the norm of single ways, true in deep networks; how much, depends on
# depth and training. *"Destroying shortcuts hardly matters"*: it is branches, and some of them do matter. *"It is an
# ensemble"*: a likeness.
#
# Next: what the gradients of different images have in common, and how plain networks lose it, in
# [shattered gradients](13_shattered_gradients.py).
