"""Whole steps of training on a GPU: launch by launch at first, then as one graph."""

from collections import OrderedDict

import numpy as np

from ..describe import table
from ..plan import Plan
from ..unchanged import Watch
from ..values import Unsuited
from .events import milliseconds
from .executor import algorithm
from .feed import Fed, Feed, Results
from .frame import Frame, said
from .memory import require_room
from .parameters import Parameters
from .program import settings
from .step_program import StepProgram

KEPT = 8  # shapes
AHEAD = 4  # graphs that a GPU has before it while launches are timed, longer than the host needs for these


class Steps:
    """``step(x, labels, lr)`` for a model, a SoftmaxCrossEntropy and an SGD or AdamW, see :mod:`~.step_program`.

    The first step of a shape, and each after something has moved, runs launch by launch; the next is captured as a
    graph, which later ones replay.
    """

    def __init__(self, model, loss, optimizer, xp, modules, graph):
        self.model, self.loss, self.optimizer, self.xp, self.modules = model, loss, optimizer, xp, modules
        self.graph, self.parameters, self.results, self._watch = graph, None, Results(xp), None
        self.runs = OrderedDict()

    def __call__(self, values, labels, lr, pad=None):
        """(loss, right answers) of a step. values: {name: array} as :class:`~.feed.Feed` has them

        Raises Unsuited where kernels cannot do all of it; nothing has changed then.
        """
        shape = (values["x"] if pad is None else values["images"]).shape
        run = self._run(shape, pad)
        self._check_labels(labels, run.program.plan)
        self.parameters.take()
        self.results.make_room()
        run.prepare()
        run.fed.write(lr, labels=labels, **values)
        try:
            run()
        except BaseException:
            self.results.renew()  # nobody knows how far it has come
            raise
        self.parameters.count()
        return self.results.take()

    def _run(self, shape, pad):
        """The run of a shape, made anew where the model, the loss or the optimiser have changed."""
        if self._watch is None or not self._watch.untouched(self.model):
            watch = Watch(self.model)
            if self._watch is None or not watch.same(self._watch):
                for kind, _, dtype in watch.forms:
                    if kind is not self.xp.ndarray or dtype.kind in "fc" and dtype != np.float32:
                        raise Unsuited(f"its parameters are {dtype} in a {kind.__module__}.{kind.__name__}")
                self.runs.clear()
                self.parameters = Parameters(self.xp, list(self.model.params()), self.optimizer)
            self._watch = watch
        carried = *self.parameters.settings, self.loss.label_smoothing, self.loss.ignore_index
        key = shape, pad
        run = self.runs.get(key)
        if run is None or run.carried != carried or settings(run.program.plan) != run.program.settings:
            run = self.runs[key] = self._made(shape, pad, carried)
        self.runs.move_to_end(key)
        if len(self.runs) > KEPT:
            self.runs.popitem(last=False)
        return run

    def _check_labels(self, labels, plan):
        """Labels of the host cost nothing to look at; the error is that of the loss."""
        (classes,) = plan.output.shape
        if isinstance(labels, np.ndarray) and not 0 <= labels.min() <= labels.max() < classes:
            self.loss.forward(np.zeros((len(labels), classes), np.float32), labels)

    def _made(self, shape, pad, carried):
        plan, feed = Plan(self.model, shape, np.float32, "train", False), Feed(shape, pad)
        program = StepProgram(plan, self.modules.precision, feed, self.loss, self.parameters, self.results.slots)
        self.modules.require(program.kernels())
        return _Run(self, program, Fed(self.xp, feed), carried)

    def arena(self):
        """The largest there is: steps run one after the other."""
        return max((run.frame.arena for run in self.runs.values()), key=lambda arena: arena.size, default=None)

    def describe(self):
        """The plans as tables, with how they run."""
        return [run.describe() for run in self.runs.values()]


class _Run:
    """Steps of one shape. ``carried``: the settings that its launches carry"""

    def __init__(self, owner, program, fed, carried):
        self.owner, self.program, self.fed, self.carried = owner, program, fed, carried
        xp, arena = owner.xp, owner.arena()
        if arena is None or arena.size < program.bytes:
            require_room(program, xp.cuda.Device().mem_info[0] + xp.get_default_memory_pool().free_bytes())
        self.frame = Frame(program, xp, owner.modules, {}, {}, arena)
        self.graph, self.calls, self.why = None, 0, "" if owner.graph else "graph=False"

    def prepare(self):
        """Bind the launches to where the arrays are now."""
        owner = self.owner
        self.frame.given = owner.parameters.given | self.fed.given | owner.results.given
        if self.frame.bind():
            self.graph, self.calls = None, 0

    def __call__(self):
        if self.graph is None and self.calls and not self.why:
            self._capture()
        if self.graph is None:
            self.frame.run("forward")
        else:
            with said("the step as one graph"):
                self.graph.launch()
        self.calls += 1

    def _capture(self):
        """Record the launches; none of them runs."""
        stream = self.owner.xp.cuda.Stream(non_blocking=True)
        try:
            with stream:
                stream.begin_capture()
                try:
                    self.frame.run("forward")
                finally:
                    graph = stream.end_capture()
            self.graph = graph
        except Exception as error:  # of the driver: the launches do the same one by one
            self.why = f"no graph, because none can be captured ({str(error).strip().splitlines()[0]})"

    def describe(self):
        program = self.program
        how = "one graph" if self.graph is not None else self.why or "no graph yet, the next step is captured"
        size = f"{len(self.frame.forward)} launches, {how}; an arena of {program.bytes / 1e6:.1f} MB"
        how = [f"whole steps in {program.precision}: {size}"]
        count = self.frame.given[self.owner.results.slots[-1]]
        ahead = [lambda: count.fill(0)]  # their results need room
        ahead += [self.graph.launch] * AHEAD if self.graph is not None else []
        *times, rest = milliseconds(self.frame, ahead)
        if times[0]:
            how.append(f"by events; packed weights, loss and update take {rest:.2f} ms")
        return table(program.plan, how, lambda o: algorithm(program, o), *times)
