"""What is found of a submission is the same in the box and outside of it."""

import pytest
from classroom.box.boxes import boxes
from classroom.submissions import FOLDER, PATHS, load, title

from minires.classroom import diagnose
from minires.classroom.box import TRUST, Box

SOME = {
    "linear": ("given_bias_axis", "given_ok_einsum", "given_subtract_lr"),
    "batchnorm": ("given_no_dvar", "given_ok_staged", "reads_running_in_backward"),
    "residual": ("given_chained", "given_in_place", "given_ok"),
}


@pytest.mark.parametrize("tier", [*boxes(), pytest.param(lambda: TRUST, id="trust")])
@pytest.mark.parametrize(("exercise", "names"), SOME.items())
def test_the_same_is_found(tier, exercise, names):
    for name in names:
        path = FOLDER / exercise / f"{name}.py"
        with Box(tier()) as box:
            assert diagnose(exercise, box.load(path.read_text())) == diagnose(exercise, load(path))


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=title)
def test_the_same_is_found_of_all(path):
    with Box(TRUST) as box:
        assert diagnose(path.parent.name, box.load(path.read_text())) == diagnose(path.parent.name, load(path))
