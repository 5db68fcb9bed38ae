"""The ledger: terms add up to the gradient of the untouched model, wrong forks show, nothing is touched or shared."""

import copy
import dataclasses
import json
import math
import timeit
import tracemalloc

import numpy as np
import pytest
from conftest import np_of
from oracles import trunks
from oracles.trunks import VARIANTS

from minires import models
from minires.errors import DTypeError, RangeError, ShapeError, StateError
from minires.layers import Conv2d, Gate, Identity, Layer, Linear, ReLU, Residual, Scale, Sequential, Sigmoid
from minires.losses import MeanSquaredError, SoftmaxCrossEntropy
from minires.mutants import MUTANTS
from minires.trace import path_lengths, telescope, trace

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 2, 6, 6))
LABELS = np.array([0, 2, 1, 2])
DY = RNG.standard_normal((4, trunks.CLASSES))


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def gradients(model, x, dy, train):
    """{name of a unit: gradient of its input, behind it} by the backward of each unit of the model, and dx."""
    passed, y = [], x
    for name, layer in model.children():
        y, cache = layer.forward(y, train)
        passed.append((name, layer, cache))
    found = {}
    for name, layer, cache in reversed(passed):
        behind, dy = dy, layer.backward(dy, cache)
        found[name] = dy, behind
    return found, dy


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", VARIANTS)
def test_terms_add_up_to_the_backward_of_the_untouched_model(name, train):
    model = VARIANTS[name]()
    ledger = trace(model, X, dy=DY, train=train)
    at_units, dx = gradients(copy.deepcopy(model), X, DY, train)
    y, cache = model.forward(X, train)
    assert np.array_equal(ledger.dx, dx)
    assert np.array_equal(model.backward(DY, cache), dx)
    for record in ledger.blocks:
        g, behind = at_units[record.path]
        assert np.array_equal(record.outgoing, g)
        assert np.array_equal(record.incoming, behind)
        assert record.outgoing is ledger.g(record.index)
    for record in (*ledger.blocks, *ledger.forks):
        assert relative(sum(record.terms.values()), record.outgoing) < 1e-14
        assert all(term.shape == record.outgoing.shape for term in record.terms.values())
    assert [record.index for record in ledger.blocks] == list(range(len(ledger.blocks)))
    assert ledger.closure_error < 1e-12


@pytest.mark.parametrize("name", [name for name in VARIANTS if "dropout" not in name])
def test_operators_of_the_trunk_are_transposed_jacobians(name):
    model = VARIANTS[name]()
    ledger = trace(model, X[:2, :, :4, :4], dy=DY[:2])
    of_blocks = [found for found in trunks.matrices(model, X[:2, :, :4, :4]) if found[2] is not None]
    if name == "inception":
        of_blocks = [(unit, whole, 0 * whole) for unit, whole, _ in trunks.matrices(model, X[:2, :, :4, :4])]
    assert len(of_blocks) == len(ledger.blocks)
    for record, (unit, whole, way) in zip(ledger.blocks, of_blocks):
        assert record.path == unit
        u = record.incoming.ravel()
        assert relative(record.outgoing.ravel(), whole.T @ u) < 1e-12
        shortcut = record.terms.get("shortcut", 0 * record.outgoing)
        assert np.abs(shortcut.ravel() - way.T @ u).max() < 1e-12 * np.abs(record.outgoing).max()
        assert np.abs(record.residual.ravel() - (whole - way).T @ u).max() < 1e-12 * np.abs(record.outgoing).max()


@pytest.mark.parametrize("placement", ["relu_before_add", "relu_only_preact", "full_preact"])
def test_an_identity_shortcut_hands_the_gradient_on_bit_for_bit(placement):
    ledger = trace(trunks.blocks(placement, n=3, changes=()), X, dy=DY)
    for record in ledger.blocks:
        assert record.terms["shortcut"].tobytes() == record.incoming.tobytes()
        assert record.identity.tobytes() == ledger.g(3).tobytes()
        assert record.shortcut_scaling == 1.0
        assert record.identity_ratio == pytest.approx(np.linalg.norm(ledger.g(3)) / np.linalg.norm(record.outgoing))


def test_measures_of_a_record():
    record = trace(VARIANTS["original one stage"](), X, dy=DY).blocks[1]
    norm = np.linalg.norm
    a, b, g = record.terms["shortcut"], record.terms["branch"], record.incoming
    assert record.shortcut_scaling == pytest.approx(norm(a) / norm(g), rel=1e-13)
    assert record.residual_ratio == pytest.approx(norm(b) / norm(g), rel=1e-13)
    assert record.cosine == pytest.approx((a * b).sum() / norm(a) / norm(b), rel=1e-12)


def test_three_terms_of_gates():
    for exclusive in ("exclusive-gate", "shortcut-gate"):
        ledger = trace(trunks.blocks("full_preact", exclusive, n=2, changes=()), X, dy=DY)
        for record in ledger.blocks:
            assert list(record.terms) == ["shortcut", "branch", "gate"]
            assert all(np.abs(term).max() > 0 for term in record.terms.values())


def test_nested_forks_have_records_of_their_own():
    ledger = trace(VARIANTS["nested residual"](), X, dy=DY)
    inner = ["add.branch.inner", "add.branch.inner.branch.1"]
    assert [record.path for record in ledger.forks] == [
        f"block{i}.{path}" for i in range(3) for path in ("add", *inner)
    ]
    assert [record.path for record in ledger.blocks] == [f"block{i}" for i in range(3)]
    for block in ledger.blocks:
        assert block.fork.path == f"{block.path}.add"


def test_a_shared_pre_activation_belongs_to_both_terms():
    model = trunks.blocks("full_preact", "B", n=2, changes=(1,))
    ledger = trace(model, X, dy=DY)
    block, fork = ledger.blocks[1], ledger.blocks[1].fork
    assert (block.path, fork.path) == ("block1", "block1.add")
    assert relative(fork.outgoing, block.outgoing) > 0.1
    assert relative(sum(block.terms.values()), block.outgoing) < 1e-14


def test_the_same_block_several_times():
    ledger = trace(VARIANTS["shared"](), X, dy=DY)
    assert [record.path for record in ledger.blocks] == ["one", "two", "three"]
    assert len({record.visit for record in ledger.forks}) == 3
    assert relative(ledger.blocks[0].incoming, ledger.blocks[1].incoming) > 0.1


def test_a_model_that_is_a_fork():
    ledger = trace(Residual(Linear(3, 3, rng=0).to(dtype=np.float64)), X[:, 0, 0, :3], dy=X[:, 1, 0, :3])
    (record,) = ledger.blocks
    assert record.path == ""
    assert np.array_equal(record.terms["shortcut"], X[:, 1, 0, :3])


# --- wrong forks


class AddedInPlace(Residual):
    def terms(self, dy, cache):
        terms = super().terms(dy, cache)
        terms["shortcut"] += terms["branch"]
        return terms


class AddedInPlaceByBackward(Residual):
    def backward(self, dy, cache):
        terms = self.terms(dy, cache)
        dx = terms["shortcut"]
        dx += terms["branch"]
        return dx


class Halved(Residual):
    def terms(self, dy, cache):
        return {name: term / 2 for name, term in super().terms(dy, cache).items()}


class Averaged(Residual):
    """The sum of the terms is right: each is the mean of the two."""

    def terms(self, dy, cache):
        terms = super().terms(dy, cache)
        return dict.fromkeys(terms, sum(terms.values()) / 2)


class ShortcutDropped(Residual):
    def terms(self, dy, cache):
        return {"branch": super().terms(dy, cache)["branch"]}


class AllDropped(Residual):
    def terms(self, dy, cache):
        return {name: 0 * term for name, term in super().terms(dy, cache).items()}


class BranchTwice(Residual):
    """The terms are right, and backward does not ask for them."""

    def backward(self, dy, cache):
        return 2 * self.branch.backward(dy, cache[1]) + dy


class GateDropped(Gate):
    def terms(self, dy, cache):
        terms = super().terms(dy, cache)
        del terms["gate"]
        return terms


class GateIntoShortcut(Gate):
    """The sum of the terms is right: two of them have each other's name."""

    def terms(self, dy, cache):
        terms = super().terms(dy, cache)
        return {**terms, "gate": terms["shortcut"], "shortcut": terms["gate"]}


RESIDUALS = [AddedInPlace, AddedInPlaceByBackward, Halved, Averaged, ShortcutDropped, AllDropped, BranchTwice]


def with_fork(kind, dtype=np.float64):
    """Two blocks, the second of the given kind; its branch and gate hold batch norm and ReLU."""
    rng = np.random.default_rng(0)
    model = trunks.blocks(n=2, changes=())
    branch = model.at("block1.add.branch")
    if issubclass(kind, Gate):
        fork = kind(branch, Sequential(Conv2d(3, 3, 1, bias=True, rng=rng), Sigmoid()))
    else:
        fork = kind(branch)
    model.at("block1").set_child("add", fork)
    return model.to(dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [*RESIDUALS, GateDropped, GateIntoShortcut])
def test_a_wrong_fork_shows(kind, dtype, xp, device):
    model = with_fork(kind, dtype).to(device=device)
    x, dy = xp.asarray(X.astype(dtype)), xp.asarray(DY.astype(dtype))
    ledger = trace(model, x, dy=dy)
    right, wrong = ledger.forks
    assert wrong.kind == kind.__name__
    assert right.closure_error < (1e-6 if dtype == np.float32 else 1e-13)
    assert wrong.closure_error > 1e-2
    assert ledger.blocks[1].closure_error > 1e-2
    assert ledger.closure_error > 1e-2
    assert json.loads(ledger.to_json())["closure_error"] > 1e-2
    assert "e-1" not in ledger.table().splitlines()[-1]
    assert np.array_equal(np_of(dy), DY.astype(dtype))


@pytest.mark.parametrize("kind", [Residual, Gate])
def test_a_right_fork_does_not(kind):
    assert trace(with_fork(kind), X, dy=DY).closure_error < 1e-13


def test_terms_that_add_up_prove_nothing_alone():
    _, wrong = trace(with_fork(Halved), X, dy=DY).forks
    assert wrong.balance_error == 0.0
    assert wrong.derivative_error > 0.1


def test_terms_that_backward_does_not_add_up_show():
    _, wrong = trace(with_fork(BranchTwice), X, dy=DY).forks
    assert list(wrong.terms) == ["shortcut", "branch"]
    assert relative(wrong.terms["shortcut"] + 2 * wrong.terms["branch"], wrong.outgoing) < 1e-14
    assert wrong.balance_error > 0.1
    assert wrong.derivative_error > 0.1


def test_a_backward_of_its_own_that_is_right_is_right():
    class Fused(Residual):
        def backward(self, dy, cache):
            return self.branch.backward(dy, cache[1]) + dy

    ledger = trace(with_fork(Fused), X, dy=DY)
    assert list(ledger.forks[1].terms) == ["shortcut", "branch"]
    assert ledger.closure_error < 1e-13


@pytest.mark.parametrize("mutant", [m for m in MUTANTS if m.of in ("Residual", "Concat", "Gate")], ids=lambda m: m.name)
def test_every_planted_fork_shows(mutant):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(mutant.shape)
    for make, low, high in ((mutant.make, 1e-2, np.inf), (mutant.right, 0, 1e-13)):
        layer = make(np.random.default_rng(0)).to(dtype=np.float64)
        dy = rng.standard_normal(layer.forward(x)[0].shape)
        assert low <= trace(layer, x, dy=dy).closure_error <= high


def test_a_fork_that_writes_into_its_gradient_does_not_reach_that_of_the_caller():
    dy = X[:, 1, 0, :3].copy()
    ledger = trace(AddedInPlaceByBackward(Linear(3, 3, rng=0).to(dtype=np.float64)), X[:, 0, 0, :3], dy=dy)
    assert np.array_equal(dy, X[:, 1, 0, :3])
    assert ledger.closure_error > 0.1


def test_a_wrong_fork_inside_a_branch_shows_there_and_outside():
    model = VARIANTS["nested residual"]()
    inner = model.at("block1.add.branch.inner")
    model.at("block1.add.branch").set_child("inner", Halved(inner.branch))
    errors = {record.path: record.closure_error for record in trace(model, X, dy=DY).forks}
    wrong = {path for path, error in errors.items() if error > 1e-10}
    assert wrong == {"block1.add", "block1.add.branch.inner"}


@pytest.mark.parametrize(
    ("to_real", "what"),
    [(lambda x: x.real, "returned float64"), (lambda x: np.floor(x) - np.floor(x) + x, "raised TypeError")],
)
def test_a_fork_that_refuses_complex_numbers_is_named(to_real, what):
    class Real(Layer):
        def forward(self, x, train=False):
            return to_real(x), None

        def backward(self, dy, cache):
            return dy

    model = Sequential(Residual(Linear(3, 3, rng=0).to(dtype=np.float64)), last=Residual(Real(), Real()))
    ledger = trace(model, X[:, 0, 0, :3], dy=X[:, 1, 0, :3])
    with pytest.raises(StateError, match=rf"last \(Residual\): forward {what}.* for a complex input"):
        _ = ledger.closure_error


def test_dropout_is_checked_with_the_mask_of_the_trace():
    ledger = trace(VARIANTS["original dropout"](), X, dy=DY)
    for record in ledger.forks:
        assert record.derivative_error < 1e-13
        assert record.visit.fork.shortcut.__class__.__name__ in ("Dropout", "Sequential")


# --- what is left alone


def state(model):
    arrays = {path: np_of(t.data).tobytes() for path, t in model.tensors()}
    grads = {path: np_of(p.grad).tobytes() for path, p in model.params()}
    return arrays, grads, [g.bit_generator.state for _, g in model.generators()], [p.frozen for _, p in model.params()]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["original dropout", "full_preact B", "full_preact exclusive-gate", "dense"])
def test_the_model_and_the_arrays_stay_as_they_are(name, dtype, xp, device):
    model = VARIANTS[name]().to(device=device, dtype=dtype)
    for _, p in model.params():
        p.grad += 1
    before, attributes = state(model), [sorted(vars(layer)) for _, layer in model.walk()]
    x, labels = xp.asarray(X.astype(dtype)), xp.asarray(LABELS)
    ledger = trace(model, x, labels)
    ledger.to_json(pictures=True)
    assert ledger.closure_error < (1e-6 if dtype == np.float32 else 1e-12)
    assert state(model) == before
    assert [sorted(vars(layer)) for _, layer in model.walk()] == attributes
    assert np.array_equal(np_of(x), X.astype(dtype))
    assert all(record.incoming.dtype == dtype for record in ledger.forks)


def arrays_of(ledger):
    yield ledger.dx
    for record in (*ledger.blocks, *ledger.forks):
        yield from (record.incoming, record.outgoing, *record.terms.values())
    yield from (record.identity for record in ledger.blocks)


@pytest.mark.parametrize("name", ["full_preact A", "flat", "dense", "nested gate"])
def test_records_are_read_only_and_share_no_memory(name):
    model = VARIANTS[name]()
    ledger = trace(model, X, dy=DY)
    arrays = list(arrays_of(ledger))
    assert not any(array.flags.writeable for array in arrays)
    others = [X, DY, *(t.data for _, t in model.tensors())]
    for i, array in enumerate(arrays):
        assert not any(np.shares_memory(array, other) for other in (*arrays[:i], *others))
    with pytest.raises(AttributeError):
        ledger.blocks[0].incoming = 0


def test_only_the_copy_carries_notes_while_it_runs_and_none_afterwards():
    model = VARIANTS["nested gate"]()
    ledger = trace(model, X, dy=DY)
    for _, layer in ledger.trunk.model.walk():
        assert not {"forward", "backward", "terms"} & set(vars(layer))


# --- labels, losses, errors


def test_labels_give_the_gradient_of_the_loss():
    model = VARIANTS["original A"]()
    ledger = trace(model, X, LABELS)
    loss, cache = SoftmaxCrossEntropy().forward(copy.deepcopy(model).forward(X, True)[0], LABELS)
    assert ledger.loss == float(loss)
    assert np.array_equal(ledger.dx, trace(model, X, dy=SoftmaxCrossEntropy().backward(cache)).dx)
    assert trace(model, X, dy=DY).loss is None


def test_another_loss():
    model = VARIANTS["original A"]()
    y = copy.deepcopy(model).forward(X, True)[0]
    ledger = trace(model, X, DY, loss=MeanSquaredError())
    assert ledger.loss == pytest.approx(((y - DY) ** 2).mean(), rel=1e-14)
    assert relative(trace(model, X, dy=2 * (y - DY) / DY.size).dx, ledger.dx) < 1e-14


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, StateError, "neither of labels and dy"),
        ({"labels": LABELS, "dy": DY}, StateError, "both of labels and dy"),
        ({"dy": DY[:3]}, ShapeError, r"head\.2|dy has shape \(3, 3\)"),
        ({"labels": LABELS[:3]}, ShapeError, r"labels have shape \(3,\)"),
        ({"labels": LABELS + 1}, RangeError, "is 3, expected 0 <= label < 3"),
        ({"dy": 1.0}, DTypeError, "dy is a float"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        trace(VARIANTS["original A"](), X, **arguments)


def test_errors_name_the_layer_by_its_path():
    model = models.build("resnet8", rng=0)
    with pytest.raises(DTypeError, match=r"stem\.conv \(Conv2d\): input is float64"):
        trace(model, np.concatenate([X, X], axis=1)[:, :3], LABELS)
    with pytest.raises(ShapeError, match=r"stem\.conv \(Conv2d\): input has 2 channels"):
        trace(model, X.astype(np.float32), LABELS)
    with pytest.raises(DTypeError, match="is a list"):
        trace(model, [1.0], LABELS)


@pytest.mark.parametrize("position", [-1, 5, 1.0, None, "0"])
def test_wrong_positions(position):
    with pytest.raises(RangeError, match="position|start is"):
        trace(VARIANTS["original A"](), X, dy=DY).g(position)


@pytest.mark.parametrize("model", [Sequential(), Identity(), Sequential(ReLU())])
def test_a_model_without_blocks_has_an_empty_ledger(model):
    ledger = trace(model, X, dy=DY[:, :1, None, None] * X)
    assert (ledger.blocks, ledger.forks, ledger.closure_error, ledger.notes) == ((), (), 0.0, [])
    assert ledger.dx.shape == X.shape
    found = json.loads(ledger.to_json(pictures=True))
    assert (found["blocks"], found["forks"], found["paths"], found["branch_vjps"]) == ([], [], None, 0)
    assert "block" in ledger.table()
    with pytest.raises(StateError, match="0 blocks, expected at least 1: it holds no fork and no layer with parameter"):
        ledger.g(0)


@pytest.mark.parametrize(
    ("model", "paths"),
    [
        (models.build("plain8", rng=0), ["stage1.0", "stage2.0", "stage3.0"]),
        (Sequential(conv=Conv2d(3, 3, 1, rng=0), relu=ReLU(), last=Conv2d(3, 3, 1, rng=0)), ["conv", "last"]),
        (Conv2d(3, 3, 3, padding=1, rng=0), [""]),
    ],
)
def test_the_blocks_of_a_plain_net_have_one_term(model, paths):
    x = RNG.standard_normal((2, 3, 8, 8)).astype(np.float32)
    ledger = trace(model, x, dy=RNG.standard_normal(model.forward(x)[0].shape).astype(np.float32))
    assert [block.path for block in ledger.blocks] == paths
    for block in ledger.blocks:
        assert list(block.terms) == ["branch"] and block.fork is None and block.kind == "plain"
        assert np.array_equal(block.terms["branch"], block.outgoing)
        assert np.array_equal(block.residual, block.outgoing) and not block.identity.any()
        assert math.isnan(block.shortcut_scaling) and math.isnan(block.cosine)
    lengths = path_lengths(ledger)
    assert [size > 0 for size in lengths.norms] == [False] * len(paths) + [True]
    assert lengths.error < 1e-6 and telescope(ledger).error < 1e-6
    found = json.loads(ledger.to_json(pictures=True))
    assert found["plain"] and [block["path"] for block in found["blocks"]] == paths
    assert all(path in ledger.table() for path in paths)


def test_a_gradient_of_zero_has_a_ledger():
    ledger = trace(VARIANTS["original A"](), X, dy=0 * DY)
    assert ledger.closure_error == 0.0
    assert all(
        np.isnan([r.shortcut_scaling, r.residual_ratio, r.cosine, r.identity_ratio]).all() for r in ledger.blocks
    )
    assert "nan" in ledger.table()
    json.loads(ledger.to_json(pictures=True))


def test_the_table_goes_from_the_output_to_the_input():
    ledger = trace(models.build("resnet14", rng=0).to(dtype=np.float64), np.concatenate([X, X[:, :1]], 1), LABELS)
    _, *lines = ledger.table().splitlines()
    blocks = [f"stage{s}.{b}" for s in (3, 2, 1) for b in (1, 0)]
    assert [line.split()[0] for line in lines[: len(blocks)]] == blocks
    below = " ".join(lines[len(blocks) :])
    assert "the terms add up" in below and "|dW| of the first convolution is " in below
    numbers = [float(word) for word in lines[0].split()[1:]]
    record = ledger.blocks[-1]
    parts = [record.incoming, record.terms["shortcut"], record.terms["branch"], record.outgoing]
    assert numbers == pytest.approx(
        [*(np.linalg.norm(a) for a in parts), record.cosine, np.linalg.norm(record.identity)], rel=2e-3, abs=5e-4
    )


def test_a_fork_that_scales_to_nothing_is_no_division_by_zero():
    model = Sequential(Residual(Scale(1.0), Scale(-1.0)))
    record = trace(model, X, dy=X).blocks[0]
    assert np.abs(record.outgoing).max() == 0
    assert record.closure_error < 1e-15
    assert np.isnan(record.identity_ratio)


@pytest.mark.slow
def test_tracing_takes_less_than_three_times_a_training_step():
    model = models.build("resnet110", rng=0)
    x, labels = RNG.standard_normal((8, 3, 32, 32)).astype(np.float32), np.arange(8)

    def step():
        y, cache = model.forward(x, True)
        _, loss_cache = SoftmaxCrossEntropy().forward(y, labels)
        model.backward(SoftmaxCrossEntropy().backward(loss_cache), cache)

    def fastest(run):
        return min(timeit.repeat(run, number=1, repeat=5))

    assert fastest(lambda: trace(model, x, labels)) < 3 * fastest(step)
    ledger = trace(model, x, labels)
    assert len(ledger.blocks) == 54
    assert ledger.closure_error < 1e-6


def test_the_memory_of_a_ledger_is_as_stated():
    model, x = models.build("resnet110", rng=0), RNG.standard_normal((2, 3, 32, 32)).astype(np.float32)
    tracemalloc.start()
    try:
        ledger = trace(model, x, np.arange(2))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(ledger.blocks) == 54
    weights = 8 * sum(p.data.size for _, p in model.params())  # the copy of the model: float32 values and gradients
    assert 30e6 < (held - weights) / 2 < 40e6


@pytest.mark.parametrize("where", ["backward_error", "forks", "blocks"])
def test_the_closure_error_is_the_largest_of_all(where):
    ledger = trace(VARIANTS["original A"](), X, dy=DY)
    assert ledger.closure_error < 1e-12
    if where == "backward_error":
        ledger.backward_error = 1e-3
    else:
        first, *rest = getattr(ledger, where)
        setattr(ledger, where, (dataclasses.replace(first, outgoing=1.001 * first.outgoing), *rest))
    assert ledger.closure_error == pytest.approx(1e-3, rel=1e-2)
