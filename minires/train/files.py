"""Safetensors files that carry their own SHA-256, and the lock on the folder of a run."""

import contextlib
import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..backend import to_numpy
from ..errors import CheckpointError, StateError
from ..files.whole import ZEROS, check_seal, header_size, seal, write_atomically

DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64".split()


def write_tensors(path, tensors, metadata):
    """Write arrays ``{name: array}`` and texts ``{name: text}`` as one safetensors file with a SHA-256.

    Arrays may live on any device and have any memory layout and byte order. The file replaces an older
    one at once or not at all. Raises :class:`~minires.errors.CheckpointError` where it cannot be written.
    """
    arrays = {name: _plain(path, name, array) for name, array in tensors.items()}
    write_atomically(path, seal(save(arrays, {**metadata, "sha256": ZEROS.decode()})))


def read_tensors(path):
    """Return ``({name: array}, {name: text})`` from a file of :func:`write_tensors`.

    Raises :class:`~minires.errors.CheckpointError` unless every byte is as it was written.
    """
    data = _read(path)
    check_seal(path, data)
    try:
        tensors = load(data)
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path} has the right SHA-256, but is no safetensors file that minires can read ({error}), "
            f"expected dtypes {', '.join(DTYPES)}: write it with save_checkpoint or save_weights"
        ) from error
    metadata = json.loads(data[8 : 8 + header_size(data)])["__metadata__"]
    return tensors, {name: text for name, text in metadata.items() if name != "sha256"}


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
        return Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror}), expected a file of minires: check the path"
        ) from error
