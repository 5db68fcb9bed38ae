"""Processes that do what threads have noted: the same bits, and no trace of them when they are gone."""

import gc
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import numpy as np
import pytest
from engine.equality import images, network

import minires
from minires.engine.cpu import constants, helper, helpers, process
from minires.errors import StateError
from minires.losses import SoftmaxCrossEntropy
from minires.train import SGD
from minires.train.step import train_step

pytestmark = pytest.mark.skipif(
    helpers.helpers_for(2, 2) is None, reason="no memory with a number here, or no lock of the interpreter"
)


# How a batch is cut: several chunks, of which each helper has some, or one, of which it has streams
CUTS = {
    "several chunks": {"CHUNK": 2, "PIXELS": 0, "ROWS": 0},
    "one chunk": {"PIXELS": 10**6, "SHARED": 1, "BAND": 1, "TILES": 1, "WORK": 1},
}


@pytest.fixture(autouse=True, params=CUTS)
def cut(request, monkeypatch):
    for name, value in {"HELPED": 0.0, **CUTS[request.param]}.items():
        monkeypatch.setattr(constants, name, value)
    return request.param


def run_of(fast):
    """The executor of the one plan in training."""
    return next(run for run in fast._executors.values() if run.plan.mode == "train")


def of(fast):
    return run_of(fast).helpers


def until_ready(fast, step):
    """Do steps until the helpers have the lists of forward and backward; the number of steps."""
    for number in range(1, 3000):
        step()
        found = of(fast)
        assert not found.absent, found.absent
        if found.ready() and not any(map(found._is_new, run_of(fast).records.values())):
            return number
        time.sleep(0.005)
    raise AssertionError("no helper was ready after 3000 steps")


def training(threads, n=9, seed=0):
    """(network, what does a step and returns its loss)"""
    model = network("resnet8", dtype=np.float32)
    fast = minires.compile(model, threads=threads, input_gradient=False)
    sgd, loss = SGD(model.params(), lr=0.05, momentum=0.9), SoftmaxCrossEntropy()
    x, labels = images(n, 2, 8, 8, seed=seed).astype(np.float32), np.arange(n) % 3
    return fast, lambda: train_step(fast, loss, sgd, x, labels, 0.05)[0]


@pytest.mark.parametrize("threads", [2, 3])
def test_a_training_has_the_bits_of_one_thread(threads):
    fast, step = training(threads)
    alone, lonely = training(1)
    count = until_ready(fast, step)
    for _ in range(count):
        lonely()
    orders = [int(of(fast)._words[h][helper.ORDER]) for h in range(threads - 1)]
    assert [step() for _ in range(5)] == [lonely() for _ in range(5)]
    for h, before in enumerate(orders):  # they did it
        assert of(fast)._words[h][helper.ORDER] > before
    for (path, a), (_, b) in zip(fast.tensors(), alone.tensors()):
        assert np.array_equal(a.data, b.data), path


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_of_other_images(dtype):
    model = network("resnet8", dtype=dtype)
    fast, one = (minires.compile(model, threads=k) for k in (3, 1))
    rng = np.random.default_rng(0)

    def given():
        return (rng.standard_normal(s).astype(dtype) for s in ((7, 2, 8, 8), (7, 3)))

    def both(layer, x, dy):
        model.zero_grads()
        y, cache = layer.forward(x, True)
        return y, layer.backward(dy, cache), {path: p.grad.copy() for path, p in model.params()}

    until_ready(fast, lambda: both(fast, *given()))
    x, dy = given()
    x = np.asfortranarray(x)  # lies in memory as the first ones did not
    (y, dx, grads), (y1, dx1, grads1) = both(fast, x, dy), both(one, x, dy)
    assert np.array_equal(y, y1) and np.array_equal(dx, dx1)
    assert all(np.array_equal(grads[path], grads1[path]) for path in grads)


def test_inference_and_a_network_that_changes():
    model = network("resnet8", dtype=np.float32)
    fast, one = (minires.compile(model, threads=k) for k in (2, 1))
    x = images(8, 2, 8, 8).astype(np.float32)
    for _ in range(2):
        for _wait in range(3000):
            assert np.array_equal(fast(x), one(x))
            (run,) = fast._executors.values()
            if run.helpers.ready():
                break
            time.sleep(0.005)
        assert run.helpers.ready()
        assert np.array_equal(fast(x), one(x))
        for _, p in model.params():  # other filters, the same plan; then another plan
            p.data += np.float32(0.1)
        assert np.array_equal(fast(x), one(x))
        next(p for _, p in model.params()).frozen = True


def test_what_freezes_in_between_is_done_by_threads():
    fast, step = training(2)
    alone, lonely = training(1)
    count = until_ready(fast, step)
    for _ in range(count):
        lonely()
    for each in (fast, alone):
        next(p for _, p in each.params()).frozen = True
    assert [step() for _ in range(3)] == [lonely() for _ in range(3)]


def test_a_helper_that_is_killed_is_told_and_others_come():
    fast, step = training(2)
    until_ready(fast, step)
    (found,) = of(fast)._processes
    os.kill(found.process.pid, signal.SIGSTOP)  # it will be at work when it dies
    threading.Timer(0.3, found.process.kill).start()
    with pytest.raises(StateError, match="a helper process of the engine has ended with -9 .* run it again"):
        step()
    until_ready(fast, step)
    assert of(fast)._processes != [found]


def test_a_helper_that_ends_while_it_waits_leaves_the_threads():
    fast, step = training(2)
    until_ready(fast, step)
    of(fast)._processes[0].process.kill()
    of(fast)._processes[0].process.wait()
    with pytest.raises(StateError, match="has ended with -9"):
        step()
    until_ready(fast, step)


def test_an_interrupt_ends_the_helpers_and_nothing_else():
    fast, step = training(2)
    until_ready(fast, step)
    (found,) = of(fast)._processes
    os.kill(found.process.pid, signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        step()
    assert found.ended() is not None
    until_ready(fast, step)


def test_two_threads_at_once_get_what_one_gets():
    fast, step = training(2)
    until_ready(fast, step)
    model = fast.definition
    one = minires.compile(model, threads=1)
    x, wrong = images(9, 2, 8, 8, seed=5).astype(np.float32), []
    expected = one.forward(x, True)[0]

    def rounds():
        for _ in range(20):
            if not np.array_equal(fast.forward(x, True)[0], expected):
                wrong.append(True)

    several = [threading.Thread(target=rounds) for _ in range(3)]
    for thread in several:
        thread.start()
    for thread in several:
        thread.join()
    assert not wrong


def test_helpers_and_memory_end_with_the_network():
    """At once: nothing waits for the collector of cycles."""
    gc.disable()
    try:
        fast, step = training(3)
        until_ready(fast, step)
        processes = [found.process for found in of(fast)._processes]
        assert len(processes) == 2 and all(process.poll() is None for process in processes)
        seat = weakref.ref(run_of(fast).free["crews"][0][0])
        del fast, step
        assert seat() is None
        assert all(process.poll() is not None for process in processes)
    finally:
        gc.enable()


SCRIPT = """
import os, sys, time
import numpy as np
import minires
from minires.engine.cpu import constants
vars(constants).update(HELPED=0.0, **{cut})
fast = minires.compile(minires.models.build("digits_resnet8", rng=0), threads=2)
x = np.random.default_rng(0).standard_normal((8, 1, 8, 8)).astype(np.float32)
while True:
    y = fast(x)
    (run,) = fast._executors.values()
    if run.helpers.ready():
        break
    time.sleep(0.01)
pids = [found.process.pid for found in run.helpers._processes]
"""


def script(cut, rest):
    return [sys.executable, "-c", SCRIPT.replace("{cut}", repr(CUTS[cut])) + textwrap.dedent(rest)]


@pytest.mark.parametrize("end", ["pass", "os._exit(3)", "os.kill(os.getpid(), 9)", "raise SystemExit(3)"])
def test_helpers_end_with_their_process(cut, end):
    ran = subprocess.run(script(cut, f"print(*pids, flush=True)\n{end}"), capture_output=True, text=True, timeout=120)
    assert ran.stderr == ""
    for pid in map(int, ran.stdout.split()):
        for _ in range(200):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                break
            time.sleep(0.05)
        else:
            raise AssertionError(f"process {pid} is still there")


def test_a_fork_begins_anew_and_its_parent_goes_on(cut):
    code = """
    y, cache = fast.forward(x, True)
    child = os.fork()
    if not child:
        other = fast(x)
        try:
            fast.backward(np.ones_like(y), cache)
        except minires.errors.StateError as error:
            assert "run it again" in str(error)
        else:
            os._exit(4)
        os._exit(0 if np.array_equal(other, fast(x)) else 5)
    found = [fast(x) for _ in range(50)]
    assert os.waitpid(child, 0)[1] == 0
    (run,) = [r for r in fast._executors.values() if r.plan.mode == "infer"]
    assert run.helpers.ready() and [p.process.pid for p in run.helpers._processes] == pids
    assert all(np.array_equal(f, fast(x)) for f in found)
    fast.backward(np.ones_like(y), cache)
    """
    ran = subprocess.run(script(cut, code), capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr


def test_layers_that_a_helper_cannot_have_stay_with_the_threads(cut):
    """A chunk that all share belongs to the first thread, which has them; helpers have what it deals out."""
    model = minires.models.build("seresnet20", rng=0)
    fast, one = (minires.compile(model, threads=k) for k in (2, 1))
    x = images(4, 3, 32, 32).astype(np.float32)

    def step(fast):
        y, cache = fast.forward(x, True)
        return y, fast.backward(np.ones_like(y), cache)

    if cut == "one chunk":
        until_ready(fast, lambda: step(fast))
        assert all(map(np.array_equal, step(fast), step(one)))
        return
    for _ in range(3):
        step(fast)
    assert "methods of layers" in of(fast).absent
    assert "threads alone: some steps call methods of layers" in fast.describe()


def test_what_is_dealt_out(cut):
    """Products in pieces, tiles of Winograd's in rows, bands of joins, their sums; no section without two streams."""
    if cut == "several chunks":
        fast, step = training(2)
        until_ready(fast, step)
        assert not of(fast)._sections
        return
    fast, step = training(2)
    until_ready(fast, step)
    names = [{getattr(f, "__name__", "fill") for f, _ in s.streams[1]} for s in of(fast)._sections]
    assert {"matmul"} in names and {"clip", "add", "multiply"} in names and {"reduce", "sum_products"} in names
    assert all(len(section.streams) == 2 and all(section.streams) for section in of(fast)._sections)


def test_a_helper_imports_little():
    show = "print(*(name for name in sys.modules if name.startswith('minires')))"
    code = process.START.replace("helper.main()", show)
    assert "helper.main" not in code
    packages = {name: list(sys.modules[name].__path__) for name in process.PACKAGES}
    given = json.dumps(sys.path), json.dumps(packages)
    found = subprocess.run([sys.executable, "-c", code, *given], capture_output=True, text=True, check=True).stdout
    modules = {f"minires.engine.cpu.{name}" for name in ("blas", "constants", "helper")}
    assert set(found.split()) == {*process.PACKAGES, "minires.engine.cpu", *modules}


def test_describe_says_how_many():
    fast, step = training(3)
    until_ready(fast, step)
    step()
    assert "2 helper processes" in fast.describe()
    for line in fast.describe().splitlines()[3:]:
        assert "nan" not in line


@pytest.mark.parametrize("threads, units", [(1, 4), (4, 1)])
def test_none_where_there_is_nothing_to_share(threads, units):
    assert helpers.helpers_for(threads, units) is None


def test_none_where_the_lock_is_off_or_python_is_no_file(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert helpers.helpers_for(2, 2) is None
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
    assert helpers.helpers_for(2, 2) is not None
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert helpers.helpers_for(2, 2) is None


def test_none_where_the_system_has_no_such_memory(monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    assert helpers.helpers_for(2, 2) is None
    fast, step = training(2)
    assert step() == training(1)[1]()
    assert of(fast) is None
