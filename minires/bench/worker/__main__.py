"""One process, one system, one number of threads: it answers requests, one JSON object a line, until its input ends.

    {"do": "load", "folder": F}     read the case there -> {"values": [...]}, the same for every system
    {"do": "time", "least": s}      repeat the step for s seconds or more -> {"ms": milliseconds of one step}
    {"do": "memory"}                -> {"mb": peak so far above what the imports took}
    {"do": "limits"}                -> {"gemm_gflop_s": ..., "copy_gb_s": ..., "blas": ..., "kernels": ...}

The first line that it writes says which versions it runs, or why it cannot: {"absent": reason}.
"""

import gc
import importlib
import json
import math
import os
import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np

MODULES = {
    "reference": "own",
    "engine": "own",
    "engine frozen": "own",
    "torch": "with_torch",
    "torch channels_last": "with_torch",
    "torch frozen": "with_torch",
    "chainer": "with_chainer",
    "dezero": "with_dezero",
}
PARTNERS = {"forward": "dy", "dx": "x", "dw": "weight"}


class Server:
    """The requests; ``module`` is that of the system."""

    def __init__(self, system, threads, module):
        self.system, self.threads, self.module = system, threads, module
        self.imports_mb = memory("VmRSS")
        self.check = self.step = self.without = None

    def load(self, folder):
        self.check = self.step = self.without = None
        gc.collect()  # the case before, before there is a second one
        facts = json.loads((Path(folder) / "case.json").read_text())
        arrays = np.load(Path(folder) / "arrays.npz")
        self.check, self.step, self.without = self.module.prepare(self.system, facts, arrays, self.threads)
        found = values(self.check(), facts["task"], arrays)
        if hasattr(self.module, "settle"):
            self.module.settle(self.system, self.step, self.threads)
        return {"values": found}

    def time(self, least):
        first = self.once()  # after the pause: wakes threads, fills caches
        if first >= least:
            return {"ms": 1e3 * first}
        repeats = math.ceil(least / max(first, 1e-5))
        return {"ms": 1e3 * statistics.median(self.once() for _ in range(repeats))}

    def once(self):
        return seconds(self.step) - (seconds(self.without) if self.without else 0)

    def memory(self):
        return {"mb": memory("VmHWM") - self.imports_mb + of_children()}

    def limits(self):
        from minires.engine.cpu import blas

        return {"gemm_gflop_s": gemm(), "copy_gb_s": copy(), "blas": blas.configuration(), "kernels": blas.kernels()}


def values(found, task, arrays):
    """Numbers of order 1 that tell a wrong result: losses, or the result times a random array of the case.

    <y, dy>, <dx, x> and <dw, weight> are even the same number, as dx and dw are the adjoints of the forward.
    """
    if task == "train":
        return [float(loss) for loss in found]
    found = np.asarray(found, np.float64)
    if task == "infer":
        labels = arrays["labels"]
        log_z = np.log(np.exp(found - found.max(axis=1, keepdims=True)).sum(axis=1)) + found.max(axis=1)
        return [float((log_z - found[np.arange(len(labels)), labels]).mean())]
    return [float((found * arrays[PARTNERS[task]]).sum() / math.sqrt(arrays["dy"].size))]


def seconds(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def memory(field):
    """VmRSS, what the process holds, or VmHWM, the most that it held, in MB (2^20 bytes)."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would begin at what the parent held
        line = next(line for line in status.read_text().splitlines() if line.startswith(f"{field}:"))
        return int(line.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def of_children():
    """What the processes that this one has started hold alone, in MB; their imports too."""
    found = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            rows = dict(line.split(":") for line in Path(f"/proc/{child}/smaps_rollup").read_text().splitlines()[1:])
            found += sum(int(rows[f"Private_{kind}"].split()[0]) for kind in ("Clean", "Dirty")) / 1024
    return found


def gemm(n=2048):
    """The best rate of an n x n float32 matrix product, in GFLOP/s."""
    a = np.random.default_rng(0).standard_normal((n, n), dtype=np.float32)
    out = np.empty_like(a)
    return 2 * n**3 / min(seconds(lambda: np.matmul(a, a, out=out)) for _ in range(6)) / 1e9


def copy(size=2**26):
    """The best rate of a copy of ``size`` floats, in GB/s, bytes read and bytes written (as STREAM counts)."""
    a = np.ones(size, np.float32)
    b = np.empty_like(a)
    return 2 * a.nbytes / min(seconds(lambda: np.copyto(b, a)) for _ in range(6)) / 1e9


def main(system, threads):
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to standard error
    warnings.simplefilter("ignore")

    def answer(**facts):
        print(json.dumps(facts), file=answers)

    try:
        module = importlib.import_module(MODULES[system])
        versions = {"numpy": np.__version__} | module.load(system)
    except Exception as error:
        return answer(absent=f"{type(error).__name__}: {error}")
    server = Server(system, threads, module)
    answer(versions=versions)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(**getattr(server, request.pop("do"))(**request))
        except Exception as error:
            answer(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
