"""What was found, as a table a part; steps of training side by side, at the same precision."""

import statistics
from typing import Any

TITLES = {
    "card": "Card and ceilings",
    "correctness": "Correctness",
    "kernels": "Kernels and products",
    "training": "Steps of training",
    "commands": "Commands",
}
# milliseconds that a step on an H100 should take at most, by (network, batch, precision, system)
TARGETS = {
    ("resnet20", 128, "tf32", "minires engine"): 1.1,
    ("resnet20", 128, "tf32", "minires engine with graph"): 0.8,
    ("resnet50", 64, "bf16", "minires engine with graph"): 16.0,
}


def gpu_table(result: dict[str, Any]) -> str:
    """``gpu.md`` of a result of :func:`~minires.bench.gpu.run_gpu_day`."""
    machine = result["machine"]
    how = "A dry run on the emulation, with tiny shapes: no number of it is a speed." if result["dry_run"] else ""
    lines = [
        "# A GPU, measured",
        "",
        f"minires {result['minires']}, {machine['processor']}, {machine['date']}. {how}".strip(),
    ]
    for name, part in result["parts"].items():
        lines += ["", f"## {TITLES[name]}", "", f"{part['state']}, {part['seconds']:.1f} s", *_beside(part["rows"])]
        lines += _rows(part["rows"])
    return "\n".join(lines) + "\n"


def _beside(rows):
    """The systems of each network, batch and precision; a system that had two turns has the median of both."""
    times: dict[tuple, list] = {}
    for row in rows:
        if "system" in row and row.get("ms"):
            times.setdefault((row["network"], row["batch"], row["precision"], row["system"]), []).append(row["ms"])
    if not times:
        return
    yield ""
    peer = "times PyTorch (eager; bf16: AMP channels_last)"
    yield f"| network | batch | precision | system | ms | images/s | {peer} | target |"
    yield "|" + "---|" * 8
    for key, found in sorted(times.items(), key=lambda pair: (pair[0][:3], statistics.median(pair[1]))):
        peer = "PyTorch AMP channels_last" if key[2] == "bf16" else "PyTorch eager"
        ms, other = statistics.median(found), times.get((*key[:3], peer))
        ratio = f"{statistics.median(other) / ms:.2f}" if other else ""
        target = f"{TARGETS[key]} ms: {'met' if ms <= TARGETS[key] else 'missed'}" if key in TARGETS else ""
        cells = *map(str, key), _cell(ms), f"{1e3 * key[1] / ms:,.0f}", ratio, target
        yield f"| {' | '.join(cells)} |"


def _rows(rows):
    """One table for the rows of one kind, which have the same columns."""
    kinds: dict[tuple, list] = {}
    for row in rows:
        kinds.setdefault(tuple(row), []).append(row)
    for columns, same in kinds.items():
        yield ""
        yield f"| {' | '.join(columns)} |"
        yield "|" + "---|" * len(columns)
        for row in same:
            yield f"| {' | '.join(map(_cell, row.values()))} |"


def _cell(value):
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(each)}" for key, each in value.items())
    return " x ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
