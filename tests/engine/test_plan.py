"""Plans are records: equal for one network however often it is read, and wherever its parameters are."""

import ast
from pathlib import Path

import numpy as np
import pytest
from engine.equality import FAMILY, PATTERNS, member, network
from engine.plans import ALL, plan_of

import minires
from minires import layers as L
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
