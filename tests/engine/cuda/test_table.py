"""The committed table of what each kernel takes of a GPU, made by bench/cuda_ci.py: of these sources, and complete."""

import importlib.util
from pathlib import Path

from cuda_emulation import every_kernel

from minires.engine.cuda import modules

ROOT = Path(__file__).parents[3]


def script(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_registers_is_of_these_sources():
    ci = script(ROOT / "bench/cuda_ci.py")
    text = (ROOT / "bench/results/cuda/kernels.md").read_text()
    assert f"Sources {ci.digest()}." in text, "make cuda-ci"
    assert "**spills" not in text
    for file in modules.FILES:
        for name in every_kernel(file):
            row = next(line for line in text.splitlines() if line.startswith(f"| {file} | `{name}` |"))
            cells = [tuple(map(int, cell.split("/"))) for cell in row.split("|")[3:-1]]
            assert len(cells) == len(ci.ARCHITECTURES)
            assert all(registers <= 255 and shared <= 48 * 1024 for registers, shared in cells)
