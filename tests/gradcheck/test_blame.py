"""The message: the part, the array, the index and both values of a mistake in one entry."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minires.errors import GradientError
from minires.gradcheck import gradcheck
from minires.layers import Conv2d, Flatten, Linear, ReLU, Residual, Sequential, Tanh


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


class OneEntryOff(Linear):
    """weight.grad is right but for one entry, to which 0.5 is added."""

    at = (0, 0)

    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        self.weight.grad[self.at] += 0.5
        return dx


def off(rows, columns, at):
    layer = OneEntryOff(columns, rows, rng=0)
    layer.at = at
    return layer


def message(layer, x, **settings):
    with pytest.raises(GradientError) as caught:
        gradcheck(layer, x, **settings)
    return str(caught.value)


@settings(max_examples=20)
@given(st.integers(0, 29), st.integers(0, 39), st.sampled_from(["complex", "central"]))
def test_finds_the_entry_whatever_it_is(row, column, method):
    text = message(off(30, 40, (row, column)), draw(2, 40), method=method)
    assert text.startswith(f"OneEntryOff: weight.grad[{row}, {column}] is ")


def test_finds_one_entry_of_half_a_million():
    assert "weight.grad[678, 123] is" in message(off(1000, 500, (678, 123)), draw(2, 500))


def test_both_values_are_those_of_backward_and_of_forward():
    text = message(off(3, 4, (2, 1)), draw(2, 4))
    analytic, numeric = re.search(r"is ([-.\d]+), the derivative of forward there is ([-.\d]+) ", text).groups()
    assert float(analytic) - float(numeric) == pytest.approx(0.5, abs=1e-6)
    assert "train=True, complex, relative error" in text and text.endswith("correct backward, or forward")


@pytest.mark.parametrize("train", [False, True])
def test_names_the_path_in_a_nested_model(train):
    head = Sequential(flat=Flatten(), hidden=Linear(18, 6, rng=1), act=Tanh(), out=off(2, 6, (1, 5)))
    model = Sequential(stem=Conv2d(1, 2, 3, padding=1, rng=2), add=Residual(Sequential(ReLU())), head=head)
    text = message(model, draw(2, 1, 3, 3), train=train)
    assert text.startswith("head.out (OneEntryOff): weight.grad[1, 5] is ")


def test_a_mistake_of_the_container_is_not_blamed_on_its_parts():
    class BranchTwice(Residual):
        def backward(self, dy, cache):
            terms = self.terms(dy, cache)
            return terms["shortcut"] + 2 * terms["branch"]

    model = Sequential(Tanh(), BranchTwice(Sequential(Linear(4, 4, rng=0))))
    assert message(model, draw(3, 4)).startswith("1 (BranchTwice): dx[")


def test_dx_is_named_as_such():
    class Corner(Tanh):
        def backward(self, dy, cache):
            dx = super().backward(dy, cache)
            dx[2, 3] = 0
            return dx

    assert message(Corner(), draw(4, 5)).startswith("Corner: dx[2, 3] is 0, ")


def test_each_lists_the_worst_entries():
    class ThreeOff(Tanh):
        def backward(self, dy, cache):
            dx = super().backward(dy, cache)
            dx[0, 1] += 1
            dx[2, 3] += 3
            dx[3, 0] += 2
            return dx

    first, *others = message(ThreeOff(), draw(4, 5), each=True).splitlines()
    assert first.startswith("ThreeOff: dx[2, 3] is ")
    assert [line.split(":")[0] for line in others] == ["  dx[3, 0]", "  dx[0, 1]"]


def test_each_lists_at_most_five():
    class AllOff(Tanh):
        def backward(self, dy, cache):
            return 2 * super().backward(dy, cache)

    assert len(message(AllOff(), draw(4, 5), each=True).splitlines()) == 5


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gradients_that_are_not_finite_are_named(bad):
    class NotFinite(Linear):
        def backward(self, dy, cache):
            dx = super().backward(dy, cache)
            self.weight.grad[1, 2] = bad
            return dx

    model = Sequential(Tanh(), NotFinite(4, 3, rng=0))
    assert message(model, draw(2, 4)).startswith(f"1 (NotFinite): weight.grad[1, 2] is {bad}, expected a finite number")


def test_a_result_of_the_wrong_shape_or_none_is_named():
    class Summed(Linear):
        def backward(self, dy, cache):
            return super().backward(dy, cache).sum(axis=0)

    class Nothing(Linear):
        def backward(self, dy, cache):
            super().backward(dy, cache)

    assert "dx has shape (4,), expected an array of shape (2, 4)" in message(Summed(4, 3, rng=0), draw(2, 4))
    assert "dx is a NoneType, expected an array of shape (2, 4)" in message(Nothing(4, 3, rng=0), draw(2, 4))


class ThreeWrong(Linear):
    """dx is right, dweight and dbias are not."""

    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        self.weight.grad += dy.T @ cache
        self.bias.grad[1] += 1
        return dx


@pytest.mark.parametrize("each", [False, True])
def test_all_wrong_arrays_are_reported(each):
    with pytest.raises(GradientError) as caught:
        gradcheck(ThreeWrong(4, 3, rng=0), np.random.default_rng(1).standard_normal((5, 4)), each=each)
    report = caught.value.report
    assert [(output.name, output.where is None) for output in report.outputs] == [
        ("x", True),
        ("weight", False),
        ("bias", False),
    ]
    assert [output.name for output in report.wrong] == ["weight", "bias"] and report.wrong[1].where == (1,)
    assert report.wrong[0].error > 0.1 and report.outputs[0].error < 1e-12
    assert f"weight.grad{list(report.wrong[0].where)} is " in str(caught.value)
    assert "; wrong too: bias (relative error " in str(caught.value)
    assert str(report).startswith("ThreeWrong: 2 of 3 gradients are wrong (complex, train=True), worst relative error")
    assert "  bias    " in str(report) and "wrong, most at [1]" in str(report)
