"""Downloads from a server on this machine; nothing here needs the internet."""

import gzip
import hashlib
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from data.writers import idx_bytes

from minires.data import download, load, sources
from minires.data.sources import SOURCES, Source
from minires.errors import DataFileError, RangeError

FILES = {
    "train-images-idx3-ubyte.gz": gzip.compress(idx_bytes(np.ones((3, 28, 28)))),
    "train-labels-idx1-ubyte.gz": gzip.compress(idx_bytes(np.arange(3))),
    "large": bytes(range(256)) * 12000,
}


class Handler(BaseHTTPRequestHandler):
    """Serves FILES; /short/ breaks off in the middle, /unsized/ gives no length, /wrong/ gives another file."""

    def do_GET(self):
        _, kind, name = self.path.split("/")
        self.server.requests.append(name)
        if name not in FILES:
            self.send_error(404)
            return
        data = FILES[name]
        self.send_response(200)
        if kind != "unsized":
            self.send_header("Content-Length", len(data))
        self.end_headers()
        if kind == "short":
            data = data[: len(data) // 2]
        elif kind == "wrong":
            data = data[:-1] + b"x"
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def source_of(server, name, kind="whole", folder="mnist"):
    address = f"http://127.0.0.1:{server.server_port}/{kind}/{name}"
    return Source(address, hashlib.md5(FILES.get(name, b"")).hexdigest(), f"{folder}/{name}")


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_set_is_fetched_and_loads(tmp_path, server):
    names = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    table = {"mnist": tuple(source_of(server, name) for name in names)}
    download("mnist", tmp_path / "new", progress=False, sources=table)
    assert load("mnist", "train", tmp_path / "new").labels.tolist() == [0, 1, 2]
    assert files_in(tmp_path) == names
    server.requests.clear()
    download("mnist", tmp_path / "new", progress=False, sources=table)
    assert server.requests == [], "what is there already is not fetched again"


@pytest.mark.parametrize("kind", ["whole", "unsized"])
def test_large_file_and_progress(tmp_path, server, kind, capsys):
    download("x", tmp_path, sources={"x": (source_of(server, "large", kind),)})
    assert (tmp_path / "mnist" / "large").read_bytes() == FILES["large"]
    assert "mnist/large" in capsys.readouterr().err
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "mnist" / "large").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize(
    "kind, name, words",
    [
        ("short", "large", "size is 1536000 bytes, expected 3072000 bytes"),
        ("wrong", "large", "MD5 sum is "),
        ("whole", "absent", "HTTP Error 404"),
    ],
)
def test_nothing_is_kept_of_what_goes_wrong(tmp_path, server, kind, name, words):
    with pytest.raises(DataFileError) as error:
        download("x", tmp_path, progress=False, sources={"x": (source_of(server, name, kind),)})
    assert words in str(error.value) and f"/{kind}/{name}" in str(error.value)
    assert files_in(tmp_path) == []


def test_a_larger_file_than_any_data_set(tmp_path, server, monkeypatch):
    monkeypatch.setattr(sources, "MAX_BYTES", 1 << 20)
    with pytest.raises(DataFileError, match="size is more than 1048576 bytes"):
        download("x", tmp_path, progress=False, sources={"x": (source_of(server, "large", "unsized"),)})
    assert files_in(tmp_path) == []


def test_an_interrupt_leaves_nothing_behind(tmp_path, server, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(sources, "check", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download("x", tmp_path, progress=False, sources={"x": (source_of(server, "large"),)})
    assert files_in(tmp_path) == []


def test_a_file_of_the_user_is_never_overwritten(tmp_path, server):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "large").write_bytes(b"mine")
    with pytest.raises(DataFileError, match="large: MD5 sum is .* expected .*: move the file away"):
        download("x", tmp_path, progress=False, sources={"x": (source_of(server, "large"),)})
    assert (tmp_path / "mnist" / "large").read_bytes() == b"mine"


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}/x", "not an address", "http://[broken/x"])
def test_without_internet_it_says_what_to_do_by_hand(tmp_path, address):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    source = Source(address.format(port=port), "0" * 32, "mnist/images.gz")
    with pytest.raises(DataFileError) as error:
        download("x", tmp_path, progress=False, sources={"x": (source,)})
    assert "cannot be fetched" in str(error.value)
    assert (
        f"fetch {source.address} (MD5 {'0' * 32}) and put it as images.gz into the folder {tmp_path / 'mnist'}"
        in str(error.value)
    )


def test_a_folder_that_cannot_be_made(tmp_path, server):
    (tmp_path / "mnist").write_text("a file")
    with pytest.raises(DataFileError, match="cannot be fetched"):
        download("x", tmp_path, progress=False, sources={"x": (source_of(server, "large"),)})


def test_unknown_name(tmp_path):
    with pytest.raises(RangeError, match="name is 'imagenet', expected one of cifar10, cifar100, fashion_mnist, "):
        download("imagenet", tmp_path)


def test_the_official_table():
    for name, files in SOURCES.items():
        assert len(files) == (1 if name.startswith("cifar") else 4)
        for source in files:
            assert len(source.md5) == 32 and source.address.startswith("http")
            assert source.address.rsplit("/")[-1] == source.file.rsplit("/")[-1]
    sums = [source.md5 for files in SOURCES.values() for source in files]
    assert len(set(sums)) == len(sums) == 14
