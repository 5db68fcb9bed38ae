"""The table of times; and that engine and layers say the same."""

import json

import pytest

from minires.experiments import EXPERIMENTS, Lab, speed
from minires.experiments.run import longest_first


def put(folder, **seconds):
    folder.mkdir()
    found = {
        name: {str(seed): {"seconds": s, "machine": "m"} for seed, s in enumerate(many)}
        for name, many in seconds.items()
    }
    (folder / "times.json").write_text(json.dumps(found))
    return folder


def test_the_table_has_what_both_have(tmp_path):
    fast = put(tmp_path / "fast", ode_order=[1.0, 1.0, 9.0], degradation=[2.0], batch_norm=[7.0])
    slow = put(tmp_path / "slow", ode_order=[2.0, 1.0], degradation=[6.0], lesions=[8.0])
    lines = speed(fast, slow).splitlines()
    assert lines[0] == "| experiment | layers, s | engine, s | times |"
    assert lines[2:] == [
        "| degradation | 6.0 | 2.0 | 3.0 |",
        "| ode_order | 3.0 | 2.0 | 1.5 |",
        "| all | 9.0 | 4.0 | 2.2 |",
    ]
    assert speed(tmp_path, tmp_path).splitlines()[2:] == ["| all | 0.0 | 0.0 | 1.0 |"]


def test_the_longest_go_first(tmp_path):
    chosen = [EXPERIMENTS[name] for name in ("one_plus", "degradation", "ode_order", "batch_norm")]
    folder = put(tmp_path / "x", one_plus=[1.0, 2.0], degradation=[0.5, 9.0], batch_norm=[3.0])
    assert [one.name for one in longest_first(chosen, folder)] == ["ode_order", "degradation", "batch_norm", "one_plus"]
    assert longest_first(chosen, tmp_path) == chosen


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_layers_give_the_verdict_of_the_engine(name):
    """That of the engine stands in the folder ``experiments``, and is the expected one."""
    experiment = EXPERIMENTS[name]
    assert experiment.verdict([experiment.measure(0, True, Lab("reference"))]).word == experiment.expected
