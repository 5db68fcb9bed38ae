"""Broken and hostile files: no code runs, nothing but CheckpointError comes out, none takes long or much memory."""

import os
import re
import time
from contextlib import contextmanager

import numpy as np
import pytest
from weights import watch
from weights.hostile import FILES
from weights.watch import BYTES, SECONDS, watched
from weights.writers import call, dictionary, legacy_file, name, pickled, safetensors_file, tensor, text, zip_file

from minires.errors import CheckpointError
from minires.layers import Linear
from minires.weights import load_weights, read_weights


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.pth").write_bytes(zip_file())
    read_weights("weights.pth")  # what is imported once, such as the codec of a text, is imported now
    return tmp_path


def test_there_are_enough():
    assert len(FILES) >= 100
    assert len({data for data, _ in FILES.values()}) == len(FILES)


def test_the_writers_write_good_files(here):
    """Otherwise every file would be refused for the writer's mistake."""
    for data in (zip_file(), legacy_file(), safetensors_file()):
        (here / "w").write_bytes(data)
        assert read_weights(here / "w")["a"].tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("kind", FILES)
def test_refused(kind, here):
    data, words = FILES[kind]
    (here / "w").write_bytes(data)
    with watched(), pytest.raises(CheckpointError) as error:
        read_weights("w")
    assert re.search(words if "|" in words else re.escape(words), str(error.value)), str(error.value)
    assert str(error.value).startswith("w") and len(str(error.value)) < 1000
    model = Linear(3, 2, rng=0)
    with watched(), pytest.raises(CheckpointError):
        load_weights("w", model)
    assert sorted(os.listdir(here)) == ["w", "weights.pth"]


def test_the_watch_sees_code(here):
    """The test of the test: PyTorch's way to read is caught."""
    import pickle

    with pytest.raises(AssertionError, match="pickle.find_class"), watched():
        pickle.loads(pickled(call("os", "getcwd")))


def test_the_watch_sees_memory():
    for greedy in (lambda: bytes(3 * BYTES // 2), lambda: np.empty(3 * BYTES // 2, np.uint8)):
        with pytest.raises(MemoryError), watched():
            greedy()
    with watched():
        bytes(BYTES // 2)


def test_the_watch_sees_time(monkeypatch):
    monkeypatch.setattr(watch, "SECONDS", 0.01)
    with pytest.raises(AssertionError, match="it took too long"), watched():
        busy = time.process_time()
        while time.process_time() - busy < 2 * watch.SECONDS:
            pass


@pytest.mark.parametrize("kind", ["nowhere", "folder", "pipe", "device"])
def test_what_is_no_file(kind, here):
    path = {"device": "/dev/zero"}.get(kind, kind)
    if kind == "folder":
        os.mkdir(path)
    if kind == "pipe":
        os.mkfifo(path)
    with watched_but_for_files(), pytest.raises(CheckpointError, match="expected a file of weights"):
        read_weights(path)


@contextmanager
def watched_but_for_files():
    start = time.monotonic()
    yield
    assert time.monotonic() - start < SECONDS


def test_every_truncation(here):
    for data in (zip_file(), legacy_file(), safetensors_file()):
        for size in range(len(data)):
            (here / "w").write_bytes(data[:size])
            with watched(), pytest.raises(CheckpointError):
                read_weights("w")


def test_a_sparse_file_of_64_gigabytes(here):
    """A file can claim any size for free; nothing of it is read before its shapes are known to fit."""
    header = b'{"weight":{"dtype":"U8","shape":[68719476736],"data_offsets":[0,68719476736]}}'
    with open("w", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 2**36)
    with watched(), pytest.raises(CheckpointError, match=r"weight: \(68719476736,\) uint8 in the file"):
        load_weights("w", Linear(3, 2, rng=0))


def test_expanded_tensors_are_not_spelled_out_before_they_fit(here):
    body = dictionary(weight=tensor(shape=(2**20, 2**19), strides=(0, 0)), bias=tensor(shape=(2,), strides=(1,)))
    (here / "w").write_bytes(zip_file(pickled(body)))
    with watched(), pytest.raises(CheckpointError, match=r"weight: \(1048576, 524288\) float32 in the file"):
        load_weights("w", Linear(3, 2, rng=0))
    fits = dictionary(weight=tensor(shape=(2, 3), strides=(0, 0)), bias=tensor(shape=(2,), strides=(1,)))
    (here / "w").write_bytes(zip_file(pickled(fits)))
    load_weights("w", Linear(3, 2, rng=0))


def mutations(count, seed):
    """Mutated files: bytes changed, cut, repeated, moved; of all formats, some with code inside."""
    rng = np.random.default_rng(seed)
    evil = call("os", "system", text("touch CANARY"))
    sources = [zip_file(), legacy_file(), safetensors_file(), zip_file(pickled(dictionary(a=tensor(), b=evil)))]
    args = name("argparse", "Namespace") + b")\x81" + dictionary(lr=b"K\1") + b"b"
    sources.append(zip_file(pickled(dictionary(model=dictionary(a=tensor()), args=args, seen=b"\x8f(K\1\x90"))))
    for i in range(count):
        data = bytearray(sources[i % len(sources)])
        for _ in range(rng.integers(1, 5)):
            at, to = sorted(rng.integers(len(data) + 1, size=2))
            match rng.integers(5):
                case 0 | 1:
                    data[rng.integers(len(data))] = rng.integers(256)
                case 2:
                    data[rng.integers(len(data))] ^= 1 << rng.integers(8)
                case 3:
                    data[at : at + rng.integers(9)] = rng.bytes(rng.integers(9))
                case 4:
                    data[at:at] = data[to : to + rng.integers(30)]
            data = data or bytearray(b"x")
        yield bytes(data)


def check_mutations(here, count, seed):
    refused = 0
    for data in mutations(count, seed):
        (here / "w").write_bytes(data)
        try:
            with watched():
                read_weights("w")
        except CheckpointError:
            refused += 1
    assert refused > 0.8 * count
    assert sorted(os.listdir(here)) == ["w", "weights.pth"]


def test_random_mutations(here):
    check_mutations(here, 2000, seed=0)


@pytest.mark.slow
def test_20_000_random_mutations(here):
    check_mutations(here, 20_000, seed=1)
