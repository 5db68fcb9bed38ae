"""The stack machine of pickles: values come and go as the opcodes say, and nothing but what is allowed is called."""

import pickletools
from dataclasses import dataclass
from typing import Callable

MAX_PROTOCOL = 5
MAX_NAME = 80  # of what an Inert stands for
MAX_KEY = 2**31  # the hashes of larger integers can be made to collide, which makes a dict quadratic


@dataclass(frozen=True)
class Global:
    """A name that the pickle mentions. Inert: only REDUCE calls ``function``."""

    module: str
    name: str
    function: Callable | None


class Inert(dict):
    """Stands for what a name would give: the class or function itself, or an object that it made. Nothing is called.

    What the pickle puts into it as into a dict is kept: weights may lie in a dict of a class of its own.
    """

    def __init__(self, name):
        super().__init__()
        self.name = name


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


class Machine:
    """Stack and memo; one method an opcode, named as in ``pickletools``."""

    def __init__(self, allowed, persistent_load, forbidden):
        self.allowed = allowed
        self.persistent_load = persistent_load
        self.forbidden = forbidden
        self.codes = PLAIN if forbidden is None else WITH_OBJECTS
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
        self.extend([self.pop()])

    def extend_to_mark(self, _):
        self.extend(self.pop_to_mark())

    def extend(self, values):
        target = self.top(list, Inert)
        if isinstance(target, list):
            target.extend(values)

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
            if (refusal := _refusal(key)) is None:
                target[key] = value
            elif self.forbidden is None:
                raise refusal

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
        if (module, name) in self.allowed:
            self.stack.append(Global(module, name, self.allowed[module, name]))
            return
        whole = f"{module}.{name}"
        parts = whole.split(".")
        if self.forbidden is None:
            raise ValueError(f"it asks for {whole[:80]!r}, which plain data do not need")
        if any(".".join(parts[:i]) in self.forbidden for i in range(1, len(parts) + 1)):
            raise ValueError(f"it asks for {whole[:80]!r}, which no weights need and which could do harm")
        self.stack.append(Inert(whole[:MAX_NAME]))

    def reduce(self, _):
        arguments, target = self.pop(tuple), self.pop(Global, Inert)
        if isinstance(target, Inert):
            self.stack.append(Inert(target.name))
        elif target.function is None:
            raise ValueError(f"{target.module}.{target.name} may be mentioned, not called")
        else:
            self.stack.append(target.function(*arguments))

    def make(self, values):
        """An object of a class, made of ``values`` on the stack: the class, and arguments that do not matter."""
        for _ in range(values - 1):
            self.pop()
        self.stack.append(Inert(self.pop(Inert).name))

    def make_set(self, of_mark):
        if of_mark:
            self.pop_to_mark()
        self.stack.append(Inert("builtins.set"))

    def add_to_set(self, _):
        self.pop_to_mark()
        self.top(Inert)

    def build(self, _):
        state, target = self.pop(), self.top()
        if isinstance(target, Inert):
            return
        if not hasattr(target, "setstate"):
            raise TypeError(f"a {type(target).__name__} takes no state")
        target.setstate(state)

    def persistent(self, _):
        if self.persistent_load is None:
            raise ValueError("it refers to data outside the file")
        self.stack.append(self.persistent_load(self.pop()))


_ACTIONS = {
    "PROTO": Machine.proto,
    "FRAME": Machine.frame,
    "MEMOIZE": Machine.memoize,
    "BINPUT": Machine.put,
    "LONG_BINPUT": Machine.put,
    "BINGET": Machine.get,
    "LONG_BINGET": Machine.get,
    "APPEND": Machine.append,
    "APPENDS": Machine.extend_to_mark,
    "SETITEM": Machine.setitem,
    "SETITEMS": Machine.setitems,
    "TUPLE": Machine.tuple_to_mark,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "GLOBAL": Machine.mention,
    "STACK_GLOBAL": Machine.stack_global,
    "REDUCE": Machine.reduce,
    "BUILD": Machine.build,
    "BINPERSID": Machine.persistent,
}
# What only objects of classes and sets need
_OBJECTS = {
    "NEWOBJ": lambda machine, _: machine.make(2),
    "NEWOBJ_EX": lambda machine, _: machine.make(3),
    "EMPTY_SET": lambda machine, _: machine.make_set(False),
    "FROZENSET": lambda machine, _: machine.make_set(True),
    "ADDITEMS": Machine.add_to_set,
}


def _refusal(key):
    """The error that a key of a dict deserves, or None."""
    if not isinstance(key, (str, bytes, int)):  # the hash of deeply nested tuples overflows the C stack
        return TypeError(f"a key of a dict is a {type(key).__name__}, expected str, bytes or int")
    if isinstance(key, int) and not -MAX_KEY <= key < MAX_KEY:
        return ValueError("a key of a dict is an integer of more than 32 bits")
    return None


def _codes(names):
    return {op.code.encode("latin-1"): op.name for op in pickletools.opcodes if op.name in names}


PLAIN = _codes({"STOP", *_VALUES, *_NEW, *_ACTIONS})
_ACTIONS |= _OBJECTS
WITH_OBJECTS = PLAIN | _codes(_OBJECTS)
