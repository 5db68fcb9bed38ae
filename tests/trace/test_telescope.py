"""Telescoped sums: both forms against a chain of Jacobians; equal sums of different terms."""

import numpy as np
import pytest
from conftest import np_of
from oracles import trunks
from oracles.trunks import VARIANTS

from minires.errors import RangeError
from minires.layers import Linear
from minires.trace import telescope, trace

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 2, 6, 6))
DY = RNG.standard_normal((4, trunks.CLASSES))


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", VARIANTS)
def test_both_forms_give_every_gradient(name, train):
    ledger = trace(VARIANTS[name](), X, dy=DY, train=train)
    n = len(ledger.blocks)
    for start in range(n + 1):
        for stop in range(start, n + 1):
            local, total = (telescope(ledger, start, stop, form) for form in ("local", "total"))
            assert local.g is ledger.g(start)
            assert (local.form, total.form) == ("local", "total")
            for sums in (local, total):
                assert (sums.start, sums.stop) == (start, stop)
                assert sums.error < 1e-12
                assert relative(sums.identity + sum(sums.terms.values()), ledger.g(start)) < 1e-12
                assert list(sums.terms) == [block.path for block in ledger.blocks[start:stop]]
            k = stop - start
            assert (local.residual_products, total.residual_products) == (k, k * (k + 1) // 2)


@pytest.mark.parametrize("name", ["full_preact A", "original B", "original exclusive-gate", "dense", "partial"])
def test_terms_are_products_of_jacobians(name):
    model, x = VARIANTS[name](), X[:2, :, :4, :4]
    ledger = trace(model, x, dy=DY[:2])
    found = trunks.matrices(model, x)
    numbers = [i for i, (_, _, way) in enumerate(found) if way is not None]
    whole = [matrix.T for _, matrix, _ in found]
    ways = [matrix.T if way is None else way.T for _, matrix, way in found]
    local, total = (telescope(ledger, form=form).terms for form in ("local", "total"))
    for i in numbers:
        r = q = ledger.g(len(numbers)).ravel()
        for j in range(numbers[-1], i, -1):
            r, q = whole[j] @ r, ways[j] @ q
        r, q = (whole[i] - ways[i]) @ r, (whole[i] - ways[i]) @ q
        for j in range(i - 1, -1, -1):
            r, q = ways[j] @ r, whole[j] @ q
        unit = found[i][0]
        assert relative(local[unit].ravel(), r) < 1e-12
        assert relative(total[unit].ravel(), q) < 1e-12


def test_terms_differ_where_the_sums_agree():
    ledger = trace(VARIANTS["full_preact one stage"](), X, dy=DY)
    local, total = (telescope(ledger, form=form) for form in ("local", "total"))
    assert relative(local.total, total.total) < 1e-14
    assert np.array_equal(local.identity, total.identity)
    first, *between, last = ledger.blocks
    assert relative(local.terms[first.path], total.terms[first.path]) > 0.1
    assert relative(local.terms[last.path], total.terms[last.path]) > 0.1
    assert all(relative(local.terms[b.path], total.terms[b.path]) > 0.1 for b in between)


def test_r_of_an_identity_shortcut_is_the_recorded_residual():
    ledger = trace(VARIANTS["full_preact one stage"](), X, dy=DY)
    sums = telescope(ledger)
    assert np.array_equal(sums.identity, ledger.g(3))
    for block in ledger.blocks:
        assert np.array_equal(sums.terms[block.path], block.terms["branch"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", ["local", "total"])
def test_on_every_backend(form, dtype, xp, device):
    model = VARIANTS["full_preact B"]().to(device=device, dtype=dtype)
    sums = telescope(trace(model, xp.asarray(X.astype(dtype)), dy=xp.asarray(DY.astype(dtype))), form=form)
    assert sums.error < (1e-5 if dtype == np.float32 else 1e-12)
    assert sums.total.dtype == dtype
    assert all(np.abs(np_of(term)).max() > 0 for term in sums.terms.values())


def test_features_of_a_dense_block():
    """The gradient of each feature y_j is that of its channels at the end, and of the later layers that read it."""
    model = trunks.dense()
    ledger = trace(model, X, dy=DY)
    first, second = ledger.blocks[2:]  # behind the transition: 3 channels, and 2 of each layer
    g = ledger.g(4)
    assert np.array_equal(second.terms["shortcut"], g[:, :5])
    assert np.array_equal(second.identity, g[:, :5])
    assert np.array_equal(first.identity, g[:, :3])
    of_feature = first.incoming[:, 3:5]
    of_later = second.terms["branch"][:, 3:5]
    assert relative(g[:, 3:5] + of_later, of_feature) < 1e-14
    branch = model.at("layer2.branch")
    x = model["stem"](X)
    for name in ("layer0", "layer1", "transition"):
        x = model[name].forward(x, True)[0]
    _, cache = branch.forward(x, True)
    assert relative(branch.backward(of_feature, cache), first.terms["branch"]) < 1e-14


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": -1}, "start is -1 and stop 4, expected 0 <= start <= stop <= 4"),
        ({"stop": 5}, "start is 0 and stop 5"),
        ({"start": 3, "stop": 2}, "start is 3 and stop 2"),
        ({"start": 0.5}, "positions are 0.5 and 4, expected integers"),
        ({"form": "sum"}, "form is 'sum', expected 'local'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(RangeError, match=message):
        telescope(trace(VARIANTS["original A"](), X, dy=DY), **arguments)


def test_plain_nets_have_one_term():
    found = telescope(trace(Linear(3, 3, rng=0).to(dtype=np.float64), X[:, 0, 0, :3], dy=DY))
    assert not found.identity.any() and found.error == 0.0 and list(found.terms) == [""]


def test_progress_sees_every_block_between():
    seen = []
    telescope(trace(trunks.flat(), X, dy=DY), 0, 2, progress=lambda chain: seen.extend(chain) or chain)
    assert [block.path for block in seen] == ["add0", "relu0", "add1", "relu1"]
