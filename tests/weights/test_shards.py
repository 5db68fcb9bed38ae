"""Weights in several files: the index, the folder, and what is refused."""

import json
import os

import numpy as np
import pytest
from weights.watch import watched
from weights.writers import safetensors_file

from minires.errors import CheckpointError
from minires.files.safetensors import write_safetensors
from minires.layers import Linear, Sequential
from minires.weights import load_weights, read_weights

SHARDS = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"


def network(seed):
    return Sequential(Linear(3, 4, rng=seed), Linear(4, 2, rng=seed + 1))


@pytest.fixture
def folder(tmp_path):
    """A network of two layers, a layer in each shard."""
    places = {}
    for layer, file in enumerate(SHARDS):
        arrays = {path: buffer.data for path, buffer in network(0).tensors() if path.startswith(str(layer))}
        write_safetensors(tmp_path / file, arrays, {"format": "pt"})
        places |= dict.fromkeys(arrays, file)
    write_index(tmp_path, places)
    return tmp_path


def write_index(folder, places, **more):
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places, **more}, indent=2))


def places_of(folder):
    return json.loads((folder / INDEX).read_text())["weight_map"]


def is_loaded(path):
    model = network(7)
    load_weights(path, model)
    return all((a.data == b.data).all() for (_, a), (_, b) in zip(model.tensors(), network(0).tensors()))


def test_the_index_and_the_folder(folder, monkeypatch):
    assert is_loaded(folder / INDEX) and is_loaded(folder)
    monkeypatch.chdir(folder)
    assert is_loaded(INDEX) and is_loaded(".")
    assert list(read_weights(folder)) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_a_path_in_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert is_loaded("~") and is_loaded(f"~/{INDEX}")


def test_shards_that_are_links(folder, tmp_path_factory):
    """As in the cache of Hugging Face, where names point to files called by their checksums."""
    cache = tmp_path_factory.mktemp("blobs")
    for i, file in enumerate(SHARDS):
        os.rename(folder / file, cache / str(i))
        os.symlink(cache / str(i), folder / file)
    assert is_loaded(folder)


def test_shards_of_pytorch(folder):
    from oracles.pytorch import torch

    for file in SHARDS:
        arrays = read_weights(folder / file)
        torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, folder / file.replace(".s", ".b"))
    write_index(folder, {name: file.replace(".s", ".b") for name, file in places_of(folder).items()})
    assert is_loaded(folder)


def test_a_folder_with_one_file(folder):
    os.remove(folder / INDEX)
    os.remove(folder / SHARDS[1])
    assert list(read_weights(folder)) == ["0.weight", "0.bias"]
    np.savez(folder / "w.npz", a=np.ones(2))
    os.remove(folder / SHARDS[0])
    assert list(read_weights(folder)) == ["a"]


def test_one_shard_of_several(folder):
    with pytest.raises(CheckpointError, match="one of several shards: give their index"):
        load_weights(folder / SHARDS[0], network(7))


def outside(folder):
    (folder.parent / "secret").write_bytes(safetensors_file())
    return {"0.weight": "../secret"}


BESIDE = "expected the name of a file beside it"
WRONG = {
    "a name that escapes": (outside, BESIDE),
    "an absolute name": (lambda folder: {"a": str(folder / SHARDS[0])}, BESIDE),
    "a folder": (lambda folder: {"a": ".."}, BESIDE),
    "another separator": (lambda folder: {"a": "..\\x"}, BESIDE),
    "an empty name": (lambda folder: {"a": ""}, BESIDE),
    "a hidden name": (lambda folder: {"a": ".x"}, BESIDE),
    "a device": (lambda folder: {"a": "NUL\0"}, BESIDE),
    "a number": (lambda folder: {"a": 3}, "is '3', expected the name of a file"),
    "the index itself": (lambda folder: {"a": INDEX}, "is an index of shards"),
    "a shard that is missing": (lambda folder: places_of(folder) | {"a": "b"}, "b cannot be read"),
    "a tensor that is missing": (lambda folder: places_of(folder) | {"a": SHARDS[0]}, "not the tensors .* a and 0"),
    "a tensor too many": (lambda folder: {"0.bias": SHARDS[0]}, "not the tensors that the index says: 0.weight"),
    "a tensor elsewhere": (lambda folder: places_of(folder) | {"0.bias": SHARDS[1]}, "not the tensors"),
    "2000 shards": (lambda folder: {str(i): f"s{i}" for i in range(2000)}, "2000 shards, expected at most 1000"),
    "nothing": (lambda folder: {}, "JSON without a weight_map"),
    "a list": (lambda folder: ["a"], "JSON without a weight_map"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_indices(kind, folder):
    places, words = WRONG[kind]
    read_weights(folder)
    write_index(folder, places(folder))
    with watched(), pytest.raises(CheckpointError, match=words):
        load_weights(folder / INDEX, network(7))


TEXTS = {
    "no JSON": (b"{'a': 12}" * 9, "Expecting"),
    "a list in it": (b'{"weight_map": {"a": []}}', "is '\\[\\]'"),
    "nested": (b'{"a":' * 100_000, "nested too deep|Expecting"),
    "a message": (b'{"message": "No such"}', "without a"),
    "a large one": (b"{" + b" " * 2**24, "of at most"),
    "not UTF-8": (b'{"a\xff": 1234567}', "codec"),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_other_json(kind, folder):
    data, words = TEXTS[kind]
    (folder / INDEX).write_bytes(data)
    with watched(), pytest.raises(CheckpointError, match=words):
        load_weights(folder / INDEX, network(7))


def test_folders_that_leave_a_choice(folder):
    for file in ("a.index.json", "b.safetensors"):
        (folder / file).write_text("{}")
    with pytest.raises(CheckpointError, match=f"a folder with a.index.json, {INDEX}, expected one of them: name it"):
        read_weights(folder)
    for file in (INDEX, "a.index.json"):
        os.remove(folder / file)
    with pytest.raises(CheckpointError, match=f"a folder with b.safetensors, {SHARDS[0]}, {SHARDS[1]}, expected one"):
        read_weights(folder)
