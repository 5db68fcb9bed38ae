"""A student's own file, checked by the student."""

import pytest

from minires.classroom import assignment, check
from minires.errors import DataFileError

LINEAR = assignment("linear")


def test_what_is_wrong_is_named(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(LINEAR.solution().replace("dy.sum(axis=0)", "dy.mean(axis=0)"))
    (found,) = check(LINEAR, path)
    assert found.names == ("Linear.BiasAveraged",)
    assert found.right == ("y", "dx", "dweight")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ndef f(x) return x", "mine.py, line 2: .*mend it first"),
        ("import nowhere", "mine.py cannot be run: ModuleNotFoundError: No module named 'nowhere'"),
        (b"\xff\xfe", "is no text"),
    ],
)
def test_files_that_do_not_run(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataFileError, match=message):
        check(LINEAR, path)


def test_no_file(tmp_path):
    with pytest.raises(DataFileError, match="No such file or directory: name the file of your functions"):
        check(LINEAR, tmp_path / "mine.py")
