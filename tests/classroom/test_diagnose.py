"""Each wrong submission gets the name of its misconception, and nothing else ever gets one."""

import time

import numpy as np
import pytest
from classroom.submissions import PATHS, chosen, expected, load, title

from minires.classroom import EXERCISES, diagnose
from minires.classroom.diagnose import diagnose_layer, wrong_layer
from minires.classroom.exercises import planted
from minires.classroom.lab import Lab
from minires.errors import RangeError
from minires.mutants import MUTANTS, SILENT

each_path = pytest.mark.parametrize("path", PATHS, ids=title)


def words(diagnosis):
    return [f"{f.kind} {f.output} {f.detail}" for f in diagnosis.findings]


@each_path
def test_says_what_the_first_line_of_the_submission_says(path):
    kind, what = expected(path)
    found = diagnose(path.parent.name, load(path))
    if kind == "right":
        assert found.passed and found.score == 1 and not found.names and not found.findings
        return
    assert not found.passed and found.score < 1 and found.wrong
    if kind == "expect":
        assert (tuple(sorted(found.names)), found.findings) == (what, ())
    else:
        assert found.names == ()
        assert any(text.startswith(" ".join(what)) for text in words(found)), words(found)


def test_there_are_many_of_every_exercise_and_most_planted_mistakes_are_among_them():
    wrong = chosen("expect") + chosen("general")
    assert len(wrong) >= 100 and len(chosen("right")) >= 15
    for name, exercise in EXERCISES.items():
        assert sum(path.parent.name == name for path in wrong) >= 10
        assert sum(path.parent.name == name for path in chosen("right")) >= 2
        named = {n for path in wrong if path.parent.name == name for n in expected(path)[1]}
        assert len(named & {m.name for m in planted(exercise.of)}) >= 7


@pytest.mark.parametrize("path", [path for path in PATHS if path.stem.startswith("terms_")], ids=title)
def test_wrong_terms_cost_the_points_of_the_terms_alone(path):
    found = diagnose("residual", load(path))
    lost = {"dx"} if path.stem == "terms_into_dy" else {"shortcut_term", "branch_term"}
    assert found.wrong and set(found.wrong) <= lost and {"y", "dbranch.0.weight"} <= set(found.right)


@pytest.mark.parametrize("seed", range(1, 8))
@pytest.mark.parametrize("name", EXERCISES)
def test_names_do_not_depend_on_the_seed(name, seed):
    """Every seed takes its part of the submissions, and each of them two seeds."""
    paths = [path for path in PATHS if path.parent.name == name and expected(path)[0] != "general"]
    for path in paths[seed % 4 :: 4]:
        kind, names = expected(path)
        found = diagnose(name, load(path), seed)
        assert (tuple(sorted(found.names)), found.findings) == (names if kind == "expect" else (), ()), title(path)


@pytest.mark.slow
@each_path
def test_names_do_not_depend_on_any_of_eight_seeds(path):
    kind, names = expected(path)
    for seed in range(8):
        found = diagnose(path.parent.name, load(path), seed)
        assert tuple(sorted(found.names)) == (names if kind == "expect" else ()), seed


OF = sorted({mutant.of for mutant in (*MUTANTS, *SILENT)})


@pytest.mark.parametrize("of", OF)
def test_every_planted_mistake_names_itself_and_no_other(of):
    lab = Lab(of)
    for mutant in planted(of):
        for version in mutant.versions:
            found = diagnose_layer(lab, wrong_layer(version.kind))
            assert (found.names, found.findings) == ((mutant.name,), ()), version.kind.__name__


@pytest.mark.parametrize("of", OF)
def test_the_right_layer_passes(of):
    found = diagnose_layer(Lab(of), lambda right: right)
    assert found.passed and found.right and found.score == 1


GARBAGE = {
    "noise": lambda a, rng: a + 1e-2 * abs(a).max() * rng.standard_normal(a.shape),
    "tiny": lambda a, rng: a + 1e-5 * abs(a).max() * rng.standard_normal(a.shape),
    "shuffled": lambda a, rng: rng.permutation(a.ravel()).reshape(a.shape),
    "random": lambda a, rng: rng.standard_normal(a.shape),
    "one entry": lambda a, rng: a + (np.arange(a.size).reshape(a.shape) == rng.integers(a.size)),
}


def spoiled(path, spoil, rng):
    """The functions of a right submission with one gradient spoiled."""
    name, functions = path.parent.name, load(path)
    backward = functions[f"{name}_backward"]

    def wrong(*arguments):
        results = backward(*arguments)
        several = list(results) if isinstance(results, tuple) else [results]
        i = rng.integers(len(several))
        several[i] = spoil(several[i], rng)
        return tuple(several) if isinstance(results, tuple) else several[0]

    return functions | {f"{name}_backward": wrong}


@pytest.mark.parametrize("kind", GARBAGE)
@pytest.mark.parametrize("path", chosen("right"), ids=title)
def test_garbage_gets_no_name_and_no_points(path, kind):
    for seed in range(2):
        found = diagnose(path.parent.name, spoiled(path, GARBAGE[kind], np.random.default_rng(seed)))
        assert found.names == () and found.findings and not found.passed


def test_that_is_200_garbage_submissions():
    assert 2 * len(GARBAGE) * len(chosen("right")) >= 200


NOTHING = {
    "zeros": lambda a: np.zeros(np.shape(a)),
    "ones": lambda a: np.ones(np.shape(a)),
    "copies": lambda a: np.array(a),
    "nan": lambda a: np.full(np.shape(a), np.nan),
}


@pytest.mark.parametrize("kind", NOTHING)
@pytest.mark.parametrize("name", EXERCISES)
def test_zeros_ones_copies_and_nan_earn_nothing(name, kind):
    make, is_loss = NOTHING[kind], name == "softmax_cross_entropy"

    def forward(x, *arrays):
        return np.asarray(make(x)).mean() if is_loss else make(x), (x, arrays)

    def backward(*arguments):
        x, arrays = arguments[0 if is_loss else 1]
        shaped = [make(a) for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        gradients = [make(x), *shaped[:2]]
        return tuple(gradients) if len(gradients) > 1 else gradients[0]

    found = diagnose(name, {f"{name}_forward": forward, f"{name}_backward": backward})
    assert found.score == 0 and found.right == (), found
    assert not found.names


@pytest.mark.parametrize(
    ("name", "functions", "text"),
    [
        ("linear", {}, "missing linear_forward"),
        ("linear", {"linear_forward": lambda x, w, b: 1 / 0}, "missing linear_backward"),
        (
            "linear",
            {"linear_forward": lambda x, w, b: 1 / 0, "linear_backward": lambda dy, cache: dy},
            "raised  ZeroDivisionError: division by zero",
        ),
        ("relu", {"relu_forward": lambda x: x, "relu_backward": lambda dy, cache: dy}, "raised  ContractError: "),
        (
            "relu",
            {"relu_forward": lambda x, more: (x, x), "relu_backward": lambda dy, cache: dy},
            "raised  TypeError: ",
        ),
    ],
)
def test_what_does_not_run_is_a_finding(name, functions, text):
    found = diagnose(name, functions)
    assert found.names == () and found.right == () and found.score == 0
    assert words(found)[0].startswith(text)


@pytest.mark.parametrize("name", EXERCISES)
def test_functions_that_are_there_are_graded_without_those_that_are_missing(name):
    functions = load(next(path for path in chosen("right") if path.parent.name == name))
    defined = [each for each in EXERCISES[name].defines if each in functions]
    for missing in defined:
        found = diagnose(name, functions | {missing: None})
        assert found.names == () and [(f.kind, f.output) for f in found.findings] == [("missing", missing)]
        assert (
            ("y" in found.right) == (not missing.endswith("forward")) and "dx" not in found.right or "term" in missing
        )
    found = diagnose(name, {})
    assert (
        found.right == ()
        and [f.output for f in found.findings] == defined
        and found.wrong == diagnose(name, {each: lambda *a: 1 / 0 for each in defined}).wrong
    )  # a table of scores has the same columns


def test_an_exercise_that_is_not_there_is_refused():
    with pytest.raises(RangeError, match="no exercise 'pool': choose one of linear, relu"):
        diagnose("pool", {})


def test_the_modules_of_students_are_taken_as_they_are(tmp_path):
    import importlib.util

    file = tmp_path / "mine.py"
    file.write_text((chosen("right")[0]).read_text())
    spec = importlib.util.spec_from_file_location("mine", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert diagnose(chosen("right")[0].parent.name, module).passed


def test_a_diagnosis_takes_well_below_a_second():
    """Of the slowest kind: two mistakes in one output, which ask for pairs."""
    path = next(path for path in PATHS if path.stem == "gamma_and_variance")
    functions = load(path)
    diagnose("batchnorm", functions)
    start = time.perf_counter()
    diagnose("batchnorm", functions)
    assert time.perf_counter() - start < 1
