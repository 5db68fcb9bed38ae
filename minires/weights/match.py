"""Does a file fit a model? All that is missing, unexpected or of another shape, and what may be the reason."""

from dataclasses import dataclass

from ..files.stored import FLOATS

MAX_LINES = 400
MAX_NAME = 120


@dataclass(frozen=True)
class Fit:
    """The tensors of a file beside those of a model, under the names of one :class:`Layout`.

    wanted: {name in the file: (path in the model, Buffer, shape in the file)}
    """

    file: object
    layout: object
    wanted: dict

    @property
    def missing(self):
        return [name for name in self.wanted if name not in self.file.tensors]

    @property
    def unexpected(self):
        return [name for name in self.file.tensors if name not in self.wanted]

    @property
    def misfits(self):
        """Names that both have, with another shape, or with numbers that are no floats."""
        both = [name for name in self.wanted if name in self.file.tensors]
        tensors = self.file.tensors
        return [n for n in both if tensors[n].shape != self.wanted[n][2] or tensors[n].dtype not in FLOATS]

    def distance(self):
        """How little the names fit, then how little the shapes do."""
        return len(self.missing) + len(self.unexpected), len(self.misfits)

    def report(self):
        """Text with a line for each difference and a hint; "" where there is none."""
        tensors, wanted = self.file.tensors, self.wanted
        lines = [f"missing in the file: {shown(n)} {wanted[n][2]} {wanted[n][1].data.dtype}" for n in self.missing]
        lines += [f"unknown to the model: {shown(n)} {tensors[n].shape} {tensors[n].dtype}" for n in self.unexpected]
        for n in self.misfits:
            here = f"{wanted[n][2]} {wanted[n][1].data.dtype}"
            lines.append(f"{shown(n)}: {tensors[n].shape} {tensors[n].dtype} in the file, {here} in the model")
        if not lines:
            return ""
        more = [f"and {len(lines) - MAX_LINES} more"] if len(lines) > MAX_LINES else []
        head = f"{self.file.path} does not fit: {len(lines)} differences, expected none, by the names of"
        return "\n  ".join([f"{head} {self.layout.name}:", *lines[:MAX_LINES], *more]) + f"\n{self.hint()}"

    def hint(self):
        """The likeliest reason, with what to do."""
        tensors, missing, unexpected = self.file.tensors, self.missing, self.unexpected
        prefix = next(iter(tensors)).partition(".")[0] + "." if tensors else ""
        if prefix and all(n.startswith(prefix) and n.removeprefix(prefix) in self.wanted for n in tensors):
            return f"all names of the file begin with {shown(prefix)}: save it again without that prefix"
        if not missing and not unexpected and all("fc." in n or "linear." in n for n in self.misfits):
            classes = tensors[self.misfits[-1]].shape[:1]
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
    return Fit(file, layout, wanted)


def is_shortcut(name):
    return any(word in name for word in ("shortcut", "downsample", "convShortcut"))


def shown(name):
    """A name of the file, safe to print."""
    return name if name.isprintable() and len(name) <= MAX_NAME else repr(name[:MAX_NAME])
