"""The committed table of what each kernel takes of a GPU, made by bench/cuda_ci.py: of these sources, and complete."""

import re
from pathlib import Path

import pytest
from cuda_emulation import every_kernel
from scripts import script

from minires.engine.cuda import modules

ROOT = Path(__file__).parents[3]


def test_the_table_of_registers_is_of_these_sources():
    ci = script("cuda_ci")
    text = (ROOT / "bench/results/cuda/kernels.md").read_text()
    assert f"Sources {ci.digest()}." in text, "make cuda-ci"
    assert "**spills" not in text
    for file in modules.FILES:
        for name in every_kernel(file):
            row = next(line for line in text.splitlines() if line.startswith(f"| {file} | `{name}` |"))
            cells = [tuple(map(int, cell.split("/"))) for cell in row.split("|")[3:-1]]
            assert len(cells) == len(ci.ARCHITECTURES)
            assert all(registers <= 255 and shared <= 48 * 1024 for registers, shared in cells)


def test_continuous_integration_compiles_architectures_of_the_table(monkeypatch, tmp_path):
    """Some of them write no table, and one that is not there is named."""
    ci = script("cuda_ci")
    (listed,) = re.findall(r'make cuda-ci ARCHITECTURES="(.*)"', (ROOT / ".ci/run").read_text())
    assert set(listed.split()) < set(ci.ARCHITECTURES) and min(ci.ARCHITECTURES, key=int) in listed.split()
    used = {("join.cu", "join<float>"): dict.fromkeys(listed.split(), (40, 0, 0))}
    monkeypatch.setattr(ci, "measure", lambda architectures: used)
    monkeypatch.setattr(ci, "text", lambda table, architectures=None: "")
    ci.main(str(tmp_path / "table.md"), *listed.split())
    assert not (tmp_path / "table.md").exists()
    with pytest.raises(SystemExit, match="architecture 75, expected some of 80, 86"):
        ci.main("75")
    used["join.cu", "join<float>"]["80"] = (255, 0, 8)
    with pytest.raises(SystemExit, match=r"spills: join<float> on sm_80"):
        ci.main("80")
