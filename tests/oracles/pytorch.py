"""PyTorch, the independent oracle. Where it is not installed, whatever asks for something of it is skipped.

So a module below ``tests/`` can name PyTorch at its top and is read without it: ``from oracles.pytorch import torch``.
An ``importorskip`` there would leave a half-read module behind when doctests are collected, which the next test gets.
"""

import pytest

try:
    import torch
except ImportError:

    class Absent:
        """Stands for the module: to use it skips the test that does. Its ``Module`` can be derived from."""

        Module = object

        def __getattr__(self, name):
            if name.startswith("__"):  # who only looks, such as the search for doctests
                raise AttributeError(name)
            pytest.skip("PyTorch, the independent oracle, is not installed")

    torch = nn = F = Absent()
else:
    torch.set_num_threads(1)  # the arrays are tiny
    nn, F = torch.nn, torch.nn.functional
