"""Tests that students write for a block: each silent bug alone can be found, shapes and gradients find none of them."""

import re

import numpy as np
import pytest
from classroom.box.boxes import boxes
from classroom.trials.judged import expected, load, submissions, title

from minires import check_layer, gradcheck
from minires.classroom import assignment, feedback
from minires.classroom.box import TRUST, Box
from minires.classroom.trials import hunt
from minires.classroom.trials.blocks import CRASHES, RIGHT, SILENT, opaque
from minires.classroom.trials.hunt import HUNT, NAMES
from minires.errors import ShapeError
from minires.layers import Layer

PATHS = submissions("bug_hunt")
WRONG = [path for path in PATHS if expected(path)[0] != "right"]
SOLUTION = assignment("bug_hunt").solution()
SLOW = {"contract", "gradients"}
INSIDE = {"returns", "branch_of_zeros", *SLOW}
x = np.random.default_rng(0).standard_normal((3, 2, 4, 4))


def made(make, *sizes, seed=0):
    return opaque(make(*(sizes or (2, 3, 2)), np.random.default_rng(seed)))


@pytest.mark.parametrize("make", SILENT, ids=lambda make: make.__name__)
def test_shapes_and_gradients_find_no_silent_bug(make):
    for size in (4, 5):
        images = np.random.default_rng(1).standard_normal((2, 2, size, size)).astype(np.float32)
        assert made(make)(images).shape == made(RIGHT[0])(images).shape == (2, 3, (size + 1) // 2, (size + 1) // 2)
    assert gradcheck(made(make), x).worst_error < 1e-9
    check_layer(lambda: made(make), x)


@pytest.mark.parametrize("make", SILENT, ids=lambda make: make.__name__)
def test_each_bug_makes_another_y(make):
    block, right = made(make), made(RIGHT[0])
    for (_, a), (_, b) in zip(block.tensors(), right.tensors(), strict=True):
        assert np.array_equal(a.data, b.data)
    images = x.astype(np.float32)
    assert abs(block(images) - right(images)).max() > 0.1


@pytest.mark.parametrize("make", CRASHES, ids=lambda make: make.__name__)
def test_the_other_bugs_crash(make):
    with pytest.raises((RuntimeError, ShapeError)):
        made(make)(x.astype(np.float32))


@pytest.mark.parametrize("sizes", [(2, 3, 2), (3, 3, 1), (2, 4, 1)])
def test_right_blocks_agree(sizes):
    images = np.random.default_rng(2).standard_normal((2, sizes[0], 5, 6))
    first, second = (made(make, *sizes).to(dtype=np.float64) for make in RIGHT[:2])
    for train in (True, False):
        (y, cache), (other, others) = (block.forward(images, train) for block in (first, second))
        assert np.allclose(y, other, rtol=1e-12, atol=1e-12)
        dy = np.random.default_rng(3).standard_normal(y.shape)
        assert np.allclose(first.backward(dy, cache), second.backward(dy, others), rtol=1e-10, atol=1e-12)
    for make in RIGHT:
        assert gradcheck(made(make, *sizes), images).worst_error < 1e-9


def test_a_block_shows_its_arrays_and_not_how_it_computes():
    names = {make: [name for name, _ in made(make).tensors()] for make in (*RIGHT, *SILENT, *CRASHES)}
    assert len({tuple(found) for found in names.values()}) == 1
    for make in names:
        block = made(make)
        assert {type(layer) for _, layer in block.walk()} == {Layer, type(block)}
        assert make.__name__ not in repr(block) + repr(vars(block))


@pytest.mark.parametrize("bug", NAMES)
def test_for_each_bug_there_is_a_test_that_finds_it_alone(bug):
    (path,) = [path for path in PATHS if path.stem == f"kills_{bug}"]
    found = feedback("bug_hunt", load(path))
    assert found.right == (bug,)
    assert set(found.names) == {f"BugHunt.{name}" for kind, name in NAMES.items() if kind != bug}


@pytest.mark.parametrize("path", PATHS, ids=title)
def test_what_is_said_does_not_depend_on_the_seed(path):
    _, names, lost = expected(path)
    for seed in range(1 if path.stem in SLOW else 8):
        found = feedback("bug_hunt", load(path), seed=seed)
        assert set(found.names) == names, seed
        assert set(found.wrong) == lost, seed


def test_a_coin_is_never_told_of_first_values():
    coin = load(next(path for path in PATHS if path.stem == "coin"))
    found = {feedback("bug_hunt", coin, seed=seed).names for seed in range(5000, 5040)}
    assert found == {("BugHunt.RefusesRight",)}


@pytest.mark.parametrize("p", [0.1, 0.2, 0.3, 0.5, 0.7])
def test_a_coin_has_one_chance_in_a_thousand(p, monkeypatch):
    rng, found, seeds = np.random.default_rng(0), 0, 1000
    monkeypatch.setattr(hunt, "ask", lambda _, make, __: hunt.Asked(make.__name__, refused=rng.random() < p))
    for seed in range(seeds):
        found += len(HUNT.judge({"test_block": None}, seed).right)
    assert found <= seeds * len(NAMES) / 1000


@pytest.mark.parametrize(
    ("stem", "least", "most"),
    [("right_by_definition", 20, 20), ("returns", 11, 11), ("kills_no_relu", 21, 21), ("never", 29, 29)],
)
def test_no_block_is_built_whose_answer_says_nothing_new(stem, least, most):
    test_block, built = load(next(path for path in PATHS if path.stem == stem))["test_block"], []
    for seed in range(4):
        built.clear()
        feedback("bug_hunt", {"test_block": lambda build: built.append(1) or test_block(build)}, seed=seed)
        assert least <= len(built) <= most, seed


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("path", [path for path in WRONG if path.stem not in SLOW], ids=title)
def test_the_words(path, language):
    _, names, lost = expected(path)
    text = str(feedback("bug_hunt", load(path), language))
    assert names and all(HUNT.ideas[name][language == "zh"] in text for name in names)
    assert all(HUNT.criteria[criterion][language == "zh"] in text for criterion in lost)
    assert "Traceback" not in text and not re.search(r"/(home|root|tmp|work|usr|opt|var)\b|site-packages", text)
    assert bool(re.search("[\u4e00-\u9fff]", text)) == (language == "zh")


def test_there_are_enough_submissions():
    assert len(WRONG) >= 8 and len(PATHS) - len(WRONG) >= 3


def test_every_idea_is_shown_by_some_submission():
    assert {name for path in WRONG for name in expected(path)[1]} == HUNT.ideas.keys()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "def test_block(build): assert 1 > 2, 'one is not more'",
            "On a right block your tests raise .*one is not more",
        ),
        ("def test_block(build): return build(2, 2, 1) is None", "Your tests return a value"),
        ("def test_block(build): build(2, 2, 1)", "Blocks that cannot even run pass your tests: 2 of them"),
        ("def test_block(build): build(100_000, 100_000, 1)", r"build got 100000, 100000, 1, .* at most \(64, 64, 4\)"),
        ("def test_block(build): build(2, 2, 0)", "build got 2, 2, 0, expected at least 1"),
        ("def test_blocks(build): 0", "Not there: test_block."),
        ("import os\ndef test_block(build): os._exit(0)", "Your tests give no answer: test_block ends its process"),
    ],
)
def test_what_else_is_said(source, message):
    with Box(TRUST, minires=True) as box:
        found = feedback("bug_hunt", box.load(source))
    assert found.right == () and re.search(message, str(found))


HOSTILE = {
    "names of classes": """
def test_block(build):
    words = repr(build) + "".join(map(repr, (vars(layer) for _, layer in build(2, 3, 2).walk())))
    assert "Residual" in words or "right" in words
""",
    "those of the grader": """
import gc
from minires.layers import Layer
def test_block(build):
    build(2, 3, 2)
    assert not [o for o in gc.get_objects() if isinstance(o, Layer) and type(o).__name__ == "Dropped"]
""",
    "another minires": """
import minires.layers as layers
layers.Layer.forward = None
def test_block(build): assert build(2, 3, 2)
""",
}


@pytest.mark.parametrize("tier", boxes())
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tests_gain_nothing(name, tier):
    with Box(tier(), minires=True) as box:
        assert feedback("bug_hunt", box.load(HOSTILE[name])).right == ()


@pytest.mark.parametrize("tier", boxes())
def test_in_the_box_as_out_of_it(tier):
    for source in (SOLUTION, *(path.read_text() for path in PATHS if path.stem in INSIDE)):
        with Box(tier(), minires=True) as box:
            inside = feedback("bug_hunt", box.load(source), seed=3)
        functions = {}
        exec(source, functions)
        assert inside == feedback("bug_hunt", functions, seed=3)
