"""Where no box holds nothing is graded; where the grader is killed no score is lost or doubled."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from classroom.box.boxes import reason
from classroom.submissions import FOLDER

from minires.classroom import assignment, grade, graded
from minires.classroom.box import BUBBLEWRAP, LANDLOCK, TRUST
from minires.classroom.box.tiers import INSIDE

# A filter of system calls around the grader and all that it starts: no Landlock, numbers 444 to 446
WITHOUT_LANDLOCK = """
import ctypes, struct, sys
steps = (0x20, 0, 0, 0), (0x35, 0, 2, 444), (0x35, 1, 0, 447), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)
code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None)
libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.addressof(program), 0, 0) == 0
from minires.cli import main
sys.exit(main())
"""
WITH_LANDLOCK = "import sys\nfrom minires.cli import main\nsys.exit(main())"
# In the place of bubblewrap: it runs what it is given, and shuts nothing
OPEN_BWRAP = f"""#!{sys.executable}
import json, os, sys
*command, settings = sys.argv[sys.argv.index("--") + 1 :]
settings = json.loads(settings) | {{"numpy": {os.path.dirname(os.path.dirname(__import__("numpy").__file__))!r}}}
os.execv(command[0], [word.replace("/inside/", {str(INSIDE) + "/"!r}) for word in command] + [json.dumps(settings)])
"""


@pytest.fixture
def handed_in(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "ada.py").write_text(assignment("linear").solution())
    (folder / "bob.py").write_text((FOLDER / "linear/given_bias_axis.py").read_text())
    return folder


def run(folder, code, path, bwrap=None):
    """``minires assign grade`` with these programs in PATH, from ``code``."""
    if bwrap is not None:
        (path / "bwrap").write_text(bwrap)
        os.chmod(path / "bwrap", 0o755)
    line = ["assign", "grade", "linear", str(folder), "--out", str(folder.parent / "out"), "--jobs", "1"]
    return subprocess.run(
        [sys.executable, "-c", code, *line], capture_output=True, text=True, env=os.environ | {"PATH": str(path)}
    )


@pytest.fixture
def programs(tmp_path):
    (tmp_path / "programs").mkdir()
    return tmp_path / "programs"


def test_without_bubblewrap_and_landlock_nothing_is_graded_and_nothing_written(handed_in, programs):
    found = run(handed_in, WITHOUT_LANDLOCK, programs)
    assert found.returncode == 3, found.stderr
    assert "bwrap is not installed" in found.stderr and "landlock" in found.stderr and found.stdout == ""
    assert "so that nothing is graded" in found.stderr and "Traceback" not in found.stderr
    assert not (handed_in.parent / "out").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is one of Linux")
def test_a_box_that_is_there_but_open_is_not_used(handed_in, programs):
    found = run(handed_in, WITHOUT_LANDLOCK, programs, OPEN_BWRAP)
    assert found.returncode == 3, found.stderr
    closed = "is closed to the user of the box" in found.stderr  # whom root's own Python cannot serve
    assert ("does not start" if closed else "bubblewrap is there, but does not hold: read_file") in found.stderr
    assert not (handed_in.parent / "out").exists()


def test_behind_an_open_box_the_next_one_is_used(handed_in, programs):
    if reason(LANDLOCK):
        pytest.skip(reason(LANDLOCK))
    found = run(handed_in, WITH_LANDLOCK, programs, OPEN_BWRAP)
    assert found.returncode == 0, found.stderr
    assert "box: landlock" in found.stdout and "6 of 8   bob" in found.stdout


def test_a_worker_that_cannot_start_any_more_changes_no_score(handed_in, programs):
    if reason(BUBBLEWRAP):
        pytest.skip(reason(BUBBLEWRAP))
    out, real = handed_in.parent / "out", shutil.which("bwrap")
    assert run(handed_in, WITHOUT_LANDLOCK, programs, f'#!/bin/sh\nexec {real} "$@"\n').returncode == 0
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    for path in handed_in.iterdir():
        path.write_text(path.read_text() + "\n# changed\n")
    once = f'#!/bin/sh\n[ -e {programs}/used ] && exit 1\n: > {programs}/used\nexec {real} "$@"\n'  # the self-test
    found = run(handed_in, WITHOUT_LANDLOCK, programs, once)
    assert found.returncode == 3 and "the box (bubblewrap) does not start" in found.stderr
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before


GRADER = (
    "import sys\nfrom minires.classroom import grade\nfrom minires.classroom.box import TRUST\n"
    "grade('linear', sys.argv[1], sys.argv[2], tier=TRUST, secret='s', jobs=2,"
    " progress=lambda *at: print(at[2], flush=True))"
)


@pytest.mark.slow
def test_killed_twenty_times_at_random_moments_no_score_is_lost_or_doubled(handed_in, tmp_path):
    rng = random.Random(5)
    texts = [path.read_text() for path in handed_in.iterdir()]
    for number in range(90):
        (handed_in / f"s{number}.py").write_text(texts[number % 2] + f"\n# {number}\n")
    whole = {each.student: each for each in grade("linear", handed_in, tmp_path / "whole", tier=TRUST, secret="s")}
    done = set()
    for _ in range(20):
        killed = subprocess.Popen([sys.executable, "-c", GRADER, handed_in, tmp_path / "out"], stdout=-1, text=True)
        news = (line for line in killed.stdout if line.strip() not in done)
        for _ in range(rng.randrange(1, 3)):
            next(news)
        time.sleep(rng.uniform(0, 0.1))
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        killed.stdout.close()
        found = graded(tmp_path / "out")
        assert all(each == whole[each.student] for each in found)
        assert done < (now := {each.student for each in found})
        done = now
    assert len(done) < len(whole)
    resumed = grade("linear", handed_in, tmp_path / "out", tier=TRUST, secret="s")
    assert {each.student: each for each in resumed} == whole and len(resumed) == len(whole) == 92
    for path in (tmp_path / "whole").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "out" / path.relative_to(tmp_path / "whole")).read_bytes()
    assert json.loads((tmp_path / "out/results/ada.json").read_text())["total"] == 8
