"""What goes between a grader and its worker comes back as it was, and bytes that are no value are refused."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from minires.classroom.box.inside.wire import DTYPES, Function, Handle, Part, Seed, WireError, frame, pack, unpack

NUMBERS = st.one_of(*(arrays(np.dtype(name), array_shapes(min_dims=0, min_side=0, max_side=4)) for name in DTYPES))
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=20))
VALUES = st.recursive(PLAIN | NUMBERS, lambda inner: st.lists(inner, max_size=3), max_leaves=6)


def same(a, b):
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    return type(a) is type(b) and (a == b or a != a and b != b)


@given(VALUES)
def test_values_come_back(value):
    assert same(value, unpack(pack(value)))


def test_arrays_of_any_layout_and_byte_order():
    a = np.arange(24.0).reshape(2, 3, 4)
    for array in (a[::-1], a.T, a.astype(">f8"), a[:, 1:2]):
        assert np.array_equal(unpack(pack(array)), array)
    assert unpack(pack(np.float32(1.5))).dtype == np.float32


@pytest.mark.parametrize("kind", [Handle, Part, Function, Seed])
def test_what_stays_on_the_other_side_keeps_its_kind_and_number(kind):
    found = unpack(pack(kind(7)))
    assert (type(found), found.number) == (kind, 7)


@pytest.mark.parametrize("value", [object(), {1: 2}, 1j, np.ones(2, np.float16), np.array([None]), b"x"])
def test_what_has_no_kind_is_not_sent(value):
    with pytest.raises(WireError, match="cannot be sent"):
        pack(value)


def test_frames_have_a_limit():
    with pytest.raises(WireError, match="72 MB are too much"):
        frame(np.zeros(9_000_000))


@given(st.binary(max_size=60))
def test_no_bytes_do_harm(data):
    try:
        unpack(data)
    except (WireError, ValueError):
        pass


@given(VALUES, st.data())
def test_neither_do_changed_ones(value, data):
    content = bytearray(pack([value]))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpack(bytes(content))
    except (WireError, ValueError):
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"N" * 2,
        b"a\x00\x04" + struct.pack("<4I", *[65536] * 4),
        b"a\x09\x00",
        b"s\xff\xff\xff\xff",
        b"l\x01\x00\x00\x00" * 10 + b"N",
        b"p\x00",
        b"l\xff\xff\xff\xff",
    ],
)
def test_hostile_bytes(data):
    with pytest.raises(WireError):
        unpack(data)
