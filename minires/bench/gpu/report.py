"""What was found, as a table a part."""

from typing import Any

TITLES = {
    "card": "Card and ceilings",
    "correctness": "Correctness",
    "kernels": "Kernels and products",
    "training": "Steps of training",
    "commands": "Commands",
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
        lines += ["", f"## {TITLES[name]}", "", f"{part['state']}, {part['seconds']:.1f} s", *_rows(part["rows"])]
    return "\n".join(lines) + "\n"


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
