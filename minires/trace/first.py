"""The first picture of a trace: its class, and what the network takes it for."""

import numpy as np

from ..backend import to_numpy
from ..errors import RangeError
from ..ops import softmax


def first(ledger, classes=()):
    """The class of the first picture and the one that the network takes it for; None without labels of classes.

    classes: their names; those of ``label`` and ``taken_for`` stand in ``names``, None without
    """
    labels, logits = ledger.labels, to_numpy(ledger.trunk.y)
    labels = None if labels is None else to_numpy(labels)
    if labels is None or labels.ndim != 1 or labels.dtype.kind not in "iu" or logits.ndim != 2:
        return None
    if classes and len(classes) != logits.shape[1]:
        raise RangeError(
            f"classes has {len(classes)} names, expected {logits.shape[1]}, the logits of an image: name each class"
        )
    with np.errstate(all="ignore"):
        chances = softmax(logits[:1])[0]
    label, taken_for = int(labels[0]), int(chances.argmax())
    if not 0 <= label < len(chances):  # left out of the loss
        return None
    return {
        "label": label,
        "taken_for": taken_for,
        "probability": float(chances[taken_for]),
        "names": [classes[label], classes[taken_for]] if classes else None,
    }


def first_in_words(ledger, classes=()):
    """:func:`first` as a sentence; "" where there is none."""
    found = first(ledger, classes)
    if not found:
        return ""
    label, taken_for = found["names"] or (f"class {found['label']}", f"class {found['taken_for']}")
    how = "rightly taken for it" if found["label"] == found["taken_for"] else f"taken for {taken_for}"
    return f"first image: {label}, {how} ({found['probability']:.2f})"
