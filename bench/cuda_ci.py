"""Compile every CUDA kernel in every precision for every architecture, without a GPU, and say what it takes.

    python bench/cuda_ci.py [TABLE.md]

Needs ``pip install "minires[cuda-ci]"``: CuPy, whose options are used, and NVRTC. Prints kernel x architecture:
registers of a thread and bytes of shared memory; ends with code 1 if a kernel spills registers into memory.
"""

import hashlib
import re
import sys
from collections import defaultdict
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


def measure():
    """{(file, kernel): {architecture: (registers, shared bytes, spilled bytes)}}."""
    table = defaultdict(dict)
    for file in modules.FILES:
        every = [name for precision in modules.PRECISIONS for name in modules.kernels(file, precision)]
        for architecture in ARCHITECTURES:
            for name, used in compile_all(file, list(dict.fromkeys(every)), architecture).items():
                table[file, name][architecture] = used
    return table


def text(table):
    from cupy_backends.cuda.libs import nvrtc

    version = ".".join(map(str, nvrtc.getVersion()))
    lines = [
        f"Registers of a thread / bytes of shared memory of a block, by NVRTC {version}: `make cuda-ci`. None spills.",
        f"Sources {digest()}.",
        "",
        "| file | kernel | " + " | ".join(f"sm_{a}" for a in ARCHITECTURES) + " |",
        "|---|---|" + "---|" * len(ARCHITECTURES),
    ]
    for (file, name), used in table.items():
        cells = [f"{r} / {s}" + (f" **spills {spilled}**" if spilled else "") for r, s, spilled in used.values()]
        lines.append(f"| {file} | `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main(target=None):
    table = measure()
    spilling = sorted(f"{name} on sm_{a}" for (_, name), used in table.items() for a, u in used.items() if u[2])
    print(text(table))
    print(f"{len(table)} kernels, {len(ARCHITECTURES)} architectures, {len(spilling)} spill")
    if spilling:
        raise SystemExit("spills: " + ", ".join(spilling))
    if target:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(text(table))


if __name__ == "__main__":
    main(*sys.argv[1:])
