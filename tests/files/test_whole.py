"""A write that fails, is interrupted or is cut off costs nothing."""

import os
import signal
import sys
import tempfile

import pytest

from minires.errors import CheckpointError
from minires.files.whole import write_atomically


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "results.json"
    path.write_bytes(b"old")
    return path


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
    """A write that the system stops half-way: no file of this process may have more than 1000 bytes."""
    resource = pytest.importorskip("resource")
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="File too large"):
            write_atomically(path, b"new" * 10**6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
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


def test_in_a_browser_no_file_without_a_name_is_asked_for(path, monkeypatch):
    """The disk of JupyterLite would not answer (tests/docs/test_lite.py writes there)."""
    monkeypatch.setattr(sys, "platform", "emscripten")
    monkeypatch.setattr(tempfile, "TemporaryFile", None)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and list(path.parent.iterdir()) == [path]
