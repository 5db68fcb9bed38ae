"""Paths, and what a layer holds under them."""

from ..errors import DTypeError


def join(path, name):
    """The path of the child ``name`` of the layer at ``path``."""
    return f"{path}.{name}" if path and name else path or name


def held(layer, kind, holder=None):
    """Yield ``(name, part)`` for every ``kind`` in the attributes of ``layer``, and in lists, tuples and dicts there.

    holder: the attribute that gives its parts no name in front
    """
    for name, value in vars(layer).items():
        yield from _held(layer, "" if name == holder else name, value, kind)


def _held(layer, name, value, kind):
    if isinstance(value, kind):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            yield from _held(layer, join(name, str(i)), part, kind)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _held(layer, join(name, str(key)), part, kind)
    elif isinstance(value, (set, frozenset)) and any(isinstance(part, kind) for part in value):
        raise DTypeError(
            f"{name} is a {type(value).__name__}, which has no order to name its parts by, expected a list "
            "or a dict: write them as a list",
            type(layer).__name__,
        )


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
