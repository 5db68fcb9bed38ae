"""What a step costs before there is a GPU: the same numbers as the program, the table of describe, and the stand-in."""

import math
import re

import numpy as np
import pytest
from cupy_strict import raw, watch
from cupy_strict.device_array import ndarray

import minires
from minires import layers as L
from minires.backend import to_device
from minires.engine.cuda.cards import CARDS, card_here, card_of
from minires.data import Normalize, RawBatch
from minires.engine.cuda.forecast import _Update, _whole_step, forecast
from minires.engine.cuda.program import Program
from minires.engine.cuda.traffic import Traffic, floor_here
from minires.engine.plan import Plan
from minires.errors import RangeError
from minires.initializers import Undrawn
from minires.losses import SoftmaxCrossEntropy
from minires.train import SGD

SEVERAL = "sgd", "gate_back<float>", "gate_back<bf16>"  # read and write two arrays of one size


def step_of(name, precision, shape=(2, 3, 8, 8)):
    """(launches of one step on the stand-in with the bytes of their arrays, describe())."""
    model = minires.models.build(name, num_classes=3, rng=0).to(device="cuda")
    fast = minires.compile(model, precision=precision, input_gradient=False)
    step = minires.compile_step(fast, SoftmaxCrossEntropy(), SGD(model.params(), 0.1), graph=False)
    rng, sizes, call = np.random.default_rng(0), [], raw.RawKernel.__call__
    images = rng.integers(0, 256, shape).astype(np.uint8)
    batch = RawBatch.of(images, Normalize([0.5] * 3, [0.25] * 3), None, rng)

    def measured(self, grid, block, arguments):
        sizes.append((self.name, [a.nbytes for a in arguments if isinstance(a, ndarray)]))
        return call(self, grid, block, arguments)

    step(batch, np.array([0, 2]), 0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw.RawKernel, "__call__", measured)
        with watch() as seen:
            step(batch, np.array([0, 2]), 0.1)
    return seen.launches, sizes, step.describe()


@pytest.mark.parametrize("name, precision", [("resnet8", "float32"), ("highway8", "bf16")])
def test_launches_and_bytes_are_those_of_the_program_of_describe_and_of_the_stand_in(strict, name, precision):
    launched, sizes, text = step_of(name, precision)
    model, shape = minires.models.build(name, num_classes=3, rng=Undrawn()), (2, 3, 8, 8)
    found = forecast(model, shape, precision)
    plan = Plan(model, shape, np.float32, "train", input_gradient=False)
    program, why = _whole_step(plan, precision, _Update(model))
    assert not why and not found.no_graph and not found.layers and found.arena == program.bytes
    assert f"{found.total.launches} launches, graph=False; an arena of {found.arena / 1e6:.1f} MB" in text
    assert found.total.launches == len(program.forward) == len(sizes) + 1 == len(launched)  # gradients are cleared
    assert_bytes(Traffic(program), sizes)


def test_a_step_that_is_no_graph_says_why():
    found = forecast(minires.models.build("resnext11_2x4d", rng=Undrawn()), (2, 3, 32, 32))
    assert "runs by its layer" in found.no_graph and found.layers
    assert f"no graph, because {found.no_graph}" in found.table() and not any(g.name == "loss" for g in found.groups)


def assert_bytes(traffic, sizes):
    """One launch after the other; packed weights have no length on a device, what is read and written counts twice."""
    kernels = [(owner, item) for owner, item in traffic.items if hasattr(item, "arguments")]
    assert [item.name for _, item in kernels] == [kernel for kernel, _ in sizes]
    twice = 0
    for (owner, item), (kernel, each) in zip(kernels, sizes):
        if not kernel.startswith(("convolution", "weight_pack", "loss_sum", "cross_entropy_sum")):  # room for results
            again = traffic.bytes(owner, item) - sum(each)
            assert again == 0 or again in each or kernel in SEVERAL and again == 2 * each[0], kernel
            twice += again > 0
    assert twice >= sum(kernel == "weight_merge" for kernel, _ in sizes) > 0


def test_a_block_by_hand():
    """1 x 1, batch norm and ReLU on 2 x 4 x 4 pixels of 8 channels, then dx of nothing: every array of every launch."""
    model = L.Sequential(L.Conv2d(8, 8, 1, bias=False, rng=0), L.BatchNorm2d(8), L.ReLU())
    traffic = Traffic(Program(Plan(model, (2, 8, 4, 4), np.float32, "train", False), "float32"))
    value, weight, norm, channels = 2 * 16 * 8 * 4, 64 * 4, 6 * 8 * 4, 8 * 4
    statistics = 3 * channels  # of one tile
    expected = {
        "weight_pack<float>": weight + 8 + 2 * weight + 6 * 4,  # the weight, its address, both forms, the table
        "enter": 2 * value,
        "convolution<Float32, 128, 16, false>": 2 * value + weight + statistics,
        "norm_coefficients": statistics + norm + 4 * channels,
        "join<float>": 2 * value + norm,
        "leave": 2 * value,
        "assemble<float>": None,
        "norm_slopes": statistics + norm + 4 * channels,
        "weight_gradient<Float32, 32>": 2 * value + weight,
        "weight_merge": 3 * weight,
    }
    found = {}
    for owner, item in traffic.items:
        found.setdefault(getattr(item, "name", "enter" if "enter" not in found else "leave"), (owner, item))
    for name, bytes_ in expected.items():
        assert bytes_ is None or traffic.bytes(*found[name]) == bytes_, name
    flops = sum(traffic.flops(*pair) for pair in traffic.items)
    assert flops == 2 * 2 * 32 * 8 * 8  # forward and the weights' gradient; the first layer has no dx


# the passes of the design over every convolution, summed by hand: 0.51 ms and 7.9 ms with fewer small arrays
@pytest.mark.parametrize(
    "name, shape, precision, low, high, launches",
    [
        ("resnet20", (128, 3, 32, 32), "tf32", 0.51, 0.6, 190),
        ("resnet20", (128, 3, 32, 32), "bf16", 0.26, 0.33, 190),
        ("resnet50", (64, 3, 224, 224), "bf16", 7.9, 8.8, 500),
        ("resnet50", (64, 3, 224, 224), "tf32", 15.4, 17.0, 500),
    ],
)
def test_budget_of_the_floors_on_an_h100(name, shape, precision, low, high, launches):
    found = forecast(minires.models.build(name, rng=Undrawn()), shape, precision, "h100")
    assert low <= found.total.floor <= high and found.total.launches <= launches
    assert found.total.floor >= max(found.total.of_bytes, found.total.of_products)
    assert found.total.floor == pytest.approx(sum(group.floor for group in found.groups))


def test_the_table_has_the_numbers_of_the_record():
    found = forecast(minires.models.build("resnet8", rng=Undrawn()), (16, 3, 32, 32), "bf16", "l4")
    lines = {line.split()[0]: line.split() for line in found.table().splitlines() if line}
    for group in (*found.groups, found.total):
        assert lines[group.name.split()[0]][-6] == str(group.launches)
        assert float(lines[group.name.split()[0]][-1]) == pytest.approx(group.floor, abs=6e-4)
    assert f"an arena of {found.arena / 1e6:.1f} MB" in found.table() and "on L4" in found.table()
    assert "measured" in found.table().splitlines()[-1] and max(map(len, found.table().splitlines())) < 150
    assert found.facts()["groups"][-1]["name"] == "sum" and found.facts()["card"]["source"]


def test_a_batch_that_does_not_fit_names_one_that_does():
    model = minires.models.build("resnet50", rng=Undrawn())
    found = forecast(model, (1024, 3, 224, 224), "float32", "rtx4090")
    assert 0 < found.largest < 1024 and f"too little, a batch of {found.largest} fits" in found.table()
    for batch, fits in ((found.largest, True), (found.largest + 1, False)):
        arena = forecast(model, (batch, 3, 224, 224), "float32", "rtx4090").arena
        assert (arena + found.kept <= 24e9) is fits


@pytest.mark.parametrize("name", CARDS)
def test_every_card_has_plausible_numbers_and_a_source(name):
    card = card_of(name)
    assert card.source.startswith("NVIDIA") and 0.2 < card.terabytes < 10 and 10 < card.gigabytes < 300
    if card.reason:
        assert f"sm_{card.capability}" in card.reason and "runs the layers" in card.reason and card.capability < 80
    else:
        assert 1.9 < card.bf16 / card.tf32 < 2.1 and card.rate("tf32") == pytest.approx(3 * card.rate("float32"))
        assert 30 < card.tf32 / card.terabytes < 300  # operations to a byte: a wrong unit or sparsity shows
        assert math.isclose(card.bandwidth, 0.9e12 * card.terabytes)


@pytest.mark.parametrize(
    "name, key",
    [
        ("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA H100 PCIe", "h100-pcie"), ("NVIDIA H200", "h200"),
        ("NVIDIA A100-SXM4-80GB", "a100"), ("NVIDIA A100-PCIE-40GB", "a100-40gb"), ("NVIDIA L4", "l4"),
        ("NVIDIA L40S", "l40s"), ("NVIDIA A10G", "a10"), ("NVIDIA GeForce RTX 4090", "rtx4090"), ("Tesla T4", "t4"),
        ("Tesla V100-SXM2-32GB", "v100"), ("NVIDIA B200", "b200"), ("NVIDIA L40", None), ("Stand-in", None),
    ],
)  # fmt: skip
def test_describe_has_the_floor_on_the_card_that_is_there(strict, monkeypatch, name, key):
    monkeypatch.setattr(strict.cuda.runtime, "getDeviceProperties", lambda device: {"name": name.encode()})
    assert card_here(strict) == CARDS.get(key)
    program = Program(Plan(minires.models.build("resnet8", rng=0), (2, 3, 8, 8), np.float32, "train"), "float32")
    lines = floor_here(program, strict)
    if key in (None, "t4", "v100"):
        assert lines == []
    else:
        traffic, card = Traffic(program), CARDS[key]
        floor = sum(1e3 * traffic.seconds(*pair, card, "float32") for pair in traffic.items)
        assert lines == [f"floor {floor:.3f} ms: what the launches must move and multiply takes as long on {card.name}"]


def test_the_floor_stands_in_the_table(strict, monkeypatch):
    monkeypatch.setattr(strict.cuda.runtime, "getDeviceProperties", lambda device: {"name": b"NVIDIA H100 PCIe"})
    fast = minires.compile(L.Sequential(L.Conv2d(3, 8, 1, rng=0), L.ReLU()).to(device="cuda"))
    fast(to_device(np.zeros((2, 3, 4, 4), np.float32), "cuda"))
    line = fast.describe().splitlines()[1]
    assert line.startswith("floor 0.0") and line.endswith("on H100 PCIe")


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"card": "t4"}, "T4 is of sm_75, and the engine's kernels need sm_80: it runs the layers"),
        ({"card": "h300"}, "card is 'h300', expected one of b200, h200, h100"),
        ({"precision": "fp8"}, "precision is 'fp8', expected one of float32, tf32, bf16"),
    ],
)
def test_what_cannot_be_reckoned_is_said(settings, words):
    with pytest.raises(RangeError, match=re.escape(words)):
        forecast(minires.models.build("resnet8", rng=Undrawn()), (2, 3, 32, 32), **settings)


def test_launches_of_layers_are_told_apart():
    model = L.Sequential(L.Conv2d(4, 4, 3, padding=1, groups=4, rng=0), L.GlobalAvgPool2d(), L.Flatten())
    found = forecast(model, (2, 4, 8, 8))
    assert found.layers == ("0",) and "not counted here: 0" in found.table()
