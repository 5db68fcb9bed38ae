"""The engine: ``compile(model)`` computes the same function as the model, much faster.

The layers are the definition, readable as their equations; the engine is their twin for speed, and every kernel of it
is tested against them. What it does not recognise runs through the layer's own forward and backward.

    compiled    the layer that ``compile`` returns   unchanged   whether the model is still the one that was read
    reader      the tree of layers as operations, by ``rules``
    plan        records that know no device: operations on values (operations, values, affine, geometry), their adjoint
                (adjoint, gradients), and how long numbers live (lifetimes)   describe   the plan as a table
    devices     who runs a plan   cpu    chunks, phases, threads, work areas, and kernels in NumPy
                                  cuda   launches, an arena, and kernels in CUDA
"""

from .compiled import Compiled, compile
from .quota import cores, processor

__all__ = ["Compiled", "compile", "cores", "processor"]
