"""One report of all that differs, whether weights are loaded or a checkpoint is restored."""

import pytest

from minires.errors import CheckpointError
from minires.files.stored import FLOATS
from minires.layers import Linear, Sequential
from minires.train import SGD, Position, TrainConfig, load_checkpoint, save_checkpoint
from minires.weights import load_weights
from minires.weights.differences import MAX_LINES, Differences, refusal

WANTED = {"a": ((2,), "float32"), "b": ((2, 3), "float32"), "c": ((), "int64"), "d": ((1,), "float64")}


@pytest.mark.parametrize(
    ("found", "converted", "lines"),
    [
        (WANTED, (), []),
        ({"a": ((2,), "float16"), "b": ((2, 3), "bfloat16"), "c": ((), "int64"), "d": ((1,), "float32")}, FLOATS, []),
        ({**WANTED, "a": ((2,), "float64")}, (), ["a: (2,) float64 in the file, (2,) float32 in the model"]),
        ({**WANTED, "a": ((2,), "int32")}, FLOATS, ["a: (2,) int32 in the file, (2,) float32 in the model"]),
        ({**WANTED, "c": ((1,), "int64")}, FLOATS, ["c: (1,) int64 in the file, () int64 in the model"]),
        (
            {"b": ((3, 2), "float32"), "c": ((), "int64"), "d": ((1,), "float64"), "e\n": ((4,), "bool")},
            (),
            [
                "missing in the file: a (2,) float32",
                r"unknown to the model: 'e\n' (4,) bool",
                "b: (3, 2) float32 in the file, (2, 3) float32 in the model",
            ],
        ),
    ],
)
def test_lines(found, converted, lines):
    assert Differences(found, WANTED, converted).lines() == lines


def test_a_long_report_is_cut():
    lines = Differences({}, {str(i): ((i,), "float32") for i in range(MAX_LINES + 7)}).lines()
    text = refusal("f", lines, "do this")
    assert text.startswith(f"f does not fit: {MAX_LINES + 7} differences, expected none:\n  missing in the file: 0 ")
    assert text.endswith("\n  and 7 more\ndo this") and len(text.splitlines()) == MAX_LINES + 3


def test_weights_and_checkpoints_report_alike(tmp_path):
    """Three differences of one model, as lines with and without the prefix of a checkpoint; nothing is changed."""
    saved = Sequential(a=Linear(2, 3, rng=0), b=Linear(3, 2, rng=0, bias=False))
    model = Sequential(a=Linear(2, 3, rng=1, bias=False), b=Linear(2, 2, rng=1), c=Linear(1, 1, rng=1, bias=False))
    save_checkpoint(tmp_path / "c", saved, SGD(saved.params(), 0.1), config=TrainConfig(), data={}, position=Position())
    before = [buffer.data.copy() for _, buffer in model.tensors()]
    reports = []
    for load in (lambda: load_weights(tmp_path / "c", model), lambda: load_checkpoint(tmp_path / "c").restore(model)):
        with pytest.raises(CheckpointError, match="c does not fit: 4 differences, expected none") as caught:
            load()
        reports.append([line.replace("model.", "") for line in str(caught.value).splitlines()[1:-1]])
    assert (
        reports[0]
        == reports[1]
        == [
            "  missing in the file: b.bias (2,) float32",
            "  missing in the file: c.weight (1, 1) float32",
            "  unknown to the model: a.bias (3,) float32",
            "  b.weight: (2, 3) float32 in the file, (2, 2) float32 in the model",
        ]
    )
    assert all((buffer.data == old).all() for (_, buffer), old in zip(model.tensors(), before, strict=True))
