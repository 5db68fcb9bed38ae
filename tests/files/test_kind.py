"""What a file is, by its first bytes: files as their programmes write them."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import zipfile

import numpy as np
import pytest
from data.writers import idx_bytes, tar_bytes

from minires.errors import DataFileError
from minires.files import write_safetensors
from minires.files.kind import HEAD, kind_of, refused


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x" * 10)
    return buffer.getvalue()


def saved(save, *args, **kwargs):
    buffer = io.BytesIO()
    save(buffer, *args, **kwargs)
    return buffer.getvalue()


def picture(kind):
    from PIL import Image

    return saved(Image.new("RGB", (4, 4)).save, kind)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4665a5ea\nsize 12345\n"
INDEX = json.dumps({"metadata": {"total_size": 9}, "weight_map": {"a.weight": "model-00001-of-00002.safetensors"}})
KINDS = {
    "nothing": (b"", "an empty file", "download or the copy broke off"),
    "pointer of Git LFS": (POINTER, "a pointer of Git LFS, not the file itself", "git lfs pull"),
    "web page": (b"<!DOCTYPE html>\n<html>", "a web page", "in a browser"),
    "web page after blanks": (b"\n\n  <HTML><head>", "a web page", "in a browser"),
    "web page with a mark": (b"\xef\xbb\xbf<!doctype HTML>", "a web page", "in a browser"),
    "refusal of S3": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "XML", "from another address"),
    "JSON": (b'{"message": "rate limit"}', "JSON", "the file itself"),
    "JSON list": (b"[1, 2]", "JSON", "the file itself"),
    "index of shards": (INDEX.encode(), "an index of shards", "put the files that it names beside it"),
    "zip": (zipped("cats/1.png"), "a zip archive", "unpack it"),
    "empty zip": (zipped(), "an empty zip archive", "fetch it again"),
    "npz": (saved(np.savez, a=np.eye(2)), "an npz archive", "--data npz"),
    "packed npz": (saved(np.savez_compressed, a=np.eye(2)), "an npz archive", "--data npz"),
    "npy": (saved(np.save, np.eye(2)), "a NumPy array", "expected"),
    "TorchScript": (
        zipped("net/data.pkl", "net/code/__torch__.py", "net/constants.pkl"),
        "a TorchScript",
        "state_dict",
    ),
    "PyTorch": (zipped("archive/data.pkl", "archive/data/0"), "a file of weights of PyTorch", "as weights"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "an HDF5 file", "numpy.savez"),
    "MATLAB": (b"MATLAB 5.0 MAT-file, Platform: GLNX86", "a MATLAB file", "numpy.savez"),
    "Parquet": (b"PAR1\x15\x04", "a Parquet file", "numpy.savez"),
    "gzip": (gzip.compress(b"x"), "compressed by gzip", "unpack it"),
    "bzip2": (bz2.compress(b"x"), "compressed by bzip2", "unpack it"),
    "xz": (lzma.compress(b"x"), "compressed by xz", "unpack it"),
    "tar": (tar_bytes({"a": b"b"}, packed=False), "a tar archive", "unpack it"),
    "RAR": (b"Rar!\x1a\x07\x00", "a RAR archive", "unpack it"),
    "7z": (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it"),
    "PNG": (lambda: picture("PNG"), "a PNG picture", "--data folder"),
    "JPEG": (lambda: picture("JPEG"), "a JPEG picture", "--data folder"),
    "HEIF": (b"\0\0\0\x18ftypheic", "a HEIF picture", "as PNG or JPEG"),
    "pickle": (pickle.dumps({"a": 1}, 4), "a pickle", "as weights if PyTorch wrote it"),
    "IDX": (idx_bytes(np.zeros((2, 3, 3))), "an IDX file of images", "--data mnist"),
    "IDX of labels": (idx_bytes(np.zeros(2)), "an IDX file of labels", "--data mnist"),
    "text": ("Grüße\r\n\tvon hier".encode(), "text", "fetch it again"),
    "random": (bytes(range(150, 255)), "of no kind that minires knows (it begins with 96 97 98", "fetch it again"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(tmp_path, kind):
    data, what, remedy = KINDS[kind]
    data = data() if callable(data) else data
    assert kind_of(data)[0].startswith(what) and remedy in kind_of(data)[1]
    assert kind_of(memoryview(bytearray(data))) == kind_of(data)
    (tmp_path / "x").write_bytes(data)
    message = str(refused(tmp_path / "x", "a file of weights"))
    assert message == "{} is {}, expected a file of weights: {}".format(tmp_path / "x", *kind_of(data))


@pytest.mark.parametrize("start", [b"\x1f\x8b\0", b"BZh", b"\0\0\1", b"\xff\xd8\xff", b"\x80\2\0", b"{\0\0", b"PK\3"])
def test_safetensors(tmp_path, start):
    """They begin with the length of their header, which may look like anything."""
    write_safetensors(tmp_path / "x", {"a": np.eye(2)}, {})
    data = (tmp_path / "x").read_bytes()
    assert kind_of(data)[0] == kind_of(start + bytes(5) + data[8:])[0] == "a safetensors file"


def test_only_the_head_of_a_file_is_read(tmp_path):
    with open(tmp_path / "x", "wb") as file:
        file.write(b"text ")
        file.truncate(1 << 40)
    assert "of no kind" in str(refused(tmp_path / "x", "anything"))
    text = "é" * HEAD  # the head ends within a letter
    assert kind_of(b"x" + text.encode())[0] == "text"


def test_a_missing_file(tmp_path):
    with pytest.raises(DataFileError, match="no such file"):
        refused(tmp_path / "nothing", "anything")


def test_any_bytes_have_a_kind():
    rng = np.random.default_rng(0)
    for i in range(2000):
        what, remedy = kind_of(rng.integers(0, 256 if i % 2 else 128, rng.integers(0, 30), np.uint8).tobytes())
        assert what.isprintable() and remedy.isprintable()
