"""What a step is fed, and what it leaves: arrays with memory of their own, at the same place in every step."""

import numpy as np

from . import steps
from .slots import Given

ROOM = 4096  # results that stand beside each other; then a new array begins, and old ones stay with who has them
ALIGNED = 256


class Feed:
    """``slots``: {name: what stands there} for a batch of one shape (N, C, H, W).

    As ``x`` float32; or, with ``pad``, as ``images`` in bytes with what is drawn for each: see ``kernels/images.cu``.
    """

    def __init__(self, shape, pad=None):
        self.shape, self.pad = shape, pad
        n, channels = shape[:2]
        forms = {"x": (shape, "f4")}
        if pad is not None:
            forms = {"images": (shape, "u1"), "scale": ((channels,), "f4"), "shift": ((channels,), "f4")}
            forms |= {"top": ((n,), "i4"), "left": ((n,), "i4"), "mirrored": ((n,), "u1")}
        forms |= {"labels": ((n,), "i4"), "lr": ((1,), "f4")}
        self.slots = {name: Given(shape, np.dtype(form)) for name, (shape, form) in forms.items()}

    def of(self, images):
        return Feed((images, *self.shape[1:]), self.pad)

    def source(self, precision, y):
        """The launch that makes rows of it."""
        s = self.slots
        if self.pad is None:
            return steps.enter(precision, y, s["x"])
        names = ("images", "scale", "shift", "top", "left", "mirrored")
        return steps.batch(precision, y, *(s[name] for name in names), self.pad)


class Fed:
    """The arrays of a :class:`Feed`, in one piece of memory, so that one upload brings all. ``given``: {slot: array}"""

    def __init__(self, xp, feed):
        begins, end = {}, 0
        for name, slot in feed.slots.items():
            begins[name] = end
            end += -(-slot.nbytes // ALIGNED) * ALIGNED
        self.bytes, self.host = xp.empty(end, dtype=np.uint8), np.zeros(end, np.uint8)

        def views(memory):
            for name, slot in feed.slots.items():
                part = memory[begins[name] : begins[name] + slot.nbytes]
                yield name, part.view(slot.dtype).reshape(slot.shape)

        self.arrays, self.hosts = dict(views(self.bytes)), dict(views(self.host))
        self.given = {slot: self.arrays[name] for name, slot in feed.slots.items()}
        self.lr = None

    def write(self, lr, **values):
        """Put values in their places, arrays of the host or of the device."""
        on_host = [name for name, value in values.items() if isinstance(value, np.ndarray)]
        for name in on_host:
            self.hosts[name][...] = values[name]
        self.hosts["lr"][...] = lr
        if len(on_host) == len(values):
            self.bytes.set(self.host)
        else:
            for name, value in values.items():
                if name in on_host:
                    self.arrays[name].set(self.hosts[name])
                else:
                    self.arrays[name][...] = value
            if lr != self.lr:
                self.arrays["lr"].set(self.hosts["lr"])
        self.lr = lr


class Results:
    """Loss and number of right answers of each step, in an array that the next steps leave alone."""

    def __init__(self, xp):
        self.xp, self.slots = xp, [Given((ROOM,), np.dtype(t)) for t in (np.float32, np.int32)]
        self.slots.append(Given((1,), np.dtype(np.int32)))  # how many stand there
        self.renew()

    def renew(self):
        self.used = 0
        self.given = {slot: self.xp.zeros(slot.shape, dtype=slot.dtype) for slot in self.slots}

    def take(self):
        """(loss, right answers) of the step that has just been asked for."""
        losses, hits, _ = self.given.values()
        self.used += 1
        return losses[self.used - 1], hits[self.used - 1]

    def make_room(self):
        if self.used == ROOM:
            self.renew()
