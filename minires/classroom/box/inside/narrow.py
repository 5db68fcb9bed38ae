"""minires in the box: its layers at once, and all of it where a submission asks for more.

``import minires`` brings whatever it exports, for which a box would take twice as long to start.
"""

import importlib.util
import sys
import types

OTHER_WAYS = {"importlib", "__import__", "sys", "exec", "eval"}  # to a module, which show no name


def find():
    """Have the package minires, whose ``__init__`` has not run: its layers need none."""
    sys.modules["minires"] = importlib.util.module_from_spec(importlib.util.find_spec("minires"))


def read_for(code):
    """Run ``__init__`` if the code of a submission may ask for more than layers; returns whether it was run."""
    package = sys.modules["minires"]
    more = asks_for_more(code) and not hasattr(package, "__all__")
    if more:
        package.__spec__.loader.exec_module(package)
    return more


def asks_for_more(code):
    """Whether the code of a submission may ask for more of minires than its layers."""
    ours = (f"{name}." for name in code.co_names if name.partition(".")[0] == "minires")
    if OTHER_WAYS & set(code.co_names) or not all(name.startswith("minires.layers.") for name in ours):
        return True
    return any(asks_for_more(part) for part in code.co_consts if isinstance(part, types.CodeType))
