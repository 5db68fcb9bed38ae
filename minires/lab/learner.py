"""A network that learns step by step, and what there is to see in it."""

import math
from collections import deque
from typing import Any

import numpy as np

from ..backend import Array
from ..engine import compile
from ..losses import SoftmaxCrossEntropy
from ..trace import Audit, Ledger, audit, trace
from ..trace.norms import dot, norm, ratio
from ..trace.records import BlockRecord
from ..train import SGD, train_step
from .choices import Choice

WARMUP = 10  # steps in which the learning rate rises; without it some deep networks stay where they start
SCALAR_RATE = 0.1  # Fixup's
RECENT = 10  # batches


class Learner:
    """The network of a :class:`~minires.lab.choices.Choice`, trained by SGD with momentum.

    lost: the step whose loss was not finite, after which nothing changes any more, or None
    """

    def __init__(self, choice: Choice, lr: float, seed: int) -> None:
        self.choice, self.lr, self.seed = choice, lr, seed
        self.model = choice.build(seed)
        self._network = compile(self.model, threads=1, input_gradient=False)
        scalar_rate = SCALAR_RATE if choice.norm == "fixup" else 1.0
        self._optimizer = SGD(self.model.params(), lr, weight_decay=1e-4, scalar_rate=scalar_rate)
        self.steps = 0
        self.lost: int | None = None
        self._right: deque[float] = deque(maxlen=RECENT)
        self._seen: dict[str, Any] = {}

    def step(self, x: Array, labels: Array) -> float | None:
        """Learn from one batch; return its loss before that, None for a network that is lost."""
        if self.lost is not None:
            return None
        lr = self.lr * min(1.0, (self.steps + 1) / WARMUP)
        with np.errstate(all="ignore"):
            loss, right = train_step(self._network, SoftmaxCrossEntropy(), self._optimizer, x, labels, lr)
        self.steps += 1
        if not math.isfinite(float(loss)):
            self.lost = self.steps
            return None
        self._right.append(int(right) / len(labels))
        return float(loss)

    def look(self, x: Array, labels: Array) -> dict[str, Any]:
        """The gradient of one batch, as a dict that JSON can hold; of a network that is lost, as it was before.

        ``depth`` has |dW| of each convolution and of the classifier from the first to the last, ``first_to_last`` the
        ratio of the first to the last convolution. ``blocks`` has what passes each block: |g| behind and before it, at
        the fork, the terms with their share of the gradient before it. ``audit``: see :func:`_verdict`. ``right``: the
        part of the pictures of the last 10 batches that was classified rightly.
        """
        if self.lost is None:
            with np.errstate(all="ignore"):
                ledger = trace(self.model, x, labels)
                seen = _seen(ledger, audit(ledger)) if math.isfinite(ledger.loss or 0) else None
            if seen:
                self._seen = seen
            else:
                self.lost = self.steps
        right = sum(self._right) / len(self._right) if self._right else None
        facts = {
            "lost": self.lost,
            "right": right,
            "command": self.choice.command(self.seed),
            "parameters": _count(self.model),
        }
        return facts | self._seen


def _seen(ledger: Ledger, found: Audit) -> dict[str, Any]:
    weights = [one for one in ledger.depth if "weight" in one.params and one.kind in ("Conv2d", "Linear")]
    convs = [one.params["weight"] for one in weights if one.kind == "Conv2d"]
    return {
        "loss": ledger.loss,
        "depth": [{"path": one.path, "dw": finite(one.params["weight"])} for one in weights],
        "first_to_last": finite(ratio(convs[0], convs[-1])),
        "blocks": [_block(record) for record in ledger.blocks],
        "audit": _verdict(found),
    }


def _block(record: BlockRecord) -> dict[str, Any]:
    before, fork = record.outgoing, record.fork
    size = dot(before, before)
    return {
        "path": record.path,
        "kind": record.kind,
        "behind": finite(norm(record.incoming)),
        "at_fork": finite(norm((fork or record).incoming)),
        "before": finite(norm(before)),
        "cosine": finite(record.cosine),
        "terms": {
            name: {"norm": finite(norm(term)), "share": finite(ratio(dot(term, before), size))}
            for name, term in record.terms.items()
        },
    }


def _verdict(found: Audit) -> dict[str, Any]:
    """The audit in keys and numbers: for how many pairs of blocks the 1 arrives whole, and what breaks it where.

    alone: |what shortcuts alone bring from the last block to the first| / |the gradient behind the last|
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for number, breaks in enumerate(found.breaks):
        for one in breaks:
            at = groups.setdefault((one.kind, one.place), [])
            if at[-1:] != [number]:
                at.append(number)
    return {
        "holds": found.holds,
        "good": sum(v.holds for v in found.verdicts),
        "pairs": len(found.verdicts),
        "alone": finite(found.verdict(0, len(found.paths)).ratio),
        "growth": finite(found.growth),
        "breaks": [{"kind": kind, "place": place, "blocks": at} for (kind, place), at in groups.items()],
    }


def finite(value: float) -> float | None:
    """A number for JSON, which has no NaN and no infinity."""
    return value if math.isfinite(value) else None


def _count(model):
    return sum(p.data.size for _, p in model.params())
