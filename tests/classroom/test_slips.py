"""Whatever slip of the pen a solution has, the check says something of it, once, in both languages."""

import re

import pytest
from classroom.slips import slips

from minires.classroom import assignments, feedback

SLOW = "trace", "train", "paths", "gradcheck", "bug_hunt"  # each run takes its time
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in assignments()]


@pytest.mark.parametrize("name", NAMES)
def test_every_slip_is_spoken_of(name):
    each, wrong = assignments()[name], 0
    for number, (what, text) in enumerate(slips(each.solution())):
        if name in SLOW[-2:] and number % 6:
            continue
        space = {}
        try:
            exec(compile(text, "mine.py", "exec"), space)
        except Exception:  # the check says so before anything else
            continue
        for exercise in each.exercises:
            for language in ("en", "zh")[number % 2 :]:
                found = feedback(exercise, space, language)
                wrong += bool(found.wrong)
                assert bool(found.sentences) >= bool(found.wrong), what
                assert len({*found.sentences}) == len(found.sentences), (what, found.sentences)
                assert not re.search(r"\b([A-Za-z_.]+), \1\b", " ".join(found.sentences)), (what, found.sentences)
                assert str(found) and found.to_html(), what
    assert wrong > 10
