"""Bytes on disk: written whole, read within bounds, and the formats that more than one room reads."""

from .html import self_contained
from .picture import new_figure, png, svg
from .safetensors import read_safetensors, write_safetensors
from .stored import Storage, StoredTensor
from .tar import read_members
from .whole import StrPath, check_folder, make_folder, write_atomically

__all__ = [
    "Storage",
    "StoredTensor",
    "StrPath",
    "check_folder",
    "make_folder",
    "new_figure",
    "png",
    "read_members",
    "read_safetensors",
    "self_contained",
    "svg",
    "write_atomically",
    "write_safetensors",
]
