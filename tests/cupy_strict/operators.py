"""The ufuncs of the stand-in, and the operators of its array, which are the same functions."""

import numpy as np

from .counters import record
from .device_array import SCALARS, ndarray, note_leak, refuse_host, unbox
from .table import NAMES


class ufunc:
    """``cupy.exp`` and its like: takes device arrays and scalars, and of NumPy's keywords ``out, dtype, casting``."""

    def __init__(self, name, nin, nout):
        self.name = self.__name__ = name
        self.nin, self.nout = nin, nout
        self._numpy = getattr(np, name)

    def __call__(self, *args, out=None, dtype=None, casting="same_kind", **refused):
        if refused:
            raise TypeError(f"cupy.{self.name}: Wrong arguments {refused}")
        if not self.nin <= len(args) <= self.nin + self.nout:
            raise TypeError(f"Wrong number of arguments for {self.name!r}")
        operands = args[: self.nin]
        outs = args[self.nin :] or (out if isinstance(out, tuple) else (out,) * (out is not None))
        if not all(isinstance(o, ndarray) for o in outs):
            raise TypeError("Output arguments type must be cupy.ndarray")
        values = [self._operand(x) for x in operands]
        record("launches", self.name)
        keywords = {} if dtype is None else {"dtype": dtype}
        with np.errstate(all="ignore"):
            if outs:
                self._numpy(*values, out=tuple(map(unbox, outs)), casting=casting, **keywords)
                return outs[0] if self.nout == 1 else outs
            results = self._numpy(*values, casting=casting, order="C", **keywords)
        results = [np.asarray(r) for r in (results if self.nout > 1 else (results,))]
        if dtype is None:
            note_leak(self.name, operands, results)
        boxed = tuple(map(ndarray, results))
        return boxed if self.nout > 1 else boxed[0]

    def _operand(self, x):
        if not isinstance(x, (ndarray, *SCALARS)):
            raise TypeError(f"cupy.{self.name}: Unsupported type {type(x)}")
        return unbox(x)

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        if self.name not in ("add", "multiply"):
            raise NotImplementedError(f"`cupy_{self.name}.reduce` is not supported yet")
        method = array.sum if self.name == "add" else array.prod
        return method(axis, dtype, out, keepdims)

    def at(self, a, indices, b=None):
        allowed = {"add": "iIlLqQefd", "subtract": "iI", "maximum": "iIlLqQfd", "minimum": "iIlLqQfd"}
        if self.name not in allowed:
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        if a.dtype.char not in allowed[self.name]:
            raise TypeError(f"cupy.{self.name}.at does not support {a.dtype}")
        record("launches", f"{self.name}.at", times=5)
        record("atomics", f"{self.name}.at")
        key = indices if isinstance(indices, tuple) else (indices,)
        self._numpy.at(a._host, tuple(refuse_host(f"{self.name}.at", part) for part in key), refuse_host("at", b))


UFUNCS = {
    name: ufunc(name, *entry[1:3])
    for name, entry in NAMES["ns"].items()
    if entry[0] == "ufunc" and isinstance(getattr(np, name, None), np.ufunc)
}

BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "lshift": "left_shift", "rshift": "right_shift",
}  # fmt: skip
COMPARISONS = {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
}  # fmt: skip
UNARY = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}


def _array_ufunc(self, numpy_ufunc, method, *inputs, **kwargs):
    """NumPy calls this for ``np.float32(2) * x``, which CuPy computes, and for ``np.exp(x)``.

    CuPy computes that too, until the argument is a host array: then the result silently stays on the host.
    """
    operators = {*BINARY.values(), *COMPARISONS.values(), "divide"}
    if method == "__call__" and numpy_ufunc.__name__ in operators and isinstance(inputs[0], np.generic) and not kwargs:
        return UFUNCS[numpy_ufunc.__name__](*inputs)
    raise TypeError(f"numpy.{numpy_ufunc.__name__} called on a device array: use xp.{numpy_ufunc.__name__}")


def _give_operators(cls):
    """Set the operator methods; a function for each so that ``function`` is bound now, not after the loop."""

    def binary(function):
        return (
            lambda self, other: function(self, other),
            lambda self, other: function(other, self),
            lambda self, other: function(self, other, out=self),
        )

    def unary(function):
        return lambda self: function(self)

    for name, full in BINARY.items():
        forward, reverse, in_place = binary(UFUNCS[full])
        setattr(cls, f"__{name}__", forward)
        setattr(cls, f"__r{name}__", reverse)
        setattr(cls, f"__i{name}__", in_place)
    for name, full in COMPARISONS.items():
        setattr(cls, f"__{name}__", binary(UFUNCS[full])[0])
    for name, full in UNARY.items():
        setattr(cls, f"__{name}__", unary(UFUNCS[full]))
    cls.__array_ufunc__ = _array_ufunc


_give_operators(ndarray)
