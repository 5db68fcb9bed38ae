"""The control: the same attacks against a grader as many have it, pytest beside the expected values in one process.

It runs in a container of its own, where a submission that takes all takes it from nobody else.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from classroom.box.attacks import ALL

TEST = """
import numpy as np
import pytest
import submission

rng = np.random.default_rng()


@pytest.mark.parametrize("columns", range(5, 10))
def test_f(columns):
    x = rng.standard_normal((3, columns)).astype(np.float32)
    expected = np.maximum(x, 0)
    assert np.allclose(submission.f(x), expected)
"""
SECONDS, MEMORY, PROCESSES = 60, 3 << 30, 60


def verdicts(names):
    """``{attack: "FULL MARKS", "OPEN", "STOPPED" or "fails"}``: taken for right, at what is outside, no verdict."""
    found = {}
    for name in names:
        found[name] = verdict(ALL[name])
        print(f"in-process: {name}: {found[name]}", file=sys.stderr)
    return found


def verdict(source):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        for name, text in {"submission.py": source, "test_f.py": TEST, "canary": "0.123", "solution.py": ""}.items():
            (Path(folder) / name).write_text(text)
            os.chmod(Path(folder) / name, 0o666)
        try:
            run = subprocess.run(
                _command(folder), capture_output=True, timeout=SECONDS, user=65534, group=65534, extra_groups=[]
            )
        except subprocess.TimeoutExpired:
            return "STOPPED"
        if run.returncode == 0:
            return "FULL MARKS"
        if b"RuntimeError: OPEN" in run.stdout:
            return "OPEN"
        return "fails" if run.returncode in (1, 2) and b"short test summary" in run.stdout else "STOPPED"


def _command(folder):
    box = [shutil.which("bwrap"), "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/"]
    box += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", folder, "/tmp/grader"]
    box += [
        "--chdir",
        "/tmp/grader",
        "--setenv",
        "OPENBLAS_NUM_THREADS",
        "1",
        "--setenv",
        "PYTHONDONTWRITEBYTECODE",
        "1",
    ]
    limits = ["prlimit", f"--as={MEMORY}", f"--nproc={PROCESSES}", "--cpu=15", f"--fsize={1 << 24}", "--core=0"]
    return [*box, "--", *limits, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_f.py"]
