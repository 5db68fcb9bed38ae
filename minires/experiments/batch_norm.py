"""What batch norm does to a batch, to its gradient, to the layer before it, and to the statistics for the test."""

import numpy as np

from ..errors import ShapeError
from ..layers import BatchNorm1d, BatchNorm2d, Linear, Sequential
from .experiment import Check, Claim, Experiment, Verdict
from .lab import patched

CLAIM = Claim(
    sentence="Batch normalisation brings each channel to mean 0 and variance 1; a bias before it is useless; batches "
    "should be large; and the moving averages for the test are in the end those of the whole training set.",
    article="ResNet table and batch norm, training and test",
    paper="Ioffe and Szegedy 2015, section 3 and algorithms 1 and 2",
)
BATCH, IN, OUT, EPS, MOMENTUM = 32, 20, 10, 1e-5, 0.1
SIZES = [2, 4, 8, 16, 32, 64, 128, 256]


def measure(seed, quick, lab):
    rng = np.random.default_rng(seed)
    return {
        "output": normalised(rng),
        "before": layer_before(rng),
        "running": running(rng),
        "gap": gap(lab.digits[0].images.reshape(len(lab.digits[0]), -1) / 255, rng, 10 if quick else 100),
        "variance of the mean": [variance_of_mean(size, 2000 if quick else 20000, rng) for size in SIZES],
        "refused": refused(),
    }


def normalised(rng):
    """Largest |mean| of x_hat, and |variance - var / (var + eps)|."""
    x = 0.01 * rng.standard_normal((BATCH, OUT)) + rng.standard_normal(OUT)
    y, _ = BatchNorm1d(OUT, eps=EPS).to(dtype=np.float64).forward(x, train=True)
    return {"mean": largest(y.mean(0)), "variance": largest(y.var(0) - x.var(0) / (x.var(0) + EPS))}


def layer_before(rng):
    """What a bias, and a factor, of the layer before changes; and the gradients of both."""
    weight, bias = rng.standard_normal((OUT, IN)), rng.standard_normal(OUT)
    gamma, beta = rng.uniform(0.5, 1.5, OUT), rng.standard_normal(OUT)
    x, dy = rng.standard_normal((BATCH, IN)), rng.standard_normal((BATCH, OUT))

    def run(weight, bias, eps):
        linear, norm = Linear(IN, OUT, rng=0), BatchNorm1d(OUT, eps=eps)
        net = Sequential(linear, norm).to(dtype=np.float64)
        linear.weight.data[...], linear.bias.data[...] = weight, bias
        norm.gamma.data[...], norm.beta.data[...] = gamma, beta
        y, cache = net.forward(x, train=True)
        net.backward(dy, cache)
        return y, linear.bias.grad, (linear.weight.grad * weight).sum(1), norm.gamma.grad

    y, db, radial, _ = run(weight, bias, 0.0)
    _, _, radial_eps, dgamma = run(weight, bias, EPS)
    var = (x @ weight.T).var(0)
    return {
        "bias": largest(run(weight, 0, 0.0)[0] - y),
        "gradient of the bias": largest(db),
        "factor": largest(run(3 * weight, bias, 0.0)[0] - y),
        "radial gradient": largest(radial),
        "radial gradient by eps": largest(radial_eps - gamma * dgamma * EPS / (var + EPS)),
    }


def running(rng):
    """Error of the running statistics after 5 times the same batch against (1 - .9^5) batch + .9^5 start."""
    x, norm = rng.standard_normal((BATCH, OUT)), BatchNorm1d(OUT, momentum=MOMENTUM).to(dtype=np.float64)
    for _ in range(5):
        norm.forward(x, train=True)
    old = (1 - MOMENTUM) ** 5
    unbiased = x.var(0, ddof=1)
    return largest([norm.running_mean.data - (1 - old) * x.mean(0), norm.running_var.data - old - (1 - old) * unbiased])


def gap(images, rng, times):
    """Root mean square of running mean - mean of all images, in standard deviations, over its prediction.

    Batches of 64 that are drawn at random: sqrt(momentum / (2 - momentum) / 64), however long it goes on.
    """
    images = images[:, images.std(0) > 0.1]
    norm = BatchNorm1d(images.shape[1], momentum=MOMENTUM).to(dtype=np.float64)
    found = []
    for step in range(40 * (times + 1)):
        norm.forward(images[rng.integers(len(images), size=64)], train=True)
        if step >= 40:
            found.append(np.mean(((norm.running_mean.data - images.mean(0)) / images.std(0)) ** 2))
    return float(np.sqrt(np.mean(found) / (MOMENTUM / (2 - MOMENTUM) / 64)))


def variance_of_mean(size, draws, rng):
    """Of the mean that batch norm finds in batches of ``size``, from numbers of no bell shape."""
    norm = BatchNorm1d(draws, momentum=1.0).to(dtype=np.float64)
    norm.forward(rng.exponential(size=(size, draws)), train=True)
    return float(norm.running_mean.data.var())


def refused():
    """1 if a batch of one value a channel is refused in training, whose output would be beta whatever it is."""
    try:
        BatchNorm2d(OUT).forward(np.ones((1, OUT, 1, 1), np.float32), train=True)
    except ShapeError:
        return 1
    return 0


def largest(a):
    return float(np.abs(a).max())


def verdict(numbers):
    def exact(what, *path):
        return Check(what, tuple(_at(n, path) for n in numbers), at_most=1e-12)

    def exponent(values):
        size = np.log(SIZES) - np.log(SIZES).mean()
        return float(size @ np.log(values) / (size @ size))

    exponents = tuple(exponent(n["variance of the mean"]) for n in numbers)
    return Verdict(
        (
            exact("mean of a channel", "output", "mean"),
            exact("its variance - var / (var + eps)", "output", "variance"),
            exact("change of the output by a bias before it", "before", "bias"),
            exact("gradient of that bias", "before", "gradient of the bias"),
            exact("change of the output by a factor before it", "before", "factor"),
            exact("gradient of the weights along themselves", "before", "radial gradient"),
            exact("the same with eps, less its formula", "before", "radial gradient by eps"),
            exact("running statistics, less their formula", "running"),
            Check("exponent of the variance of the mean in the size of the batch", exponents, -1.05, -0.95),
            Check("one value a channel is refused", tuple(n["refused"] for n in numbers), 1, 1),
            Check(
                "gap of the running mean to that of all images / predicted", tuple(n["gap"] for n in numbers), 0.8, 1.2
            ),
        ),
        "mean 0 and variance 1 are those before gamma and beta; the moving averages never become those of the whole "
        "set, but scatter around them by a part that momentum and the size of the batch decide",
    )


def _at(numbers, path):
    for key in path:
        numbers = numbers[key]
    return numbers


def draw(numbers, figure):
    axes = figure.subplots()
    for n in numbers:
        axes.loglog(SIZES, n["variance of the mean"], "o", color="C0")
    axes.loglog(SIZES, 1 / np.array(SIZES), color="C1", label="1 / size")
    axes.set_xlabel("size of the batch")
    axes.set_ylabel("variance of the mean of a batch")
    axes.legend(frameon=False)


def statistics_as_constants():
    """Mean and variance are not differentiated."""
    return patched(BatchNorm2d, statistics="constant")


def without_momentum():
    """The running statistics are those of the last batch."""
    right = BatchNorm2d._track

    def track(self, mean, var):
        before, self.momentum = self.momentum, 1.0
        right(self, mean, var)
        self.momentum = before

    return patched(BatchNorm2d, _track=track)


EXPERIMENT = Experiment(
    "batch_norm",
    CLAIM,
    measure,
    verdict,
    draw,
    expected="HOLDS WITH A CONDITION",
    breaks={
        "statistics taken as constants": statistics_as_constants,
        "running statistics of one batch": without_momentum,
    },
)
