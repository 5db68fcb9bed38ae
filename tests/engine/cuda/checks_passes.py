"""Passes on the host against NumPy float64: for the tests, and for those of the tests by planted mistakes."""

import numpy as np
from cuda_emulation import Arena, oracle

from minires.engine.cuda import passes
from minires.engine.cuda.launches import pitch

# pixels, channels: one image, ragged slabs, 3 to 130 channels
SIZES = [(77, 16), (1, 3), (300, 36), (530, 130), (64, 64)]
EPS = 1e-5


class Numbers:
    """Values of one size in one precision."""

    def __init__(self, precision, run, pixels, channels, seed=0):
        self.precision, self.run, self.pixels, self.channels = precision, run, pixels, channels
        self.rng, self.arena, self.dtype = np.random.default_rng(seed), Arena(), oracle.dtype(precision)
        self.tolerance = oracle.TOLERANCE["bf16" if precision == "bf16" else "float32"]

    def draw(self, mean=0.0):
        return oracle.stored(self.rng.standard_normal((self.pixels, self.channels)) + mean, self.precision)

    def rows(self, x):
        return self.arena.array(oracle.rows(x, self.precision))

    def empty(self):
        return self.arena.array((self.pixels, pitch(self.channels)), self.dtype)

    def floats(self, *shape):
        return self.arena.array(shape, np.float32)

    def parameter(self):
        return self.arena.array(self.rng.standard_normal(self.channels), np.float32)

    def norm(self, mean=None):
        """An affine map (mean, scale, shift, istd) as float64, and its array."""
        mean = self.rng.standard_normal(self.channels) if mean is None else mean
        scale, shift, istd = self.rng.standard_normal((3, self.channels)).astype(np.float32)
        array = self.arena.array(np.zeros((passes.NORM, pitch(self.channels)), np.float32))
        first = mean.astype(np.float32)
        array[:5, : self.channels] = [first, (mean - first).astype(np.float32), scale, shift, istd]
        mean = array[0].astype(np.float64) + array[1]
        return (mean[: self.channels], *(v.astype(np.float64) for v in (scale, shift, istd))), array

    def compare(self, found, expected, tolerance=None):
        self.arena.check()
        found = oracle.from_stored(found)
        assert (found[..., expected.shape[-1] :] == 0).all(), "numbers behind the last channel"
        oracle.close(found[..., : expected.shape[-1]], expected, tolerance or self.tolerance)


def batch_norm(run, precision, pixels, channels, mean=0.0):
    """Statistics, coefficients and y = relu(bn(u) + r), for values around ``mean``."""
    n = Numbers(precision, run, pixels, channels)
    u, r = n.draw(mean), n.draw()
    gamma, beta, running = n.parameter(), n.parameter(), (n.parameter(), n.parameter())
    before = [v.astype(np.float64) for v in running]
    count, rows = passes.slabs(pixels)
    parts, norm, y = n.floats(count, 3, pitch(channels)), n.floats(passes.NORM, pitch(channels)), n.empty()
    U = n.rows(u)
    run(passes.statistics(precision, pixels, channels, U, parts))
    run(passes.coefficients(pixels, channels, parts, rows, gamma, beta, norm, EPS, running, 0.1))
    run(passes.join(precision, pixels, channels, y, U, norm, n.rows(r), relu=True))
    m, var = u.mean(axis=0), u.var(axis=0)
    istd = 1 / np.sqrt(var + EPS)
    n.compare(y, np.maximum(gamma * istd * (u - m) + beta + r, 0))
    found = norm[0].astype(np.float64) + norm[1]
    assert (np.abs(found[:channels] - m) * istd < 1e-6).all(), "a mean that is off by part of a deviation"
    oracle.close(norm[4, :channels], istd, 2e-6)
    assert (norm[2:4, channels:] == 0).all()
    oracle.close(running[0], 0.9 * before[0] + 0.1 * m, 2e-6)
    oracle.close(running[1], 0.9 * before[1] + 0.1 * u.var(axis=0, ddof=1), 2e-6)


def moved_later(run, precision, pixels, channels):
    """Without running statistics the coefficients move none, and norm_track does."""
    n = Numbers(precision, run, pixels, channels)
    u, running = n.draw(3.0), (n.parameter(), n.parameter())
    before = [v.astype(np.float64) for v in running]
    count, rows = passes.slabs(pixels)
    parts, norm = n.floats(count, 3, pitch(channels)), n.floats(passes.NORM, pitch(channels))
    run(passes.statistics(precision, pixels, channels, n.rows(u), parts))
    run(passes.coefficients(pixels, channels, parts, rows, n.parameter(), n.parameter(), norm, EPS))
    run(passes.track(pixels, channels, norm, running, 0.3))
    n.arena.check()
    oracle.close(running[0], 0.7 * before[0] + 0.3 * u.mean(axis=0), 2e-6)
    oracle.close(running[1], 0.7 * before[1] + 0.3 * u.var(axis=0, ddof=1), 2e-6)


def constant_maps(run, precision, pixels, channels):
    """Batch norm by its running statistics, beside a bias."""
    n = Numbers(precision, run, pixels, channels)
    a, b, y = n.draw(), n.draw(), n.empty()
    gamma, beta, mean, bias = (n.parameter() for _ in range(4))
    var = n.arena.array(n.rng.uniform(0.1, 2, channels), np.float32)
    norm, shift = n.floats(passes.NORM, pitch(channels)), n.floats(passes.NORM, pitch(channels))
    run(passes.constant(channels, norm, beta, gamma, (mean, var), EPS), passes.constant(channels, shift, bias))
    run(passes.join(precision, pixels, channels, y, n.rows(a), norm, n.rows(b), shift))
    istd = 1 / np.sqrt(var.astype(np.float64) + EPS)
    n.compare(y, gamma * istd * (a - mean) + beta + b + bias)


def gradient(run, precision, pixels, channels, mean=0.0):
    """Z with its sums in place of the first share, their slopes, and du behind the batch norm."""
    n = Numbers(precision, run, pixels, channels)
    a, b, u1, u2, y = (n.draw(at) for at in (0, 0, mean, 0, 0))
    y = np.maximum(y, 0)
    z = (a + b) * (y > 0)
    (m1, scale, _, istd), f1 = n.norm(np.full(channels, mean) + n.rng.standard_normal(channels))
    (m2, *_), f2 = n.norm()
    Z, U1, U2, Y = n.rows(a), n.rows(u1), n.rows(u2), n.rows(y)
    count, _ = passes.slabs(pixels)
    sums = n.floats(count, 3, pitch(channels))
    shares = [passes.Contribution(Z), passes.Contribution(n.rows(b))]
    run(passes.assemble(precision, pixels, channels, Z, shares, Y, [(U1, f1), (U2, f2)], sums))
    n.compare(Z, z)
    z = oracle.from_stored(Z)[:, :channels]
    s1, s2, s3 = z.sum(axis=0), (z * (u1 - m1)).sum(axis=0), (z * (u2 - m2)).sum(axis=0)
    dgamma, dbeta, slopes = n.parameter(), n.parameter(), n.floats(2, pitch(channels))
    before = dgamma.astype(np.float64), dbeta.astype(np.float64)
    run(passes.slopes(pixels, channels, sums, 1, f1, slopes, dgamma, dbeta))
    oracle.close(dgamma, before[0] + istd * s2, 1e-5)
    oracle.close(dbeta, before[1] + s1, 1e-5)
    oracle.close(sums[:, 2, :channels].astype(np.float64).sum(axis=0), s3, 1e-5)
    du = n.empty()
    share = passes.Contribution(Z, U1, f1, slopes)
    run(passes.assemble(precision, pixels, channels, du, [share]))
    n.compare(du, scale * (z - istd**2 * s2 / pixels * (u1 - m1) - s1 / pixels), max(n.tolerance, 5e-6))


def bias_gradient(run, precision, rows, channels):
    """Added to what is there."""
    n = Numbers(precision, run, rows, channels)
    dy, dbias = n.draw(), n.parameter()
    before = dbias.astype(np.float64)
    run(passes.bias_gradient(precision, rows, channels, n.rows(dy), dbias))
    n.arena.check()
    oracle.close(dbias, before + dy.sum(axis=0), 2e-6)


def parts(run, precision):
    """Subsampling with zero channels around, its transpose, and a concatenation."""
    n = Numbers(precision, run, 2 * 5 * 7, 5)
    x, g = n.draw(), passes.Part(2, 5, 7, 5, 13, 2, 1, 4, 3, 0, pitch(13))
    image, y = x.reshape(2, 5, 7, 5), n.arena.array((2, 3, 4, 16), n.dtype)
    run(passes.part(precision, g, y, n.rows(x)))
    expected = np.zeros((2, 3, 4, 13))
    expected[..., 4:7] = image[:, ::2, ::2, 1:4]
    n.compare(y, expected)
    dy, there = oracle.stored(n.rng.standard_normal(expected.shape), precision), n.draw()
    for adds in (False, True):
        dx = n.rows(there)
        run(passes.part_back(precision, g, dx, n.rows(dy), adds))
        expected = (there * adds).reshape(2, 5, 7, 5)
        expected[:, ::2, ::2, 1:4] += dy[..., 4:7]
        n.compare(dx, expected.reshape(x.shape))
    values = [oracle.stored(n.rng.standard_normal((2, 3, 3, c)), precision) for c in (3, 12, 6)]
    y = n.arena.array((2, 3, 3, 24), n.dtype)
    held = [(n.rows(v), v.shape[-1]) for v in values]
    run(*passes.concatenate(precision, 2, (3, 3), y, held))
    n.compare(y, np.concatenate(values, axis=-1), 1e-12)
