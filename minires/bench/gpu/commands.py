"""Programs of the day: the tests that want a GPU, a training by the command, and NVIDIA's checker of memory."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from .device import TESTS

KERNELS = TESTS / "engine" / "cuda" / "test_device.py"
FIRST = ("forward and linear",)  # of the tests, in a dry run
MINIRES = "import sys; from minires.cli import main; sys.exit(main())"
STAND_IN = f"import sys; sys.path.insert(0, {str(TESTS)!r}); import cupy_strict; sys.modules['cupy'] = cupy_strict; "


def run_tests(dry_run: bool, tell: Any) -> str | None:
    """``pytest -m gpu``: the kernels, then all tests on real CuPy. Returns a sentence where some fail."""
    wrong = 0
    for paths in ([str(KERNELS)],) if dry_run else ([str(KERNELS)], [str(TESTS)]):
        arguments = ["-m", "gpu", *paths, *(["-k", *FIRST] if dry_run else [])]
        code, counts = _pytest(arguments, dry_run, tell)
        tell(tests=" ".join(arguments), code=code, **counts)
        wrong += code != 0
    return "tests failed" if wrong else None


def _pytest(arguments, dry_run, tell, before=()):
    environment = os.environ | ({"MINIRES_GPU": "stand-in"} if dry_run else {})
    options = ["-v", "-rN", "--tb=line", "-p", "no:cacheprovider"]
    command = [*before, sys.executable, "-m", "pytest", *options, *arguments]
    counts = {"passed": 0, "failed": 0}
    with subprocess.Popen(command, cwd=TESTS.parent, env=environment, text=True, stdout=subprocess.PIPE) as process:
        for line in process.stdout:
            counts["passed"] += " PASSED" in line
            if " FAILED" in line or " ERROR" in line:
                counts["failed"] += 1
                tell(failed=line.split(" ")[0])
    return process.returncode, counts


def run_epoch(dry_run: bool, tell: Any) -> str | None:
    """One epoch through ``minires train --device cuda``."""
    small = "--model resnet8 --data digits --limit-train 8 --limit-test 4 --batch-size 4"
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        line = f"train --device cuda --epochs 1 --run-dir {folder}/run {small if dry_run else '--model resnet20'}"
        command = [sys.executable, "-c", STAND_IN * dry_run + MINIRES, *line.split()]
        code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
        seconds = time.monotonic() - began
        log = Path(folder, "run", "metrics.jsonl")
        last = log.read_text().splitlines()[-1] if log.exists() else ""
    tell(command="minires train --device cuda", code=code, seconds=seconds, metrics=last)
    return f"minires train ended with code {code}" if code else None


def run_sanitizer(dry_run: bool, tell: Any) -> str | None:
    """memcheck and racecheck on the tests of the kernels, with what time is left."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        tell(absent="compute-sanitizer is not installed")
        return None
    for tool in ("memcheck", "racecheck"):
        before = (program, "--tool", tool, "--error-exitcode", "9")
        code, counts = _pytest(["-m", "gpu", "-k", "forward and linear", str(KERNELS)], dry_run, tell, before)
        tell(sanitizer=tool, code=code, **counts)
        if code:
            return f"{tool} ended with code {code}"
    return None
