"""A textbook's replication: what the verdict turns on, and that each network differs in one condition."""

import math

import numpy as np
import pytest
from experiments.edges import require_edge

from minires.experiments import EXPERIMENTS
from minires.experiments.shattered_textbook import DEPTHS, NETS, UNITS, network
from minires.files.picture import new_figure
from minires.layers import BatchNorm1d, Linear

EXPERIMENT = EXPERIMENTS["shattered_textbook"]
LAST = (0.969, 0.847, 0.732, 0.006)
NUMBERS = {name: [0.98, 0.9, 0.9, last] for name, last in zip(NETS, LAST, strict=True)}


@pytest.mark.parametrize(
    ("name", "bound", "inside"),
    [*zip(NETS, (0.9, 0.7, 0.6, 0.1), (1, 1, 1, -1), strict=True), ("with batch norm", -0.1, +1)],
)
def test_each_bound_turns_the_verdict(name, bound, inside):
    require_edge(EXPERIMENT, NUMBERS, (name, -1), bound, inside)


@pytest.mark.parametrize("name", NETS)
def test_weights_and_biases(name):
    options = NETS[name]
    model = network(4, np.random.default_rng(0), **options)
    first, *inner, last = [layer for _, layer in model.walk() if isinstance(layer, Linear)]
    assert len(inner) == 3 and last.bias is None
    for layer in (*inner, last):
        assert layer.weight.data.std() == pytest.approx(math.sqrt(options["gain"] / UNITS), rel=0.15)
    for layer in inner:
        assert (layer.bias is None) == (options["biases"] == 0)
    spread = math.sqrt(1 / UNITS) if options["biases"] else 1
    assert first.bias.data.std() == pytest.approx(spread, rel=0.15)
    assert sum(isinstance(layer, BatchNorm1d) for _, layer in model.walk()) == 4 * options.get("norm", False)


def test_the_picture_has_a_line_for_each_network():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS], figure)
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [len(DEPTHS)] * len(NETS)
