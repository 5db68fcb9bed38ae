"""Independent answers to compare with: naive loops written from the equations, and PyTorch.

Every oracle returns what :func:`run` returns for a layer: a dict with ``y``, ``dx``, the gradient of each
parameter and the value of each buffer by name.
"""

import numpy as np


def randomise(layer, rng, dtype=np.float64):
    """Give parameters and running statistics random values of ``dtype``, variances positive; return the layer."""
    for path, tensor in layer.to(dtype=dtype).tensors():
        if path.endswith("targets"):
            continue
        values = rng.normal(size=tensor.data.shape).astype(dtype)
        tensor.data = np.exp(values) if path.endswith("running_var") else values
    return layer


def run(layer, x, dy, train=False):
    """One forward and backward of ``layer`` with zero gradients before."""
    layer.zero_grads()
    y, cache = layer.forward(x, train=train)
    dx = layer.backward(dy, cache)
    tensors = {path: getattr(tensor, "grad", tensor.data) for path, tensor in layer.tensors()}
    return {"y": y, "dx": dx, **tensors}


def upstream(layer, x, rng, train=False):
    """A random upstream gradient for the output of ``layer``, whose buffers stay as they are."""
    before = [(tensor, tensor.data) for _, tensor in layer.tensors()]
    shape = layer.forward(x, train=train)[0].shape
    for tensor, data in before:
        tensor.data = data
    return np.asarray(rng.normal(size=shape), x.dtype)


def assert_same(found, expected, tolerance=1e-12):
    """Compare two answers, array by array; errors are relative to the largest entry of the expected array."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert_close(found[name], value, tolerance, name)


def assert_close(found, expected, tolerance=1e-12, name="array"):
    assert found.shape == expected.shape, f"{name} has shape {found.shape}, expected {expected.shape}"
    scale = max(np.max(np.abs(expected)), 1e-2)  # inputs are of order 1: sums that cancel keep an absolute error
    error = np.max(np.abs(found - expected)) / scale
    assert error <= tolerance, f"{name} is off by {error:.1e} of its scale {scale:.1e}, allowed {tolerance:.0e}"


def jacobian(f, x, step=1e-30):
    """(size of y, size of x): the derivatives of ``y = f(x)``, a column at a time, by the complex step."""
    columns = []
    for i in range(x.size):
        z = x.astype(np.complex128)
        z.flat[i] += 1j * step
        columns.append(f(z).imag.ravel() / step)
    return np.stack(columns, axis=1)
