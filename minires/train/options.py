"""Options of a network's family as text, and the model of a TrainConfig."""

import ast

from .. import models
from ..errors import RangeError

SIZES = ("num_classes", "in_channels", "rng")  # what build takes besides the options


def build_model(config, *, num_classes, in_channels):
    """The model of a :class:`TrainConfig` with its initial weights, on the CPU."""
    return models.build(
        config.model, num_classes=num_classes, in_channels=in_channels, rng=config.seed, **options_of(config)
    )


def options_of(config):
    """``{name: value}`` of the fields block, shortcut and option, for :func:`minires.models.build`."""
    options = {name: getattr(config, name) for name in ("block", "shortcut") if getattr(config, name) is not None}
    return parse_options(config.option, **options)


def parse_options(texts, **options):
    """``options`` and those of ``texts``: "dropout=0.3" is 0.3; what is no number, bool or None stays text."""
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise RangeError(f"option is {text!r}, expected KEY=VALUE: --option stride_on=1x1")
        if key in options:
            raise RangeError(f"option {key} is given twice, {options[key]!r} and {value!r}: leave one out")
        try:
            options[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            options[key] = value
    if extra := [name for name in options if name in SIZES]:
        raise RangeError(f"option {extra[0]} is no option of a family, expected such as dropout=0.3: leave it out")
    return options


def as_text(options):
    """The texts from which :func:`parse_options` makes ``options`` again."""
    return tuple(f"{name}={value}" for name, value in options.items())
