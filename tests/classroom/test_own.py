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


def test_a_file_of_another_assignment_is_told_from_an_empty_one(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(LINEAR.solution())
    (found,) = check("batchnorm", path)
    words = f"This file has linear_forward, linear_backward: did you mean `minires assign check linear {path}`?"
    assert found.sentences[1:] == (words,)
    assert "这个文件里有 linear_forward, linear_backward：" in check("batchnorm", path, "zh")[0].sentences[1]
    path.write_text("")
    assert len(check("batchnorm", path)[0].sentences) == 1
    assert len(check("batchnorm", {"linear_forward": len})[0].sentences) == 1
