"""A request in, an answer out: what the page asks, whoever carries it."""

import math
from typing import Any

from ..errors import MiniresError, RangeError
from .choices import DATA, Choice, known, one_of, rate, shown, whole
from .learner import Learner, finite
from .pictures import Pictures

MOST_STEPS = 100  # in one request
TWO = 2


class Lab:
    """Two networks that see the same pictures in the same order. What it answers depends on what it was asked alone.

    >>> lab = Lab()
    >>> nets = [{"block": "plain", "depth": 8}, {"block": "full_preact", "depth": 8}]
    >>> made = lab.respond({"do": "make", "nets": nets})
    >>> [net["audit"]["good"] for net in made["nets"]]
    [0, 1]
    >>> [len(row) for row in lab.respond({"do": "step", "steps": 3})["losses"]]
    [2, 2, 2]
    """

    def __init__(self) -> None:
        self._learners: list[Learner] = []
        self._pictures: Pictures | None = None
        self._steps = 0

    def respond(self, request: Any) -> dict[str, Any]:
        """The answer to one request, or ``{"error": a sentence}``, after which nothing has changed.

        ``{"do": "make", "nets": [...], "data": "digits", "lr": 0.1, "seed": 0}``: two fresh networks; each of ``nets``
        has the fields of :class:`~minires.lab.choices.Choice`. What is left out has its default.
        ``{"do": "step", "steps": 1}``: as many steps of training.

        Both give ``step``, the steps so far, ``nets``, what :meth:`~minires.lab.learner.Learner.look` sees in each, and
        ``compared``, ``first_to_last`` of the first by that of the second. "make" also gives ``pictures``, "step" also
        ``losses``, a row of two numbers for each step, None of a network that has diverged.
        """
        try:
            what = request.get("do") if isinstance(request, dict) else None
            if what == "make":
                return self._make(request)
            if what == "step":
                return self._step(request)
            raise RangeError(f"the request is {shown(request)}, expected {{'do': 'make'}} or {{'do': 'step'}}")
        except MiniresError as error:
            return {"error": str(error)}

    def _make(self, request):
        known(request, ("do", "nets", "data", "lr", "seed"), "the request")
        nets = request.get("nets", [{}, {"block": "plain"}])
        if not isinstance(nets, list) or len(nets) != TWO:
            raise RangeError(f"nets is {shown(nets)}, expected a list of two networks: give both")
        seed, lr = whole("seed", request.get("seed", 0), 0, 2**31 - 1), rate(request.get("lr", 0.1))
        data = one_of("data", request.get("data", DATA[0]), DATA)
        learners = [Learner(choice, lr, seed) for choice in map(Choice.of, nets)]
        pictures = Pictures(data, seed)
        self._learners, self._pictures, self._steps = learners, pictures, 0
        return {"pictures": pictures.about()} | self._seen()

    def _step(self, request):
        known(request, ("do", "steps"), "the request")
        steps = whole("steps", request.get("steps", 1), 1, MOST_STEPS)
        if self._pictures is None:
            raise RangeError("there are no networks yet, expected two: ask {'do': 'make'} first")
        losses = []
        for _ in range(steps):
            batch = self._pictures.batch()
            losses.append([learner.step(*batch) for learner in self._learners])
            self._steps += 1
        return {"losses": losses} | self._seen()

    def _seen(self):
        nets = [learner.look(*self._pictures.probe) for learner in self._learners]
        first, second = (net.get("first_to_last") or math.nan for net in nets)
        return {"step": self._steps, "nets": nets, "compared": finite(first / second)}
