"""Weights from files of PyTorch, safetensors and minires, without PyTorch, and without running what is in them."""

from .layout import Layout
from .load import build_with_weights, load_weights
from .names import LAYOUTS, layouts_of
from .open import read_weights
from .pretrained import Record, pretrained
from .save import save_weights
from .start import Start, start_from
from .search import Origin

__all__ = [
    "LAYOUTS",
    "Layout",
    "Origin",
    "Record",
    "Start",
    "build_with_weights",
    "layouts_of",
    "load_weights",
    "pretrained",
    "read_weights",
    "save_weights",
    "start_from",
]
