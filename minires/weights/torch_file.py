"""PyTorch's files of weights, in both of its formats, read without PyTorch.

Since 1.6 a file is a zip archive: ``NAME/data.pkl`` and one member ``NAME/data/KEY`` for each storage. Before, five
pickles - magic number, version, facts on the machine, the value, the keys of the storages - and then each storage, its
length in front of it.
"""

import struct

from ..errors import DataFileError
from ..files.pickle_machine import Inert
from ..files.stored import FLOATS, Storage, StoredTensor, itemsize
from .torch_pickle import TorchPickle

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
ONLY_STATE = "save the weights alone: torch.save(model.state_dict(), path)"
MAX_TENSORS = 100_000  # in all
MAX_DEPTH = 2  # of dicts in dicts: {"model": {"state_dict": ...}}
MAX_LENGTH = 100  # of lists that are looked into
MAX_PLACES = 2000  # of dicts and lists that are looked into


def read_zip(path, data, members):
    """{entry: {name: StoredTensor}} of a zip archive with ``members``: see :func:`entries_of`. Raises ValueError."""
    root = next((name.removesuffix("/data.pkl") for name in members if name.endswith("/data.pkl")), None)
    if root is None:
        raise ValueError("the archive has no member data.pkl, and is none of PyTorch's: unpack it, give what is in it")
    if f"{root}/constants.pkl" in members:
        raise ValueError(f"the archive is a TorchScript programme: {ONLY_STATE}")

    def bytes_of(name):
        if name not in members:
            raise ValueError(f"the archive has no member {name[:80]!r}")
        start, length, *_, deflated = members[name]
        if deflated:
            raise ValueError(f"member {name[:80]!r} is compressed; PyTorch stores its members as they are")
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
    pickle.read()
    return entries_of(value)


def read_legacy(path, data):
    """{entry: {name: StoredTensor}} of a file of the older format. Raises ValueError, TypeError or DataFileError."""
    plain, position = TorchPickle(path), 0

    def following(pickle):
        nonlocal position
        value, length = pickle.read(memoryview(data)[position:])
        position += length
        return value

    for name, expected in (("magic number", MAGIC), ("version", VERSION)):
        try:
            found = following(plain)
        except DataFileError as error:
            reason = str(error).removeprefix(f"{path}: ")
            raise ValueError(f"torch.save did not write it; arrays are to be saved by numpy.savez: {reason}") from error
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
    return entries_of(value)


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


def entries_of(value):
    """{"model.state_dict": {name: StoredTensor}}: all that is a dict of tensors in what was saved, "" for the whole.

    What else such a dict holds is passed over, and dicts without an array of floats where others have one.
    """
    if not isinstance(value, (dict, list, tuple)):
        raise ValueError(f"it holds a {type(value).__name__}, expected a dict of tensors: {ONLY_STATE}")
    found, places, known = {}, [("", value, ())], {}  # place: path, container, ids of those around it
    for path, container, around in places:
        if id(container) not in known:  # a pickle may name the same again and again
            known[id(container)] = _contents(container)
        tensors, inner = known[id(container)]
        if tensors:
            found[path] = tensors
        if sum(map(len, found.values())) > MAX_TENSORS:
            raise ValueError(f"it holds more than {MAX_TENSORS} tensors")
        if len(around) < MAX_DEPTH:
            around = (*around, id(container))
            more = [(f"{path}.{key}".lstrip("."), item, around) for key, item in inner if id(item) not in around]
            places += more[: max(0, MAX_PLACES - len(places))]
    if not found:
        kind = f"a whole {value.name}" if isinstance(value, Inert) else "no dict of tensors"
        raise ValueError(f"it holds {kind}: {ONLY_STATE}")
    with_arrays = {
        path: tensors for path, tensors in found.items() if any(t.dtype in FLOATS and t.shape for t in tensors.values())
    }
    return with_arrays or found


def _contents(container):
    """({name: StoredTensor}, [(name, container in it)]), each at most as many as may be looked into."""
    if isinstance(container, dict):
        items = [(key, item) for key, item in container.items() if isinstance(key, str)]
    else:
        items = [(str(i), item) for i, item in enumerate(container[:MAX_LENGTH])]
    tensors = {key: item for key, item in items if isinstance(item, StoredTensor) and isinstance(container, dict)}
    return tensors, [(key, item) for key, item in items if isinstance(item, (dict, list, tuple))][:MAX_PLACES]
