"""What the register of networks knows of a family: how its members are called and how one is built."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Networks that share a constructor; the name of a member says which one.

    pattern: what the names look like, for people: "wrn_{6n+4}_{k}"
    regex: of a whole name; its groups are the positional arguments of ``build``, digits as integers
    build: f(*groups, num_classes, in_channels, rng, **options) -> Layer; RangeError for numbers that no member has
    about: one line   examples: names of members, among them the published ones
    image: rows and columns of the images that it was made for   in_channels: their channels
    num_classes: classes of the published networks
    notes: sentences on what differs from the paper, from other implementations, or may surprise
    depth: f(*groups) -> the depth in the name, where that is not the number of layers on the longest way
    """

    pattern: str
    regex: str
    build: Callable
    about: str
    examples: tuple
    image: int = 224
    num_classes: int = 1000
    notes: tuple = ()
    depth: Callable | None = None
    in_channels: int = 3
