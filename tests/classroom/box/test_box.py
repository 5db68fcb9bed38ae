"""Functions of a submission, called through the box as if they were here."""

import copy
import inspect
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from classroom.box import canary
from classroom.box.boxes import boxes
from classroom.box.table import descendants

from minires.classroom.box import TRUST, Box, BoxError, Failure, Handle, Tier
from minires.classroom.box.inside.wire import Part, frame
from minires.layers import Linear, ReLU, Residual, Sequential, Tanh

SOURCE = """
import numpy as np

def forward(x, weight, running=None):
    if running is not None:
        running[...] = x.mean(axis=0)
    return x @ weight, (x, weight)

def backward(dy, cache):
    x, weight = cache
    return dy @ weight.T, x.T @ dy

def residual(x, branch):
    y, cache = branch.forward(x, False)
    return x + y, cache

def residual_backward(dy, cache, branch):
    return dy + branch.backward(dy, cache)

def of_others(dy, cache, branch): return branch.backward(dy, 3)
def words(a, b): return [a, None, [b, True]]
def three(): return 1, 2.5, np.float32(3)
def text(x): return {"no": "number"}
def crash(x):
    return x[7]
def any_number(*x): return len(x)
"""
KINDS = [*boxes(), pytest.param(lambda: TRUST, id="trust")]


@pytest.fixture(params=KINDS, scope="module")
def box(request):
    with Box(request.param()) as box:
        assert "forward" in box.load(SOURCE)
        yield box


def test_arrays_go_in_and_come_back(box):
    rng = np.random.default_rng(0)
    x, weight, dy = rng.standard_normal((4, 3)), rng.standard_normal((3, 2)), rng.standard_normal((4, 2))
    y, cache = box.call("forward", x, weight)
    assert np.array_equal(y, x @ weight)
    assert isinstance(cache, Handle)
    dx, dweight = box.call("backward", dy, cache)
    assert np.array_equal(dx, dy @ weight.T)
    assert np.array_equal(dweight, x.T @ dy)


def test_what_a_function_writes_into_its_arguments_arrives(box):
    x, running = np.arange(6.0).reshape(2, 3), np.zeros(3)
    box.call("forward", x, np.eye(3), running)
    assert np.array_equal(running, [1.5, 2.5, 3.5])
    assert np.array_equal(x, np.arange(6.0).reshape(2, 3))


def test_arrays_that_a_submission_keeps_stay_in_step():
    with Box(TRUST) as box:
        box.load("def keep(x, w): return x * w, (x, w)\ndef spoil(dy, cache): cache[1][...] -= dy; return cache[0] + 0")
        x, w, dy = np.ones(3), np.full(3, 5.0), np.full(3, 2.0)
        _, cache = box.call("keep", x, w)
        x += 1  # as running statistics move
        box.call("keep", x, w)
        assert np.array_equal(box.call("spoil", dy, cache), [2, 2, 2])
        assert np.array_equal(w, [3, 3, 3]) and np.array_equal(dy, [2, 2, 2])
        for _ in range(40):  # too many for all to be kept in step
            box.call("keep", np.ones(3), np.ones(3))
        box.call("spoil", dy, cache)
        assert np.array_equal(w, [3, 3, 3])


def test_layers_compute_outside(box):
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((2, 4, 3)), rng.standard_normal((4, 3))
    branch, other = Sequential(Linear(3, 3, rng=2), Tanh()).to(dtype=np.float64), ReLU()
    right = Residual(copy.deepcopy(branch))
    for each in x:
        y, cache = box.call("residual", each, branch)
        expected, own = right.forward(each)
        assert np.array_equal(y, expected)
        assert np.array_equal(box.call("residual_backward", dy, cache, branch), right.backward(dy, own))
    assert np.array_equal(branch.at("0").weight.grad, right.branch.at("0").weight.grad)
    with pytest.raises(Failure, match="ReLU got a cache that is not its own: give each"):
        box.call("residual_backward", dy, cache, other)
    with pytest.raises(Failure, match="got a int for a cache, expected what forward returned"):
        box.call("of_others", dy, cache, branch)
    with pytest.raises(Failure, match="Linear.*expects 3"):
        box.call("residual", x[0, :, :2], branch)


def test_values_that_are_no_arrays(box):
    assert box.call("words", "a", 2) == ["a", None, [2, True]]
    one, half, three = box.call("three")
    assert (one, half, three) == (1, 2.5, 3) and three.dtype == np.float32
    assert isinstance(box.call("text", 1), Handle)


def test_functions_keep_their_names_and_how_many_arguments_they_take():
    with Box(TRUST) as box:
        functions = box.load(SOURCE)
    assert {"forward", "any_number"} <= functions.keys()
    assert len(inspect.signature(functions["residual_backward"]).parameters) == 3
    assert str(inspect.signature(functions["any_number"])) == "(*arguments)"
    assert functions["backward"].__name__ == "backward"


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "message"),
    [
        ("crash", (np.zeros(3),), "raised", r"IndexError: .* \(line 25\)"),
        ("forward", (np.zeros(3),), "raised", "TypeError: .*missing"),
        ("absent", (), "missing", "there is no function absent"),
    ],
)
def test_what_a_submission_does_in_place_of_an_answer(box, name, arguments, kind, message):
    with pytest.raises(Failure, match=message) as error:
        box.call(name, *arguments)
    assert error.value.kind == kind
    assert np.array_equal(box.call("forward", np.eye(2), np.eye(2))[0], np.eye(2))


@pytest.mark.parametrize("tier", KINDS)
def test_a_syntax_error_names_its_line(tier):
    with Box(tier()) as box, pytest.raises(Failure, match=r"SyntaxError: .* \(line 2\)"):
        box.load("x = 1\ndef f(x) return x")


@pytest.mark.parametrize("tier", KINDS)
def test_after_its_end_a_submission_fails_and_the_grader_goes_on(tier):
    with Box(tier()) as box:
        box.load("import os\ndef f(): os._exit(0)")
        with pytest.raises(Failure, match="f ends its process") as error:
            box.call("f")
        assert error.value.kind == "ended"
        with pytest.raises(Failure, match="the submission has ended its process"):
            box.call("f")


@pytest.mark.parametrize("tier", boxes())
def test_the_worker_knows_nothing_of_what_is_expected(tier):
    def hits(number):
        try:
            return canary.hits(descendants(os.getpid()), number)
        except PermissionError:
            pytest.skip("the memory of another process can be read by root alone")

    assert canary.search(tier(), hits).startswith("0 hits of ")


def worker_of(path):
    try:
        return b"worker.py" in (path / "cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (lambda *pipes: ["/bin/sh", "-c", "echo no such luck >&2; exit 1"], "does not start: no such luck"),
        (lambda *pipes: ["/nowhere/python"], "does not start: .*No such file"),
        (lambda *pipes: ["/bin/sh", "-c", f"printf 'xxxxxxxx' >&{pipes[1]}"], "does not start"),
    ],
)
def test_a_worker_that_does_not_start_is_the_failure_of_the_grader(command, message):
    with pytest.raises(BoxError, match=message), Box(Tier("broken", command)):
        pass


@pytest.mark.parametrize("tier", KINDS)
def test_a_worker_ends_with_its_grader_however_that_ends(tier):
    code = (
        "import sys\nfrom minires.classroom.box import BUBBLEWRAP, LANDLOCK, TRUST, Box\n"
        f"with Box({tier().name.upper()}) as box:\n"
        "    box.load('def f():\\n  while 1: pass')\n    print('on', flush=True)\n    box.call('f')\n"
    )
    grader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert grader.stdout.readline() == "on\n"
    started = descendants(grader.pid)
    assert any(worker_of(Path(f"/proc/{pid}")) for pid in started)
    grader.kill()
    grader.wait()
    grader.stdout.close()
    ends = time.monotonic() + 1
    while time.monotonic() < ends and (left := [pid for pid in started if worker_of(Path(f"/proc/{pid}"))]):
        time.sleep(0.02)
    assert not left


def answering(*answers):
    """A box whose worker is ready, and answers each request with these frames, whatever it asks."""
    data = b"".join(map(frame, answers))
    code = f"import os, sys; os.write({{0}}, {frame(['ready'])!r}); os.read({{1}}, 1 << 20); os.write({{0}}, {data!r})"
    return Tier("forged", lambda requests, to: [sys.executable, "-S", "-c", code.format(to, requests)])


TWO = np.ones(2)
FORGED = [
    [None], [True], [3], ["ok"], [[]], [TWO], [[TWO]], [[TWO, TWO]], [["ok"]], [["ok", TWO]], [["ok", TWO, TWO]],
    [["ok", [TWO, [TWO]], []]], [["ok", [False, []], []]], [["ok", [False, 3], []]], [["ok", [True, TWO], [[9, TWO]]]],
    [["ok", [True, []], [[0, np.ones(3)]]]], [["ok", [True, []], [[-1, TWO]]]],
    [["ok", [True, []], [[TWO, TWO]]]], [["error"]], [["error", "raised", 3]],
    [["error", TWO, "no"]], [["error", TWO, TWO]], [["error", "time", "text"]], [["use"]], [["use", TWO, TWO, TWO], 3],
    [["use", Part(0), "forward", [TWO, TWO]], [["use"]]], [["use", Handle(0), ["backward"], None], True], [[["use"]]],
]  # fmt: skip


@pytest.mark.parametrize("answers", FORGED, ids=repr)
def test_a_forged_answer_is_a_failure_of_the_submission(answers):
    with Box(answering(*answers)) as box, pytest.raises(Failure):
        box.call("f", np.ones(2))
