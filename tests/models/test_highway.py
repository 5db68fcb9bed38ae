"""Highway networks: PyTorch as oracle, closed forms of the counts, what a closed gate lets pass."""

import numpy as np
import pytest
from models import zoo_checks as Z
from oracles.pytorch import F, torch

from minires.errors import RangeError
from minires.layers import Gate
from minires.models import build, summarize


def highway(net, x):
    x = F.relu(net.conv(x, "stem.conv"))
    for stage in (1, 2, 3):
        for layer in range(4):
            at = f"stage{stage}.{layer}"
            if stage > 1 and layer == 0:
                x = F.relu(net.conv(x, f"{at}.conv", 2))
                continue
            t = torch.sigmoid(net.conv(x, f"{at}.gate.conv"))
            x = F.relu(net.conv(x, f"{at}.branch.conv")) * t + x * (1 - t)
    return net.fc(x)


def test_as_pytorch():
    Z.assert_as_pytorch(Z.randomised("highway14"), highway, 9)


@pytest.mark.parametrize("n", [1, 3, 9])
def test_counts_in_closed_form(n):
    """A convolution to C channels has 9 C C_in + C numbers, and a layer with a gate has two of them."""

    def conv(c_in, c):
        return 9 * c_in * c + c

    params = conv(3, 16) + 2 * 2 * n * conv(16, 16) + 65 * 10
    for c in (32, 64):
        params += conv(c // 2, c) + 2 * (2 * n - 1) * conv(c, c)
    found = summarize(build(f"highway{6 * n + 2}", rng=0), (3, 32, 32))
    assert (found.params, found.depth) == (params, 6 * n + 2)


def test_a_closed_gate_carries_the_input_and_its_gradient():
    """T = sigmoid(-1000) = 0: y = x bitwise, and of the three terms only dy itself is left."""
    layer = next(layer for _, layer in build("highway8", gate_bias=-1000, rng=0).walk() if isinstance(layer, Gate))
    x, dy = np.random.default_rng(0).normal(size=(2, 2, 16, 5, 5)).astype(np.float32)
    y, cache = layer.forward(x)
    assert (y == x).all() and (layer.backward(dy, cache) == dy).all()


def test_gates_start_at_their_bias():
    for bias, options in ((-2, {}), (-4, {"gate_bias": -4})):
        model = build("highway8", rng=0, **options)
        gates = [layer.gate["conv"].bias.data for _, layer in model.walk() if isinstance(layer, Gate)]
        assert len(gates) == 4 and all((gate == bias).all() for gate in gates)


def test_learns():
    Z.assert_learns("highway14", 8)


def test_depths_that_no_member_has():
    with pytest.raises(RangeError, match="depth is 21"):
        build("highway21", rng=0)
