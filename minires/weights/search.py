"""Where in a file the tensors of a model are, and by whose names: every entry, prefix and layout is tried."""

from dataclasses import dataclass

from ..errors import CheckpointError
from .differences import shown
from .match import Match

MAX_PREFIXES = 8  # of each entry and layout
SHOWN = 3


@dataclass(frozen=True)
class Origin:
    """What was taken from a file of weights, and with which normalisation its library wants images.

    name: of the :class:`Layout` whose names it has   mean, std: see there
    entry: of the file, such as "state_dict", "" for the whole   prefix: of the names in it, such as "module."
    left_out: names in that entry that belong to no tensor of the network, such as "criterion.weight"
    """

    name: str
    mean: tuple | None
    std: tuple | None
    entry: str
    prefix: str
    left_out: tuple

    def words(self) -> str:
        """One line for people."""
        parts = [f"names of {self.name}"]
        if self.entry:
            parts.append(f"entry {shown(self.entry)}")
        if self.prefix:
            parts.append(f"prefix {shown(self.prefix)} taken off")
        if self.left_out:
            some = ", ".join(map(shown, self.left_out[:SHOWN])) + (", ..." if len(self.left_out) > SHOWN else "")
            parts.append(f"{len(self.left_out)} left out, which the network has not ({some})")
        return "; ".join(parts)


def origin_of(match):
    layout = match.layout
    return Origin(layout.name, layout.mean, layout.std, match.entry, match.prefix, match.left_out)


def find_matches(file, model, layouts, entry=None):
    """Each :class:`Match` of file and model; with ``entry`` that in the entry, or behind the prefix, of that name."""
    tensors = list(model.tensors())
    for layout in layouts:
        names = layout.rename([path for path, _ in tensors])
        wanted = {names[path]: (path, b, layout.shape(names[path], b.data.shape)) for path, b in tensors}
        if len(wanted) < len(tensors):  # a layout for other networks, which calls two tensors the same
            continue
        for found, stored in file.entries.items():
            for prefix in _prefixes(stored, wanted, entry):
                match = Match(file, layout, wanted, found, prefix)
                if entry is None or _is_in(entry, match):
                    yield match


def choose(file, matches, entry=None):
    """The one that is complete, or else the nearest, behind a prefix only if most names of its entry have it.

    Raises CheckpointError where several places have a complete one.
    """
    matches = sorted(matches, key=Match.distance)
    if not matches and entry is None:
        raise CheckpointError(
            f"{file.path} was not read: the layout gives one name to two tensors of this model: leave layout out"
        )
    if not matches:
        known = file.names()
        raise CheckpointError(f"{file.path} has no entry {entry!r}, expected one of {known}")
    places = dict.fromkeys(match.place for match in matches if match.complete)
    if len(places) > 1:
        known = ", ".join(f"{shown(place)!r}" for place in places)
        raise CheckpointError(
            f"{file.path} holds several sets of weights that fit: {known}: choose one with entry=, or --entry NAME "
            "on the command line"
        )
    return next(
        match for match in matches if match.complete or not match.prefix or len(match.left_out) < len(match.tensors)
    )


def _prefixes(names, wanted, entry):
    """ "" and what may stand in front of the names of a network in ``names``, known by one of its inner layers."""
    inner = "." + max(wanted, key=lambda name: name.count("."), default="")
    found = [name[: 1 - len(inner)] for name in names if name.endswith(inner)]
    if entry and any(name.startswith(f"{entry}.") for name in names):
        found.insert(0, f"{entry}.")
    return list(dict.fromkeys(["", *found]))[:MAX_PREFIXES]


def _is_in(entry, match):
    """Whether ``entry`` is the place of ``match``, or the beginning of it or of its prefix."""
    return entry == match.place or any(
        f"{name}.".startswith(f"{entry}.") for name in (match.place, match.prefix) if entry
    )
