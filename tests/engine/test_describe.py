"""The plan as a table: a line for each operation, and numbers that are true."""

import copy
import re

import numpy as np
import pytest

import minires
from minires import layers as L
from minires.backend import to_numpy
from minires.engine import devices
from minires.errors import MiniresError
from minires.models import build, certify


def lines_of(text):
    return [line for line in text.splitlines() if re.search(r"\d$", line)]


def test_before_the_first_call():
    assert "no plan yet" in minires.compile(build("resnet8", rng=0)).describe()


def test_a_table_for_each_plan():
    fast = minires.compile(build("resnet8", rng=0), threads=2)
    x = np.random.default_rng(0).standard_normal((4, 3, 32, 32)).astype(np.float32)
    y, cache = fast.forward(x, train=True)
    fast.backward(y, cache)
    fast(x)
    train, infer = fast.describe().split("\n\n")
    assert train.startswith("train, 4 x 3 x 32 x 32, float32, chunks of 2 images")
    assert infer.startswith("infer, 4 x 3 x 32 x 32")
    assert "3 + 0 phases" in infer, "no batch norm waits for the whole batch"
    for name, algorithm in (
        ("stage1.0.add.branch.conv1", "winograd 3x3"),
        ("stage3.0.add", "norm, add, relu"),
        ("head.fc", "Linear (layer)"),
    ):
        assert re.search(rf"^{re.escape(name)} +{re.escape(algorithm)} ", train, re.MULTILINE), train
    assert max(map(len, train.splitlines())) <= 100


def test_the_work_is_that_of_the_certificate():
    """Two operations to a multiplication and addition; what is no convolution is not counted."""
    fast = minires.compile(build("resnet20", rng=0))
    fast(np.zeros((3, 3, 32, 32), np.float32))
    found = float(re.search(r"^sum +(\S+)", fast.describe(), re.MULTILINE)[1])
    linear = 64 * 10
    assert found == round(2e-6 * 3 * (certify("resnet20").facts()["macs"] - linear), 1)


def test_the_times_are_those_of_the_runs():
    fast = minires.compile(build("resnet8", rng=0), threads=1)
    x = np.random.default_rng(0).standard_normal((4, 3, 32, 32)).astype(np.float32)
    y, cache = fast.forward(x, train=True)
    before = lines_of(fast.describe())[-1].split()
    assert float(before[-2]) > 0 and float(before[-1]) == 0
    fast.backward(y, cache)
    assert float(lines_of(fast.describe())[-1].split()[-1]) > 0


class Own(L.ReLU):
    """A ReLU of a user."""

    def forward(self, x, train=False):
        return super().forward(x, train)


def test_which_layers_run_whole_and_why():
    conv = L.Conv2d(3, 4, 3, rng=0)
    fast = minires.compile(L.Sequential(conv=conv, own=Own(), drop=L.Dropout(0.5, rng=0), own2=Own(), flat=L.Flatten()))
    fast(np.zeros((2, 3, 5, 5), np.float32))
    text = fast.describe()
    assert re.search(r"^own +Own \(layer\) ", text, re.MULTILINE)
    assert "(layer): runs by methods of its own: own, own2" in text
    assert "(layer): the engine has no kernel for it there: drop, flat" in text
    assert max(map(len, text.splitlines())) <= 100
    kernels = minires.compile(L.Sequential(conv, L.ReLU()))
    kernels(np.zeros((2, 3, 5, 5), np.float32))
    assert "(layer)" not in kernels.describe()


def test_on_a_gpu_the_kernels_run(xp, device):
    model = build("resnet8", rng=0).to(device=device)
    fast, x = minires.compile(model), xp.zeros((2, 3, 8, 8), dtype=np.float32)
    assert abs(to_numpy(fast(x)) - to_numpy(model(x))).max() < 1e-6
    said = fast.describe()
    assert said.startswith("infer, 2 x 3 x 8 x 8, float32, ") and "the definition runs" not in said
    assert ("products in float32, 28 + 0 launches, an arena of 0.3 MB" in said) == (device == "cuda")


def test_why_the_definition_runs_on_a_gpu(strict, monkeypatch):
    model = build("resnet8", rng=0).to(device="cuda")

    def said(model, x):
        fast = minires.compile(model)
        assert (to_numpy(fast(x)) == to_numpy(model(x))).all()
        return fast.describe().partition("the definition runs, because ")[2]

    x = strict.zeros((2, 3, 8, 8), dtype=np.float32)
    wide = copy.deepcopy(model).to(dtype=np.float64)
    assert said(wide, x.astype(np.float64)) == "the engine computes in float32 on a GPU, not in float64"
    norm = model.at("stem.bn")
    norm.gamma.data = strict.zeros((16, 2), dtype=np.float32)[:, 0]
    assert said(model, x) == "a tensor of the model is not contiguous, and the kernels know no strides"
    monkeypatch.setattr(strict.cuda.Device, "compute_capability", "75")
    assert said(model, x) == "the GPU is of sm_75, and the engine's kernels need sm_80"
    monkeypatch.undo()


def test_what_cannot_be_compiled_runs_by_the_layers(strict, monkeypatch):
    def missing(**source):
        raise RuntimeError("libnvrtc.so.13: cannot open shared object file\nmore of it")

    monkeypatch.setattr(strict, "RawModule", missing)
    devices._modules.cache_clear()
    model, x = build("resnet8", rng=0).to(device="cuda"), strict.zeros((2, 3, 8, 8), dtype=np.float32)
    fast = minires.compile(model)
    assert (to_numpy(fast(x)) == to_numpy(model(x))).all()
    reason = "the kernels cannot be compiled (libnvrtc.so.13: cannot open shared object file)"
    assert fast.describe().endswith(f"the definition runs, because {reason}")
    devices._modules.cache_clear()


REASONS = {
    "complex": (
        lambda m: m,
        lambda x: x.astype(complex),
        "complex128: the definition runs, because the engine computes in float32 and float64",
    ),
    "a hook": (
        lambda m: vars(m.at("stage1.0")).update(forward=m.at("stage1.0").forward) or m,
        lambda x: x,
        "because stage1.0 has a forward or backward on the instance",
    ),
    "channels": (lambda m: m, lambda x: x[:, :2], "because the input does not fit the layers"),
    "dtype": (lambda m: m, lambda x: x.astype(np.float64), "because its parameters are float32"),
    "masked": (lambda m: m, np.ma.masked_array, "because the input is a MaskedArray"),
}


@pytest.mark.parametrize("name", REASONS)
def test_why_the_definition_runs(name):
    change, of, reason = REASONS[name]
    fast = minires.compile(change(build("resnet8", rng=0)))
    try:
        fast(of(np.zeros((2, 3, 8, 8), np.float32)))
    except MiniresError:
        pass
    assert reason in fast.describe()
    fast = minires.compile(build("resnet8", rng=0))
    fast(np.zeros((2, 3, 8, 8), np.float32))
    assert reason not in fast.describe()
