"""The functions of the stand-in that are no ufuncs: creation, reductions, shapes, selections."""

import sys

import numpy as np

from .counters import record
from .device_array import NO_HOST_FILL, ndarray, note_leak, refuse_host, unbox, upload
from .table import SIGNATURES, bind

# these call the method of the same name, amax and amin that of max and min
METHODS = """sum prod mean var std max min amax amin argmax argmin all any cumsum cumprod round take argsort
    repeat""".split()
# same memory, no kernel
VIEWS = """transpose permute_dims matrix_transpose swapaxes moveaxis rollaxis expand_dims squeeze broadcast_to
    broadcast_arrays diagonal flip fliplr flipud rot90 split array_split hsplit vsplit dsplit
    atleast_1d atleast_2d atleast_3d""".split()
# kernels launched, by the counts measured on CuPy 14.2 or by reading its source
KERNELS = {
    "where": 1, "clip": 1, "copy": 1, "copyto": 1, "outer": 1, "trace": 2,
    "real": 0, "imag": 0, "angle": 1, "nan_to_num": 1, "isclose": 1, "allclose": 2, "array_equal": 2,
    "tril": 1, "triu": 1, "diag": 2, "diff": 1, "roll": 2, "tile": 2, "sort": 2,
    "pad": 2, "concatenate": 2, "concat": 2, "stack": 2, "vstack": 2, "hstack": 2, "dstack": 2, "column_stack": 2,
    "meshgrid": 2, "take_along_axis": 6, "count_nonzero": 1, "ptp": 3,
}  # fmt: skip
# their result's size is known only when the device has finished
SYNCS = {"nonzero": 1, "argwhere": 1, "flatnonzero": 1, "unique": 1, "bincount": 2, "extract": 1, "compress": 1}
# ask about shapes and dtypes only; arrays of either side are welcome, the answer is the host's
QUESTIONS = """result_type promote_types can_cast issubdtype isdtype broadcast_shapes ndim size shape iscomplexobj
    isrealobj isscalar may_share_memory shares_memory isfortran""".split()
OF_ARRAYS = """concatenate concat stack vstack hstack dstack column_stack""".split()
# parameters that take a device array or a number; in others, such as axes and shapes, a list is welcome
OPERANDS = {"x", "y", "b", "a1", "a2", "a_min", "a_max", "indices", "src", "where"}


def _device_only(name, value):
    """Unbox device arrays, in lists too; refuse NumPy arrays."""
    if isinstance(value, (list, tuple)):
        return type(value)(_device_only(name, v) for v in value)
    if isinstance(value, np.ndarray):
        raise TypeError(f"cupy.{name}: Unsupported type {type(value)}")
    return unbox(value)


def _boxed(value, order=None):
    if isinstance(value, (list, tuple)):
        return type(value)(_boxed(v, order) for v in value)
    return ndarray(np.asarray(value, order=order))


def _is_device(name, value):
    if name in OF_ARRAYS:
        return isinstance(value, (list, tuple)) and all(isinstance(v, ndarray) for v in value)
    return isinstance(value, ndarray)


def function(name, launches):
    """``cupy.name``: CuPy's parameters, device arrays in, C-contiguous device arrays out (views as they are)."""
    signature, numpy_function, order = SIGNATURES[name], getattr(np, name), None if name in VIEWS else "C"

    def call(*args, **kwargs):
        given = bind(name, signature, args, kwargs)
        first = next(iter(given.values()))
        if not _is_device(name, first[0] if name == "meshgrid" else first):
            raise TypeError(f"cupy.{name}: Unsupported type {type(first)}")
        for parameter in OPERANDS & given.keys():
            refuse_host(f"cupy.{name}", given[parameter])
        if name in SYNCS or (name == "where" and len(given) == 1):
            record("syncs", name, times=SYNCS.get(name, 1))
        out = kwargs.get("out")
        if out is not None and not isinstance(out, ndarray):
            raise TypeError("Output arguments type must be cupy.ndarray")
        keywords = {key: _device_only(name, value) for key, value in kwargs.items()}
        with np.errstate(all="ignore"):
            result = numpy_function(*_device_only(name, args), **keywords)
        record("launches", name, times=launches)
        if out is not None or result is None:
            return out
        boxed = _boxed(result, order)
        if "dtype" not in kwargs and isinstance(boxed, ndarray):
            note_leak(name, [*args, *kwargs.values()], [boxed])
        return boxed

    call.__name__ = name
    return call


def by_method(name):
    """``cupy.sum(a, ...)``, which is ``a.sum(...)``: of a NumPy array it would silently stay on the host."""
    method = {"amax": "max", "amin": "min"}.get(name, name)

    def call(*args, **kwargs):
        given = bind(name, SIGNATURES[name], args, kwargs)
        array = given.pop("a")
        if not isinstance(array, ndarray):
            raise TypeError(f"cupy.{name}: Unsupported type {type(array)}")
        return getattr(array, method)(**given)

    call.__name__ = name
    return call


def question(name):
    def call(*args, **kwargs):
        return getattr(np, name)(*map(unbox, args), **kwargs)

    call.__name__ = name
    return call


def creation(name):
    """``cupy.zeros`` and its like. Memory that CuPy leaves as it is is poisoned: NaN, or the largest integer."""
    model = next(iter(SIGNATURES[name].parameters))

    def call(*args, **kwargs):
        given = bind(name, SIGNATURES[name], args, kwargs)
        if name.endswith("_like") and not isinstance(given.pop(model), ndarray):
            raise TypeError(f"cupy.{name}: the model must be a cupy.ndarray")
        if isinstance(given.pop("fill_value", None), np.ndarray):
            raise ValueError(NO_HOST_FILL)
        for value in given.values():
            if isinstance(value, (ndarray, np.ndarray)):
                raise TypeError(f"cupy.{name}: {type(value)} cannot be interpreted as an integer")
        host = getattr(np, name)(*map(unbox, args), **{key: unbox(value) for key, value in kwargs.items()})
        if name.startswith("empty"):
            host.fill(np.nan if host.dtype.kind in "fc" else np.iinfo(host.dtype).max if host.dtype.kind in "iu" else 1)
        else:
            record("launches", name)
        return ndarray(host)

    call.__name__ = name
    return call


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if isinstance(obj, (list, tuple)) and obj and all(isinstance(x, ndarray) for x in obj):
        obj = STACK(list(obj))
    elif not isinstance(obj, ndarray):
        obj = upload(np.array(obj, dtype=dtype), "array")
        copy = False
    if ndmin:
        obj = obj.reshape((1,) * (ndmin - obj.ndim) + obj.shape)
    return obj.astype(obj.dtype if dtype is None else dtype, order=order or "K", copy=bool(copy))


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    return array(a, dtype=dtype, copy=copy, order=order)


def ascontiguousarray(a, dtype=None):
    return array(a, dtype=dtype, copy=False, order="C")


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get(order=order, out=out) if isinstance(a, ndarray) else np.asarray(a, order=order)


def get_array_module(*args):
    """The stand-in if any argument is an array of it, else numpy."""
    return sys.modules[__package__] if any(isinstance(a, ndarray) for a in args) else np


def reshape(a, newshape, order="C"):
    return a.reshape(newshape, order=order)


def ravel(a, order="C"):
    return a.ravel(order)


CREATIONS = "zeros ones empty full zeros_like ones_like empty_like full_like arange linspace eye identity tri".split()
STACK = function("stack", KERNELS["stack"])
FUNCTIONS = (
    {name: function(name, 0) for name in VIEWS}
    | {name: function(name, launches) for name, launches in KERNELS.items()}
    | {name: function(name, 2) for name in SYNCS}
    | {name: by_method(name) for name in METHODS}
    | {name: question(name) for name in QUESTIONS}
    | {name: creation(name) for name in CREATIONS}
    | {f.__name__: f for f in (array, asarray, ascontiguousarray, asnumpy, get_array_module, reshape, ravel)}
    | {"asanyarray": asarray}
)
