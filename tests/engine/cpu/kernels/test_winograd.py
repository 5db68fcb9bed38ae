"""3x3 convolution by tiles, against the layer."""

import numpy as np
import pytest
from engine.one_kernel import answer, assert_as_definition, chunk_of, chunkings, convolutions, empty_chunk, geometry
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import seeds

from minires.engine.cpu.kernels import Winograd
from minires.engine.cpu.memory import Workspace
from minires.layers import Conv2d


@given(data=st.data(), chunks=chunkings, seed=seeds, room=st.integers(0, 2))
@settings(max_examples=60)
def test_equals_the_definition(data, chunks, seed, room):
    case = data.draw(convolutions(Winograd.fits, stride=st.just(1)))
    assert_as_definition(Winograd, case, chunks, seed, room)


@given(data=st.data(), chunks=chunkings, seed=seeds)
@settings(max_examples=30)
def test_groups(data, chunks, seed):
    case = data.draw(convolutions(Winograd.fits, stride=st.just(1), groups=st.sampled_from([2, 3, 4, 8, 15])))
    assert_as_definition(Winograd, case, chunks, seed)


@pytest.mark.parametrize(("channels", "groups"), [(16, 4), (128, 32), (30, 15), (6, 2)])
@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_not_finite_stays_in_its_group(channels, groups, bad):
    """In forward, in dx and in dw; within the group it reaches the tiles that hold it."""
    layer = Conv2d(channels, channels, 3, padding=1, groups=groups, rng=0).to(dtype=np.float64)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, channels, 9, 9))
    dy = rng.normal(size=(2, channels, *geometry(layer, (9, 9)).out))
    clean = answer(Winograd, layer, x, dy, (2,))
    x[1, 0, 4, 4] = bad
    with np.errstate(invalid="ignore"):
        found = answer(Winograd, layer, x, dy, (2,))
    width = channels // groups
    assert not np.isfinite(found["y"][1, 0]).all() and not np.isfinite(found["weight"][0]).all()
    assert np.array_equal(found["y"][:, width:], clean["y"][:, width:])
    assert np.array_equal(found["weight"][width:], clean["weight"][width:])
    x[1, 0, 4, 4], dy[0, 0, 2, 2] = 0, bad
    with np.errstate(invalid="ignore"):
        found = answer(Winograd, layer, x, dy, (2,))
    assert not np.isfinite(found["dx"][0, 0]).all()
    assert np.array_equal(found["dx"][:, width:], clean["dx"][:, width:])
    assert np.array_equal(found["dx"][1], clean["dx"][1])


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 3), (7, 5), (28, 28), (30, 9), (33, 33)])
def test_sizes(size):
    layer = Conv2d(5, 3, 3, padding=1, rng=0)
    assert_as_definition(Winograd, (layer, size), (2, 3), 0)


def test_images_of_several_blocks_of_tiles(monkeypatch):
    monkeypatch.setattr("minires.engine.cpu.constants.WORK", 70_000)
    layer = Conv2d(16, 24, 3, padding=1, rng=0)
    assert len(Winograd(geometry(layer, (24, 20)), 8, np.dtype(np.float64)).blocks) == 3
    assert_as_definition(Winograd, (layer, (24, 20)), (8,), 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"kernel": 5},
        {"kernel": (3, 1)},
        {"padding": 0},
        {"padding": 2},
        {"stride": 2},
        {"stride": (1, 2)},
        {"dilation": 2},
        {"groups": 4},
    ],
)
def test_what_does_not_fit(settings):
    layer = Conv2d(4, 4, **{"kernel": 3, "padding": 1, "rng": 0, **settings})
    assert not Winograd.fits(geometry(layer, (9, 9)))


@pytest.mark.parametrize("way", ["forward", "input_gradient", "weight_gradient"])
@pytest.mark.parametrize("missing", ["border", "extent"])
def test_a_chunk_that_is_too_small_is_refused(way, missing):
    """Tiles that run off the memory would read what is not theirs."""
    layer = Conv2d(2, 2, 3, padding=1, rng=0)
    g, dtype = geometry(layer, (5, 5)), np.dtype(np.float64)
    demands, kernel, work = Winograd.demands(g), Winograd(g, 1, dtype), Workspace(dtype)
    images = np.ones((1, 2, 5, 5))
    border, extent = (0, demands.x_extent) if missing == "border" else (1, (5, 5))
    small, right = chunk_of(images, extent, border), chunk_of(images, demands.x_extent, 1)
    filters = np.zeros(kernel.numbers(g)).reshape(36, 2, 2)
    with pytest.raises(IndexError, match="the memory ends at"):
        if way == "forward":
            kernel.forward(small, empty_chunk(images, demands.y_extent, 0), filters, work)
        elif way == "input_gradient":
            kernel.input_gradient(small, empty_chunk(images, demands.x_extent, 0), filters, work)
        else:
            kernel.weight_gradient(small, right, filters.ravel(), True, work)
