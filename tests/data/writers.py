"""Writers of the file formats, independent of the readers: what is written here, minires must read."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile

import numpy as np

OFFICIAL = {
    "cifar10": ("cifar-10-batches-bin", "cifar-10-batches-py"),
    "cifar100": ("cifar-100-binary", "cifar-100-python"),
}


def idx_bytes(array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx_set(folder, images, labels, prefix="train", packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
        data = idx_bytes(array)
        path = folder / (name + ".gz" if packed else name)
        path.write_bytes(gzip.compress(data) if packed else data)


MEDMNIST = ("{}_images", "{}_labels")
KERAS = ("x_{}", "y_{}")


def npy_bytes(array, header=None):
    """Version 1.0 of the format, its header as text."""
    if header is None:
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        header = f"{{'descr': '{array.dtype.str}', 'fortran_order': {fortran}, 'shape': {array.shape}, }}"
        data = array.tobytes("F" if fortran else "C")
    else:
        data = array.tobytes()
    text = header.encode("latin-1")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + data


def write_npz(path, images, labels, names, packed=False):
    """Both splits hold the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for split in ("train", "test"):
            for name, array in zip(names, (images, labels)):
                archive.writestr(name.format(split) + ".npy", npy_bytes(array))


def cifar_records(images, labels, coarse=None):
    out = bytearray()
    for i, image in enumerate(images):
        if coarse is not None:
            out.append(int(coarse[i]))
        out.append(int(labels[i]))
        out += image.tobytes()
    return bytes(out)


def tar_bytes(members, packed=True, format=tarfile.PAX_FORMAT):
    """members: {name: bytes}; a name that ends in a slash is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if packed else "w", format=format) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            info.mtime = 1234567890.5  # a fraction of a second makes Python write an extended header
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def python2_pickle(value):
    """What Python 2's cPickle writes with protocol 2: str as byte strings, arrays through numpy.core.multiarray."""
    out, count = bytearray(b"\x80\x02"), 0

    def put():
        nonlocal count
        count += 1
        out.extend(b"q" + bytes([count]) if count < 256 else b"r" + struct.pack("<I", count))

    def string(data):
        out.extend(b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + struct.pack("<i", len(data)))
        out.extend(data)
        put()

    def integer(n):
        if 0 <= n < 256:
            out.extend(b"K" + bytes([n]))
        elif 0 <= n < 65536:
            out.extend(b"M" + struct.pack("<H", n))
        else:
            out.extend(b"J" + struct.pack("<i", n))

    def array(a):
        out.extend(b"cnumpy.core.multiarray\n_reconstruct\n")
        put()
        out.extend(b"cnumpy\nndarray\n")
        put()
        out.extend(b"K\x00\x85")
        put()
        string(b"b")
        out.extend(b"\x87")
        put()
        out.extend(b"R")
        put()
        out.extend(b"(K\x01")
        for n in a.shape:
            integer(n)
        out.extend(b"\x86")
        put()
        out.extend(b"cnumpy\ndtype\n")
        put()
        string(b"u1")
        out.extend(b"K\x00K\x01\x87")
        put()
        out.extend(b"R")
        put()
        out.extend(b"(K\x03")
        string(b"|")
        out.extend(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t")
        put()
        out.extend(b"b")
        fortran = a.flags.f_contiguous and not a.flags.c_contiguous
        out.extend(b"\x88" if fortran else b"\x89")
        string(a.tobytes("F" if fortran else "C"))
        out.extend(b"t")
        put()
        out.extend(b"b")

    def write(v):
        if isinstance(v, dict):
            out.extend(b"}")
            put()
            out.extend(b"(")
            for key, item in v.items():
                write(key)
                write(item)
            out.extend(b"u")
        elif isinstance(v, list):
            out.extend(b"]")
            put()
            out.extend(b"(")
            for item in v:
                write(item)
            out.extend(b"e")
        elif isinstance(v, np.ndarray):
            array(v)
        elif isinstance(v, str):
            string(v.encode("latin-1"))
        else:
            integer(v)

    write(value)
    return bytes(out + b".")


def cifar_batch(images, labels, coarse=None):
    """The dict of one file of the python version."""
    batch = {
        "batch_label": "training batch 1 of 5",
        "data": images.reshape(len(images), -1),
        "filenames": [f"leptodactylus_pentadactylus_s_{i:06d}.png" for i in range(len(images))],
    }
    labels = [int(label) for label in labels]
    if coarse is None:
        return {**batch, "labels": labels}
    return {**batch, "fine_labels": labels, "coarse_labels": [int(label) for label in coarse]}


def pickled(batch, protocol):
    """protocol: "python2", or a protocol of Python 3."""
    return python2_pickle(batch) if protocol == "python2" else pickle.dumps(batch, protocol)
