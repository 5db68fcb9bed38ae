# %% [markdown]
# # 19. The engine: the same numbers, sooner
#
# The layers of minires are written to be read. `minires.compile` makes a twin of a network that gives the same numbers
# and the same gradients in a fraction of the time. Nothing in it is magic: it reads the network once, leaves out work
# that is done twice, keeps numbers close to where they are used, and convolves with a quarter of the multiplications.
# This tutorial builds each of these ideas in a few lines.
#
# **You need**: [convolution](03_convolution.py) as a matrix product, [batch norm](04_batch_norm.py),
# [a training step](05_losses_and_a_training_step.py).
#
# **You will be able to**: say where the time of a convolution goes, fold batch norm into what stands behind it, derive
# Winograd's convolution from polynomials, and read the table in which the engine tells what it does.
#
# **Time**: 35 minutes

# %%
import time

import numpy as np

import minires
from minires import models
from minires.layers import BatchNorm2d, Conv2d
from minires.ops import im2col

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)

# %% [markdown]
# ## Two that are one
#
# The *definition* is the network as you know it. The *compiled* one shares its parameters: train either, and both
# have learned. That their numbers agree is not believed but checked, here and by the tests for every layer.

# %%
x = rng.standard_normal((32, 3, 32, 32))  # (N, C, H, W)
dy = rng.standard_normal((32, 10))


def gradients(net, dtype):
    """dx and the gradients of all parameters after one forward and one backward."""
    net.zero_grads()
    _, cache = net.forward(x.astype(dtype), train=True)
    return [net.backward(dy.astype(dtype), cache), *(p.grad.copy() for _, p in net.params())]


def difference(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


exact = models.build("resnet20", rng=0).to(dtype=np.float64)
found, expected = gradients(minires.compile(exact), np.float64), gradients(exact, np.float64)
worst = max(map(difference, found, expected))
print(f"largest relative difference of dx and {len(expected) - 1} gradients: {worst:.1e}")
assert worst < 1e-10

# %% [markdown]
# (That was in float64. In float32, in which one trains, sums in another order differ in the seventh digit, and where
# that turns a tiny positive number into a negative one, a ReLU closes: then gradients differ in the third. Neither is
# more right than the other.)

# %%
definition = models.build("resnet20", rng=0)
fast = minires.compile(definition, threads=1)


def seconds(work, turns=3):
    """The best of some turns, to hear little of what else the machine does."""
    best = np.inf
    for _ in range(turns):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


slow = seconds(lambda: gradients(definition, np.float32))
quick = seconds(lambda: gradients(fast, np.float32))
print(f"{slow * 1e3:.0f} ms by the definition, {quick * 1e3:.0f} ms compiled: {slow / quick:.1f} times as fast")
single = max(map(difference, gradients(fast, np.float32), gradients(definition, np.float32)))
print(f"largest relative difference in float32: {single:.1e}")
assert single < 0.05

# %% [markdown]
# ## Where the time goes: memory
#
# The definition makes a convolution a matrix product by im2col, which writes every window out as a column. A 3 x 3
# window at every pixel means that each number of the input is written nine times. For the first stage of this network:

# %%
activation = rng.standard_normal((32, 16, 32, 32)).astype(np.float32)  # (N, C, H, W)
padded = np.pad(activation, ((0, 0), (0, 0), (1, 1), (1, 1)))
columns = im2col(padded, (3, 3), (1, 1), (1, 1), (32, 32))  # (C 3 3, N 32 32): a column for each pixel of the output
print(f"activation {activation.nbytes / 1e6:.1f} MB, its windows {columns.nbytes / 1e6:.1f} MB")
assert columns.nbytes == 9 * activation.nbytes

# %% [markdown]
# A processor multiplies faster than its memory can deliver. Close to each core lies a *cache* of some megabytes, many
# times faster than the memory outside. Nineteen megabytes do not fit, so they are written out, and read again by the
# product. The engine therefore does not take the whole batch through one layer after the other. It takes a *chunk* of
# some images through *several* layers, and what one layer leaves in the cache the next one finds there.
#
# Batch norm is what sets the limits: it needs the mean over the *whole* batch before it can go on. So the engine cuts a
# network into *phases* at its batch norms. Within a phase each chunk goes its way alone, on whichever core takes it;
# between phases all wait.

# %% [markdown]
# ## Fold what is affine
#
# Batch norm subtracts a mean, divides, multiplies by $\gamma$ and adds $\beta$: four passes over memory. But once mean
# and variance are known, all of it is one multiplication and one addition for each channel, an **affine map**:
#
# $$\gamma\, \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta = a x + b \qquad
# a = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \qquad b = \beta - a \mu$$
#
# The engine carries $a$ and $b$ along, and applies them where the next operation reads the numbers anyway, together
# with the shortcut's sum and ReLU: one pass in place of six.

# %%
norm = BatchNorm2d(16)
norm.gamma.data[...] = rng.uniform(0.5, 2, 16)
norm.beta.data[...] = rng.standard_normal(16)
y, _ = norm.forward(activation, train=True)

mean, var = (f(activation, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.var))  # (1, 16, 1, 1)
a = norm.gamma.data[:, None, None] / np.sqrt(var + norm.eps)
b = norm.beta.data[:, None, None] - a * mean
assert np.allclose(a * activation + b, y, rtol=0, atol=1e-5)

# %% [markdown]
# ## Fewer multiplications: Winograd
#
# Take one row, a filter $g$ of three numbers, and two neighbouring outputs of the correlation over four inputs $d$:
#
# $$y_0 = d_0 g_0 + d_1 g_1 + d_2 g_2 \qquad y_1 = d_1 g_0 + d_2 g_1 + d_3 g_2$$
#
# Six multiplications. Four are enough, by **Winograd's convolution**. The trick is older than computers: a product of
# two polynomials is known if one knows its values at enough points, and *a value* of the product is one multiplication.
#
# *Line 1.* The transposed problem: the polynomials $p(t) = p_0 + p_1 t$ and $g(t) = g_0 + g_1 t + g_2 t^2$. Their
# product has four coefficients, so four values determine it. Take $t = 0, 1, -1$, and "infinity", where only the
# highest coefficients count.
#
# *Line 2.* Values of $g$: $g_0$, $g_0 + g_1 + g_2$, $g_0 - g_1 + g_2$, $g_2$. As a matrix times $g$, that is $G$.
# Values of $p$: $p_0$, $p_0 + p_1$, $p_0 - p_1$, $p_1$, the matrix $A$. The four coefficients $c$ come from the values
# by the inverse $V^{-1}$ of the matrix that evaluates a polynomial with four coefficients:
#
# $$c = V^{-1} \big( (G g) \odot (A p) \big)$$
#
# *Line 3.* $c$ is linear in $p$: $c = M p$ with $M = V^{-1} \text{diag}(G g) A$, and $M$ has the filter in its columns,
# shifted. The correlation is its transpose: $y = M^T d$. So
#
# $$y = A^T \big( (G g) \odot (B^T d) \big) \qquad B^T = V^{-T}$$

# %%
points = (0, 1, -1)


def evaluation(coefficients):
    """Row for each point: 1, t, t^2, ...; the last row is infinity."""
    rows = [[t**k for k in range(coefficients)] for t in points]
    return np.array([*rows, [0] * (coefficients - 1) + [1]], float)


V, G, A = evaluation(4), evaluation(3), evaluation(2)  # (4, 4), (4, 3), (4, 2)
BT = np.linalg.inv(V).T  # (4, 4)
g, d, p = rng.standard_normal(3), rng.standard_normal(4), rng.standard_normal(2)

assert np.allclose(np.linalg.solve(V, (G @ g) * (A @ p)), np.convolve(p, g))  # line 2: a product of polynomials
M = np.array([[g[0], 0], [g[1], g[0]], [g[2], g[1]], [0, g[2]]])
assert np.allclose(np.linalg.inv(V) @ np.diag(G @ g) @ A, M)  # line 3
y = A.T @ ((G @ g) * (BT @ d))
assert np.allclose(y, [d[:3] @ g, d[1:] @ g])
print("B^T =", *np.where(BT == 0, 0, BT), sep="\n  ")

# %% [markdown]
# $B^T d$ and $A^T$ need additions alone (and halves), and $G g$ is made once for a filter. In two dimensions the same
# is done to rows and columns, $Y = A^T \big( (G g G^T) \odot (B^T d B) \big) A$: 16 multiplications for 2 x 2 outputs,
# which would need 36. The engine takes tiles of 4 x 4 outputs, with six points: 36 in place of 144, a quarter. And with
# many channels each of the 36 places is a matrix product over them, the one thing that processors do best.

# %%
tile, taps = rng.standard_normal((4, 4)), rng.standard_normal((3, 3))
Y = A.T @ ((G @ taps @ G.T) * (BT @ tile @ BT.T)) @ A  # (2, 2)
conv = Conv2d(1, 1, 3, rng=rng).to(dtype=np.float64)
conv.weight.data[...] = taps
assert np.allclose(Y, conv(tile[None, None])[0, 0])

# %% [markdown]
# What does one pay? Rounding. Values at the points are larger than the coefficients, and their differences lose digits,
# the more the larger the tile. Here is the error of one row in float32, for 2, 4 and 6 outputs, at the integers, and at
# the points which the engine uses for 4:

# %%


def winograd_error(outputs, points):
    size = outputs + 2

    def evaluation(coefficients):
        rows = [[t**k for k in range(coefficients)] for t in points]
        return np.array([*rows, [0] * (coefficients - 1) + [1]], float)

    G, A, BT = evaluation(3), evaluation(outputs), np.linalg.inv(evaluation(size)).T
    rng, errors = np.random.default_rng(0), []
    for _ in range(200):
        g, d = rng.standard_normal(3).astype(np.float32), rng.standard_normal(size).astype(np.float32)
        exact = np.correlate(d.astype(float), g.astype(float), "valid")
        single = [matrix.astype(np.float32) for matrix in (A.T, G, BT)]
        errors.append(np.abs(single[0] @ ((single[1] @ g) * (single[2] @ d)) - exact).max())
    return np.mean(errors)


root = np.sqrt(0.5)
tries = {
    "2 outputs, 0 1 -1": winograd_error(2, (0, 1, -1)),
    "4 outputs, 0 ±1 ±2": winograd_error(4, (0, 1, -1, 2, -2)),
    "4 outputs, 0 ±√½ ±√2": winograd_error(4, (0, root, -root, 2 * root, -2 * root)),
    "6 outputs, 0 ±1 ±2 ±3": winograd_error(6, (0, 1, -1, 2, -2, 3, -3)),
}
for name, error in tries.items():
    print(f"{name:22} {error:.1e}")
assert tries["4 outputs, 0 ±√½ ±√2"] < tries["4 outputs, 0 ±1 ±2"] < tries["6 outputs, 0 ±1 ±2 ±3"]

# %%
if plt:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
    sizes = np.arange(1, 9)
    left.plot(sizes, (sizes + 2) ** 2 / (9 * sizes**2), "o-")
    left.axhline(1, color="0.6", linewidth=1)
    left.set(xlabel="outputs along a side of the tile", ylabel="multiplications, share", ylim=0)
    left.set_title("3 x 3 convolution: fewer products ...")
    right.barh(list(tries), list(tries.values()), color="tab:red")
    right.set(xlabel="mean error of one row in float32", xscale="log", title="... for more rounding")
    right.invert_yaxis()
    plt.show()

# %% [markdown]
# ## What it does, in a table
#
# A plan is made for each shape of input, by the first call. `describe()` shows it: a line for each operation, with the
# algorithm, the millions of operations, the memory, and the milliseconds so far. Joins have swallowed batch norm, sum
# and ReLU; `(layer)` is what the engine leaves to the definition.

# %%
table = fast.describe()
print(*table.splitlines()[:9], "...", table.splitlines()[-1], sep="\n")
assert "winograd 3x3" in table and "norm, add, relu" in table

# %% [markdown]
# The definition does the rest: layers of your own, complex numbers, wrong input (whose error then names the layer). So
# `compile` never refuses a network, and never computes another one: change a stride or a layer, and it makes a new
# plan. And the number of threads does not change a bit of the result: what is summed, and in which order, depends on
# the shapes alone.

# %%
two = minires.compile(definition, threads=2)
assert all(np.array_equal(a, b) for a, b in zip(gradients(two, np.float32), gradients(fast, np.float32)))

# %% [markdown]
# ## Exercise 1: count the multiplications
#
# Write `products(outputs, taps, dimensions)`: how many multiplications Winograd's method needs for a tile with so many
# outputs along each side, and a filter with so many taps along each side.

# %%


def check_1(answer):
    for outputs, taps, dimensions, expected in (
        (2, 3, 1, 4),
        (2, 3, 2, 16),
        (4, 3, 2, 36),
        (2, 5, 2, 36),
        (1, 3, 2, 9),
    ):
        found = answer(outputs, taps, dimensions)
        assert np.array_equal(found, expected), (
            f"{outputs} outputs, {taps} taps, {dimensions} dimensions: {expected}, not {found}"
        )


# %% tags=["answer", "hide-cell"]
def products(outputs, taps, dimensions):
    return (outputs + taps - 1) ** dimensions  # as many values as coefficients of the product


check_1(products)

# %% [markdown]
# ## Exercise 2: the statistics of a batch from its chunks
#
# Mean and variance of a batch are made of what each chunk hands over: its count $n$, its mean $\mu$, and the sum of
# squares $M = \sum (x - \mu)^2$. Write `merge(a, b)`, which makes of the triples `(n, mu, M)` of two chunks that of
# both together, without their numbers. (About any other point $c$ it is $\sum (x - c)^2 = M + n (\mu - c)^2$.)

# %%


def check_2(answer):
    rng = np.random.default_rng()
    for size_a, size_b in ((3, 3), (5, 2), (1, 9)):
        chunks = 1e4 + rng.standard_normal(size_a), 1e4 + 2 * rng.standard_normal(size_b)
        *triples, both = ((x.size, x.mean(), x.size * x.var()) for x in (*chunks, np.concatenate(chunks)))
        found = answer(*triples)
        assert isinstance(found, tuple) and len(found) == 3, "return three numbers: n, mu, M"
        for name, mine, right in zip(("n", "mu", "M"), found, both):
            assert np.isclose(mine, right, rtol=1e-9), f"{size_a} and {size_b} numbers: {name} is {right}, not {mine}"


# %% tags=["answer", "hide-cell"]
def merge(a, b):
    (n_a, mu_a, M_a), (n_b, mu_b, M_b) = a, b
    n = n_a + n_b
    mu = (n_a * mu_a + n_b * mu_b) / n
    # each chunk about the new mean: n_a (mu_a - mu)^2 + n_b (mu_b - mu)^2 = n_a n_b / n (mu_a - mu_b)^2
    return n, mu, M_a + M_b + n_a * n_b / n * (mu_a - mu_b) ** 2


check_2(merge)

# %% [markdown]
# ## Exercise 3: the way back through Winograd
#
# $y = A^T ((G g) \odot (B^T d))$ is linear in $g$ and in $d$. Derive the gradients and write
# `winograd_backward(dy, g, d, A, G, BT)`, which returns `(dg, dd)`. (Every matrix turns round, and each factor of the
# product $\odot$ gets the other one.)

# %%


def check_3(answer):
    rng = np.random.default_rng()
    g, d, dy = rng.standard_normal(3), rng.standard_normal(4), rng.standard_normal(2)
    found = answer(dy, g, d, A, G, BT)
    assert isinstance(found, tuple) and len(found) == 2, "return dg and dd"
    dg, dd = found
    assert np.shape(dg) == (3,) and np.shape(dd) == (4,), f"shapes {np.shape(dg)}, {np.shape(dd)}: expected (3,), (4,)"
    assert np.allclose(dg, [dy @ d[k : k + 2] for k in range(3)]), "dg is wrong"
    assert np.allclose(dd, np.convolve(dy, g)), "dd is wrong"


# %% tags=["answer", "hide-cell"]
def winograd_backward(dy, g, d, A, G, BT):
    dm = A @ dy  # (4,): of the products
    return G.T @ (dm * (BT @ d)), BT.T @ (dm * (G @ g))


check_3(winograd_backward)

# %% [markdown]
# ## What this settles
#
# "Readable and fast exclude each other": not if there are two, and a test that they agree. Speed came from four ideas:
# chunks that stay in the cache, affine maps folded into what reads them, fewer multiplications, and threads. None of
# them changes what is computed.
#
# The code is `minires/engine/`; its derivations stand where they are used. The measurements against other frameworks:
# `minires bench cpu`. Next: [another kind of machine](20_cuda.py).
