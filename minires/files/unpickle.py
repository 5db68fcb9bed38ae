"""Read the data of a pickle without running anything in it.

A pickle is a programme for a stack machine, and ``pickle.Unpickler`` lets that programme call any function of any
module. This machine knows only the opcodes that make plain data, and the only functions that it ever calls are those
of the caller's allow-list. Opcodes and their arguments are decoded by ``pickletools``, which executes nothing.
"""

import io
import pickletools
from dataclasses import dataclass
from typing import Callable

from ..errors import DataFileError

MAX_OPCODES = 2_000_000  # a batch of CIFAR-100 needs 0.5 million; bounds the memory that small opcodes can ask for
MAX_PROTOCOL = 5
MAX_NAMES = 256  # most bytes of module and name
MAX_KEY = 2**31  # the hashes of larger integers can be made to collide, which makes a dict quadratic
REMEDY = "the file is damaged, or wants to run code; fetch it again from its official address"


@dataclass(frozen=True)
class Global:
    """A name that the pickle mentions. Inert: only REDUCE calls ``function``."""

    module: str
    name: str
    function: Callable | None


def unpickle(data, allowed, path, persistent_load=None, max_opcodes=None):
    """Return ``(value, length)``: the value of the pickle at the start of ``data`` and its length in bytes.

    data: bytes or bytearray. path: the file's name, for error messages. allowed: {(module, name): function}, all that
    the pickle may mention; the function stands in for the real one, checks its arguments and raises TypeError or
    ValueError, and is None for a name that may be mentioned but not called. An object that the pickle fills after its
    creation (opcode BUILD) is one that such a function made and that has a method ``setstate(state)``.
    ``persistent_load(id)`` gives the value of a persistent id; without it they are refused.
    ``max_opcodes``: as many steps as the pickle may take, by default 2 million, some two seconds.

    Byte strings of Python 2 come as str decoded from Latin-1. Raises DataFileError.
    """
    machine = _Machine(allowed, persistent_load)
    max_opcodes = MAX_OPCODES if max_opcodes is None else max_opcodes
    data = bytes(data)
    stream = io.BytesIO(data)
    operations = pickletools.genops(stream)
    position = 0
    try:
        for _ in range(max_opcodes):
            position = stream.tell()
            code = data[position : position + 1]
            name = _OPCODES.get(code)
            if name is None:
                raise ValueError(f"opcode {code!r} is not one that plain data needs" if code else "the data end here")
            if name == "GLOBAL":
                check_names(data, position + 1)
            _, argument, _ = next(operations)
            if name == "STOP":
                return machine.result(), stream.tell()
            machine.step(name, argument)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataFileError(f"{path}: pickle, byte {position}: {error}: {REMEDY}") from error
    raise DataFileError(f"{path}: pickle has more than {max_opcodes} opcodes: {REMEDY}")


def check_names(data, position):
    """Refuse escapes in the two names behind opcode GLOBAL: pickletools undoes them, and warns of unknown ones."""
    names = data[position : position + MAX_NAMES].split(b"\n", 2)[:-1]
    if len(names) != 2 or b"\\" in b"".join(names):
        raise ValueError("it asks for something whose name is cut, over-long or escaped")


_MARK = object()

# Opcodes that push their argument, and those that push something new.
_VALUES = frozenset(
    "BININT BININT1 BININT2 LONG1 BINFLOAT BINSTRING SHORT_BINSTRING BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)
_NEW = {
    "MARK": lambda: _MARK,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}


class _Machine:
    """Stack and memo; one method an opcode, named as in ``pickletools``."""

    def __init__(self, allowed, persistent_load):
        self.allowed = allowed
        self.persistent_load = persistent_load
        self.stack = []
        self.memo = {}

    def step(self, name, argument):
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _NEW:
            self.stack.append(_NEW[name]())
        else:
            _ACTIONS[name](self, argument)

    def result(self):
        value = self.pop()
        if self.stack:
            raise ValueError(f"the stack holds {len(self.stack)} values more than the result at the end")
        return value

    def top(self, *kinds):
        """The uppermost value, left where it is; its type must be among ``kinds`` where some are given."""
        if not self.stack or self.stack[-1] is _MARK:
            raise ValueError("the stack holds no value where one is needed")
        value = self.stack[-1]
        if kinds and not isinstance(value, kinds):
            raise TypeError(f"found a {type(value).__name__}, expected a {kinds[0].__name__}")
        return value

    def pop(self, *kinds):
        value = self.top(*kinds)
        self.stack.pop()
        return value

    def pop_to_mark(self):
        values = []
        while self.stack and self.stack[-1] is not _MARK:
            values.append(self.stack.pop())
        if not self.stack:
            raise ValueError("the stack holds no mark where one is needed")
        self.stack.pop()
        return values[::-1]

    def proto(self, version):
        if version > MAX_PROTOCOL:
            raise ValueError(f"protocol is {version}, expected at most {MAX_PROTOCOL}")

    def frame(self, size):
        """A hint for buffered reading; nothing to do."""

    def memoize(self, _):
        self.memo[len(self.memo)] = self.top()

    def put(self, key):
        self.memo[key] = self.top()

    def get(self, key):
        if key not in self.memo:
            raise ValueError(f"value {key} is fetched before it is stored")
        self.stack.append(self.memo[key])

    def append(self, _):
        value = self.pop()
        self.top(list).append(value)

    def appends(self, _):
        values = self.pop_to_mark()
        self.top(list).extend(values)

    def setitem(self, _):
        value, key = self.pop(), self.pop()
        self.store([key, value])

    def setitems(self, _):
        self.store(self.pop_to_mark())

    def store(self, flat):
        target = self.top(dict)
        if len(flat) % 2:
            raise ValueError("a key without a value")
        for key, value in zip(flat[::2], flat[1::2]):
            if not isinstance(key, (str, bytes, int)):  # the hash of deeply nested tuples overflows the C stack
                raise TypeError(f"a key of a dict is a {type(key).__name__}, expected str, bytes or int")
            if isinstance(key, int) and not -MAX_KEY <= key < MAX_KEY:
                raise ValueError("a key of a dict is an integer of more than 32 bits")
            target[key] = value

    def tuple_to_mark(self, _):
        self.stack.append(tuple(self.pop_to_mark()))

    def tuple_of(self, count):
        values = [self.pop() for _ in range(count)]
        self.stack.append(tuple(values[::-1]))

    def mention(self, names):
        module, _, name = names.partition(" ")
        self.push_global(module, name)

    def stack_global(self, _):
        name, module = self.pop(str), self.pop(str)
        self.push_global(module, name)

    def push_global(self, module, name):
        if (module, name) not in self.allowed:
            raise ValueError(f"it asks for {f'{module}.{name}'[:80]!r}, which plain data do not need")
        self.stack.append(Global(module, name, self.allowed[module, name]))

    def reduce(self, _):
        arguments, target = self.pop(tuple), self.pop(Global)
        if target.function is None:
            raise ValueError(f"{target.module}.{target.name} may be mentioned, not called")
        self.stack.append(target.function(*arguments))

    def build(self, _):
        state, target = self.pop(), self.top()
        if not hasattr(target, "setstate"):
            raise TypeError(f"a {type(target).__name__} takes no state")
        target.setstate(state)

    def persistent(self, _):
        if self.persistent_load is None:
            raise ValueError("it refers to data outside the file")
        self.stack.append(self.persistent_load(self.pop()))


_ACTIONS = {
    "PROTO": _Machine.proto,
    "FRAME": _Machine.frame,
    "MEMOIZE": _Machine.memoize,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.setitem,
    "SETITEMS": _Machine.setitems,
    "TUPLE": _Machine.tuple_to_mark,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "GLOBAL": _Machine.mention,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}

_ACCEPTED = {"STOP", *_VALUES, *_NEW, *_ACTIONS}
_OPCODES = {op.code.encode("latin-1"): op.name for op in pickletools.opcodes if op.name in _ACCEPTED}
