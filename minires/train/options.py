"""Options of a network's family as text."""

from .. import models


def model_options(config):
    """``{name: value}`` of the fields block, shortcut and option, for :func:`minires.models.build`."""
    options = {name: getattr(config, name) for name in ("block", "shortcut") if getattr(config, name) is not None}
    return models.parse_options(config.option, **options)


def as_text(options):
    """The texts from which :func:`~minires.models.parse_options` makes ``options`` again."""
    return tuple(f"{name}={value}" for name, value in options.items())
