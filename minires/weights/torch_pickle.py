"""The pickles inside PyTorch's files: which names they may mention, and what stands in for them.

Nothing of PyTorch or of the file is run: a tensor becomes a :class:`~minires.files.stored.StoredTensor`.
"""

from ..files.stored import Storage, StoredTensor
from ..files.unpickle import Global, unpickle

MAX_PICKLE = 2**26  # bytes; resnet1202 has 0.7 million
MAX_OPCODES = 1_000_000  # some thirty for each tensor
MAX_ITEMS = 1_000_000  # copied out of lists, which a pickle may name again and again
STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}
MENTIONED = (*STORAGES, "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")


class StateDict(dict):
    """An OrderedDict. The attributes that PyTorch gives it, the versions of modules, do not matter here."""

    def setstate(self, state):
        if not isinstance(state, dict):
            raise TypeError(f"the state of an OrderedDict is a {type(state).__name__}, expected a dict")


class TorchPickle:
    """Reads the pickles of one file. ``storage_of(key, dtype, count)`` gives the :class:`Storage` called ``key``."""

    def __init__(self, path, storage_of=None):
        self.path = path
        self.storage_of = storage_of
        self.storages = {}
        self.items = 0
        self.allowed = {("torch", name): None for name in MENTIONED} | {
            ("collections", "OrderedDict"): self.ordered_dict,
            ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
            ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor_v2,
            ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
            ("torch", "Size"): size,
            ("torch", "device"): device,
        }

    def read(self, data):
        """(value, length) of the pickle that ``data`` begins with. Raises DataFileError."""
        data = bytes(data[:MAX_PICKLE])
        load = None if self.storage_of is None else self.persistent_load
        return unpickle(data, self.allowed, self.path, load, MAX_OPCODES)

    def ordered_dict(self, pairs=()):
        if not isinstance(pairs, (list, tuple)):
            raise TypeError(f"an OrderedDict is made of a {type(pairs).__name__}, expected a list of pairs")
        self.items += len(pairs)
        if self.items > MAX_ITEMS:
            raise ValueError(f"more than {MAX_ITEMS} items are copied")
        result = StateDict()
        for pair in pairs:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not isinstance(pair[0], str):
                raise TypeError("an item of an OrderedDict is not a pair of a name and a value")
            result[pair[0]] = pair[1]
        return result

    def persistent_load(self, identity):
        """("storage", type, key, place, count), and in the older format None for what was once a view."""
        if not isinstance(identity, tuple) or len(identity) not in (5, 6) or not is_text(identity[0], "storage"):
            raise ValueError("it refers to something that is no storage: was a whole model saved, not its state_dict?")
        _, kind, key, place, count, *view = identity
        if view not in ([], [None]):
            raise ValueError("it has storages that are views of others, as PyTorch before 0.4 wrote them")
        if not isinstance(kind, Global) or kind.name not in STORAGES:
            raise TypeError("the type of a storage is not one of torch")
        if not isinstance(key, str) or len(key) > 64 or not isinstance(place, str):
            raise TypeError("the key or the place of a storage is no text")
        if type(count) is not int or not 0 <= count < 2**48:
            raise ValueError("the length of a storage is not a number from 0 to 2^48")
        dtype = STORAGES[kind.name]
        if key not in self.storages:
            self.storages[key] = self.storage_of(key, dtype, count)
        storage = self.storages[key]
        if (storage.dtype, storage.count) != (dtype, count):
            raise ValueError(f"storage {key!r} is named with two types or lengths")
        return storage


def rebuild_tensor(storage, offset, shape, strides):
    """torch._utils._rebuild_tensor: PyTorch 0.3 and older."""
    if not isinstance(storage, Storage):
        raise TypeError(f"a tensor is made of a {type(storage).__name__}, expected a storage")
    return StoredTensor.checked(storage, offset, shape, strides)


def rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks, metadata=None):
    """torch._utils._rebuild_tensor_v2."""
    return rebuild_tensor(storage, offset, shape, strides)


def rebuild_parameter(tensor, requires_grad, hooks):
    """torch._utils._rebuild_parameter."""
    if not isinstance(tensor, StoredTensor):
        raise TypeError(f"a parameter is made of a {type(tensor).__name__}, expected a tensor")
    return tensor


def size(sizes):
    """torch.Size."""
    if not isinstance(sizes, tuple):
        raise TypeError(f"a torch.Size is made of a {type(sizes).__name__}, expected a tuple")
    return sizes


def device(*_):
    """torch.device: where a tensor lay does not matter."""
    return None


def is_text(value, text):
    return isinstance(value, str) and value == text
