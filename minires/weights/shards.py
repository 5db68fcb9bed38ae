"""Weights in several files: the index that says which tensor is in which, and the folder that holds them.

Source: the naming of Hugging Face's transformers, ``model.safetensors.index.json`` beside
``model-00001-of-00002.safetensors``.
"""

import json
import os
import re

MAX_INDEX = 2**24  # bytes; 60 for each tensor
MAX_SHARDS = 1000
ENDS = (".index.json",), (".safetensors",), (".bin", ".pth", ".pt", ".th", ".npz")


def find_file(path):
    """``path``, or what a folder holds: an index, or else the only file of weights. Raises ValueError."""
    path = os.path.expanduser(path)
    if not os.path.isdir(path):
        return path
    names = sorted(os.listdir(path))
    for ends in ENDS:
        found = [name for name in names if name.endswith(ends)]
        if len(found) > 1:
            raise ValueError(f"it is a folder with {', '.join(found[:5])}, expected one of them: name it")
        if found:
            return os.path.join(path, found[0])
    raise ValueError("it is a folder without weights, expected a file of weights: check the path")


def is_index(data):
    """Whether a file is JSON; a safetensors file may begin alike, with the length of its header."""
    return data[:1] == b"{" and data[8:9] != b"{"


def read_index(data):
    """{name of a file beside the index: names of its tensors}. Raises ValueError."""
    if len(data) > MAX_INDEX:
        raise ValueError(f"it is JSON of {len(data)} bytes, expected an index of shards of at most {MAX_INDEX}")
    try:
        index = json.loads(bytes(data))
    except RecursionError:
        raise ValueError("it is JSON that is nested too deep") from None
    places = index.get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ValueError("it is JSON without a weight_map, expected weights, or the index of their shards")
    shards = {}
    for name, file in places.items():
        if not isinstance(file, str) or not re.fullmatch(r"[\w.-]{1,255}", file) or file.startswith("."):
            raise ValueError(f"the shard of {name[:80]!r} is {str(file)[:80]!r}, expected the name of a file beside it")
        shards.setdefault(file, []).append(name)
    if len(shards) > MAX_SHARDS:
        raise ValueError(f"it names {len(shards)} shards, expected at most {MAX_SHARDS}")
    return shards


def is_shard(path):
    """Whether a file is called as one of several."""
    return re.search(r"-\d+-of-(?!0*1\b)\d+", os.path.basename(path)) is not None
