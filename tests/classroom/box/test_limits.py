"""Limits are of computing time, so that a busy machine takes no points; who sleeps ends by those of the clock."""

import os
import re
import signal
import threading
import time

import pytest
from classroom.box.boxes import boxes
from classroom.box.table import descendants

from minires.classroom.box import TRUST, Box, Failure
from minires.classroom.box.limits import ComputingTime, Limit

KINDS = [*boxes(), pytest.param(lambda: TRUST, id="trust")]
SOURCE = """
import time
def compute(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
def sleep(seconds): time.sleep(seconds)
def loop(x):
    while 1: pass
def ask(forward):
    while 1: forward()
"""


@pytest.fixture(params=KINDS)
def box(request):
    with Box(request.param()) as box:
        box.load(SOURCE)
        yield box


def ends(box, function, *arguments):
    """A call ends by the limit that it names, and one second later at most; returns its unit."""
    began = time.monotonic()
    with pytest.raises(Failure, match=f"{function} takes longer than ") as error:
        box.call(function, *arguments, seconds=0.3)
    took = time.monotonic() - began
    assert error.value.kind == "time"
    limit, unit = re.search("longer than (.*) s (of computing time|on the clock)$", str(error.value)).groups()
    assert float(limit) == (1.2 if unit == "on the clock" else 0.3)
    assert float(limit) - 0.02 <= took < 1.2 + 1
    return unit


def test_an_endless_loop_ends(box):
    ends(box, "loop", 1)


def test_who_never_stops_asking_ends(box):
    ends(box, "ask", lambda: None)


def test_who_sleeps_ends_by_the_clock(box):
    assert ends(box, "sleep", 99) == "on the clock"


def test_a_worker_that_gets_no_time_loses_none(box):
    """It is stopped for longer than a call may compute, as by a machine that has others to serve."""
    worker = max(descendants(os.getpid()))
    os.kill(worker, signal.SIGSTOP)
    later = threading.Timer(2.2, os.kill, (worker, signal.SIGCONT))
    later.start()
    box.call("compute", 0.05, seconds=2)
    later.join()


@pytest.mark.parametrize(
    ("call", "most", "text"),
    [
        (("compute", 0.15), (0.5, 60.0), "compute takes longer than 0.5 s of computing time with all calls before"),
        (("sleep", 0.7), (60.0, 2.0), "sleep takes longer than 2 s on the clock with all calls before"),
    ],
)
def test_all_calls_together_have_a_limit(call, most, text, monkeypatch):
    for room in ("limits", "box"):
        monkeypatch.setattr(f"minires.classroom.box.{room}.ALL", most)
    with Box(TRUST) as box:
        box.load(SOURCE)
        with pytest.raises(Failure, match=text) as error:
            for _ in range(9):
                box.call(*call)
        assert error.value.kind == "time"


def test_where_the_system_does_not_tell_the_clock_counts():
    nobody = ComputingTime(2**22 + 1)  # above all pids
    before = nobody()
    time.sleep(0.05)
    assert 0.05 <= nobody() - before < 5


def test_computing_time_is_that_of_the_process_and_stays_at_its_end():
    with Box(TRUST) as box:
        box.load(SOURCE)
        computed = ComputingTime(box._process.pid)
        before = computed()
        box.call("sleep", 0.2)
        assert computed() - before < 0.1
        box.call("compute", 0.2)
        assert 0.2 <= computed() - before < 0.4
    assert computed() > before


def test_a_limit_says_how_long_to_wait():
    computed = iter([1.0, 1.05, 1.11])
    limit = Limit(0.2, (0.1, 9), lambda: next(computed))
    assert limit.pause() == pytest.approx(0.05)
    with pytest.raises(TimeoutError, match="^60 s of computing time with all calls before$"):
        limit.pause()
    limit = Limit(0.2, (9, 9), lambda: 0.0)
    assert 0 < limit.pause() <= 0.2
    time.sleep(0.85)
    with pytest.raises(TimeoutError, match="^0.8 s on the clock$"):
        limit.pause()
