"""The operations on chunks, each with its backward: what the layers do, in the layout of the engine.

    forward(frame, i, workspace)              computes chunk i of the output
    backward(frame, i, dy, dxs, workspace)    writes the gradients of the inputs that are asked for
    keeps()                                   the values that backward reads

The backward of joins and convolutions, which is worth planning, stands in :mod:`minires.engine.cpu.backward`.
"""

from .convolution import Convolution
from .forks import Concat, Entrywise, Excite, Gate
from .join import Join
from .pool import AvgPool, MaxPool, Mean
from .transfer import Load, Store

OPERATIONS = {
    "avgpool": AvgPool,
    "concat": Concat,
    "conv": Convolution,
    "entrywise": Entrywise,
    "excite": Excite,
    "gate": Gate,
    "join": Join,
    "load": Load,
    "maxpool": MaxPool,
    "mean": Mean,
    "store": Store,
}

__all__ = ["OPERATIONS", "Convolution", "Join", "Load", "Store"]
