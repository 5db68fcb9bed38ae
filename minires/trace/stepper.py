"""A debugger of layers: go through one forward and backward layer by layer, in both directions of time."""

import difflib

import numpy as np

from ..backend import Array
from ..errors import RangeError
from ..layers.base import Layer
from ..losses import Loss, SoftmaxCrossEntropy
from .condition import Condition, measure
from .events import Event, Recorder
from .screen import screen

NONFINITE = "nonfinite"


class Stepper:
    """The record of one forward and backward of ``model``, and a place in it that moves.

    x: (N, ...)   labels: (N,), or the targets of ``loss`` (default :class:`~minires.losses.SoftmaxCrossEntropy`);
    instead of labels, ``dy``: the gradient of the model's output.

    >>> import numpy as np
    >>> from minires.models import build
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((4, 3, 8, 8), dtype=np.float32)
    >>> s = Stepper(build("resnet8", rng=0), x, labels=np.array([0, 1, 2, 3]))
    >>> s.until("stage2.0.add"), s.where
    (True, 'forward: begin of stage2.0.add (Residual)')
    >>> s.until("norm(branch) > norm(shortcut)"), s.where
    (True, 'backward: end of stage3.0.add (Residual)')
    >>> bool(np.all(s.dx == s.terms["shortcut"] + s.terms["branch"]))
    True
    >>> s.out(), s.back(), s.until("nonfinite"), s.where
    (True, True, False, 'backward: end of stage3.0.add (Residual)')

    The run happens once, here, on a deep copy of the model whose gradients start at zero: it gives bitwise what
    ``forward`` and ``backward`` give, and the model, its gradients, running statistics and random states stay as
    they are. Moving only reads the record. Every method that moves returns whether it did. ``print(s)`` shows all
    about the current stop; ``s.event`` and ``s.events`` are the :class:`~minires.trace.events.Event` objects, and
    ``s.error`` is the exception of a layer that raised (the record then ends there), else None.

    Memory, in that of the CPU: one copy of every distinct array of the run, that is of the parameters and their
    gradients, of the output of each layer and of the gradient of each layer's input; about 6 MB for each image of
    32 x 32 pixels in resnet20. More than ``limit`` bytes raise :class:`~minires.errors.RangeError`. During the run,
    the arrays themselves stay alive too.
    """

    def __init__(
        self,
        model: Layer,
        x: Array,
        labels: Array | None = None,
        *,
        dy: Array | None = None,
        loss: Loss | None = None,
        train: bool = True,
        limit: int = 2 * 2**30,
    ) -> None:
        if (labels is None) == (dy is None):
            found = "neither labels nor dy" if dy is None else "both labels and dy"
            raise RangeError(f"there are {found}, expected one: labels for a loss, or dy, the gradient of the output")
        recorder = Recorder(model, limit)
        recorder.run(x, train, loss or SoftmaxCrossEntropy(), labels, dy)
        self.events, self.error = recorder.events, recorder.error
        self.outline = [(path, type(layer).__name__, layer.__doc__) for path, layer in recorder.model.walk()]
        self.index = 0

    @property
    def event(self) -> Event:
        """The current :class:`~minires.trace.events.Event`."""
        return self.events[self.index]

    x = property(lambda self: self.event.x, doc="Input of the current layer; read-only, as all arrays here.")
    y = property(lambda self: self.event.y, doc="Its output; None before it is computed.")
    dy = property(lambda self: self.event.dy, doc="Gradient of y; None in forward.")
    dx = property(lambda self: self.event.dx, doc="Gradient of x; None before it is computed.")
    terms = property(lambda self: self.event.terms, doc="{name: term of dx} at the end of a fork in backward.")
    params = property(lambda self: self.event.params, doc="{name: value} of the layer's own parameters.")
    grads = property(lambda self: self.event.grads, doc="{name: what this backward added to the gradient}.")

    @property
    def where(self) -> str:
        """One line: phase, begin or end of a container, path and class."""
        return self.event.where

    def __str__(self):
        return screen(self, full=True)

    def __repr__(self):
        return f"<Stepper at stop {self.index} of {len(self.events) - 1}, {self.where}>"

    def step(self) -> bool:
        """To the next stop, into a container and into the branches of a fork."""
        return self._move(self.index + 1)

    def next(self) -> bool:
        """At the begin of a container to its end, elsewhere to the next stop."""
        return self._move(max(self.index + 1, self.event.end))

    def out(self) -> bool:
        """To the end of the container around here; not from the model, nor from the loss, which nothing is around."""
        e = self.event
        around = e.begin if e.begin == e.index < e.end else e.parent
        return around is not None and self._move(self.events[around].end)

    def back(self) -> bool:
        """To the stop before this one."""
        return self._move(self.index - 1)

    def goto(self, index: int) -> bool:
        """To the stop with that number, counted from 0."""
        if not isinstance(index, (int, np.integer)) or not 0 <= index < len(self.events):
            raise RangeError(f"stop {index} does not exist, expected 0 to {len(self.events) - 1}: choose one of those")
        return self._move(index)

    def until(self, goal: str) -> bool:
        """Forward in time to the next stop at which ``goal`` is met; stays where it is if there is none.

        ``goal``: the path or the class of a layer ("stage2.0.add", "ReLU"): where it begins, in either direction;
        "nonfinite": NaN or infinity in any array of the stop; or a :class:`~minires.trace.condition.Condition`
        such as ``"norm(shortcut) < .1 * norm(branch)"`` on the names in ``event.arrays``: x, y, dy, dx, terms,
        parameters ("weight") and what was added to their gradients ("dweight"). In backward x and y are known too.
        Raises :class:`~minires.errors.RangeError` for a text that is none of these.
        """
        met = self._goal(goal.strip())
        for index in range(self.index + 1, len(self.events)):
            if met(self.events[index]):
                return self._move(index)
        return False

    def _move(self, index):
        if not 0 <= index < len(self.events) or index == self.index:
            return False
        self.index = index
        return True

    def _goal(self, goal):
        """The function event -> bool for the text ``goal``."""
        layers = {name for e in self.events for name in (e.path, e.kind)} - {""}
        layers |= {name for path, kind, _ in self.outline for name in (path, kind)} - {""}
        if goal in layers:
            return lambda e: e.index == e.begin and goal in (e.path, e.kind)
        if goal == NONFINITE:
            return lambda e: any(measure(NONFINITE, array) for array in e.arrays.values())
        try:
            condition = Condition(goal, {name for e in self.events for name in e.arrays})
        except RangeError as error:
            near = difflib.get_close_matches(goal, [*layers, NONFINITE], n=3)
            hint = f"; layers of about that name: {', '.join(near)}" if near else ""
            raise RangeError(f"{error.message}{hint}") from error
        return lambda e: condition.met(e.arrays)
