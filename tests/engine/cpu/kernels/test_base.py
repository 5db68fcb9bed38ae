"""Which algorithm computes which convolution, and the flops of the definition."""

import numpy as np
import pytest
from engine.one_kernel import geometry
from oracles import assert_close

from minires.engine.cpu import constants
from minires.engine.cpu.crew import Crew
from minires.engine.cpu.kernels import KERNELS, Depthwise, Im2col, Planar, Pointwise, Unsorted, Winograd, choose
from minires.engine.cpu.kernels.base import add_product, product
from minires.engine.cpu.memory import Workspace
from minires.layers import Conv2d, Sequential
from minires.models import summarize


@pytest.mark.parametrize(
    ("kind", "size", "settings"),
    [
        (Winograd, 32, {"in_channels": 64, "out_channels": 64, "kernel": 3, "padding": 1}),
        (Pointwise, 14, {"in_channels": 64, "out_channels": 256, "kernel": 1}),
        (Planar, 224, {"in_channels": 3, "out_channels": 64, "kernel": 7, "stride": 2, "padding": 3}),
        (Depthwise, 14, {"in_channels": 32, "out_channels": 32, "kernel": 3, "padding": 1, "groups": 32}),
        (Im2col, 14, {"in_channels": 32, "out_channels": 32, "kernel": 5, "padding": 2}),
        (Im2col, 14, {"in_channels": 32, "out_channels": 32, "kernel": 3, "padding": 2, "dilation": 2}),
        (Winograd, 14, {"in_channels": 32, "out_channels": 64, "kernel": 3, "padding": 1, "groups": 4}),
        (Im2col, 14, {"in_channels": 32, "out_channels": 64, "kernel": 5, "padding": 2, "groups": 4}),
    ],
)
def test_the_choice(kind, size, settings):
    assert choose(geometry(Conv2d(rng=0, **settings), (size, size)), 32) is kind


def test_every_choice_fits_and_none_is_cheaper():
    for kernel in (1, 3, 5):
        for stride in (1, 2, 3):
            g = geometry(Conv2d(3, 8, kernel, stride=stride, padding=kernel // 2, rng=0), (9, 7))
            chosen = choose(g, 4)
            assert chosen.fits(g)
            assert all(k.cost(g, 4) + k.making(g) >= chosen.cost(g, 4) + chosen.making(g) for k in KERNELS if k.fits(g))


@pytest.mark.parametrize(
    ("channels", "size", "images", "chunks", "made", "frozen"),
    [
        (64, 8, 1, 1, Im2col, Winograd),
        (256, 14, 1, 1, Im2col, Winograd),
        (512, 7, 1, 1, Unsorted, Im2col),  # its filters are read for four tiles
        (512, 7, 4, 2, Unsorted, Im2col),
        (512, 7, 8, 2, Im2col, Winograd),
        (512, 7, 8, 8, Im2col, Im2col),
    ],
)
def test_frozen_filters_are_read_and_not_made(channels, size, images, chunks, made, frozen):
    g = geometry(Conv2d(channels, channels, 3, padding=1, rng=0), (size, size))
    assert choose(g, images) is made and choose(g, images, chunks) is frozen


def test_flops():
    layer = Conv2d(6, 8, (3, 2), stride=2, padding=1, groups=2, rng=0)
    assert geometry(layer, (9, 7)).flops == 2 * summarize(Sequential(layer), (6, 9, 7)).macs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((49, 900), (900, 130)),
        ((130, 900), (900, 49)),
        ((3, 49, 600), (600, 65)),
        ((2, 70, 600), (2, 600, 70)),
        ((36, 9, 130), (36, 130, 130)),
        ((36, 2, 9, 90), (36, 2, 90, 90)),
        ((5, 70, 130), (130, 130)),
    ],
)
def test_a_shared_product(a, b, dtype):
    """The same bits for any number of threads."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=a).astype(dtype), rng.normal(size=b).astype(dtype)
    expected, work, answers = a @ b, Workspace(np.dtype(dtype)), set()
    assert expected.size * a.shape[-1] >= constants.SHARED
    for threads in (1, 2, 3, 5):
        work.crew, out = (
            Crew(tuple(Workspace(np.dtype(dtype)) for _ in range(threads)), None),
            np.full_like(expected, np.nan),
        )
        product(a, b, out, work)
        assert_close(out, expected, 1e-5 if dtype == np.float32 else 1e-14)
        answers.add(out.tobytes())
    assert len(answers) == 1


@pytest.mark.parametrize("first", [True, False])
def test_add_product(first):
    rng = np.random.default_rng(0)
    a, b, before = rng.normal(size=(3, 4)), rng.normal(size=(4, 5)), rng.normal(size=(3, 5))
    out = before.copy()
    add_product(a, b, out, first, Workspace(np.dtype(np.float64)))
    assert np.allclose(out, a @ b if first else before + a @ b, rtol=1e-14)
