"""minires bench."""

import json
import os
import sys
from typing import Annotated, Literal

import tyro

from ..bench import Options, draw, run_benchmark, select, table
from ..bench.gpu import DayOptions, gpu_table, run_gpu_day
from ..bench.parallel import MpiOptions, mpi_figure, mpi_table, plan, run_mpi_benchmark
from ..bench.parallel.run import CASES
from ..bench.report import draw_into
from ..errors import RangeError, StateError
from ..files.whole import check_folder, make_folder, write_atomically
from ..train.guard import STARTED
from .common import FAILED, Json, Switch, print_json

Peers = Annotated[tuple[str, ...], tyro.conf.arg(metavar="PEER=PATH ...")]
Folder = Annotated[str | None, tyro.conf.arg(metavar="DIR")]
Times = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NETWORK=MS ...")]
QUICK = {"rounds": 3, "seconds": 0.5, "memory": False}
QUICK_MPI = {"rounds": 2, "seconds": 1.0}


def bench(
    what: Annotated[Literal["cpu", "mpi", "gpu"], tyro.conf.Positional],
    *,
    cases: tuple[str, ...] = (),
    threads: tuple[int, ...] = (1, 2),
    batches: tuple[int, ...] = (),
    systems: tuple[str, ...] = (),
    rounds: int = 9,
    quick: Switch = False,
    python: Peers = (),
    step_ms: Times = (),
    tflops: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None,
    dry_run: Switch = False,
    out: Folder = None,
    as_json: Json = False,
) -> int | None:
    """Measure minires beside other frameworks, turn by turn in one run: training, inference, convolutions.

    Those that are not installed are left out. Exit code 1 if one computes something else, which is then not timed. With
    mpi: measure training steps and the MPI that starts this, and reckon what 1 to 1,024 processes would gain. With
    gpu: in eight minutes, how right and how fast the kernels are on the GPU of this machine.

    For example: minires bench cpu --quick --threads 2

    Args:
        what: cpu: beside others. mpi: on many processes, such as mpiexec -n 2 minires bench mpi. gpu: on a GPU.
        cases: Names or patterns, such as 'train resnet20 b128' 'dx conv3x3_64@56 b8' 'infer*'. gpu: some of its parts
            card, correctness, kernels, training, commands.
        threads: Numbers of threads.
        batches: Take the cases with these batches, 1 to 4096, instead of their own.
        systems: Only these of reference, engine, 'engine frozen', torch, 'torch channels_last', 'torch frozen',
            chainer, dezero. All by default, but chainer and dezero in small cases alone.
        rounds: Turns of each system in a case, fewer if they take long.
        quick: A few cases, three rounds, no peaks of memory: about a minute.
        python: Another Python that has a framework, such as chainer=/venv/bin/python: Chainer and DeZero need NumPy 1.
        step_ms: mpi: milliseconds of a step of a network of the cases, such as resnet50=95, instead of measuring it.
        tflops: mpi: reckon all other steps for a device that does so many 10^12 operations a second.
        dry_run: mpi: say what would be measured, and what is assumed of networks. gpu: all of it on an emulation.
        out: Folder for the results: cpu.json, cpu.md and cpu.png, those of mpi, or gpu.json and gpu.md.
    """
    if what == "gpu":
        _refuse_others("gpu", batches=batches, systems=systems, python=python, step_ms=step_ms, tflops=tflops)
        return _gpu(DayOptions(dry_run, cases), out, as_json)
    if what == "mpi":
        _refuse_others("mpi", systems=systems, python=python)
        given = {"step_ms": dict(map(_time, step_ms)), "tflops": tflops} | (QUICK_MPI if quick else {"rounds": rounds})
        names = cases or [case.name for case in CASES]
        reckoned = MpiOptions(cases=select(names, batches), threads=threads[0], **given)
        return _mpi(reckoned, dry_run, out, as_json)
    _refuse_others("cpu", step_ms=step_ms, tflops=tflops, dry_run=dry_run)
    short = QUICK if quick else {"rounds": rounds}
    chosen = select(cases, batches, quick)
    options = Options(cases=chosen, threads=threads, systems=systems, python=dict(map(_peer, python)), **short)
    if out is not None:
        check_folder(out)
    result = run_benchmark(options, progress=lambda line: print(line, file=sys.stderr, flush=True))
    if out is not None:
        _write(result, make_folder(out))
    if as_json:
        print_json(**result)
    else:
        print(table(result), end="")
    return FAILED if result["refused"] else None


def _refuse_others(what, **options):
    for name, value in options.items():
        if value not in ((), None, False):
            shown = name.replace("_", "-")
            raise RangeError(f"--{shown} is given, but minires bench {what} does not know it: leave it out")


def _mpi(options, dry_run, out, as_json):
    comm = _world()
    is_first = comm is None or comm.Get_rank() == 0
    if out is not None and is_first:
        check_folder(out)
    if dry_run:
        print(plan(options, 1 if comm is None else comm.Get_size()), end="") if is_first else None
        return
    result = run_mpi_benchmark(options, comm, progress=lambda line: print(line, file=sys.stderr, flush=True))
    if result is None:
        return
    if out is not None:
        folder = make_folder(out)
        write_atomically(folder / "mpi.json", (json.dumps(result, indent=1) + "\n").encode())
        write_atomically(folder / "mpi.md", mpi_table(result).encode())
        draw_into(folder / "mpi.png", mpi_figure, result)
    if as_json:
        print_json(**result)
    else:
        print(mpi_table(result), end="")


def _gpu(options, out, as_json):
    result = run_gpu_day(options, out, progress=lambda line: print(line, file=sys.stderr, flush=True))
    if as_json:
        print_json(**result)
    else:
        print(gpu_table(result), end="")
    return FAILED if any(part["state"] != "done" for part in result["parts"].values()) else None


def _world():
    """All processes of mpiexec, None where there is one."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        if any(name in os.environ for name in STARTED):
            raise StateError(f"no MPI ({error}), expected mpi4py with an MPI: pip install 'minires[mpi]'") from error
        return None
    return MPI.COMM_WORLD if MPI.COMM_WORLD.Get_size() > 1 else None


def _time(text):
    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise RangeError(f"step_ms is {text!r}, expected NETWORK=MILLISECONDS: --step-ms resnet50=95") from None


def _peer(text):
    name, equals, path = text.partition("=")
    if not (name and path):
        raise RangeError(f"python is {text!r}, expected PEER=PATH: --python chainer=/venv/bin/python")
    return name, path


def _write(result, folder):
    write_atomically(folder / "cpu.json", (json.dumps(result, indent=1) + "\n").encode())
    write_atomically(folder / "cpu.md", table(result).encode())
    if result["rows"]:
        draw(result, folder / "cpu.png")
