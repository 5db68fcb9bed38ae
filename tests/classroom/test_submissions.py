"""What is handed in comes as files, folders, archives and notebooks, and is read without being run."""

import io
import json
import os
import zipfile

import pytest

from minires.classroom.submissions import LARGEST, collect

CODE = "import numpy as np\n\n\ndef relu_forward(x):\n    return np.maximum(x, 0), x > 0\n"
SHORT = "def relu_forward(x):\n    return maximum(x, ZERO), x > ZERO\n"
USES_IT = "def relu_forward(x):\n    return most(x), x > 0\n"
FUNCTIONS = ["relu_forward", "relu_backward"]


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": kind, "source": source} for kind, source in cells]}).encode()


def archive(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name.replace("__", "/").replace("_py", ".py"), content)
    return data.getvalue()


def one(tmp_path, name, content):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (found,) = collect(tmp_path, "losses", FUNCTIONS)
    return found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ada.py", CODE),
        ("ada.py", "\ufeff" + CODE),
        ("ada/losses.py", CODE),
        ("ada/mine.py", CODE),
        ("ada.zip", archive(losses_py=CODE)),
        ("ada.zip", archive(hw3__losses_py=CODE, hw3__notes_py="x = 1")),
        ("ada.ipynb", notebook(("markdown", "# Mine"), ("code", CODE), ("code", ["%matplotlib inline\n", "1 / 0\n"]))),
        ("ada.ipynb", notebook(("code", "import numpy as np"), ("code", "this is no code"), ("code", CODE))),
        (
            "ada.ipynb",
            notebook(("code", "from nowhere import check"), ("code", CODE), ("code", "y = check(relu_forward)")),
        ),
        (
            "ada.ipynb",
            notebook(("code", "from numpy import *\nZERO: int = 0"), ("code", SHORT), ("code", "a, b = 1 / ZERO")),
        ),
        ("ada.ipynb", notebook(("code", "def most(x): return max(x, LEAST)\nLEAST = 0"), ("code", USES_IT))),
    ],
)
def test_every_form_gives_the_functions(tmp_path, name, content):
    found = one(tmp_path, name, content)
    assert (found.student, found.problem) == ("ada", "")
    names = {}
    exec(found.source, names)
    assert names["relu_forward"](2.0)[0] == 2.0


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("ada.py", "x" * (LARGEST + 1), "ada.py has 1048577 bytes, expected at most 1048576"),
        ("ada.py", b"\xff", "ada.py is no text"),
        ("ada.ipynb", "{", "ada.ipynb is no notebook"),
        ("ada.ipynb", "[]", "ada.ipynb is no notebook"),
        ("ada.ipynb", "[" * 100_000, "ada.ipynb is no "),
        (
            "ada.ipynb",
            notebook(("code", "def relu_forward(x) return x")),
            "a cell with relu_forward: invalid syntax (line 1)|a cell with relu_forward: expected ':' (line 1)",
        ),
        ("ada.zip", b"PK", "the archive cannot be read"),
        ("ada.zip", archive(a_py="", b_py=""), "there are a.py, b.py, expected losses.py"),
        ("ada.zip", archive(losses_py="x" * (LARGEST + 1)), "losses.py has 1048577 bytes"),
        ("ada/notes.txt", "", "there is no losses.py"),
    ],
)
def test_what_cannot_be_taken_says_why(tmp_path, name, content, problem):
    found = one(tmp_path, name, content)
    assert found.source == ""
    assert any(part in found.problem for part in problem.split("|"))


def test_a_folder_with_a_dot_in_its_name_is_one_student_read_or_not(tmp_path):
    for content in ({}, {"losses.py": CODE}):
        folder = tmp_path / str(len(content)) / "ada.l"
        folder.mkdir(parents=True)
        for name, text in content.items():
            (folder / name).write_text(text)
        assert [found.student for found in collect(folder.parent, "losses", FUNCTIONS)] == ["ada.l"]


def test_no_link_is_followed(tmp_path):
    secret = tmp_path / "solution"
    secret.write_text(CODE)
    folder = tmp_path / "handed in"
    folder.mkdir()
    os.symlink(secret, folder / "ada.py")
    os.mkfifo(folder / "bob.py")
    assert [found.problem for found in collect(folder, "losses", FUNCTIONS)] == [
        "ada.py is no regular file",
        "bob.py is no regular file",
    ]


def test_students_come_in_order_and_other_files_are_passed_over(tmp_path):
    for name in ("eve.py", "ada.py", ".hidden.py", "notes.txt"):
        (tmp_path / name).write_text(CODE)
    assert [found.student for found in collect(tmp_path, "losses", FUNCTIONS)] == ["ada", "eve"]
