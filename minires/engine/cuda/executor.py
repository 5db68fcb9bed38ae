"""Runs a plan on a GPU: kernels in the order of the plan, on one stream."""

from ..describe import table
from ..operations import Convolution, Foreign
from .events import milliseconds
from .frame import Frame
from .memory import require_room
from .program import Program, settings
from .traffic import floor_here


class Executor:
    """What :mod:`minires.engine.plan` asks for. Memory is pooled: as many arenas as were ever in use at once.

    xp: CuPy   modules: the compiled kernels, :class:`~.modules.Modules`   lock: held while gradients and running
    statistics are added to   ``kind``: of the arrays that it takes
    """

    def __init__(self, plan, lock, xp, modules):
        self.plan, self.lock, self.xp, self.modules, self.kind = plan, lock, xp, modules, xp.ndarray
        self._begin()
        modules.require(self.program.kernels())

    def _begin(self):
        self.program, self.free, self.constants = Program(self.plan, self.modules.precision), [], {}

    def forward(self, x):
        """(y, frame): the frame holds all that backward needs."""
        if settings(self.program.plan) != self.program.settings:
            self._begin()
        frame = self._frame()
        frame.arrays[self.plan.input] = x
        frame.bind()
        frame.run("forward")
        return frame.arrays[self.plan.output], frame

    def track(self, frame):
        """Move the running statistics."""
        with self.lock:
            frame.run("track")

    def release(self, frame):
        """Take the memory of a forward back."""
        frame.clear()
        if frame.program is self.program:
            self.free.append(frame)

    def backward(self, dy, frame, ready=None):
        """dx, None where it is of no use; the gradients of the parameters are added.

        ready is not called: launches are only asked for, and nothing is whole before the GPU has been waited for
        """
        before = dict(frame.arrays)
        try:
            frame.arrays.clear()
            frame.arrays[self.plan.output] = dy
            with self.lock:
                frame.bind()
                frame.run("backward")
            return frame.arrays.get(self.plan.input)
        finally:
            frame.arrays.clear()
            frame.arrays.update(before)

    def describe(self):
        """The plan as a table."""
        launches = " + ".join(map(str, self.program.launches())) + " launches"
        how = f"products in {self.program.precision}, {launches}, an arena of {self.program.bytes / 1e6:.1f} MB"
        how = [how, *floor_here(self.program, self.xp)]
        return table(self.program.plan, how, lambda o: algorithm(self.program, o), *self._times())

    def _times(self):
        """({operation: milliseconds of its forward}, {of its backward}); none where layers run, or others do now."""
        plan = self.program.plan
        if not self.free or any(isinstance(o, Foreign) for o in plan.operations) or self.program.layered:
            return {}, {}
        frame = self._frame()
        frame.arrays[plan.input] = self.xp.zeros(plan.shape, dtype=plan.dtype)
        with self.lock:
            frame.bind()
            *times, _ = milliseconds(frame)
        self.release(frame)
        return times

    def _frame(self):
        try:
            return self.free.pop()
        except IndexError:
            xp = self.xp
            require_room(self.program, xp.cuda.Device().mem_info[0] + xp.get_default_memory_pool().free_bytes())
            return Frame(self.program, xp, self.modules, self.constants)


def algorithm(program, operation):
    """How an operation is computed."""
    if operation in program.layered:
        return f"{type(operation.layer).__name__} (layer)"
    if isinstance(operation, Convolution):
        return f"implicit product {'x'.join(map(str, operation.geometry.kernel))}"
    return operation.name
