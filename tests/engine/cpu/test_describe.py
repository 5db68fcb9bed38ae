"""The plan as a table: a line for each operation, and numbers that are true."""

import re

import numpy as np

import minires
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
