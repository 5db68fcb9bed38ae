"""Imports run one way: a room imports from the rows above its own, never from beside it or from below."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from weights.writers import dictionary, pickled, tensor, zip_file

from minires.layers import Linear, Sequential
from minires.train import SGD, Position, TrainConfig, load_checkpoint, save_checkpoint
from minires.weights import load_weights, save_weights

ROOT = Path(__file__).parents[1] / "minires"
ROWS = [
    "errors",
    "backend",
    "ops initializers",
    "files",
    "layers",
    "models",
    "losses gradcheck",
    "contract cases",
    "mutants",
    "data weights",
    "engine",
    "trace",
    "train",
    "classroom lab",
    "bench experiments",
    "cli",
]
RANK = {name: rank for rank, row in enumerate(ROWS) for name in row.split()}
NUMBERS = {"errors", "backend", "ops", "initializers"}
KNOW = {"files": {"errors", "backend"}, "layers": NUMBERS, "models": NUMBERS | {"layers"}}  # these know no more
TESTS = Path(__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.stem not in ("__init__", "__main__"))
# what may be imported at the top of a module without being a dependency of the core
STANDARD = set(sys.stdlib_module_names) | {"numpy", "minires"}
NEEDS = {"cli": {"tyro", "tqdm"}}


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
            yield from (((*module, alias.name), top) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_up(path):
    here = room(path)
    assert here in RANK, f"{here} has no row in the table: decide where it lives"
    for module, _ in imported(path):
        other = module[1] if module[0] == "minires" and len(module) > 1 else here
        if other in RANK and other != here:
            assert RANK[other] < RANK[here], f"{here} must not import {'.'.join(module)}"
            assert other in KNOW.get(here, RANK), f"{here} knows {', '.join(sorted(KNOW[here]))} alone, not {other}"


def test_every_room_of_the_table_is_there():
    assert RANK.keys() == {room(path) for path in FILES}


def test_a_row_has_one_room_or_two():
    assert all(len(row.split()) <= 2 for row in ROWS)


@pytest.mark.parametrize("wing", [name for name in RANK if (ROOT / name).is_dir()])
def test_no_circle_between_the_modules_of_a_room(wing):
    """A module that imports itself in the end, over any number of others, cannot be read by itself."""
    modules = {("minires", *path.relative_to(ROOT).with_suffix("").parts): path for path in FILES if room(path) == wing}
    reached = {name: set() for name in modules}
    for name, path in modules.items():
        for module, _ in imported(path):  # ``from .a import b``: b is a module, or stands in a, or in its __init__
            places = (module, module[:-1], (*module[:-1], "__init__"))
            reached[name] |= set([place for place in places if place in modules][:1])
    for through in modules:
        for name in modules:
            if through in reached[name]:
                reached[name] = reached[name] | reached[through]
    circles = sorted(".".join(name) for name in modules if name in reached[name])
    assert not circles


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
        "print(sorted({'cupy', 'tqdm', 'tyro', 'matplotlib', 'torch', 'PIL'} & set(sys.modules)))"
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
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "__init__":
            assert ast.unparse(node.func).startswith("super()"), "reset by a method with a name of its own"
        if isinstance(node, ast.Global):
            pytest.fail(f"global state: {node.names}")


def stays(way):
    """The rooms that a call passes through, one after the other; what a loop repeats counts once."""
    found = []

    def note(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if event == "call" and ROOT in path.parents:
            found.append(room(path))

    sys.setprofile(note)
    try:
        way()
    finally:
        sys.setprofile(None)
    size = 1
    while 2 * size <= len(found):
        again = [i for i in range(len(found) - 2 * size + 1) if found[i : i + size] == found[i + size : i + 2 * size]]
        if again:
            del found[again[0] : again[0] + size]
            size = 1
        else:
            size += 1
    return found


@pytest.mark.parametrize("kind", ["minires", "torchvision", "PyTorch", "checkpoint"])
def test_the_way_of_weights_is_short(kind, tmp_path):
    """From the bytes of a file into a model: what reads, compares and writes stands together."""
    path, model = tmp_path / "w", Sequential(Linear(3, 2, rng=0), Linear(2, 2, rng=1))
    optimizer = SGD(model.params(), 0.1)
    if kind == "PyTorch":
        layers = [("0", (2, 3), (3, 1)), ("1", (2, 2), (2, 1))]
        tensors = {f"{name}.weight": tensor(shape, strides) for name, shape, strides in layers}
        tensors |= {f"{name}.bias": tensor((2,), (1,)) for name, _, _ in layers}
        path.write_bytes(zip_file(pickled(dictionary(**tensors))))
    elif kind == "checkpoint":
        save_checkpoint(path, model, optimizer, config=TrainConfig(), data={}, position=Position())
    else:
        save_weights(path, model, layout=kind)
    for _, parameter in model.params():
        parameter.data[...] = -7
    if kind == "checkpoint":
        found = stays(lambda: load_checkpoint(path).restore(model, optimizer))
    else:
        found = stays(lambda: load_weights(path, model))
    assert all((parameter.data != -7).all() for _, parameter in model.params())
    assert {"files", "weights", "layers"} <= set(found) and len(found) <= 8, found


def skips_when_read(node):
    """Does a statement, with what stands in it outside of functions, skip?"""
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        return False
    name = getattr(node, "attr", getattr(node, "id", getattr(node, "name", None)))
    return name in ("importorskip", "skip") or any(map(skips_when_read, ast.iter_child_nodes(node)))


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_no_module_of_the_tests_skips_when_it_is_read(path):
    """Doctests are collected by reading it: a skip would leave half a module behind, and the next import gets that."""
    assert not skips_when_read(ast.parse(path.read_text())), "skip inside the tests; PyTorch: see oracles/pytorch.py"


READ_ALL = """
import importlib, pathlib, sys
from _pytest.outcomes import Skipped
sys.modules |= {"torch": None, "cupy": None}
sys.path[:0] = ["tests", "docs", "."]
for path in sorted(pathlib.Path("tests").rglob("*.py")):
    try:
        importlib.import_module(".".join(path.with_suffix("").parts))
    except (Skipped, ImportError) as error:
        print(path, error)
"""


def test_all_modules_of_the_tests_are_read_whole_without_pytorch():
    found = subprocess.run([sys.executable, "-c", READ_ALL], cwd=TESTS.parent, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, ""), found.stderr


WRITES = {"write_text", "write_bytes", "savefig", "tofile", "memmap", "touch", "symlink_to", "hardlink_to"}
MOVES = {"replace", "rename", "mkdir", "makedirs", "copyfile", "copy", "copytree", "move", "unlink", "remove"}
WRITERS = {
    Path("files/whole.py"),
    Path("files/picture.py"),  # into memory
    Path("files/streams.py"),  # standard output, which is there already
    Path("train/guard.py"),  # the standard error of mpiexec, which is there already
    Path("bench/worker/__main__.py"),  # a program of its own that needs no minires; it answers through a pipe
    Path("classroom/box/inside/probes.py"),  # tries what must fail
}


def opens_for_writing(call):
    """Does a call write, make, move or remove a file? ``text.replace(a, b)`` and ``np.copyto`` are none."""
    function = call.func
    name = getattr(function, "attr", getattr(function, "id", ""))
    owner = getattr(getattr(function, "value", None), "id", "")
    words = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    if name in ("open", "fdopen"):
        modes = [word for word in words if set(word) <= set("rwaxbt+")]
        return any(set(mode) & set("wax+") for mode in modes) or "os.O_WR" in ast.unparse(call) or "O_RDWR" in words
    return name in WRITES or name in MOVES and owner in ("os", "shutil", "path", "folder", "target")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_one_file_writes(path):
    """Links, devices and half-written files are thought of there."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    lines = [f"{path.name}:{call.lineno}: {ast.unparse(call)[:80]}" for call in calls if opens_for_writing(call)]
    assert not lines or path.relative_to(ROOT) in WRITERS, "write with files/whole.py"
