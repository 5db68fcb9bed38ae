"""Weights of two networks are handed in: read within bounds, held against the start of the student and the recipe."""

import json
import os
import runpy
import zipfile

import numpy as np
import pytest
from classroom import stacked

from minires.classroom import assignment, build, check, grade
from minires.classroom.box import TRUST
from minires.classroom.submissions import files_of
from minires.files.safetensors import write_safetensors

EACH = assignment("train")
(TASK,) = EACH.exercises
GIVEN = TASK.questions["GIVEN"]
FILES = EACH.files


@pytest.fixture(scope="module")
def trained():
    """{(name, kind): (parameters, losses)}"""
    step = TASK.solution["training_step"]
    return {(n, k): GIVEN["train"](step, n, k == "residual") for n in ("ada", "bob") for k in ("plain", "residual")}


@pytest.mark.parametrize("residual", [False, True])
def test_stacks_train_as_the_solution_does(residual):
    rng, how = np.random.default_rng(0), (residual, 0.02, 0.9, 1e-4)
    images, labels = GIVEN["digits"]("train")
    images, labels = images[:20], labels[:20]
    starts = [[p + 0.1 * rng.standard_normal(p.shape) for p in GIVEN["start"](name)] for name in ("ada", "bob", "cyd")]
    begun = [[rng.standard_normal(p.shape) for p in params] for params in starts]
    both = [[np.array(arrays) for arrays in zip(*each)] for each in (starts, begun)]
    stacked.step(images, labels, *both, *how)
    for i, (params, velocities) in enumerate(zip(starts, begun)):
        expected = TASK.solution["training_step"](images, labels, params, velocities, *how)
        for arrays, right in zip(both, expected):
            assert all(np.allclose(a[i], b, rtol=1e-12, atol=1e-13) for a, b in zip(arrays, right, strict=True))


@pytest.fixture
def handed_in(trained, tmp_path):
    """A folder with right submissions of ada and bob."""
    for name in ("ada", "bob"):
        folder = tmp_path / "in" / name
        folder.mkdir(parents=True)
        (folder / "train.py").write_text(EACH.solution())
        for kind in ("plain", "residual"):
            GIVEN["write"](folder / f"{kind}.safetensors", name, trained[name, kind][0])
    return tmp_path / "in"


def test_the_plain_network_does_not_learn_and_the_residual_one_does(trained):
    """From one start, by one recipe; it is no overfitting, since it shows in the training loss."""
    for name in ("ada", "bob"):
        plain, residual = (trained[name, kind][1] for kind in ("plain", "residual"))
        assert min(plain) > 2 and residual[-1] < 0.2


def test_right_files_are_right_for_several_seeds(handed_in):
    for name in ("ada", "bob"):
        for seed in range(5):
            assert TASK.weigh(files_of(handed_in / name, FILES), name, seed) == {}


def spoiled(params, how):
    first, first_bias, blocks, bias, last, last_bias = (p.copy() for p in params)
    rng = np.random.default_rng(0)
    if how == "nan":
        blocks[3, 2, 1] = np.nan
    if how == "noise":
        blocks += 3 * rng.standard_normal(blocks.shape)
    if how == "black pixels":
        first += 1e-3 * rng.standard_normal(first.shape)
    if how == "longer":
        first *= 0.9
    if how == "turned":
        blocks = blocks[:, :, :-1]
    return [first, first_bias, blocks, bias, last, last_bias]


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("nan", "blocks.weight holds NaN or infinity"),
        ("noise", "blocks.weight does not come from the start of this name"),
        ("black pixels", "first.weight does not come from the start of this name"),
        ("longer", "was not trained by the recipe to its end"),
        (
            "turned",
            r"holds float64 of shape \(60, 24, 23\) called blocks.weight, expected floats of shape \(60, 24, 24\)",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["plain", "residual"])
def test_weights_that_cannot_be_those_of_the_recipe(kind, how, text, trained, tmp_path):
    import re

    path = tmp_path / f"{kind}.safetensors"
    GIVEN["write"](path, "ada", spoiled(trained["ada", kind][0], how))
    english, chinese = TASK.weigh({path.name: path.read_bytes()}, "ada", 1)[path.name]
    assert re.search(text, english) and re.search("[\u4e00-\u9fff]", chinese)


def written(path, name, params):
    GIVEN["write"](path, name, params)
    return {path.name: path.read_bytes()}


def test_networks_of_others_untrained_ones_and_exchanged_ones(trained, tmp_path):
    plain, residual = (tmp_path / name for name in FILES)

    def said(path, params, name="ada", student="ada"):
        return TASK.weigh(written(path, name, params), student, 1)[path.name][0]

    assert "was trained for 'bob'" in said(residual, trained["bob", "residual"][0], "bob")
    assert "does not come from the start" in said(residual, trained["bob", "residual"][0])
    assert "was not trained by the recipe" in said(residual, GIVEN["start"]("ada"))
    assert "less than 90 %" in said(residual, trained["ada", "plain"][0])
    assert "does not, so it was trained as another one" in said(plain, trained["ada", "residual"][0])
    half, _ = GIVEN["train"](TASK.solution["training_step"], "ada", True, 4)
    assert "was not trained by the recipe" in said(residual, half)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 100,
        (2**62).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        b"\x80\x04cos\nsystem\n",
        len(text := json.dumps({"__metadata__": {"student": "\ud800"}}).encode()).to_bytes(8, "little") + text,
    ],
)
def test_bytes_that_are_no_weights_are_said_to_be_none(data):
    assert "cannot be read as safetensors" in TASK.weigh({FILES[0]: data}, "ada", 1)[FILES[0]][0]


def test_only_named_regular_files_within_bounds_are_taken(handed_in, tmp_path):
    folder = handed_in / "ada"
    (folder / "more.safetensors").write_bytes(b"")
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / FILES[0]).unlink()
    os.symlink(tmp_path / "secret", folder / FILES[0])
    (folder / FILES[1]).write_bytes(bytes(2**20 + 1))
    found = files_of(folder, FILES)
    assert found == {
        FILES[0]: "plain.safetensors is no regular file",
        FILES[1]: "residual.safetensors has 1048577 bytes, expected at most 1048576",
    }
    (folder / FILES[1]).unlink()
    os.mkfifo(folder / FILES[1])
    assert "no regular file" in files_of(folder, FILES)[FILES[1]]
    assert "There is no" in TASK.weigh({}, "ada", 1)[FILES[0]][0] and len(TASK.weigh(found, "ada", 1)) == 2


def test_a_class_is_graded_with_its_files_in_folders_and_archives(handed_in, tmp_path):
    with zipfile.ZipFile(handed_in / "eve.zip", "w") as archive:  # whose weights are those of ada
        for path in sorted((handed_in / "ada").iterdir()):
            archive.write(path, f"eve/{path.name}")
    (handed_in / "hal.py").write_text(EACH.solution())
    out = tmp_path / "out"
    grades = {g.student: g for g in grade("train", handed_in, out, tier=TRUST, secret="s", jobs=1)}
    assert {name: round(g.total, 4) for name, g in grades.items()} == {
        "ada": 10, "bob": 10, "eve": 6.6667, "hal": 6.6667
    }  # fmt: skip
    assert "was trained for 'ada'" in grades["eve"].feedback and "There is no plain" in grades["hal"].feedback
    digest = grades["bob"].digest
    (handed_in / "bob" / FILES[0]).unlink()
    again = {g.student: g for g in grade("train", handed_in, out, tier=TRUST, secret="s", jobs=1)}
    assert again["bob"].digest != digest and again["bob"].total < 10 and again["ada"] == grades["ada"]


def test_a_student_can_check_the_files_from_the_handout_alone(tmp_path, monkeypatch):
    files = {path.name: path for path in build("train", tmp_path)}
    assert sorted(files) == ["README.md", "train.py", "train_networks.py"]
    files["train.py"].write_text(EACH.solution())
    monkeypatch.chdir(files["train.py"].parent)
    monkeypatch.syspath_prepend(".")
    monkeypatch.setattr("sys.argv", ["train_networks.py", "ada"])
    monkeypatch.setitem(__import__("sys").modules, "train", None)
    monkeypatch.delitem(__import__("sys").modules, "train")
    runpy.run_path("train_networks.py", run_name="__main__")
    (found,) = check(EACH, files["train.py"])
    assert found.wrong == () and set(FILES) <= set(found.right)
    (files["train.py"].parent / FILES[1]).unlink()
    (found,) = check(EACH, files["train.py"], "zh")
    assert found.wrong == (FILES[1],) and "没有 residual.safetensors" in str(found)


def test_a_network_may_begin_anew_from_the_next_of_ten_starts(tmp_path):
    path = tmp_path / FILES[1]
    params, _ = GIVEN["train"](TASK.solution["training_step"], "ada", True, attempt=3)
    for attempt, right in ((3, True), (2, False), (11, False)):
        GIVEN["write"](path, "ada", params, attempt)
        assert (TASK.weigh({path.name: path.read_bytes()}, "ada", 1).get(path.name) is None) is right


def test_other_dtypes_of_the_same_weights_are_as_right(trained, tmp_path):
    path = tmp_path / FILES[1]
    arrays = {name: a.astype(np.float32) for name, a in zip(GIVEN["NAMES"], trained["ada", "residual"][0])}
    write_safetensors(path, arrays, {"student": "ada"})
    assert FILES[1] not in TASK.weigh({FILES[1]: path.read_bytes()}, "ada", 1)
