"""What stays with the grader: functions that a submission calls, and layers that are layers of minires in the box."""

import copy

import numpy as np
import pytest
from classroom.box.boxes import boxes

from minires.classroom.box import TRUST, Box, Failure
from minires.classroom.box.served import CHECKED, FORWARDS, KEPT, Served
from minires.classroom.box.tiers import INSIDE
from minires.layers import BatchNorm2d, Conv2d, Residual, Sequential

KINDS = [*boxes(), pytest.param(lambda: TRUST, id="trust")]
SOURCE = """
import numpy as np

def slope(forward, backward, x, dy):
    y, cache = forward(x)
    dx = backward(dy, cache)
    h = 1e-30
    moved, _ = forward(x + 1j * h)
    return dx, (dy * moved.imag / h).sum()

def overwritten(f, x):
    f(x)
    return x

def names(f): return f.__name__, sorted(name for name in dir(f) if "part" in name or "number" in name)
def other(f): return f(np.zeros(2, np.float16))
def calls(f, x): return f(x)
def drawn(rng): return rng.standard_normal(3)
def late(x):
    import numpy.ma
    return numpy.ma.masked_array(x).data
"""
LIBRARY = """
import numpy as np
from minires import gradcheck
from minires.layers import Layer, Residual

def checked(layer, x):
    assert isinstance(layer, Layer)
    return gradcheck(layer, x).worst_error

def trained(layer, x, dy):
    before = layer.bn.running_mean.data.copy()
    y, cache = layer.forward(x, True)
    dx = layer.backward(dy, cache)
    return y, dx, layer.conv.weight.grad, layer.bn.running_mean.data - before

def zeroed(layer, x):
    layer.bn.gamma.data[...] = 0
    return layer(x), layer.at("bn").beta.data

def path():
    import minires
    return minires.__file__

def write():
    import minires
    open(minires.__file__, "a").write("")

def late():
    import minires.cases, minires.mutants.linear
    return minires.mutants.linear.__name__

def answer():
    from minires.classroom import assignment
    return assignment("bug_hunt").solution()

def answer_by_path():
    import minires, os
    for folder, _, files in os.walk(os.path.dirname(minires.__file__)):
        for name in files:
            if folder.endswith("09_bug_hunt"):
                return open(os.path.join(folder, name)).read()
    return 1 / 0
"""


def square(x):
    return x**2, (x,)


def square_backward(dy, cache):
    return 2 * dy * cache[0]


def overwrite(x):
    x[...] = 7


@pytest.fixture(params=KINDS, scope="module")
def box(request):
    with Box(request.param()) as box:
        box.load(SOURCE)
        yield box


@pytest.fixture(params=KINDS, scope="module")
def library(request):
    with Box(request.param(), minires=True) as box:
        box.load(LIBRARY)
        yield box


def layer():
    return Sequential(conv=Conv2d(2, 3, 3, padding=1, bias=True, rng=0), bn=BatchNorm2d(3))


def test_functions_are_called_with_caches_and_complex_numbers(box):
    x, dy = np.arange(3.0), np.array([2.0, -1.0, 0.5])
    dx, total = box.call("slope", square, square_backward, x, dy)
    assert np.array_equal(dx, 2 * dy * x)
    assert abs(total - dx.sum()) < 1e-15


def test_what_a_function_of_the_grader_writes_into_its_arguments_arrives(box):
    assert np.array_equal(box.call("overwritten", overwrite, np.zeros(3)), np.full(3, 7.0))


def test_a_function_does_not_tell_its_name(box):
    name, attributes = box.call("names", square)
    assert name == "<lambda>" and attributes == []


def test_a_generator_is_one_with_a_seed_drawn_from_it(box):
    seeds, rng = np.random.default_rng(5).integers(2**32, size=2), np.random.default_rng(5)
    for seed in seeds:
        assert np.array_equal(box.call("drawn", rng), np.random.default_rng(seed).standard_normal(3))


def test_errors_within_are_the_submission_s_and_the_box_goes_on(box):
    def fails(x):
        raise ValueError("no such x")

    for name, arguments, message in (
        ("calls", (fails, np.zeros(2)), "RuntimeError: no such x"),
        ("other", (square,), "WireError: an array of float16 cannot be sent"),
    ):
        with pytest.raises(Failure, match=message):
            box.call(name, *arguments)
        box.forget()
    assert np.array_equal(box.call("calls", square, np.full(2, 3.0))[0], [9, 9])


def test_what_a_submission_lets_the_grader_keep_has_a_limit():
    served = Served()
    part, large = served.part(square), np.broadcast_to(0.0, KEPT // 4 * 3)
    assert served.answer(part, "call", [large])[0] == "ok"
    assert served.answer(part, "call", [large]) == [
        "error",
        f"the arrays of all calls hold more than {KEPT} numbers: use fewer or smaller ones",
    ]


def test_a_gradient_check_counts_as_the_forwards_that_it_makes():
    served = Served()
    part, x = served.part(BatchNorm2d(2)), np.zeros(CHECKED)
    for _ in range(KEPT // (CHECKED * (FORWARDS + 1))):
        assert served.answer(part, "gradients", [x, True, None]) == ["ok", None]  # x does not fit
    assert served.answer(part, "gradients", [x, True, None])[0] == "ok"
    assert served.answer(part, "gradients", [x, True, None])[0] == "error"


def test_what_numpy_reads_late_is_there(box):
    assert np.array_equal(box.call("late", np.ones(2)), np.ones(2))


@pytest.mark.parametrize(
    "request_",
    [(), (1, 2), (None, "forward", []), ("x", "__class__", [1]), (1, "call", None), (1, "gradients", [None, True, []])],
)
def test_requests_that_are_none(request_):
    assert Served().answer(*request_)[0] == "error"


def test_a_layer_is_one_of_minires_where_the_box_has_it(library):
    x = np.random.default_rng(0).standard_normal((3, 2, 4, 4))
    assert library.call("checked", layer(), x) < 1e-9
    assert library.call("checked", Residual(Conv2d(2, 2, 1, rng=0)), x) < 1e-9


def test_it_computes_what_the_layer_of_the_grader_computes(library):
    rng, mine = np.random.default_rng(0), layer().to(dtype=np.float64)
    x, dy = rng.standard_normal((3, 2, 4, 4)), rng.standard_normal((3, 3, 4, 4))
    right = copy.deepcopy(mine)
    y, dx, dweight, moved = library.call("trained", mine, x, dy)
    before = right.at("bn").running_mean.data.copy()
    expected, cache = right.forward(x, True)
    assert np.allclose(y, expected, rtol=1e-12, atol=0)
    assert np.allclose(dx, right.backward(dy, cache), rtol=1e-12, atol=0)
    assert np.allclose(dweight, right.at("conv").weight.grad, rtol=1e-12, atol=0)
    assert np.array_equal(moved, right.at("bn").running_mean.data - before)


def test_its_arrays_can_be_written(library):
    y, beta = library.call("zeroed", layer(), np.ones((1, 2, 3, 3), np.float32))
    assert not y.any() and np.array_equal(beta, np.zeros(3))


def test_minires_is_there_to_be_read_alone(library):
    assert library.call("path").endswith("minires/__init__.py")
    if library.tier is not TRUST:
        with pytest.raises(Failure, match="Error: .*Read-only|Permission denied|not permitted"):
            library.call("write")


@pytest.mark.parametrize("tier", boxes())
def test_a_box_with_minires_holds_as_one_without(tier, tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("canary")
    canary.chmod(0o666)
    with Box(tier(), minires=True) as box:
        box.load((INSIDE / "probes.py").read_text())
        tried = box.call("probe", str(canary), "SECRET")
    assert len(tried) == 10
    assert [name for name, failed in tried if not failed] == ["look_around"], "which imports minires"


def test_all_of_minires_is_there_but_the_classroom_which_has_the_answers(library):
    assert library.call("late") == "minires.mutants.linear"
    if library.tier is not TRUST:
        for name, message in (
            ("answer", "minires.classroom|cannot import|denied"),
            ("answer_by_path", "ZeroDivision|denied"),
        ):
            with pytest.raises(Failure, match=message):
                library.call(name)


def test_without_a_word_it_is_not_there():
    with Box(TRUST) as box, pytest.raises(Failure, match="No module named 'minires'"):
        box.load("import minires")
