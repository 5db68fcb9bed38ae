# %% [markdown]
# # 9. The "1 +": following the gradient through a residual network
#
# The equation that made residual networks famous says how the gradient at block $l$ follows from that at block $L$. It
# contains a "1", which is the promise: whatever the branches do, the gradient of the output arrives. This tutorial
# derives the equation, takes it apart number by number in a real network, and finds out where it holds, where it
# does not, and why.
#
# **You need**: the tutorials before this one, above all [the residual add](08_the_residual_add.py).
#
# **You will be able to**: derive the equation in its two forms, read a ledger of gradients, and say of a network
# between which blocks the "1" is true.
#
# **Time**: 35 minutes

# %%
import numpy as np

from minires import models
from minires.data import Normalize, load
from minires.trace import audit, telescope, trace

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)
test = load("digits", "test")
images, labels = Normalize.of(test)(test.images[:16], np.float64), test.labels[:16]  # (16, 1, 8, 8), (16,)

# %% [markdown]
# ## The equation, line by line
#
# Take blocks with nothing behind their addition: $x_{i+1} = x_i + F_i(x_i)$. Call $g_i$ the gradient of the loss at
# $x_i$, and $J_i$ the Jacobian of $F_i$ at $x_i$.
#
# *1.* For one block we know it from the last tutorial: $g_i = g_{i+1} + J_i^T g_{i+1}$.
#
# *2.* Put the same line for $g_{i+1}$ in the place of the first term, then for $g_{i+2}$, and so on up to $L$. What is
# left of the chain is $g_L$, and each block on the way has left one term:
#
# $$g_l = g_L + \sum_{i=l}^{L-1} r_i, \qquad r_i = J_i^T g_{i+1}.$$
#
# Such a sum, in which each term is the difference of two neighbours, is a **telescoping sum**. To see it on small
# numbers: three blocks whose branches are matrices, $F_i(x) = J_i x$, and rows of gradients, so that $J_i^T g$ is
# written `g @ J[i]`.

# %%
J = 0.5 * rng.standard_normal((3, 4, 4))  # three Jacobians
g = [None, None, None, rng.standard_normal((1, 4))]  # g[3] is given: that behind the last block
for i in (2, 1, 0):
    g[i] = g[i + 1] + g[i + 1] @ J[i]  # line 1
r = [g[i + 1] @ J[i] for i in range(3)]
assert np.allclose(g[0], g[3] + sum(r))  # line 2

# %% [markdown]
# *3.* The paper (He et al. 2016, equation 5) goes another way. It adds up the blocks forward,
# $x_L = x_l + \sum_i F_i(x_i)$, and takes the derivative of both sides with respect to $x_l$:
#
# $$\frac{\partial x_L}{\partial x_l} = 1 + \frac{\partial}{\partial x_l} \sum_{i=l}^{L-1} F_i(x_i).$$
#
# Here every $F_i$ depends on $x_l$ through all the blocks between them. That is a **total derivative**: by the chain
# rule, the Jacobian of $F_i$ times those of all blocks before it, $J_i\,(1 + J_{i-1}) \cdots (1 + J_l)$.
#
# *4.* Multiplied with $g_L$ this is the equation of the articles,
#
# $$g_l = \Big(1 + \sum_i \frac{\partial F_i(x_i)}{\partial x_l}\Big)^T g_L = g_L + \sum_i q_i, \qquad
# q_i = (1 + J_l)^T \cdots (1 + J_{i-1})^T J_i^T\, g_L.$$

# %%
q = []
for i in range(3):
    term = g[3] @ J[i]  # J_i^T g_L
    for j in reversed(range(i)):
        term = term + term @ J[j]  # (1 + J_j)^T
    q.append(term)
assert np.allclose(g[0], g[3] + sum(q))  # line 4

# %% [markdown]
# Both sums are right, and their terms are different things. $r_i$ has the *local* Jacobian and the *total* gradient
# behind block $i$; $q_i$ has the total derivative and the gradient at the *end*. Whoever computes $r_i$, as every
# backward does, and prints it as $\partial F_i / \partial x_l$, prints a wrong number.

# %%
for i in range(3):
    print(f"block {i}: |r_i| = {np.linalg.norm(r[i]):.3f}   |q_i| = {np.linalg.norm(q[i]):.3f}")
assert np.allclose(r[2] + r[1] + r[0], sum(q)) and not np.allclose(r[2], q[2])
assert not np.allclose(r[0], q[0])

# %% [markdown]
# ## The ledger of a real network
#
# `trace` runs one forward and one backward on a private copy of a network and keeps, at every block, what came back
# through the shortcut and what came back through the branch: the **ledger** of its gradient. The network has 9 blocks
# in three stages, and is of the kind `full_preact`, called **ResNet v2**: nothing stands behind the addition. The lines
# run as the gradient runs, from the last block to the first.


# %%
def network(block):
    return models.build("digits_resnet20", block=block, rng=0).to(dtype=np.float64)


ledger = trace(network("full_preact"), images, labels)
print(ledger.table())
assert ledger.closure_error < 1e-12  # every fork: the terms add up to what backward gave, and are its derivative

# %% [markdown]
# Inside a stage the shortcut term *is* the gradient behind the block: not close to it, but the same bits. That is the
# "1".

# %%
last = ledger.blocks[-1]
assert last.path == "stage3.2"
assert (last.terms["shortcut"] == last.incoming).all()
assert (last.outgoing == last.incoming + last.terms["branch"]).all()

# %% [markdown]
# The two sums over several blocks are what `telescope` computes, $r_i$ as `form="local"`, $q_i$ as `form="total"`:

# %%
local = telescope(ledger, start=7, stop=9, form="local")  # the last two blocks: no shape changes there
total = telescope(ledger, start=7, stop=9, form="total")
print("block        |r_i|     |q_i|    |r_i - q_i|")
for path in local.terms:
    a, b = local.terms[path], total.terms[path]
    print(f"{path:<10} {np.linalg.norm(a):8.5f}  {np.linalg.norm(b):8.5f}  {np.linalg.norm(a - b):8.5f}")
print(f"g_L + sum r_i misses g_l by {local.error:.0e} of |g_l|, g_L + sum q_i by {total.error:.0e}")
assert local.error < 1e-12 and total.error < 1e-12
a, b = local.terms["stage3.1"], total.terms["stage3.1"]
assert np.linalg.norm(a - b) > 1e-3 * np.linalg.norm(a)

# %% [markdown]
# ## Can it vanish?
#
# The articles argue: $g_l$ would be 0 only if the sum were exactly $-1$, which does not happen for all images of a
# batch. That is a heuristic, not a proof: a sum *near* $-1$ would do harm too. So look. For each image of the batch,
# and each block of the last stage, how large is $g_l$ compared with $g_L$?

# %%
g_L = ledger.g(9)  # (16, 32, 2, 2)
for l in (8, 7):
    sizes = np.linalg.norm(ledger.g(l).reshape(16, -1), axis=1) / np.linalg.norm(g_L.reshape(16, -1), axis=1)
    print(f"|g_{l}| / |g_9|: from {sizes.min():.2f} to {sizes.max():.2f}")
    assert sizes.min() > 0.5

# %% [markdown]
# ## Where the "1" is broken
#
# The derivation used two things: the shortcut hands on $x$ as it is, and nothing follows the addition. `audit` asks it
# for every pair of blocks, and names what is in the way. In ResNet v2 the "1" holds inside each stage, and fails where
# the shape changes: there the shortcut takes every second pixel, which hands the gradient to one pixel in four. (Its
# *trunk* is the way from block to block, past what is inside the branches.)

# %%
v2 = audit(ledger)
print(v2)
assert v2.verdict(7, 9).holds and v2.verdict(7, 9).defect == 0
assert not v2.verdict(5, 7).holds

# %% [markdown]
# In the network of 2015, **ResNet v1** or `original`, a ReLU follows every addition: $x_{i+1} = \max(x_i + F_i(x_i),
# 0)$. Its derivative is a mask $D_i$ of zeros and ones, and it stands in front of *both* terms:
#
# $$g_i = D_i\, g_{i+1} + J_i^T D_i\, g_{i+1}.$$
#
# On shortcuts alone arrives the product of all masks, $D_l \cdots D_{L-1}\, g_L$. The equation with the "1", which one
# of the articles prints beside a formula with that ReLU, holds nowhere in this network.

# %%
v1_ledger = trace(network("original"), images, labels)
v1 = audit(v1_ledger)
assert not any(verdict.holds for verdict in v1.verdicts)
g_L = v1_ledger.g(9)
survives = np.ones(g_L.shape, bool)
for block in v1_ledger.trunk.blocks[7:9]:
    survives &= block.y > 0  # where the ReLU behind this block let the sum pass
assert (v1_ledger.blocks[7].identity == g_L * survives).all()
print(f"after two ReLUs {survives.mean():.0%} of the entries of the '1' are left")
assert survives.mean() < 0.9

# %% [markdown]
# The picture shows both networks whole. What the shortcuts alone bring (blue) is all of $g_L$ up to the change of shape
# in v2, and loses a part at every block of v1. What the branches add (orange) is the difference.

# %%
if plt:
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for axes, (title, found) in zip(panels, {"v2, full_preact": ledger, "v1, original": v1_ledger}.items()):
        places = range(len(found.blocks))
        axes.semilogy(places, [np.linalg.norm(b.outgoing) for b in found.blocks], "ko-", label="gradient $g_l$")
        axes.semilogy(places, [np.linalg.norm(b.identity) for b in found.blocks], "o-", label="on shortcuts alone")
        rest = [np.linalg.norm(b.outgoing - b.identity) for b in found.blocks]
        axes.semilogy(places, rest, "o--", label="what the branches add")
        for first in (3, 6):
            axes.axvline(first + 0.5, color="0.7", linestyle=":", zorder=0)
        axes.set_xlabel("$l$, the place before block $l$; dotted: the shape changes")
        axes.set_title(title)
    panels[0].set_ylabel("norm of the gradient")
    panels[1].legend()
    plt.show()

# %% [markdown]
# To see all this with arrow keys, and for a network that you trained yourself, make a page:
# `minires trace --model digits_resnet20 --data digits --block full_preact --html page.html`. In a notebook,
# `ledger.to_widget()` shows the same below the cell (`pip install "minires[notebook]"`).

# %% [markdown]
# ## Exercise 1: both sums
#
# Write `sums(J, g_L)`. `J` is a list of square matrices, those of the blocks $l$ to $L - 1$; `g_L` is a row of numbers,
# of shape (1, D). Return two lists, the $r_i$ and the $q_i$, each in the order of `J`.


# %%
def check_1(sums):
    rng = np.random.default_rng()
    n = int(rng.integers(2, 6))
    J, g_L = list(rng.standard_normal((n, 3, 3))), rng.standard_normal((1, 3))
    found = sums(J, g_L)
    assert isinstance(found, tuple) and len(found) == 2, "expected two lists: return r, q"
    after = [g_L]  # g_{i+1}, from the end
    for matrix in J[:0:-1]:
        after.insert(0, after[0] + after[0] @ matrix)
    for name, terms in zip("rq", found, strict=True):
        assert len(terms) == n, f"there are {len(terms)} terms {name}_i, expected {n}"
    for i in range(n):
        assert np.allclose(found[0][i], after[i] @ J[i]), f"r_{i} is not J_{i}^T g_{i + 1}"
        term = J[i]
        for matrix in J[:i][::-1]:
            term = term @ (np.eye(3) + matrix)
        assert np.allclose(found[1][i], g_L @ term), f"q_{i} is not the total derivative times g_L"


# %% tags=["answer", "hide-cell"]
def sums(J, g_L):
    r, g = [], g_L
    for matrix in reversed(J):
        r.insert(0, g @ matrix)
        g = g + r[0]
    q = []
    for i, matrix in enumerate(J):
        term = g_L @ matrix
        for earlier in reversed(J[:i]):
            term = term + term @ earlier
        q.append(term)
    return r, q


check_1(sums)

# %% [markdown]
# ## Exercise 2: the shortcuts of v1
#
# Write `shortcuts_only(g_L, sums)` for some blocks of v1 that keep the shape. `sums` is a list of the arrays $x_i +
# F_i(x_i)$, *before* the ReLU, from block $l$ to block $L - 1$, all of the shape of `g_L`. Return what arrives at $x_l$
# on shortcuts alone.


# %%
def check_2(shortcuts_only):
    rng = np.random.default_rng()
    for n in (1, 3):
        g_L, sums = rng.standard_normal((2, 3, 4, 4)), rng.standard_normal((n, 2, 3, 4, 4))
        found = shortcuts_only(g_L, list(sums))
        assert np.shape(found) == g_L.shape, f"the result has the shape {np.shape(found)}, expected {g_L.shape}"
        positive = (sums > 0).sum(axis=0)
        assert (found[positive == n] == g_L[positive == n]).all(), "where all sums are positive, g_L arrives as it is"
        assert (found[positive < n] == 0).all(), "one negative sum on the way is enough for a 0"


# %% tags=["answer", "hide-cell"]
def shortcuts_only(g_L, sums):
    for y in reversed(sums):
        g_L = g_L * (y > 0)
    return g_L


check_2(shortcuts_only)

# %% [markdown]
# ## Exercise 3: predict the audit
#
# A `full_preact` network of 26 layers has 12 blocks, four in each stage; the first blocks of the second and third stage
# change the shape. Write `holds(l, L)`: is $g_l = g_L + \sum r_i$ true between $x_l$ and $x_L$, for
# $0 \le l < L \le 12$? The check asks the audit.


# %%
def check_3(holds):
    model = models.build("digits_resnet26", block="full_preact", widths=(2, 4, 8), rng=0).to(dtype=np.float64)
    for verdict in audit(trace(model, images[:4], labels[:4])).verdicts:
        l, L = verdict.start, verdict.stop
        assert isinstance(holds(l, L), bool), "expected True or False: is there a return?"
        assert holds(l, L) == verdict.holds, f"between x_{l} and x_{L} the audit says {verdict.holds}"


# %% tags=["answer", "hide-cell"]
def holds(l, L):
    return not any(l <= changes < L for changes in (4, 8))  # blocks are numbered from 0; block i leads to x_{i+1}


check_3(holds)

# %% [markdown]
# ## What this settles
#
# *"The gradient is $g_L (1 + \sum \partial F_i / \partial x_l)$"*: true if shortcuts are identities and nothing follows
# the addition, that is inside the stages of ResNet v2; with total derivatives. Of ResNet v1 it is wrong as it stands,
# and at a change of shape it is wrong in both. *"So it cannot vanish"*: a good heuristic, no theorem. What is a
# theorem, for any network, is that the terms add up.
#
# Next: [five places for batch norm and ReLU](10_five_placements.py), of which some break the "1" and some do not.
