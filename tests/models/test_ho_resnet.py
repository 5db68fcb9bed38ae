"""Higher-order residual networks: PyTorch as oracle for every method, equal counts, traced terms."""

from functools import partial

import numpy as np
import pytest
from models import zoo_checks as Z
from oracles.pytorch import F

from minires.errors import RangeError
from minires.layers.runge_kutta import METHODS
from minires.models import build, summarize
from minires.trace import trace


def heun(x, f, reach, weight):
    k1 = f[0](x)
    return x + (1 - weight) * k1 + weight * f[1](x + reach * k1)


def heun3(x, f):
    k1 = f[0](x)
    return x + k1 / 4 + 3 * f[2](x + 2 * f[1](x + k1 / 3) / 3) / 4


def kutta3(x, f):
    k1 = f[0](x)
    k2 = f[1](x + k1 / 2)
    return x + (k1 + 4 * k2 + f[2](x - k1 + 2 * k2)) / 6


def rk4(x, f):
    k1 = f[0](x)
    k2 = f[1](x + k1 / 2)
    k3 = f[2](x + k2 / 2)
    return x + (k1 + 2 * k2 + 2 * k3 + f[3](x + k3)) / 6


# one step of each method from x, with functions f[0], f[1], ...
STEPS = {
    "euler": lambda x, f: x + f[0](x),
    "midpoint": lambda x, f: x + f[1](x + f[0](x) / 2),
    "heun": lambda x, f: heun(x, f, 1, 1 / 2),
    "ralston": lambda x, f: heun(x, f, 2 / 3, 3 / 4),
    "heun3": heun3,
    "kutta3": kutta3,
    "rk4": rk4,
}


def function_of(net, at):
    def f(x):
        x = net.conv(net.bn_relu(x, f"{at}.bn1"), f"{at}.conv1")
        return net.conv(net.bn_relu(x, f"{at}.bn2"), f"{at}.conv2")

    return f


def ho_resnet(net, x, method, count):
    x = net.conv(x, "stem.conv")
    for stage in (1, 2, 3):
        for step in range(count):
            at = f"stage{stage}.{step}"
            if stage > 1 and step == 0:
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, x.shape[1]))
                at = f"{at}.step"
            x = STEPS[method](x, [function_of(net, f"{at}.k{i}") for i in (1, 2, 3, 4)])
    return net.fc(net.bn_relu(x, "head.bn"))


@pytest.mark.parametrize("method", METHODS)
def test_as_pytorch(method):
    functions = len(METHODS[method][1])
    count = 2 if method == "euler" else 1
    model = Z.randomised(f"ho_resnet{6 * functions * count + 2}_{method}")
    Z.assert_as_pytorch(model, partial(ho_resnet, method=method, count=count), 9)


def test_networks_of_equal_depth_have_equal_counts_whatever_the_method():
    found = {summarize(build(f"ho_resnet74_{method}", rng=0), (3, 32, 32)) for method in METHODS}
    (summary,) = found
    assert summary.depth == 74
    convolutions = 9 * 3 * 16 + 24 * 9 * sum(c * c for c in (16, 32, 64))
    norms = 24 * 2 * (16 + 32 + 64) + 2 * 64
    assert summary.params == convolutions + norms + 650


def test_the_trace_has_a_term_for_the_identity_and_one_for_each_function():
    """On the trunk each term of each step is the derivative of its forward; the identity hands g on bitwise."""
    model = build("ho_resnet26_rk4", rng=0).to(dtype=np.float64)
    rng = np.random.default_rng(0)
    ledger = trace(model, rng.normal(size=(3, 3, 8, 8)), np.array([1, 2, 3]))
    assert [fork.path for fork in ledger.forks] == ["stage1.0", "stage2.0.step", "stage3.0.step"]
    for fork in ledger.forks:
        assert list(fork.terms) == ["shortcut", "k1", "k2", "k3", "k4"]
        assert (fork.terms["shortcut"] == fork.incoming).all()
        assert fork.closure_error < 1e-12


def test_learns():
    Z.assert_learns("ho_resnet26_rk4", 8)


def test_depths_that_no_member_has():
    with pytest.raises(RangeError, match=r"rk4: the depth is 20, expected 24n \+ 2"):
        build("ho_resnet20_rk4", rng=0)
    with pytest.raises(RangeError, match="no model is called 'ho_resnet20_rk5'"):
        build("ho_resnet20_rk5", rng=0)
