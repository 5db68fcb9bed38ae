"""Safetensors files: the length of a header in 8 bytes, the header in JSON, the numbers.

Source: the format's README at github.com/huggingface/safetensors. Read here, and not with its library, so that types
that NumPy lacks and nothing but the header is read before it is known to fit.
"""

import json
import math

import numpy as np

from .stored import DTYPES, Storage, StoredTensor, itemsize, require_sizes
from .whole import ZEROS, check_seal, header_size, seal, write_atomically

NAMES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}
MAX_HEADER = 2**23  # bytes; resnet1202 has 0.9 million
WRITER = "writer"


def read_safetensors(path, data):
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


def write_safetensors(path, arrays, texts):
    """Write ``{name: array}`` in C order and native types, with a checksum; the file is whole or not there."""
    header, parts, position = {"__metadata__": {**texts, WRITER: "minires", "sha256": ZEROS.decode()}}, [], 0
    codes = {dtype: code for code, dtype in NAMES.items()}
    for name, array in arrays.items():
        dtype = array.dtype.name
        values = np.ascontiguousarray(array, dtype="|b1" if dtype == "bool" else DTYPES[dtype])
        offsets = [position, position + values.nbytes]
        header[name] = {"dtype": codes[dtype], "shape": list(array.shape), "data_offsets": offsets}
        parts.append(values.tobytes())
        position += values.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # numbers begin at a multiple of 8
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
            raise ValueError(f"{name[:80]!r} has an unknown type, expected one of {', '.join(NAMES)}")
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
