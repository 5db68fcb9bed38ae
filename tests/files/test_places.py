"""Whatever lies where a result is to go: it is written through, written to, or refused before; nothing is destroyed."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from files.places import BEFORE, FOLDERS_REFUSED, FOLDERS_WRITTEN, REFUSED, WRITTEN, Reader, assert_written, make, state
from train.tiny_training import config, data, model

from minires.errors import CheckpointError, RangeError
from minires.files.whole import check_folder, check_writable, make_folder, write_atomically, written_whole
from minires.layers import Linear, Sequential
from minires.train import Position, fit, load_checkpoint, publish, save_checkpoint
from minires.train.optim import SGD
from minires.weights import save_weights

ERRORS = {1: CheckpointError, 2: RangeError}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def net():
    return Sequential(Linear(3, 2, rng=0))


def with_state(path):
    save_checkpoint(path, net(), SGD(net().params(), 0.1), config=config("x"), data={}, position=Position())


WRITERS = {
    "write_atomically": lambda path: write_atomically(path, b"results"),
    "save_weights": lambda path: save_weights(path, net()),
    "save_checkpoint": with_state,
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("kind", WRITTEN)
def test_a_file_is_written(kind, writer, folder):
    expected = folder / "expected"
    WRITERS[writer](expected)
    data = expected.read_bytes()
    expected.unlink()
    path = make(kind, folder)
    before, reader = state(folder), Reader(path)
    WRITERS[writer](path)
    assert_written(kind, folder, path, data, before, reader)


@pytest.mark.parametrize("writer", [*WRITERS, "check_writable", "publish"])
@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_is_refused(kind, writer, folder):
    """publish reads no run before it has looked at the place: there is none."""
    ways = WRITERS | {"check_writable": check_writable, "publish": lambda path: publish("no run", path)}
    path = make(kind, folder)
    before = state(folder)
    with pytest.raises(ERRORS[REFUSED[kind]], match="to write to is empty|cannot be written") as caught:
        ways[writer](path)
    assert path in str(caught.value) and state(folder) == before


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_question_changes_nothing(kind, folder):
    path = make(kind, folder)
    before = state(folder)
    assert check_writable(path) == (kind in ("pipe", "device"))
    assert state(folder) == before


@pytest.mark.parametrize("kind", FOLDERS_WRITTEN)
def test_a_folder_is_made(kind, folder):
    path = make(kind, folder)
    before = state(folder)
    check_folder(path)
    assert state(folder) == before
    write_atomically(make_folder(path) / "new", b"results")
    after = state(folder)
    assert Path(path, "new").read_bytes() == b"results"
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("ask", [check_folder, make_folder, lambda path: fit(config(path))])
@pytest.mark.parametrize("kind", FOLDERS_REFUSED)
def test_a_folder_is_refused(kind, ask, folder, monkeypatch):
    monkeypatch.setattr(sys.modules["minires.train.fit"], "Training", lambda *args: pytest.fail("the work has begun"))
    path = make(kind, folder)
    before = state(folder)
    with pytest.raises(ERRORS[FOLDERS_REFUSED[kind]]):
        ask(path)
    assert state(folder) == before


def test_a_folder_that_is_there(folder):
    with pytest.raises(FileExistsError):
        make_folder(folder, exist_ok=False)


def test_a_folder_that_was_deleted(folder, monkeypatch):
    gone = folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for ask in (check_folder, check_writable):
        with pytest.raises(CheckpointError, match="page cannot be written"):
            ask("page")


def test_the_home_of_a_user_has_a_short_name(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder / "home"))
    write_atomically(make_folder("~/runs") / "new", b"results")
    write_atomically("~/runs/page", b"more")
    assert state(folder).keys() == {"home", "home/runs", "home/runs/new", "home/runs/page"}


IN_A_SMALL_ROOT = """
import os, sys
from minires.errors import CheckpointError
from minires.files import whole
os.chroot(sys.argv[1]); os.chdir("/")
for ask, place in [(whole.check_folder, "/"), (whole.check_writable, "/"), (whole.check_folder, "/../..")]:
    try:
        ask(place)
    except CheckpointError as error:
        print(error)
whole.check_folder("/runs")
print(os.listdir("/"))
"""


def test_the_root_of_all_files_is_no_folder_for_results(tmp_path):
    if not hasattr(os, "chroot") or os.geteuid():
        pytest.skip("only root makes another root")
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-c", IN_A_SMALL_ROOT, str(tmp_path)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if "Operation not permitted" in found.stderr:
        pytest.skip("not even root may here")
    lines = found.stdout.splitlines()
    assert found.returncode == 0 and len(lines) == 4, found.stderr
    assert [line.split(",")[0] for line in lines[:3]] == [
        "/ cannot be written: it is the root of all files",
        "/ cannot be written: it is a folder",
        "/../.. cannot be written: it is the root of all files",
    ]
    assert lines[3] == "['tmp']"


@pytest.fixture
def nobody():
    """A folder that everybody reads, and this process as a user who may write nowhere in it."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "page").write_bytes(BEFORE)
        (folder / "page").chmod(0o444)
        (folder / "open").mkdir()
        (folder / "open").chmod(0o777)
        (folder / "open" / "page").write_bytes(BEFORE)
        (folder / "open" / "page").chmod(0o444)
        (folder / "link").symlink_to("page")
        if root:
            os.seteuid(65534)
        else:
            folder.chmod(0o555)
        yield folder
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.parametrize("name", ["page", "new", "link", "open/page"])
def test_a_file_that_is_write_protected(nobody, name):
    before = state(nobody)
    for ask in (check_writable, lambda path: write_atomically(path, b"results")):
        with pytest.raises(CheckpointError, match="cannot be written .*(Permission denied|Read-only)"):
            ask(nobody / name)
    assert state(nobody) == before


@pytest.mark.parametrize("name", ["runs", "page", "."])
def test_a_folder_that_is_write_protected(nobody, name):
    before = state(nobody)
    with pytest.raises(CheckpointError, match="cannot be written"):
        make_folder(nobody / name)
    assert state(nobody) == before


def test_a_place_in_use_by_another_process(folder):
    """Its half is never taken for ours: who comes second writes, who came first is told."""
    with pytest.raises(OSError, match="another process writes it too"):
        with written_whole("page") as file:
            file.write(b"first")
            write_atomically("page", b"second")
    assert state(folder).keys() == {"page"} and Path("page").read_bytes() == b"second"


def test_what_lies_under_the_name_of_the_temporary_file_is_not_written_to(folder):
    Path("mine").write_bytes(BEFORE)
    Path(".page.tmp").symlink_to("mine")
    write_atomically("page", b"results")
    assert Path("mine").read_bytes() == BEFORE and Path("page").read_bytes() == b"results"


SHOWN = "import sys; from minires.files.whole import write_atomically; print('before', flush=True); {}; print('after')"


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "out"])
@pytest.mark.parametrize("to", ["file", "pipe"])
def test_standard_output_as_a_file(folder, name, to):
    """What was printed before stays, what is printed after comes behind."""
    if name == "out" and to == "pipe" or not os.path.exists("/dev/stdout"):
        pytest.skip("no such thing")
    command = [sys.executable, "-c", SHOWN.format(f"write_atomically({name!r}, b'page\\n')")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    if to == "file":
        with open("out", "wb") as out:
            subprocess.run(command, stdout=out, check=True, env=environment)
        text = Path("out").read_bytes()
    else:
        text = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment).stdout
    assert text == b"before\npage\nafter\n"


def test_a_run_in_a_folder_with_files_of_others(folder):
    """A config.json may belong to anybody; fit stops before anything is replaced."""
    for name in ("config.json", "curves.png"):
        run_dir = folder / name / "run"
        run_dir.mkdir(parents=True)
        (run_dir / name).write_bytes(BEFORE)
        before = state(run_dir)
        with pytest.raises(Exception, match=f"holds {name}, which would be replaced, expected none"):
            fit(config(run_dir), model=model(), data=data())
        assert state(run_dir) == before


def test_a_run_through_links(folder):
    """The run folder is a link, and so are its files; all stay links."""
    (folder / "disk").mkdir()
    (folder / "run").symlink_to("disk")
    for name in ("config.json", "metrics.jsonl", "checkpoint.safetensors", "curves.png"):
        (folder / "disk" / name).symlink_to(folder / f"real {name}")
    fit(config("run", epochs=1), model=model(), data=data())
    for path in (folder / "disk").iterdir():
        assert path.is_symlink() and path.is_file(), path
    assert load_checkpoint("run").position.epoch == 1


def test_permissions_are_kept_whatever_the_mask(folder):
    for mode in (0o600, 0o664, 0o777):
        Path("page").write_bytes(BEFORE)
        os.chmod("page", mode)
        write_atomically("page", np.arange(3).tobytes())
        assert stat.S_IMODE(os.stat("page").st_mode) == mode
