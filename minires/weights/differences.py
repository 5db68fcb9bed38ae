"""What differs between the arrays of a file and those that it is for: one report, of weights and of checkpoints."""

from functools import cached_property

MAX_LINES = 400
MAX_NAME = 120


class Differences:
    """Between ``found`` and ``wanted``, both {name: (shape, name of the dtype)}.

    A type fits where it is the wanted one, or among ``converted``.
    """

    def __init__(self, found, wanted, converted=()):
        self.found, self.wanted, self.converted = found, wanted, converted

    @cached_property
    def missing(self):
        return [name for name in self.wanted if name not in self.found]

    @cached_property
    def unexpected(self):
        return [name for name in self.found if name not in self.wanted]

    @cached_property
    def misfits(self):
        """Names that both have, with another shape or type."""
        return [name for name in self.wanted if name in self.found and not self._fits(name)]

    def _fits(self, name):
        (shape, dtype), (wanted_shape, wanted) = self.found[name], self.wanted[name]
        return shape == wanted_shape and (dtype == wanted or dtype in self.converted)

    def lines(self):
        """One for each difference."""
        lines = [f"missing in the file: {shown(name)} {_kind(self.wanted[name])}" for name in self.missing]
        lines += [f"unknown to the model: {shown(name)} {_kind(self.found[name])}" for name in self.unexpected]
        for name in self.misfits:
            here = _kind(self.wanted[name])
            lines.append(f"{shown(name)}: {_kind(self.found[name])} in the file, {here} in the model")
        return lines


def refusal(path, lines, remedy, where=""):
    """The message that the file at ``path`` does not fit."""
    more = [f"and {len(lines) - MAX_LINES} more"] if len(lines) > MAX_LINES else []
    head = f"{path} does not fit: {len(lines)} differences, expected none{where}:"
    return "\n  ".join([head, *lines[:MAX_LINES], *more]) + f"\n{remedy}"


def shown(name):
    """A name of the file, safe to print."""
    return name if name.isprintable() and len(name) <= MAX_NAME else repr(name[:MAX_NAME])


def _kind(kind):
    return f"{tuple(kind[0])} {kind[1]}"
