"""One network and three: what the verdict turns on, and who votes."""

import numpy as np
from experiments.edges import put

from minires.experiments import EXPERIMENTS, Lab, ensemble
from minires.files.picture import new_figure

EXPERIMENT = EXPERIMENTS["ensemble"]
NUMBERS = {"one": [0.02, 0.03, 0.025], "three": [0.02]}


def test_the_bound_turns_the_verdict():
    assert EXPERIMENT.verdict([NUMBERS]).word == EXPERIMENT.expected == "FAILS"
    for three, word in ((0.025 / 1.1 - 1e-6, "FAILS"), (0.025 / 1.1 + 1e-6, "HOLDS")):
        assert EXPERIMENT.verdict([put(NUMBERS, ("three", 0), three)]).word == word


def test_three_without_an_error_are_better():
    assert EXPERIMENT.verdict([put(NUMBERS, ("three", 0), 0.0)]).word == "FAILS"


def test_three_vote_by_the_mean_of_their_logits(monkeypatch):
    """Networks that give the right class 1 and a wrong one of their own 1.5: alone each errs, three together do not."""

    class Stub:
        def __init__(self, rng):
            self.wrong = 1 + rng % 4

        def __call__(self, images):
            labels = lab.digits[1].labels
            logits = np.zeros((len(images), 10))
            logits[np.arange(len(images)), labels] = 1
            logits[np.arange(len(images)), (labels + self.wrong) % 10] = 1.5
            return logits

    lab, seeds = Lab(), []
    lab.train = lambda model, epochs, *, seed, about: seeds.append(seed)
    lab.fast = lambda model: model
    monkeypatch.setattr(ensemble, "build", lambda name, rng: Stub(rng))
    monkeypatch.setattr(ensemble, "MEMBERS", 4)
    found = ensemble.measure(2, True, lab)
    assert seeds == [2000, 2001, 2002, 2003]
    assert found == {"one": 4 * [1.0], "three": 4 * [0.0]}
    with EXPERIMENT.breaks["all networks come from one seed"]():
        assert ensemble.measure(2, True, lab) == {"one": 4 * [1.0], "three": 4 * [1.0]}


def test_the_picture_has_a_point_for_each_choice():
    figure = new_figure()
    EXPERIMENT.draw([NUMBERS, NUMBERS], figure)
    assert [len(line.get_ydata()) for line in figure.axes[0].lines] == [6, 2]
