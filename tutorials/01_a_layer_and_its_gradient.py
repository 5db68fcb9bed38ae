# %% [markdown]
# # 1. A layer and its gradient
#
# To train a network is to ask one question of every weight in it: if you move a little, how much does the error of
# the network change? This tutorial answers it for one weight, then for one layer, then for two layers in a row, and
# meets at the end the "1 +" that residual networks are famous for. Nothing else happens in minires, however deep the
# network is.
#
# **You need**: Python with a little NumPy (arrays, `@` for the matrix product), and to know what a derivative is.
#
# **You will be able to**: derive the backward pass of a linear layer line by line, check it by a nudge, train by
# hand, and say what a Jacobian is and why nobody builds one.
#
# **Time**: 30 minutes

# %%
import numpy as np

from minires.layers import Linear, ReLU, Residual, Sequential

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)

# %% [markdown]
# ## One weight, and a straight line
#
# The smallest network has one weight: $y = w x$. For the input $x = 1.5$ we would like to see the output $t = 3$. How
# wrong it is, is said by one number, the **loss**:
#
# $$L(w) = (w x - t)^2$$
#
# Its derivative, by the rule for a square: $L'(w) = 2 (w x - t)\, x$.

# %%
x, t = 1.5, 3.0


def loss(w):
    return (w * x - t) ** 2


def slope(w):
    return 2 * (w * x - t) * x


w = 0.5
print(f"at w = {w}: loss {loss(w):.4f}, slope {slope(w):.4f}")

# %% [markdown]
# What does the slope promise? Near $w$ the curve is almost a straight line, its tangent. This is the one line of
# Taylor's that deep learning rests on:
#
# $$L(w + h) \approx L(w) + h\, L'(w)$$
#
# The error of that line shrinks as $h^2$: a step ten times smaller is predicted a hundred times better.

# %%
print("      h    loss there   the line says   difference")
missed = []
for h in (0.1, 0.01, 0.001):
    line = loss(w) + h * slope(w)
    missed.append(loss(w + h) - line)
    print(f"{h:7.3f}   {loss(w + h):10.6f}   {line:13.6f}   {missed[-1]:10.6f}")
assert np.allclose([missed[0] / missed[1], missed[1] / missed[2]], 100)

# %% [markdown]
# ## A step against the slope
#
# The line also says where to go. Put $h = -\eta L'(w)$ into it, with a small positive number $\eta$, the **learning
# rate**:
#
# $$L(w - \eta L'(w)) \approx L(w) - \eta\, L'(w)^2$$
#
# A square is never negative, so the loss falls, as long as the step is small enough for the line to be true. The slope
# of a loss is also called its **gradient**, and to repeat this step is **gradient descent**. Every training in these
# tutorials is a variation of it.

# %%


def descend(w, learning_rate, steps):
    """All weights on the way, the first one too."""
    visited = [w]
    for _ in range(steps):
        w = w - learning_rate * slope(w)
        visited.append(w)
    return np.array(visited)


ways = {rate: descend(0.5, rate, steps=8) for rate in (0.05, 0.3, 0.46)}
for rate, way in ways.items():
    print(f"learning rate {rate:.2f}: loss {loss(way[0]):.3f} -> {loss(way[-1]):.6f}")
assert all(np.diff(loss(ways[0.05])) < 0)  # small steps: down, and down again
assert loss(ways[0.46][-1]) > loss(0.5)  # steps that are too large climb out of the valley

# %%
if plt:
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="constrained")
    grid = np.linspace(-0.5, 4.5, 200)
    for ax, (rate, way) in zip(axes, ways.items()):
        ax.plot(grid, loss(grid), color="0.6", label="loss $L(w)$")
        ax.plot(way[:6], loss(way[:6]), "o-", color="tab:blue", label="five steps")
        ax.plot(way[0] + np.array([-0.4, 0.4]), loss(way[0]) + np.array([-0.4, 0.4]) * slope(way[0]), color="tab:red")
        ax.lines[-1].set_label("tangent at the start")
        ax.set(title=f"learning rate {rate}", xlabel="weight $w$", ylim=(-1, 14), xlim=(-0.5, 4.5))
    axes[0].set_ylabel("loss")
    axes[0].legend(loc="upper right", fontsize=8)
    plt.show()

# %% [markdown]
# ## Many weights: the gradient
#
# With many weights there is one derivative for each, the others held fixed. All of them together, in an array that
# looks like the weights, are now the gradient, written $\partial L / \partial w$ (the round $\partial$ says: the others
# held fixed), or `dw` in code: *always the derivative of the loss*, and *always of the shape of `w`*. Taylor's line
# becomes a sum: a nudge $h v_k$ to each weight $w_k$ moves the loss by
#
# $$L(w + h v) - L(w) \approx h \sum_k \frac{\partial L}{\partial w_k} v_k$$
#
# A sum of products of two arrays is so frequent that it has a symbol, $\langle a, b\rangle = \sum_k a_k b_k$: their
# **inner product**. So the loss moves by $h \langle \partial L / \partial w, v \rangle$.

# %%
inputs, target = np.array([1.0, -2.0, 0.5]), 3.0  # inputs: (3,)
w = np.array([0.3, 0.1, -0.4])  # (3,)


def loss_of(w):
    return (inputs @ w - target) ** 2


dw = 2 * (inputs @ w - target) * inputs  # (3,): the same rule, once for each weight
v, h = rng.standard_normal(3), 1e-6
moved = (loss_of(w + h * v) - loss_of(w)) / h
print(f"the loss moves by {moved:.5f} h, the gradient says {dw @ v:.5f} h")
assert abs(moved - dw @ v) < 1e-4

# %% [markdown]
# ## A layer: forward
#
# A network is a chain of functions, called **layers**. A layer in minires is a pair of methods:
#
# * `forward(x)` gives the output `y`, and a **cache**: what backward will need to remember;
# * `backward(dy, cache)` takes `dy`, the gradient of the loss with respect to `y`, and gives `dx`, the gradient with
#   respect to `x`. On the way it adds the gradient of each weight to `weight.grad`.
#
# A weight holds its numbers in `weight.data`, and `layer(x)` is short for forward where nobody needs the cache.
#
# Here is the most common one, a **linear layer**. It turns $D$ numbers into $M$. It works on a **batch**, several
# examples at once, one in each row: $N$ of them.
#
# $$y_{nm} = \sum_d x_{nd}\, W_{md} + b_m$$

# %%
layer = Linear(3, 2, rng=rng)  # D = 3 numbers in, M = 2 numbers out; weights are drawn at random
layer = layer.to(dtype=np.float64)  # 16 digits in place of 7, so that we can compare closely
x = rng.standard_normal((4, 3))  # (N, D): four examples
y, cache = layer.forward(x)  # (N, D) -> (N, M)
print("x     ", x.shape)
print("weight", layer.weight.data.shape, "  bias", layer.bias.data.shape)
print("y     ", y.shape)

# %% [markdown]
# Written as three loops the formula is slow, and impossible to misread:

# %%
by_hand = np.zeros((4, 2))
for n in range(4):
    for m in range(2):
        by_hand[n, m] = layer.bias.data[m]
        for d in range(3):
            by_hand[n, m] += x[n, d] * layer.weight.data[m, d]
assert np.allclose(by_hand, y, rtol=0, atol=1e-14)
assert np.allclose(x @ layer.weight.data.T + layer.bias.data, y)  # the same as a matrix product

# %% [markdown]
# ## Backward: the same sum, read the other way
#
# Somebody behind the layer tells us `dy`: the loss changes by $dy_{nm}$ for each unit of change in $y_{nm}$. It is
# called the **upstream gradient**. We need not know what loss it comes from; here it is random.
#
# *Line 1.* The **chain rule**: a number that takes part in several others changes the loss through each of them, and
# the changes add up. For the entry $x_{nd}$:
#
# $$dx_{nd} = \sum_{n'm} dy_{n'm}\, \frac{\partial y_{n'm}}{\partial x_{nd}}$$
#
# *Line 2.* Look into the formula of $y$: $x_{nd}$ stands only in row $n' = n$, and there its factor is $W_{md}$.
#
# $$\frac{\partial y_{n'm}}{\partial x_{nd}} = W_{md} \text{ if } n' = n, \text{ else } 0
# \qquad\Rightarrow\qquad dx_{nd} = \sum_m dy_{nm} W_{md}$$
#
# *Line 3.* A sum over the second index of the first and the first index of the second is a matrix product:
# $dx = dy\, W$. The shapes agree: $(N, M)$ times $(M, D)$ is $(N, D)$.

# %%
dy = rng.standard_normal(y.shape)  # (N, M)
dx = layer.backward(dy, cache)  # (N, M) -> (N, D)

W, n, d = layer.weight.data, 1, 2
assert np.isclose(dx[n, d], sum(dy[n, m] * W[m, d] for m in range(2)))  # line 2, for one entry
assert np.allclose(dx, dy @ W)  # line 3, for all

# %% [markdown]
# The same three lines for the weight. $W_{md}$ takes part in $y_{nm}$ for *every* example $n$, with the factor
# $x_{nd}$; so the examples are what is summed over. The bias $b_m$ has the factor 1.
#
# $$dW_{md} = \sum_n dy_{nm}\, x_{nd} \;\Rightarrow\; dW = dy^T x \qquad\qquad db_m = \sum_n dy_{nm}$$

# %%
m = 1
assert np.isclose(layer.weight.grad[m, d], sum(dy[n, m] * x[n, d] for n in range(4)))
assert np.allclose(layer.weight.grad, dy.T @ x)  # (M, N) (N, D) -> (M, D)
assert np.allclose(layer.bias.grad, dy.sum(axis=0))  # (M,)
print("dx has the shape of x:          ", dx.shape)
print("weight.grad has that of weight: ", layer.weight.grad.shape)

# %% [markdown]
# ## Is it true? Nudge and see
#
# A derivative is a promise about a nudge: move `x[1, 2]` by a small `h`, and the loss moves by `h dx[1, 2]`. We need
# a loss whose gradient with respect to `y` is exactly our random `dy`; that is $L = \langle dy, y \rangle$.

# %%
h = 1e-6
nudged = x.copy()
nudged[1, 2] += h
measured = ((dy * layer(nudged)).sum() - (dy * layer(x)).sum()) / h

print(f"dx[1, 2] = {dx[1, 2]:.6f}, measured by a nudge = {measured:.6f}")
assert abs(dx[1, 2] - measured) < 1e-8

# %% [markdown]
# ## What a Jacobian is, and why nobody builds it
#
# Write all derivatives of all outputs into one matrix: row = an output, column = an input. That is the **Jacobian**
# of the layer, $J_{ij} = \partial y_i / \partial x_j$. In its terms the chain rule of line 1 is one product:
#
# $$dx = J^T dy$$
#
# This is called a **vector-Jacobian product**. For our little layer we can afford to build $J$, column after column,
# by nudging each of the $4 \cdot 3$ inputs and watching all $4 \cdot 2$ outputs.

# %%
columns = []
for j in range(x.size):
    nudged = x.copy()
    nudged.flat[j] += h
    columns.append((layer(nudged) - layer(x)).ravel() / h)
J = np.stack(columns, axis=1)  # (N M, N D) = (8, 12)
assert J.shape == (8, 12)
assert np.allclose(J.T @ dy.ravel(), dx.ravel(), rtol=0, atol=1e-8)  # backward, the expensive way

# %%
if plt:
    plt.figure(figsize=(5.5, 3.6), layout="constrained")
    limit = abs(J).max()
    plt.imshow(J, cmap="RdBu", vmin=-limit, vmax=limit)
    plt.colorbar(label="$\\partial y_i / \\partial x_j$")
    plt.title("Jacobian of a linear layer, 4 examples")
    plt.xlabel("input $j$: example by example, 3 numbers each")
    plt.ylabel("output $i$: 2 numbers each")
    plt.show()

# %% [markdown]
# The picture shows what line 2 said: an example reaches its own outputs alone, and each block on the diagonal is
# $W$. Most of the matrix is zero, and the rest is four copies of the same six numbers. `backward` multiplies by $J^T$
# without ever having $J$. How much that saves, for a layer of 512 to 512 numbers and a batch of 64:

# %%
N, D, M = 64, 512, 512
print(f"Jacobian: {N * M * N * D:,} numbers.   Weight: {M * D:,}.   Ratio: {N * N}")
assert N * M * N * D // (M * D) == N * N

# %% [markdown]
# ## Gradients add up
#
# A weight that is used twice gets the sum of both gradients: the chain rule again. That is why `backward` *adds* to
# `grad`, and why each step of gradient descent begins with `zero_grads()`. The cache is a value in your hands, not a
# secret of the layer: you may run forward many times and come back to any of them.

# %%
layer.zero_grads()
_, cache_a = layer.forward(x)
_, cache_b = layer.forward(2 * x)  # a second forward does not disturb the first
layer.backward(dy, cache_a)
layer.backward(dy, cache_b)
assert np.allclose(layer.weight.grad, dy.T @ x + dy.T @ (2 * x))

# %% [markdown]
# ## Two layers: the chain rule
#
# In a row of layers the `dx` of one is the `dy` of the one before it. `Sequential` hands it on from the last to the
# first; that is all of **backpropagation**. Between two linear layers stands a **ReLU**, $\max(x, 0)$, without which
# two linear layers would be no more than one. It works on each number by itself; its slope is 1 where $x > 0$, else 0,
# so that its backward lets $dy$ through where $x > 0$, and nothing elsewhere.

# %%
net = Sequential(first=Linear(3, 5, rng=rng), relu=ReLU(), second=Linear(5, 2, rng=rng)).to(dtype=np.float64)
_, cache = net.forward(x)  # (4, 3) -> (4, 5) -> (4, 5) -> (4, 2)
dx = net.backward(dy, cache)  # (4, 2) -> (4, 5) -> (4, 5) -> (4, 3)

first, relu, second = net.layers.values()
a, cache_1 = first.forward(x)
b, cache_2 = relu.forward(a)
_, cache_3 = second.forward(b)
step_by_step = first.backward(relu.backward(second.backward(dy, cache_3), cache_2), cache_1)
assert (dx == step_by_step).all()

da = rng.standard_normal(a.shape)
assert (relu.backward(da, cache_2) == da * (a > 0)).all()  # the backward of ReLU

# %% [markdown]
# Read from right to left it is $dx = J_1^T (J_2^T (J_3^T dy))$: three products of a matrix with a *vector*. That
# order is what makes it cheap. And it is where the trouble of deep networks comes from: fifty such factors in a row
# may make a gradient very small, or very large.
#
# To watch it happen, layer by layer, in your terminal: `minires step --model resnet8`.

# %% [markdown]
# ## A fork: where the "1 +" of a residual network comes from
#
# In a **fork** one value goes two ways, and the ways join again in a sum: $y = x + F(x)$. The way that does nothing
# is the **shortcut**, the other, $F$, the **branch**. By the chain rule the gradient of $x$ is a sum of two terms:
# what comes back on the shortcut, which is $dy$ itself, and what comes back through $F$:
#
# $$dx = dy + J_F^T\, dy = (1 + J_F)^T dy$$
#
# (Here 1 is the matrix that changes nothing. The norm of an array, printed below, is its length: the root of the sum of
# its squares.) minires keeps the two apart and gives them names. Whatever $F$ does, even if its gradient vanishes, the
# first term arrives untouched.

# %%
branch = Sequential(Linear(3, 3, rng=rng), ReLU(), Linear(3, 3, rng=rng))
block = Residual(branch).to(dtype=np.float64)
y, cache = block.forward(x)  # (4, 3) -> (4, 3)
dy = rng.standard_normal(y.shape)
terms = block.terms(dy, cache)

for name, term in terms.items():
    print(f"{name:>8} term: norm {np.linalg.norm(term):.3f}")
assert (terms["shortcut"] == dy).all()  # bit for bit: the "1" in (1 + dF/dx)
assert (block.backward(dy, cache) == terms["shortcut"] + terms["branch"]).all()

v = rng.standard_normal(x.shape)  # is that sum the gradient? Nudge all of x at once, by h v
moved = (dy * (block(x + h * v) - block(x - h * v))).sum() / (2 * h)
assert np.isclose(moved, ((terms["shortcut"] + terms["branch"]) * v).sum())

# %% [markdown]
# ## Exercise 1: derive and write a backward
#
# The layer `y = np.tanh(x)` works on each number by itself. The derivative of $\tanh$ is $1 - \tanh^2$. What is the
# gradient of the loss with respect to `x`? Write `tanh_backward(dy, x)`, and call `check_1(tanh_backward)`. A check
# that says nothing has passed; one that fails says what it saw. The answer is folded away below it.


# %%
def check_1(answer):
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((2, 5, 3))
    given = x.copy(), dy.copy()
    dx = answer(dy, x)
    assert isinstance(dx, np.ndarray), f"expected an array, got {type(dx).__name__}: is there a return?"
    assert dx.shape == x.shape, f"dx has the shape {dx.shape}, expected that of x, {x.shape}"
    assert (x == given[0]).all() and (dy == given[1]).all(), "the arrays that came in were changed"
    for v in rng.standard_normal((4, *x.shape)):  # a nudge of all of x at once, in a random direction
        moved = (dy * (np.tanh(x + 1e-6 * v) - np.tanh(x - 1e-6 * v))).sum() / 2e-6
        assert np.isclose((dx * v).sum(), moved), f"a nudge moves the loss by {moved:.6f}, dx says {(dx * v).sum():.6f}"


# %% tags=["answer", "hide-cell"]
def tanh_backward(dy, x):
    return dy * (1 - np.tanh(x) ** 2)  # each number has a chain of its own: no sum


check_1(tanh_backward)

# %% [markdown]
# ## Exercise 2: predict, then measure
#
# In the picture above the learning rate 0.46 was too large and 0.3 was not. For the loss $(w x - t)^2$, from which
# learning rate on does gradient descent no longer arrive? Derive it: write one step, and look at what it does to the
# distance $w x - t$. Then write `limit(x)`, which gives that learning rate for the input `x` (a number, not 0).


# %%
def check_2(answer):
    for x, t in np.random.default_rng(2).uniform(0.3, 3, (5, 2)):
        rate = answer(x)
        assert isinstance(rate, (int, float)), f"expected a number, got {type(rate).__name__}"
        for factor, arrives in ((0.97, True), (1.03, False)):
            w = 0.0
            for _ in range(300):
                if abs(w * x - t) < 1e6:  # else it is on its way to infinity
                    w = w - factor * rate * 2 * (w * x - t) * x
            arrived = abs(w * x - t) < abs(t)
            side, seen = ("below", "does not arrive") if arrives else ("above", "still arrives")
            assert arrived == arrives, f"x = {x:.2f}: 3 % {side} your limit of {rate:.3f} gradient descent {seen}"


# %% tags=["answer", "hide-cell"]
def limit(x):
    # after a step: w x - t - lr 2 (w x - t) x^2 = (1 - 2 lr x^2) (w x - t). It shrinks if |1 - 2 lr x^2| < 1.
    return 1 / x**2


check_2(limit)
assert 0.3 < limit(1.5) < 0.46  # as in the picture

# %% [markdown]
# ## Exercise 3: find the bug
#
# This layer uses one weight twice, there and back: `y = (x W^T) W`, with `x` of the shape (N, D) and `W` of (M, D).
# Somebody wrote its backward, and it trains, though badly. What is missing? Write it right:
# `tied_backward(dy, x, W)`, which returns `dx, dW`.


# %%
def wrong_backward(dy, x, W):
    a = x @ W.T  # (N, D) -> (N, M)
    da = dy @ W.T  # (N, D) -> (N, M)
    return da @ W, a.T @ dy


def check_3(answer):
    rng = np.random.default_rng(3)
    for N, D, M in ((4, 3, 2), (1, 2, 5)):
        x, dy, W = rng.standard_normal((N, D)), rng.standard_normal((N, D)), rng.standard_normal((M, D))
        found = answer(dy, x, W)
        assert isinstance(found, tuple) and len(found) == 2, "expected two arrays: return dx, dW"
        for name, gradient, array in zip(("dx", "dW"), found, (x, W)):
            shape = np.shape(gradient)
            assert shape == array.shape, f"{name} has the shape {shape}, expected {array.shape}"
            v = rng.standard_normal(shape)
            there = []
            for h in (1e-6, -1e-6):
                a, b = (x + h * v, W) if name == "dx" else (x, W + h * v)
                there.append((dy * (a @ b.T @ b)).sum())
            moved, says = (there[0] - there[1]) / 2e-6, (gradient * v).sum()
            assert np.isclose(says, moved), f"a nudge moves the loss by {moved:.6f}, {name} says {says:.6f}"


# %% tags=["answer", "hide-cell"]
def tied_backward(dy, x, W):
    a, da = x @ W.T, dy @ W.T
    return da @ W, a.T @ dy + da.T @ x  # W is used twice, so two gradients are added


check_3(tied_backward)

# %% [markdown]
# ## What this settles
#
# *Claim: backpropagation is the chain rule, read from the end.* True, and it is all there is: every `backward` is a
# product with a transposed Jacobian that is never built, and where a value is used twice its gradients add.
#
# *Claim: a shortcut lets the gradient through untouched.* True of one block $y = x + F(x)$, bit for bit. What becomes
# of it in a whole network, where other layers stand behind the sum, is a question for later tutorials.
#
# Next: [how to check a gradient, and how such a check can lie](02_gradient_checks_and_how_they_lie.py).
