"""The parts of a plan."""


class Phase:
    """Steps that each chunk goes through alone, with what must be ready before and what is done with all chunks after.

    steps: functions of (frame, i, workspace)   prepare, finish: (function, argument) for function(frame, argument),
    in any order   pending: the affine maps whose sums are complete only behind this phase   owners: the operation of
    each step
    """

    def __init__(self):
        self.prepare, self.steps, self.finish, self.pending = [], [], [], set()
        self.owners = []
        self.convolves = False

    def add(self, step, owner):
        self.steps.append(step)
        self.owners.append(owner)


class Whole:
    """A layer of the definition, on whole arrays."""

    def __init__(self, operation):
        self.operation = operation
