"""minires tutorials: listed, copied out, and never laid over what somebody has changed."""

import json
import os
import sys

import pytest
from test_cli import ROOT, call, call_json

SOURCES = {path.name: path.read_bytes() for path in (ROOT / "tutorials").glob("*.py")}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_they_are_listed_in_order_with_their_titles():
    code, out, err = call("tutorials")
    lines = out.splitlines()
    assert (code, err) == (0, "") and [line.split()[0] for line in lines[:-1]] == sorted(SOURCES)
    assert lines[0].endswith("1. A layer and its gradient")
    assert lines[-1] == "for example: minires tutorials --to tutorials"
    assert call_json("tutorials")["tutorials"]["01_a_layer_and_its_gradient.py"] == "1. A layer and its gradient"


def test_they_are_copied_byte_for_byte_and_again(tmp_path):
    for _ in range(2):
        code, out, err = call("tutorials", "--to", "new/folder")
        assert (code, err) == (0, "")
        assert out.endswith("for example: python new/folder/01_a_layer_and_its_gradient.py\n")
        assert contents(tmp_path / "new" / "folder") == SOURCES
    assert call_json("tutorials", "--to", "x")["folder"] == "x"


def test_a_changed_file_is_named_and_nothing_is_copied(tmp_path):
    changed = sorted(SOURCES)[1:3]
    for name in changed:
        (tmp_path / name).write_text("mine")
    for options in ([], ["--json"]):
        code, out, err = call("tutorials", "--to", ".", *options)
        assert (code, out) == (1, "") and all(name in err for name in changed) and "another folder" in err
    assert contents(tmp_path) == dict.fromkeys(changed, b"mine")


@pytest.mark.parametrize(
    ("place", "code", "words"),
    [
        ("", 2, "is empty"),
        ("file", 1, "file is no folder"),
        ("file/below", 1, "cannot be written"),
        ("pipe", 1, "pipe is no folder"),
    ],
)
def test_what_is_no_folder_is_refused_and_stays(place, code, words, tmp_path):
    (tmp_path / "file").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    found, out, err = call("tutorials", "--to", place)
    assert (found, out) == (code, "") and words in err
    assert sorted(os.listdir(tmp_path)) == ["file", "pipe"] and (tmp_path / "file").read_text() == "mine"


def test_an_installation_without_them_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules["minires.files.tutorials"], "PLACES", (tmp_path / "gone",))
    code, out, err = call("tutorials")
    assert (code, out) == (1, "") and f"no tutorials in {tmp_path / 'gone'}" in err


def test_json_is_one_object():
    code, out, err = call("tutorials", "--json")
    assert (code, err) == (0, "") and json.loads(out).keys() == {"tutorials", "folder"}
