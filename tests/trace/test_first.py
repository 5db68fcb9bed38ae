"""The first picture: its class, and what the network takes it for."""

import numpy as np
import pytest

from minires.errors import RangeError
from minires.layers import Linear, Residual, Sequential
from minires.losses import SoftmaxCrossEntropy
from minires.trace import trace
from minires.trace.first import first, first_in_words
from minires.trace.report import as_dict

NAMES = ("bag", "boot", "<coat>")
LOGITS = (1.0, 3.0, 2.0)
CHANCE = np.exp(3.0) / np.exp(LOGITS).sum()


def traced(labels=None, **options):
    """A trace whose first picture gets LOGITS, those of its input."""
    branch = Linear(3, 3, rng=0).to(dtype="float64")
    branch.weight.data[...] = 0
    labels = labels if labels is None else np.array(labels)
    return trace(Sequential(Residual(branch)), np.array([LOGITS, (0.5, -1.0, 0.0)]), labels, **options)


@pytest.mark.parametrize(
    ("label", "names", "words"),
    [
        (2, NAMES, "first image: <coat>, taken for boot (0.67)"),
        (1, NAMES, "first image: boot, rightly taken for it (0.67)"),
        (2, (), "first image: class 2, taken for class 1 (0.67)"),
    ],
)
def test_the_class_of_the_first_picture_and_what_it_is_taken_for(label, names, words):
    ledger = traced([label, 0])
    found = first(ledger, names)
    assert found.pop("probability") == pytest.approx(CHANCE, rel=1e-14)
    assert found == {"label": label, "taken_for": 1, "names": [names[label], names[1]] if names else None}
    assert as_dict(ledger, classes=names)["first"] == first(ledger, names)
    assert first_in_words(ledger, names) == words


@pytest.mark.parametrize(
    "options",
    [
        {"dy": np.ones((2, 3))},
        {"labels": [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]},
        {"labels": [-100, 0], "loss": SoftmaxCrossEntropy(ignore_index=-100)},
    ],
)
def test_without_a_class_nothing_is_said(options):
    ledger = traced(**options)
    assert first(ledger, NAMES) is None and first_in_words(ledger, NAMES) == ""
    assert as_dict(ledger, classes=NAMES)["first"] is None


def test_as_many_names_as_classes():
    with pytest.raises(RangeError, match="classes has 2 names, expected 3"):
        first(traced([0, 1]), NAMES[:2])
