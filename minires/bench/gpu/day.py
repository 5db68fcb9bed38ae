"""The parts of the day in their order: no part takes the time of another, and what was found is written at once."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import minires

from ...errors import RangeError
from ...files.whole import check_folder, make_folder, write_atomically
from ..machine import facts
from .device import environment, require_day
from .report import gpu_table

# {part: (seconds, its jobs)}: 460 s together
PARTS = {
    "card": (60, ["card"]),
    "correctness": (120, ["parity", "pytest"]),
    "kernels": (60, ["kernels"]),
    "training": (180, ["minires", "torch", "minires"]),
    "commands": (40, ["epoch", "sanitizer"]),
}

TF32 = "card", "kernels", "minires"  # jobs in which products of cuBLAS are in TF32: tests want all digits


@dataclass(frozen=True)
class DayOptions:
    """dry_run: on the emulation, with tiny shapes   parts: names of the parts, all by default

    seconds: {part: its timeout} in place of the usual ones
    """

    dry_run: bool = False
    parts: tuple = ()
    seconds: dict | None = None

    def __post_init__(self):
        for name in (*self.parts, *(self.seconds or {})):
            if name not in PARTS:
                raise RangeError(f"there is no part {name!r}, expected some of {', '.join(PARTS)}")


def run_gpu_day(
    options: DayOptions, out: str | None = None, progress: Callable[[str], Any] = lambda line: None
) -> dict[str, Any]:
    """Run the parts; return what they found, which is in ``out`` as gpu.json and gpu.md after each line of it.

    ``result["parts"][name]``: ``state`` ("done", or what ended it), ``seconds`` and ``rows``, dictionaries. A job that
    fails ends nothing but itself. Raises DeviceError where there is no GPU, StateError where something else is missing.
    """
    require_day(options.dry_run)
    if out is not None:
        check_folder(out)
        make_folder(out)
    result: dict[str, Any] = {"dry_run": options.dry_run, "minires": minires.__version__, "machine": facts()}
    parts = result["parts"] = {}

    def write():
        if out is not None:
            write_atomically(Path(out, "gpu.json"), (json.dumps(result, indent=1) + "\n").encode())
            write_atomically(Path(out, "gpu.md"), gpu_table(result).encode())

    for name in options.parts or PARTS:
        limit, jobs = PARTS[name]
        limit = (options.seconds or {}).get(name, limit)
        progress(f"{name}: {', '.join(jobs)}, at most {limit} s")
        parts[name] = {"state": "running", "seconds": 0.0, "rows": []}
        _part(parts[name], jobs, limit, options.dry_run, progress, write)
        progress(f"  {parts[name]['state']} after {parts[name]['seconds']:.1f} s")
        write()
    return result


def _part(part, jobs, limit, dry_run, progress, write):
    """Run the jobs of a part one after the other, in its time."""
    began, states = time.monotonic(), []

    def note(row):
        part["rows"].append(row)
        part["seconds"] = time.monotonic() - began
        progress(f"  {json.dumps(row)}")
        write()

    for job in jobs:
        left = began + limit - time.monotonic()
        states.append(_run(job, dry_run, left, lambda row, job=job: note({"job": job} | row)))
    part["seconds"] = time.monotonic() - began
    wrong = [f"{job}: {state}" for job, state in zip(jobs, states) if state != "done"]
    part["state"] = "; ".join(wrong) or "done"


def _run(job, dry_run, seconds, note):
    """Run one job in a process group of its own; its lines go to ``note``. Returns how it ended."""
    if seconds <= 0:
        return "no time was left"
    tf32 = {"CUPY_TF32": "1"} if job in TF32 else {}
    command = [sys.executable, "-m", "minires.bench.gpu", job, *["--dry-run"] * dry_run]
    process = subprocess.Popen(
        command,
        env=environment() | tf32,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    lines, errors = queue.Queue(), []
    readers = [
        threading.Thread(target=_read, args=(process.stdout, lines.put, lambda: lines.put(None)), daemon=True),
        threading.Thread(target=_read, args=(process.stderr, errors.append, lambda: None), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        return _listen(process, lines, errors, time.monotonic() + seconds, readers, note)
    finally:
        _end(process)


def _read(stream, each, last):
    for line in stream:
        each(line)
    last()


def _listen(process, lines, errors, deadline, readers, note):
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return "stopped, its time was over"
        if line is None:
            break
        if line.startswith("{"):
            note(json.loads(line))
    try:
        code = process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "stopped, its time was over"
    readers[1].join(1)
    last = next((line.strip() for line in reversed(errors) if line.strip()), "no words")
    return "done" if code == 0 else f"failed with code {code}: {last}"


def _end(process):
    """End the process and all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    for stream in (process.stdout, process.stderr):
        stream.close()
