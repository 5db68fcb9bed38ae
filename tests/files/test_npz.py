"""NumPy's archives as NumPy writes them, stored and deflated; hostile ones are in weights/hostile.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minires.errors import CheckpointError
from minires.layers import Linear
from minires.weights import load_weights, read_weights

WRITERS = {"stored": np.savez, "deflated": np.savez_compressed}
TYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", "c8", "c16"]


@pytest.mark.parametrize("kind", WRITERS)
@given(
    arrays=st.dictionaries(
        st.text("abc.01", min_size=1, max_size=8).filter(lambda name: not name.startswith(("module.", "model.", "."))),
        hnp.arrays(st.sampled_from(TYPES), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)),
        min_size=1,
        max_size=4,
    ),
    fortran=st.booleans(),
)
def test_any_arrays(kind, tmp_path_factory, arrays, fortran):
    path = tmp_path_factory.mktemp("npz") / "w.npz"
    arrays = {name: np.asfortranarray(array) if fortran else array for name, array in arrays.items()}
    WRITERS[kind](path, **arrays)
    found = read_weights(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape, name
        assert found[name].tobytes() == array.tobytes(), name


@pytest.mark.parametrize("kind", WRITERS)
def test_into_a_model(kind, tmp_path):
    source, model = Linear(30, 20, rng=0), Linear(30, 20, rng=1)
    WRITERS[kind](tmp_path / "w.npz", **{path: buffer.data for path, buffer in source.tensors()})
    load_weights(tmp_path / "w.npz", model)
    assert (model.weight.data == source.weight.data).all()


@pytest.mark.parametrize("kind", WRITERS)
def test_a_changed_bit(kind, tmp_path):
    WRITERS[kind](tmp_path / "w", a=np.random.default_rng(0).normal(size=100))
    data = bytearray((tmp_path / "w.npz").read_bytes())
    data[600] ^= 1
    (tmp_path / "w").write_bytes(data)
    with pytest.raises(CheckpointError, match="a: (the CRC-32|it cannot be inflated|what is deflated)"):
        read_weights(tmp_path / "w")
