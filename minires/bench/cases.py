"""What is measured. The name of a case is three words: "train resnet20 b128", "dx conv3x3_64@56 b8"."""

import dataclasses
import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from .. import models
from ..errors import RangeError

NETWORK_TASKS = ("train", "infer")
CONV_TASKS = ("forward", "dx", "dw")
MOST_BATCH = 4096
EXAMPLE = "'train resnet20 b128', 'dx conv3x3_64@56 b8' or a pattern such as 'train*'"


@dataclass(frozen=True)
class Conv:
    """A convolution without bias that keeps the image size at stride 1: "conv3x3_16-32@32_s2" has 16 channels in, 32
    out, images of 32 x 32 and stride 2; "conv1x1_64@56" has 64 in and out."""

    in_channels: int
    out_channels: int
    kernel: int
    image: int
    stride: int = 1

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The convolution called ``name``, or None where it is no name of one."""
        match = re.fullmatch(r"conv(\d+)x\1_(\d+)(?:-(\d+))?@(\d+)(?:_s(\d+))?", name, re.ASCII)
        if match is None:
            return None
        kernel, channels, out, image, stride = (int(number or 0) for number in match.groups())
        conv = cls(channels, out or channels, kernel, image, stride or 1)
        return conv if kernel % 2 and channels and image else None

    @property
    def macs(self) -> int:
        """Multiply-adds for one image."""
        return self.in_channels * self.out_channels * (self.kernel * -(-self.image // self.stride)) ** 2


@dataclass(frozen=True)
class Case:
    """``task`` on ``subject`` with ``batch`` images.

    A network has the tasks "train" (forward, cross-entropy, backward, SGD with momentum and weight decay) and
    "infer"; a convolution has "forward", "dx" and "dw".
    """

    task: str
    subject: str
    batch: int

    def __post_init__(self):
        if not 1 <= self.batch <= MOST_BATCH:
            raise RangeError(f"the batch of {self.name} is {self.batch}, expected 1 to {MOST_BATCH}: change it")
        known = NETWORK_TASKS if self.conv is None else CONV_TASKS
        if self.task not in known:
            raise RangeError(f"the task of {self.name!r} is {self.task!r}, expected one of {', '.join(known)}")
        if self.conv is None:
            models.find(self.subject)

    @classmethod
    def parse(cls, name: str) -> Self:
        """The case of a full name; RangeError where it is none."""
        match = re.fullmatch(r"(\S+) (\S+) b([1-9]\d*)", name, re.ASCII)
        if match is None:
            raise RangeError(f"case is {name!r}, expected {EXAMPLE}")
        return cls(match[1], match[2], int(match[3]))

    @property
    def name(self) -> str:
        return f"{self.task} {self.subject} b{self.batch}"

    @property
    def conv(self) -> Conv | None:
        """The :class:`Conv`, None for a network."""
        return Conv.parse(self.subject)

    @property
    def image(self) -> tuple[int, int, int]:
        """(C, H, W) of the network's input."""
        family = models.find(self.subject)[0]
        return family.in_channels, family.image, family.image

    @property
    def macs(self) -> int:
        """Multiply-adds of one forward."""
        one = self.conv.macs if self.conv else models.certify(self.subject, image=self.image[1]).macs
        return one * self.batch


CONVS = (
    ("conv3x3_16@32", 128),
    ("conv3x3_32@16", 128),
    ("conv3x3_64@8", 128),
    ("conv3x3_64@56", 8),
    ("conv3x3_128@28", 8),
    ("conv3x3_256@14", 8),
    ("conv3x3_512@7", 8),
    ("conv3x3_16-32@32_s2", 128),
    ("conv3x3_64-128@56_s2", 8),
    ("conv1x1_256-64@56", 8),
    ("conv7x7_3-64@224_s2", 8),
)
NETWORKS = (
    ("resnet20", 1),
    ("resnet20", 32),
    ("resnet20", 128),
    ("resnet20", 512),
    ("resnet56", 128),
    ("resnet110", 128),
    ("resnet18", 1),
    ("resnet18", 8),
    ("resnet50", 8),
)
CASES = (
    *(Case(task, *network) for task in NETWORK_TASKS for network in NETWORKS),
    *(Case(task, *conv) for conv in CONVS for task in CONV_TASKS),
)
QUICK = tuple(
    map(Case.parse, ("train resnet20 b32", "infer resnet20 b32", *(f"{t} conv3x3_64@8 b128" for t in CONV_TASKS)))
)


def select(wanted: Sequence[str] = (), batches: Sequence[int] = (), quick: bool = False) -> tuple[Case, ...]:
    """The cases with these names or patterns, in order and once each; all of them if nothing is wanted.

    A full name may be any case, a pattern (``*``, ``?``) chooses from those of a run without options.
    ``batches``: take each chosen case at these batches, in the place of its own.
    """
    found = list(QUICK if quick else CASES) if not wanted else []
    for name in wanted:
        is_pattern = any(sign in name for sign in "*?[")
        matches = [case for case in CASES if fnmatch.fnmatchcase(case.name, name)] if is_pattern else [Case.parse(name)]
        if not matches:
            raise RangeError(f"no case fits {name!r}, expected {EXAMPLE}; without --cases all are run")
        found += matches
    if batches:
        found = [dataclasses.replace(case, batch=batch) for case in found for batch in batches]
    return tuple(dict.fromkeys(found))
