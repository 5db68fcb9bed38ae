"""Files that are broken, lie, or want to run code: {what it is: (bytes, words of the message)}."""

import os
import struct
import zlib

import numpy as np
from weights.writers import (
    FACTS,
    HOOKS,
    MAGIC,
    ONES,
    VERSION,
    archive,
    call,
    dictionary,
    entry,
    integer,
    legacy_file,
    name,
    npy,
    pickled,
    safetensors_file,
    state,
    storage,
    tensor,
    text,
    tuples,
    zip_file,
)

COMMAND = "touch CANARY"
PYTHON = "open('CANARY', 'w')"
PLAIN = "which plain data do not need"  # outside the value of a file every name is refused
REFUSED = "which could do harm"
WHOLE = "it holds a whole"  # a mark stands for the result; nothing was called
NOTHING = "it holds no dict of tensors"

# Names without a reach of their own, as training scripts leave them beside weights; their marks are no tensors
INERT = [
    ("builtins", "getattr", PYTHON),
    ("operator", "attrgetter", "system"),
    ("operator", "methodcaller", "system"),
    ("functools", "partial", PYTHON),
    ("functools", "reduce", PYTHON),
    ("argparse", "Namespace", ""),
    ("collections", "namedtuple", PYTHON),
    ("torch._utils", "_rebuild_wrapper_subclass", PYTHON),
]
# (module, attribute, argument): calls that have been found in hostile files, or that scanners list
CALLS = [
    ("os", "system", COMMAND),
    ("posix", "system", COMMAND),
    ("nt", "system", COMMAND),
    ("os", "popen", COMMAND),
    ("os", "execl", "/bin/sh"),
    ("os", "remove", "CANARY"),
    ("subprocess", "Popen", COMMAND),
    ("subprocess", "check_output", COMMAND),
    ("subprocess", "call", COMMAND),
    ("commands", "getoutput", COMMAND),
    ("builtins", "eval", PYTHON),
    ("builtins", "exec", PYTHON),
    ("__builtin__", "eval", PYTHON),
    ("__builtin__", "apply", PYTHON),
    ("builtins", "__import__", "os"),
    ("builtins", "open", "CANARY"),
    ("builtins", "compile", PYTHON),
    ("builtins", "breakpoint", ""),
    ("builtins", "map", PYTHON),
    ("importlib", "import_module", "os"),
    ("runpy", "run_path", "CANARY"),
    ("runpy", "_run_code", PYTHON),
    ("pty", "spawn", "/bin/sh"),
    ("platform", "popen", COMMAND),
    ("webbrowser", "open", "http://localhost"),
    ("socket", "create_connection", "localhost"),
    ("urllib.request", "urlopen", "http://localhost"),
    ("shutil", "rmtree", "CANARY"),
    ("ctypes", "CDLL", "libc.so.6"),
    ("code", "InteractiveInterpreter", PYTHON),
    ("timeit", "timeit", PYTHON),
    ("cProfile", "run", PYTHON),
    ("profile", "run", PYTHON),
    ("pdb", "run", PYTHON),
    ("bdb", "Bdb", PYTHON),
    ("trace", "Trace", PYTHON),
    ("doctest", "debug_script", PYTHON),
    ("pydoc", "pipepager", COMMAND),
    ("pip", "main", "install"),
    ("ensurepip", "bootstrap", ""),
    ("idlelib.pyshell", "ModifiedInterpreter", PYTHON),
    ("lib2to3.pgen2.grammar", "Grammar", ""),
    ("types", "FunctionType", PYTHON),
    ("types", "CodeType", PYTHON),
    ("marshal", "loads", PYTHON),
    ("pickle", "loads", PYTHON),
    ("_pickle", "loads", PYTHON),
    ("dill", "loads", PYTHON),
    ("joblib", "load", "CANARY"),
    ("numpy", "load", "CANARY"),
    ("numpy.testing._private.utils", "runstring", PYTHON),
    ("torch", "load", "CANARY"),
    ("torch.hub", "load", "CANARY"),
    ("torch.serialization", "load", "CANARY"),
    ("torch.jit", "load", "CANARY"),
    ("torch._inductor.codecache", "compile_file", COMMAND),
    ("torch.utils._config_module", "load_config", PYTHON),
    ("torch.storage", "_load_from_bytes", PYTHON),
    ("torch.distributed.rpc.internal", "_run_function", PYTHON),
    ("torch.fx.graph_module", "_deserialize", PYTHON),
    ("site", "main", ""),
    ("sys", "exit", "1"),
    ("asyncio.unix_events", "_UnixSubprocessTransport", COMMAND),
    ("logging.config", "dictConfig", PYTHON),
    ("distutils.file_util", "write_file", "CANARY"),
    ("multiprocessing.util", "spawnv_passfds", COMMAND),
]

BOTH = {  # bodies of pickles that both formats refuse, and the words of the message
    **{f"call of {m}.{a}": (call(m, a, text(argument)), REFUSED) for m, a, argument in CALLS},
    **{f"call of {m}.{a}": (call(m, a, text(argument)), WHOLE) for m, a, argument in INERT},
    **{f"{m}.{a} beside weights": (dictionary(b=call(m, a, text(argument))), REFUSED) for m, a, argument in CALLS},
    "a harmful name that is not called": (dictionary(b=name("os", "system")), REFUSED),
    "a harmful name in a part of a longer one": (text("os.path") + text("join.__globals__") + b"\x93)R", REFUSED),
    "NEWOBJ of a harmful name": (name("subprocess", "Popen") + tuples(text(COMMAND)) + b"\x81", REFUSED),
    "BUILD of a mark": (name("a", "b") + b")R" + dictionary(__setstate__=name("os", "system")) + b"b", REFUSED),
    "rebuild from a text": (call("torch._tensor", "_rebuild_from_type_v2", text(PYTHON)), "missing 3 required"),
    "rebuild from a mark": (
        call("torch._tensor", "_rebuild_from_type_v2", name("a", "b"), name("a", "b"), b")", b"}"),
        WHOLE,
    ),
    "rebuild from OrderedDict": (
        call("torch._tensor", "_rebuild_from_type_v2", name("collections", "OrderedDict"), b"N", b")", b"}"),
        WHOLE,
    ),
    "NEWOBJ of a tuple": (b"))\x81", "found a tuple, expected a Inert"),
    "ADDITEMS to a list": (b"](K\x01\x90", "found a list, expected a Inert"),
    "a set": (b"\x8f(K\x01\x90", WHOLE),
    "a mark of 2^14 dicts": (name("a", "b") + b")R(" + (text("a") + b"}") * 2**14 + b"u", WHOLE),
    "100 dicts that hold each other": (
        b"("
        + b"".join(b"}q%c" % i for i in range(100))
        + b"".join(b"h%c(" % i + b"".join(text(str(j)) + b"h%c" % j for j in range(100)) + b"u" for i in range(100))
        + b"t",
        NOTHING,
    ),
    "STACK_GLOBAL": (text("os") + text("system") + b"\x93" + tuples(text(COMMAND)) + b"R", REFUSED),
    "STACK_GLOBAL with a dotted name": (text("torch") + text("FloatStorage.__init__") + b"\x93)R", WHOLE),
    "dotted name of an allowed one": (name("collections", "OrderedDict.__init__.__globals__"), WHOLE),
    "STACK_GLOBAL from the memo": (text("os") + b"q\0" + text("system") + b"q\x010h\0h\x01\x93)R", "opcode b'0'"),
    "INST": (b"(" + text(COMMAND) + b"ios\nsystem\n", "opcode b'i'"),
    "OBJ": (b"(cos\nsystem\n" + text(COMMAND) + b"o", REFUSED),
    "OBJ of an allowed name": (b"(ccollections\nOrderedDict\no", "opcode b'o'"),
    "NEWOBJ": (name("collections", "OrderedDict") + b")\x81", "found a Global, expected a Inert"),
    "NEWOBJ_EX": (name("collections", "OrderedDict") + b")}\x92", "found a Global, expected a Inert"),
    "EXT1": (b"\x82\x01", "opcode"),
    "EXT2": (b"\x83\x01\0", "opcode"),
    "EXT4": (b"\x84\x01\0\0\0", "opcode"),
    "POP_MARK": (b"(1", "opcode"),
    "DUP": (b"}2", "opcode"),
    "FROZENSET": (b"(\x91", WHOLE),
    "text PERSID": (b"Pstorage\n", "opcode b'P'"),
    "text INT": (b"I1\n", "opcode"),
    "text STRING": (b"S'a'\n", "opcode"),
    "text GET": (b"g0\n", "opcode"),
    "text FLOAT": (b"F1\n", "opcode"),
    "NEXT_BUFFER": (b"\x97", "opcode"),
    "BUILD of a dict": (b"}" + dictionary(__class__=b"N") + b"b", "a dict takes no state"),
    "BUILD of a name": (name("collections", "OrderedDict") + dictionary(__setstate__=b"N") + b"b", "takes no state"),
    "BUILD of a storage": (storage() + b"}b", "a Storage takes no state"),
    "BUILD of a tensor": (tensor() + b"}b", "a StoredTensor takes no state"),
    "BUILD with slots": (HOOKS + tuples(b"N", dictionary(__class__=b"N")) + b"b", "is a tuple, expected a dict"),
    "REDUCE of a mention": (name("torch", "FloatStorage") + b")R", "mentioned, not called"),
    "REDUCE of a tensor": (tensor() + b")R", "found a StoredTensor, expected a Global"),
    "REDUCE of a text": (text("system") + b")R", "found a str, expected a Global"),
    "REDUCE with a list": (name("collections", "OrderedDict") + b"]R", "found a list, expected a tuple"),
    "a memo that was never filled": (b"h\x07", "fetched before it is stored"),
    "a name in the memo, called later": (name("os", "system") + b"q\0" + text(COMMAND) + b"\x85R", REFUSED),
    "a nested pickle": (call("pickle", "loads", b"B\x03\0\0\0abc"), REFUSED),
    "OrderedDict of a number": (call("collections", "OrderedDict", b"K\x01"), "expected a list of pairs"),
    "OrderedDict of odd pairs": (call("collections", "OrderedDict", b"]K\x01a"), "not a pair"),
    "OrderedDict with two arguments": (call("collections", "OrderedDict", b"]]"), "positional argument"),
    "Size of a list": (call("torch", "Size", b"]"), "expected a tuple"),
    "parameter of a number": (call("torch._utils", "_rebuild_parameter", b"K\x01\x88N"), "expected a tensor"),
    "parameter with one argument": (call("torch._utils", "_rebuild_parameter", tensor()), "missing 2 required"),
    "tensor of a number": (tensor(of=b"K\x01"), "expected a storage"),
    "tensor with one argument": (call("torch._utils", "_rebuild_tensor", storage()), "missing 3 required"),
    "tensor of old, six arguments": (call("torch._utils", "_rebuild_tensor", b"NNNNNN"), "positional argument"),
    "persistent id of text": (text("storage") + b"Q", "refers to something that is no storage"),
    "persistent id of a module": (tuples(text("module"), b"N", text(""), text(""), b"N") + b"Q", "is no storage"),
    "persistent id, too short": (tuples(text("storage")) + b"Q", "is no storage"),
    "persistent id with a view": (
        tuples(text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"), b"K\x06)") + b"Q",
        "views",
    ),
    "storage of another type": (storage(kind="Size"), "type of a storage"),
    "storage of OrderedDict": (
        tuples(text("storage"), name("collections", "OrderedDict"), text("0"), text("cpu"), b"K\x06") + b"Q",
        "type of a storage",
    ),
    "storage of a text": (tuples(text("storage"), text("FloatStorage"), text("0"), text("c"), b"K\x06") + b"Q", "type"),
    "storage called by a number": (
        tuples(text("storage"), name("torch", "FloatStorage"), b"K\0", text("cpu"), b"K\x06") + b"Q",
        "no text",
    ),
    "storage with a long name": (storage("0" * 65), "no text"),
    "storage of length -1": (storage(count=-1), "from 0 to 2^48"),
    "storage of length 2^60": (storage(count=2**60), "from 0 to 2^48"),
    "storage of length True": (
        tuples(text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu"), b"\x88") + b"Q",
        "from 0 to",
    ),
    "one storage, two types": (storage() + storage(kind="IntStorage") + b"\x86", "two types or lengths"),
    "one storage, two lengths": (storage() + storage(count=5) + b"\x86", "lengths|bytes, expected"),
    "negative size": (dictionary(a=tensor(shape=(-2, 3))), "below 0"),
    "negative stride": (dictionary(a=tensor(strides=(-3, 1))), "below 0"),
    "negative offset": (dictionary(a=tensor(offset=-1)), "below 0"),
    "offset behind the end": (dictionary(a=tensor(offset=1)), "reaches up to number 6 of a storage of 6"),
    "size behind the end": (dictionary(a=tensor(shape=(3, 3))), "reaches up to number 8"),
    "stride behind the end": (dictionary(a=tensor(strides=(4, 1))), "reaches up to number 6"),
    "size of 2^64": (dictionary(a=tensor(shape=(2**64, 3))), "above 2^62"),
    "size of 2^61, stride 0": (dictionary(a=tensor(shape=(2**61, 2), strides=(0, 0))), "more than 1099511627776"),
    "a product that overflows": (dictionary(a=tensor(shape=(2**32, 2**32), strides=(0, 0))), "more than"),
    "terabytes of one number": (dictionary(a=tensor(shape=(2**20, 2**18), strides=(0, 0))), "again and again"),
    "terabytes in many tensors": (
        dictionary(**{f"a{i}": tensor(shape=(2**20,), strides=(0,)) for i in range(2000)}),
        "again and again",
    ),
    "strides that overlap": (dictionary(a=tensor(shape=(2,) * 30, strides=(0,) * 30)), "again and again"),
    "fewer strides": (dictionary(a=tensor(strides=(1,))), "2 sizes and 1 strides"),
    "100 axes": (dictionary(a=tensor(shape=(1,) * 100, strides=(1,) * 100)), "at most 32"),
    "size True": (
        dictionary(a=call("torch._utils", "_rebuild_tensor", storage(), b"K\0\x88\x85K\1\x85")),
        "at most 32 integers",
    ),
    "size of floats": (
        dictionary(a=call("torch._utils", "_rebuild_tensor", storage(), b"K\0G" + b"\0" * 8 + b"\x85K\1\x85")),
        "at most 32 integers",
    ),
    "a list": (b"]" + tensor() + b"a", NOTHING),
    "a tensor alone": (tensor(), "holds a StoredTensor"),
    "a number": (b"K\x01", "holds a int"),
    "nothing": (b"}", NOTHING),
    "a dict with numbers as keys": (b"}K\x01" + tensor() + b"s", NOTHING),
    "a list that holds itself": (b"]q\0h\0a", NOTHING),
    "a dict that holds itself": (b"}q\0" + text("state_dict") + b"h\0s", NOTHING),
    "a dict that holds itself elsewhere": (b"}q\0" + text("a") + b"h\0s", NOTHING),
    "2^40 references": (b")" + b"".join(b"q%ch%c\x86" % (i, i) for i in range(40)), NOTHING),
    "nested 100,000 deep": (b")" + b"\x85" * 100_000, NOTHING),
    "key of nested tuples": (b"})" + b"\x85" * 100_000 + b"K\x01s", NOTHING),
    "keys that collide": (b"}(" + b"".join(integer(i * (2**61 - 1)) + b"N" for i in range(50_000)) + b"u", NOTHING),
    "a list copied again and again": (
        b"](" + 1000 * (text("a") + b"N\x86") + b"eq\0" + 10_000 * (name("collections", "OrderedDict") + b"h\0\x85R0"),
        "opcode b'0'",
    ),
    "a list copied into a list": (
        b"](]("
        + 1000 * (text("a") + b"N\x86")
        + b"eq\0"
        + 10_000 * (name("collections", "OrderedDict") + b"h\0\x85R")
        + b"e",
        "items are copied",
    ),
    "2 million opcodes": (b"(" + b"N" * 2_000_000 + b"t", "more than 1000000 opcodes"),
    "text of 2^63 bytes": (b"\x8d" + b"\xff" * 8, "sys.maxsize|exceeds"),
    "text of 4 GiB": (b"X\xff\xff\xff\xffabc", "expected 4294967295 bytes"),
    "bytes of 2^62": (b"\x8e" + struct.pack("<Q", 2**62), "bytes"),
    "an integer of 2^31 bytes": (b"\x8b\xff\xff\xff\x7f", "opcode"),
    "text that is not UTF-8": (b"X\x01\0\0\0\xff", "codec"),
    "an empty stack": (b"R", "no value"),
    "two values": (b"NN", "1 values more"),
    "a mark": (b"(", "no value"),
    "an odd number of items": (b"}(Nu", "key without a value"),
    "protocol 200": (b"\x80\xc8", "protocol is 200"),
}


def _flip(data, at, value):
    return data[:at] + value + data[at + len(value) :]


def _central(data, offset, value):
    """``data`` with other bytes in the first entry of its central directory."""
    return _flip(data, data.index(b"PK\1\2") + offset, value)


GOOD = zip_file()
END = len(GOOD) - 22
(SIZE,) = struct.unpack_from("<I", GOOD, GOOD.index(b"PK\1\2") + 24)
WIDE = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 2**62, 2**62, 2**62, 2**62)
ZIPS = {
    "an empty archive": (archive({}), "PyTorch, safetensors|header|archive"),
    "no data.pkl": (archive({"archive/data/0": ONES}), "no member data.pkl"),
    "TorchScript": (zip_file(constants__pkl=pickled(b")")), "TorchScript"),
    "big-endian": (zip_file(byteorder=b"big"), "big-endian"),
    "a byte order of 1 GiB": (zip_file(byteorder=b"x" * 1000), "big-endian"),
    "compressed": (archive({"a/data.pkl": state(), "a/data/0": ONES * 100}, 8), "is compressed"),
    "a bomb": (archive({"a/data.pkl": state(), "a/data/0": b"\0" * 2**24}, 8), "is compressed"),
    "a bomb of LZMA": (archive({"a/data.pkl": b"\0" * 2**24}, 14), "is compressed"),
    "encrypted": (_central(GOOD, 8, b"\1\0"), "is encrypted"),
    "a size that lies": (_central(GOOD, 24, struct.pack("<I", 2**31)), "is compressed"),
    "both sizes lie": (_central(GOOD, 20, struct.pack("<2I", 2**31, 2**31)), "overlap"),
    "a member that reaches into the next": (_central(GOOD, 20, struct.pack("<2I", SIZE + 60, SIZE + 60)), "overlap"),
    "sizes of 2^32 - 1 and no wide ones": (_central(GOOD, 20, b"\xff" * 8), "lacks its 64-bit size"),
    "another disk": (_central(GOOD, 34, b"\1\0"), "spread over"),
    "a position that lies": (_central(GOOD, 42, struct.pack("<I", 7)), "not where the directory says"),
    "a position behind the end": (_central(GOOD, 42, struct.pack("<I", 2**31)), "not where the directory says"),
    "another name in front": (_flip(GOOD, 30, b"b"), "another name in front"),
    "two members with one name": (
        zip_file(**{"ersion": b"3\n"}).replace(b"archive/ersion", b"archive/data/0"),
        "two members called",
    ),
    "the bytes of another member": (_central(GOOD, 42, struct.pack("<I", GOOD.index(b"PK\3\4", 9))), "another name"),
    "a name that leads out": (zip_file(root="../archive"), "leads out of the archive"),
    "an absolute name": (zip_file(root="/archive"), "leads out of the archive"),
    "a storage elsewhere": (zip_file(state(key="../../etc/passwd")), "no member"),
    "a storage that is missing": (zip_file(storages={}), "no member"),
    "a storage that is short": (zip_file(storages={"0": ONES[:-1]}), "has 23 bytes, expected 6 of float32"),
    "a storage that is long": (zip_file(storages={"0": ONES + b"\0"}), "has 25 bytes"),
    "a storage of terabytes": (zip_file(state(count=2**42)), "has 24 bytes"),
    "bytes behind the pickle": (zip_file(state() + b"\0"), "ends at byte"),
    "a checksum that lies": (_central(GOOD, 16, b"abcd"), "CRC-32"),
    "bytes behind the archive": (GOOD + b"\0", "no end"),
    "a comment": (_flip(GOOD, END + 20, b"\5\0") + b"hello", "no end"),
    "cut at the end": (GOOD[:-1], "no end"),
    "cut in the middle": (GOOD[:200], "no end"),
    "cut early": (GOOD[:30], "no end"),
    "more entries than fit": (_flip(GOOD, END + 8, b"\xff\xff\xff\xff"), "does not fit"),
    "fewer entries than there are": (_flip(GOOD, END + 8, b"\1\0\1\0"), "entries fill"),
    "entries on other disks": (_flip(GOOD, END + 8, b"\1\0\2\0"), "spread over"),
    "a directory behind the end": (_flip(GOOD, END + 16, b"\xff\xff\xff\x7f"), "does not fit"),
    "a directory elsewhere": (_flip(GOOD, END + 16, b"\0\0\0\0"), "damaged"),
    "2^62 entries": (
        GOOD[:END] + WIDE + struct.pack("<4sIQI", b"PK\6\7", 0, END, 1) + GOOD[END:],
        "expected at most 200000",
    ),
    "a 64-bit record elsewhere": (
        GOOD[:END] + struct.pack("<4sIQI", b"PK\6\7", 0, 2**63, 1) + GOOD[END:],
        "lacks the 64-bit record",
    ),
    "a name that is not UTF-8": (_flip(GOOD, GOOD.index(b"PK\1\2") + 46, b"\xff"), "codec"),
}

HEADER = 118 + 10  # bytes of npy()
BOMB = archive({"a.npy": npy(shape=f"({2**22},)", data=b"\0" * 2**24)}, 8)
NPZ = {
    "an array that is cut": (archive({"a.npy": b"\x93NUMPY"}), "no header of an array"),
    "an array of objects": (archive({"a.npy": npy("'|O'", data=pickled(call("os", "system")))}), "type '|O'"),
    "an array of records": (archive({"a.npy": npy("[('a', '<f4')]")}), "no header of an array"),
    "an array of texts": (archive({"a.npy": npy("'<U6'")}), "the type '<U6'"),
    "a big-endian array": (archive({"a.npy": npy("'>f4'")}), "the type '>f4'"),
    "code in a header": (archive({"a.npy": npy(header=f"__import__('os').system('{COMMAND}')")}), "no header"),
    "code as a shape": (archive({"a.npy": npy(shape="(len([2]), 3)")}), "no header"),
    "a header of 64 KiB": (archive({"a.npy": npy(size=65535)}), "no header"),
    "a header in a newer version": (archive({"a.npy": npy(version=b"\4\0")}), "no header"),
    "a header that goes on": (archive({"a.npy": npy(shape="(2, 3), } 1")}), "no header"),
    "a negative size of an array": (archive({"a.npy": npy(shape="(-2, -3)")}), "no header"),
    "a size of an array of 20 digits": (archive({"a.npy": npy(shape=f"({10**19},)")}), "no header"),
    "an array of terabytes": (archive({"a.npy": npy(shape=f"({2**40},)")}), "number 1099511627807 of a storage"),
    "an array of too few bytes": (archive({"a.npy": npy(data=ONES[:-1])}), "storage of 37"),
    "an array of too many bytes": (archive({"a.npy": npy(data=ONES + b"\0")}), "has 153 bytes, expected 152"),
    "an array among others": (archive({"a.npy": npy(), "b.txt": b"hello"}), "no member data.pkl"),
    "a changed bit of an array": (_flip(archive({"a.npy": npy()}), 40 + HEADER, b"\1"), "CRC-32"),
    "a deflated bomb": (BOMB, "again and again"),
    "a deflated bomb that lies": (
        _central(archive({"a.npy": npy(data=b"\0" * 2**24)}, 8), 24, struct.pack("<I", HEADER + 24)),
        "another length",
    ),
    "a deflated size of 4 GiB": (_central(BOMB, 24, struct.pack("<I", 2**32 - 2)), "bytes, expected"),
    "a deflated array that is cut": (_central(archive({"a.npy": npy()}, 8), 20, struct.pack("<I", 40)), "no header"),
    "what is not deflated": (_central(archive({"a.npy": npy()}), 10, b"\x08\0"), "no header"),
}

LEGACY = {
    "another magic number": (legacy_file(start=pickled(b"K\x07") + VERSION + FACTS), "magic number"),
    "a text as magic number": (legacy_file(start=pickled(text("a")) + VERSION + FACTS), "magic number"),
    "another version": (legacy_file(start=MAGIC + pickled(b"K\x07") + FACTS), "version is not 1001"),
    "big-endian numbers": (legacy_file(start=MAGIC + VERSION + FACTS.replace(b"\x88", b"\x89")), "not little-endian"),
    "no facts": (legacy_file(start=MAGIC + VERSION + pickled(b"N")), "not little-endian"),
    "code in the magic number": (legacy_file(start=pickled(call("os", "system", text(COMMAND)))), PLAIN),
    "a storage in the facts": (legacy_file(start=MAGIC + VERSION + pickled(storage(legacy=True))), "outside the file"),
    "code in the keys": (MAGIC + VERSION + FACTS + state(legacy=True) + pickled(call("os", "system")), PLAIN),
    "no keys": (legacy_file(keys=()), "not those of the tensors"),
    "a key twice": (legacy_file(keys=("0", "0")), "not those of the tensors"),
    "another key": (legacy_file(keys=("1",)), "not those of the tensors"),
    "keys that are no list": (MAGIC + VERSION + FACTS + state(legacy=True) + pickled(b"N"), "no list of texts"),
    "keys that are numbers": (MAGIC + VERSION + FACTS + state(legacy=True) + pickled(b"]K\0a"), "no list of texts"),
    "a longer storage": (legacy_file(storages=((7, ONES),)), "has 7 numbers, expected 6"),
    "a storage of -1": (legacy_file(storages=((-1, ONES),)), "has -1 numbers"),
    "no storage": (legacy_file(storages=()), "has None numbers"),
    "a cut storage": (legacy_file(storages=((6, ONES[:-1]),)), "ends in storage '0'"),
    "a storage of 2^47": (
        legacy_file(state(legacy=True, count=2**47), storages=((2**47, ONES),)),
        "ends in storage '0'",
    ),
    "bytes behind the end": (legacy_file(end=b"\0"), "1 bytes follow"),
    "the magic number alone": (MAGIC, "the data end here"),
    "a storage that is a view": (
        legacy_file(pickled(tuples(text("storage"), name("torch", "FloatStorage"), text("0") * 2, b"K\6)") + b"Q")),
        "views of others",
    ),
}

SAFE = {
    "no header": (struct.pack("<Q", 0) + b"{}" * 8, "header has 0 bytes"),
    "a header of 2^63": (safetensors_file(size=2**63), "header has 9223372036854775808 bytes"),
    "a header longer than the file": (safetensors_file(size=10_000), "header has 10000 bytes"),
    "a header one longer": (safetensors_file(size=len(safetensors_file()) - 31), "Extra data|codec|control"),
    "no JSON": (safetensors_file(b"{nothing}"), "Expecting"),
    "a list": (safetensors_file(b"[1,2]"), "is a list"),
    "not UTF-8": (safetensors_file(b'{"\xff": 1}'), "codec"),
    "nested 100,000 deep": (safetensors_file(b'{"a":' * 100_000), "nested too deep|Expecting"),
    "nested lists": (safetensors_file(b'{"a":' + b"[" * 100_000), "nested too deep|Expecting"),
    "a name twice": (safetensors_file(b'{"a": 1, "a": 2}'), "something twice"),
    "metadata of numbers": (safetensors_file({"__metadata__": {"a": 1}}, b""), "no object of texts"),
    "metadata of a list": (safetensors_file({"__metadata__": []}, b""), "no object of texts"),
    "an entry of a number": (safetensors_file({"a": 1}), "has not dtype, shape"),
    "an entry with more": (safetensors_file({"a": entry(code="os.system")}), "has not dtype, shape"),
    "an entry without a shape": (safetensors_file({"a": {"dtype": "F32", "data_offsets": [0, 24]}}), "has not dtype"),
    "an unknown type": (safetensors_file({"a": entry("O")}), "has the type 'O'"),
    "a type of a list": (safetensors_file({"a": entry(["F32"])}), "has the type"),
    "a shape of text": (safetensors_file({"a": {**entry(), "shape": "23"}}), "no list of sizes"),
    "a size of a float": (safetensors_file({"a": entry(shape=(2.0, 3))}), "at most 32 integers"),
    "a size of true": (safetensors_file({"a": entry(shape=(True, 6))}), "at most 32 integers"),
    "a negative size": (safetensors_file({"a": entry(shape=(-2, -3))}), "below 0"),
    "a size of 2^70": (safetensors_file({"a": entry(shape=(2**70, 0))}), "above 2^62"),
    "sizes of 2^600": (safetensors_file({"a": entry(shape=(2**60,) * 10)}), "expected"),
    "100 axes": (safetensors_file({"a": entry(shape=(1,) * 100)}), "at most 32 integers"),
    "a shape that does not fit": (safetensors_file({"a": entry(shape=(2, 2))}), "expected 4 of F32"),
    "offsets behind the end": (safetensors_file({"a": entry(offsets=(8, 32))}), "bytes 8 to 32 of 24"),
    "offsets the wrong way": (safetensors_file({"a": entry(offsets=(24, 0))}), "bytes 24 to 0"),
    "negative offsets": (safetensors_file({"a": entry(offsets=(-24, 0))}), "below 0"),
    "three offsets": (safetensors_file({"a": entry(offsets=(0, 24, 24))}), "two offsets"),
    "a hole": (safetensors_file({"a": entry(offsets=(4, 28))}, ONES + b"\0" * 4), "belong to two tensors or to none"),
    "an overlap": (safetensors_file({"a": entry(), "b": entry()}), "belong to two tensors or to none"),
    "bytes at the end": (safetensors_file(data=ONES + b"\0"), "1 bytes follow"),
    "terabytes of nothing": (safetensors_file({"a": entry(shape=(0, 2**50), offsets=(0, 0))}, b"\0"), "1 bytes follow"),
    "cut": (safetensors_file()[:-1], "expected 6 of F32"),
    "a checksum that lies": (
        safetensors_file({"__metadata__": {"format": "minires weights 1", "sha256": "0" * 64}, "a": entry()}),
        "no field sha256|damaged",
    ),
    "a file of minires without a checksum": (
        safetensors_file({"__metadata__": {"format": "minires weights 1"}, "a": entry()}),
        "no field sha256",
    ),
}

OTHER = {
    "an empty file": (b"", "file of 0 bytes"),
    "five bytes": (b"PK\3\4.", "file of 5 bytes"),
    "zeros": (b"\0" * 1000, "header has 0 bytes"),
    "text": (b"hello, world, hello", "is text, expected a file of PyTorch"),
    "a web page": (b"<!DOCTYPE html><html>", "is a web page"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\n", "run git lfs pull in its repository"),
    "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(90), "is a PNG picture"),
    "IDX": (b"\0\0\x08\3" + bytes(90), "is an IDX file of images"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "HDF5"),
    "gzip": (b"\x1f\x8b\x08" + b"\0" * 100, "gzip"),
    "NumPy": (b"\x93NUMPY\x01\0" + b"\0" * 100, "NumPy array"),
    "RAR": (b"Rar!\x1a\x07\0" + b"\0" * 99, "RAR"),
    "PyTorch 0.1": (b"a".ljust(257, b"\0") + b"ustar" + b"\0" * 300, "tar archive"),
    "a pickle of a dict": (pickled(dictionary(a=b"K\x01"), 4) + b"\0" * 9, "no file of torch.save"),
    "random bytes": (np.random.default_rng(0).bytes(5000), "header|pickle|expected"),
    "zlib": (zlib.compress(os.urandom(100)), "header"),
}

FILES = {f"zip, {kind}": (zip_file(pickled(body)), words) for kind, (body, words) in BOTH.items()}
FILES |= {f"zip, {kind}": case for kind, case in ZIPS.items()}
FILES |= {f"npz, {kind}": case for kind, case in NPZ.items()}
FILES |= {  # with a storage in it a pickle of the older format has other persistent ids
    f"legacy, {kind}": (legacy_file(pickled(body), keys=(), storages=()), words)
    for kind, (body, words) in BOTH.items()
    if b"torch\nFloat" not in body
}
FILES |= {f"legacy, {kind}": case for kind, case in LEGACY.items()}
FILES |= {f"safetensors, {kind}": case for kind, case in SAFE.items()}
FILES |= OTHER
