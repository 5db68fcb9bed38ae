"""The trunk: where blocks begin and end, and operators that may be applied again and again."""

import numpy as np
import pytest
from conftest import np_of
from oracles import trunks
from oracles.trunks import VARIANTS

from minires import models
from minires.layers import Conv2d, Flatten, GlobalAvgPool2d, Linear, ReLU, Residual, Sequential
from minires.trace.trunk import Trunk

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 2, 6, 6))
IMAGES = RNG.standard_normal((2, 3, 8, 8)).astype(np.float32)


def conv(rng=0):
    return Conv2d(3, 3, 3, padding=1, rng=rng)


def parts(block):
    return [part.path for part in block.pre], block.fork and block.fork.path, [part.path for part in block.post]


def test_blocks_of_v1():
    trunk = Trunk(models.build("resnet8", rng=0), IMAGES)
    assert [(block.path, *parts(block)) for block in trunk.blocks] == [
        (f"stage{s}.0", [], f"stage{s}.0.add", [f"stage{s}.0.relu"]) for s in (1, 2, 3)
    ]
    assert [block.path for block in trunk.chain] == ["stem", "stage1.0", "stage2.0", "stage3.0", "head"]


def test_blocks_of_v2_with_projections():
    trunk = Trunk(models.build("preact_resnet8", shortcut="B", rng=0), IMAGES)
    assert [parts(block) for block in trunk.blocks] == [
        ([], "stage1.0", []),
        *(([f"stage{s}.0.bn", f"stage{s}.0.relu"], f"stage{s}.0.add", []) for s in (2, 3)),
    ]


@pytest.mark.parametrize(
    ("model", "chain"),
    [
        (Residual(conv()), [("", True)]),
        (Sequential(Residual(conv())), [("0", True)]),
        (Sequential(Sequential(Sequential(Residual(conv()), ReLU()))), [("0.0", True)]),
        (
            Sequential(conv(), Residual(conv()), ReLU(), Residual(conv())),
            [("0", False), ("1", True), ("2", False), ("3", True)],
        ),
        (
            Sequential(body=Sequential(conv(), Residual(conv()), Residual(conv())), last=ReLU()),
            [("body.0", False), ("body.1", True), ("body.2", True), ("last", False)],
        ),
        (Sequential(conv(), ReLU()), [("0", False), ("1", False)]),
        (conv(), [("", False)]),
        (Sequential(), []),
        (Sequential(Sequential(), Residual(conv())), [("0", False), ("1", True)]),
    ],
)
def test_sequentials_are_opened_until_each_block_holds_one_fork(model, chain):
    trunk = Trunk(model, IMAGES)
    assert [(block.path, block.fork is not None) for block in trunk.chain] == chain
    assert np.array_equal(trunk.y, model.forward(IMAGES, True)[0])


@pytest.mark.parametrize("name", VARIANTS)
def test_operators_are_linear_pure_and_add_up(name):
    trunk = Trunk(VARIANTS[name](), X)
    for block in trunk.chain:
        u, v = RNG.standard_normal((2, *block.y.shape))
        kept = u.copy()
        whole = block.backward(u)
        shortcut, residual = block.split(u)
        assert np.array_equal(u, kept)
        assert np.allclose(shortcut + residual, whole, rtol=0, atol=1e-13 * np.abs(whole).max())
        assert np.array_equal(block.shortcut(u), shortcut)
        assert np.array_equal(block.residual(u), residual)
        assert np.array_equal(block.backward(u), whole)
        both = block.backward(2 * u - v)
        assert np.allclose(both, 2 * whole - block.backward(v), rtol=0, atol=1e-12 * np.abs(both).max())
        assert all(term.shape == block.x.shape for term in block.terms(u).values())


def test_the_shortcut_alone_runs_no_branch():
    trunk = Trunk(trunks.blocks("original", "B"), X)
    for block in trunk.blocks:
        block.fork.layer.branch.backward = None
        assert block.shortcut(np.ones(block.y.shape)).shape == block.x.shape


def test_operators_leave_no_gradient_in_the_parameters():
    model = trunks.blocks()
    trunk = Trunk(model, X)
    trunk.gradients(np.ones(trunk.y.shape))
    for copy in (model, trunk.model):
        assert all(not p.grad.any() for _, p in copy.params())
    assert not any(p.frozen for _, p in model.params())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_forward_and_gradients_are_those_of_the_model(dtype, xp, device):
    model = trunks.blocks("bn_after_add", "B").to(device=device, dtype=dtype)
    x = xp.asarray(X.astype(dtype))
    trunk = Trunk(model, x)
    y, cache = model.forward(x, True)
    dy = xp.asarray(RNG.standard_normal(y.shape).astype(dtype))
    assert np.array_equal(np_of(trunk.y), np_of(y))
    first, *_ = trunk.gradients(dy)
    assert np.array_equal(np_of(first[2]), np_of(model.backward(dy, cache)))


def test_between_takes_the_links_between_blocks_and_not_the_stem_and_the_head():
    trunk = Trunk(trunks.flat(), X)
    assert [block.path for block in trunk.between(0, 3)] == ["add0", "relu0", "add1", "relu1", "add2"]
    assert [block.path for block in trunk.between(1, 2)] == ["add1", "relu1"]
    assert trunk.between(3, 3) == trunk.between(1, 1) == []


def test_a_visit_can_be_made_again():
    model = trunks.blocks("original", "dropout")
    trunk = Trunk(model, X)
    for block in trunk.blocks:
        visit = trunk.visit(block.fork.layer, block.fork.cache)
        after = block.post[0].x
        for _ in range(2):
            assert np.array_equal(visit.again().forward(visit.x, True)[0], after)
        assert visit.again(dtype=np.float32).branch[0].weight.data.dtype == np.float32


def test_an_image_classifier_without_a_container():
    model = Sequential(conv(), Residual(conv()), GlobalAvgPool2d(), Flatten(), Linear(3, 2, rng=0))
    assert len(Trunk(model, IMAGES).blocks) == 1
