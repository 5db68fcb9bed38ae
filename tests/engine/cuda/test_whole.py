"""Whole steps of training by kernels, on the stand-in: against the layers in float64; with and without a graph."""

import copy
import sys

import numpy as np
import pytest
from cupy_strict import budget, watch
from engine.cuda.test_executor import assert_close
from engine.equality import entered

import minires
from minires import layers as L
from minires.backend import to_device, to_numpy
from minires.data import CropFlip, Normalize, RawBatch
from minires.engine.cuda import feed
from minires.engine.cuda.feed import Feed, Results
from minires.engine.cuda.parameters import Parameters
from minires.engine.cuda.step_program import StepProgram
from minires.engine.plan import Plan
from minires.errors import DeviceError, RangeError
from minires.losses import MeanSquaredError, SoftmaxCrossEntropy
from minires.train import SGD, AdamW, train_step

NETS = {"preact_resnet11": {"shortcut": "B"}, "densenetbc_16_6": {}, "seresnet8": {"bias": True}, "resnet20": {}}
OPTIMISERS = {
    "sgd": lambda params: SGD(params, 0.1, weight_decay=0.01, decay_all=False, scalar_rate=0.1),
    "nesterov": lambda params: SGD(params, 0.1, momentum=0.8, nesterov=True),
    "plain": lambda params: SGD(params, 0.1, momentum=0),
    "adamw": lambda params: AdamW(params, 0.01, weight_decay=0.1),
}


def network(name="resnet8", **settings):
    model = minires.models.build(name, num_classes=3, in_channels=2, rng=0, **settings)
    rng = np.random.default_rng(1)
    for _, tensor in model.tensors():
        if tensor.data.ndim == 1:
            tensor.data = rng.uniform(0.5, 1.5, tensor.data.shape).astype(np.float32)
    return model


def batches(count, n=4, seed=2):
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal((n, 2, 8, 8)).astype(np.float32), rng.integers(0, 3, n)) for _ in range(count)]


def compiled(model=None, kind="sgd", loss=None, **settings):
    model = (network() if model is None else copy.deepcopy(model)).to(device="cuda")
    return minires.compile_step(model, loss or SoftmaxCrossEntropy(0.1), OPTIMISERS[kind](model.params()), **settings)


def state(step):
    """All that a step leaves, as bytes."""
    tensors = [*step.network.tensors(), *step.optimizer.tensors()]
    gradients = [(path, p.grad) for path, p in step.network.params()]
    return {path: to_numpy(a).tobytes() for path, a in [(path, t.data) for path, t in tensors] + gradients}


def rates(count):
    return [0.1 / (k + 1) for k in range(count)]


def both(network, optimizer):
    """{path: what holds an array} of all that a step changes."""
    return dict([*network.tensors(), *optimizer.tensors()])


def compare(step, exact, optimizer, batches, tolerance):
    """Steps of the layers in float64 beside those by kernels, each from where the kernels are: rounding grows from step
    to step, in Adam most, whose steps have the size of the learning rate however small the gradient."""
    for (x, labels), lr in batches:
        theirs = both(exact, optimizer)
        for path, tensor in both(step.network, step.optimizer).items():
            theirs[path].data[...] = to_numpy(tensor.data)
        expected, right = train_step(exact, step.loss, optimizer, x.astype(np.float64), labels, lr)
        loss, correct = step(x, labels, lr)
        assert float(loss) == pytest.approx(float(expected), rel=1e-5) and int(correct) == int(right)
        assert_close(*({path: p.grad for path, p in one.params()} for one in (step.network, exact)), 1e-5)
        numbers = {path: t.data for path, t in both(step.network, step.optimizer).items()}
        assert_close(numbers, {path: t.data for path, t in theirs.items()}, tolerance)


@pytest.mark.parametrize("name, kind", [*((name, "sgd") for name in NETS), *(("resnet8", kind) for kind in OPTIMISERS)])
def test_steps_are_those_of_the_layers_in_float64(name, kind, strict):
    """Loss, right answers, every gradient of three steps; numbers, state and statistics behind them."""
    model = network(name, **NETS.get(name, {}))
    exact, step = copy.deepcopy(model).to(dtype=np.float64), compiled(model, kind)
    compare(step, exact, OPTIMISERS[kind](exact.params()), zip(batches(3), rates(3)), 1e-3 if kind == "adamw" else 1e-5)
    assert "one graph" in step.describe()


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_three_steps_with_and_without_a_graph_are_equal_bit_by_bit(kind, strict):
    found = []
    for graph in (True, False):
        step = compiled(kind=kind, graph=graph)
        losses = [step(*batch, lr) for batch, lr in zip(batches(3), rates(3))]
        found.append([[to_numpy(a).tobytes() for a in pair] for pair in losses] + [state(step)])
        assert ("one graph" if graph else "graph=False") in step.describe()
    assert found[0] == found[1]


def raw_batch(x, seed=5):
    """The same form in bytes."""
    images = np.random.default_rng(seed).integers(0, 256, x.shape, np.uint8)
    return RawBatch.of(images, Normalize([0.4, 0.5], [0.2, 0.3]), CropFlip(2), np.random.default_rng(seed))


def test_bytes_are_cropped_mirrored_and_normalised_bit_for_bit(strict):
    raw, floats = compiled(), compiled()
    for k, ((x, labels), lr) in enumerate(zip(batches(3), rates(3))):
        batch = raw_batch(x, k)
        assert float(raw(batch, labels, lr)[0]) == float(floats(batch.floats(), labels, lr)[0])
    assert state(raw) == state(floats)


def test_arrays_of_the_device_are_taken_where_they_are(strict):
    host, device = compiled(), compiled()
    for (x, labels), lr in zip(batches(3), rates(3)):
        host(x, labels, lr)
        device(to_device(x, "cuda"), to_device(labels, "cuda"), lr)
    assert state(host) == state(device)
    x, labels = (to_device(a, "cuda") for a in batches(1)[0])
    with budget(uploads=0, syncs=0, hidden=0, allocations=0, launches=3):  # two copies within the device, one graph
        device(x, labels, rates(3)[-1])


NOTHING = {"syncs": 0, "downloads": 0, "hidden": 0, "copies": 0, "atomics": 0, "leaks": 0, "allocations": 0}


@pytest.mark.parametrize("raw", [True, False], ids=["bytes", "floats"])
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_budget_of_a_step(kind, raw, strict):
    """The second step takes no memory, waits for nothing, and uploads the batch alone; so does its graph."""
    for graph, launches in ((False, 79), (True, 1)):
        step, (x, labels) = compiled(kind=kind, graph=graph), batches(1)[0]
        x = raw_batch(x) if raw else x
        step(x, labels, 0.1)
        for lr in (0.1, 0.05):
            with budget(launches=launches, uploads=1, **NOTHING):
                step(x, labels, lr)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize(
    "name, shape, most", [("resnet20", (128, 3, 32, 32), 187), ("resnet50", (64, 3, 224, 224), 483)]
)
def test_budget_of_launches_with_the_optimiser(name, shape, most, kind, strict):
    """Without a step: of images in bytes to moved parameters. At most 190 and 500 were wanted."""
    model = minires.models.build(name, rng=0)
    optimizer = OPTIMISERS[kind](model.params())
    parts = Feed(shape, pad=4), SoftmaxCrossEntropy(), Parameters(strict, list(model.params()), optimizer)
    program = StepProgram(Plan(model, shape, np.float32, "train", False), "float32", *parts, Results(strict).slots)
    assert len(program.forward) == most, "state the new number, and why it grew"


def test_budget_of_an_epoch_of_resnet20(strict):
    """One graph a step: nothing else is launched, and nothing waits."""
    step, (x, labels) = compiled(network("resnet20")), batches(1)[0]
    with watch() as first:
        step(raw_batch(x), labels, 0.1)
    assert sum("<" in event or "norm" in event for event in first.launches) > 150
    step(raw_batch(x), labels, 0.1)
    with budget(launches=1, uploads=1, **NOTHING):
        step(raw_batch(x), labels, 0.1)


def equal_to_layers(step, model, kind, changes=(), count=4):
    """Steps, with ``changes[k](network, optimizer)`` before step k to both, are those of the layers in float64."""
    exact = copy.deepcopy(model).to(dtype=np.float64)
    optimizer = OPTIMISERS[kind](exact.params())
    for k, batch in enumerate(batches(count)):
        for one in [(step.network, step.optimizer), (exact, optimizer)] if k in dict(changes) else []:
            dict(changes)[k](*one)
        compare(step, exact, optimizer, [(batch, 0.05)], 1e-3 if kind == "adamw" else 1e-5)


def freeze(network, optimizer):
    for name in ("stem.conv.weight", "head.fc.bias", "stage2.0.add.branch.bn1.beta"):
        dict(network.params())[name].frozen = True


def thaw(network, optimizer):
    network.freeze(False)


def other_numbers(network, optimizer):
    weight = dict(network.params())["stem.conv.weight"]
    weight.data = weight.data * 2


def other_counts(network, optimizer):
    optimizer.steps.data[...] = 7


def other_settings(network, optimizer):
    getattr(network, "definition", network).at("stem.bn").momentum = 0.5
    optimizer.weight_decay = 0.3
    if hasattr(optimizer, "betas"):
        optimizer.betas = (0.5, 0.9)
    else:
        optimizer.momentum = 0.5


CHANGES = {
    "frozen for a while": {1: freeze, 3: thaw},
    "other numbers": {2: other_numbers},
    "other settings": {2: other_settings},
}


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_between_two_steps_counts_at_the_next(change, kind, strict):
    model = network()
    equal_to_layers(compiled(model, kind), model, kind, CHANGES[change].items())


def test_counts_that_a_checkpoint_brings_are_taken_over(strict):
    model = network()
    equal_to_layers(compiled(model, "adamw"), model, "adamw", [(2, other_counts)])


def test_an_optimiser_of_the_head_alone_moves_no_more(strict):
    step, model = compiled(), network()
    head = [(path, p) for path, p in step.network.params() if path.startswith("head")]
    step = minires.compile_step(step.network, step.loss, SGD(head, 0.1))
    step(*batches(1)[0], 0.1)
    moved = {
        path for (path, p), (_, q) in zip(step.network.params(), model.params()) if (to_numpy(p.data) != q.data).any()
    }
    assert moved == {"head.fc.weight", "head.fc.bias"}


def test_shapes_have_graphs_of_their_own_and_one_memory(strict):
    step = compiled()
    for n in (4, 2, 4, 2):
        step(*batches(1, n)[0], 0.1)
    large, small = step._steps.runs.values()
    assert large.graph is not None and small.graph is not None and small.frame.arena is large.frame.arena
    assert step.describe().count("one graph") == 2


def test_results_stay_what_they_are(strict, monkeypatch):
    """Also where the array of the results is full."""
    monkeypatch.setattr(feed, "ROOM", 2)
    step, kept = compiled(), []
    for x, labels in batches(5):
        kept.append(step(x, labels, 0.1))
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "cupy", strict)
    once = compiled()
    for pair, (x, labels) in zip(kept, batches(5)):
        assert [float(a) for a in pair] == [float(a) for a in once(x, labels, 0.1)]


def test_what_has_no_kernel_runs_by_train_step_and_says_why(strict):
    x, labels = batches(1)[0]
    own = network()
    own.set_child("head", L.Sequential(L.GlobalAvgPool2d(), L.Flatten(), L.Dropout(0.5, rng=0), L.Linear(64, 3, rng=0)))
    depthwise = entered(2, L.Conv2d(2, 2, 3, padding=1, groups=2, rng=0), L.GlobalAvgPool2d(), L.Flatten())
    cases = [
        (compiled(own), labels, "head.2 (Dropout) runs by its layer"),
        (compiled(depthwise.to(dtype=np.float32)), labels % 2, "1 (Conv2d) runs by its layer"),
        (compiled(clip_norm=1.0), labels, "clip_norm"),
        (compiled(loss=SoftmaxCrossEntropy(weight=[1, 2, 3])), labels, "class weights"),
        (compiled(loss=MeanSquaredError()), np.eye(3, dtype=np.float32)[labels], "no SoftmaxCrossEntropy"),
        (compiled(), np.eye(3, dtype=np.float32)[labels], "labels are not one integer"),
    ]
    for step, targets, why in cases:
        model = copy.deepcopy(step.network.definition).to(device="cpu", dtype=np.float64)
        optimizer = OPTIMISERS["sgd"](model.params())
        if why.startswith("head.2"):  # drawn anew each time
            step(x, targets, 0.1)
        else:
            wide = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in (x, targets)]
            expected, _ = train_step(model, step.loss, optimizer, *wide, 0.1, step.clip_norm)
            assert float(step(x, targets, 0.1)[0]) == pytest.approx(float(expected), rel=1e-5)
        assert why in step.describe() and "by train_step" in step.describe()


@pytest.mark.parametrize("graph", [True, False])
def test_the_table_has_times_by_events_and_leaves_everything_as_it_was(graph, strict):
    step, (x, labels) = compiled(kind="adamw", graph=graph), batches(1)[0]
    for _ in range(2):
        step(x, labels, 0.1)
    before, results = state(step), step._steps.results.given
    left = [to_numpy(a).copy() for a in results.values()]
    said = step.describe()
    assert "79 launches" in said and "by events" in said
    times = [line.split()[-2:] for line in said.splitlines() if "implicit product" in line]
    assert len(times) == 8 and all(float(a) > 0 and float(b) > 0 for a, b in times)
    assert state(step) == before and all((to_numpy(a) == b).all() for a, b in zip(results.values(), left))


def test_a_capture_that_fails_is_told_and_the_launches_run(strict, monkeypatch):
    def fail(stream, mode=None):
        raise RuntimeError("cudaErrorStreamCaptureUnsupported")

    usual, refused = compiled(), compiled()
    monkeypatch.setattr(strict.cuda.Stream, "begin_capture", fail)
    monkeypatch.setattr(strict.cuda.Stream, "end_capture", lambda stream: None)
    for x, labels in batches(3):
        refused(x, labels, 0.1)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "cupy", strict)
    for x, labels in batches(3):
        usual(x, labels, 0.1)
    assert "cudaErrorStreamCaptureUnsupported" in refused.describe() and state(refused) == state(usual)


def test_after_an_error_nothing_has_changed(strict, monkeypatch):
    step, (x, labels) = compiled(), batches(1)[0]
    step(x, labels, 0.1)
    before = state(step)
    with pytest.raises(RangeError, match=r"labels\[1\] is 3, expected 0 <= label < 3"):
        step(x, np.array([0, 3, 1, 2]), 0.1)
    with pytest.raises(RangeError, match="lr is -1"):
        step(x, labels, -1)
    monkeypatch.setattr(strict.cuda.Device, "mem_info", (1000, 10**9))
    large = batches(1, 64)[0]
    with pytest.raises(DeviceError, match="not even one image fits"):
        step(*large, 0.1)
    assert state(step) == before
    step(x, labels, 0.1)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_steps_in_other_precisions(precision, strict):
    model = network()
    fast = minires.compile(copy.deepcopy(model).to(device="cuda"), precision=precision)
    step = minires.compile_step(fast, SoftmaxCrossEntropy(), SGD(fast.params(), 0.1))
    exact = copy.deepcopy(model).to(dtype=np.float64)
    optimizer = SGD(exact.params(), 0.1)
    for x, labels in batches(2):
        expected, _ = train_step(exact, step.loss, optimizer, x.astype(np.float64), labels, 0.1)
        assert float(step(x, labels, 0.1)[0]) == pytest.approx(float(expected), rel=0.2)
    assert f"whole steps in {precision}" in step.describe()
