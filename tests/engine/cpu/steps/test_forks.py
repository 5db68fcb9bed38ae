"""Concatenation, gates, scaled channels and activations in chunks, against the layers and against their formulas."""

import numpy as np
import pytest
from engine.equality import assert_as_definition, entered
from oracles import randomise

from minires import layers as L


def branch():
    return L.Sequential(L.Conv2d(4, 4, 3, padding=1, rng=0), L.BatchNorm2d(4), L.ReLU())


def gate():
    return L.Sequential(L.Conv2d(4, 4, 1, bias=True, rng=1), L.Sigmoid())


FORKS = {
    "concat": lambda: L.Concat(a=branch(), b=L.Identity(), c=L.Conv2d(4, 3, 1, rng=0)),
    "concat of sums": lambda: L.Concat(a=L.Residual(branch()), b=L.BatchNorm2d(4)),
    "gate": lambda: L.Gate(branch(), gate()),
    "gate of the shortcut": lambda: L.Gate(branch(), gate(), exclusive=False),
    "excite": lambda: L.SqueezeExcite(L.Sequential(L.GlobalAvgPool2d(), gate())),
    "nested": lambda: L.Gate(L.Gate(branch(), gate()), L.Sequential(L.Concat(a=L.Identity()), gate())),
    **{
        type(layer).__name__: lambda layer=layer: L.Sequential(branch(), layer, branch())
        for layer in (
            L.ReLU6(),
            L.LeakyReLU(0.1),
            L.ELU(),
            L.Sigmoid(),
            L.Tanh(),
            L.SiLU(),
            L.HardSwish(),
            L.Scale(0.3),
        )
    },
}


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", FORKS)
def test_equals_the_layers(name, train):
    rng = np.random.default_rng(0)
    model = randomise(entered(4, FORKS[name]()), rng)
    assert_as_definition(model, rng.normal(size=(5, 4, 7, 6)), train, 1e-11, whole=False)
    assert_as_definition(model, rng.normal(size=(33, 4, 3, 2)), train, 1e-11, whole=False)
