# %% [markdown]
# # 20. The same code on a GPU
#
# A graphics card multiplies a thousand times as fast as a core of a processor, and may still be slower. This
# tutorial says what runs where in minires, why the layers need not know it, and how to estimate, with two divisions,
# whether a GPU will help. No GPU is needed to follow it.
#
# **You need**: the layers ([3](03_convolution.py) to [5](05_losses_and_a_training_step.py)). What a GPU is, is said
# here.
#
# **You will be able to**: write a function that runs on both devices, tell the three limits of a GPU apart (launches,
# memory, arithmetic), and find which of them holds a network back.
#
# **Time**: 25 minutes

# %%
import textwrap

import numpy as np

from minires import models
from minires.backend import device_of, xp_of
from minires.errors import DeviceError
from minires.layers import BatchNorm2d, Conv2d, ReLU, Residual, Sequential

try:
    import matplotlib.pyplot as plt
except ImportError:
    plt = None  # the numbers stand without the pictures: pip install "minires[plot]"

rng = np.random.default_rng(0)

# %% [markdown]
# ## One code, two libraries
#
# **CuPy** has the functions of NumPy, on arrays that lie in the memory of an NVIDIA GPU (programmed by CUDA). So
# code that takes its functions from *the library of its input* runs on both. `xp_of` finds it:

# %%


def softmax(x):
    """(N, K) -> (N, K), on the device of x."""
    xp = xp_of(x)  # numpy, or cupy
    e = xp.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


logits = rng.standard_normal((4, 10))
assert np.allclose(softmax(logits).sum(axis=1), 1) and device_of(logits) == "cpu"

# %% [markdown]
# All layers of minires are written so. Moving a network moves its parameters, and its input must lie there too. Where
# there is no GPU, that is one sentence with the remedy:

# %%
net = models.build("resnet8", rng=0)
try:
    net.to(device="cuda")
    print("on", device_of(next(iter(net.params()))[1].data))
    net.to(device="cpu")
except DeviceError as error:
    print(textwrap.fill(str(error), 96))

# %% [markdown]
# ## First limit: launches
#
# The processor does not compute on the GPU; it *asks* for work. Every array operation is one request, a **kernel
# launch** (a *kernel* is one program for the GPU), and costs the processor some ten microseconds, however small the
# arrays are. The GPU works on while the processor asks for the next: a time that is measured without waiting for the
# end is far too short.
#
# How many launches is a layer? We count them with a library that counts, which is all that it does besides NumPy:

# %%


class Counting:
    """NumPy, but each function called through it is counted, as each would be a launch."""

    def __init__(self):
        self.launches = []

    def __getattr__(self, name):
        def launch(*arguments, **settings):
            self.launches.append(name)
            return getattr(np, name)(*arguments, **settings)

        return launch


def batch_norm(xp, x, gamma, beta, eps=1e-5):
    """Forward in training, operation by operation. x: (N, C, H, W); gamma, beta: (1, C, 1, 1)"""
    mean = xp.mean(x, axis=(0, 2, 3), keepdims=True)  # (1, C, 1, 1)
    centred = xp.subtract(x, mean)  # (N, C, H, W)
    var = xp.mean(xp.square(centred), axis=(0, 2, 3), keepdims=True)
    x_hat = xp.divide(centred, xp.sqrt(xp.add(var, eps)))
    return xp.add(xp.multiply(gamma, x_hat), beta)


x = rng.standard_normal((8, 16, 8, 8))
gamma, beta = rng.standard_normal((2, 1, 16, 1, 1))
counting = Counting()
y = batch_norm(counting, x, gamma, beta)

layer = BatchNorm2d(16).to(dtype=np.float64)
layer.gamma.data[...], layer.beta.data[...] = gamma.ravel(), beta.ravel()
assert np.allclose(y, layer.forward(x, train=True)[0])
print(len(counting.launches), "launches:", ", ".join(counting.launches))
assert len(counting.launches) == 9

# %% [markdown]
# Nine for one batch norm forward. A training step of a network of twenty layers comes to about a thousand. At ten
# microseconds each the processor alone needs that long, and the GPU, done in less, waits. The remedy is *fewer*
# launches for the same work: kernels written by hand that do all nine lines in one or two.
#
# ## Second and third limit: memory and arithmetic
#
# A kernel must read its input, compute, and write its output. Two divisions give the least time that it can take:
#
# $$t \ge \frac{\text{bytes}}{\text{bandwidth}} \qquad t \ge \frac{\text{operations}}{\text{rate}}$$
#
# The larger one is its *floor*. Which one that is depends on the **arithmetic intensity**, operations for each byte.
# Batch norm and ReLU do a few operations on each number: memory holds them back. A 3 x 3 convolution with 64 channels
# uses each number hundreds of times: arithmetic does. The picture of this is called a **roofline**.

# %%
# of a large card of 2023: bytes/s, operations/s in TF32 (float32 with fewer digits, for products), seconds
BANDWIDTH, RATE, LAUNCH = 3.3e12, 400e12, 10e-6


def floor(operations, count):
    """Least seconds, with ``count`` bytes to move; and which limit it is."""
    by_memory, by_arithmetic = count / BANDWIDTH, operations / RATE
    return max(by_memory, by_arithmetic), "memory" if by_memory > by_arithmetic else "arithmetic"


def convolution(n, c, m, k, h):
    """Operations and bytes of a convolution n x c x h x h -> m channels: 2 for each multiply-add, 4 bytes a number."""
    return 2 * n * m * h * h * c * k * k, 4 * (n * c * h * h + m * c * k * k + n * m * h * h)


def elementwise(n, c, h, arrays=2, each=1):
    """Operations and bytes where ``arrays`` arrays of this shape are read or written."""
    return each * n * c * h * h, 4 * arrays * n * c * h * h


work = {
    "ReLU, 64 channels": elementwise(128, 64, 56),
    "sum of two, 64 channels": elementwise(128, 64, 56, arrays=3),
    "1 x 1, 64 to 256": convolution(128, 64, 256, 1, 56),
    "3 x 3, 16 channels": convolution(128, 16, 16, 3, 32),
    "3 x 3, 64 channels": convolution(128, 64, 64, 3, 56),
    "3 x 3, 512 channels": convolution(128, 512, 512, 3, 7),
}
print(f"{'':24} operations a byte   floor us   limit")
for name, (operations, count) in work.items():
    least, limit = floor(operations, count)
    print(f"{name:24} {operations / count:17.1f} {1e6 * least:10.1f}   {limit}")
assert floor(*work["ReLU, 64 channels"])[1] == "memory"
assert floor(*work["3 x 3, 512 channels"])[1] == "arithmetic"

# %%
if plt:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    intensity = np.logspace(-1.5, 3.5, 100)
    axes.loglog(intensity, np.minimum(RATE, BANDWIDTH * intensity) / 1e12, color="black", label="roof")
    for name, (operations, count) in work.items():
        reached = operations / floor(operations, count)[0] / 1e12
        axes.plot(operations / count, reached, "o", label=name)
    axes.axvline(RATE / BANDWIDTH, color="0.7", linestyle=":")
    axes.set(xlabel="operations for each byte moved", ylabel="at most, TFLOP/s", title="Roofline of a large GPU")
    axes.legend(fontsize=8)
    plt.show()

# %% [markdown]
# Left of the dotted line more arithmetic units would change nothing. That is why *fusing* pays: batch norm, sum and
# ReLU in one pass read and write each number once.
#
# ## What holds a small network back
#
# Put the three limits side by side for one residual block on batches of different size, with the nine launches of a
# batch norm, two for a ReLU, and some four for a convolution by im2col:

# %%
block = Residual(
    Sequential(
        Conv2d(16, 16, 3, padding=1, rng=0),
        BatchNorm2d(16),
        ReLU(),
        Conv2d(16, 16, 3, padding=1, rng=0),
        BatchNorm2d(16),
    )
)
launches = sum(
    {"Conv2d": 4, "BatchNorm2d": 9, "ReLU": 2, "Residual": 1}.get(type(each).__name__, 0) for _, each in block.walk()
)
print(f"{launches} launches: {1e6 * LAUNCH * launches:.0f} us of the processor, whatever the batch")
batches, gpu = (1, 8, 32, 128, 512, 2048), {}
for n in batches:
    convs = 2 * floor(*convolution(n, 16, 16, 3, 32))[0]
    passes = 20 * floor(*elementwise(n, 16, 32))[0]  # the other operations, a read and a write each
    gpu[n] = convs + passes
    held = "launches" if launches * LAUNCH > gpu[n] else "the GPU"
    print(f"batch {n:5}: GPU {1e6 * gpu[n]:7.1f} us, held back by {held}")
assert launches * LAUNCH > gpu[1] and launches * LAUNCH < gpu[2048]

# %% [markdown]
# A small network on small batches is held back by launches, whatever the card. The way out for the user is a larger
# batch; for minires, fewer kernels.
#
# ## Waiting without noticing
#
# Whatever needs a *number* on the processor waits for the GPU to finish all that was asked for: `float(loss)`, `if (x >
# 0).all():`, `print(x)`. One such line in each step, and both sides take turns instead of working together. The
# training loop of minires fetches loss and accuracy once an epoch, not once a step. And whatever mixes arrays of both
# sides is refused rather than copied in silence.

# %% [markdown]
# ## Exercise 1: for both devices
#
# Write `huber(x)`, element by element $x^2/2$ where $|x| \le 1$, else $|x| - 1/2$, so that it runs on both devices:
# take every function from `xp_of(x)`.

# %%


def check_1(answer):
    x, counting, names = np.random.default_rng().standard_normal((5, 7)) * 2, Counting(), answer.__globals__
    real = names.get("xp_of", xp_of)
    names["xp_of"] = lambda x: counting
    try:
        found = answer(x)
    finally:
        names["xp_of"] = real
    assert np.shape(found) == x.shape, f"the shape is {np.shape(found)}, expected that of x, {x.shape}"
    assert np.allclose(found, np.where(abs(x) <= 1, x * x / 2, abs(x) - 0.5)), "wrong numbers"
    assert counting.launches, "no function came from xp_of(x): a CuPy array would meet NumPy"


# %% tags=["answer", "hide-cell"]
def huber(x):
    xp = xp_of(x)
    a = xp.abs(x)
    return xp.where(a <= 1, xp.square(x) / 2, a - 0.5)


check_1(huber)

# %% [markdown]
# ## Exercise 2: where the roof bends
#
# Write `channels_needed(bandwidth, rate)`: with how many channels a 3 x 3 convolution from $C$ to $C$ channels is no
# longer held back by memory. Leave the weights out: it moves $8\, C$ bytes for each pixel and does $18\, C^2$
# operations.

# %%


def check_2(answer):
    for bandwidth, rate in ((3.3e12, 400e12), (1e12, 20e12), (38e9, 234e9)):
        c = answer(bandwidth, rate)
        assert isinstance(c, float), f"expected one number, got {c}"
        by_arithmetic, by_memory = 18 * c**2 / rate, 8 * c / bandwidth  # seconds for each pixel
        assert np.isclose(by_arithmetic / by_memory, 1), (
            f"with {c:.1f} channels arithmetic takes {by_arithmetic / by_memory:.2g} times as long as memory"
        )


# %% tags=["answer", "hide-cell"]
def channels_needed(bandwidth, rate):
    return 8 * rate / (18 * bandwidth)  # 18 C^2 / rate = 8 C / bandwidth


check_2(channels_needed)
print(f"this card: {channels_needed(BANDWIDTH, RATE):.0f} channels")

# %% [markdown]
# ## Exercise 3: how large a batch?
#
# Write `least_batch(launches, seconds_an_image)`: the smallest whole batch with which the GPU has as much to do as the
# processor with asking, at `LAUNCH` seconds a launch.

# %%


def check_3(answer):
    for launches, each in ((1800, 5e-6), (29, 1e-7), (1, 1.0)):
        n = answer(launches, each)
        assert isinstance(n, int) and n >= 1, f"a batch is a whole number, got {n}"
        assert n * each >= launches * LAUNCH * (1 - 1e-9), f"with {n} images the GPU still waits"
        assert n == 1 or (n - 1) * each < launches * LAUNCH, f"{n} images are more than needed"


# %% tags=["answer", "hide-cell"]
def least_batch(launches, seconds_an_image):
    return max(1, int(np.ceil(launches * LAUNCH / seconds_an_image - 1e-9)))


check_3(least_batch)

# %% [markdown]
# ## What this settles
#
# * "The same code runs on NumPy and CuPy": true, if each function comes from the library of its input.
# * "A GPU is faster": if there is enough to do for each launch; else it waits for the processor.
# * No time in this tutorial was measured on a GPU; the floors are divisions. On a machine with one,
#   `minires train --device cuda` uses it.
# * The engine has such kernels (`minires/engine/cuda`). `minires models resnet50 --device cuda --card h100` reckons the
#   launches and floors of a whole training step, group by group, as we have done here for one layer.
#
# Next: [the interview](21_the_interview.py), which asks for all of it.
