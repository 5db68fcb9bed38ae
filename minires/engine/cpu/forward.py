"""The forward of a plan in phases, and where its values lie.

Within a phase each chunk goes through all of its steps alone, on whatever thread takes it; between phases every thread
waits. A new phase begins only where a step needs something of every chunk: the statistics of a batch norm, or a layer
that works on whole arrays. One pass over a basic block is

    [normalise, ReLU, convolve, measure]  |  [normalise, ReLU, convolve, measure]  |  [normalise, add, ReLU, ...

so what a step leaves in the cache of its core the next one finds there. In inference there are no statistics, and
the whole network is one phase.
"""

from functools import partial

from ..lifetimes import share
from ..operations import Convolution, Foreign, Join, Load, Store
from .affine import fix
from .cut import Cut, Rooms
from .memory import Overlay, is_clean, surround
from .phases import Phase, Whole
from .steps import STEPS
from .steps.transfer import give_out, take_in


class ForwardPlan:
    """``steps``: {operation: what computes it chunk by chunk}   ``kept``: values with memory of their own, of the whole
    batch   ``overlay``: where those lie that another phase reads, and no backward   ``places``: those that live within
    one phase only, each with its place in the work area

    ``filters``: numbers of the memory of filters, which phases share   frozen: these are made once, in the first run
    """

    def __init__(self, plan, frozen=False):
        self.plan, self.frozen = plan, frozen
        self.cut, self.rooms = Cut(plan), Rooms()
        self.steps = {o: STEPS[type(o)](o, self) for o in plan.operations if not isinstance(o, Foreign)}
        self.phases, self.filters, self._born, self._died = [], 0, {}, {}
        self._measured = {}  # the maps over the batch, by what they are of
        for join in plan.operations:
            for affine in join.maps if isinstance(join, Join) else ():
                if affine.over_batch:
                    self._measured.setdefault(affine.y, []).append((affine, join))
        phase = None
        for operation in plan.operations:
            phase = self._add(operation, phase)
        self._lay_out()

    def _add(self, operation, phase):
        """The operation in ``phase`` or in a new one; the phase that the next may join."""
        if isinstance(operation, Foreign):
            self.phases.append(Whole(operation, self.plan.images))
            return None
        step = self.steps[operation]
        if phase is None or isinstance(operation, Join) and phase.pending.intersection(operation.maps):
            # phases share the memory of their filters, unless these are kept
            phase = Phase(self.filters if self.frozen else 0)
            self.phases.append(phase)
        if isinstance(operation, Convolution):
            phase.prepare.append(step.prepare)
            step.begin = phase.filters
            phase.filters += step.numbers
            self.filters = max(self.filters, phase.filters)
        elif isinstance(operation, Load):
            phase.prepare.append(partial(take_in, array=operation.x))
        elif isinstance(operation, Store):
            phase.finish.append(partial(give_out, array=operation.y))
        phase.add(step.forward, operation)
        for value in operation.inputs:
            self._died[value] = len(self.phases)
        self._born[operation.y] = len(self.phases)
        for affine, join in self._measured.get(operation.y, ()):
            phase.add(_Measure(affine), join)
            phase.finish.append(partial(fix, affine=affine))
            phase.pending.add(affine)
        return phase

    def _lay_out(self):
        """Memory for what backward or another phase reads; places of the work area for the rest."""
        order = {o: k for k, o in enumerate(self.plan.operations)}
        last = {v: order[o] for o in self.plan.operations for v in o.inputs}
        made = {o.y: o for o in self.steps if not isinstance(o, Store)}
        kept = self.plan.saved - self.plan.again.keys()
        self.kept = [v for v in made if v in kept]
        rest = {v: o for v, o in made.items() if v not in kept}
        spans = {v: (self.rooms.form(v), order[o], last.get(v, order[o])) for v, o in rest.items()}
        passing = {v: span for v, span in spans.items() if self._died.get(v) != self._born[v]}
        self.overlay = Overlay(passing, self.cut.sizes)
        self.places = self._places({v: span for v, span in spans.items() if v not in passing})
        self.places |= {v: "again" for v in passing if v in self.plan.again}
        for v, (form, *_) in spans.items():
            if form[3] and (v in passing or not self._stays_clean(form)):
                self.phases[self._born[v] - 1].add(_Surround(v), made[v], before=made[v])

    def _stays_clean(self, form):
        return is_clean(form, max(self.cut.sizes))

    def _places(self, spans):
        """{value: place}; spans: {value: (form, where it is made, its last use)}

        Clean chunks share places with those of their form, others with any. What a join adds first is written over.
        """
        hosts, until = {}, {}
        for operation in self.plan.operations:
            v, y = _overwritten(operation), operation.y
            if v in spans and y in spans and spans[v][0] == spans[y][0] and spans[v][2] == spans[y][1]:
                hosts[y] = hosts.get(v, v)
                until[hosts[y]] = spans[y][2]
        places = share(
            (v, self._stays_clean(form) and form, first, until.get(v, last))
            for v, (form, first, last) in spans.items()
            if v not in hosts
        )
        return places | {y: places[host] for y, host in hosts.items()}


def _overwritten(operation):
    """The value whose place the sum of a join may take: that which its step adds first, if only once."""
    terms = operation.terms if isinstance(operation, Join) else ()
    first = next((t.value for t in terms if t.affine is not None), None)
    return first if sum(t.value == first for t in terms) == 1 else None


class _Surround:
    """Zeros around a value, in memory that others had before."""

    def __init__(self, value):
        self.value = value

    def __call__(self, frame, i, workspace):
        surround(frame.chunk(self.value, i, workspace), workspace)


class _Measure:
    """The sums of one chunk for one map."""

    def __init__(self, affine):
        self.affine = affine

    def __call__(self, frame, i, workspace):
        chunk = frame.chunk(self.affine.y, i, workspace)
        frame.states[self.affine].measure(i, chunk, frame.bands(chunk), workspace)
