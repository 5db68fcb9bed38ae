"""A convolution in a network: filters in parts, batch norm in the filters, shares of a gradient added."""

import numpy as np
import pytest
from engine.equality import assert_as_definition
from oracles import randomise

from minires import layers as L
from minires.engine.cpu import kernels
from minires.engine.cpu.steps import convolution

ALGORITHMS = {kind.name: kind for kind in kernels.KERNELS}


@pytest.fixture(params=ALGORITHMS)
def algorithm(request, monkeypatch):
    """One algorithm wherever it fits, and im2col elsewhere."""
    kind = ALGORITHMS[request.param]
    monkeypatch.setattr(convolution, "choose", lambda g, images, frozen: kind if kind.fits(g) else kernels.Im2col)
    return kind


def conv(channels, out, kernel=3, stride=1, **settings):
    return L.Conv2d(channels, out, kernel, padding=kernel // 2, stride=stride, rng=0, **settings)


NETS = {
    "chain": lambda: L.Sequential(conv(3, 4), conv(4, 4), conv(4, 6, stride=2), conv(6, 5, kernel=5), conv(5, 5)),
    "1x1 between": lambda: L.Sequential(conv(3, 4), conv(4, 5, kernel=1), conv(5, 4), conv(4, 4, kernel=1, stride=2)),
    "norms": lambda: L.Sequential(conv(3, 4), L.BatchNorm2d(4), conv(4, 4, bias=True), L.BatchNorm2d(4), L.ReLU()),
    "two ways": lambda: L.Sequential(conv(3, 4), L.Residual(conv(4, 4), conv(4, 4, kernel=1)), L.ReLU()),
    "three ways": lambda: L.Concat(a=conv(3, 4), b=conv(3, 2, kernel=1), c=conv(3, 3, kernel=5)),
    "three ways with stride": lambda: L.Concat(
        a=conv(3, 4, stride=2), b=conv(3, 2, kernel=1, stride=2), c=L.Sequential(conv(3, 3), conv(3, 2, stride=2))
    ),
    "depthwise": lambda: L.Sequential(
        conv(3, 4), L.Residual(L.Sequential(L.ReLU(), conv(4, 4, groups=4), L.BatchNorm2d(4))), conv(4, 4, groups=2)
    ),
}


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", NETS)
def test_equals_the_layers(name, algorithm, train):
    rng = np.random.default_rng(0)
    for size in ((7, 5), (9, 10)):
        model = randomise(NETS[name](), rng)
        assert_as_definition(model, rng.normal(size=(3, 3, *size)), train, 1e-10, whole=False)
        assert_as_definition(model, rng.normal(size=(3, 3, *size)), train, 1e-10, whole=False, input_gradient=False)
