"""Imports run one way: a module may import from its own row and from the rows above it, never from below."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "minires"
ROWS = [
    "errors files backend",
    "ops initializers",
    "layers",
    "losses gradcheck contract cases mutants models data trace engine",
    "train",
    "bench",
    "cli",
]
RANK = {name: rank for rank, row in enumerate(ROWS) for name in row.split()}
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem not in ("__init__", "__main__"))
# what may be imported at the top of a module without being a dependency of the core
STANDARD = set(sys.stdlib_module_names) | {"numpy", "minires"}
NEEDS = {"train": {"safetensors", "tqdm"}, "data": {"tqdm"}, "mutants": {"tqdm"}, "cli": {"tyro", "tqdm"}}


def room(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported(path):
    """Yield (module, at the top level of the file?) for every import, relative ones made absolute."""
    package = ("minires", *path.relative_to(ROOT).with_suffix("").parts)
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        top = node in tree.body
        if isinstance(node, ast.Import):
            yield from ((tuple(alias.name.split(".")), top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level] if node.level else ()
            if path.stem == "__init__" and node.level:
                base = package[: len(package) - node.level]
            module = (*base, *(node.module.split(".") if node.module else ()))
            yield from (((*module, alias.name) if not node.module else module, top) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_up(path):
    here = room(path)
    assert here in RANK, f"{here} has no row in the table: decide where it lives"
    for module, _ in imported(path):
        if module[0] == "minires" and len(module) > 1:
            assert RANK[module[1]] <= RANK[here], f"{here} must not import {'.'.join(module)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_needs_numpy_alone(path):
    here = room(path)
    for (name, *_), top in imported(path):
        if name == "cupy":
            assert here == "backend", "only backend.py imports cupy"
            assert not top, "cupy is imported where it is used"
        elif top:
            assert name in STANDARD | NEEDS.get(here, set()), f"{here} imports {name} at its top"


def test_import_minires_loads_numpy_alone():
    code = (
        "import sys; import minires, minires.cases; minires.models.build('resnet8', rng=0);"
        "print(sorted({'cupy', 'safetensors', 'tqdm', 'tyro', 'matplotlib', 'torch', 'PIL'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_fit_in_the_head(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 260, "split the file, or say why not at its top and here"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            docstring = len((ast.get_docstring(node) or "").splitlines())
            assert node.end_lineno - node.lineno - docstring <= 45, f"{node.name} does not fit on a screen"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_clever_machinery(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            assert not node.keywords, f"{node.name} has a metaclass or class keywords"
        if isinstance(node, ast.FunctionDef):
            assert node.name not in ("__getattr__", "__getattribute__", "__init_subclass__"), node.name
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), "star import"
        if isinstance(node, ast.Global):
            pytest.fail(f"global state: {node.names}")
