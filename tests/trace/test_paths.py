"""Gradients by path length: against all 2^n paths of Jacobians, generating functions, counted backward calls."""

import copy
import math
from itertools import product

import numpy as np
import pytest
from conftest import np_of
from oracles import trunks
from oracles.trunks import VARIANTS

from minires import models
from minires.errors import RangeError
from minires.layers import Layer, Linear, Sequential
from minires.trace import all_paths, path_lengths, sample_paths, trace
from minires.trace.paths import SampledPaths
from minires.trace.trunk import Trunk

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 2, 6, 6))
DY = RNG.standard_normal((4, trunks.CLASSES))
PLACES = ("original", "bn_after_add", "relu_before_add", "relu_only_preact", "full_preact")


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_by_length_add_up(name, train):
    ledger = trace(VARIANTS[name](), X, dy=DY, train=train)
    n = len(ledger.blocks)
    for start, stop in ((0, n), (1, n), (0, n - 1), (1, 2)):
        lengths = path_lengths(ledger, start, stop)
        assert lengths.error < 1e-12
        assert relative(sum(lengths.gradients), ledger.g(start)) < 1e-12
        assert np.abs(lengths.remainder).max() < 1e-12 * np.abs(ledger.g(start)).max()
        assert sum(lengths.projections) == pytest.approx(1, abs=1e-12)
        assert len(lengths.gradients) == stop - start + 1 == lengths.blocks + 1
        assert lengths.complete


def eight(name):
    if name == "dense":
        return trunks.dense(8)
    placement, option = name.split()
    return trunks.blocks(placement, option, n=8, changes=(2, 5))


EIGHT = [*(f"{p} A" for p in PLACES), "full_preact B", "original exclusive-gate", "dense"]


@pytest.mark.parametrize("name", EIGHT)
def test_the_programme_equals_brute_force_over_all_paths(name):
    model, x = eight(name), X[:3, :, :5, :5]
    ledger = trace(model, x, dy=DY[: len(x)])
    found = trunks.matrices(model, x)
    expected = [0] * 9
    for choices in product((0, 1), repeat=8):
        u, choice = ledger.g(8).ravel(), list(choices)
        for _, whole, way in reversed(found):
            through = whole if way is None else whole - way if choice.pop() else way
            u = through.T @ u
        expected[sum(choices)] = expected[sum(choices)] + u
    lengths = path_lengths(ledger)
    scale = max(map(np.linalg.norm, expected))
    for g, e in zip(lengths.gradients, expected):
        assert np.linalg.norm(g.ravel() - e) < 1e-12 * scale
    listed = [0] * 9
    for branches, g in all_paths(ledger):
        listed[len(branches)] = listed[len(branches)] + g
    assert all(np.linalg.norm(a - b) < 1e-12 * scale for a, b in zip(listed, lengths.gradients))


class Times(Layer):
    """The identity, whose backward multiplies by t."""

    def __init__(self, t):
        self.t = t

    def forward(self, x, train=False):
        return x, None

    def backward(self, dy, cache):
        return self.t * dy


def with_branches_times(t, model, ledger):
    """A copy of the model whose backward through everything but the shortcuts carries a factor t."""
    twin = copy.deepcopy(model)
    for record in ledger.blocks:
        fork = twin.at(record.visit.path)
        for name, child in list(fork.children()):
            if name not in ("shortcut", "pad"):
                fork.set_child(name, Sequential(Times(t), child))
    return twin


@pytest.mark.parametrize("name", [*(n for n in VARIANTS if n not in ("shared", "original dropout"))])
def test_generating_function(name):
    """Backward with branches times t is sum t^k G_k: the G_k are its coefficients, by the complex roots of unity."""
    model = VARIANTS[name]()
    ledger = trace(model, X, dy=DY)
    lengths = path_lengths(ledger)
    n, g = len(ledger.blocks), ledger.g(len(ledger.blocks))
    roots = np.exp(2j * np.pi * np.arange(n + 1) / (n + 1))
    values = []
    for t in roots:
        trunk = Trunk(with_branches_times(t, model, ledger), X, train=True)  # its parameters take no complex gradient
        u = g + 0j
        for block in reversed(trunk.between(0, n)):
            u = block.backward(u)
        values.append(u)
    coefficients = np.fft.fft(np.stack(values), axis=0) / (n + 1)
    scale = max(lengths.norms)
    for g, c in zip(lengths.gradients, coefficients):
        assert np.linalg.norm(g - c) < 1e-12 * scale


@pytest.mark.parametrize("depth", [8, 20])
def test_backward_calls_of_the_branches(depth, monkeypatch):
    model = models.build(f"preact_resnet{depth}", rng=0)
    ledger = trace(model, RNG.standard_normal((2, 3, 8, 8)).astype(np.float32), np.array([1, 2]))
    calls = []
    for block in ledger.trunk.blocks:
        branch = block.fork.layer.branch
        monkeypatch.setattr(branch, "backward", lambda *a, f=branch.backward: calls.append(1) or f(*a), raising=False)
    n = (depth - 2) // 2
    assert path_lengths(ledger).residual_products == len(calls) == n * (n + 1) // 2
    del calls[:]
    assert path_lengths(ledger, longest=2).residual_products == len(calls) == 1 + 2 * (n - 1)
    del calls[:]
    assert path_lengths(ledger, longest=0).residual_products == len(calls) == 0
    assert path_lengths(ledger, 1, 3).residual_products == 3


@pytest.mark.parametrize("longest", range(5))
def test_a_truncated_programme_leaves_exactly_the_longer_paths(longest):
    ledger = trace(VARIANTS["full_preact A"](), X, dy=DY)
    full, part = path_lengths(ledger), path_lengths(ledger, longest=longest)
    assert len(part.gradients) == longest + 1
    for a, b in zip(part.gradients, full.gradients):
        assert relative(a, b) < 1e-14
    assert relative(part.remainder + sum(part.gradients), ledger.g(0)) < 1e-15
    if longest < 4:
        assert relative(part.remainder, sum(full.gradients[longest + 1 :])) < 1e-12
        assert part.error == pytest.approx(np.linalg.norm(part.remainder) / np.linalg.norm(ledger.g(0)))
    assert part.complete == (longest == 4)


def test_the_shortest_path_of_a_dense_block_is_a_slice():
    ledger = trace(trunks.dense(), X, dy=DY)
    lengths = path_lengths(ledger, 2)
    assert np.array_equal(lengths.gradients[0], ledger.g(4)[:, :3])


def test_a_pre_activation_stage_hands_the_gradient_to_the_shortest_path_bit_for_bit():
    ledger = trace(VARIANTS["full_preact one stage"](), X, dy=DY)
    assert path_lengths(ledger).gradients[0].tobytes() == ledger.g(3).tobytes()


def test_without_shortcuts_there_is_one_path():
    ledger = trace(VARIANTS["inception"](), X, dy=DY)
    lengths = path_lengths(ledger)
    assert lengths.norms[:2] == [0.0, 0.0]
    assert np.array_equal(lengths.gradients[2], ledger.g(0))


def test_measures_of_lengths():
    lengths = path_lengths(trace(VARIANTS["full_preact A"](), X, dy=DY))
    assert lengths.counts == [1, 4, 6, 4, 1]
    norms = [np.linalg.norm(g) for g in lengths.gradients]
    assert lengths.norms == pytest.approx(norms, rel=1e-13)
    assert lengths.mean_length == pytest.approx(np.dot(norms, range(5)) / sum(norms), rel=1e-13)
    assert lengths.projections == pytest.approx(
        [(g * lengths.g).sum() / (lengths.g**2).sum() for g in lengths.gradients], rel=1e-10
    )
    assert not any(g.flags.writeable for g in (*lengths.gradients, lengths.remainder))


def test_mean_length_weighted_by_the_gradients_themselves():
    """sum k G_k by two passes, d_j = B_j^T g_{j+1} + (A_j + B_j)^T d_{j+1}."""
    ledger = trace(VARIANTS["full_preact B"](), X, dy=DY)
    g = ledger.g(4)
    d = 0 * g
    for block in reversed(ledger.trunk.between(0, 4)):
        g, d = block.backward(g), block.residual(g) + block.backward(d)
    assert relative(d, sum(k * g for k, g in enumerate(path_lengths(ledger).gradients))) < 1e-12


def test_a_zero_gradient_has_lengths():
    lengths = path_lengths(trace(VARIANTS["full_preact A"](), X, dy=0 * DY))
    assert lengths.error == 0.0
    assert np.isnan([lengths.mean_length, *lengths.projections]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_on_every_backend(dtype, xp, device):
    model = VARIANTS["original B"]().to(device=device, dtype=dtype)
    ledger = trace(model, xp.asarray(X.astype(dtype)), dy=xp.asarray(DY.astype(dtype)))
    assert path_lengths(ledger).error < (1e-5 if dtype == np.float32 else 1e-12)
    assert path_lengths(ledger).gradients[1].dtype == dtype
    sampled = sample_paths(ledger, samples=6, rng=0)
    means = [np.mean([np.linalg.norm(np_of(g)) for b, g in all_paths(ledger) if len(b) == k]) for k in range(5)]
    assert sampled.mean_norms == pytest.approx(means, rel=1e-5)


def test_samples_of_all_paths_are_exact_and_others_near():
    ledger = trace(VARIANTS["original A"](), X, dy=DY)
    norms = [[] for _ in range(5)]
    for branches, g in all_paths(ledger):
        norms[len(branches)].append(np.linalg.norm(g))
    means = [np.mean(part) for part in norms]
    exact = sample_paths(ledger, samples=6, rng=0)
    assert exact.lengths == (0, 1, 2, 3, 4)
    assert exact.mean_norms == pytest.approx(means, rel=1e-13)
    weights = np.array([math.comb(4, k) * mean for k, mean in enumerate(means)])
    assert exact.contributions == pytest.approx(weights / weights.sum(), rel=1e-13)
    assert exact.mean_length == pytest.approx(np.dot(weights, range(5)) / weights.sum(), rel=1e-13)
    few = sample_paths(ledger, samples=2, rng=3)
    assert few.mean_norms != exact.mean_norms
    for mean, part in zip(few.mean_norms, norms):
        assert min(part) * (1 - 1e-12) <= mean <= max(part) * (1 + 1e-12)


def test_samples_are_those_of_their_generator():
    ledger = trace(trunks.blocks(n=6), X, dy=DY)
    draws = [sample_paths(ledger, samples=3, rng=seed) for seed in (0, 0, np.random.default_rng(0), 1)]
    assert draws[0] == draws[1] == draws[2] != draws[3]


def test_samples_between_two_positions():
    ledger = trace(VARIANTS["original A"](), X, dy=DY)
    norms = [np.linalg.norm(g) for branches, g in all_paths(ledger, 1, 3) if len(branches) == 1]
    assert sample_paths(ledger, 1, 3, samples=2, rng=0).mean_norms[1] == pytest.approx(np.mean(norms), rel=1e-13)


def test_the_band_holds_the_middle_of_the_contributions():
    sampled = sample_paths(trace(trunks.blocks(n=6), X, dy=DY), samples=20, rng=0)
    low, high = sampled.band()
    assert 0 <= low <= sampled.mean_length <= high <= 6
    assert sum(sampled.contributions[low : high + 1]) >= 0.95
    assert sum(sampled.contributions[:low]) <= 0.025
    assert sampled.band(0.2)[0] >= low


def test_the_band_by_hand():
    """The ends of the middle part of the sums .02 .04 .96 .98 1; rounding may leave the last sum below 1."""
    sampled = SampledPaths((3, 4, 5, 6, 7), (1.0,) * 5, (0.02, 0.02, 0.92, 0.02, 0.02))
    assert sampled.band() == (4, 6)
    assert [sampled.band(part) for part in (0.9, 0.93, 0.97)] == [(5, 5), (4, 6), (3, 7)]
    assert SampledPaths(tuple(range(10)), (1.0,) * 10, (0.1,) * 10).band(1) == (0, 9)


@pytest.mark.parametrize("seed", range(3))
def test_one_sample_is_a_path_of_its_length(seed):
    ledger = trace(trunks.blocks(n=6), X, dy=DY)
    norms = [[] for _ in range(6)]
    for branches, g in all_paths(ledger, 1):
        norms[len(branches)].append(np.linalg.norm(g))
    sampled = sample_paths(ledger, 1, samples=1, rng=seed)
    for found, of_length in zip(sampled.mean_norms, norms, strict=True):
        assert np.abs(np.array(of_length) / found - 1).min() < 1e-12


def test_ten_samples_by_default():
    ledger = trace(trunks.blocks(n=6), X, dy=DY)
    assert sample_paths(ledger, rng=0) == sample_paths(ledger, samples=10, rng=0)


def test_path_lengths_show_how_many_blocks_and_how_far():
    ledger = trace(VARIANTS["full_preact A"](), X, dy=DY)
    whole, part = path_lengths(ledger), path_lengths(ledger, longest=2)
    assert repr(whole) == f"<PathLengths of 4 blocks, mean length {whole.mean_length:.3g}>"
    assert repr(part) == f"<PathLengths of 4 blocks, to length 2, mean length {part.mean_length:.3g}>"


def test_the_longest_path_is_counted_between_the_positions():
    ledger = trace(VARIANTS["full_preact A"](), X, dy=DY)
    assert path_lengths(ledger, 1, 3, longest=2).complete and not path_lengths(ledger, 1, 3, longest=1).complete
    with pytest.raises(RangeError, match="longest is 3, expected 0 to 2"):
        path_lengths(ledger, 1, 3, longest=3)


def test_progress_sees_the_blocks_from_the_output():
    seen = []
    path_lengths(trace(trunks.flat(), X, dy=DY), progress=lambda chain: seen.extend(chain) or chain)
    assert [block.path for block in seen] == ["add2", "relu1", "add1", "relu0", "add0"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ledger: path_lengths(ledger, stop=5), "stop 5, expected 0 <= start <= stop <= 4"),
        (lambda ledger: path_lengths(ledger, longest=5), "longest is 5, expected 0 to 4"),
        (lambda ledger: path_lengths(ledger, longest=-1), "longest is -1"),
        (lambda ledger: all_paths(ledger, start=-1), "start is -1"),
        (lambda ledger: sample_paths(ledger, samples=0, rng=0), "samples is 0, expected an integer of at least 1"),
        (lambda ledger: sample_paths(ledger, 3, 2, rng=0), "start is 3 and stop 2"),
    ],
)
def test_wrong_arguments(call, message):
    with pytest.raises(RangeError, match=message):
        call(trace(VARIANTS["original A"](), X, dy=DY))


def test_too_many_paths_to_list():
    ledger = trace(trunks.blocks(n=13), X, dy=DY)
    with pytest.raises(RangeError, match=r"13 blocks have 2\^13 paths, expected at most 12 blocks: use path_lengths"):
        all_paths(ledger)
    assert sum(1 for _ in all_paths(ledger, 0, 3)) == 8
    for start, stop in ((0, 12), (1, 13)):  # twelve are not too many
        branches, g = next(all_paths(ledger, start, stop))
        assert branches == () and g.shape == ledger.g(start).shape


def test_a_plain_net_has_a_single_path():
    ledger = trace(Linear(3, 3, rng=0).to(dtype=np.float64), X[:, 0, 0, :3], dy=DY)
    assert [len(branches) for branches, g in all_paths(ledger) if g.any()] == [1]
