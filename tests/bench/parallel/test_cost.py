"""The alpha-beta model: known values, and what must hold for all numbers."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minires.bench.parallel import LINKS, Link, Work, cut, efficiency, limits, step_seconds
from minires.bench.parallel.cost import ALGORITHMS, FORWARD, halving, images_a_second, ordered, ring, tree
from minires.errors import RangeError

ranks = st.integers(1, 1024)
sizes = st.floats(0, 1e10)
links = st.builds(Link, st.just("any"), st.floats(0, 1e-3), st.floats(1e6, 1e12))
buckets = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1e9)), min_size=1, max_size=8).map(
    lambda found: tuple(sorted(found))
)
works = st.builds(Work, st.just("any"), st.integers(1, 512), st.floats(1e-4, 10), buckets)
algorithms = st.sampled_from(sorted(ALGORITHMS))
ONE = Link("one", 1e-5, 1e9)


@pytest.mark.parametrize(
    ("cost", "k", "n", "expected"),
    [
        (ring, 4, 4e6, 6e-5 + 6e-3),  # 6 messages of 1 MB
        (ordered, 4, 4e6, 6e-5 + 6e-3),
        (ring, 1, 4e6, 0),
        (tree, 4, 4e6, 2e-5 + 8e-3),  # 2 rounds of 4 MB
        (tree, 5, 4e6, 4e-5 + 16e-3),  # the fifth hands over before and gets after
        (tree, 1, 4e6, 0),
        (halving, 4, 4e6, 4e-5 + 6e-3),
        (halving, 2, 4e6, 2e-5 + 4e-3),
    ],
)
def test_what_an_algorithm_costs(cost, k, n, expected):
    assert math.isclose(cost(k, n, ONE), expected, rel_tol=1e-12, abs_tol=1e-15)


def count_of_ring(k, n):
    """(turns, bytes that one rank sends), by passing the pieces of a ring by hand."""
    holds = [[{rank} for _ in range(k)] for rank in range(k)]  # whose numbers are in piece p at rank r
    turns = sent = 0
    for turn in range(2 * (k - 1)):
        moved = [((rank - turn) % k, rank) for rank in range(k)]
        parcels = [(piece, (rank + 1) % k, set(holds[rank][piece])) for piece, rank in moved]
        for piece, to, parcel in parcels:
            holds[to][piece] |= parcel
        turns, sent = turns + 1, sent + n / k
    assert all(piece == set(range(k)) for rank in holds for piece in rank)
    return turns, sent


@pytest.mark.parametrize("k", range(2, 9))
def test_a_ring_passed_by_hand_has_these_turns_and_bytes(k):
    turns, sent = count_of_ring(k, 8e6)
    assert math.isclose(ring(k, 8e6, ONE), turns * ONE.latency + sent / ONE.bandwidth)


@given(ranks, sizes, sizes, links, algorithms)
def test_more_bytes_never_cost_less(k, n, more, link, name):
    assert ALGORITHMS[name](k, n, link) <= ALGORITHMS[name](k, n + more, link) * (1 + 1e-12)


@given(works, ranks, links, algorithms, st.booleans(), st.booleans())
def test_efficiency_is_a_part(work, k, link, name, overlap, shared):
    found = efficiency(work, k, link, algorithm=name, overlap=overlap, shared=shared)
    assert 0 < found <= 1 + 1e-12


@given(works, ranks, links, algorithms)
def test_overlap_is_never_worse(work, k, link, name):
    behind = step_seconds(work, k, link, name, overlap=True)
    after = step_seconds(work, k, link, name, overlap=False)
    assert behind <= after * (1 + 1e-12)
    assert behind >= work.seconds


@given(works, st.integers(2, 1024))
def test_a_perfect_link_costs_nothing(work, k):
    assert math.isclose(efficiency(work, k, Link("perfect", 0, 1e300)), 1, rel_tol=1e-9)


def test_a_step_by_hand():
    """10 ms, 20 ms of backward; 1 MB is whole in its middle and takes 2 ms, 4 MB at its end and take 8 ms."""
    work = Work("by hand", 1, 0.030, ((0.5, 1e6), (1.0, 4e6)))
    link = Link("no latency", 0, 0.5e9)
    assert FORWARD == 1 / 3
    assert math.isclose(step_seconds(work, 2, link), 0.030 + 0.008)
    assert math.isclose(step_seconds(work, 2, link, overlap=False), 0.030 + 0.010)
    slow = replace(link, bandwidth=0.05e9)  # 20 ms and 80 ms: the first ends at 40 ms
    assert math.isclose(step_seconds(work, 2, slow), 0.040 + 0.080)


def test_where_it_stops_paying():
    work = Work("any", 64, 0.064, ((1.0, 1e6),))
    link = Link("slow", 1e-3, 1e9)
    least, most = limits(work, link, shared=True)
    rates = [images_a_second(work, k, link, shared=True) for k in range(1, 200)]
    assert rates[least - 1] < least * rates[0] / 2 and rates[least - 2] >= (least - 1) * rates[0] / 2
    assert rates[most - 1] == max(rates) and 2 < most < 64
    assert limits(work, Link("perfect", 0, 1e300)) == (None, None)


def test_shares_are_whole_images():
    work = Work("any", 10, 1.0, ((1.0, 1.0),))
    assert [work.share(k).images for k in (1, 3, 4, 10, 20)] == [10, 4, 3, 1, 1]
    perfect = Link("perfect", 0, 1e300)
    assert math.isclose(
        images_a_second(work, 20, perfect, shared=True), images_a_second(work, 10, perfect, shared=True)
    )


def test_buckets_of_a_network():
    layers = [(100.0, 10.0), (50.0, 20.0), (0.0, 5.0), (50.0, 65.0)]  # the first is reached last
    assert cut(layers, least=1, most=1) == ((1.0, 100.0),)
    assert cut(layers, least=25, most=100) == ((0.25, 65.0), (0.5, 25.0), (1.0, 10.0))
    assert cut([(10.0, 3.0), (10.0, 0.0)], least=1, most=100) == ((1.0, 3.0),)


@given(st.lists(st.tuples(st.floats(1, 1e9), st.floats(0, 1e9)), min_size=1, max_size=30))
@settings(max_examples=50)
def test_buckets_lose_no_byte(layers):
    found = cut(layers)
    assert math.isclose(sum(n for _, n in found), sum(n for _, n in layers), rel_tol=1e-9, abs_tol=1e-9)
    assert [part for part, _ in found] == sorted(part for part, _ in found)


def test_the_links_say_where_their_numbers_come_from():
    assert [link.name for link in LINKS] == ["10 Gbit/s", "100 Gbit/s", "NVLink"]
    assert all(link.source for link in LINKS)
    with pytest.raises(RangeError, match="bandwidth 0"):
        Link("none", 0, 0)
