"""Steps of two ranks: how much faster than one they are, and what is sent while backward goes on.

    mpiexec -n 2 python bench/mpi_step.py FOLDER [ROUNDS]

Writes step.json and timeline.png into FOLDER. ResNet-20, 128 images for each process. In each round one after the
other: one process alone, two that know nothing of each other (memory is shared, so that these are the bound), two
ranks, and one process with two threads of the engine on the images of both. Other programs on the machine take their
share of all of these, and its clock changes: what counts is the middle of the ratios within each round, and the time of
the processor.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

import minires
from minires.bench.cases import Case
from minires.bench.machine import facts
from minires.bench.parallel.steps import Trainer
from minires.files.picture import new_figure, png
from minires.files.whole import write_atomically
from minires.train.ranks import Ranks

CASE, BOTH = Case("train", "resnet20", 128), Case("train", "resnet20", 256)
WAYS = {"one process": 128, "two processes": 256, "two ranks": 256, "two threads": 256}
STEPS = 3  # of each measurement


def seconds(ranks, step, who):
    """(seconds of a step of the ranks ``who``, until the last of them is done; of the processor, on all of them)."""
    ranks.gather(0)
    began, computed = time.perf_counter(), 0.0
    if ranks.rank in who:
        computed = sum(step()[1] for _ in range(STEPS))
    rows = ranks.gather([time.perf_counter() - began, computed])
    return max(rows[rank][0] for rank in who) / STEPS, rows[:, 1].sum() / STEPS


def rounds_of(ranks, count):
    """{way: [seconds of a step in each round]}"""
    trainer, wide = Trainer.of(CASE, 1, ranks), Trainer.of(BOTH, 2)
    ways = {
        "one process": (trainer.alone, [0]),
        "two processes": (trainer.alone, [0, 1]),
        "two ranks": (trainer.shared, [0, 1]),
        "two threads": (wide.alone, [0]),
    }
    found = {name: [] for name in ways}
    for number in range(count + 1):
        for name, (step, who) in ways.items():
            taken = seconds(ranks, step, who)
            if number:  # the first round makes plans
                found[name].append(taken)
    return found, trainer


def timeline(trainer):
    """{backward: its seconds, waited: those behind it, buckets: [(kilobytes, begun, ended)]} of one step."""
    model, buckets = trainer.fast.definition, trainer.buckets
    model.zero_grads()
    logits, cache = trainer.fast.forward(trainer.x, train=True)
    dlogits = trainer.loss.backward(trainer.loss.forward(logits, trainer.labels)[1])
    began = time.perf_counter()
    buckets.begin()
    buckets.backward(trainer.fast, dlogits, cache)
    done = time.perf_counter()
    buckets.finish()
    end = time.perf_counter()
    sent = [(b.bytes / 1024, b.began - began, b.ended - began) for b in buckets.all]
    return {"backward": done - began, "waited": end - done, "buckets": sent}


def draw(found, path):
    figure = new_figure(figsize=(8, 2.6), layout="constrained")
    axes, rows = figure.subplots(), found["buckets"]
    axes.barh(0, 1e3 * found["backward"], color="tab:blue", height=0.7)
    axes.text(5e2 * found["backward"], 0, "backward of the layers", ha="center", va="center", color="white")
    for number, (size, begun, ended) in enumerate(rows, 1):
        axes.barh(number, 1e3 * (ended - begun), left=1e3 * begun, color="tab:orange", height=0.7)
        axes.annotate(f" {size:.0f} KB", (1e3 * ended, number), va="center", fontsize=8)
    axes.axvline(1e3 * found["backward"], color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(rows) + 1), ["rank 0", *(f"bucket {n}" for n in range(1, len(rows) + 1))])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08e3 * max(found["backward"], *(ended for _, _, ended in rows)))
    axes.set_xlabel("milliseconds since backward began; a bucket is the sum of its gradients over two ranks")
    write_atomically(path, png(figure))


def main(folder, rounds=8):
    ranks = Ranks(MPI.COMM_WORLD)
    assert ranks.size == 2, "start it with mpiexec -n 2"
    times, trainer = rounds_of(ranks, rounds)
    lines = [timeline(trainer) for _ in range(9)]
    if ranks.rank:
        return
    rates = {way: [images / s for s, _ in times[way]] for way, images in WAYS.items()}
    computed = {way: [1e3 * c / images for _, c in times[way]] for way, images in WAYS.items()}
    for way, found in rates.items():
        ratio = statistics.median(rate / alone for rate, alone in zip(found, rates["one process"]))
        text = f"images a second: {statistics.median(found):6.1f}, best {max(found):6.1f}; {ratio:.2f} of one process"
        mine = f"{min(computed[way]):.2f} ms an image, median {statistics.median(computed[way]):.2f}"
        print(f"{way:<14} {text}; processor {mine}")
    line = min(lines, key=lambda found: found["backward"] + found["waited"])
    inside = sum(min(end, line["backward"]) - min(begun, line["backward"]) for _, begun, end in line["buckets"])
    whole = sum(end - begun for _, begun, end in line["buckets"])
    print(f"backward {1e3 * line['backward']:.1f} ms, then {1e3 * line['waited']:.2f} ms for what is still under way; ")
    print(f"{inside / whole:.0%} of the time of the messages lies within backward")
    library = MPI.Get_library_version().partition("\n")[0]
    found = {"minires": minires.__version__, "numpy": np.__version__, "mpi": library, "machine": facts()}
    found |= {"images a second": rates, "processor, ms an image": computed, "timeline": line}
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_atomically(Path(folder) / "step.json", (json.dumps(found, indent=1, default=str) + "\n").encode())
    draw(line, Path(folder) / "timeline.png")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
