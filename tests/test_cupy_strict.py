"""The stand-in for CuPy: it catches what NumPy forgives, permits what CuPy permits, and gives NumPy's numbers."""

import copy
import inspect
import pickle

import numpy as np
import pytest
from conftest import PARAMS, np_of
from cupy_strict import counters
from cupy_strict.snapshot import snapshot
from cupy_strict.table import NAMES
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 5)).astype(np.float32)
LABELS = np.array([2, 0, 4, 2])


def assign(a, key, value):
    a[key] = value
    return a


def errstate(xp, x):
    with xp.errstate(all="ignore"):
        return xp.exp(x)


def strided(xp, x, shape, strides, **options):
    return xp.lib.stride_tricks.as_strided(x, shape, strides, **options)


def border_of_empty(xp, x):
    padded = xp.empty((6, 7), dtype=x.dtype)
    padded[1:-1, 1:-1] = x
    return padded.sum()


# What each is, what the stand-in does about it (an exception, a kind of event, or "nan"), the code.
# Every row runs on NumPy. xp: the module, x: (4, 5) float32, labels: (4,) int64
MISTAKES = [
    ("a NumPy array mixed in", TypeError, lambda xp, x, labels: x * np.ones((1, 5), np.float32)),
    ("a NumPy array mixed in from the left", TypeError, lambda xp, x, labels: np.ones((1, 5), np.float32) * x),
    ("a device array added to host zeros", TypeError, lambda xp, x, labels: assign(np.zeros((4, 5)), ..., x)),
    ("a list as an operand", TypeError, lambda xp, x, labels: xp.divide(x, [[2]])),
    ("a list in where", TypeError, lambda xp, x, labels: xp.where(x > 0, x, [0, 0, 0, 0, 0])),
    ("a list of indices for take", TypeError, lambda xp, x, labels: xp.take(x, [0, 2], axis=0)),
    ("a list added by an operator", TypeError, lambda xp, x, labels: x + [1, 2, 3, 4, 5]),
    ("a NumPy function", TypeError, lambda xp, x, labels: np.sqrt(x * x)),
    ("a NumPy function of two arrays", TypeError, lambda xp, x, labels: np.add(x, x)),
    ("a NumPy function that is no ufunc", TypeError, lambda xp, x, labels: np.concatenate([x, x])),
    ("a conversion by NumPy", TypeError, lambda xp, x, labels: np.asarray(x)),
    ("a host array given to a reduction", TypeError, lambda xp, x, labels: xp.sum(np.ones(3))),
    ("ufunc where=", TypeError, lambda xp, x, labels: xp.maximum(x, 0, out=xp.zeros_like(x), where=x > 0)),
    ("reduction where=", TypeError, lambda xp, x, labels: x.sum(axis=0, where=True)),
    ("reduction initial=", TypeError, lambda xp, x, labels: x.max(axis=1, keepdims=True, initial=-1e9)),
    ("maximum.reduce", NotImplementedError, lambda xp, x, labels: xp.maximum.reduce(x, axis=1, keepdims=True)),
    ("einsum(out=)", TypeError, lambda xp, x, labels: xp.einsum("nc->n", x, out=xp.empty(4, dtype=x.dtype))),
    ("matmul with out in third place", TypeError, lambda xp, x, labels: xp.matmul(x, x.T, xp.empty((4, 4)))),
    ("a host array as out=", TypeError, lambda xp, x, labels: xp.exp(x, out=np.empty((4, 5), np.float32))),
    ("as_strided(writeable=)", TypeError, lambda xp, x, labels: strided(xp, x, x.shape, x.strides, writeable=False)),
    ("astype(casting=)", TypeError, lambda xp, x, labels: x.astype(np.float64, casting="safe")),
    ("the missing name errstate", AttributeError, lambda xp, x, labels: errstate(xp, x)),
    ("the missing name block", AttributeError, lambda xp, x, labels: xp.block([labels, labels])),
    ("the missing name insert", AttributeError, lambda xp, x, labels: xp.insert(labels, 0, 0)),
    ("the missing name vecdot", AttributeError, lambda xp, x, labels: xp.vecdot(x, x)),
    ("the missing name True_", AttributeError, lambda xp, x, labels: xp.True_),
    ("random numbers on the device", NotImplementedError, lambda xp, x, labels: xp.random.default_rng(0).normal()),
    ("a device scalar as a Python int", TypeError, lambda xp, x, labels: list(range(labels.max()))),
    ("a device scalar as a shape", TypeError, lambda xp, x, labels: xp.zeros(labels.max())),
    ("a host array assigned to a slice", ValueError, lambda xp, x, labels: assign(x, np.s_[:, :1], np.zeros((4, 1)))),
    ("a host array copied by copyto", TypeError, lambda xp, x, labels: xp.copyto(x, np.zeros((4, 5), np.float32))),
    ("one place assigned twice", RuntimeError, lambda xp, x, labels: assign(x[0], labels, xp.arange(4))),
    ("the writeable flag", AttributeError, lambda xp, x, labels: x.flags.writeable),
    ("a view outside the memory", IndexError, lambda xp, x, labels: strided(xp, x, (4, 6), x.strides)),
    ("float() of a loss", "syncs", lambda xp, x, labels: float(x.sum())),
    ("item() of a loss", "syncs", lambda xp, x, labels: x.sum().item()),
    ("a loss in an f-string", "syncs", lambda xp, x, labels: f"{x.sum():.3f}"),
    ("a branch on a device value", "syncs", lambda xp, x, labels: 1 if xp.isnan(x.sum()) else 0),
    ("a branch on allclose", "syncs", lambda xp, x, labels: 1 if xp.allclose(x, x) else 0),
    ("a boolean mask assigned", "syncs", lambda xp, x, labels: assign(x, x <= 0, 0)),
    ("a boolean mask read", "syncs", lambda xp, x, labels: x[x > 0]),
    ("unique", "syncs", lambda xp, x, labels: xp.unique(labels)),
    ("where with one argument", "syncs", lambda xp, x, labels: xp.where(x > 0)),
    ("sliding_window_view", "syncs", lambda xp, x, labels: xp.lib.stride_tricks.sliding_window_view(x, 2, 1)),
    ("pickling", "syncs", lambda xp, x, labels: pickle.dumps(x)),
    ("indexing by a NumPy array", "hidden", lambda xp, x, labels: x[np.arange(4), labels]),
    ("indexing by a list", "hidden", lambda xp, x, labels: x[[0, 2]]),
    ("a host value assigned by index", "hidden", lambda xp, x, labels: assign(x, xp.arange(2), np.ones((2, 5)))),
    ("add.at", "atomics", lambda xp, x, labels: xp.add.at(x, (slice(None), labels), 1)),
    ("batched product of a transposed view", "copies", lambda xp, x, labels: xp.matmul(x[None], x.T[None])),
    ("reshape of a transposed view", "copies", lambda xp, x, labels: x.T.reshape(-1)),
    ("product of every second column", "copies", lambda xp, x, labels: x[:, ::2] @ x[:3]),
    ("tensordot of middle axes", "copies", lambda xp, x, labels: xp.tensordot(x.reshape(2, 2, 5), x[:, :2], (1, 1))),
    ("einsum over channels", "copies", lambda xp, x, labels: xp.einsum("ncp,fc->nfp", x.reshape(2, 2, 5), x[:3, :2])),
    ("a NumPy float64 scalar", "leaks", lambda xp, x, labels: x + np.float64(0.1) * x),
    ("a NumPy float64 scalar from the left", "leaks", lambda xp, x, labels: np.sqrt(2.0) * x),
    ("an array of Python floats", "leaks", lambda xp, x, labels: x / xp.sqrt(x * x + xp.full(x.shape, 1e-5))),
    ("a float64 array in where", "leaks", lambda xp, x, labels: xp.where(x > 0, x, xp.zeros(5))),
    ("a float64 operand of a product", "leaks", lambda xp, x, labels: x @ xp.eye(5)),
    ("empty taken for zeros", "nan", lambda xp, x, labels: border_of_empty(xp, x)),
]  # fmt: skip
rows = pytest.mark.parametrize("caught, mistake", [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])


@rows
def test_numpy_forgives(caught, mistake):
    with np.errstate(all="ignore"):
        mistake(np, X.copy(), LABELS.copy())


@rows
def test_the_stand_in_catches(strict, caught, mistake):
    x, labels = strict.asarray(X), strict.asarray(LABELS)
    if isinstance(caught, type):
        with pytest.raises(caught) as error:
            mistake(strict, x, labels)
        assert type(error.value) is caught  # not a subclass raised by chance
    elif caught == "nan":
        assert np.isnan(mistake(strict, x, labels).get())
    else:
        with strict.watch() as seen:
            mistake(strict, x, labels)
        events = getattr(seen, caught)
        assert events and all(" at test_cupy_strict.py:" in event for event in events)


def softmax(xp, x, labels):
    z = x - x.max(axis=1, keepdims=True)
    p = xp.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    return p - (labels[:, None] == xp.arange(5)).astype(x.dtype)


def batch_norm(xp, x, labels):
    x_hat = (x - x.mean(axis=0)) / xp.sqrt(x.var(axis=0) + 1e-5)
    return np.float32(0.9) * x_hat + 0.1


def pool(xp, x, labels):
    out = xp.full((2, 3), -np.inf, dtype=x.dtype)
    for i in range(2):
        for j in range(2):
            view = x[i : i + 3 : 2, j : j + 4 : 2][:, :2]
            out[:, :2] = xp.maximum(out[:, :2], view)
    return xp.where(xp.isfinite(out), out, 0)


def windows(xp, x, labels):
    s, t = x.strides
    return xp.lib.stride_tricks.as_strided(x, (3, 4, 2, 2), (s, t, s, t)).transpose(2, 3, 0, 1).sum(axis=(0, 1))


def in_place(xp, x, labels):
    y = x.copy()
    y[1:3] *= 2
    y[::-2, 1:] -= y[:1, 1:]
    y[0] = 3
    y[..., 4] = xp.arange(4)
    y[xp.arange(4), labels] += 1
    return y


def complex_step(xp, x, labels):
    z = x.astype(np.complex128)
    z[0, 0] += 1e-20j
    return xp.where(z.real > 0, z * z, 0 * z).sum(axis=1).imag


# What layers do, with no event but launches; (4, 5) float32 and (4,) int64 in, one array out
ALLOWED = {f.__name__: f for f in (softmax, batch_norm, pool, windows, in_place, complex_step)} | {
    "strides of a view": lambda xp, x, labels: strided(xp, x[1:3, ::-1], (3, 2), x[1:3, ::-1].strides),
    "matmul": lambda xp, x, labels: x.T @ x,
    "matmul out": lambda xp, x, labels: xp.matmul(x, x.T, out=xp.empty((4, 4), dtype=x.dtype)),
    "batched matmul": lambda xp, x, labels: x.reshape(2, 2, 5) @ x.reshape(2, 5, 2),
    "dot": lambda xp, x, labels: xp.dot(x, x[0]),
    "vdot": lambda xp, x, labels: xp.vdot(x, x),
    "tensordot": lambda xp, x, labels: xp.tensordot(x.reshape(2, 2, 5), x, axes=((2,), (1,))),
    "einsum": lambda xp, x, labels: xp.einsum("nc,mc->nm", x, x),
    "einsum of one": lambda xp, x, labels: xp.einsum("nc->c", x),
    "norm": lambda xp, x, labels: xp.linalg.norm(x, axis=1),
    "pad": lambda xp, x, labels: xp.pad(x, ((1, 0), (2, 1)), mode="constant", constant_values=3),
    "concatenate": lambda xp, x, labels: xp.concatenate([x, -x], axis=1),
    "stack": lambda xp, x, labels: xp.stack([x, xp.abs(x)]),
    "array of arrays": lambda xp, x, labels: xp.asarray([x[0], x[1]]),
    "zeros": lambda xp, x, labels: xp.zeros((2, 3), dtype=x.dtype) + xp.zeros_like(x)[:2, :3],
    "ones": lambda xp, x, labels: xp.ones(3, np.int8) * xp.eye(3, dtype=x.dtype)[xp.arange(3)],
    "ufuncs": lambda xp, x, labels: xp.log(xp.abs(xp.tanh(x)) + 1) * xp.sign(x) - xp.minimum(x, 0) ** 2,
    "clip": lambda xp, x, labels: xp.clip(x, -0.5, 0.5) + x.clip(0, 1),
    "take": lambda xp, x, labels: xp.take(x, labels, axis=1) + xp.repeat(x[:, :1], 4, axis=1),
    "argsort": lambda xp, x, labels: xp.argsort(x, axis=None),
    "meshgrid": lambda xp, x, labels: xp.meshgrid(x[0], x[1])[1],
    "argmax": lambda xp, x, labels: x.argmax(axis=1) == labels,
    "cumsum": lambda xp, x, labels: xp.cumsum(x, axis=1),
    "take_along_axis": lambda xp, x, labels: xp.take_along_axis(x, labels[:, None], axis=1),
    "broadcast_to": lambda xp, x, labels: xp.broadcast_to(x[:, :1], (4, 7)),
    "swapaxes": lambda xp, x, labels: x.swapaxes(0, 1)[::-1].reshape(-1),
    "flip": lambda xp, x, labels: xp.flip(x, axis=1),
    "view": lambda xp, x, labels: x.view(np.int32),
    "fill": lambda xp, x, labels: [y := xp.empty(3), y.fill(2), y][0],
    "allclose": lambda xp, x, labels: xp.allclose(x, x + 1e-9),
    "array_equal": lambda xp, x, labels: xp.array_equal(x, -x),
    "scalars": lambda xp, x, labels: 1 / (2 - (3 * x - 1)) + x // 2 + x % 2,
    "a 0-d result": lambda xp, x, labels: (x.mean() + 1) * x[0, 0],
    "an integer mean": lambda xp, x, labels: labels.mean(),
    "an explicit float64": lambda xp, x, labels: x.sum(dtype=np.float64) + x.astype(np.float64),
    "deepcopy": lambda xp, x, labels: copy.deepcopy(x),
    "power": lambda xp, x, labels: (x - x.mean()) ** 2,
    "mask": lambda xp, x, labels: x * (x > 0) + ~(x > 0),
}
COPYING = ("einsum", "swapaxes")  # permitted, but CuPy copies an operand on the way
NO_EVENTS = {kind: 0 for kind in counters.KINDS if kind not in ("launches", "allocations")}


@pytest.mark.parametrize("xp", [p for p in PARAMS if p != "numpy"], indirect=True)
@pytest.mark.parametrize("code", ALLOWED.values(), ids=ALLOWED)
def test_allowed_code_gives_the_numbers_of_numpy(xp, code):
    expected = np.asarray(code(np, X.copy(), LABELS.copy()))
    found = code(xp, xp.asarray(X), xp.asarray(LABELS))
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(np_of(found), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed_code_stays_on_the_device(strict, name):
    x, labels = strict.asarray(X), strict.asarray(LABELS)
    with strict.watch() as seen:
        assert isinstance(ALLOWED[name](strict, x, labels), strict.ndarray)
    assert {kind for kind in NO_EVENTS if getattr(seen, kind)} == ({"copies"} if name in COPYING else set())


@given(st.data())
def test_basic_indices_read_and_write_the_same_places_as_in_numpy(strict, data):
    shape = data.draw(hnp.array_shapes(max_dims=4))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    host = np.arange(np.prod(shape)).reshape(shape)
    x = strict.asarray(host)
    view = x[index]
    np.testing.assert_array_equal(view.get(), host[index])
    view += 1000  # a view also where no axis is left; in NumPy that would be a copy
    host[index] += 1000
    np.testing.assert_array_equal(x.get(), host)


@given(st.data())
def test_operators_promote_as_in_numpy(strict, data):
    dtypes = st.sampled_from([np.int32, np.int64, np.float32, np.float64, np.complex64, np.complex128])
    a = np.array([1, 2, 3], dtype=data.draw(dtypes))
    other = data.draw(dtypes)
    b = data.draw(st.sampled_from([2, 2.0, 2j, other(2), np.array([1, 2, 4], other)]))
    device_b = strict.asarray(b) if isinstance(b, np.ndarray) else b
    for operator in ("__add__", "__rsub__", "__mul__", "__truediv__", "__pow__", "__eq__"):
        expected = np.power(a, b) if operator == "__pow__" else getattr(a, operator)(b)  # ** differs before NumPy 2.3
        found = getattr(strict.asarray(a), operator)(device_b)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found.get(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "launches, code",
    [
        (3, lambda xp, x: x.var(axis=0)),
        (2, lambda xp, x: x * (x > 0)),
        (2, lambda xp, x: xp.where(x > 0, x, 0)),
        (2, lambda xp, x: xp.pad(x, 1)),
        (3, lambda xp, x: xp.linalg.norm(x)),
        (1 + 6, lambda xp, x: xp.take_along_axis(x, x.argmax(axis=1, keepdims=True), axis=1)),
        (0, lambda xp, x: xp.split(x.reshape(5, 4).T, 2)),
        (1, lambda xp, x: x.T @ x),
    ],
)
def test_launches_are_those_measured_on_cupy(strict, launches, code):
    x = strict.asarray(X)
    with strict.watch() as seen:
        code(strict, x)
    assert len(seen.launches) == launches


def test_indices_out_of_bounds_raise_where_cupy_wraps(strict):
    x, far = strict.asarray(X), strict.asarray([0, 4])
    for call in (lambda: x[far], lambda: assign(x, far, 0), lambda: x.take(far, axis=0)):
        with pytest.raises(IndexError):
            call()


def test_empty_memory_is_poisoned_in_every_dtype(strict):
    assert np.isnan(strict.empty(2, np.complex64).get()).all()
    assert (strict.empty_like(strict.zeros(2, np.int8)).get() == 127).all()


def test_pickles_and_copies_are_independent(strict):
    x = strict.asarray(X)
    for twin in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        twin.fill(0)
        np.testing.assert_array_equal(x.get(), X)


def test_results_are_c_contiguous_as_in_cupy(strict):
    x = strict.asarray(X).T
    assert x.flags.f_contiguous and not x.flags["C_CONTIGUOUS"]
    for y in (x + x, strict.exp(x), x.cumsum(axis=0), strict.concatenate([x, x]), x[strict.arange(2)], x.copy()):
        assert y.flags.c_contiguous
    assert x.astype(np.float64).flags.f_contiguous


def test_asarray_copies_only_where_it_must(strict):
    x = strict.asarray(X)
    with strict.budget(launches=0, uploads=0):
        assert strict.asarray(x) is x
        assert strict.asarray(x, dtype=np.float32) is x
    assert strict.array(x) is not x
    assert strict.asarray(X.astype(">f4")).dtype.isnative


def test_set_fills_a_fixed_buffer(strict):
    x = strict.zeros((4, 5), dtype=np.float32)
    with strict.budget(uploads=1, syncs=0, launches=0):
        x.set(X)
    np.testing.assert_array_equal(x.get(), X)
    with pytest.raises(TypeError, match="float64 array cannot be set to float32 array"):
        x.set(X.astype(np.float64))


def test_names_are_those_of_cupy(strict):
    assert set(NAMES["ns"]) <= set(dir(strict))
    with pytest.raises(NotImplementedError, match="cupy.interp exists, but cupy_strict does not model it"):
        strict.interp(1, 2, 3)
    for use in (lambda x: x.partition(1), lambda x: x.flat):
        with pytest.raises(NotImplementedError, match="cupy.ndarray.(partition|flat) exists"):
            use(strict.asarray(X))


def test_a_budget_names_the_events_and_their_places(strict):
    x = strict.asarray(X)
    with pytest.raises(AssertionError) as caught, strict.budget(syncs=1, launches=9):
        float(x.sum())
        line = inspect.currentframe().f_lineno
        float(x.mean())
    places = [f"  float at test_cupy_strict.py:{n}" for n in (line - 1, line + 1)]
    assert str(caught.value).split("\n")[:4] == ["over budget", "2 syncs, at most 1 allowed:", *places]
    with strict.watch() as outer, strict.budget(syncs=1) as inner:
        float(x[0, 0])
    float(x[0, 0])  # after the block: not counted
    assert len(outer.syncs) == len(inner.syncs) == len(inner.downloads) == 1


def test_a_budget_lets_other_errors_pass_and_knows_its_kinds(strict):
    with pytest.raises(KeyError), strict.budget(syncs=0):
        float(strict.zeros(()))
        raise KeyError
    with pytest.raises(TypeError, match="unknown kind 'sync', expected one of launches, syncs"):
        with strict.budget(sync=0):
            pass


def test_the_table_is_that_of_the_installed_cupy():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: the table of names cannot be compared")
    found = snapshot(cupy)
    differences = {
        (part, name)
        for part in ("ns", "ndarray")
        for name in {*found[part], *NAMES[part]}
        if found[part].get(name, "missing") != NAMES[part].get(name, "missing")
    }
    assert not differences, "write the table anew: PYTHONPATH=tests python -m cupy_strict.snapshot"
    assert found == NAMES


REFUSED_IN_A_CAPTURE = {
    "a result": lambda xp, x: x + 1,
    "memory": lambda xp, x: xp.empty((3,)),
    "zeros": lambda xp, x: xp.zeros((3,)),
    "an upload": lambda xp, x: x.set(np.zeros((2, 3), np.float32)),
    "a download": lambda xp, x: x.get(),
    "a number": lambda xp, x: float(x[0, 0]),
    "waiting": lambda xp, x: xp.cuda.Device().synchronize(),
    "an assignment": lambda xp, x: x.__setitem__(..., x),
}


@pytest.mark.parametrize("name", REFUSED_IN_A_CAPTURE)
def test_a_capture_refuses_what_a_graph_cannot_hold(strict, name):
    x, stream = strict.ones((2, 3), dtype="float32"), strict.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        with pytest.raises(RuntimeError, match="capturing"):
            REFUSED_IN_A_CAPTURE[name](strict, x)
        stream.end_capture()
    assert float(x.sum()) == 6, "afterwards all is as before"


def test_a_graph_does_later_what_was_captured_and_counts_as_one_launch(strict):
    x, y = strict.ones((3,), dtype="float32"), strict.ones((3,), dtype="float32")
    stream = strict.cuda.Stream(non_blocking=True)
    with strict.watch() as seen, stream:
        stream.begin_capture()
        x.fill(2)
        y.fill(3)
        graph = stream.end_capture()
    assert (float(x.sum()), len(seen.launches)) == (3, 0), "nothing has run"
    for value in (7, 8):
        x.fill(value)
        with strict.watch() as seen:
            graph.launch()
        assert (float(x.sum()), float(y.sum()), len(seen.launches)) == (6, 9, 1)


def test_a_capture_needs_a_stream_of_its_own_that_is_in_use(strict):
    for stream in (strict.cuda.Stream.null, strict.cuda.Stream()):
        with pytest.raises(RuntimeError, match="capture"):
            stream.begin_capture()


def test_allocations_are_counted_and_views_are_none(strict):
    with strict.watch() as seen:
        x = strict.empty((4, 5), dtype="float32")
        x[1:, 2].reshape(-1), x.view("uint8"), x.T
    assert [event.split(" at ")[0] for event in seen.allocations] == ["80 bytes"]
