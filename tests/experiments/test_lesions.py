"""Lesions: what the verdict turns on, ranks against other formulas, and the version on CIFAR-10 in small."""

import itertools

import numpy as np
import pytest
from experiments.edges import put, require_edge

from minires import models
from minires.data import Dataset, Normalize
from minires.experiments import Lab, lesions
from minires.files.picture import new_figure
from minires.weights import save_weights

EXPERIMENT = lesions.EXPERIMENT
# of seed 0 on the digits, rounded; one number for each of ten blocks, and one order drawn for each count
DROPS = [0.24, 0.15, 0.01, 0.06, 0.02, 0.01, 0.005, 0.0, 0.0, -0.003]
MISSING = [[count, 0.05 * count] for count in lesions.MISSING]
ORDERS = [[[1 - 0.01 * count, 0.01 * count]] for count in lesions.SWAPS]
RESIDUAL = {"accuracy": 0.99, "drops": DROPS, "missing": MISSING, "orders": ORDERS}
NUMBERS = {"digits": RESIDUAL | {"plain_accuracy": 0.98, "plain_drops": [0.8, 0.9, 0.85]}, "cifar10": RESIDUAL}
DIGITS = {"digits": NUMBERS["digits"]}
EVEN = [0.01, 0.02, 0.03, 0.04, 0.05]  # the median is the third


@pytest.mark.parametrize("data", NUMBERS)
def test_the_median_of_a_residual_network_turns_the_verdict(data):
    numbers = put({data: NUMBERS[data]}, (data, "drops"), [0.5, 0.4, 0.03, 0.0, 0.0])
    require_edge(EXPERIMENT, numbers, (data, "drops", 2), 0.03, -1)


def test_the_median_of_a_plain_network_turns_the_verdict():
    numbers = put(DIGITS, ("digits", "plain_drops"), [0.9, 0.3, 0.1])
    require_edge(EXPERIMENT, numbers, ("digits", "plain_drops", 1), 0.3, +1)


@pytest.mark.parametrize(
    ("name", "errors", "rho"),
    [  # 1 - 6 sum d^2 / (n^3 - n), for errors without ties
        ("missing", (2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11), 0.958),
        ("missing", (4, 3, 2, 1, 5, 6, 8, 7, 9, 10, 11, 12), 0.923),
        ("missing", (5, 2, 3, 4, 1, 6, 7, 8, 9, 10, 12, 11), 0.881),
        ("orders", (1, 2, 3, 4, 5), -1.0),
        ("orders", (1, 2, 4, 3, 5), -0.9),
        ("orders", (2, 1, 3, 5, 4), -0.8),
        ("orders", (3, 1, 2, 4, 5), -0.7),
        ("orders", (1, 3, 4, 2, 5), -0.7),
        ("orders", (3, 2, 1, 4, 5), -0.6),
    ],
)
def test_the_correlations_turn_the_verdict(name, errors, rho):
    pairs = np.array(NUMBERS["digits"][name], float)
    pairs[..., 1] = np.reshape(errors, pairs.shape[:-1])
    numbers = put(DIGITS, ("digits", name), pairs.tolist())
    (check,) = [
        c for c in EXPERIMENT.verdict([numbers]).checks if {"missing": "missing", "orders": "order"}[name] in c.what
    ]
    assert check.values[0] == pytest.approx(rho, abs=1e-3)
    holds = rho >= 0.9 if name == "missing" else rho <= -0.7
    assert EXPERIMENT.verdict([numbers]).word == ("HOLDS WITH A CONDITION" if holds else "FAILS")


def test_blocks_that_carry_the_network_are_the_condition():
    verdict = EXPERIMENT.verdict([DIGITS, put(DIGITS, ("digits", "drops", 3), 0.3)])
    assert "0.24 to 0.30 of the accuracy" in verdict.condition
    assert verdict.condition.endswith("or more: 0, 1, 3.")
    assert EXPERIMENT.verdict([put(DIGITS, ("digits", "drops"), EVEN)]).word == "HOLDS"
    assert EXPERIMENT.verdict([put(DIGITS, ("digits", "drops"), [0.0, *EVEN, 0.1])]).word == "HOLDS WITH A CONDITION"


def test_spearman_shares_the_ranks_of_ties():
    """Against ranks by sorting: the mean of the places that equal numbers take."""
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 4, (20, 2)).tolist()
    columns = [
        [np.mean(np.flatnonzero(np.sort(column) == value)) for value in column] for column in np.transpose(pairs)
    ]
    assert lesions.spearman(pairs) == pytest.approx(np.corrcoef(columns)[0, 1], abs=1e-12)


def test_kendall_counts_pairs_in_order():
    assert [lesions.kendall(order) for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 2, 3])] == pytest.approx(
        [1, -1, 2 / 3]
    )
    order = list(np.random.default_rng(0).permutation(12))
    inversions = sum(a > b for a, b in itertools.combinations(order, 2))
    assert lesions.kendall(order) == pytest.approx(1 - 2 * inversions / 66)


def test_blocks_are_exchanged_within_their_stage():
    stages = [["a1", "a2", "a3"], ["b1", "b2"]]
    drawn = [lesions.shuffled(stages, 3, np.random.default_rng(seed)) for seed in range(20)]
    assert len({tuple(order) for order in drawn}) > 3
    assert all(sorted(order[:3]) == stages[0] and sorted(order[3:]) == stages[1] for order in drawn)
    assert stages == [["a1", "a2", "a3"], ["b1", "b2"]]


def test_the_picture_shows_blocks_counts_and_orders():
    for data, numbers in NUMBERS.items():
        figure = new_figure()
        EXPERIMENT.draw([{data: numbers}], figure)
        drops, missing, orders = figure.axes
        assert len(drops.patches) == len(DROPS) + len(numbers.get("plain_drops", ()))
        assert len(missing.lines[0].get_xdata()) == len(MISSING)
        assert len(orders.lines) == len(ORDERS)


def test_the_full_version_takes_weights_and_images_of_cifar10(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 3, 32, 32), np.uint8)
    asked, seen = [], []

    def loaded(*where):
        asked.append(where)
        return Dataset("cifar10", images, rng.integers(0, 10, 40), tuple("0123456789"))

    def accuracy(model, data=None, normalize=None):
        seen.append((len(data), normalize.mean[0]))
        return 0.5

    monkeypatch.setattr(lesions, "load", loaded)
    monkeypatch.setattr(lesions, "Normalize", lambda mean, std: Normalize([0.25] * 3, [0.5] * 3))
    monkeypatch.setattr(lesions, "IMAGES", 30)
    monkeypatch.setattr(lesions, "MISSING", (1, 5))
    monkeypatch.setattr(lesions, "SWAPS", (2,))
    save_weights(tmp_path / "w.safetensors", models.build("resnet56", rng=0))
    lab = Lab(data_dir="here", weights=tmp_path / "w.safetensors")
    monkeypatch.setattr(lab, "accuracy", accuracy)
    found = EXPERIMENT.measure(0, False, lab)["cifar10"]
    assert asked == [("cifar10", "test", "here")]
    assert set(seen) == {(30, 0.25)}
    assert len(seen) == 1 + 27 + 2 * lesions.DRAWS + lesions.ORDERS
    assert found["drops"] == 27 * [0.0]
    assert found["missing"] == [[1, 0.5], [5, 0.5]]
