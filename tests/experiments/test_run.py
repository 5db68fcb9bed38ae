"""Measurements in processes of their own: kept one by one, gone on with, and none lost by another."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from experiments import fast

from minires.errors import DataFileError, RangeError, StateError
from minires.experiments import EXPERIMENTS, judge, run, stored
from minires.experiments.run import Progress
from minires.experiments.store import plain

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    """With experiments that take no time, in this process and in those that measure."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    for name, experiment in fast.ALL.items():
        monkeypatch.setitem(EXPERIMENTS, name, experiment)


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.name != "times.json"}


def test_numbers_come_back_as_they_were():
    assert run(["steady"], (2, 0), "out") == {}
    found = stored("out")["steady"]
    expected = {seed: plain(fast.steady(seed, True, Lab())) for seed in (0, 2)}
    assert found["seeds"].keys() == {0, 2} and repr(found["seeds"]) == repr(expected)  # NaN is equal in words
    assert found["settings"]["quick"] is True and found["settings"]["engine"] == "compiled"


class Lab:
    progress = print


def test_the_files_are_strict_json_and_alike_for_any_number_of_processes():
    run(["steady", "ode_order"], (0, 1, 2), "one", jobs=1)
    run(["ode_order", "steady"], (2, 1, 0), "three", jobs=3)
    assert contents("one") == contents("three") and len(contents("one")) == 2

    def refuse(word):
        pytest.fail(f"{word} is no JSON")

    for data in contents("one").values():
        json.loads(data, parse_constant=refuse)


def test_what_is_there_is_not_measured_again():
    seen = []
    run(["steady"], (0,), "out", progress=seen.append)
    first = Progress("steady", 0, "half of it", 0, 1, False)
    assert seen[0] == first and [(p.done, p.finished) for p in seen] == [(0, False), (1, True)]
    before = Path("out/times.json").read_bytes()
    run(["steady"], (0, 1), "out", progress=seen.append)
    assert [p.seed for p in seen[2:]] == [1, 1]
    assert json.loads(before)["steady"]["0"] == json.loads(Path("out/times.json").read_bytes())["steady"]["0"]


@pytest.mark.parametrize("other", [{"quick": False}, {"engine": "reference"}])
def test_numbers_of_other_settings_are_not_touched(other):
    run(["steady"], (0,), "out", **other)
    before = contents("out")
    with pytest.raises(
        StateError, match=f"out/steady.json was measured with {[*other][0]} = .*: choose another folder"
    ):
        run(["ode_order", "steady"], (0, 1), "out")
    assert contents("out") == before


def test_an_edited_experiment_is_measured_again():
    run(["steady"], (0, 1), "out")
    text = Path("out/steady.json").read_text()
    source = stored("out")["steady"]["settings"]["source"]
    Path("out/steady.json").write_text(text.replace(source, "00000000").replace("[", "[1.0, "))
    run(["steady"], (1,), "out")
    assert stored("out")["steady"]["seeds"].keys() == {1}
    run(["steady"], (0,), "out")
    assert Path("out/steady.json").read_text() == text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("failing", "ZeroDivisionError: there is nothing to divide by (fast.py, line "),
        ("dying", "its process ended with code 3: is there enough memory?"),
    ],
)
def test_a_failure_costs_one_measurement(name, words):
    failed = run([name, "steady"], (0, 1, 2), "out", jobs=2)
    assert failed.keys() == {(name, 1)} and failed[name, 1].startswith(words)
    found = stored("out")
    assert found[name]["seeds"].keys() == {0, 2} and found["steady"]["seeds"].keys() == {0, 1, 2}
    assert judge("out", seeds=(0, 1, 2)).keys() == {"steady"}
    assert judge("out").keys() == {"steady", name} and judge("out", [name])[name].word == "HOLDS"


def test_what_json_cannot_hold_is_named():
    failed = run(["strange"], (0,), "out")
    assert failed["strange", 0].startswith("DTypeError: numbers['value'] is a ndarray, expected a float, a list or")
    assert stored("out") == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"names": ["steady", "x"]}, "no experiment is called 'x', expected some of "),
        ({"seeds": (0, -1)}, "seeds is 0, -1, expected integers of at least 0"),
        ({"seeds": ()}, "seeds is empty"),
        ({"engine": "x"}, "engine is 'x', expected one of compiled, reference"),
        ({"jobs": 0}, "jobs is 0, expected at least 1"),
    ],
)
def test_wrong_arguments_begin_nothing(arguments, words):
    with pytest.raises(RangeError, match=words):
        run(**{"names": ["steady"], "out": "out"} | arguments)
    assert not Path("out").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"seeds": {"0": 1}}', '{"settings": {}, "seeds": {"x": 1}}', "\xff"])
def test_a_damaged_file_is_named(text):
    Path("steady.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataFileError, match="steady.json holds .*: choose another folder, or remove the file"):
        run(["steady"], (0,), ".")
    assert Path("steady.json").read_text(encoding="latin-1") == text


MAIN = "import sys; from minires import experiments; from experiments import fast; from minires.cli import main;"
MAIN += "experiments.EXPERIMENTS.update(fast.ALL); sys.exit(main(sys.argv[1:]))"


def start(*argv):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS), str(TESTS.parent)))}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", MAIN, "experiment", "run", *argv], env=environment, **pipes)


def runs(path):
    """Whether the process whose number is in the file still does something."""
    try:
        return Path("/proc", path.read_text(), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_interrupted_and_gone_on_with(number):
    """A real signal while two measure: all processes end at once, and the same command ends with the same bytes."""
    process = start("steady", "slow", "--seeds", "0,1,2", "--jobs", "2", "--out", "out")
    while not (len([*Path().glob("begun*")]) == 2 and len(stored("out").get("steady", {"seeds": ()})["seeds"]) == 3):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    assert len([*filter(runs, Path().glob("begun*"))]) == 2
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    while any(map(runs, Path().glob("begun*"))):
        assert time.monotonic() - began < 10
        time.sleep(0.01)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert out == "" and "Traceback" not in err
    if number == signal.SIGINT:
        assert "what is measured stays in out: the same command goes on\nminires: stopped\n" in err
    assert stored("out").keys() == {"steady"}
    if number != signal.SIGKILL:
        assert set(contents("out")) == {"steady.json"}
    Path("go").write_bytes(b"")
    before = Path("out/steady.json").stat().st_mtime_ns
    process = start("steady", "slow", "--seeds", "0,1,2", "--jobs", "3", "--out", "out")
    out, err = process.communicate(timeout=60)
    assert (
        process.returncode == 0 and len(err.splitlines()) == 3 and Path("out/steady.json").stat().st_mtime_ns == before
    ), err
    run(["steady", "slow"], (0, 1, 2), "quiet")
    assert contents("out") == contents("quiet")


def test_each_measurement_has_one_thread(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    assert run(["surroundings"], (0,), "out") == {}
    assert stored("out")["surroundings"]["seeds"][0] == {"threads": 1.0}
