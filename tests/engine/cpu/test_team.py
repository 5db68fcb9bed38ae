"""Threads that share items: each item once, errors come out, a fork begins with none."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from minires.engine.cpu.team import TEAM, Team


def seats(count):
    return [object() for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("items", [1, 2, 7, 40])
def test_every_item_is_done_once(count, items):
    done = []
    TEAM.run(lambda item, seat: done.append(item), range(items), seats(count))
    assert sorted(done) == list(range(items))


def test_a_seat_has_one_thread_at_a_time():
    chairs = seats(3)
    taken, clashes, users = {id(c): threading.Lock() for c in chairs}, [], set()

    def work(item, seat):
        if not taken[id(seat)].acquire(blocking=False):
            clashes.append(item)
            return
        users.add(id(seat))
        time.sleep(0.002)
        taken[id(seat)].release()

    TEAM.run(work, range(60), chairs)
    assert not clashes
    assert len(users) > 1  # the work was shared


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_comes_out_and_the_team_goes_on(count):
    def fail(item, seat):
        if item == 3:
            raise KeyError("planted")

    with pytest.raises(KeyError, match="planted"):
        TEAM.run(fail, range(20), seats(count))
    done = []
    TEAM.run(lambda item, seat: done.append(item), range(20), seats(count))
    assert sorted(done) == list(range(20))


@pytest.mark.parametrize("given", [0, 1])
def test_with_fewer_threads_than_seats_the_work_is_done_all_the_same(monkeypatch, given):
    """A browser gives none ("can't start new thread"), a container may give no more."""
    start, left = threading.Thread.start, [given]

    def refuse(thread):
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    team, done = Team(), []
    for _ in range(3):
        team.run(lambda item, seat: done.append(item), range(20), seats(4))
    assert sorted(done) == sorted([*range(20)] * 3)
    for _ in range(500 * given):  # the one that is there may come late
        if all(jobs.empty() for jobs in team._jobs):
            break
        time.sleep(0.01)
    assert len(team._jobs) == given and all(jobs.empty() for jobs in team._jobs), "none waits for a thread"


def test_many_callers_at_once():
    found = {}

    def call(name):
        total = []
        for _ in range(20):
            TEAM.run(lambda item, seat: total.append(item), range(7), seats(3))
        found[name] = sum(total)

    threads = [threading.Thread(target=call, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(6), 20 * 21)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_of_fork_computes():
    """Threads do not live on in it: a team that counted on them would compute alone, or wait for ever."""
    code = textwrap.dedent("""
        import os, signal, threading, warnings
        import numpy as np
        import minires
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads, which is what is tested
        fast = minires.compile(minires.models.build("resnet8", rng=0), threads=3)
        x = np.random.default_rng(0).standard_normal((70, 3, 8, 8)).astype(np.float32)
        y, cache = fast.forward(x, True)
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            again, cache = fast.forward(x, True)
            fast.backward(again, cache)
            helpers = sum(thread.name == "minires" for thread in threading.enumerate())
            os._exit(0 if (again == y).all() and helpers == 2 else 3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert found.stdout == "0\n", found.stderr
