"""minires bench."""

import json
import sys
from typing import Annotated, Literal

import tyro

from ..bench import Options, draw, run_benchmark, select, table
from ..errors import RangeError
from ..files.whole import check_folder, make_folder, write_atomically
from .common import FAILED, Json, Switch, print_json

Peers = Annotated[tuple[str, ...], tyro.conf.arg(metavar="PEER=PATH ...")]
Folder = Annotated[str | None, tyro.conf.arg(metavar="DIR")]
QUICK = {"rounds": 3, "seconds": 0.5, "memory": False}


def bench(
    what: Annotated[Literal["cpu"], tyro.conf.Positional],
    *,
    cases: tuple[str, ...] = (),
    threads: tuple[int, ...] = (1, 2),
    batches: tuple[int, ...] = (),
    systems: tuple[str, ...] = (),
    rounds: int = 9,
    quick: Switch = False,
    python: Peers = (),
    out: Folder = None,
    as_json: Json = False,
) -> int | None:
    """Measure minires beside other frameworks, turn by turn in one run: training, inference, convolutions.

    Those that are not installed are left out. Exit code 1 if one computes something else, which is then not timed.

    For example: minires bench cpu --quick --threads 2

    Args:
        what: Where to compute.
        cases: Names or patterns, such as 'train resnet20 b128' 'dx conv3x3_64@56 b8' 'infer*'.
        threads: Numbers of threads.
        batches: Take the cases with these batches, 1 to 4096, instead of their own.
        systems: Only these of reference, engine, 'engine frozen', torch, 'torch channels_last', 'torch frozen',
            chainer, dezero. All by default, but chainer and dezero in small cases alone.
        rounds: Turns of each system in a case, fewer if they take long.
        quick: A few cases, three rounds, no peaks of memory: about a minute.
        python: Another Python that has a framework, such as chainer=/venv/bin/python: Chainer and DeZero need NumPy 1.
        out: Folder for cpu.json, cpu.md and cpu.png.
    """
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
