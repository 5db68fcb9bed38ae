"""One kernel alone: a convolution cut into chunks, its three products, and what the definition says to them."""

import numpy as np
from hypothesis import strategies as st
from oracles import assert_close, randomise, run, upstream

from minires.engine.cpu.memory import Chunk, Workspace
from minires.engine.geometry import Geometry
from minires.layers import Conv2d

sides = st.integers(1, 9) | st.sampled_from([28, 30, 33])
sizes = st.tuples(sides, sides) | st.just((7, 5))
ONE, THREE, FEW = st.just(1), st.just(3), st.integers(1, 6)
chunkings = st.sampled_from([(1,), (2,), (2, 1), (1, 2, 1)])


def geometry(layer, size):
    settings = layer.kernel, layer.stride, layer.padding, layer.dilation
    out = tuple((s + 2 * p - d * (k - 1) - 1) // t + 1 for s, k, t, p, d in zip(size, *settings))
    return Geometry(layer.in_channels, layer.out_channels, *settings, layer.groups, tuple(size), out)


@st.composite
def convolutions(
    draw, fits, kernel=THREE, stride=ONE, padding=ONE, dilation=ONE, groups=ONE, channels=FEW, depthwise=False
):
    """(layer, (H, W)) that the algorithm computes; with ``depthwise`` each of the channels is a group."""

    def pair(values):
        return draw(st.tuples(values, values) | values.map(lambda v: (v, v)))

    g = draw(channels) if depthwise else draw(groups)
    many = g if depthwise else g * draw(channels)
    layer = Conv2d(
        many,
        g if depthwise else g * draw(channels),
        pair(kernel),
        stride=pair(stride),
        padding=pair(padding),
        dilation=pair(dilation),
        groups=g,
        rng=0,
    )
    size = draw(sizes.filter(lambda s: min(geometry(layer, s).out) >= 1 and fits(geometry(layer, s))))
    return layer, size


def chunk_of(images, extent, border):
    """(n, C, H, W) as a chunk."""
    n, channels, *size = images.shape
    extent = tuple(map(max, size, extent))
    form = channels, size, extent, border
    chunk = Chunk(np.zeros(Chunk.numbers(n, *form), images.dtype), n, *form)
    chunk.image[...] = images.transpose(2, 3, 0, 1)
    return chunk


def empty_chunk(like, extent, border):
    """A chunk for results: NaN inside its border of zeros."""
    chunk = chunk_of(like, extent, border)
    inside = _inside(chunk, tuple(map(max, like.shape[2:], extent)))
    inside[...] = np.nan
    return chunk


def images_of(chunk):
    return chunk.image.transpose(2, 3, 0, 1)


def _inside(chunk, extent):
    return chunk.window(0, 0, (*extent, chunk.run), (chunk.line, chunk.run, 1))


def answer(kind, layer, x, dy, chunks, room=0):
    """y, dx and dweight of ``layer`` by the kernel ``kind``.

    chunks: images of each; their slots are two, as if two threads had shared them
    room: wider borders and extents than the kernel asks for, as other readers of the value may
    """
    g, dtype = geometry(layer, x.shape[2:]), x.dtype
    demands, work = kind.demands(g), Workspace(dtype)
    kernels = {n: kind(g, n, dtype) for n in chunks}
    one, weight = kernels[chunks[0]], layer.weight.data
    numbers = one.numbers(g)
    rooms = np.full((3, numbers), np.nan, dtype)
    makers = one.forward_filters, one.input_filters, one.frozen_filters
    forward, backward, frozen = (make(weight, room_) for make, room_ in zip(makers, rooms))
    assert np.array_equal(frozen, forward)  # whatever their order in memory
    slots = np.full((min(2, len(chunks)), numbers), np.nan, dtype)
    y, dx = np.empty_like(dy), np.empty_like(x)
    starts = np.cumsum((0, *chunks))
    for i, n in enumerate(chunks):
        here, kernel = slice(starts[i], starts[i + 1]), kernels[n]
        x_extent = tuple(max(e, s) + room for e, s in zip(demands.x_extent, g.size))
        source = chunk_of(x[here], x_extent, demands.x_border + room)
        target = empty_chunk(dy[here], tuple(e + room for e in demands.y_extent), room)
        kernel.forward(source, target, forward, work)
        y[here] = images_of(target)
        assert_border_of_zeros(target)
        upstream_ = chunk_of(dy[here], demands.y_extent, demands.dy_border)
        kernel.weight_gradient(source, upstream_, slots[i % 2], i < 2, work)
        back = empty_chunk(x[here], x_extent, 0)
        kernel.input_gradient(upstream_, back, backward, work)
        dx[here] = images_of(back)
        if kernel.adds:
            before = back.image.copy()
            kernel.input_gradient(upstream_, back, backward, work, adds=True)
            assert_close(back.image, 2 * before, 1e-12 if dtype == np.float64 else 1e-5, "dx, added")
    return {"y": y, "dx": dx, "weight": sum(kept(one, slot, weight, work) for slot in slots)}


def kept(kernel, slot, weight, work):
    """The gradient of the weight from a slot."""
    dweight = slot[: weight.size].reshape(weight.shape) if kernel.in_place else np.full_like(weight, np.nan)
    kernel.keep(slot, dweight, work)
    return dweight


def assert_border_of_zeros(chunk):
    """A reader takes the border for zeros: nobody may write there."""
    if not chunk.border:
        return
    image = chunk.flat.reshape(-1, chunk.line)
    b = chunk.border
    assert not image[:b].any() and not image[-b:].any()
    assert not image[:, : b * chunk.run].any() and not image[:, -b * chunk.run :].any()


def assert_as_definition(kind, case, chunks, seed, room=0):
    """In float64 to 1e-11; in float32 to 2e-6 of the sum of the magnitudes, 30 roundings."""
    layer, size = case
    rng = np.random.default_rng(seed)
    x = randomise(layer, rng) and rng.normal(size=(sum(chunks), layer.in_channels, *size))
    dy = upstream(layer, x, rng)
    expected = run(layer, x, dy)
    for name, found in answer(kind, layer, x, dy, chunks, room).items():
        assert_close(found, expected[name], 1e-11, name)
    layer.to(dtype=np.float32)
    x, dy = x.astype(np.float32), dy.astype(np.float32)
    found = answer(kind, layer, x, dy, chunks, room)
    x, dy = x.astype(np.float64), dy.astype(np.float64)
    expected = {name: value.copy() for name, value in run(layer.to(dtype=np.float64), x, dy).items()}
    layer.weight.data = abs(layer.weight.data)
    magnitude = run(layer, abs(x), abs(dy))
    for name, value in found.items():
        assert value.dtype == np.float32
        assert (abs(value - expected[name]) <= 2e-6 * magnitude[name].max()).all(), name
