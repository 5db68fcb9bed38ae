"""TrainConfig: the range of each field, and the round trip through JSON."""

import dataclasses
import json
import math
import re

import pytest

from minires.errors import DTypeError, RangeError
from minires.layers import Dropout
from minires.train import TrainConfig, build_model

BAD = [
    ("epochs", 0, "an integer of at least 1"),
    ("batch_size", -1, "an integer of at least 1"),
    ("accumulate", 0, "an integer of at least 1"),
    ("scalar_rate", 0.0, "a finite number above 0"),
    ("clip_norm", 0.0, "a finite number above 0"),
    ("clip_norm", math.inf, "a finite number above 0"),
    ("class_weights", (1.0, -1.0), "at least 0, not all 0"),
    ("class_weights", (0.0, 0.0), "at least 0, not all 0"),
    ("class_weights", (1.0, math.nan), "at least 0, not all 0"),
    ("class_weights", (1.0, True), "at least 0, not all 0"),
    ("mixup", -0.1, "a finite number of at least 0"),
    ("cutmix", math.inf, "a finite number of at least 0"),
    ("option", (1,), "texts KEY=VALUE"),
    ("lr", 0.0, "a finite number above 0"),
    ("lr", math.nan, "a finite number above 0"),
    ("lr", math.inf, "a finite number above 0"),
    ("momentum", 1.0, "from 0 to below 1"),
    ("weight_decay", -0.1, "at least 0"),
    ("label_smoothing", 1.0, "from 0 to below 1"),
    ("gamma", 0.0, "above 0, at most 1"),
    ("milestones", (0.5, 1.5), "parts of the training"),
    ("milestones", ("half",), "parts of the training"),
    ("warmup", -1, "at least 0"),
    ("seed", -1, "at least 0"),
    ("prefetch", -1, "at least 0"),
    ("log_every", 0, "at least 1"),
    ("checkpoint_every", 0, "at least 1"),
    ("image", 0, "at least 1"),
    ("test_part", 0.0, "above 0 and below 1"),
    ("test_part", 1.0, "above 0 and below 1"),
    ("test_part", math.nan, "above 0 and below 1"),
    ("limit_train", 0, "at least 1"),
    ("limit_test", 0, "at least 1"),
    ("optimizer", "adam", "one of sgd, adamw"),
    ("schedule", "linear", "one of constant, steps, cosine, one-cycle"),
    ("augment", "flap", "one of auto, none, flip, crop, crop-flip"),
    ("device", "gpu", "cpu, cuda, or a GPU by its number"),
    ("engine", "fast", "one of compiled, reference"),
    ("batch_norm", "both", "one of local, global"),
    ("reduction", "tree", "one of ordered, fast"),
    ("scale_lr", "cubic", "one of none, linear, sqrt"),
    ("lr_batch", 0, "an integer of at least 1"),
    ("model", "", "a name"),
    ("data", "", "a name"),
    ("data_dir", "", "a name"),
    ("block", "", "a name"),
    ("shortcut", "", "a name"),
    ("run_dir", "", "a name"),
    ("weights", "", "a name"),
    ("entry", "", "a name"),
    ("weights_sha256", "12ab", "64 hexadecimal digits"),
    ("freeze_but", ("",), "paths of layers"),
    ("freeze_but", (3,), "paths of layers"),
]


@pytest.mark.parametrize(("name", "value", "expected"), BAD)
def test_refuses_values(name, value, expected):
    found = re.escape(repr(value))
    with pytest.raises(RangeError, match=f"^{name} is {found}, expected .*{expected}.*: change {name}"):
        TrainConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", "3"),
        ("epochs", 3.0),
        ("epochs", True),
        ("lr", "0.1"),
        ("nesterov", 1),
        ("ignore_index", 1.0),
        ("ignore_index", True),
        ("class_weights", 1.0),
        ("option", "a=1"),
        ("milestones", 0.5),
        ("model", None),
    ],
)
def test_refuses_types(name, value):
    with pytest.raises(DTypeError, match=f"^{name} is {re.escape(repr(value))} .*expected"):
        TrainConfig(**{name: value})


def test_every_field_has_a_check():
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    anything = {"nesterov", "decay_all", "ignore_index"}
    assert fields - {name for name, *_ in BAD} == anything, "give the new field a row above"


def test_nesterov_needs_momentum():
    with pytest.raises(RangeError, match="momentum is 0, nesterov needs more"):
        TrainConfig(momentum=0.0, nesterov=True)
    TrainConfig(momentum=0.0, nesterov=True, optimizer="adamw")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mixup": 0.2, "cutmix": 1.0}, "mixup is 0.2 and cutmix 1.0, expected one of them"),
        ({"mixup": 0.2, "ignore_index": 1}, "mixup mixes labels, ignore_index 1 leaves one out"),
        ({"cutmix": 1.0, "ignore_index": 0}, "cutmix mixes labels, ignore_index 0 leaves one out"),
        ({"entry": "model_ema"}, "entry is 'model_ema', but weights is None: set weights to the file"),
        ({"weights_sha256": "0" * 64}, "weights_sha256 is '0+', but weights is None"),
        ({"option": ("dropout",)}, "option is 'dropout', expected KEY=VALUE"),
        ({"option": ("dropout=",)}, "option is 'dropout=', expected KEY=VALUE"),
        ({"option": ("a=1", "a=2")}, "option a is given twice, 1 and '2'"),
        ({"option": ("block=v1",), "block": "v2"}, "option block is given twice, 'v2' and 'v1'"),
        ({"option": ("rng=1",)}, "option rng is no option of a family"),
        ({"option": ("num_classes=1",)}, "option num_classes is no option of a family"),
    ],
)
def test_refuses_what_does_not_go_together(fields, message):
    with pytest.raises(RangeError, match=message):
        TrainConfig(**fields)


def test_round_trip():
    config = TrainConfig(
        model="plain20",
        milestones=(0.25,),
        lr=1 / 3,
        run_dir="runs/x y",
        limit_train=7,
        shortcut="B",
        option=("dropout=0.3", "x=y"),
        class_weights=(1.0, 0.5),
        clip_norm=2.0,
        ignore_index=3,
        accumulate=4,
    )
    assert TrainConfig.from_json(config.to_json()) == config
    assert json.loads(config.to_json())["milestones"] == [0.25]
    assert TrainConfig.from_json("{}") == TrainConfig()


def test_unknown_field():
    with pytest.raises(RangeError, match="no field 'momentun': did you mean momentum"):
        TrainConfig.from_dict({"momentun": 0.9})


def test_command_line(capsys):
    """Every field is an option of the command line, with its docstring as help."""
    tyro = pytest.importorskip("tyro")
    args = ["--lr", "0.2", "--no-decay-all", "--milestones", "0.3", "0.6", "--shortcut", "B"]
    found = tyro.cli(TrainConfig, args=args)
    assert found == TrainConfig(lr=0.2, decay_all=False, milestones=(0.3, 0.6), shortcut="B")
    with pytest.raises(SystemExit):
        tyro.cli(TrainConfig, args=["--help"])
    assert "Weight decay for batch-norm parameters" in " ".join(capsys.readouterr().out.split())


def test_options_of_the_family():
    config = TrainConfig(model="wrn_10_1", option=("dropout=0.25",))
    found = build_model(config, num_classes=5, in_channels=1)
    assert {layer.p for _, layer in found.walk() if isinstance(layer, Dropout)} == {0.25}
    with pytest.raises(RangeError, match="wrn_10_1 has no option 'droput', expected"):
        build_model(TrainConfig(model="wrn_10_1", option=("droput=0.3",)), num_classes=5, in_channels=1)


def test_model_options():
    with_projection = build_model(TrainConfig(model="resnet14", shortcut="B"), num_classes=5, in_channels=1)
    plain = build_model(TrainConfig(model="resnet14"), num_classes=5, in_channels=1)
    assert sum(1 for _ in with_projection.params()) > sum(1 for _ in plain.params())
    with pytest.raises(RangeError):
        build_model(TrainConfig(model="plain20", shortcut="B"), num_classes=5, in_channels=1)
