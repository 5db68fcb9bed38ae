"""The public names: listed, sorted, existing, documented."""

import importlib
import inspect

import pytest

import minires

ROOMS = ("bench", "data", "files", "gradcheck", "layers", "models", "mutants", "trace", "train", "weights")
PACKAGES = ["minires", *(f"minires.{room}" for room in ROOMS)]
MODULES = ["minires.losses", "minires.ops", "minires.initializers", "minires.backend", "minires.errors"]


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_sorted_and_true(package):
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name), f"{package}.__all__ lists {name}, which does not exist"


def public():
    for package in PACKAGES:
        module = importlib.import_module(package)
        yield from ((f"{package}.{name}", getattr(module, name)) for name in module.__all__)
    for name in MODULES:
        module = importlib.import_module(name)
        for key, value in vars(module).items():
            if not key.startswith("_") and getattr(value, "__module__", None) == name:
                yield f"{name}.{key}", value


@pytest.mark.parametrize(("name", "value"), list(public()), ids=lambda v: v if isinstance(v, str) else "")
def test_documented(name, value):
    if inspect.ismodule(value) or inspect.isclass(value) or inspect.isfunction(value):
        assert (value.__doc__ or "").strip(), f"{name} has no docstring"


def test_version():
    assert minires.__version__.count(".") == 2
