"""Products of arrays, with the copies that CuPy makes before it calls cuBLAS; norm and strided views."""

import math

import numpy as np

from .device_array import ndarray, note_leak
from .counters import record
from .table import SIGNATURES, bind


def _operands(name, *arrays):
    for a in arrays:
        if not isinstance(a, ndarray):
            raise TypeError(f"cupy.{name}: Unsupported type {type(a)}")
    return [a._host for a in arrays]


def _finish(name, operands, result, out=None):
    host = np.asarray(result, order="C")
    note_leak(name, operands, [host])
    if out is None:
        return ndarray(host)
    if not isinstance(out, ndarray):
        raise TypeError("Output arguments type must be cupy.ndarray")
    if out.shape != host.shape or out.dtype != host.dtype:
        raise ValueError(f"{name}: out is {out.dtype}{out.shape}, the product {host.dtype}{host.shape}")
    out._host[...] = host
    return out


def _copies_for_gemm(name, *hosts):
    """Two axes: cuBLAS takes C and F order. More: it takes C order only, so a transposed view is copied."""
    for host in hosts:
        direct = host.flags.c_contiguous or (host.ndim <= 2 and host.flags.f_contiguous)
        if not direct:
            record("launches", f"{name} (copy)")
            record("copies", f"{name} of an operand that is not contiguous")


def _copies_for_groups(name, host, *groups):
    """tensordot and einsum merge groups of axes to bring an operand to a matrix (or a stack of them)."""
    shape = [math.prod(host.shape[axis] for axis in group) for group in groups]
    merged = host.transpose(sum(map(list, groups), [])).reshape(shape)
    if np.may_share_memory(merged, host):
        _copies_for_gemm(name, merged)
    elif host.size:
        record("launches", f"{name} (copy)")
        record("copies", f"{name} of an operand whose axes are not in order")


def matmul(*args, **kwargs):
    given = bind("matmul", SIGNATURES["matmul"], args, kwargs)
    a, b = _operands("matmul", *args)
    _copies_for_gemm("matmul", a, b)
    record("launches", "matmul")
    with np.errstate(all="ignore"):
        return _finish("matmul", args, np.matmul(a, b), given.get("out"))


def dot(a, b, out=None):
    if a.ndim > 2 or b.ndim > 2:
        return tensordot(a, b, axes=((-1,), (-2 if b.ndim > 1 else -1,)))
    hosts = _operands("dot", a, b)
    _copies_for_gemm("dot", *hosts)
    record("launches", "dot")
    with np.errstate(all="ignore"):
        return _finish("dot", (a, b), np.dot(*hosts), out)


def vdot(a, b):
    hosts = _operands("vdot", a, b)
    record("launches", "vdot")
    with np.errstate(all="ignore"):
        return _finish("vdot", (a, b), np.vdot(*hosts))


def inner(a, b):
    return tensordot(a, b, axes=((-1,), (-1,)))


def tensordot(a, b, axes=2):
    x, y = _operands("tensordot", a, b)
    if isinstance(axes, int):
        axes = range(x.ndim - axes, x.ndim), range(axes)
    over = [[i % h.ndim for i in ([side] if isinstance(side, int) else side)] for side, h in zip(axes, (x, y))]
    free = [[i for i in range(h.ndim) if i not in side] for side, h in zip(over, (x, y))]
    _copies_for_groups("tensordot", x, free[0], over[0])
    _copies_for_groups("tensordot", y, over[1], free[1])
    record("launches", "tensordot")
    with np.errstate(all="ignore"):
        return _finish("tensordot", (a, b), np.tensordot(x, y, axes=over))


def einsum(*operands, **kwargs):
    bind("einsum", SIGNATURES["einsum"], operands, kwargs)
    subscripts, *arrays = operands
    hosts = _operands("einsum", *arrays)
    record("launches", "einsum", times=len(hosts))
    if len(hosts) == 2 and "->" in subscripts and "." not in subscripts:
        _copies_for_einsum(subscripts.replace(" ", ""), *hosts)
    with np.errstate(all="ignore"):
        return _finish("einsum", arrays, np.einsum(subscripts, *hosts, **kwargs))


def _copies_for_einsum(subscripts, x, y):
    """CuPy makes of two operands (batch, free, summed) @ (batch, summed, free), with three axes each."""
    inputs, output = subscripts.split("->")
    first, second = inputs.split(",")
    batch = [c for c in first if c in second and c in output]
    summed = [c for c in first if c in second and c not in output]

    def axes(labels, names):
        return [labels.index(c) for c in names]

    def free(labels):
        return [i for i, c in enumerate(labels) if c not in batch + summed]

    _copies_for_groups("einsum", x, axes(first, batch), free(first), axes(first, summed))
    _copies_for_groups("einsum", y, axes(second, batch), axes(second, summed), free(second))


def norm(x, ord=None, axis=None, keepdims=False):
    (host,) = _operands("linalg.norm", x)
    record("launches", "norm", times=3)
    return _finish("linalg.norm", (x,), np.linalg.norm(host, ord, axis, keepdims))


def as_strided(x, shape=None, strides=None):
    """No ``subok``, no ``writeable``. A view that leaves the memory of ``x`` raises; on a GPU it reads garbage."""
    (host,) = _operands("as_strided", x)
    view = np.lib.stride_tricks.as_strided(host, shape, strides)
    owner = host
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    low, high = np.lib.array_utils.byte_bounds(view)
    first, end = np.lib.array_utils.byte_bounds(owner)
    if view.size and (low < first or high > end):
        raise IndexError(f"as_strided: shape {view.shape} with strides {view.strides} leaves the memory of the array")
    return ndarray(view)


def sliding_window_view(x, window_shape, axis=None, *, subok=False, writeable=False):
    (host,) = _operands("sliding_window_view", x)
    sizes = np.atleast_1d(window_shape)
    record("syncs", "sliding_window_view, which loops over a device array,", times=len(sizes))
    record("hidden", "sliding_window_view")
    return ndarray(np.lib.stride_tricks.sliding_window_view(host, window_shape, axis))


PRODUCTS = {f.__name__: f for f in (matmul, dot, vdot, inner, tensordot, einsum)}

ndarray.dot = dot
ndarray.__matmul__ = lambda self, other: matmul(self, other)
ndarray.__rmatmul__ = lambda self, other: matmul(other, self)
