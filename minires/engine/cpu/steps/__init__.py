"""The operations on chunks, each with its backward: what the layers do, in the layout of the CPU.

    forward(frame, i, workspace)              computes chunk i of the output
    backward(frame, i, dy, dxs, workspace)    writes the gradients of the inputs that are asked for

Joins and convolutions, whose backward is worth planning, have a step of their own for it.
"""

from ... import operations as op
from .convolution import ConvolutionGradient, ConvolutionStep
from .forks import ConcatStep, EntrywiseStep, ExciteStep, GateStep
from .join import JoinGradient, JoinStep
from .pool import AvgPoolStep, MaxPoolStep, MeanStep
from .transfer import LoadStep, StoreStep

STEPS = {
    op.Load: LoadStep,
    op.Store: StoreStep,
    op.Convolution: ConvolutionStep,
    op.Join: JoinStep,
    op.MaxPool: MaxPoolStep,
    op.AvgPool: AvgPoolStep,
    op.Mean: MeanStep,
    op.Entrywise: EntrywiseStep,
    op.Concat: ConcatStep,
    op.Excite: ExciteStep,
    op.Gate: GateStep,
}

__all__ = ["STEPS", "ConvolutionGradient", "JoinGradient"]
