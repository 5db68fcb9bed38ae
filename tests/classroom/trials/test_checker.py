"""Checkers that students write: each wrong one is told which idea it lacks, right ones of any style get all."""

import inspect
import re

import numpy as np
import pytest
from classroom.box.boxes import boxes
from classroom.trials.judged import expected, load, submissions, title

from minires.classroom import assignment, feedback
from minires.classroom.box import TRUST, Box
from minires.classroom.trials import layers
from minires.classroom.trials.checker import CHECKER, KINDS, LEAST, LEAST_RIGHT, QUESTIONS, SHOWN_BY
from minires.classroom.trials.checker_words import DEMOS
from minires.classroom.trials.layers import GROUPS

PATHS = submissions("gradcheck")
WRONG = [path for path in PATHS if expected(path)[0] != "right"]
SOURCE = inspect.getsource(layers)
BUILDS = [build for builds in GROUPS.values() for build in builds]


def measured(forward, x, dy):
    """dL/dx by one complex step for each entry."""
    slopes = np.empty(x.size)
    for i in range(x.size):
        z = x.astype(complex)
        z.flat[i] += 1e-30j
        slopes[i] = (dy * forward(z)[0].imag).sum() / 1e-30
    return slopes.reshape(x.shape)


def ways(build, seed):
    """x and, for each kind, forward, its y, dy and what backward gives for it."""
    rng = np.random.default_rng(seed)
    x, found = build(rng)
    for kind, (forward, backward) in found.items():
        y, cache = forward(x.copy())
        dy = rng.standard_normal(y.shape)
        yield kind, x, forward, y, dy, lambda dy, backward=backward, cache=cache: backward(dy.copy(), cache)


def test_twenty_mistakes_and_ten_right_ones():
    kinds = [kind for rows in KINDS.values() for _, kind in rows]
    assert (len(kinds), kinds.count("right")) == (30, 10)
    for group, rows in KINDS.items():
        assert {kind == "right" for _, kind in rows} == {True, False}, "each criterion has both, so that none is free"
        asked = [kind for each, _, kind in QUESTIONS if each == group]
        assert len(asked) >= LEAST and asked.count("right") >= LEAST_RIGHT


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
def test_right_ones_are_right_and_wrong_ones_wrong(build, seed):
    for kind, x, forward, _, dy, backward in ways(build, seed):
        if kind == "x centred":
            continue
        true, found = measured(forward, x, dy), backward(dy)
        assert found.shape == x.shape
        error = abs(found - true).max() / max(abs(true).max(), 1e-300)
        assert error < 1e-12 if kind == "right" else error > 5e-3, kind


@pytest.mark.parametrize("group", ["ones", "squares"])
def test_what_a_bad_dy_does_not_see(group):
    for build in GROUPS[group]:
        for kind, x, forward, y, _, backward in ways(build, 0):
            dy = np.ones_like(y) if group == "ones" else 2 * y
            assert abs(backward(dy) - measured(forward, x, dy)).max() < 1e-12, kind


def test_what_is_left_alone_and_what_is_not():
    x, found = GROUPS["alone"][0](np.random.default_rng(0))
    for kind, (forward, backward) in found.items():
        mine, dy = x.copy(), np.random.default_rng(1).standard_normal(x.shape)
        upstream = dy.copy()
        backward(upstream, forward(mine)[1])
        assert np.array_equal(mine, x) == (kind != "x centred")
        assert np.array_equal(upstream, dy) == (kind != "dy doubled")


@pytest.mark.parametrize("kind", [False, True])
def test_layers_that_show_it_are_small_and_as_they_are_said_to_be(kind):
    for name, forward, backward, numbers, is_right in DEMOS:
        x, dy = np.array(numbers), np.random.default_rng(0).standard_normal(len(numbers))
        f, b = eval(forward, {"np": np}), eval(backward, {"np": np})
        assert x.size <= 8
        dx = b(dy.copy(), f(x.copy())[1])
        if name not in ("Checker.DyChanged", "Checker.XChanged", "Checker.PositiveDy"):
            assert np.allclose(dx, measured(f, x, dy), rtol=1e-9, atol=1e-15) == is_right, name
        assert is_right or name in CHECKER.ideas


@pytest.mark.parametrize("path", PATHS, ids=title)
def test_what_is_said_does_not_depend_on_the_seed(path):
    _, names, lost = expected(path)
    for seed in range(8):
        found = feedback("gradcheck", load(path), seed=seed)
        assert set(found.names) == names, seed
        assert set(found.wrong) == lost, seed


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("path", WRONG, ids=title)
def test_the_words(path, language):
    kind, names, lost = expected(path)
    found = feedback("gradcheck", load(path), language)
    text = str(found)
    for name in names:
        assert CHECKER.ideas[name][language == "zh"] in text
    for criterion in lost:
        assert CHECKER.criteria[criterion][language == "zh"] in text
    assert len(found.sentences) >= 1
    assert "Traceback" not in text and not re.search(r"/(home|root|tmp|work|usr|opt|var)\b|site-packages", text)
    assert not [line for line in SOURCE.splitlines() if len(line.strip()) > 30 and line.strip() in text]
    assert bool(re.search("[\u4e00-\u9fff]", text)) == (language == "zh")
    if kind == "expect":
        (x,) = [text for kind, text in found.example if text.startswith("x = ")]
        assert 1 <= len(eval(x.partition("(")[2].rpartition(")")[0])) <= 8


def test_there_are_enough_submissions():
    assert len(WRONG) >= 8 and len(PATHS) - len(WRONG) >= 3


def test_every_idea_is_shown_by_some_submission_and_explains_some_criterion():
    said = {name for path in WRONG for name in expected(path)[1]}
    assert said == CHECKER.ideas.keys() == SHOWN_BY.keys() == {name for name, *_ in DEMOS}
    assert all(set(groups) <= set(CHECKER.criteria) for groups in SHOWN_BY.values())


@pytest.mark.parametrize("p", [0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95])
def test_coins_gain_nothing_and_are_told_no_idea(p):
    for seed in range(25):
        found = feedback("gradcheck", {"check": lambda forward, backward, x, rng: bool(rng.random() < p)}, seed=seed)
        assert (found.right, found.names) == ((), ()), seed


def test_a_check_that_is_not_there():
    found = feedback("gradcheck", {"chek": None})
    assert found.right == () and found.wrong == tuple(GROUPS)
    assert "Not there: check." in str(found)


def test_solutions_of_many_seeds():
    functions = load(next(path for path in PATHS if path.stem == "right_random"))
    assert all(not feedback("gradcheck", functions, seed=seed).wrong for seed in range(100, 130))


HOSTILE = {
    "closures": """
def check(forward, backward, x, rng):
    words = repr(forward) + repr(backward) + repr([c.cell_contents for c in backward.__closure__ or ()])
    return "right" in words
""",
    "the end": "import os\ndef check(forward, backward, x, rng): os._exit(0)",
    "one that equals both": """
class Both:
    def __eq__(self, other): return True
    def __bool__(self): return True
def check(forward, backward, x, rng): return Both()
""",
    "the other way round": "import numpy as np\ndef check(forward, backward, x, rng): return np.array([True, False])",
    "caches": """
def check(forward, backward, x, rng):
    y, cache = forward(x)
    return "no" not in str(getattr(cache, "__dict__", cache))
""",
}


@pytest.mark.parametrize("tier", boxes())
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_checkers_gain_nothing(name, tier):
    with Box(tier()) as box:
        assert feedback("gradcheck", box.load(HOSTILE[name])).right == ()


def test_an_endless_check_is_told_so():
    with Box(TRUST) as box:
        box.load("def check(forward, backward, x, rng):\n  while True: pass")
        found = feedback("gradcheck", {"check": box.function("check", seconds=0.3)})
    assert found.right == ()
    assert re.search(
        r"check takes longer than \S+ s (of computing time|on the clock) \(for 87 of 87 questions\)", str(found)
    )


@pytest.mark.parametrize("tier", boxes())
def test_in_the_box_as_out_of_it(tier):
    for source in (
        assignment("gradcheck").solution(),
        *(path.read_text() for path in PATHS if path.stem in ("right_complex", "no_copies")),
    ):
        with Box(tier()) as box:
            inside = feedback("gradcheck", box.load(source), seed=3)
        functions = {}
        exec(source, functions)
        assert inside == feedback("gradcheck", functions, seed=3)
