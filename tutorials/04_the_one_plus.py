# %% [markdown]
# # 4. The "1 +": following the gradient through a residual network
#
# The equation that made residual networks famous says how the gradient at block l follows from that at block L:
#
# `dL/dx_l = dL/dx_L (1 + sum_i dF_i/dx_l)`
#
# The "1" is the promise: whatever the branches do, the gradient of the output arrives. This tutorial takes the
# equation apart, number by number, and finds out where it holds, where it does not, and why.

# %%
import numpy as np

from minires import models
from minires.data import Normalize, load
from minires.trace import audit, path_lengths, telescope, trace
from minires.trace.norms import norm

test = load("fashion_mnist_12k", "test")
images, labels = Normalize.of(test)(test.images[:8], np.float64), test.labels[:8]


def network(block):
    return models.build("resnet20", in_channels=1, block=block, rng=0).to(dtype=np.float64)


# %% [markdown]
# ## The ledger
#
# `trace` runs one forward and one backward on a private copy and keeps, at every block, what came back through the
# shortcut and what came back through the branch. The lines run as the gradient runs, from the last block to the
# first.

# %%
ledger = trace(network("full_preact"), images, labels)
print(ledger.table())
assert ledger.closure_error < 1e-12

# %% [markdown]
# Inside a stage the shortcut term *is* the gradient behind the block: not close to it, but the same bits. That is the
# "1".

# %%
last = ledger.blocks[-1]
assert last.path == "stage3.2"
assert (last.terms["shortcut"] == last.incoming).all()
assert (last.outgoing == last.incoming + last.terms["branch"]).all()

# %% [markdown]
# ## The sum, in two forms that are easily confused
#
# Over several blocks the terms telescope: `g_l = g_L + sum r_i`. Here `r_i` is what the branch of block i adds on the
# way, the *local* Jacobian of `F_i` applied to the *total* gradient behind block i. The equation of the article
# has the *total* derivative of `F_i` with respect to the far away `x_l` instead, applied to `g_L`: call it `q_i`. Both
# sums are exact. Their terms are different things.

# %%
local = telescope(ledger, start=7, stop=9, form="local")  # the last two blocks: no shape changes there
total = telescope(ledger, start=7, stop=9, form="total")
print("block        |r_i|     |q_i|    |r_i - q_i|")
for path in local.terms:
    r, q = local.terms[path], total.terms[path]
    print(f"{path:<10} {norm(r):7.4f}   {norm(q):7.4f}   {norm(r - q):7.4f}")
print(f"g_L + sum r_i misses g_l by {local.error:.0e}, g_L + sum q_i by {total.error:.0e} of |g_l|")
assert local.error < 1e-12 and total.error < 1e-12
assert norm(local.terms["stage3.1"] - total.terms["stage3.1"]) > 1e-3 * norm(local.terms["stage3.1"])

# %% [markdown]
# ## Does the identity hold here?
#
# The audit asks it for every pair of blocks. In this network, ResNet v2, it holds inside each stage, and fails where
# the shape changes: subsampling hands the gradient to one pixel in four.

# %%
v2 = audit(ledger)
print(v2)
assert v2.verdict(7, 9).holds and v2.verdict(7, 9).defect == 0
assert not v2.verdict(5, 7).holds

# %% [markdown]
# In the original ResNet, v1, it holds nowhere: a ReLU follows every addition and masks the "1". What arrives on
# shortcuts alone is the output gradient times the product of all masks.

# %%
v1_ledger = trace(network("original"), images, labels)
v1 = audit(v1_ledger)
assert not any(verdict.holds for verdict in v1.verdicts)
g = v1_ledger.g(9)
survives = np.ones(g.shape, bool)
for block in v1_ledger.trunk.blocks[7:9]:
    survives &= block.y > 0  # where the ReLU behind this block let the sum pass
assert (v1_ledger.blocks[7].identity == g * survives).all()
print(f"after two ReLUs {survives.mean():.0%} of the entries of the '1' are left")

# %% [markdown]
# ## All the paths
#
# Through each of the 9 blocks the gradient takes the shortcut or the branch: 512 paths. Those through k branches add
# up to G_k. Mind that norms do not add: the G_k partly cancel. The projections on the total do add, to 1.

# %%
lengths = path_lengths(ledger)
print("length   paths    |G_k|   share of g_0")
for k, (count, size, share) in enumerate(zip(lengths.counts, lengths.norms, lengths.projections)):
    print(f"{k:6d} {count:7d} {size:8.4f} {share:11.1%}  {'#' * round(60 * max(share, 0))}")
assert sum(lengths.counts) == 2**9
assert lengths.residual_products == 9 * 10 // 2  # not 512: the programme adds paths of equal length as it goes
assert abs(sum(lengths.projections) - 1) < 1e-12
assert lengths.error < 1e-12

# %% [markdown]
# To see all this in pictures, with arrow keys, and for a network that you trained yourself:
#
#     minires trace --model resnet20 --block full_preact --html page.html
#     minires trace runs/resnet20-fashion_mnist_12k-seed0 --html page.html
#
# In a notebook, `ledger.to_widget()` shows the same below the cell (`pip install "minires[notebook]"`).
