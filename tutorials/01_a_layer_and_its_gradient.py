# %% [markdown]
# # 1. A layer and its gradient
#
# A network is a chain of functions. To train it we need one number for each weight: how much the loss changes when
# that weight changes. This tutorial takes one layer, `Linear`, and looks at the two functions that it is made of:
#
# * `forward(x)` computes the output `y`, and a *cache* of what backward will need;
# * `backward(dy, cache)` takes `dy`, the gradient of the loss with respect to `y`, and returns `dx`, the gradient
#   with respect to `x`. On the way it adds the gradient of every weight to `weight.grad`.
#
# Nothing else happens in minires, however deep the network is.

# %%
import numpy as np

from minires.layers import Linear, ReLU, Residual, Sequential

rng = np.random.default_rng(0)
layer = Linear(3, 2, rng=rng).to(dtype=np.float64)  # 3 numbers in, 2 numbers out

x = rng.standard_normal((4, 3))  # four examples
y, cache = layer.forward(x)

print("x     ", x.shape)
print("weight", layer.weight.data.shape, "  bias", layer.bias.data.shape)
print("y     ", y.shape)

# %% [markdown]
# ## Forward: what a linear layer computes
#
# `y[n, m] = sum_d x[n, d] weight[m, d] + bias[m]`. Written as three loops it is slow, and impossible to misread:

# %%
by_hand = np.zeros((4, 2))
for n in range(4):
    for m in range(2):
        by_hand[n, m] = layer.bias.data[m]
        for d in range(3):
            by_hand[n, m] += x[n, d] * layer.weight.data[m, d]

print("largest difference from forward():", abs(by_hand - y).max())
assert np.allclose(by_hand, y, rtol=0, atol=1e-14)

# %% [markdown]
# ## Backward: the same sum, read the other way
#
# Say the loss changes by `dy[n, m]` for each unit of change in `y[n, m]`. The entry `x[n, d]` takes part in every
# `y[n, m]` of its row, with the factor `weight[m, d]`. So by the chain rule
#
# `dx[n, d] = sum_m dy[n, m] weight[m, d]`, as a matrix product `dx = dy weight`.
#
# The weight `weight[m, d]` takes part in `y[n, m]` for every example `n`, with the factor `x[n, d]`:
#
# `dweight[m, d] = sum_n dy[n, m] x[n, d]`, that is `dweight = dy^T x`.

# %%
dy = rng.standard_normal(y.shape)  # any upstream gradient: pretend that a loss follows
dx = layer.backward(dy, cache)

assert np.allclose(dx, dy @ layer.weight.data)
assert np.allclose(layer.weight.grad, dy.T @ x)
assert np.allclose(layer.bias.grad, dy.sum(axis=0))
print("dx has the shape of x:           ", dx.shape)
print("weight.grad has that of weight:  ", layer.weight.grad.shape)

# %% [markdown]
# ## Is it true? Nudge and see
#
# A derivative is a promise about a nudge: move `x[1, 2]` by a small `h` and the loss moves by `h dx[1, 2]`. Here the
# "loss" is `sum(dy * y)`, whose gradient with respect to `y` is exactly `dy`.

# %%
h = 1e-6
nudged = x.copy()
nudged[1, 2] += h
measured = ((dy * layer(nudged)).sum() - (dy * layer(x)).sum()) / h

print(f"dx[1, 2] = {dx[1, 2]:.6f}, measured by a nudge = {measured:.6f}")
assert abs(dx[1, 2] - measured) < 1e-8

# %% [markdown]
# ## Gradients add up
#
# A weight that is used twice gets the sum of both gradients. That is why `backward` *adds* to `grad`, and why a
# training step begins with `zero_grads()`. The cache is a value in your hands, not a secret of the layer: you may run
# forward many times and come back to any of them.

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
# `Sequential` hands `dy` from the last layer to the first. That is all of backpropagation.

# %%
net = Sequential(first=Linear(3, 5, rng=rng), relu=ReLU(), second=Linear(5, 2, rng=rng)).to(dtype=np.float64)
_, cache = net.forward(x)
dx = net.backward(dy, cache)

first, relu, second = net.layers.values()
a, cache_1 = first.forward(x)
b, cache_2 = relu.forward(a)
_, cache_3 = second.forward(b)
step_by_step = first.backward(relu.backward(second.backward(dy, cache_3), cache_2), cache_1)
assert (dx == step_by_step).all()

# %% [markdown]
# ## A fork: where the "1 +" of a residual network comes from
#
# A residual block computes `y = x + F(x)`. The input travels on two ways, so its gradient is a sum of two terms: what
# comes back on the shortcut, which is `dy` itself, and what comes back through `F`:
#
# `dx = dy + J_F^T dy = (1 + dF/dx)^T dy`
#
# minires keeps the two apart and gives them names. Whatever `F` does, even if its gradient vanishes, the first
# term arrives untouched.

# %%
branch = Sequential(Linear(3, 3, rng=rng), ReLU(), Linear(3, 3, rng=rng))
block = Residual(branch).to(dtype=np.float64)
y, cache = block.forward(x)
dy = rng.standard_normal(y.shape)
terms = block.terms(dy, cache)

for name, term in terms.items():
    print(f"{name:>8} term: norm {np.linalg.norm(term):.3f}")
assert (terms["shortcut"] == dy).all()  # bit for bit: the "1" in (1 + dF/dx)
assert (block.backward(dy, cache) == terms["shortcut"] + terms["branch"]).all()

# %% [markdown]
# Next: [how to check a gradient, and how such a check can lie](02_gradient_checks_and_how_they_lie.py).
