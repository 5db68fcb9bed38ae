"""What is found of a submission is the same in the box and outside of it."""

import pytest
from classroom.box.boxes import boxes
from classroom.submissions import FOLDER, PATHS, asked, load, title

from minires.classroom import assignment, diagnose, feedback
from minires.classroom.box import TRUST, Box
from minires.classroom.task_diagnosis import diagnose_task

SOME = {
    "linear": ("given_bias_axis", "given_ok_einsum", "given_subtract_lr"),
    "batchnorm": ("given_no_dvar", "given_ok_staged", "reads_running_in_backward"),
    "residual": ("given_chained", "given_in_place", "given_ok", "terms_exchanged", "terms_sum", "right_terms_list"),
}


@pytest.mark.parametrize("tier", [*boxes(), pytest.param(lambda: TRUST, id="trust")])
@pytest.mark.parametrize(("exercise", "names"), SOME.items())
def test_the_same_is_found(tier, exercise, names):
    for name in names:
        path = FOLDER / exercise / f"{name}.py"
        with Box(tier()) as box:
            there, here = diagnose(exercise, box.load(path.read_text())), diagnose(exercise, load(path))
        assert there == here
        assert [(each.kind, each.output) for each in there.raises] == [(each.kind, each.output) for each in here.raises]


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=title)
def test_the_same_is_found_of_all(path):
    with Box(TRUST) as box:
        assert diagnose(path.parent.name, box.load(path.read_text())) == diagnose(path.parent.name, load(path))


TASKS = {name: assignment(name).exercises[0] for name in ("train", "trace", "paths")}
ASKED = {
    "train": ("right_per_image", "nesterov"),
    "trace": ("right_jacobians", "no_mask"),
    "paths": ("right_lists", "linearised"),
}


@pytest.mark.parametrize("tier", [*boxes(), pytest.param(lambda: TRUST, id="trust")])
@pytest.mark.parametrize(("name", "stems"), ASKED.items())
def test_the_same_is_found_of_functions_that_are_no_layer(tier, name, stems):
    for path in asked():
        if path.parent.name == name and path.stem in stems:
            with Box(tier()) as box:
                found = feedback(TASKS[name], box.load(path.read_text()), seed=1)
            assert (str(found), found.names) == (str(out := feedback(TASKS[name], load(path), seed=1)), out.names)


@pytest.mark.slow
@pytest.mark.parametrize("path", asked(), ids=title)
def test_the_same_is_found_of_all_functions_that_are_no_layer(path):
    task = TASKS[path.parent.name]
    with Box(TRUST) as box:
        assert diagnose_task(task, box.load(path.read_text())) == diagnose_task(task, load(path))
