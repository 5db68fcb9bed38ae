"""All parameters of a model in one array, so that one launch updates them; see ``kernels/optimizer.cu``."""

import numpy as np

from ..values import Unsuited
from . import steps
from .launches import whole
from .slots import Given

STATE = {"SGD": ("velocity",), "AdamW": ("mean", "square")}  # of the optimisers of minires.train: dicts of Buffers
SHARES = "weight_decay", "decay_all", "scalar_rate"
SETTINGS = "momentum", "nesterov", "betas", "eps"


class Parameters:
    """Numbers, gradients and state of the optimiser, each in one array; the tensors of the model become views of it.

    params: pairs (path, Param)   optimizer: SGD or AdamW   ``given``: {slot: array} of what launches name
    """

    def __init__(self, xp, params, optimizer):
        self.xp, self.params, self.optimizer, self.kind = xp, params, optimizer, type(optimizer).__name__
        self.number = {id(p): k for k, (_, p) in enumerate(optimizer.params)}
        own = {id(p) for _, p in params}
        if strange := [path for path, p in optimizer.params if id(p) not in own]:
            raise Unsuited(f"the optimiser has {strange[0]}, which is none of the model's")
        self.lengths = [whole(p.data.size, steps.ALIGNED) for _, p in params]
        runs = sum(self.lengths)
        numbers, shares = (Given((size,), np.dtype(np.float32)) for size in (runs * steps.ALIGNED, runs))
        names = ("p", "g", *STATE[self.kind])
        self.slots = {name: Given(numbers.shape, numbers.dtype) for name in names}
        self.slots |= {name: Given(shares.shape, shares.dtype) for name in ("decay", "part")}
        self.slots["counts"] = Given((runs,), np.dtype(np.int32))
        self.arrays = {name: xp.zeros(slot.shape, dtype=slot.dtype) for name, slot in self.slots.items()}
        self.given = {slot: self.arrays[name] for name, slot in self.slots.items()}
        self._places = list(self._all_places())
        self._shares = self._counts = None

    def _all_places(self):
        """(who holds it, attribute, its place, path) of every array."""
        begin = 0
        for (path, p), length in zip(self.params, self.lengths):
            places = {"p": (p, "data"), "g": (p, "grad")}
            if (number := self.number.get(id(p))) is not None:
                for name in STATE[self.kind]:
                    if buffers := getattr(self.optimizer, name):  # SGD without momentum has no velocity
                        places[name] = buffers[self.optimizer.params[number][0]], "data"
            for name, (holder, attribute) in places.items():
                yield holder, attribute, self.arrays[name][begin : begin + p.data.size].reshape(p.data.shape), path
            begin += length * steps.ALIGNED

    def launch(self, lr):
        """The update. lr: (1,) float32"""
        s, optimizer = self.slots, self.optimizer
        shares = s["decay"], s["part"], lr
        if self.kind == "SGD":
            return steps.sgd(s["p"], s["velocity"], s["g"], *shares, optimizer.momentum, optimizer.nesterov)
        state = s["mean"], s["square"], s["g"], s["counts"]
        return steps.adamw(s["p"], *state, *shares, optimizer.betas, optimizer.eps)

    @property
    def settings(self):
        """What the launch carries."""
        return [getattr(self.optimizer, name, None) for name in SETTINGS]

    def take(self):
        """Before a step: move in what is elsewhere, as after a checkpoint was loaded, and see to what has changed."""
        for holder, attribute, place, path in self._places:
            array = getattr(holder, attribute)
            if array is not place:
                if (type(array), array.dtype, array.shape) != (self.xp.ndarray, place.dtype, place.shape):
                    raise Unsuited(f"{path} is now {array.dtype}{array.shape} in a {type(array).__name__}")
                place[...] = array
                setattr(holder, attribute, place)
        optimizer = self.optimizer
        shares = [p.frozen for _, p in self.params], [getattr(optimizer, name) for name in SHARES]
        if shares != self._shares:
            values = [self._share(p) for _, p in self.params]
            for name, column in zip(("decay", "part"), zip(*values)):
                self.arrays[name].set(np.repeat(np.array(column, np.float32), self.lengths))
            self._shares = shares
        if self.kind == "AdamW" and not np.array_equal(optimizer.steps.data, self._counts):
            counts = [optimizer.steps.data[self.number.get(id(p), 0)] for _, p in self.params]
            self.arrays["counts"].set(np.repeat(np.array(counts, np.int32), self.lengths))
            self._counts = optimizer.steps.data.copy()

    def count(self):
        """After a step: AdamW's steps, which the kernel counts for itself."""
        if self.kind == "AdamW":
            self.optimizer.steps.data += [not p.frozen for _, p in self.optimizer.params]
            self._counts = self.optimizer.steps.data.copy()

    def _share(self, p):
        """(weight decay, part of the learning rate); 0 of what does not move."""
        return (0.0, 0.0) if p.frozen or id(p) not in self.number else self.optimizer.share(p)
