"""The public names as pages, one a module, from their signatures and docstrings."""

import importlib
import inspect
import re

from .docstring import markdown

PACKAGES = (
    "minires gradcheck layers models data trace train weights mutants experiments classroom engine bench files".split()
)
MODULES = "losses ops initializers backend errors".split()


def public():
    """{module: {name: value}}; what two modules have stands in the first of :func:`owners`."""
    found = {}
    for name in [*PACKAGES, *MODULES]:
        module = importlib.import_module("minires" if name == "minires" else f"minires.{name}")
        listed = getattr(module, "__all__", None) or [
            key
            for key, value in vars(module).items()
            if not key.startswith("_") and getattr(value, "__module__", None) == module.__name__
        ]
        found[module.__name__] = {key: getattr(module, key) for key in sorted(listed)}
    return found


def kind(value):
    """As the directives call it: module, class, exception, function or data."""
    if inspect.ismodule(value):
        return "module"
    if inspect.isclass(value):
        return "exception" if issubclass(value, BaseException) else "class"
    return "function" if inspect.isroutine(value) else "data"


class Links:
    """Where each public name is described: a reference is looked up from the module and class in which it stands."""

    def __init__(self, modules):
        self.kinds, self.homes = {}, {}
        for module, names in modules.items():
            self.kinds[module] = "mod"
            for name, value in names.items():
                if not inspect.ismodule(value) and (module != "minires" or not _elsewhere(value, modules)):
                    self._add(f"{module}.{name}", value)

    def _add(self, full, value):
        self.kinds[full] = {"function": "func", "exception": "exc"}.get(kind(value), kind(value))
        self.homes.setdefault(full.rpartition(".")[2], full)
        if inspect.isclass(value):
            for name in members(value):
                self.kinds[f"{full}.{name}"] = "obj"

    def find(self, name, module, owner=""):
        """The full name of what ``name`` means there, or None."""
        name = name.strip().rstrip("()")
        tried = [name, f"{owner}.{name}", f"{module}.{name}", f"minires.{name}"]
        head, _, rest = name.rpartition("minires.")[2].rpartition(".")
        home = self.homes.get(rest)
        if home and home.startswith(
            f"minires.{head.split('.')[0]}"
        ):  # minires.layers.base.Layer is minires.layers.Layer
            tried.append(home)
        cls = self.homes.get(head.rpartition(".")[2])
        return next((full for full in [*tried, f"{cls}.{rest}"] if full in self.kinds), None)

    def link(self, name, module, owner=""):
        full = self.find(name, module, owner)
        return full and f"{{py:{self.kinds[full]}}}`{name.rpartition('.')[2]} <{full}>`"


def _elsewhere(value, modules):
    """The module other than minires itself that has ``value``, or None."""
    if isinstance(value, str | int | float):
        return None
    return next(
        (
            module
            for module, names in modules.items()
            if module != "minires" and any(value is other for other in names.values())
        ),
        None,
    )


def members(cls):
    """{name: member} of the public methods and properties that ``cls`` itself describes."""
    return {
        name: member
        for name, member in vars(cls).items()
        if not name.startswith("_")
        and (inspect.isfunction(member) or isinstance(member, property | classmethod | staticmethod))
        and member.__doc__
    }


def signature(value):
    """``(in_features, out_features, *, bias=True, rng)``, types by their last names; empty where Python knows none."""
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""
    text = text.removesuffix(" -> None") if inspect.isclass(value) else text
    text = re.sub(r"(: |-> )'([^']+)'", r"\1\2", text)  # types that are given as strings
    text = re.sub(r"<(?:function|class) '?([\w.]+)[^>]*>", r"\1", text)
    text = re.sub(r"<object object[^>]*>", "...", text)
    return re.sub(r"\b(?:[a-z_]\w*\.)+([A-Za-z_]\w*)", r"\1", text)


def entry(module, name, value, links, owner=""):
    """The directive of one public name, with those of its members in it; ``owner`` is the class of a member."""
    full = f"{owner or module}.{name}"
    of = kind(value) if not owner else ("property" if isinstance(value, property) else "method")
    shown = signature(getattr(value, "__func__", value)) if of not in ("data", "property") else ""
    written = f"{owner.rpartition('.')[2]}.{name}" if owner else name
    fence = ":::" if owner else "::::"
    lines = [f"{fence}{{py:{of}}} {written}{shown}", ""]
    doc = None if of == "data" and type(value).__module__ == "builtins" else inspect.getdoc(value)
    if doc:
        lines += [markdown(doc, lambda other: links.link(other, module, full if inspect.isclass(value) else owner)), ""]
    if of == "data":
        lines += [_data(value), ""]
    if inspect.isclass(value):
        for each, member in members(value).items():
            lines += [entry(module, each, member, links, owner=full), ""]
    return "\n".join([*lines, fence])


def _data(value):
    names = [getattr(item, "name", item) for item in value] if isinstance(value, tuple | list | dict | set) else []
    kept = [f"`{name}`" for name in names if isinstance(name, str)]
    return f"{type(value).__name__} of {len(value)}: {', '.join(kept)}" if kept else f"A {type(value).__name__}."


def page(module, names, links, modules):
    described = {name: value for name, value in names.items() if not inspect.ismodule(value)}
    doc = inspect.getdoc(importlib.import_module(module))
    lines = [
        f"# {module}",
        "",
        f"```{{py:module}} {module}",
        "```",
        "",
        markdown(doc, lambda other: links.link(other, module)),
        "",
    ]
    for name, value in described.items():
        home = module == "minires" and _elsewhere(value, modules)
        if home:
            lines += [f"* {{py:obj}}`{name} <{home}.{name}>` from {{py:mod}}`{home}`"]
        else:
            lines += [entry(module, name, value, links), ""]
    return "\n".join(lines) + "\n"


def pages(language):
    """{name of the file: text}"""
    modules = public()
    links = Links(modules)
    found = {f"api/{module}.md": page(module, names, links, modules) for module, names in modules.items()}
    found["api/index.md"] = INDEX.format(contents="\n".join(modules))
    return found


INDEX = """# API

Every public name, with its shapes and the errors that it raises. Batches come first: images are (N, C, H, W). `forward`
returns the output and a cache, `backward` takes the upstream gradient `dy` and that cache, adds to the gradients of the
parameters and returns `dx`.

```{{toctree}}
:maxdepth: 1

{contents}
```
"""
