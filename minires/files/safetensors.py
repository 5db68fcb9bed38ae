"""Safetensors files: the length of a header in 8 bytes, the header in JSON, the numbers.

Source: the format's README at github.com/huggingface/safetensors. Read and written here, and not with its library: that
lacks types that NumPy lacks, reads the numbers before they are known to fit, and writes wrong ones where an array has
another memory layout or byte order.
"""

import json
import math
import mmap
from collections.abc import Mapping
from typing import Any

from ..backend import Array, to_numpy
from ..errors import CheckpointError
from .seal import ZEROS, check_seal, header_size, seal
from .stored import Storage, StoredTensor, itemsize, require_sizes
from .whole import StrPath, write_atomically

NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
}
CODES = {dtype: code for code, dtype in NAMES.items() if dtype != "bfloat16"}  # what NumPy has, and so can be written
MAX_HEADER = 2**24  # bytes; resnet1202 has 0.9 million, and three times that with the state of AdamW
WRITER = "writer"


def read_safetensors(
    path: StrPath, data: bytes | memoryview | mmap.mmap
) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """({name: StoredTensor}, {name: text}). Raises ValueError or TypeError, CheckpointError where a checksum fails."""
    size = header_size(data)
    if not 2 <= size <= min(MAX_HEADER, len(data) - 8):
        raise ValueError(
            f"its header has {size} bytes, expected 2 to {MAX_HEADER} of {len(data)}: is it a file of weights?"
        )
    try:
        header = json.loads(bytes(data[8 : 8 + size]).decode("utf-8"), object_pairs_hook=_without_repetition)
    except RecursionError:
        raise ValueError("its header is nested too deep") from None
    if not isinstance(header, dict):
        raise ValueError(f"its header is a {type(header).__name__}, expected an object")
    texts = header.pop("__metadata__", {})
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("its __metadata__ is no object of texts")
    if texts.get(WRITER) == "minires" or texts.get("format", "").startswith("minires "):
        check_seal(path, data)
    return _tensors(header, memoryview(data)[8 + size :]), texts


def write_safetensors(path: StrPath, arrays: Mapping[str, Array], texts: Mapping[str, str]) -> None:
    """Write ``{name: array}`` and ``{name: text}`` with a checksum; the file is whole or as it was.

    Arrays may live on any device and have any memory layout and byte order. Raises
    :class:`~minires.errors.CheckpointError` for a type that the format or NumPy lacks, and where the disk fails.
    """
    header: dict[str, Any] = {"__metadata__": {**texts, WRITER: "minires", "sha256": ZEROS.decode()}}
    for name, array in arrays.items():
        if array.dtype.name not in CODES:
            raise CheckpointError(
                f"{path} cannot hold {name} of dtype {array.dtype}, expected one of {', '.join(CODES)}: "
                "convert the model with model.to(dtype=...)"
            )
        header[name] = {"dtype": CODES[array.dtype.name], "shape": list(array.shape)}
    parts, position = [], 0
    for name in sorted(arrays, key=lambda name: -arrays[name].dtype.itemsize):  # each begins at a multiple of its size
        array = to_numpy(arrays[name])
        parts.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        header[name]["data_offsets"] = [position, position + len(parts[-1])]
        position += len(parts[-1])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # numbers begin at a multiple of 8
    if len(text) > MAX_HEADER:
        raise CheckpointError(
            f"{path} cannot hold {len(arrays)} tensors: its header has {len(text)} bytes, expected at most {MAX_HEADER}"
            ": choose a network with fewer layers, or shorter names"
        )
    write_atomically(path, seal(b"".join([len(text).to_bytes(8, "little"), text, *parts])))


def _without_repetition(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("its header names something twice")
    return result


def _tensors(header, data):
    """Every byte of ``data`` belongs to exactly one tensor."""
    tensors, ranges = {}, []
    for name, entry in header.items():
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"the entry of {name[:80]!r} has not dtype, shape and data_offsets")
        code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(code, str) or code not in NAMES:
            raise ValueError(f"{name[:80]!r} has the type {str(code)[:20]!r}, expected one of {', '.join(NAMES)}")
        if not isinstance(shape, list) or not isinstance(offsets, list) or len(offsets) != 2:
            raise ValueError(f"{name[:80]!r} has no list of sizes or of two offsets")
        shape = require_sizes(f"shape of {name[:80]!r}", tuple(shape))
        start, end = require_sizes(f"offsets of {name[:80]!r}", tuple(offsets))
        count = math.prod(shape)
        if end > len(data) or end - start != count * itemsize(NAMES[code]):
            raise ValueError(f"{name[:80]!r} has the bytes {start} to {end} of {len(data)}, expected {count} of {code}")
        ranges.append((start, end))
        tensors[name] = StoredTensor.checked(Storage(NAMES[code], count, data[start:end]), 0, shape)
    position = 0
    for start, end in sorted(ranges):
        if start != position:
            raise ValueError(f"bytes {min(start, position)} to {max(start, position)} belong to two tensors or to none")
        position = end
    if position != len(data):
        raise ValueError(f"{len(data) - position} bytes follow the last tensor")
    return tensors
