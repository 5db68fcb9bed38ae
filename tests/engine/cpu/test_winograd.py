"""F(m, 3) in one dimension, its matrices in two, and the transforms of tiles against their formulas."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minires.engine.cpu.memory import Chunk, Workspace
from minires.engine.cpu.winograd import (
    AT,
    BT,
    FILTER,
    FLIPPED,
    POINTS,
    FromTiles,
    G,
    ToTiles,
    filter_gradient,
    filters,
    toom_cook,
)


@pytest.mark.parametrize(("outputs", "taps"), [(2, 3), (4, 3), (3, 2), (4, 2), (1, 3)])
def test_toom_cook_is_correlation(outputs, taps):
    """Any different points give the exact answer."""
    at, g, bt = toom_cook(outputs, taps, (0.0, 1.0, -1.0, 2.0, -2.0)[: outputs + taps - 2])
    rng = np.random.default_rng(0)
    weight, data = rng.normal(size=taps), rng.normal(size=outputs + taps - 1)
    assert at.shape == (outputs, len(data)) and g.shape == (len(data), taps) and bt.shape == (len(data),) * 2
    assert np.allclose(at @ ((g @ weight) * (bt @ data)), np.correlate(data, weight), rtol=0, atol=1e-12)


def test_a_tile_in_two_dimensions():
    rng = np.random.default_rng(0)
    weight, data = rng.normal(size=(3, 3)), rng.normal(size=(6, 6))
    expected = [[(weight * data[i : i + 3, j : j + 3]).sum() for j in range(4)] for i in range(4)]
    assert np.allclose(AT @ ((G @ weight @ G.T) * (BT @ data @ BT.T)) @ AT.T, expected, rtol=0, atol=1e-12)


def test_the_points_are_those_of_small_errors():
    """In float32 F(4x4) at them errs half as much as it does at 0, +-1, +-2 (root mean square)."""

    def error(points):
        matrices = [m.astype(np.float32) for m in toom_cook(4, 3, points)]
        exact = toom_cook(4, 3, points)
        rng = np.random.default_rng(0)
        weight = rng.normal(size=(200, 16, 3, 3)).astype(np.float32)
        data = rng.normal(size=(200, 16, 6, 6)).astype(np.float32)

        def tile(at, g, bt, weight, data):
            return at @ ((g @ weight @ g.T) * (bt @ data @ bt.T)).sum(axis=1) @ at.T

        y = tile(*exact, weight.astype(float), data.astype(float))
        return np.sqrt(np.mean((tile(*matrices, weight, data) - y) ** 2))

    assert error(POINTS) < 0.6 * error((0.0, 1.0, -1.0, 2.0, -2.0))


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32 - 1))
@example(40, 52, 0)  # several blocks, the last of which is not full
def test_filters_and_their_adjoint(p, q, seed):
    rng = np.random.default_rng(seed)
    weight, dproduct = rng.normal(size=(p, q, 3, 3)), rng.normal(size=(36, p, q))
    out = np.empty((36, p, q))
    for matrix, turned in ((FILTER, weight), (FLIPPED, weight[:, :, ::-1, ::-1])):
        filters(weight, matrix, out)
        assert np.allclose(out.reshape(6, 6, p, q), np.einsum("ai,pqij,bj->abpq", G, turned, G), atol=1e-12)
    filters(weight, FILTER, out)
    taps = filter_gradient(dproduct.reshape(36, -1), Workspace(np.dtype(np.float64)))
    assert np.isclose((out * dproduct).sum(), (weight.ravel() * taps.ravel()).sum())


@pytest.mark.parametrize("k", [6, 4])
def test_to_tiles(k):
    """V = L X L^T of each tile; overlapping ones and such that lie side by side."""
    rng = np.random.default_rng(0)
    step, tiles, n, channels, matrix = 4, (2, 3), 2, 5, rng.normal(size=(6, k))
    image = rng.normal(size=((tiles[0] - 1) * step + k, (tiles[1] - 1) * step + k, n, channels))
    chunk = Chunk(image.ravel().copy(), n, channels, image.shape[:2], image.shape[:2], 0)
    transform = ToTiles(matrix, tiles, n, channels)
    found = transform(transform.source(chunk, 0, 0), Workspace(np.float64), "tiles").reshape(6, 6, *tiles, n, channels)
    for i, j in np.ndindex(tiles):
        tile = image[step * i : step * i + k, step * j : step * j + k]
        assert np.allclose(found[:, :, i, j], np.einsum("ai,ijnc,bj->abnc", matrix, tile, matrix), atol=1e-12)


@pytest.mark.parametrize("m", [4, 2])
def test_from_tiles(m):
    rng = np.random.default_rng(0)
    tiles, n, channels, matrix = (2, 3), 2, 5, rng.normal(size=(m, 6))
    size = tiles[0] * m, tiles[1] * m
    chunk = Chunk(np.full(Chunk.numbers(n, channels, size, size, 0), np.nan), n, channels, size, size, 0)
    transform, work = FromTiles(matrix, tiles, n, channels), Workspace(np.float64)
    products = transform.products(work)
    products[...] = rng.normal(size=products.shape)
    expected = products.reshape(6, 6, *tiles, n, channels).copy()
    transform(transform.target(chunk, 0), work)
    for i, j in np.ndindex(tiles):
        tile = np.einsum("ai,ijnc,bj->abnc", matrix, expected[:, :, i, j], matrix)
        assert np.allclose(chunk.image[m * i : m * i + m, m * j : m * j + m], tile, atol=1e-12)
