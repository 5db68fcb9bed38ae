"""Read the data of a pickle without running anything in it.

A pickle is a programme for a stack machine, and ``pickle.Unpickler`` lets that programme call any function of any
module. This machine knows only the opcodes that make plain data, and the only functions that it ever calls are those
of the caller's allow-list. Opcodes and their arguments are decoded by ``pickletools``, which executes nothing.
"""

import io
import pickletools

from ..errors import DataFileError
from .pickle_machine import Machine

MAX_OPCODES = 2_000_000  # a batch of CIFAR-100 needs 0.5 million; bounds the memory that small opcodes can ask for
MAX_NAMES = 256  # most bytes of module and name
REMEDY = "the file is damaged, or wants to run code; fetch it again from its official address"


def unpickle(data, allowed, path, persistent_load=None, max_opcodes=None, forbidden=None):
    """Return ``(value, length)``: the value of the pickle at the start of ``data`` and its length in bytes.

    data: bytes or bytearray. path: the file's name, for error messages. allowed: {(module, name): function}, all that
    the pickle may mention; the function stands in for the real one, checks its arguments and raises TypeError or
    ValueError, and is None for a name that may be mentioned but not called. An object that the pickle fills after its
    creation (opcode BUILD) is one that such a function made and that has a method ``setstate(state)``.
    ``persistent_load(id)`` gives the value of a persistent id; without it they are refused.
    forbidden: {"os", "builtins.eval"}: with it the pickle may mention, and pretend to call, any other name: an
    :class:`~minires.files.pickle_machine.Inert` stands for it and for all that it makes, sets are such marks too, and
    entries of dicts under keys that are neither texts nor small integers are passed over.
    ``max_opcodes``: as many steps as the pickle may take, by default 2 million, some two seconds.

    Byte strings of Python 2 come as str decoded from Latin-1. Raises DataFileError.
    """
    machine = Machine(allowed, persistent_load, forbidden)
    max_opcodes = MAX_OPCODES if max_opcodes is None else max_opcodes
    data = bytes(data)
    stream = io.BytesIO(data)
    operations = pickletools.genops(stream)
    position = 0
    try:
        for _ in range(max_opcodes):
            position = stream.tell()
            code = data[position : position + 1]
            name = machine.codes.get(code)
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
