"""Bytes on disk: written whole, read within bounds, and the formats that more than one room reads."""

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
    "read_members",
    "read_safetensors",
    "write_atomically",
    "write_safetensors",
]
