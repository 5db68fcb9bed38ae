"""The predictions for people: tables in Markdown and a picture."""

from typing import Any

from ...files.picture import new_figure
from ..report import grid

SHOWN = ("2", "4", "16", "64", "256", "1024")
BATCHES = {False: "a batch for each rank", True: "one batch that all ranks share"}
STYLES = {"10 Gbit/s": ":", "100 Gbit/s": "--", "NVLink": "-"}


def mpi_table(result: dict[str, Any]) -> str:
    """Markdown: the machine and its MPI, steps, and for both kinds of batch a table of efficiencies."""
    machine = result["machine"]
    load = "" if machine["load"] is None else f", load average {machine['load']:.1f}"
    lines = [f"# Training on many ranks, {machine['date']}", ""]
    lines += [f"* {machine['processor']}, {machine['cores']} cores, {machine['system']}{load}"]
    lines += _mpi(result["mpi"]) + _check(result["check"])
    lines += [f"* {link['name']}, assumed: {_link(link)}; {link['source']}" for link in result["links"]]
    steps = [["step", "ms", "source", "gradients, MB", "messages"]]
    for step in result["steps"]:
        spread = "" if step["spread"] is None else f" ± {step['spread']:.3g}"
        sizes = f"{step['bytes'] / 1e6:.2f}", f"{len(step['buckets'])}"
        steps.append([step["case"], f"{step['ms']:.4g}{spread}", step["source"], *sizes])
    parts = ["\n".join(lines), grid(steps)]
    for shared, words in BATCHES.items():
        rows = [["step, link", *SHOWN, "below 1/2 from", "no faster beyond"]]
        for row in result["rows"]:
            if row["shared"] == shared:
                ends = [f"{row[name] or '-'}" for name in ("half", "most")]
                found = [f"{row['efficiency'][k]:.3f}" for k in SHOWN]
                rows.append([f"{row['case']}, {row['link']}", *found, *ends])
        parts += [f"## Efficiency, {words}", NOTE, grid(rows)]
    return "\n\n".join(parts) + "\n"


NOTE = "Images a second of k ranks over k times those of one, by the number of ranks; -: not up to 1,024."


def _link(link):
    return f"latency {1e6 * link['latency']:.3g} us, {link['bandwidth'] / 1e9:.3g} GB/s"


def _mpi(found):
    if found is None:
        return []
    lines = []
    for name, words in (("ping_pong", "one message"), ("sum", f"sums of {found['ranks']} ranks, as by a ring")):
        off = sorted(abs(error) for error in found[name]["off"])
        errors = f"off by {off[len(off) // 2]:.0%} in the middle and {off[-1]:.0%} at most of {len(off)} sizes"
        lines.append(f"* {words}, measured: {_link(found[name])}; {errors}")
    return lines


def _check(found):
    if found is None:
        return []
    ranks = f"{found['ranks']} ranks on {found['cores']} cores"
    times = f"{1e3 * found['together']:.4g} ms measured, {1e3 * found['simulated']:.4g} simulated ({found['off']:+.1%})"
    plain = f"{1e3 * found['without_stragglers']:.4g} without stragglers, {found['neighbours']:.1f} other processes"
    more = f"{found['speedup']:.2f} times the images a second of one, expected {found['expected_speedup']:.2f}"
    return [f"* {found['case']} on each of {ranks}: a step takes {times}, {plain}; {more}"]


def mpi_figure(result: dict[str, Any]) -> Any:
    """matplotlib's Figure: efficiency over ranks, a panel for each kind of batch."""
    figure = new_figure(figsize=(11, 4.5), layout="constrained")
    cases = [step["case"] for step in result["steps"]]
    for panel, (shared, words) in zip(figure.subplots(1, 2, sharey=True), BATCHES.items()):
        for row in result["rows"]:
            if row["shared"] == shared:
                ranks = [int(k) for k in row["efficiency"]]
                colour = f"C{cases.index(row['case'])}"
                label = f"{row['case'].removeprefix('train ')}, {row['link']}"
                panel.plot(ranks, row["efficiency"].values(), STYLES.get(row["link"], "-."), color=colour, label=label)
        panel.axhline(0.5, color="0.7", linewidth=0.8)
        panel.set_xscale("log", base=2)
        panel.set(xlabel="ranks", ylim=(0, 1.05), title=words[0].upper() + words[1:])
        panel.set_xticks(ranks, ranks)
        panel.grid(alpha=0.2)
    figure.axes[0].set_ylabel("efficiency")
    figure.axes[1].legend(fontsize=7, loc="upper right")
    return figure
