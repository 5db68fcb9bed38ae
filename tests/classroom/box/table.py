"""Every attack in every setting, and against a grader that runs a submission beside the expected values.

    sudo PYTHON tests/classroom/box/table.py [PART OF A NAME]       about ten minutes on two cores

PYTHON: one that every user can read, with NumPy and pytest, such as one of ``/usr/bin/python3 -m venv /opt/box``
Settings: bubblewrap and Landlock, for a grader that is root and one that is uid 65534. Prints a table, a cell for each
attack in each setting: why it got no point. What must not be is in capitals, and the exit code is then 1.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from classroom.box import canary, control
from classroom.box.attacks import ALL, LIMIT, grade

from minires.classroom.box import BUBBLEWRAP, LANDLOCK, BoxError
from minires.classroom.box.tiers import INSIDE

USERS = {"root": 0, "uid 65534": 65534}
SETTINGS = [(tier, user) for tier in (BUBBLEWRAP, LANDLOCK) for user in USERS]
GRACE = 1.0  # seconds for a call to end after its limit, and for processes to be gone
BECOMES_PARENT = 36  # PR_SET_CHILD_SUBREAPER: what loses its parent below this process becomes its child
WANTED = [Path(text) for text in "/tmp/f /tmp/f0 /tmp/l /tmp/d /x /usr/x /dev/x /dev/shm/x /PWNED /tmp/PWNED".split()]
KEPT = [Path(os.__file__), Path(np.__file__), INSIDE / "worker.py"]


def main(part=""):
    if os.getuid() != 0 or os.stat(sys.executable).st_mode & 5 != 5:
        sys.exit("run it as root, with a Python that every user can read: see the first lines of this file")
    names = [name for name in ALL if part in name]
    columns = {f"{tier.name}, {user}": in_setting(tier, USERS[user], names) for tier, user in SETTINGS}
    columns["in-process pytest"] = control.verdicts(names)
    print(" | ".join(["attack".ljust(25), *columns]))
    for name in names:
        print(" | ".join([name.ljust(25), *(column[name].ljust(len(title)) for title, column in columns.items())]))
    against = columns.pop("in-process pytest")
    bad = {title: sum(cell != cell.lower() for cell in column.values()) for title, column in columns.items()}
    for title, column in columns.items():
        print(f"{title}: {bad[title]} of {len(names)} do what they must not; canary: {column['canary']}")
    wins = {word: sum(cell == word for cell in against.values()) for word in ("FULL MARKS", "OPEN", "STOPPED")}
    print(f"in-process pytest: {sum(wins.values())} of {len(names)} win: {wins}")
    return 1 if any(bad.values()) else 0


def in_setting(tier, user, names):
    """``{attack: why it got no point}`` and {"canary": ...}, from a grader of its own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        for name in ("solution.py", "canary", "results.json"):  # as open as files can be: only the box can keep them
            (Path(folder) / name).write_text("0.123")
            os.chmod(Path(folder) / name, 0o666)
        command = [sys.executable, __file__, "--as", tier.name]
        who = {"user": user, "group": user, "extra_groups": []}
        environment = {"PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1"}
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdin=-1, stdout=-1, text=True, bufsize=1, **who
        ) as grader:
            grader.stdin.write(json.dumps(names) + "\n")
            found = {}
            for line in grader.stdout:
                what, value = json.loads(line)
                if what == "search":  # only root may read the memory of others
                    grader.stdin.write(json.dumps(canary.hits(descendants(grader.pid), value)) + "\n")
                else:
                    found[what] = value
                    print(f"{tier.name}, uid {user}: {what}: {value}", file=sys.stderr)
        return found


def as_grader(name):
    """The other side of ``in_setting``: in the folder and as the user that it was given."""
    ctypes.CDLL(None).prctl(BECOMES_PARENT, 1, 0, 0, 0)
    tier = {"bubblewrap": BUBBLEWRAP, "landlock": LANDLOCK}[name]
    names = json.loads(sys.stdin.readline())
    for attack in names:
        tries = (cell(tier, attack) for _ in range(3))  # a busy machine takes its time
        print(json.dumps([attack, next((why for why in tries if "LATE" not in why), "LATE")]), flush=True)
    print(json.dumps(["canary", canary.search(tier)]), flush=True)


def cell(tier, attack):
    before, began = facts(), time.monotonic()
    try:
        points, reason = grade(tier, ALL[attack])
    except BoxError as error:
        return f"NO BOX: {error}"
    except Exception as error:  # an attack that ends the grader has won
        return f"GRADER ENDED: {error!r}"
    took = time.monotonic() - began
    if points:
        return "GAINED"
    if "OPEN" in reason:
        return "OPEN"
    if took > 6 * LIMIT + GRACE + 1.5:  # six calls, each by its limit, and the start of a worker
        return "LATE"
    while time.monotonic() < began + took + GRACE and descendants(os.getpid()):
        time.sleep(0.02)
    if left := descendants(os.getpid()):
        return f"LEFT {len(left)} PROCESSES"
    changed = [str(path) for path in before if before[path] != facts()[path]]
    return f"CHANGED {changed[0]}" if changed else reason.partition(":")[0]


def facts():
    """{path: what would show that it was touched} of the grader's folder, of Python, and of names that attacks want."""
    folder = Path.cwd()
    stats = {path: path.lstat() for path in (*WANTED, *KEPT, folder, *folder.iterdir()) if os.path.lexists(path)}
    return dict.fromkeys(WANTED) | {
        path: (stat.st_size, stat.st_mtime_ns, stat.st_mode) for path, stat in stats.items()
    }


def descendants(pid):
    """All processes that ``pid`` started, and that these started, less those that have ended."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents[int(path.parent.name)] = int(parent)
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


if __name__ == "__main__":
    sys.exit(as_grader(sys.argv[2]) if sys.argv[1:2] == ["--as"] else main(*sys.argv[1:]))
