"""The audit: where "1 + sum" holds to the bit, what stands in the way elsewhere, and what it does to the gradient."""

import copy

import numpy as np
import pytest
from oracles import trunks
from oracles.trunks import VARIANTS

from minires import layers, models
from minires.errors import RangeError
from minires.layers import (
    BatchNorm2d,
    Conv2d,
    Dropout,
    Gain,
    Identity,
    Linear,
    Offset,
    ReLU,
    Residual,
    RungeKutta,
    Scale,
    Sequential,
)
from minires.layers.runge_kutta import METHODS
from minires.trace import audit, trace
from minires.trace.audit import WHY
from minires.trace.norms import norm
from minires.trace.records import PLAIN

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 2, 6, 6))
DY = RNG.standard_normal((4, trunks.CLASSES))


def ledger_of(model, train=True):
    return trace(model, X, dy=DY, train=train)


def inputs_of(model, train=True):
    """{name of a unit: (layer, its input)}, by a forward of a copy."""
    model, x, found = copy.deepcopy(model), X, {}
    for name, layer in model.children():
        found[name] = layer, x
        x = layer.forward(x, train)[0]
    return found


def blocks_of(model, train=True):
    return [found for name, found in inputs_of(model, train).items() if name.startswith("block")]


def broken(ledger):
    """{path of a block: the classes of its breaks}"""
    found = audit(ledger)
    return {path: [b.kind for b in breaks] for path, breaks in zip(found.paths, found.breaks)}


def batch_norm_back(bn, x, dy, train):
    """spec: (gamma / sigma) (dy - mean(dy) - x_hat mean(x_hat dy)), and (gamma / sigma_running) dy in evaluation."""
    gamma = bn.gamma.data[:, None, None]
    if not train:
        return gamma / np.sqrt(bn.running_var.data + bn.eps)[:, None, None] * dy
    mean = lambda a: a.mean(axis=(0, 2, 3), keepdims=True)
    sigma = np.sqrt(mean(x**2) - mean(x) ** 2 + bn.eps)
    x_hat = (x - mean(x)) / sigma
    return gamma / sigma * (dy - mean(dy) - x_hat * mean(x_hat * dy))


def same(found, expected, tolerance=1e-12):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("placement", ["relu_before_add", "relu_only_preact", "full_preact"])
@pytest.mark.parametrize("train", [True, False])
def test_pre_activation_holds_within_a_stage(placement, train):
    ledger = ledger_of(VARIANTS[f"{placement} one stage"](), train)
    found = audit(ledger)
    assert found.holds
    assert len(found.verdicts) == 6
    for verdict in found.verdicts:
        assert (verdict.holds, verdict.defect, verdict.ratio, verdict.breaks) == (True, 0.0, 1.0, ())
    assert str(found).startswith("dL/dx_l = dL/dx_L (1 + sum dF/dx_l) holds for all of the 6 pairs l < L of 3\nblocks.")


def test_and_not_across_a_change_of_shape():
    ledger = ledger_of(trunks.blocks("full_preact", n=5, changes=(2,)))
    found = audit(ledger)
    assert not found.holds
    for verdict in found.verdicts:
        across = verdict.start <= 2 < verdict.stop
        assert verdict.holds == (not across)
        assert np.isnan(verdict.defect) if across else verdict.defect == 0.0
        assert [b.path for b in verdict.breaks] == (
            ["block2.shortcut.subsample", "block2.shortcut.pad"] if across else []
        )
    assert found.verdict(1, 4) is next(v for v in found.verdicts if (v.start, v.stop) == (1, 4))


@pytest.mark.parametrize("name", ["original one stage", "original A"])
def test_v1_multiplies_the_gradient_by_every_relu_mask(name):
    model = VARIANTS[name]()
    ledger = ledger_of(model)
    expected = ledger.g(len(ledger.blocks))
    for record, (block, x) in reversed(list(zip(ledger.blocks, blocks_of(model)))):
        before_relu = block["add"].forward(x, True)[0]
        expected = expected * (before_relu > 0)
        if before_relu.shape != x.shape:  # option A: transposed slice and pad
            scattered = np.zeros(x.shape)
            scattered[:, :, ::2, ::2] = expected[:, : x.shape[1]]
            expected = scattered
        assert np.array_equal(record.identity, expected)
        verdict = audit(ledger).verdict(record.index, len(ledger.blocks))
        assert not verdict.holds
        assert verdict.zeroed == (expected == 0).mean()
        assert verdict.ratio == pytest.approx(np.linalg.norm(expected) / np.linalg.norm(ledger.g(len(ledger.blocks))))
    assert verdict.zeroed > 0.5


def test_defect_is_the_distance_to_the_textbook():
    ledger = ledger_of(VARIANTS["original one stage"]())
    g, identity = ledger.g(3), ledger.blocks[0].identity
    verdict = audit(ledger).verdict(0, 3)
    assert verdict.defect == pytest.approx(np.linalg.norm(identity - g) / np.linalg.norm(g), rel=1e-13)


@pytest.mark.parametrize("option", ["scale", "scale-shortcut"])
def test_scaling_multiplies_by_a_half_for_every_block(option):
    ledger = ledger_of(trunks.blocks("full_preact", option, n=7, changes=()))
    for record in ledger.blocks:
        assert record.identity.tobytes() == (0.5 ** (7 - record.index) * ledger.g(7)).tobytes()
    assert audit(ledger).verdict(0, 7).ratio == 0.5**7 == 0.0078125
    assert set(map(tuple, broken(ledger).values())) == {("Scale",)}


def test_option_a_is_the_transpose_of_slice_and_pad():
    model = trunks.blocks("full_preact", n=1, changes=(0,))
    (record,) = ledger_of(model).blocks
    x = RNG.standard_normal(record.outgoing.shape)
    forward = np.concatenate([x, np.zeros_like(x[:, :1])], axis=1)[:, :, ::2, ::2]
    assert (forward * record.incoming).sum() == pytest.approx((x * record.terms["shortcut"]).sum(), rel=1e-13)
    assert (record.identity == 0).mean() == pytest.approx(3 / 4)
    assert broken(ledger_of(model)) == {"block0": ["Subsample", "PadChannels"]}


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("option", ["B", "C"])
def test_projections_multiply_by_transposed_weights(option, train):
    model = trunks.blocks("original", option, n=3, changes=(1,))
    ledger = ledger_of(model, train)
    expected = ledger.g(3)
    for record, (block, x) in reversed(list(zip(ledger.blocks, blocks_of(model, train)))):
        expected = expected * (block["add"].forward(x, train)[0] > 0)
        if option == "C" or record.index == 1:
            conv, bn = block["add"].shortcut["conv"], block["add"].shortcut["bn"]
            stride = conv.stride[0]
            z = np.einsum("mc,nchw->nmhw", conv.weight.data[:, :, 0, 0], x[:, :, ::stride, ::stride])
            back = np.einsum("mc,nmhw->nchw", conv.weight.data[:, :, 0, 0], batch_norm_back(bn, z, expected, train))
            expected = np.zeros(x.shape)
            expected[:, :, ::stride, ::stride] = back
        same(record.identity, expected)
    with_projection = ["Conv2d", "BatchNorm2d", "ReLU"]
    plain = with_projection if option == "C" else ["ReLU"]
    assert list(broken(ledger).values()) == [plain, with_projection, plain]


@pytest.mark.parametrize("option", ["exclusive-gate", "shortcut-gate"])
def test_gates_carry_one_minus_t(option):
    model = trunks.blocks("full_preact", option, n=3, changes=())
    ledger = ledger_of(model)
    expected = ledger.g(3)
    for record, (gate, x) in reversed(list(zip(ledger.blocks, blocks_of(model)))):
        conv = gate.gate["conv"]
        z = np.einsum("mc,nchw->nmhw", conv.weight.data[:, :, 0, 0], x) + conv.bias.data[:, None, None]
        t = 1 / (1 + np.exp(-z))
        expected = (1 - t) * expected
        same(record.identity, expected)
        f = gate.branch.forward(x, True)[0]
        to_gate = (f - x if option == "exclusive-gate" else -x) * t * (1 - t) * record.incoming
        same(record.terms["gate"], np.einsum("mc,nmhw->nchw", conv.weight.data[:, :, 0, 0], to_gate))
    assert broken(ledger) == {f"block{i}": ["Gate"] for i in range(3)}


def test_dropout_multiplies_by_its_masks():
    model = trunks.blocks("full_preact", "dropout", n=3, changes=())
    ledger = ledger_of(model)
    expected = ledger.g(3)
    for record in reversed(ledger.blocks):
        rng = model.at(record.path).shortcut.rng
        expected = expected * (rng.random(expected.shape) >= 0.5) / 0.5
        assert np.array_equal(record.identity, expected)
    assert 0.8 < (expected == 0).mean() < 0.95  # (1 - p)^3 survive
    assert broken(ledger) == {f"block{i}": ["Dropout"] for i in range(3)}


def test_dropout_is_the_identity_in_evaluation():
    found = audit(ledger_of(trunks.blocks("full_preact", "dropout", n=3, changes=()), train=False))
    assert found.holds
    assert found.breaks == ((), (), ())


@pytest.mark.parametrize("train", [True, False])
def test_batch_norm_after_the_addition(train):
    model = VARIANTS["bn_after_add one stage"]()
    ledger = ledger_of(model, train)
    expected = ledger.g(3)
    for record, (block, x) in reversed(list(zip(ledger.blocks, blocks_of(model, train)))):
        y = block["add"].forward(x, train)[0]
        bn_out = block["bn"].forward(y, train)[0]
        expected = batch_norm_back(block["bn"], y, expected * (bn_out > 0), train)
        same(record.identity, expected)
        if train:
            assert np.abs(record.identity.sum(axis=(0, 2, 3))).max() < 1e-12 * np.abs(record.identity).sum()
    assert broken(ledger) == {f"block{i}": ["BatchNorm2d", "ReLU"] for i in range(3)}


@pytest.mark.parametrize("train", [True, False])
def test_a_shared_pre_activation_at_a_change_of_shape(train):
    model = trunks.blocks("full_preact", "B", n=2, changes=(1,))
    ledger = ledger_of(model, train)
    block, x = blocks_of(model, train)[1]
    u = np.zeros((*ledger.g(2).shape[:1], x.shape[1], *x.shape[2:]))
    u[:, :, ::2, ::2] = np.einsum("mc,nmhw->nchw", block["add"].shortcut.weight.data[:, :, 0, 0], ledger.g(2))
    bn_out = block["bn"].forward(x, train)[0]
    expected = batch_norm_back(block["bn"], x, u * (bn_out > 0), train)
    same(ledger.blocks[1].identity, expected)
    same(ledger.blocks[0].identity, expected)
    assert audit(ledger).verdict(0, 1).holds
    breaks = audit(ledger).breaks[1]
    assert [(b.path, b.kind, b.where) for b in breaks] == [
        ("block1.bn", "BatchNorm2d", "before the fork, shared by shortcut and branch"),
        ("block1.relu", "ReLU", "before the fork, shared by shortcut and branch"),
        ("block1.add.shortcut", "Conv2d", "on the shortcut"),
    ]


def test_dense_slices_are_exact_and_no_identity():
    ledger = ledger_of(trunks.dense())
    found = audit(ledger)
    assert [b.path for b in found.verdict(0, 4).breaks if b.where == "between the blocks"] == [
        "transition.0",
        "transition.1",
        "transition.2",
        "transition.3",
    ]
    assert [b.kind for b in found.breaks[0]] == ["Concat"]
    assert "slice" in found.breaks[0][0].why
    assert all("is not the identity" not in b.why for breaks in found.breaks for b in breaks)
    verdict = found.verdict(2, 4)
    assert not verdict.holds
    assert np.isnan(verdict.defect)
    kept = ledger.g(4)[:, :3]
    assert verdict.ratio == pytest.approx(np.linalg.norm(kept) / np.linalg.norm(ledger.g(4)), rel=1e-13)


def test_modules_of_inception_have_no_shortcut():
    found = audit(ledger_of(trunks.inception()))
    for first, *_ in found.breaks:
        assert first.kind == "Concat" and "no way through is a shortcut" in first.why
    assert found.verdict(0, 2).ratio == 0


@pytest.mark.parametrize("method", METHODS)
def test_steps_of_runge_kutta_hand_on_the_gradient(method):
    """y = x + sum b_i k_i: whatever stands in the k_i, the "1" is there."""
    rng = np.random.default_rng(0)
    steps = [RungeKutta(method, *(Linear(3, 3, rng=rng) for _ in METHODS[method][1])) for _ in range(2)]
    found = audit(trace(Sequential(*steps).to(dtype=np.float64), X[:, 0, 0, :3], dy=X[:, 1, 0, :3]))
    assert found.holds and found.breaks == ((), ())


@pytest.mark.parametrize(("name", "size"), [("densenet_10_4", 8), ("rexnet_50", 33), ("googlenet", 17)])
def test_every_break_of_the_zoo_is_explained(name, size):
    model = models.build(name, num_classes=3, in_channels=2, rng=0).to(dtype=np.float64)
    ledger = trace(model, RNG.standard_normal((2, 2, size, size)), dy=DY[:2])
    whys = {b.kind: b.why for breaks in audit(ledger).breaks for b in breaks}
    assert whys and not [kind for kind, why in whys.items() if "is not the identity" in why]


def test_layers_between_flat_blocks_are_found():
    found = audit(ledger_of(trunks.flat()))
    assert [[(b.path, b.where) for b in breaks] for breaks in found.breaks] == [
        [("relu0", "between the blocks")],
        [("relu1", "between the blocks")],
        [],
    ]
    assert found.verdict(2, 3).holds


def linear_chain(*shortcuts):
    rng = np.random.default_rng(0)
    blocks = (Residual(Linear(3, 3, rng=rng), shortcut) for shortcut in shortcuts)
    return Sequential(*blocks).to(dtype=np.float64)


@pytest.mark.parametrize(
    "shortcut",
    [
        None,
        Identity(),
        Scale(1),
        Gain(1),
        Offset(3),
        Dropout(0, rng=0),
        Sequential(),
        Sequential(Identity(), Sequential(Scale(1.0))),
    ],
)
def test_what_is_an_identity_by_another_name(shortcut):
    found = audit(trace(linear_chain(shortcut), X[:, 0, 0, :3], dy=X[:, 1, 0, :3]))
    assert found.holds
    assert found.breaks == ((),)


def test_a_gain_on_the_shortcut_multiplies():
    found = audit(trace(linear_chain(Gain(0.5), Gain(-2)), X[:, 0, 0, :3], dy=X[:, 1, 0, :3]))
    assert [[(b.path, b.kind) for b in breaks] for breaks in found.breaks] == [
        [("0.shortcut", "Gain")],
        [("1.shortcut", "Gain")],
    ]
    assert found.verdict(0, 2).ratio == found.verdict(0, 2).defect / 2 == 1
    assert "multiplies the gradient by the number" in found.breaks[0][0].why


def test_unknown_layers_are_named():
    class Mine(Identity):
        def forward(self, x, train=False):
            return super().forward(x, train)

    found = audit(trace(linear_chain(Sequential(Identity(), act=Mine())), X[:, 0, 0, :3], dy=X[:, 1, 0, :3]))
    ((one,),) = found.breaks
    assert (one.path, one.why) == ("0.shortcut.act", "Mine is not the identity, as far as minires knows it")


def test_every_layer_is_explained_or_the_identity():
    passed = {"Identity", "Offset", "Residual", "RungeKutta", "Sequential", "Layer", "Fork"}  # opened, or x as it is
    kinds = {
        name for name in layers.__all__ if name[0].isupper() and issubclass(getattr(layers, name), layers.Layer)
    } - passed
    assert {kind.__name__ for kind in WHY if kind != PLAIN} == kinds


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [(layers.SiLU, -0.1, 1.1), (layers.GELU, -0.13, 1.13), (layers.Sigmoid, 0, 0.25), (layers.Tanh, 0, 1)],
)
def test_the_slopes_are_as_stated(kind, low, high):
    x = np.linspace(-20, 20, 40001)[None]
    y, cache = kind().forward(x)
    slopes = kind().backward(np.ones_like(x), cache)
    assert slopes.min() == pytest.approx(low, abs=5e-3) and slopes.max() == pytest.approx(high, abs=5e-3)


def test_subclasses_break_as_their_parents():
    class MyConv(Conv2d):
        pass

    model = Residual(Conv2d(2, 2, 3, padding=1, rng=0), MyConv(2, 2, 1, rng=0)).to(dtype=np.float64)
    ((one,),) = audit(trace(model, X, dy=X)).breaks
    assert (one.path, one.kind) == ("shortcut", "MyConv")
    assert "transposed weights" in one.why


def test_resnet20_is_told_that_the_identity_does_not_hold_and_why():
    ledger = trace(
        models.build("resnet20", rng=0), RNG.standard_normal((2, 3, 8, 8)).astype(np.float32), np.array([1, 2])
    )
    found = audit(ledger)
    assert not any(verdict.holds for verdict in found.verdicts)
    assert all("ReLU" in [b.kind for b in breaks] for breaks in found.breaks)
    text = str(found)
    assert text.startswith("dL/dx_l = dL/dx_L (1 + sum dF/dx_l) holds for none of the 45 pairs l < L of 9\nblocks: ")
    assert (
        "  stage1.0 to stage1.2, stage2.1 to stage2.2, stage3.1 to stage3.2:\n"
        "      stage1.0.relu (ReLU), after the addition:\n          the ReLU masks"
    ) in text and text.count("the ReLU masks") == 2
    assert "stage2.0.add.shortcut.subsample (Subsample), on the shortcut:" in text
    assert "stage2.0.add.shortcut.pad (PadChannels), on the shortcut:" in text
    last = found.verdict(0, 9)
    words = " ".join(text.split())
    assert f"shortcuts alone bring {last.ratio:.4g} of |g_L|, in {1 - last.zeroed:.1%} of the entries." in words
    assert f"|g_0| is {found.growth:.3g} times |g_L|, so that is {last.ratio / found.growth:.1%} of it" in words
    assert found.growth == pytest.approx(norm(ledger.g(0)) / norm(ledger.g(9)), rel=1e-12)
    assert "The 1 is gone from this way, which leads through ReLU, Subsample, PadChannels" in words
    assert repr(found) == "<Audit of 9 blocks, the identity holds for 0 of 45 pairs>"


def test_v2_is_told_where_the_identity_holds_before_what_breaks_it():
    found = audit(
        trace(
            models.build("resnet20", block="full_preact", rng=0),
            RNG.standard_normal((2, 3, 8, 8)).astype(np.float32),
            np.array([1, 2]),
        )
    )
    words = " ".join(str(found).split())
    assert words.startswith("dL/dx_l = dL/dx_L (1 + sum dF/dx_l) holds inside stage1.0 to stage1.2, stage2.1")
    assert "stage3.1 to stage3.2: for 12 of the 45 pairs l < L of 9 blocks. Where it holds" in words
    assert "What breaks it: stage2.0, stage3.0: stage2.0.shortcut.subsample (Subsample)" in words
    assert "stage1.0:" not in words
    assert "it keeps a way open that no weight can close." in words


# (block, tail): (part of negative entries is 0, branches only add, weight layers without a normalisation of 6 blocks)
TRUNKS = {
    "original": (True, False, 6),
    "bn_after_add": (True, False, 0),
    "relu_before_add": (True, True, 6),
    "relu_only_preact": (False, False, 6),
    "full_preact": (False, False, 0),
}


@pytest.mark.parametrize("block", TRUNKS)
def test_levels_tell_the_placements_apart(block):
    model, x = models.build("resnet14", block=block, rng=0), RNG.standard_normal((4, 3, 8, 8)).astype(np.float32)
    ledger = trace(model, x, np.arange(4))
    found = audit(ledger)
    positive, only_adds, unnormalised = TRUNKS[block]
    assert [level.path for level in found.levels] == [*found.paths, "the head"]
    assert all((level.negative == 0) == positive for level in found.levels)
    assert all(level.only_adds == only_adds for level in found.levels[:-1])
    assert sum(len(level.unnormalised) for level in found.levels) == unnormalised
    assert found.levels[-1].unnormalised == (("head.fc",) if unnormalised else ())
    for level, on_trunk in zip(found.levels, ledger.trunk.blocks):
        assert level.rms == pytest.approx(np.sqrt(np.mean(on_trunk.x.astype(np.float64) ** 2)), rel=1e-12)
        assert level.negative == (on_trunk.x < 0).mean()
    words = " ".join(str(found).split())
    assert ("can only add" in words) == only_adds
    assert f"{found.levels[0].rms:.3g} to {found.levels[-1].rms:.3g}" in words


@pytest.mark.parametrize(("tail", "seen"), [(None, ("head.fc",)), ("bn relu", ())])
def test_a_normalisation_in_front_of_the_head_is_seen(tail, seen):
    model = models.build("resnet14", block="relu_before_add", tail=tail, rng=0)
    found = audit(trace(model, RNG.standard_normal((4, 3, 8, 8)).astype(np.float32), np.arange(4)))
    assert found.levels[-1].unnormalised == seen
    assert ("..., the head too)" in str(found) or ", ...), the head too." in str(found)) == (tail is None)


@pytest.mark.parametrize("pair", [(2, 1), (0, 0), (0, 7), (1.5, 2), ("a", 1)])
def test_a_pair_that_does_not_exist(pair):
    with pytest.raises(RangeError, match="start is .* and stop .*, expected integers 0 <= start < stop <= 4"):
        audit(trace(VARIANTS["original A"](), X, dy=DY)).verdict(*pair)


def test_on_every_backend(xp, device):
    model = VARIANTS["full_preact A"]().to(device=device, dtype=np.float32)
    ledger = trace(model, xp.asarray(X.astype(np.float32)), dy=xp.asarray(DY.astype(np.float32)))
    found = audit(ledger)
    assert [v.holds for v in found.verdicts if v.stop == v.start + 1] == [True, True, False, True]
    assert str(found) == str(audit(ledger))


def test_in_plain_nets_nothing_goes_around_the_layers():
    images = RNG.standard_normal((2, 3, 8, 8)).astype(np.float32)
    found = audit(trace(models.build("plain14", rng=0), images, np.array([1, 2])))
    assert [[(b.path, b.kind, b.where) for b in breaks] for breaks in found.breaks] == [
        [(f"stage{s}.{b}", "plain", "the whole block")] for s in (1, 2, 3) for b in (0, 1)
    ]
    assert all("there is no shortcut" in b.why for breaks in found.breaks for b in breaks)
    assert not any(v.holds for v in found.verdicts) and {v.ratio for v in found.verdicts} == {0.0}


def test_between_the_blocks_of_a_plain_net_is_more_in_the_way():
    stage = lambda: Sequential(*(Sequential(Conv2d(2, 2, 3, padding=1, rng=i), ReLU()) for i in range(2)))
    model = Sequential(one=stage(), pool=layers.MaxPool2d(2), two=stage(), flat=layers.Flatten())
    found = audit(trace(model.to(dtype=np.float64), X, dy=RNG.standard_normal((4, 18))))
    plain = [(path, "plain") for path in ("one.0", "one.1", "two.0", "two.1")]
    assert [[(b.path, b.kind) for b in breaks] for breaks in found.breaks] == [
        [plain[0]],
        [plain[1], ("pool", "MaxPool2d")],
        [plain[2]],
        [plain[3]],
    ]


def test_a_gradient_of_zero_is_no_proof():
    """Where no gradient comes through, 0 = 0 says nothing: the breaks decide."""
    assert not audit(trace(VARIANTS["original one stage"](), X, dy=0 * DY)).holds
    assert audit(trace(VARIANTS["full_preact one stage"](), X, dy=0 * DY)).holds


class Doubled(Identity):
    def forward(self, x, train=False):
        return 2 * x, None

    def backward(self, dy, cache):
        return 2 * dy


class Bent(Residual):
    """y = h(x) + f(x) / 2, by methods of its own."""

    def forward(self, x, train=False):
        y, cache = super().forward(x, train)
        return y, cache


def _conv():
    return Conv2d(3, 3, 3, padding=1, rng=0).to(dtype=np.float64)


def _audited(*layers):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 4))
    return audit(trace(Sequential(*layers), x, dy=x[::-1].copy()))


def test_what_only_inherits_from_the_identity_is_none():
    found = _audited(Residual(_conv(), Doubled()))
    assert not found.holds and [(b.path, b.kind) for b in found.breaks[0]] == [("0.shortcut", "Doubled")]


def test_a_residual_with_methods_of_its_own_is_a_join_that_nobody_knows():
    (breaks,), (level, _) = (found := _audited(Bent(Sequential(_conv(), ReLU())))).breaks, found.levels
    assert [(b.path, b.kind, b.place) for b in breaks] == [("0", "Bent", "join")] and not level.only_adds
    assert _audited(Residual(Sequential(_conv(), ReLU()))).levels[0].only_adds


def test_a_layer_between_blocks_counts_among_what_breaks():
    found = _audited(Residual(_conv()), ReLU(), Residual(_conv()))
    assert [(b.path, b.kind, b.place) for b in found.breaks[0]] == [("1", "ReLU", "link")] and found.breaks[1] == ()
    assert not found.verdict(0, 2).holds and found.verdict(1, 2).holds


def test_a_normalisation_does_not_reach_over_an_addition():
    found = _audited(BatchNorm2d(3).to(dtype=np.float64), Residual(_conv()), Residual(_conv()))
    assert [level.unnormalised for level in found.levels] == [(), ("2.branch",), ()]
