"""The memory of one run, and its launches bound to it: a step calls them one after the other."""

from contextlib import contextmanager

import numpy as np

from ...errors import DeviceError
from ...layers.base import inside
from ..values import Unsuited
from . import steps
from .launches import Launch
from .modules import NULL
from .slots import Addresses, Behind, Call, Constant, Given, Held, Slot, Unless


@contextmanager
def said(what):
    """Errors of CUDA as DeviceErrors that name the launch, which may only be the first to hear of one before it."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith("cupy") or isinstance(error, MemoryError):
            raise
        reason = str(error).strip().split("\n")[0]
        raise DeviceError(
            f"{what}: the GPU refused it ({reason}); unless it is this launch, it is one before it: the environment "
            "variable CUDA_LAUNCH_BLOCKING=1 and compile_step(graph=False) show which"
        ) from error


class Frame:
    """An arena for one program, and ``forward``, ``track``, ``backward``: lists of calls without arguments.

    ``arrays``: {array of the plan: what stands there in this run}   ``caches``: of layers that ran by themselves
    given: {slot: array} of a step   arena: memory that is free while this frame runs, taken where it is enough
    """

    def __init__(self, program, xp, modules, constants, given=None, arena=None):
        self.program, self.xp, self.modules, self._constants = program, xp, modules, constants
        self.given, self.arena = given or {}, arena
        if arena is None or arena.size < program.bytes:
            self.arena = xp.empty(program.bytes, dtype="uint8")
        self.arrays, self.caches, self._bound = {}, {}, None
        self._views = {slot: self._view(slot, begin) for slot, begin in program.places.items()}

    def _view(self, slot, begin):
        return self.arena[begin : begin + slot.nbytes].view(slot.dtype).reshape(slot.shape)

    def __getitem__(self, slot):
        return self._views[slot]

    @property
    def bound(self):
        """The arrays besides the arena that the launches read or write."""
        return self._bound[0]

    def bind(self):
        """Bind the launches to where their arrays are; False where all are where they were."""
        bound = [held.array for held in self.program.held], [tensor.frozen for tensor in self.program.frozen]
        bound[0].extend(self.given.values())
        if self._bound is not None and bound[1] == self._bound[1]:
            if all(a is b for a, b in zip(bound[0], self._bound[0])):
                return False
        if not all(a is None or a.flags.c_contiguous for a in bound[0]):
            raise Unsuited("a tensor of the model is not contiguous, and the kernels know no strides")
        program, self._bound = self.program, bound
        self.forward, self.track, self.backward = (
            [call for item in items if (call := self.call(item)) is not None]
            for items in (program.forward, program.track, program.backward)
        )
        return True

    def run(self, part):
        """Call the launches of ``part``: "forward", "track" or "backward". What CUDA refuses is said with the layer."""
        calls, k = getattr(self, part), -1
        try:
            for k, call in enumerate(calls):  # noqa: B007
                call()
        except Exception as error:
            with said(self._name(part, k)):
                raise error

    def _name(self, part, k):
        """Of the k-th call of a part."""
        items, program = getattr(self.program, part), self.program
        begin = 0 if part == "forward" else len(program.forward)
        owners = [None] * len(items) if part == "track" else program.owners[begin : begin + len(items)]
        there = [pair for pair in zip(items, owners) if not (isinstance(pair[0], Unless) and pair[0].tensor.frozen)]
        item, owner = there[k]
        kernel = getattr(item.launch if isinstance(item, Unless) else item, "name", "a call of the host")
        return f"{owner.path or 'the model'}, {kernel}" if owner is not None else kernel

    def call(self, item):
        """A launch or call of the program without arguments; None where it is left out."""
        if isinstance(item, Call):
            return lambda: item.run(self)
        if isinstance(item, Unless):
            return None if item.tensor.frozen else self.call(item.launch)
        arguments = tuple(map(self._argument, item.arguments))
        return Launch(item.file, item.name, item.grid, item.threads, arguments).bind(self.modules)

    def _argument(self, value):
        if isinstance(value, Slot):
            return self._views[value]
        if isinstance(value, Behind):
            return self._views[value.slot][value.begin :]
        if isinstance(value, Given):
            return self.given[value]
        if isinstance(value, Held):
            return NULL if value.array is None else value.array
        if isinstance(value, Addresses):
            return self.xp.asarray(np.array([held.array.data.ptr for held in value.held], np.int64))
        if isinstance(value, Constant):
            if value not in self._constants:
                self._constants[value] = self.xp.asarray(value.value)
            return self._constants[value]
        return value

    # -- what calls of the host do

    def launch(self, launch):
        launch.bind(self.modules)()

    def enter(self, slot, array):
        """The rows of an array (N, C, H, W)."""
        *_, across, beside = array.strides
        if (across, beside) != (array.shape[-1] * array.itemsize, array.itemsize):
            array = self.xp.ascontiguousarray(array)
        self.launch(steps.enter(self.program.precision, self[slot], array))

    def leave(self, slot, value):
        """A new array (N, C, H, W) of the rows of a value."""
        array = self.xp.empty((self.program.plan.images, *value.shape), dtype="float32")
        self.launch(steps.leave(self.program.precision, array, self[slot]))
        return array

    def add(self, array, dx):
        """A share of the gradient of an array."""
        self.arrays[array] = self.arrays[array] + dx if array in self.arrays else dx

    def whole(self, operation):
        """A layer of the definition, forward."""
        x, y, layer, plan = operation.x, operation.y, operation.layer, self.program.plan
        with inside(operation.path):
            if plan.mode == "infer":
                self.arrays[y] = layer(self.arrays[x])
            else:
                self.arrays[y], self.caches[operation] = layer.forward(self.arrays[x], plan.mode == "train")
        found, expected = getattr(self.arrays[y], "shape", None), (plan.images, *y.shape)
        if found != expected:
            raise Unsuited(f"{operation.path} gives {found} here, and {y.shape} for one image of zeros")

    def whole_back(self, operation):
        """A layer of the definition, backward."""
        with inside(operation.path):
            self.add(operation.x, operation.layer.backward(self.arrays.pop(operation.y), self.caches[operation]))

    def clear(self):
        """Drop what belongs to the last run; keep the memory of the plan."""
        self.arrays.clear()
        self.caches.clear()
