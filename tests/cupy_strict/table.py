"""The names and signatures of the real CuPy, from ``cupy_names.json`` (written by ``snapshot.py``)."""

import json
from inspect import Parameter, Signature
from pathlib import Path

NAMES = json.loads(Path(__file__).with_name("cupy_names.json").read_text())
ANY = Signature([Parameter("args", Parameter.VAR_POSITIONAL), Parameter("kwargs", Parameter.VAR_KEYWORD)])


def signature_of(listed):
    """The Signature for a list of ``[name, kind, has a default]``; None (unknown) accepts everything."""
    if listed is None:
        return ANY
    kinds = list(type(Parameter.POSITIONAL_ONLY))
    made = [Parameter(n, kinds[k], default=None if default else Parameter.empty) for n, k, default in listed]
    return Signature(made)


def parameters(names):
    """The Signature of what CuPy compiles and Python cannot inspect: ``"indices, axis=, out="``."""
    made = []
    for name in names.split(", "):
        default = None if name.endswith("=") else Parameter.empty
        made.append(Parameter(name.rstrip("="), Parameter.POSITIONAL_OR_KEYWORD, default=default))
    return Signature(made)


# CuPy declares **kwargs or *args here and checks them inside.
BY_HAND = {
    "einsum": Signature(
        [Parameter("operands", Parameter.VAR_POSITIONAL)]
        + [Parameter(n, Parameter.KEYWORD_ONLY, default=None) for n in ("dtype", "optimize")]
    ),
    "pad": parameters("array, pad_width, mode=, constant_values=, end_values=, reflect_type=, stat_length="),
    # a third positional argument, NumPy's out, fails: "got multiple values for argument 'out'"
    "matmul": Signature(
        [Parameter(n, Parameter.POSITIONAL_ONLY) for n in "ab"]
        + [Parameter("out", Parameter.KEYWORD_ONLY, default=None)]
    ),
}
SIGNATURES = {n: signature_of(entry[1]) for n, entry in NAMES["ns"].items() if entry[0] == "func"} | BY_HAND


def bind(name, signature, args, kwargs):
    """Return ``{parameter: value}``, or raise CuPy's TypeError for an argument that CuPy lacks."""
    try:
        return signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(f"cupy.{name}: {error}") from None


class Unmodelled:
    """A name that CuPy has and the stand-in does not: using it says so, instead of "no such attribute"."""

    def __init__(self, name):
        self.name = name

    def __call__(self, *args, **kwargs):
        raise NotImplementedError(f"cupy.{self.name} exists, but cupy_strict does not model it yet: add it there")

    __getitem__ = __call__

    def as_attribute(self):
        """For a class whose methods and plain attributes the table does not tell apart: reading it raises."""
        return property(self)
