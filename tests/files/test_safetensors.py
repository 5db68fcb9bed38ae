"""Safetensors: every damage is refused, every layout of an array survives, and the library reads what is written."""

import hashlib
import json
import struct

import numpy as np
import pytest
from conftest import EASY, np_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minires.backend import to_device
from minires.errors import CheckpointError
from minires.files import safetensors
from minires.files.safetensors import CODES, read_safetensors, write_safetensors
from minires.weights.open import open_file

SMALL = {"model.w": np.arange(240, dtype="float32").reshape(2, 120), "steps": np.int64(7) * np.ones((), "int64")}
TEXTS = {"format": "minires test 1", "state": json.dumps({"a": '"sha256":"'})}


def read(path):
    file = open_file(path)
    return file.arrays(), {name: text for name, text in file.texts.items() if name not in ("sha256", "writer")}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "small.safetensors"
    write_safetensors(path, SMALL, TEXTS)
    return path


def refused(path):
    try:
        read(path)
    except CheckpointError as error:
        return str(path) in str(error) and ": " in str(error)
    return False


def test_reads_what_was_written(path):
    tensors, texts = read(path)
    assert texts == TEXTS
    assert list(tensors) == list(SMALL), "the order is kept"
    for name, array in SMALL.items():
        assert tensors[name].shape == array.shape and tensors[name].dtype == array.dtype
        assert (tensors[name] == array).all()


@pytest.mark.parametrize("mask", [0x01, 0x20, 0xFF])
def test_refuses_every_changed_byte(path, mask):
    """All positions of a small file; 0x20 turns the case of letters, such as the digits of the checksum."""
    data = path.read_bytes()
    assert len(data) > 1000
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :])
        assert refused(path), f"byte {at} of {len(data)}"


def test_refuses_every_truncation_and_extension(path):
    data = path.read_bytes()
    assert len(data) > 1000
    for size in range(len(data)):
        path.write_bytes(data[:size])
        assert refused(path), f"{size} of {len(data)} bytes"
    for extra in (b"\0", b" ", data):
        path.write_bytes(data + extra)
        assert refused(path)


@given(st.binary(max_size=200))
def test_refuses_anything_else(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "anything"
    path.write_bytes(data)
    assert refused(path)


def sealed(header, body=b""):
    """A file with a right checksum and any header."""
    header = {"__metadata__": {"writer": "minires", "sha256": "0" * 64}, **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    data = struct.pack("<Q", len(text)) + text + body
    return data.replace(b"0" * 64, hashlib.sha256(data).hexdigest().encode())


@pytest.mark.parametrize(
    "data",
    [
        sealed({"w": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}),
        sealed({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"1234"),
        sealed({"w": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
        sealed({"w": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}, b"1"),
        sealed({"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, b"12345678"),
        sealed({"w": [1, 2]}),
    ],
    ids=["huge", "short", "overflow", "float8", "gap", "nonsense"],
)
def test_refuses_headers_that_lie(tmp_path, data):
    """Their checksum is right, so only the header itself can give them away."""
    path = tmp_path / "lie"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="expected|has not dtype|above 2|to none"):
        read(path)


def test_messages(tmp_path, path):
    with pytest.raises(CheckpointError, match="absent cannot be read .No such file or directory."):
        read(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="expected a file of weights: check the path"):
        read(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"?")
    digest = "[0-9a-f]{64}"
    with pytest.raises(CheckpointError, match=f"damaged: its content has SHA-256 {digest}, its header states {digest}"):
        read(path)
    path.write_bytes(data.replace(b"sha256", b"sha257"))
    with pytest.raises(CheckpointError, match=f"[(]{len(data)} bytes[)] has no field sha256"):
        read(path)


LAYOUTS = {
    "as it is": lambda a: a,
    "fortran": np.asfortranarray,
    "transposed": lambda a: a.T,
    "reversed": lambda a: a[::-1] if a.ndim else a,
    "every other": lambda a: a[..., ::2] if a.ndim else a,
    "broadcast": lambda a: np.broadcast_to(a, (2, *a.shape)),
    "swapped": lambda a: a.astype(a.dtype.newbyteorder("S")),
    "swapped fortran": lambda a: np.asfortranarray(a.astype(a.dtype.newbyteorder("S"))),
    "no axis": lambda a: a.ravel()[:1].reshape(()),
    "no entry": lambda a: a[:0] if a.ndim else a.reshape(1)[:0],
    "at an odd address": lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
}


@given(
    array=hnp.arrays(st.sampled_from([np.dtype(d) for d in CODES]), hnp.array_shapes(min_dims=0, max_dims=3)),
    layout=st.sampled_from(sorted(LAYOUTS)),
)
def test_any_memory_layout(tmp_path_factory, array, layout):
    path = tmp_path_factory.getbasetemp() / "layout.safetensors"
    given_array = LAYOUTS[layout](array)
    write_safetensors(path, {"a": given_array}, {})
    found = read(path)[0]["a"]
    expected = given_array.astype(given_array.dtype.newbyteorder("="), order="C")
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_library_reads_every_type_in_every_layout(tmp_path, layout):
    """One file with all types, so that the long ones begin where the short ones would put them off their multiples."""
    library = pytest.importorskip("safetensors.numpy")
    values = np.array([[0, 1, 3], [100, 5, 1]])
    given_arrays = {dtype: LAYOUTS[layout](values.astype(dtype)) for dtype in reversed(CODES)}
    path = tmp_path / "ours.safetensors"
    write_safetensors(path, given_arrays, {"format": "pt"})
    for found in (library.load_file(path), library.load(path.read_bytes()), read(path)[0]):
        assert found.keys() == given_arrays.keys()
        for name, array in given_arrays.items():
            assert found[name].shape == array.shape and found[name].dtype == np.dtype(name)
            np.testing.assert_array_equal(found[name], array)


def test_reads_what_the_library_writes(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    arrays = {dtype: np.array([[0, 1, 3], [100, 5, 1]]).astype(dtype) for dtype in CODES}
    arrays |= {"none": np.zeros((0, 3)), "é 0": np.array(3.0, np.float32)}
    (tmp_path / "theirs").write_bytes(library.save(arrays, {"format": "np"}))
    found, texts = read(tmp_path / "theirs")
    assert texts == {"format": "np"} and found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


@settings(**EASY)
@given(array=hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=3), elements=st.floats(-1, 1, width=32)))
def test_arrays_of_any_device(tmp_path, device, array):
    placed = {name: to_device(np.array(a), device) for name, a in {"a": array, "b": array > 0}.items()}
    placed["t"] = placed["a"].T
    write_safetensors(tmp_path / "w", placed, {})
    found, _ = read(tmp_path / "w")
    for name, wanted in placed.items():
        np.testing.assert_array_equal(found[name], np_of(wanted))
        assert found[name].dtype == np_of(wanted).dtype and found[name].shape == wanted.shape


def test_numbers_begin_at_multiples_of_their_size(tmp_path):
    write_safetensors(tmp_path / "w", {"b": np.ones(3, bool), "f": np.ones(3, "f4"), "d": np.ones((), "f8")}, {})
    data = (tmp_path / "w").read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    assert (8 + size) % 8 == 0
    starts = {name: entry["data_offsets"][0] for name, entry in header.items() if name != "__metadata__"}
    assert starts == {"b": 20, "f": 8, "d": 0} and list(starts) == ["b", "f", "d"]


@pytest.mark.parametrize("dtype", ["complex128", "longdouble", "U3", "datetime64[s]", "O", "V2"])
def test_refuses_dtypes_that_the_format_lacks(tmp_path, dtype):
    with pytest.raises(CheckpointError, match=r"cannot hold w of dtype .*, expected one of float64.*: convert"):
        write_safetensors(tmp_path / "x", {"w": np.zeros(2, dtype)}, {})
    assert not list(tmp_path.iterdir())


def test_never_writes_a_header_that_it_would_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(safetensors, "MAX_HEADER", 1000)
    many = {f"layer{i}.weight": np.zeros(1) for i in range(20)}
    with pytest.raises(CheckpointError, match="cannot hold 20 tensors: its header has .* at most 1000: choose"):
        write_safetensors(tmp_path / "x", many, {})
    assert not list(tmp_path.iterdir())


def test_metadata():
    header = b'{"__metadata__":{"format":"pt","sha256":"not ours"}}'
    tensors, texts = read_safetensors("x", len(header).to_bytes(8, "little") + header)
    assert tensors == {} and texts == {"format": "pt", "sha256": "not ours"}
