"""The network that a training begins with, fresh or with the weights of a file, and what of it is frozen."""

from dataclasses import replace

from ..errors import CheckpointError, RangeError, ShapeError
from ..models.transfer import freeze_but, head_of
from ..weights import start_from
from .options import as_text, model_options
from .prepare import build_model

HEAD = "head"


def start(config, model, train):
    """(config, model, sentences for the user) for the classes and channels of the training images ``train``.

    The configuration gets all that a resumed run needs to build the network without its file.
    """
    if model is not None:
        if config.weights is not None:
            raise RangeError(
                f"weights is {config.weights} and a model is given too, expected one of them: "
                "minires.weights.load_weights(path, model) puts them there"
            )
        return replace(config, model=type(model).__name__), model, ()
    if train.images.ndim != 4:
        raise ShapeError(
            f"{config.model} takes images (N, C, H, W), but {train.name} has the shape {train.images.shape}: give a "
            "model of your own, fit(config, model=…, data=…)"
        )
    sizes = {"num_classes": len(train.classes), "in_channels": train.images.shape[1]}
    if config.weights is None:
        return config, build_model(config, **sizes), ()
    options = model_options(config)
    found = start_from(config.model, config.weights, **sizes, rng=config.seed, entry=config.entry, **options)
    if config.weights_sha256 not in (None, found.sha256):
        raise CheckpointError(
            f"{config.weights} has the SHA-256 {found.sha256}, expected {config.weights_sha256}: it is another file"
        )
    more = {name: value for name, value in found.options.items() if name not in (*options, *sizes)}
    config = replace(config, weights_sha256=found.sha256, option=config.option + as_text(more))
    return config, found.model, found.notes


def freeze_rest(model, paths):
    """Freeze all but the layers at ``paths``, where "head" is the last linear layer; without paths nothing.

    The running statistics of what is frozen stay too, and training uses them.
    """
    if paths:
        freeze_but(model, *[head_of(model) if path == HEAD else path for path in paths], statistics=True)
