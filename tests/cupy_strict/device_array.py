"""The array class of the stand-in: NumPy memory behind CuPy's refusals."""

from types import SimpleNamespace

import numpy as np

from . import cuda
from .counters import launch, record

NARROW = tuple(np.dtype(t) for t in ("float16", "float32", "complex64"))
WIDE = tuple(np.dtype(t) for t in ("float64", "complex128"))
SCALARS = (bool, int, float, complex, np.number, np.bool_)
NO_HOST_FILL = "non-scalar numpy.ndarray cannot be used for fill"


class Flags:
    """What CuPy's flags offer; there is no ``writeable``."""

    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata

    def __getitem__(self, name):
        return getattr(self, name.lower())


class ndarray:
    """An array "on the device". Whatever CuPy refuses raises; whatever CuPy hides is counted."""

    __slots__ = ("_host",)
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, host):
        if not isinstance(host, np.ndarray):
            raise TypeError("the stand-in builds arrays by empty(), zeros(), asarray(), ...")
        if host.dtype.kind not in "biufc":
            raise ValueError(f"Unsupported dtype {host.dtype}")
        self._host = host
        if host.flags.owndata and host.size:
            record("allocations", f"{host.nbytes} bytes")

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    strides = property(lambda self: self._host.strides)
    flags = property(lambda self: Flags(self._host.flags))
    device = property(lambda self: cuda.DEVICE)
    data = property(lambda self: SimpleNamespace(ptr=self._host.ctypes.data))
    T = property(lambda self: ndarray(self._host.T))
    mT = property(lambda self: ndarray(self._host.mT))
    real = property(lambda self: ndarray(self._host.real))
    imag = property(lambda self: ndarray(self._host.imag))

    def __len__(self):
        return len(self._host)  # NumPy's own TypeError where there is no axis

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    # What NumPy may not do behind the back of the caller

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_function__(self, function, types, args, kwargs):
        raise TypeError(f"numpy.{function.__name__} called on a device array: use xp.{function.__name__}")

    # Reads by the host: the device must finish first

    def get(self, stream=None, order="C", out=None, blocking=True):
        host = self._read("get")
        if out is None:
            return np.array(host, order=order)
        if out.dtype != host.dtype or out.shape != host.shape:
            raise TypeError(f"{out.dtype}{out.shape} cannot be obtained from {host.dtype}{host.shape}")
        out[...] = host
        return out

    def _read(self, what):
        record("syncs", what)
        record("downloads", what)
        return self._host

    item = lambda self, *args: self._read("item").item(*args)
    tolist = lambda self: self._read("tolist").tolist()
    tobytes = lambda self, order="C": self._read("tobytes").tobytes(order)
    __bool__ = lambda self: bool(self._read("bool"))
    __int__ = lambda self: int(self._read("int"))
    __float__ = lambda self: float(self._read("float"))
    __complex__ = lambda self: complex(self._read("complex"))
    __repr__ = lambda self: repr(self._read("repr"))
    __str__ = lambda self: str(self._read("str"))
    __format__ = lambda self, spec: format(self._read("format"), spec)
    __reduce__ = lambda self: (upload, (self.get(),))

    # Copies and views

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def copy(self, order="C"):
        record("launches", "copy")
        return ndarray(self._host.copy(order))

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        if casting is not None or subok is not None:
            raise TypeError("casting and subok of astype are not supported yet")
        host = self._host.astype(dtype, order=order, copy=copy)
        if host is self._host:
            return self
        record("launches", "astype")
        return ndarray(host)

    def view(self, dtype=None, type=None):
        return ndarray(self._host.view() if dtype is None else self._host.view(dtype))

    def reshape(self, *shape, order="C"):
        host = self._host.reshape(*shape, order=order)
        if not np.may_share_memory(host, self._host) and self.size:
            record("launches", "reshape")
            record("copies", "reshape of an array that is not contiguous")
        return ndarray(host)

    def ravel(self, order="C"):
        return self.reshape(-1, order=order)

    def flatten(self, order="C"):
        record("launches", "flatten")
        return ndarray(self._host.flatten(order))

    transpose = lambda self, *axes: ndarray(self._host.transpose(*axes))
    squeeze = lambda self, axis=None: ndarray(self._host.squeeze(axis))
    swapaxes = lambda self, axis1, axis2: ndarray(self._host.swapaxes(axis1, axis2))
    diagonal = lambda self, offset=0, axis1=0, axis2=1: ndarray(self._host.diagonal(offset, axis1, axis2))

    # Writes

    def fill(self, value):
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError(NO_HOST_FILL)
        launch("fill", lambda: self._host.fill(unbox(value)))

    def set(self, array, stream=None):
        if not isinstance(array, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if self.dtype != array.dtype:
            raise TypeError(f"{array.dtype} array cannot be set to {self.dtype} array")
        if self.shape != array.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {array.shape}")
        if not (self._host.flags.c_contiguous or self._host.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        record("uploads", "set")
        self._host[...] = array

    def __getitem__(self, key):
        index, arrays = _index(key)
        if not arrays:
            return ndarray(self._host[index])
        record("launches", "take")
        return ndarray(np.asarray(self._host[index], order="C"))

    def __setitem__(self, key, value):
        index, arrays = _index(key)
        host_value = isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)
        if host_value and not arrays:
            raise ValueError(NO_HOST_FILL)
        if host_value:
            record("hidden", "assignment of a host array")
        if any(a.dtype.kind != "b" for a in arrays):
            hits = np.zeros(self.shape, dtype=np.int64)
            np.add.at(hits, index, 1)
            if hits.max(initial=0) > 1:
                raise RuntimeError("duplicate indices in an assignment: the result is undefined on the device")
        record("launches", "assignment", times=5 if arrays else 1)
        self._host[index] = unbox(value)


def _index(key):
    """Return the NumPy index for ``key`` and the index arrays in it. Basic indices give views, of 0 axes too."""
    parts, arrays = [], []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, (list, np.ndarray)):
            record("hidden", "index by a host array")
            part = np.asarray(part)
        elif isinstance(part, ndarray):
            part = part._host
        if isinstance(part, np.ndarray):
            arrays.append(part)
            if part.dtype.kind == "b":
                record("syncs", "boolean mask as an index")
        parts.append(part)
    return (tuple(parts) if any(p is ... for p in parts) else (*parts, ...)), arrays


def upload(host, what="asarray"):
    """A device copy of ``host``, in native byte order as in CuPy."""
    record("uploads", what)
    host = np.array(host)
    return ndarray(host.astype(host.dtype.newbyteorder("="), copy=False))


def unbox(value):
    """The NumPy memory of a device array; anything else as it is."""
    return value._host if isinstance(value, ndarray) else value


def note_leak(name, operands, results):
    """Record a float64 result that float32 operands went into."""
    narrow = any(isinstance(x, ndarray) and x.dtype in NARROW for x in operands)
    if narrow and any(r.dtype in WIDE for r in results):
        record("leaks", f"{name} gives float64 from float32")


def refuse_host(name, value):
    """Unbox a device array; refuse a NumPy array or list where CuPy wants the former."""
    if isinstance(value, (np.ndarray, list)):
        raise TypeError(f"{name}: Unsupported type {type(value)}")
    return unbox(value)
