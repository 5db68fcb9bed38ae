"""Similar blocks: what the verdict turns on, and a similarity that does not see rotations."""

import numpy as np
import pytest
from experiments.edges import put, require_edge

from minires.experiments import EXPERIMENTS
from minires.experiments.similar_blocks import BLOCK, NAME, cka, features
from minires.files.picture import new_figure
from minires.models import build

EXPERIMENT = EXPERIMENTS["similar_blocks"]
NUMBERS = {
    "trained": {"within": [0.997] * 24, "changes": [0.978, 0.929], "ends": 0.73},
    "fresh": {"within": [0.985] * 24, "changes": [0.97, 0.94], "ends": 0.6},
}


@pytest.mark.parametrize(("name", "bound"), [("trained", 0.98), ("fresh", 0.95)])
def test_each_median_turns_the_verdict(name, bound):
    for value, word in ((bound + 1e-6, EXPERIMENT.expected), (bound - 1e-6, "FAILS")):
        assert EXPERIMENT.verdict([put(NUMBERS, (name, "within"), [value] * 24)]).word == word
    assert EXPERIMENT.verdict([put(NUMBERS, (name, "within"), [0.99] * 13 + [0.1] * 11)]).word == EXPERIMENT.expected


def test_the_ends_turn_the_verdict():
    require_edge(EXPERIMENT, NUMBERS, ("trained", "ends"), 0.9, -1)


def test_cka():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((50, 6)), rng.standard_normal((50, 4))
    rotation, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    assert cka(a, 3 * a @ rotation + 7) == pytest.approx(1, rel=1e-12)
    a0, b0 = a - a.mean(0), b - b.mean(0)
    expected = np.square(a0.T @ b0).sum() / np.linalg.norm(a0.T @ a0) / np.linalg.norm(b0.T @ b0)
    assert cka(a, b) == pytest.approx(expected, rel=1e-12) and expected < 0.3


def test_features_are_those_behind_the_blocks():
    model = build(NAME, rng=0, **BLOCK)
    images = np.random.default_rng(1).standard_normal((4, 1, 8, 8)).astype(np.float32)
    found = features(model, images)
    assert len(found) == 27 and [i for i, (changed, _) in enumerate(found) if changed] == [9, 18]
    first = model["stage1"]["0"].forward(model["stem"].forward(images, train=True)[0], train=True)[0]
    np.testing.assert_allclose(found[0][1], first.reshape(4, -1), rtol=1e-6)


def test_the_picture_has_both_networks():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS], figure)
    assert len(figure.axes[0].lines) == 2
