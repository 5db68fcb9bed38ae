"""Files with a checksum: every damage is refused, every layout of an array survives, a failed write costs nothing."""

import hashlib
import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minires.errors import CheckpointError, StateError
from minires.files.whole import write_atomically
from minires.train import files
from minires.train.files import only_user, read_tensors, write_tensors

SMALL = {"model.w": np.arange(240, dtype="float32").reshape(2, 120), "steps": np.int64(7) * np.ones((), "int64")}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "small.safetensors"
    write_tensors(path, SMALL, {"format": "test 1", "state": json.dumps({"a": '"sha256":"'})})
    return path


def refused(path):
    try:
        read_tensors(path)
    except CheckpointError as error:
        return str(path) in str(error) and ": " in str(error)
    return False


def test_reads_what_was_written(path):
    tensors, texts = read_tensors(path)
    assert texts == {"format": "test 1", "state": json.dumps({"a": '"sha256":"'})}
    assert tensors.keys() == SMALL.keys()
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
    header = {"__metadata__": {"sha256": "0" * 64}, **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    data = struct.pack("<Q", len(text)) + text + body
    return data.replace(b"0" * 64, hashlib.sha256(data).hexdigest().encode())


@pytest.mark.parametrize(
    "data",
    [
        sealed({"w": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}),
        sealed({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"1234"),
        sealed({"w": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
        sealed({"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, b"12"),
        sealed({"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, b"12345678"),
        sealed({"w": [1, 2]}),
    ],
    ids=["huge", "short", "overflow", "bfloat16", "gap", "nonsense"],
)
def test_refuses_headers_that_lie(tmp_path, data):
    """Their checksum is right, so only the header itself can give them away."""
    path = tmp_path / "lie"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="has the right SHA-256, but is no safetensors file"):
        read_tensors(path)


def test_messages(tmp_path, path):
    with pytest.raises(CheckpointError, match="absent cannot be read .No such file or directory."):
        read_tensors(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="cannot be read .Is a directory."):
        read_tensors(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"?")
    digest = "[0-9a-f]{64}"
    with pytest.raises(CheckpointError, match=f"damaged: its content has SHA-256 {digest}, its header states {digest}"):
        read_tensors(path)
    path.write_bytes(data.replace(b"sha256", b"sha257"))
    with pytest.raises(CheckpointError, match=f"[(]{len(data)} bytes[)] has no field sha256"):
        read_tensors(path)


LAYOUTS = {
    "as it is": lambda a: a,
    "fortran": np.asfortranarray,
    "transposed": lambda a: a.T,
    "reversed": lambda a: a[::-1] if a.ndim else a,
    "every other": lambda a: a[..., ::2] if a.ndim else a,
    "broadcast": lambda a: np.broadcast_to(a, (2, *a.shape)),
    "swapped": lambda a: a.astype(a.dtype.newbyteorder("S")),
    "swapped fortran": lambda a: np.asfortranarray(a.astype(a.dtype.newbyteorder("S"))),
}


@given(
    array=hnp.arrays(st.sampled_from([np.dtype(d) for d in files.DTYPES]), hnp.array_shapes(min_dims=0, max_dims=3)),
    layout=st.sampled_from(sorted(LAYOUTS)),
)
def test_any_memory_layout(tmp_path_factory, array, layout):
    path = tmp_path_factory.getbasetemp() / "layout.safetensors"
    given_array = LAYOUTS[layout](array)
    write_tensors(path, {"a": given_array}, {})
    found = read_tensors(path)[0]["a"]
    expected = given_array.astype(given_array.dtype.newbyteorder("="), order="C")
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()


def test_refuses_dtypes_that_the_format_lacks(tmp_path):
    with pytest.raises(CheckpointError, match="cannot hold w of dtype complex128, expected one of bool"):
        write_tensors(tmp_path / "x", {"w": np.zeros(2, "complex128")}, {})
    assert not list(tmp_path.iterdir())


def fail(*args):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_litter(path, monkeypatch, function):
    before = path.read_bytes()
    monkeypatch.setattr(os, function, fail)
    with pytest.raises(CheckpointError, match="cannot be written .*No space left.*: make room"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_full_disk(path):
    """The real thing where there is one: /dev/full takes no byte."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    before = path.read_bytes()
    (path.parent / f".{path.name}.tmp").symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match="No space left"):
        write_atomically(path, b"new" * 10**6)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_write(path, monkeypatch, interruption):
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(interruption))
    with pytest.raises(interruption):
        write_atomically(path, b"new")
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


def test_litter_of_a_crash_is_taken_over(path):
    (path.parent / f".{path.name}.tmp").write_bytes(b"half a checkpoint" * 1000)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and os.listdir(path.parent) == [path.name]


def test_the_file_is_durable_before_it_takes_the_name(path, monkeypatch):
    """The order that survives a loss of power: content to the disk, then the name, then the folder."""
    events = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, real=real, name=name: (events.append(name), real(*args))[1])
    write_atomically(path, b"new")
    assert events == ["fsync", "replace", "fsync"]


def test_one_user_at_a_time(tmp_path):
    with only_user(tmp_path):
        with pytest.raises(StateError, match="in use by 1 other process, expected none"):
            with only_user(tmp_path):
                pytest.fail("two users")
    with only_user(tmp_path):
        pass
