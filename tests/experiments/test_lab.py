"""The lab: what experiments share."""

import numpy as np
import pytest

from minires import models
from minires.data import Loader, Normalize
from minires.experiments import Lab
from minires.experiments.lab import without_addition
from minires.layers import Linear, ReLU, Residual, Sequential
from minires.train import evaluate


def test_a_part_is_made_once_where_parts_are_kept(tmp_path):
    made = []

    def make():
        made.append(0)
        return {"loss": [1 / 3, float("nan")]}

    lab = Lab(parts=tmp_path / "new" / "folder")
    first, second = lab.part("a", make), lab.part("a", make)
    assert len(made) == 1
    np.testing.assert_equal(first, make())
    np.testing.assert_equal(second, make())
    lab.part("b", make)
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["a.json", "b.json"]


def test_an_interrupted_part_leaves_nothing(tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Lab(parts=tmp_path).part("a", interrupted)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_accuracy_is_that_of_evaluate(engine):
    model = models.build("digits_resnet8", rng=0)
    train, test = Lab().digits
    loader = Loader(test, 100, seed=0, shuffle=False, normalize=Normalize.of(train))
    assert Lab(engine).accuracy(model) == evaluate(model, loader).accuracy > 0


def test_accuracy_takes_other_images_and_another_normalisation():
    lab = Lab()
    model = lab.train(net := models.build("digits_resnet8", rng=0), 3, seed=0) and net
    some = lab.digits[0].subset(slice(500))
    assert lab.accuracy(model, some) > 0.8
    assert lab.accuracy(model, some, Normalize([0.0], [100.0])) < 0.5


def test_a_network_that_gives_nan_classifies_nothing():
    model = models.build("digits_resnet8", rng=0)
    model.at("stem.conv").weight.data[...] = 3e38
    assert Lab().accuracy(model) == 0


def test_without_addition_a_residual_is_its_branch():
    rng = np.random.default_rng(0)
    branch = Sequential(Linear(3, 3, rng=rng), ReLU())
    fork, x, dy = Residual(branch), *rng.standard_normal((2, 2, 3), np.float32)
    with without_addition():
        y, cache = fork.forward(x)
        dx = fork.backward(dy, cache)
    expected, branch_cache = branch.forward(x)
    assert (y == expected).all()
    assert (dx == branch.backward(dy, branch_cache)).all()
    assert (fork(x) == x + expected).all(), "afterwards everything is as before"


@pytest.mark.parametrize("options", [{}, {"norm": None, "init": "skipinit"}])
def test_what_one_lab_has_trained_another_finds(tmp_path, options):
    """Bit for bit, with its rows; each gets a copy that it may change."""
    first, rows = Lab(networks=tmp_path).trained("digits_resnet8", 0, 1, **options)
    other, _ = Lab().trained("digits_resnet8", 0, 1, **options)
    lab = Lab(networks=tmp_path)
    lab.train = None  # there is no need
    (found, again), (second, _) = (lab.trained("digits_resnet8", 0, 1, **options) for _ in range(2))
    assert again == rows and len(rows) == 1
    for one in (found, other, second):
        for (name, expected), (_, tensor) in zip(first.tensors(), one.tensors(), strict=True):
            assert tensor.data.tobytes() == expected.data.tobytes(), name
            assert tensor.data is not expected.data
    found.at("stem.conv").weight.data[...] = 0
    assert second.at("stem.conv").weight.data.any()
    with pytest.raises(TypeError):
        lab.trained("digits_resnet8", 1, 1, **options)


def test_a_network_that_diverged_is_not_kept(tmp_path):
    lab = Lab(networks=tmp_path)
    lab.train = lambda model, *args, **how: model.at("stem.conv").weight.data.fill(np.nan) or []
    model, rows = lab.trained("digits_resnet8", 0)
    assert rows == [] and np.isnan(model.at("stem.conv").weight.data).all() and list(tmp_path.iterdir()) == []
