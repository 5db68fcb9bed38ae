"""The table of a result that is known, and its picture."""

import json

import pytest

from minires.bench import draw, report, table

RESULT = {
    "machine": {
        "processor": "A processor",
        "cores": 2,
        "system": "Linux 6",
        "load": 0.25,
        "python": "3.11.7",
        "date": "2026-01-02",
        "blas": "OpenBLAS 0.3",
        "kernels": "OpenBLAS's SkylakeX kernels",
        "gemm_gflop_s": {1: 101.4, 2: 190.6},
        "copy_gb_s": {1: 26.2, 2: 27.7},
        "versions": {
            "engine": {"numpy": "2.4.6", "minires": "0.1.0"},
            "torch": {"numpy": "2.4.6", "torch": "2.13"},
            "chainer": {"numpy": "1.26.4", "chainer": "7.8.1"},
        },
    },
    "absent": {"dezero": "ModuleNotFoundError: No module named 'dezero'"},
    "rows": [],
    "refused": [{"case": "train resnet20 b1", "threads": 1, "system": "chainer", "reason": "computes [1.0]"}],
}
for case, threads, system, median, spread, ratio, peak in (
    ("train resnet20 b1", 1, "torch", 30.0, 0.456, 1.5, 90.4),
    ("train resnet20 b1", 1, "engine", 20.0, 1.0, 1.0, 45.0),
    ("dx conv3x3_8@8 b2", 1, "engine", 0.0123, 0.001, 1.0, None),
    ("train resnet20 b1", 2, "torch", 1234.5, 99.96, None, 90.4),
):
    RESULT["rows"].append(
        {
            "case": case,
            "threads": threads,
            "system": system,
            "median_ms": median,
            "spread": spread,
            "ratio_to_engine": ratio,
            "peak_mb": peak,
        }
    )

TABLE = """\
# CPU benchmark, 2026-01-02

* A processor, 2 cores, Linux 6, load average 0.2 before the run
* 1 thread: matrix product 101 GFLOP/s, copy 26 GB/s
* 2 threads: matrix product 191 GFLOP/s, copy 28 GB/s
* OpenBLAS 0.3
* products by OpenBLAS's SkylakeX kernels
* Python 3.11.7, numpy 1.26.4 and 2.4.6, minires 0.1.0, torch 2.13, chainer 7.8.1

## 1 thread

Median milliseconds ± interquartile range (ratio to the engine; above 1 the engine is faster).

| case              |        engine |               torch |
| ----------------- | ------------: | ------------------: |
| train resnet20 b1 |   20.0 ± 1.00 | 30.0 ± 0.456 (1.50) |
| dx conv3x3_8@8 b2 | 0.012 ± 0.001 |                     |

## 2 threads

Median milliseconds ± interquartile range (ratio to the engine; above 1 the engine is faster).

| case              |        torch |
| ----------------- | -----------: |
| train resnet20 b1 | 1234 ± 100.0 |

## Peak memory

MB above what the imports took.

| case              | engine | torch |
| ----------------- | -----: | ----: |
| train resnet20 b1 |     45 |    90 |

## Missing

* dezero did not run: ModuleNotFoundError: No module named 'dezero'
* **chainer failed at train resnet20 b1, 1 thread**: computes [1.0]
"""


def test_the_table():
    assert table(RESULT) == TABLE


def test_the_table_of_the_file_is_the_same():
    assert table(json.loads(json.dumps(RESULT))) == table(RESULT)


def test_lines_of_a_grid_are_equally_long():
    grids = [block.splitlines() for block in table(RESULT).split("\n\n") if block.startswith("|")]
    assert len(grids) == 3
    for lines in grids:
        assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("systems", [("engine", "torch"), ("torch",)])
def test_the_picture(systems, tmp_path):
    image = pytest.importorskip("matplotlib.image")
    rows = [row for row in RESULT["rows"] if row["system"] in systems]
    draw(RESULT | {"rows": rows}, tmp_path / "cpu.png")
    pixels = image.imread(tmp_path / "cpu.png")
    assert pixels.shape[0] > 150 and pixels.shape[1] > 500
    assert pixels[..., :3].std() > 0.05


@pytest.mark.parametrize("most", [2, 30])
def test_the_axis_of_the_picture_has_numbers(most):
    pytest.importorskip("matplotlib")
    rows = [
        row | {"median_ms": 20 * r, "system": s} for row, r, s in zip(RESULT["rows"], (most, 1), ("torch", "engine"))
    ]
    axis = report._figure(RESULT | {"rows": rows}).axes[0].xaxis
    low, high = axis.get_view_interval()
    assert sum(low <= tick <= high and bool(label) for tick, label in zip(axis.get_majorticklocs(), _labels(axis))) >= 3


def _labels(axis):
    return axis.get_major_formatter().format_ticks(axis.get_majorticklocs())
