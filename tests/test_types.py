"""Everything public says what it takes and gives; ``make lint`` has mypy check that."""

import importlib
import inspect

import pytest
from test_public_api import PACKAGES

MODULES = ("backend", "engine", "errors", "experiments", "initializers", "losses", "models.transfer", "ops")
MORE = [f"minires.{name}" for name in MODULES]


def functions_of(value):
    """The function, or the public methods of the class and of its bases within minires, by their names."""
    if inspect.isfunction(value):
        yield value
    for base in inspect.getmro(value) if inspect.isclass(value) else ():
        for name, method in vars(base).items():
            method = getattr(method, "fget", getattr(method, "func", getattr(method, "__func__", method)))
            written = inspect.isfunction(method) and method.__code__.co_filename.endswith(".py")
            if written and method.__module__.startswith("minires") and (name in CALLED or not name.startswith("_")):
                yield method


CALLED = ("__init__", "__call__", "__len__", "__getitem__")


def owner(value):
    return getattr(value, "__module__", "")


def public(room):
    module = importlib.import_module(room)
    names = getattr(module, "__all__", [n for n, v in vars(module).items() if n[0] != "_" and owner(v) == room])
    values = [getattr(module, name) for name in names]
    modules = [part for part in values if inspect.ismodule(part) and part.__name__.startswith(room + ".")]
    values += [v for part in modules for n, v in vars(part).items() if n[0] != "_" and owner(v) == part.__name__]
    return [function for value in values for function in functions_of(value) if function.__name__ != "<lambda>"]


def lacking(function):
    parameters = inspect.signature(function).parameters.values()
    bare = [p.name for p in parameters if p.annotation is p.empty and p.name not in ("self", "cls")]
    return bare + ["return"] * ("return" not in function.__annotations__)


@pytest.mark.parametrize("room", [*PACKAGES, *MORE])
def test_public_names_have_types(room):
    found = {f"{f.__module__}.{f.__qualname__}": lacking(f) for f in map(inspect.unwrap, public(room))}
    assert found
    assert {name: bare for name, bare in found.items() if bare} == {}
