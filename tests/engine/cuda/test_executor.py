"""Whole steps of networks by the kernels, on the stand-in for CuPy: against the layers in float64."""

import copy
import gc
import threading

import numpy as np
import pytest
from cupy_strict import budget, raw, watch
from engine.equality import entered, images
from engine.plans import OWN
from oracles import run

import minires
from minires import layers as L
from minires.backend import to_device, to_numpy
from minires.errors import DeviceError, RangeError
from minires.engine.cuda.executor import Executor
from minires.engine.cuda.memory import largest_batch
from minires.engine.cuda.program import Program
from minires.engine.plan import Plan


NETS = {
    "resnet8": {},
    "preact_resnet11": {"shortcut": "B"},
    "densenetbc_16_6": {},
    "seresnet8": {"bias": True},
    "highway8": {},
    "resnext11_2x4d": {},
    "digits_resnet8": {"norm": None, "init": "skipinit", "block": "full_preact"},
    "nin_cifar": {},
    "resnet20": {},
}
MORE = {
    **OWN,
    "four terms": lambda: entered(4, L.Residual(L.Residual(norm()), L.Residual(norm(), L.Identity())), L.ReLU()),
    "biases": lambda: entered(4, L.Residual(conv(bias=True), conv(bias=True)), L.ReLU()),
    "three norms": lambda: entered(4, L.Residual(norm(), L.Residual(norm(), norm())), L.ReLU()),
    "padded and subsampled": lambda: entered(
        4, L.Residual(conv(7, stride=2), L.Sequential(L.Subsample(2), L.PadChannels(1, 2))), L.ReLU()
    ),
    "pools": lambda: entered(4, L.Concat(a=L.MaxPool2d(3, stride=2, padding=1), b=L.AvgPool2d(2)), L.ReLU()),
    "uneven borders": lambda: entered(4, L.MaxPool2d(2, stride=1, padding=((0, 1), (1, 0)), ceil_mode=True)),
    "activations": lambda: entered(4, L.GELU(), L.LeakyReLU(0.2), L.ELU(0.7), L.SiLU(), L.HardSwish(), L.ReLU6()),
    "depthwise": lambda: entered(4, L.Residual(conv(4, groups=4)), L.ReLU()),
    "parts of channels": lambda: entered(4, L.Res2(L.Conv2d(2, 2, 3, padding=1, rng=0))),
    "gate": lambda: entered(4, L.Gate(conv(), L.Sequential(conv(bias=True), L.Sigmoid()), exclusive=False)),
    "flattened": lambda: entered(4, L.MaxPool2d(2), L.Flatten()),
    "linear map of images": lambda: entered(4, L.MaxPool2d(2), L.Flatten(), L.Linear(64, 9, rng=0)),
    "linear maps": lambda: entered(4, pooled(), L.Linear(4, 10, rng=0), L.Linear(10, 3, bias=False, rng=1)),
    "a linear map before a layer": lambda: entered(
        4, pooled(), L.Linear(4, 10, rng=0), L.ReLU(), L.Linear(10, 3, rng=1)
    ),
    "squeezed": lambda: entered(4, L.Residual(L.SqueezeExcite(L.Sequential(L.GlobalAvgPool2d(), L.Sigmoid())))),
}


def norm():
    return L.BatchNorm2d(4)


def pooled():
    return L.Sequential(L.GlobalAvgPool2d(), L.Flatten())


def conv(out=4, **settings):
    return L.Conv2d(4, out, 3, padding=1, rng=0, **settings)


def network(name):
    """A float32 network whose vectors are far from 0 and 1."""
    if name in MORE:
        model = MORE[name]().to(dtype=np.float32)
    else:
        model = minires.models.build(name, num_classes=3, in_channels=2, rng=0, **NETS[name])
    rng = np.random.default_rng(1)
    for _, tensor in model.tensors():
        if tensor.data.ndim == 1:
            tensor.data = rng.uniform(0.5, 1.5, tensor.data.shape).astype(np.float32)
    return model


def distance(found, expected, scale=None):
    found = to_numpy(found)
    return np.linalg.norm(found - expected) / max(np.linalg.norm(expected if scale is None else scale), 1e-2)


def assert_close(found, expected, tolerance=1e-5):
    assert found.keys() == expected.keys()
    for name, value in expected.items():  # a bias before a batch norm cancels: measured on what it cancels from
        weight = expected.get(name.removesuffix("bias") + "weight", value) if name.endswith("bias") else value
        scale = max(value, weight, key=np.linalg.norm)
        assert distance(found[name], value, scale) <= tolerance, name


def device_run(fast, x, dy, train):
    found = run(fast, to_device(x, "cuda"), to_device(dy, "cuda"), train)
    return {name: to_numpy(a).copy() for name, a in found.items()}


def problem(name):
    channels = 4 if name in MORE and name not in OWN else 2
    model, x = network(name), images(2, channels, 8, 8, dtype=np.float32)
    return model, x, images(*model(x).shape, seed=3, dtype=np.float32)


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", [*NETS, *MORE])
def test_a_step_is_that_of_the_layers(name, train, strict):
    """y, dx, every gradient, the running statistics, and inference."""
    model, x, dy = problem(name)
    exact = run(copy.deepcopy(model).to(dtype=np.float64), x.astype(np.float64), dy.astype(np.float64), train)
    fast = minires.compile(copy.deepcopy(model).to(device="cuda"))
    assert_close(device_run(fast, x, dy, train), exact)
    assert isinstance(fast._executor(to_device(x, "cuda"), "train" if train else "eval"), Executor)
    if not train:
        assert distance(fast(to_device(x, "cuda")), exact["y"]) <= 1e-5


@pytest.mark.parametrize("name", ["resnet8", "densenetbc_16_6"])
def test_the_second_step_waits_for_nothing_and_takes_no_memory(name, strict):
    model, x, dy = problem(name)
    fast, x, dy = minires.compile(model.to(device="cuda")), to_device(x, "cuda"), to_device(dy, "cuda")
    fast.backward(dy, fast.forward(x, True)[1])
    with budget(syncs=0, downloads=0, uploads=0, hidden=0, copies=0, atomics=0, leaks=0):
        _, cache = fast.forward(x, True)
        fast.backward(dy, cache)
    executor = cache.executor
    del cache
    gc.collect()
    assert len(executor.free) == 1, "one arena for all steps"


@pytest.mark.parametrize("name, most", [("resnet8", 79), ("resnet20", 187)])
def test_the_launches_of_a_step_are_counted(name, most, strict):
    model, x, dy = problem(name)
    fast, x, dy = minires.compile(model.to(device="cuda")), to_device(x, "cuda"), to_device(dy, "cuda")
    fast.forward(x, True)
    with watch() as seen:
        fast.backward(dy, fast.forward(x, True)[1])
    assert len(seen.launches) == most, "state the new number, and why it grew"


@pytest.mark.parametrize(
    "name, shape, most", [("resnet20", (128, 3, 32, 32), 187), ("resnet50", (64, 3, 224, 224), 483)]
)
def test_launches_and_arena_are_known_without_a_device(name, shape, most):
    program = Program(Plan(minires.models.build(name, rng=0), shape, np.float32, "train"), "float32")
    assert len(program.forward) + len(program.track) + len(program.backward) <= most
    values = sum(slot.nbytes for slot, *_ in program._spans())
    assert program.bytes < 0.6 * values


def test_runs_are_equal_bit_by_bit_and_backward_may_run_again(strict):
    """Also with another forward in between, and in an arena that held something else."""
    model, x, dy = problem("resnet8")
    fast = minires.compile(model.to(device="cuda"))
    x, dy, other = (to_device(a, "cuda") for a in (x, dy, x[::-1].copy()))
    answers = []
    y, cache = fast.forward(x, True)
    for k in range(3):
        fast.zero_grads()
        dx = fast.backward(dy, cache)
        answers.append([to_numpy(y).tobytes(), to_numpy(dx).tobytes()] + [p.grad.tobytes() for _, p in fast.params()])
        if k == 0:
            fast(other)
            fast.forward(other, True)
        if k == 1:
            del cache
            y, cache = fast.forward(x, True)
    assert answers[0] == answers[1] == answers[2]


def test_what_backward_reads_is_never_written_by_it(strict):
    """In the arena no other array lies where one lies that forward leaves to backward."""
    for name in ("resnet8", "densenetbc_16_6", "highway8", "seresnet8"):
        model, x, _ = problem(name)
        program = Program(Plan(model, x.shape, np.float32, "train"), "float32")
        spans = [(program.places[s], program.places[s] + n, first, last) for s, n, first, last in program._spans()]
        for k, (low, high, first, last) in enumerate(spans):
            assert high <= program.bytes
            for low_, high_, first_, last_ in spans[:k]:
                assert high <= low_ or high_ <= low or last < first_ or last_ < first
        assert program.bytes < sum(high - low for low, high, *_ in spans), "nothing is shared"


def test_a_frozen_parameter_gets_no_gradient_and_no_launch(strict):
    model, x, dy = problem("resnet8")
    fast = minires.compile(model.to(device="cuda"))
    whole = device_run(fast, x, dy, True)
    for name in ("stage1.0.add.branch.conv1.weight", "stem.bn.gamma", "stage2.0.add.branch.bn1.beta"):
        dict(fast.params())[name].frozen = True
    with watch() as seen:
        part = device_run(fast, x, dy, True)
    frozen = {name for name, p in fast.params() if p.frozen}
    assert sum("weight_gradient" in event for event in seen.launches) == 7  # of 7 convolutions and the linear map
    for name, value in whole.items():
        expected = np.zeros_like(value) if name in frozen else value
        if "running" not in name:
            assert np.array_equal(part[name], expected), name


def test_another_setting_or_tensor_counts_at_the_next_run(strict):
    model, x, dy = problem("resnet8")
    fast = minires.compile(model.to(device="cuda"))
    device_run(fast, x, dy, True)
    fast.definition.at("stem.bn").eps = 0.5
    weight = dict(fast.params())["stem.conv.weight"]
    weight.data = weight.data * 2
    weight.grad = to_device(np.zeros(weight.data.shape, np.float32), "cuda")
    twin = copy.deepcopy(fast.definition).to(device="cpu", dtype=np.float64)
    exact = run(twin, x.astype(np.float64), dy.astype(np.float64), True)
    assert_close(device_run(fast, x, dy, True), exact)


def test_gradients_of_another_device_are_refused(strict):
    model, x, dy = problem("resnet8")
    fast = minires.compile(model.to(device="cuda"))
    _, cache = fast.forward(to_device(x, "cuda"), True)
    with pytest.raises(Exception, match="NumPy|numpy|device|Unsupported"):
        fast.backward(dy, cache)
    assert not any(to_numpy(p.grad).any() for _, p in fast.params())


@pytest.mark.parametrize("precision, tolerance", [("tf32", 5e-2), ("bf16", 0.3)])
def test_a_step_in_other_precisions(precision, tolerance, strict):
    """Rounded products: near the layers, and not equal to float32."""
    model, x, dy = problem("resnet8")
    exact = run(copy.deepcopy(model).to(dtype=np.float64), x.astype(np.float64), dy.astype(np.float64), True)
    fast = copy.deepcopy(minires.compile(model.to(device="cuda"), precision=precision))
    found = device_run(fast, x, dy, True)
    errors = {name: distance(a, exact[name]) for name, a in found.items()}
    assert max(errors.values()) <= tolerance and errors["y"] > 1e-6, errors
    assert f"products in {precision}" in fast.describe()


def test_another_precision_is_refused():
    with pytest.raises(RangeError, match="precision is 'fp8', expected one of float32, tf32, bf16"):
        minires.compile(network("resnet8"), precision="fp8")


def test_out_of_memory_is_foreseen(strict, monkeypatch):
    """Before the first launch: what needs most, what is free, and a batch that then runs."""
    fast, x = minires.compile(network("resnet8").to(device="cuda")), images(20, 2, 8, 8, dtype=np.float32)
    program = Program(Plan(fast.definition, x.shape, np.float32, "train"), "float32")
    monkeypatch.setattr(strict.cuda.Device, "mem_info", (program.bytes * 4 // 5, 10**9))
    with watch() as seen, pytest.raises(DeviceError, match="a batch of 20 needs . MB on the GPU") as refused:
        fast.forward(to_device(x, "cuda"), True)
    assert "stem.conv" in str(refused.value) and not any("<" in event for event in seen.launches)
    fits = int(str(refused.value).split("a batch of ")[-1].split()[0])
    assert 1 <= fits < 20 and fits == largest_batch(program, program.bytes * 4 // 5)
    fast.forward(to_device(x[:fits], "cuda"), True)
    with pytest.raises(DeviceError):
        fast.forward(to_device(x[: fits + 1], "cuda"), True)
    monkeypatch.setattr(strict.cuda.Device, "mem_info", (0, 10**9))
    with pytest.raises(DeviceError, match="not even one image fits"):
        fast.forward(to_device(x[:2], "cuda"), False)


def test_the_table_says_what_runs_by_its_layer(strict):
    model = entered(4, conv(4, groups=4), L.Scale(0.5)).to(dtype=np.float32, device="cuda")
    fast = minires.compile(model)
    fast(to_device(images(2, 4, 8, 8, dtype=np.float32), "cuda"))
    lines = [line.split() for line in fast.describe().splitlines()]
    assert ["0", "implicit", "product", "1x1"] in [line[:4] for line in lines]
    assert {("1", "Conv2d", "(layer)"), ("2", "Scale", "(layer)")} <= {tuple(line[:3]) for line in lines}


def test_the_table_has_times_by_events_and_moves_nothing(strict):
    model, x, dy = problem("resnet8")
    fast = minires.compile(model.to(device="cuda"))
    assert device_run(fast, x, dy, True)
    before = [to_numpy(a).copy() for _, t in fast.tensors() for a in (t.data, getattr(t, "grad", t.data))]
    times = [line.split()[-2:] for line in fast.describe().splitlines() if "implicit product" in line]
    assert len(times) == 8 and all(float(a) > 0 and float(b) > 0 for a, b in times)
    after = [to_numpy(a) for _, t in fast.tensors() for a in (t.data, getattr(t, "grad", t.data))]
    assert all(np.array_equal(a, b) for a, b in zip(before, after))


class Refused(RuntimeError):
    """As CuPy's error of the driver."""


Refused.__module__ = "cupy_backends.cuda.api.driver"


@pytest.mark.parametrize("kernel, layer", [("join<float>", "stage1.0.add"), ("weight_merge", "head.fc")])
def test_what_cuda_refuses_is_said_with_the_layer(kernel, layer, strict, monkeypatch):
    model, x, dy = problem("resnet8")
    fast, usual = minires.compile(model.to(device="cuda")), raw.RawKernel.__call__

    def refuse(self, grid, block, arguments):
        if self.name == kernel:
            raise Refused("CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered")
        usual(self, grid, block, arguments)

    monkeypatch.setattr(raw.RawKernel, "__call__", refuse)
    with pytest.raises(DeviceError) as caught:
        device_run(fast, x, dy, True)
    assert str(caught.value).startswith(f"{layer}, {kernel}: the GPU refused it (CUDA_ERROR_ILLEGAL_ADDRESS")
    assert "CUDA_LAUNCH_BLOCKING=1" in str(caught.value)


def test_a_frozen_copy_serves_inference(strict):
    model, x, _ = problem("resnet8")
    fast = minires.compile(model.to(device="cuda"), frozen=True)
    expected = to_numpy(minires.compile(model)(to_device(x, "cuda")))
    for _, p in model.params():
        p.data *= 0
    assert np.array_equal(to_numpy(fast(to_device(x, "cuda"))), expected)


def test_threads_share_one_model(strict):
    """Forwards in flight have arenas of their own, and gradients add up."""
    model, x, dy = problem("resnet8")
    fast = minires.compile(model.to(device="cuda"))
    once = device_run(fast, x, dy, False)
    fast.zero_grads()

    def work():
        y, cache = fast.forward(to_device(x, "cuda"), False)
        answers.append((to_numpy(y), to_numpy(fast.backward(to_device(dy, "cuda"), cache))))

    answers, threads = [], [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert all(np.array_equal(y, once["y"]) and np.array_equal(dx, once["dx"]) for y, dx in answers)
    assert_close({path: p.grad for path, p in fast.params()}, {path: 4 * once[path] for path, _ in fast.params()})
