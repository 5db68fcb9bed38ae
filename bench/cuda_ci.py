"""Compile every CUDA kernel in every precision for every architecture, without a GPU, and say what it takes.

    python bench/cuda_ci.py [TABLE.md] [ARCHITECTURE ...]

Needs ``pip install "minires[cuda-ci]"``: CuPy, whose options are used, and NVRTC. Prints kernel x architecture:
registers of a thread and bytes of shared memory; ends with code 1 if a kernel spills registers into memory. All six
take 100 s of computing, which the cores share; with some of them, such as 80 120, no table is written.
"""

import hashlib
import re
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from minires.engine.cuda import modules

ARCHITECTURES = ("80", "86", "89", "90", "100", "120")
USED = re.compile(r"Compiling entry function '(\w+)'.*?(\d+) bytes spill stores.*?Used (\d+) registers([^\n]*)", re.S)


def compile_all(file, names, architecture):
    """(registers, shared bytes, spilled bytes) of each kernel, by name."""
    from cupy_backends.cuda.libs import nvrtc

    code = (modules.FOLDER / "ptx.cuh").read_text() + modules.source(file)
    program = nvrtc.createProgram(code, file, [], [])
    for name in names:
        nvrtc.addNameExpression(program, name)
    # as CuPy compiles, which adds -ftz=true
    options = [*modules.OPTIONS, "-ftz=true", f"-arch=sm_{architecture}", "--ptxas-options=-v"]
    try:
        nvrtc.compileProgram(program, options)
    except nvrtc.NVRTCError:
        raise SystemExit(f"{file}, sm_{architecture}: {nvrtc.getProgramLog(program)}") from None
    assert nvrtc.getCUBIN(program).startswith(b"\x7fELF")
    found = {}
    for entry, spilled, registers, rest in USED.findall(nvrtc.getProgramLog(program)):
        shared = re.search(r"(\d+) bytes smem", rest)
        found[entry] = int(registers), int(shared[1]) if shared else 0, int(spilled)
    lowered = {name: nvrtc.getLoweredName(program, name) for name in names}
    return {name: found[entry.decode() if isinstance(entry, bytes) else entry] for name, entry in lowered.items()}


def digest():
    """Of the sources: a table that was made of others is stale."""
    sources = [path.read_text() for path in sorted(modules.FOLDER.iterdir())]
    return hashlib.sha256("".join(sources).encode()).hexdigest()[:16]


def measure(architectures):
    """{(file, kernel): {architecture: (registers, shared bytes, spilled bytes)}}."""
    table, jobs = defaultdict(dict), []
    for architecture in architectures:
        for file in modules.FILES:
            every = [name for precision in modules.PRECISIONS for name in modules.kernels(file, precision)]
            jobs.append((file, list(dict.fromkeys(every)), architecture))
    with ProcessPoolExecutor() as pool:
        for (file, _, architecture), found in zip(jobs, pool.map(compile_all, *zip(*jobs))):
            for name, used in found.items():
                table[file, name][architecture] = used
    return dict(sorted(table.items(), key=lambda row: modules.FILES.index(row[0][0])))


def text(table, architectures=ARCHITECTURES):
    from cupy_backends.cuda.libs import nvrtc

    version = ".".join(map(str, nvrtc.getVersion()))
    lines = [
        f"Registers of a thread / bytes of shared memory of a block, by NVRTC {version}: `make cuda-ci`. None spills.",
        f"Sources {digest()}.",
        "",
        "| file | kernel | " + " | ".join(f"sm_{a}" for a in architectures) + " |",
        "|---|---|" + "---|" * len(architectures),
    ]
    for (file, name), used in table.items():
        cells = [f"{r} / {s}" + (f" **spills {spilled}**" if spilled else "") for r, s, spilled in used.values()]
        lines.append(f"| {file} | `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(*arguments):
    chosen = tuple(a for a in arguments if a.isdigit())
    if unknown := sorted(set(chosen) - set(ARCHITECTURES)):
        raise SystemExit(f"architecture {unknown[0]}, expected some of {', '.join(ARCHITECTURES)}")
    table = measure(chosen or ARCHITECTURES)
    spilling = sorted(f"{name} on sm_{a}" for (_, name), used in table.items() for a, u in used.items() if u[2])
    print(text(table, chosen or ARCHITECTURES))
    print(f"{len(table)} kernels, {len(chosen or ARCHITECTURES)} architectures, {len(spilling)} spill")
    if spilling:
        raise SystemExit("spills: " + ", ".join(spilling))
    for target in [a for a in arguments if not a.isdigit()][: 0 if chosen else 1]:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(text(table))


if __name__ == "__main__":
    main(*sys.argv[1:])
