"""Experiments of no time, and those that go wrong: for the tests of what runs experiments."""

import math
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from minires.experiments import Check, Claim, Experiment, Verdict


def steady(seed, quick, lab):
    """As a measurement should be, with all that JSON has no word for."""
    lab.progress("half of it")
    rng = np.random.default_rng(seed)
    values = list(rng.standard_normal(3))
    return {
        "values": values,
        "mean": {"of all": float(np.mean(values))},
        "odd": [math.nan, math.inf, -math.inf, -0.0, 5e-324],
    }


def slow(seed, quick, lab):
    """Tells that it has begun, and in which process, and ends when the file ``go`` is there."""
    Path(f"begun{seed}").write_text(str(os.getpid()))
    while not Path("go").exists():
        time.sleep(0.01)
    return {"value": 0.1 * seed}


def surroundings(seed, quick, lab):
    print("what is printed is no answer")
    return {"threads": float(os.environ["OPENBLAS_NUM_THREADS"])}


def failing(seed, quick, lab):
    if seed == 1:
        raise ZeroDivisionError("there is nothing to divide by")
    return {"value": 1.0}


def dying(seed, quick, lab):
    if seed == 1:
        os._exit(3)
    return {"value": 1.0}


def strange(seed, quick, lab):
    return {"value": np.zeros(3)}


def positive(numbers):
    return Verdict((Check("the value", tuple(n.get("value", 1.0) for n in numbers), at_least=0.0),))


CLAIM = Claim("It is so.", "nowhere", "nobody")
STEADY = Experiment("steady", CLAIM, steady, positive, lambda numbers, figure: None)
SLOW, SURROUNDINGS, FAILING, DYING, STRANGE = (
    replace(STEADY, name=measure.__name__, measure=measure) for measure in (slow, surroundings, failing, dying, strange)
)
ALL = {one.name: one for one in (STEADY, SLOW, SURROUNDINGS, FAILING, DYING, STRANGE)}
