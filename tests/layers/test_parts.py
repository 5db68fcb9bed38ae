"""Layers in the place of others: what is copied, what is shared, and what cannot be replaced."""

import numpy as np
import pytest

from minires.errors import DTypeError, RangeError
from minires.layers import (
    Concat,
    Dropout,
    Gate,
    Identity,
    Layer,
    Linear,
    ReLU,
    Residual,
    Scale,
    Sequential,
    Sigmoid,
    Tanh,
)
from minires.layers.parts import replace


def nested():
    """Every kind of container: Sequential, Concat, Gate, Residual."""
    concat = Concat(shortcut=Identity(), branch=Gate(Tanh(), Sigmoid()))
    return Sequential(concat, Residual(Sequential(Tanh(), ReLU())))


def test_at_is_the_inverse_of_walk():
    model = nested()
    assert all(model.at(path) is layer for path, layer in model.walk())


@pytest.mark.parametrize("path", ["0", "0.branch", "0.branch.gate", "1.shortcut", "1.branch.0"])
def test_replace_puts_a_layer_into_any_kind_of_container(path):
    model = nested()
    before = dict(model.walk())
    twin = replace(model, {path: Scale(3)})
    assert twin.at(path).factor == 3
    assert dict(model.walk()) == before
    outside = {p: type(layer) for p, layer in before.items() if not f"{p}.".startswith(f"{path}.")}
    assert {p: type(layer) for p, layer in twin.walk() if p != path} == outside


class Row(Layer):
    """Layers in a list, which are called "steps.0", "steps.1"."""

    def __init__(self, *steps):
        self.steps = list(steps)


def test_replace_reaches_a_layer_in_a_list():
    model = Sequential(row=Row(Tanh(), ReLU()))
    twin = replace(model, {"row.steps.1": Scale(3)})
    assert [type(step) for step in twin["row"].steps] == [Tanh, Scale]
    assert [type(step) for step in model["row"].steps] == [Tanh, ReLU]


def test_replace_copies_the_new_layer_and_shares_its_parameters():
    model, new = Sequential(a=Linear(2, 2, rng=0), b=Dropout(rng=0)), Linear(2, 2, rng=1)
    dropout = Dropout(rng=3)
    twin = replace(model, {"a": new, "b": dropout})
    assert twin["a"] is not new
    assert twin["a"].weight is new.weight
    twin.forward(np.ones((2, 2), np.float32), train=True)
    assert dropout.rng.bit_generator.state == Dropout(rng=3).rng.bit_generator.state


def test_two_layers_change_places_and_stay_where_they_were_in_the_model():
    model = Sequential(Linear(2, 2, rng=0), Sequential(Linear(2, 2, rng=1), ReLU()), Linear(2, 2, rng=2))
    a, b = model.at("0"), model.at("1.0")
    twin = replace(model, {"0": b, "1.0": a})
    assert twin.at("0").weight is b.weight and twin.at("1.0").weight is a.weight
    assert twin.at("2") is not model.at("2") and twin.at("2").weight is model.at("2").weight
    assert model.at("0") is a and model.at("1.0") is b


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ({"": ReLU()}, RangeError, "the path '' is the whole model, expected that of a part"),
        ({"0.shortcut": ReLU}, DTypeError, "the part for 0.shortcut is .*, expected a Layer: an instance such as ReLU"),
        ({"2": ReLU()}, RangeError, "no layer at '2'"),
        ({"1": ReLU(), "1.branch.0": Tanh()}, RangeError, "1.branch.0 lies inside 1: replace one of them"),
        ({"1.branch.0": Tanh(), "1": ReLU()}, RangeError, "1.branch.0 lies inside 1: replace one of them"),
    ],
)
def test_what_cannot_be_replaced(parts, error, message):
    model = nested()
    before = dict(model.walk())
    with pytest.raises(error, match=message):
        replace(model, parts)
    assert dict(model.walk()) == before
