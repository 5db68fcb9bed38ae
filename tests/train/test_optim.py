"""Optimisers against PyTorch, against the equations by hand, and under the budget of a GPU."""

import math

import numpy as np
import pytest
from conftest import np_of, to_xp
from cupy_strict import budget
from oracles import optimisers

from minires.errors import DTypeError, RangeError, StateError
from minires.layers import Linear, Param
from minires.train import SGD, AdamW, clip_gradients, cosine, optim

SHAPES = {"fc.weight": (3, 4), "fc.bias": (3,), "scale": ()}
SGDS = [
    {"momentum": 0.0},
    {"momentum": 0.9},
    {"momentum": 0.9, "weight_decay": 0.01},
    {"momentum": 0.8, "nesterov": True, "weight_decay": 0.01},
    {"momentum": 0.0, "weight_decay": 0.3},
]
ADAMS = [{}, {"weight_decay": 0.0}, {"betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.1}, {"betas": (0.0, 0.0)}]
SCALAR_RATES = [(SGD, {"scalar_rate": 0.1, "weight_decay": 0.1}), (AdamW, {"scalar_rate": 0.3, "weight_decay": 0.1})]
OPTIMISERS = [*((SGD, settings) for settings in SGDS), *((AdamW, settings) for settings in ADAMS)]


def params_of(xp=np, dtype="float64"):
    rng = np.random.default_rng(0)
    return [(path, Param(to_xp(xp, rng.normal(size=shape).astype(dtype)))) for path, shape in SHAPES.items()]


def train(optimiser, params, steps=6, dtype="float64", xp=np):
    """Steps with random gradients and a learning rate that changes; returns the final values."""
    rng = np.random.default_rng(1)
    for k in range(steps):
        for _, p in params:
            p.grad[...] = to_xp(xp, rng.normal(size=p.data.shape).astype(dtype))
        optimiser.step(0.1 / (k + 1))
    return {path: np_of(p.data).copy() for path, p in params}


@pytest.mark.parametrize(("kind", "settings"), OPTIMISERS, ids=str)
def test_parts_of_large_arrays_give_the_same_bits(kind, settings, monkeypatch):
    found = []
    for part in (optim.PART, 8, 1):
        monkeypatch.setattr(optim, "PART", part)
        params = params_of()
        found.append(train(kind(params, 0.5, **settings), params))
    for path in SHAPES:
        assert found[0][path].tobytes() == found[1][path].tobytes() == found[2][path].tobytes()


@pytest.mark.parametrize(("kind", "settings"), OPTIMISERS, ids=str)
def test_equals_pytorch(kind, settings):
    torch = pytest.importorskip("torch")
    params = params_of()
    twins = [torch.nn.Parameter(torch.tensor(p.data)) for _, p in params]
    ours = train(kind(params, 0.5, **settings), params)
    theirs = (torch.optim.SGD if kind is SGD else torch.optim.AdamW)(twins, 0.5, **settings)
    rng = np.random.default_rng(1)
    for k in range(6):
        theirs.param_groups[0]["lr"] = 0.1 / (k + 1)
        for twin in twins:
            twin.grad = torch.tensor(rng.normal(size=tuple(twin.shape)))
        theirs.step()
    for (path, found), twin in zip(ours.items(), twins):
        np.testing.assert_allclose(found, twin.detach().numpy(), rtol=1e-13, atol=1e-13, err_msg=path)


@pytest.mark.parametrize("size", [1.0, 1e-7])  # small gradients show eps
@pytest.mark.parametrize(("kind", "settings"), [*OPTIMISERS, *SCALAR_RATES, (AdamW, None), (SGD, {})], ids=str)
def test_equals_the_rule_of_one_number(kind, settings, size):
    """Each number by itself; None are the settings and the rate by default. The first one is frozen for two steps."""
    params, rng = params_of(), np.random.default_rng(1)
    rates = [0.1, 0.05, 0.0, 0.2, 0.1] if settings is not None else [1e-3] * 5
    optimiser = kind(params, 0.5, **settings) if settings is not None else kind(params)
    rule = optimisers.sgd if kind is SGD else optimisers.adamw
    before, gradients = [p.data.copy() for _, p in params], []
    for k, rate in enumerate(rates):
        gradients.append([size * rng.normal(size=p.data.shape) for _, p in params])
        for (_, p), gradient in zip(params, gradients[-1]):
            p.grad[...] = gradient
        params[0][1].frozen = k in (1, 2)
        optimiser.step(*[rate][: settings is not None])
    for i, (path, p) in enumerate(params):
        for at in np.ndindex(p.data.shape):
            of_one = [None if i == 0 and k in (1, 2) else g[i][at] for k, g in enumerate(gradients)]
            of_rule = dict(settings or {})
            scalar_rate = of_rule.pop("scalar_rate", 1)
            own = [scalar_rate * rate if path == "scale" else rate for rate in rates]
            expected = rule(before[i][at], of_one, own, **of_rule)
            assert p.data[at] == pytest.approx(expected, rel=1e-12, abs=1e-14), (path, at)


def test_what_a_checkpoint_holds():
    (_, p), *_ = params = [("w", Param(np.ones((2, 3), np.float32)))]
    found = {path: (b.data.dtype, b.data.shape) for path, b in AdamW(params).tensors()}
    assert found == {"steps": (np.int64, (1,)), "mean.w": (np.float32, (2, 3)), "square.w": (np.float32, (2, 3))}
    assert [path for path, _ in SGD(params, 0.1).tensors()] == ["velocity.w"]
    assert not list(SGD(params, 0.1, momentum=0).tensors())


def test_an_optimiser_shows_its_settings():
    found = repr(SGD(params_of(), 0.1, momentum=0.5))
    expected = "lr=0.1, momentum=0.5, nesterov=False, weight_decay=0.0, decay_all=True, scalar_rate=1.0"
    assert found == f"<SGD of 3 parameters, {expected}>"
    found = repr(AdamW(params_of(), decay_all=False))
    expected = "lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, decay_all=False, scalar_rate=1.0"
    assert found == f"<AdamW of 3 parameters, {expected}>"


def test_the_defaults_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    params = params_of()
    twins = [torch.nn.Parameter(torch.tensor(p.data)) for _, p in params]
    ours, theirs = AdamW(params), torch.optim.AdamW(twins)
    for k in range(3):
        for (_, p), twin in zip(params, twins):
            p.grad[...] = k + p.data
            twin.grad = torch.tensor(p.grad.copy())
        ours.step()
        theirs.step()
    for (path, p), twin in zip(params, twins):
        np.testing.assert_allclose(p.data, twin.detach().numpy(), rtol=1e-13, err_msg=path)


def test_sgd_by_hand():
    p = Param(np.array([2.0]))
    optimiser = SGD([("w", p)], 0.1, momentum=0.5, weight_decay=0.25)
    p.grad[...] = 1.0
    optimiser.step()  # g = 1 + 0.25 * 2 = 1.5 = v
    assert p.data == pytest.approx(2 - 0.15)
    optimiser.step()  # g = 1 + 0.25 * 1.85 = 1.4625, v = 0.75 + g
    assert p.data == pytest.approx(1.85 - 0.1 * 2.2125)


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_spares_vectors_the_weight_decay(kind):
    params = params_of()
    before = {path: p.data.copy() for path, p in params}
    kind(params, 0.1, weight_decay=0.5, decay_all=False).step()  # all gradients are zero
    after = {path: p.data for path, p in params}
    assert (after["fc.bias"] == before["fc.bias"]).all() and after["scale"] == before["scale"]
    np.testing.assert_allclose(after["fc.weight"], before["fc.weight"] * 0.95, rtol=1e-12)


@pytest.mark.parametrize(("kind", "settings"), OPTIMISERS, ids=str)
def test_single_numbers_have_their_part_of_the_learning_rate(kind, settings):
    torch = pytest.importorskip("torch")
    params = [*params_of(), ("gain", Param(np.array([1.5])))]
    twins = [torch.nn.Parameter(torch.tensor(p.data)) for _, p in params]
    ours = train(kind(params, 0.5, scalar_rate=0.1, **settings), params)
    groups = [{"params": twins[:2]}, {"params": twins[2:]}]
    theirs = (torch.optim.SGD if kind is SGD else torch.optim.AdamW)(groups, 0.5, **settings)
    rng = np.random.default_rng(1)
    for k in range(6):
        for group, part in zip(theirs.param_groups, (1, 0.1)):
            group["lr"] = part * 0.1 / (k + 1)
        for twin in twins:
            twin.grad = torch.tensor(rng.normal(size=tuple(twin.shape)))
        theirs.step()
    for (path, found), twin in zip(ours.items(), twins):
        np.testing.assert_allclose(found, twin.detach().numpy(), rtol=1e-13, atol=1e-13, err_msg=path)


@pytest.mark.parametrize(("kind", "settings"), OPTIMISERS, ids=str)
def test_updates_in_place_and_keeps_float32(xp, kind, settings):
    params = params_of(xp, "float32")
    arrays = [p.data for _, p in params]
    expected_params = params_of(dtype="float32")
    expected = train(kind(expected_params, 0.5, **settings), expected_params, dtype="float32")
    optimiser = kind(params, np.float64(0.5), **settings)
    found = train(optimiser, params, dtype="float32", xp=xp)
    assert all(p.data is array and p.data.dtype == np.float32 for (_, p), array in zip(params, arrays))
    assert all(b.data.dtype == np.float32 for path, b in optimiser.tensors() if path != "steps")
    for path in expected:
        np.testing.assert_allclose(found[path], expected[path], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("kind", "settings"), OPTIMISERS, ids=str)
def test_never_waits_for_a_gpu(strict, kind, settings):
    params = params_of(strict, "float32")
    optimiser = kind(params, 0.5, **settings)
    with budget(syncs=0, uploads=0, hidden=0, downloads=0, leaks=0, copies=0):
        optimiser.step(0.1)


@pytest.mark.parametrize(("kind", "settings"), OPTIMISERS, ids=str)
def test_goes_on_from_its_tensors(kind, settings):
    """The tensors are the whole state: copied into a new optimiser, they lead to the same bits."""
    params, twins = params_of(), params_of()
    optimiser, twin = kind(params, 0.5, **settings), kind(twins, 0.5, **settings)
    train(optimiser, params, steps=3)
    for (_, p), (_, q) in zip(params, twins):
        q.data[...] = p.data
    for (path, buffer), (same, other) in zip(optimiser.tensors(), twin.tensors(), strict=True):
        assert path == same
        other.data[...] = buffer.data
    a, b = train(optimiser, params), train(twin, twins)
    assert all((a[path] == b[path]).all() for path in a)


@pytest.mark.parametrize("lr", [0, -0.1, math.nan, math.inf])
@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_refuses_learning_rates(kind, lr):
    with pytest.raises(RangeError, match=f"{kind.__name__}: lr is .* expected a finite number above 0"):
        kind(params_of(), lr)
    if lr != 0:
        with pytest.raises(RangeError, match=f"{kind.__name__}: lr is .* expected a finite number of at least 0"):
            kind(params_of(), 0.1).step(lr)


@pytest.mark.parametrize(("kind", "settings"), OPTIMISERS, ids=str)
def test_a_learning_rate_of_zero_moves_no_parameter_but_counts_as_a_step(kind, settings):
    """The schedules end at 0."""
    params, twins = params_of(), params_of()
    optimiser, twin = kind(params, 0.5, **settings), kind(twins, 0.5, **settings)
    for _, p in params + twins:
        p.grad[...] = 1
    before = [p.data.copy() for _, p in params]
    optimiser.step(cosine(100, lr=0.1, total=100))
    assert all((p.data == old).all() for (_, p), old in zip(params, before))
    twin.step(0.1)
    if not settings.get("weight_decay", kind is AdamW):
        state, expected = ([b.data for _, b in o.tensors()] for o in (optimiser, twin))
        assert all((a == b).all() for a, b in zip(state, expected, strict=True))


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (SGD, {"momentum": 1.0}, "momentum is 1.0, expected a number from 0 to below 1"),
        (SGD, {"momentum": -0.1}, "momentum is -0.1"),
        (SGD, {"momentum": math.nan}, "momentum is nan"),
        (SGD, {"weight_decay": -1e-4}, "weight_decay is -0.0001, expected a finite number of at least 0"),
        (SGD, {"momentum": 0.0, "nesterov": True}, "momentum is 0, nesterov needs more"),
        (SGD, {"scalar_rate": 0.0}, "scalar_rate is 0.0, expected a finite number above 0"),
        (AdamW, {"scalar_rate": math.inf}, "scalar_rate is inf"),
        (AdamW, {"betas": (0.9, 1.0)}, "betas is 1.0"),
        (AdamW, {"eps": 0.0}, "eps is 0.0"),
        (AdamW, {"weight_decay": math.nan}, "weight_decay is nan"),
    ],
)
def test_refuses_settings(kind, settings, message):
    with pytest.raises(RangeError, match=f"^{kind.__name__}: {message}"):
        kind(params_of(), 0.1, **settings)


def test_refuses_what_are_no_parameters():
    with pytest.raises(StateError, match="no parameters"):
        SGD([], 0.1)
    with pytest.raises(DTypeError, match="^SGD: lr is '0.1'"):
        SGD(params_of(), "0.1")
    with pytest.raises(DTypeError, match="holds a Param, expected pairs"):
        SGD([p for _, p in params_of()], 0.1)
    with pytest.raises(StateError, match="2 parameters are called 'fc.weight', expected 1"):
        SGD(params_of() + params_of(), 0.1)
    with pytest.raises(StateError, match="2 parameters are called 'scale', expected 1"):
        SGD(params_of() + params_of()[2:], 0.1)


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_notices_that_the_model_moved(kind, strict):
    for move in ({"dtype": np.float64}, {"device": "cuda"}):
        model = Linear(2, 2, rng=0)
        optimiser = kind(model.params(), 0.1)
        model.to(**move)
        with pytest.raises(StateError, match="make the optimiser after model.to"):
            optimiser.step()


@pytest.mark.parametrize(("kind", "settings"), OPTIMISERS, ids=str)
def test_a_parameter_that_thaws_begins_at_its_own_first_step(kind, settings):
    torch = pytest.importorskip("torch")
    params = params_of()
    twins = [torch.nn.Parameter(torch.tensor(p.data)) for _, p in params]
    ours = kind(params, 0.01, **settings)
    theirs = (torch.optim.SGD if kind is SGD else torch.optim.AdamW)(twins, 0.01, **settings)
    rng = np.random.default_rng(1)
    for k in range(60):
        params[0][1].frozen, params[1][1].frozen = k < 50, 20 <= k < 40
        for (_, p), twin in zip(params, twins):
            p.grad[...] = rng.normal(size=p.data.shape)
            twin.grad = None if p.frozen else torch.tensor(p.grad.copy())
        ours.step()
        theirs.step()
    for (path, p), twin in zip(params, twins):
        np.testing.assert_allclose(p.data, twin.detach().numpy(), rtol=1e-12, atol=1e-13, err_msg=path)


@pytest.mark.parametrize("optimizer", [SGD, AdamW])
def test_frozen_parameters_stay_as_they_are(optimizer):
    layer = Linear(3, 2, rng=0)
    layer.weight.frozen = True
    update = optimizer(layer.params(), 0.1, weight_decay=0.1)
    before = {name: p.data.copy() for name, p in layer.params()}
    for _, p in layer.params():
        p.grad += 1
    update.step()
    assert (layer.weight.data == before["weight"]).all()
    assert (layer.bias.data != before["bias"]).all()


@pytest.mark.parametrize("max_norm", [0.01, 1.0, 3.0, 1000.0])
def test_clipping_equals_pytorch(max_norm):
    torch = pytest.importorskip("torch")
    params, rng = params_of(), np.random.default_rng(3)
    twins = [torch.nn.Parameter(torch.tensor(p.data)) for _, p in params]
    for (_, p), twin in zip(params, twins):
        p.grad[...] = rng.normal(size=p.data.shape)
        twin.grad = torch.tensor(p.grad)
    norm = clip_gradients(params, max_norm)
    expected = torch.nn.utils.clip_grad_norm_(twins, max_norm)
    assert float(norm) == pytest.approx(expected.item(), rel=1e-13)
    for (path, p), twin in zip(params, twins):
        np.testing.assert_allclose(p.grad, twin.grad.numpy(), rtol=1e-13, err_msg=path)


def test_clipping_by_hand(xp):
    """3, 4 and 12 have the norm 13; the frozen one does not count and stays; float32 squares would overflow."""
    params = [(name, Param(to_xp(xp, np.zeros(2, np.float32)))) for name in ("a", "b", "frozen")]
    for (_, p), grad in zip(params, ([3e30, 4e30], [12e30, 0], [7, 7])):
        p.grad[...] = to_xp(xp, np.float32(grad))
    params[2][1].frozen = True
    assert float(clip_gradients(params, 1.0)) == pytest.approx(13e30)
    for (_, p), expected in zip(params, ([3 / 13, 4 / 13], [12 / 13, 0], [7, 7])):
        np.testing.assert_allclose(np_of(p.grad), expected, rtol=1e-6)
        assert p.grad.dtype == np.float32


@pytest.mark.parametrize(("max_norm", "factor"), [(10.0, 1), (5e-6, 5e-6 / 6e-6), (1e-6, 1 / 6)])
def test_clipping_of_one_small_gradient(max_norm, factor):
    """The 1e-6 of the docstring beside a norm of 5e-6; what is short enough stays as it is."""
    p = Param(np.zeros(2))
    p.grad[...] = [3e-6, -4e-6]
    clip_gradients([("w", p)], max_norm)
    assert p.grad == pytest.approx(np.array([3e-6, -4e-6]) * factor, rel=1e-12)


def test_clipping_waits_for_no_gpu(strict):
    params = params_of(strict, "float32")
    with budget(syncs=0, uploads=0, hidden=0, downloads=0):
        clip_gradients(params, 1.0)


@pytest.mark.parametrize("max_norm", [0, -1.0, math.inf, math.nan])
def test_clipping_refuses(max_norm):
    with pytest.raises(RangeError, match="max_norm is .*, expected a finite number above 0"):
        clip_gradients(params_of(), max_norm)
    (name, frozen), *_ = params_of()
    frozen.frozen = True
    with pytest.raises(StateError, match="all parameters are frozen"):
        clip_gradients([(name, frozen)], 1.0)
