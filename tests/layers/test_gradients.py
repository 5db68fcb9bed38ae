"""Complex-step gradient checks of every layer and loss over generated shapes and settings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import LAYERS

from minires import layers
from minires.gradcheck import gradcheck
from minires.layers import Layer

TOLERANCE = 1e-12

each = pytest.mark.parametrize("name", LAYERS)


def check(case, train):
    layer, x = case
    assert gradcheck(layer, x, train=train, directions=1).worst_error <= TOLERANCE


@each
@given(st.data(), st.booleans())
@settings(max_examples=25)
def test_backward_is_the_derivative_of_forward(name, data, train):
    check(data.draw(LAYERS[name]), train)


@pytest.mark.slow
@each
@given(st.data(), st.booleans())
@settings(max_examples=500)
def test_backward_is_the_derivative_of_forward_in_500_cases(name, data, train):
    check(data.draw(LAYERS[name]), train)


def test_every_public_layer_and_loss_is_checked():
    public = {name for name in layers.__all__ if name[0].isupper() and issubclass(getattr(layers, name), Layer)} - {
        "Layer",
        "Fork",
    }
    checked = {name.split()[0] for name in LAYERS}
    assert checked == public | {"MeanSquaredError", "SoftmaxCrossEntropy"}
