"""A chunk that all share is dealt out: each item once, in streams whose calls may be done again side by side."""

import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minires.engine.cpu.crew import Crew, Section, dealt
from minires.engine.cpu.memory import Workspace, spare

FLOAT = np.dtype(float)


def crew_of(threads, helpers=None):
    """The work area of the first of so many threads."""
    seats = tuple(Workspace(FLOAT) for _ in range(threads))
    seats[0].crew = Crew(seats, helpers)
    return seats[0]


@given(st.integers(1, 5), st.integers(0, 9))
def test_neighbours_have_one_area_and_areas_equal_shares(threads, count):
    first = crew_of(threads)
    found = list(dealt(range(count), first))
    assert [item for item, _ in found] == list(range(count))
    taken = [first.crew.seats.index(area) for _, area in found]
    assert taken == sorted(taken)
    shares = Counter(taken).values()
    assert len(shares) == min(threads, count) if count > 1 else len(shares) == count
    assert not shares or max(shares) - min(shares) <= 1


def test_without_a_crew_nothing_is_dealt():
    alone = Workspace(FLOAT)
    for item, area in dealt(range(3), alone):
        assert area is alone
        area.do(abs, item)
    assert alone.calls == [(abs, (k,)) for k in range(3)]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("long", [True, False])
def test_the_calls_are_done_again_each_stream_by_its_thread(threads, long):
    first, x, out, who = crew_of(threads), np.arange(6.0), np.zeros(6), {}

    def work(k):
        who[k] = threading.get_ident()
        out[k] += x[k]

    first.do(abs, -1)
    for k, area in dealt(range(6), first, long):
        area.do(work, k)
    first.do(abs, -2)
    (_, (section, arguments), _) = calls = first.calls
    assert isinstance(section, Section) and len(section.streams) == threads
    x += 1
    out[:] = 0
    for function, arguments in calls:
        function(*arguments)
    assert np.array_equal(out, x)
    assert len(set(who.values())) == (threads if long else 1)


def test_what_is_dealt_is_not_dealt_again():
    """Or the pieces of a product, and its bits, would depend on the number of threads."""
    for threads in (1, 2):
        first = crew_of(threads)
        for _, area in dealt(range(2), first):
            assert all(inner is area for _, inner in dealt(range(4), area))
        assert len(first.calls) == 1 and first.crew is not None
        for _, area in dealt(range(1), first):  # one item is not dealt: what it is made of may be
            assert {id(inner) for _, inner in dealt(range(4), area)} == set(map(id, first.crew.seats))


def test_areas_have_arrays_of_their_own_and_the_chunks_of_the_first():
    first, form = crew_of(2), (2, (3, 3), (3, 3), 1)
    chunk = spare(first, form, 1, "value")
    arrays = []
    for _, area in dealt(range(2), first):
        assert np.shares_memory(spare(area, form, 1, "value").flat, chunk.flat)
        arrays.append(area.array("columns", (4, 4)))
    assert not np.shares_memory(*arrays)


def test_helpers_do_it_where_they_can():
    class Helpers:
        can, asked = True, 0

        def do(self, section):
            self.asked += 1
            return self.can

    helpers, seen = Helpers(), []
    first = crew_of(2, helpers)
    for k, area in dealt(range(2), first):
        area.do(seen.append, k)
    (section, arguments), seen[:] = first.calls[0], []
    section(*arguments)
    assert seen == [] and helpers.asked == 1
    helpers.can = False
    section(*arguments)
    assert sorted(seen) == [0, 1] and helpers.asked == 2


def test_an_error_leaves_the_area_as_it_was():
    first = crew_of(2)
    first.do(abs, -1)
    with pytest.raises(KeyError, match="planted"):
        for _item, _area in dealt(range(4), first):
            raise KeyError("planted")
    assert first.crew is not None and first.calls[0] == (abs, (-1,))
