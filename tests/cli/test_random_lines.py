"""500 random command lines: no traceback, no other exit code, none over its time, --json is JSON or nothing."""

import itertools
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli import fork_server, random_lines
from PIL import Image

from minires.train import TrainConfig, fit
from minires.weights import save_weights
from minires.models import build

ROOT = Path(__file__).parents[2]
SECONDS = 60  # of a line, on a machine that does something else too; alone, the slowest takes 5
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    "OPENBLAS_NUM_THREADS": "1",
    "HOME": "/nowhere",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",  # nothing listens: no download
}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """What lies in the folder of each command line: see PATHS."""
    folder = tmp_path_factory.mktemp("template") / "here"
    folder.mkdir()
    small = {"epochs": 1, "limit_train": 8, "limit_test": 4, "batch_size": 4}
    fit(TrainConfig(model="resnet8", run_dir=str(folder / "run"), **small))
    save_weights(folder / "weights.safetensors", build("resnet8", in_channels=1, rng=0))
    (folder / "file").write_bytes(b"what was there before")
    (folder / "empty").write_bytes(b"")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("file")
    (folder / "dangling").symlink_to("target")
    for split, name, i in itertools.product(("train", "test"), ("Käfer", "日本"), range(3)):
        path = folder / "pictures" / split / name / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 60 * i, np.uint8)).save(path)
    return folder


@pytest.fixture(scope="module")
def server():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, fork_server.__file__], env=ENVIRONMENT, text=True, **pipes) as process:
        yield process
        process.stdin.close()


def in_a_fork(line, folder, server):
    request = {name: line[name] for name in ("argv", "env", "encoding")} | {"cwd": str(folder), "seconds": SECONDS}
    print(json.dumps(request), file=server.stdin, flush=True)
    return json.loads(server.stdout.readline())["code"]


def in_a_process(line, folder, server):
    environment = {name: value for name, value in (ENVIRONMENT | line["env"]).items() if value is not None}
    environment["PYTHONIOENCODING"] = line["encoding"]
    command = [sys.executable, "-m", "minires", *line["argv"]]
    with open(folder / "../in") as i, open(folder / "../out", "w") as o, open(folder / "../err", "w") as e:
        pipes = {"stdin": i, "stdout": o, "stderr": e}
        try:
            return subprocess.run(command, cwd=folder, env=environment, timeout=SECONDS, **pipes).returncode
        except subprocess.TimeoutExpired:
            return None


def faults(line, way, template, folder, server):
    """What is wrong with one run: a list of words."""
    here = folder / "here"
    shutil.copytree(template, here, symlinks=True)
    try:
        os.mknod(here / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pass
    odd = [here / name for name in ("device", "link", "dangling") if name in os.listdir(here)]
    kinds = {path: path.lstat().st_mode for path in odd}
    for name, data in (("in", line["stdin"]), ("out", b""), ("err", b"")):
        (folder / name).write_bytes(data)
    code = way(line, here, server)
    out, err = ((folder / name).read_bytes().decode(errors="replace") for name in ("out", "err"))
    found = []
    if code is None:
        found.append(f"took more than {SECONDS} s")
    elif code not in (0, 1, 2):
        found.append(f"exit code {code}")
    if "Traceback" in out + err or "Exception ignored" in err:
        found.append(f"traceback: {err.strip().splitlines()[-1:]}")
    if code in (1, 2) and not (err.strip() or out.strip()):
        found.append(f"exit code {code} without a word")
    if line["json"] and out.strip():
        try:
            if not isinstance(json.loads(out), dict) or out.count("\n") != 1:
                found.append("--json printed something else than one object")
        except ValueError:
            found.append(f"--json printed {out[:80]!r}")
    found += [f"{path.name} was replaced" for path, mode in kinds.items() if path.lstat().st_mode != mode]
    shutil.rmtree(here)
    return found


def check(seed, count, way, template, folder, server):
    wrong = []
    for line in itertools.islice(random_lines.lines(seed), count):
        found = faults(line, way, template, folder, server)
        if found:
            settings = " ".join(f"{name}={value}" for name, value in line["env"].items() if value is not None)
            wrong.append(f"{settings} minires {shlex.join(line['argv'])}\n    {'; '.join(found)}")
    assert not wrong, "\n" + "\n".join(wrong).encode(errors="backslashreplace").decode()


def test_a_few(template, tmp_path, server):
    check("a few", 12, in_a_fork, template, tmp_path, server)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_many(seed, template, tmp_path, server):
    check(seed, 40, in_a_fork, template, tmp_path, server)


@pytest.mark.slow
def test_as_users_start_them(template, tmp_path, server):
    check("processes", 20, in_a_process, template, tmp_path, server)


def test_they_are_different_and_come_again():
    first, again, other = (list(itertools.islice(random_lines.lines(seed), 60)) for seed in (1, 1, 2))
    assert first == again != other and len({shlex.join(line["argv"]) for line in first}) > 50
