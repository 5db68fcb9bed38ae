"""Every planted mistake is refused, on every backend, and differs from the right layer in what it does."""

import copy

import numpy as np
import pytest
from conftest import to_xp
from oracles import randomise

import minires.layers
import minires.losses
from minires.cases import CASES, case
from minires.contract import check_layer
from minires.errors import ContractError
from minires.mutants import MUTANTS, SILENT, batch_norm_terms, conv, linear, pool

VERSIONS = [version for mutant in MUTANTS for version in mutant.versions]


def title(mutant):
    kind = mutant.kind.__name__
    return mutant.name if mutant.name.endswith(f".{kind}") else f"{mutant.name} ({kind})"


each_mutant = pytest.mark.parametrize("mutant", VERSIONS, ids=title)


@each_mutant
def test_refused(mutant, xp, device):
    make, x = mutant.case(0)
    with pytest.raises(ContractError):
        check_layer(lambda: make().to(device=device), to_xp(xp, x))


@each_mutant
def test_the_right_layer_is_accepted(mutant):
    _, x = mutant.case(0)
    check_layer(lambda: mutant.right(np.random.default_rng(0)), x)


STEPS = {
    "BatchNormSteps": (batch_norm_terms.BatchNormSteps, lambda cls, rng: cls(4)),
    "ConvSteps": (conv.ConvSteps, lambda cls, rng: cls(4, 6, 3, stride=2, padding=1, groups=2, bias=True, rng=rng)),
    "MaxPoolSteps": (pool.MaxPoolSteps, lambda cls, rng: cls(3, stride=2, padding=1)),
    "AvgPoolSteps": (pool.AvgPoolSteps, lambda cls, rng: cls(3, stride=2, padding=1)),
}


@pytest.mark.parametrize("name", STEPS)
def test_backwards_in_steps_are_right(name):
    """Else a mutant would be refused for another mistake than its own."""
    cls, build = STEPS[name]
    check_layer(lambda: build(cls, np.random.default_rng(0)), np.random.default_rng(1).standard_normal((3, 4, 5, 6)))


def test_linear_in_steps_is_right():
    x = np.random.default_rng(1).standard_normal((4, 4))
    check_layer(lambda: linear.LinearSteps(4, 4, rng=np.random.default_rng(0)), x)


def effects(layer, x, cache, dy):
    """All that two backwards do, after another forward of the layer: dy, both dx, gradients and parameters."""
    cache, dy = copy.deepcopy(cache), dy.copy()
    layer.forward(x[::-1], train=True)
    layer.zero_grads()
    dxs = [np.array(layer.backward(dy, cache)) for _ in range(2)]
    return [dy, *dxs, *(a for _, p in layer.params() for a in (p.grad, p.data))]


def same(found, expected):
    pairs = list(zip(found, expected, strict=True))
    return all(a.shape == b.shape and np.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in pairs)


@pytest.mark.parametrize("mutant", [m for m in VERSIONS if m.backward_only], ids=title)
def test_backward_takes_the_cache_of_the_right_layer_and_does_something_else(mutant):
    x = 3 * mutant.case(0)[1]  # wide enough for every branch of every activation
    makers = mutant.right, mutant.right, mutant.make
    right, again, wrong = (randomise(make(np.random.default_rng(0)), np.random.default_rng(2)) for make in makers)
    differs = []
    for train in (False, True):
        y, cache = copy.deepcopy(right).forward(x, train)
        dy = np.asarray(np.random.default_rng(3).standard_normal(y.shape))
        expected = effects(right, x, cache, dy)
        assert same(effects(again, x, cache, dy), expected)
        differs.append(not same(effects(wrong, x, cache, dy), expected))
    assert any(differs)


@each_mutant
def test_equal_seeds_give_equal_parameters(mutant):
    wrong, right = (make(np.random.default_rng(5)) for make in (mutant.make, mutant.right))
    assert [path for path, _ in wrong.tensors()] == [path for path, _ in right.tensors()]
    assert all(np.array_equal(a.data, b.data) for (_, a), (_, b) in zip(wrong.tensors(), right.tensors()))


@pytest.mark.parametrize("mutant", SILENT, ids=title)
def test_the_checks_cannot_see_the_silent_ones_although_their_numbers_are_others(mutant):
    make, x = mutant.case(0)
    check_layer(make, x, method="auto")
    x = 1000 * x if mutant.name.endswith("Unstable") else x
    found = []
    for build in (mutant.make, mutant.right):
        layer = randomise(build(np.random.default_rng(0)), np.random.default_rng(2))
        with np.errstate(all="ignore"):
            ys = [layer.forward(x, train)[0] for train in (False, True)]
        found.append([*ys, *(t.data for _, t in layer.tensors())])
    assert not same(*found)


def test_there_are_many_and_they_are_sorted():
    names = [mutant.name for mutant in MUTANTS]
    assert not {mutant.name for mutant in SILENT} & set(names)
    assert len(names) >= 48
    assert names == sorted(set(names))


def test_misconceptions_are_sentences_of_their_own():
    sentences = [mutant.misconception for mutant in (*MUTANTS, *SILENT)]
    assert len(set(sentences)) == len(sentences)
    for sentence in sentences:
        assert sentence.endswith(".") and "\n" not in sentence and 20 < len(sentence) < 160, sentence


def test_no_two_mutants_are_one_mistake():
    """On each other's layers too: a diagnosis could not choose between them."""
    found = {}
    for mutant in (m for m in VERSIONS if m.backward_only and hasattr(minires.layers, m.of)):
        rows = [m for m in MUTANTS if m.of == mutant.of and m.backward_only]
        wrong = type(mutant.make(np.random.default_rng(0)))
        key = [mutant.of]
        for row in rows:
            right = randomise(row.right(np.random.default_rng(0)), np.random.default_rng(2))
            if not issubclass(wrong, type(right)):
                continue
            twin = copy.deepcopy(right)
            twin.__class__ = wrong
            x = 3 * row.case(0)[1]
            for train in (False, True):
                y, cache = copy.deepcopy(right).forward(x, train)
                dy = np.asarray(np.random.default_rng(3).standard_normal(y.shape))
                try:
                    key += [a.round(9).tobytes() for a in effects(copy.deepcopy(twin), x, cache, dy)]
                except (ValueError, IndexError, TypeError, AttributeError) as error:
                    key.append(type(error).__name__)
        found.setdefault(tuple(key), []).append(title(mutant))
    assert [names for names in found.values() if len(names) > 1] == []


@each_mutant
def test_names_the_public_class_that_is_right(mutant):
    assert hasattr(minires.layers, mutant.of) or hasattr(minires.losses, mutant.of)
    assert mutant.name.startswith(f"{mutant.of}.")
    wrong, right = mutant.make(np.random.default_rng(0)), mutant.right(np.random.default_rng(0))
    if mutant.of in minires.layers.__all__:
        assert isinstance(wrong, getattr(minires.layers, mutant.of))
        assert type(right).__name__ == mutant.of
    else:
        assert type(right.loss).__name__ == mutant.of


def test_every_layer_that_computes_has_a_mutant():
    moved_or_shared = {"BatchNorm1d", "Identity"}  # BatchNorm1d has the backward of BatchNorm2d, Identity has none
    expected = {name.split()[0] for name in CASES} - moved_or_shared
    assert {mutant.of for mutant in MUTANTS} == expected


@pytest.mark.parametrize("name", CASES)
def test_right_layers_are_accepted(name, xp, device):
    make, x = case(name, 0)
    check_layer(lambda: make().to(device=device), to_xp(xp, x))
