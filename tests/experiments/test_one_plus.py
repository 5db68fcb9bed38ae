"""The 1 +: what the verdict turns on, and what is measured."""

import numpy as np
import pytest
from experiments.edges import require_edge
from experiments.test_catalogue import STORED

from minires.experiments import one_plus

EXPERIMENT, NUMBERS = one_plus.EXPERIMENT, STORED["one_plus"][0]


@pytest.mark.parametrize(
    ("variant", "number", "bound", "inside"),
    [
        ("original, B", "closure", 1e-12, -1),
        ("full_preact, dropout", "paths", 1e-12, -1),
        ("original, exclusive-gate", "local", 1e-12, -1),
        ("bn_after_add", "total", 1e-12, -1),
        ("full_preact", "not the gradient", 0, -1),
        ("relu_before_add", "not the gradient", 0, -1),
        ("relu_only_preact", "not the gradient", 0, -1),
        ("full_preact, scale-shortcut", "not its part", 0, -1),
        ("original", "kept", 0.95, -1),
        ("original", "kept", 0.1, +1),
        ("full_preact", "terms", 0.1, +1),
    ],
)
def test_each_bound_turns_the_verdict(variant, number, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, (variant, number), bound, inside, 1 if bound == 0 else 1e-15)


def test_every_variant_is_measured():
    assert len(NUMBERS) == 5 + 2 * 9 and NUMBERS.keys() == one_plus.VARIANTS.keys()


def test_what_the_shortcuts_hand_down():
    """Half each where both halve, all where nothing follows, a known part where ReLUs do."""
    kept = {name: n["kept"] for name, n in NUMBERS.items()}
    assert kept["full_preact, scale"] == kept["full_preact, scale-shortcut"] == 0.5**one_plus.QUICK
    assert all(kept[name] == 1 for name in one_plus.CLEAN)


@pytest.mark.parametrize("found", [np.zeros(3), np.full(3, 2.0)])
def test_an_error_against_nothing_is_a_size(found):
    assert one_plus.relative(found, np.zeros(3)) == np.linalg.norm(found)
    assert one_plus.relative(found, np.ones(3)) == pytest.approx(1)
