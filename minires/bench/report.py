"""The result of a run for people: a table in Markdown and a picture."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..files import StrPath
from ..files.picture import new_figure, png
from ..files.whole import write_atomically
from .workers import SYSTEMS

COLOURS = {
    "reference": "tab:gray",
    "engine": "tab:blue",
    "engine frozen": "tab:cyan",
    "torch": "tab:red",
    "torch channels_last": "tab:orange",
    "torch frozen": "tab:pink",
    "chainer": "tab:green",
    "dezero": "tab:olive",
}


def table(result: dict[str, Any]) -> str:
    """Markdown: the machine, a table of times for each number of threads, peaks of memory, who is missing and why."""
    parts = [_machine(result["machine"])]
    for threads in dict.fromkeys(row["threads"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["threads"] == threads]
        parts += [f"## {_threads(threads)}", NOTE, _grid(rows, _time)]
    peaks = {(row["case"], row["system"]): row for row in result["rows"] if row["peak_mb"] is not None}
    if peaks:
        parts += ["## Peak memory", "MB above what the imports took.", _grid(peaks.values(), _peak)]
    missing = [f"* {system} did not run: {reason}" for system, reason in result["absent"].items()]
    missing += [
        f"* **{row['system']} failed at {row['case']}, {_threads(row['threads'])}**: {row['reason']}"
        for row in result["refused"]
    ]
    if missing:
        parts += ["## Missing", "\n".join(missing)]
    return "\n\n".join(parts) + "\n"


NOTE = "Median milliseconds ± interquartile range (ratio to the engine; above 1 the engine is faster)."


def _machine(machine):
    limits = [
        f"{_threads(threads)}: matrix product {machine['gemm_gflop_s'][threads]:.0f} GFLOP/s, "
        f"copy {machine['copy_gb_s'][threads]:.0f} GB/s"
        for threads in machine["gemm_gflop_s"]
    ]
    versions = {}
    for found in machine["versions"].values():
        for package, version in found.items():
            versions.setdefault(package, set()).add(version)
    names = [f"{package} {' and '.join(sorted(found))}" for package, found in versions.items()]
    load = "" if machine["load"] is None else f", load average {machine['load']:.1f} before the run"
    facts = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}{load}",
        *limits,
        machine["blas"],
        *([f"products by {machine['kernels']}"] if machine["kernels"] else []),
        ", ".join([f"Python {machine['python']}", *names]),
    ]
    return "\n".join([f"# CPU benchmark, {machine['date']}", "", *(f"* {fact}" for fact in facts)])


def _threads(threads):
    return f"{threads} thread{'' if int(threads) == 1 else 's'}"


def _grid(rows, cell):
    """An aligned table: a line for each case, a column for each system."""
    rows = list(rows)
    systems = [system for system in SYSTEMS if any(row["system"] == system for row in rows)]
    cells = {(row["case"], row["system"]): cell(row) for row in rows}
    lines = [["case", *systems]]
    for case in dict.fromkeys(row["case"] for row in rows):
        lines.append([case, *(cells.get((case, system), "") for system in systems)])
    return grid(lines)


def grid(lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown of rows of cells, the first of which is the head; columns but the first end at the right."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    head, *rest = lines
    padded = ([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in (head, rule, *rest))
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def _time(row):
    ratio = row["ratio_to_engine"]
    tail = "" if ratio is None or row["system"] == "engine" else f" ({ratio:.2f})"
    return f"{_digits(row['median_ms'])} ± {_digits(row['spread'])}{tail}"


def _peak(row):
    return f"{row['peak_mb']:.0f}"


def _digits(number):
    """Three digits, never in powers of ten: 0.0123, 1.23, 12.3, 1234."""
    whole = len(str(int(abs(number)))) if abs(number) >= 1 else 0
    return f"{number:.{max(0, 3 - whole)}f}"


def draw(result: dict[str, Any], path: StrPath) -> None:
    """Draw the ratios to the engine (to the first system, where there is none) into the picture at ``path``."""
    draw_into(path, _figure, result)


def draw_into(path: StrPath, figure: Callable[[dict[str, Any]], Any], result: dict[str, Any]) -> None:
    """Write the picture of ``figure(result)`` to ``path``; say so where matplotlib is missing."""
    try:
        write_atomically(path, png(figure(result), dpi=120))
    except ImportError:
        print(f"{path} is not drawn, matplotlib is missing: pip install matplotlib", file=sys.stderr)


def leave(
    folder: StrPath,
    name: str,
    result: dict[str, Any],
    table: Callable[[dict[str, Any]], str],
    figure: Callable[[dict[str, Any]], Any],
) -> None:
    """Write ``result`` into a folder as NAME.json, .md (``table``) and .png (``figure``), and print the table."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for kind, text in (("json", json.dumps(result, indent=1) + "\n"), ("md", table(result))):
        write_atomically(Path(folder) / f"{name}.{kind}", text.encode())
    draw_into(Path(folder) / f"{name}.png", figure, result)
    print(table(result), end="")


def _figure(result):
    rows = result["rows"]
    cases = list(dict.fromkeys(row["case"] for row in rows))
    threads = list(dict.fromkeys(row["threads"] for row in rows))
    systems = [system for system in SYSTEMS if any(row["system"] == system for row in rows)]
    base = "engine" if "engine" in systems else systems[0]
    figure = new_figure(figsize=(4 + 3.5 * len(threads), 1.6 + 0.24 * len(cases)), layout="constrained")
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    panels = figure.subplots(1, len(threads), sharex=True, sharey=True, squeeze=False)[0]
    for panel, number in zip(panels, threads):
        found = {(row["case"], row["system"]): row for row in rows if row["threads"] == number}
        for system in systems:
            points = [
                (found[case, system], found[case, base], -place)
                for place, case in enumerate(cases)
                if (case, system) in found and (case, base) in found
            ]
            _points(panel, system, points)
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.axvline(1, color="black", linewidth=0.8)
        panel.set_title(_threads(number))
        panel.set_xlabel(f"time / time of {base}")
        panel.grid(axis="x", which="both", alpha=0.25)
        panel.grid(axis="y", alpha=0.15)
    low, high = panels[0].get_xlim()
    panels[0].xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low > 5 else (1, 1.2, 1.5, 2, 3, 5, 7, 8)))
    panels[0].set_ylim(-len(cases) + 0.2, 0.8)
    panels[0].set_yticks([-place for place in range(len(cases))], cases, fontsize=8)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4, frameon=False)
    return figure


def _points(panel, system, points):
    """Medians as points, interquartile ranges as bars, both in units of the median of the base."""
    panel.errorbar(
        [row["median_ms"] / base["median_ms"] for row, base, _ in points],
        [y for _, _, y in points],
        xerr=[row["spread"] / 2 / base["median_ms"] for row, base, _ in points],
        fmt="o",
        markersize=5,
        color=COLOURS[system],
        alpha=0.85,
        label=system,
    )
