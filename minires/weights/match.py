"""Does a file fit a model? All that is missing, unexpected or of another shape, and what may be the reason."""

import math
import re

from ..errors import CheckpointError
from ..files.stored import FLOATS
from .differences import Differences, refusal, shown
from .shards import is_shard

# What a layer may hold of one number; single numbers of other names (total_ops) belong to no network
LEAVES = {"weight", "bias", "gamma", "beta", "running_mean", "running_var"}


class Match:
    """The tensors of a file beside those of a model, under the names of one :class:`Layout`.

    wanted: {name there: (path in the model, Buffer, shape there)}
    entry: what holds the tensors in the file   prefix: of their names in it   tensors: {name without it: StoredTensor}
    left_out: names of the entry outside the network: without the prefix, of a part that the network has not at all
    ("criterion.weight"; but "layer5" is one more of "layer1" to "layer4"), or of single numbers ("total_ops")
    """

    def __init__(self, file, layout, wanted, entry="", prefix=""):
        self.file, self.layout, self.wanted, self.entry, self.prefix = file, layout, wanted, entry, prefix
        stored, cut = file.entries[entry], len(prefix)
        self.tensors = {name[cut:]: tensor for name, tensor in stored.items() if name.startswith(prefix)}
        parts = {part_of(name) for name in wanted}
        inside = {name for name in self.tensors if name in wanted or self._belongs(name, parts)}
        self.left_out = tuple(n for n in stored if not n.startswith(prefix) or n[cut:] not in inside)
        found = {name: (t.shape, t.dtype) for name, t in self.tensors.items() if name in inside}
        kinds = {name: (shape, buffer.data.dtype.name) for name, (_, buffer, shape) in wanted.items()}
        self.differences = Differences(found, kinds, FLOATS)

    def _belongs(self, name, parts):
        number = math.prod(self.tensors[name].shape) == 1 and name.rpartition(".")[2] not in LEAVES
        return not parts or (part_of(name) in parts and not number)

    @property
    def place(self):
        """Entry and prefix as one name, for people: "model.module"."""
        return ".".join(filter(None, (self.entry, self.prefix.rstrip("."))))

    def distance(self):
        """How little the names fit, then how little the shapes do, then how much is left out."""
        found = self.differences
        return len(found.missing) + len(found.unexpected), len(found.misfits), len(self.left_out)

    @property
    def complete(self):
        return self.distance()[:2] == (0, 0)

    def require(self):
        """Raise :class:`~minires.errors.CheckpointError` with a line for each difference and a hint, unless all fit."""
        if lines := self.differences.lines():
            where = f" in {shown(self.place)}" if self.place else ""
            where += f", by the names of {self.layout.name}"
            raise CheckpointError(refusal(self.file.path, lines, self.hint(), where))

    def hint(self):
        """The likeliest reason, with what to do."""
        missing, unexpected = self.differences.missing, self.differences.unexpected
        misfits, tensors = self.differences.misfits, self.tensors
        if not missing and not unexpected and all("fc." in n or "linear." in n for n in misfits):
            classes = tensors[misfits[-1]].shape[:1]
            return (
                f"the file seems to be for {classes[0] if classes else 'other'} classes: build the model with that "
                "num_classes, load, and exchange its head with minires.models.transfer.replace_head"
            )
        if missing and all(is_shortcut(n) for n in missing) and not unexpected:
            return "the file has no weights in its shortcuts: build the model with shortcut='A' or 'A-both'"
        if unexpected and all(is_shortcut(n) for n in unexpected) and not missing:
            return "the file has weights in its shortcuts: build the model with shortcut='B' or 'C'"
        if unexpected and all(n.endswith("bias") for n in missing + unexpected):
            return "the networks differ in biases: look for an option bias, or a layer without batch norm"
        here, there = has_7x7(shape for _, _, shape in self.wanted.values()), has_7x7(t.shape for t in tensors.values())
        if missing and there and not here:
            return (
                "the file is for images of ImageNet, with a first convolution of 7x7, and the model for small ones: "
                "timm's resnet26 and resnet200 are other networks than those called so here"
            )
        if missing and is_shard(self.file.path):
            return "the file is one of several shards: give their index, model.safetensors.index.json, or the folder"
        if 2 * len(missing) > len(self.wanted):
            return "hardly a name fits: the file is for another network, or of a library whose names are unknown here"
        if missing or unexpected:
            return "the file is for another depth or another kind of block: build the model that it was saved from"
        return "the file is for another width, number of channels or classes: build the model that it was saved from"


def part_of(name):
    """The first part of a name without numbers: "layer" of "layer3.0.conv1.weight"."""
    return re.sub(r"\d+", "", name.partition(".")[0])


def has_7x7(shapes):
    return any(tuple(shape[2:]) == (7, 7) for shape in shapes)


def is_shortcut(name):
    return any(word in name for word in ("shortcut", "downsample", "convShortcut"))
