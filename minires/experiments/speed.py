"""What the engine buys: the seconds of the same experiments with it and with the layers as they are written."""

from ..files import StrPath
from .catalogue import EXPERIMENTS
from .store import times


def speed(compiled: StrPath = "experiments", reference: StrPath = "reference") -> str:
    """A Markdown table of the seconds in two folders: layers, engine, and how many times as fast that is.

    compiled, reference: folders of :func:`~minires.experiments.run` with these engines   Counted are
    the measurements that both have.
    """
    fast, slow = times(compiled), times(reference)
    rows, sums = [], [0, 0]
    for name in EXPERIMENTS:
        seeds = sorted(fast.get(name, {}).keys() & slow.get(name, {}).keys())
        if seeds:
            pair = [sum(found[name][seed]["seconds"] for seed in seeds) for found in (slow, fast)]
            sums = [total + seconds for total, seconds in zip(sums, pair)]
            rows.append(_row(name, *pair))
    head = ["| experiment | layers, s | engine, s | times |", "|---|---:|---:|---:|"]
    return "\n".join([*head, *rows, _row("all", *sums)]) + "\n"


def _row(name, slow, fast):
    return f"| {name} | {slow:.1f} | {fast:.1f} | {slow / fast if fast else 1:.1f} |"
