"""Which values the fields of a TrainConfig may have."""

import math
import re
from typing import Any, get_args

from ..backend import DEVICES

OPTIONAL = (
    *("block", "shortcut", "weights", "weights_sha256", "entry", "image", "test_part", "run_dir"),
    *("clip_norm", "ignore_index", "limit_train", "limit_test"),
)
NUMBER = (int, float)


def checks(annotations: dict[str, Any]) -> tuple:
    """(field, type, the values that make sense in words, and as a test that NaN fails) of each.

    annotations: of the class, whose Literals are choices
    """
    return (
        *map(_text, ("model", "block", "shortcut", "weights", "entry", "data", "data_dir", "run_dir")),
        *(_choice(name, annotations) for name in ("optimizer", "batch_norm", "reduction", "scale_lr", "schedule")),
        *(_choice(name, annotations) for name in ("augment", "engine")),
        ("device", str, "cpu, cuda, or a GPU by its number, such as cuda:1", lambda v: DEVICES.fullmatch(v)),
        *_at_least(1, "image", "epochs", "batch_size", "accumulate", "log_every", "checkpoint_every", "lr_batch"),
        *_at_least(1, "limit_train", "limit_test"),
        *_at_least(0, "warmup", "seed", "prefetch"),
        *((name, bool, "True or False", lambda v: True) for name in ("nesterov", "decay_all")),
        ("test_part", float, "a number above 0 and below 1", lambda v: 0 < v < 1),
        ("lr", NUMBER, "a finite number above 0", lambda v: 0 < v < math.inf),
        ("scalar_rate", NUMBER, "a finite number above 0", lambda v: 0 < v < math.inf),
        ("clip_norm", NUMBER, "a finite number above 0", lambda v: 0 < v < math.inf),
        ("ignore_index", int, "an integer", lambda v: True),
        ("momentum", NUMBER, "a number from 0 to below 1", lambda v: 0 <= v < 1),
        *(
            (name, NUMBER, "a finite number of at least 0", lambda v: 0 <= v < math.inf)
            for name in ("weight_decay", "mixup", "cutmix")
        ),
        ("label_smoothing", NUMBER, "a number from 0 to below 1", lambda v: 0 <= v < 1),
        ("gamma", NUMBER, "a number above 0, at most 1", lambda v: 0 < v <= 1),
        ("option", tuple, "texts KEY=VALUE", lambda v: all(isinstance(text, str) for text in v)),
        ("freeze_but", tuple, "paths of layers", lambda v: all(isinstance(path, str) and path for path in v)),
        ("weights_sha256", str, "64 hexadecimal digits", lambda v: re.fullmatch("[0-9a-f]{64}", v) is not None),
        ("class_weights", tuple, "finite numbers of at least 0, not all 0", _are_weights),
        ("milestones", tuple, "parts of the training, each a number from 0 to 1", lambda v: all(map(_is_part, v))),
    )


def _choice(name, annotations):
    choices = get_args(annotations[name])
    return name, str, f"one of {', '.join(choices)}", lambda v: v in choices


def _text(name):
    return name, str, "a name that is not empty", lambda v: v != ""


def _is_part(value):
    return isinstance(value, NUMBER) and 0 <= value <= 1


def _are_weights(values):
    numbers = all(isinstance(v, NUMBER) and not isinstance(v, bool) and 0 <= v < math.inf for v in values)
    return numbers and (not values or any(values))


def _at_least(least, *names):
    return [(name, int, f"an integer of at least {least}", lambda v: v >= least) for name in names]
