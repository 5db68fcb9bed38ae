"""Files as training scripts of public projects write them: the weights are read, nothing runs, the rest is a mark."""

import pickle
import warnings

import numpy as np
import pytest
from oracles.pytorch import torch
from weights import writers
from weights.checkpoints import ENTRIES, KINDS, SPRUNG, Planted
from weights.torch_models import akamaster
from weights.watch import watched

from minires.errors import CheckpointError
from minires.models import build
from minires.weights import load_weights, read_weights

FORMATS = {"zip, protocol 2": (True, 2), "zip, protocol 4": (True, 4), "legacy, protocol 2": (False, 2)}
RARE = {"zip, protocol 3": (True, 3), "zip, protocol 5": (True, 5), "legacy, protocol 5": (False, 5)}


def saved(kind, path, zipped, protocol):
    """The state_dict that a file of this kind is for."""
    torch.manual_seed(0)
    state, other = akamaster(8).state_dict(), akamaster(8).state_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of kinds of tensors that PyTorch is about to give up
        content = KINDS[kind](state, other)
        if isinstance(content, dict):
            content["planted"] = Planted()
        torch.save(content, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    return state


def check(kind, path, zipped, protocol):
    state, model = saved(kind, path, zipped, protocol), build("resnet8", rng=0)
    load_weights(path, model, entry=ENTRIES.get(kind))  # what is imported once is imported now
    for buffer in dict(model.tensors()).values():
        buffer.data[...] = 7
    with watched():
        origin = load_weights(path, model, entry=ENTRIES.get(kind))
    assert origin.name == "akamaster" and not SPRUNG
    assert (model["stem"]["conv"].weight.data == state["conv1.weight"].numpy()).all()
    assert (model["head"]["fc"].bias.data == state["linear.bias"].numpy()).all()
    assert not any((buffer.data == 7).all() for _, buffer in model.tensors())


def test_there_are_enough():
    assert len(KINDS) >= 60


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_read(kind, format, tmp_path):
    check(kind, tmp_path / "w", *FORMATS[format])


@pytest.mark.slow
@pytest.mark.parametrize("format", RARE)
@pytest.mark.parametrize("kind", KINDS)
def test_read_in_rarer_formats(kind, format, tmp_path):
    check(kind, tmp_path / "w", *RARE[format])


def test_the_plant_springs(tmp_path):
    """The test of the test: PyTorch's own reader runs what is planted."""
    saved("timm", tmp_path / "w", True, 2)
    try:
        torch.load(tmp_path / "w", weights_only=False)
        assert len(SPRUNG) == 1
    finally:
        SPRUNG.clear()
    pickle.loads(pickle.dumps(Planted()))
    SPRUNG.clear()


@pytest.mark.parametrize("kind", ENTRIES)
def test_several_sets_of_weights_are_told(kind, tmp_path):
    saved(kind, tmp_path / "w", True, 2)
    model = build("resnet8", rng=0)
    before = [buffer.data.copy() for _, buffer in model.tensors()]
    with pytest.raises(CheckpointError, match=f"several sets of weights that fit: .*'{ENTRIES[kind]}.*choose one with"):
        load_weights(tmp_path / "w", model)
    assert all((a == b.data).all() for a, (_, b) in zip(before, model.tensors()))


def test_a_harmful_name_among_the_rest_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return eval, ("1",)

    torch.save({"model": akamaster(8).state_dict(), "args": Evil()}, tmp_path / "w")
    with watched(), pytest.raises(CheckpointError, match="asks for '__builtin__.eval'.* could do harm"):
        load_weights(tmp_path / "w", build("resnet8", rng=np.random.default_rng(0)))


@pytest.mark.parametrize(
    "name",
    [
        "code.models.Config",
        "trace.Log",
        "profile.settings.Profile",
        "distutils.version.LooseVersion",
        "platform.Host",
        "dill._dill._create_type",
        "pip._vendor.packaging.version.Version",
        "site.Page",
        "osmnx.Graph",
        "builtins.getattr",
    ],
)
def test_modules_of_projects_with_names_like_those_of_python(name, tmp_path):
    module, _, attribute = name.rpartition(".")
    args = writers.name(module, attribute) + b")\x81" + writers.dictionary(lr=b"K\1") + b"b"
    state = writers.dictionary(a=writers.tensor())
    (tmp_path / "w").write_bytes(writers.zip_file(writers.pickled(writers.dictionary(model=state, args=args))))
    with watched():
        assert read_weights(tmp_path / "w")["a"].shape == (2, 3)


def test_one_set_under_two_names_is_told_too(tmp_path):
    state = akamaster(8).state_dict()
    torch.save({"student": state, "teacher": state}, tmp_path / "w")
    with pytest.raises(CheckpointError, match="that fit: 'student', 'teacher'"):
        load_weights(tmp_path / "w", build("resnet8", rng=0))
    assert load_weights(tmp_path / "w", build("resnet8", rng=0), entry="teacher").entry == "teacher"


def test_a_pickle_that_is_none_of_pytorchs(tmp_path):
    (tmp_path / "w").write_bytes(pickle.dumps({"a": np.ones(3)}))
    with pytest.raises(CheckpointError, match="torch.save did not write it; arrays are to be saved by numpy.savez"):
        load_weights(tmp_path / "w", build("resnet8", rng=0))
