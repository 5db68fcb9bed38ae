"""A box is trusted once everything has failed that must fail in it."""

import pytest
from classroom.box.boxes import reason

from minires.classroom.box import BUBBLEWRAP, LANDLOCK, TRUST, BoxError, Tier, self_test, strongest

WEAK = Tier("weak", TRUST.command)


def test_a_box_that_is_there_but_open_is_not_used():
    with pytest.raises(BoxError, match="weak is there, but does not hold: .*read_file"):
        self_test(WEAK)


def test_without_a_box_nothing_is_graded_and_each_reason_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    broken = Tier("broken", lambda *pipes: ["/nowhere/python"])
    with pytest.raises(
        BoxError, match="so that nothing is graded: .*bwrap is not installed; .*broken.*; weak is there"
    ):
        strongest((BUBBLEWRAP, broken, WEAK))


def test_the_first_that_holds_is_taken():
    here = [tier for tier in (BUBBLEWRAP, LANDLOCK) if reason(tier) is None]
    if not here:
        pytest.skip(reason(BUBBLEWRAP))
    assert strongest((WEAK, *here)) is here[0]
