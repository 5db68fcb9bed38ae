"""All output options of all commands: what lies there is written to, or refused before the work; nothing is lost."""

import contextlib
import hashlib
import io
import json
import stat
import sys
from pathlib import Path

import pytest
from bench.test_report import RESULT
from cli.options import options_of
from files.places import FOLDERS_REFUSED, FOLDERS_WRITTEN, REFUSED, WRITTEN, Reader, assert_written, make, state

from minires import cli
from minires.data import load, sources
from minires.data.sources import Source

TUTORIALS = Path(__file__).parents[2] / "tutorials"
TRAIN = "train --model resnet8 --epochs 1 --limit-train 16 --limit-test 8 --batch-size 8".split()
FILES = {"trace --html": "trace --model resnet8 --batch-size 2".split()}
FOLDERS = {
    "train --run-dir": (TRAIN, "checkpoint.safetensors config.json metrics.jsonl curves.png"),
    "bench --out": ("bench cpu --quick".split(), "cpu.json cpu.md cpu.png"),
    "experiment --out": ("experiment run ode_order --seeds 0".split(), "ode_order.json times.json"),
    "assign --out": ("assign build linear".split(), "linear/linear.py linear/README.md"),
    "tutorials --to": (["tutorials"], " ".join(sorted(path.name for path in TUTORIALS.glob("[0-9]*.py")))),
    "data --data-dir": ("data mnist --download".split(), "mnist/images"),
}
# the other options that name a file or a folder, to be read alone
INPUTS = {
    "train --resume",
    "train --data-dir",
    "eval --weights",
    "eval --data-dir",
    "trace --run",
    "trace --data-dir",
    "step --run",
    "step --data-dir",
    "train --weights",
    "experiment --data-dir",
    "experiment --weights",
    "assign --course",
    "assign --to",  # a platform
}
IMAGES = b"images" * 1000


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def quick_work(monkeypatch):
    """A benchmark that is known, and a data set of one file that needs no server."""

    def copy(source, file, progress):
        file.write(IMAGES)
        return source.md5

    source = Source("http://127.0.0.1/images", hashlib.md5(IMAGES).hexdigest(), "mnist/images")
    monkeypatch.setattr(sources, "copy", copy)
    monkeypatch.setattr("minires.data.download", lambda name, to: sources.download(name, to, sources={name: (source,)}))
    monkeypatch.setattr("minires.data.load", lambda name, split, *_, **options: load("fashion_mnist_12k", split))
    monkeypatch.setattr("minires.cli.benchmarks.run_benchmark", lambda options, progress: RESULT | {"refused": []})


@pytest.fixture
def no_work(monkeypatch):
    def work(*args, **kwargs):
        pytest.fail("the work has begun")

    for name in ("cli.gradients.Subject.load", "cli.benchmarks.run_benchmark"):
        monkeypatch.setattr(f"minires.{name}", work)
    monkeypatch.setattr(sys.modules["minires.train.fit"], "Training", work)
    monkeypatch.setattr(sys.modules["minires.experiments.run"], "Team", work)
    monkeypatch.setattr(sources, "copy", work)


def call(*argv):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(argv)
    return code, out.getvalue(), err.getvalue()


def test_every_output_option_stands_in_the_table():
    """A new option with a file, a folder or a path is an output, tested here, or an input."""
    kinds = ("FILE", "DIR", "RUN", "PATH")
    found = set()
    for command in cli.COMMANDS:
        for option in options_of(command):
            name = option.names[0] if option.names else ""
            if option.values in kinds or name.endswith(("-dir", "-file", "-path", "--to", "--out")):
                found.add(f"{command} {name}")
    assert found - INPUTS == FILES.keys() | FOLDERS.keys()


@pytest.mark.parametrize("option", FILES)
@pytest.mark.parametrize("kind", WRITTEN)
def test_a_file_is_written(option, kind, tmp_path):
    name = option.split()[1]
    code, _, err = call(*FILES[option], name, "expected")
    assert code == 0, err
    data = Path("expected").read_bytes()
    Path("expected").unlink()
    path = make(kind, tmp_path)
    before, reader = state(tmp_path), Reader(path)
    code, _, err = call(*FILES[option], name, path)
    assert code == 0, err
    assert_written(kind, tmp_path, path, data, before, reader)


@pytest.mark.parametrize("option", FILES)
@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_is_refused_before_the_work(option, kind, tmp_path, no_work):
    path = make(kind, tmp_path)
    before = state(tmp_path)
    code, out, err = call(*FILES[option], f"{option.split()[1]}={path}")
    assert (code, out) == (REFUSED[kind], ""), err
    assert err.count("\n") == 1 and err.startswith("minires: ") and "written" in err or "empty" in err
    assert state(tmp_path) == before


@pytest.mark.parametrize("option", FOLDERS)
@pytest.mark.parametrize("kind", FOLDERS_WRITTEN)
def test_a_folder_is_filled(option, kind, tmp_path):
    path = make(kind, tmp_path)
    before = state(tmp_path)
    argv, files = FOLDERS[option]
    code, _, err = call(*argv, option.split()[1], path)
    assert code == 0, err
    for name in files.split():
        written = Path(path, name)
        assert written.stat().st_size > 100 or json.loads(written.read_text())  # what is short is at least whole
    after = state(tmp_path)
    assert {name: after[name] for name in before} == before
    new = {name for name in after.keys() - before.keys() if stat.S_ISREG(after[name][0])}
    assert {Path(name).name for name in new} == {Path(name).name for name in files.split()}


@pytest.mark.parametrize("option", FOLDERS)
@pytest.mark.parametrize("kind", FOLDERS_REFUSED)
def test_a_folder_is_refused_before_the_work(option, kind, tmp_path, no_work):
    path = make(kind, tmp_path)
    before = state(tmp_path)
    code, out, err = call(*FOLDERS[option][0], f"{option.split()[1]}={path}")
    assert (code, out) == (FOLDERS_REFUSED[kind], ""), err
    assert err.count("\n") == 1 and err.startswith("minires: ")
    assert state(tmp_path) == before
