"""What a step is made of, counted on the networks; steps that are measured."""

import math

import numpy as np
import pytest
from bench.parallel.pairs import on_pairs

from minires import models
from minires.bench import Case
from minires.bench.parallel.steps import Trainer, compare, layers_of, seconds_at, step_times, work_of
from minires.train.buckets import Buckets
from minires.train.ranks import Ranks

SMALL = Case("train", "digits_resnet8", 8)


@pytest.mark.parametrize("name", ["resnet20", "resnet50", "densenet_40_12", "seresnet20"])
def test_layers_have_all_multiply_adds_and_bytes(name):
    family = models.find(name)[0]
    image = (family.in_channels, family.image, family.image)
    found = layers_of(models.build(name, rng=0), image)
    whole = models.certify(name, image=family.image)
    assert sum(macs for macs, _ in found) == whole.macs
    assert sum(n for _, n in found) == 4 * whole.params


def test_buckets_are_about_those_of_a_training():
    """The reckoning cuts behind layers, the training behind parameters."""
    model = models.build("resnet20", rng=0)
    reckoned = work_of(Case("train", "resnet20", 128), 1.0).buckets
    (real,) = on_pairs(1, lambda comm: Buckets(model.params(), Ranks(comm)).all)
    assert len(reckoned) == len(real) == 4
    assert np.allclose([n for _, n in reckoned], [bucket.bytes for bucket in real], rtol=0.2)


def test_seconds_on_a_device_are_six_operations_for_each_multiply_add():
    case = Case("train", "resnet20", 128)
    assert math.isclose(seconds_at(case, 1.0), 6 * models.certify("resnet20", image=32).macs * 128 / 1e12)


def test_a_trainer_trains():
    trainer = Trainer.of(SMALL, threads=1)
    before = [p.data.copy() for _, p in trainer.sgd.params]
    times = step_times(trainer, rounds=3, seconds=60)
    assert len(times) == 3 and min(times) > 0
    assert any((old != p.data).any() for old, (_, p) in zip(before, trainer.sgd.params))


def test_measured_beside_expected():
    """The time of threads of one process says nothing; the facts must still belong together."""
    found = on_pairs(2, lambda comm: compare(SMALL, Ranks(comm), rounds=3))[0]
    assert found["case"] == SMALL.name and found["ranks"] == 2
    assert math.isclose(found["speedup"], 2 * found["alone"] / found["together"])
    assert found["simulated"] > 0 and found["without_stragglers"] > 0
    assert found["off"] > -1 and found["neighbours"] >= 0
