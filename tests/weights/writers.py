"""PyTorch's files and safetensors, put together byte by byte: also such as no programme would write."""

import io
import json
import struct
import zipfile

import numpy as np

ONES = np.ones(6, "<f4").tobytes()
MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
VERSION = b"\x80\x02M\xe9\x03."
FACTS = b"\x80\x02}(X\x10\0\0\0protocol_versionM\xe9\x03X\r\0\0\0little_endian\x88u."


# pieces of pickles


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def text(value):
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def integer(value):
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(*values):
    return tuples(*map(integer, values))


def tuples(*parts):
    return b"(" + b"".join(parts) + b"t"


def dictionary(**items):
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def call(module, attribute, *arguments):
    return name(module, attribute) + tuples(*arguments) + b"R"


def pickled(body, protocol=2):
    return b"\x80" + bytes([protocol]) + body + b"."


HOOKS = call("collections", "OrderedDict")


def storage(key="0", count=6, kind="FloatStorage", place="cpu", legacy=False):
    last = [b"N"] if legacy else []
    parts = (text("storage"), name("torch", kind), text(key), text(place), integer(count), *last)
    return tuples(*parts) + b"Q"


def tensor(shape=(2, 3), strides=(3, 1), offset=0, of=None, legacy=False, **settings):
    of = storage(legacy=legacy, **settings) if of is None else of
    parts = (of, integer(offset), numbers(*shape), numbers(*strides), b"\x89", HOOKS)
    return call("torch._utils", "_rebuild_tensor_v2", *parts)


def state(legacy=False, **settings):
    return pickled(dictionary(a=tensor(legacy=legacy, **settings)))


# files


def zip_file(pickle=None, storages=None, root="archive", **members):
    """A file of the newer format; ``members``: further ones, by name with __ for a dot."""
    content = {"data.pkl": state() if pickle is None else pickle, "byteorder": b"little", "version": b"3\n"}
    content |= {key.replace("__", "."): value for key, value in members.items()}
    content |= {f"data/{key}": raw for key, raw in ({"0": ONES} if storages is None else storages).items()}
    return archive({f"{root}/{key}": value for key, value in content.items() if value is not None})


def npy(descr="'<f4'", shape="(2, 3)", data=ONES, header=None, version=b"\1\0", size=None):
    """An array of NumPy's; ``header``: the text itself."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}" if header is None else header
    raw = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(raw) if size is None else size) + raw + data


def archive(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for key, value in members.items():
            file.writestr(zipfile.ZipInfo(key), value, compression)
    return buffer.getvalue()


def legacy_file(pickle=None, keys=("0",), storages=((6, ONES),), start=MAGIC + VERSION + FACTS, end=b""):
    """A file of the older format."""
    names = b"\x80\x02](" + b"".join(map(text, keys)) + b"e."
    parts = [struct.pack("<q", count) + raw for count, raw in storages]
    return start + (state(legacy=True) if pickle is None else pickle) + names + b"".join(parts) + end


def safetensors_file(header=None, data=ONES, size=None):
    """``header``: a dict, or the text itself."""
    if header is None:
        header = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if size is None else size) + raw + data


def entry(dtype="F32", shape=(2, 3), offsets=(0, 24), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}
