"""The hierarchical split against its equations, and by which pixels its outputs see."""

import numpy as np
import pytest
from oracles import assert_close, jacobian, randomise, run

from minires.errors import RangeError, ShapeError
from minires.layers import Conv2d, Res2, Sequential, Tanh


def conv_tanh(width, rng):
    return randomise(Sequential(Conv2d(width, width, 3, padding=1, rng=rng), Tanh()), rng)


def test_each_group_sees_what_the_one_before_has_found():
    rng = np.random.default_rng(0)
    f, g = conv_tanh(2, rng), conv_tanh(2, rng)
    x, dy = rng.normal(size=(2, 2, 6, 4, 5))
    y1 = f(x[:, :2])
    answer = run(Res2(f, g), x, dy)
    assert_close(answer["y"], np.concatenate([y1, g(x[:, 2:4] + y1), x[:, 4:]], axis=1))
    expected = (jacobian(Res2(f, g), x).T @ dy.ravel()).reshape(x.shape)
    assert_close(answer["dx"], expected)


def test_receptive_fields_of_the_groups():
    """Four groups see 3, 5, 7 pixels (of the first group) and, the last, which is left as it is, 1."""
    rng = np.random.default_rng(0)
    layer = Res2(*(randomise(Conv2d(1, 1, 3, padding=1, rng=rng), rng) for _ in range(3)))
    seen = []
    for group in range(4):
        y, cache = layer.forward(rng.normal(size=(1, 4, 11, 11)))
        dy = np.zeros(y.shape)
        dy[0, group, 5, 5] = 1
        support = layer.backward(dy, cache)[0] != 0
        seen.append([int(np.sqrt(channel.sum())) for channel in support])
    assert seen == [[3, 0, 0, 0], [5, 3, 0, 0], [7, 5, 3, 0], [0, 0, 0, 1]]


def test_errors_name_the_axis_and_the_remedy():
    rng = np.random.default_rng(0)
    with pytest.raises(RangeError, match="at least one"):
        Res2()
    with pytest.raises(ShapeError, match="5 channels .axis 1.*multiple of the 2 groups"):
        Res2(conv_tanh(2, rng))(rng.normal(size=(1, 5, 3, 3)))
    with pytest.raises(ShapeError, match="function 0 gives .1, 3, 3, 3., its group .1, 2, 3, 3. .axis 1"):
        Res2(Conv2d(2, 3, 1, rng=rng))(np.ones((1, 4, 3, 3), np.float32))
