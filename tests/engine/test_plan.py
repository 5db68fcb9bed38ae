"""Plans are records: equal for one network however often it is read, and wherever its parameters are."""

import ast
import copy
from pathlib import Path

import numpy as np
import pytest
from engine.equality import FAMILY, MEMBERS, PATTERNS, images, member, network
from engine.interpreter import Interpreter
from engine.plans import ALL, OWN, plan_of
from oracles import run

import minires
from minires import layers as L
from minires.backend import to_device, to_numpy
from minires.engine.operations import Convolution, Foreign
from minires.engine.plan import Plan

ENGINE = Path(minires.__file__).parent / "engine"


@pytest.mark.parametrize("mode", ["train", "eval", "infer"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_network_read_twice_gives_equal_records(pattern, mode):
    name, options, size = member(FAMILY[pattern])
    model = network(name, **options)
    one, two = (Plan(model, (2, 2, size, size), np.float64, mode) for _ in range(2))
    assert one.operations == two.operations and one.adjoint == two.adjoint
    assert (one.saved, one.again, one.maps) == (two.saved, two.again, two.maps)
    assert [*map(hash, one.operations)] == [*map(hash, two.operations)]
    assert bool(one.adjoint) == (mode != "infer")


@pytest.mark.parametrize("name", ["resnet8", "densenet_10_6", "googlenet", "vgg11_bn"])
def test_a_plan_is_the_same_wherever_the_parameters_are(name, xp, device):
    model = network(name, **({"hidden": 8} if name == "vgg11_bn" else {}))
    before = Plan(model, (2, 2, 33, 33), np.float64, "train")
    after = Plan(model.to(device=device), (2, 2, 33, 33), np.float64, "train")
    assert before.operations == after.operations and before.adjoint == after.adjoint
    assert any(isinstance(o, Foreign) for o in after.operations), "a layer was asked for its shape"


class Table(L.Identity):
    """A layer of a user that holds an array, but no tensor."""

    def __init__(self, table):
        self.table = table

    def forward(self, x, train=False):
        return x * self.table, None

    def backward(self, dy, cache):
        return dy * self.table


def test_a_layer_without_tensors_is_asked_where_those_of_the_model_are(xp, device):
    model = L.Sequential(L.Conv2d(2, 3, 3, rng=0), Table(xp.ones((3, 1, 1), dtype=np.float32))).to(device=device)
    assert Plan(model, (2, 2, 9, 9), np.float32, "train").output.shape == (3, 7, 7)


def test_another_network_gives_other_records():
    assert plan_of("resnet8").operations != plan_of("resnet8").operations, "other layers"
    model = network("resnet8")
    wider = Plan(model, (3, 2, 9, 10), np.float64, "train")
    assert wider.operations != Plan(model, (3, 2, 9, 9), np.float64, "train").operations
    assert wider.adjoint != Plan(model, (3, 2, 9, 10), np.float64, "train", input_gradient=False).adjoint


@pytest.mark.parametrize("name", ALL)
def test_what_is_read_has_been_made(name):
    plan, made = plan_of(name), set()
    made.add(plan.input)
    for operation in plan.operations:
        assert set(operation.inputs) <= made and operation.y not in made
        made.add(operation.y)
    assert plan.operations[-1].y == plan.output
    assert len({v.number for v in made}) == len(made)


@pytest.mark.parametrize("name", ALL)
def test_a_convolution_reads_no_convolution(name):
    plan = plan_of(name)
    made = {o.y: o for o in plan.operations}
    assert not any(isinstance(o, Convolution) and isinstance(made[o.x], Convolution) for o in plan.operations)


@pytest.mark.parametrize("path", sorted(ENGINE.glob("*.py")), ids=lambda path: path.stem)
def test_one_file_knows_the_devices(path):
    """Plans are for every device: only devices.py imports one."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        rooms = {part for name in names for part in name.split(".")} & {"cpu", "cuda"}
        assert not rooms or path.stem == "devices", f"{path.name} imports {rooms}"


@pytest.mark.parametrize("device, others", [("cpu", "cuda"), ("cuda", "cpu")])
def test_devices_do_not_know_each_other(device, others):
    for path in sorted((ENGINE / device).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
                assert not any(others in name.split(".") for name in names), f"{path} imports the engine's {others}"


def runs():
    """Every family in training and evaluation; what takes seconds is marked, and one of the two elsewhere."""
    for k, pattern in enumerate(PATTERNS):
        for mode in ("train", "eval"):
            slow = MEMBERS[pattern][2] > 10 or (mode == "train") == k % 2
            yield pytest.param(pattern, mode, marks=[pytest.mark.slow] if slow else [], id=f"{pattern} {mode}")


@pytest.mark.parametrize("pattern, mode", [*runs()])
def test_the_records_say_all_that_an_executor_needs(pattern, mode):
    """Run by a few lines that know nothing of the CPU: y, dx, gradients and running statistics are the definition's."""
    name, options, size = member(FAMILY[pattern])
    assert_interpreted(network(name, **options), images(3, 2, size, size), mode)


@pytest.mark.parametrize("name", ["resnet8", "densenetbc_16_6", "seresnet8", "highway8", *OWN])
def test_the_records_are_run_on_any_device(name, xp, device):
    """On the strict stand-in for CuPy: no step needs the host."""
    model = OWN[name]() if name in OWN else network(name)
    assert_interpreted(model.to(dtype=np.float64), images(3, 2, 8, 8), "train", device)


def assert_interpreted(model, x, mode, device="cpu"):
    train, twin = mode == "train", copy.deepcopy(model)
    dy = images(*model(x).shape, seed=3)
    expected = run(model, x, dy, train)
    twin.to(device=device).zero_grads()
    interpreter = Interpreter(Plan(twin, x.shape, x.dtype, mode))
    found = {"y": interpreter.forward(to_device(x, device)), "dx": interpreter.backward(to_device(dy, device))}
    found |= {path: getattr(tensor, "grad", tensor.data) for path, tensor in twin.tensors()}
    for key, value in expected.items():
        scale = max(abs(value).max(), abs(expected.get(key.removesuffix("bias") + "weight", value)).max(), 1e-2)
        assert abs(to_numpy(found[key]) - value).max() <= 1e-10 * scale, key
    if not train:
        inferred = Interpreter(Plan(twin, x.shape, x.dtype, "infer")).forward(to_device(x, device))
        assert np.allclose(to_numpy(inferred), expected["y"], rtol=1e-10, atol=1e-10)
