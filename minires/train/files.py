"""Files that survive: written whole or not at all, and safetensors files that carry their own SHA-256."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..backend import to_numpy
from ..errors import CheckpointError, StateError

# The checksum stands in the metadata of the header. It covers every byte of the file, with its own 64 digits as zeros.
FIELD = b'"sha256":"'
ZEROS = b"0" * 64
DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64".split()


def write_tensors(path, tensors, metadata):
    """Write arrays ``{name: array}`` and texts ``{name: text}`` as one safetensors file with a SHA-256.

    Arrays may live on any device and have any memory layout and byte order. The file replaces an older
    one at once or not at all. Raises :class:`~minires.errors.CheckpointError` where it cannot be written.
    """
    arrays = {name: _plain(path, name, array) for name, array in tensors.items()}
    data = bytearray(save(arrays, {**metadata, "sha256": ZEROS.decode()}))
    at = _digest_position(data)
    data[at : at + 64] = hashlib.sha256(data).hexdigest().encode()
    write_atomically(path, data)


def read_tensors(path):
    """Return ``({name: array}, {name: text})`` from a file of :func:`write_tensors`.

    Raises :class:`~minires.errors.CheckpointError` unless every byte is as it was written.
    """
    data = _read(path)
    at = _digest_position(data)
    if at is None:
        raise CheckpointError(
            f"{path} ({len(data)} bytes) has no field sha256 in its header, expected one: "
            "the file is damaged or was not written by minires; restore a copy of it or train again"
        )
    stated, data[at : at + 64] = bytes(data[at : at + 64]), ZEROS
    found = hashlib.sha256(data).hexdigest()
    if stated != found.encode():
        raise CheckpointError(
            f"{path} is damaged: its content has SHA-256 {found}, its header states {stated.decode(errors='replace')}: "
            "restore a copy of it or train again"
        )
    try:
        tensors = load(bytes(data))
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path} has the right SHA-256, but is no safetensors file that minires can read ({error}), "
            f"expected dtypes {', '.join(DTYPES)}: write it with save_checkpoint or save_weights"
        ) from error
    metadata = json.loads(data[8 : 8 + _header_size(data)])["__metadata__"]
    return tensors, {name: text for name, text in metadata.items() if name != "sha256"}


def write_atomically(path, data):
    """Put ``data`` (bytes) into the file ``path``: after a crash the old or the new content is there, whole."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")  # one name: what a crash leaves behind, the next write takes over
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CheckpointError(
                f"{path} cannot be written ({error}), {len(data)} bytes expected: make room or choose another folder; "
                "the file that was there before is whole"
            ) from error
        raise
    _sync_folder(path.parent)


@contextlib.contextmanager
def only_user(folder):
    """Keep other processes out of ``folder`` while the block runs; they get a :class:`~minires.errors.StateError`."""
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows has no such lock
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StateError(
            f"{folder} is in use by 1 other process, expected none: wait for that training, or stop it with Ctrl-C"
        ) from error
    except OSError:  # some network file systems know no locks
        pass
    try:
        yield
    finally:
        os.close(descriptor)


def _plain(path, name, array):
    """A contiguous array in native byte order: safetensors 0.8 writes wrong data for any other."""
    if array.dtype.name not in DTYPES:
        raise CheckpointError(
            f"{path} cannot hold {name} of dtype {array.dtype}, expected one of {', '.join(DTYPES)}: "
            "convert the model with model.to(dtype=...)"
        )
    return np.asarray(to_numpy(array), dtype=array.dtype.newbyteorder("="), order="C")


def _read(path):
    try:
        return bytearray(Path(path).read_bytes())
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror}), expected a file of minires: check the path"
        ) from error


def _header_size(data):
    return int.from_bytes(data[:8], "little")


def _digest_position(data):
    """Where the 64 digits of the checksum stand; None where the header has none."""
    at = data.find(FIELD, 8, 8 + _header_size(data))
    return None if at < 0 else at + len(FIELD)


def _sync_folder(folder):
    """Make a new name in ``folder`` durable; systems that cannot open or sync a folder do without."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
