import os
import pickle
import pickletools
import struct

import numpy as np
import pytest
from data.writers import python2_pickle
from hypothesis import given
from hypothesis import strategies as st

from minires.errors import DataFileError
from minires.files import unpickle as module
from minires.files.unpickle import unpickle

NOTHING = {}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=300)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text() | st.binary() | st.integers(-(2**31), 2**31 - 1), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(value=VALUES, protocol=st.sampled_from([3, 4, 5]))
def test_plain_data_as_pickle_reads_it(value, protocol):
    data = pickle.dumps(value, protocol)
    assert unpickle(data, NOTHING, "x") == (pickle.loads(data), len(data))


@given(value=st.recursive(st.integers(-5, 70000) | st.text("abcdeé\xff", max_size=300), st.lists))
def test_python_2(value):
    data = python2_pickle(value)
    assert unpickle(data, NOTHING, "x")[0] == pickle.loads(data, encoding="latin1") == value


def test_shared_values_stay_shared():
    inner = []
    value, _ = unpickle(pickle.dumps([inner, inner], 4), NOTHING, "x")
    assert value[0] is value[1]


def test_a_list_that_holds_itself():
    loop = []
    loop.append(loop)
    value, _ = unpickle(pickle.dumps(loop, 2), NOTHING, "x")
    assert value[0] is value


def test_the_length_shows_what_follows():
    assert unpickle(b"\x80\x02K\x07.rest", NOTHING, "x") == (7, 5)


class State(dict):
    def setstate(self, state):
        self["state"] = state


def test_allowed_functions_and_state():
    data = b"\x80\x02c__main__\nmake\nq\x01K\x05\x85R}U\x01aK\x01sb."
    value, _ = unpickle(data, {("__main__", "make"): lambda n: State(n=n)}, "x")
    assert value == {"n": 5, "state": {"a": 1}}


def test_persistent_ids():
    data = b"\x80\x02]U\x07storage\x85Qa."
    assert unpickle(data, NOTHING, "x", lambda identity: identity[0] * 2)[0] == ["storagestorage"]
    with pytest.raises(DataFileError, match="outside the file"):
        unpickle(data, NOTHING, "x")


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, __import__, os.remove, open])
def test_code_is_refused(tmp_path, function, protocol):
    canary = tmp_path / "canary"
    argument = f"open({str(canary)!r}, 'w')" if function in (eval, exec) else f"touch {canary}"
    data = pickle.dumps([1, Evil(function, argument)], protocol)
    with pytest.raises(DataFileError, match="wants to run code"):
        unpickle(data, {("numpy", "ndarray"): None}, tmp_path / "x")
    assert not canary.exists()


ARRAY = {("numpy", "ndarray"): None, ("numpy", "dtype"): lambda code: [code]}
REFUSED = {
    "nothing": (b"", "the data end here"),
    "no STOP": (b"\x80\x02K\x01", "byte 4: the data end here"),
    "STOP alone": (b".", "no value where one is needed"),
    "two results": (b"K\x01K\x02.", "1 values more"),
    "mark as result": (b"(.", "no value where one is needed"),
    "protocol 6": (b"\x80\x06K\x01.", "protocol is 6, expected at most 5"),
    "unknown opcode": (b"\xffK\x01.", "opcode b'\\xff'"),
    "text integer": (b"I1\n.", "opcode b'I'"),
    "text string": (b"S'\\d'\n.", "opcode b'S'"),
    "INST": (b"(S'id'\nios\nsystem\n.", "opcode"),
    "INST without arguments": (b"(ios\nsystem\n.", "opcode b'i'"),
    "OBJ": (b"(cos\nsystem\nU\x02ido.", "'os.system'"),
    "OBJ of an allowed name": (b"(cnumpy\nndarray\no.", "opcode b'o'"),
    "NEWOBJ": (b"cnumpy\nndarray\n)\x81.", "opcode"),
    "NEWOBJ_EX": (b"cnumpy\nndarray\n)}\x92.", "opcode"),
    "EXT1": (b"\x82\x01.", "opcode"),
    "set": (b"\x8f.", "opcode"),
    "out-of-band buffer": (b"\x97.", "opcode"),
    "persistent text id": (b"Pname\n.", "opcode b'P'"),
    "GLOBAL": (b"cposix\nsystem\nU\x04true\x85R.", "'posix.system'"),
    "attribute of an allowed name": (b"cnumpy\nndarray.tofile\n.", "'numpy.ndarray.tofile'"),
    "name with a space": (b"cnumpy ndarray\nx\n.", "'numpy.ndarray x'"),
    "STACK_GLOBAL": (b"\x8c\x02os\x8c\x06system\x93.", "'os.system'"),
    "STACK_GLOBAL of numbers": (b"K\x01K\x02\x93.", "found a int, expected a str"),
    "call of a mention": (b"cnumpy\nndarray\n)R.", "mentioned, not called"),
    "call of a value": (b"K\x01)R.", "found a int, expected a Global"),
    "call without a tuple": (b"cnumpy\ndtype\nK\x01R.", "found a int, expected a tuple"),
    "too many arguments": (b"cnumpy\ndtype\nK\x01K\x02K\x03\x87R.", "positional argument"),
    "state of a list": (b"]K\x01b.", "a list takes no state"),
    "state of a mention": (b"cnumpy\nndarray\n}b.", "a Global takes no state"),
    "append to a tuple": (b")K\x01a.", "found a tuple, expected a list"),
    "append to nothing": (b"K\x01a.", "no value"),
    "appends without a mark": (b"]K\x01e.", "no mark"),
    "item of a list": (b"]K\x01K\x02s.", "found a list, expected a dict"),
    "odd items": (b"}(K\x01u.", "a key without a value"),
    "key of a tuple": (b"})K\x01s.", "a key of a dict is a tuple"),
    "key of a list": (b"}]K\x01s.", "a key of a dict is a list"),
    "key of 62 bits": (b"}\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x1fK\x01s.", "an integer of more than 32 bits"),
    "unknown memo": (b"h\x05.", "value 5 is fetched before it is stored"),
    "memo of a mark": (b"(q\x01.", "no value"),
    "tuple of a mark": (b"(\x85.", "no value"),
    "cut string": (b"U\x05abc", "expected 5 bytes in a string1"),
    "negative string": (b"T\xff\xff\xff\xffabc.", "byte count < 0"),
    "cut text": (b"X\x05\0\0\0abc", "expected 5 bytes"),
    "text not UTF-8": (b"X\x01\0\0\0\xff.", "codec"),
    "text of 2**63 bytes": (b"\x8d" + b"\xff" * 8 + b".", "> sys.maxsize"),
    "bytes of 2**62 bytes": (b"\x8e" + struct.pack("<Q", 2**62) + b".", "expected 4611686018427387904 bytes"),
    "cut name": (b"cnumpy\nnd", "cut, over-long or escaped"),
    "over-long name": (b"c" + b"x" * 300 + b"\nndarray\n.", "cut, over-long or escaped"),
    "escaped name": (b"cnum\\py\nndarray\n.", "cut, over-long or escaped"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind):
    data, words = REFUSED[kind]
    with pytest.raises(DataFileError) as error:
        unpickle(data, ARRAY, "batch_1")
    assert words in str(error.value) and str(error.value).startswith("batch_1: pickle, byte ")


def test_deep_nesting_does_no_harm():
    value, _ = unpickle(b")" + b"\x85" * 200_000 + b".", NOTHING, "x")
    assert type(value) is tuple
    with pytest.raises(DataFileError, match="a key of a dict is a tuple"):
        unpickle(b"})" + b"\x85" * 200_000 + b"K\x01s.", NOTHING, "x")


def test_many_small_opcodes_are_bounded(monkeypatch):
    assert module.MAX_OPCODES <= 2_000_000, "each may push an object of some 100 bytes"
    monkeypatch.setattr(module, "MAX_OPCODES", 1000)
    with pytest.raises(DataFileError, match="more than 1000 opcodes"):
        unpickle(b"]" * 1001 + b".", NOTHING, "x")


def test_random_mutations():
    rng = np.random.default_rng(0)
    sources = [pickle.dumps({"data": [1, 2, (3.5, b"x"), "text"], 7: {"a": None}}, p) for p in range(2, 6)]
    sources.append(python2_pickle({"labels": [1, 300, 70000], "name": "x" * 300}))
    sources += [pickle.dumps([Evil(os.system, "exit 1"), np.arange(3, dtype=np.uint8)], p) for p in (2, 4, 5)]
    for i in range(4000):
        data = bytearray(sources[i % len(sources)])
        for _ in range(rng.integers(1, 5)):
            data[rng.integers(len(data))] = rng.integers(256)
        try:
            unpickle(data, ARRAY, "x")
        except DataFileError:
            pass


def test_random_programmes():
    """Streams of accepted opcodes with random small arguments reach every state of the machine."""
    rng = np.random.default_rng(1)
    codes = [op.code.encode("latin-1") for op in pickletools.opcodes]
    for _ in range(3000):
        parts = (codes[rng.integers(len(codes))] + rng.bytes(rng.integers(3)) for _ in range(rng.integers(1, 12)))
        try:
            unpickle(b"".join(parts) + b".", ARRAY, "x")
        except DataFileError:
            pass
