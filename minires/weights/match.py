"""Does a file fit a model? All that is missing, unexpected or of another shape, and what may be the reason."""

from dataclasses import dataclass

from ..errors import CheckpointError
from ..files.stored import FLOATS
from .differences import Differences, refusal, shown


@dataclass(frozen=True)
class Fit:
    """The tensors of a file beside those of a model, under the names of one :class:`Layout`.

    wanted: {name in the file: (path in the model, Buffer, shape in the file)}
    """

    file: object
    layout: object
    wanted: dict
    differences: Differences

    def distance(self):
        """How little the names fit, then how little the shapes do."""
        found = self.differences
        return len(found.missing) + len(found.unexpected), len(found.misfits)

    def require(self):
        """Raise :class:`~minires.errors.CheckpointError` with a line for each difference and a hint, unless all fit."""
        if lines := self.differences.lines():
            raise CheckpointError(refusal(self.file.path, lines, self.hint(), f", by the names of {self.layout.name}"))

    def hint(self):
        """The likeliest reason, with what to do."""
        tensors, missing, unexpected = self.file.tensors, self.differences.missing, self.differences.unexpected
        misfits = self.differences.misfits
        prefix = next(iter(tensors)).partition(".")[0] + "." if tensors else ""
        if prefix and all(n.startswith(prefix) and n.removeprefix(prefix) in self.wanted for n in tensors):
            return f"all names of the file begin with {shown(prefix)}: save it again without that prefix"
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
        if 2 * len(missing) > len(self.wanted):
            return "hardly a name fits: the file is for another network, or of a library whose names are unknown here"
        if missing or unexpected:
            return "the file is for another depth or another kind of block: build the model that it was saved from"
        return "the file is for another width, number of channels or classes: build the model that it was saved from"


def best_fit(file, model, layouts):
    """The :class:`Fit` with the fewest differences; of equal ones the first."""
    tensors = list(model.tensors())
    return min((fit_to(file, tensors, layout) for layout in layouts), key=Fit.distance)


def fit_to(file, tensors, layout):
    """The :class:`Fit` of a file to pairs (path, Buffer) by the names of ``layout``."""
    wanted = {}
    for path, buffer in tensors:
        name = layout.rename(path)
        wanted[name] = path, buffer, layout.shape(name, buffer.data.shape)
    kinds = {name: (shape, buffer.data.dtype.name) for name, (_, buffer, shape) in wanted.items()}
    found = {name: (tensor.shape, tensor.dtype) for name, tensor in file.tensors.items()}
    return Fit(file, layout, wanted, Differences(found, kinds, FLOATS))


def is_shortcut(name):
    return any(word in name for word in ("shortcut", "downsample", "convShortcut"))
