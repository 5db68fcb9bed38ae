"""Networks that come with minires, trained by it: their weights, and the record of their training."""

import json
from dataclasses import dataclass
from pathlib import Path

from ..errors import RangeError
from ..layers.base import Layer
from ..models import build, parse_options
from .load import load_weights
from .open import open_weights

FOLDER = Path(__file__).with_name("published")
RECORD = "record"  # where a file of weights holds the record, as JSON


@dataclass(frozen=True)
class Record:
    """How a network was trained. ``config``: the fields of its TrainConfig   ``summary``: its last line of metrics

    data: name, channels, classes, and mean and std of each channel in [0, 1] that the images are normalised with
    """

    version: str
    config: dict
    data: dict
    summary: dict

    def to_json(self) -> str:
        return json.dumps(vars(self))


def pretrained(name: str) -> tuple[Layer, Record]:
    """Return ``(model, record)``: the network called ``name`` as it was trained, on the CPU, and its :class:`Record`.

    >>> model, record = pretrained("resnet20")
    >>> record.data["name"], record.summary["test_accuracy"] > 0.9
    ('cifar10', True)
    """
    names = sorted(path.stem for path in FOLDER.glob("*.safetensors"))
    if name not in names:
        raise RangeError(f"minires brings no weights of {name!r}, only of {', '.join(names)}: train it, or use a file")
    path = FOLDER / f"{name}.safetensors"
    record = Record(**json.loads(open_weights(path).texts[RECORD]))
    options = {key: record.config[key] for key in ("block", "shortcut") if record.config[key] is not None}
    options = parse_options(record.config.get("option", ()), **options)
    sizes = {"num_classes": len(record.data["classes"]), "in_channels": record.data["channels"]}
    model = build(record.config["model"], rng=0, **sizes, **options)
    load_weights(path, model)
    return model, record
