"""PyTorch's files of weights, in both of its formats, read without PyTorch.

Since 1.6 a file is a zip archive: ``NAME/data.pkl`` and one member ``NAME/data/KEY`` for each storage. Before, five
pickles - magic number, version, facts on the machine, the value, the keys of the storages - and then each storage, its
length in front of it.
"""

import struct

from ..files.stored import Storage, StoredTensor, itemsize
from ..files.zip import read_directory
from .torch_pickle import TorchPickle

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
ONLY_STATE = "save the weights alone: torch.save(model.state_dict(), path)"
# Where training scripts put the state_dict inside what they save
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "weights", "params")


def read_zip(path, data):
    """{name: StoredTensor} of the state_dict in a zip archive. Raises ValueError, TypeError or DataFileError."""
    members = read_directory(data)
    root = next((name.removesuffix("/data.pkl") for name in members if name.endswith("/data.pkl")), None)
    if root is None:
        raise ValueError("the archive has no member data.pkl, so it is none of PyTorch's")
    if f"{root}/constants.pkl" in members:
        raise ValueError(f"the archive is a TorchScript programme: {ONLY_STATE}")

    def bytes_of(name):
        if name not in members:
            raise ValueError(f"the archive has no member {name[:80]!r}")
        start, length, _ = members[name]
        return memoryview(data)[start : start + length]

    if f"{root}/byteorder" in members and bytes_of(f"{root}/byteorder")[:16] != b"little":
        raise ValueError("the numbers are big-endian, expected little-endian: save the file on another machine")

    def storage_of(key, dtype, count):
        name = f"{root}/data/{key}"
        storage = Storage(dtype, count, bytes_of(name), members[name].crc)
        if len(storage.data) != storage.size:
            raise ValueError(f"storage {key!r} has {len(storage.data)} bytes, expected {count} of {dtype}")
        return storage

    pickle = Storage("uint8", 0, bytes_of(f"{root}/data.pkl"), members[f"{root}/data.pkl"].crc)
    value, length = TorchPickle(path, storage_of).read(pickle.data)
    if length != len(pickle.data):
        raise ValueError(f"the pickle has {len(pickle.data)} bytes, but ends at byte {length}")
    pickle.check()
    return state_dict(value)


def read_legacy(path, data):
    """{name: StoredTensor} of the state_dict in a file of the older format. Raises as :func:`read_zip`."""
    plain, position = TorchPickle(path), 0

    def following(pickle):
        nonlocal position
        value, length = pickle.read(memoryview(data)[position:])
        position += length
        return value

    for name, expected in (("magic number", MAGIC), ("version", VERSION)):
        found = following(plain)
        if type(found) is not int or found != expected:
            raise ValueError(f"its {name} is not {expected}, so it is no file of torch.save: {ONLY_STATE}")
    facts = following(plain)
    if not isinstance(facts, dict) or facts.get("little_endian") is not True:
        raise ValueError("the numbers are not little-endian: save the file on another machine")
    pickle = TorchPickle(path, lambda key, dtype, count: Storage(dtype, count))
    value, keys = following(pickle), following(plain)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError("the keys of the storages are no list of texts")
    if len(set(keys)) != len(keys) or set(keys) != pickle.storages.keys():
        raise ValueError("the keys of the storages are not those of the tensors")
    for key in keys:
        position = _fill(pickle.storages[key], key, data, position)
    if position != len(data):
        raise ValueError(f"{len(data) - position} bytes follow the last storage")
    return state_dict(value)


def _fill(storage, key, data, position):
    """Give a storage its bytes, which stand behind its length at ``position``; return where they end."""
    head = data[position : position + 8]
    count = struct.unpack("<q", head)[0] if len(head) == 8 else None
    if count != storage.count:
        raise ValueError(f"storage {key[:64]!r} has {count} numbers, expected {storage.count}")
    start, end = position + 8, position + 8 + count * itemsize(storage.dtype)
    if end > len(data):
        raise ValueError(f"the file ends in storage {key[:64]!r}: {len(data)} bytes, expected {end}")
    storage.data = memoryview(data)[start:end]
    return end


def state_dict(value):
    """The dict of tensors in what was saved: the value itself, or an entry such as "state_dict" of a dict."""
    for _ in WRAPPERS:
        if not isinstance(value, dict):
            raise ValueError(f"it holds a {type(value).__name__}, expected a dict of tensors: {ONLY_STATE}")
        inner = next((value[key] for key in WRAPPERS if isinstance(value.get(key), dict)), None)
        if inner is None:
            break
        value = inner
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, StoredTensor):
            kind = type(tensor).__name__
            raise ValueError(f"its entry {str(name)[:80]!r} is a {kind}, expected a tensor: {ONLY_STATE}")
    if not value:
        raise ValueError(f"it holds no tensors: {ONLY_STATE}")
    return dict(value)
