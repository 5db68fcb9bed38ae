# %% [markdown]
# # 2. Gradient checks, and how they lie
#
# A wrong `backward` rarely crashes. The network still learns, only worse, and nobody knows why. So a gradient
# written by hand has to be checked against the one thing that cannot be argued with: the derivative of `forward`.
# This tutorial builds such a check, makes it exact, and shows three ways in which a careless check passes wrong code or
# refuses right code.
#
# **You need**: [a layer and its gradient](01_a_layer_and_its_gradient.py); Taylor's line; a look at complex numbers.
#
# **You will be able to**: write a gradient check in ten lines, choose its step, say why a loss like `sum(y)` proves
# nothing, and test the check itself.
#
# **Time**: 30 minutes

# %%
from textwrap import fill

import numpy as np

from minires import check_layer, gradcheck
from minires.errors import GradientError, MiniresError, RangeError
from minires.layers import Layer, Linear, ReLU, Sequential
from minires.mutants import MUTANTS

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)

# %% [markdown]
# ## One direction in place of all
#
# To nudge every input by itself costs one forward for each: a million for a million inputs. There is a cheaper way.
# Take a random upstream gradient $dy$ and a random *direction* $v$, an array of the shape of $x$, and move all
# inputs at once, by $h v$. Three lines say what must come out.
#
# *Line 1.* The loss is $L = \langle dy, y \rangle$, so that its gradient with respect to $y$ is $dy$. Along $v$ its
# derivative is $\langle dy, J v \rangle$, since $J v$ is what Taylor's line says of $y$.
#
# *Line 2.* An inner product with a product can be read from the other side:
#
# $$\langle dy, J v \rangle = \sum_{ij} dy_i\, J_{ij}\, v_j = \langle J^T dy, v \rangle$$
#
# *Line 3.* And $J^T dy$ is what `backward` claims to be. So two numbers must agree, one from forward and one from
# backward:
#
# $$\langle dy, \tfrac{d}{dh} f(x + h v) \rangle = \langle \texttt{backward}(dy), v \rangle$$
#
# To compare them is a **gradient check**.

# %%
net = Sequential(first=Linear(3, 5, rng=rng), relu=ReLU(), second=Linear(5, 2, rng=rng)).to(dtype=np.float64)
x = rng.standard_normal((4, 3))  # (N, D)
y, cache = net.forward(x)  # (N, M)
dy, v = rng.standard_normal(y.shape), rng.standard_normal(x.shape)
h = 1e-6

Jv = (net(x + h * v) - net(x - h * v)) / (2 * h)  # (N, M): line 1
by_forward = (dy * Jv).sum()
by_backward = (net.backward(dy, cache) * v).sum()  # line 3
print(f"by forward {by_forward:.9f}, by backward {by_backward:.9f}")
assert np.isclose(by_forward, by_backward, rtol=1e-7)

nudges = np.eye(x.size).reshape(-1, *x.shape)  # (N D, N, D): one entry of x at a time
J = np.stack([(net(x + h * e) - net(x - h * e)).ravel() / (2 * h) for e in nudges], axis=1)  # (N M, N D)
assert np.allclose(J @ v.ravel(), Jv.ravel())  # line 1
assert np.isclose(dy.ravel() @ (J @ v.ravel()), (J.T @ dy.ravel()) @ v.ravel())  # line 2

# %% [markdown]
# Can a wrong entry hide? It would have to be at right angles to a direction that was drawn after it was made: that has
# the probability zero. The same works for the weights; move them instead of `x`. Here is the check, for `x` and every
# weight of a layer. (`train=True` says that this is a training. The layers that we know do not care, later ones do.)


# %%
def agrees(layer, x, dy, rng, h=1e-6):
    """Whether backward and forward agree along one random direction, for x and for every weight."""
    _, cache = layer.forward(x.copy(), train=True)
    layer.zero_grads()
    dx = layer.backward(dy, cache)
    pairs = [(x, dx)] + [(p.data, p.grad) for _, p in layer.params()]
    for array, gradient in pairs:
        v, kept, there = rng.standard_normal(array.shape), array.copy(), []
        for step in (h, -h):
            array[...] = kept + step * v
            there.append((dy * layer.forward(x.copy(), train=True)[0]).sum())
        array[...] = kept
        forward, backward = (there[0] - there[1]) / (2 * h), (gradient * v).sum()
        if not abs(forward - backward) < 1e-6 * max(abs(forward), abs(backward), 1):
            return False
    return True


assert agrees(net, x, dy, rng)

# %% [markdown]
# ## How long should the step be?
#
# We measured the derivative as $(f(x + h) - f(x - h)) / 2h$, the **central difference**. How wrong is that? Write
# Taylor's series for both points; all derivatives are taken at $x$:
#
# $$f(x \pm h) = f \pm h f' + \tfrac{h^2}{2} f'' \pm \tfrac{h^3}{6} f''' + \dots$$
#
# In the difference $f$ and $f''$ cancel:
#
# $$\frac{f(x + h) - f(x - h)}{2h} = f' + \frac{h^2}{6} f''' + \dots$$
#
# So a smaller step is better, by its square. But a computer keeps about 16 digits of a number, and the last of them
# is wrong: by a **rounding error** of $\varepsilon \approx 10^{-16}$ of the number. When two nearly equal numbers
# are subtracted, the digits that they share are gone and the wrong one is left; divided by $2h$ that is an error of
# about $\varepsilon |f| / h$, which *grows* when the step shrinks.
#
# There is a way out, the **complex step**: step into the imaginary direction. With $i^2 = -1$:
#
# $$f(x + i h) = f + i h f' - \tfrac{h^2}{2} f'' - i \tfrac{h^3}{6} f''' + \dots
# \qquad\Rightarrow\qquad \frac{\mathrm{Im} f(x + i h)}{h} = f' - \frac{h^2}{6} f''' + \dots$$
#
# Nothing is subtracted. So $h$ may be $10^{-30}$, and the error of Taylor's series is then $10^{-60}$.

# %%
x0, exact = 1.5, np.exp(1.5) * (np.sin(1.5) + np.cos(1.5))  # f(x) = exp(x) sin(x), and its derivative


def f(z):
    return np.exp(z) * np.sin(z)


steps = 10.0 ** -np.arange(1, 31)
central = abs((f(x0 + steps) - f(x0 - steps)) / (2 * steps) - exact)
complex_step = abs(f(x0 + 1j * steps).imag / steps - exact)
print("    h   central differences   complex step")
for k in (0, 2, 4, 6, 10, 15, 29):
    print(f"{steps[k]:.0e}   {central[k]:18.1e}   {complex_step[k]:12.1e}")
assert np.isclose(central[0] / central[1], 100, rtol=0.01)  # as h^2, while h is large
third = abs(2 * np.exp(x0) * (np.cos(x0) - np.sin(x0)))  # the third derivative
assert np.isclose(central[1], steps[1] ** 2 / 6 * third, rtol=0.01)  # and with the factor f''' / 6
assert central.min() > 1e-13 and central[11] > 1e-6  # never better than this, and then noise
assert np.isclose(complex_step[1], steps[1] ** 2 / 6 * third, rtol=0.01)  # the same term, and no noise after it
assert complex_step[29] < 1e-15

# %%
if plt:
    plt.figure(figsize=(6.5, 3.8), layout="constrained")
    for values, label, style in ((central, "central differences", "o-"), (complex_step, "complex step", "s-")):
        plt.loglog(steps, np.maximum(values, 1e-17), style, markersize=4, label=label)
    plt.loglog(steps[:7], steps[:7] ** 2 / 6 * third, "--", color="0.5", label="$h^2 f''' / 6$")
    plt.loglog(steps[4:16], 1.1e-16 * f(x0) / steps[4:16], ":", color="0.5", label="$\\varepsilon f / h$")
    plt.ylim(5e-18, 10)
    plt.gca().invert_xaxis()
    plt.title("Error of a measured derivative")
    plt.xlabel("step $h$ (smaller to the right)")
    plt.ylabel("error (at least $10^{-17}$ drawn)")
    plt.legend()
    plt.show()

# %% [markdown]
# The valley of the first curve is where both errors are equal. The second has no valley to look for.
#
# ## The check of minires
#
# `gradcheck` does what `agrees` does, by complex steps and along several directions, and when something is wrong it
# says where. All layers of minires take complex numbers, so that this works.

# %%
report = gradcheck(net, x)
print(report)
assert report.worst_error < 1e-12

# %% [markdown]
# ## Lie 1: an upstream gradient of ones
#
# Many checks written by hand take `sum(y)` for a loss, because its gradient is easy: $dy = 1$ everywhere. Now look at
# a layer that subtracts the mean of each row: $y = x - \bar x$. The sum of its outputs is zero *whatever $x$ is*. That
# loss cannot move, its true gradient is zero, and so a backward that returns nothing but zeros passes.


# %%
class Centre(Layer):
    """y = x - mean of the row.   dx = dy - mean of the row of dy."""

    def forward(self, x, train=False):
        return x - x.mean(axis=1, keepdims=True), None

    def backward(self, dy, cache):
        return dy - dy.mean(axis=1, keepdims=True)


class LazyCentre(Centre):
    """Returns nothing but zeros."""

    def backward(self, dy, cache):
        return 0 * dy


ones, random = np.ones((4, 3)), rng.standard_normal((4, 3))
print("dy = 1:     right layer passes:", agrees(Centre(), x, ones, rng), "  lazy:", agrees(LazyCentre(), x, ones, rng))
print(
    "dy random:  right layer passes:", agrees(Centre(), x, random, rng), "  lazy:", agrees(LazyCentre(), x, random, rng)
)
assert agrees(LazyCentre(), x, ones, rng) and not agrees(LazyCentre(), x, random, rng)
assert agrees(Centre(), x, ones, rng) and agrees(Centre(), x, random, rng)

# %% [markdown]
# Then take `sum(y**2)`, with $dy = 2y$? There are layers that fix this one. If $y = x / |x|$ has the length 1, then
# $\sum y^2 = 1$, whatever $x$ is. Its true backward, in two lines, with the length $r = |x|$, whose derivative is
# $\partial r / \partial x_j = x_j / r = y_j$:
#
# $$\frac{\partial y_i}{\partial x_j} = \frac{\delta_{ij}}{r} - \frac{x_i}{r^2} y_j = \frac{\delta_{ij} - y_i y_j}{r}
# \qquad\Rightarrow\qquad dx = \frac{dy - y \langle y, dy\rangle}{r}$$
#
# ($\delta_{ij}$ is 1 where $i = j$, else 0.) Put $dy = 2y$ into it: $2y - 2y \langle y, y \rangle = 0$.


# %%
class UnitLength(Layer):
    """y = x / r, with r the length of the row of x.   dx = (dy - y <y, dy>) / r."""

    def forward(self, x, train=False):
        r = (x * x).sum(axis=1, keepdims=True) ** 0.5  # no abs(): it would end the complex step
        return x / r, (x / r, r)

    def backward(self, dy, cache):
        y, r = cache
        return (dy - y * (y * dy).sum(axis=1, keepdims=True)) / r


y, cache = UnitLength().forward(x)
print(f"true dx for dy = 2y:     largest entry {abs(UnitLength().backward(2 * y, cache)).max():.1e}")
print(f"true dx for a random dy: largest entry {abs(UnitLength().backward(random, cache)).max():.1e}")
row, tiny = x[0], 1e-30  # both lines of the derivation for one row, by complex steps
length = [(((row + 1j * tiny * e) ** 2).sum() ** 0.5).imag / tiny for e in np.eye(3)]
J = np.stack([UnitLength()((row + 1j * tiny * e)[None])[0].imag / tiny for e in np.eye(3)], axis=1)  # (D, D)
assert np.allclose(length, y[0])  # the derivative of r
assert np.allclose(J, (np.eye(3) - np.outer(y[0], y[0])) / cache[1][0])
assert abs(UnitLength().backward(2 * y, cache)).max() < 1e-15
assert gradcheck(UnitLength(), x).worst_error < 1e-12

# %% [markdown]
# The layers that normalise, of which later tutorials speak, do both: they subtract a mean and divide by a
# length. Behind them both losses are blind. So `gradcheck` refuses both, and with a random `dy` it catches the lazy.

# %%
for layer, lying in ((Centre(), ones), (UnitLength(), 2 * y)):
    try:
        gradcheck(layer, x, dy=lying)
    except RangeError as refusal:
        print(fill(f"refused: {refusal}", 84))
    else:
        raise AssertionError("a degenerate dy was accepted")
try:
    gradcheck(LazyCentre(), x)
except GradientError as caught:
    print(fill(f"caught: {caught}", 84))
else:
    raise AssertionError("the lazy layer passed")

# %% [markdown]
# ## Lie 2: kinks
#
# ReLU has a corner at 0, a **kink**: the slope is 0 on its left and 1 on its right. A central difference at the corner
# measures the mean of both, 1/2, which is neither of the two answers that backward may give, and a correct layer is
# refused. A complex step goes through the very branch that the real input takes.

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

ties = np.round(x)  # many exact zeros
assert gradcheck(relu, ties).worst_error < 1e-12  # passes, by complex steps
assert gradcheck(relu, ties, method="central").worst_error < 1e-6  # and so: minires sees the corner and steps off it

# %% [markdown]
# ## Lie 3: float32
#
# Networks are trained with numbers of 32 bits, which keep about seven digits. A difference of two of them with
# `h = 1e-5` keeps perhaps two. The check then needs a tolerance so wide that real mistakes fit into it. How wrong the
# number from forward is, in both kinds of numbers:

# %%
layer, dy = Linear(3, 2, rng=0), rng.standard_normal((4, 2))
wrong_by = {}
for dtype in (np.float32, np.float64):
    same, h = layer.to(dtype=dtype), 1e-5
    plus, minus = ((same((x + s * h * v).astype(dtype)) * dy.astype(dtype)).sum() for s in (1, -1))
    _, cache = layer.to(dtype=np.float64).forward(x)
    analytic = (v * layer.to(dtype=np.float64).backward(dy, cache)).sum()
    wrong_by[dtype] = abs((plus - minus) / (2 * h) / analytic - 1)
    print(f"{dtype.__name__}: relative error {wrong_by[dtype]:.0e}")
assert wrong_by[np.float32] > 1e-4 > 1e-8 > wrong_by[np.float64]

# %% [markdown]
# So `gradcheck` always compares in float64, and runs float32 only against float64: the same formula must give the same
# numbers, up to the rounding of the longest sum in it.

# %%
print(gradcheck(layer, x.astype(np.float32)))

# %% [markdown]
# ## Who checks the check?
#
# A check that never fails proves nothing either. So plant mistakes on purpose, and count how many it finds. A layer
# with one planted mistake is a **mutant**. minires brings many, each with the misconception behind it:

# %%
for mutant in [m for m in MUTANTS if m.of == "Linear"][:4]:
    print(fill(f"{mutant.name}: {mutant.misconception}", 84))

# %% [markdown]
# Here are all of three layers: `Linear`, `ReLU`, and `BatchNorm2d`, one of those that normalise, which a later
# tutorial derives. We ask three checks: ours with $dy = 1$, ours with a random $dy$, and `check_layer`, which adds to
# the gradients all else that a layer promises (that it changes nothing that is not its own, that `backward` can be
# called twice, that it is right outside of training).


# %%
def passes(mutant, dy_of):
    """Whether our check takes this mutant for right."""
    make, x = mutant.case(seed=0)
    layer = make().to(dtype=np.float64)
    y, _ = layer.forward(x.copy(), train=True)
    return agrees(layer, x, dy_of(y.shape), np.random.default_rng(5))


def promises_kept(mutant):
    try:
        check_layer(*mutant.case(seed=0))
    except MiniresError:
        return False
    return True


checks = {
    "dy = 1": lambda mutant: passes(mutant, np.ones),
    "random dy": lambda mutant: passes(mutant, np.random.default_rng(4).standard_normal),
    "check_layer": promises_kept,
}
names = ("Linear", "ReLU", "BatchNorm2d")
missed = {}
for name in names:
    planted = [mutant for mutant in MUTANTS if mutant.of == name]
    missed[name] = [sum(check(mutant) for mutant in planted) for check in checks.values()]
    print(
        f"{name:<12} {len(planted):2d} mutants, missed by "
        + ", ".join(f"{c}: {n}" for c, n in zip(checks, missed[name]))
    )
assert all(counts[2] == 0 for counts in missed.values())
assert missed["BatchNorm2d"][0] > missed["BatchNorm2d"][1] > 0

# %%
if plt:
    plt.figure(figsize=(6.5, 3.2), layout="constrained")
    for k, check in enumerate(checks):
        plt.bar(np.arange(3) + 0.27 * (k - 1), [missed[name][k] for name in names], 0.25, label=check)
    plt.xticks(range(3), names)
    plt.ylabel("mutants that pass")
    plt.title("What three checks let through")
    plt.legend()
    plt.show()

# %% [markdown]
# Ones miss most where something is normalised. A random $dy$ alone is not enough either: a gradient can be right and
# the layer wrong, because it spoils its input, or is wrong outside of training, or at a kink. The whole list, for every
# layer, is one command: `minires check`.

# %% [markdown]
# ## Exercise 1: write the check
#
# Without looking up: write `is_right(layer, x)`, which returns `True` if `layer.backward` gives the right `dx` at `x`,
# else `False`. Layers are given in float64. Take care that it cannot be lied to by any of the layers above.


# %%
def check_1(answer):
    class Forgetful(UnitLength):
        def backward(self, dy, cache):
            return dy / cache[1]

    right = [Linear(3, 3, rng=1).to(dtype=np.float64), Centre(), UnitLength(), ReLU()]
    wrong = [LazyCentre(), Forgetful()]
    wrong += [m.case(0)[0]() for m in MUTANTS if m.name in ("Linear.TransposeForgotten", "ReLU.PassesEverything")]
    for layer in right + wrong:
        width = layer.in_features if isinstance(layer, Linear) else 3
        x = np.random.default_rng(6).standard_normal((5, width))
        kept = x.copy()
        verdict = answer(layer.to(dtype=np.float64), x)
        assert isinstance(verdict, (bool, np.bool_)), f"expected True or False, got {verdict!r}"
        name = type(layer).__name__
        true = any(layer is one for one in right)
        assert verdict == true, f"is_right says {verdict} of {name}, whose backward is {'right' if true else 'wrong'}"
        assert (x == kept).all(), f"{name}: x was changed"


# %% tags=["answer", "hide-cell"]
def is_right(layer, x):
    rng = np.random.default_rng(0)
    y, cache = layer.forward(x)
    dy, v = rng.standard_normal(y.shape), rng.standard_normal(x.shape)  # random, both of them
    backward = (layer.backward(dy, cache) * v).sum()
    h = 1e-6
    forward = (dy * (layer(x + h * v) - layer(x - h * v))).sum() / (2 * h)
    return bool(abs(forward - backward) < 1e-6 * max(abs(forward), abs(backward)))


check_1(is_right)

# %% [markdown]
# ## Exercise 2: predict, then measure
#
# The central difference is wrong by about $\frac{h^2}{6} |f'''| + \frac{\varepsilon}{h} |f|$. Take $|f| = |f'''| = 1$.
# For which $h$ is that smallest? Write `best_step(eps)`. It is tried for float64 and for float32.


# %%
def error_of(h, dtype):
    """How wrong central differences of the sine are, on average over 200 points."""
    points, h = np.linspace(0.5, 1.5, 200).astype(dtype), dtype(h)
    slope = (np.sin(points + h) - np.sin(points - h)) / (2 * h)
    return abs(slope - np.cos(points.astype(np.float64))).mean()


def check_2(answer):
    for dtype in (np.float64, np.float32):
        h = answer(float(np.finfo(dtype).eps))
        assert isinstance(h, float) and 0 < h < 1, f"expected a number between 0 and 1, got {h!r}"
        best = min(error_of(step, dtype) for step in 10 ** np.linspace(-7, -0.5, 60))
        found = error_of(h, dtype)
        assert found < 4 * best, f"{dtype.__name__}: {h:.1e} is wrong by {found:.0e}, the best by {best:.0e}"


# %% tags=["answer", "hide-cell"]
def best_step(eps):
    # the derivative of h^2 / 6 + eps / h is h / 3 - eps / h^2, which is zero at h^3 = 3 eps
    return (3 * eps) ** (1 / 3)


check_2(best_step)
print(f"float64: h = {best_step(np.finfo(np.float64).eps):.0e}, float32: h = {best_step(np.finfo(np.float32).eps):.0e}")

# %% [markdown]
# ## Exercise 3: find the bug
#
# The layer `y = x * s` with `s = 1 / (1 + exp(-x))` is called SiLU. Somebody wrote its backward. Let `gradcheck` say
# whether it is right, then derive it (a product: two terms; and $s' = s (1 - s)$) and write `silu_backward(dy, x)`.


# %%
class WrongSiLU(Layer):
    def forward(self, x, train=False):
        return x / (1 + np.exp(-x)), x

    def backward(self, dy, cache):
        s = 1 / (1 + np.exp(-cache))
        return dy * cache * s * (1 - s)


def check_3(answer):
    class Yours(WrongSiLU):
        def backward(self, dy, cache):
            dx = answer(dy, cache)
            assert isinstance(dx, np.ndarray), f"expected an array, got {type(dx).__name__}: is there a return?"
            return dx

    gradcheck(Yours(), np.random.default_rng(7).standard_normal((4, 5)))


# %% tags=["answer", "hide-cell"]
def silu_backward(dy, x):
    s = 1 / (1 + np.exp(-x))
    return dy * (s + x * s * (1 - s))  # the factor x of the product has a derivative, too


check_3(silu_backward)
try:
    gradcheck(WrongSiLU(), x)
except GradientError as caught:
    print(fill(f"the wrong one: {caught}", 84))
else:
    raise AssertionError("the wrong SiLU passed")

# %% [markdown]
# ## What this settles
#
# *Claim: a gradient check shows that backward is right.* True under three conditions: the upstream gradient is
# random, the arithmetic is float64, and at kinks the derivative is taken on the side that forward takes. Checks with
# `sum(y)` or `sum(y**2)`, which are common, pass a backward that returns zeros.
#
# With this in hand you can write any layer, and know. Next comes the one that networks for pictures are made
# of: [the convolution](03_convolution.py).
