import gzip
import tarfile
import time
import tracemalloc

import numpy as np
import pytest
from data.writers import tar_bytes
from hypothesis import given
from hypothesis import strategies as st

from minires.errors import DataFileError
from minires.files import tar as tar_module
from minires.files.tar import read_members

MEMBERS = {
    "top/": b"",
    "top/readme.html": b"<html>" * 50,
    "top/a": b"abc",
    "top/b": bytes(range(256)) * 8,
    "top/c": b"",
}
PLAIN = tar_bytes(MEMBERS, packed=False)
LIMITS = {"a": 3, "b": 2048, "c": 0, "absent": 10}


def read(tmp_path, data, limits=LIMITS):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(data)
    return read_members(path, limits)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("packed", [False, True])
def test_members(tmp_path, format, packed):
    found = read(tmp_path, tar_bytes(MEMBERS, packed, format))
    assert found == {"a": b"abc", "b": bytes(range(256)) * 8, "c": b""}


@given(
    members=st.dictionaries(st.text("abcdef", min_size=1, max_size=5), st.binary(max_size=1500), max_size=5),
    packed=st.booleans(),
)
def test_round_trip(tmp_path, members, packed):
    data = tar_bytes({f"folder/{name}": content for name, content in members.items()}, packed)
    assert read(tmp_path, data, {name: 1500 for name in members}) == members


def test_nothing_is_written_and_names_are_not_paths(tmp_path):
    evil = {"../../evil": b"1", "/etc/evil": b"2", "../a": b"abc"}
    assert read(tmp_path, tar_bytes(evil)) == {"a": b"abc"}
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar.gz"]
    assert not (tmp_path.parents[1] / "evil").exists()


def test_links_are_not_followed(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("a", tarfile.SYMTYPE), ("b", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert read_members(path, LIMITS) == {}


def header_with(position, data, fix_checksum=True):
    """PLAIN in USTAR format with a changed first header."""
    out = bytearray(tar_bytes({"a": b"abc"}, packed=False, format=tarfile.USTAR_FORMAT))
    out[position : position + len(data)] = data
    if fix_checksum:
        out[148:156] = b" " * 8
        out[148:156] = b"%06o\0 " % sum(out[:512])
    return bytes(out)


BROKEN = {
    "empty": (b"", "is an empty file, expected a tar archive"),
    "text": (b"text" * 200, "is text, expected a tar archive"),
    "a web page": (b"<html>" * 200, "is a web page, expected a tar archive"),
    "a zip archive": (b"PK\3\4" + bytes(600), "is a zip archive, expected a tar archive"),
    "checksum": (header_with(0, b"b", fix_checksum=False), "checksum of the header"),
    "size with letters": (header_with(124, b"xyz"), "not one of a tar archive"),
    "negative size": (header_with(124, b"-0000000001"), "size of member 'a' is -1"),
    "size beyond 8 GiB": (header_with(124, b"\x80" + b"\xff" * 11), "not one of a tar archive"),
    "size of 8 GiB": (header_with(124, b"77777777777"), "unpacked size"),
    "size above the limit": (header_with(124, b"00000000004"), "size of member a is 4 bytes, expected at most 3"),
    "device": (header_with(156, b"3"), "type of member 'a' is '3'"),
    "sparse file": (header_with(156, b"S"), "type of member 'a' is 'S'"),
    "cut in a header": (PLAIN[:500], "header at byte"),
    "cut in a wanted member": (header_with(0, b"a")[:513], "member 'a' is 511 bytes short"),
    "cut in another member": (header_with(0, b"z")[:514], "member 'z' is 510 bytes short"),
    "no end": (header_with(0, b"a")[:1024], "header at byte 1024"),
    "rest": (PLAIN + b"x", "end of the archive"),
    "long rest": (PLAIN + bytes(3 << 20), "end of the archive"),
    "cut gzip": (gzip.compress(PLAIN)[:-12], "cannot be read"),
    "gzip checksum": (gzip.compress(PLAIN)[:-8] + b"12345678", "cannot be read"),
    "gzip of nothing": (gzip.compress(b""), "is an empty file"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken(tmp_path, kind):
    data, words = BROKEN[kind]
    with pytest.raises(DataFileError) as error:
        read(tmp_path, data)
    assert words in str(error.value) and "x.tar.gz" in str(error.value)


def test_two_members_of_one_name(tmp_path):
    with pytest.raises(DataFileError, match="number of members named a is 2 or more"):
        read(tmp_path, tar_bytes({"top/a": b"1", "other/a": b"2"}))


@pytest.mark.parametrize("name", ["a", "other"])
def test_a_bomb_is_bounded(tmp_path, name, monkeypatch):
    monkeypatch.setattr(tar_module, "MAX_ARCHIVE", 1 << 26)
    data = gzip.compress(tar_bytes({name: bytes(1 << 25), "b": b"", "more": bytes(1 << 25)}, packed=False), 1)
    tracemalloc.start()
    try:
        start = time.perf_counter()
        with pytest.raises(DataFileError):
            read(tmp_path, data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 23
        assert time.perf_counter() - start < 10
    finally:
        tracemalloc.stop()


def test_a_huge_extended_header_is_passed_over(tmp_path):
    """tarfile would read it into memory."""
    out = bytearray(header_with(156, b"x"))
    out[124:136] = b"%011o\0" % (1 << 25)
    out[148:156] = b" " * 8
    out[148:156] = b"%06o\0 " % sum(out[:512])
    data = gzip.compress(bytes(out[:512]) + bytes(1 << 25) + tar_bytes({"a": b"abc"}, packed=False), 1)
    tracemalloc.start()
    try:
        assert read(tmp_path, data) == {"a": b"abc"}
        assert tracemalloc.get_traced_memory()[1] < 1 << 23
    finally:
        tracemalloc.stop()


def test_random_mutations(tmp_path):
    rng = np.random.default_rng(0)
    packed = gzip.compress(PLAIN)
    for i in range(1500):
        data = bytearray(packed if i % 3 == 0 else PLAIN)
        for _ in range(rng.integers(1, 5)):
            data[rng.integers(len(data))] = rng.integers(256)
        if i % 2:  # repair the checksums, so that the fields behind them are reached
            for start in range(0, len(data) - 512, 512):
                data[start + 148 : start + 156] = b" " * 8
                data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])
        try:
            found = read(tmp_path, bytes(data))
            assert all(len(content) <= LIMITS[name] for name, content in found.items())
        except DataFileError as error:
            assert "x.tar.gz" in str(error)
