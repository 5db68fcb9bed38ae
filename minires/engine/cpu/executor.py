"""Runs a plan on the threads of this machine."""

import itertools
import os
import threading
import time
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np

from ...errors import StateError
from ...layers.base import inside
from ..describe import table
from ..values import Unsuited
from . import blas, constants
from .backward import BackwardPlan
from .crew import Crew
from .forward import ForwardPlan
from .frame import BackwardFrame, ForwardFrame
from .helpers import helpers_for
from .memory import Workspace, pages, side_by_side
from .phases import Phase
from .steps.convolution import ConvolutionStep
from .team import TEAM


RECORDS = 4  # pairs of frame and work areas whose calls are kept


class Executor:
    """What :mod:`minires.engine.plan` asks for. Memory is pooled: as many frames as were ever in use at once.

    threads: how many compute   lock: held while gradients and running statistics are added to
    frozen: filters are made once, in the first run   ``runs``: how often it ran, forward and backward
    """

    def __init__(self, plan, threads, lock, frozen=False):
        self.plan, self.threads, self.lock, self.frozen, self.kind = plan, threads, lock, frozen, np.ndarray
        self.forward_plan = ForwardPlan(plan, frozen)
        self.backward_plan = BackwardPlan(self.forward_plan)
        self.filters, self.runs = {}, [0, 0]
        self.guard = threading.Lock()
        self._begin()

    def _begin(self):
        """Begin with no memory, and no helpers."""
        self.process = os.getpid()
        self.free = {"forward": [], "backward": [], "crews": []}
        self.records = {}  # {(frame, its forward, crew): {(phase, chunk): its calls}}, of the last runs
        self.helpers = helpers_for(self.threads, self.forward_plan.cut.hands)
        self.zeros = self.helpers.zeros if self.helpers else pages

    def forward(self, x):
        """(y, frame): the frame holds all that backward needs."""
        if self.process != os.getpid():  # a fork: the memory may be that of both
            self._begin()
        frame = _take(self.free["forward"], lambda: ForwardFrame(self.forward_plan, self.zeros))
        frame.arrays[self.plan.input] = x
        if self.filters:
            frame.filters, frame.prepared = self.filters, True
        for affine, state in frame.states.items():
            if not affine.over_batch:
                state.fix()
        self._run(self.forward_plan.phases, frame, self._whole_forward)
        self.runs[0] += 1
        if self.frozen:
            self.filters = frame.filters
        return frame.arrays[self.plan.output], frame

    def track(self, frame):
        """Move the running statistics."""
        with self.lock:
            for affine, state in frame.states.items():
                if affine.over_batch:
                    state.track()

    def release(self, frame):
        """Take the memory of a forward back."""
        frame.clear()
        if frame.process == self.process:
            self.free["forward"].append(frame)

    def backward(self, dy, forward, ready=None):
        """dx, None where it is of no use; the gradients of the parameters are added.

        ready: called behind each phase with the parameters whose gradients are whole then
        """
        if forward.process != os.getpid():
            raise StateError("the forward ran in the process that this one was forked from: run it again", "Compiled")
        frame = _take(self.free["backward"], lambda: BackwardFrame(self.backward_plan, self.zeros))
        try:
            frame.begin(forward, self.lock)
            frame.arrays[self.plan.output] = dy
            self._run(self.backward_plan.phases, frame, self._whole_backward, ready)
            self.runs[1] += 1
            return frame.arrays.get(self.plan.input)
        finally:
            frame.clear()
            self.free["backward"].append(frame)

    def describe(self):
        """The plan as a table."""
        phases = self.forward_plan.phases, self.backward_plan.phases
        cut = f"chunks of {max(self.forward_plan.cut.sizes)} images, {len(phases[0])} + {len(phases[1])} phases"
        cut += f", {self.helpers}" if str(self.helpers or "") else ""
        kernels = f"products by {blas.kernels()}" if blas.kernels() else None
        times = [self._times(p, runs) for p, runs in zip(phases, self.runs)]
        return table(self.plan, [cut, *filter(None, [kernels])], self._algorithm, *times)

    # -- a run

    def _run(self, phases, frame, whole, ready=None):
        seats = _take(self.free["crews"], self._crew)
        units = self.forward_plan.cut.units
        seats[0].crew = Crew(seats, self.helpers) if self.forward_plan.cut.single else None
        frame.borrow(seats[0], not self.frozen)
        calls, began = self._calls(frame, seats), time.perf_counter()
        try:
            for alone, group in itertools.groupby(phases, lambda phase: phase.alone):
                with _computing() if alone else nullcontext():
                    for phase in group:
                        if isinstance(phase, Phase):
                            _prepare(phase, frame, seats)
                            self._all_chunks(phase, frame, calls, units, seats)
                            for task in phase.finish:
                                task(frame)
                        else:
                            with inside(phase.operation.path):
                                whole(phase.operation, frame)
                        if ready is not None and phase.settles:
                            ready(phase.settles)
        finally:
            seats[0].crew = None
            frame.give_back()
            if any(seat.scattered for seat in seats):
                with self.guard:
                    self.records.clear()  # calls on the memory of before would keep it
                calls.clear()
                for seat in seats:
                    seat.gather()
            self.free["crews"].append(seats)
        if self.helpers is not None:
            self.helpers.note(time.perf_counter() - began, self._runs_of(seats), units, seats)

    def _crew(self):
        """Work areas, one for each thread; the first has the rooms for what does not outlive a run."""
        dtype, plans = self.plan.dtype, (self.forward_plan, self.backward_plan)
        first = self.zeros if self.forward_plan.cut.single else pages  # else no helper has to see it
        seats = tuple(Workspace(dtype, self.zeros if k else first) for k in range(self.threads))
        seats[0].filters = self.zeros(max(p.filters for p in plans), dtype)
        seats[0].passing = side_by_side(map(max, *(p.overlay.rooms for p in plans)), dtype, self.zeros)
        return seats

    def _all_chunks(self, phase, frame, calls, units, seats):
        work = partial(phase.take, frame, calls)
        if self.helpers is None or not self.helpers.share(work, phase, frame, calls, units, seats):
            TEAM.run(work, units, seats)

    def _runs_of(self, seats):
        """[(calls, phases)] of the last runs in these work areas."""
        plans = {ForwardFrame: self.forward_plan, BackwardFrame: self.backward_plan}
        with self.guard:
            return [(calls, plans[type(f)].phases) for (f, _, crew), calls in self.records.items() if crew is seats]

    def _calls(self, frame, seats):
        """What this frame and these work areas did before, to be done again."""
        key = frame, getattr(frame, "forward", None), seats
        with self.guard:
            found = self.records.pop(key, {})
            self.records[key] = found
            if len(self.records) > RECORDS:
                del self.records[next(iter(self.records))]
        return found

    def _whole_forward(self, operation, frame):
        x, y, layer = operation.x, operation.y, operation.layer
        if self.plan.mode == "infer":
            frame.arrays[y] = layer(frame.arrays[x])
        else:
            frame.arrays[y], frame.caches[operation] = layer.forward(frame.arrays[x], self.plan.mode == "train")
        _require(operation, frame.arrays[y], (self.plan.images, *y.shape))

    def _whole_backward(self, operation, frame):
        x, y = operation.x, operation.y
        with self.lock:
            dx = operation.layer.backward(frame.arrays.pop(y), frame.forward.caches[operation])
        frame.arrays[x] = frame.arrays[x] + dx if x in frame.arrays else dx

    # -- for describe

    def _times(self, phases, runs):
        """{operation: milliseconds, summed over the threads, the mean over all runs}"""
        times = {}
        for seat in itertools.chain.from_iterable(list(self.free["crews"])):
            for phase, spent in list(seat.spent.items()):
                if phase in phases:
                    for owner, seconds in zip(phase.owners, spent):
                        times[owner] = times.get(owner, 0.0) + 1e3 * seconds / max(runs, 1)
        return times

    def _algorithm(self, operation):
        step = self.forward_plan.steps.get(operation)
        if isinstance(step, ConvolutionStep):
            return f"{step.kernel_type.name} {'x'.join(map(str, operation.geometry.kernel))}"
        return operation.name


@contextmanager
def _computing():
    """BLAS on one thread, and NumPy's loops on rows in place of copies of them."""
    with blas.one_thread():
        before = np.setbufsize(constants.BUFFER)
        try:
            yield
        finally:
            np.setbufsize(before)


def _require(operation, array, shape):
    """A layer of the user may give other shapes on other days."""
    if getattr(array, "shape", None) != shape:
        found = getattr(array, "shape", type(array).__name__)
        raise Unsuited(f"{operation.path} gives {found} here, and {shape[1:]} for one image of zeros")


def _prepare(phase, frame, seats):
    """What must be ready before: by several threads if it is much, as the filters of a whole network in inference."""
    few = len(phase.prepare) <= constants.FEW
    TEAM.run(lambda task, _: task(frame), phase.prepare, seats[:1] if few else seats)


def _take(free, make):
    try:
        return free.pop()
    except IndexError:
        return make()
