"""The simulation against closed formulas, and against a scheduler that goes by small steps of time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minires.bench.parallel import Failures, Link, Reduction, Work, step_seconds, synchronous_steps
from minires.bench.parallel.cost import ring
from minires.bench.parallel.simulation import agreement, expected_largest, finishing_times, stragglers
from minires.errors import RangeError

LINK = Link("any", 1e-4, 1e8)
WORK = Work("any", 32, 0.1, ((0.2, 2e5), (0.7, 4e6), (1.0, 1e5)))


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 64, 1024])
def test_without_stragglers_it_is_the_formula(k, overlap):
    reduction = Reduction(tuple((part, ring(k, size, LINK)) for part, size in WORK.buckets), overlap)
    steps = synchronous_steps(np.full((3, k), WORK.seconds), reduction)
    expected = step_seconds(WORK, k, LINK, "ring", overlap)
    assert np.allclose(steps, expected, rtol=1e-12)


@pytest.mark.parametrize(("k", "cores", "times"), [(4, 2, 2), (3, 2, 1.5), (2, 2, 1), (1, 2, 1), (8, 1, 8)])
def test_too_few_cores_without_stragglers(k, cores, times):
    assert np.allclose(synchronous_steps(np.ones((2, k)), cores=cores), times)


def by_small_steps(work, cores, others=0, dt=1e-4):
    left, now, found = np.array(work, float), 0.0, np.zeros(len(work))
    while (left > 0).any():
        busy = left > 0
        left[busy] -= dt * min(1.0, cores / (busy.sum() + others))
        now += dt
        found[busy & (left <= 0)] = now
    return found


@pytest.mark.parametrize("others", [0, 1, 2.5])
@pytest.mark.parametrize("cores", [1, 2, 3])
def test_a_fair_scheduler(cores, others):
    work = np.random.default_rng(cores).uniform(0.1, 1, 5)
    assert np.allclose(finishing_times(work, cores, others), by_small_steps(work, cores, others), atol=4e-3)


def test_each_step_has_its_own_neighbours():
    found = synchronous_steps(np.ones((3, 2)), cores=2, others=[0, 1, 4])
    assert np.allclose(found, [1, 1.5, 3])


@given(st.lists(st.floats(1e-3, 10), min_size=1, max_size=9), st.integers(1, 9))
def test_cores_do_what_there_is_to_do(work, cores):
    """No core is idle while a rank waits for one, and no rank has two."""
    found = finishing_times(np.array(work), cores)
    assert found.max() >= max(max(work), sum(work) / cores) * (1 - 1e-9)
    assert (found >= np.array(work) * (1 - 1e-9)).all()
    assert found.max() <= (sum(work) / cores + max(work)) * (1 + 1e-9)  # Graham's bound


@pytest.mark.parametrize(
    ("k", "expected"),  # 1 / sqrt(pi), 3 / (2 sqrt(pi)); tables of order statistics: Harter 1961
    [(1, 0), (2, 0.56419), (3, 0.84628), (4, 1.02938), (10, 1.53875), (100, 2.50759)],
)
def test_the_largest_of_k_normal_numbers(k, expected):
    assert math.isclose(expected_largest(k), expected, abs_tol=5e-6)


@pytest.mark.parametrize("k", [2, 4, 32])
def test_normal_stragglers_cost_the_expected_largest(k):
    work = np.random.default_rng(k).normal(1.0, 0.05, (4000, k))
    assert math.isclose(synchronous_steps(work).mean(), 1 + 0.05 * expected_largest(k), rel_tol=0.002)


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_the_seed_decides(seed, spread):
    first, again = (synchronous_steps(stragglers(4, 3, 0.1, spread, seed)) for _ in range(2))
    assert (first == again).all()
    if spread > 0.01:
        assert (first != synchronous_steps(stragglers(4, 3, 0.1, spread, seed + 1))).any()


def test_stragglers_have_the_mean_and_the_spread():
    found = stragglers(20000, 2, 0.5, 0.3, seed=0)
    assert math.isclose(found.mean(), 0.5, rel_tol=0.01) and math.isclose(found.std(), 0.15, rel_tol=0.03)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=6), st.booleans())
def test_a_slower_rank_never_makes_a_step_faster(work, overlap):
    reduction = Reduction(((0.5, 0.1), (1.0, 0.05)), overlap)
    slower = [*work[:-1], work[-1] + 0.5]
    for cores in (1, 2, 8):
        before, after = (synchronous_steps([times], reduction, cores)[0] for times in (work, slower))
        assert after >= before - 1e-12  # times are added in another order: a last digit may differ


@pytest.mark.parametrize("interval", [200.0, 600.0, 2000.0])
def test_failing_ranks_are_the_closed_formula(interval):
    job = Failures(mtbf=3600.0, checkpoint=20.0, restart=60.0)
    work = 100 * interval
    found = np.mean([job.simulated_seconds(work, interval, seed) for seed in range(60)])
    assert math.isclose(found, job.expected_seconds(work, interval), rel_tol=0.03)


def test_the_best_interval_is_youngs():
    """The exact best is a tenth or less from sqrt(2 C M); simulated, a quarter and four times that are worse."""
    job = Failures(mtbf=3600.0, checkpoint=10.0, restart=30.0)
    best = job.best_interval()
    assert math.isclose(best, math.sqrt(2 * 10 * 3600))
    factors = np.arange(0.3, 3.01, 0.1)
    exact = [job.expected_seconds(1, best * factor) for factor in factors]
    assert abs(factors[np.argmin(exact)] - 1) <= 0.101
    simulated = {
        factor: np.mean([job.simulated_seconds(3e5, best * factor, seed) / 3e5 for seed in range(40)])
        for factor in (0.25, 1, 4)
    }
    assert simulated[1] < simulated[0.25] and simulated[1] < simulated[4]


def test_a_job_that_never_fails_pays_for_its_checkpoints_alone():
    job = Failures(mtbf=1e15, checkpoint=5.0, restart=100.0)
    assert job.simulated_seconds(1000.0, 100.0, seed=0) == 1050.0
    assert math.isclose(job.expected_seconds(1000.0, 100.0), 1050.0, rel_tol=1e-6)


def test_agreement_is_a_part_of_what_was_measured():
    assert math.isclose(agreement([1.0, 2.0, 9.0], [1.1, 2.0, 18.0]), 0.1)


@pytest.mark.parametrize("work", [[1.0], [[]], [[-1.0]], [[float("nan")]]])
def test_work_that_is_none_is_refused(work):
    with pytest.raises(RangeError, match=r"expected \(steps, ranks\)"):
        synchronous_steps(work)
