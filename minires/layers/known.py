"""Which layers run by the methods of minires, and which by methods of their user.

A subclass of Sequential that writes its own forward is no chain any more, whatever ``isinstance`` says. What opens
containers, reads a tree into a plan or explains a layer asks here instead.
"""

from . import activation, affine, containers, conv, dropout, linear, norm, pool, res2, runge_kutta, shape
from .base import Layer
from .tree import held

MODULES = (activation, affine, containers, conv, dropout, linear, norm, pool, res2, runge_kutta, shape)


def _methods(kind):
    """{name: method} of a class, inherited ones too; of those between underscores the call alone, and no describe."""
    found = {}
    for base in reversed(kind.__mro__[:-1]):
        found |= {
            name: value
            for name, value in vars(base).items()
            if name == "__call__" or not name.startswith("__") and name != "describe"
        }
    return found


# taken now: a class whose methods are patched later is not the known one any more
KNOWN = {
    value: _methods(value)
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Layer) and value.__module__ == module.__name__
}


def kind_of(layer):
    """The class of minires by whose methods ``layer`` runs; None where there is no such class, or one is overridden.

    A method may be overridden in a subclass, on the instance (a hook), or in a patched class.

    >>> from minires.layers import ReLU, Sequential
    >>> class Stem(Sequential):
    ...     def __init__(self):
    ...         super().__init__(ReLU())
    >>> class Twice(Sequential):
    ...     def forward(self, x, train=False):
    ...         y, cache = super().forward(x, train)
    ...         return 2 * y, cache
    >>> kind_of(Stem()).__name__, kind_of(Twice(ReLU()))
    ('Sequential', None)
    """
    kind = next((base for base in type(layer).__mro__ if base in KNOWN), None)
    if kind is None or any(name in KNOWN[kind] for name in vars(layer)):
        return None
    if kind.HOLDER and any(not path.startswith(f"{kind.HOLDER}.") for path, _ in held(layer, Layer)):
        return None  # it holds layers beside those that its forward runs
    found = _methods(type(layer))
    return kind if all(found.get(name) is method for name, method in KNOWN[kind].items()) else None
