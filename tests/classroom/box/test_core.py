"""A grader's thread and its worker on one core, and off it again."""

import os
import threading

import pytest

from minires.classroom.box import TRUST, Box, BoxError, Failure, Tier
from minires.classroom.box.core import OneCore

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="there is one core alone"
)


def cores():
    return os.sched_getaffinity(0)


def test_the_worker_is_on_the_core_of_the_grader_until_the_box_is_closed():
    before = cores()
    with Box(TRUST) as box:
        box.load("import os\ndef cores(): return [*os.sched_getaffinity(0)]")
        assert len(cores()) == 1
        assert {int(core) for core in box.call("cores")} == cores()
    assert cores() == before


def test_two_threads_have_two_cores():
    barrier, found = threading.Barrier(2, timeout=60), []

    def one():
        with Box(TRUST):
            barrier.wait()
            found.append(cores())
            barrier.wait()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found[0] | found[1]) == 2


@pytest.mark.parametrize("source", ["import os\nos._exit(0)", "while True: pass"], ids=["ends", "loops"])
def test_a_worker_that_is_gone_leaves_no_core_taken(source):
    before = cores()
    with Box(TRUST) as box:
        with pytest.raises(Failure):
            box.load(source, seconds=0.1)
        assert cores() == before


def test_a_box_that_does_not_start_leaves_no_core_taken():
    before = cores()
    with pytest.raises(BoxError), Box(Tier("none", lambda *pipes: ["/nowhere/python"])):
        pass
    assert cores() == before


def test_boxes_of_one_thread_may_be_closed_in_any_order():
    before = cores()
    a, b = OneCore(), OneCore()
    assert len(cores()) == 1
    a.free()
    b.free()
    assert cores() == before


def test_another_thread_may_free_the_core_and_twice():
    before, core = cores(), OneCore()
    thread = threading.Thread(target=lambda: (core.free(), core.free()))
    thread.start()
    thread.join()
    assert cores() == before


def refused(*_):
    raise PermissionError("not granted")


@pytest.mark.parametrize("name", ["sched_getaffinity", "sched_setaffinity"])
def test_where_the_system_grants_no_choice_the_box_is_used_as_it_is(monkeypatch, name):
    monkeypatch.setattr(os, name, refused)
    with Box(TRUST) as box:
        box.load("def one(): return 1")
        assert box.call("one") == 1
