"""Paths, and what a layer holds under them."""

from ..errors import DTypeError

PLAIN = {bool, float, int, str, type(None)}
CONTAINERS = dict, list, tuple, set, frozenset


def join(path, name):
    """The path of the child ``name`` of the layer at ``path``."""
    return f"{path}.{name}" if path and name else path or name


def held(layer, kind, holder=None):
    """Iterate over ``(name, part)`` for each ``kind`` in attributes of ``layer``, and in lists, tuples and dicts there.

    holder: the attribute that gives its parts no name in front
    """
    found = []
    for name, value in vars(layer).items():
        own = type(value)  # every step of training looks through all layers: most values are numbers
        if own in PLAIN or own is tuple and PLAIN.issuperset(map(type, value)):
            continue
        if isinstance(value, kind):
            found.append((name, value))
        elif isinstance(value, CONTAINERS):
            _find(layer, "" if name == holder else name, value, kind, found)
    return iter(found)


def _find(layer, name, value, kind, found):
    """Append to ``found`` what a container holds."""
    if isinstance(value, (set, frozenset)) and any(isinstance(part, kind) for part in value):
        raise DTypeError(
            f"{name} is a {type(value).__name__}, which has no order to name its parts by, expected a list "
            "or a dict: write them as a list",
            type(layer).__name__,
        )
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(part, kind):
            found.append((join(name, str(key)), part))
        elif isinstance(part, CONTAINERS):
            _find(layer, join(name, str(key)), part, kind, found)


def with_part(value, names, part):
    """``value`` with ``part`` at ``names`` inside; lists and dicts are changed, tuples are made anew."""
    if not names:
        return part
    first, *rest = names
    if isinstance(value, dict):
        key = next(key for key in value if str(key) == first)
        value[key] = with_part(value[key], rest, part)
        return value
    items, i = list(value), int(first)
    items[i] = with_part(items[i], rest, part)
    if isinstance(value, tuple):
        return tuple(items)
    value[i] = items[i]
    return value
