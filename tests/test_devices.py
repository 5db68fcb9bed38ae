"""What is said where a GPU cannot be used: the exact sentence, by the commands and in Python."""

import re
import sys

import numpy as np
import pytest
from cupy_strict.device_array import ndarray
from test_backend import INSTALL, CompileException, DynamicLibNotFoundError, OutOfMemoryError, cupy_without

import minires
from minires import backend
from minires.backend import device_of, require_device, to_device
from minires.cli import main
from minires.errors import DeviceError, RangeError
from minires.layers import Linear
from minires.train import TrainConfig, fit

NVRTC = DynamicLibNotFoundError('Failure finding "libnvrtc.so.13 or libnvrtc.so.12"')
FULL = OutOfMemoryError("Out of memory allocating 512 bytes (allocated so far: 0 bytes).")
ARCHITECTURE = CompileException("nvrtc: error: invalid value for --gpu-architecture (-arch)\n1 error.\n")
# state: (CuPy, the device, the sentence behind 'device "..." cannot be used: ')
SENTENCES = {
    "no CuPy": (None, "cuda", f"CuPy is not installed: {INSTALL}"),
    "no CuPy for another GPU": (None, "cuda:1", f"CuPy is not installed: {INSTALL}"),
    "no driver": (
        cupy_without(available=False, driver=0),
        "cuda",
        'no NVIDIA driver is found: install one (start a container with --gpus all), or use device "cpu"',
    ),
    "an old driver": (
        cupy_without(available=False, driver=12040),
        "cuda",
        f"the driver supports CUDA 12, CuPy was built for CUDA 13: {INSTALL}",
    ),
    "no GPU": (
        cupy_without(available=False),
        "cuda",
        'no GPU is visible: check nvidia-smi and the variable CUDA_VISIBLE_DEVICES, or use device "cpu"',
    ),
    "no NVRTC": (cupy_without(add=NVRTC), "cuda", f"NVRTC, the compiler of CUDA, is missing: {INSTALL}"),
    "no NVRTC on a GPU by its number": (
        cupy_without(add=NVRTC),
        "cuda:0",
        f"NVRTC, the compiler of CUDA, is missing: {INSTALL}",
    ),
    "memory full": (
        cupy_without(zeros=FULL),
        "cuda",
        "the memory of the GPU is full: end the other programs on it (nvidia-smi lists them)",
    ),
    "another failure": (
        cupy_without(add=ARCHITECTURE),
        "cuda",
        "a first computation failed (nvrtc: error: invalid value for --gpu-architecture (-arch)): check nvidia-smi, or "
        'use device "cpu"',
    ),
    "a GPU that is not there": (
        cupy_without(matmul=None),
        "cuda:7",
        'this machine has 1 GPU, "cuda:0" (NVIDIA H100): choose it, or look at the variable CUDA_VISIBLE_DEVICES',
    ),
}
COMMANDS = ["train --model resnet8 --epochs 1 --limit-train 8 --limit-test 8 --run-dir {run}", "eval {run}"]


@pytest.fixture
def fresh(monkeypatch):
    """A process that has computed on no GPU yet."""
    monkeypatch.setattr(backend, "_TAKEN", [])


@pytest.mark.parametrize("cupy, device, sentence", SENTENCES.values(), ids=SENTENCES)
def test_python_says_it(fresh, monkeypatch, tmp_path, cupy, device, sentence):
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    model = Linear(2, 2, rng=0)
    before = model.weight.data
    config = TrainConfig(model="resnet8", device=device, run_dir=str(tmp_path / "run"), limit_train=8, limit_test=8)
    for call in (
        lambda: require_device(device),
        lambda: to_device(np.zeros(2), device),
        lambda: minires.to_device(np.zeros(2), device),
        lambda: model.to(device=device),
        lambda: fit(config),
    ):
        with pytest.raises(DeviceError) as caught:
            call()
        assert str(caught.value) == f'device "{device}" cannot be used: {sentence}'
    assert model.weight.data is before and not (tmp_path / "run").exists() and not backend._TAKEN


@pytest.mark.parametrize("command", COMMANDS, ids=["train", "eval"])
@pytest.mark.parametrize("cupy, device, sentence", SENTENCES.values(), ids=SENTENCES)
def test_the_commands_say_it(fresh, monkeypatch, tmp_path, capsys, cupy, device, sentence, command):
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    line = command.format(run=tmp_path / "run").split()
    assert main([*line, "--device", device]) == 1
    seen = capsys.readouterr()
    assert seen.err.splitlines()[-1] == f'minires: device "{device}" cannot be used: {sentence}'
    assert seen.out == "" and not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", COMMANDS, ids=["train", "eval"])
def test_other_names_are_wrong_usage(tmp_path, capsys, command):
    line = command.format(run=tmp_path / "run").split()
    assert main([*line, "--device", "gpu"]) == 2
    expected = "device is 'gpu', expected cpu, cuda, or a GPU by its number, such as cuda:1: change device"
    assert capsys.readouterr().err == f"minires: {expected}\n"


class Gpus:
    """Two GPUs of the stand-in; ``used``: those that were made current, in order."""

    def __init__(self, monkeypatch, strict):
        self.used = []
        monkeypatch.setattr(strict.cuda.Device, "use", lambda device: self.used.append(device.id))
        monkeypatch.setattr(strict.cuda.runtime, "getDeviceCount", lambda: 2)
        monkeypatch.setattr(strict.cuda.runtime, "getDevice", lambda: self.used[-1] if self.used else 0)
        current = property(lambda array: strict.cuda.Device(strict.cuda.runtime.getDevice()))
        monkeypatch.setattr(ndarray, "device", current)


@pytest.fixture
def gpus(fresh, monkeypatch, strict):
    monkeypatch.setattr(backend, "_TAKEN", [])
    return Gpus(monkeypatch, strict)


def test_a_gpu_by_its_number(gpus):
    x = to_device(np.ones((2, 2), np.float32), "cuda:1")
    assert gpus.used[-1] == 1 and device_of(x) == "cuda:1" and to_device(x, "cuda:1") is x
    assert to_device(x, "cuda") is x  # the GPU that the process has
    assert to_device(x, device_of(x)) is x and to_device(x, "cpu").tolist() == [[1, 1], [1, 1]]
    model = Linear(2, 2, rng=0).to(device="cuda:1")
    assert device_of(model(x)) == "cuda:1" and set(gpus.used) == {1}


def test_the_first_gpu_is_cuda(gpus):
    x = to_device(np.ones(2), "cuda")
    assert device_of(x) == "cuda" and to_device(x, "cuda:0") is x


@pytest.mark.parametrize("first, then, has", [("cuda:1", "cuda:0", 1), ("cuda", "cuda:1", 0)])
def test_a_process_has_one_gpu(gpus, first, then, has):
    to_device(np.ones(2), first)
    for call in (lambda: to_device(np.ones(2), then), lambda: require_device(then)):
        with pytest.raises(DeviceError) as caught:
            call()
        expected = f'this process computes on "cuda:{has}": start another process for it'
        assert str(caught.value) == f'device "{then}" cannot be used: {expected}'
    assert require_device(first) is None and set(gpus.used) <= {has}


def test_of_several_gpus_all_are_named(gpus):
    with pytest.raises(
        DeviceError, match=re.escape('has 2 GPUs, "cuda:0" (Stand-in), "cuda:1" (Stand-in): choose one')
    ):
        require_device("cuda:2")


def test_a_training_on_the_second_gpu(gpus, tmp_path):
    settings = {"model": "resnet8", "limit_train": 8, "limit_test": 8, "epochs": 1, "batch_size": 4, "data": "digits"}
    result = fit(TrainConfig(device="cuda:1", run_dir=str(tmp_path / "run"), engine="reference", **settings))
    assert result.epochs == 1 and set(gpus.used) == {1}


def test_ranks_take_the_gpus_of_their_host():
    config = TrainConfig(device="cuda:1", model="resnet8", limit_train=8, limit_test=8)
    with pytest.raises(
        RangeError, match="device is 'cuda:1', but each rank takes a GPU of its host: set device to cuda"
    ):
        fit(config, comm=object())


def test_an_upload_into_a_full_memory(fresh, monkeypatch, strict):
    def full(x):
        raise OutOfMemoryError("Out of memory allocating 4,096 bytes (allocated so far: 0 bytes).")

    monkeypatch.setattr(strict, "asarray", full)
    for call in (lambda: to_device(np.zeros(1000), "cuda"), lambda: Linear(2, 2, rng=0).to(device="cuda")):
        with pytest.raises(DeviceError) as caught:
            call()
        expected = "the memory of the GPU is full: end the other programs on it (nvidia-smi lists them)"
        assert str(caught.value) == f'device "cuda" cannot be used: {expected}'


def test_what_cupy_refuses_is_not_blamed_on_the_device(fresh, strict):
    with pytest.raises((TypeError, ValueError)):
        to_device(np.array(["a"]), "cuda")


def test_too_little_memory_for_a_batch(fresh, monkeypatch, strict, tmp_path, capsys):
    """Foreseen by the plan: the training ends before a launch of the network, with the batch that fits."""
    monkeypatch.setattr(strict.cuda.Device, "mem_info", (10**6, 10**9))
    line = (
        "train --model resnet8 --device cuda --data digits --limit-train 64 --limit-test 8 --batch-size 32 --epochs 1"
    )
    assert main([*line.split(), "--run-dir", str(tmp_path / "run")]) == 1
    found = capsys.readouterr().err.splitlines()[-1]
    needs = r"minires: a batch of 32 needs \d+ MB on the GPU \(.+ MB, .+ MB, .+ MB, \.\.\.\), 1 MB are free: "
    match = re.fullmatch(needs + r"a batch of (\d+) fits", found)
    assert match and 1 <= int(match[1]) < 32, found
    settings = {"data": "digits", "limit_train": 64, "limit_test": 8, "batch_size": 32, "epochs": 1}
    with pytest.raises(DeviceError) as caught:
        fit(TrainConfig(model="resnet8", device="cuda", run_dir=str(tmp_path / "again"), **settings))
    assert f"minires: {caught.value}" == found  # the same sentence in Python
