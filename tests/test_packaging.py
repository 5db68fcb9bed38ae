"""What is built for others: a source archive, the wheel made of it, and the tutorials in both; no network is needed."""

import configparser
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from lowest import pins

import minires

ROOT = Path(__file__).parents[1]
TUTORIALS = {path.name: path.read_bytes() for path in (ROOT / "tutorials").glob("*.py")}
BUILD = "import sys; from setuptools import build_meta as b; b.build_{}(sys.argv[1])"


def python(*words, cwd, **environment):
    """Run this Python and return what it prints."""
    command = [sys.executable, *map(str, words)]
    found = subprocess.run(command, cwd=cwd, env=environment or None, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(source archive, wheel made of it), from a copy of the repository."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "copy"
    shutil.copytree(ROOT / "minires", copy / "minires", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tutorials", copy / "tutorials")
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    python("-c", BUILD.format("sdist"), folder, cwd=copy)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "unpacked", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (source,) = (folder / "unpacked").iterdir()
    python("-c", BUILD.format("wheel"), folder, cwd=source)
    (wheel,) = folder.glob("*.whl")
    return archive, wheel


def test_both_hold_the_package_and_the_tutorials(built):
    archive, wheel = built
    with tarfile.open(archive) as tar:
        of_archive = {name.partition("/")[2] for name in tar.getnames()}
    with zipfile.ZipFile(wheel) as file:
        of_wheel = {name: file.read(name) for name in file.namelist()}
    ours = {str(p.relative_to(ROOT)) for p in (ROOT / "minires").rglob("*") if p.is_file() and p.suffix != ".pyc"}
    assert ours <= of_archive and ours <= of_wheel.keys()
    assert {f"tutorials/{name}" for name in TUTORIALS} <= of_archive
    assert TUTORIALS == {n.rpartition("/")[2]: d for n, d in of_wheel.items() if n.startswith("minires/tutorials/")}
    tops = {name.partition("/")[0] for name in of_wheel}
    assert tops == {"minires", "minires_command.py", f"minires-{minires.__version__}.dist-info"}


def test_installed_elsewhere_without_the_sources_it_runs(built, tmp_path):
    """As ``pip install`` leaves it: the files of the wheel, and no repository."""
    with zipfile.ZipFile(built[1]) as file:
        file.extractall(tmp_path / "site")
    (tmp_path / "work").mkdir()
    settings = {"cwd": tmp_path / "work", "PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin"}
    assert python("-m", "minires", "--version", **settings) == f"minires {minires.__version__}\n"
    where = python("-c", "import minires; print(minires.__file__)", **settings)
    assert Path(where.strip()) == tmp_path / "site" / "minires" / "__init__.py"
    python("-m", "minires", "tutorials", "--to", "here", **settings)
    assert {path.name: path.read_bytes() for path in (tmp_path / "work" / "here").iterdir()} == TUTORIALS
    assert "shortcut term: norm" in python("here/01_a_layer_and_its_gradient.py", **settings)


def test_every_requirement_has_a_lower_bound_and_one_alone():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split("\n")
    lines += [line for extra in config["options.extras_require"].values() for line in extra.split("\n")]
    wanted = {line for line in lines if line}
    assert len({line.partition(">=")[0].partition("==")[0] for line in wanted}) == len(wanted) == len(pins())
    assert all(line.count("==") == 1 for line in pins())


def test_the_citation_names_this_version():
    assert f"\nversion: {minires.__version__}\n" in (ROOT / "CITATION.cff").read_text()
