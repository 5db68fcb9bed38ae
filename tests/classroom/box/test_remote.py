"""Gradient checks of a layer of the grader's: one question where all is right, and what they say is what it was."""

import numpy as np
import pytest
from classroom.box.boxes import boxes

from minires import gradcheck
from minires.classroom.box import TRUST, Box, Failure
from minires.classroom.box.served import CHECKED
from minires.layers import BatchNorm2d, Conv2d, Linear, ReLU, Residual, Sequential

KINDS = [*boxes(), pytest.param(lambda: TRUST, id="trust")]
SOURCE = """
import types
import numpy as np
import minires
from minires import check_layer, gradcheck
from minires.gradcheck import gradcheck as same
from minires.layers import Sequential

def rows(report): return "".join(f"{o.name} {o.error < 1e-12} {o.structurally_zero};" for o in report.outputs)
def plain(make, x): return rows(gradcheck(make(), x))
def evaluation(make, x): return rows(same(make(), x, train=False))
def all_of_it(make, x): return rows(minires.gradcheck(make(), x, directions=3))
def by_differences(make, x): return gradcheck(make(), x, method="central").method
def within(make, x): return rows(gradcheck(Sequential(make()), x))
def frozen(make, x): return rows(gradcheck(make().freeze(), x))
def own_forward(make, x):
    layer = make()
    def forward(self, x, train=False):
        y, cache = type(self).forward(self, x, train)
        return 2 * y, cache
    layer.forward = types.MethodType(forward, layer)
    return rows(gradcheck(layer, x))
def contract(make, x): return str(check_layer(make, x)).partition(",")[0]
def contract_once(make, x):
    made = [make() for _ in range(3)]
    return str(check_layer(lambda: made.pop(), x)).partition(",")[0]
def numbers(make, x): return gradcheck(make(), [[1, 2, 3]])
"""
x = np.random.default_rng(0).standard_normal((3, 2, 4, 4))


class Doubled(Linear):
    def backward(self, dy, cache):
        return 2 * super().backward(dy, cache)


class InEvaluation(Linear):
    def forward(self, x, train=False):
        return super().forward(x if train else 1.5 * x, train)


def block():
    rng = np.random.default_rng(1)
    return Sequential(Residual(Sequential(Conv2d(2, 2, 3, padding=1, bias=True, rng=rng), BatchNorm2d(2))), ReLU())


def linear(kind=Linear):
    return lambda: kind(3, 2, rng=0)


@pytest.fixture(params=KINDS)
def box(request):
    with Box(request.param(), minires=True) as box:
        box.load(SOURCE)
        box.asked = []
        answer = box._answer
        box._answer = lambda *words: box.asked.append(words[1]) or answer(*words)
        yield box


def test_one_question_finds_what_hundreds_find(box):
    found = box.call("plain", block, x)
    assert box.asked == ["call", "gradients"]
    box.asked.clear()
    assert box.call("all_of_it", block, x) == found and "True" in found.partition(" ")[2]
    assert len(box.asked) > 20
    assert found.count(";") == 5 and ".bias True True" in found  # a bias before batch norm
    report = gradcheck(block(), x)
    assert [row.split()[0] for row in found.split(";")[:-1]] == [output.name for output in report.outputs]


@pytest.mark.parametrize(
    ("name", "asked"), [("evaluation", 2), ("contract", 3), ("contract_once", 5), ("by_differences", 30)]
)
def test_what_is_asked_once_and_what_is_not(name, asked, box):
    found = box.call(name, block, x)
    assert len(box.asked) == asked if asked < 10 else len(box.asked) > asked
    assert not name.startswith("contract") or found == "RemoteLayer: keeps the contract"


@pytest.mark.parametrize(("name", "least"), [("within", 20), ("frozen", 5)])
def test_what_is_asked_otherwise_is_checked_in_the_box(name, least, box):
    assert "x True False;" in box.call(name, block, x) and len(box.asked) > least


def test_large_images_are_checked_in_the_box(box):
    images = np.random.default_rng(0).standard_normal((CHECKED // 32 + 1, 2, 4, 4))
    assert "x True False;" in box.call("plain", block, images) and len(box.asked) > 20


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("plain", Doubled, r"GradientError: RemoteLayer: dx\[\d, \d\] is .*, the derivative of forward there is"),
        ("contract", Doubled, r"GradientError: RemoteLayer: dx\[\d, \d\] is .* \(train=False"),
        ("contract", InEvaluation, r"GradientError: RemoteLayer: dx\[\d, \d\] is .* \(train=False"),
        ("own_forward", Linear, "GradientError: RemoteLayer: dx"),
        ("numbers", Linear, "DTypeError: RemoteLayer: input is a list"),
    ],
)
def test_mistakes_are_found_as_ever(name, kind, says, box):
    with pytest.raises(Failure, match=says):
        box.call(name, linear(kind), np.random.default_rng(0).standard_normal((4, 3)))


def test_x_that_does_not_fit_is_said_by_the_layer(box):
    with pytest.raises(Failure, match="RuntimeError: Linear: "):
        box.call("plain", linear(), x)
