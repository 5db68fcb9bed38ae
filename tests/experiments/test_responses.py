"""Responses of layers: what the verdict turns on, and what is looked at."""

import numpy as np
import pytest
from experiments.edges import EPS

from minires import models
from minires.experiments import responses
from minires.files.picture import new_figure

EXPERIMENT = responses.EXPERIMENT


def numbers(plain56=1.0, resnet20=0.5, resnet56=0.4):
    """Two blocks of each network, of this mean response."""
    means = {"plain20": 1.0, "plain56": plain56, "resnet20": resnet20, "resnet56": resnet56}
    return {name: [0.5 * mean, 1.5 * mean] for name, mean in means.items()}


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"plain56": 0.4 / 0.9 + EPS}, "HOLDS"),
        ({"plain56": 0.4 / 0.9 - EPS}, "FAILS"),
        ({"resnet20": 0.4 + EPS}, "HOLDS"),
        ({"resnet20": 0.4 - EPS}, "FAILS"),
    ],
)
def test_each_bound_turns_the_verdict(changed, word):
    assert EXPERIMENT.verdict([numbers(**changed)]).word == word
    assert EXPERIMENT.verdict([numbers(), numbers(**changed)]).word == word


@pytest.mark.parametrize(("name", "branch"), [("digits_plain8", "branch"), ("digits_resnet8", "add.branch")])
def test_the_response_is_what_the_last_batch_norm_gives(name, branch):
    x = np.random.default_rng(0).standard_normal((4, 1, 8, 8), np.float32)
    model = models.build(name, rng=0)
    found = responses.responses(model, x)
    first = model.at(f"stage1.0.{branch}")(model.at("stem")(x))
    assert len(found) == 3
    assert found[0] == pytest.approx(first.std(), rel=1e-5)


def test_the_picture_has_a_line_for_each_network():
    figure = new_figure()
    EXPERIMENT.draw([numbers()], figure)
    assert [line.get_label() for line in figure.axes[0].lines] == list(responses.NETWORKS)
