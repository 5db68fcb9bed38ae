"""The processor: its name, and how many of its cores this process may use."""

import math
import os
import platform
import sys
from pathlib import Path

from ..files import StrPath


def processor(root: StrPath = "/") -> str:
    """The name of the processor.

    root: where ``proc`` is
    """
    names = [line.partition(":")[2] for line in _lines(Path(root) / "proc/cpuinfo") if line.startswith("model name")]
    return names[0].strip() if names else platform.processor() or platform.machine()


def cores(root: StrPath = "/") -> int:
    """The cores that the scheduler grants this process, or the quota of its container where that is less; at least 1.

    root: where ``proc`` and ``sys`` are. In a browser (Pyodide) there are no threads: one. A quota is the time on all
    cores together, in parts of a period; half a core counts as a whole one. Linux: "Control Group v2", section "CPU
    Interface Files"; v1: "CFS Bandwidth Control".
    """
    if sys.platform == "emscripten":
        return 1
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [math.ceil(quota) for quota in _quotas(Path(root))]
    return max(1, min([count, *quotas]))


def _quotas(root):
    """The quota of every control group that this process is in, from the innermost to the root."""
    groups = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = groups if not controllers else groups / "cpu"
        inner = base / path.lstrip("/")
        for folder in [inner, *inner.parents]:
            if not folder.is_relative_to(base):
                break
            yield from _quota(folder)


def _quota(folder):
    """[quota / period] of one control group; [] where there is none."""
    words = " ".join(_lines(folder / "cpu.max")).split() or [
        *_lines(folder / "cpu.cfs_quota_us"),
        *_lines(folder / "cpu.cfs_period_us"),
    ]
    try:
        quota, period = map(int, words)
    except ValueError:  # "max", or no such files
        return []
    return [quota / period] if quota > 0 and period > 0 else []


def _lines(path):
    try:
        return path.read_text().split("\n")[:-1]
    except OSError:
        return []
