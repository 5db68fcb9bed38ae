# %% [markdown]
# # 2. Gradient checks, and how they lie
#
# A wrong `backward` rarely crashes. The network still learns, only worse, and nobody knows why. So a gradient
# written by hand has to be checked against the one thing that cannot be argued with: the derivative of `forward`.
# This tutorial shows how to check, and three ways in which a careless check passes wrong code or refuses right code.

# %%
import numpy as np

from minires import gradcheck
from minires.errors import GradientError, RangeError
from minires.layers import BatchNorm2d, Conv2d, ReLU, Sequential

rng = np.random.default_rng(0)

# %% [markdown]
# ## The check
#
# Take a random upstream gradient `dy` and a random direction `v`. Two numbers must agree:
#
# * by backward: `<v, backward(dy)>`
# * by forward: `<dy, d/dt f(x + t v)>` at `t = 0`
#
# One direction costs one forward, however many entries `x` has; a wrong entry cannot hide from a random direction.

# %%
block = Sequential(conv=Conv2d(2, 3, 3, padding=1, bias=True, rng=rng), bn=BatchNorm2d(3), relu=ReLU())
x = rng.standard_normal((4, 2, 5, 5))
report = gradcheck(block, x)
print(report)
assert report.worst_error < 1e-12

# %% [markdown]
# Look at `conv.bias`: its gradient is zero whatever `dy` is, because batch norm subtracts the mean and with it any
# bias. The check says so instead of comparing 1e-17 with 3e-18. That is why networks leave that bias out.

# %%
assert report.structurally_zero == ("conv.bias",)

# %% [markdown]
# ## The derivative without subtraction
#
# The textbook measures a derivative as `(f(x + h) - f(x - h)) / 2h`. With a large `h` that is a bad approximation; with
# a small `h` it subtracts two nearly equal numbers and keeps only noise. The best `h` is a compromise with about ten
# correct digits. A *complex* step has no such trouble: `Im f(x + ih) / h` subtracts nothing, so `h` may be 1e-30.

# %%
x0, exact = 0.7, np.exp(0.7) * (np.sin(0.7) + np.cos(0.7))  # f(x) = exp(x) sin(x)


def f(z):
    return np.exp(z) * np.sin(z)


print("     h   central differences   complex step")
errors = {}
for h in (1e-2, 1e-5, 1e-8, 1e-12, 1e-30):
    central = (f(x0 + h) - f(x0 - h)) / (2 * h)
    complex_step = f(x0 + 1j * h).imag / h
    errors[h] = abs(central - exact), abs(complex_step - exact)
    print(f"{h:6.0e}   {errors[h][0]:19.1e}   {errors[h][1]:12.1e}")
assert errors[1e-30][1] < 1e-15  # exact
assert errors[1e-12][0] > 1e-6  # noise
assert min(central for central, _ in errors.values()) > 1e-13

# %% [markdown]
# ## Lie 1: an upstream gradient of ones
#
# Many hand-written checks use the loss `sum(y)`, whose gradient is all ones. Behind a batch norm the sum of the outputs
# does not depend on the input at all: every channel has mean `beta`. The true gradient is zero, so this backward
# passes the check:


# %%
class LazyBatchNorm(BatchNorm2d):
    """A batch norm whose backward returns nothing but zeros."""

    def backward(self, dy, cache):
        return 0 * super().backward(dy, cache)


bn = BatchNorm2d(2).to(dtype=np.float64)
y, cache = bn.forward(x, train=True)
with_ones = bn.backward(np.ones_like(y), cache)
with_random = bn.backward(rng.standard_normal(y.shape), cache)
print(f"true dx for dy = 1:      largest entry {abs(with_ones).max():.1e}")
print(f"true dx for a random dy: largest entry {abs(with_random).max():.1e}")
assert abs(with_ones).max() < 1e-12 < 1e-2 < abs(with_random).max()

# %% [markdown]
# `sum(y**2)` is no better: its gradient `2y` is the output of the normalisation, and that direction too is one in
# which nothing can change. `gradcheck` refuses both, and with a random `dy` it catches the lazy layer.

# %%
for lying in (np.ones_like(y), 2 * y):
    try:
        gradcheck(bn, x, dy=lying)
    except RangeError as refusal:
        print("refused:", refusal, "\n")
    else:
        raise AssertionError("a degenerate dy was accepted")
try:
    gradcheck(LazyBatchNorm(2), x)
except GradientError as caught:
    print("caught: ", caught)
else:
    raise AssertionError("the lazy layer passed")

# %% [markdown]
# ## Lie 2: kinks
#
# ReLU has a corner at 0. A central difference at the corner measures the mean of both slopes, 1/2, which is neither
# of the two answers that backward may give, and a correct layer is refused. A complex step goes through the very
# branch that the real input takes.

# %%
relu = ReLU()
at_corner = np.zeros((1, 1))
_, cache = relu.forward(at_corner)
by_backward = relu.backward(np.ones((1, 1)), cache)[0, 0]
h = 1e-6
by_differences = (relu(at_corner + h) - relu(at_corner - h))[0, 0] / (2 * h)
by_complex_step = relu(at_corner + 1e-30j)[0, 0].imag / 1e-30
print(f"slope of ReLU at 0: backward {by_backward}, complex step {by_complex_step}, differences {by_differences}")
assert by_backward == by_complex_step == 0
assert by_differences == 0.5

ties = np.round(2 * x) / 2  # many exact zeros
gradcheck(relu, ties)  # passes, by complex steps
gradcheck(relu, ties, method="central")  # passes as well: minires sees the corner and steps off it

# %% [markdown]
# ## Lie 3: float32
#
# In float32 a number has about seven digits, and a difference of two of them with `h = 1e-5` keeps perhaps two.
# The check then needs a tolerance so wide that real mistakes fit into it. Here is how many digits are left:

# %%
conv = Conv2d(2, 3, 3, padding=1, rng=0)
v = rng.standard_normal(x.shape)
dy = rng.standard_normal((4, 3, 5, 5))
numeric = {}
for dtype, h in ((np.float32, 1e-5), (np.float64, 1e-5)):
    layer = conv.to(dtype=dtype)
    plus, minus = ((layer((x + s * h * v).astype(dtype)) * dy).sum() for s in (1, -1))
    numeric[dtype] = (plus - minus) / (2 * h)
y, cache = conv.forward(x)
analytic = (v * conv.backward(dy, cache)).sum()
for dtype, value in numeric.items():
    print(f"{dtype.__name__}: {value:.9f}, relative error {abs(value / analytic - 1):.0e}  (backward: {analytic:.9f})")
assert abs(numeric[np.float32] / analytic - 1) > 1e-5
assert abs(numeric[np.float64] / analytic - 1) < 1e-8

# %% [markdown]
# So `gradcheck` always compares in float64, and runs float32 only against float64: the same formula must give
# the same numbers, up to the rounding of the longest sum in it.

# %%
print(gradcheck(conv, x.astype(np.float32)))

# %% [markdown]
# Next: [from im2col to a trained network](03_from_im2col_to_a_trained_resnet.py).
