"""What layers ask of their settings and inputs: every error names the layer, the axis, both values and the remedy."""

import numpy as np

from ..backend import device_of
from ..errors import DeviceError, DTypeError, RangeError, ShapeError
from ..ops import Pair

FLOATS = tuple(np.dtype(t) for t in ("float32", "float64", "complex64", "complex128"))
MOST = 2**26  # of whatever a layer counts: channels, features
Border = int | tuple[Pair, Pair]  # (rows, columns), each of them also (before, behind)
AXES = {"N": "images", "C": "channels", "H": "rows", "W": "columns", "D": "features"}


def is_integer(value):
    """Whether ``value`` is a whole number; True and False are none, though Python counts with them."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def positive(layer, least=1, **setting):
    """Check that the named setting is an integer from 1 to ``MOST``, and return it: ``positive(self, channels=16)``."""
    ((name, value),) = setting.items()
    if not is_integer(value) or value < least:
        raise RangeError(f"{name} is {value!r}, expected an integer of at least {least}", layer=type(layer).__name__)
    if value > MOST:
        raise RangeError(f"{name} is {value}, expected at most {MOST:,}", layer=type(layer).__name__)
    return int(value)


def number(layer, **setting):
    """Return the named setting as a Python float, which never widens a float32 array: ``number(self, eps=1e-5)``."""
    ((name, value),) = setting.items()
    if not (is_integer(value) or isinstance(value, (float, np.floating))):
        raise DTypeError(f"{name} is {value!r}, expected a number", layer=type(layer).__name__)
    return float(value)


def pair(layer, least=1, **setting):
    """Return the named setting as ``(rows, columns)``; one integer stands for both: ``pair(self, kernel=3)``."""
    ((name, value),) = setting.items()
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(both) != 2 or not all(is_integer(v) and v >= least for v in both):
        raise RangeError(
            f"{name} is {value!r}, expected an integer or a pair of integers, each at least {least}",
            layer=type(layer).__name__,
        )
    return int(both[0]), int(both[1])


def border(layer, padding):
    """Return ``padding`` as (rows, columns), each a number, or a pair (before, behind) where these two differ."""
    both = tuple(padding) if isinstance(padding, (tuple, list)) else (padding, padding)
    sides = [tuple(p) if isinstance(p, (tuple, list)) else (p, p) for p in both]
    if len(both) != 2 or not all(len(side) == 2 and all(is_integer(p) and p >= 0 for p in side) for side in sides):
        raise RangeError(
            f"padding is {padding!r}, expected an integer, (rows, columns) or ((top, bottom), (left, right)), "
            "each at least 0",
            layer=type(layer).__name__,
        )
    return tuple(int(a) if a == b else (int(a), int(b)) for a, b in sides)


def as_input(layer, x, axes=None, like=None, name="input", **sizes):
    """Return ``x`` in native byte order, or raise an error that names the layer and the axis.

    ``axes`` spells the axes that ``x`` must have ("NCHW"), ``like`` is an array that shares its dtype
    and device, ``sizes`` are the sizes that some axes must have (``C=16``).
    """
    kind = type(layer).__name__
    x = as_floats(x, name, layer=kind)
    if axes is not None and x.ndim != len(axes):
        hint = "; one image needs a batch axis: x[None]" if axes == "NCHW" and x.ndim == 3 else ""
        raise ShapeError(
            f"{name} has {x.ndim} axes {x.shape}, expected {len(axes)} ({', '.join(axes)}): reshape it{hint}",
            layer=kind,
        )
    if x.ndim == 0:
        raise ShapeError(f"{name} has no axes, expected at least a batch axis: {name}.reshape(1, 1)", layer=kind)
    if x.size == 0:
        axis = x.shape.index(0)
        raise ShapeError(
            f"{name} is empty: axis {axis} of {x.shape} is 0, expected at least 1: drop empty batches", layer=kind
        )
    for axis, size in sizes.items():
        found = x.shape[axes.index(axis)]
        if found != size:
            what = AXES.get(axis, axis)
            raise ShapeError(
                f"{name} has {found} {what} (axis {axes.index(axis)} of {x.shape}), the layer expects {size}: "
                f"build the layer for {found} {what} or pass an array with {size}",
                layer=kind,
            )
    if like is not None:
        _match(x, like, name, kind)
    return x


def as_gradient(layer, dy, shape, like=None):
    """Return the upstream gradient ``dy`` in native byte order; its shape must be that of the output."""
    kind = type(layer).__name__
    dy = as_floats(dy, "dy", layer=kind)
    if dy.shape != tuple(shape):
        axis = next((i for i, (a, b) in enumerate(zip(dy.shape, shape)) if a != b), min(dy.ndim, len(shape)))
        raise ShapeError(
            f"dy has shape {dy.shape}, the output of forward had {tuple(shape)} (axis {axis} differs): "
            "pass the dy of that output, with the cache of the same forward",
            layer=kind,
        )
    if like is not None:
        _match(dy, like, "dy", kind)
    return dy


def plain(x, name, layer=None):
    """Return a matrix and the like as a plain array, what is no subclass of NumPy's as it is; refuse a masked array."""
    if isinstance(x, np.ma.MaskedArray):
        raise DTypeError(f"{name} is a masked array, whose masked entries have no value: {name}.filled(0)", layer=layer)
    return np.asarray(x) if isinstance(x, np.ndarray) else x


def as_floats(x, name="input", *, layer=None):
    """Return ``x`` as a plain native-endian float array, or raise :class:`DTypeError`."""
    if type(x) is not np.ndarray:  # asked of every array that a layer gets
        x = plain(x, name, layer)
    if not isinstance(getattr(x, "dtype", None), np.dtype) or not hasattr(x, "ndim"):
        raise DTypeError(
            f"{name} is a {type(x).__name__}, expected a NumPy or CuPy array: np.asarray({name}, dtype=np.float32)",
            layer=layer,
        )
    if not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    if x.dtype not in FLOATS:
        raise DTypeError(f"{name} is {x.dtype}, expected float32 or float64: {name}.astype(np.float32)", layer=layer)
    return x


def _match(x, like, name, kind):
    if device_of(x) != device_of(like):
        raise DeviceError(
            f"{name} is on {device_of(x)}, the layer on {device_of(like)}: "
            f'minires.to_device({name}, "{device_of(like)}") or layer.to(device="{device_of(x)}")',
            layer=kind,
        )
    real = {np.dtype("complex64"): np.dtype("float32"), np.dtype("complex128"): np.dtype("float64")}
    a, b = (real.get(d, d) for d in (x.dtype, like.dtype))
    if a != b:
        raise DTypeError(
            f"{name} is {x.dtype}, the layer {like.dtype}: {name}.astype(np.{b}) or layer.to(dtype=np.{a})", layer=kind
        )
