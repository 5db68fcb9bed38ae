"""Files that survive: headers that carry the SHA-256 of their file."""

import hashlib

from ..errors import CheckpointError

# The checksum stands in the metadata of a safetensors header. It covers every byte of the file, with its own 64 digits
# as zeros.
FIELD = b'"sha256":"'
ZEROS = b"0" * 64


def seal(data):
    """The bytes of a safetensors file, whose header has the field sha256 with 64 zeros, with its checksum there."""
    data = bytearray(data)
    at = digest_position(data)
    data[at : at + 64] = hashlib.sha256(data).hexdigest().encode()
    return data


def check_seal(path, data):
    """Raise :class:`~minires.errors.CheckpointError` unless ``data``, all of a file, is as :func:`seal` left it."""
    at = digest_position(data)
    if at is None:
        raise CheckpointError(
            f"{path} ({len(data)} bytes) has no field sha256 in its header, expected one: "
            "the file is damaged or was not written by minires; restore a copy of it or train again"
        )
    view, digest = memoryview(data), hashlib.sha256()
    for part in (view[:at], ZEROS, view[at + 64 :]):
        digest.update(part)
    stated, found = bytes(data[at : at + 64]), digest.hexdigest()
    if stated != found.encode():
        raise CheckpointError(
            f"{path} is damaged: its content has SHA-256 {found}, its header states {stated.decode(errors='replace')}: "
            "restore a copy of it or train again"
        )


def header_size(data):
    """Bytes of the header of a safetensors file, which begins with that number."""
    return int.from_bytes(data[:8], "little")


def digest_position(data):
    """Where the 64 digits of the checksum stand; None where the header has no field for it."""
    at = data.find(FIELD, 8, min(8 + header_size(data), len(data)))
    return None if at < 0 or at + len(FIELD) + 64 > len(data) else at + len(FIELD)
