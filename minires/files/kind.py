"""What a file is, told by its first bytes and not by its name: for whoever was given another kind than he can read."""

from ..errors import DataFileError
from .bounded import AGAIN, reading

HEAD = 4096  # bytes that are looked at
UNPACK = "unpack it and give what is in it"
PICTURE = "save it as PNG or JPEG"
ARRAYS = "read its arrays with its own library and save them with numpy.savez"

# How files begin: (where, bytes, what it is, remedy); the first that fits counts
MAGIC = (
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "run git lfs pull in its repository"),
    (0, b"\x93NUMPY", "a NumPy array (.npy)", "give a file of the kind that is expected"),
    (0, b"\x89HDF", "an HDF5 file, as Keras and MATLAB write them", ARRAYS),
    (0, b"MATLAB 5.0", "a MATLAB file", ARRAYS),
    (0, b"PAR1", "a Parquet file", ARRAYS),
    (0, b"\x1f\x8b", "compressed by gzip", UNPACK),
    (0, b"BZh", "compressed by bzip2", UNPACK),
    (0, b"\xfd7zXZ", "compressed by xz", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd", UNPACK),
    (0, b"7z\xbc\xaf", "a 7-Zip archive", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"PK\5\6", "an empty zip archive", AGAIN),
    (0, b"\x89PNG", "a PNG picture", "give a folder of pictures with --data folder"),
    (0, b"\xff\xd8\xff", "a JPEG picture", "give a folder of pictures with --data folder"),
    (4, b"ftypheic", "a HEIF picture, as phones take them", PICTURE),
    (4, b"ftypmif1", "a HEIF picture, as phones take them", PICTURE),
    (4, b"ftypavif", "an AVIF picture", PICTURE),
    (4, b"jP  \r\n", "a JPEG 2000 picture", PICTURE),
    (0, b"\0\0\1\0", "an icon (.ico)", PICTURE),
    (0, b"8BPS", "a Photoshop picture", PICTURE),
    (0, b"%PDF", "a PDF file", PICTURE),
    (0, b"%!PS", "a PostScript file", PICTURE),
    (0, b"\0\0\x08\3", "an IDX file of images, as MNIST has them", "give it with --data mnist or its like"),
    (0, b"\0\0\x08\1", "an IDX file of labels, as MNIST has them", "give it with --data mnist or its like"),
)
SAFETENSORS, UNKNOWN = "a safetensors file", "of no kind that minires knows"
WEB_PAGE = (b"<!doctype html", b"<html", b"<head", b"<body")


def kind_of(head):
    """``(what it is, remedy)`` of a file that begins with the bytes ``head``; some 4096 of them suffice."""
    head = bytes(head[:HEAD])
    if not head:
        return "an empty file", "fetch it again: the download or the copy broke off"
    if head[5:9] == b"\0\0\0{":  # behind the length of a header, which may look like anything
        return SAFETENSORS, "give it as weights"
    if head.startswith(b"PK\3\4"):
        return _zip(head)
    for start, magic, what, remedy in MAGIC:
        if head[start : start + len(magic)] == magic:
            return what, remedy
    if head[0] == 0x80 and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "a pickle", "give it as weights if PyTorch wrote it; " + AGAIN
    return _text(head) or (f"{UNKNOWN} (it begins with {head[:8].hex(' ')})", AGAIN)


def _zip(head):
    """Archives are told by the names of their first members."""
    if b"constants.pkl" in head or b"/code/" in head:
        return "a TorchScript programme", "save the weights alone: torch.save(model.state_dict(), path)"
    if b"/data.pkl" in head:
        return "a file of weights of PyTorch", "give it as weights"
    if head[30 : 30 + int.from_bytes(head[26:28], "little")].endswith(b".npy"):
        return "an npz archive of NumPy arrays", "give it with --data npz if it holds images and labels"
    return "a zip archive", UNPACK


def _text(head):
    """What texts are; None for what is no text."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # the last letter may be cut
            return None
        text = head[: error.start].decode("utf-8")
    text = text.removeprefix("\ufeff")
    if not all(letter.isprintable() or letter in "\r\n\t\f" for letter in text):
        return None
    start = text.lstrip().lower().encode()
    if start.startswith(WEB_PAGE):
        return "a web page", "the server sent it instead of the file; fetch that in a browser, or from another address"
    if start.startswith(b"<?xml"):
        return "XML, such as the refusal of a server", "fetch the file again, or from another address"
    if start.startswith((b"{", b"[")):
        if b'"weight_map"' in start:
            return "an index of shards, not the weights themselves", "put the files that it names beside it"
        return "JSON", "give the file itself, not what describes it"
    return "text", AGAIN


def refused(path, expected, head=None):
    """The DataFileError of a file that is of another kind than ``expected``; ``head``: its first bytes, if read."""
    if head is None:
        with reading(path), open(path, "rb") as file:
            head = file.read(HEAD)
    what, remedy = kind_of(head)
    return DataFileError(f"{path} is {what}, expected {expected}: {remedy}")
