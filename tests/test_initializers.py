"""Initial weights: moments, bounds, seeds."""

import numpy as np
import pytest

from minires.initializers import generator, he_normal, he_uniform, ones, xavier_normal, xavier_uniform, zeros

SHAPE = (200, 500)
DRAWS = {
    "he_normal": (lambda rng: he_normal(SHAPE, 50, rng), np.sqrt(2 / 50), None),
    "he_uniform": (lambda rng: he_uniform(SHAPE, 50, rng), np.sqrt(2 / 50), np.sqrt(6 / 50)),
    "xavier_normal": (lambda rng: xavier_normal(SHAPE, 50, 30, rng), np.sqrt(2 / 80), None),
    "xavier_uniform": (lambda rng: xavier_uniform(SHAPE, 50, 30, rng), np.sqrt(2 / 80), np.sqrt(6 / 80)),
}
each = pytest.mark.parametrize("draw, std, bound", DRAWS.values(), ids=DRAWS)


@each
def test_mean_is_zero_and_deviation_as_stated(draw, std, bound):
    weight = draw(0)
    assert weight.dtype == np.float32 and weight.shape == SHAPE
    assert abs(weight.mean()) < 5 * std / np.sqrt(weight.size)
    assert weight.std() == pytest.approx(std, rel=0.01)
    if bound is not None:
        assert 0.999 * bound < np.abs(weight).max() <= np.float32(bound)


@each
def test_same_seed_same_weights(draw, std, bound):
    assert np.array_equal(draw(3), draw(np.random.default_rng(3)))
    assert not np.array_equal(draw(3), draw(4))


def test_he_normal_keeps_the_scale_through_relu_layers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 400))
    before = np.mean(x**2)
    for _ in range(10):
        x = np.maximum(x, 0) @ he_normal((400, 400), 400, rng).T
    assert np.mean(x**2) == pytest.approx(before, rel=0.5)


def test_zeros_and_ones():
    assert zeros(2, 3).tolist() == [[0, 0, 0], [0, 0, 0]] and ones(2).tolist() == [1, 1]
    assert zeros(2).dtype == ones(2).dtype == np.float32


def test_a_generator_is_used_as_it_is_and_moves_on():
    rng = np.random.default_rng(0)
    assert generator(rng) is rng
    assert not np.array_equal(he_normal((3,), 1, rng), he_normal((3,), 1, rng))
    assert generator(np.int64(7)).random() == np.random.default_rng(7).random()
