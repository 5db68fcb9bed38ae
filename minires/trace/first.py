"""The first picture of a trace: its class, and what the network takes it for."""

import numpy as np

from ..backend import to_numpy
from ..errors import RangeError
from ..ops import softmax
from .said import said


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


def first_in_words(ledger, classes=(), language="en"):
    """:func:`first` as a sentence; "" where there is none. language: of the words, "en" or "zh"."""
    found = first(ledger, classes)
    if not found:
        return ""
    label, taken_for = found["names"] or (
        said(language, "class {number}", number=found[name]) for name in ("label", "taken_for")
    )
    text = "first image: {label}, taken for {taken_for} ({probability:.2f})"
    if found["label"] == found["taken_for"]:
        text = "first image: {label}, rightly taken for it ({probability:.2f})"
    return said(language, text, label=label, taken_for=taken_for, probability=found["probability"])
