"""What the ranks of a job must have in common before the first step."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import __version__
from ..data import Loader
from ..errors import MiniresError, RangeError, StateError
from ..layers.base import Layer
from .prepare import why_not_one
from .ranks import Ranks


def require_the_same(ranks: Ranks, facts: dict[str, Any]) -> None:
    """Raise StateError on all ranks, which names the rank and the difference, where ``facts`` are not the same."""
    versions = {"minires": __version__, "numpy": np.__version__}
    for rank, other in enumerate(found := ranks.exchange(versions | facts)):
        for name, value in found[0].items():
            if other.get(name) != value:
                what = ", ".join(_differences(name, value, other.get(name)))
                ranks.known = StateError(f"rank {rank} differs from rank 0: {what}: give all ranks the same")
                raise ranks.known


def made_by_all(ranks: Ranks, make: Callable[[], Any]) -> Any:
    """``make()``; what it raises on one rank is raised on all, and names the rank unless all have the same."""
    found, error = None, None
    try:
        found = make()
    except MiniresError as caught:
        error = caught
    words = ranks.exchange(error and str(error))
    if not any(words):
        return found
    rank = next(rank for rank, text in enumerate(words) if text is not None)
    agreed = error if error and len(set(words)) == 1 else StateError(f"rank {rank}: {words[rank]}")
    ranks.known = agreed
    raise agreed


def require_shares(config: Any, model: Layer, loader: Loader, ranks: Ranks) -> None:
    """Raise RangeError where a rank gets no share of a batch and must, or one image that it cannot train on."""
    size, count = config.batch_size, len(loader.dataset)
    for batch in {min(size, count), count % size or size}:
        if config.batch_norm == "global" and batch < ranks.size:
            raise RangeError(
                f"a batch has {batch} images for {ranks.size} ranks, expected one each for batch_norm='global': "
                "take fewer ranks, or another batch_size"
            )
        least = max(1, batch // ranks.size)
        if config.batch_norm == "local" and least == 1 and batch > 1:
            x = loader.normalize(loader.dataset.images[:1], loader.dtype)
            if error := why_not_one(model, x):
                raise RangeError(
                    f"of a batch of {batch} images a rank of {ranks.size} gets one, which this network cannot train on "
                    f"alone ({error}): take batch_norm='global', or another batch_size"
                )


def fingerprint(data: Any) -> list[int]:
    """The CRC-32 of images and labels of data sets, to compare the ranks by."""
    return [zlib.crc32(np.ascontiguousarray(a).data) for one in data for a in (one.images, one.labels)]


def _differences(name, first, other):
    if isinstance(first, dict) and isinstance(other, dict):
        return [
            f"{key} is {other.get(key)!r}, not {value!r}" for key, value in first.items() if other.get(key) != value
        ]
    return [f"its {name} are others"] if name in ("data", "weights") else [f"{name} is {other!r}, not {first!r}"]
