"""The parts of a plan."""


class Phase:
    """Steps that each chunk goes through alone, what must be ready before, and what is done with all chunks after.

    ``pending``: the affine maps whose sums are complete only behind this phase
    """

    def __init__(self):
        self.prepare, self.steps, self.finish, self.pending = [], [], [], set()
        self.convolves = False


class Whole:
    """A layer of the definition, on whole arrays."""

    def __init__(self, operation):
        self.operation = operation
