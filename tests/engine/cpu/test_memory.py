"""Views that cannot leave their memory, chunks inside their border of zeros, and work areas that grow."""

import os
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minires.engine.cpu import constants
from minires.engine.cpu.memory import Chunk, Overlay, Workspace, pages, spare, surround, view

few = st.integers(1, 4)


@given(st.integers(0, 20), st.lists(st.tuples(few, st.integers(0, 6)), min_size=1, max_size=3))
def test_a_view_lies_in_its_memory_or_is_refused(offset, axes):
    flat = np.arange(24.0)
    shape, strides = zip(*axes)
    places = offset + sum(np.indices(shape)[k] * s for k, s in enumerate(strides))
    if places.max() < flat.size:
        assert np.array_equal(view(flat, offset, shape, strides), places)
    else:
        with pytest.raises(IndexError, match=f"reaches {offset} to {places.max()}, the memory ends at 23"):
            view(flat, offset, shape, strides)


def test_a_view_before_its_memory_is_refused():
    with pytest.raises(IndexError, match="reaches -1 to 1"):
        view(np.zeros(9), -1, (3,), (1,))


@given(few, few, st.tuples(few, few), st.tuples(few, few), st.integers(1, 2))
def test_what_lies_around_an_image(n, channels, size, more, border):
    extent = size[0] + more[0] - 1, size[1] + more[1] - 1
    flat = np.full(Chunk.numbers(n, channels, size, extent, border), np.nan)
    chunk = Chunk(flat, n, channels, size, extent, border)
    chunk.image[...] = 1
    for part in chunk.around():
        part.fill(0)
    assert chunk.image.all() and flat.sum() == chunk.image.size


def test_what_lives_at_once_does_not_overlap():
    """Forms may differ; a place is taken again once its item is dead."""
    lives = [("a", 3, 0, 1), ("b", 2, 1, 3), ("c", 1, 2, 3)]
    spans = {name: ((channels, (40, 30), (40, 30), 0), *span) for name, channels, *span in lives}
    overlay = Overlay(spans, [2, 1])
    memory = [np.zeros(room) for room in overlay.rooms]
    chunks = overlay.chunks(memory)
    assert memory[0].size < sum(chunk.flat.size for chunk, _ in chunks.values())
    for one, other, apart in [("a", "b", True), ("b", "c", True), ("a", "c", False)]:
        for i in range(2):
            assert np.shares_memory(chunks[one][i].flat, chunks[other][i].flat) != apart


@given(few, few, st.tuples(few, few), st.tuples(few, few), st.integers(0, 2))
def test_a_chunk(n, channels, size, more, border):
    extent = size[0] + more[0] - 1, size[1] + more[1] - 1
    flat = np.zeros(Chunk.numbers(n, channels, size, extent, border))
    chunk = Chunk(flat, n, channels, size, extent, border)
    chunk.image[...] = 1 + np.arange(chunk.image.size).reshape(chunk.image.shape)
    whole = flat.reshape(extent[0] + 2 * border, extent[1] + 2 * border, n, channels)
    inside = whole[border : border + size[0], border : border + size[1]]
    assert np.array_equal(inside, chunk.image)
    assert whole.sum() == inside.sum()
    assert np.array_equal(chunk.rows.reshape(chunk.image.shape), chunk.image)
    assert np.shares_memory(chunk.rows, flat)
    last = chunk.window(size[0] - 1, size[1] - 1, (n, channels), (channels, 1))
    assert np.array_equal(last, chunk.image[-1, -1])


def test_a_window_beyond_the_border_is_refused():
    chunk = Chunk(np.zeros(Chunk.numbers(1, 2, (3, 3), (3, 3), 1)), 1, 2, (3, 3), (3, 3), 1)
    chunk.window(-1, -1, (5, 5, 2), (chunk.line, chunk.run, 1))
    for row, column, shape in [(-2, 0, (1,)), (-1, -2, (1,)), (3, 3, (3,)), (-1, -1, (6,))]:
        with pytest.raises(IndexError):
            chunk.window(row, column, shape, (chunk.line,))


def test_views_of_a_chunk_are_made_once():
    chunk = Chunk(np.zeros(4), 1, 1, (2, 2), (2, 2), 0)
    made = []
    for _ in range(3):
        chunk.views("key", lambda c: made.append(c) or c.image)
    assert made == [chunk]


def test_an_array_of_a_work_area_grows_and_its_views_follow():
    work = Workspace(np.dtype(np.float32))
    small = work.array("a", (2, 3))
    assert small.dtype == np.float32 and work.array("a", (2, 3)) is small
    large = work.array("a", (5, 3))
    again = work.array("a", (2, 3))
    assert np.shares_memory(large, again) and not np.shares_memory(small, again)
    assert not np.shares_memory(work.array("b", (2, 3)), large)
    assert work.mask((2, 2)).dtype == bool


def test_slabs_do_not_overlap():
    work = Workspace(np.dtype(np.float64))
    flat, row, column = work.slabs("v", 2, 3, 10)
    flat[...] = 0
    for i, j in np.ndindex(2, 3):
        view(flat, i * row + j * column, (10,), (1,))[...] += 1
    assert flat.max() == 1 and flat.sum() == 60


def test_arrays_of_phases_share_memory_and_clean_ones_have_their_own():
    work, form = Workspace(np.dtype(np.float32)), (3, (2, 2), (4, 4), 1)

    def arrays(phase, length):
        work.begin(phase)
        return work.array("a", (length,)), work.array("b", (5,)), spare(work, form, 2, "x")

    for phase, length in (("first", 10), ("second", 7)):
        arrays(phase, length)
    assert work.scattered
    work.gather()
    (a, b, chunk), (other, *_, same) = arrays("first", 10), arrays("second", 7)
    assert np.shares_memory(a, other) and not np.shares_memory(a, b)
    assert not any(np.shares_memory(chunk.flat, array) for array in (a, b, other)) and same.flat.base is chunk.flat.base
    assert not work.scattered
    for array in (a, b, other):
        array[...] = np.nan
    assert not chunk.flat.any()


@pytest.mark.parametrize("large", [False, True])
def test_small_chunks_keep_the_zeros_around_them_and_large_ones_are_surrounded(large, monkeypatch):
    work, form = Workspace(np.dtype(np.float32)), (3, (2, 2), (4, 4), 1)
    monkeypatch.setattr(constants, "CLEAN", Chunk.numbers(2, *form) - large)
    work.begin("first")
    chunk = spare(work, form, 2, "x")
    assert chunk.clean != large
    chunk.flat[...] = 1
    surround(chunk, work)
    assert chunk.image.all() and (chunk.flat.sum() == chunk.image.size) == large
    assert len(work.calls) == (3 if large else 0)


def test_the_memory_of_a_phase_is_gone_in_the_next_until_all_is_laid_out():
    work = Workspace(np.dtype(np.float32))
    work.begin("first")
    gone = weakref.ref(work.flat("a", 10).base)
    work.do(np.copyto, work.flat("a", 10), 1)
    work.begin("second")
    assert gone() is None and work.calls == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_pages_are_zeros_of_this_process_alone():
    array = pages(3000, np.float32)
    assert array.dtype == np.float32 and array.shape == (3000,) and not array.any()
    child = os.fork()
    if not child:
        array[...] = 1
        os._exit(0)
    os.waitpid(child, 0)
    assert not array.any()
    array[...] = 2
    assert array.sum() == 6000
