"""Dropout: the mask of the cache, the kept fraction, and evaluation as the identity."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import assert_same

from minires.layers import Dropout


@given(st.floats(0, 0.95), st.integers(0, 2**31))
@settings(max_examples=30)
def test_equals_the_mask_of_the_cache_entry_by_entry(p, seed):
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=(2, 3, 4, 2, 2))
    layer = Dropout(p, rng=seed)
    y, cache = layer.forward(x, train=True)
    keep, _ = cache
    assert keep.dtype == bool
    expected = {"y": np.zeros(x.shape), "dx": np.zeros(x.shape)}
    for e in np.argwhere(keep):
        expected["y"][tuple(e)] = x[tuple(e)] / (1 - p)
        expected["dx"][tuple(e)] = dy[tuple(e)] / (1 - p)
    assert_same({"y": y, "dx": layer.backward(dy, cache)}, expected)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_kept_fraction_and_mean_are_those_promised(p):
    n = 200_000
    y, _ = Dropout(p, rng=0).forward(np.ones(n), train=True)
    kept = np.count_nonzero(y) / n
    five_sigma = 5 * np.sqrt(p * (1 - p) / n)
    assert abs(kept - (1 - p)) <= five_sigma
    assert abs(y.mean() - 1) <= five_sigma / (1 - p) + 1e-12


def test_same_seed_same_masks_and_each_forward_a_new_one():
    x = np.ones((8, 8))
    a, b = Dropout(0.5, rng=7), Dropout(0.5, rng=7)
    first, second = (a.forward(x, train=True)[0] for _ in range(2))
    assert np.array_equal(first, b.forward(x, train=True)[0])
    assert not np.array_equal(first, second)


def test_evaluation_is_the_identity_and_draws_nothing():
    layer = Dropout(0.5, rng=7)
    state = layer.rng.bit_generator.state
    x = np.random.default_rng(0).normal(size=(3, 4))
    y, cache = layer.forward(x)
    assert np.array_equal(y, x)
    assert np.array_equal(layer.backward(2 * x, cache), 2 * x)
    assert layer.rng.bit_generator.state == state


def test_float32_stays_float32_whatever_the_type_of_p():
    x = np.ones((3, 4), np.float32)
    layer = Dropout(np.float64(0.5), rng=0)
    y, cache = layer.forward(x, train=True)
    assert y.dtype == layer.backward(x, cache).dtype == np.float32


def test_what_is_dropped_is_gone_however_large():
    """A warning is an error here."""
    inf = np.full(64, np.inf)
    layer = Dropout(0.5, rng=0)
    y, cache = layer.forward(inf, train=True)
    assert set(y) == set(layer.backward(inf, cache)) == {0, np.inf}


def test_generator_is_that_given():
    rng = np.random.default_rng(0)
    assert dict(Dropout(rng=rng).generators()) == {"rng": rng}
    assert Dropout(rng=rng).p == 0.5


@pytest.mark.parametrize("p", [0.0, 0.25])
def test_what_is_drawn_at_p_stays(p):
    """So that p = 0 drops nothing, whatever is drawn."""
    layer, x = Dropout(p, rng=0), np.arange(1.0, 5)
    layer.rng = SimpleNamespace(random=lambda shape: np.full(shape, p))
    assert_same({"y": layer.forward(x, train=True)[0]}, {"y": x / (1 - p)})
