"""The engine: ``compile(model)`` computes the same function as the model, much faster.

The layers are the definition, readable as their equations; the engine is their twin for speed, and every kernel of it
is tested against them. What it does not recognise runs through the layer's own forward and backward.
"""

from .compiled import Compiled, compile
from .quota import cores, processor

__all__ = ["Compiled", "compile", "cores", "processor"]
