"""Latency and bandwidth out of times: those that are known, and those of ranks that are threads."""

import math

import numpy as np
import pytest
from bench.parallel.pairs import on_pairs
from hypothesis import given
from hypothesis import strategies as st

from minires.bench.parallel import Link
from minires.bench.parallel.cost import ring
from minires.bench.parallel.network import described, fit, ping_pong, reductions
from minires.train.ranks import Ranks

SIZES = (8, 4096, 2**20)


@given(st.floats(1e-7, 1e-3), st.floats(1e7, 1e11), st.integers(2, 16))
def test_times_of_a_known_link_give_it_back(latency, bandwidth, k):
    link = Link("known", latency, bandwidth)
    sizes = [bandwidth * latency * part for part in (0.01, 1, 100)]
    for found, off in (
        fit([(n, latency + n / bandwidth) for n in sizes]),
        fit([(n, ring(k, n, link)) for n in sizes], k),
    ):
        assert math.isclose(found.latency, latency, rel_tol=1e-6)
        assert math.isclose(found.bandwidth, bandwidth, rel_tol=1e-6)
        assert max(map(abs, off)) < 1e-6


def test_a_time_that_does_not_fit_is_seen():
    points = [(n, 1e-5 + n / 1e9) for n in (10, 1e4, 1e6)]
    points[1] = (points[1][0], 2 * points[1][1])
    found = described(points)
    assert max(map(abs, found["off"])) > 0.2 and found["points"] == [list(point) for point in points]


@pytest.mark.parametrize(
    ("points", "latency"),
    [([(10, 1e-3), (1000, 0.9e-3)], 0.95e-3), ([(1e3, 1e-6), (1e6, 1.2e-3)], 0)],  # no bandwidth is seen, no latency
)
def test_what_is_not_seen_is_left_out(points, latency):
    link, _ = fit(points)
    assert math.isclose(link.latency, latency, rel_tol=0.01, abs_tol=1e-12) and link.bandwidth > 0


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_measure_and_agree(size):
    def work(comm):
        ranks = Ranks(comm)
        return ping_pong(comm, SIZES, rounds=3), reductions(ranks, SIZES, rounds=3), reductions(ranks, SIZES, 3, np.max)

    found = on_pairs(size, work)
    assert all(one == found[0] for one in found), "all ranks have the times of the slowest"
    for points in found[0]:
        assert [n for n, _ in points] == list(SIZES) and all(seconds > 0 for _, seconds in points)
