"""A call that computes for too long ends, in this process, and is said to."""

import signal
import threading
import time

import pytest

from minires.classroom import assignment, check
from minires.classroom.box import Failure
from minires.classroom.limited import limited

LINEAR = assignment("linear")
pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer")


def endless():
    while True:
        pass


def test_an_endless_loop_ends_and_is_not_run_again():
    line = endless.__code__.co_firstlineno
    names = limited({"endless": endless, "other": len}, ["endless"], 0.2)
    assert names["other"] is len
    for least in (0.2, 0):
        began = time.thread_time()
        words = rf"endless did not come back within 0.2 seconds \(line ({line + 1}|{line + 2})\): is there a loop"
        with pytest.raises(Failure, match=words):
            names["endless"]()
        assert least <= time.thread_time() - began < least + 0.15
    assert signal.getsignal(signal.SIGPROF) is signal.SIG_DFL and signal.getitimer(signal.ITIMER_PROF) == (0, 0)


def test_what_ends_in_time_is_left_alone_and_so_is_the_time_of_other_threads():
    def busy():
        other = threading.Thread(target=lambda: [None for _ in range(10**7)])
        other.start()
        other.join()
        return 3

    assert limited({"busy": busy}, ["busy"], 0.1)["busy"]() == 3


def test_outside_the_main_thread_and_beside_another_timer_there_is_no_limit():
    found = []
    names = limited({"f": lambda: found.append(signal.getsignal(signal.SIGPROF))}, ["f"], 0.2)
    thread = threading.Thread(target=names["f"])
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGPROF, signal.SIG_IGN)
    try:
        signal.setitimer(signal.ITIMER_PROF, 100)
        names["f"]()
        assert signal.getitimer(signal.ITIMER_PROF)[0] > 99
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert found == [signal.SIG_DFL, signal.SIG_IGN]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_check_says_so(language, tmp_path, monkeypatch):
    monkeypatch.setattr("minires.classroom.limited.limited.__defaults__", (0.3,))
    path = tmp_path / "mine.py"
    path.write_text(LINEAR.solution().replace("x, weight = cache", "while True: pass"))
    line = path.read_text().splitlines().index("    while True: pass") + 1
    (found,) = check(LINEAR, path, language)
    words = {
        "en": f"linear_backward did not come back within 0.3 seconds (line {line}): is there a loop without an end?",
        "zh": f"linear_backward 在 0.3 秒内没有返回（第 {line} 行）：是否有一个没有终点的循环？",
    }
    assert found.right == () and found.failing is None  # as in the box, which gives no answer any more
    assert found.sentences == (words[language],) and f"  * {words[language]}" in str(found)
