"""The box: functions of a submission run in a process that knows no answer and from which nothing leads out."""

from .box import Box, BoxError, Failure
from .inside.wire import Handle
from .served import FOREIGN, Shown
from .strongest import self_test, strongest
from .tiers import BUBBLEWRAP, LANDLOCK, TRUST, Tier

__all__ = [
    "BUBBLEWRAP",
    "Box",
    "BoxError",
    "FOREIGN",
    "Failure",
    "Handle",
    "LANDLOCK",
    "Shown",
    "TRUST",
    "Tier",
    "self_test",
    "strongest",
]
