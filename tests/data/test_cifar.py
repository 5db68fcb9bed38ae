"""The four forms of CIFAR: binary and python version, as folder and as archive."""

import pickle
import tarfile
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from data.writers import OFFICIAL, cifar_batch, cifar_records, pickled, tar_bytes
from hypothesis import given
from hypothesis import strategies as st

from minires.data.cifar import CIFAR, find_cifar, read_cifar
from minires.data.cifar_pickle import read_batch
from minires.errors import DataFileError

N = 4
SMALL = {name: replace(cifar, train_records=N, test_records=N - 1) for name, cifar in CIFAR.items()}
PROTOCOLS = ["python2", 2, 3, 4, 5]


def images_and_labels(classes, count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 3, 32, 32), np.uint8), rng.integers(0, classes, count)


def make_files(name, binary, protocol=2):
    """Return {file name: bytes} of one version, and the images and labels of {split}."""
    cifar, files, parts = SMALL[name], {}, {}
    version = cifar.binary if binary else cifar.python
    for split in ("train", "test"):
        names, count = getattr(version, split), getattr(cifar, f"{split}_records")
        images, labels = parts[split] = images_and_labels(cifar.classes, len(names) * count, split == "test")
        for i, file in enumerate(names):
            rows = slice(i * count, (i + 1) * count)
            coarse = labels[rows] // 5 if name == "cifar100" else None
            files[file] = (
                cifar_records(images[rows], labels[rows], coarse)
                if binary
                else pickled(cifar_batch(images[rows], labels[rows], coarse), protocol)
            )
    return files, parts


def put(data_dir, name, binary, files, layout):
    """Write the files as ``layout``: files in a folder, in the official folder, or in the official archive."""
    folder = OFFICIAL[name][0 if binary else 1]
    if layout == "archive":
        version = SMALL[name].binary if binary else SMALL[name].python
        members = {f"{folder}/": b"", f"{folder}/readme.html": b"<html>"}
        data_dir.joinpath(version.archive).write_bytes(
            tar_bytes(members | {f"{folder}/{file}": data for file, data in files.items()})
        )
        return
    target = data_dir if layout == "direct" else data_dir / folder
    target.mkdir(exist_ok=True)
    for file, data in files.items():
        (target / file).write_bytes(data)


def read(data_dir, name, split):
    path, version = find_cifar(SMALL[name], split, data_dir)
    return read_cifar(path, SMALL[name], version, split)


@pytest.mark.parametrize("layout", ["direct", "official folder", "archive"])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_every_form(tmp_path, name, binary, layout):
    files, parts = make_files(name, binary)
    put(tmp_path, name, binary, files, layout)
    before = sorted(tmp_path.rglob("*"))
    for split, (images, labels) in parts.items():
        found = read(tmp_path, name, split)
        np.testing.assert_array_equal(found[0], images, strict=True)
        np.testing.assert_array_equal(found[1], labels, strict=True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pickles_of_bright_images_are_not_too_large(tmp_path, protocol):
    """Protocol 2 of Python 3 writes bytes above 127 as two; the limit on the size of a file allows for that."""
    bright, labels = np.full((10000, 3, 32, 32), 200, np.uint8), np.zeros(10000)
    (tmp_path / "test_batch").write_bytes(pickled(cifar_batch(bright, labels), protocol))
    cifar = CIFAR["cifar10"]
    assert (read_cifar(tmp_path, cifar, cifar.python, "test")[0] == 200).all()


@pytest.mark.parametrize("keys", ["str", "bytes"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pickles(protocol, order, keys):
    images, labels = images_and_labels(10, N)
    batch = cifar_batch(images, labels)
    batch["data"] = np.asarray(batch["data"], order=order)
    if keys == "bytes" and protocol != "python2":  # as pickle.load(encoding="bytes") gives and pickle.dump keeps
        batch = {key.encode(): value for key, value in batch.items()}
        batch[b"filenames"] = [file.encode() for file in batch[b"filenames"]] + [b""]
    pixels, found = read_batch("x", pickled(batch, protocol), "labels", N)
    np.testing.assert_array_equal(pixels, images.reshape(N, -1), strict=True)
    np.testing.assert_array_equal(found, labels, strict=True)


def test_python2_pickles_are_what_pickle_reads():
    images, labels = images_and_labels(10, N)
    batch = pickle.loads(pickled(cifar_batch(images, labels), "python2"), encoding="latin1")
    np.testing.assert_array_equal(batch["data"], images.reshape(N, -1), strict=True)
    assert batch["labels"] == list(labels)


@pytest.mark.parametrize("package", ["numpy.core", "numpy._core"])
def test_names_of_numpy_1_and_2(package):
    data = pickle.dumps(cifar_batch(*images_and_labels(10, N)), 2)
    data = data.replace(b"numpy._core", b"numpy.core").replace(b"numpy.core", package.encode())
    assert read_batch("x", data, "labels", N)[0].shape == (N, 3072)


@given(
    labels=st.lists(st.integers(0, 9), min_size=N, max_size=N),
    protocol=st.sampled_from(PROTOCOLS),
    seed=st.integers(0, 99),
)
def test_round_trip(labels, protocol, seed):
    images, _ = images_and_labels(10, N, seed)
    pixels, found = read_batch("x", pickled(cifar_batch(images, labels), protocol), "labels", N)
    assert pixels.tobytes() == images.tobytes() and list(found) == labels


GOOD = cifar_batch(*images_and_labels(10, N))


def changed(**entries):
    return pickle.dumps({key: value for key, value in {**GOOD, **entries}.items() if value is not ...}, 4)


BROKEN_PICKLES = {
    "a list": (pickle.dumps([1]), "the pickled value is a list, expected a dict"),
    "bytes behind it": (changed() + b"x", "where the pickle ends"),
    "no data": (changed(data=...), "entry 'data' is a NoneType"),
    "data in a list": (changed(data=[1, 2]), "entry 'data' is a list"),
    "float data": (changed(data=np.zeros((N, 3072))), "array dtype is 'f8', expected 'u1'"),
    "objects as data": (changed(data=np.array([[object()]])), "array dtype is 'O8'"),
    "too few rows": (changed(data=np.zeros((N - 1, 3072), np.uint8)), "shape of entry 'data' is (3, 3072)"),
    "images of 28 x 28": (changed(data=np.zeros((N, 784), np.uint8)), "(4, 784), expected (4, 3072)"),
    "no labels": (changed(labels=...), "entry 'labels' is a NoneType"),
    "labels in a tuple": (changed(labels=(1, 2, 3, 4)), "entry 'labels' is a tuple"),
    "labels of text": (changed(labels=list("1234")), "expected a list of int"),
    "labels of bool": (changed(labels=[True] * N), "expected a list of int"),
    "too few labels": (changed(labels=[1] * (N - 1)), "length of entry 'labels' is 3, expected 4"),
    "huge labels": (changed(labels=[2**80] * N), "too large"),
    "truncated": (changed()[:-100], "pickle, byte"),
    "a call": (changed(batch_label=np.random.default_rng), "default_rng'"),
}


@pytest.mark.parametrize("kind", BROKEN_PICKLES)
def test_broken_pickles(kind):
    data, words = BROKEN_PICKLES[kind]
    with pytest.raises(DataFileError) as error:
        read_batch("folder/data_batch_1", data, "labels", N)
    assert words in str(error.value) and "folder/data_batch_1" in str(error.value)


DTYPE = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"


def array_pickle(shape=b"K\x04M\x00\x0c\x86", state=None, pixels=N * 3072, dtype=DTYPE):
    """A pickle of a batch, put together by hand."""
    start = b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    state = state or b"(K\x01" + shape + dtype + b"\x89T" + pixels.to_bytes(4, "little") + bytes(pixels) + b"t"
    return start + state + b"bsU\x06labels](K\x00K\x01K\x02K\x03es."


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"pixels": 5}, "cannot reshape"),
        ({"state": b"K\x01\x85"}, "not a tuple of 5 values"),
        ({"state": b"N"}, "not a tuple of 5 values"),
        ({"shape": b"K\x04"}, "not a tuple of sizes"),
        ({"shape": b"K\x04J\xff\xff\xff\xff\x86"}, "not a tuple of sizes"),
        ({"dtype": b"U\x02u1"}, "dtype of an array is a str"),
        ({"dtype": b"cnumpy\ndtype\n)R"}, "missing 1 required positional argument"),
        ({"dtype": b"cnumpy\ndtype\nK\x01\x85R"}, "found a int, expected a string"),
        ({"dtype": b"c_codecs\nencode\nX\x01\0\0\0aU\x05ascii\x86R"}, "encoding is 'ascii'"),
        (
            {"state": b"cnumpy._core.numeric\n_frombuffer\n(U\x01a" + DTYPE + b"K\x01\x85U\x01KtR"},
            "neither 'C' nor 'F'",
        ),
        ({"state": b"(K\x01K\x04\x85cnumpy\ndtype\nU\x02u1\x85R\x89]t"}, "values of an array are a list"),
    ],
)
def test_arrays_that_lie(arguments, words):
    assert read_batch("x", array_pickle(), "labels", N)[0].shape == (N, 3072)
    with pytest.raises(DataFileError) as error:
        read_batch("x", array_pickle(**arguments), "labels", N)
    assert words in str(error.value)


def test_a_pickle_cannot_multiply_its_size():
    """Thousands of references to one long string, each through a call that copies it in the real library."""
    text = b"X" + (1 << 20).to_bytes(4, "little") + b"a" * (1 << 20) + b"q\x01"
    encode = b"c_codecs\nencode\nh\x01X\x06\0\0\0latin1\x86R"
    array = (
        b"cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x04\x85"
        + DTYPE
        + b"\x89h\x01tb"
    )
    tracemalloc.start()
    try:
        with pytest.raises(DataFileError, match="the pickled value is a list"):
            read_batch("x", b"](" + text + (encode + array) * 3000 + b"e.", "labels", N)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda data: data[:-1], "file size is 12291 bytes, expected 12292 bytes (4 records of 3073)"),
        (lambda data: data[:-3073], "file size is 9219 bytes"),
        (lambda data: data + b"\0", "12293 bytes, expected at most 12292 bytes"),
        (lambda data: b"", "file size is 0 bytes"),
        (lambda data: data[:3073] + b"\x0a" + data[3074:], "label 1 is 10, expected 0 to 9"),
    ],
)
@pytest.mark.parametrize("layout", ["direct", "archive"])
def test_broken_records(tmp_path, layout, change, words):
    files, _ = make_files("cifar10", binary=True)
    files["data_batch_3.bin"] = change(files["data_batch_3.bin"])
    put(tmp_path, "cifar10", True, files, layout)
    with pytest.raises(DataFileError) as error:
        read(tmp_path, "cifar10", "train")
    assert words in str(error.value) and "data_batch_3.bin" in str(error.value)
    read(tmp_path, "cifar10", "test")


@pytest.mark.parametrize("layout", ["direct", "archive"])
def test_a_pickle_beyond_all_measure_is_not_read(tmp_path, layout):
    files, _ = make_files("cifar100", binary=False)
    files["train"] = bytes(3 << 20)
    put(tmp_path, "cifar100", False, files, layout)
    with pytest.raises(DataFileError, match="bytes, expected at most"):
        read(tmp_path, "cifar100", "train")


def test_a_label_out_of_range_in_a_pickle(tmp_path):
    files, _ = make_files("cifar10", binary=False)
    files["test_batch"] = pickle.dumps(cifar_batch(images_and_labels(10, N - 1)[0], [1, -1, 2]))
    put(tmp_path, "cifar10", False, files, "direct")
    with pytest.raises(DataFileError, match="label 1 is -1, expected 0 to 9"):
        read(tmp_path, "cifar10", "test")


def test_missing_files_are_named(tmp_path):
    files, _ = make_files("cifar10", binary=True)
    del files["data_batch_2.bin"], files["data_batch_4.bin"]
    put(tmp_path, "cifar10", True, files, "official folder")
    path, looked = find_cifar(SMALL["cifar10"], "train", tmp_path)
    assert path is None
    assert f"data_batch_2.bin, data_batch_4.bin in {tmp_path / 'cifar-10-batches-bin'}" in looked
    assert str(tmp_path / "cifar-10-python.tar.gz") in looked
    assert find_cifar(SMALL["cifar10"], "test", tmp_path)[0] == tmp_path / "cifar-10-batches-bin"


def test_missing_members_are_named(tmp_path):
    files, _ = make_files("cifar10", binary=True)
    del files["data_batch_2.bin"]
    put(tmp_path, "cifar10", True, files, "archive")
    with pytest.raises(DataFileError, match="members data_batch_2.bin are absent"):
        read(tmp_path, "cifar10", "train")


def test_random_mutations_of_pickles():
    rng = np.random.default_rng(0)
    sources = [pickled(GOOD, protocol) for protocol in PROTOCOLS]
    heads = [[i for i in range(len(data)) if data[max(0, i - 40) : i + 40] not in images_bytes] for data in sources]
    for i in range(2000):
        data, head = bytearray(sources[i % len(sources)]), heads[i % len(sources)]
        for _ in range(rng.integers(1, 4)):
            data[head[rng.integers(len(head))]] = rng.integers(256)
        try:
            pixels, labels = read_batch("x", data, "labels", N)
            assert pixels.shape == (N, 3072) and labels.shape == (N,)
        except DataFileError:
            pass


images_bytes = GOOD["data"].tobytes()


def test_random_mutations_of_archives(tmp_path):
    rng = np.random.default_rng(0)
    files, _ = make_files("cifar10", binary=False)
    files = {f"x/{file}": data for file, data in files.items() if file == "test_batch"}
    path = tmp_path / SMALL["cifar10"].python.archive
    for packed in (True, False):
        source = tar_bytes(files, packed, tarfile.USTAR_FORMAT)
        for _ in range(500):
            data = bytearray(source)
            data[rng.integers(len(data) if packed else 700)] ^= 1 << rng.integers(8)
            path.write_bytes(data[: rng.integers(1, len(data) + 1)] if rng.random() < 0.3 else data)
            try:
                read(tmp_path, "cifar10", "test")
            except DataFileError as error:
                assert str(path) in str(error)


ARCHIVES = ["{}.tar.gz", "{}.tgz", "{}.tar", "{} (1).tar.gz", "{}/{}.tar.gz", "{}.tar.gz/{}.tar.gz", "{}.tar/{}.tar"]


@pytest.mark.parametrize("path", ARCHIVES)
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_archives_as_people_have_them(tmp_path, name, binary, path):
    files, parts = make_files(name, binary)
    version = SMALL[name].binary if binary else SMALL[name].python
    target = tmp_path / path.format(*[version.archive.removesuffix(".tar.gz")] * 2)
    target.parent.mkdir(exist_ok=True)
    folder = OFFICIAL[name][0 if binary else 1]
    target.write_bytes(tar_bytes({f"{folder}/{file}": data for file, data in files.items()}, "gz" in path))
    other = tmp_path / "any name"
    other.write_bytes(target.read_bytes())
    for place in (tmp_path, target, other):
        for split, (images, labels) in parts.items():
            found = read(place, name, split)
            np.testing.assert_array_equal(found[0], images, strict=True)
            np.testing.assert_array_equal(found[1], labels, strict=True)


@pytest.mark.parametrize("outer", ["cifar-10-batches-bin", "cifar-10-binary"])
def test_a_folder_in_a_folder(tmp_path, outer):
    files, parts = make_files("cifar10", True)
    (tmp_path / outer).mkdir()
    put(tmp_path / outer, "cifar10", True, files, "official folder")
    np.testing.assert_array_equal(read(tmp_path, "cifar10", "test")[0], parts["test"][0])


def test_an_archive_of_something_else(tmp_path):
    (tmp_path / "x.tar").write_bytes(tar_bytes({"a": b"b"}))
    with pytest.raises(DataFileError, match="members data_batch_1.bin, .* are absent"):
        read(tmp_path / "x.tar", "cifar10", "train")
    (tmp_path / "x.tar").write_bytes(b"<html>rate limited</html>")
    with pytest.raises(DataFileError, match="x.tar is a web page, expected a tar archive, packed by gzip or not"):
        read(tmp_path / "x.tar", "cifar10", "train")
