"""A plan: what is computed in which order for one input shape, made once and run many times.

The operations of one direction are cut into phases. Within a phase each chunk goes through all of its steps alone, on
whatever thread takes it; between phases every thread waits. A new phase begins only where a step needs something of
every chunk: the statistics of a batch norm, or a layer that works on whole arrays. One pass over a basic block is

    [normalise, ReLU, convolve, measure]  |  [normalise, ReLU, convolve, measure]  |  [normalise, add, ReLU, ...

so what a step leaves in the cache of its core the next one finds there. In inference there are no statistics, and
the whole network is one phase.
"""

import itertools
import math
import time
from contextlib import nullcontext
from functools import partial

import numpy as np

from ...layers.base import inside
from . import blas
from .backward import BackwardPlanner
from .frame import BackwardFrame, ForwardFrame
from .memory import Workspace
from .operations import OPERATIONS, Convolution, Join, Store
from .phases import Phase, Whole
from .reader import Reader
from .team import TEAM
from .values import Unsuited

CHUNK = 32  # images of a chunk, at most
FEW = 3  # tasks that one thread does sooner than several agree
PIXELS, ROWS = 8_192, 128  # up to which a batch is one chunk
UNITS = 8  # units of work of a phase, at most: the sums of each unit are added in the order of the units


class Plan:
    """model on inputs of one shape, dtype and mode; see :class:`~minires.engine.cpu.reader.Reader` for the modes.

    frozen: filters are made once, in the first run   ``runs``: how often it ran, forward and backward
    """

    def __init__(self, model, shape, dtype, mode, input_gradient=True, frozen=False):
        self.shape, self.images, self.dtype, self.mode = shape, shape[0], np.dtype(dtype), mode
        self.frozen, self.filters, self.runs = frozen, {}, [0, 0]
        graph = Reader(shape, mode).read(model)
        self.sizes = chunk_sizes(self.images, is_little(graph.operations, shape))
        self.units = np.array_split(range(len(self.sizes)), min(len(self.sizes), UNITS))
        self.input, self.output = graph.input, graph.output
        self.work = {o: OPERATIONS[o.kind](o, self) for o in graph.operations if o.kind != "foreign"}
        self.affine = {t.affine: t.value for w in self.work.values() if isinstance(w, Join) for t in w.affine}
        self.operations = graph.operations
        self.backward_phases = []
        self._plan_forward()
        if mode != "infer":
            backward = BackwardPlanner(self, input_gradient)
            self.backward_phases, self.gradients = backward.phases, backward.forms
        self.free = {"forward": [], "backward": [], "seats": []}

    def _plan_forward(self):
        self.phases, born, died, measured = [], {}, {}, {}
        readers = {t.affine: o for o, w in self.work.items() if isinstance(w, Join) for t in w.affine}
        for affine, value in self.affine.items():
            if affine.over_batch:
                measured.setdefault(value, []).append(affine)
        phase = None
        for operation in self.operations:
            if operation.kind == "foreign":
                phase = None
                self.phases.append(Whole(operation))
                continue
            work = self.work[operation]
            waits = {t.affine for t in work.affine} if isinstance(work, Join) else set()
            if phase is None or phase.pending & waits:
                phase = Phase()
                self.phases.append(phase)
            if isinstance(work, Convolution):
                phase.prepare += [(work.prepare, part) for part in work.parts]
                # phases may share the memory of their filters, unless these are kept
                work.number = len(self.phases) if self.frozen else 0, len(phase.prepare)
            elif isinstance(work, Store):
                phase.prepare.append((Store.prepare, work))
            phase.add(work.forward, operation)
            for value in operation.inputs:
                died[value] = len(self.phases)
            born[operation.output] = len(self.phases)
            for affine in measured.get(operation.output, ()):
                phase.add(_measure(affine, operation.output), readers[affine])
                phase.finish.append((_fix, affine))
                phase.pending.add(affine)
        kept = {v for w in self.work.values() for v in w.keeps()} if self.mode != "infer" else set()
        self.again = self._again(kept)
        kept -= self.again.keys()
        values = [o.output for o in self.operations if o in self.work and not isinstance(self.work[o], Store)]
        self.kept = [v for v in values if v in kept or died.get(v, -1) != born[v]]
        self._place([v for v in values if v not in set(self.kept)])

    def _again(self, kept):
        """{value: its join}: what backward computes again, from what it keeps anyway, and only one convolution reads.

        The join stands right before the convolution, so backward needs the value within one phase, chunk by chunk: a
        pass over one chunk in place of the memory of a batch (Chen et al. 2016, "Training Deep Nets with Sublinear
        Memory Cost", section 4).
        """
        again = {}
        for join, conv in itertools.pairwise(self.operations):
            alone = join.kind == "join" and conv.kind == "conv" and conv.inputs == [join.output]
            if alone and join.output.consumers == 1 and all(v in kept and v not in again for v in join.inputs):
                again[join.output] = self.work[join]
        return again

    def _place(self, values):
        """Numbers for the places of the work area: values of one form that do not live at once share one."""
        self.places, order = {}, {o: k for k, o in enumerate(self.operations)}
        last = {v: max(order[o] for o in self.operations if v in o.inputs) for v in values}
        taken = {}
        for value in values:
            form, begin = (value.channels, value.size, value.extent, value.border), order[value.producer]
            ends = taken.setdefault(form, [])
            place = next((k for k, end in enumerate(ends) if end < begin), len(ends))
            ends[place : place + 1] = [last[value]]
            self.places[value] = place

    def forward(self, x, threads):
        """(y, frame): the frame holds all that backward needs."""
        frame = _take(self.free["forward"], lambda: ForwardFrame(self))
        frame.arrays[self.input] = x
        if self.filters:
            frame.filters, frame.prepared = self.filters, True
        for affine, state in frame.states.items():
            if not affine.over_batch:
                state.fix()
        self._run(self.phases, frame, threads, self._whole_forward)
        self.runs[0] += 1
        if self.frozen:
            self.filters = frame.filters
        return frame.arrays[self.output], frame

    def track(self, frame, lock):
        """Move the running statistics."""
        with lock:
            for affine, state in frame.states.items():
                if affine.over_batch:
                    affine.track(state)

    def release(self, frame):
        frame.clear()
        self.free["forward"].append(frame)

    def backward(self, dy, forward, threads, lock):
        frame = _take(self.free["backward"], lambda: BackwardFrame(self))
        try:
            frame.begin(forward, lock)
            frame.arrays[self.output] = dy
            self._run(self.backward_phases, frame, threads, self._whole_backward)
            self.runs[1] += 1
            return frame.arrays.get(self.input)
        finally:
            frame.clear()
            self.free["backward"].append(frame)

    def _run(self, phases, frame, threads, whole):
        seats = [_take(self.free["seats"], lambda: Workspace(self.dtype)) for _ in range(threads)]
        seats[0].crew = seats if len(self.units) == 1 else None
        try:
            for kind, group in itertools.groupby(phases, type):
                with blas.one_thread() if kind is Phase else nullcontext():
                    for phase in group:
                        if kind is Phase:
                            self._run_phase(phase, frame, seats)
                        else:
                            with inside(phase.operation.path):
                                whole(phase.operation, frame)
        finally:
            seats[0].crew = None
            self.free["seats"].extend(seats)

    def _run_phase(self, phase, frame, seats):
        _share(phase.prepare, frame, seats)
        TEAM.run(partial(_pass, phase, frame), self.units, seats)
        _share(phase.finish, frame, seats)

    def _whole_forward(self, operation, frame):
        (x,), y = operation.inputs, operation.output
        if self.mode == "infer":
            frame.arrays[y] = operation.layer(frame.arrays[x])
        else:
            frame.arrays[y], frame.caches[operation] = operation.layer.forward(frame.arrays[x], self.mode == "train")
        _require(operation, frame.arrays[y], (self.images, *y.shape))

    def _whole_backward(self, operation, frame):
        (x,), y = operation.inputs, operation.output
        with frame.lock:
            dx = operation.layer.backward(frame.arrays.pop(y), frame.forward.caches[operation])
        frame.arrays[x] = frame.arrays[x] + dx if x in frame.arrays else dx


def is_little(operations, shape):
    """Whether two threads do a batch sooner as one chunk, whose products they share, than as two.

    Few pixels are done before two threads agree; and the rows that a number of the filters meets, their pixels, must
    be many, or the time goes into reading the filters, once for each chunk.
    """
    convs = [(math.prod(o.output.size), o.layer.weight.data.size) for o in operations if o.kind == "conv"]
    rows = shape[0] * sum(p * w for p, w in convs) / max(1, sum(w for _, w in convs))
    return shape[0] * math.prod(shape[2:]) <= PIXELS or rows <= ROWS


def chunk_sizes(images, little):
    """Images of each chunk: about equal, at least two chunks unless the batch is little; whatever the threads."""
    chunks = max(min(1 if little else 2, images), math.ceil(images / CHUNK))
    return [len(part) for part in np.array_split(range(images), chunks)]


def _require(operation, array, shape):
    """A layer of the user may give other shapes on other days."""
    if getattr(array, "shape", None) != shape:
        found = getattr(array, "shape", type(array).__name__)
        raise Unsuited(f"{operation.path} gives {found} here, and {shape[1:]} for one image of zeros")


def _share(tasks, frame, seats):
    """Do what belongs to all chunks: by several threads where large filters were cut into parts."""
    if len(tasks) > FEW:
        TEAM.run(lambda task, _: task[0](frame, task[1]), tasks, seats)
    else:
        for task, argument in tasks:
            task(frame, argument)


def _pass(phase, frame, unit, seat):
    """Take the chunks of one unit through a phase, and note the time of each step."""
    spent = seat.spent.setdefault(phase, [0.0] * len(phase.steps))
    for i in unit:
        for k, step in enumerate(phase.steps):
            began = time.perf_counter()
            step(frame, i, seat)
            spent[k] += time.perf_counter() - began


def _measure(affine, value):
    def measure(frame, i, workspace):
        chunk = frame.chunk(value, i, workspace)
        frame.states[affine].measure(i, chunk, frame.blocks(value.size, chunk), workspace)

    return measure


def _fix(frame, affine):
    frame.states[affine].fix()


def _take(free, make):
    try:
        return free.pop()
    except IndexError:
        return make()
