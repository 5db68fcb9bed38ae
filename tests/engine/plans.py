"""Small networks whose plans tests read: families, and ways that families do not take."""

import numpy as np
from engine.equality import entered, network

from minires import layers as L
from minires.engine.plan import Plan

SHOWN = ["resnet8", "preact_resnet11", "densenetbc_16_6", "seresnet8", "highway8", "wrn_10_2", "resnext11_2x4d"]


OWN = {
    "x + x": lambda: entered(2, L.Residual(L.Identity(), L.Identity()), L.ReLU()),
    "two relus": lambda: entered(2, L.Residual(L.Sequential(pool(), L.ReLU()), L.Sequential(pool(), L.ReLU()))),
    "three ways": lambda: entered(2, L.Residual(L.Residual(L.ReLU()), L.Residual(pool(), L.BatchNorm2d(2)))),
    "nested": lambda: entered(2, L.Residual(L.Sequential(conv(), L.Residual(conv(), L.Identity())), L.Identity())),
    "through the layers": lambda: entered(2, L.Residual(L.Sequential(L.ReLU(), L.GroupNorm(1, 2)), L.ReLU())),
}
ALL = [*SHOWN, *OWN]


def conv():
    return L.Sequential(L.Conv2d(2, 2, 3, padding=1, rng=0).to(dtype=np.float64), L.ReLU())


def pool():
    return L.AvgPool2d(3, stride=1, padding=1)


def plan_of(name, mode="train"):
    return Plan(OWN[name]() if name in OWN else network(name), (3, 2, 9, 9), np.float64, mode)
