"""The affine map against naive loops and PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings
from oracles import assert_same, run, upstream, torch_answers
from oracles.scalar_maths import linear as naive_linear
from strategies import linear, seeds

from minires.layers import Linear


@given(linear(), seeds)
@settings(max_examples=200)
def test_equals_the_naive_loops(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))
    bias = None if layer.bias is None else layer.bias.data
    assert_same(run(layer, x, dy), naive_linear(x, dy, layer.weight.data, bias))


@given(linear(), seeds)
@settings(max_examples=60)
def test_equals_pytorch(case, seed):
    layer, x = case
    dy = upstream(layer, x, np.random.default_rng(seed))
    params = {name: p.data for name, p in layer.params()}
    reference = torch_answers.torch.nn.functional.linear
    assert_same(run(layer, x, dy), torch_answers.torch_run(reference, x, dy, **params))


def test_starts_from_he_normal_and_a_zero_bias():
    layer = Linear(400, 300, rng=3)
    assert layer.weight.data.std() == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    assert not layer.bias.data.any()
    assert Linear(4, 3, bias=False, rng=0).bias is None
