"""Initialisation: what the verdict turns on."""

import numpy as np
import pytest
from experiments.test_catalogue import STORED

from minires.experiments import initialisation

EXPERIMENT, NUMBERS = initialisation.EXPERIMENT, STORED["initialisation"][0]
LAYER = np.arange(initialisation.LAYERS)


@pytest.mark.parametrize(("name", "middle"), [("he", 0), ("xavier", -0.5)])
@pytest.mark.parametrize(("what", "sign"), [("signal", 1), ("gradient", -1)])
@pytest.mark.parametrize(("off", "word"), [(0.049, "HOLDS"), (-0.049, "HOLDS"), (0.051, "FAILS"), (-0.051, "FAILS")])
def test_each_slope_turns_the_verdict(name, middle, what, sign, off, word):
    line = (2 + sign * (middle + off) * LAYER).tolist()
    assert EXPERIMENT.verdict([NUMBERS | {name: NUMBERS[name] | {what: line}}]).word == word


def test_the_slope_is_that_of_a_fit():
    values = np.random.default_rng(0).standard_normal(30)
    assert initialisation.slope(values.tolist()) == pytest.approx(np.polyfit(LAYER, values, 1)[0], rel=1e-12)


def test_sizes_of_what_can_be_computed(monkeypatch):
    """Without ReLUs, and with half of the variance: 1 / width, which linear layers keep."""
    monkeypatch.setattr(initialisation, "LAYERS", 4)
    with initialisation.without_relu():
        found = initialisation.sizes(1, np.random.default_rng(0))
    assert max(map(abs, found["signal"] + found["gradient"])) < 0.2
