"""Every experiment has a verdict that turns where the thing is sabotaged, by a measurement."""

import pytest

from minires.experiments import EXPERIMENTS, Lab


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sabotage"), [(name, broken) for name, experiment in EXPERIMENTS.items() for broken in experiment.breaks]
)
def test_sabotage_turns_the_verdict(name, sabotage):
    experiment = EXPERIMENTS[name]
    with experiment.breaks[sabotage]():
        numbers = experiment.measure(0, True, Lab())
    assert experiment.verdict([numbers]).word != experiment.expected


def test_every_experiment_can_be_broken():
    assert [name for name, experiment in EXPERIMENTS.items() if not experiment.breaks] == []
