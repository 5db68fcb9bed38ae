"""Measures experiments, several at once, and keeps every number as it comes; judges what is kept."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine import cores
from ..errors import RangeError
from ..files import StrPath, check_folder
from .catalogue import EXPERIMENTS
from .experiment import Verdict
from .store import Store, stored, times
from .team import Team

ENGINES = ("compiled", "reference")


@dataclass(frozen=True)
class Progress:
    """Where a run is: ``words`` of the experiment ``name`` at ``seed``; ``done`` of ``total`` measurements are over.

    finished: this one has just become so
    """

    name: str
    seed: int
    words: str
    done: int
    total: int
    finished: bool


def run(
    names: Iterable[str],
    seeds: Sequence[int] = (0, 1, 2),
    out: StrPath = "experiments",
    *,
    quick: bool = True,
    engine: str = "compiled",
    jobs: int | None = None,
    progress: Callable[[Progress], Any] | None = None,
    data_dir: StrPath = "data",
    weights: StrPath | None = None,
) -> dict[tuple[str, int], str]:
    """Measure the experiments ``names`` at ``seeds``, and return {(name, seed): why} of the measurements that failed.

    The numbers go into the folder ``out``, after each measurement; what is there and fits is not measured again, so
    that an interrupted run goes on with the same call. There are ``jobs`` processes (default: one for each core), or
    fewer where there is less to measure, whose engines then share the cores that are left.

    quick: the small version; False: more seeds, draws and epochs, and real data where the experiment names them
    engine: "compiled", or "reference" for the layers as they are written   progress: called with a :class:`Progress`
    data_dir: folder of the data sets, and weights: file of published weights, where a full version needs them

    Raises RangeError for an unknown name, StateError where the folder has numbers of other settings, and what
    :func:`~minires.experiments.stored` raises.
    """
    chosen, seeds = select(names), _checked(seeds)
    if engine not in ENGINES:
        raise RangeError(f"engine is {engine!r}, expected one of {', '.join(ENGINES)}")
    if jobs is not None and jobs < 1:
        raise RangeError(f"jobs is {jobs}, expected at least 1")
    check_folder(out)
    store = Store(out, quick=quick, engine=engine)
    tasks = [(one, seed, store.parts(one)) for one in longest_first(chosen, out) for seed in store.missing(one, seeds)]
    failed, done = {}, 0
    size = min(jobs or cores(), len(tasks))
    threads = max(1, cores() // max(1, size))  # what other measurements do not need
    lab = {"engine": engine, "data_dir": data_dir, "weights": weights, "threads": threads}
    with Team(size, lab) as team:
        for experiment, seed, answer in team.answers(tasks, quick=quick):
            finished = "progress" not in answer
            done += finished
            if "numbers" in answer:
                store.keep(experiment, seed, answer["numbers"], answer["seconds"])
                words = f"{answer['seconds']:.1f} s"
            elif finished:
                failed[experiment.name, seed] = words = answer["error"]
            else:
                words = answer["progress"]
            if progress is not None:
                progress(Progress(experiment.name, seed, words, done, len(tasks), finished))
    return failed


def judge(
    out: StrPath = "experiments", names: Iterable[str] | None = None, seeds: Sequence[int] | None = None
) -> dict[str, Verdict]:
    """{name: :class:`~minires.experiments.Verdict`} of the numbers in the folder ``out``; nothing is computed anew.

    names: of the experiments, by default all that are there   seeds: by default all that are there; an experiment that
    lacks one is left out
    """
    found, verdicts = stored(out), {}
    for experiment in EXPERIMENTS.values() if names is None else select(names):
        numbers = found.get(experiment.name, {"seeds": {}})["seeds"]
        wanted = sorted(numbers) if seeds is None else seeds
        if wanted and set(wanted) <= numbers.keys():
            verdicts[experiment.name] = experiment.verdict([numbers[seed] for seed in wanted])
    return verdicts


def longest_first(chosen, out):
    """Experiments in the order of the seconds that they took the last time, new ones before: none is left over alone.

    The seeds of one stay together, so that each finds the networks that another experiment has trained.
    """
    known = times(out)

    def seconds(experiment):
        spent = [time["seconds"] for time in known.get(experiment.name, {}).values()]
        return max(spent, default=math.inf)

    return sorted(chosen, key=seconds, reverse=True)


def select(names):
    """The experiments with these names, each once. Raises RangeError."""
    names = tuple(dict.fromkeys(names))
    for name in names:
        if name not in EXPERIMENTS:
            raise RangeError(f"no experiment is called {name!r}, expected some of {', '.join(EXPERIMENTS)}")
    return [EXPERIMENTS[name] for name in names]


def _checked(seeds):
    seeds = tuple(dict.fromkeys(seeds))
    if not seeds or any(seed < 0 for seed in seeds):
        raise RangeError(
            f"seeds is {', '.join(map(str, seeds)) or 'empty'}, expected integers of at least 0, such as 0, 1, 2"
        )
    return seeds
