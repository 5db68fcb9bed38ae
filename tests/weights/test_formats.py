"""Both formats of PyTorch, every type and layout in memory, safetensors of others, and our own files."""

import io
import json
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from weights.torch_models import torch

from minires.errors import CheckpointError
from minires.files.safetensors import NAMES, write_safetensors
from minires.layers import Linear
from minires.models import build
from minires.train import SGD, Position, TrainConfig, save_checkpoint
from minires.weights import load_weights, read_weights, save_weights

DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
FORMATS = {"zip": True, "legacy": False}


def there_and_back(value, path, format="zip", protocol=2):
    torch.save(value, path, _use_new_zipfile_serialization=FORMATS[format], pickle_protocol=protocol)
    return read_weights(path)


def assert_same(found, tensors):
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        tensor = tensor.detach()
        expected = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        assert found[name].dtype == expected.dtype and found[name].shape == expected.shape, name
        assert np.array_equal(found[name], expected, equal_nan=expected.dtype.kind == "f"), name


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_types(dtype, format, tmp_path):
    values = torch.tensor([0, 1, 1, 0, 1, 1]) if dtype == "bool" else torch.linspace(-3, 100, 6)
    tensors = {"a": values.to(getattr(torch, dtype)).reshape(2, 3)}
    assert_same(there_and_back(tensors, tmp_path / "w", format), tensors)


@pytest.mark.parametrize("format", FORMATS)
def test_layouts_in_memory(format, tmp_path):
    base = torch.arange(120.0).reshape(2, 3, 4, 5)
    tensors = {
        "transposed": base[0, 0].T,
        "permuted": base.permute(3, 1, 0, 2),
        "strided": base[:, ::2, 1::2, ::3],
        "channels last": base.contiguous(memory_format=torch.channels_last),
        "offset": base.flatten()[7:19],
        "the same storage": base.flatten()[18:30].reshape(3, 4),
        "expanded": torch.ones(1, 3).expand(4, 3),
        "scalar": torch.tensor(7.5),
        "empty": torch.zeros(0, 3),
        "one of ones": torch.ones(1, 1, 1, 1),
        "parameter": torch.nn.Parameter(base[1, 0].T.clone()),
    }
    assert_same(there_and_back(tensors, tmp_path / "w", format), tensors)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_protocols(protocol, format, tmp_path):
    tensors = OrderedDict(a=torch.ones(2), b=torch.arange(3))
    assert_same(there_and_back(tensors, tmp_path / "w", format, protocol), tensors)


def test_special_values_of_bfloat16(tmp_path):
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    assert_same(there_and_back({"a": bits}, tmp_path / "w"), {"a": bits})


def test_a_zip_without_checksums(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        assert_same(there_and_back({"a": torch.ones(3)}, tmp_path / "w"), {"a": torch.ones(3)})
    finally:
        torch.serialization.set_crc32_options(True)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_of_another_name_and_an_open_file(format, tmp_path):
    """What PyTorch writes into a buffer has another root than a file; the name of the file decides nothing."""
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(3)}, buffer, _use_new_zipfile_serialization=FORMATS[format])
    (tmp_path / "weights.safetensors").write_bytes(buffer.getvalue())
    assert_same(read_weights(tmp_path / "weights.safetensors"), {"a": torch.ones(3)})


@given(
    arrays=st.dictionaries(
        st.text("abc.01", min_size=1, max_size=8).filter(lambda name: not name.startswith(("module.", "model."))),
        hnp.arrays(st.sampled_from(["f4", "f2", "i8"]), hnp.array_shapes(min_dims=0, max_dims=4, max_side=4)),
        min_size=1,
        max_size=4,
    )
)
@pytest.mark.parametrize("format", FORMATS)
def test_any_dict(arrays, format, tmp_path):
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    assert_same(there_and_back(tensors, tmp_path / "w", format), tensors)


def test_both_formats_of_safetensors_agree(tmp_path):
    """The library reads what minires writes, and minires what the library writes; every type."""
    library = pytest.importorskip("safetensors.torch")

    tensors = {dtype: torch.ones(2, 3).to(getattr(torch, dtype)) for dtype in DTYPES} | {"é 0": torch.zeros(())}
    library.save_file(tensors, tmp_path / "theirs", {"format": "pt"})
    assert_same(read_weights(tmp_path / "theirs"), tensors)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items() if name != "bfloat16"}
    write_safetensors(tmp_path / "ours", arrays, {"format": "pt"})
    found = library.load_file(tmp_path / "ours")
    assert found.keys() == arrays.keys()
    for name in arrays:
        assert found[name].dtype == tensors[name].dtype and torch.equal(found[name], tensors[name]), name


@pytest.mark.parametrize("size", range(120, 136))
def test_the_length_of_a_header_decides_nothing(size, tmp_path):
    """A header of 128 bytes begins with the byte that a pickle begins with."""
    entry = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    header = json.dumps(entry).encode().ljust(size)
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header + np.float32(3).tobytes())
    assert read_weights(tmp_path / "w") == {"a": 3}


def test_own_files(tmp_path):
    model, other = build("resnet8", rng=0), build("resnet8", rng=1)
    save_weights(tmp_path / "own", model)
    for layout in ("minires", "akamaster", "torchvision"):
        save_weights(tmp_path / layout, model, layout=layout)
    for name in ("own", "minires", "akamaster", "torchvision"):
        other = build("resnet8", rng=1)
        load_weights(tmp_path / name, other)
        for (path, a), (_, b) in zip(model.tensors(), other.tensors()):
            assert (a.data == b.data).all(), path


def test_of_a_checkpoint_only_the_model_is_taken(tmp_path):
    model, other = Linear(2, 2, rng=0), Linear(2, 2, rng=1)
    optimizer = SGD(model.params(), lr=0.1, momentum=0.9)
    optimizer.step()
    save_checkpoint(tmp_path / "w", model, optimizer, config=TrainConfig(), data={}, position=Position())
    assert read_weights(tmp_path / "w").keys() == {"weight", "bias"}
    load_weights(tmp_path / "w", other)
    assert (other.weight.data == model.weight.data).all()


def test_a_changed_bit_of_an_own_file(tmp_path):
    model = Linear(2, 2, rng=0)
    for layout in ("minires", "torchvision"):
        save_weights(tmp_path / "w", model, layout=layout)
        data = bytearray((tmp_path / "w").read_bytes())
        data[-5] ^= 1
        (tmp_path / "w").write_bytes(data)
        with pytest.raises(CheckpointError, match="damaged: its content has SHA-256"):
            load_weights(tmp_path / "w", model)


@pytest.mark.parametrize("format", FORMATS)
def test_a_changed_bit_of_a_zip(format, tmp_path):
    """The zip format has checksums, the legacy format has none."""
    torch.save({"a": torch.full((100,), 1.0)}, tmp_path / "w", _use_new_zipfile_serialization=FORMATS[format])
    data = bytearray((tmp_path / "w").read_bytes())
    data[data.index(np.float32(1).tobytes() * 3) + 40] ^= 1
    (tmp_path / "w").write_bytes(data)
    if format == "zip":
        with pytest.raises(CheckpointError, match="a: the CRC-32 of its values differs"):
            read_weights(tmp_path / "w")
    else:
        assert (read_weights(tmp_path / "w")["a"] != 1).sum() == 1


def test_every_type_has_a_name_in_safetensors():
    assert set(DTYPES) <= set(NAMES.values())


def test_a_whole_model_is_told_how_to_be_saved(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w")
    with pytest.raises(CheckpointError, match=r"a whole torch.nn.modules.linear.Linear: .*model.state_dict\(\), path"):
        read_weights(tmp_path / "w")
    (tmp_path / "w").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(CheckpointError, match=r"no file of torch.save: .*model.state_dict\(\), path"):
        read_weights(tmp_path / "w")
