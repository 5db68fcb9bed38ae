"""The pickles inside PyTorch's files: which names they may mention, and what stands in for them.

Nothing of PyTorch or of the file is run: a tensor becomes a :class:`~minires.files.stored.StoredTensor`, and what a
training script leaves beside the weights, such as its arguments, an inert mark.
"""

from ..files.pickle_machine import Global, Inert
from ..files.stored import Storage, StoredTensor
from ..files.unpickle import unpickle

MAX_PICKLE = 2**26  # bytes; resnet1202 has 0.7 million
MAX_OPCODES = 1_000_000  # some thirty for each tensor
MAX_ITEMS = 1_000_000  # copied out of lists, which a pickle may name again and again
STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "int8",
    "QUInt8Storage": "uint8",
    "QInt32Storage": "int32",
    "QUInt4x2Storage": "uint8",
    "QUInt2x4Storage": "uint8",
    "UntypedStorage": "uint8",
}
# Modules and functions that reach beyond the file, by the first parts of their names. A mark is as inert for them as
# for any other; but no training leaves them beside weights, so that a file with one of them is hostile, and told so.
# Of names that a project may have for a module of its own (code, trace) the functions of Python's are listed.
FORBIDDEN = frozenset(
    "os posix nt posixpath ntpath subprocess _posixsubprocess sys importlib imp runpy pkgutil pty webbrowser socket "
    "_socket urllib urllib2 ftplib smtplib shutil tempfile ctypes _ctypes cffi codeop timeit cProfile pdb bdb doctest "
    "pydoc ensurepip idlelib lib2to3 marshal shelve signal asyncio multiprocessing.util logging.config code.interact "
    "code.InteractiveInterpreter code.InteractiveConsole profile.run profile.runctx trace.Trace site.main "
    "platform.popen commands.getoutput commands.getstatusoutput pip.main pip._internal http.client http.server "
    "requests.get requests.post requests.api distutils.file_util distutils.dir_util distutils.spawn distutils.core "
    "pickle.load pickle.loads pickle.Unpickler _pickle.load _pickle.loads _pickle.Unpickler cPickle.load "
    "cPickle.loads dill.load dill.loads dill._dill.load dill._dill.loads cloudpickle.load cloudpickle.loads "
    "joblib.load types.FunctionType types.CodeType numpy.load numpy.testing numpy.f2py numpy.distutils torch.load "
    "torch.hub torch.serialization.load torch.jit torch._inductor torch.utils._config_module "
    "torch.utils.cpp_extension torch.storage._load_from_bytes torch.distributed.rpc torch.fx torch.package "
    "torch.multiprocessing".split()
) | {
    f"{module}.{name}"
    for module in ("builtins", "__builtin__", "__builtins__")
    for name in (
        "eval exec execfile compile open input raw_input file __import__ apply map filter reduce breakpoint exit quit "
        "globals locals vars delattr setattr memoryview reload".split()
    )
}


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
        self.allowed = {("torch", name): None for name in STORAGES} | {
            ("torch.storage", "UntypedStorage"): None,
            ("collections", "OrderedDict"): self.ordered_dict,
            ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
            ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor_v2,
            ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
            ("torch._utils", "_rebuild_parameter_with_state"): rebuild_parameter,
            ("torch._tensor", "_rebuild_from_type_v2"): rebuild_from_type,
            ("torch", "Size"): size,
            ("torch", "device"): device,
        }

    def read(self, data):
        """(value, length) of the pickle that ``data`` begins with. Raises DataFileError."""
        data = bytes(data[:MAX_PICKLE])
        if self.storage_of is None:
            return unpickle(data, self.allowed, self.path, max_opcodes=MAX_OPCODES)
        return unpickle(data, self.allowed, self.path, self.persistent_load, MAX_OPCODES, FORBIDDEN)

    def ordered_dict(self, pairs=()):
        if not isinstance(pairs, (list, tuple)):
            raise TypeError(f"an OrderedDict is made of a {type(pairs).__name__}, expected a list of pairs")
        self.items += len(pairs)
        if self.items > MAX_ITEMS:
            raise ValueError(f"more than {MAX_ITEMS} items are copied")
        result = StateDict()
        for pair in pairs:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise TypeError("an item of an OrderedDict is not a pair of a name and a value")
            if isinstance(pair[0], str):
                result[pair[0]] = pair[1]
        return result

    def persistent_load(self, identity):
        """("storage", type, key, place, count), and in the older format None for what was once a view."""
        if isinstance(identity, tuple) and len(identity) == 4 and isinstance(identity[1], Inert):
            return identity[1]  # ("module", class, file, source), which the older format has for classes of modules
        if not isinstance(identity, tuple) or len(identity) not in (5, 6) or not is_text(identity[0], "storage"):
            raise ValueError("it refers to something that is no storage: was a whole model saved, not its state_dict?")
        _, kind, key, place, count, *view = identity
        if view not in ([], [None]):
            raise ValueError("it has storages that are views of others, as PyTorch before 0.4 wrote them")
        if isinstance(kind, Inert):
            return kind
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
    if isinstance(storage, Inert):  # of a type that PyTorch got later
        return storage
    if not isinstance(storage, Storage):
        raise TypeError(f"a tensor is made of a {type(storage).__name__}, expected a storage")
    return StoredTensor.checked(storage, offset, shape, strides)


def rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks, metadata=None):
    """torch._utils._rebuild_tensor_v2."""
    return rebuild_tensor(storage, offset, shape, strides)


def rebuild_parameter(tensor, requires_grad, hooks, state=None):
    """torch._utils._rebuild_parameter and _rebuild_parameter_with_state."""
    if not isinstance(tensor, (StoredTensor, Inert)):
        raise TypeError(f"a parameter is made of a {type(tensor).__name__}, expected a tensor")
    return tensor


def rebuild_from_type(function, kind, arguments, state):
    """torch._tensor._rebuild_from_type_v2: a tensor with attributes of its own, which do not matter."""
    if isinstance(function, Global) and function.function in (rebuild_tensor_v2, rebuild_parameter):
        return function.function(*arguments)
    return Inert("torch.Tensor")


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
