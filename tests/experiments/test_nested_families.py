"""Nested families: what the verdict turns on, and how a network becomes deeper."""

import numpy as np
import pytest
from experiments.edges import put, require_edge
from experiments.test_catalogue import STORED

from minires import models
from minires.experiments import nested_families

EXPERIMENT, NUMBERS = nested_families.EXPERIMENT, STORED["nested_families"][0]
EVEN = NUMBERS | {"losses": [0.5, 0.25, 0.125]}


@pytest.mark.parametrize(
    ("path", "bound", "inside", "step"),
    [
        (("differing logits",), 0, -1, 1),
        (("losses", 1), 0.501, -1, 1e-9),
        (("losses", -1), 0.501, -1, 1e-9),
        (("plain block",), 1e-12, -1, 1e-15),
    ],
)
def test_each_bound_turns_the_verdict(path, bound, inside, step):
    require_edge(EXPERIMENT, EVEN, path, bound, inside, step)


def test_the_errors_of_the_families_turn_the_verdict():
    falling = put(NUMBERS, ("errors", "nested"), [3.0, 2.0, 1.0])
    require_edge(EXPERIMENT, falling, ("errors", "nested", 2), 2 + 1e-9, -1, 1e-12)
    rising = put(NUMBERS, ("errors", "not nested"), [3.0, 2.0, 2.5])
    require_edge(EXPERIMENT, rising, ("errors", "not nested", 2), 2.01, +1, 1e-9)


def test_a_training_that_diverged_fails():
    assert EXPERIMENT.verdict([put(NUMBERS, ("losses",), [0.5])]).word == "FAILS"


@pytest.mark.parametrize("engine", [False, True])
def test_the_deeper_network_computes_the_same(engine):
    from minires import compile

    rng = np.random.default_rng(0)
    shallow = models.build("digits_resnet8", rng=0)
    for _, tensor in shallow.tensors():
        tensor.data[...] = tensor.data + 0.1 * np.abs(rng.standard_normal(tensor.data.shape))
    fresh = models.build("digits_resnet20", rng=1)
    x = rng.standard_normal((5, 1, 8, 8)).astype(np.float32)
    other = fresh(x)
    deep = nested_families.deepened(shallow, fresh)
    one, two = (compile(model) if engine else model for model in (shallow, deep))
    assert (one(x) == two(x)).all() and (other != two(x)).any()


def test_a_plain_block_can_be_the_identity():
    assert nested_families.plain_identity(np.random.default_rng(5)) < 1e-14


def test_the_fits_are_those_of_a_polynomial():
    found = nested_families.errors(np.random.default_rng(2))["nested"]
    t = np.linspace(-1, 1, 50)
    y = np.sin(4 * t) + np.abs(t) + 0.1 * np.random.default_rng(2).standard_normal(50)
    expected = [np.mean((np.polynomial.Polynomial.fit(t, y, degree)(t) - y) ** 2) for degree in range(13)]
    np.testing.assert_allclose(found, expected)
